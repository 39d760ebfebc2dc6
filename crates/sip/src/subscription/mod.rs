// SPDX-License-Identifier: MIT OR Apache-2.0
//! One subscription to what somebody else knows, as a state machine (RFC 6665 section 4.1).
//!
//! The owner sends what it is told to send, brings back what came of it, hands in each NOTIFY that
//! [concerns](Subscription::concerns) it, and wakes it at its [alarm](Subscription::alarm).
//!
//! ```text
//!         2xx, NOTIFY            alarm               2xx
//!   asking ─────────► on ─────────────► refreshing ─────► on
//!     ▲ │ refused      │ terminated, 481    │ refused
//!     │ ▼              ▼                    ▼
//!     └─ resting (until its alarm, or for good where asking again is pointless)
//! ```
//!
//! A SUBSCRIBE may fork. The first NOTIFY makes the dialog; those of other branches belong to nothing and get
//! 481, as section 4.5.2 allows.

mod asking;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod heard;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use offhook_spi::Moment;

use crate::dialog::{Dialog, Reach, reach};
use crate::digest::Client;
use crate::message::{EventType, Request, Tokens, Uri};
use crate::transaction::Flow;

/// What is subscribed to, and how.
#[derive(Debug)]
pub struct Setup {
    /// Whose state it is.
    pub resource: Uri,
    /// Who asks.
    pub from: Uri,
    /// Which state.
    pub event: EventType,
    /// The bodies that are understood, for `Accept`.
    pub accept: Vec<String>,
    /// How many seconds it shall last before it is refreshed.
    pub expires: u32,
    /// How to answer challenges.
    pub credentials: Client,
}

/// What the owner has to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Act {
    /// Nothing is known any more of what was told before.
    Lost {
        /// One sentence for people.
        reason: String,
    },
    /// Send this the way that [`Subscription::flow`] says, and bring what came of it to [`Subscription::done`].
    Send(Box<Request>),
    /// This is the state now.
    Told {
        /// The media type, without parameters, in lower case.
        kind: String,
        /// The body.
        body: Bytes,
    },
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The first SUBSCRIBE is under way; its NOTIFY may be here before its response.
    Asking,
    /// A SUBSCRIBE that ends it is under way, or its last NOTIFY.
    Leaving,
    /// Not wanted.
    Off,
    /// Accepted. Without a dialog, the first NOTIFY is still to come.
    On,
    /// A SUBSCRIBE inside the dialog is under way.
    Refreshing,
    /// Refused or ended; tried again at the alarm, if there is one.
    Resting,
}

/// The time within which a NOTIFY has to follow a 2xx: timer N, 64*T1 (RFC 6665 section 4.1.2.4).
const TIMER_N: Duration = Duration::from_secs(32);
/// The first and the longest pause after failures that may pass.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// The pause after a refusal that stands until somebody changes something.
const LASTING: Duration = Duration::from_secs(3_600);
/// No pause is longer than this, whatever the other end asks for; nor is any subscription.
const LONGEST: u32 = 86_400;
/// How many SUBSCRIBEs may follow each other without a pause: a challenge by each of two, a longer interval.
const MAX_ATTEMPTS: u8 = 5;
/// What is longer is refused with 413.
const MAX_BODY: usize = 64 * 1024;

/// One subscription.
#[derive(Debug)]
pub struct Subscription {
    setup: Setup,
    contact: Option<Uri>,
    call_id: String,
    tag: String,
    number: u32,
    dialog: Option<Dialog>,
    last: Option<Request>,
    stage: Stage,
    is_wanted: bool,
    /// It was begun anew without a pause, and has not been refreshed since.
    is_hurried: bool,
    failures: u32,
    attempts: u8,
    /// When the other end forgets it.
    ends: Moment,
    alarm: Option<Moment>,
}

impl Subscription {
    /// A subscription that does nothing yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            contact: None,
            call_id: String::new(),
            tag: String::new(),
            number: 0,
            dialog: None,
            last: None,
            stage: Stage::Off,
            is_wanted: false,
            is_hurried: false,
            failures: 0,
            attempts: 0,
            ends: Moment::ZERO,
            alarm: None,
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn event(&self) -> &EventType {
        &self.setup.event
    }

    /// Whose state it is about.
    #[must_use]
    pub const fn resource(&self) -> &Uri {
        &self.setup.resource
    }

    /// When to call [`wake`](Self::wake).
    #[must_use]
    pub const fn alarm(&self) -> Option<Moment> {
        self.alarm
    }

    /// Whether the other end has yet to hear that it is over.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        !self.is_wanted
            && self.last.is_some()
            && matches!(self.stage, Stage::Asking | Stage::Refreshing | Stage::Leaving)
    }

    /// The Call-ID of its dialog; another one after each new beginning.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Asks for the whole state, where what came does not fit what was known.
    pub fn renew(&mut self, tokens: &mut Tokens) -> Vec<Act> {
        match self.stage {
            Stage::On if self.dialog.is_some() && self.is_wanted => vec![self.refresh(tokens)],
            _ => Vec::new(),
        }
    }

    /// Which way the next request goes, where `before` leads to whom the first one went. Inside the dialog that
    /// is its next hop; one that is named and not numbered is reached by way of `before`.
    #[must_use]
    pub fn flow(&self, before: Flow) -> Flow {
        match self.dialog.as_ref().map(|dialog| reach(&dialog.next_hop(), &before)) {
            Some(Reach::Here(flow)) => flow,
            Some(Reach::Elsewhere) | None => before,
        }
    }

    /// Whether a NOTIFY belongs to this subscription.
    #[must_use]
    pub fn concerns(&self, notify: &Request) -> bool {
        let headers = &notify.headers;
        let (Ok(call_id), Ok(to), Ok(from)) = (headers.call_id(), headers.to(), headers.from()) else {
            return false;
        };
        let is_branch =
            self.dialog.as_ref().is_none_or(|dialog| dialog.remote_tag() == from.tag().unwrap_or_default());
        !matches!(self.stage, Stage::Off | Stage::Resting)
            && call_id == self.call_id
            && to.tag() == Some(self.tag.as_str())
            && is_branch
            && headers.event().is_ok_and(|event| event == self.setup.event)
    }

    /// It is wanted from now on; NOTIFYs shall come to `contact`.
    pub fn start(&mut self, contact: Uri, tokens: &mut Tokens) -> Vec<Act> {
        let moved = self.contact.replace(contact) != self.contact;
        let was_wanted = std::mem::replace(&mut self.is_wanted, true);
        match self.stage {
            Stage::Off => self.begin(tokens),
            // Whoever asks again after a pause may know that it helps now.
            Stage::Resting if !was_wanted => self.begin(tokens),
            Stage::On if moved && self.dialog.is_some() => vec![self.refresh(tokens)],
            Stage::Asking | Stage::Leaving | Stage::On | Stage::Refreshing | Stage::Resting => Vec::new(),
        }
    }

    /// It is not wanted any more.
    pub fn stop(&mut self, now: Moment, tokens: &mut Tokens) -> Vec<Act> {
        self.is_wanted = false;
        match self.stage {
            Stage::On if self.dialog.is_some() => vec![self.leave(now, tokens)],
            Stage::Resting => self.off(),
            // What is under way is undone as soon as it has ended.
            Stage::Asking | Stage::Leaving | Stage::Off | Stage::On | Stage::Refreshing => Vec::new(),
        }
    }

    /// Lets the alarm fire.
    pub fn wake(&mut self, now: Moment, tokens: &mut Tokens) -> Vec<Act> {
        if self.alarm.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.alarm = None;
        self.attempts = 0;
        match self.stage {
            Stage::On if self.dialog.is_none() => {
                self.rest(now, "the notifier has accepted and tells nothing", Pause::Passing, None, tokens)
            }
            Stage::On if self.ends <= now => self.begin(tokens),
            Stage::On => {
                self.is_hurried = false;
                vec![self.refresh(tokens)]
            }
            Stage::Resting => self.begin(tokens),
            Stage::Leaving => self.ended(tokens),
            Stage::Asking | Stage::Off | Stage::Refreshing => Vec::new(),
        }
    }

    /// Nothing is to be remembered.
    fn off(&mut self) -> Vec<Act> {
        self.stage = Stage::Off;
        self.dialog = None;
        self.alarm = None;
        self.last = None;
        Vec::new()
    }

    /// It is over; begun anew where it was wanted again meanwhile.
    fn ended(&mut self, tokens: &mut Tokens) -> Vec<Act> {
        self.off();
        if self.is_wanted { self.begin(tokens) } else { Vec::new() }
    }

    /// Over for now: tried again after a pause, if that can help.
    fn rest(
        &mut self,
        now: Moment,
        reason: &str,
        pause: Pause,
        asked: Option<u32>,
        tokens: &mut Tokens,
    ) -> Vec<Act> {
        self.off();
        if !self.is_wanted {
            return Vec::new();
        }
        self.stage = Stage::Resting;
        self.setup.credentials.forget();
        let length = self.pause(pause, asked, tokens);
        self.failures = self.failures.saturating_add(1);
        self.alarm = length.map(|length| now + length);
        let then = length.map_or_else(
            || String::from("not tried again"),
            |length| format!("next attempt in {} s", length.as_secs().max(1)),
        );
        vec![Act::Lost { reason: format!("{reason}; {then}") }]
    }

    /// Over, and begun anew at once; but only once in a row.
    fn again(&mut self, now: Moment, reason: &str, tokens: &mut Tokens) -> Vec<Act> {
        if self.is_hurried || !self.is_wanted {
            return self.rest(now, reason, Pause::Passing, None, tokens);
        }
        self.off();
        self.is_hurried = true;
        self.begin(tokens)
    }

    /// How long to rest: longer with each failure in a row, never shorter than was asked for.
    fn pause(&self, pause: Pause, asked: Option<u32>, tokens: &mut Tokens) -> Option<Duration> {
        let (shortest, longest) = BACK_OFF;
        let ceiling = match pause {
            Pause::ForGood => return None,
            Pause::Lasting => LASTING,
            Pause::Passing => shortest.saturating_mul(1 << self.failures.min(10)).min(longest),
        };
        let own = drawn(ceiling, tokens);
        let asked = Duration::from_secs(u64::from(asked.unwrap_or_default().min(LONGEST)));
        Some(if asked > own { asked + drawn(shortest, tokens) } else { own })
    }
}

/// Whether asking again can help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pause {
    ForGood,
    Lasting,
    Passing,
}

/// Half of a time fixed, half of it drawn, so that many do not come at once.
fn drawn(time: Duration, tokens: &mut Tokens) -> Duration {
    let share = f32::from(u16::from_le_bytes(tokens.bytes())) / f32::from(u16::MAX);
    time.mul_f32(0.5 + share / 2.0)
}
