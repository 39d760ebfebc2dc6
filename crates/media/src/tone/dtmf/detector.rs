// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hears digits: sound passes in blocks of 12.75 ms, and two blocks in a row must look like one key and nothing
//! else.
//!
//! They do if in each one row and one column stand out from the others of their group, neither is much stronger
//! than the other, the phases from one block to the next show that both are on their frequencies, and the two hold
//! nearly all the power. Speech passes one of these tests often and all of them seldom. A key once down is held more
//! loosely: it is up when three blocks in a row no longer have its tones as their strongest.

use std::time::Duration;

use super::super::detector::Detector;
use super::super::goertzel::{Block, Goertzel};
use super::{COLUMNS, DtmfDigit, KEYS, ROWS};
use crate::format::SampleRate;
use crate::level::Level;

/// Samples in a block at 8 kHz: as short as still keeps neighbouring rows apart.
const BLOCK_AT_8_KHZ: u64 = 102;
/// Blocks without the digit after which it is over: more than a lost packet of 20 ms can spoil, and no more than
/// the shortest pause between digits, 40 ms (ITU-T Q.24), holds for sure.
const BLOCKS_OF_SILENCE: u32 = 3;
/// The part of the power that keeps a key down; a block filled by less than half falls below.
const HOLDING_SHARE: f32 = 0.5;

/// What is taken for a digit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DtmfLimits {
    /// The weaker of the two tones has at least this level.
    pub min_level: Level,
    /// The high tone may be this many decibels above the low one (normal twist).
    pub twist_db: f32,
    /// The low tone may be this many decibels above the high one (reverse twist).
    pub reverse_twist_db: f32,
    /// Each tone is this many decibels above the next of its group.
    pub peak_db: f32,
    /// The part of all power that the two tones have, from 0 to 1.
    pub min_share: f32,
    /// How far each tone may be off its frequency, as a part of it.
    pub tolerance: f32,
}

impl Default for DtmfLimits {
    /// Wide enough that all pass which must by ITU-T Q.24, although a block this short measures twist only within
    /// 2.5 dB (8 and 4 must pass) and the detuning of 1.5 % that must pass shall stay clear of the 3.5 % that must not.
    fn default() -> Self {
        Self {
            min_level: Level::from_dbm0(-40.0),
            twist_db: 10.5,
            reverse_twist_db: 6.0,
            peak_db: 6.0,
            min_share: 0.82,
            tolerance: 0.023,
        }
    }
}

/// What a [`DtmfDetector`] reports. Positions count samples since the detector began.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum DtmfEvent {
    /// A key was pressed.
    Started {
        /// Which key.
        digit: DtmfDigit,
        /// Where its tones began, exact to about a block of 13 ms.
        at: u64,
        /// The level of both tones together.
        level: Level,
    },
    /// The key was let go.
    Stopped {
        /// Which key.
        digit: DtmfDigit,
        /// Where its tones ended.
        at: u64,
        /// How long they sounded.
        duration: Duration,
    },
}

/// Hears digits in mono sound.
///
/// ```
/// use std::time::Duration;
/// use offhook_media::{Format, SampleRate};
/// use offhook_media::tone::dtmf::{DtmfDetector, DtmfDigit, DtmfEvent, DtmfTiming, script};
/// use offhook_media::tone::{Detector, ToneGenerator};
///
/// let five = DtmfDigit::from_char('5').unwrap();
/// let sound = ToneGenerator::new(Format::TELEPHONE, &script(&[five], &DtmfTiming::default()));
/// let mut heard = Vec::new();
/// let mut detector = DtmfDetector::new(SampleRate::HZ_8000);
/// detector.hear(&sound.render(Duration::from_secs(1)), &mut |event| heard.push(event));
/// assert!(matches!(heard[0], DtmfEvent::Started { digit, .. } if digit == five));
/// ```
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    limits: Ratios,
    rate: SampleRate,
    lanes: Goertzel<8>,
    position: u64,
    last: Option<(Key, Block<8>)>,
    pressed: Option<Pressed>,
}

/// A row and a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Key {
    row: usize,
    column: usize,
}

impl Key {
    const fn digit(self) -> DtmfDigit {
        DtmfDigit(KEYS[self.row][self.column])
    }

    /// The lanes of its two tones.
    const fn lanes(self) -> [usize; 2] {
        [self.row, 4 + self.column]
    }
}

/// The limits as ratios of powers.
#[derive(Clone, Copy, Debug)]
struct Ratios {
    power: f32,
    twist: f32,
    reverse_twist: f32,
    peak: f32,
    share: f32,
    tolerance: f32,
}

#[derive(Clone, Copy, Debug)]
struct Pressed {
    key: Key,
    from: u64,
    until: u64,
    missed: u32,
}

impl DtmfDetector {
    /// Hears digits at `rate` within the default limits.
    #[must_use]
    pub fn new(rate: SampleRate) -> Self {
        Self::with_limits(rate, &DtmfLimits::default())
    }

    /// Hears digits at `rate` within `limits`.
    #[must_use]
    pub fn with_limits(rate: SampleRate, limits: &DtmfLimits) -> Self {
        let ratio = |decibels: f32| 10f32.powf(decibels / 10.0);
        let limits = Ratios {
            power: limits.min_level.power(),
            twist: ratio(limits.twist_db),
            reverse_twist: ratio(limits.reverse_twist_db),
            peak: ratio(limits.peak_db),
            share: limits.min_share,
            tolerance: limits.tolerance,
        };
        let block = u64::from(rate.hertz()) * BLOCK_AT_8_KHZ / 8_000;
        let mut hertz = [0.0; 8];
        hertz[..4].copy_from_slice(&ROWS);
        hertz[4..].copy_from_slice(&COLUMNS);
        let lanes = Goertzel::new(hertz, usize::try_from(block).unwrap_or(1), rate);
        Self { limits, rate, lanes, position: 0, last: None, pressed: None }
    }

    /// The key that is down now.
    #[must_use]
    pub fn pressed(&self) -> Option<DtmfDigit> {
        self.pressed.map(|pressed| pressed.key.digit())
    }

    fn step(&mut self, block: &Block<8>, report: &mut dyn FnMut(DtmfEvent)) {
        let length = self.lanes.block() as u64;
        let from = self.position;
        self.position = from.saturating_add(length);
        let agreed = self.agreed(block);
        match &mut self.pressed {
            Some(pressed) if agreed.is_none_or(|key| key == pressed.key) && is_held(pressed.key, block) => {
                pressed.until = self.position;
                pressed.missed = 0;
                return;
            }
            Some(pressed) => {
                pressed.missed += 1;
                if agreed.is_none() && pressed.missed < BLOCKS_OF_SILENCE {
                    return;
                }
                self.release(report);
            }
            None => {}
        }
        if let Some(key) = agreed {
            let from = from.saturating_sub(length);
            self.pressed = Some(Pressed { key, from, until: self.position, missed: 0 });
            let level = Level::from_power(block.total);
            report(DtmfEvent::Started { digit: key.digit(), at: from, level });
        }
    }

    /// The key that both this block and the last one are, if they are one.
    fn agreed(&mut self, block: &Block<8>) -> Option<Key> {
        let key = self.limits.key(block);
        let last = std::mem::replace(&mut self.last, key.map(|key| (key, *block)));
        let (last_key, last) = last?;
        let key = key.filter(|&key| key == last_key)?;
        let (mut earlier, mut later) = (0.0, 0.0);
        for (lane, hertz) in key.lanes().into_iter().zip([ROWS[key.row], COLUMNS[key.column]]) {
            let drift = self.lanes.drift(lane, &last, block);
            let block_rate = self.rate.hertz() as f32 / self.lanes.block() as f32;
            if drift.abs() * block_rate > self.limits.tolerance * hertz {
                return None;
            }
            // A tone beside its lane shows less power than it has: sin(πd) / πd of its amplitude.
            let angle = drift * std::f32::consts::PI;
            let seen = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
            earlier += last.tones[lane] / (seen * seen);
            later += block.tones[lane] / (seen * seen);
        }
        let alone = earlier >= last.total * self.limits.share && later >= block.total * self.limits.share;
        alone.then_some(key)
    }

    fn release(&mut self, report: &mut dyn FnMut(DtmfEvent)) {
        if let Some(Pressed { key, from, until, .. }) = self.pressed.take() {
            report(DtmfEvent::Stopped {
                digit: key.digit(),
                at: until,
                duration: self.rate.duration_of(until - from),
            });
        }
    }
}

impl Detector for DtmfDetector {
    type Event = DtmfEvent;

    fn hear(&mut self, mut samples: &[i16], report: &mut dyn FnMut(DtmfEvent)) {
        while !samples.is_empty() {
            if let Some(block) = self.lanes.take(&mut samples) {
                self.step(&block, report);
            }
        }
    }
}

impl Ratios {
    /// The key whose tones stand out in a block.
    fn key(&self, block: &Block<8>) -> Option<Key> {
        let (rows, columns) = block.tones.split_at(4);
        let (row, low) = self.peak(rows)?;
        let (column, high) = self.peak(columns)?;
        let balanced = high <= low * self.twist && low <= high * self.reverse_twist;
        balanced.then_some(Key { row, column })
    }

    /// The one tone of a group that stands out.
    fn peak(&self, group: &[f32]) -> Option<(usize, f32)> {
        let (index, power) = strongest(group)?;
        let lone = group.iter().enumerate().all(|(other, &p)| other == index || p * self.peak <= power);
        (lone && power >= self.power).then_some((index, power))
    }
}

/// Whether a block still is mostly the tones of `key`.
fn is_held(key: Key, block: &Block<8>) -> bool {
    let (rows, columns) = block.tones.split_at(4);
    let [low, high] = key.lanes().map(|lane| block.tones[lane]);
    let strongest = |group| strongest(group).map(|(index, _)| index);
    strongest(rows) == Some(key.row)
        && strongest(columns) == Some(key.column)
        && low + high >= block.total * HOLDING_SHARE
        && block.total > 0.0
}

fn strongest(group: &[f32]) -> Option<(usize, f32)> {
    group.iter().copied().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))
}
