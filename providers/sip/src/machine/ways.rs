// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ways to places: look-ups, flows, and the address that we give as our own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use offhook_sipcore::agent::{Command, DialogId, Flow, FlowId, InviteId, Transport};
use offhook_sipcore::message::{NameAddr, Uri};
use offhook_spi::{LineKey, Moment};

use super::{LookupId, SipMachine, Socket, ToDo};
use crate::line::Line;
use crate::location::{Answer, Lookup, Step, Target};

impl SipMachine {
    /// Where a request in a dialog goes that no known flow leads to.
    pub(super) fn locate_dialog(
        &mut self,
        now: Moment,
        id: InviteId,
        dialog: DialogId,
        uri: &Uri,
        before: Flow,
    ) {
        let (lookup, step) = Lookup::start(uri, &self.transports());
        let whom = LookupId::Dialog(id, dialog);
        self.lookups.insert(whom, (lookup, Some(before)));
        self.looked_up(now, whom, step);
    }

    pub(super) fn looked_up(&mut self, now: Moment, whom: LookupId, step: Step) {
        let targets = match step {
            Step::Ask(question) => return self.out.push_back(ToDo::Ask { lookup: whom, question }),
            Step::Found(targets) => targets,
        };
        let before = self.lookups.remove(&whom).and_then(|(_, before)| before);
        match whom {
            LookupId::Call(serial) => self.located(now, serial, targets),
            LookupId::Line(key) => self.registrar_located(now, key, targets),
            LookupId::Dialog(id, dialog) => {
                let flow = targets.first().and_then(|target| self.flow(target)).or(before);
                self.agent(now, Command::Located { id, dialog, flow });
            }
        }
    }

    pub(super) fn name_answer(&mut self, now: Moment, whom: LookupId, answer: &Answer) {
        let Some((lookup, _)) = self.lookups.get_mut(&whom) else { return };
        let step = lookup.answer(answer, &mut self.tokens);
        self.looked_up(now, whom, step);
    }

    /// Transports that we have, UDP first.
    pub(super) fn transports(&self) -> Vec<Transport> {
        let mut all: Vec<Transport> = Vec::new();
        for wanted in [Transport::Udp, Transport::Tcp, Transport::Tls] {
            if self.sockets.iter().any(|socket| socket.transport == wanted) {
                all.push(wanted);
            }
        }
        // A client needs no listening socket for a stream.
        for stream in [Transport::Tcp, Transport::Tls] {
            if !all.contains(&stream) {
                all.push(stream);
            }
        }
        all
    }

    /// The way to a target: our socket of its family, or a connection to it. One whose certificate had to
    /// name a domain also serves where only its address is asked for, but not another domain.
    pub(super) fn flow(&mut self, target: &Target) -> Option<Flow> {
        let Target { transport, address, ref name } = *target;
        let family = |socket: &&Socket| socket.local.is_ipv4() == address.is_ipv4();
        let own = self.sockets.iter().filter(family).find(|socket| socket.transport == transport).copied();
        if transport == Transport::Udp {
            let socket = own?;
            return Some(Flow { id: socket.id, transport, local: socket.local, remote: address });
        }
        let other = self.sockets.iter().find(family).copied();
        let local = own.or(other).map_or_else(
            || SocketAddr::new(IpAddr::from([127, 0, 0, 1]), transport.port()),
            |socket| socket.local,
        );
        let id = match self.streams.get(&(transport, address, name.clone())) {
            Some(id) => *id,
            None => {
                self.stream_serial += 2;
                let id = FlowId(self.stream_serial);
                self.streams.insert((transport, address, name.clone()), id);
                if let Some(name) = name {
                    self.streams.entry((transport, address, None)).or_insert(id);
                    self.out.push_back(ToDo::Expect { flow: id, name: Arc::clone(name) });
                }
                id
            }
        };
        Some(Flow { id, transport, local, remote: address })
    }

    /// Our own `Contact` for messages on a flow.
    pub(super) fn contact(&self, user: &str, flow: &Flow, public: Option<SocketAddr>) -> Uri {
        let address = match public {
            Some(public) if flow.transport == Transport::Udp => public,
            _ => flow.local,
        };
        // Nobody can connect to us there: who has the connection uses that (RFC 7118 section 5.2).
        let listens = self.sockets.iter().any(|socket| socket.transport == flow.transport);
        if flow.transport.is_web_socket() && !listens {
            return Uri::sip(Some(user), &self.nowhere, None).with_param("transport", Some("ws"));
        }
        let uri = Uri::sip(Some(user), &host_of(address.ip()), Some(address.port()));
        match flow.transport {
            Transport::Udp => uri,
            Transport::Ws | Transport::Wss => uri.with_param("transport", Some("ws")),
            Transport::Tls => uri.with_param("transport", Some("tls")),
            _ => uri.with_param("transport", Some("tcp")),
        }
    }

    /// The same for what begins a dialog, and within one: where calls come by the connection that an account has
    /// opened, so shall the requests of their dialogs (RFC 5626 section 4.3).
    pub(super) fn dialog_contact(&self, line: &Line, flow: &Flow, public: Option<SocketAddr>) -> Uri {
        kept(line, self.contact(&line.user, flow, public))
    }

    /// A registered contact of a line as it stands in dialogs that are no calls.
    pub(super) fn in_dialogs(&self, key: LineKey, contact: Uri) -> Uri {
        match self.lines.get(key) {
            Some(line) => kept(line, contact),
            None => contact,
        }
    }

    /// Host and port at which lines without a domain are called.
    pub(super) fn own_host(&self) -> (String, Option<u16>) {
        match self.sockets.first() {
            Some(socket) => (host_of(socket.local.ip()), Some(socket.local.port())),
            None => ("localhost".to_owned(), None),
        }
    }
}

fn kept(line: &Line, contact: Uri) -> Uri {
    let is_kept = line.registration.as_ref().is_some_and(|registration| registration.is_outbound());
    if is_kept { contact.with_param("ob", None) } else { contact }
}

/// A host as it stands in a URI.
pub(crate) fn host_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// An address header with a display name.
pub(super) fn name_addr(uri: Uri, display: Option<&str>) -> NameAddr {
    match display {
        Some(display) => NameAddr::new(uri).with_display(display),
        None => NameAddr::new(uri),
    }
}
