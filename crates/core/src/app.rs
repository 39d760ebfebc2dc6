// SPDX-License-Identifier: MIT OR Apache-2.0
//! What applications ask of the server and what they are told.

use serde::{Deserialize, Serialize};

use offhook_spi::{
    Address, AddressIndex, CallParams, ForwardRule, MediaSet, Opaque, Outcome, PhoneOp, PickupTarget,
    SessionStatistics, TerminalKey,
};

use crate::id::{CallId, LineId, PhoneId};

mod call_ask;
mod records;
mod told;

pub use call_ask::CallAsk;
pub use records::{
    AppRecord, ButtonState, CallRecord, HookState, LineRecord, PhoneRecord, PhoneState, Purpose, Tie,
};
pub use told::AppEvent;

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
    /// Lists the applications; answered with [`Answer::Apps`].
    Apps,
    /// Lists the lines; answered with [`Answer::Lines`].
    Lines,
    /// Lists the calls that the application has a handle on; answered with [`Answer::Calls`].
    Calls,
    /// Lists the phones; answered with [`Answer::Phones`].
    Phones,
    /// Lists the calls that live on a line that is open for the application, and gives it a monitor's
    /// handle on those that it has none on (`lineGetNewCalls`); answered with [`Answer::Calls`].
    LineCalls {
        /// Which line.
        line: LineId,
    },
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
    /// Asks for an operation on a line. The line need not be open: asking opens it to dial.
    Line {
        /// Which.
        line: LineId,
        /// What.
        #[serde(flatten)]
        op: LineAsk,
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
    /// Makes another application an owner of a call (`lineHandoff`); owners only, who stay owners.
    HandOff {
        /// Which.
        call: CallId,
        /// To whom.
        #[serde(flatten)]
        to: HandOff,
    },
    /// Changes the application's own privilege (`lineSetCallPrivilege`). A monitor becomes an owner if it
    /// opened the line to own calls; the sole owner of a live call may not become a monitor.
    SetPrivilege {
        /// On which call.
        call: CallId,
        /// The new privilege.
        privilege: Privilege,
    },
    /// Begins to use a phone (`phoneOpen`): one application owns it, any number watch it.
    OpenPhone {
        /// Which.
        phone: PhoneId,
        /// Whether to change it or to watch it.
        privilege: Privilege,
    },
    /// Ends the use of a phone.
    ClosePhone {
        /// Which.
        phone: PhoneId,
    },
    /// Asks for a change of a phone; its owner only.
    Phone {
        /// Which.
        phone: PhoneId,
        /// What.
        #[serde(flatten)]
        op: PhoneOp,
    },
    /// Asks for the figures of a call's session; answered with [`Answer::Statistics`]. Monitors may.
    Statistics {
        /// Which.
        call: CallId,
    },
}

/// An operation on a line, in the application's words.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LineAsk {
    /// See [`LineOp::Extension`](offhook_spi::LineOp::Extension).
    Extension {
        /// What is asked.
        data: Opaque,
    },
    /// See [`LineOp::Forward`](offhook_spi::LineOp::Forward).
    Forward {
        /// The address whose calls are forwarded.
        #[serde(default)]
        address: AddressIndex,
        /// All the rules; none cancels.
        rules: Vec<ForwardRule>,
    },
    /// See [`LineOp::Pickup`](offhook_spi::LineOp::Pickup); answered with [`Answer::Call`].
    Pickup {
        /// Which call.
        what: PickupTarget,
    },
    /// See [`LineOp::SetStatus`](offhook_spi::LineOp::SetStatus).
    SetStatus {
        /// Whether messages wait.
        #[serde(default)]
        message_waiting: Option<bool>,
        /// Whether the line serves calls.
        #[serde(default)]
        in_service: Option<bool>,
        /// Whether the line is locked.
        #[serde(default)]
        locked: Option<bool>,
    },
    /// Starts a conference from nothing; see [`CallOp::SetupConference`](offhook_spi::CallOp::SetupConference).
    /// Answered with [`Answer::Conference`].
    SetupConference,
    /// See [`LineOp::UncompleteCall`](offhook_spi::LineOp::UncompleteCall); only who asked for the completion may.
    UncompleteCall {
        /// The id that the completion was answered with.
        id: u64,
    },
    /// See [`LineOp::Unpark`](offhook_spi::LineOp::Unpark); answered with [`Answer::Call`].
    Unpark {
        /// Where it was parked.
        at: Address,
    },
}

/// Who becomes an owner of a call by a hand-off.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "to", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HandOff {
    /// An application by its name, whatever its media; it may be the one that asks.
    App {
        /// Its name.
        name: String,
    },
    /// The application of the highest priority that owns calls of a medium; another than the one that
    /// asks.
    Media {
        /// One medium.
        media: MediaSet,
    },
}

/// The answer to a request that was carried out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// All applications.
    Apps {
        /// One record each.
        apps: Vec<AppRecord>,
    },
    /// A call came into being.
    Call {
        /// Its id; the application owns it.
        call: CallId,
    },
    /// Calls that the application has a handle on.
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
    /// All phones.
    Phones {
        /// One record each.
        phones: Vec<PhoneRecord>,
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
