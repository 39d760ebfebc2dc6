// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a provider or the core says no: what kind, why, and whether trying again can help.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::op::Op;
use crate::state::StateKind;

/// A request that was not carried out, and why.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// What kind of no it is.
    pub kind: RefusalKind,
    /// The network's reason, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Whether trying again can help.
    pub retry: Retry,
    /// One sentence for people: names the object and what was expected.
    pub detail: String,
}

/// Whether trying a refused request again can help.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a caller must be able to decide on every answer")]
pub enum Retry {
    /// The same request succeeds only after something the caller changes: rights, state, configuration.
    AfterChange,
    /// The same request may succeed later as it is.
    Later,
    /// The same request can never succeed.
    Never,
}

/// What kind of no a [`Refusal`] is. In brackets the TSPI error codes it stands for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalKind {
    /// The request was cancelled by `Abandon` before it was carried out.
    Abandoned,
    /// A queue or a limit is full (`RESOURCEUNAVAIL`, `CALLUNAVAIL`, `INUSE`).
    Busy,
    /// Nothing has that name (`NODEVICE`).
    Gone,
    /// The address cannot be used (`INVALADDRESS`, `ADDRESSBLOCKED`).
    InvalidAddress,
    /// A parameter is out of range or contradictory (`INVALPARAM` and its kin).
    InvalidParameter,
    /// The call, line or stream is not in a state for it (`INVALCALLSTATE`, `INVALLINESTATE`).
    InvalidState,
    /// The line has no media provider (`NODRIVER`).
    NoMedia,
    /// The application does not own the call or phone (`NOTOWNER`).
    NotOwner,
    /// It was tried and failed (`OPERATIONFAILED`).
    OperationFailed,
    /// The provider ended with the request outstanding.
    ProviderGone,
    /// The sole owner of a live call must drop it, hand it off or keep it explicitly.
    SoleOwner,
    /// The key names something that ended (`INVALCALLHANDLE`).
    StaleHandle,
    /// The provider did not answer in time.
    TimedOut,
    /// The line does not declare the operation, or the provider does not know the command
    /// (`OPERATIONUNAVAIL`).
    Unsupported,
}

impl Refusal {
    /// Makes a refusal with the usual advice for its kind.
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self { kind, cause: None, retry: kind.usual_retry(), detail: detail.into() }
    }

    /// Adds the network's reason.
    #[must_use]
    pub const fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Replaces the advice about trying again.
    #[must_use]
    pub const fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The refusal for an operation that `object` does not declare.
    #[must_use]
    pub fn unsupported(object: impl fmt::Display, op: Op) -> Self {
        Self::new(RefusalKind::Unsupported, format!("{object} does not offer {op}"))
    }

    /// The refusal for an operation at the wrong moment; names what would have been legal.
    #[must_use]
    pub fn invalid_state(object: impl fmt::Display, op: Op, state: StateKind, legal: &[StateKind]) -> Self {
        let legal: Vec<&str> = legal.iter().map(|s| s.name()).collect();
        let legal = if legal.is_empty() { "no state".to_owned() } else { legal.join(", ") };
        Self::new(RefusalKind::InvalidState, format!("{object} is {state}; {op} needs {legal}"))
    }
}

impl RefusalKind {
    const fn usual_retry(self) -> Retry {
        match self {
            Self::Abandoned | Self::Busy | Self::OperationFailed | Self::ProviderGone | Self::TimedOut => {
                Retry::Later
            }
            Self::InvalidState | Self::NoMedia | Self::NotOwner | Self::SoleOwner => Retry::AfterChange,
            Self::Gone
            | Self::InvalidAddress
            | Self::InvalidParameter
            | Self::StaleHandle
            | Self::Unsupported => Retry::Never,
        }
    }
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Abandoned => "abandoned",
            Self::Busy => "busy",
            Self::Gone => "gone",
            Self::InvalidAddress => "invalid address",
            Self::InvalidParameter => "invalid parameter",
            Self::InvalidState => "invalid state",
            Self::NoMedia => "no media",
            Self::NotOwner => "not owner",
            Self::OperationFailed => "operation failed",
            Self::ProviderGone => "provider gone",
            Self::SoleOwner => "sole owner",
            Self::StaleHandle => "stale handle",
            Self::TimedOut => "timed out",
            Self::Unsupported => "unsupported",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.detail)?;
        match self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}
