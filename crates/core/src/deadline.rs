// SPDX-License-Identifier: MIT OR Apache-2.0
//! When the switch next wants to be woken, and why.

use std::collections::BTreeMap;
use std::fmt;

use offhook_spi::{Moment, RequestId, SessionKey};

use crate::id::{AppId, CallId, ProviderId};

/// Why the switch wants to be woken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// An application that lost its connection should be back by then.
    Absence {
        /// Which.
        app: AppId,
    },
    /// A dropped call should have become idle by then.
    Ending {
        /// Which call.
        call: CallId,
    },
    /// The next digit of a gathering should have come by then.
    Gathering {
        /// In which call.
        call: CallId,
    },
    /// A provider should have replied by then.
    Reply {
        /// Which provider.
        provider: ProviderId,
        /// To which request.
        request: RequestId,
    },
    /// A session should be over by then.
    SessionEnding {
        /// Which.
        session: SessionKey,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absence { app } => write!(f, "{app} lost its connection and should be back"),
            Self::Ending { call } => write!(f, "{call} was dropped and should be idle"),
            Self::Gathering { call } => write!(f, "the next digit of the gathering in {call} is due"),
            Self::Reply { provider, request } => write!(f, "the reply of {provider} to {request} is due"),
            Self::SessionEnding { session } => write!(f, "{session} should be over"),
        }
    }
}

/// Names one deadline; disarming it twice is harmless.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Timer {
    at: Moment,
    serial: u64,
}

/// All deadlines, the next one first; equal moments in the order in which they were armed.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    armed: BTreeMap<Timer, Reason>,
    serial: u64,
}

impl Deadlines {
    pub(crate) fn arm(&mut self, at: Moment, reason: Reason) -> Timer {
        self.serial += 1;
        let timer = Timer { at, serial: self.serial };
        self.armed.insert(timer, reason);
        timer
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.armed.remove(&timer);
    }

    /// Takes the first deadline that is due at `now`.
    pub(crate) fn due(&mut self, now: Moment) -> Option<Reason> {
        let entry = self.armed.first_entry().filter(|entry| entry.key().at <= now)?;
        Some(entry.remove())
    }

    pub(crate) fn next(&self) -> Option<(Moment, Reason)> {
        self.armed.first_key_value().map(|(timer, reason)| (timer.at, *reason))
    }

    pub(crate) fn len(&self) -> usize {
        self.armed.len()
    }
}
