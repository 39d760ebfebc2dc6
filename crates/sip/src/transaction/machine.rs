// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words that the four transaction machines share.
//!
//! A machine knows no message, no address and no clock: it is told what happened and says what to do.

use std::time::Duration;

use super::timing::Timing;

/// The timers of RFC 3261 section 17 and RFC 6026, by their letters, and two that have none.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Timer {
    /// INVITE request is sent again.
    A,
    /// INVITE client gives up.
    B,
    /// INVITE client stops absorbing final responses.
    D,
    /// Non-INVITE request is sent again.
    E,
    /// Non-INVITE client gives up.
    F,
    /// INVITE's final response is sent again.
    G,
    /// INVITE server gives up waiting for the ACK.
    H,
    /// INVITE server stops absorbing ACKs.
    I,
    /// Non-INVITE server stops absorbing requests.
    J,
    /// Non-INVITE client stops absorbing responses.
    K,
    /// INVITE server stops absorbing requests after a 2xx (RFC 6026).
    L,
    /// INVITE client stops passing 2xx on (RFC 6026).
    M,
    /// The owner was silent so long that 100 is due (RFC 3261 section 17.2.1, RFC 4320 section 4.1).
    Trying,
    /// A non-INVITE server has no answer and the client no longer waits for one (RFC 4320 section 4.2).
    Unanswered,
}

/// Whether the transport repeats lost packets by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reliability {
    /// TCP, TLS, WebSocket.
    Reliable,
    /// UDP.
    Unreliable,
}

/// What a machine goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) timing: Timing,
    pub(crate) reliability: Reliability,
}

impl Rules {
    pub(crate) fn unreliable(&self) -> bool {
        self.reliability == Reliability::Unreliable
    }

    /// `time` where packets may be lost or late, nothing where they cannot.
    pub(crate) fn if_unreliable(&self, time: Duration) -> Duration {
        if self.unreliable() { time } else { Duration::ZERO }
    }
}

/// What happens to a client transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ClientInput {
    /// The owner starts it.
    Begin,
    /// The transport could not send.
    Broken,
    /// A response from 300 to 699.
    Failure,
    /// A timer fired.
    Fired(Timer),
    /// A response from 100 to 199.
    Provisional,
    /// A response from 200 to 299.
    Success,
}

/// What happens to a server transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ServerInput {
    /// An ACK that belongs to the INVITE.
    Ack,
    /// The request came once more.
    Again,
    /// The request came for the first time.
    Begin,
    /// The transport could not send.
    Broken,
    /// The owner answers with 300 to 699.
    Failure,
    /// A timer fired.
    Fired(Timer),
    /// The owner answers with 100 to 199.
    Provisional,
    /// The owner answers with 200 to 299.
    Success,
}

/// What a machine asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Set a timer, replacing it if it was set.
    Arm(Timer, Duration),
    /// Pass the message on to the owner.
    Deliver,
    /// Unset a timer.
    Disarm(Timer),
    /// The transaction is over.
    End,
    /// Tell the owner that it did not work out.
    Fail(Trouble),
    /// Send the request (client) or the latest response (server), for the first time or again.
    Send,
    /// Send the ACK that a final response above 299 needs (section 17.1.1.3).
    SendAck,
    /// Answer with 100 on the owner's behalf.
    SendTrying,
}

/// Why a transaction did not work out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trouble {
    /// Nobody answered in time.
    Timeout,
    /// The transport could not send.
    Transport,
}

/// Where actions are collected.
pub(crate) type Actions = Vec<Action>;
