// SPDX-License-Identifier: MIT OR Apache-2.0
//! A virtual network: machines, scripted agents, an MSP for each machine, and a clock that jumps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_sipcore::agent::{
    Agent, Body, Command, Config, DialogName, Event, Flow, FlowId, Input as AgentInput, InviteId, Load,
    Output, Transport,
};
use offhook_sipcore::bytes::Bytes;
use offhook_sipcore::message::{Limits, Message, Method, Request, Response, Status, Tokens};
use offhook_spi::{
    Address, CallKey, CallOp, CallParams, CallState, ConnectedMode, Flowing, LineKey, Machine as _, Moment,
    Refusal, RequestId, SdpMessage, SessionKey, TspCommand, TspEvent, Version,
};

use super::super::{Input, LookupId, SipMachine, Socket, ToDo};
use super::messages::contact;
use crate::call::flow_of;
use crate::config::{LineConfig, SipConfig};
use crate::location::Answer;

/// One message, on its way or lost.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) from: usize,
    to: Option<usize>,
    bytes: Bytes,
}

impl Wire {
    pub(super) fn message(&self) -> Message {
        Message::parse(&self.bytes, &Limits::default()).unwrap()
    }

    /// `INVITE`, `200 INVITE`.
    pub(super) fn kind(&self) -> String {
        match self.message() {
            Message::Request(request) => request.method.to_string(),
            Message::Response(response) => {
                format!("{} {}", response.status.code(), response.headers.cseq().unwrap().method)
            }
        }
    }
}

/// Who writes the descriptions of a machine's calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Msp {
    /// The core names no session.
    Missing,
    /// An MSP that answers at once.
    Prompt,
    /// An MSP that the test plays.
    Slow,
}

enum Kind {
    Machine(Box<SipMachine>),
    Agent(Box<Agent>),
}

/// One end with what it said.
pub(super) struct End {
    kind: Kind,
    pub(super) msp: Msp,
    line: LineKey,
    /// How the MSP wants media to flow, now and before its open offer.
    wish: (Flowing, Flowing),
    /// The question that waits for the name system.
    asked: Option<LookupId>,
    pub(super) told: Vec<TspEvent>,
    pub(super) events: Vec<Event>,
}

type Judge = Box<dyn FnMut(&Wire) -> bool>;

/// Ends 0, 1, 2 … at 192.0.2.1, .2, .3 …; the line of end n is called `user`n.
pub(super) struct World {
    pub(super) now: Moment,
    pub(super) ends: Vec<End>,
    /// Everything that was sent, lost or not.
    pub(super) wire: Vec<Wire>,
    lost: Option<Judge>,
    flying: BinaryHeap<Reverse<(Moment, u64, usize)>>,
    serial: u64,
}

pub(super) fn address(end: usize) -> SocketAddr {
    ([192, 0, 2, u8::try_from(end + 1).unwrap()], 5060).into()
}

pub(super) fn uri(end: usize) -> String {
    format!("sip:user{end}@{}", address(end))
}

/// A description in which sound flows so.
pub(super) fn sdp(flow: Flowing) -> String {
    let flow = match flow {
        Flowing::Both => "sendrecv",
        Flowing::Neither => "inactive",
        Flowing::In => "recvonly",
        Flowing::Out => "sendonly",
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\na={flow}\r\n"
    )
}

pub(super) fn body(flow: Flowing) -> Option<Body> {
    Some(Body::sdp(sdp(flow)))
}

impl World {
    /// Two machines with a prompt MSP each.
    pub(super) fn machines() -> Self {
        Self::parties(2)
    }

    /// So many machines with a prompt MSP each.
    pub(super) fn parties(count: usize) -> Self {
        Self::of((0..count).map(|end| machine(end, |_| {})).collect())
    }

    /// A machine, and an agent that the test plays.
    pub(super) fn scripted() -> Self {
        Self::configured(|_| {})
    }

    /// A machine, and two agents that the test plays.
    pub(super) fn three() -> Self {
        Self::three_with(|_| {})
    }

    /// The same, with a line of the test's own making.
    pub(super) fn three_with(change: impl FnOnce(&mut LineConfig)) -> Self {
        let agent = |seed| {
            let mut config = Config::default();
            config.allow.extend([Method::REFER, Method::NOTIFY]);
            Kind::Agent(Box::new(Agent::new(config, Tokens::from_seed(seed))))
        };
        Self::of(vec![machine(0, change), agent(77), agent(78)])
    }

    /// The same, with a line of the test's own making.
    pub(super) fn configured(change: impl FnOnce(&mut LineConfig)) -> Self {
        let mut config = Config::default();
        config.allow.extend([Method::REFER, Method::NOTIFY]);
        let agent = Agent::new(config, Tokens::from_seed(77));
        Self::of(vec![machine(0, change), Kind::Agent(Box::new(agent))])
    }

    fn of(kinds: Vec<Kind>) -> Self {
        let end = |kind| End {
            kind,
            msp: Msp::Prompt,
            line: LineKey(0),
            wish: (Flowing::Both, Flowing::Both),
            asked: None,
            told: Vec::new(),
            events: Vec::new(),
        };
        let mut world = Self {
            now: Moment::ZERO,
            ends: kinds.into_iter().map(end).collect(),
            wire: Vec::new(),
            lost: None,
            flying: BinaryHeap::new(),
            serial: 0,
        };
        for end in 0..world.ends.len() {
            if matches!(world.ends[end].kind, Kind::Agent(_)) {
                continue;
            }
            world.command(end, TspCommand::Hello { version: Version::CURRENT });
            let up = world.ends[end].told.iter().find_map(|event| match event {
                TspEvent::LineUp { line, .. } => Some(*line),
                _ => None,
            });
            world.ends[end].line = up.unwrap();
            let request = world.request();
            world.command(end, TspCommand::Open { request, line: up.unwrap() });
        }
        world
    }

    pub(super) fn without_msp(mut self) -> Self {
        self.ends.iter_mut().for_each(|end| end.msp = Msp::Missing);
        self
    }

    /// Loses what `judge` says yes to.
    pub(super) fn lose(&mut self, judge: impl FnMut(&Wire) -> bool + 'static) {
        self.lost = Some(Box::new(judge));
    }

    pub(super) fn request(&mut self) -> RequestId {
        self.serial += 1;
        RequestId(self.serial)
    }

    // What the core and the owners of agents do.

    pub(super) fn command(&mut self, end: usize, command: TspCommand) {
        let now = self.now;
        let Kind::Machine(machine) = &mut self.ends[end].kind else { panic!("{end} is no machine") };
        machine.handle(now, Input::Command(command));
        self.drain(end);
    }

    pub(super) fn agent(&mut self, end: usize, command: Command) {
        let now = self.now;
        let Kind::Agent(agent) = &mut self.ends[end].kind else { panic!("{end} is no agent") };
        agent.handle(now, AgentInput::Command(command));
        self.drain(end);
    }

    pub(super) fn op(&mut self, end: usize, call: CallKey, op: CallOp) -> RequestId {
        let (request, line) = (self.request(), self.ends[end].line);
        self.command(end, TspCommand::Call { request, line, call, session: None, op });
        request
    }

    pub(super) fn call(&mut self, end: usize, to: &str) -> CallKey {
        self.call_with(end, to, CallParams::default())
    }

    pub(super) fn call_with(&mut self, end: usize, to: &str, params: CallParams) -> CallKey {
        let (request, line) = (self.request(), self.ends[end].line);
        let call = CallKey::core(request.0);
        let session = (self.ends[end].msp != Msp::Missing).then_some(SessionKey(request.0));
        let op = CallOp::MakeCall { to: Address::new(to), params: Box::new(params) };
        self.command(end, TspCommand::Call { request, line, call, session, op });
        assert!(self.reply(end, request).is_some(), "an outgoing call is there at once, or refused");
        call
    }

    /// Holds a call and makes another about it, with a session of its own.
    pub(super) fn consult(&mut self, end: usize, call: CallKey, to: Option<&str>) -> (RequestId, CallKey) {
        let (request, line) = (self.request(), self.ends[end].line);
        let consultation = CallKey::core(request.0);
        let session = (self.ends[end].msp != Msp::Missing).then_some(SessionKey(request.0));
        let op = CallOp::SetupTransfer { consultation, to: to.map(Address::new), params: Box::default() };
        self.command(end, TspCommand::Call { request, line, call, session, op });
        (request, consultation)
    }

    /// What the MSP of a machine says.
    pub(super) fn say(&mut self, end: usize, call: CallKey, message: SdpMessage) {
        let data = message.into_opaque();
        self.command(end, TspCommand::Relay { call, from: SessionKey(0), data });
    }

    /// An agent answers the newest request that is no INVITE.
    pub(super) fn answer_request(&mut self, end: usize, status: Status) {
        let newest = self.ends[end].events.iter().rev().find_map(|event| match event {
            Event::IncomingRequest { id, .. } => Some(*id),
            _ => None,
        });
        let (id, headers) = (newest.unwrap(), offhook_sipcore::message::Headers::new());
        self.agent(end, Command::RespondTo { id, status, headers, body: None });
        self.run(20);
    }

    /// A line is closed.
    pub(super) fn close(&mut self, end: usize) {
        let line = self.ends[end].line;
        self.command(end, TspCommand::Close { line });
    }

    /// The agent calls the machine at 0.
    pub(super) fn invite(&mut self, request: Request) -> InviteId {
        self.invite_from(1, request)
    }

    pub(super) fn invite_from(&mut self, end: usize, request: Request) -> InviteId {
        self.serial += 1;
        let id = InviteId::Outgoing(self.serial);
        let flow = self.flow(end, 0);
        self.agent(end, Command::Invite { id, request, flow });
        id
    }

    /// A call between 0 and 1 that is up: the key at 0, and what 1 calls it.
    pub(super) fn up(&mut self) -> (CallKey, InviteId) {
        let call = self.call(0, &uri(1));
        self.run(50);
        let id = self.invited();
        let headers = contact(1);
        self.agent(1, Command::Answer { id, status: Status::OK, headers, body: body(Flowing::Both) });
        self.run(50);
        assert_eq!(self.states(0, call).last().unwrap(), "connected");
        self.forget();
        (call, id)
    }

    /// How an agent names its call.
    pub(super) fn dialog(&self, end: usize, id: InviteId) -> DialogName {
        let Kind::Agent(agent) = &self.ends[end].kind else { panic!("{end} is no agent") };
        agent.dialog(id).unwrap()
    }

    /// What the name system says to the question of a machine.
    pub(super) fn name(&mut self, end: usize, answer: Answer) {
        let (now, lookup) = (self.now, self.ends[end].asked.take().unwrap());
        let Kind::Machine(machine) = &mut self.ends[end].kind else { panic!("{end} is no machine") };
        machine.handle(now, Input::Answered { lookup, answer });
        self.drain(end);
    }

    /// A message of the test's own making, from the agent at 1.
    pub(super) fn receive(&mut self, end: usize, message: Message) {
        let (now, flow) = (self.now, self.flow(end, 1));
        let Kind::Machine(machine) = &mut self.ends[end].kind else { panic!("{end} is no machine") };
        machine.handle(now, Input::Receive { flow, message });
        self.drain(end);
    }

    // Time.

    /// Lets milliseconds pass.
    pub(super) fn run(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.step(at);
        }
        self.now = until;
    }

    /// Lets time pass until nothing is left to do; says how long that took.
    pub(super) fn run_out(&mut self) -> Duration {
        let begin = self.now;
        let mut steps = 0;
        while let Some(at) = self.next() {
            self.step(at);
            steps += 1;
            assert!(steps < 5_000, "it never ends: {:?}", self.sent().split_off(self.wire.len() - 20));
        }
        self.now.since(begin)
    }

    fn next(&self) -> Option<Moment> {
        let flying = self.flying.peek().map(|Reverse((at, ..))| *at);
        let deadlines = self.ends.iter().filter_map(|end| match &end.kind {
            Kind::Machine(machine) => machine.deadline(),
            Kind::Agent(agent) => agent.deadline(),
        });
        deadlines.chain(flying).min()
    }

    fn step(&mut self, at: Moment) {
        assert!(at >= self.now, "time does not go back: {at} after {}", self.now);
        self.now = at;
        if let Some(Reverse((due, _, index))) = self.flying.peek().copied()
            && due <= at
        {
            self.flying.pop();
            let wire = self.wire[index].clone();
            let to = wire.to.unwrap();
            let flow = self.flow(to, wire.from);
            match &mut self.ends[to].kind {
                Kind::Machine(machine) => {
                    machine.handle(at, Input::Receive { flow, message: wire.message() });
                }
                Kind::Agent(agent) => {
                    agent.handle(at, AgentInput::Receive { flow, message: wire.message() });
                }
            }
            return self.drain(to);
        }
        for end in 0..self.ends.len() {
            match &mut self.ends[end].kind {
                Kind::Machine(machine) => machine.handle_timeout(at),
                Kind::Agent(agent) => agent.handle_timeout(at),
            }
            self.drain(end);
        }
    }

    fn drain(&mut self, end: usize) {
        loop {
            match &mut self.ends[end].kind {
                Kind::Machine(machine) => match machine.poll() {
                    Some(ToDo::Ask { lookup, .. }) => self.ends[end].asked = Some(lookup),
                    Some(ToDo::Tell(event)) => self.tell(end, event),
                    Some(ToDo::Transmit { flow, bytes }) => self.transmit(end, &flow, bytes),
                    Some(ToDo::Expect { .. }) => {}
                    None => return,
                },
                Kind::Agent(agent) => match agent.poll() {
                    Some(Output::Event(event)) => self.ends[end].events.push(event),
                    Some(Output::Locate { id, dialog, before, .. }) => {
                        self.agent(end, Command::Located { id, dialog, flow: Some(before) });
                    }
                    Some(Output::Transmit { flow, bytes }) => self.transmit(end, &flow, bytes),
                    _ => return,
                },
            }
        }
    }

    fn transmit(&mut self, from: usize, flow: &Flow, bytes: Bytes) {
        let to = (0..self.ends.len()).find(|end| address(*end) == flow.remote);
        let wire = Wire { from, to, bytes };
        let lost = self.lost.as_mut().is_some_and(|judge| judge(&wire));
        self.wire.push(wire);
        if to.is_some() && !lost {
            self.serial += 1;
            let due = self.now + Duration::from_millis(10);
            self.flying.push(Reverse((due, self.serial, self.wire.len() - 1)));
        }
    }

    /// What the core would do with an event: name sessions, and let the MSP answer.
    fn tell(&mut self, end: usize, event: TspEvent) {
        let msp = self.ends[end].msp;
        self.ends[end].told.push(event.clone());
        match event {
            TspEvent::NewCall { call, .. } if msp != Msp::Missing => {
                self.command(end, TspCommand::Session { call, session: SessionKey(call.serial) });
            }
            TspEvent::Relay { call, data, .. } => {
                let message = SdpMessage::from_opaque(&data).unwrap();
                assert!(data.data.len() <= offhook_spi::Opaque::MAX_BYTES, "the core would carry it");
                if msp == Msp::Prompt
                    && let Some(answer) = self.ends[end].answer(&message)
                {
                    self.say(end, call, answer);
                }
            }
            _ => {}
        }
    }

    pub(super) fn flow(&self, from: usize, to: usize) -> Flow {
        Flow { id: FlowId(0), transport: Transport::Udp, local: address(from), remote: address(to) }
    }

    // What tests look at.

    pub(super) fn forget(&mut self) {
        assert!(self.flying.is_empty(), "something is still under way");
        self.wire.clear();
        for end in &mut self.ends {
            end.told.clear();
            end.events.clear();
        }
    }

    /// How a request was answered, if it was; twice is never right.
    pub(super) fn reply(&self, end: usize, asked: RequestId) -> Option<Result<(), Refusal>> {
        let mut replies = self.ends[end].told.iter().filter_map(|event| match event {
            TspEvent::Reply { request, result } if *request == asked => Some(result.clone()),
            _ => None,
        });
        let reply = replies.next();
        assert!(replies.next().is_none(), "{asked:?} was answered twice");
        reply.map(|reply| reply.into_result().map(|_| ()))
    }

    /// The states of a call, in words.
    pub(super) fn states(&self, end: usize, key: CallKey) -> Vec<String> {
        let state = |event: &TspEvent| match event {
            TspEvent::CallState { call, state, .. } | TspEvent::NewCall { call, state, .. }
                if *call == key =>
            {
                Some(match state {
                    CallState::Disconnected { cause } => format!("disconnected {cause:?}"),
                    CallState::Connected { mode: ConnectedMode::ActiveHeld } => "held".to_owned(),
                    state => state.kind().name().to_owned(),
                })
            }
            _ => None,
        };
        self.ends[end].told.iter().filter_map(state).collect()
    }

    /// The call that came to a machine last.
    pub(super) fn offered(&self, end: usize) -> CallKey {
        let new = |event: &TspEvent| match event {
            TspEvent::NewCall { call, .. } => Some(*call),
            _ => None,
        };
        self.ends[end].told.iter().rev().find_map(new).unwrap()
    }

    /// The call of a machine that only received one, whatever was forgotten since.
    pub(super) fn offered_before(&self, end: usize) -> CallKey {
        match &self.ends[end].kind {
            Kind::Machine(machine) => *machine.by_key.keys().next().unwrap(),
            Kind::Agent(_) => panic!("{end} is no machine"),
        }
    }

    /// The line of a machine.
    pub(super) fn line(&self, end: usize) -> LineKey {
        self.ends[end].line
    }

    /// The call that came to the agent last.
    pub(super) fn invited(&self) -> InviteId {
        self.invited_at(1)
    }

    pub(super) fn invited_at(&self, end: usize) -> InviteId {
        let incoming = |event: &Event| match event {
            Event::Incoming { id, .. } => Some(*id),
            _ => None,
        };
        self.ends[end].events.iter().rev().find_map(incoming).unwrap()
    }

    /// What a machine said to the session of a call.
    pub(super) fn relayed(&self, end: usize, key: CallKey) -> Vec<SdpMessage> {
        let relay = |event: &TspEvent| match event {
            TspEvent::Relay { call, data, .. } if *call == key => SdpMessage::from_opaque(data),
            _ => None,
        };
        self.ends[end].told.iter().filter_map(relay).collect()
    }

    /// What was sent, as `from kind`.
    pub(super) fn sent(&self) -> Vec<String> {
        self.wire.iter().map(|wire| format!("{} {}", wire.from, wire.kind())).collect()
    }

    pub(super) fn count(&self, from: usize, kind: &str) -> usize {
        self.wire.iter().filter(|wire| wire.from == from && wire.kind() == kind).count()
    }

    fn last(&self, from: usize, kind: &str) -> Message {
        let hit = self.wire.iter().rev().find(|wire| wire.from == from && wire.kind() == kind);
        hit.unwrap_or_else(|| panic!("{from} sent no {kind}, but {:#?}", self.sent())).message()
    }

    pub(super) fn last_request(&self, from: usize, method: &str) -> Request {
        match self.last(from, method) {
            Message::Request(request) => request,
            Message::Response(_) => panic!("{method} is no method"),
        }
    }

    pub(super) fn last_response(&self, from: usize, kind: &str) -> Response {
        match self.last(from, kind) {
            Message::Response(response) => response,
            Message::Request(_) => panic!("{kind} is no response"),
        }
    }

    /// Fails unless every table of every machine is empty.
    pub(super) fn assert_empty(&self) {
        for end in &self.ends {
            let Kind::Machine(machine) = &end.kind else { continue };
            let tables = [
                machine.calls.len(),
                machine.by_key.len(),
                machine.by_invite.len(),
                machine.closing.len(),
                machine.per_source.len(),
                machine.sources.len(),
                machine.requests.len(),
                machine.lookups.len(),
                machine.alarms.len(),
                machine.conferences.len(),
            ];
            assert_eq!(tables, [0; 10], "something is left");
            assert_eq!(machine.agent.load(), Load::default());
        }
    }
}

impl End {
    /// What an MSP answers that plays by the rules.
    fn answer(&mut self, message: &SdpMessage) -> Option<SdpMessage> {
        match message {
            SdpMessage::OfferWanted { flow } => {
                self.wish = (*flow, self.wish.0);
                Some(SdpMessage::Offer { sdp: sdp(*flow) })
            }
            SdpMessage::Offer { sdp: offer } => {
                let (wish, theirs) = (self.wish.0, flow_of(offer));
                let meet = Flowing::of(wish.sends() && theirs.receives(), wish.receives() && theirs.sends());
                Some(SdpMessage::Answer { sdp: sdp(meet) })
            }
            SdpMessage::Rollback => {
                self.wish.0 = self.wish.1;
                None
            }
            _ => None,
        }
    }
}

fn machine(end: usize, change: impl FnOnce(&mut LineConfig)) -> Kind {
    let mut line = LineConfig::direct(&format!("user{end}"));
    change(&mut line);
    let config = SipConfig { lines: vec![line], ..SipConfig::default() };
    let socket = Socket { id: FlowId(0), transport: Transport::Udp, local: address(end) };
    let seed = [u8::try_from(end).unwrap(); 32];
    Kind::Machine(Box::new(SipMachine::new(config, vec![socket], seed).unwrap()))
}
