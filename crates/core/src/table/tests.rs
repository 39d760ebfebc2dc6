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
