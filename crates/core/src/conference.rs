// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conferences: which calls are conferences, who takes part in which, and who may join.
//!
//! A call is a conference because it was set up as one, or because a provider reports a member of it. A
//! call takes part from the moment it is reported as conferenced until it is reported as anything else:
//!
//! ```text
//!   outside ── conferenced in C ──► member of C ── any other state, or C is idle ──► outside
//! ```
//!
//! So a conference that collapses needs no word of its own: its last member is reported as connected and
//! the conference as idle. Members of a conference that ends go on as their provider reports them.

use offhook_spi::{CallKey, CallState, Op, Refusal, RefusalKind};

use crate::app::Tie;
use crate::consultation::Side;
use crate::id::{CallId, ProviderId};
use crate::switch::Switch;

/// What a call has to do with conferences.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Seat {
    /// Nothing.
    #[default]
    Outside,
    /// It is a conference, with these members.
    Conference(Vec<CallId>),
    /// It takes part in one.
    Member(CallId),
}

impl Switch {
    /// A call was set up as a conference.
    pub(crate) fn becomes_conference(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(id)
            && call.seat == Seat::Outside
        {
            call.seat = Seat::Conference(Vec::new());
        }
    }

    /// A call is in a new state: it takes its seat, or leaves it.
    pub(crate) fn take_seat(&mut self, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        let provider = call.provider;
        let conference = match call.life.state() {
            CallState::Conferenced { conference } => Some(*conference),
            _ => None,
        };
        let is_over = call.life.is_over();
        match conference {
            Some(key) => self.sit_down(provider, id, key),
            None => self.stand_up(id),
        }
        if is_over {
            self.break_up(id);
        }
    }

    fn sit_down(&mut self, provider: ProviderId, id: CallId, key: CallKey) {
        let conference = self.tsps.get(&provider).and_then(|tsp| tsp.keys.get(&key).copied());
        let line = |id| self.calls.get(id).map(|call| call.line);
        // All members and the conference are on one line (inventory rule 66).
        let fits =
            conference.filter(|other| *other != id && line(*other) == line(id) && !self.is_seated(*other));
        let Some(conference) = fits else {
            let detail = format!("expected the key of a conference on the line of {id}, received {key}");
            return self.violation(provider, Some(key), detail);
        };
        if self.calls.get(id).is_some_and(|call| call.seat == Seat::Member(conference)) {
            return;
        }
        self.stand_up(id);
        self.break_up(id);
        self.becomes_conference(conference);
        if let Some(call) = self.calls.get_mut(conference)
            && let Seat::Conference(members) = &mut call.seat
        {
            members.push(id);
        }
        if let Some(call) = self.calls.get_mut(id) {
            call.seat = Seat::Member(conference);
        }
        self.join_hubs(conference, id);
    }

    fn is_seated(&self, id: CallId) -> bool {
        self.calls.get(id).is_some_and(|call| matches!(call.seat, Seat::Member(_)))
    }

    /// A member leaves its conference.
    fn stand_up(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Seat::Member(conference) = call.seat else { return };
        call.seat = Seat::Outside;
        if let Some(conference) = self.calls.get_mut(conference)
            && let Seat::Conference(members) = &mut conference.seat
        {
            members.retain(|member| *member != id);
        }
    }

    /// A conference is over: its members take part in nothing.
    pub(crate) fn break_up(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Seat::Conference(members) = &mut call.seat else { return };
        let members = std::mem::take(members);
        call.seat = Seat::Outside;
        for member in members {
            if let Some(member) = self.calls.get_mut(member)
                && member.seat == Seat::Member(id)
            {
                member.seat = Seat::Outside;
            }
        }
    }

    /// Checks that a call is a conference that has room.
    pub(crate) fn must_be_conference(&self, id: CallId, op: Op) -> Result<(), Refusal> {
        let Some(call) = self.calls.get(id) else { return Ok(()) };
        let Seat::Conference(members) = &call.seat else {
            let detail = format!("{id} is no conference; {op} needs one, as setup_conference makes it");
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        };
        let most = self.lines.get(call.line).map_or(0, |line| line.caps.conference_max_parties);
        let taken = u32::try_from(members.len()).unwrap_or(u32::MAX);
        if most > 0 && taken >= most {
            let detail = format!("{id} has {taken} parties, the limit of {}", call.line);
            return Err(Refusal::new(RefusalKind::Busy, detail));
        }
        Ok(())
    }

    /// Checks that a call may become a member: neither a conference nor a member of one
    /// (inventory rule 66).
    pub(crate) fn must_be_outside(&self, id: CallId, op: Op) -> Result<(), Refusal> {
        let detail = match self.calls.get(id).map(|call| &call.seat) {
            Some(Seat::Conference(_)) => format!("{id} is a conference itself; {op} needs a single call"),
            Some(Seat::Member(other)) => format!("{id} takes part in {other}; {op} needs a single call"),
            Some(Seat::Outside) | None => return Ok(()),
        };
        Err(Refusal::new(RefusalKind::InvalidParameter, detail))
    }

    /// How a call hangs together with others.
    pub(crate) fn ties_of(&self, id: CallId) -> Vec<Tie> {
        let Some(call) = self.calls.get(id) else { return Vec::new() };
        let mut ties = Vec::new();
        match &call.seat {
            Seat::Outside => {}
            Seat::Conference(members) => ties.push(Tie::Conference { members: members.clone() }),
            Seat::Member(conference) => ties.push(Tie::Member { conference: *conference }),
        }
        if let Some(bond) = call.bond {
            let (other, purpose) = (bond.other, bond.purpose);
            ties.push(match bond.side {
                Side::Original => Tie::ConsultedBy { consultation: other, purpose },
                Side::Consultation => Tie::Consults { about: other, purpose },
            });
        }
        ties
    }
}
