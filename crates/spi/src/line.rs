// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operations on lines that are not operations on one of their calls, and what a line is like now.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::key::{AddressIndex, CallKey};
use crate::op::Op;
use crate::opaque::Opaque;
use crate::party::Address;

/// One operation on a line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LineOp {
    /// A vendor's own operation.
    ///
    /// - *Requires*: `extension`, and the schema among the line's extensions.
    /// - *Reply*: [`Outcome::Data`](crate::Outcome::Data) or done, as the schema says.
    /// - *TSPI*: `lineDevSpecific`, `lineDevSpecificFeature`.
    Extension {
        /// What is asked.
        data: Opaque,
    },
    /// Replaces all forwarding rules of an address; an empty list cancels, and cancelling nothing
    /// succeeds (inventory rule 57).
    ///
    /// - *Requires*: `forward`; `forward_do_not_disturb` for a rule without destination.
    /// - *Reply*: done once accepted.
    /// - *Events*: [`TspEvent::Line`](crate::TspEvent::Line) once in force.
    /// - *Errors*: invalid address.
    /// - *TSPI*: `lineForward`.
    Forward {
        /// The address whose calls are forwarded.
        address: AddressIndex,
        /// All the rules.
        rules: Vec<ForwardRule>,
    },
    /// Answers a call that alerts elsewhere; it appears as a new call under `call`.
    ///
    /// - *Requires*: `pickup`, `pickup_group` or `pickup_held`.
    /// - *Reply*: done once the call is here.
    /// - *Events*: states of the new call, reason pickup.
    /// - *TSPI*: `linePickup`.
    Pickup {
        /// Key for the new call.
        call: CallKey,
        /// Which call.
        what: PickupTarget,
    },
    /// Sets the message-waiting lamp, the in-service and the lock flag of the line.
    ///
    /// - *Requires*: `set_line_status`.
    /// - *Reply*: done once set.
    /// - *Events*: [`TspEvent::Line`](crate::TspEvent::Line).
    /// - *TSPI*: `lineSetLineDevStatus`.
    SetStatus {
        /// Whether messages wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_waiting: Option<bool>,
        /// Whether the line serves calls.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        in_service: Option<bool>,
        /// Whether the line is locked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        locked: Option<bool>,
    },
    /// Cancels a call completion.
    ///
    /// - *Requires*: `uncomplete_call`.
    /// - *Reply*: done once cancelled.
    /// - *Errors*: gone when the id was used or cancelled.
    /// - *TSPI*: `lineUncompleteCall`.
    UncompleteCall {
        /// The id from [`Outcome::Completion`](crate::Outcome::Completion).
        id: u64,
    },
    /// Fetches a parked call; it appears as a new call under `call`.
    ///
    /// - *Requires*: `unpark`.
    /// - *Reply*: done once the call is here.
    /// - *Events*: states of the new call, reason unpark.
    /// - *Errors*: invalid address.
    /// - *TSPI*: `lineUnpark`.
    Unpark {
        /// Key for the new call.
        call: CallKey,
        /// Where it was parked.
        at: Address,
    },
}

/// Which call to pick up.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PickupTarget {
    /// The call that alerts at an address.
    Address {
        /// The address.
        address: Address,
    },
    /// A call that alerts in a group.
    Group {
        /// The group; `None` means the line's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<Address>,
    },
    /// The call that is held at an address.
    Held {
        /// The address.
        address: Address,
    },
}

/// One forwarding rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ForwardRule {
    /// When it applies.
    pub when: ForwardWhen,
    /// Only for this caller; `None` means for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Address>,
    /// Where the call goes; `None` means do not disturb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// How long it rings before a no-answer rule applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Duration>,
}

/// When a forwarding rule applies (`LINEFORWARDMODE`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ForwardWhen {
    /// In any case.
    Always,
    /// When busy.
    Busy,
    /// When nobody answers.
    NoAnswer,
}

impl LineOp {
    /// The operation that a line must have declared for this to be asked.
    #[must_use]
    pub fn required(&self) -> Op {
        match self {
            Self::Extension { .. } => Op::Extension,
            Self::Forward { rules, .. } if rules.iter().any(|rule| rule.to.is_none()) => {
                Op::ForwardDoNotDisturb
            }
            Self::Forward { .. } => Op::Forward,
            Self::Pickup { what: PickupTarget::Address { .. }, .. } => Op::Pickup,
            Self::Pickup { what: PickupTarget::Group { .. }, .. } => Op::PickupGroup,
            Self::Pickup { what: PickupTarget::Held { .. }, .. } => Op::PickupHeld,
            Self::SetStatus { .. } => Op::SetLineStatus,
            Self::UncompleteCall { .. } => Op::UncompleteCall,
            Self::Unpark { .. } => Op::Unpark,
        }
    }
}

/// What a line is like now (`LINEDEVSTATUS`).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct LineStatus {
    /// Whether calls can be made and received.
    #[serde(default)]
    pub service: Service,
    /// Whether messages wait; `None` when the line cannot know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_waiting: Option<bool>,
    /// Forwarding rules in force; `None` when the line cannot know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<Vec<ForwardRule>>,
    /// What is known about the addresses that the line watches, as busy lamps show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<Watched>,
}

/// An address that a line watches.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Watched {
    /// Which.
    pub address: Address,
    /// How it stands.
    pub state: WatchedState,
}

/// How an address stands that a line watches.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WatchedState {
    /// A call rings there.
    Alerting,
    /// In a call, or busy otherwise.
    Busy,
    /// There, and free.
    Idle,
    /// Not there.
    Offline,
    /// Nothing is known.
    #[default]
    Unknown,
}

/// Whether a line serves calls.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Service {
    /// It serves calls.
    #[default]
    In,
    /// It is on its way, for example registering.
    Connecting,
    /// It does not serve calls.
    Out {
        /// One sentence for people: why, and what to do.
        reason: String,
    },
}
