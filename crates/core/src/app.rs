// SPDX-License-Identifier: MIT OR Apache-2.0
//! What applications ask of the server and what they are told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use offhook_spi::{
    Address, CallDatum, CallInfo, CallParams, CallState, Cause, Digit, DigitMode, Gather, GatherEnd,
    GenerationEnd, LineCaps, LineStatus, MediaSet, Moment, OpSet, Opaque, Outcome, RecordingEnd,
    SessionStatistics, StreamChange, StreamKey, StreamState, Terminal, TerminalControl, TerminalKey, Tone,
    Treatment,
};

use crate::id::{CallId, LineId};

/// Who an application is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AppProfile {
    /// Its name, as other applications and people know it.
    pub name: String,
    /// Higher gets incoming calls first; equal priorities go by who registered first.
    #[serde(default)]
    pub priority: i32,
}

/// What an application may do with a call (`LINECALLPRIVILEGE`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the levels of the inventory, section 3.6")]
pub enum Privilege {
    /// It may read, watch and deallocate.
    Monitor,
    /// It may change the call.
    Owner,
}

/// What an application wants of a line it opens (`lineOpen`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Interest {
    /// Whether it watches calls of others.
    pub monitor: bool,
    /// Incoming calls with one of these media may be given to it; empty: it only dials out.
    pub own: MediaSet,
}

impl Interest {
    /// Dials out only.
    pub const DIAL: Self = Self { monitor: false, own: MediaSet::EMPTY };
    /// Watches only.
    pub const MONITOR: Self = Self { monitor: true, own: MediaSet::EMPTY };
    /// Takes incoming voice calls.
    pub const OWN_AUDIO: Self = Self { monitor: false, own: MediaSet::AUDIO };
}

/// One request of an application. Each gets exactly one answer.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ask {
    /// Lists the lines; answered with [`Answer::Lines`].
    Lines,
    /// Lists the calls that the application has a handle on; answered with [`Answer::Calls`].
    Calls,
    /// Begins to use a line; incoming calls may come from now on (`lineOpen`).
    OpenLine {
        /// Which.
        line: LineId,
        /// What for.
        interest: Interest,
    },
    /// Ends the use of a line; calls of which the application is sole owner follow the line's policy.
    CloseLine {
        /// Which.
        line: LineId,
    },
    /// Starts a call (`lineMakeCall`); answered with [`Answer::Call`] before any event of the call.
    /// The application owns it. The line need not be open: making a call opens it to dial.
    MakeCall {
        /// From which line.
        line: LineId,
        /// Whom.
        to: Address,
        /// How.
        #[serde(default)]
        params: Box<CallParams>,
    },
    /// Asks for an operation on a call; owners only.
    Call {
        /// Which.
        call: CallId,
        /// What.
        #[serde(flatten)]
        op: CallAsk,
    },
    /// Asks for all that is known about a call; answered with [`Answer::Record`].
    CallRecord {
        /// Which.
        call: CallId,
    },
    /// Gives a handle back (`lineDeallocateCall`). The sole owner of a live call must say `keep`.
    Deallocate {
        /// Which.
        call: CallId,
        /// Let the call live on without an owner.
        #[serde(default)]
        keep: bool,
    },
    /// Asks for the figures of a call's session; answered with [`Answer::Statistics`]. Monitors may.
    Statistics {
        /// Which.
        call: CallId,
    },
}

/// An operation on a call, in the application's words: other calls are named by their ids.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallAsk {
    /// See [`CallOp::Accept`](offhook_spi::CallOp::Accept).
    Accept,
    /// See [`CallOp::AddToConference`](offhook_spi::CallOp::AddToConference).
    AddToConference {
        /// The call to add.
        member: CallId,
    },
    /// See [`CallOp::Answer`](offhook_spi::CallOp::Answer).
    Answer,
    /// See [`CallOp::BlindTransfer`](offhook_spi::CallOp::BlindTransfer).
    BlindTransfer {
        /// The new party.
        to: Address,
    },
    /// See [`CallOp::CompleteTransfer`](offhook_spi::CallOp::CompleteTransfer).
    CompleteTransfer {
        /// The consultation call.
        consultation: CallId,
        /// Keep all three together; answered with [`Answer::Call`], the conference.
        #[serde(default)]
        as_conference: bool,
    },
    /// See [`CallOp::Dial`](offhook_spi::CallOp::Dial).
    Dial {
        /// Dialable text.
        digits: String,
    },
    /// See [`CallOp::Drop`](offhook_spi::CallOp::Drop).
    Drop {
        /// What to tell the far end.
        #[serde(default)]
        cause: Option<Cause>,
    },
    /// See [`CallOp::Extension`](offhook_spi::CallOp::Extension).
    Extension {
        /// What is asked.
        data: Opaque,
    },
    /// See [`CallOp::GatherDigits`](offhook_spi::CallOp::GatherDigits); the core gathers itself where digits can be monitored.
    GatherDigits {
        /// What; `None` cancels.
        gather: Option<Gather>,
    },
    /// See [`CallOp::GenerateDigits`](offhook_spi::CallOp::GenerateDigits).
    GenerateDigits {
        /// The digits.
        digits: Vec<Digit>,
        /// How they travel.
        #[serde(default)]
        mode: Option<DigitMode>,
        /// How long each sounds.
        #[serde(default)]
        duration: Option<Duration>,
    },
    /// See [`CallOp::GenerateTone`](offhook_spi::CallOp::GenerateTone).
    GenerateTone {
        /// The tone; `None` cancels.
        tone: Option<Tone>,
    },
    /// See [`CallOp::Hold`](offhook_spi::CallOp::Hold).
    Hold,
    /// See [`CallOp::MonitorDigits`](offhook_spi::CallOp::MonitorDigits).
    MonitorDigits {
        /// Which ways of travelling to listen for; empty ends it.
        modes: Vec<DigitMode>,
    },
    /// See [`CallOp::Park`](offhook_spi::CallOp::Park).
    Park {
        /// Where; `None` lets the switch choose.
        #[serde(default)]
        at: Option<Address>,
    },
    /// See [`CallOp::PrepareAddToConference`](offhook_spi::CallOp::PrepareAddToConference); answered with [`Answer::Call`].
    PrepareAddToConference {
        /// Whom to consult.
        #[serde(default)]
        to: Option<Address>,
    },
    /// See [`CallOp::Redirect`](offhook_spi::CallOp::Redirect).
    Redirect {
        /// The new party.
        to: Address,
    },
    /// See [`CallOp::RemoveFromConference`](offhook_spi::CallOp::RemoveFromConference).
    RemoveFromConference,
    /// See [`CallOp::Secure`](offhook_spi::CallOp::Secure).
    Secure,
    /// See [`CallOp::SendUserData`](offhook_spi::CallOp::SendUserData).
    SendUserData {
        /// What to send.
        data: Opaque,
    },
    /// See [`CallOp::SetCallData`](offhook_spi::CallOp::SetCallData).
    SetCallData {
        /// The data.
        data: Vec<CallDatum>,
    },
    /// See [`CallOp::SetCallParams`](offhook_spi::CallOp::SetCallParams).
    SetCallParams {
        /// The new parameters.
        params: Box<CallParams>,
    },
    /// See [`CallOp::SetMediaMode`](offhook_spi::CallOp::SetMediaMode).
    SetMediaMode {
        /// The media.
        media: MediaSet,
    },
    /// See [`CallOp::SetTreatment`](offhook_spi::CallOp::SetTreatment).
    SetTreatment {
        /// What the waiting party hears.
        treatment: Treatment,
    },
    /// See [`CallOp::SetupConference`](offhook_spi::CallOp::SetupConference); answered with [`Answer::Conference`].
    SetupConference,
    /// See [`CallOp::SetupTransfer`](offhook_spi::CallOp::SetupTransfer); answered with [`Answer::Call`].
    SetupTransfer {
        /// Whom to consult; `None` waits for `Dial`.
        #[serde(default)]
        to: Option<Address>,
    },
    /// See [`CallOp::SwapHold`](offhook_spi::CallOp::SwapHold).
    SwapHold {
        /// The held call.
        with: CallId,
    },
    /// See [`CallOp::Unhold`](offhook_spi::CallOp::Unhold).
    Unhold,
    /// Puts a terminal on a stream of the call's session; answered with [`Answer::Terminal`].
    SelectTerminal {
        /// Which stream.
        stream: StreamKey,
        /// What.
        what: Terminal,
    },
    /// Takes a terminal off.
    UnselectTerminal {
        /// Which.
        terminal: TerminalKey,
    },
    /// Pauses, resumes, moves or stops a file terminal.
    TerminalControl {
        /// Which.
        terminal: TerminalKey,
        /// What to do.
        control: TerminalControl,
    },
    /// Changes gain, mutes, pauses or starts a stream.
    SetStream {
        /// Which.
        stream: StreamKey,
        /// What.
        change: StreamChange,
    },
}

/// The answer to a request that was carried out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// A call came into being.
    Call {
        /// Its id; the application owns it.
        call: CallId,
    },
    /// All calls that the application has a handle on.
    Calls {
        /// One record each.
        calls: Vec<CallRecord>,
    },
    /// A conference and its first consultation call came into being.
    Conference {
        /// The conference.
        conference: CallId,
        /// The consultation call.
        consultation: CallId,
    },
    /// Carried out; the provider may say more.
    Done {
        /// What it says.
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// All lines.
    Lines {
        /// One record each.
        lines: Vec<LineRecord>,
    },
    /// All that is known about a call.
    Record {
        /// The record.
        record: Box<CallRecord>,
    },
    /// The figures of a session.
    Statistics {
        /// The figures.
        statistics: Box<SessionStatistics>,
    },
    /// A terminal is on its stream.
    Terminal {
        /// Its key.
        terminal: TerminalKey,
    },
}

/// What is known about a line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LineRecord {
    /// Its id.
    pub line: LineId,
    /// Name of its provider.
    pub provider: String,
    /// The provider's lasting name for it.
    pub stable_id: String,
    /// Whether it is there now.
    pub present: bool,
    /// What it can do, with what its MSP adds.
    pub caps: LineCaps,
    /// What it is like.
    pub status: LineStatus,
    /// How many calls live on it.
    pub calls: u32,
}

/// What is known about a call.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CallRecord {
    /// Its id.
    pub call: CallId,
    /// The line it is on.
    pub line: LineId,
    /// Its state.
    #[serde(flatten)]
    pub state: CallState,
    /// When it entered the state.
    pub since: Moment,
    /// What the application may ask for now.
    pub allowed: OpSet,
    /// What the application may do at all.
    pub privilege: Privilege,
    /// Applications that own it, and that watch it.
    pub owners: u32,
    /// Applications that watch it.
    pub monitors: u32,
    /// What is known beside the state.
    pub info: CallInfo,
}

/// Something an application is told.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AppEvent {
    /// More is known about a call.
    CallInfo {
        /// Which.
        call: CallId,
        /// All that is known now.
        info: Box<CallInfo>,
    },
    /// A call is in a new state.
    CallState {
        /// Which.
        call: CallId,
        /// The state.
        #[serde(flatten)]
        state: CallState,
        /// What an owner may ask for now.
        allowed: OpSet,
    },
    /// A digit was heard.
    Digit {
        /// In which call.
        call: CallId,
        /// The digit.
        digit: Digit,
        /// How it travelled.
        mode: DigitMode,
    },
    /// A file was played to the end.
    EndOfFile {
        /// In which call.
        call: CallId,
        /// The terminal.
        terminal: TerminalKey,
    },
    /// A vendor's own event.
    Extension {
        /// The call it is about, if any.
        #[serde(default)]
        call: Option<CallId>,
        /// The line it is about, if any.
        #[serde(default)]
        line: Option<LineId>,
        /// The data.
        data: Opaque,
    },
    /// A gathering of digits ended; only the application that asked is told.
    Gathered {
        /// In which call.
        call: CallId,
        /// What was gathered.
        digits: Vec<Digit>,
        /// Why it ended.
        end: GatherEnd,
    },
    /// A generation of digits or tones ended; only the application that asked is told.
    Generated {
        /// In which call.
        call: CallId,
        /// How.
        end: GenerationEnd,
    },
    /// A line appeared, came back, changed or went; the record says which.
    Line {
        /// What is known about it now.
        record: Box<LineRecord>,
    },
    /// The application was given a call: its first event about it (`LINE_APPNEWCALL`).
    NewCall {
        /// What is known about it, with the application's privilege.
        record: Box<CallRecord>,
    },
    /// The number of owners or monitors of a call changed by another application.
    Owners {
        /// Which call.
        call: CallId,
        /// Applications that own it now.
        owners: u32,
        /// Applications that watch it now.
        monitors: u32,
    },
    /// A provider ended; its lines are gone.
    ProviderGone {
        /// Its name.
        provider: String,
        /// Why.
        detail: String,
    },
    /// A recording was stored or failed.
    Recorded {
        /// In which call.
        call: CallId,
        /// The terminal.
        terminal: TerminalKey,
        /// The file.
        path: String,
        /// How it ended.
        #[serde(flatten)]
        end: RecordingEnd,
    },
    /// The network says where an outgoing call should go instead.
    Redirected {
        /// The call that was made.
        call: CallId,
        /// Where to, best first.
        targets: Vec<Address>,
    },
    /// The session of a call is over; these are its last figures.
    SessionEnded {
        /// The call.
        call: CallId,
        /// What was measured.
        #[serde(default)]
        statistics: Option<Box<SessionStatistics>>,
    },
    /// Something changed on a stream.
    Stream {
        /// In which call.
        call: CallId,
        /// Which stream.
        stream: StreamKey,
        /// What it is like now.
        #[serde(flatten)]
        state: StreamState,
    },
    /// A tone began or ended.
    ToneHeard {
        /// In which call.
        call: CallId,
        /// The detector; `None` when the TSP monitors.
        #[serde(default)]
        terminal: Option<TerminalKey>,
        /// Place of the tone in the list that was asked for.
        tone: u16,
        /// Whether it sounds now.
        on: bool,
    },
}
