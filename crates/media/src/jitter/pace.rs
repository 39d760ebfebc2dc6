// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plays a packet a little faster or slower, where sound goes on: one pitch period is left out or said twice,
//! blended where it looks most like the next one (WSOLA with a single period).

use crate::format::SampleRate;

/// Shortest period: 400 Hz.
const SHORTEST: u32 = 400;
/// Longest period: 80 Hz, if the packet has two of them.
const LONGEST: u32 = 80;

/// How fast a packet is to be played.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "faster, slower, or neither")]
pub enum Pace {
    /// As it is.
    Even,
    /// One period longer, if two periods are so much alike (0 to 100).
    Longer(u8),
    /// One period shorter, if two periods are so much alike (0 to 100).
    Shorter(u8),
}

impl Pace {
    /// Changes the first `samples` of `pcm`, which needs room for half as many on top, and gives how many there
    /// are now.
    #[must_use]
    pub fn apply(self, pcm: &mut [i16], samples: usize, rate: SampleRate) -> usize {
        let samples = samples.min(pcm.len());
        let (alike, is_longer) = match self {
            Self::Even => return samples,
            Self::Longer(alike) => (alike, true),
            Self::Shorter(alike) => (alike, false),
        };
        let Some((period, found)) = best_period(&pcm[..samples], rate) else { return samples };
        if found * 100.0 < f32::from(alike) {
            return samples;
        }
        if !is_longer {
            blend(pcm, 0, period, 0, period);
            pcm.copy_within(period * 2..samples, period);
            return samples - period;
        }
        if samples + period > pcm.len() {
            return samples;
        }
        // The first period, then one that passes from the second back to the first, then all from the second.
        pcm.copy_within(period..samples, period * 2);
        blend(pcm, period * 2, 0, period, period);
        samples + period
    }
}

/// Writes to `to` what passes from the sound at `from` to the sound at `into`, over `length` samples.
fn blend(pcm: &mut [i16], from: usize, into: usize, to: usize, length: usize) {
    for n in 0..length {
        let (old, new) = (i32::from(pcm[from + n]), i32::from(pcm[into + n]));
        let (weight, whole) = (n as i32, length as i32);
        pcm[to + n] = ((old * (whole - weight) + new * weight) / whole) as i16;
    }
}

/// The period by which the beginning looks most like what follows, and how much (−1 to 1). Of periods that are
/// about as good the longest is taken: fewer cuts.
fn best_period(pcm: &[i16], rate: SampleRate) -> Option<(usize, f32)> {
    let shortest = (rate.hertz() / SHORTEST) as usize;
    let longest = ((rate.hertz() / LONGEST) as usize).min(pcm.len() / 2);
    let step = (rate.hertz() as usize / 8_000).max(1);
    let mut best: Option<(usize, f32)> = None;
    for lag in (shortest.max(1)..=longest).step_by(step) {
        let (mut product, mut first, mut second) = (0.0_f32, 1.0_f32, 1.0_f32);
        for (a, b) in pcm[..lag].iter().zip(&pcm[lag..lag * 2]).step_by(step) {
            let (a, b) = (f32::from(*a), f32::from(*b));
            product += a * b;
            first += a * a;
            second += b * b;
        }
        let score = product / (first * second).sqrt();
        if best.is_none_or(|(_, found)| score > found - 0.02) {
            best = Some((lag, score.max(best.map_or(f32::MIN, |(_, found)| found))));
        }
    }
    // The score kept is the best of all; that of the lag itself is at most a few hundredths less.
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;

    fn tone(hertz: f32, from: usize, samples: usize) -> Vec<i16> {
        let sample = |n: usize| (n as f32 * hertz / 8_000.0 * std::f32::consts::TAU).sin() * 8_000.0;
        (from..from + samples).map(|n| sample(n) as i16).collect()
    }

    fn paced(pace: Pace, mut pcm: Vec<i16>) -> Vec<i16> {
        let samples = pcm.len();
        pcm.resize(samples * 2, 0);
        let now = pace.apply(&mut pcm, samples, RATE);
        pcm.truncate(now);
        pcm
    }

    /// The largest step from one sample to the next.
    fn steepest(pcm: &[i16]) -> i32 {
        pcm.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap()
    }

    #[test]
    fn a_tone_goes_on_without_a_click_whether_shorter_or_longer() {
        for hertz in [110.0, 150.0, 200.0, 310.0, 400.0, 1_000.0] {
            let original = tone(hertz, 0, 160);
            for pace in [Pace::Shorter(90), Pace::Longer(90)] {
                let now = paced(pace, original.clone());
                let change = now.len().abs_diff(160);
                assert!((20..=80).contains(&change), "{hertz} {pace:?}: {change}");
                assert_eq!(pace == Pace::Longer(90), now.len() > 160);
                let [before, after] = [tone(hertz, 0, 0), tone(hertz, 160, 10)];
                let whole = [before, now, after].concat();
                assert!(steepest(&whole) <= steepest(&original) * 5 / 4 + 200, "{hertz} {pace:?}");
            }
        }
    }

    #[test]
    fn what_has_no_period_is_left_unless_it_must_be() {
        let mut random = crate::rtp::Random::new(1);
        let noise: Vec<i16> = (0..160).map(|_| (random.word() >> 17) as i16 - 16_384).collect();
        assert_eq!(paced(Pace::Shorter(90), noise.clone()), noise);
        assert!(paced(Pace::Shorter(0), noise).len() < 160);
    }

    #[test]
    fn short_packets_and_full_buffers_are_left() {
        assert_eq!(paced(Pace::Shorter(0), vec![5; 30]).len(), 30);
        let mut full = tone(200.0, 0, 160);
        assert_eq!(Pace::Longer(90).apply(&mut full, 160, RATE), 160);
        assert_eq!(full, tone(200.0, 0, 160));
    }

    proptest! {
        #[test]
        fn anything_may_be_paced(pcm: Vec<i16>, room in 0_usize..200, alike: u8, longer: bool, hertz in 8_000_u32..=48_000) {
            let Some(rate) = SampleRate::new(hertz) else { return Ok(()) };
            let pace = if longer { Pace::Longer(alike) } else { Pace::Shorter(alike) };
            let (mut pcm, samples) = (pcm.clone(), pcm.len());
            pcm.resize(samples + room, 0);
            let now = pace.apply(&mut pcm, samples, rate);
            prop_assert!(now <= pcm.len() && now.abs_diff(samples) <= samples / 2);
        }
    }
}
