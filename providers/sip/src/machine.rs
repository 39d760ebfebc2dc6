// SPDX-License-Identifier: MIT OR Apache-2.0
//! The provider as a pure machine: commands of the core, messages of the network and answers of the name
//! system go in; events, messages and questions come out.
//!
//! `outgoing` is a call of ours, `incoming` one of theirs, `media` the descriptions that go between the
//! network and the MSP, `consulting`, `transfer` and `standing` what two calls have to do with each other,
//! `registering` the accounts.

mod body;
mod conference;
mod consulting;
mod digits;
mod ending;
mod forwarding;
mod gate;
mod incoming;
mod keeping;
mod media;
mod outgoing;
mod parties;
mod registering;
mod settings;
mod standing;
#[cfg(test)]
mod tests;
mod transfer;
mod watching;
mod ways;
mod within;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use offhook_sipcore::agent::{
    Agent, Command, DialogId, Event, Failure, Flow, FlowId, Input as AgentInput, InviteId, Output,
    RequestId as SipRequestId, Transport,
};
use offhook_sipcore::bytes::Bytes;
use offhook_sipcore::message::{Headers, Message, Response, Tokens};
use offhook_spi::{
    CallKey, CallOp, CallState, Completion, LineKey, LineOp, Machine, Moment, Refusal, RefusalKind, Reply,
    RequestId, SessionKey, StateKind, TspCommand, TspEvent,
};

use crate::call::{Call, Closing, Consult};
use crate::config::{ConfigError, SipConfig};
use crate::line::Lines;
use crate::location::{Answer, Lookup, Question};
pub(crate) use conference::Seating;
pub(crate) use digits::Sending;
pub(crate) use ways::host_of;
use ways::name_addr;

/// A socket that is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket {
    pub(crate) id: FlowId,
    pub(crate) transport: Transport,
    /// As others see it; never an unspecified address.
    pub(crate) local: SocketAddr,
}

/// What may happen to the provider.
#[derive(Debug)]
pub(crate) enum Input {
    Answered {
        lookup: LookupId,
        answer: Answer,
    },
    Command(TspCommand),
    FlowClosed {
        flow: FlowId,
    },
    FlowFailed {
        flow: FlowId,
        remote: SocketAddr,
    },
    /// The host has gone: every line closes.
    Leave,
    Receive {
        flow: Flow,
        message: Message,
    },
}

/// What the provider wants done.
#[derive(Debug)]
pub(crate) enum ToDo {
    Ask {
        lookup: LookupId,
        question: Question,
    },
    /// The certificate at the other end of a connection to come must name this domain.
    Expect {
        flow: FlowId,
        name: Arc<str>,
    },
    Tell(TspEvent),
    /// Send bytes; a connection that is not there is opened.
    Transmit {
        flow: Flow,
        bytes: Bytes,
    },
}

/// Whom a look-up is for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum LookupId {
    Call(u64),
    Dialog(InviteId, DialogId),
    Line(LineKey),
}

/// What a request of ours that is no call is for.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// A digit of this call.
    Digit(u64),
    /// The last word within a call that is to end: BYE follows.
    Farewell(InviteId),
    /// A transfer of this call.
    Refer(u64),
    Register(LineKey),
    /// How it goes whom we were referred to.
    Report,
    /// A subscription.
    Watch(usize),
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Alarm {
    KeepAlive(FlowId, SocketAddr),
    Locate(LineKey),
    NoAnswer(u64),
    Register(LineKey),
    Transfer(u64),
    Unanswered(u64),
    Watch(usize),
}

/// The SIP provider without sockets.
#[derive(Debug)]
pub(crate) struct SipMachine {
    config: SipConfig,
    agent: Agent,
    tokens: Tokens,
    lines: Lines,
    sockets: Vec<Socket>,
    /// Our host where nobody can reach us but by the connection that we have opened.
    nowhere: String,
    /// Connections, by where they lead and which domain their certificate had to name.
    streams: HashMap<(Transport, SocketAddr, Option<Arc<str>>), FlowId>,
    calls: HashMap<u64, Call>,
    by_key: HashMap<CallKey, u64>,
    by_invite: HashMap<InviteId, u64>,
    conferences: BTreeMap<CallKey, conference::Conference>,
    /// Calls that are over for the core and not for the network.
    closing: HashMap<InviteId, Closing>,
    per_source: HashMap<IpAddr, usize>,
    sources: HashMap<u64, IpAddr>,
    requests: HashMap<SipRequestId, Asked>,
    lookups: HashMap<LookupId, (Lookup, Option<Flow>)>,
    /// Where each registrar was found.
    registrars: registering::Registrars,
    keeping: keeping::Keeping,
    alarms: BTreeMap<(Moment, u64), Alarm>,
    gates: gate::Gates,
    watching: watching::Watching,
    /// The time of what is being handled.
    now: Moment,
    serial: u64,
    provider_serial: u64,
    /// Numbers of connections that we ask to be opened; the driver numbers those of others evenly.
    stream_serial: u64,
    out: VecDeque<ToDo>,
}

impl SipMachine {
    pub(crate) fn new(config: SipConfig, sockets: Vec<Socket>, seed: [u8; 32]) -> Result<Self, ConfigError> {
        let mut tokens = Tokens::new(seed);
        let lines = Lines::new(&config.lines, config.instance.as_deref(), &mut tokens)?;
        let nowhere = format!("{:016x}.invalid", u64::from_le_bytes(tokens.bytes()));
        let agent_config = settings::agent(&config);
        let agent = Agent::new(agent_config, Tokens::new(tokens.bytes()));
        let gates = gate::Gates::new(&config.lines, &mut tokens);
        let watching = watching::Watching::new(&lines)?;
        Ok(Self {
            config,
            agent,
            tokens,
            lines,
            sockets,
            nowhere,
            streams: HashMap::new(),
            calls: HashMap::new(),
            by_key: HashMap::new(),
            by_invite: HashMap::new(),
            conferences: BTreeMap::new(),
            closing: HashMap::new(),
            per_source: HashMap::new(),
            sources: HashMap::new(),
            requests: HashMap::new(),
            lookups: HashMap::new(),
            registrars: registering::Registrars::default(),
            keeping: keeping::Keeping::default(),
            alarms: BTreeMap::new(),
            gates,
            watching,
            now: Moment::ZERO,
            serial: 0,
            provider_serial: 0,
            stream_serial: 1,
            out: VecDeque::new(),
        })
    }

    fn command(&mut self, now: Moment, command: TspCommand) {
        match command {
            TspCommand::Hello { .. } => self.announce(),
            TspCommand::Open { request, line } => self.open(now, request, line),
            TspCommand::Close { line } => self.close(now, line),
            TspCommand::Call { request, line, call, session, op } => match op {
                CallOp::MakeCall { to, params } => {
                    self.make_call(now, request, line, call, session, &to, *params);
                }
                op => self.operate(now, request, call, session, op),
            },
            TspCommand::Relay { call, data, .. } => self.relayed(now, call, &data),
            TspCommand::Session { call, session } => self.session(call, session),
            TspCommand::Abandon { request } => self.abandon(request),
            TspCommand::Line { request, line, op } => {
                if let LineOp::Forward { address, rules } = op {
                    return self.forward(request, line, address, rules);
                }
                let refusal = Refusal::unsupported(format_args!("{line}"), op.required());
                self.reply(request, Err(refusal));
            }
            TspCommand::Phone { request, .. } => {
                let refusal = Refusal::new(RefusalKind::Gone, "the SIP provider has no phones");
                self.reply(request, Err(refusal));
            }
            _ => {}
        }
    }

    fn announce(&mut self) {
        let (host, port) = self.own_host();
        let ups: Vec<TspEvent> = self.lines.iter().map(|(key, line)| line.up(key, &host, port)).collect();
        ups.into_iter().for_each(|up| self.tell(up));
        self.tell(TspEvent::Ready);
    }

    fn open(&mut self, now: Moment, request: RequestId, key: LineKey) {
        let Some(line) = self.lines.get_mut(key) else {
            let refusal = Refusal::new(RefusalKind::Gone, format!("the SIP provider has no {key}"));
            return self.reply(request, Err(refusal));
        };
        line.open = true;
        self.reply(request, Ok(()));
        self.start_registration(now, key);
    }

    fn close(&mut self, now: Moment, key: LineKey) {
        let Some(line) = self.lines.get_mut(key) else { return };
        line.open = false;
        let mut calls: Vec<u64> =
            self.calls.iter().filter(|(_, call)| call.line == key).map(|(serial, _)| *serial).collect();
        calls.sort_unstable();
        for serial in calls {
            self.hang_up(now, serial, None);
        }
        self.stop_watching(now, key);
        self.stop_registration(now, key);
    }

    fn leave(&mut self, now: Moment) {
        let open: Vec<LineKey> =
            self.lines.iter().filter(|(_, line)| line.open).map(|(key, _)| key).collect();
        open.into_iter().for_each(|key| self.close(now, key));
    }

    /// Whether everybody has heard that calls and registrations are over.
    pub(crate) fn has_left(&self) -> bool {
        self.closing.is_empty() && !self.is_leaving() && !self.is_still_watching()
    }

    fn operate(
        &mut self,
        now: Moment,
        request: RequestId,
        key: CallKey,
        session: Option<SessionKey>,
        op: CallOp,
    ) {
        let name = op.required();
        if !crate::line::can(name) {
            return self.reply(request, Err(Refusal::unsupported(key, name)));
        }
        if self.conferences.contains_key(&key) {
            return self.operate_conference(now, request, key, session, op);
        }
        let Some(serial) = self.by_key.get(&key).copied() else {
            let refusal = Refusal::new(RefusalKind::StaleHandle, format!("{key} has ended"));
            return self.reply(request, Err(refusal));
        };
        match op {
            CallOp::Accept => self.accept(now, request, serial),
            CallOp::Answer => self.answer(now, request, serial),
            CallOp::BlindTransfer { to } => self.blind_transfer(now, request, serial, &to),
            CallOp::CompleteTransfer { consultation, completion: Completion::Conference { conference } } => {
                self.complete_as_conference(now, request, (serial, consultation), conference, session);
            }
            CallOp::CompleteTransfer { consultation, .. } => {
                self.complete_transfer(now, request, serial, consultation);
            }
            CallOp::Dial { digits } => self.dial(now, Some(request), serial, &digits),
            CallOp::Drop { cause } => {
                self.reply(request, Ok(()));
                self.hang_up(now, serial, cause);
            }
            CallOp::GenerateDigits { digits, mode, duration } => {
                self.generate_digits(now, request, serial, digits, (mode, duration));
            }
            // They are told as they come.
            CallOp::MonitorDigits { .. } => self.reply(request, Ok(())),
            CallOp::Hold => self.hold(now, request, serial, true),
            CallOp::Unhold => self.hold(now, request, serial, false),
            CallOp::RemoveFromConference => self.remove_from_conference(now, request, serial),
            CallOp::SetupConference { conference, consultation } => {
                self.setup_conference(now, request, serial, (conference, consultation), session);
            }
            CallOp::Redirect { to } => self.redirect(now, request, serial, &to),
            CallOp::SetupTransfer { consultation, to, params } => {
                let consult = Consult { key: consultation, session, to, params: *params };
                self.setup_transfer(now, request, serial, consult);
            }
            CallOp::SwapHold { with } => self.swap(now, request, serial, with),
            _ => self.reply(request, Err(Refusal::unsupported(key, name))),
        }
    }

    /// Reports a state, unless it is the one that was reported last.
    fn state(&mut self, serial: u64, state: CallState) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let kind = state.kind();
        if call.stands_for.is_some() || call.is_quiet {
            return;
        }
        if call.told == kind && kind != StateKind::Connected {
            return;
        }
        call.told = kind;
        let event = TspEvent::CallState { call: call.key, state, allowed: None };
        self.tell(event);
    }

    fn tell(&mut self, event: TspEvent) {
        self.out.push_back(ToDo::Tell(event));
    }

    fn reply(&mut self, request: RequestId, result: Result<(), Refusal>) {
        let result = match result {
            Ok(()) => Reply::DONE,
            Err(refusal) => Reply::Refused(refusal),
        };
        self.tell(TspEvent::Reply { request, result });
    }

    fn agent(&mut self, now: Moment, command: Command) {
        self.agent.handle(now, AgentInput::Command(command));
    }

    /// Takes all that the agent has to say.
    fn settle(&mut self, now: Moment) {
        while let Some(output) = self.agent.poll() {
            match output {
                Output::Transmit { flow, bytes } => self.out.push_back(ToDo::Transmit { flow, bytes }),
                Output::Locate { id, dialog, uri, before } => {
                    self.locate_dialog(now, id, dialog, &uri, before)
                }
                Output::Event(event) => self.event(now, event),
                _ => {}
            }
        }
    }

    fn event(&mut self, now: Moment, event: Event) {
        match event {
            Event::Incoming { id, request, flow, replaces } => {
                self.incoming(now, id, &request, flow, replaces);
            }
            Event::IncomingRequest { id, invite, request, flow } => {
                self.asked(now, id, invite, &request, &flow);
            }
            Event::RequestDone { id, outcome } => self.request_done(now, id, outcome),
            Event::Acked { id, request } => {
                self.with(id, |machine, serial| machine.acked(now, serial, &request))
            }
            Event::Answered { id, response, .. } => {
                self.with(id, |machine, serial| machine.answered(now, serial, &response));
            }
            Event::Challenged { id, method, uri, response } => {
                self.challenged(now, id, &method, &uri, &response);
            }
            Event::Ended { id, why } => {
                self.closing.remove(&id);
                self.with(id, |machine, serial| machine.ended(now, serial, &why));
            }
            Event::Failed { id, failure } => {
                self.closing.remove(&id);
                self.with(id, |machine, serial| machine.failed(serial, &failure));
            }
            Event::Progress { id, response, .. } => {
                self.with(id, |machine, serial| machine.progress(now, serial, &response));
            }
            Event::Redirected { id, response } => {
                self.closing.remove(&id);
                self.with(id, |machine, serial| machine.redirected(serial, &response));
            }
            Event::ReofferAnswered { id, outcome } => {
                self.with(id, |machine, serial| machine.reoffer_answered(now, serial, outcome));
            }
            Event::Reoffered { id, request } => {
                self.with(id, |machine, serial| machine.reoffered(now, serial, &request));
            }
            Event::ReofferWithdrawn { id } => {
                self.with(id, |machine, serial| machine.reoffer_withdrawn(serial));
            }
            Event::Unreached { id, failure } => {
                if self.closing.contains_key(&id) {
                    self.agent(now, Command::Cancel { id, headers: Headers::new() });
                }
                self.with(id, |machine, serial| machine.unreached(now, serial, &failure));
            }
            _ => {}
        }
    }

    fn with(&mut self, id: InviteId, act: impl FnOnce(&mut Self, u64)) {
        if let Some(serial) = self.by_invite.get(&id).copied() {
            act(self, serial);
        }
    }

    /// A name for a request of ours that is no call.
    fn sip_request(&mut self, asked: Asked) -> SipRequestId {
        self.serial += 1;
        let id = SipRequestId(self.serial);
        self.requests.insert(id, asked);
        id
    }

    fn request_done(&mut self, now: Moment, id: SipRequestId, outcome: Result<Box<Response>, Failure>) {
        match self.requests.remove(&id) {
            Some(Asked::Digit(serial)) => self.digit_sent(now, serial, id, &outcome),
            Some(Asked::Farewell(id)) => self.agent(now, Command::Bye { id, headers: Headers::new() }),
            Some(Asked::Refer(serial)) => self.referred(now, serial, id, outcome),
            Some(Asked::Register(key)) => self.register_done(now, key, id, outcome.ok().as_deref()),
            Some(Asked::Watch(place)) => self.subscribed(now, place, id, outcome.ok().as_deref()),
            Some(Asked::Report) | None => {}
        }
    }

    fn set_alarm(&mut self, at: Moment, alarm: Alarm) -> (Moment, u64) {
        self.serial += 1;
        self.alarms.insert((at, self.serial), alarm);
        (at, self.serial)
    }

    fn wake(&mut self, now: Moment) {
        while let Some(entry) = self.alarms.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Alarm::KeepAlive(flow, remote) => self.send_keep_alive(now, flow, remote),
                Alarm::Locate(key) => self.look_for_registrar(now, key),
                Alarm::NoAnswer(serial) => self.no_answer(now, serial),
                Alarm::Register(key) => self.refresh_registration(now, key),
                Alarm::Transfer(serial) => self.transfer_overdue(now, serial),
                Alarm::Unanswered(serial) => self.unanswered(now, serial),
                Alarm::Watch(place) => self.wake_watch(now, place),
            }
        }
    }
}

impl Machine for SipMachine {
    type Input = Input;
    type Output = ToDo;

    fn handle(&mut self, now: Moment, input: Input) {
        self.now = now;
        match input {
            Input::Answered { lookup, answer } => self.name_answer(now, lookup, &answer),
            Input::Command(command) => self.command(now, command),
            Input::FlowClosed { flow } => {
                self.streams.retain(|_, id| *id != flow);
                self.agent.handle(now, AgentInput::FlowClosed { flow });
                self.registrars_lost(now, flow);
            }
            Input::FlowFailed { flow, remote } => {
                self.streams.retain(|(_, address, _), id| *id != flow || *address != remote);
                self.agent.handle(now, AgentInput::FlowFailed { flow, remote });
            }
            Input::Leave => self.leave(now),
            Input::Receive { flow, message } => {
                if flow.transport.is_stream() {
                    self.streams.entry((flow.transport, flow.remote, None)).or_insert(flow.id);
                }
                self.agent.handle(now, AgentInput::Receive { flow, message });
            }
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.now = now;
        self.wake(now);
        self.agent.handle_timeout(now);
        self.settle(now);
    }

    fn poll(&mut self) -> Option<ToDo> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Moment> {
        let own = self.alarms.first_key_value().map(|(key, _)| key.0);
        [own, self.agent.deadline()].into_iter().flatten().min()
    }
}
