// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words between an agent and its owner.

use std::net::SocketAddr;

use bytes::Bytes;

pub use crate::invite::Ending;
use crate::invite::{Body, DialogId, Failure, InviteId, Reliability, RequestId, SessionPolicy};
use crate::message::{Headers, Message, Method, Request, Response, Status, Uri};
use crate::transaction::{Flow, FlowId, ResponsePort, Timing};

/// What an agent goes by.
#[derive(Clone, Debug)]
pub struct Config {
    /// The times of RFC 3261 table 4.
    pub timing: Timing,
    /// How much may be going on at once.
    pub limits: Limits,
    /// The methods we answer, as `Allow` says; others get 405. ACK, BYE, CANCEL, INVITE, PRACK
    /// and, unless it describes something, UPDATE are the agent's.
    pub allow: Vec<Method>,
    /// The option tags we understand, as `Supported` says; others in `Require` get 420.
    pub supported: Vec<String>,
    /// Whether our provisional responses are acknowledged, where `supported` lists `100rel`.
    pub reliability: Reliability,
    /// How calls end whose far end has vanished; `None` knows no session timers.
    pub session: Option<SessionPolicy>,
    /// Where responses go that came without `rport`.
    pub response_port: ResponsePort,
    /// Which way requests inside dialogs go.
    pub next_hop: NextHop,
    /// The value of `User-Agent` and `Server`, if any.
    pub product: Option<String>,
}

/// How much may be going on at once; above, requests are answered with 503 and forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Server transactions in all. Requests inside dialogs may use as many again, so that calls can end.
    pub transactions: usize,
    /// Server transactions from one address, counted likewise.
    pub transactions_per_source: usize,
    /// Calls, in and out.
    pub calls: usize,
    /// Answers (2xx to INVITE) that wait for their ACK.
    pub unacknowledged: usize,
    /// What 503 says in `Retry-After`.
    pub retry_after_seconds: u32,
}

/// Which way requests inside dialogs go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "either the standard or what address translators need")]
pub enum NextHop {
    /// Without a route set, back along the flow of the last request: for peers whose `Contact` cannot be
    /// reached.
    Flow,
    /// To the first route, else to the `Contact`, as RFC 3261 section 12.2.1.1 says.
    #[default]
    Target,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            limits: Limits::default(),
            allow: vec![
                Method::INVITE,
                Method::ACK,
                Method::CANCEL,
                Method::BYE,
                Method::OPTIONS,
                Method::INFO,
                Method::PRACK,
                Method::UPDATE,
            ],
            supported: Vec::new(),
            reliability: Reliability::default(),
            session: None,
            response_port: ResponsePort::default(),
            next_hop: NextHop::default(),
            product: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transactions: 50_000,
            transactions_per_source: 20_000,
            calls: 100_000,
            unacknowledged: 20_000,
            retry_after_seconds: 5,
        }
    }
}

/// How both ends name the dialog of an answered call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialogName {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// Theirs.
    pub remote_tag: String,
    /// Where the other end can be reached, as its `Contact` says; also the Request-URI of what we send.
    pub target: Uri,
}

/// Names a request that came in outside or inside a dialog and that the owner answers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServerRequestId(pub u64);

/// What may happen to an agent.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// The owner wants something.
    Command(Command),
    /// A connection is gone.
    FlowClosed {
        /// The connection.
        flow: FlowId,
    },
    /// Something could not be sent: a refused connection, a failed handshake, an ICMP error.
    FlowFailed {
        /// The socket or connection.
        flow: FlowId,
        /// Whom it could not reach.
        remote: SocketAddr,
    },
    /// A message came.
    Receive {
        /// The way it came.
        flow: Flow,
        /// The message.
        message: Message,
    },
}

/// What the owner may want. What concerns a call that is over has no effect: the two may have crossed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Sends the ACK, with a body, for an answer to an INVITE or re-INVITE that had none.
    AckWith {
        /// The call.
        id: InviteId,
        /// The answer to the offer in the 2xx.
        body: Option<Body>,
    },
    /// Answers an INVITE provisionally (101 to 199) or with success (200 to 299).
    Answer {
        /// The call.
        id: InviteId,
        /// The status; 100 is the agent's own.
        status: Status,
        /// Headers to add; `Contact` is kept for the whole call.
        headers: Headers,
        /// Offer or answer.
        body: Option<Body>,
    },
    /// Answers a re-INVITE with 200.
    AnswerReinvite {
        /// The call.
        id: InviteId,
        /// Headers to add.
        headers: Headers,
        /// Answer or offer.
        body: Option<Body>,
    },
    /// Ends a call: BYE when it was answered, CANCEL or 480 when not. An unacknowledged answer is waited for
    /// first (RFC 3261 section 15).
    Bye {
        /// The call.
        id: InviteId,
        /// Headers to add, such as `Reason`.
        headers: Headers,
    },
    /// Cancels an INVITE (as soon as RFC 3261 section 9.1 allows it); when it was answered meanwhile, ends
    /// the call.
    Cancel {
        /// The call.
        id: InviteId,
        /// Headers to add, such as `Reason`.
        headers: Headers,
    },
    /// Sends an INVITE outside dialogs.
    Invite {
        /// The call; an [`InviteId::Outgoing`] that was not used before.
        id: InviteId,
        /// URI, `From`, `To`, `Contact`, routes, body and whatever else; `Via` is added, and `Call-ID`, `CSeq`,
        /// the `From` tag, `Max-Forwards`, `Allow` and `Supported` where missing.
        request: Request,
        /// Which way it goes, found by RFC 3263.
        flow: Flow,
    },
    /// Answers [`Output::Locate`].
    Located {
        /// The call.
        id: InviteId,
        /// The dialog.
        dialog: DialogId,
        /// The way, or `None` when there is none: what waited fails as if the transport had.
        flow: Option<Flow>,
    },
    /// Sends the further requests of a call another way, for instance when our address has changed (a re-INVITE
    /// with the new `Contact` then tells the far end). What waits for a way goes out.
    Move {
        /// The call.
        id: InviteId,
        /// The way, until the next hop changes.
        flow: Flow,
    },
    /// Sends a re-INVITE; while another INVITE of the dialog is under way it waits.
    Reinvite {
        /// The call.
        id: InviteId,
        /// Headers to add.
        headers: Headers,
        /// The offer, or `None` to ask for one.
        body: Option<Body>,
    },
    /// Refuses an INVITE.
    Reject {
        /// The call.
        id: InviteId,
        /// 300 to 699.
        status: Status,
        /// Headers to add.
        headers: Headers,
    },
    /// Refuses a re-INVITE; the call goes on as before.
    RejectReinvite {
        /// The call.
        id: InviteId,
        /// 300 to 699.
        status: Status,
        /// Headers to add.
        headers: Headers,
    },
    /// Sends a request outside dialogs, completed like that of [`Command::Invite`].
    Request {
        /// Names it in [`Event::RequestDone`]; not used before.
        id: RequestId,
        /// The request, not an INVITE, ACK or CANCEL.
        request: Request,
        /// Which way it goes.
        flow: Flow,
    },
    /// Sends a request, such as INFO, inside the dialog of an answered call.
    RequestInDialog {
        /// Names it in [`Event::RequestDone`]; not used before.
        id: RequestId,
        /// The call.
        invite: InviteId,
        /// The method, not one of the agent's own.
        method: Method,
        /// Headers to add.
        headers: Headers,
        /// The body.
        body: Option<Body>,
    },
    /// Answers [`Event::IncomingRequest`].
    RespondTo {
        /// The request.
        id: ServerRequestId,
        /// 200 to 699.
        status: Status,
        /// Headers to add.
        headers: Headers,
        /// The body.
        body: Option<Body>,
    },
    /// Tries again after [`Event::Challenged`] or [`Event::Unreached`].
    Retry {
        /// The call.
        id: InviteId,
        /// What was challenged: INVITE (also for a re-INVITE), UPDATE or BYE.
        method: Method,
        /// Credentials, and whatever else is to replace a header of the same name.
        headers: Headers,
        /// Another way, if not the one before.
        flow: Option<Flow>,
    },
}

/// What an agent asks for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Something happened that the owner should know.
    Event(Event),
    /// A request inside a dialog goes to a place that no known flow leads to; find a way by RFC 3263 (or
    /// reuse the one before) and answer with [`Command::Located`]. Until then it waits.
    Locate {
        /// The call.
        id: InviteId,
        /// The dialog.
        dialog: DialogId,
        /// The next hop.
        uri: Uri,
        /// The flow used before.
        before: Flow,
    },
    /// Send these bytes. If the flow is a connection that is gone, open another to `flow.remote`.
    Transmit {
        /// Which way.
        flow: Flow,
        /// One message.
        bytes: Bytes,
    },
}

/// What happened. [`Event::Ended`], [`Event::Failed`] and [`Event::Redirected`] are the last ones of a call.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Our answer was acknowledged.
    Acked {
        /// The call.
        id: InviteId,
        /// The ACK, whose body is the answer if ours was the offer.
        request: Box<Request>,
    },
    /// Our INVITE was answered. If it had no body, the owner owes [`Command::AckWith`].
    Answered {
        /// The call.
        id: InviteId,
        /// The dialog that won.
        dialog: DialogId,
        /// The 2xx.
        response: Box<Response>,
    },
    /// Our request needs credentials: answer with [`Command::Retry`], or [`Command::Cancel`] to give up. After
    /// 64*T1 the agent gives up itself.
    Challenged {
        /// The call.
        id: InviteId,
        /// INVITE (also for a re-INVITE), UPDATE or BYE.
        method: Method,
        /// The Request-URI that the credentials are for.
        uri: Uri,
        /// The 401 or 407.
        response: Box<Response>,
    },
    /// The call is over.
    Ended {
        /// The call.
        id: InviteId,
        /// Why.
        why: Ending,
    },
    /// Our INVITE failed.
    Failed {
        /// The call.
        id: InviteId,
        /// Why.
        failure: Failure,
    },
    /// An INVITE came: answer with [`Command::Answer`] or [`Command::Reject`]. 100 is sent by itself.
    Incoming {
        /// The call.
        id: InviteId,
        /// The INVITE.
        request: Box<Request>,
        /// The way it came.
        flow: Flow,
        /// The call that it takes the place of (RFC 3891): answer at once, then end that one. Answered already,
        /// or ours and ringing.
        replaces: Option<InviteId>,
    },
    /// Another request came: answer with [`Command::RespondTo`] within 64*T1.
    IncomingRequest {
        /// Names it.
        id: ServerRequestId,
        /// The call it belongs to, if any.
        invite: Option<InviteId>,
        /// The request.
        request: Box<Request>,
        /// The way it came.
        flow: Flow,
    },
    /// A provisional response to our INVITE came.
    Progress {
        /// The call.
        id: InviteId,
        /// The early dialog; `None` for 100 and for responses without a tag.
        dialog: Option<DialogId>,
        /// The response.
        response: Box<Response>,
    },
    /// Our INVITE was answered with 3xx; whom to call instead is in `Contact`.
    Redirected {
        /// The call.
        id: InviteId,
        /// The response.
        response: Box<Response>,
    },
    /// Our re-INVITE ended. If it had no body and this is success, the owner owes [`Command::AckWith`].
    ReofferAnswered {
        /// The call.
        id: InviteId,
        /// The 2xx, or why the call stays as it was.
        outcome: Result<Box<Response>, Failure>,
    },
    /// A re-INVITE or an UPDATE with an offer came: answer with [`Command::AnswerReinvite`] or [`Command::RejectReinvite`].
    Reoffered {
        /// The call.
        id: InviteId,
        /// The re-INVITE or UPDATE.
        request: Box<Request>,
    },
    /// The far end took its re-INVITE back before we answered; no answer is wanted any more.
    ReofferWithdrawn {
        /// The call.
        id: InviteId,
    },
    /// A request of the owner ended.
    RequestDone {
        /// Names it.
        id: RequestId,
        /// The final response, whatever its status, or why there is none.
        outcome: Result<Box<Response>, Failure>,
    },
    /// Our INVITE reached nobody: try the next place with [`Command::Retry`] (RFC 3263 section 4.3), or give up
    /// with [`Command::Cancel`]. After 64*T1 the agent gives up itself.
    Unreached {
        /// The call.
        id: InviteId,
        /// No answer, no transport, or a 503.
        failure: Failure,
    },
}
