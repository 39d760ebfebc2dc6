// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small repeatable randomness for timing, identifiers and simulated networks; not for secrets.

/// A generator of numbers from a seed: the same seed gives the same numbers on every machine.
///
/// The engine's driver seeds one from the operating system; tests seed it with a constant.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that begins at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits: a counter in steps of the golden ratio, stirred twice so that each input bit moves
    /// about half of the output bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let stirred = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let stirred = (stirred ^ (stirred >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        stirred ^ (stirred >> 31)
    }

    /// The next 32 bits, for an SSRC or a first timestamp.
    pub const fn word(&mut self) -> u32 {
        (self.bits() >> 32) as u32
    }

    /// A number from 0 up to, not including, 1.
    pub const fn unit(&mut self) -> f64 {
        const STEPS: f64 = (1_u64 << 53) as f64;
        (self.bits() >> 11) as f64 / STEPS
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut a, mut b) = (Random::new(7), Random::new(7));
        assert!((0..100).all(|_| a.bits() == b.bits()));
    }

    #[test]
    fn units_fill_the_range_evenly() {
        let mut random = Random::new(1);
        let mean = (0..10_000).map(|_| random.unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert!((0..10_000).all(|_| (0.0..1.0).contains(&random.unit())));
        assert!(!random.chance(0.0) && random.chance(1.0));
    }
}
