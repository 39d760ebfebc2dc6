// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which operation is legal in which state, and which state may follow which: as data.
//!
//! The rows come from the inventory, section 3.3. A provider may skip states and outside events can
//! change much, so the table of steps forbids only what cannot be: leaving idle, coming back to life
//! after disconnected, ringing again after an answer.

use offhook_spi::{CallState, ConnectedMode, Op, OpSet, StateKind, StateKind as S};

/// One row of the table of operations: the operation and the states in which it may be asked.
#[derive(Clone, Copy, Debug)]
pub struct OpRow {
    /// The operation.
    pub op: Op,
    /// States of the call that it is asked of.
    pub states: &'static [StateKind],
    /// States of the other call it names (the held call of a swap, the member of a conference, the
    /// consultation call of a transfer); empty when it names none.
    pub other: &'static [StateKind],
}

/// One row of the table of steps: a state and those that may follow it.
#[derive(Clone, Copy, Debug)]
pub struct StepRow {
    /// From where.
    pub from: StateKind,
    /// Where to.
    pub to: &'static [StateKind],
}

const OFFERED: &[S] = &[S::Offering];
const ALERTING: &[S] = &[S::Offering, S::Accepted];
const TALKING: &[S] = &[S::Connected];
const HELD: &[S] = &[S::OnHold, S::OnHoldPendingConference, S::OnHoldPendingTransfer];
const CALLING: &[S] = &[S::Busy, S::Ringback, S::Proceeding];
const CONSULTING: &[S] = &[S::Connected, S::Ringback, S::Busy, S::Proceeding];
const JOINING: &[S] = &[S::Connected, S::OnHold, S::Proceeding, S::Ringback];
const CONFERRING: &[S] = &[S::OnHoldPendingConference, S::OnHold];

/// All but idle and disconnected.
const LIVE: &[S] = &[
    S::Offering,
    S::Accepted,
    S::DialTone,
    S::Dialing,
    S::Proceeding,
    S::Ringback,
    S::Busy,
    S::SpecialInfo,
    S::Connected,
    S::OnHold,
    S::Conferenced,
    S::OnHoldPendingConference,
    S::OnHoldPendingTransfer,
    S::Unknown,
];

/// All but idle.
const EXISTING: &[S] = &[
    S::Offering,
    S::Accepted,
    S::DialTone,
    S::Dialing,
    S::Proceeding,
    S::Ringback,
    S::Busy,
    S::SpecialInfo,
    S::Connected,
    S::OnHold,
    S::Conferenced,
    S::OnHoldPendingConference,
    S::OnHoldPendingTransfer,
    S::Disconnected,
    S::Unknown,
];

const fn row(op: Op, states: &'static [S]) -> OpRow {
    OpRow { op, states, other: &[] }
}

const fn pair(op: Op, states: &'static [S], other: &'static [S]) -> OpRow {
    OpRow { op, states, other }
}

/// Every operation on a call with the states in which it may be asked. Operations that are not here
/// are operations on lines or phones.
pub const OPERATIONS: [OpRow; 38] = [
    row(Op::Accept, OFFERED),
    pair(Op::AddToConference, CONFERRING, JOINING),
    row(Op::Answer, ALERTING),
    row(Op::BlindTransfer, TALKING),
    row(Op::CompleteCall, CALLING),
    pair(Op::CompleteTransfer, &[S::OnHoldPendingTransfer], CONSULTING),
    pair(Op::CompleteTransferAsConference, &[S::OnHoldPendingTransfer], CONSULTING),
    row(Op::Dial, LIVE),
    row(Op::Drop, EXISTING),
    row(Op::Extension, EXISTING),
    row(Op::GatherDigits, LIVE),
    row(Op::GenerateDigits, LIVE),
    row(Op::GenerateTone, LIVE),
    row(Op::Hold, TALKING),
    row(Op::HoldWithMusic, TALKING),
    row(Op::MonitorDigits, LIVE),
    row(Op::MonitorMedia, LIVE),
    row(Op::MonitorTones, LIVE),
    row(Op::Park, TALKING),
    row(Op::ParkDirected, TALKING),
    row(Op::PrepareAddToConference, TALKING),
    row(Op::Redirect, OFFERED),
    row(Op::ReleaseUserData, EXISTING),
    row(Op::RemoveFromConference, &[S::Conferenced]),
    row(Op::SecureCall, LIVE),
    row(Op::SendUserData, LIVE),
    row(Op::SetCallData, LIVE),
    row(Op::SetCallParams, LIVE),
    row(Op::SetMediaControl, LIVE),
    row(Op::SetMediaMode, LIVE),
    row(Op::SetQuality, LIVE),
    row(Op::SetTerminal, LIVE),
    row(Op::SetTreatment, LIVE),
    row(Op::SetupConference, TALKING),
    row(Op::SetupTransfer, TALKING),
    row(Op::SetupTransferOneStep, TALKING),
    pair(Op::SwapHold, TALKING, HELD),
    row(Op::Unhold, HELD),
];

const OUTGOING: &[S] = &[
    S::DialTone,
    S::Dialing,
    S::Proceeding,
    S::Ringback,
    S::Busy,
    S::SpecialInfo,
    S::Connected,
    S::OnHold,
    S::Conferenced,
    S::OnHoldPendingConference,
    S::OnHoldPendingTransfer,
    S::Disconnected,
    S::Unknown,
    S::Idle,
];

const ESTABLISHED: &[S] = &[
    S::Dialing,
    S::Connected,
    S::OnHold,
    S::Conferenced,
    S::OnHoldPendingConference,
    S::OnHoldPendingTransfer,
    S::Disconnected,
    S::Unknown,
    S::Idle,
];

/// As [`ESTABLISHED`], and a call that is camped on may be offered again.
const HOLDING: &[S] = &[
    S::Offering,
    S::Connected,
    S::OnHold,
    S::Conferenced,
    S::OnHoldPendingConference,
    S::OnHoldPendingTransfer,
    S::Disconnected,
    S::Unknown,
    S::Idle,
];

/// Every state with those that may follow it, in the order of [`StateKind::ALL`].
pub const STEPS: [StepRow; 16] = [
    StepRow { from: S::Idle, to: &[] },
    StepRow {
        from: S::Offering,
        to: &[S::Offering, S::Accepted, S::Connected, S::Disconnected, S::Unknown, S::Idle],
    },
    StepRow { from: S::Accepted, to: &[S::Accepted, S::Connected, S::Disconnected, S::Unknown, S::Idle] },
    StepRow { from: S::DialTone, to: OUTGOING },
    StepRow { from: S::Dialing, to: OUTGOING },
    StepRow { from: S::Proceeding, to: OUTGOING },
    StepRow { from: S::Ringback, to: OUTGOING },
    StepRow { from: S::Busy, to: OUTGOING },
    StepRow { from: S::SpecialInfo, to: OUTGOING },
    StepRow { from: S::Connected, to: ESTABLISHED },
    StepRow { from: S::OnHold, to: HOLDING },
    StepRow { from: S::Conferenced, to: ESTABLISHED },
    StepRow { from: S::OnHoldPendingConference, to: HOLDING },
    StepRow { from: S::OnHoldPendingTransfer, to: HOLDING },
    StepRow { from: S::Disconnected, to: &[S::Disconnected, S::Idle] },
    StepRow { from: S::Unknown, to: &StateKind::ALL },
];

const LEGAL_OPS: [OpSet; 16] = legal_ops();
const LEGAL_STEPS: [u16; 16] = legal_steps();

/// Whether a call in state `from` may be reported in state `to`.
#[must_use]
pub fn may_follow(from: StateKind, to: StateKind) -> bool {
    LEGAL_STEPS.get(from as usize).is_some_and(|mask| mask & bit(to) != 0)
}

/// The operations that the state of a call allows, whatever its line can do.
#[must_use]
pub fn allowed_in(state: &CallState) -> OpSet {
    let legal = LEGAL_OPS.get(state.kind() as usize).copied().unwrap_or(OpSet::EMPTY);
    match state {
        // The call is active at another station of a shared line: it can be joined from here.
        CallState::Connected { mode: ConnectedMode::Inactive | ConnectedMode::InactiveHeld } => {
            legal.with(Op::Answer)
        }
        _ => legal,
    }
}

/// The states in which an operation may be asked.
#[must_use]
pub fn states_for(op: Op) -> &'static [StateKind] {
    find(op).map_or(&[], |row| row.states)
}

/// The states that the other call may be in of an operation that names one.
#[must_use]
pub fn states_for_other(op: Op) -> &'static [StateKind] {
    find(op).map_or(&[], |row| row.other)
}

fn find(op: Op) -> Option<&'static OpRow> {
    OPERATIONS.iter().find(|row| row.op == op)
}

const fn bit(state: StateKind) -> u16 {
    1 << state as u16
}

const fn legal_ops() -> [OpSet; 16] {
    let mut sets = [OpSet::EMPTY; 16];
    let mut n = 0;
    while n < OPERATIONS.len() {
        let row = OPERATIONS[n];
        let mut s = 0;
        while s < row.states.len() {
            let state = row.states[s] as usize;
            sets[state] = sets[state].with(row.op);
            s += 1;
        }
        n += 1;
    }
    sets
}

const fn legal_steps() -> [u16; 16] {
    let mut masks = [0; 16];
    let mut n = 0;
    while n < STEPS.len() {
        let mut s = 0;
        while s < STEPS[n].to.len() {
            masks[STEPS[n].from as usize] |= bit(STEPS[n].to[s]);
            s += 1;
        }
        n += 1;
    }
    masks
}

#[cfg(test)]
mod tests;
