// SPDX-License-Identifier: MIT OR Apache-2.0
//! What applications are told.

use serde::{Deserialize, Serialize};

use offhook_spi::{
    Address, CallInfo, CallState, Digit, DigitMode, GatherEnd, GenerationEnd, MediaSet, OpSet, Opaque,
    PhoneChange, RecordingEnd, SessionStatistics, StreamKey, StreamState, TerminalKey,
};

use super::records::{CallRecord, LineRecord, PhoneRecord};
use crate::id::{AppId, CallId, HubId, LineId, PhoneId};

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
    /// A call completion that the application asked for was cancelled from elsewhere, or its line is gone.
    CompletionGone {
        /// The line it was asked for on.
        line: LineId,
        /// Its id; used up.
        completion: u64,
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
    /// A call belongs to another conversation now: it was joined with calls of that one.
    Hub {
        /// Which call.
        call: CallId,
        /// The conversation.
        hub: HubId,
    },
    /// A line appeared, came back, changed or went; the record says which.
    Line {
        /// What is known about it now.
        record: Box<LineRecord>,
    },
    /// A medium was heard; only the application that monitors it is told.
    MediaHeard {
        /// In which call.
        call: CallId,
        /// What.
        media: MediaSet,
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
    /// A phone appeared, came back or went; the record says which.
    Phone {
        /// What is known about it now.
        record: Box<PhoneRecord>,
    },
    /// Something happened at a phone; its owner and its monitors are told.
    PhoneChange {
        /// Which.
        phone: PhoneId,
        /// What.
        #[serde(flatten)]
        change: PhoneChange,
    },
    /// The owner or the number of monitors of a phone changed by another application.
    PhoneOwners {
        /// Which.
        phone: PhoneId,
        /// The application that may change it now, if any.
        #[serde(default)]
        owner: Option<AppId>,
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
