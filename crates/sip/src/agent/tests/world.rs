// SPDX-License-Identifier: MIT OR Apache-2.0
//! A virtual network: agents, delays, losses and a clock that jumps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use offhook_spi::{Machine as _, Moment};

use crate::agent::{
    Agent, Body, Command, Config, Event, Flow, FlowId, Input, InviteId, Load, Output, Transport,
};
use crate::message::{Headers, Limits, Message, Method, Request, Status, Tokens, Uri, name};

/// One message on its way, or lost.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) at: Moment,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) bytes: Bytes,
}

impl Wire {
    /// The method of a request, or status and method of a response: `INVITE`, `200 INVITE`.
    pub(super) fn kind(&self) -> String {
        match self.message() {
            Message::Request(request) => request.method.to_string(),
            Message::Response(response) => {
                let method = response.headers.cseq().expect("we write a CSeq").method;
                format!("{} {method}", response.status.code())
            }
        }
    }

    pub(super) fn message(&self) -> Message {
        Message::parse(&self.bytes, &Limits::default()).expect("we write legal messages")
    }

    pub(super) fn request(&self) -> Request {
        match self.message() {
            Message::Request(request) => request,
            Message::Response(response) => panic!("{response:?} is no request"),
        }
    }
}

type Judge = Box<dyn FnMut(&Wire) -> bool>;

/// Agents 0, 1, 2 ... at 192.0.2.1, .2, .3 ...
pub(super) struct World {
    pub(super) now: Moment,
    pub(super) ends: Vec<End>,
    /// Everything that was sent, lost or not.
    pub(super) wire: Vec<Wire>,
    pub(super) delay: Duration,
    /// Random delay on top.
    pub(super) jitter: Duration,
    /// Losses in thousandths.
    pub(super) loss: u64,
    /// Copies in thousandths.
    pub(super) copies: u64,
    pub(super) transport: Transport,
    /// Answers by itself where the owner's decision does not matter.
    pub(super) locates: bool,
    dropped: Option<Judge>,
    flying: BinaryHeap<Reverse<(Moment, u64, usize)>>,
    serial: u64,
    random: u64,
}

/// One agent and what it told its owner.
pub(super) struct End {
    pub(super) agent: Agent,
    pub(super) events: Vec<(Moment, Event)>,
}

impl World {
    pub(super) fn new(ends: usize) -> Self {
        Self::with(ends, 1, &Config::default())
    }

    pub(super) fn with(ends: usize, seed: u64, config: &Config) -> Self {
        let ends = (0..ends)
            .map(|end| {
                let tokens = Tokens::from_seed(seed * 1_000 + end as u64);
                End { agent: Agent::new(config.clone(), tokens), events: Vec::new() }
            })
            .collect();
        Self {
            now: Moment::ZERO,
            ends,
            wire: Vec::new(),
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: 0,
            copies: 0,
            transport: Transport::Udp,
            locates: true,
            dropped: None,
            flying: BinaryHeap::new(),
            serial: 0,
            random: seed ^ 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// Loses what `judge` says yes to.
    pub(super) fn lose(&mut self, judge: impl FnMut(&Wire) -> bool + 'static) {
        self.dropped = Some(Box::new(judge));
    }

    pub(super) fn lose_nothing(&mut self) {
        self.dropped = None;
        self.loss = 0;
    }

    pub(super) fn address(end: usize) -> SocketAddr {
        let last = u8::try_from(end + 1).expect("few agents");
        ([192, 0, 2, last], 5060).into()
    }

    pub(super) fn flow(&self, from: usize, to: usize) -> Flow {
        Flow {
            id: FlowId(1),
            transport: self.transport,
            local: Self::address(from),
            remote: Self::address(to),
        }
    }

    /// One input to one agent, and all that follows at this moment.
    pub(super) fn input(&mut self, end: usize, input: Input) {
        self.ends[end].agent.handle(self.now, input);
        self.drain(end);
    }

    pub(super) fn command(&mut self, end: usize, command: Command) {
        self.input(end, Input::Command(command));
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        self.run_with(time, |_| {});
    }

    /// Lets time pass and lets the owners look after every step.
    pub(super) fn run_with(&mut self, time: Duration, mut look: impl FnMut(&mut Self)) {
        let until = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.step(at);
            look(self);
        }
        self.now = until;
    }

    /// Lets time pass until nothing is left to do; returns when that was.
    pub(super) fn run_out(&mut self) -> Moment {
        let mut steps = 0;
        while let Some(at) = self.next() {
            self.step(at);
            steps += 1;
            assert!(steps < 1_000_000, "it never ends");
        }
        self.now
    }

    fn next(&self) -> Option<Moment> {
        let flying = self.flying.peek().map(|Reverse((at, ..))| *at);
        self.ends.iter().filter_map(|end| end.agent.deadline()).chain(flying).min()
    }

    fn step(&mut self, at: Moment) {
        assert!(at >= self.now, "time does not go back: {at} after {}", self.now);
        self.now = at;
        if let Some(Reverse((due, _, index))) = self.flying.peek().copied()
            && due <= at
        {
            self.flying.pop();
            let wire = self.wire[index].clone();
            let flow = self.flow(wire.to, wire.from);
            self.input(wire.to, Input::Receive { flow, message: wire.message() });
            return;
        }
        for end in 0..self.ends.len() {
            if self.ends[end].agent.deadline().is_some_and(|due| due <= at) {
                self.ends[end].agent.handle_timeout(at);
                self.drain(end);
            }
        }
    }

    fn drain(&mut self, end: usize) {
        let mut located = Vec::new();
        while let Some(output) = self.ends[end].agent.poll() {
            match output {
                Output::Event(event) => self.ends[end].events.push((self.now, event)),
                Output::Transmit { flow, bytes } => self.transmit(end, &flow, &bytes),
                Output::Locate { id, dialog, uri, before } => located.push((id, dialog, uri, before)),
            }
        }
        if !self.locates {
            return;
        }
        for (id, dialog, uri, before) in located {
            let flow = uri.ip().map(|ip| Flow { remote: (ip, uri.port().unwrap_or(5060)).into(), ..before });
            self.command(end, Command::Located { id, dialog, flow });
        }
    }

    fn transmit(&mut self, from: usize, flow: &Flow, bytes: &Bytes) {
        let to = (0..self.ends.len()).find(|end| Self::address(*end) == flow.remote);
        let wire = Wire { at: self.now, from, to: to.unwrap_or(usize::MAX), bytes: bytes.clone() };
        let index = self.wire.len();
        self.wire.push(wire.clone());
        let lost = self.dropped.as_mut().is_some_and(|judge| judge(&wire)) || self.chance(self.loss);
        if to.is_none() || lost {
            return;
        }
        let copies = if self.chance(self.copies) { 2 } else { 1 };
        for _ in 0..copies {
            let jitter = u64::try_from(self.jitter.as_millis()).expect("short");
            let late = if jitter == 0 { 0 } else { self.dice() % jitter };
            self.serial += 1;
            let due = self.now + self.delay + Duration::from_millis(late);
            self.flying.push(Reverse((due, self.serial, index)));
        }
    }

    pub(super) fn chance(&mut self, thousandths: u64) -> bool {
        self.dice() % 1_000 < thousandths
    }

    /// xorshift64*.
    pub(super) fn dice(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Hands bytes of the test's own making to an agent, as if `from` had sent them.
    pub(super) fn inject(&mut self, from: usize, to: usize, text: &str) {
        let bytes = Bytes::from(text.replace("\r\n", "\n").replace('\n', "\r\n"));
        let message = Message::parse(&bytes, &Limits::default()).expect("the test writes legal messages");
        let flow = self.flow(to, from);
        self.input(to, Input::Receive { flow, message });
    }

    // What the owners do.

    /// Agent 0 calls agent `to` with an offer.
    pub(super) fn call(&mut self, to: usize, serial: u64) -> InviteId {
        self.call_with(to, serial, Some(Body::sdp("offer")))
    }

    pub(super) fn call_with(&mut self, to: usize, serial: u64, body: Option<Body>) -> InviteId {
        let id = InviteId::Outgoing(serial);
        let request = invite(0, to, body);
        let flow = self.flow(0, to);
        self.command(0, Command::Invite { id, request, flow });
        id
    }

    pub(super) fn answer(&mut self, end: usize, id: InviteId, status: Status) {
        let body = Some(Body::sdp("answer"));
        self.command(end, Command::Answer { id, status, headers: contact(end), body });
    }

    pub(super) fn reject(&mut self, end: usize, id: InviteId, status: Status) {
        self.command(end, Command::Reject { id, status, headers: Headers::new() });
    }

    pub(super) fn bye(&mut self, end: usize, id: InviteId) {
        self.command(end, Command::Bye { id, headers: Headers::new() });
    }

    pub(super) fn cancel(&mut self, end: usize, id: InviteId) {
        self.command(end, Command::Cancel { id, headers: Headers::new() });
    }

    pub(super) fn reinvite(&mut self, end: usize, id: InviteId) {
        let body = Some(Body::sdp("reoffer"));
        self.command(end, Command::Reinvite { id, headers: Headers::new(), body });
    }

    /// The call that came to an agent last.
    pub(super) fn incoming(&self, end: usize) -> InviteId {
        let id = self.ends[end].events.iter().rev().find_map(|(_, event)| match event {
            Event::Incoming { id, .. } => Some(*id),
            _ => None,
        });
        id.expect("a call came in")
    }

    /// An answered call from 0 to 1, at rest: both names.
    pub(super) fn connected(&mut self) -> (InviteId, InviteId) {
        let ours = self.call(1, 1);
        self.run(Duration::from_millis(50));
        let theirs = self.incoming(1);
        self.answer(1, theirs, Status::OK);
        self.run(Duration::from_millis(50));
        self.forget();
        (ours, theirs)
    }

    /// Forgets what was sent and told.
    pub(super) fn forget(&mut self) {
        for end in &mut self.ends {
            end.events.clear();
        }
        assert!(self.flying.is_empty(), "something is still under way");
        self.wire.clear();
    }

    // What tests look at.

    /// The events of an agent in short: `Progress 180`, `Ended Remote`.
    pub(super) fn told(&self, end: usize) -> Vec<String> {
        self.ends[end].events.iter().map(|(_, event)| short(event)).collect()
    }

    /// What was sent, as `from kind`.
    pub(super) fn sent(&self) -> Vec<String> {
        self.wire.iter().map(|wire| format!("{} {}", wire.from, wire.kind())).collect()
    }

    /// When an agent sent a kind of message, in milliseconds.
    pub(super) fn times(&self, from: usize, kind: &str) -> Vec<u128> {
        let hits = self.wire.iter().filter(|wire| wire.from == from && wire.kind() == kind);
        hits.map(|wire| wire.at.since(Moment::ZERO).as_millis()).collect()
    }

    /// The one request or response of a kind that an agent sent last.
    pub(super) fn last(&self, from: usize, kind: &str) -> &Wire {
        let hit = self.wire.iter().rev().find(|wire| wire.from == from && wire.kind() == kind);
        hit.unwrap_or_else(|| panic!("{from} sent {kind}; sent was {:#?}", self.sent()))
    }

    pub(super) fn count(&self, from: usize, kind: &str) -> usize {
        self.times(from, kind).len()
    }

    /// Fails unless every table of every agent is empty.
    pub(super) fn assert_empty(&self) {
        for (index, end) in self.ends.iter().enumerate() {
            assert_eq!(end.agent.load(), Load::default(), "agent {index}");
            end.agent.assert_empty();
        }
    }

    /// What goes on, for messages of failing tests.
    pub(super) fn ladder(&self) -> String {
        let mut text = String::new();
        for wire in &self.wire {
            writeln!(text, "{} {} -> {} {}", wire.at, wire.from, wire.to, wire.kind()).expect("a string");
        }
        text
    }
}

/// An INVITE from one agent to another, as an owner writes it.
pub(super) fn invite(from: usize, to: usize, body: Option<Body>) -> Request {
    let mut request = request(Method::INVITE, from, to);
    request.headers.push(name::CONTACT, format!("<sip:user{from}@{}>", World::address(from)));
    if let Some(body) = body {
        request.headers.push(name::CONTENT_TYPE, body.kind.as_ref());
        request.body = body.bytes;
    }
    request
}

/// A request outside dialogs, as an owner writes it.
pub(super) fn request(method: Method, from: usize, to: usize) -> Request {
    let uri: Uri = format!("sip:user{to}@{}", World::address(to)).parse().expect("a URI");
    let mut request = Request::new(method, uri);
    request.headers.push(name::FROM, format!("<sip:user{from}@example.com>"));
    request.headers.push(name::TO, format!("<sip:user{to}@example.com>"));
    request
}

/// Headers with an agent's `Contact`.
pub(super) fn contact(end: usize) -> Headers {
    let mut headers = Headers::new();
    headers.push(name::CONTACT, format!("<sip:user{end}@{}>", World::address(end)));
    headers
}

fn short(event: &Event) -> String {
    let text = format!("{event:?}");
    let word = text.split(' ').next().unwrap_or_default().to_owned();
    match event {
        Event::Progress { response, .. } | Event::Redirected { response, .. } => {
            format!("{word} {}", response.status.code())
        }
        Event::Answered { response, .. } => format!("{word} {}", response.status.code()),
        Event::Challenged { method, response, .. } => {
            format!("{word} {method} {}", response.status.code())
        }
        Event::Ended { why, .. } => {
            let why = format!("{why:?}");
            format!("{word} {}", why.split(['(', ' ']).next().unwrap_or_default())
        }
        Event::Failed { failure, .. } | Event::Unreached { failure, .. } => {
            format!("{word} {}", failure_in_short(failure))
        }
        Event::ReofferAnswered { outcome, .. } | Event::RequestDone { outcome, .. } => match outcome {
            Ok(response) => format!("{word} {}", response.status.code()),
            Err(failure) => format!("{word} {}", failure_in_short(failure)),
        },
        Event::IncomingRequest { request, .. } => format!("{word} {}", request.method),
        _ => word,
    }
}

fn failure_in_short(failure: &crate::agent::Failure) -> String {
    use crate::agent::Failure;
    match failure {
        Failure::Refused(response) => response.status.code().to_string(),
        other => {
            let text = format!("{other:?}");
            text.split(['(', ' ']).next().unwrap_or_default().to_owned()
        }
    }
}
