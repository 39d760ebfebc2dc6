// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of things that travel on a link: requests, lines, calls, sessions, phones, terminals.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names one request on one link; its reply carries the same number.
///
/// The core counts upwards from 1 for each link and never reuses a number on that link (TSPI's
/// `DRV_REQUESTID`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request:{}", self.0)
    }
}

/// Names a line on one link; the provider chooses it in [`TspEvent::LineUp`](crate::TspEvent::LineUp).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct LineKey(pub u64);

impl fmt::Display for LineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line-key:{}", self.0)
    }
}

/// Names a phone on one link; the provider chooses it in [`TspEvent::PhoneUp`](crate::TspEvent::PhoneUp).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct PhoneKey(pub u64);

impl fmt::Display for PhoneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "phone-key:{}", self.0)
    }
}

/// Which address of a line: 0 up to the number of addresses, permanent for the life of the line.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct AddressIndex(pub u16);

/// The side of a link that gave a call its key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a link has two sides")]
pub enum NamedBy {
    /// The core, in the request that starts the call.
    Core,
    /// The provider, in the first event of the call.
    Provider,
}

/// Names a call on one link. The side that starts a call names it, so no event can arrive for an
/// unknown key and a remote provider needs no round trip.
///
/// After [`CallState::Idle`](crate::CallState::Idle) the key is dead and never used again on the link.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct CallKey {
    /// Who chose the serial number.
    pub named_by: NamedBy,
    /// Counts upwards on each side.
    pub serial: u64,
}

impl CallKey {
    /// The key of a call that the core starts.
    #[must_use]
    pub const fn core(serial: u64) -> Self {
        Self { named_by: NamedBy::Core, serial }
    }

    /// The key of a call that the provider introduces.
    #[must_use]
    pub const fn provider(serial: u64) -> Self {
        Self { named_by: NamedBy::Provider, serial }
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.named_by {
            NamedBy::Core => 'c',
            NamedBy::Provider => 'p',
        };
        write!(f, "call-key:{side}{}", self.serial)
    }
}

/// Names a session, the MSP side of a call; the core chooses it, one number space over all MSPs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct SessionKey(pub u64);

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session:{}", self.0)
    }
}

/// Names a terminal of a session. The core names those that applications ask for, in
/// [`MspCommand::SelectTerminal`](crate::MspCommand::SelectTerminal).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct TerminalKey(pub u64);

impl fmt::Display for TerminalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "terminal:{}", self.0)
    }
}
