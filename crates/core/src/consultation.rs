// SPDX-License-Identifier: MIT OR Apache-2.0
//! Consultations: a call that waits, the call that was started about it, and how the two end.
//!
//! ```text
//!                        join asked                  joined
//!   set up ──► open ───────────────────► joining ──────────────► together: both leave as they are joined
//!               ▲ ▲ │                       │ │
//!               │ └─┼── join refused ───────┘ │ one is over
//!               │   │ unhold asked            └────────────────► alone: the other goes on as it is
//!               │   └──────────────► retrieving ───────────────► back: the consultation call has to end
//!               └─── unhold refused ────┘        retrieved
//! ```
//!
//! In every stage the end of either call ends the consultation, and the other call goes on as its
//! provider reports it. Which states the calls are in is the provider's to say; this is about who waits
//! for whom, so that two applications cannot join, swap and retrieve the same pair at once.

use offhook_spi::{Op, Refusal, RefusalKind};

use crate::app::Purpose;
use crate::call::Fate;
use crate::deadline::Reason;
use crate::id::CallId;
use crate::switch::Switch;

/// What ties one of the two calls to the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bond {
    pub(crate) other: CallId,
    pub(crate) side: Side,
    pub(crate) purpose: Purpose,
    pub(crate) stage: Stage,
}

/// Which of the two calls it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// The call that waits.
    Original,
    /// The call that was started about it.
    Consultation,
}

/// How far a consultation has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// Both calls do as they like.
    Open,
    /// They are being joined by an operation.
    Joining(Op),
    /// The call that waits is being retrieved.
    Retrieving,
}

/// Something that happens to a consultation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    JoinAsked(Op),
    JoinRefused,
    Joined,
    UnholdAsked,
    UnholdRefused,
    Retrieved,
    /// Either call is disconnected or idle.
    OneIsOver,
}

/// What becomes of a consultation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    Goes(Stage),
    /// The two are joined.
    Together(Op),
    /// The call that waited is back; the consultation call has to end.
    Back,
    /// One is over.
    Alone,
}

impl Stage {
    /// What follows; `None` when it cannot happen in this stage.
    pub(crate) const fn step(self, event: Event) -> Option<Next> {
        use Event as E;
        match (self, event) {
            (_, E::OneIsOver) => Some(Next::Alone),
            (Self::Open, E::JoinAsked(op)) => Some(Next::Goes(Self::Joining(op))),
            (Self::Open, E::UnholdAsked) => Some(Next::Goes(Self::Retrieving)),
            (Self::Joining(_), E::JoinRefused) | (Self::Retrieving, E::UnholdRefused) => {
                Some(Next::Goes(Self::Open))
            }
            (Self::Joining(op), E::Joined) => Some(Next::Together(op)),
            (Self::Retrieving, E::Retrieved) => Some(Next::Back),
            _ => None,
        }
    }
}

/// Operations that begin another consultation.
const BEGINS: offhook_spi::OpSet = offhook_spi::OpSet::EMPTY
    .with(Op::PrepareAddToConference)
    .with(Op::SetupConference)
    .with(Op::SetupTransfer)
    .with(Op::SetupTransferOneStep);

/// Operations that have to wait while the pair is being joined or retrieved.
const WAITS: offhook_spi::OpSet = BEGINS
    .with(Op::AddToConference)
    .with(Op::BlindTransfer)
    .with(Op::CompleteTransfer)
    .with(Op::CompleteTransferAsConference)
    .with(Op::Hold)
    .with(Op::Park)
    .with(Op::ParkDirected)
    .with(Op::SwapHold)
    .with(Op::Unhold);

impl Switch {
    /// Two calls belong together until they are joined, one is retrieved or one ends.
    pub(crate) fn bind(&mut self, original: CallId, consultation: CallId, purpose: Purpose) {
        let is_live =
            |id| self.calls.get(id).is_some_and(|call| call.kind().is_live() && call.bond.is_none());
        if !is_live(original) || !is_live(consultation) {
            return;
        }
        let stage = Stage::Open;
        for (id, other, side) in
            [(original, consultation, Side::Original), (consultation, original, Side::Consultation)]
        {
            if let Some(call) = self.calls.get_mut(id) {
                call.bond = Some(Bond { other, side, purpose, stage });
            }
        }
    }

    /// Checks that a consultation does not stand in the way of an operation.
    pub(crate) fn must_be_free(&self, id: CallId, op: Op) -> Result<(), Refusal> {
        let Some(bond) = self.calls.get(id).and_then(|call| call.bond) else { return Ok(()) };
        let other = bond.other;
        let detail = match bond.stage {
            Stage::Open if !BEGINS.contains(op) => return Ok(()),
            Stage::Open => format!(
                "{id} and {other} are one consultation already; {op} needs it completed, retrieved or dropped"
            ),
            _ if !WAITS.contains(op) => return Ok(()),
            Stage::Joining(under_way) => {
                format!("{op} of {id} has to wait: {under_way} with {other} is under way")
            }
            Stage::Retrieving => {
                format!("{op} of {id} has to wait: unhold is under way, of it or of {other}")
            }
        };
        Err(Refusal::new(RefusalKind::InvalidState, detail))
    }

    /// Checks that the other call that completes a consultation is the one that was started for it. A held
    /// call without a consultation of its own takes any (providers that transfer to a held call).
    pub(crate) fn must_fit(&self, id: CallId, other: CallId, op: Op) -> Result<(), Refusal> {
        self.must_be_free(other, op)?;
        if !matches!(op, Op::CompleteTransfer | Op::CompleteTransferAsConference) {
            return Ok(());
        }
        for (one, another) in [(id, other), (other, id)] {
            if let Some(bond) = self.calls.get(one).and_then(|call| call.bond)
                && bond.other != another
            {
                let detail = format!("{op} of {id} with {other}: {one} consults with {}", bond.other);
                return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
            }
        }
        Ok(())
    }

    /// Something happens to the consultation of a call, if it has one; with `other`, only if it is with
    /// that call.
    pub(crate) fn consult_step(&mut self, id: CallId, other: Option<CallId>, event: Event) {
        let Some(bond) = self.calls.get(id).and_then(|call| call.bond) else { return };
        if other.is_some_and(|other| other != bond.other) {
            return;
        }
        let (original, consultation) = match bond.side {
            Side::Original => (id, bond.other),
            Side::Consultation => (bond.other, id),
        };
        match bond.stage.step(event) {
            None => {}
            Some(Next::Goes(stage)) => {
                for id in [original, consultation] {
                    if let Some(bond) = self.calls.get_mut(id).and_then(|call| call.bond.as_mut()) {
                        bond.stage = stage;
                    }
                }
            }
            Some(Next::Together(_) | Next::Alone) => self.unbind(original, consultation),
            Some(Next::Back) => {
                self.unbind(original, consultation);
                self.expect_end(consultation);
            }
        }
    }

    /// Two calls were joined, or not, whether one was started for the other or both were there.
    pub(crate) fn joined(&mut self, id: CallId, other: CallId, op: Op, is_done: bool) {
        let event = if is_done { Event::Joined } else { Event::JoinRefused };
        self.consult_step(id, Some(other), event);
        if is_done {
            self.join_hubs(id, other);
            if op == Op::CompleteTransfer {
                self.expect_end(id);
                self.expect_end(other);
            }
        }
    }

    fn unbind(&mut self, original: CallId, consultation: CallId) {
        for id in [original, consultation] {
            if let Some(call) = self.calls.get_mut(id) {
                call.bond = None;
            }
        }
    }

    /// A call should end by itself now; if it does not, the core drops it.
    fn expect_end(&mut self, id: CallId) {
        let at = self.now + self.config.ending_timeout;
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.life.is_over() || call.ending.is_some() || call.fate != Fate::Open {
            return;
        }
        call.ending = Some(self.deadlines.arm(at, Reason::Ending { call: id }));
        call.is_drop_due = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: Op = Op::AddToConference;

    /// Every stage with every event.
    #[test]
    fn every_branch_of_a_consultation() {
        let (open, joining, retrieving) = (Stage::Open, Stage::Joining(ADD), Stage::Retrieving);
        let table = [
            (open, Event::JoinAsked(ADD), Some(Next::Goes(joining))),
            (open, Event::JoinRefused, None),
            (open, Event::Joined, None),
            (open, Event::UnholdAsked, Some(Next::Goes(retrieving))),
            (open, Event::UnholdRefused, None),
            (open, Event::Retrieved, None),
            (open, Event::OneIsOver, Some(Next::Alone)),
            (joining, Event::JoinAsked(Op::CompleteTransfer), None),
            (joining, Event::JoinRefused, Some(Next::Goes(open))),
            (joining, Event::Joined, Some(Next::Together(ADD))),
            (joining, Event::UnholdAsked, None),
            (joining, Event::UnholdRefused, None),
            (joining, Event::Retrieved, None),
            (joining, Event::OneIsOver, Some(Next::Alone)),
            (retrieving, Event::JoinAsked(ADD), None),
            (retrieving, Event::JoinRefused, None),
            (retrieving, Event::Joined, None),
            (retrieving, Event::UnholdAsked, None),
            (retrieving, Event::UnholdRefused, Some(Next::Goes(open))),
            (retrieving, Event::Retrieved, Some(Next::Back)),
            (retrieving, Event::OneIsOver, Some(Next::Alone)),
        ];
        assert_eq!(table.len(), 3 * 7);
        for (stage, event, next) in table {
            assert_eq!(stage.step(event), next, "{stage:?}, {event:?}");
        }
    }
}
