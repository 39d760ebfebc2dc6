// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bursts: stretches of sound whose spectrum is one or two lines and stays as it is.
//!
//! Speech has lines too, but they move with its pitch and their strengths with its vowels; a burst has to keep both.

use super::ear::{BAND, BINS, HOP, Hop, frequency};
use crate::level::Level;

/// The part of the power that the lines of a burst have.
const SHARE: f32 = 0.75;
/// The part of two spectra that agrees while a tone stays the same.
const ALIKE: f32 = 0.5;
/// Quieter than this is no tone.
const QUIETEST: f32 = -58.0;
/// How far below its loudest the power of a burst may fall at its edges.
const EDGE: f32 = 0.35;
/// Hops without the tone that do not end it, if they are no silence: 64 ms, what a lost packet or a reversal of the
/// phase takes from the windows that contain it …
const BRIDGE: u32 = 4;
/// … and hops with another tone after which that one is the burst.
const OTHER: u32 = 3;

/// A burst that goes on or has ended. Times are samples at 8 kHz.
#[derive(Clone, Debug)]
pub(crate) struct Burst {
    /// Where it began.
    pub(crate) from: u64,
    /// Where it was heard last.
    pub(crate) until: u64,
    /// Its mean spectrum, from the moment the window holds nothing else.
    pub(crate) spectrum: [f32; BINS],
    /// The phase was reversed so often.
    pub(crate) reversals: u32,
    dips: bool,
    /// The smallest and the largest mean square once it had risen.
    range: (f32, f32),
    /// The part of the power around its strongest line, on average.
    lone: f32,
    power: f32,
    summed: f32,
    hops: u32,
    loudest: f32,
}

impl Burst {
    fn new(hop: &Hop) -> Self {
        Self {
            from: hop.middle.saturating_sub(HOP as u64 / 2),
            until: hop.middle + HOP as u64 / 2,
            spectrum: hop.spectrum,
            reversals: 0,
            dips: false,
            range: (f32::INFINITY, 0.0),
            lone: hop.lone,
            power: hop.power,
            summed: 1.0,
            hops: 1,
            loudest: hop.power,
        }
    }

    fn add(&mut self, hop: &Hop) {
        self.until = hop.middle + HOP as u64 / 2;
        if self.hops < 6 && hop.power > self.loudest * 2.0 {
            self.from = hop.middle.saturating_sub(HOP as u64 / 2);
        }
        self.loudest = self.loudest.max(hop.power);
        self.hops += 1;
        if self.hops == 4 {
            (self.spectrum, self.summed, self.power, self.lone) = ([0.0; BINS], 0.0, 0.0, 0.0);
        }
        if hop.power < self.loudest * 0.7 && self.hops > 4 {
            return;
        }
        if self.hops >= 4 {
            self.range = (self.range.0.min(hop.power), self.range.1.max(hop.power));
        }
        for (sum, power) in self.spectrum.iter_mut().zip(&hop.spectrum) {
            *sum += power;
        }
        self.power += hop.power;
        self.lone += hop.lone;
        self.summed += 1.0;
    }

    /// Milliseconds from beginning to end.
    pub(crate) const fn lasted(&self) -> u32 {
        ms(self.from, self.until)
    }

    /// The mean level.
    pub(crate) fn level(&self) -> Level {
        Level::from_power(self.power / self.summed.max(1.0))
    }

    /// The strongest frequency.
    pub(crate) fn frequency(&self) -> f32 {
        frequency(&self.spectrum, self.peak())
    }

    fn peak(&self) -> usize {
        let mut peak = BAND.start;
        for bin in BAND {
            if self.spectrum[bin] > self.spectrum[peak] {
                peak = bin;
            }
        }
        peak
    }

    /// Notices a reversal of the phase: for a moment the two halves of a window cancel at the line itself, and the
    /// power lies beside it.
    fn notice_reversal(&mut self, hop: &Hop) {
        let peak = self.peak();
        let (now, mean) =
            (hop.spectrum[peak] / hop.power, self.spectrum[peak] / self.power.max(f32::MIN_POSITIVE));
        if now < 0.3 * mean {
            self.dips = true;
        } else if now > 0.7 * mean && std::mem::take(&mut self.dips) {
            self.reversals += 1;
        }
    }

    /// Whether it is one line and hardly anything else.
    pub(crate) fn is_lone(&self) -> bool {
        self.lone >= 0.85 * self.summed
    }

    /// Whether its level stays within three decibels.
    pub(crate) fn is_even(&self) -> bool {
        self.range.1 <= 2.0 * self.range.0
    }

    /// The part of its power at `hertz` (of more than one: together), none if one of them is missing.
    pub(crate) fn share(&self, hertz: &[f32]) -> f32 {
        let mut strongest: f32 = 0.0;
        let mut weakest = f32::INFINITY;
        let mut covered = [false; BINS];
        for &hertz in hertz {
            let bin = (hertz / super::ear::BIN_HZ).round() as usize;
            let near = bin.saturating_sub(1).max(BAND.start)..(bin + 2).min(BAND.end);
            let most = self.spectrum[near].iter().fold(0.0, |most: f32, &power| most.max(power));
            (strongest, weakest) = (strongest.max(most), weakest.min(most));
            covered[bin.saturating_sub(2)..(bin + 3).min(BINS)].fill(true);
        }
        let sum: f32 = BAND.filter(|bin| covered[*bin]).map(|bin| self.spectrum[bin]).sum();
        if weakest < 0.1 * strongest { 0.0 } else { sum / self.power.max(f32::MIN_POSITIVE) }
    }

    fn is_like(&self, hop: &Hop) -> bool {
        let total = self.power.max(f32::MIN_POSITIVE);
        let alike: f32 =
            BAND.map(|bin| (self.spectrum[bin] / total).min(hop.spectrum[bin] / hop.power)).sum();
        alike >= ALIKE
    }
}

/// Milliseconds between two positions.
pub(crate) const fn ms(from: u64, until: u64) -> u32 {
    let ms = until.saturating_sub(from) / 8;
    if ms > u32::MAX as u64 { u32::MAX } else { ms as u32 }
}

/// Follows bursts from hop to hop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bursts {
    now: Option<Burst>,
    missed: u32,
    other: Option<Burst>,
}

impl Bursts {
    /// The burst that goes on, if one has for at least `hops` hops.
    pub(crate) fn now(&self, hops: u32) -> Option<&Burst> {
        self.now.as_ref().filter(|burst| burst.hops >= hops)
    }

    /// Takes one more hop; returns the burst that it ended.
    pub(crate) fn judge(&mut self, hop: &Hop) -> Option<Burst> {
        let tonal = hop.paired >= SHARE && Level::from_power(hop.power).dbov() >= QUIETEST;
        let Some(now) = &mut self.now else {
            self.now = tonal.then(|| Burst::new(hop));
            return None;
        };
        let loud = hop.power >= EDGE * now.loudest;
        if loud {
            now.notice_reversal(hop);
        }
        if tonal && loud && now.is_like(hop) {
            now.add(hop);
            (self.missed, self.other) = (0, None);
            return None;
        }
        self.missed += 1;
        let mut changed = false;
        match &mut self.other {
            Some(other) if tonal && other.is_like(hop) => {
                other.add(hop);
                changed = other.hops >= OTHER;
            }
            other => *other = (tonal && !now.is_like(hop)).then(|| Burst::new(hop)),
        }
        if !changed && self.missed <= BRIDGE {
            return None;
        }
        let ended = std::mem::replace(&mut self.now, self.other.take());
        self.missed = 0;
        ended
    }
}
