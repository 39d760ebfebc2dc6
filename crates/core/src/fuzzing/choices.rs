// SPDX-License-Identifier: MIT OR Apache-2.0
//! How bytes become what happens next.

use std::time::Duration;

use offhook_spi::{
    Address, AddressIndex, CallInfo, CallKey, CallParams, CallState, Cause, CompletionMode, Digit, DigitMode,
    Gather, GatherEnd, GenerationEnd, LampMode, MediaSet, MspEvent, Op, OpSet, Opaque, Outcome, PhoneChange,
    PhoneOp, PickupTarget, Refusal, RefusalKind, Reply, RequestId, SchemaId, SessionKey, SessionStatistics,
    StreamChange, StreamKey, StreamState, Terminal, TerminalControl, TerminalKey, Tone, TspEvent,
};

use super::{LINE, PHONE, Story, line_up, phone_up, profile};
use crate::app::{Ask, CallAsk, HandOff, Interest, LineAsk, Privilege};
use crate::id::{AppId, CallId, LineId};
use crate::io::Input;
use crate::policy::{Config, Incoming, LinePolicy, Unowned};

/// A source of decisions; once empty, everything is zero.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    /// Usually one of the last few, which still live.
    fn recent<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        let byte = usize::from(self.byte());
        let back = if byte < 240 { byte % 5 } else { byte };
        list.iter().rev().nth(back % list.len().max(1)).cloned()
    }

    pub(super) fn config(&mut self) -> Config {
        let byte = self.byte();
        let usual = LinePolicy {
            incoming: if byte & 1 == 0 { Incoming::Ring } else { Incoming::Reject },
            unowned: match byte >> 1 & 3 {
                0 | 1 => Unowned::Drop,
                2 => Unowned::HandOff,
                _ => Unowned::Keep,
            },
            ..LinePolicy::default()
        };
        Config { usual, max_calls: 40, ..Config::default() }
    }

    fn state(&mut self) -> CallState {
        match self.below(16) {
            0 => CallState::Idle,
            1 => CallState::Offering,
            2 => CallState::Accepted,
            3 => CallState::DialTone,
            4 => CallState::Dialing,
            5 => CallState::Proceeding,
            6 => CallState::Ringback,
            7 => CallState::Busy,
            8 => CallState::OnHold,
            9 => CallState::Conferenced { conference: CallKey::core(u64::from(self.byte() % 8)) },
            10 => CallState::OnHoldPendingConference,
            11 => CallState::OnHoldPendingTransfer,
            12 => CallState::Disconnected { cause: Cause::NormalClearing },
            13 => CallState::Unknown,
            _ => CallState::CONNECTED,
        }
    }

    fn digit(&mut self) -> Digit {
        Digit::from_event(self.byte() % 17).unwrap_or_else(|| unreachable!("there are 17 keys"))
    }

    fn reply(&mut self) -> Reply {
        match self.below(4) {
            0 => Reply::Refused(Refusal::new(RefusalKind::OperationFailed, "it failed")),
            1 if self.byte() > 200 => Reply::Refused(Refusal::new(RefusalKind::StaleHandle, "who?")),
            2 if self.byte() > 200 => Reply::Done(Outcome::Completion { id: u64::from(self.byte() % 4) }),
            _ => Reply::Done(Outcome::Done),
        }
    }

    fn data(&mut self) -> Opaque {
        let bytes = if self.byte() == 255 { Opaque::MAX_BYTES + 1 } else { 3 };
        Opaque { schema: SchemaId::new("test"), data: "x".repeat(bytes) }
    }
}

impl Story {
    /// What happens next.
    pub(super) fn choose(&mut self, bytes: &mut Bytes<'_>) -> Input {
        let (tsp, msp) = (self.tsp, self.msp);
        match bytes.below(32) {
            0..=11 => {
                let app = AppId(if bytes.byte() > 250 { 3 } else { bytes.below(3) as u64 });
                let id = self.next_ask();
                Input::Ask { app, id, ask: self.ask(bytes) }
            }
            12..=19 => match bytes.recent(&self.open) {
                Some((provider, request)) if provider == tsp => {
                    Input::Tsp { provider, event: TspEvent::Reply { request, result: bytes.reply() } }
                }
                Some((provider, request)) => {
                    Input::Msp { provider, event: MspEvent::Reply { request, result: bytes.reply() } }
                }
                None => Input::Wake,
            },
            20..=25 => Input::Tsp { provider: tsp, event: self.tsp_event(bytes) },
            26..=28 => Input::Msp { provider: msp, event: self.msp_event(bytes) },
            29 | 30 => {
                self.now += Duration::from_millis(u64::from(bytes.byte()) * 100);
                Input::Wake
            }
            _ => self.upheaval(bytes),
        }
    }

    fn ask(&self, bytes: &mut Bytes<'_>) -> Ask {
        let line = self.line();
        let call = bytes.recent(&self.ids).unwrap_or_default();
        match bytes.below(12) {
            0 => Ask::Lines,
            1 => Ask::Calls,
            2 => {
                let own = if bytes.byte() & 1 == 0 { MediaSet::AUDIO } else { MediaSet::EMPTY };
                Ask::OpenLine { line, interest: Interest { monitor: bytes.byte() & 1 == 0, own } }
            }
            3 if bytes.byte() > 160 => Ask::CloseLine { line },
            3 | 4 => Ask::MakeCall { line, to: Address::new("bob"), params: Box::<CallParams>::default() },
            5 => Ask::CallRecord { call },
            6 => Ask::Deallocate { call, keep: bytes.byte() & 3 == 0 },
            7 if bytes.byte() > 127 => Ask::Statistics { call },
            7 => self.ask_beside(bytes, line, call),
            _ => Ask::Call { call, op: self.call_ask(bytes) },
        }
    }

    /// Asks about lines, phones and rights.
    fn ask_beside(&self, bytes: &mut Bytes<'_>, line: LineId, call: CallId) -> Ask {
        let phone = self.phone();
        let privilege = if bytes.byte() & 1 == 0 { Privilege::Monitor } else { Privilege::Owner };
        match bytes.below(16) {
            0 => Ask::LineCalls { line },
            1 | 2 => Ask::SetPrivilege { call, privilege },
            3 | 4 => {
                let name = format!("application {}", bytes.below(4));
                Ask::HandOff { call, to: HandOff::App { name } }
            }
            5 => Ask::HandOff { call, to: HandOff::Media { media: MediaSet::AUDIO } },
            6 => Ask::OpenPhone { phone, privilege },
            7 => Ask::ClosePhone { phone },
            8 => {
                let op = PhoneOp::Lamp { button: bytes.below(16) as u16, mode: LampMode::Wink };
                Ask::Phone { phone, op }
            }
            9 => Ask::Phones,
            10 => Ask::Line { line, op: LineAsk::Unpark { at: Address::new("park") } },
            11 => {
                let what = PickupTarget::Group { group: None };
                Ask::Line { line, op: LineAsk::Pickup { what } }
            }
            12 => Ask::Line { line, op: LineAsk::SetupConference },
            13 => {
                let rules = Vec::new();
                Ask::Line { line, op: LineAsk::Forward { address: AddressIndex(0), rules } }
            }
            14 => Ask::Line { line, op: LineAsk::UncompleteCall { id: bytes.below(4) as u64 } },
            _ => Ask::Apps,
        }
    }

    fn call_ask(&self, bytes: &mut Bytes<'_>) -> CallAsk {
        let other = bytes.recent(&self.ids).unwrap_or_default();
        let terminal = TerminalKey(self.switch.last_terminal.saturating_sub(bytes.below(3) as u64));
        match bytes.below(24) {
            0 => CallAsk::Accept,
            1 | 2 => CallAsk::Answer,
            3 => CallAsk::AddToConference { member: other },
            4 => CallAsk::BlindTransfer { to: Address::new("carol") },
            5 => CallAsk::CompleteTransfer { consultation: other, as_conference: bytes.byte() & 1 == 0 },
            6 => CallAsk::Dial { digits: "1".to_owned() },
            7..=9 => CallAsk::Drop { cause: None },
            10 => CallAsk::Hold,
            11 => CallAsk::Unhold,
            12 => CallAsk::SwapHold { with: other },
            13 => CallAsk::SetupTransfer { to: None, params: Box::default() },
            14 => CallAsk::SetupConference,
            15 => CallAsk::PrepareAddToConference { to: None, number: None },
            16 => CallAsk::GatherDigits { gather: gather(bytes) },
            17 => CallAsk::MonitorDigits {
                modes: if bytes.byte() & 1 == 0 { vec![DigitMode::Event] } else { Vec::new() },
            },
            18 => CallAsk::GenerateDigits {
                digits: vec![bytes.digit(); bytes.below(3)],
                mode: None,
                duration: None,
            },
            19 => CallAsk::GenerateTone { tone: None },
            20 => CallAsk::SelectTerminal { stream: StreamKey::AudioOut, what: Terminal::Echo },
            21 => CallAsk::UnselectTerminal { terminal },
            22 if bytes.byte() > 127 => CallAsk::CompleteCall { mode: CompletionMode::CallBack },
            22 if bytes.byte() > 127 => {
                let frequencies = vec![400.0 + f32::from(bytes.byte())];
                let duration = Duration::from_millis(100);
                let tone = Tone { frequencies, duration, level: Tone::usual_level() };
                CallAsk::MonitorTones { tones: vec![tone; bytes.below(3)] }
            }
            22 if bytes.byte() > 127 => {
                let media = if bytes.byte() & 1 == 0 { MediaSet::AUDIO } else { MediaSet::EMPTY };
                CallAsk::MonitorMedia { media }
            }
            22 if bytes.byte() > 127 => CallAsk::SetMediaMode { media: MediaSet::AUDIO },
            22 => CallAsk::TerminalControl { terminal, control: TerminalControl::Stop },
            _ => CallAsk::SetStream { stream: StreamKey::AudioIn, change: StreamChange::Mute },
        }
    }

    fn tsp_event(&mut self, bytes: &mut Bytes<'_>) -> TspEvent {
        let call = bytes.recent(&self.keys).unwrap_or(CallKey::core(0));
        let allowed = (bytes.byte() & 7 == 0).then(|| OpSet::from([Op::Drop, Op::Hold]));
        match bytes.below(16) {
            0 if bytes.byte() > 127 => {
                self.serial += 1;
                let key = CallKey::provider(self.serial);
                self.keys.push(key);
                let state = if bytes.byte() > 30 { CallState::Offering } else { bytes.state() };
                TspEvent::NewCall { line: LINE, call: key, info: Box::<CallInfo>::default(), state }
            }
            1 if bytes.byte() > 127 => TspEvent::CompletionGone { line: LINE, id: bytes.below(4) as u64 },
            1 => {
                let change = match bytes.below(14) as u16 {
                    13 => PhoneChange::Extension { data: bytes.data() },
                    button => PhoneChange::Button { button, down: true },
                };
                TspEvent::Phone { phone: PHONE, change }
            }
            2 => {
                let call_id = (bytes.byte() > 127).then(|| bytes.below(3).to_string());
                let completion = (bytes.byte() > 200).then_some(1);
                let info = CallInfo { call_id, completion, ..CallInfo::default() };
                TspEvent::CallInfo { call, info: Box::new(info) }
            }
            3 => TspEvent::Digit { call, digit: bytes.digit(), mode: DigitMode::Event },
            4 => TspEvent::Gathered { call, digits: Vec::new(), end: GatherEnd::BufferFull },
            5 => TspEvent::Generated { call, end: GenerationEnd::Done },
            6 => TspEvent::Relay { call, to: bytes.recent(&self.sessions), data: bytes.data() },
            7 => TspEvent::Redirected { call, targets: Vec::new(), cause: None },
            8 if bytes.byte() > 127 => TspEvent::MediaHeard { call, media: MediaSet::AUDIO },
            8 => TspEvent::ToneHeard { call, tone: 1 },
            9 => TspEvent::Extension { call: Some(call), line: Some(LINE), data: bytes.data() },
            10 => TspEvent::Reply { request: RequestId(bytes.byte().into()), result: bytes.reply() },
            11 | 12 => TspEvent::CallState { call, state: CallState::CONNECTED, allowed },
            _ => TspEvent::CallState { call, state: bytes.state(), allowed },
        }
    }

    fn msp_event(&self, bytes: &mut Bytes<'_>) -> MspEvent {
        let session = bytes.recent(&self.sessions).unwrap_or(SessionKey(0));
        let terminal = TerminalKey(self.switch.last_terminal.saturating_sub(bytes.below(3) as u64));
        match bytes.below(10) {
            0 => MspEvent::Digit { session, digit: bytes.digit(), mode: DigitMode::Event },
            1 => MspEvent::EndOfFile { session, terminal },
            2 => MspEvent::Generated { session, end: GenerationEnd::Done },
            3 | 4 => MspEvent::Relay { session, data: bytes.data() },
            5 if bytes.byte() > 150 => MspEvent::SessionEnded { session, statistics: None },
            7 => MspEvent::Statistics { session, statistics: Box::<SessionStatistics>::default() },
            8 => MspEvent::ToneHeard { session, terminal, tone: 0, on: true },
            _ => MspEvent::Stream { session, stream: StreamKey::AudioIn, state: StreamState::Silent },
        }
    }

    /// Something rare: a queue overflows, an application or a provider leaves and another comes.
    fn upheaval(&mut self, bytes: &mut Bytes<'_>) -> Input {
        match bytes.below(24) {
            0 | 1 => match bytes.recent(&self.open) {
                Some((provider, request)) => Input::Overflow { provider, request },
                None => Input::Wake,
            },
            2 => {
                let app = AppId(bytes.below(3) as u64);
                self.happen(Input::AppDown { app });
                Input::AppUp { app, profile: profile(app.0) }
            }
            3 => {
                self.happen(Input::ProviderDown { provider: self.tsp, detail: String::new() });
                self.serial = 0;
                self.keys.truncate(2);
                self.tsp_up();
                Input::Wake
            }
            4 => {
                self.happen(Input::ProviderDown { provider: self.msp, detail: String::new() });
                self.msp_up();
                Input::Wake
            }
            5 => {
                self.happen(Input::Tsp { provider: self.tsp, event: TspEvent::LineDown { line: LINE } });
                Input::Tsp { provider: self.tsp, event: line_up() }
            }
            6 | 7 => Input::AppLost { app: AppId(bytes.below(3) as u64) },
            8 => Input::AppBack { app: AppId(bytes.below(3) as u64) },
            9 => {
                self.happen(Input::Tsp { provider: self.tsp, event: TspEvent::PhoneDown { phone: PHONE } });
                Input::Tsp { provider: self.tsp, event: phone_up() }
            }
            _ => Input::Wake,
        }
    }
}

fn gather(bytes: &mut Bytes<'_>) -> Option<Gather> {
    (bytes.byte() & 3 != 0).then(|| Gather {
        max: u16::from(bytes.byte() % 5),
        terminators: vec![bytes.digit()],
        first_timeout: Some(Duration::from_secs(3)),
        inter_timeout: None,
    })
}
