// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lengths of time that RFC 3261 names, and what is derived from them.

use std::time::Duration;

/// The configurable times of RFC 3261 table 4.
///
/// ```
/// use offhook_sipcore::agent::Timing;
/// use std::time::Duration;
///
/// assert_eq!(Timing::default().transaction(), Duration::from_secs(32));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timing {
    /// The estimate of a round trip: 500 ms.
    pub t1: Duration,
    /// The longest interval between two sendings of a non-INVITE request or of an INVITE's response: 4 s.
    pub t2: Duration,
    /// How long a message may stay in the network: 5 s.
    pub t4: Duration,
    /// How long an INVITE waits for its owner before the agent itself says 100 (section 17.2.1): 200 ms.
    pub trying: Duration,
    /// How often a ringing call repeats its provisional response (section 13.3.1.1): 60 s.
    pub ringing: Duration,
}

impl Timing {
    /// 64*T1: how long a transaction is tried before it is given up.
    #[must_use]
    pub const fn transaction(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// The interval that follows `interval`: twice as long, at most T2.
    #[must_use]
    pub fn doubled(&self, interval: Duration) -> Duration {
        interval.saturating_mul(2).min(self.t2)
    }

    /// When a client's Timer E has grown to T2: not before may a non-INVITE request be answered with 100,
    /// and then it must be (RFC 4320 section 4.1).
    #[must_use]
    pub fn late(&self) -> Duration {
        let (mut passed, mut interval) = (Duration::ZERO, self.t1.min(self.t2));
        while interval < self.t2 && !interval.is_zero() {
            passed = passed.saturating_add(interval);
            interval = self.doubled(interval);
        }
        passed
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            trying: Duration::from_millis(200),
            ringing: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_non_invite_request_is_late_after_three_and_a_half_seconds() {
        assert_eq!(Timing::default().late(), Duration::from_millis(3_500));
    }

    #[test]
    fn no_configuration_makes_lateness_endless() {
        for (t1, t2) in [(0, 0), (0, 4), (5, 4), (4, 4)] {
            let timing =
                Timing { t1: Duration::from_secs(t1), t2: Duration::from_secs(t2), ..Timing::default() };
            assert_eq!(timing.late(), Duration::ZERO, "{t1} {t2}");
        }
    }
}
