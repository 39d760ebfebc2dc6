// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recognises call progress, special information and fax tones as sound passes.
//!
//! A tone is told as soon as what was heard agrees with one tone of the country and with no other: for ringback that
//! is its first burst and 0.6 s of pause, for busy and congestion the second burst, for call waiting its second burst
//! or group, for dial tone a second or little more than the longest burst of the same sound.

use super::country::{Country, Row, Sound};
use super::history::{History, Running};
use super::{CallProgress, Sit};
use crate::format::SampleRate;
use crate::resample::UnevenRates;
use crate::tone::Detector;
use crate::tone::burst::{Burst, Bursts, ms};
use crate::tone::ear::{Ear, HOP_MS, Hop};

/// A sound of the line that is no voice.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LineSound {
    /// A tone of the exchange.
    Progress(CallProgress),
    /// A fax machine that calls: 1100 Hz, half a second in every three and a half (CNG, ITU-T T.30 section 4.2).
    FaxCalling,
    /// A fax machine, or a modem, that answers: 2100 Hz (CED, ITU-T T.30 section 4.1; ANS, V.25).
    FaxAnswering {
        /// Its phase is reversed every 450 ms (V.25, V.8), as fast modems and fax machines do.
        reversals: bool,
    },
}

/// What a [`ProgressDetector`] reports. Positions count samples since the detector began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProgressEvent {
    /// A sound was recognised.
    Began {
        /// Which.
        sound: LineSound,
        /// Where its last burst began.
        at: u64,
    },
    /// It is over: another sound came, or the next burst did not.
    Ended {
        /// Which.
        sound: LineSound,
        /// Where it was heard last.
        at: u64,
    },
}

/// Listens for what an exchange or a fax machine says.
///
/// A burst of less than 80 ms is not heard, so the call waiting tones of Austria (40 ms) and Brazil (50 ms) are not
/// recognised.
#[derive(Clone, Debug)]
pub struct ProgressDetector {
    ear: Ear,
    progress: Progress,
}

impl ProgressDetector {
    /// Listens for the tones of `country` in sound at `rate`.
    ///
    /// # Errors
    ///
    /// If the rate cannot be converted to 8 kHz.
    pub fn new(country: Country, rate: SampleRate) -> Result<Self, UnevenRates> {
        Ok(Self { ear: Ear::new(rate)?, progress: Progress::new(country) })
    }
}

impl Detector for ProgressDetector {
    type Event = ProgressEvent;

    fn hear(&mut self, samples: &[i16], report: &mut dyn FnMut(ProgressEvent)) {
        let Self { ear, progress } = self;
        ear.hear(samples, &mut |ear, hop| {
            progress.judge(hop, &mut |event| {
                report(match event {
                    ProgressEvent::Began { sound, at } => ProgressEvent::Began { sound, at: ear.at_rate(at) },
                    ProgressEvent::Ended { sound, at } => ProgressEvent::Ended { sound, at: ear.at_rate(at) },
                });
            });
        });
    }
}

/// The same on hops; positions are samples at 8 kHz.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    country: Country,
    bursts: Bursts,
    history: History,
    sit: SitParts,
    /// Where the last burst of the history lay.
    last: (u64, u64),
    /// Its power.
    power: f32,
    /// Hops in a row that are sound, and no tone.
    noisy: u32,
    sounding: Option<Sounding>,
}

#[derive(Clone, Copy, Debug)]
struct Sounding {
    sound: LineSound,
    /// Its row, if it has a cadence.
    row: Option<usize>,
}

/// Shorter bursts are no tones.
const SHORTEST: u32 = 70;
/// The part of a burst's power that the frequencies of a row have.
const SHARE: f32 = 0.65;
/// Any frequency of call progress, where the country is not known.
const ANY: std::ops::Range<f32> = 330.0..640.0;
/// Milliseconds after which a steady tone is dial tone, where nothing of the same sound lasts longer.
const DIAL: u32 = 1_000;
/// Hops of another sound that end a tone.
const NOISY: u32 = 10;
/// The other sound has this part of the power of the tone.
const NOISE: f32 = 0.05;
const FAX_CALLING: std::ops::Range<f32> = 1_062.0..1_138.0;
const FAX_CALLING_MS: std::ops::Range<u32> = 400..600;
const FAX_CALLING_PAUSE: u32 = 3_800;
const FAX_ANSWERING: std::ops::Range<f32> = 2_080.0..2_120.0;
/// Long enough that the first reversal was heard.
const FAX_ANSWERING_MS: u32 = 650;

impl Progress {
    pub(crate) fn new(country: Country) -> Self {
        Self {
            country,
            bursts: Bursts::default(),
            history: History::default(),
            sit: SitParts::default(),
            last: (0, 0),
            power: 0.0,
            noisy: 0,
            sounding: None,
        }
    }

    /// The burst that goes on, if it has for at least `hops` hops.
    pub(crate) fn burst(&self, hops: u32) -> Option<&Burst> {
        self.bursts.now(hops)
    }

    /// Takes one more hop; returns the burst that it ended.
    pub(crate) fn judge(&mut self, hop: &Hop, report: &mut dyn FnMut(ProgressEvent)) -> Option<Burst> {
        let ended = self.bursts.judge(hop).filter(|burst| burst.lasted() >= SHORTEST);
        if let Some(burst) = &ended {
            self.take(burst, report);
        }
        let running = match self.bursts.now(1) {
            Some(burst) if burst.lasted() > SHORTEST => {
                Running::Burst { pause: ms(self.last.1, burst.from), burst: burst.lasted() }
            }
            // It may become a burst or nothing.
            Some(burst) => Running::Pause(ms(self.last.1, burst.from)),
            None => Running::Pause(ms(self.last.1, hop.middle)),
        };
        self.notice_noise(hop, report);
        self.check(running, report);
        self.look_for_steady(report);
        self.look_for_cadence(running, report);
        ended
    }

    /// A burst is over.
    fn take(&mut self, burst: &Burst, report: &mut dyn FnMut(ProgressEvent)) {
        if let Some(Sounding { sound, row: None }) = self.sounding
            && sound != LineSound::FaxCalling
        {
            self.end(sound, burst.until, report);
        }
        if let Some(sit) = self.sit.take(burst) {
            let sound = LineSound::Progress(CallProgress::SpecialInformation(sit));
            self.begin(Sounding { sound, row: None }, burst.from, report);
            self.end(sound, burst.until, report);
        }
        if FAX_CALLING_MS.contains(&burst.lasted())
            && FAX_CALLING.contains(&burst.frequency())
            && burst.is_lone()
        {
            self.last = (burst.from, burst.until);
            self.begin(Sounding { sound: LineSound::FaxCalling, row: None }, burst.from, report);
        }
        let rows = self.rows(burst);
        if rows == 0 {
            self.history.clear();
        } else {
            let pause = ms(self.last.1, burst.from);
            self.history.add(pause, burst.lasted(), rows);
            self.power = burst.level().power();
            while !self.history.is_empty() && !self.any_fits(Running::Pause(0)) {
                self.history.forget();
            }
        }
        self.last = (burst.from, burst.until);
    }

    /// The rows whose sound a burst has, one bit each.
    fn rows(&self, burst: &Burst) -> u32 {
        if self.country == Country::Generic {
            return if ANY.contains(&burst.frequency()) { u32::MAX } else { 0 };
        }
        let plan = self.country.plan().iter().enumerate();
        plan.filter(|(_, row)| has_sound(burst, row)).fold(0, |rows, (index, _)| rows | 1 << index)
    }

    fn any_fits(&self, running: Running) -> bool {
        let mut plan = self.country.plan().iter().enumerate();
        plan.any(|(index, row)| self.history.fits(index, row.cadence, running))
    }

    /// Whether some other sound has taken the place of a tone.
    fn notice_noise(&mut self, hop: &Hop, report: &mut dyn FnMut(ProgressEvent)) {
        let is_noise = self.bursts.now(4).is_none() && hop.power > NOISE * self.power;
        self.noisy = if is_noise { self.noisy.saturating_add(1) } else { 0 };
        if self.noisy == NOISY {
            self.history.clear();
            if let Some(Sounding { sound, row: Some(_) }) = self.sounding {
                self.end(sound, self.last.1, report);
            }
        }
    }

    /// Whether the tone that sounds still does.
    fn check(&mut self, running: Running, report: &mut dyn FnMut(ProgressEvent)) {
        let goes_on = match &mut self.sounding {
            Some(Sounding { row: Some(place), .. }) => {
                let plan = self.country.plan();
                let fits = |index: usize| self.history.still_fits(index, plan[index].cadence, running);
                let same = |index: &usize| plan[*index].tone == plan[*place].tone && fits(*index);
                let other = if fits(*place) { Some(*place) } else { (0..plan.len()).find(same) };
                *place = other.unwrap_or(*place);
                other.is_some()
            }
            Some(Sounding { sound: LineSound::FaxCalling, .. }) => {
                !matches!(running, Running::Pause(pause) if pause > FAX_CALLING_PAUSE)
            }
            _ => true,
        };
        if !goes_on && let Some(Sounding { sound, .. }) = self.sounding {
            // What is overdue is over, and a burst cut short must not count towards another tone with those before it.
            if matches!(running, Running::Pause(pause) if pause > DIAL) {
                self.history.clear();
            } else {
                self.history.keep_last();
            }
            self.end(sound, self.last.1, report);
        }
    }

    /// Dial tone and the answer of a fax machine: told while they go on.
    fn look_for_steady(&mut self, report: &mut dyn FnMut(ProgressEvent)) {
        let Some(burst) = self.bursts.now(8) else { return };
        let (lasted, from) = (burst.lasted(), burst.from);
        // Looked at again every so often only: judging a spectrum is the dearest part.
        if lasted < FAX_ANSWERING_MS
            || !(lasted / HOP_MS).is_multiple_of(4)
            || !burst.is_even() && lasted < DIAL
        {
            return;
        }
        if FAX_ANSWERING.contains(&burst.frequency()) {
            let sound = LineSound::FaxAnswering { reversals: burst.reversals > 0 };
            if !matches!(self.sounding, Some(Sounding { sound: LineSound::FaxAnswering { .. }, .. })) {
                self.begin(Sounding { sound, row: None }, from, report);
            }
            return;
        }
        let dial = LineSound::Progress(CallProgress::Dial);
        if lasted < DIAL || self.sounding.is_some_and(|sounding| sounding.sound == dial) {
            return;
        }
        let rows = self.rows(burst);
        let plan = self.country.plan();
        let fits = |index: usize| rows & (1 << index) != 0;
        let Some(_) = plan.iter().enumerate().find(|(index, row)| row.cadence.is_empty() && fits(*index))
        else {
            return;
        };
        let others = plan.iter().enumerate().filter(|(index, _)| fits(*index));
        let longest = others.flat_map(|(_, row)| row.cadence.iter().step_by(2)).max().copied().unwrap_or(0);
        if lasted >= DIAL.max(longest + longest / 10 + 150) {
            self.begin(Sounding { sound: dial, row: None }, from, report);
        }
    }

    fn look_for_cadence(&mut self, running: Running, report: &mut dyn FnMut(ProgressEvent)) {
        if self.history.is_empty() || self.sounding.is_some_and(|sounding| sounding.row.is_some()) {
            return;
        }
        let plan = self.country.plan();
        let fits = |index: usize, row: &Row| self.history.fits(index, row.cadence, running);
        let enough =
            |row: &Row| self.history.is_enough(row.cadence, row.tone == CallProgress::Ringback, running);
        let found = plan.iter().enumerate().find(|(index, row)| fits(*index, row) && enough(row));
        let Some((place, found)) = found else { return };
        let rival = |row: &Row| row.tone != found.tone && row.cadence != found.cadence;
        let doubt = plan.iter().enumerate().any(|(index, row)| rival(row) && fits(index, row));
        if !doubt || self.history.len() > 9 {
            let sound = LineSound::Progress(found.tone);
            self.begin(Sounding { sound, row: Some(place) }, self.last.0, report);
        }
    }

    fn begin(&mut self, sounding: Sounding, at: u64, report: &mut dyn FnMut(ProgressEvent)) {
        if let Some(before) = self.sounding {
            if before.sound == sounding.sound {
                return;
            }
            report(ProgressEvent::Ended { sound: before.sound, at });
        }
        self.sounding = Some(sounding);
        report(ProgressEvent::Began { sound: sounding.sound, at });
    }

    fn end(&mut self, sound: LineSound, at: u64, report: &mut dyn FnMut(ProgressEvent)) {
        self.sounding = None;
        report(ProgressEvent::Ended { sound, at });
    }
}

fn has_sound(burst: &Burst, row: &Row) -> bool {
    match row.sound {
        Sound::Sines(hertz) => burst.share(hertz) >= SHARE,
        Sound::Swinging(hertz, _) => burst.share(&[hertz]) >= SHARE,
    }
}

/// How much of a special information tone was heard.
#[derive(Clone, Copy, Debug, Default)]
struct SitParts {
    count: u32,
    first: f32,
    second: f32,
    until: u64,
}

/// E.180 section 8 allows 50 Hz to either side of 950, 1400 and 1800 Hz and 330 ms ± 70 ms each.
const SIT_HZ: [std::ops::Range<f32>; 3] = [895.0..1_005.0, 1_345.0..1_455.0, 1_745.0..1_855.0];
const SIT_MS: std::ops::Range<u32> = 220..460;
/// Milliseconds between its tones: 30 by E.180, more for a lost packet.
const SIT_PAUSE: u32 = 90;

impl SitParts {
    /// Takes one more burst; tells the whole if it was the third.
    fn take(&mut self, burst: &Burst) -> Option<Sit> {
        let frequency = burst.frequency();
        let follows = self.count == 0 || ms(self.until, burst.from) <= SIT_PAUSE;
        let expected = if follows { self.count as usize } else { 0 };
        let place = if SIT_HZ[expected].contains(&frequency) { expected } else { 0 };
        if !SIT_HZ[place].contains(&frequency) || !SIT_MS.contains(&burst.lasted()) {
            *self = Self::default();
            return None;
        }
        self.until = burst.until;
        match place {
            0 => (self.count, self.first) = (1, frequency),
            1 => (self.count, self.second) = (2, frequency),
            _ => {
                let Self { first, second, .. } = std::mem::take(self);
                return Some(sit(first, second, frequency));
            }
        }
        None
    }
}

/// Low or high, each half way to what E.180 has in the middle.
fn sit(first: f32, second: f32, third: f32) -> Sit {
    let [low, high] = [first < 932.0, first > 967.0];
    let [second_low, second_high] = [second < 1_385.0, second > 1_414.0];
    if third > 1_788.0 {
        return Sit::Unspecified;
    }
    match (low, high, second_low, second_high) {
        (true, _, true, _) => Sit::Intercept,
        (true, _, _, true) => Sit::Reorder,
        (_, true, true, _) => Sit::VacantCode,
        (_, true, _, true) => Sit::NoCircuit,
        _ => Sit::Unspecified,
    }
}
