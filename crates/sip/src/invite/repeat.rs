// SPDX-License-Identifier: MIT OR Apache-2.0
//! The 2xx that a dialog repeats until it is acknowledged (RFC 3261 section 13.3.1.4).

use std::time::Duration;

use offhook_spi::Moment;

use crate::transaction::{Sent, Timing};

/// A 2xx that waits for its ACK.
#[derive(Debug)]
pub(crate) struct Repeat {
    /// The INVITE's number, which the ACK has too.
    pub(crate) number: u32,
    /// What goes out again.
    pub(crate) sent: Sent,
    interval: Duration,
    until: Moment,
}

/// What is due for an unacknowledged 2xx.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// Send it, and look again at this moment.
    Again(Moment),
    /// Nobody acknowledges it: the call ends with a BYE.
    GiveUp,
}

impl Repeat {
    /// A 2xx that went out at `now`.
    pub(crate) fn new(now: Moment, number: u32, sent: Sent, timing: &Timing) -> Self {
        let interval = timing.t1.min(timing.transaction());
        Self { number, sent, interval, until: now + timing.transaction() }
    }

    /// When the next look is due.
    pub(crate) fn first(&self, now: Moment) -> Moment {
        (now + self.interval).min(self.until)
    }

    /// Decides what is due at `now`: the interval doubles up to T2, on every transport.
    pub(crate) fn due(&mut self, now: Moment, timing: &Timing) -> Due {
        if now >= self.until {
            return Due::GiveUp;
        }
        self.interval = timing.doubled(self.interval);
        Due::Again((now + self.interval).min(self.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::tests::a_flow;

    #[test]
    fn a_2xx_is_repeated_at_half_a_second_doubling_up_to_four_and_given_up_after_32() {
        let timing = Timing::default();
        let sent = Sent { flow: a_flow(), bytes: bytes::Bytes::new() };
        let mut repeat = Repeat::new(Moment::ZERO, 1, sent, &timing);
        let (mut now, mut times) = (repeat.first(Moment::ZERO), Vec::new());
        while let Due::Again(next) = repeat.due(now, &timing) {
            times.push(now.since(Moment::ZERO).as_millis());
            now = next;
        }
        assert_eq!(times, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
        assert_eq!(now, Moment::from_millis(32_000));
    }
}
