// SPDX-License-Identifier: MIT OR Apache-2.0
//! How good a call sounds, estimated: the E-model (ITU-T G.107) with everything but delay and loss at its
//! default, which leaves a rating of 93.2 to start from.

use std::time::Duration;

/// R with all default parameters (G.107 section 7.7).
const BEST: f64 = 93.2;
/// A codec that loses everything impairs this much (G.107 section 7.5).
const FULL_IMPAIRMENT: f64 = 95.0;

/// What loss does to a codec (ITU-T G.113 appendix I).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Ie: what the codec costs without loss.
    pub equipment: f64,
    /// Bpl: how well it bears random loss; `None` where it is not known here.
    pub robustness: Option<f64>,
}

impl Impairment {
    /// G.711 with concealment of lost packets; linear samples bear loss alike.
    pub const G711: Self = Self { equipment: 0.0, robustness: Some(25.1) };
    /// G.726 at 16 kbit/s.
    pub const G726_16: Self = Self { equipment: 50.0, robustness: None };
    /// G.726 at 24 kbit/s.
    pub const G726_24: Self = Self { equipment: 25.0, robustness: None };
    /// G.726 at 32 kbit/s.
    pub const G726_32: Self = Self { equipment: 7.0, robustness: None };
    /// G.726 at 40 kbit/s.
    pub const G726_40: Self = Self { equipment: 2.0, robustness: None };
    /// G.729 annex A with its own concealment.
    pub const G729A: Self = Self { equipment: 11.0, robustness: Some(19.0) };
}

/// What was measured of one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Share of the sound that was missing at play-out, 0 to 1.
    pub loss: f64,
    /// `BurstR`: mean length of losses in a row against that of random loss, 1 when it is random.
    pub burst_ratio: f64,
    /// From mouth to ear, as far as known.
    pub delay: Duration,
}

/// A transmission rating, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rating(f64);

impl Rating {
    /// The rating of one direction; `None` when something is lost and nobody knows what that does to the codec.
    ///
    /// ```
    /// use std::time::Duration;
    /// use offhook_media::quality::{Impairment, Measured, Rating};
    ///
    /// let measured = Measured { loss: 0.0, burst_ratio: 1.0, delay: Duration::from_millis(50) };
    /// assert!(Rating::of(&measured, Impairment::G711).is_some_and(|rating| rating.mos() > 4.3));
    /// ```
    #[must_use]
    pub fn of(measured: &Measured, codec: Impairment) -> Option<Self> {
        let percent = measured.loss.clamp(0.0, 1.0) * 100.0;
        // Ie,eff of G.107 section 7.5.
        let share = match codec.robustness {
            _ if percent <= 0.0 => 0.0,
            Some(robustness) => percent / (percent / measured.burst_ratio.max(1.0) + robustness),
            None => return None,
        };
        let equipment = codec.equipment + (FULL_IMPAIRMENT - codec.equipment) * share.min(1.0);
        Some(Self((BEST - delay_impairment(measured.delay) - equipment).clamp(0.0, 100.0)))
    }

    /// The R value.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }

    /// The mean opinion score this rating stands for (G.107 annex B), 1 to 4.5.
    #[must_use]
    pub fn mos(self) -> f32 {
        let r = self.0;
        let score = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
        score.clamp(1.0, 4.5) as f32
    }
}

/// Id, by the usual two straight lines in place of G.107's logarithms: within one point up to 400 ms.
fn delay_impairment(delay: Duration) -> f64 {
    let millis = delay.as_secs_f64() * 1_000.0;
    0.024 * millis + 0.11 * (millis - 177.3).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mos(loss: f64, millis: u64) -> f32 {
        of(loss, 1.0, millis, Impairment::G711).unwrap()
    }

    fn of(loss: f64, burst_ratio: f64, millis: u64, codec: Impairment) -> Option<f32> {
        let delay = Duration::from_millis(millis);
        Rating::of(&Measured { loss, burst_ratio, delay }, codec).map(Rating::mos)
    }

    #[test]
    fn bursts_cost_more_than_lone_losses() {
        let [lone, bursts] = [1.0, 3.0].map(|ratio| of(0.05, ratio, 50, Impairment::G711).unwrap());
        assert!(bursts < lone - 0.03, "{lone} {bursts}");
        assert_eq!(of(0.0, 3.0, 50, Impairment::G711), of(0.0, 1.0, 50, Impairment::G711));
    }

    #[test]
    fn codecs_rank_as_published_and_what_is_not_known_is_not_told() {
        let clean = |codec| of(0.0, 1.0, 50, codec).unwrap();
        let order = [Impairment::G711, Impairment::G726_32, Impairment::G729A, Impairment::G726_24];
        assert!(order.windows(2).all(|pair| clean(pair[0]) > clean(pair[1])));
        assert_eq!(of(0.01, 1.0, 50, Impairment::G726_32), None);
        assert!(of(0.05, 1.0, 50, Impairment::G729A) < of(0.05, 1.0, 50, Impairment::G711));
    }

    #[test]
    fn known_points_of_the_model() {
        for (loss, millis, expected) in [
            (0.0, 0, 4.41),
            (0.0, 100, 4.36),
            (0.0, 400, 3.08),
            (0.01, 50, 4.29),
            (0.05, 50, 3.79),
            (1.0, 0, 1.1),
        ] {
            let found = mos(loss, millis);
            assert!((found - expected).abs() < 0.12, "{loss} {millis}: {found}");
        }
    }

    #[test]
    fn more_loss_or_delay_never_sounds_better() {
        for step in 0..100_u64 {
            let loss = step as f64 / 100.0;
            assert!(mos(loss + 0.01, 50) <= mos(loss, 50));
            assert!(mos(0.0, step * 20 + 20) <= mos(0.0, step * 20));
        }
    }

    #[test]
    fn nonsense_stays_on_the_scale() {
        for loss in [-1.0, 2.0, f64::INFINITY] {
            let found = mos(loss, 1_000_000);
            assert!((1.0..=4.5).contains(&found), "{found}");
        }
    }
}
