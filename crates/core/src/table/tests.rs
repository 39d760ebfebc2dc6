// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both tables, pair by pair: a change of either shows here as a change of a drawing.

use super::*;

/// Operations that are asked of lines or phones, not of calls, and so are in no row.
const NOT_OF_CALLS: [Op; 12] = [
    Op::Forward,
    Op::ForwardDoNotDisturb,
    Op::MakeCall,
    Op::MakeCallPartial,
    Op::Pickup,
    Op::PickupGroup,
    Op::PickupHeld,
    Op::SetLineStatus,
    Op::SetPhone,
    Op::SetupConferenceEmpty,
    Op::UncompleteCall,
    Op::Unpark,
];

const SHORT: [&str; 16] = [
    "idl", "off", "acc", "dlt", "dlg", "pro", "rng", "bsy", "spi", "con", "hld", "cnf", "hpc", "hpt", "dis",
    "unk",
];

/// The state of this kind with the least that can be true in it.
fn plain(kind: StateKind) -> CallState {
    match kind {
        S::Idle => CallState::Idle,
        S::Offering => CallState::Offering,
        S::Accepted => CallState::Accepted,
        S::DialTone => CallState::DialTone,
        S::Dialing => CallState::Dialing,
        S::Proceeding => CallState::Proceeding,
        S::Ringback => CallState::Ringback,
        S::Busy => CallState::Busy,
        S::SpecialInfo => CallState::SpecialInfo,
        S::Connected => CallState::CONNECTED,
        S::OnHold => CallState::OnHold,
        S::Conferenced => CallState::Conferenced { conference: offhook_spi::CallKey::core(1) },
        S::OnHoldPendingConference => CallState::OnHoldPendingConference,
        S::OnHoldPendingTransfer => CallState::OnHoldPendingTransfer,
        S::Disconnected => CallState::Disconnected { cause: offhook_spi::Cause::NormalClearing },
        _ => CallState::Unknown,
    }
}

fn draw(title: &str, rows: impl Iterator<Item = (String, [bool; 16])>) -> String {
    let mut drawing = format!("{title:32}{}\n", SHORT.join(" "));
    for (name, marks) in rows {
        let marks: Vec<&str> = marks.iter().map(|mark| if *mark { " x " } else { " . " }).collect();
        drawing.push_str(format!("{name:32}{}", marks.join(" ")).trim_end());
        drawing.push('\n');
    }
    drawing
}

#[test]
fn states_stand_at_their_own_place() {
    for (n, (row, kind)) in STEPS.iter().zip(StateKind::ALL).enumerate() {
        assert_eq!((row.from, kind as usize), (kind, n));
        assert_eq!(plain(kind).kind(), kind);
    }
}

#[test]
fn every_operation_is_in_the_table_or_is_not_of_calls() {
    for (op, name) in Op::ALL {
        let rows = OPERATIONS.iter().filter(|row| row.op == op).count();
        assert_eq!(rows, usize::from(!NOT_OF_CALLS.contains(&op)), "{name}");
    }
}

#[test]
fn legal_operations_pair_by_pair() {
    let rows = OPERATIONS.iter().map(|row| {
        let marks = StateKind::ALL.map(|kind| allowed_in(&plain(kind)).contains(row.op));
        for (kind, mark) in StateKind::ALL.into_iter().zip(marks) {
            assert_eq!(mark, row.states.contains(&kind), "{} in {kind}", row.op);
        }
        (row.op.name().to_owned(), marks)
    });
    insta::assert_snapshot!(draw("operation", rows));
}

#[test]
fn legal_states_of_the_other_call_pair_by_pair() {
    let rows = OPERATIONS.iter().filter(|row| !row.other.is_empty()).map(|row| {
        (row.op.name().to_owned(), StateKind::ALL.map(|kind| states_for_other(row.op).contains(&kind)))
    });
    insta::assert_snapshot!(draw("operation", rows));
}

#[test]
fn legal_steps_pair_by_pair() {
    let rows = StateKind::ALL.into_iter().map(|from| {
        let marks = StateKind::ALL.map(|to| may_follow(from, to));
        (from.name().to_owned(), marks)
    });
    insta::assert_snapshot!(draw("from", rows));
}

/// Inventory rule 29: idle is final.
#[test]
fn nothing_is_legal_in_idle() {
    assert!(allowed_in(&CallState::Idle).is_empty());
    assert!(StateKind::ALL.iter().all(|to| !may_follow(StateKind::Idle, *to)));
}

#[test]
fn every_state_but_idle_may_end() {
    for from in StateKind::ALL.into_iter().filter(|from| *from != StateKind::Idle) {
        assert!(may_follow(from, StateKind::Idle), "{from}");
        assert!(may_follow(from, StateKind::Disconnected), "{from}");
        assert!(allowed_in(&plain(from)).contains(Op::Drop), "{from}");
    }
}

#[test]
fn a_call_at_another_station_can_be_joined() {
    let elsewhere = CallState::Connected { mode: ConnectedMode::Inactive };
    assert!(allowed_in(&elsewhere).contains(Op::Answer));
    assert!(!allowed_in(&CallState::CONNECTED).contains(Op::Answer));
}

const ANY: [StateKind; 16] = StateKind::ALL;

/// All states but some.
fn all_but(not: &[StateKind]) -> Vec<StateKind> {
    ANY.into_iter().filter(|kind| !not.contains(kind)).collect()
}

/// The inventory, section 3.3, "States in which each operation may be called", written down once more and
/// compared pair by pair. Where it says *all*, a call that is over has nothing left to be done to it.
#[test]
fn operations_are_legal_where_the_inventory_says() {
    let held = vec![S::OnHold, S::OnHoldPendingConference, S::OnHoldPendingTransfer];
    let live = all_but(&[S::Disconnected, S::Idle]);
    let talking = vec![S::Connected];
    let consulting = vec![S::Proceeding, S::Ringback, S::Busy, S::Connected];
    let inventory: [(&[Op], Vec<StateKind>, Vec<StateKind>); 11] = [
        (&[Op::Accept, Op::Redirect], vec![S::Offering], vec![]),
        (&[Op::Answer], vec![S::Offering, S::Accepted], vec![]),
        (&[Op::Dial, Op::GatherDigits, Op::GenerateDigits, Op::GenerateTone, Op::SetMediaMode], live, vec![]),
        (&[Op::Drop], all_but(&[S::Idle]), vec![]),
        (
            &[
                Op::BlindTransfer,
                Op::Hold,
                Op::HoldWithMusic,
                Op::Park,
                Op::ParkDirected,
                Op::PrepareAddToConference,
                Op::SetupConference,
                Op::SetupTransfer,
                Op::SetupTransferOneStep,
            ],
            talking.clone(),
            vec![],
        ),
        (&[Op::Unhold], held.clone(), vec![]),
        (&[Op::SwapHold], talking, held),
        (
            &[Op::CompleteTransfer, Op::CompleteTransferAsConference],
            vec![S::OnHoldPendingTransfer],
            consulting,
        ),
        (
            &[Op::AddToConference],
            vec![S::OnHold, S::OnHoldPendingConference],
            vec![S::Proceeding, S::Ringback, S::Connected, S::OnHold],
        ),
        (&[Op::RemoveFromConference], vec![S::Conferenced], vec![]),
        (&[Op::CompleteCall], vec![S::Proceeding, S::Ringback, S::Busy], vec![]),
    ];
    for (ops, states, others) in inventory {
        for op in ops {
            for kind in ANY {
                assert_eq!(allowed_in(&plain(kind)).contains(*op), states.contains(&kind), "{op} in {kind}");
                assert_eq!(states_for_other(*op).contains(&kind), others.contains(&kind), "{op} with {kind}");
            }
        }
    }
}

/// Every step that a table of the inventory, section 3.3, names is legal.
#[test]
fn every_step_of_the_inventory_is_legal() {
    let before_answer = [S::DialTone, S::Dialing, S::Proceeding, S::Ringback, S::Busy, S::SpecialInfo];
    let mut steps = vec![
        (S::DialTone, S::Dialing),
        (S::Dialing, S::Proceeding),
        (S::Proceeding, S::Ringback),
        (S::Proceeding, S::Connected),
        (S::Ringback, S::Connected),
        (S::Proceeding, S::Busy),
        (S::Proceeding, S::SpecialInfo),
        (S::Offering, S::Accepted),
        (S::Offering, S::Connected),
        (S::Accepted, S::Connected),
        (S::Connected, S::OnHold),
        (S::OnHold, S::Connected),
        (S::OnHold, S::Offering),
        (S::Connected, S::OnHoldPendingTransfer),
        (S::OnHoldPendingTransfer, S::Connected),
        (S::OnHoldPendingTransfer, S::Conferenced),
        (S::Connected, S::OnHoldPendingConference),
        (S::OnHoldPendingConference, S::Connected),
        (S::Connected, S::Conferenced),
        (S::OnHold, S::Conferenced),
        (S::Ringback, S::Conferenced),
        (S::Proceeding, S::Conferenced),
        (S::Conferenced, S::Connected),
    ];
    steps.extend(before_answer.map(|from| (from, S::Disconnected)));
    steps.extend(all_but(&[S::Idle]).into_iter().map(|from| (from, S::Idle)));
    for (from, to) in steps {
        assert!(may_follow(from, to), "{from} to {to}");
    }
}

/// What cannot be: life after the end, and ringing again after an answer.
#[test]
fn no_step_goes_back_before_the_answer() {
    for to in all_but(&[S::Disconnected, S::Idle]) {
        assert!(!may_follow(S::Disconnected, to), "disconnected to {to}");
    }
    for from in [S::Connected, S::Conferenced] {
        for to in [S::Offering, S::Accepted, S::DialTone, S::Proceeding, S::Ringback, S::Busy, S::SpecialInfo]
        {
            assert!(!may_follow(from, to), "{from} to {to}");
        }
    }
    for from in [S::Offering, S::Accepted] {
        for to in [S::DialTone, S::Dialing, S::Proceeding, S::Ringback, S::Busy, S::SpecialInfo, S::OnHold] {
            assert!(!may_follow(from, to), "{from} to {to}");
        }
    }
}

/// The tables in the documentation are those of the code.
#[test]
fn the_documentation_draws_these_tables() {
    let text = include_str!("../../../../docs/call-states.md");
    let ops = OPERATIONS.iter().map(|row| {
        let marks = ANY.map(|kind| allowed_in(&plain(kind)).contains(row.op));
        (row.op.name().to_owned(), marks)
    });
    let others = OPERATIONS
        .iter()
        .filter(|row| !row.other.is_empty())
        .map(|row| (row.op.name().to_owned(), ANY.map(|kind| states_for_other(row.op).contains(&kind))));
    let steps = ANY.into_iter().map(|from| (from.name().to_owned(), ANY.map(|to| may_follow(from, to))));
    for table in [draw("operation", ops), draw("operation", others), draw("from", steps)] {
        assert!(text.contains(&table), "docs/call-states.md lacks:\n{table}");
    }
}
