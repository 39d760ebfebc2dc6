// SPDX-License-Identifier: MIT OR Apache-2.0
//! Seeded randomness: the same seed gives the same world.

use std::time::Duration;

/// A small generator (SplitMix64). Good enough for faults, useless for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Begins a sequence.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of a remainder is far below what a simulation can notice.
        self.bits().checked_rem(end).unwrap_or(0)
    }

    /// True once in `n` times on average; never for 0.
    pub fn one_in(&mut self, n: u64) -> bool {
        n != 0 && self.below(n) == 0
    }

    /// A time between two times.
    pub fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let span = longest.saturating_sub(shortest);
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        shortest + Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }

    /// One of several; `None` when there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let place = self.below(from.len() as u64);
        usize::try_from(place).ok().and_then(|place| from.get(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence() {
        let (mut a, mut b) = (Random::new(7), Random::new(7));
        assert!((0..100).all(|_| a.bits() == b.bits()));
    }

    #[test]
    fn times_lie_between_the_given_ones() {
        let mut random = Random::new(1);
        let (shortest, longest) = (Duration::from_millis(10), Duration::from_millis(20));
        assert!((0..1000).map(|_| random.between(shortest, longest)).all(|t| t >= shortest && t <= longest));
    }
}
