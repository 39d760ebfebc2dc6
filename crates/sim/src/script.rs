// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a simulated far end does, step by step: data that tests, examples and people write.

use std::time::Duration;

use offhook_spi::{Address, Cause, Digit};

/// One step of a far end.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Answers the call; an incoming call of the exchange has no such step.
    Answer,
    /// Lets the network say something before the answer: media flow early.
    EarlyMedia,
    /// Waits until these digits have been heard in a row; hangs up with cause timer expired otherwise.
    ExpectDigits {
        /// Which.
        digits: Vec<Digit>,
        /// How long.
        within: Duration,
    },
    /// Waits until the tone is heard; hangs up with cause timer expired otherwise.
    ExpectTone {
        /// Hertz, within one.
        frequency: f32,
        /// How long.
        within: Duration,
    },
    /// Refuses, fails or hangs up.
    HangUp(Cause),
    /// Holds the call: this side is told that it is held.
    Hold,
    /// Sounds a tone for so long.
    Play {
        /// Hertz.
        frequency: f32,
        /// How long.
        duration: Duration,
    },
    /// The network works on it.
    Proceed,
    /// The network says to call elsewhere instead.
    Redirect(Vec<Address>),
    /// Alerts.
    Ring,
    /// Presses keys.
    SendDigits(Vec<Digit>),
    /// Hands the call to somebody else: this side sees another connected party.
    TransferAway(Address),
    /// Goes on talking.
    Unhold,
    /// Does nothing for so long.
    Wait(Duration),
}

/// All that a far end does. After the last step it stays as it is until the other side ends the call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Sends back the digits and tones that it hears.
    pub echoes: bool,
}

impl Script {
    /// A far end that takes these steps.
    #[must_use]
    pub fn new(steps: impl Into<Vec<Step>>) -> Self {
        Self { steps: steps.into(), echoes: false }
    }

    /// The far ends that every exchange knows, with one line about each.
    pub const NAMES: [(&'static str, &'static str); 11] = [
        ("busy", "is busy"),
        ("early-media", "plays an announcement before it answers"),
        ("echo", "answers and sends back the digits and tones it hears"),
        ("friendly", "rings, answers, plays a tone, presses 1 2 3 and stays"),
        ("hangs-up", "answers and hangs up after two seconds"),
        ("menu", "answers, plays a tone, wants 4 2 and then says goodbye"),
        ("no-answer", "rings for ever"),
        ("redirects", "says to call sim:friendly instead"),
        ("rejects", "rings and declines"),
        ("transfers", "answers and hands the call to sim:echo"),
        ("wrong-number", "does not exist"),
    ];

    /// The far end of that name, without the `sim:`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let second = Duration::from_secs(1);
        let ring = [Step::Proceed, Step::Ring, Step::Wait(second)];
        let after_ring = |more: &[Step]| Self::new([&ring, more].concat());
        let announcement = Step::Play { frequency: 440.0, duration: second };
        Some(match name {
            "busy" => Self::new([Step::Proceed, Step::HangUp(Cause::UserBusy)]),
            "early-media" => Self::new([
                Step::Proceed,
                Step::EarlyMedia,
                announcement,
                Step::Ring,
                Step::Wait(second),
                Step::Answer,
            ]),
            "echo" => Self { steps: after_ring(&[Step::Answer]).steps, echoes: true },
            "friendly" => after_ring(&[Step::Answer, announcement, Step::SendDigits(digits("123"))]),
            "hangs-up" => {
                after_ring(&[Step::Answer, Step::Wait(second * 2), Step::HangUp(Cause::NormalClearing)])
            }
            "menu" => after_ring(&[
                Step::Answer,
                announcement.clone(),
                Step::ExpectDigits { digits: digits("42"), within: second * 10 },
                announcement,
                Step::HangUp(Cause::NormalClearing),
            ]),
            "no-answer" => Self::new([Step::Proceed, Step::Ring]),
            "redirects" => Self::new([Step::Proceed, Step::Redirect(vec![Address::new("sim:friendly")])]),
            "rejects" => after_ring(&[Step::HangUp(Cause::CallRejected)]),
            "transfers" => {
                after_ring(&[Step::Answer, Step::Wait(second), Step::TransferAway(Address::new("sim:echo"))])
            }
            "wrong-number" => Self::new([Step::HangUp(Cause::UnallocatedNumber)]),
            _ => return None,
        })
    }
}

/// The telephone keys in a text; other characters are skipped.
#[must_use]
pub fn digits(text: &str) -> Vec<Digit> {
    text.chars().filter_map(Digit::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_list_has_its_script() {
        for (name, _) in Script::NAMES {
            assert!(Script::named(name).is_some(), "{name}");
        }
        assert_eq!(Script::named("teleport"), None);
    }
}
