// SPDX-License-Identifier: MIT OR Apache-2.0
//! A subscription and a notifier that does whatever it likes, in virtual time.

use std::time::Duration;

use offhook_spi::Moment;

use super::{Act, Setup, Stage, Subscription};
use crate::digest::{Account, Client, Password};
use crate::message::{EventType, Method, Request, Response, Status, Tokens, Uri, name};

/// A status of answers to pick from.
const STATUSES: [u16; 16] = [200, 200, 202, 401, 403, 404, 407, 408, 423, 480, 481, 489, 500, 503, 603, 699];
/// What NOTIFYs say.
const STATES: [&str; 12] = [
    "active",
    "active;expires=0",
    "active;expires=60",
    "active;expires=4294967295",
    "pending;expires=5",
    "terminated",
    "terminated;reason=deactivated",
    "terminated;reason=timeout",
    "terminated;reason=probation;retry-after=4294967295",
    "terminated;reason=rejected",
    "terminated;reason=noresource",
    "terminated;reason=invariant",
];

/// Lets the bytes choose what happens, and checks what always holds: whatever is wanted and not refused for
/// good either waits for an answer or has an alarm.
pub fn subscription(data: &[u8]) {
    let mut world = World::new();
    for pair in data.chunks_exact(2).take(2_000) {
        world.step(pair[0], pair[1]);
        world.check();
    }
}

struct World {
    subscription: Subscription,
    tokens: Tokens,
    now: Moment,
    /// What is under way, and what was sent last.
    open: Option<Request>,
    last: Option<Request>,
    number: u32,
}

impl World {
    fn new() -> Self {
        let account = Account { realm: None, username: "u".to_owned(), password: Password::new("p") };
        let me = Uri::sip(Some("u"), "192.0.2.1", None);
        let setup = Setup {
            resource: me.clone(),
            from: me,
            event: EventType::new("dialog"),
            accept: vec!["text/plain".to_owned()],
            expires: 600,
            credentials: Client::new(vec![account]),
        };
        Self {
            subscription: Subscription::new(setup),
            tokens: Tokens::from_seed(1),
            now: Moment::ZERO,
            open: None,
            last: None,
            number: 0,
        }
    }

    fn step(&mut self, what: u8, choice: u8) {
        let (now, tokens) = (self.now, &mut self.tokens);
        let acts = match what % 8 {
            0 => {
                let contact = Uri::sip(Some("u"), "192.0.2.1", Some(5_060 + u16::from(choice % 3)));
                self.subscription.start(contact, tokens)
            }
            1 if choice < 32 => self.subscription.stop(now, tokens),
            2 => {
                self.now = now + Duration::from_secs(u64::from(choice) * u64::from(choice));
                self.subscription.wake(self.now, tokens)
            }
            3 => match self.subscription.alarm() {
                Some(at) => {
                    self.now = now.max(at);
                    self.subscription.wake(self.now, tokens)
                }
                None => Vec::new(),
            },
            4 => self.subscription.renew(tokens),
            5 if self.open.take().is_some() => self.subscription.done(now, None, tokens),
            6 => match self.open.take() {
                Some(request) => {
                    let response = response(&request, choice);
                    self.subscription.done(now, Some(&response), tokens)
                }
                None => Vec::new(),
            },
            7 => match self.last.clone() {
                Some(request) => {
                    self.number = self.number.wrapping_add(u32::from(choice >> 6));
                    let notify = notify(&request, choice, self.number);
                    self.subscription.notified(now, &notify, tokens).1
                }
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        for act in acts {
            if let Act::Send(request) = act {
                // What was under way is forgotten, as the owner does.
                self.open = Some((*request).clone());
                self.last = Some(*request);
            }
        }
    }

    fn check(&self) {
        let it = &self.subscription;
        assert!(it.alarm.is_none_or(|at| at > self.now || it.stage != Stage::Off), "{it:?}");
        match it.stage {
            Stage::Asking | Stage::Refreshing => assert!(self.open.is_some(), "nothing is under way: {it:?}"),
            Stage::On => assert!(it.alarm.is_some(), "it would never be refreshed: {it:?}"),
            Stage::Leaving => {
                assert!(it.alarm.is_some() || self.open.is_some(), "it would never end: {it:?}");
            }
            Stage::Off => assert!(!it.is_wanted && it.alarm.is_none() && it.dialog.is_none(), "{it:?}"),
            Stage::Resting => assert!(it.is_wanted && it.dialog.is_none(), "{it:?}"),
        }
    }
}

fn response(request: &Request, choice: u8) -> Response {
    let code = STATUSES[usize::from(choice % 16)];
    let mut response = request.response(Status::new(code).unwrap_or(Status::OK));
    response.headers.set_to_tag("t");
    let seconds = [0_u32, 1, 60, 599, 3_600, 90_000, u32::MAX, 601][usize::from(choice >> 5)];
    response.headers.push(name::EXPIRES, seconds.to_string());
    response.headers.push(name::MIN_EXPIRES, seconds.to_string());
    if choice & 16 != 0 {
        response.headers.push(name::RETRY_AFTER, seconds.to_string());
    }
    response.headers.push(name::WWW_AUTHENTICATE, format!("Digest realm=\"r\", nonce=\"{choice}\""));
    response
}

fn notify(request: &Request, choice: u8, number: u32) -> Request {
    let mut notify = Request::new(Method::NOTIFY, Uri::sip(Some("u"), "192.0.2.1", None));
    let headers = &mut notify.headers;
    headers.push(name::FROM, format!("<sip:n@192.0.2.2>;tag=t{}", u8::from(choice == 99)));
    headers.push(name::TO, request.headers.get(name::FROM).unwrap_or_default());
    headers.push(name::CALL_ID, request.headers.get(name::CALL_ID).unwrap_or_default());
    headers.push(name::CSEQ, format!("{number} NOTIFY"));
    headers.push(name::EVENT, "dialog");
    headers.push(name::SUBSCRIPTION_STATE, STATES[usize::from(choice % 12)]);
    if choice & 32 == 0 {
        headers.push(name::CONTACT, "<sip:n@192.0.2.2>");
    }
    headers.push(name::CONTENT_TYPE, if choice & 16 == 0 { "text/plain" } else { "text/html" });
    notify.body = "x".to_owned().into();
    notify
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_a_notifier_does_the_subscription_goes_on(
            data in prop::collection::vec(any::<u8>(), 0..400)
        ) {
            super::subscription(&data);
        }
    }
}
