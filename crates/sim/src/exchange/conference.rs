// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conferences: bridges that calls of one line take part in.
//!
//! A bridge that is in use with fewer than two members collapses: the last member is an ordinary call
//! again and the conference is idle. One that waits for a party to be added stays, with however few,
//! until its consultation call has gone too. Who drops a conference drops its members; a member that is
//! removed or hangs up ends alone.

use offhook_core::table;
use offhook_spi::{Address, CallKey, CallState, Cause, Moment, Op, Refusal, RefusalKind, StateKind};

use super::Exchange;
use super::calls::Asked;
use super::far::FarEnd;

impl Exchange {
    /// Makes a bridge, not yet in any state that anybody was told.
    fn bridge(&mut self, asked: &Asked, key: CallKey, session: Option<offhook_spi::SessionKey>) {
        let call = self.create(asked.line, key, session, FarEnd::Nobody);
        call.is_conference = true;
        call.answered = true;
    }

    /// A conference without a member, and the call to its first one.
    pub(super) fn conference_from_nothing(
        &mut self,
        asked: &Asked,
        conference: CallKey,
    ) -> Result<(), Refusal> {
        self.must_be_new(asked.call)?;
        self.must_be_new(conference)?;
        self.done(asked);
        self.await_first(asked, conference, asked.call, None);
        Ok(())
    }

    /// A conference with a first member, and the call to its second one.
    pub(super) fn conference_from_call(
        &mut self,
        asked: &Asked,
        conference: CallKey,
        consultation: CallKey,
    ) -> Result<(), Refusal> {
        self.must_be_single(asked.call, Op::SetupConference)?;
        self.must_be_new(conference)?;
        self.must_be_new(consultation)?;
        self.done(asked);
        self.await_first(asked, conference, consultation, Some(asked.call));
        Ok(())
    }

    fn await_first(
        &mut self,
        asked: &Asked,
        conference: CallKey,
        consultation: CallKey,
        member: Option<CallKey>,
    ) {
        self.bridge(asked, conference, None);
        if let Some(member) = member {
            self.state(member, CallState::Conferenced { conference });
        }
        self.state(conference, CallState::OnHoldPendingConference);
        self.create(asked.line, consultation, asked.session, FarEnd::Nobody);
        self.tie(conference, consultation);
        self.collect(consultation, "");
    }

    /// All of these calls and this side talk together.
    pub(super) fn confer(&mut self, asked: &Asked, conference: CallKey, members: &[CallKey]) {
        self.bridge(asked, conference, asked.session);
        for member in members {
            self.take_seat(*member, conference);
        }
        self.resume(conference);
    }

    fn take_seat(&mut self, member: CallKey, conference: CallKey) {
        self.untie(member);
        self.state(member, CallState::Conferenced { conference });
        self.relay(member, crate::Sound::Flow { flow: offhook_spi::Flowing::Both });
        if let Some(other) = self.other(member) {
            self.told_of_hold(other, false);
        }
    }

    /// A call neither waits for another nor was started about one any more.
    fn untie(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let (about, by) = (call.consults.take(), call.consulted_by.take());
        if let Some(call) = about.and_then(|about| self.calls.get_mut(&about)) {
            call.consulted_by = None;
        }
        if let Some(call) = by.and_then(|by| self.calls.get_mut(&by)) {
            call.consults = None;
        }
    }

    /// Who takes part in a conference.
    pub(super) fn members(&self, conference: CallKey) -> Vec<CallKey> {
        let seated = self.calls.iter().filter(|(_, call)| call.member_of == Some(conference));
        seated.map(|(key, _)| *key).collect()
    }

    pub(super) fn prepare_add(
        &mut self,
        now: Moment,
        asked: &Asked,
        consultation: CallKey,
        to: Option<&Address>,
    ) -> Result<(), Refusal> {
        self.must_have_room(asked.call, Op::PrepareAddToConference)?;
        self.consult(now, asked, consultation, to, CallState::OnHoldPendingConference)
    }

    fn must_have_room(&self, key: CallKey, op: Op) -> Result<(), Refusal> {
        if !self.calls.get(&key).is_some_and(|call| call.is_conference) {
            let detail = format!("{key} is no conference; {op} needs one");
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        let most = Self::CONFERENCE_MAX_PARTIES;
        if u32::try_from(self.members(key).len()).is_ok_and(|taken| taken < most) {
            return Ok(());
        }
        let detail = format!("{key} has {most} parties; expected fewer before {op}");
        Err(Refusal::new(RefusalKind::Busy, detail))
    }

    pub(super) fn add_to_conference(&mut self, asked: &Asked, member: CallKey) -> Result<(), Refusal> {
        let op = Op::AddToConference;
        self.must_have_room(asked.call, op)?;
        self.must_be(member, op, table::states_for_other(op))?;
        self.must_be_single(member, op)?;
        if self.calls.get(&member).map(|call| call.line) != Some(asked.line) {
            let detail = format!("{member} is on another line; expected a call on {}", asked.line);
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        if !self.calls.get(&member).is_some_and(|call| call.answered) {
            let legal = [StateKind::Connected, StateKind::OnHold];
            return self.must_be(member, op, &legal);
        }
        self.done(asked);
        self.take_seat(member, asked.call);
        self.resume(asked.call);
        self.collapse(asked.call);
        Ok(())
    }

    /// Everybody in a conference that is dropped goes too.
    pub(super) fn drop_members(&mut self, now: Moment, conference: CallKey, cause: Option<Cause>) {
        if let Some(call) = self.calls.get_mut(&conference) {
            call.is_conference = false;
        }
        for member in self.members(conference) {
            self.drop_call(now, member, cause);
        }
    }

    /// A bridge that too few use any more is taken down.
    pub(super) fn collapse(&mut self, key: CallKey) {
        let Some(conference) = self.calls.get(&key).filter(|call| call.is_conference) else { return };
        let is_waiting = conference.state == CallState::OnHoldPendingConference;
        let is_hoped_for = is_waiting && conference.consulted_by.is_some();
        match self.members(key).as_slice() {
            [] if !is_hoped_for => self.idle(key),
            [last] if !is_waiting => {
                let last = *last;
                self.resume(last);
                self.idle(key);
            }
            _ => {}
        }
    }
}
