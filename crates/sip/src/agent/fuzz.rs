// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random inputs into one agent: it must not panic, and everything must end.

use bytes::Bytes;
use offhook_spi::{Machine as _, Moment};

use super::{
    Agent, Body, Command, Config, Event, Flow, FlowId, Input, InviteId, Limits, Output, Reliability,
    RequestId, ServerRequestId, SessionPolicy, Transport,
};
use crate::message::{Headers, Limits as ParseLimits, Message, Method, Request, Status, Tokens, Uri, name};

/// Drives an agent by `data` and checks that nothing is left when all has ended.
///
/// # Panics
///
/// When the agent does, or when it remembers something in the end.
pub fn operations(data: &[u8]) {
    let mut run = Run::new();
    let mut bytes = data.iter().copied();
    while let Some(choice) = bytes.next() {
        run.step(choice, &mut bytes);
    }
    run.finish();
}

struct Run {
    agent: Agent,
    now: Moment,
    calls: Vec<InviteId>,
    requests: Vec<ServerRequestId>,
    /// What the agent sent, to be reflected in one way or another.
    sent: Vec<Message>,
    serial: u64,
}

impl Run {
    fn new() -> Self {
        let limits = Limits { transactions: 50, transactions_per_source: 40, ..Limits::default() };
        let config = Config {
            limits,
            supported: vec!["100rel".to_owned(), "replaces".to_owned()],
            reliability: Reliability::Supported,
            session: Some(SessionPolicy::default()),
            ..Config::default()
        };
        Self {
            agent: Agent::new(config, Tokens::from_seed(1)),
            now: Moment::ZERO,
            calls: Vec::new(),
            requests: Vec::new(),
            sent: Vec::new(),
            serial: 0,
        }
    }

    fn step(&mut self, choice: u8, bytes: &mut impl Iterator<Item = u8>) {
        let mut next = || bytes.next().unwrap_or_default();
        let (one, two, three) = (next(), next(), next());
        match choice % 8 {
            0 => self.pass(u64::from(one) * u64::from(two) * 10),
            1 => self.invite(one),
            2 => self.reflect(one, two, three),
            3 => self.request(one, two, three),
            4 | 5 => self.command(one, two, three),
            6 => self.respond(one, two),
            _ => self.flows(one),
        }
        self.drain();
    }

    fn pass(&mut self, millis: u64) {
        let until = self.now + std::time::Duration::from_millis(millis);
        while let Some(at) = self.agent.deadline().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.agent.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn invite(&mut self, how: u8) {
        self.serial += 1;
        let id = InviteId::Outgoing(self.serial);
        let body = if how & 1 == 0 { "offer" } else { "" };
        let request = message("INVITE", self.serial, "", "", 1, "", body);
        let Some(Message::Request(mut request)) = request else { return };
        request.headers.remove(name::VIA);
        self.calls.push(id);
        self.input(Input::Command(Command::Invite { id, request, flow: flow(how) }));
    }

    /// Answers a request of the agent, or repeats one of its responses at it.
    fn reflect(&mut self, which: u8, status: u8, tag: u8) {
        let count = self.sent.len();
        if count == 0 {
            return;
        }
        let Some(message) = self.sent.get(count - 1 - usize::from(which) % count).cloned() else { return };
        let message = match message {
            Message::Request(request) => {
                let code = STATUSES[usize::from(status) % STATUSES.len()];
                let Some(status) = Status::new(code) else { return };
                let mut response = request.response(status);
                let tagged = request.headers.to().is_ok_and(|to| to.tag().is_some());
                if !tagged {
                    response.headers.set_to_tag(&format!("t{}", tag % 4));
                }
                response.headers.push(name::CONTACT, "<sip:peer@192.0.2.9>");
                extend(&mut response.headers, tag);
                Message::Response(response)
            }
            response @ Message::Response(_) => response,
        };
        self.input(Input::Receive { flow: flow(tag), message });
    }

    /// A request of the far end, outside dialogs or in one of the agent's.
    fn request(&mut self, method: u8, place: u8, number: u8) {
        let method = METHODS[usize::from(method) % METHODS.len()];
        let dialog = self.sent.iter().rev().nth(usize::from(place % 8)).map(|message| {
            let headers = message.headers();
            let ours = matches!(message, Message::Request(_));
            let tag = |address: Result<crate::message::NameAddr, _>| {
                address.ok().and_then(|it| it.tag().map(str::to_owned)).unwrap_or_default()
            };
            let (from, to) = (tag(headers.from()), tag(headers.to()));
            let call = headers.call_id().unwrap_or_default().to_owned();
            if ours { (call, to, from) } else { (call, from, to) }
        });
        self.serial += 1;
        let (call, from, to) = match dialog {
            Some((call, from, to)) if place & 1 == 0 => (call, from, to),
            _ => (String::new(), String::from("f"), String::new()),
        };
        let number = u32::from(number) * 7;
        let message = message(method, self.serial, &from, &to, number, &call, "body");
        if let Some(message) = message {
            self.input(Input::Receive { flow: flow(place), message });
        }
    }

    fn command(&mut self, what: u8, which: u8, how: u8) {
        let count = self.calls.len();
        if count == 0 {
            return;
        }
        let Some(id) = self.calls.get(count - 1 - usize::from(which) % count).copied() else { return };
        let headers = Headers::new();
        let body = Some(Body::sdp("body")).filter(|_| how & 1 == 0);
        self.serial += 1;
        let command = match what % 11 {
            0 => Command::Answer { id, status: Status::RINGING, headers, body },
            1 => Command::Answer { id, status: Status::OK, headers, body },
            2 => Command::Reject { id, status: Status::BUSY_HERE, headers },
            3 => Command::Bye { id, headers },
            4 => Command::Cancel { id, headers },
            5 => Command::AckWith { id, body },
            6 => Command::Reinvite { id, headers, body },
            7 => Command::AnswerReinvite { id, headers, body },
            8 => Command::RejectReinvite { id, status: Status::NOT_ACCEPTABLE_HERE, headers },
            9 => Command::Retry {
                id,
                method: [Method::INVITE, Method::BYE, Method::UPDATE][usize::from(how >> 1) % 3].clone(),
                headers,
                flow: None,
            },
            _ => Command::RequestInDialog {
                id: RequestId(self.serial),
                invite: id,
                method: Method::INFO,
                headers,
                body,
            },
        };
        self.input(Input::Command(command));
    }

    fn respond(&mut self, which: u8, status: u8) {
        let count = self.requests.len();
        if count == 0 {
            return;
        }
        let id = self.requests[usize::from(which) % count];
        let Some(status) = Status::new(STATUSES[usize::from(status) % STATUSES.len()]) else { return };
        self.input(Input::Command(Command::RespondTo { id, status, headers: Headers::new(), body: None }));
    }

    fn flows(&mut self, which: u8) {
        let flow = flow(which);
        if which & 4 == 0 {
            self.input(Input::FlowClosed { flow: flow.id });
        } else {
            self.input(Input::FlowFailed { flow: flow.id, remote: flow.remote });
        }
    }

    fn input(&mut self, input: Input) {
        self.agent.handle(self.now, input);
    }

    fn drain(&mut self) {
        while let Some(output) = self.agent.poll() {
            match output {
                Output::Event(Event::Incoming { id, .. }) => self.calls.push(id),
                Output::Event(Event::IncomingRequest { id, .. }) => self.requests.push(id),
                Output::Event(_) => {}
                Output::Locate { id, dialog, before, uri } => {
                    let known = uri.port().is_none_or(|port| port != 7);
                    let flow = known.then_some(before);
                    self.agent.handle(self.now, Input::Command(Command::Located { id, dialog, flow }));
                }
                Output::Transmit { bytes, .. } => {
                    let message = Message::parse(&bytes, &ParseLimits::default());
                    self.sent.push(message.expect("an agent writes legal messages"));
                }
            }
        }
    }

    /// Ends everything that an owner has to end, and lets all timers run out.
    fn finish(&mut self) {
        self.pass(40_000);
        for id in std::mem::take(&mut self.calls) {
            self.input(Input::Command(Command::Bye { id, headers: Headers::new() }));
            self.drain();
        }
        // An INVITE of ours that got no provisional response ends by Timer B, one that did by CANCEL; then
        // the BYE of a late answer; each takes 64*T1.
        self.pass(400_000);
        for id in std::mem::take(&mut self.calls) {
            self.input(Input::Command(Command::Cancel { id, headers: Headers::new() }));
            self.drain();
        }
        self.pass(400_000);
        self.agent.assert_empty();
    }
}

/// What reliable responses and session timers say, some of it senseless.
fn extend(headers: &mut Headers, how: u8) {
    let rows = [
        (name::SUPPORTED, "100rel, timer"),
        (name::REQUIRE, "100rel"),
        (name::RSEQ, "1"),
        (name::RSEQ, "2"),
        (name::RACK, "1 1 INVITE"),
        (name::SESSION_EXPIRES, "90;refresher=uac"),
        (name::SESSION_EXPIRES, "600;refresher=uas"),
        (name::MIN_SE, "700"),
        (name::ALLOW, "INVITE, UPDATE"),
    ];
    for (place, (name, value)) in (2..).zip(rows) {
        if how % place == 1 {
            headers.push(name, value);
        }
    }
}

const STATUSES: [u16; 17] =
    [100, 180, 183, 200, 200, 202, 302, 401, 407, 404, 408, 481, 486, 487, 491, 503, 422];

const METHODS: [&str; 9] = ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "FROB", "PRACK"];

fn flow(which: u8) -> Flow {
    let transport = match which % 3 {
        0 => Transport::Udp,
        1 => Transport::Tcp,
        _ => Transport::Tls,
    };
    Flow {
        id: FlowId(u64::from(which % 5)),
        transport,
        local: ([192, 0, 2, 1], 5060).into(),
        remote: ([192, 0, 2, 9], 5060).into(),
    }
}

fn message(
    method: &str,
    serial: u64,
    from: &str,
    to: &str,
    number: u32,
    call: &str,
    body: &str,
) -> Option<Message> {
    let uri: Uri = "sip:us@192.0.2.1".parse().ok()?;
    let method = Method::parse(method)?;
    let mut request = Request::new(method.clone(), uri);
    let headers = &mut request.headers;
    let branch = if serial.is_multiple_of(7) { "old" } else { "z9hG4bK" };
    headers.push(name::VIA, format!("SIP/2.0/UDP 192.0.2.9;branch={branch}{}", serial / 2));
    let tag = |tag: &str| if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    headers.push(name::FROM, format!("<sip:a@b>{}", tag(from)));
    headers.push(name::TO, format!("<sip:c@d>{}", tag(to)));
    let own = format!("call{serial}");
    headers.push(name::CALL_ID, if call.is_empty() { own.as_str() } else { call });
    headers.push(name::CSEQ, format!("{number} {method}"));
    headers.push(
        name::CONTACT,
        if serial.is_multiple_of(3) { "<sip:p@far.example:7>" } else { "<sip:p@192.0.2.9>" },
    );
    if serial.is_multiple_of(5) {
        headers.push(name::RECORD_ROUTE, "<sip:192.0.2.8;lr>, <sip:192.0.2.7>");
    }
    extend(headers, u8::try_from(serial % 251).unwrap_or_default());
    request.body = Bytes::copy_from_slice(body.as_bytes());
    Some(Message::Request(request))
}
