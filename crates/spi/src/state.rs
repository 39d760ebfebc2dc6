// SPDX-License-Identifier: MIT OR Apache-2.0
//! The states of a call, as a provider reports them (TAPI's `LINECALLSTATE`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::key::CallKey;

/// The state of a call with what is true only in that state.
///
/// A provider may skip states; the one hard rule is that no call leaves [`CallState::Idle`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallState {
    /// Nothing happens any more; final.
    Idle,
    /// A new call is presented.
    Offering,
    /// An owner has claimed it and alerting runs.
    Accepted,
    /// The switch is ready for digits.
    DialTone,
    /// Digits are being sent to the switch.
    Dialing,
    /// Dialling is over, nothing is heard yet.
    Proceeding,
    /// The far end is alerting.
    Ringback,
    /// A busy signal is heard.
    Busy,
    /// A special information tone is heard: the network says why it cannot.
    SpecialInfo,
    /// Information can flow.
    Connected {
        /// Who takes part, who holds.
        #[serde(default)]
        mode: ConnectedMode,
    },
    /// Held by this side.
    OnHold,
    /// A member of a conference, logically connected.
    Conferenced {
        /// The conference call it belongs to.
        conference: CallKey,
    },
    /// Held while a party is being added.
    OnHoldPendingConference,
    /// Held while a transfer is prepared.
    OnHoldPendingTransfer,
    /// The far end has gone; the record is still readable.
    Disconnected {
        /// Why.
        cause: Cause,
    },
    /// The call exists, its state is not known (yet).
    Unknown,
}

/// How a connected call is connected (`LINECONNECTEDMODE`).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectedMode {
    /// This side takes part.
    #[default]
    Active,
    /// This side takes part; the far end holds the call.
    ActiveHeld,
    /// The call is active at another station of a shared line.
    Inactive,
    /// As `Inactive`, and the far end holds it.
    InactiveHeld,
}

impl CallState {
    /// A connected call in which both sides take part.
    pub const CONNECTED: Self = Self::Connected { mode: ConnectedMode::Active };

    /// The state without what is true only in it.
    #[must_use]
    pub const fn kind(&self) -> StateKind {
        match self {
            Self::Idle => StateKind::Idle,
            Self::Offering => StateKind::Offering,
            Self::Accepted => StateKind::Accepted,
            Self::DialTone => StateKind::DialTone,
            Self::Dialing => StateKind::Dialing,
            Self::Proceeding => StateKind::Proceeding,
            Self::Ringback => StateKind::Ringback,
            Self::Busy => StateKind::Busy,
            Self::SpecialInfo => StateKind::SpecialInfo,
            Self::Connected { .. } => StateKind::Connected,
            Self::OnHold => StateKind::OnHold,
            Self::Conferenced { .. } => StateKind::Conferenced,
            Self::OnHoldPendingConference => StateKind::OnHoldPendingConference,
            Self::OnHoldPendingTransfer => StateKind::OnHoldPendingTransfer,
            Self::Disconnected { .. } => StateKind::Disconnected,
            Self::Unknown => StateKind::Unknown,
        }
    }
}

impl fmt::Display for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().name())?;
        match self {
            Self::Disconnected { cause } => write!(f, " ({cause})"),
            Self::Connected { mode: ConnectedMode::ActiveHeld } => f.write_str(" (held by the far end)"),
            _ => Ok(()),
        }
    }
}

/// The name of a [`CallState`]: what the tables of legal steps are made of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StateKind {
    /// See [`CallState::Idle`].
    Idle,
    /// See [`CallState::Offering`].
    Offering,
    /// See [`CallState::Accepted`].
    Accepted,
    /// See [`CallState::DialTone`].
    DialTone,
    /// See [`CallState::Dialing`].
    Dialing,
    /// See [`CallState::Proceeding`].
    Proceeding,
    /// See [`CallState::Ringback`].
    Ringback,
    /// See [`CallState::Busy`].
    Busy,
    /// See [`CallState::SpecialInfo`].
    SpecialInfo,
    /// See [`CallState::Connected`].
    Connected,
    /// See [`CallState::OnHold`].
    OnHold,
    /// See [`CallState::Conferenced`].
    Conferenced,
    /// See [`CallState::OnHoldPendingConference`].
    OnHoldPendingConference,
    /// See [`CallState::OnHoldPendingTransfer`].
    OnHoldPendingTransfer,
    /// See [`CallState::Disconnected`].
    Disconnected,
    /// See [`CallState::Unknown`].
    Unknown,
}

impl StateKind {
    /// Every state, in the order of the documentation.
    pub const ALL: [Self; 16] = [
        Self::Idle,
        Self::Offering,
        Self::Accepted,
        Self::DialTone,
        Self::Dialing,
        Self::Proceeding,
        Self::Ringback,
        Self::Busy,
        Self::SpecialInfo,
        Self::Connected,
        Self::OnHold,
        Self::Conferenced,
        Self::OnHoldPendingConference,
        Self::OnHoldPendingTransfer,
        Self::Disconnected,
        Self::Unknown,
    ];

    /// The state's name in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Offering => "offering",
            Self::Accepted => "accepted",
            Self::DialTone => "dial tone",
            Self::Dialing => "dialing",
            Self::Proceeding => "proceeding",
            Self::Ringback => "ringback",
            Self::Busy => "busy",
            Self::SpecialInfo => "special info",
            Self::Connected => "connected",
            Self::OnHold => "on hold",
            Self::Conferenced => "conferenced",
            Self::OnHoldPendingConference => "on hold pending conference",
            Self::OnHoldPendingTransfer => "on hold pending transfer",
            Self::Disconnected => "disconnected",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the call still belongs to the living: neither disconnected nor idle.
    #[must_use]
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Idle | Self::Disconnected)
    }
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
