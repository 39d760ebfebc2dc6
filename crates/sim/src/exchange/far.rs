// SPDX-License-Identifier: MIT OR Apache-2.0
//! Far ends of calls: scripts that run, and other lines of the same exchange.

use std::time::Duration;

use offhook_spi::{
    CallDirection, CallKey, CallState, Cause, ConnectedMode, Digit, Flowing, LineKey, Moment, Party, TspEvent,
};

use super::{Alarm, Exchange, Waiting};
use crate::script::{Script, Step};
use crate::sound::Sound;

/// How far apart a far end presses keys.
const KEY_SPACING: Duration = Duration::from_millis(150);

/// How long a far end needs to notice that it talks to somebody else.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum FarEnd {
    /// Nobody (yet): digits are to come, or the call is a conference.
    Nobody,
    /// Another line; its call once that is offered, until it ends.
    Line { line: LineKey, call: Option<CallKey> },
    /// A script; `at` is the next step.
    Scripted { script: Script, at: usize, waiting: Waiting },
}

impl FarEnd {
    pub(super) const fn scripted(script: Script) -> Self {
        Self::Scripted { script, at: 0, waiting: Waiting::Nothing }
    }
}

impl Exchange {
    /// Takes steps until one has to wait.
    pub(super) fn run(&mut self, now: Moment, key: CallKey) {
        while let Some(step) = self.next_step(key) {
            if !self.take(now, key, step) {
                return;
            }
        }
    }

    fn next_step(&mut self, key: CallKey) -> Option<Step> {
        let call = self.calls.get_mut(&key)?;
        let FarEnd::Scripted { script, at, waiting } = &mut call.far else { return None };
        if matches!(waiting, Waiting::UntilAnswered) && !call.answered {
            return None;
        }
        *waiting = Waiting::Nothing;
        let step = script.steps.get(*at)?.clone();
        *at += 1;
        // Neither a caller nor one that took over an answered call rings or proceeds.
        let skip = (call.direction() == CallDirection::Incoming || call.answered) && step.is_network();
        if skip { self.next_step(key) } else { Some(step) }
    }

    /// Takes one step; false when the script has to wait.
    fn take(&mut self, now: Moment, key: CallKey, step: Step) -> bool {
        match step {
            Step::Answer => return self.far_answers(key),
            Step::EarlyMedia => {
                self.state(key, CallState::Proceeding);
                self.relay(key, Sound::Flow { flow: Flowing::In });
            }
            Step::ExpectDigits { digits, within } => {
                return self.expect(now, key, Waiting::Digits(digits), within);
            }
            Step::ExpectTone { frequency, within } => {
                return self.expect(now, key, Waiting::Tone(frequency), within);
            }
            Step::HangUp(cause) => {
                self.far_hangs_up(now, key, cause);
                return false;
            }
            Step::Hold => self.told_of_hold(key, true),
            Step::Unhold => self.told_of_hold(key, false),
            Step::Play { frequency, duration } => {
                self.relay(key, Sound::Tone { frequency: Some(frequency) });
                return self.wait(now, key, duration);
            }
            Step::Proceed => self.state(key, CallState::Proceeding),
            Step::Redirect(targets) => {
                self.out.push_back(TspEvent::Redirected { call: key, targets, cause: None });
                self.far_hangs_up(now, key, Cause::Redirected);
                return false;
            }
            Step::Ring => self.state(key, CallState::Ringback),
            Step::SendDigits(digits) => return self.press(now, key, &digits),
            Step::TransferAway(to) => self.transferred(key, Party { address: Some(to), ..Party::default() }),
            Step::Wait(duration) => return self.wait(now, key, duration),
        }
        true
    }

    fn far_answers(&mut self, key: CallKey) -> bool {
        let Some(call) = self.calls.get_mut(&key) else { return false };
        if call.direction() == CallDirection::Outgoing {
            self.connect(key);
            return true;
        }
        let answered = call.answered;
        if let FarEnd::Scripted { waiting, .. } = &mut call.far {
            *waiting = Waiting::UntilAnswered;
        }
        answered
    }

    fn wait(&mut self, now: Moment, key: CallKey, duration: Duration) -> bool {
        let Some(call) = self.calls.get_mut(&key) else { return false };
        call.ticket += 1;
        let ticket = call.ticket;
        self.alarms.set(now + duration, Alarm::Step { call: key, ticket });
        false
    }

    fn expect(&mut self, now: Moment, key: CallKey, what: Waiting, within: Duration) -> bool {
        if let Some(FarEnd::Scripted { waiting, .. }) = self.calls.get_mut(&key).map(|call| &mut call.far) {
            *waiting = what;
        }
        self.wait(now, key, within)
    }

    /// Presses one key now and leaves the others for later.
    fn press(&mut self, now: Moment, key: CallKey, digits: &[Digit]) -> bool {
        let Some((first, rest)) = digits.split_first() else { return true };
        self.relay(key, Sound::Digit { digit: *first });
        if let Some(FarEnd::Scripted { script, at, .. }) = self.calls.get_mut(&key).map(|call| &mut call.far)
        {
            *at -= 1;
            if let Some(step) = script.steps.get_mut(*at) {
                *step = Step::SendDigits(rest.to_vec());
            }
        }
        self.wait(now, key, KEY_SPACING)
    }

    /// A step's time is over: a tone stops, an expectation was not met, a wait ends.
    pub(super) fn wake(&mut self, now: Moment, key: CallKey, ticket: u64) {
        let Some(call) = self.calls.get(&key) else { return };
        if call.ticket != ticket {
            return;
        }
        let FarEnd::Scripted { script, at, waiting } = &call.far else { return };
        if matches!(waiting, Waiting::Digits(_) | Waiting::Tone(_)) {
            return self.far_hangs_up(now, key, Cause::TimerExpired);
        }
        if matches!(at.checked_sub(1).and_then(|last| script.steps.get(last)), Some(Step::Play { .. })) {
            self.relay(key, Sound::Tone { frequency: None });
        }
        self.run(now, key);
    }

    /// The session of a call sounds something: the far end hears it.
    pub(super) fn heard(&mut self, now: Moment, key: CallKey, sound: Sound) {
        if let Some(other) = self.other(key) {
            return self.relay(other, sound);
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        let FarEnd::Scripted { script, waiting, .. } = &mut call.far else { return };
        let echo = script.echoes;
        let met = match (&sound, waiting) {
            (Sound::Digit { digit }, Waiting::Digits(wanted)) => {
                if wanted.first() == Some(digit) {
                    wanted.remove(0);
                }
                wanted.is_empty()
            }
            (Sound::Tone { frequency: Some(heard) }, Waiting::Tone(wanted)) => (heard - *wanted).abs() <= 1.0,
            _ => false,
        };
        if echo {
            self.relay(key, sound);
        }
        if met {
            if let Some(FarEnd::Scripted { waiting, .. }) = self.calls.get_mut(&key).map(|call| &mut call.far)
            {
                *waiting = Waiting::Nothing;
            }
            self.run(now, key);
        }
    }

    /// The far end holds the call, or goes on talking; only who talks to it notices.
    pub(super) fn told_of_hold(&mut self, key: CallKey, held: bool) {
        let mode = if held { ConnectedMode::ActiveHeld } else { ConnectedMode::Active };
        if self.calls.get(&key).is_some_and(|call| matches!(call.state, CallState::Connected { .. })) {
            self.state(key, CallState::Connected { mode });
        }
    }

    /// Somebody else is at the far end from now on.
    pub(super) fn transferred(&mut self, key: CallKey, party: Party) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.info.connected = Some(party);
        self.tell_info(key);
    }

    /// The far end, or a fault, ends the call: disconnected says why, idle follows.
    pub(super) fn far_hangs_up(&mut self, now: Moment, key: CallKey, cause: Cause) {
        self.far_ends(now, key, cause);
        self.state(key, CallState::Disconnected { cause });
        self.idle(key);
    }
}
