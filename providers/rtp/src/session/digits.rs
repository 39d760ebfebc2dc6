// SPDX-License-Identifier: MIT OR Apache-2.0
//! Digits and tones of a session: sending them, one generation at a time, and reporting those heard.

use std::time::Duration;

use offhook_spi::{
    Digit, DigitMode, GenerationEnd, Moment, MspEvent, Refusal, RefusalKind, TerminalKey, Tone,
};

use super::{Outbox, Session};
use crate::leg::{Ear, Generation, Output};

/// Which digits are reported.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    modes: Vec<DigitMode>,
    last: Option<(Digit, DigitMode, Moment)>,
}

impl Session {
    /// Sends digits; none cancels.
    pub(crate) fn generate_digits(
        &mut self,
        digits: Vec<Digit>,
        mode: Option<DigitMode>,
        duration: Option<Duration>,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        if digits.is_empty() {
            self.cancel_generation(out);
            return Ok(());
        }
        if digits.len() > MAX_DIGITS {
            return Err(self.invalid(format!("{} digits, expected at most {MAX_DIGITS}", digits.len())));
        }
        let mode = self.way_of_sending(&digits, mode)?;
        let duration = duration.unwrap_or(USUAL_DIGIT).clamp(SHORTEST_DIGIT, LONGEST_DIGIT);
        self.generate(Generation::Digits { digits, mode, duration }, out)
    }

    /// Sends a tone; none cancels.
    pub(crate) fn generate_tone(&mut self, tone: Option<Tone>, out: &mut Outbox) -> Result<(), Refusal> {
        let Some(tone) = tone else {
            self.cancel_generation(out);
            return Ok(());
        };
        self.check_tone(&tone)?;
        if tone.duration.is_zero() {
            return Err(self.invalid("a tone of no duration, expected more"));
        }
        self.generate(Generation::Tone(tone), out)
    }

    /// Reports digits from now on; no modes end it.
    pub(crate) fn monitor_digits(&mut self, modes: Vec<DigitMode>, out: &mut Outbox) -> Result<(), Refusal> {
        if !modes.is_empty() && modes.iter().all(|mode| *mode == DigitMode::Signalling) {
            let detail = "digits in signalling are not heard here, expected event or tone";
            return Err(Refusal::new(RefusalKind::Unsupported, detail));
        }
        self.monitor = Monitor { modes, last: None };
        self.follow_ear(out);
        Ok(())
    }

    pub(super) fn digit_heard(&mut self, now: Moment, digit: Digit, mode: DigitMode, out: &mut Outbox) {
        // A gateway may let the tone through beside the event that it made of it.
        let echo = |(last, other, at): (Digit, DigitMode, Moment)| {
            last == digit && other != mode && now - at < ONE_KEY_PRESS
        };
        if !self.monitor.modes.contains(&mode) || self.monitor.last.is_some_and(echo) {
            return;
        }
        self.monitor.last = Some((digit, mode, now));
        out.emit(MspEvent::Digit { session: self.key, digit, mode });
    }

    pub(super) fn tone_heard(&self, terminal: TerminalKey, tone: u16, on: bool, out: &mut Outbox) {
        if self.is_there(terminal) {
            out.emit(MspEvent::ToneHeard { session: self.key, terminal, tone, on });
        }
    }

    pub(super) fn cancel_generation(&mut self, out: &mut Outbox) {
        if self.generation.take().is_some() {
            out.push(Output::CancelGeneration { session: self.key });
            out.emit(MspEvent::Generated { session: self.key, end: GenerationEnd::Cancelled });
        }
    }

    /// Digits are sought in the sound when that is wanted and no events were agreed, or only that is wanted.
    pub(super) fn follow_ear(&mut self, out: &mut Outbox) {
        let modes = &self.monitor.modes;
        let by_event = modes.contains(&DigitMode::Event) && self.plan.receive_events.is_some();
        let ear = if modes.contains(&DigitMode::Tone) && !by_event { Ear::Open } else { Ear::Closed };
        if self.ear != ear {
            self.ear = ear;
            out.push(Output::Listen { session: self.key, ear });
        }
    }

    pub(super) fn check_tone(&self, tone: &Tone) -> Result<(), Refusal> {
        let audible = |hertz: &f32| (AUDIBLE.0..=AUDIBLE.1).contains(hertz);
        if !(1..=3).contains(&tone.frequencies.len()) || !tone.frequencies.iter().all(audible) {
            let (low, high) = AUDIBLE;
            return Err(self.invalid(format!("expected one to three frequencies from {low} to {high} Hz")));
        }
        if !(-60.0..=3.0).contains(&tone.level) {
            return Err(self.invalid(format!("level is {} dBm0, expected -60 to 3", tone.level)));
        }
        Ok(())
    }

    fn way_of_sending(&self, digits: &[Digit], mode: Option<DigitMode>) -> Result<DigitMode, Refusal> {
        let understood = self.plan.far.and_then(|far| far.events).map(|events| events.understood);
        let by_event = |bits: u32| digits.iter().all(|digit| bits >> digit.event() & 1 == 1);
        let by_tone = digits.iter().all(|digit| digit.as_char() != '!');
        match mode {
            Some(DigitMode::Event) if understood.is_none() => {
                Err(self.too_early("has no telephone-events agreed, expected mode tone"))
            }
            Some(DigitMode::Event) | None if understood.is_some_and(by_event) => Ok(DigitMode::Event),
            Some(DigitMode::Event) => Err(self.invalid("the far end does not understand all of the digits")),
            Some(DigitMode::Tone) | None if by_tone => Ok(DigitMode::Tone),
            Some(DigitMode::Tone) | None => Err(self.invalid("a hook flash has no tone")),
            Some(_) => {
                let detail = "digits are not sent in signalling here, expected event or tone";
                Err(Refusal::new(RefusalKind::Unsupported, detail))
            }
        }
    }

    fn generate(&mut self, what: Generation, out: &mut Outbox) -> Result<(), Refusal> {
        if !self.plan.flow.0.sends() {
            return Err(self.too_early("does not send now, expected an agreed stream to the far end"));
        }
        self.cancel_generation(out);
        self.generations = self.generations.wrapping_add(1);
        self.generation = Some(self.generations);
        out.push(Output::Generate { session: self.key, generation: self.generations, what });
        Ok(())
    }
}

/// How long a digit sounds when nothing else is asked for.
const USUAL_DIGIT: Duration = Duration::from_millis(100);
/// A shorter digit is not heard reliably (ITU-T Q.24).
const SHORTEST_DIGIT: Duration = Duration::from_millis(40);
/// The duration field of an event holds no more at 8 kHz (RFC 4733 section 2.3.5).
const LONGEST_DIGIT: Duration = Duration::from_secs(8);
/// The most digits in one request.
const MAX_DIGITS: usize = 64;
/// The same digit by another way within this time is the same key press.
const ONE_KEY_PRESS: Duration = Duration::from_millis(250);
/// Frequencies that pass a telephone call.
const AUDIBLE: (f32, f32) = (20.0, 3_900.0);
