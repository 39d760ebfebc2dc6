// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract of a telephony service provider (TSP): call control.
//!
//! A provider is a loop over messages. Write [`Tsp`]; the host stores [`DynTsp`], and one blanket
//! implementation turns the first into the second.
//!
//! The rules of the link:
//!
//! 1. Exactly one [`TspEvent::Reply`] for each request.
//! 2. What is emitted first is true first.
//! 3. The side that starts a call names it; no event about a new call of the core before the reply.
//! 4. A reply means accepted and performed as the operation promises; states come only as events.
//! 5. After [`CallState::Idle`] the key is dead.
//! 6. [`TspCommand::Abandon`] cancels; the reply still comes.
//! 7. Never block, never flood.
//! 8. Do not check what the core has checked; report what only you can know.
//! 9. Answer a command you do not know with [`RefusalKind::Unsupported`](crate::RefusalKind).

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::call::{CallOp, Outcome};
use crate::caps::LineCaps;
use crate::cause::Cause;
use crate::key::{CallKey, LineKey, PhoneKey, RequestId, SessionKey};
use crate::line::{LineOp, LineStatus};
use crate::link::Link;
use crate::media::{Digit, DigitMode, GatherEnd, GenerationEnd, MediaSet};
use crate::op::OpSet;
use crate::opaque::Opaque;
use crate::party::{Address, CallInfo};
use crate::phone::{PhoneCaps, PhoneChange, PhoneOp};
use crate::refusal::Refusal;
use crate::state::CallState;
use crate::version::{Manifest, Version};

/// The provider's end of a TSP link.
pub type TspLink = Link<TspCommand, TspEvent>;

/// What the core asks a TSP to do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "command", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TspCommand {
    /// Cancels a request that has not been answered; its one reply still comes, as abandoned or as
    /// whatever had already happened.
    Abandon {
        /// Which.
        request: RequestId,
    },
    /// Asks for an operation on a call (see [`CallOp`] for each one's promises).
    Call {
        /// To be answered exactly once.
        request: RequestId,
        /// The line that the call is on.
        line: LineKey,
        /// The call, or the new key of a call that the operation starts.
        call: CallKey,
        /// The session of a call that the operation starts, where the line wants one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionKey>,
        /// What to do.
        #[serde(flatten)]
        op: CallOp,
    },
    /// Ends the use of a line. Calls on it end, outstanding requests are answered, then nothing more
    /// is reported but `LineUp` and `LineDown` (`lineClose`). Not answered.
    Close {
        /// Which.
        line: LineKey,
    },
    /// The first message on a link: which version both sides speak from now on. Not answered.
    Hello {
        /// The version agreed.
        version: Version,
    },
    /// Asks for an operation on a line (see [`LineOp`]).
    Line {
        /// To be answered exactly once.
        request: RequestId,
        /// Which line.
        line: LineKey,
        /// What to do.
        #[serde(flatten)]
        op: LineOp,
    },
    /// Begins the use of a line: calls may come and go from now on (`lineOpen`).
    Open {
        /// To be answered exactly once.
        request: RequestId,
        /// Which.
        line: LineKey,
    },
    /// Asks for a change of a phone (see [`PhoneOp`]).
    Phone {
        /// To be answered exactly once.
        request: RequestId,
        /// Which.
        phone: PhoneKey,
        /// What to do.
        #[serde(flatten)]
        op: PhoneOp,
    },
    /// Data from the call's session, in order with everything else (`lineReceiveMSPData`). Not answered.
    Relay {
        /// The call that the session belongs to.
        call: CallKey,
        /// Which session.
        from: SessionKey,
        /// The data, unread by the core.
        data: Opaque,
    },
    /// A session now serves this incoming call; what was relayed before it has been delivered to it.
    /// It also follows a line operation that fetches a call, at once and before its reply. Not answered.
    Session {
        /// The call.
        call: CallKey,
        /// Its session.
        session: SessionKey,
    },
}

/// What a TSP tells the core.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TspEvent {
    /// More is known about a call (`LINE_CALLINFO`).
    CallInfo {
        /// Which.
        call: CallKey,
        /// All that is known now.
        info: Box<CallInfo>,
    },
    /// A call is in a state (`LINE_CALLSTATE`).
    CallState {
        /// Which.
        call: CallKey,
        /// The state.
        #[serde(flatten)]
        state: CallState,
        /// What the provider would carry out now. The core takes the intersection with its own table
        /// and the line's capabilities; leave it out to let the core decide.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        allowed: Option<OpSet>,
    },
    /// A call completion was cancelled by the network or the far end (`LINEDEVSTATE_COMPLCANCEL`).
    CompletionGone {
        /// The line it was asked for on.
        line: LineKey,
        /// The id from [`Outcome::Completion`]; used up.
        id: u64,
    },
    /// A digit was heard while digits are monitored (`LINE_MONITORDIGITS`).
    Digit {
        /// In which call.
        call: CallKey,
        /// The digit.
        digit: Digit,
        /// How it travelled.
        mode: DigitMode,
    },
    /// A vendor's own event (`LINE_DEVSPECIFIC`).
    Extension {
        /// The call it is about, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallKey>,
        /// The line it is about, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<LineKey>,
        /// The data.
        data: Opaque,
    },
    /// A gathering of digits ended (`LINE_GATHERDIGITS`).
    Gathered {
        /// In which call.
        call: CallKey,
        /// What was gathered.
        digits: Vec<Digit>,
        /// Why it ended.
        end: GatherEnd,
    },
    /// A generation of digits or tones ended (`LINE_GENERATE`).
    Generated {
        /// In which call.
        call: CallKey,
        /// How.
        end: GenerationEnd,
    },
    /// The state of a line changed (`LINE_LINEDEVSTATE`, `LINE_ADDRESSSTATE`).
    Line {
        /// Which.
        line: LineKey,
        /// What it is like now.
        status: LineStatus,
    },
    /// The capabilities of a line changed.
    LineCaps {
        /// Which.
        line: LineKey,
        /// All of them, replaced as a whole.
        caps: Box<LineCaps>,
    },
    /// A line is gone (`LINE_REMOVE`). The core itself ends its calls.
    LineDown {
        /// Which; the key is dead.
        line: LineKey,
    },
    /// There is a line (`LINE_CREATE`). The first burst of these is the enumeration and ends with
    /// [`TspEvent::Ready`].
    LineUp {
        /// The provider's name for it on this link.
        line: LineKey,
        /// Survives restarts: a serial number, an address of record. The core keeps an
        /// application's line under the same id after a replug.
        stable_id: String,
        /// What it can do.
        caps: Box<LineCaps>,
        /// What it is like now.
        #[serde(default)]
        status: LineStatus,
    },
    /// A medium was heard while media are monitored (`LINE_MONITORMEDIA`).
    MediaHeard {
        /// In which call.
        call: CallKey,
        /// What.
        media: MediaSet,
    },
    /// There is a call that the core did not start (`LINE_NEWCALL`): the first event of the call.
    NewCall {
        /// The line it is on.
        line: LineKey,
        /// Its key, named by the provider.
        call: CallKey,
        /// What is known about it.
        info: Box<CallInfo>,
        /// Its state, usually offering.
        #[serde(flatten)]
        state: CallState,
    },
    /// Something happened at a phone (`PHONE_STATE`, `PHONE_BUTTON`).
    Phone {
        /// Which.
        phone: PhoneKey,
        /// What.
        #[serde(flatten)]
        change: PhoneChange,
    },
    /// A phone is gone (`PHONE_REMOVE`).
    PhoneDown {
        /// Which; the key is dead.
        phone: PhoneKey,
    },
    /// There is a phone (`PHONE_CREATE`).
    PhoneUp {
        /// The provider's name for it on this link.
        phone: PhoneKey,
        /// Survives restarts.
        stable_id: String,
        /// What it has.
        caps: PhoneCaps,
    },
    /// The first burst of lines and phones is complete.
    Ready,
    /// The network says where an outgoing call should go instead (SIP 3xx); a disconnected state with
    /// cause redirected follows. The application decides whether to call there.
    Redirected {
        /// The call that was made.
        call: CallKey,
        /// Where to, best first.
        targets: Vec<Address>,
        /// Why, where the network says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
    /// Data for the call's session, in order with everything else (`LINE_SENDMSPDATA`).
    Relay {
        /// The call.
        call: CallKey,
        /// One session, or all of the call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<SessionKey>,
        /// The data, unread by the core.
        data: Opaque,
    },
    /// Answers a request, exactly once (`ASYNC_COMPLETION`).
    Reply {
        /// Which.
        request: RequestId,
        /// How it went.
        #[serde(flatten)]
        result: Reply,
    },
    /// A listed tone was heard (`LINE_MONITORTONE`).
    ToneHeard {
        /// In which call.
        call: CallKey,
        /// Its place in the list that was monitored.
        tone: u16,
    },
}

/// How a request went; as a [`Result`] by [`Reply::into_result`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a request is carried out or refused")]
pub enum Reply {
    /// It was carried out.
    Done(Outcome),
    /// It was not.
    Refused(Refusal),
}

impl Reply {
    /// Carried out, with nothing more to say.
    pub const DONE: Self = Self::Done(Outcome::Done);

    /// The same as a result.
    ///
    /// # Errors
    /// The refusal, if it was refused.
    pub fn into_result(self) -> Result<Outcome, Refusal> {
        match self {
            Self::Done(outcome) => Ok(outcome),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

impl From<Result<Outcome, Refusal>> for Reply {
    fn from(result: Result<Outcome, Refusal>) -> Self {
        match result {
            Ok(outcome) => Self::Done(outcome),
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

/// A provider ended because it could not go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderError {
    /// One sentence for people: what failed and what to do.
    pub detail: String,
}

impl ProviderError {
    /// Makes the error.
    pub fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into() }
    }
}

impl std::fmt::Display for ProviderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.detail.fmt(f)
    }
}

impl std::error::Error for ProviderError {}

/// What the author of a TSP writes.
pub trait Tsp: Send + Sized + 'static {
    /// Says who the provider is; pure, called before the link opens.
    fn manifest(&self) -> Manifest;

    /// Serves the link until it closes ([`Link::next`] gives `None`) or the provider cannot go on.
    ///
    /// # Errors
    /// A sentence for people about why the provider had to end.
    fn run(self, link: TspLink) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

/// The future of a provider's run.
pub type ProviderRun = Pin<Box<dyn Future<Output = Result<(), ProviderError>> + Send>>;

/// What the host stores: the object-safe twin of [`Tsp`].
pub trait DynTsp: Send {
    /// See [`Tsp::manifest`].
    fn manifest(&self) -> Manifest;

    /// See [`Tsp::run`].
    fn run(self: Box<Self>, link: TspLink) -> ProviderRun;
}

impl<T: Tsp> DynTsp for T {
    fn manifest(&self) -> Manifest {
        Tsp::manifest(self)
    }

    fn run(self: Box<Self>, link: TspLink) -> ProviderRun {
        Box::pin(Tsp::run(*self, link))
    }
}
