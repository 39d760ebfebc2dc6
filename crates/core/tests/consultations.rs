// SPDX-License-Identifier: MIT OR Apache-2.0
//! Consultation transfer, branch by branch: every way forward and back, and what happens when one of the
//! three ends, the network refuses half-way, or two applications act at once.

mod common;

use std::time::Duration;

use common::*;
use offhook_core::{Answer, Ask, AskId, CallAsk, CallId, HandOff, Purpose, Tie};
use offhook_spi::{
    Address, CallInfo, CallKey, CallOp, CallParams, CallState, Cause, Completion, NumberForms, Party,
    Refusal, RefusalKind, RequestId, TspCommand, TspEvent,
};

const GONE: CallState = CallState::Disconnected { cause: Cause::NormalClearing };

/// Two calls of one consultation: the original waits, the consultation is connected.
struct Pair {
    world: World,
    original: (CallId, CallKey),
    consultation: (CallId, CallKey),
}

impl Pair {
    fn new() -> Self {
        let mut world = World::bare();
        let original = world.connected(A);
        let consultation = set_up(&mut world, original);
        world.state(original.1, CallState::OnHoldPendingTransfer);
        world.state(consultation.1, CallState::CONNECTED);
        world.forget();
        Self { world, original, consultation }
    }

    /// As [`Pair::new`], and B owns both calls too.
    fn shared() -> Self {
        let mut pair = Self::new();
        pair.world.open(B, BOTH);
        for call in [pair.original.0, pair.consultation.0] {
            let to = HandOff::App { name: "recorder".to_owned() };
            let ask = pair.world.ask(A, Ask::HandOff { call, to });
            pair.world.ok(ask);
        }
        pair.world.forget();
        pair
    }

    fn complete(&mut self) -> (AskId, RequestId) {
        let consultation = self.consultation.0;
        let op = CallAsk::CompleteTransfer { consultation, as_conference: false };
        let ask = self.world.op(A, self.original.0, op);
        (ask, self.world.last_call().0)
    }

    fn as_conference(&mut self) -> (AskId, RequestId, CallKey) {
        let consultation = self.consultation.0;
        let op = CallAsk::CompleteTransfer { consultation, as_conference: true };
        let ask = self.world.op(A, self.original.0, op);
        let (request, _, op, _) = self.world.last_call();
        let CallOp::CompleteTransfer { completion: Completion::Conference { conference }, .. } = op else {
            panic!("{op:?}")
        };
        (ask, request, conference)
    }

    fn ties(&mut self) -> [Vec<Tie>; 2] {
        [self.original.0, self.consultation.0].map(|call| ties(&mut self.world, call))
    }

    fn is_bound(&mut self) -> bool {
        let [original, consultation] = self.ties();
        if original.is_empty() && consultation.is_empty() {
            return false;
        }
        let purpose = Purpose::Transfer;
        assert_eq!(original, [Tie::ConsultedBy { consultation: self.consultation.0, purpose }]);
        assert_eq!(consultation, [Tie::Consults { about: self.original.0, purpose }]);
        true
    }
}

fn ties(world: &mut World, call: CallId) -> Vec<Tie> {
    let ask = world.ask(A, Ask::CallRecord { call });
    match world.ok(ask) {
        Answer::Record { record } => record.ties,
        other => panic!("{other:?}"),
    }
}

fn set_up(world: &mut World, (call, _): (CallId, CallKey)) -> (CallId, CallKey) {
    let ask = world.op(A, call, CallAsk::SetupTransfer { to: None, params: Box::default() });
    let (request, _, op, _) = world.last_call();
    let CallOp::SetupTransfer { consultation, .. } = op else { panic!("{op:?}") };
    world.done(request);
    match world.ok(ask) {
        Answer::Call { call } => (call, consultation),
        other => panic!("{other:?}"),
    }
}

fn no() -> Refusal {
    Refusal::new(RefusalKind::OperationFailed, "the network says no")
}

/// Forward: both are idle once they are joined; handles stay (rules 42 and 78).
#[test]
fn a_transfer_ends_both_calls() {
    let mut pair = Pair::new();
    assert!(pair.is_bound());
    let (ask, request) = pair.complete();
    pair.world.done(request);
    pair.world.ok(ask);
    assert!(!pair.is_bound());
    pair.world.state(pair.consultation.1, GONE);
    pair.world.end(pair.original.1);
    pair.world.end(pair.consultation.1);
    assert_eq!(pair.world.switch.counts().keys, 0);
    assert_eq!(pair.world.violations(), Vec::<String>::new());
}

/// The states may come before the reply: they say what is, the reply that it is done.
#[test]
fn a_transfer_may_end_both_calls_before_its_reply() {
    let mut pair = Pair::new();
    let (ask, request) = pair.complete();
    pair.world.end(pair.original.1);
    pair.world.end(pair.consultation.1);
    pair.world.done(request);
    pair.world.ok(ask);
    assert_eq!(pair.world.violations(), Vec::<String>::new());
}

/// A provider that joins the parties but never says that the calls ended is asked to drop them.
#[test]
fn a_transfer_that_leaves_its_calls_behind_is_cleaned_up() {
    let mut pair = Pair::new();
    let (_, request) = pair.complete();
    pair.world.done(request);
    pair.world.forget();
    pair.world.pass(Duration::from_secs(61));
    let drops = pair.world.commands();
    let is_drop = |command: &TspCommand| matches!(command, TspCommand::Call { op: CallOp::Drop { .. }, .. });
    assert!(drops.len() == 2 && drops.iter().all(is_drop), "{drops:?}");
}

/// Forward: all three stay together in a conference that the application owns.
#[test]
fn a_consultation_may_end_as_a_conference() {
    let mut pair = Pair::new();
    let (ask, request, key) = pair.as_conference();
    pair.world.done(request);
    let Answer::Call { call: conference } = pair.world.ok(ask) else { panic!("no conference") };
    pair.world.state(key, CallState::CONNECTED);
    for member in [pair.original.1, pair.consultation.1] {
        pair.world.state(member, CallState::Conferenced { conference: key });
    }
    assert_eq!(pair.ties(), [vec![Tie::Member { conference }], vec![Tie::Member { conference }]]);
    let members = vec![pair.original.0, pair.consultation.0];
    assert_eq!(ties(&mut pair.world, conference), [Tie::Conference { members }]);
    assert_eq!(pair.world.violations(), Vec::<String>::new());
}

/// Back: the original is retrieved, the consultation call ends by its provider.
#[test]
fn retrieving_the_original_ends_the_consultation() {
    let mut pair = Pair::new();
    let ask = pair.world.op(A, pair.original.0, CallAsk::Unhold);
    pair.world.done(pair.world.last_call().0);
    pair.world.ok(ask);
    assert!(!pair.is_bound());
    pair.world.state(pair.original.1, CallState::CONNECTED);
    pair.world.end(pair.consultation.1);
    pair.world.forget();
    pair.world.pass(Duration::from_secs(61));
    assert!(pair.world.commands().is_empty());
}

/// Back, and the provider forgets the consultation call: the core drops it; an application may be quicker.
#[test]
fn a_consultation_left_behind_is_dropped() {
    for is_quicker in [false, true] {
        let mut pair = Pair::new();
        pair.world.op(A, pair.original.0, CallAsk::Unhold);
        pair.world.done(pair.world.last_call().0);
        pair.world.state(pair.original.1, CallState::CONNECTED);
        pair.world.forget();
        if is_quicker {
            pair.world.op(A, pair.consultation.0, CallAsk::Drop { cause: None });
        } else {
            pair.world.pass(Duration::from_secs(61));
        }
        let drops = pair.world.commands();
        let key = pair.consultation.1;
        assert!(
            matches!(&drops[..], [TspCommand::Call { call, op: CallOp::Drop { .. }, .. }] if *call == key),
            "{is_quicker}: {drops:?}"
        );
        pair.world.done(pair.world.last_call().0);
        pair.world.end(key);
    }
}

#[test]
fn an_original_that_is_not_retrieved_still_waits() {
    let mut pair = Pair::new();
    let ask = pair.world.op(A, pair.original.0, CallAsk::Unhold);
    pair.world.refuse(pair.world.last_call().0, no());
    pair.world.refused(ask);
    assert!(pair.is_bound());
    let (ask, request) = pair.complete();
    pair.world.done(request);
    pair.world.ok(ask);
}

/// Back by dropping the consultation: the original goes on as its provider says, or is retrieved.
#[test]
fn dropping_the_consultation_frees_the_original() {
    for reconnects in [true, false] {
        let mut pair = Pair::new();
        let ask = pair.world.op(A, pair.consultation.0, CallAsk::Drop { cause: None });
        pair.world.done(pair.world.last_call().0);
        pair.world.ok(ask);
        pair.world.end(pair.consultation.1);
        assert!(!pair.is_bound());
        if !reconnects {
            let ask = pair.world.op(A, pair.original.0, CallAsk::Unhold);
            pair.world.done(pair.world.last_call().0);
            pair.world.ok(ask);
        }
        pair.world.state(pair.original.1, CallState::CONNECTED);
        set_up(&mut pair.world, pair.original);
    }
}

/// Either party hangs up, or this side drops the original: the other call goes on alone.
#[test]
fn when_one_ends_the_other_goes_on_alone() {
    for original_ends in [true, false] {
        for drops in [true, false] {
            let mut pair = Pair::new();
            let (ends, stays) = if original_ends {
                (pair.original, pair.consultation)
            } else {
                (pair.consultation, pair.original)
            };
            if drops {
                pair.world.op(A, ends.0, CallAsk::Drop { cause: None });
                pair.world.done(pair.world.last_call().0);
                pair.world.end(ends.1);
            } else {
                pair.world.state(ends.1, GONE);
            }
            assert!(!pair.is_bound(), "original {original_ends}, dropped {drops}");
            let op = CallAsk::CompleteTransfer { consultation: pair.consultation.0, as_conference: false };
            let late = pair.world.op(A, pair.original.0, op);
            assert_eq!(pair.world.refused(late).kind, RefusalKind::InvalidState);
            pair.world.state(stays.1, CallState::CONNECTED);
            let hold = pair.world.op(A, stays.0, CallAsk::Hold);
            pair.world.done(pair.world.last_call().0);
            pair.world.ok(hold);
        }
    }
}

/// One ends while the network joins them: whatever the reply, nothing is left hanging.
#[test]
fn one_may_end_while_they_are_being_joined() {
    for original_ends in [true, false] {
        for is_done in [true, false] {
            let mut pair = Pair::new();
            let (ask, request) = pair.complete();
            let (ends, stays) = if original_ends {
                (pair.original, pair.consultation)
            } else {
                (pair.consultation, pair.original)
            };
            pair.world.end(ends.1);
            assert!(!pair.is_bound());
            if is_done {
                pair.world.done(request);
                pair.world.ok(ask);
                pair.world.end(stays.1);
            } else {
                pair.world.refuse(request, no());
                pair.world.refused(ask);
                pair.world.state(stays.1, CallState::CONNECTED);
                set_up(&mut pair.world, stays);
            }
            assert_eq!(pair.world.violations(), Vec::<String>::new());
        }
    }
}

/// The network refuses half-way: everything is as before, and may be tried again.
#[test]
fn a_refused_join_changes_nothing() {
    let mut pair = Pair::new();
    let (ask, request) = pair.complete();
    pair.world.refuse(request, no());
    pair.world.refused(ask);
    assert!(pair.is_bound());
    let (ask, request, key) = pair.as_conference();
    pair.world.refuse(request, no());
    pair.world.refused(ask);
    assert!(pair.is_bound());
    assert_eq!(pair.world.switch.counts().calls, 2, "the conference never was");
    pair.world.state(key, CallState::CONNECTED);
    assert_eq!(pair.world.violations().len(), 1);
    let (ask, request) = pair.complete();
    pair.world.done(request);
    pair.world.ok(ask);
}

/// The set-up is refused: the original is as its provider says, and may consult again.
#[test]
fn a_refused_set_up_leaves_nothing_behind() {
    let mut world = World::bare();
    let original = world.connected(A);
    let ask = world.op(A, original.0, CallAsk::SetupTransfer { to: None, params: Box::default() });
    world.refuse(world.last_call().0, no());
    world.refused(ask);
    assert_eq!(ties(&mut world, original.0), []);
    set_up(&mut world, original);
}

/// The original ends before the consultation call exists: that call is an ordinary one.
#[test]
fn an_original_may_end_during_the_set_up() {
    let mut world = World::bare();
    let original = world.connected(A);
    let ask = world.op(
        A,
        original.0,
        CallAsk::SetupTransfer { to: Some(Address::new("carol")), params: Box::default() },
    );
    world.end(original.1);
    world.done(world.last_call().0);
    let Answer::Call { call } = world.ok(ask) else { panic!("no call") };
    assert_eq!(ties(&mut world, call), []);
    world.state(CallKey::core(2), CallState::CONNECTED);
    let hold = world.op(A, call, CallAsk::Hold);
    world.done(world.last_call().0);
    world.ok(hold);
}

/// What the application wants of the new call reaches the provider.
#[test]
fn a_consultation_call_has_parameters_of_its_own() {
    let mut world = World::bare();
    let original = world.connected(A);
    let forms = ["+49 (30) 1234567", "+49301234567", "030 1234567"].map(str::to_owned);
    let [canonical, key, display] = forms;
    let number = Some(Box::new(NumberForms { canonical, key, display }));
    let no_answer_timeout = Some(Duration::from_secs(9));
    let wanted = CallParams { no_answer_timeout, number: number.clone(), ..CallParams::default() };
    let (to, params) = (Some(Address::new("carol")), Box::new(wanted.clone()));
    let ask = world.op(A, original.0, CallAsk::SetupTransfer { to, params });
    let (request, _, op, _) = world.last_call();
    let CallOp::SetupTransfer { params, consultation, .. } = op else { panic!("{op:?}") };
    assert_eq!(*params, wanted);
    world.done(request);
    world.state(consultation, CallState::Proceeding);
    let Answer::Call { call } = world.ok(ask) else { panic!() };
    // The provider knows the party under another address, and nothing of the number.
    let address = Some(Address::new("sip:carol@example.org"));
    let info = CallInfo { called: Party { address, ..Party::default() }, ..CallInfo::default() };
    world.tsp(TspEvent::CallInfo { call: consultation, info: Box::new(info) });
    let ask = world.ask(A, Ask::CallRecord { call });
    let Answer::Record { record } = world.ok(ask) else { panic!() };
    assert_eq!(record.info.called.number, number);
    assert_eq!(record.info.called.address.unwrap().as_str(), "sip:carol@example.org");
}

/// Swapping exchanges the states, not the roles.
#[test]
fn swapping_keeps_the_consultation() {
    let mut pair = Pair::new();
    let ask = pair.world.op(A, pair.consultation.0, CallAsk::SwapHold { with: pair.original.0 });
    pair.world.done(pair.world.last_call().0);
    pair.world.ok(ask);
    pair.world.state(pair.consultation.1, CallState::OnHoldPendingTransfer);
    pair.world.state(pair.original.1, CallState::CONNECTED);
    assert!(pair.is_bound());
    // Whichever of the two waits, they are the pair that can be joined.
    let op = CallAsk::CompleteTransfer { consultation: pair.original.0, as_conference: false };
    let ask = pair.world.op(A, pair.consultation.0, op);
    pair.world.done(pair.world.last_call().0);
    pair.world.ok(ask);
    assert!(!pair.is_bound());
}

/// Two applications act at once: while one joins the pair, the other can only watch or drop.
#[test]
fn nobody_interferes_while_a_pair_is_joined() {
    let mut pair = Pair::shared();
    let (ask, request) = pair.complete();
    let (original, consultation) = (pair.original.0, pair.consultation.0);
    for (call, op) in [
        (original, CallAsk::Unhold),
        (consultation, CallAsk::Hold),
        (consultation, CallAsk::SwapHold { with: original }),
        (consultation, CallAsk::BlindTransfer { to: Address::new("dave") }),
        (consultation, CallAsk::SetupTransfer { to: None, params: Box::default() }),
        (original, CallAsk::CompleteTransfer { consultation, as_conference: true }),
    ] {
        let refused = pair.world.op(B, call, op.clone());
        let refusal = pair.world.refused(refused);
        assert_eq!(refusal.kind, RefusalKind::InvalidState, "{op:?}");
        assert!(refusal.detail.contains("is under way"), "{op:?}: {}", refusal.detail);
    }
    let drop = pair.world.op(B, consultation, CallAsk::Drop { cause: None });
    pair.world.done(pair.world.last_call().0);
    pair.world.ok(drop);
    pair.world.end(pair.consultation.1);
    pair.world.refuse(request, no());
    pair.world.refused(ask);
}

/// While one application retrieves the original, the other cannot join the pair.
#[test]
fn nobody_joins_a_pair_that_is_being_retrieved() {
    let mut pair = Pair::shared();
    let ask = pair.world.op(A, pair.original.0, CallAsk::Unhold);
    let request = pair.world.last_call().0;
    let op = CallAsk::CompleteTransfer { consultation: pair.consultation.0, as_conference: false };
    let second = pair.world.op(B, pair.original.0, op);
    let refusal = pair.world.refused(second);
    assert!(refusal.detail.contains("unhold is under way"), "{}", refusal.detail);
    pair.world.done(request);
    pair.world.ok(ask);
}

#[test]
fn a_call_has_one_consultation_at_a_time() {
    let mut pair = Pair::new();
    for op in [CallAsk::SetupTransfer { to: None, params: Box::default() }, CallAsk::SetupConference] {
        let ask = pair.world.op(A, pair.consultation.0, op);
        let refusal = pair.world.refused(ask);
        assert!(refusal.detail.contains("are one consultation already"), "{}", refusal.detail);
    }
}

#[test]
fn a_pair_is_joined_with_its_own_consultation() {
    let mut pair = Pair::new();
    let (other, other_key) = pair.world.connected(A);
    let op = CallAsk::CompleteTransfer { consultation: other, as_conference: false };
    let ask = pair.world.op(A, pair.original.0, op);
    let refusal = pair.world.refused(ask);
    assert_eq!(refusal.kind, RefusalKind::InvalidParameter);
    assert!(refusal.detail.contains("consults with"), "{}", refusal.detail);
    pair.world.end(other_key);
}

/// A provider that transfers to any call that was held or made: no set-up, no pair, no objection.
#[test]
fn a_held_call_may_be_joined_with_any_other() {
    let mut world = World::bare();
    let (held, key) = world.connected(A);
    world.state(key, CallState::OnHoldPendingTransfer);
    let (other, _) = world.connected(A);
    let op = CallAsk::CompleteTransfer { consultation: other, as_conference: false };
    let ask = world.op(A, held, op);
    world.done(world.last_call().0);
    world.ok(ask);
}

/// A join that is not answered in time is given up; what comes late of it is dropped.
#[test]
fn a_join_that_takes_too_long_is_given_up() {
    let mut pair = Pair::new();
    let (ask, request, key) = pair.as_conference();
    pair.world.pass(Duration::from_secs(31));
    assert_eq!(pair.world.refused(ask).kind, RefusalKind::TimedOut);
    pair.world.done(request);
    assert!(matches!(pair.world.last_call(), (_, dropped, CallOp::Drop { .. }, _) if dropped == key));
    pair.world.done(pair.world.last_call().0);
    pair.world.end(key);
    assert!(pair.is_bound());
    let (ask, request) = pair.complete();
    pair.world.done(request);
    pair.world.ok(ask);
}

/// The line goes: both calls end, the pair is no more.
#[test]
fn a_line_that_goes_takes_both_along() {
    let mut pair = Pair::new();
    let (ask, _) = pair.complete();
    pair.world.tsp(TspEvent::LineDown { line: ALICE });
    assert_eq!(pair.world.refused(ask).kind, RefusalKind::Gone);
    assert!(!pair.is_bound());
    assert_eq!(pair.world.switch.counts().keys, 0);
}
