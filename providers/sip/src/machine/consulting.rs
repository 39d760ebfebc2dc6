// SPDX-License-Identifier: MIT OR Apache-2.0
//! Consultations: a call is held, another is made about it, and the two swap places. How they are joined is in
//! `transfer`.
//!
//! Either call's end leaves the other as it is; retrieving the held one ends the other.

use offhook_sipcore::agent::InviteId;
use offhook_spi::{
    Address, CallInfo, CallKey, CallParams, CallState, LineKey, Moment, Op, Refusal, RefusalKind, RequestId,
    SessionKey,
};

use super::SipMachine;
use crate::call::{Call, Consult, Media, Outgoing, Phase, Then};

impl SipMachine {
    /// Holds a call; once it is held, the consultation call begins.
    pub(super) fn setup_transfer(&mut self, now: Moment, request: RequestId, serial: u64, consult: Consult) {
        let Some(line) = self.calls.get(&serial).map(|call| call.line) else { return };
        let checked = self
            .must_rest(serial)
            .and_then(|()| self.must_fit(consult.key))
            .and_then(|()| consult.to.as_ref().map_or(Ok(()), |to| self.destination(line, to).map(|_| ())));
        if let Err(refusal) = checked {
            return self.reply(request, Err(refusal));
        }
        if let Some(call) = self.calls.get_mut(&serial) {
            call.then = Some(Box::new(Then::Consult(request, consult)));
        }
        self.change(now, serial, None, true);
    }

    /// Checks that a new call may have a key.
    pub(super) fn must_fit(&self, key: CallKey) -> Result<(), Refusal> {
        let most = self.config.limits.calls;
        if self.by_key.contains_key(&key) {
            let detail = format!("expected a key for a new call, received {key}, which lives");
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        if self.calls.len() >= most {
            let detail = format!("{most} calls are all that the SIP provider is allowed");
            return Err(Refusal::new(RefusalKind::Busy, detail));
        }
        Ok(())
    }

    /// The call is held: its consultation exists from now on.
    pub(super) fn consult(&mut self, now: Moment, serial: u64, request: RequestId, consult: Consult) {
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let line = call.line;
        let related = call.info.call_id.clone();
        // An older consultation is a call like any other from now on.
        let older = call.consulted_by.take();
        call.is_pending = true;
        if let Some(older) = older.and_then(|older| self.calls.get_mut(&older)) {
            older.consults = None;
        }
        let Consult { key, session, to, params } = consult;
        let other = self.place(line, key, session, params);
        if let Some(call) = self.calls.get_mut(&other) {
            call.consults = Some(serial);
            call.info.related_call_id = related;
        }
        if let Some(call) = self.calls.get_mut(&serial) {
            call.consulted_by = Some(other);
        }
        self.reply(request, Ok(()));
        self.told_of_hold(serial);
        match to {
            Some(to) => self.dial(now, None, other, to.as_str()),
            None => self.state(other, CallState::DialTone),
        }
    }

    /// A new call of ours, before anybody is called.
    pub(super) fn place(
        &mut self,
        line: LineKey,
        key: CallKey,
        session: Option<SessionKey>,
        params: CallParams,
    ) -> u64 {
        self.serial += 1;
        let serial = self.serial;
        let id = InviteId::Outgoing(serial);
        let media = session.map_or(Media::Nobody, |session| Media::Session(Some(session)));
        self.calls.insert(serial, Call::new(id, key, line, media, Phase::DialTone(Box::new(params))));
        self.by_key.insert(key, serial);
        self.by_invite.insert(id, serial);
        serial
    }

    /// Says whom a call that waits for digits is for: all of them at once.
    pub(super) fn dial(&mut self, now: Moment, request: Option<RequestId>, serial: u64, digits: &str) {
        let Some(call) = self.calls.get(&serial) else { return };
        let refusal = if !matches!(call.phase, Phase::DialTone(_)) {
            Err(Refusal::new(RefusalKind::InvalidState, format!("{} waits for no digits", call.key)))
        } else {
            self.destination(call.line, &Address::new(digits))
        };
        let to = match (refusal, request) {
            (Ok(to), _) => to,
            (Err(refusal), Some(request)) => return self.reply(request, Err(refusal)),
            (Err(_), None) => return,
        };
        let Some(call) = self.calls.get_mut(&serial) else { return };
        let Phase::DialTone(params) = &mut call.phase else { return };
        let params = std::mem::take(&mut **params);
        let outgoing = Outgoing::new(to, Address::new(digits), params);
        *call.info = CallInfo { related_call_id: call.info.related_call_id.take(), ..outgoing.info() };
        call.phase = Phase::Outgoing(Box::new(outgoing));
        if let Some(request) = request {
            self.reply(request, Ok(()));
        }
        self.go(now, serial);
    }

    /// Holds this call and retrieves the other.
    pub(super) fn swap(&mut self, now: Moment, request: RequestId, serial: u64, with: CallKey) {
        let other = self.by_key.get(&with).copied().filter(|other| *other != serial);
        let checked = match other {
            None => Err(Refusal::new(RefusalKind::StaleHandle, format!("{with} has ended"))),
            Some(other) => self.must_rest(serial).and_then(|()| self.must_rest(other)).map(|()| other),
        };
        let other = match checked {
            Ok(other) => other,
            Err(_) if self.conferences.contains_key(&with) => {
                let refusal = Refusal::unsupported(with, Op::SwapHold);
                return self.reply(request, Err(refusal));
            }
            Err(refusal) => return self.reply(request, Err(refusal)),
        };
        if let Some(call) = self.calls.get_mut(&serial) {
            // A pair stays a pair: the one that waits now waits for what the other waited for.
            call.is_pending = call.consults == Some(other) || call.consulted_by == Some(other);
            call.then = Some(Box::new(Then::Swap(request, other)));
        }
        self.change(now, serial, None, true);
    }

    /// What was to follow a hold that worked.
    pub(super) fn follow_up(&mut self, now: Moment, serial: u64, then: Then) {
        match then {
            Then::Consult(request, consult) => self.consult(now, serial, request, consult),
            Then::Swap(request, other) => {
                self.told_of_hold(serial);
                if let Err(refusal) = self.must_rest(other) {
                    return self.reply(request, Err(refusal));
                }
                if let Some(call) = self.calls.get_mut(&other) {
                    call.then = Some(Box::new(Then::Keep));
                }
                self.change(now, other, Some(request), false);
            }
            Then::Keep => self.told_of_hold(serial),
            Then::Seat(seating) => self.seat(now, seating),
        }
    }

    /// Two calls that belonged together do not any more.
    pub(super) fn untie(&mut self, serial: u64, call: &Call) {
        if let Some(original) = call.consults.and_then(|original| self.calls.get_mut(&original))
            && original.consulted_by == Some(serial)
        {
            original.consulted_by = None;
        }
        if let Some(other) = call.consulted_by.and_then(|other| self.calls.get_mut(&other)) {
            other.consults = None;
        }
    }
}
