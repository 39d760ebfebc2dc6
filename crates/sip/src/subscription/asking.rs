// SPDX-License-Identifier: MIT OR Apache-2.0
//! SUBSCRIBE requests, and what is answered to them (RFC 6665 section 4.1.2).

use std::time::Duration;

use offhook_spi::Moment;

use super::{Act, LONGEST, MAX_ATTEMPTS, Pause, Stage, Subscription, TIMER_N};
use crate::message::{Method, NameAddr, Request, Response, Status, Tokens, name};

impl Subscription {
    /// Takes what came of the request that was sent last; `None` when nothing answered.
    pub fn done(&mut self, now: Moment, response: Option<&Response>, tokens: &mut Tokens) -> Vec<Act> {
        match (self.stage, response) {
            (Stage::Off | Stage::On | Stage::Resting, _) => Vec::new(),
            (Stage::Leaving, response) => self.left(now, response, tokens),
            (_, Some(response)) if response.status.is_success() => self.accepted(now, response, tokens),
            (_, Some(response)) if self.mended(response) => vec![self.repeat(tokens)],
            _ if !self.is_wanted => self.ended(tokens),
            (Stage::Asking, None) => {
                self.rest(now, "nobody answers the subscription", Pause::Passing, None, tokens)
            }
            (Stage::Asking, Some(response)) => self.refused(now, response, tokens),
            (Stage::Refreshing, response) => self.refresh_failed(now, response, tokens),
        }
    }

    /// A SUBSCRIBE outside dialogs.
    pub(super) fn begin(&mut self, tokens: &mut Tokens) -> Vec<Act> {
        self.call_id = tokens.call_id();
        self.tag = tokens.tag();
        self.number = tokens.cseq();
        self.dialog = None;
        self.alarm = None;
        self.attempts = 0;
        self.stage = Stage::Asking;
        vec![self.repeat(tokens)]
    }

    pub(super) fn refresh(&mut self, tokens: &mut Tokens) -> Act {
        self.alarm = None;
        self.attempts = 0;
        self.stage = Stage::Refreshing;
        self.repeat(tokens)
    }

    pub(super) fn leave(&mut self, now: Moment, tokens: &mut Tokens) -> Act {
        self.attempts = 0;
        self.stage = Stage::Leaving;
        self.alarm = Some(now + TIMER_N);
        self.repeat(tokens)
    }

    /// The SUBSCRIBE that the stage calls for.
    fn repeat(&mut self, tokens: &mut Tokens) -> Act {
        self.attempts = self.attempts.saturating_add(1);
        let mut request = match &mut self.dialog {
            Some(dialog) => {
                let number = dialog.next_number();
                dialog.request(&Method::SUBSCRIBE, number)
            }
            None => self.first(),
        };
        let headers = &mut request.headers;
        headers.push(name::EVENT, self.setup.event.to_string());
        let expires = if self.stage == Stage::Leaving { 0 } else { self.setup.expires };
        headers.push(name::EXPIRES, expires.to_string());
        headers.push(name::ACCEPT, self.setup.accept.join(", "));
        if let Some(contact) = &self.contact {
            headers.push(name::CONTACT, format!("<{contact}>"));
        }
        self.setup.credentials.authorize(&mut request, tokens);
        self.last = Some(request.clone());
        Act::Send(Box::new(request))
    }

    fn first(&mut self) -> Request {
        self.number = self.number.saturating_add(1);
        let mut request = Request::new(Method::SUBSCRIBE, self.setup.resource.clone());
        let headers = &mut request.headers;
        let from = NameAddr::new(self.setup.from.clone()).with_tag(&self.tag);
        headers.push(name::FROM, from.to_string());
        headers.push(name::TO, NameAddr::new(self.setup.resource.clone()).to_string());
        headers.push(name::CALL_ID, self.call_id.clone());
        headers.push(name::CSEQ, format!("{} SUBSCRIBE", self.number));
        request
    }

    fn accepted(&mut self, now: Moment, response: &Response, tokens: &mut Tokens) -> Vec<Act> {
        if let Some(dialog) = &mut self.dialog {
            dialog.refresh(&response.headers);
        }
        let asked = self.setup.expires;
        // Section 4.1.2.1: the response may shorten it, never lengthen.
        let granted = response.headers.expires().ok().flatten().unwrap_or(asked).min(asked);
        self.stage = Stage::On;
        match &self.dialog {
            Some(_) if !self.is_wanted => vec![self.leave(now, tokens)],
            Some(_) => {
                self.failures = 0;
                self.lasts(now, granted);
                Vec::new()
            }
            None => {
                // Nothing is certain before the first NOTIFY (section 4.1.2.4).
                self.ends = now + Duration::from_secs(u64::from(granted));
                self.alarm = Some(now + TIMER_N);
                Vec::new()
            }
        }
    }

    /// The other end remembers it for so long.
    pub(super) fn lasts(&mut self, now: Moment, seconds: u32) {
        let length = Duration::from_secs(u64::from(seconds.clamp(1, LONGEST)));
        self.ends = now + length;
        // Early enough for another attempt, late enough not to bother.
        self.alarm = Some(now + length.mul_f32(0.75).max(Duration::from_secs(1)));
    }

    /// Whether what was sent last can be sent again at once, mended.
    fn mended(&mut self, response: &Response) -> bool {
        if self.attempts >= MAX_ATTEMPTS {
            return false;
        }
        match response.status {
            Status::UNAUTHORIZED | Status::PROXY_AUTHENTICATION_REQUIRED => self
                .last
                .as_ref()
                .is_some_and(|last| self.setup.credentials.handle_challenge(last, response).is_ok()),
            Status::INTERVAL_TOO_BRIEF => {
                let least = response.headers.min_expires().ok().flatten().unwrap_or_default();
                let helps = least > self.setup.expires && least <= LONGEST;
                if helps {
                    self.setup.expires = least;
                }
                helps
            }
            _ => false,
        }
    }

    fn refused(&mut self, now: Moment, response: &Response, tokens: &mut Tokens) -> Vec<Act> {
        let pause = match response.status.code() {
            // RFC 6665 section 4.1.2.1: the notifier does not know the event package, and will not learn it.
            489 => Pause::ForGood,
            401 | 403..=407 | 410 | 414..=416 | 420 | 423 | 501 | 600..=699 => Pause::Lasting,
            _ => Pause::Passing,
        };
        let reason = format!("the notifier says {} {}", response.status.code(), response.reason);
        let asked = response.headers.retry_after().ok().flatten();
        self.rest(now, &reason, pause, asked, tokens)
    }

    /// A refresh came to nothing (section 4.1.2.2).
    fn refresh_failed(&mut self, now: Moment, response: Option<&Response>, tokens: &mut Tokens) -> Vec<Act> {
        match response.map(|response| response.status.code()) {
            Some(481) => self.again(now, "the notifier has forgotten the subscription", tokens),
            // Silence and these answers end the subscription, as RFC 5057 section 5.1 sorts them.
            None | Some(404 | 405 | 408 | 410 | 416 | 480 | 482..=485 | 489 | 501 | 502 | 604) => {
                match response {
                    Some(response) => self.refused(now, response, tokens),
                    None => self.rest(now, "the notifier is silent", Pause::Passing, None, tokens),
                }
            }
            // It lives on until its time is over.
            Some(_) => {
                let asked = response.and_then(|response| response.headers.retry_after().ok().flatten());
                let pause = self.pause(Pause::Passing, asked, tokens).unwrap_or_default();
                self.failures = self.failures.saturating_add(1);
                self.stage = Stage::On;
                self.alarm = Some((now + pause).min(self.ends).max(now + Duration::from_secs(1)));
                Vec::new()
            }
        }
    }

    fn left(&mut self, now: Moment, response: Option<&Response>, tokens: &mut Tokens) -> Vec<Act> {
        match response {
            Some(response) if self.mended(response) => vec![self.repeat(tokens)],
            // The last NOTIFY is still to come; nobody has to wait for it.
            Some(response) if response.status.is_success() => {
                self.last = None;
                self.alarm = Some(now + TIMER_N);
                Vec::new()
            }
            _ => self.ended(tokens),
        }
    }
}
