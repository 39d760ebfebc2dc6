// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the exchange hears on calls: tones and media that applications listen for, digits that steer what plays, and
//! terminals that show what goes on.
//!
//! All sound of a simulated call passes the exchange in words, so that it hears also where an MSP plays it.

use offhook_spi::{
    CallKey, CallState, Digit, MediaAction, MediaKind, MediaRule, MediaSet, PhoneChange, PhoneKey, Refusal,
    RefusalKind, Tone, TspEvent,
};

use super::calls::Asked;
use super::{Alarm, Exchange};
use crate::sound::Sound;

/// Rules that one call keeps.
const MOST_RULES: usize = 17;
/// A tone is the one that is listened for when it differs by no more hertz.
const NEAR: f32 = 1.0;

/// By what a medium is known: calling tones and answer tones of fax machines (ITU-T T.30 section 4), of data modems
/// (ITU-T V.25, Bell 103) and of text telephones (TIA-825-A).
const SIGNATURES: [(f32, MediaKind); 6] = [
    (1_100.0, MediaKind::Fax),
    (2_100.0, MediaKind::Fax),
    (1_300.0, MediaKind::Data),
    (2_225.0, MediaKind::Data),
    (1_400.0, MediaKind::Text),
    (1_800.0, MediaKind::Text),
];

/// What is listened for in a call, and what of it sounds.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    tones: Vec<Tone>,
    media: MediaSet,
    rules: Vec<MediaRule>,
    /// Phones that show the call.
    shown_at: Vec<PhoneKey>,
    heard: Option<MediaKind>,
    /// Tones that began before the newest sound are over.
    ticket: u64,
}

impl Exchange {
    pub(super) fn monitor_tones(&mut self, asked: &Asked, tones: Vec<Tone>) {
        self.done(asked);
        self.hearing(asked.call, |hearing| hearing.tones = tones);
    }

    pub(super) fn monitor_media(&mut self, asked: &Asked, media: MediaSet) {
        self.done(asked);
        self.hearing(asked.call, |hearing| (hearing.media, hearing.heard) = (media, None));
    }

    pub(super) fn set_media_control(&mut self, asked: &Asked, rules: Vec<MediaRule>) -> Result<(), Refusal> {
        if rules.len() > MOST_RULES {
            let detail = format!("expected at most {MOST_RULES} rules, received {}", rules.len());
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        let is_loudness =
            |rule: &&MediaRule| matches!(rule.action, MediaAction::VolumeDown | MediaAction::VolumeUp);
        if rules.iter().any(|rule| is_loudness(&rule)) {
            let detail = "simulated sound has no loudness; expected pause, resume or stop";
            return Err(Refusal::new(RefusalKind::Unsupported, detail));
        }
        self.done(asked);
        self.hearing(asked.call, |hearing| hearing.rules = rules);
        Ok(())
    }

    /// A telephone set of the exchange shows the call, or no longer.
    pub(super) fn set_terminal(&mut self, asked: &Asked, name: &str, enabled: bool) -> Result<(), Refusal> {
        let found = self.phones.iter().find(|(_, set)| set.is_called(name)).map(|(phone, _)| *phone);
        let Some(phone) = found else {
            let known = self.config.phones.join(", ");
            let detail = format!("the exchange has no terminal '{name}'; there are {known}");
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        };
        self.done(asked);
        self.hearing(asked.call, |hearing| {
            hearing.shown_at.retain(|other| *other != phone);
            if enabled {
                hearing.shown_at.push(phone);
            }
        });
        if enabled {
            self.show(asked.call)
        } else {
            self.display(phone, "")
        }
        Ok(())
    }

    fn hearing(&mut self, key: CallKey, change: impl FnOnce(&mut Hearing)) {
        if let Some(call) = self.calls.get_mut(&key) {
            change(&mut call.hearing);
        }
    }

    /// Something comes to this side of a call.
    pub(super) fn overhear(&mut self, key: CallKey, sound: &Sound) {
        match sound {
            Sound::Tone { frequency } => self.tone_changes(key, *frequency),
            Sound::Digit { digit } => self.steer(key, *digit),
            Sound::Control { .. } | Sound::Flow { .. } => {}
        }
    }

    /// A tone is told once it has sounded as long as the application wants, a medium at once.
    fn tone_changes(&mut self, key: CallKey, frequency: Option<f32>) {
        let now = self.now;
        let Some(hearing) = self.calls.get_mut(&key).map(|call| &mut call.hearing) else { return };
        hearing.ticket += 1;
        let Some(frequency) = frequency else { return };
        let ticket = hearing.ticket;
        let is_near = |hertz: &f32| (hertz - frequency).abs() <= NEAR;
        let fits = |tone: &Tone| matches!(tone.frequencies.as_slice(), [one] if is_near(one));
        for (place, tone) in (0u16..).zip(&hearing.tones).filter(|(_, tone)| fits(tone)) {
            self.alarms.set(now + tone.duration, Alarm::Tone { call: key, ticket, place });
        }
        let signature = SIGNATURES.iter().find(|(hertz, _)| is_near(hertz));
        let medium = signature.map_or(MediaKind::Audio, |(_, medium)| *medium);
        if hearing.heard.replace(medium) != Some(medium) && hearing.media.contains(medium) {
            let media = MediaSet::EMPTY.with(medium);
            self.out.push_back(TspEvent::MediaHeard { call: key, media });
        }
    }

    /// A tone may have sounded long enough.
    pub(super) fn tone_lasted(&mut self, key: CallKey, ticket: u64, place: u16) {
        let hearing = self.calls.get(&key).map(|call| &call.hearing);
        let still_wanted = |hearing: &&Hearing| hearing.tones.len() > usize::from(place);
        if hearing.filter(still_wanted).is_some_and(|hearing| hearing.ticket == ticket) {
            self.out.push_back(TspEvent::ToneHeard { call: key, tone: place });
        }
    }

    /// A digit steers what plays: in the session, or in signalling where there is none.
    fn steer(&mut self, key: CallKey, digit: Digit) {
        let rules = self.calls.get(&key).map(|call| call.hearing.rules.as_slice()).unwrap_or_default();
        let Some(action) = rules.iter().find(|rule| rule.digit == digit).map(|rule| rule.action) else {
            return;
        };
        if self.config.media { self.relay(key, Sound::Control { action }) } else { self.control(key, action) }
    }

    /// A call is in another state: who shows it shows that.
    pub(super) fn show(&mut self, key: CallKey) {
        let Some(call) = self.calls.get(&key) else { return };
        let phones = call.hearing.shown_at.clone();
        if phones.is_empty() {
            return;
        }
        let text = match call.state {
            CallState::Idle => String::new(),
            _ => {
                let party = self.party_at_far_end(key).and_then(|party| party.address);
                let who = party.map_or_else(|| "unknown".to_owned(), |address| address.0);
                format!("{who} {}", call.state.kind())
            }
        };
        phones.into_iter().for_each(|phone| self.display(phone, &text));
    }

    fn display(&mut self, phone: PhoneKey, text: &str) {
        if let Some(text) = self.phones.get_mut(&phone).and_then(|set| set.show(text)) {
            self.out.push_back(TspEvent::Phone { phone, change: PhoneChange::Display { text } });
        }
    }
}
