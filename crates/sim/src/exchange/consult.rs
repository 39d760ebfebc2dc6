// SPDX-License-Identifier: MIT OR Apache-2.0
//! Consultations and transfers: a call that waits while another is made about it, and far ends that are
//! joined with each other.
//!
//! A call that waits and its consultation call name each other. Either one's end unties them and leaves
//! the other as it is; retrieving the call that waits ends the consultation call.

use offhook_core::table;
use offhook_spi::{
    Address, CallKey, CallReason, CallState, Cause, Completion, Flowing, Moment, Op, Refusal, RefusalKind,
    StateKind,
};

use super::calls::Asked;
use super::far::FarEnd;
use super::{Alarm, Exchange};
use crate::sound::Sound;

impl Exchange {
    pub(super) fn setup_transfer(
        &mut self,
        now: Moment,
        asked: &Asked,
        consultation: CallKey,
        to: Option<&Address>,
    ) -> Result<(), Refusal> {
        self.must_be_single(asked.call, Op::SetupTransfer)?;
        self.consult(now, asked, consultation, to, CallState::OnHoldPendingTransfer)
    }

    /// Lets the call beside the operation wait, and starts a consultation call about it.
    pub(super) fn consult(
        &mut self,
        now: Moment,
        asked: &Asked,
        consultation: CallKey,
        to: Option<&Address>,
        waits: CallState,
    ) -> Result<(), Refusal> {
        self.must_be_new(consultation)?;
        let far = to.map_or(Ok(FarEnd::Nobody), |to| self.find(to))?;
        self.done(asked);
        self.rest(asked.call, waits);
        self.create(asked.line, consultation, asked.session, far);
        self.tie(asked.call, consultation);
        match to {
            Some(to) => self.start(now, consultation, to),
            None => self.collect(consultation, ""),
        }
        Ok(())
    }

    /// Two calls name each other: one waits for the other.
    pub(super) fn tie(&mut self, waiting: CallKey, consultation: CallKey) {
        let related = self.calls.get(&waiting).and_then(|call| call.info.call_id.clone());
        if let Some(call) = self.calls.get_mut(&waiting) {
            // An older consultation, if there is one, is a call like any other from now on.
            let older = call.consulted_by.replace(consultation);
            if let Some(older) = older.and_then(|older| self.calls.get_mut(&older)) {
                older.consults = None;
            }
        }
        if let Some(call) = self.calls.get_mut(&consultation) {
            call.consults = Some(waiting);
            call.info.related_call_id = related;
        }
    }

    pub(super) fn must_be_new(&self, key: CallKey) -> Result<(), Refusal> {
        if !self.calls.contains_key(&key) {
            return Ok(());
        }
        let detail = format!("expected a key for a new call, received {key}, which lives");
        Err(Refusal::new(RefusalKind::InvalidParameter, detail))
    }

    /// Checks that a call is no conference.
    pub(super) fn must_be_single(&self, key: CallKey, op: Op) -> Result<(), Refusal> {
        if !self.calls.get(&key).is_some_and(|call| call.is_conference) {
            return Ok(());
        }
        let detail = format!("{key} is a conference; {op} needs a single call");
        Err(Refusal::new(RefusalKind::InvalidParameter, detail))
    }

    /// Takes a held call back. A call that was started about it is over.
    pub(super) fn retrieve(&mut self, now: Moment, key: CallKey) {
        if let Some(consultation) = self.calls.get(&key).and_then(|call| call.consulted_by) {
            self.drop_call(now, consultation, None);
        }
        // A conference whose consultation has gone may have ended with it.
        if self.calls.contains_key(&key) {
            self.resume(key);
            self.collapse(key);
        }
    }

    pub(super) fn swap(&mut self, asked: &Asked, with: CallKey) -> Result<(), Refusal> {
        self.must_be(with, Op::SwapHold, table::states_for_other(Op::SwapHold))?;
        let Some(held) = self.calls.get(&with) else { return Ok(()) };
        if Some(held.line) != self.calls.get(&asked.call).map(|call| call.line) {
            let detail = format!("{with} is on another line; expected a held call on {}", asked.line);
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        // A pair stays a pair: the one that waits now waits for what the other waited for.
        let is_pair = held.consulted_by == Some(asked.call) || held.consults == Some(asked.call);
        let waits = match (is_pair, held.is_conference) {
            (true, false) => held.state.clone(),
            _ => CallState::OnHold,
        };
        self.done(asked);
        self.rest(asked.call, waits);
        self.resume(with);
        Ok(())
    }

    pub(super) fn complete_transfer(
        &mut self,
        now: Moment,
        asked: &Asked,
        consultation: CallKey,
        completion: Completion,
    ) -> Result<(), Refusal> {
        let key = asked.call;
        let op = Op::CompleteTransfer;
        self.must_be(consultation, op, table::states_for_other(op))?;
        self.must_be_single(consultation, op)?;
        let (Some(held), Some(other)) = (self.calls.get(&key), self.calls.get(&consultation)) else {
            return Ok(());
        };
        let tied = held.consulted_by.or(held.consults);
        if held.line != other.line || consultation == key || tied.is_some_and(|tied| tied != consultation) {
            let detail =
                format!("{consultation} was not started about {key}; expected its consultation call");
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        match completion {
            Completion::Transfer => {
                self.done(asked);
                self.join(now, key, consultation);
                self.idle(key);
                self.idle(consultation);
                Ok(())
            }
            Completion::Conference { conference } => {
                let op = Op::CompleteTransferAsConference;
                self.must_be(consultation, op, &[StateKind::Connected])?;
                self.must_be_new(conference)?;
                self.done(asked);
                self.confer(asked, conference, &[key, consultation]);
                Ok(())
            }
            _ => Err(Refusal::unsupported("the simulated exchange", op)),
        }
    }

    /// Joins the far ends of two calls, which have nobody any more.
    fn join(&mut self, now: Moment, one: CallKey, two: CallKey) {
        let take = |exchange: &mut Self, key| {
            exchange.calls.get_mut(&key).map(|call| std::mem::replace(&mut call.far, FarEnd::Nobody))
        };
        let parties = [one, two].map(|key| self.party_at_far_end(key));
        let fars = (take(self, one), take(self, two));
        let [Some(first), Some(second)] = parties else { return };
        match fars {
            (
                Some(FarEnd::Line { line, call: Some(call) }),
                Some(FarEnd::Line { line: line2, call: Some(call2) }),
            ) => {
                self.put(call, FarEnd::Line { line: line2, call: Some(call2) });
                self.put(call2, FarEnd::Line { line, call: Some(call) });
                self.share_id(call, call2);
                self.meets(call, second);
                self.meets(call2, first);
            }
            (Some(FarEnd::Line { call: Some(call), .. }), Some(script @ FarEnd::Scripted { .. })) => {
                self.hand_over(now, call, script);
                self.meets(call, second);
            }
            (Some(script @ FarEnd::Scripted { .. }), Some(FarEnd::Line { call: Some(call), .. })) => {
                self.hand_over(now, call, script);
                self.meets(call, first);
            }
            // Both are outside: what they talk about is their own business. A line whose other side has
            // nobody left is told that it is alone.
            (Some(FarEnd::Line { call: Some(call), .. }), _)
            | (_, Some(FarEnd::Line { call: Some(call), .. })) => {
                self.put(call, FarEnd::Nobody);
                self.far_hangs_up(now, call, Cause::NormalClearing);
            }
            _ => {}
        }
    }

    /// Who is at the far end of a call.
    pub(super) fn party_at_far_end(&self, key: CallKey) -> Option<offhook_spi::Party> {
        let call = self.calls.get(&key)?;
        if let FarEnd::Line { line, .. } = call.far {
            return Some(self.party(line));
        }
        let usual = match call.direction() {
            offhook_spi::CallDirection::Incoming => &call.info.caller,
            offhook_spi::CallDirection::Outgoing => &call.info.called,
        };
        Some(call.info.connected.as_ref().unwrap_or(usual).clone())
    }

    /// A script goes on talking to another call; what it waits for begins anew.
    fn hand_over(&mut self, now: Moment, to: CallKey, script: FarEnd) {
        self.put(to, script);
        if let Some(call) = self.calls.get_mut(&to) {
            call.ticket += 1;
            let ticket = call.ticket;
            self.alarms.set(now + super::far::PAUSE, Alarm::Step { call: to, ticket });
        }
    }

    /// A call has somebody else at its far end, who talks to it.
    fn meets(&mut self, key: CallKey, party: offhook_spi::Party) {
        self.transferred(key, party);
        if self.calls.get(&key).is_some_and(|call| call.answered) {
            self.told_of_hold(key, false);
            self.relay(key, Sound::Flow { flow: Flowing::Both });
        }
    }

    pub(super) fn blind_transfer(&mut self, now: Moment, asked: &Asked, to: &Address) -> Result<(), Refusal> {
        self.must_be_single(asked.call, Op::BlindTransfer)?;
        let rings = |other: CallKey| self.calls.get(&other).is_some_and(|call| !call.answered);
        if self.other(asked.call).is_some_and(rings) {
            let detail = format!("the far end of {} only rings; expected one that has answered", asked.call);
            return Err(Refusal::new(RefusalKind::OperationFailed, detail));
        }
        let target = self.find_taker(to)?;
        self.done(asked);
        self.send_on(now, asked.call, target, CallReason::Transfer);
        Ok(())
    }

    /// The far end of a call talks to the target from now on; the call is over.
    pub(super) fn send_on(&mut self, now: Moment, key: CallKey, target: FarEnd, reason: CallReason) {
        let party = self.party_at_far_end(key).unwrap_or_default();
        let far = self.calls.get_mut(&key).map(|call| std::mem::replace(&mut call.far, FarEnd::Nobody));
        let from = self.calls.get(&key).map(|call| call.line);
        match (far, target) {
            (Some(FarEnd::Line { call: Some(other), .. }), target) => {
                self.put(other, target);
                self.told_of_hold(other, false);
                self.reach(now, other, reason);
            }
            (Some(script @ FarEnd::Scripted { .. }), FarEnd::Line { line, .. }) if self.serves(line) => {
                let new = self.offer(line, party, script, reason);
                let sender = from.map(|line| self.party(line));
                self.inform(new, |info| info.redirecting.extend(sender));
                // A caller that has not been answered yet goes on being impatient.
                self.run(now, new);
            }
            _ => {}
        }
        self.idle(key);
    }
}
