// SPDX-License-Identifier: MIT OR Apache-2.0
//! What handles say to the task that owns the switch, and what they get back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use offhook_core::{Answer, AppId, AppProfile, Ask, AskId, CallId, Interest, LineId, Privilege, Sequence};
use offhook_spi::{CallState, Cause, Digit, GatherEnd, GenerationEnd, OpSet, RecordingEnd, Refusal};
use tokio::sync::{mpsc, oneshot, watch};

use super::direct::DirectJoined;

/// Something a handle wants.
#[derive(Debug)]
pub(crate) enum Command {
    /// A new application.
    AppUp { profile: AppProfile, reply: oneshot::Sender<Joined> },
    /// A new application that speaks for itself.
    DirectUp { profile: AppProfile, reply: oneshot::Sender<DirectJoined> },
    /// One that had lost its connection, or takes itself over from another.
    DirectBack { app: AppId, key: u64, reply: oneshot::Sender<DirectJoined> },
    /// It says goodbye.
    DirectDown { app: AppId },
    /// Its request, under its own number.
    DirectAsk { app: AppId, id: AskId, ask: Ask },
    /// A request.
    Ask { app: AppId, ask: Ask, reply: AskReply },
    /// The next call that the application was given and nobody has picked up.
    NextCall { app: AppId, line: Option<LineId>, privilege: Privilege, reply: oneshot::Sender<Delivered> },
    /// Use a line for this, beside what it is used for already.
    OpenLine { app: AppId, line: LineId, interest: Interest, reply: AskReply },
    /// End everything in an orderly way.
    ShutDown,
}

/// Where the answer to a request goes.
pub(crate) type AskReply = oneshot::Sender<Result<Reply, Refusal>>;

/// Something a handle says while it is dropped, when nothing can wait. Each object says it at most
/// once, so their number is bounded by the number of objects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Release {
    /// Nobody holds the application any more.
    App(AppId),
    /// A connection of an application that speaks for itself is gone.
    Direct { app: AppId, connection: u64 },
    /// Nobody holds the call any more.
    Call {
        app: AppId,
        call: CallId,
        /// Whether somebody has ever had it in hand.
        taken: bool,
    },
}

/// What a new application gets.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) app: AppId,
    pub(crate) guard: AppGuard,
    /// Sequence of the newest event for the application.
    pub(crate) newest: watch::Receiver<Sequence>,
}

/// The answer to a request, with what the handle needs to follow up.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) attached: Attached,
}

/// What an answer brings beside itself.
#[derive(Debug, Default)]
pub(crate) enum Attached {
    #[default]
    Nothing,
    /// Calls that the answer names.
    Calls(Vec<Delivered>),
    /// How the gathering will end.
    Gathering(oneshot::Receiver<Gathered>),
    /// How the generation will end.
    Generation(oneshot::Receiver<GenerationEnd>),
    /// What becomes of the terminal.
    Terminal(watch::Receiver<TerminalView>),
}

/// A call on its way to an application.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) line: LineId,
    pub(crate) call: CallId,
    pub(crate) guard: Arc<CallGuard>,
    pub(crate) view: watch::Receiver<CallView>,
    /// Sequence of the newest event about the call.
    pub(crate) newest: watch::Receiver<Sequence>,
}

/// Says when nobody holds an application any more.
#[derive(Debug)]
pub(crate) struct AppGuard {
    app: AppId,
    releases: mpsc::UnboundedSender<Release>,
}

impl AppGuard {
    pub(crate) const fn new(app: AppId, releases: mpsc::UnboundedSender<Release>) -> Self {
        Self { app, releases }
    }
}

impl Drop for AppGuard {
    fn drop(&mut self) {
        // A server that is gone has let go of the application already.
        self.releases.send(Release::App(self.app)).ok();
    }
}

/// Says when the connection of an application that speaks for itself is gone.
#[derive(Debug)]
pub(crate) struct DirectGuard {
    pub(super) app: AppId,
    pub(super) connection: u64,
    pub(super) releases: mpsc::UnboundedSender<Release>,
}

impl DirectGuard {
    pub(crate) const fn new(app: AppId, connection: u64, releases: mpsc::UnboundedSender<Release>) -> Self {
        Self { app, connection, releases }
    }
}

/// Says when nobody holds a call any more.
#[derive(Debug)]
pub(crate) struct CallGuard {
    app: AppId,
    call: CallId,
    taken: AtomicBool,
    releases: mpsc::UnboundedSender<Release>,
}

impl CallGuard {
    pub(crate) fn new(app: AppId, call: CallId, releases: mpsc::UnboundedSender<Release>) -> Self {
        Self { app, call, taken: AtomicBool::new(false), releases }
    }

    /// Somebody has it in hand now.
    pub(crate) fn take(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let taken = *self.taken.get_mut();
        // A server that is gone has let go of the call already.
        self.releases.send(Release::Call { app: self.app, call: self.call, taken }).ok();
    }
}

/// What an application can see of a call without asking.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CallView {
    pub(crate) state: CallState,
    pub(crate) allowed: OpSet,
    /// Whether it has ever been connected.
    pub(crate) answered: bool,
    /// Why it ended, where somebody said so.
    pub(crate) cause: Option<Cause>,
    /// Whether its session is over.
    pub(crate) session_ended: bool,
}

impl CallView {
    /// Nothing is known yet.
    pub(crate) const fn unknown() -> Self {
        Self {
            state: CallState::Unknown,
            allowed: OpSet::EMPTY,
            answered: false,
            cause: None,
            session_ended: false,
        }
    }

    /// Takes a new state over.
    pub(crate) fn enter(&mut self, state: CallState, allowed: OpSet) {
        match &state {
            CallState::Connected { .. } | CallState::OnHold | CallState::Conferenced { .. } => {
                self.answered = true;
            }
            CallState::Disconnected { cause } => self.cause = Some(*cause),
            _ => {}
        }
        self.state = state;
        self.allowed = allowed;
    }

    /// Whether the call is over.
    pub(crate) fn ended(&self) -> bool {
        !self.state.kind().is_live()
    }
}

/// What an application can see of a terminal.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TerminalView {
    pub(crate) end: Option<TerminalEnd>,
}

/// How a terminal ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TerminalEnd {
    EndOfFile,
    Recorded { path: String, end: RecordingEnd },
}

/// How a gathering ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Gathered {
    pub(crate) digits: Vec<Digit>,
    pub(crate) end: GatherEnd,
}
