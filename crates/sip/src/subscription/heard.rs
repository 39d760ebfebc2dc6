// SPDX-License-Identifier: MIT OR Apache-2.0
//! What NOTIFYs say (RFC 6665 section 4.1.3).

use offhook_spi::Moment;

use super::{Act, MAX_BODY, Pause, Stage, Subscription};
use crate::dialog::Dialog;
use crate::message::{Request, Status, SubscriptionLife, SubscriptionState, Termination, Tokens, name};

impl Subscription {
    /// Takes a NOTIFY that [concerns](Self::concerns) this subscription; also says how to answer it.
    pub fn notified(&mut self, now: Moment, notify: &Request, tokens: &mut Tokens) -> (Status, Vec<Act>) {
        if !self.concerns(notify) {
            return (Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST, Vec::new());
        }
        let Ok(state) = notify.headers.subscription_state() else { return (Status::BAD_REQUEST, Vec::new()) };
        if let Err(status) = self.belongs(notify) {
            return (status, Vec::new());
        }
        let (status, told) = self.read(notify);
        let mut acts: Vec<Act> = told.into_iter().collect();
        acts.extend(self.stands(now, &state, tokens));
        (status, acts)
    }

    /// Makes the dialog or goes on in it.
    fn belongs(&mut self, notify: &Request) -> Result<(), Status> {
        if let Some(dialog) = &mut self.dialog {
            let number = notify.headers.cseq().map_err(|_| Status::BAD_REQUEST)?.seq;
            dialog.take_number(number).map_err(|_| Status::SERVER_INTERNAL_ERROR)?;
            // A NOTIFY refreshes the target (section 4.4.1).
            dialog.refresh(&notify.headers);
        } else {
            // Without a Contact nothing can be sent to it ever after.
            self.dialog = Some(Dialog::notified(notify, self.number).ok_or(Status::BAD_REQUEST)?);
        }
        Ok(())
    }

    /// The state in the body, and whether it can be read.
    fn read(&self, notify: &Request) -> (Status, Option<Act>) {
        if notify.body.is_empty() || !self.is_wanted {
            return (Status::OK, None);
        }
        let kind = notify.headers.get(name::CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !self.setup.accept.contains(&kind) {
            return (Status::UNSUPPORTED_MEDIA_TYPE, None);
        }
        if notify.body.len() > MAX_BODY {
            return (Status::REQUEST_ENTITY_TOO_LARGE, None);
        }
        (Status::OK, Some(Act::Told { kind, body: notify.body.clone() }))
    }

    fn stands(&mut self, now: Moment, state: &SubscriptionState, tokens: &mut Tokens) -> Vec<Act> {
        if let SubscriptionLife::Terminated(why) = state.life {
            return self.terminated(now, why, state.retry_after, tokens);
        }
        if self.stage != Stage::On {
            // The response to what is under way says how long it lasts.
            return Vec::new();
        }
        if !self.is_wanted {
            return vec![self.leave(now, tokens)];
        }
        self.failures = 0;
        // Without a word about it, what the response said goes on.
        let left = self.ends.since(now).as_secs();
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        self.lasts(now, state.expires.map_or(left, |expires| expires.min(self.setup.expires)));
        Vec::new()
    }

    fn terminated(
        &mut self,
        now: Moment,
        why: Termination,
        asked: Option<u32>,
        tokens: &mut Tokens,
    ) -> Vec<Act> {
        if self.stage == Stage::Leaving {
            return self.ended(tokens);
        }
        match why {
            Termination::Deactivated => self.again(now, "the notifier has moved", tokens),
            Termination::Timeout => self.again(now, "the subscription ran out", tokens),
            Termination::Probation | Termination::GaveUp | Termination::Unsaid => {
                let reason = "the notifier has ended the subscription for now";
                self.rest(now, reason, Pause::Passing, asked, tokens)
            }
            Termination::Rejected => {
                self.rest(now, "the subscription is not allowed", Pause::ForGood, None, tokens)
            }
            Termination::NoResource => {
                self.rest(now, "what was subscribed to is gone", Pause::ForGood, None, tokens)
            }
            Termination::Invariant => {
                // What was told stays true for ever.
                self.off();
                if self.is_wanted {
                    self.stage = Stage::Resting;
                }
                Vec::new()
            }
        }
    }
}
