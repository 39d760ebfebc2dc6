// SPDX-License-Identifier: MIT OR Apache-2.0
//! The INVITE usage: a call as SIP sees it (RFC 3261 sections 9, 13, 14 and 15).
//!
//! A usage is one INVITE outside dialogs and all dialogs it makes. It lives as long as its INVITE's
//! transaction or one of its dialogs does. This module holds the state and the decisions that need nothing
//! else; the agent carries them out.
//!
//! Reliable provisional responses and session timers are fields of [`InviteDialog`].

mod reliable;
mod reoffer;
mod repeat;
mod session;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::dialog::Dialog;
use crate::message::{Headers, Request, Response};
use crate::transaction::{Flow, Sent, TransactionId, Trouble};

pub use reliable::Reliability;
pub(crate) use reliable::{Heard, Overdue, Queued, Reliable, hear};
pub(crate) use reoffer::{Open, Reoffer, Reoffered, Stage, Verdict, pause};
pub(crate) use repeat::{Due, Repeat};
pub use session::SessionPolicy;
pub(crate) use session::{LONGEST as LONGEST_SESSION, Session};

/// Names a call; whoever starts it names it, and no number is used twice by the same side.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "a call is started by one side or the other")]
pub enum InviteId {
    /// Named by the agent when an INVITE comes in.
    Incoming(u64),
    /// Named by the owner when it has an INVITE sent.
    Outgoing(u64),
}

impl fmt::Display for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incoming(serial) => write!(f, "in {serial}"),
            Self::Outgoing(serial) => write!(f, "out {serial}"),
        }
    }
}

/// Names one dialog of a call: an INVITE that forks makes several.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DialogId(pub u32);

/// A message body with its type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Body {
    /// The value of `Content-Type`.
    pub kind: Box<str>,
    /// The body itself.
    pub bytes: Bytes,
}

impl Body {
    /// A session description (RFC 8866).
    #[must_use]
    pub fn sdp(bytes: impl Into<Bytes>) -> Self {
        Self { kind: "application/sdp".into(), bytes: bytes.into() }
    }
}

/// Why something of ours did not work out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The same is already under way, or the call does not allow it now.
    Busy,
    /// We took it back; with the response that ended it, usually 487.
    Cancelled(Option<Box<Response>>),
    /// The far end refused.
    Refused(Box<Response>),
    /// Nobody answered in time.
    Timeout,
    /// The transport could not send.
    Transport,
}

/// Why a call is over.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ending {
    /// The caller cancelled before we answered; with the CANCEL.
    Cancelled(Box<Request>),
    /// Nobody refreshed the session in time (RFC 4028 section 10).
    Expired,
    /// We ended it.
    Local,
    /// The far end no longer knows the call or does not answer a re-INVITE (RFC 3261 section 12.2.1.2).
    Lost,
    /// Our answer was never acknowledged.
    NoAck,
    /// We refused.
    Rejected,
    /// The far end ended it; with the BYE.
    Remote(Box<Request>),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Timeout => Self::Timeout,
            Trouble::Transport => Self::Transport,
        }
    }
}

/// A call as SIP sees it.
#[derive(Debug)]
pub(crate) struct Usage {
    pub(crate) id: InviteId,
    pub(crate) start: Start,
    pub(crate) dialogs: Vec<InviteDialog>,
    /// The dialog that the owner's commands mean.
    pub(crate) answered: Option<DialogId>,
    /// Whether the owner has been told that it is over.
    pub(crate) is_told: bool,
    /// What we say in `Contact`.
    pub(crate) contact: Option<Box<str>>,
    /// Why we end the call, if not because the owner wants it.
    pub(crate) why: Option<Ending>,
    last_dialog: u32,
}

/// The INVITE that made the usage, while its transaction lives.
#[derive(Debug)]
pub(crate) enum Start {
    Incoming(Box<Incoming>),
    Outgoing(Box<Outgoing>),
    Over,
}

/// An INVITE of ours.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// As the owner gave it and the agent completed it, without `Via`.
    pub(crate) request: Arc<Request>,
    pub(crate) flow: Flow,
    pub(crate) stage: CallStage,
    pub(crate) cancel: Cancel,
    pub(crate) transaction: Option<TransactionId>,
    /// How often a longer session interval was asked for.
    pub(crate) raised: u8,
}

/// Where an INVITE of ours stands.
#[derive(Debug)]
pub(crate) enum CallStage {
    /// No response yet.
    Calling,
    /// Final response had; the transaction only absorbs.
    Done,
    /// It failed in a way that the owner may mend.
    Parked(Failure),
    /// A provisional response came.
    Proceeding,
}

/// Whether an INVITE of ours is to be cancelled.
#[derive(Debug)]
pub(crate) enum Cancel {
    No,
    Sent,
    /// As soon as there is a provisional response (section 9.1), with these headers.
    Wanted(Headers),
}

/// An INVITE of theirs that the owner has not answered finally.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) request: Arc<Request>,
    pub(crate) flow: Flow,
    /// Our tag in every response (section 12.1.1).
    pub(crate) tag: Box<str>,
    pub(crate) transaction: TransactionId,
    /// The latest provisional response, repeated every minute.
    pub(crate) ringing: Option<Sent>,
}

/// A dialog of an INVITE usage.
#[derive(Debug)]
pub(crate) struct InviteDialog {
    pub(crate) id: DialogId,
    pub(crate) dialog: Dialog,
    pub(crate) life: Life,
    pub(crate) way: Way,
    /// The ACK we sent last, for repetitions of its 2xx.
    pub(crate) ack: Option<Ack>,
    /// The number of the INVITE whose 2xx waits for the owner's ACK.
    pub(crate) owed: Option<Owed>,
    pub(crate) repeat: Option<Repeat>,
    pub(crate) reoffer: Option<Box<Reoffer>>,
    pub(crate) reoffered: Option<Reoffered>,
    pub(crate) bye: Bye,
    /// The number of their reliable response heard last.
    pub(crate) rseq: Option<u32>,
    /// Our own reliable responses.
    pub(crate) reliable: Option<Box<Reliable>>,
    pub(crate) session: Option<Session>,
    /// Whether the far end knows UPDATE.
    pub(crate) peer_updates: bool,
    /// What we described last, to be said again by a refresh.
    pub(crate) described: Option<Body>,
}

/// How far a dialog's life has gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Life {
    Confirmed,
    Early,
    /// Our BYE is out.
    Ending,
}

/// Our BYE.
#[derive(Debug)]
pub(crate) enum Bye {
    No,
    /// Sent with these headers, for another try with credentials.
    Sent(Headers),
    /// To be sent when the ACK has come or been given up (section 15).
    Wanted(Headers),
}

/// A 2xx whose ACK is the owner's to give, with the INVITE it answers.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) number: u32,
    pub(crate) request: Arc<Request>,
}

/// An ACK as it went out.
#[derive(Clone, Debug)]
pub(crate) struct Ack {
    pub(crate) number: u32,
    pub(crate) bytes: Bytes,
    pub(crate) flow: Flow,
}

/// The way that our requests in a dialog go.
#[derive(Debug)]
pub(crate) struct Way {
    /// Where it leads (see [`crate::dialog::hop_of`]).
    pub(crate) hop: Box<str>,
    /// The flow, if it is known.
    pub(crate) flow: Option<Flow>,
    /// The flow used last, as a hint for finding another.
    pub(crate) before: Flow,
    /// What waits for the flow to be found.
    pub(crate) waiting: Vec<Outbound>,
}

/// A request that waits for its way.
#[derive(Debug)]
pub(crate) enum Outbound {
    Ack(Request),
    Begin(Request, Purpose),
}

/// What a request of ours in a dialog is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    Bye,
    Prack,
    Refresh,
    Reinvite,
    /// Anything that the owner asks for.
    Plain(RequestId),
}

/// Names a request of ours; chosen by the owner.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(pub u64);

impl Usage {
    pub(crate) fn new(id: InviteId, start: Start, contact: Option<Box<str>>) -> Self {
        let dialogs = Vec::new();
        Self { id, start, dialogs, answered: None, is_told: false, contact, why: None, last_dialog: 0 }
    }

    pub(crate) fn dialog(&mut self, id: DialogId) -> Option<&mut InviteDialog> {
        self.dialogs.iter_mut().find(|dialog| dialog.id == id)
    }

    pub(crate) fn find(&self, id: DialogId) -> Option<&InviteDialog> {
        self.dialogs.iter().find(|dialog| dialog.id == id)
    }

    /// The dialog that the owner's commands mean.
    pub(crate) fn main(&mut self) -> Option<&mut InviteDialog> {
        let id = self.answered?;
        self.dialog(id)
    }

    /// Says whether nothing is left to remember.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.start, Start::Over) && self.dialogs.is_empty()
    }

    pub(crate) fn by_tag(&mut self, remote_tag: &str) -> Option<&mut InviteDialog> {
        self.dialogs.iter_mut().find(|dialog| dialog.dialog.remote_tag() == remote_tag)
    }

    /// Adds a dialog and names it.
    pub(crate) fn add(&mut self, dialog: Dialog, life: Life, way: Way) -> DialogId {
        self.last_dialog = self.last_dialog.saturating_add(1);
        let id = DialogId(self.last_dialog);
        self.dialogs.push(InviteDialog {
            id,
            dialog,
            life,
            way,
            ack: None,
            owed: None,
            repeat: None,
            reoffer: None,
            reoffered: None,
            bye: Bye::No,
            rseq: None,
            reliable: None,
            session: None,
            peer_updates: false,
            described: None,
        });
        id
    }

    pub(crate) fn outgoing(&mut self) -> Option<&mut Outgoing> {
        match &mut self.start {
            Start::Outgoing(outgoing) => Some(outgoing),
            Start::Incoming(_) | Start::Over => None,
        }
    }

    pub(crate) fn incoming(&mut self) -> Option<&mut Incoming> {
        match &mut self.start {
            Start::Incoming(incoming) => Some(incoming),
            Start::Outgoing(_) | Start::Over => None,
        }
    }
}

impl InviteDialog {
    /// The INVITEs that are not over.
    pub(crate) fn open(&self) -> Open {
        let sent = self.reoffer.as_ref().is_some_and(|reoffer| reoffer.stage == Stage::Sent);
        Open {
            ours: sent || self.owed.is_some(),
            theirs: self.reoffered.is_some(),
            unacknowledged: self.repeat.is_some(),
        }
    }
}
