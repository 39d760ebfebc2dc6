// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a SIP URI leads: RFC 3263 without a resolver. The machine asks questions and is told answers.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use offhook_sipcore::agent::Transport;
use offhook_sipcore::message::{Tokens, Uri};

use crate::config::transport;

/// A place to send a request to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Target {
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    /// The domain that a certificate has to name: the one that was asked for, not what the name system made
    /// of it (RFC 5922 section 4), and that a WebSocket is opened with. Not where an address was asked for.
    pub(crate) name: Option<Arc<str>>,
}

/// A question to the name system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Question {
    /// IPv4 and IPv6 addresses of a host.
    Addresses(String),
    /// Which services a domain offers.
    Naptr(String),
    /// Which hosts offer a service.
    Srv(String),
}

/// An answer; nothing found is an empty list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Addresses(Vec<IpAddr>),
    Naptr(Vec<Naptr>),
    Srv(Vec<Srv>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Naptr {
    pub(crate) order: u16,
    pub(crate) preference: u16,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`.
    pub(crate) service: String,
    pub(crate) replacement: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Srv {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    pub(crate) host: String,
}

/// What to do next.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Ask(Question),
    /// Every place, best first; empty when there is none.
    Found(Vec<Target>),
}

/// How many places are tried at most: a hostile zone must not keep us busy.
const MAX_TARGETS: usize = 16;

/// One look-up.
#[derive(Debug)]
pub(crate) struct Lookup {
    host: String,
    /// Transports that may be used, in our order of preference.
    allowed: Vec<Transport>,
    secure: bool,
    waiting: VecDeque<Pending>,
    found: Vec<Target>,
}

#[derive(Debug)]
enum Pending {
    Naptr,
    Srv { name: String, transport: Transport, last: bool },
    Host { host: String, port: u16, transport: Transport },
}

impl Lookup {
    /// Begins to look for a URI. `allowed` are the transports that we have sockets for, best first.
    pub(crate) fn start(uri: &Uri, allowed: &[Transport]) -> (Self, Step) {
        let host = uri.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let mut lookup = Self {
            host,
            allowed: allowed.to_vec(),
            secure: uri.is_sips(),
            waiting: VecDeque::new(),
            found: Vec::new(),
        };
        lookup.plan(uri);
        let step = lookup.next();
        (lookup, step)
    }

    /// Section 4.1 and 4.2: what is written in the URI decides what has to be asked.
    fn plan(&mut self, uri: &Uri) {
        let written = uri.param("transport").flatten().and_then(transport);
        let usual = if self.secure { Transport::Tls } else { Transport::Udp };
        let usual = if self.allowed.contains(&usual) { usual } else { self.first_allowed(usual) };
        let chosen = match written {
            Some(Transport::Tcp) if self.secure => Some(Transport::Tls),
            Some(Transport::Ws) if self.secure => Some(Transport::Wss),
            other => other,
        };
        if let Some(ip) = uri.ip() {
            let transport = chosen.unwrap_or(usual);
            let port = uri.port().unwrap_or_else(|| transport.port());
            self.found.push(Target { transport, address: SocketAddr::new(ip, port), name: None });
        } else if let Some(port) = uri.port() {
            let transport = chosen.unwrap_or(usual);
            self.waiting.push_back(Pending::Host { host: self.host.clone(), port, transport });
        } else if let Some(transport) = chosen.filter(|chosen| chosen.is_web_socket()) {
            // Web servers are found by their name alone.
            let port = transport.port();
            self.waiting.push_back(Pending::Host { host: self.host.clone(), port, transport });
        } else if let Some(transport) = chosen {
            let name = srv_name(&self.host, transport);
            self.waiting.push_back(Pending::Srv { name, transport, last: true });
        } else {
            self.waiting.push_back(Pending::Naptr);
        }
    }

    fn first_allowed(&self, otherwise: Transport) -> Transport {
        let fits = |t: &&Transport| !self.secure || **t == Transport::Tls;
        self.allowed.iter().find(fits).copied().unwrap_or(otherwise)
    }

    /// Takes the answer to the last question.
    pub(crate) fn answer(&mut self, answer: &Answer, tokens: &mut Tokens) -> Step {
        let Some(asked) = self.waiting.pop_front() else { return self.next() };
        match (asked, answer) {
            (Pending::Naptr, Answer::Naptr(rows)) => self.naptr(rows.clone()),
            (Pending::Srv { transport, last, .. }, Answer::Srv(rows)) => {
                self.srv(rows.clone(), transport, last, tokens);
            }
            (Pending::Host { port, transport, .. }, Answer::Addresses(addresses)) => {
                let is_named = transport == Transport::Tls || transport.is_web_socket();
                let name = is_named.then(|| Arc::from(self.host.as_str()));
                let target = |ip: &IpAddr| Target {
                    transport,
                    address: SocketAddr::new(*ip, port),
                    name: name.clone(),
                };
                self.found.extend(addresses.iter().map(target));
            }
            // An answer of another kind than the question says nothing.
            _ => {}
        }
        self.next()
    }

    fn next(&mut self) -> Step {
        if self.found.len() >= MAX_TARGETS {
            self.waiting.clear();
            self.found.truncate(MAX_TARGETS);
        }
        match self.waiting.front() {
            None => Step::Found(std::mem::take(&mut self.found)),
            Some(Pending::Naptr) => Step::Ask(Question::Naptr(self.host.clone())),
            Some(Pending::Srv { name, .. }) => Step::Ask(Question::Srv(name.clone())),
            Some(Pending::Host { host, .. }) => Step::Ask(Question::Addresses(host.clone())),
        }
    }

    fn naptr(&mut self, mut rows: Vec<Naptr>) {
        rows.sort_by_key(|row| (row.order, row.preference));
        for row in rows {
            let transport = match row.service.to_ascii_uppercase().as_str() {
                "SIP+D2U" if !self.secure => Transport::Udp,
                "SIP+D2T" if !self.secure => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                _ => continue,
            };
            if self.allowed.contains(&transport) {
                self.waiting.push_back(Pending::Srv { name: row.replacement, transport, last: false });
            }
        }
        if self.waiting.is_empty() {
            // No NAPTR of use: ask for each service that we can speak, then for the host itself.
            for transport in self.allowed.clone() {
                if !self.secure || transport == Transport::Tls {
                    let name = srv_name(&self.host, transport);
                    self.waiting.push_back(Pending::Srv { name, transport, last: false });
                }
            }
        }
        if let Some(Pending::Srv { last, .. }) = self.waiting.back_mut() {
            *last = true;
        }
    }

    fn srv(&mut self, rows: Vec<Srv>, transport: Transport, last: bool, tokens: &mut Tokens) {
        for row in ordered(rows, tokens).into_iter().rev() {
            if row.host != "." && !row.host.is_empty() {
                let host = row.host.trim_end_matches('.').to_owned();
                self.waiting.push_front(Pending::Host { host, port: row.port, transport });
            }
        }
        let nothing = self.waiting.is_empty() && self.found.is_empty();
        if last && nothing {
            // Section 4.2: no SRV at all, so the host with the default port.
            let usual = if self.secure { Transport::Tls } else { transport };
            let host = self.host.clone();
            self.waiting.push_back(Pending::Host { host, port: usual.port(), transport: usual });
        }
    }
}

fn srv_name(host: &str, transport: Transport) -> String {
    let prefix = match transport {
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        _ => "_sip._udp",
    };
    format!("{prefix}.{host}")
}

/// RFC 2782: by priority, and within one priority at random by weight.
fn ordered(mut rows: Vec<Srv>, tokens: &mut Tokens) -> Vec<Srv> {
    rows.truncate(MAX_TARGETS * 2);
    rows.sort_by_key(|row| (row.priority, row.weight));
    let mut sorted = Vec::with_capacity(rows.len());
    while let Some(priority) = rows.first().map(|row| row.priority) {
        let group = rows.iter().take_while(|row| row.priority == priority).count();
        let total: u64 = rows[..group].iter().map(|row| u64::from(row.weight)).sum();
        let drawn = u64::from_le_bytes(tokens.bytes()) % (total + 1);
        let mut sum = 0;
        let reaches = |row: &Srv| {
            sum += u64::from(row.weight);
            sum >= drawn
        };
        let chosen = rows[..group].iter().position(reaches).unwrap_or(0);
        sorted.push(rows.remove(chosen));
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    fn at(text: &str, transport: Transport) -> Target {
        Target { transport, address: text.parse().unwrap(), name: None }
    }

    fn srv(priority: u16, weight: u16, port: u16, host: &str) -> Srv {
        Srv { priority, weight, port, host: host.to_owned() }
    }

    #[test]
    fn a_numeric_host_asks_nothing() {
        for (text, wanted) in [
            ("sip:a@192.0.2.1", at("192.0.2.1:5060", Transport::Udp)),
            ("sip:a@192.0.2.1:5070;transport=tcp", at("192.0.2.1:5070", Transport::Tcp)),
            ("sips:a@192.0.2.1", at("192.0.2.1:5061", Transport::Tls)),
            ("sip:a@[2001:db8::1];transport=tls", at("[2001:db8::1]:5061", Transport::Tls)),
            ("sip:a@192.0.2.1;transport=ws", at("192.0.2.1:80", Transport::Ws)),
            ("sips:a@192.0.2.1;transport=ws", at("192.0.2.1:443", Transport::Wss)),
            ("sip:a@192.0.2.1:8443;transport=wss", at("192.0.2.1:8443", Transport::Wss)),
        ] {
            assert_eq!(Lookup::start(&uri(text), &ALL).1, Step::Found(vec![wanted]), "{text}");
        }
    }

    #[test]
    fn a_port_means_no_srv() {
        let (mut lookup, step) = Lookup::start(&uri("sip:a@example.org:5080"), &ALL);
        assert_eq!(step, Step::Ask(Question::Addresses("example.org".to_owned())));
        let answer = Answer::Addresses(vec!["192.0.2.7".parse().unwrap()]);
        let step = lookup.answer(&answer, &mut Tokens::from_seed(1));
        assert_eq!(step, Step::Found(vec![at("192.0.2.7:5080", Transport::Udp)]));
    }

    #[test]
    fn naptr_leads_to_srv_leads_to_addresses() {
        let mut tokens = Tokens::from_seed(1);
        let (mut lookup, step) = Lookup::start(&uri("sip:a@example.org"), &ALL);
        assert_eq!(step, Step::Ask(Question::Naptr("example.org".to_owned())));
        let row = |order, service: &str, replacement: &str| Naptr {
            order,
            preference: 1,
            service: service.to_owned(),
            replacement: replacement.to_owned(),
        };
        let rows =
            vec![row(20, "SIP+D2U", "_sip._udp.example.org"), row(10, "SIP+D2T", "_sip._tcp.example.org")];
        let step = lookup.answer(&Answer::Naptr(rows), &mut tokens);
        assert_eq!(step, Step::Ask(Question::Srv("_sip._tcp.example.org".to_owned())));
        let rows = vec![srv(1, 0, 5062, "one.example.org"), srv(2, 0, 5063, "two.example.org")];
        let step = lookup.answer(&Answer::Srv(rows), &mut tokens);
        assert_eq!(step, Step::Ask(Question::Addresses("one.example.org".to_owned())));
        let one = Answer::Addresses(vec!["192.0.2.1".parse().unwrap()]);
        lookup.answer(&one, &mut tokens);
        let two = Answer::Addresses(vec!["192.0.2.2".parse().unwrap()]);
        let step = lookup.answer(&two, &mut tokens);
        assert_eq!(step, Step::Ask(Question::Srv("_sip._udp.example.org".to_owned())));
        let step = lookup.answer(&Answer::Srv(Vec::new()), &mut tokens);
        let wanted = vec![at("192.0.2.1:5062", Transport::Tcp), at("192.0.2.2:5063", Transport::Tcp)];
        assert_eq!(step, Step::Found(wanted));
    }

    #[test]
    fn without_any_record_the_host_itself_is_tried() {
        let mut tokens = Tokens::from_seed(1);
        let (mut lookup, _) = Lookup::start(&uri("sip:a@example.org"), &[Transport::Udp]);
        assert_eq!(
            lookup.answer(&Answer::Naptr(Vec::new()), &mut tokens),
            Step::Ask(Question::Srv("_sip._udp.example.org".to_owned()))
        );
        assert_eq!(
            lookup.answer(&Answer::Srv(Vec::new()), &mut tokens),
            Step::Ask(Question::Addresses("example.org".to_owned()))
        );
        assert_eq!(lookup.answer(&Answer::Addresses(Vec::new()), &mut tokens), Step::Found(Vec::new()));
    }

    #[test]
    fn weights_share_the_first_place() {
        let mut tokens = Tokens::from_seed(3);
        let rows = vec![srv(1, 90, 1, "heavy"), srv(1, 10, 2, "light"), srv(2, 0, 3, "last")];
        let mut heavy = 0;
        for _ in 0..1000 {
            let sorted = ordered(rows.clone(), &mut tokens);
            assert_eq!(sorted[2].host, "last");
            heavy += u32::from(sorted[0].host == "heavy");
        }
        assert!((850..950).contains(&heavy), "{heavy}");
    }

    #[test]
    fn a_hostile_zone_is_cut_short() {
        let mut tokens = Tokens::from_seed(1);
        let (mut lookup, _) = Lookup::start(&uri("sip:a@example.org;transport=udp"), &ALL);
        let rows = (0..5000).map(|n| srv(1, 1, n, "host.example.org")).collect();
        let mut step = lookup.answer(&Answer::Srv(rows), &mut tokens);
        let mut questions = 0;
        while let Step::Ask(_) = step {
            questions += 1;
            let addresses = (0..=255).map(|n| IpAddr::from([192, 0, 2, n])).collect();
            step = lookup.answer(&Answer::Addresses(addresses), &mut tokens);
        }
        assert!(questions <= 2 * MAX_TARGETS);
        assert!(matches!(step, Step::Found(targets) if targets.len() == MAX_TARGETS));
    }
}
