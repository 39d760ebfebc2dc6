// SPDX-License-Identifier: MIT OR Apache-2.0
//! Logical time: what state machines are told, never what they read from a clock.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in logical time: nanoseconds since the server began.
///
/// Moments order and subtract; they say nothing about the wall clock, and media time (RTP timestamps)
/// is a different thing that does not convert silently.
///
/// ```
/// use offhook_spi::Moment;
/// use std::time::Duration;
///
/// let later = Moment::ZERO + Duration::from_millis(20);
/// assert_eq!(later - Moment::ZERO, Duration::from_millis(20));
/// ```
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Moment(u64);

impl Moment {
    /// When the server began.
    pub const ZERO: Self = Self(0);
    /// Later than any other moment.
    pub const MAX: Self = Self(u64::MAX);

    /// Makes the moment that lies `nanos` nanoseconds after the beginning.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Makes the moment that lies `millis` milliseconds after the beginning.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the beginning.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time that has passed since `earlier`, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// Saturates at [`Moment::MAX`].
    fn add(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// Saturates at zero.
    fn sub(self, rhs: Self) -> Duration {
        self.since(rhs)
    }
}

impl fmt::Display for Moment {
    /// Seconds with three decimals: `12.345`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000_000_000, self.0 / 1_000_000 % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtracting_a_later_moment_is_zero() {
        assert_eq!(Moment::ZERO - Moment::from_millis(5), Duration::ZERO);
    }

    #[test]
    fn adding_saturates_at_the_end_of_time() {
        assert_eq!(Moment::MAX + Duration::from_secs(1), Moment::MAX);
    }

    #[test]
    fn a_moment_prints_as_seconds() {
        assert_eq!(Moment::from_millis(12_345).to_string(), "12.345");
    }
}
