// SPDX-License-Identifier: MIT OR Apache-2.0
//! What travels in the signalling of a call: digits where there is no MSP, user data, parameters.

use std::collections::VecDeque;
use std::time::Duration;

use offhook_spi::{
    CallKey, CallParams, Cause, Digit, DigitMode, Gather, GatherEnd, GenerationEnd, MediaAction, Moment, Op,
    Opaque, Outcome, Refusal, RefusalKind, Tone, Treatment, TspEvent,
};

use super::calls::Asked;
use super::far::FarEnd;
use super::{Alarm, Exchange};
use crate::sound::Sound;

/// The schema whose data comes back as it went.
pub(super) const ECHO_SCHEMA: &str = "offhook.sim.echo";

const USUAL_DIGIT: Duration = Duration::from_millis(100);
const SHORTEST_DIGIT: Duration = Duration::from_millis(40);
const LONGEST_DIGIT: Duration = Duration::from_secs(1);
/// Digits that one generation sends.
const MOST_DIGITS: usize = 256;
/// Bytes of user data that fit in one message (ITU-T Q.931 section 4.5.30).
const MOST_USER_DATA: usize = 128;
/// What stands for music, in hertz.
pub(super) const MUSIC: f32 = 440.0;
const LONGEST_TONE: Duration = Duration::from_secs(60);
/// The best quality the exchange has: one 64 kbit/s channel.
const MOST_BITS: u64 = 64_000;

/// What goes on in a call beside its state.
#[derive(Debug, Default)]
pub(super) struct Signals {
    monitored: bool,
    gathering: Option<Gathering>,
    generation: Option<Generation>,
    pub(super) is_secure: bool,
    /// Alarms with an older ticket are void.
    ticket: u64,
}

#[derive(Debug)]
struct Gathering {
    wanted: Gather,
    digits: Vec<Digit>,
    ticket: u64,
}

#[derive(Debug)]
struct Generation {
    /// Those that are still to come; none while a tone sounds.
    digits: VecDeque<Digit>,
    each: Duration,
    is_paused: bool,
    /// Alarms with another ticket are void.
    ticket: u64,
}

impl Exchange {
    pub(super) fn generate(
        &mut self,
        now: Moment,
        asked: &Asked,
        digits: Vec<Digit>,
        mode: Option<DigitMode>,
        duration: Option<Duration>,
    ) -> Result<(), Refusal> {
        if mode.is_some_and(|mode| mode != DigitMode::Signalling) {
            return Err(only_signalling(Op::GenerateDigits));
        }
        if digits.len() > MOST_DIGITS {
            let detail = format!("expected at most {MOST_DIGITS} digits, received {}", digits.len());
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        let key = asked.call;
        self.done(asked);
        self.end_generation(key, GenerationEnd::Cancelled);
        let Some(call) = self.calls.get_mut(&key).filter(|_| !digits.is_empty()) else { return Ok(()) };
        call.signals.ticket += 1;
        let ticket = call.signals.ticket;
        let each = duration.unwrap_or(USUAL_DIGIT).clamp(SHORTEST_DIGIT, LONGEST_DIGIT);
        call.signals.generation = Some(Generation { digits: digits.into(), each, is_paused: false, ticket });
        self.alarms.set(now + each, Alarm::Generate { call: key, ticket });
        Ok(())
    }

    /// One digit has sounded long enough: the far end has heard it.
    pub(super) fn generated(&mut self, now: Moment, key: CallKey, ticket: u64) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(generation) = call.signals.generation.as_mut().filter(|one| one.ticket == ticket) else {
            return;
        };
        let (digit, each) = (generation.digits.pop_front(), generation.each);
        if digit.is_none() {
            self.heard(now, key, Sound::Tone { frequency: None });
        }
        let Some(generation) = self.calls.get(&key).and_then(|call| call.signals.generation.as_ref()) else {
            return;
        };
        if generation.digits.is_empty() {
            self.end_generation(key, GenerationEnd::Done);
        } else {
            self.alarms.set(now + each, Alarm::Generate { call: key, ticket });
        }
        if let Some(digit) = digit {
            self.heard(now, key, Sound::Digit { digit });
        }
    }

    /// A tone goes to the far end; of several frequencies the first stands for all.
    pub(super) fn generate_tone(&mut self, now: Moment, asked: &Asked, tone: Option<Tone>) {
        let key = asked.call;
        self.done(asked);
        self.end_generation(key, GenerationEnd::Cancelled);
        let (Some(tone), Some(call)) = (tone, self.calls.get_mut(&key)) else { return };
        call.signals.ticket += 1;
        let ticket = call.signals.ticket;
        let each = tone.duration.clamp(SHORTEST_DIGIT, LONGEST_TONE);
        call.signals.generation =
            Some(Generation { digits: VecDeque::new(), each, is_paused: false, ticket });
        self.alarms.set(now + each, Alarm::Generate { call: key, ticket });
        self.heard(now, key, Sound::Tone { frequency: tone.frequencies.first().copied() });
    }

    /// What plays in signalling is steered: what stands still goes on with the digit at which it stopped.
    pub(super) fn control(&mut self, key: CallKey, action: MediaAction) {
        if action == MediaAction::Stop {
            return self.end_generation(key, GenerationEnd::Cancelled);
        }
        let now = self.now;
        let Some(signals) = self.calls.get_mut(&key).map(|call| &mut call.signals) else { return };
        let Some(generation) = &mut signals.generation else { return };
        let was = std::mem::replace(&mut generation.is_paused, action == MediaAction::Pause);
        if was == generation.is_paused {
            return;
        }
        signals.ticket += 1;
        generation.ticket = signals.ticket;
        if was {
            let (ticket, each) = (generation.ticket, generation.each);
            self.alarms.set(now + each, Alarm::Generate { call: key, ticket });
        }
    }

    fn end_generation(&mut self, key: CallKey, end: GenerationEnd) {
        let generation = self.calls.get_mut(&key).and_then(|call| call.signals.generation.take());
        if generation.is_some() {
            self.out.push_back(TspEvent::Generated { call: key, end });
        }
    }

    pub(super) fn monitor(&mut self, asked: &Asked, modes: &[DigitMode]) -> Result<(), Refusal> {
        if !modes.is_empty() && !modes.contains(&DigitMode::Signalling) {
            return Err(only_signalling(Op::MonitorDigits));
        }
        self.done(asked);
        if let Some(call) = self.calls.get_mut(&asked.call) {
            call.signals.monitored = !modes.is_empty();
        }
        Ok(())
    }

    pub(super) fn gather(
        &mut self,
        now: Moment,
        asked: &Asked,
        gather: Option<Gather>,
    ) -> Result<(), Refusal> {
        // Inventory rule 60.
        if gather.as_ref().is_some_and(|gather| gather.max == 0) {
            let detail = format!("expected at least one digit to gather in {}", asked.call);
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        self.done(asked);
        self.end_gathering(asked.call, GatherEnd::Cancelled);
        let (Some(wanted), Some(call)) = (gather, self.calls.get_mut(&asked.call)) else { return Ok(()) };
        let first = wanted.first_timeout;
        call.signals.gathering = Some(Gathering { wanted, digits: Vec::new(), ticket: 0 });
        self.expect_digit(now, asked.call, first);
        Ok(())
    }

    /// The next digit of a gathering has so long to come.
    fn expect_digit(&mut self, now: Moment, key: CallKey, within: Option<Duration>) {
        let Some(signals) = self.calls.get_mut(&key).map(|call| &mut call.signals) else { return };
        let Some(gathering) = &mut signals.gathering else { return };
        signals.ticket += 1;
        gathering.ticket = signals.ticket;
        let ticket = signals.ticket;
        if let Some(within) = within {
            self.alarms.set(now + within, Alarm::Gather { call: key, ticket });
        }
    }

    /// A digit did not come in time.
    pub(super) fn gather_late(&mut self, key: CallKey, ticket: u64) {
        let gathering = self.calls.get(&key).and_then(|call| call.signals.gathering.as_ref());
        let Some(gathering) = gathering.filter(|gathering| gathering.ticket == ticket) else { return };
        let is_first = gathering.digits.is_empty();
        self.end_gathering(key, if is_first { GatherEnd::FirstTimeout } else { GatherEnd::InterTimeout });
    }

    fn end_gathering(&mut self, key: CallKey, end: GatherEnd) {
        let gathering = self.calls.get_mut(&key).and_then(|call| call.signals.gathering.take());
        if let Some(Gathering { digits, .. }) = gathering {
            self.out.push_back(TspEvent::Gathered { call: key, digits, end });
        }
    }

    /// A digit came in signalling, because no session listens.
    pub(super) fn digit_came(&mut self, now: Moment, key: CallKey, digit: Digit) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.signals.monitored {
            self.out.push_back(TspEvent::Digit { call: key, digit, mode: DigitMode::Signalling });
        }
        let Some(gathering) = &mut call.signals.gathering else { return };
        gathering.digits.push(digit);
        if gathering.wanted.terminators.contains(&digit) {
            self.end_gathering(key, GatherEnd::Terminator);
        } else if gathering.digits.len() >= usize::from(gathering.wanted.max) {
            self.end_gathering(key, GatherEnd::BufferFull);
        } else {
            let within = gathering.wanted.inter_timeout;
            self.expect_digit(now, key, within);
        }
    }

    /// The call is about to be over, and with it what goes on in it.
    pub(super) fn end_signals(&mut self, key: CallKey) {
        self.end_generation(key, GenerationEnd::Cancelled);
        self.end_gathering(key, GatherEnd::CallEnded);
    }

    pub(super) fn send_user_data(&mut self, asked: &Asked, data: Opaque) -> Result<(), Refusal> {
        if data.data.len() > MOST_USER_DATA {
            let detail = format!("expected at most {MOST_USER_DATA} bytes, received {}", data.data.len());
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        let receiver = match self.calls.get(&asked.call).map(|call| &call.far) {
            Some(FarEnd::Line { call: Some(other), .. }) => Some(*other),
            Some(FarEnd::Scripted { script, .. }) => script.echoes.then_some(asked.call),
            _ => {
                let detail = format!("{} has nobody at its far end yet", asked.call);
                return Err(Refusal::new(RefusalKind::OperationFailed, detail));
            }
        };
        let unread = |key: &CallKey| self.calls.get(key).is_some_and(|call| call.info.user_data.is_some());
        if receiver.as_ref().is_some_and(unread) {
            let detail = "the far end has not released the data before; expected one message at a time";
            return Err(Refusal::new(RefusalKind::Busy, detail));
        }
        self.done(asked);
        if let Some(receiver) = receiver {
            self.inform(receiver, |info| info.user_data = Some(Box::new(data)));
        }
        Ok(())
    }

    pub(super) fn set_params(&mut self, now: Moment, asked: &Asked, params: CallParams) {
        self.done(asked);
        if let Some(patience) = params.no_answer_timeout {
            self.alarms.set(now + patience, Alarm::NoAnswer { call: asked.call });
        }
        self.inform(asked.call, |info| {
            info.caller = params.caller.unwrap_or_else(|| info.caller.clone());
            info.media = if params.media.is_empty() { info.media } else { params.media };
            info.data = params.data;
        });
    }

    /// One channel is all there is.
    pub(super) fn set_quality(&mut self, asked: &Asked, bits_per_second: u64) -> Result<(), Refusal> {
        if bits_per_second > MOST_BITS {
            let detail = format!("expected at most {MOST_BITS} bits per second, received {bits_per_second}");
            let refusal = Refusal::new(RefusalKind::OperationFailed, detail);
            return Err(refusal.with_cause(Cause::QualityUnavailable));
        }
        self.done(asked);
        Ok(())
    }

    /// The far end hears it, where it has a session to hear with.
    pub(super) fn treat(&mut self, asked: &Asked, treatment: Treatment) {
        self.done(asked);
        let frequency = match treatment {
            Treatment::Busy => Some(480.0),
            Treatment::Music => Some(MUSIC),
            Treatment::Ringback => Some(425.0),
            _ => None,
        };
        if let Some(other) = self.other(asked.call) {
            self.relay(other, Sound::Tone { frequency });
        }
    }
}

/// The exchange's own extension gives back what it is given.
pub(super) fn extended(data: Opaque) -> Result<Outcome, Refusal> {
    if data.schema.0 == ECHO_SCHEMA {
        return Ok(Outcome::Data { data });
    }
    let detail = format!("the exchange does not know {}; expected {ECHO_SCHEMA}", data.schema);
    Err(Refusal::new(RefusalKind::Unsupported, detail))
}

fn only_signalling(op: Op) -> Refusal {
    let detail = format!("{op} without media expected digits in signalling");
    Refusal::new(RefusalKind::InvalidParameter, detail)
}
