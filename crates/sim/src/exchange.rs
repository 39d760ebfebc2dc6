// SPDX-License-Identifier: MIT OR Apache-2.0
//! The simulated exchange: a TSP whose network is a table of scripts. Pure; its driver is
//! [`SimTsp`](crate::SimTsp), its clock in tests is the [`World`](crate::World).

mod calls;
mod completion;
mod conference;
mod consult;
mod far;
mod forward;
mod hearing;
mod phones;
mod services;
mod signals;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use offhook_spi::{
    AddressCaps, AddressKind, CallDirection, CallInfo, CallKey, CallState, Cause, DigitMode, ForwardRule,
    LineCaps, LineKey, Machine, Manifest, MediaSet, Moment, Op, OpSet, Party, PhoneKey, Refusal, RefusalKind,
    Reply, RequestId, SchemaId, SessionKey, SessionWish, TspCommand, TspEvent, VersionRange,
};

use crate::alarm::Alarms;
use crate::conformance::RIG;
use crate::random::Random;
use crate::script::{Script, Step};
use crate::sound::{SIM_SCHEMA, Sound};
use calls::Asked;
use completion::Completion;
use far::FarEnd;
use hearing::Hearing;
use phones::PhoneSet;
pub use phones::Touch;
use services::Parked;
use signals::{ECHO_SCHEMA, Signals};

/// How an exchange is made.
#[derive(Clone, Debug)]
pub struct ExchangeConfig {
    /// Names of its lines; `bob` has the address `sim:bob` and the stable id `bob`.
    pub lines: Vec<String>,
    /// Far ends of its own beside those of [`Script::NAMES`].
    pub scripts: BTreeMap<String, Script>,
    /// Names of its telephone sets, which are their stable ids.
    pub phones: Vec<String>,
    /// Whether its calls have sessions of the counting MSP.
    pub media: bool,
    /// What goes wrong, and how often.
    pub faults: Faults,
    /// Where randomness begins.
    pub seed: u64,
}

/// What goes wrong in the simulated network; 0 means never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// One call in so many meets a congested network.
    pub congestion_one_in: u64,
    /// One call in so many is cut off at some moment of its first minute.
    pub cut_off_one_in: u64,
    /// The network answers requests after up to this time.
    pub slowness: Duration,
}

impl Default for ExchangeConfig {
    /// Two lines, `alice` and `bob`, with media and without faults.
    fn default() -> Self {
        Self {
            lines: vec!["alice".to_owned(), "bob".to_owned()],
            scripts: BTreeMap::new(),
            phones: Vec::new(),
            media: true,
            faults: Faults::default(),
            seed: 1,
        }
    }
}

/// What may happen to the exchange.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ExchangeInput {
    /// The core asks.
    Command(TspCommand),
    /// Somebody calls a line. The far end's steps up to its `Answer` run at once (a caller that gives
    /// up), the others once the line answers.
    Ring {
        /// Number of the line, in the order of the configuration.
        line: LineKey,
        /// Who calls.
        caller: Party,
        /// What the caller does.
        script: Script,
    },
    /// Somebody does something at a phone.
    Phone {
        /// Number of the phone, in the order of the configuration.
        phone: PhoneKey,
        /// What.
        touch: Touch,
    },
    /// A line is pulled out, or put back.
    Plug {
        /// Which.
        line: LineKey,
        /// Whether it is there now.
        present: bool,
    },
}

#[derive(Debug)]
struct Line {
    name: String,
    open: bool,
    present: bool,
    in_service: bool,
    locked: bool,
    message_waiting: bool,
    forwarding: Vec<ForwardRule>,
}

impl Line {
    const fn new(name: String) -> Self {
        Self {
            name,
            open: false,
            present: true,
            in_service: true,
            locked: false,
            message_waiting: false,
            forwarding: Vec::new(),
        }
    }
}

#[derive(Debug)]
struct Call {
    line: LineKey,
    info: Box<CallInfo>,
    session: Option<SessionKey>,
    state: CallState,
    answered: bool,
    far: FarEnd,
    /// What was dialled so far, while more is to come.
    dialled: Option<String>,
    /// The call that this one was started about, or the one started about this.
    consults: Option<CallKey>,
    consulted_by: Option<CallKey>,
    is_conference: bool,
    member_of: Option<CallKey>,
    signals: Signals,
    hearing: Hearing,
    /// Alarms with an older ticket are void.
    ticket: u64,
}

impl Call {
    fn new(line: LineKey, far: FarEnd, info: CallInfo) -> Self {
        Self {
            line,
            info: Box::new(info),
            session: None,
            state: CallState::Unknown,
            answered: false,
            far,
            dialled: None,
            consults: None,
            consulted_by: None,
            is_conference: false,
            member_of: None,
            signals: Signals::default(),
            hearing: Hearing::default(),
            ticket: 0,
        }
    }

    const fn direction(&self) -> CallDirection {
        self.info.direction
    }
}

#[derive(Debug)]
enum Alarm {
    /// A slow network's reply and what follows it.
    Late(Vec<TspEvent>),
    /// A far end's next step.
    Step { call: CallKey, ticket: u64 },
    /// A fault ends the call.
    CutOff { call: CallKey },
    /// A digit has been sent.
    Generate { call: CallKey, ticket: u64 },
    /// A tone has sounded so long.
    Tone { call: CallKey, ticket: u64, place: u16 },
    /// A gathered digit is late.
    Gather { call: CallKey, ticket: u64 },
    /// Time to see whether a call can be completed.
    Complete { id: u64 },
    /// A line has rung long enough for its forwarding rule.
    Unanswered { call: CallKey },
    /// The caller's patience is at its end.
    NoAnswer { call: CallKey },
}

/// The simulated exchange.
#[derive(Debug)]
pub struct Exchange {
    config: ExchangeConfig,
    lines: BTreeMap<LineKey, Line>,
    phones: BTreeMap<PhoneKey, PhoneSet>,
    calls: BTreeMap<CallKey, Call>,
    parked: BTreeMap<String, Parked>,
    completions: BTreeMap<u64, Completion>,
    newest_completion: u64,
    alarms: Alarms<Alarm>,
    out: VecDeque<TspEvent>,
    random: Random,
    serial: u64,
    made: u64,
    now: Moment,
}

impl Exchange {
    /// What the exchange does for a line; everything else is refused by the core.
    pub const OPS: [Op; 44] = [
        Op::Accept,
        Op::AddToConference,
        Op::Answer,
        Op::BlindTransfer,
        Op::CompleteCall,
        Op::CompleteTransfer,
        Op::CompleteTransferAsConference,
        Op::Dial,
        Op::Drop,
        Op::Extension,
        Op::Forward,
        Op::ForwardDoNotDisturb,
        Op::Hold,
        Op::HoldWithMusic,
        Op::MakeCall,
        Op::MakeCallPartial,
        Op::MonitorMedia,
        Op::MonitorTones,
        Op::Park,
        Op::ParkDirected,
        Op::Pickup,
        Op::PickupGroup,
        Op::PickupHeld,
        Op::PrepareAddToConference,
        Op::Redirect,
        Op::ReleaseUserData,
        Op::RemoveFromConference,
        Op::SecureCall,
        Op::SendUserData,
        Op::SetCallData,
        Op::SetCallParams,
        Op::SetLineStatus,
        Op::SetMediaControl,
        Op::SetMediaMode,
        Op::SetQuality,
        Op::SetTreatment,
        Op::SetupConference,
        Op::SetupConferenceEmpty,
        Op::SetupTransfer,
        Op::SetupTransferOneStep,
        Op::SwapHold,
        Op::UncompleteCall,
        Op::Unhold,
        Op::Unpark,
    ];

    /// What it does itself where calls have no sessions.
    pub const OPS_WITHOUT_MEDIA: [Op; 4] =
        [Op::GatherDigits, Op::GenerateDigits, Op::GenerateTone, Op::MonitorDigits];

    /// Parties that fit in one conference.
    pub const CONFERENCE_MAX_PARTIES: u32 = 6;

    /// Makes an exchange; its lines and phones come up with the first message.
    #[must_use]
    pub fn new(config: ExchangeConfig) -> Self {
        let lines = (1..).map(LineKey).zip(config.lines.iter().cloned().map(Line::new)).collect();
        let phones = (1..).map(PhoneKey).zip(config.phones.iter().cloned().map(PhoneSet::new)).collect();
        let random = Random::new(config.seed);
        Self {
            config,
            lines,
            phones,
            calls: BTreeMap::new(),
            parked: BTreeMap::new(),
            completions: BTreeMap::new(),
            newest_completion: 0,
            alarms: Alarms::default(),
            out: VecDeque::new(),
            random,
            serial: 0,
            made: 0,
            now: Moment::ZERO,
        }
    }

    /// What the exchange says about itself.
    #[must_use]
    pub fn manifest() -> Manifest {
        Manifest {
            name: "sim".to_owned(),
            vendor: "offhook".to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            spi: VersionRange::CURRENT,
            schemas: vec![SchemaId::new(SIM_SCHEMA)],
        }
    }

    /// Calls that live now.
    #[must_use]
    pub fn live(&self) -> usize {
        self.calls.len()
    }

    /// Calls that were ever made or received.
    #[must_use]
    pub const fn made(&self) -> u64 {
        self.made
    }

    /// The key of a line by its name.
    #[must_use]
    pub fn line(&self, name: &str) -> Option<LineKey> {
        self.lines.iter().find(|(_, line)| line.name == name).map(|(key, _)| *key)
    }

    fn ops(&self) -> OpSet {
        let own: &[Op] = if self.config.media { &[] } else { &Self::OPS_WITHOUT_MEDIA };
        // Its terminals are its telephone sets.
        let terminals: &[Op] = if self.phones.is_empty() { &[] } else { &[Op::SetTerminal] };
        own.iter().chain(terminals).fold(OpSet::from(Self::OPS), |ops, op| ops.with(*op))
    }

    fn announce(&mut self, key: LineKey) {
        let status = self.status(key);
        let Some(line) = self.lines.get(&key) else { return };
        let wish =
            SessionWish { msp: crate::CountingMsp::manifest().name, schema: SchemaId::new(SIM_SCHEMA) };
        let address = AddressCaps {
            address: format!("sim:{}", line.name),
            dials: vec![AddressKind::Other],
            max_calls: 0,
        };
        let caps = LineCaps {
            ops: self.ops(),
            digit_modes: if self.config.media { Vec::new() } else { vec![DigitMode::Signalling] },
            extensions: vec![SchemaId::new(ECHO_SCHEMA), SchemaId::new(RIG)],
            media: MediaSet::AUDIO,
            session: self.config.media.then_some(wish),
            addresses: vec![address],
            terminals: self.config.phones.clone(),
            conference_max_parties: Self::CONFERENCE_MAX_PARTIES,
            ..LineCaps::default()
        };
        self.out.push_back(TspEvent::LineUp {
            line: key,
            stable_id: line.name.clone(),
            caps: Box::new(caps),
            status,
        });
    }

    fn command(&mut self, now: Moment, command: TspCommand) {
        match command {
            TspCommand::Hello { .. } => {
                let present = |(key, line): (&LineKey, &Line)| line.present.then_some(*key);
                let keys: Vec<LineKey> = self.lines.iter().filter_map(present).collect();
                keys.into_iter().for_each(|key| self.announce(key));
                self.out.extend(self.phones.iter().map(|(key, set)| set.announced(*key)));
                self.out.push_back(TspEvent::Ready);
            }
            TspCommand::Open { request, line } => {
                let opened = self.lines.get_mut(&line).map(|line| line.open = true);
                // Not late even where the network is slow: calls may come as soon as the line is open,
                // and none may come before the core knows that it is.
                let result = opened.map_or_else(|| Reply::Refused(gone(line)), |()| Reply::DONE);
                self.out.push_back(TspEvent::Reply { request, result });
            }
            TspCommand::Close { line } => self.close(now, line),
            TspCommand::Call { request, line, call, session, op } => {
                self.operate(now, &Asked { request, line, call, session }, op);
            }
            TspCommand::Session { call, session } => {
                let Some(at) = self.calls.get_mut(&call) else { return };
                at.session = Some(session);
                // A call that was fetched is answered already: its session flows at once.
                if at.answered {
                    self.relay(call, Sound::Flow { flow: offhook_spi::Flowing::Both });
                }
            }
            TspCommand::Relay { call, data, .. } => {
                if let Some(sound) = Sound::from_opaque(&data) {
                    self.heard(now, call, sound);
                }
            }
            // Replies are never outstanding long enough to be abandoned: they are on their way.
            TspCommand::Abandon { .. } => {}
            TspCommand::Line { request, line, op } => self.operate_line(now, request, line, op),
            TspCommand::Phone { request, phone, op } => self.set_phone(request, phone, op),
            _ => {}
        }
    }

    /// Answers a request, late where the network is slow; what follows keeps its place behind the reply.
    fn reply(&mut self, now: Moment, request: RequestId, result: Result<(), Refusal>, then: Vec<TspEvent>) {
        let result = match result {
            Ok(()) => Reply::DONE,
            Err(refusal) => Reply::Refused(refusal),
        };
        let mut events = vec![TspEvent::Reply { request, result }];
        events.extend(then);
        if self.config.faults.slowness.is_zero() {
            self.out.extend(events);
        } else {
            let delay = self.random.between(Duration::ZERO, self.config.faults.slowness);
            self.alarms.set(now + delay, Alarm::Late(events));
        }
    }

    fn close(&mut self, now: Moment, key: LineKey) {
        if let Some(line) = self.lines.get_mut(&key) {
            line.open = false;
        }
        self.forget_completions(key);
        let on_line = |(call, c): (&CallKey, &Call)| (c.line == key).then_some(*call);
        let calls: Vec<CallKey> = self.calls.iter().filter_map(on_line).collect();
        calls.into_iter().for_each(|call| self.drop_call(now, call, None));
    }

    fn plug(&mut self, now: Moment, key: LineKey, present: bool) {
        let Some(line) = self.lines.get_mut(&key) else { return };
        if line.present == present {
            return;
        }
        line.present = present;
        line.open = false;
        if present {
            return self.announce(key);
        }
        let on_line = |(call, c): (&CallKey, &Call)| (c.line == key).then_some(*call);
        let calls: Vec<CallKey> = self.calls.iter().filter_map(on_line).collect();
        for call in calls {
            // The core ends the calls of a line that is gone; here only the other sides are told.
            self.far_ends(now, call, Cause::DestinationOutOfOrder);
            self.calls.remove(&call);
        }
        self.forget_completions(key);
        self.out.push_back(TspEvent::LineDown { line: key });
    }
}

impl Machine for Exchange {
    type Input = ExchangeInput;
    type Output = TspEvent;

    fn handle(&mut self, now: Moment, input: ExchangeInput) {
        self.now = now;
        match input {
            ExchangeInput::Command(command) => self.command(now, command),
            ExchangeInput::Phone { phone, touch } => self.touch(phone, touch),
            ExchangeInput::Plug { line, present } => self.plug(now, line, present),
            ExchangeInput::Ring { line, caller, script } => {
                self.ring(now, line, caller, script);
            }
        }
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.now = now;
        while let Some(alarm) = self.alarms.due(now) {
            match alarm {
                Alarm::Late(events) => self.out.extend(events),
                Alarm::Step { call, ticket } => self.wake(now, call, ticket),
                Alarm::NoAnswer { call } => {
                    if self.calls.get(&call).is_some_and(|call| !call.answered) {
                        self.far_hangs_up(now, call, Cause::NoAnswer);
                    }
                }
                Alarm::Complete { id } => self.look_at_completion(now, id),
                Alarm::Unanswered { call } => self.unanswered(now, call),
                Alarm::Generate { call, ticket } => self.generated(now, call, ticket),
                Alarm::Tone { call, ticket, place } => self.tone_lasted(call, ticket, place),
                Alarm::Gather { call, ticket } => self.gather_late(call, ticket),
                // Nothing may interrupt a secure call.
                Alarm::CutOff { call } if self.calls.get(&call).is_some_and(|at| at.signals.is_secure) => {}
                Alarm::CutOff { call } => self.far_hangs_up(now, call, Cause::NetworkOutOfOrder),
            }
        }
    }

    fn poll(&mut self) -> Option<TspEvent> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Moment> {
        self.alarms.next()
    }
}

fn gone(line: LineKey) -> Refusal {
    Refusal::new(RefusalKind::Gone, format!("the exchange has no {line}"))
}

/// What the far end of a script waits for, if anything; used by `far.rs`.
#[derive(Debug)]
enum Waiting {
    Digits(Vec<offhook_spi::Digit>),
    Nothing,
    Tone(f32),
    UntilAnswered,
}

impl Step {
    /// Whether the step only makes sense before an outgoing call is answered.
    const fn is_network(&self) -> bool {
        matches!(self, Self::Proceed | Self::Ring | Self::EarlyMedia | Self::Redirect(_))
    }
}
