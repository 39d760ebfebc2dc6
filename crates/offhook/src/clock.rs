// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one place that reads a clock: turns the runtime's monotonic time into [`Moment`]s and back.

use offhook_spi::Moment;
use tokio::time::Instant;

/// Monotonic time since the server began.
///
/// It is tokio's clock, so a test that pauses tokio's time has the whole server on virtual time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts counting now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Moment {
        Moment::ZERO + self.start.elapsed()
    }

    /// When the runtime's clock will show `moment`; `None` beyond the end of its time.
    pub(crate) fn instant(&self, moment: Moment) -> Option<Instant> {
        self.start.checked_add(moment - Moment::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_follows_virtual_time() {
        let clock = Clock::start();
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(clock.now(), Moment::from_millis(1_500));
        assert_eq!(clock.instant(clock.now()), Some(Instant::now()));
    }
}
