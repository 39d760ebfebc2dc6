// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules of the inventory, section 7.1, and of design 4 that the switch has to keep.

mod common;

use std::time::Duration;

use common::*;
use offhook_core::{
    Answer, AppEvent, Ask, CallAsk, Config, Incoming, Input, Interest, LinePolicy, Opening, Output,
    Privilege, ProviderId, Unowned,
};
use offhook_spi::{
    Address, CallInfo, CallKey, CallOp, CallState, Cause, Op, OpSet, Opaque, Outcome, Refusal, RefusalKind,
    Reply, RequestId, SchemaId, TspCommand, TspEvent,
};

fn policy(policy: LinePolicy) -> World {
    World::with(Config { usual: policy, ..Config::default() }, caps(control_ops(), false))
}

/// Rule 14: exactly one completion per request; a second one is a violation.
#[test]
fn a_second_reply_is_a_violation() {
    let mut world = World::bare();
    world.open(A, BOTH);
    world.done(world.last_open());
    assert_eq!(world.violations(), ["expected a reply to an outstanding request, received one to request:1"]);
}

/// Rules 23 and 26: the application sees the answer first, then states; what comes earlier is held back.
#[test]
fn the_answer_comes_before_any_event() {
    let mut world = World::bare();
    let line = world.open(A, BOTH);
    let ask = world.make_call(A, line);
    let (request, key, op, _) = world.last_call();
    assert!(matches!(op, CallOp::MakeCall { .. }));
    world.forget();
    world.state(key, CallState::Dialing);
    world.state(key, CallState::Ringback);
    assert!(world.states(A).is_empty());
    assert_eq!(world.violations().len(), 2);
    world.done(request);
    let fresh = world.fresh();
    assert!(matches!(fresh[0], Output::Answer { id, .. } if id == ask), "{fresh:?}");
    assert!(
        matches!(&fresh[1], Output::Event { event: AppEvent::CallState { state, .. }, .. } if *state == CallState::Ringback)
    );
}

/// Rule 24: a refused request leaves nothing behind.
#[test]
fn a_refused_call_leaves_nothing_behind() {
    let mut world = World::bare();
    let line = world.open(A, BOTH);
    let ask = world.make_call(A, line);
    let (request, key, ..) = world.last_call();
    world.refuse(request, Refusal::new(RefusalKind::InvalidAddress, "no such place"));
    assert_eq!(world.refused(ask).kind, RefusalKind::InvalidAddress);
    assert!(world.switch.is_empty());
    world.state(key, CallState::Ringback);
    assert_eq!(world.violations(), ["expected the key of a call that lives, received call-key:c1"]);
}

/// Rule 27: a new call is told first, its states next.
#[test]
fn a_new_call_is_told_before_its_states() {
    let mut world = World::bare();
    world.open(A, Interest::OWN_AUDIO);
    world.forget();
    let key = world.incoming(1);
    world.state(key, CallState::Accepted);
    let events = world.events();
    assert!(matches!(&events[0].1, AppEvent::NewCall { record } if record.state == CallState::Offering));
    assert!(matches!(&events[1].1, AppEvent::CallState { state: CallState::Accepted, .. }));
}

/// Rules 29 and 30: idle is final, the handle stays readable until it is deallocated.
#[test]
fn an_idle_call_is_readable_until_deallocated() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    world.end(key);
    let ask = world.ask(A, Ask::CallRecord { call });
    let Answer::Record { record } = world.ok(ask) else { panic!("no record") };
    assert_eq!((record.state.clone(), record.allowed), (CallState::Idle, OpSet::EMPTY));
    let drop = world.op(A, call, CallAsk::Drop { cause: None });
    assert_eq!(world.refused(drop).kind, RefusalKind::InvalidState);
    let ask = world.ask(A, Ask::Deallocate { call, keep: false });
    world.ok(ask);
    let ask = world.ask(A, Ask::CallRecord { call });
    assert_eq!(world.refused(ask).kind, RefusalKind::StaleHandle);
    assert!(world.switch.is_empty());
}

/// Rule 31: after the end nothing is told about a call.
#[test]
fn nothing_is_told_after_idle() {
    let mut world = World::bare();
    let (_, key) = world.connected(A);
    world.end(key);
    world.forget();
    world.state(key, CallState::CONNECTED);
    world.tsp(TspEvent::CallInfo { call: key, info: Box::<CallInfo>::default() });
    assert!(world.events().is_empty());
    assert_eq!(world.violations().len(), 2);
}

/// Rules 33 and 34, design 4: the sole owner of a live call has to drop it or say keep.
#[test]
fn the_sole_owner_must_drop_or_keep() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let ask = world.ask(A, Ask::Deallocate { call, keep: false });
    let refusal = world.refused(ask);
    assert_eq!(refusal.kind, RefusalKind::SoleOwner);
    assert!(refusal.detail.starts_with("call:1.1 is connected"), "{}", refusal.detail);
    let ask = world.ask(A, Ask::Deallocate { call, keep: true });
    world.ok(ask);
    assert_eq!(world.switch.counts().keys, 1, "rule 32: deallocating does not change the call");
    world.forget();
    world.state(key, CallState::Disconnected { cause: Cause::NormalClearing });
    let dropped = world.commands();
    assert!(matches!(&dropped[..], [TspCommand::Call { op: CallOp::Drop { .. }, .. }]), "{dropped:?}");
    world.done(world.last_call().0);
    world.end(key);
    assert!(world.switch.is_empty());
}

/// Rule 35: a monitor may always deallocate. Rule 47: the others hear of it, it does not.
#[test]
fn a_monitor_may_deallocate() {
    let mut world = World::bare();
    world.open(B, Interest::MONITOR);
    let (call, _) = world.connected(A);
    let ask = world.ask(B, Ask::Deallocate { call, keep: false });
    world.ok(ask);
    let events = world.events();
    let expected = AppEvent::Owners { call, owners: 1, monitors: 0 };
    assert_eq!(events, [(vec![A], expected)]);
}

/// Rule 36: closing a line drops what the application owns alone and takes its handles.
#[test]
fn closing_a_line_drops_its_calls() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let line = world.line();
    world.forget();
    let ask = world.ask(A, Ask::CloseLine { line });
    world.ok(ask);
    let commands = world.commands();
    assert!(matches!(&commands[..], [TspCommand::Call { op: CallOp::Drop { .. }, .. }]), "{commands:?}");
    let ask = world.ask(A, Ask::CallRecord { call });
    assert_eq!(world.refused(ask).kind, RefusalKind::StaleHandle);
    world.done(world.last_call().0);
    world.end(key);
    assert_eq!(world.commands(), [TspCommand::Close { line: ALICE }]);
    assert!(world.switch.is_empty());
}

/// Rule 38: after a drop the call becomes idle; if its provider says nothing, the core does.
#[test]
fn a_dropped_call_becomes_idle_in_any_case() {
    let mut world = World::bare();
    let (call, _) = world.connected(A);
    let ask = world.op(A, call, CallAsk::Drop { cause: None });
    world.done(world.last_call().0);
    world.ok(ask);
    world.pass(Duration::from_secs(61));
    assert_eq!(world.states(A), [CallState::Idle]);
    assert_eq!(world.violations(), ["expected idle in time after a drop, received nothing"]);
}

#[test]
fn dropping_twice_changes_nothing() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let first = world.op(A, call, CallAsk::Drop { cause: None });
    let second = world.op(A, call, CallAsk::Drop { cause: None });
    world.ok(second);
    assert_eq!(world.answer(first), None);
    world.done(world.last_call().0);
    world.ok(first);
    world.end(key);
    assert_eq!(world.states(A), [CallState::Idle]);
}

#[test]
fn a_refused_drop_may_be_tried_again() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let first = world.op(A, call, CallAsk::Drop { cause: None });
    world.refuse(world.last_call().0, Refusal::new(RefusalKind::OperationFailed, "the network is slow"));
    assert_eq!(world.refused(first).kind, RefusalKind::OperationFailed);
    let second = world.op(A, call, CallAsk::Drop { cause: None });
    world.done(world.last_call().0);
    world.ok(second);
    world.end(key);
}

#[test]
fn a_call_unknown_to_its_provider_is_idle() {
    let mut world = World::bare();
    let (call, _) = world.connected(A);
    world.op(A, call, CallAsk::Drop { cause: None });
    world.refuse(world.last_call().0, Refusal::new(RefusalKind::StaleHandle, "which call?"));
    assert_eq!(world.states(A), [CallState::Idle]);
    assert_eq!(world.violations().len(), 1);
}

/// Rule 42: transferred calls become idle and keep their handle.
#[test]
fn a_transferred_call_keeps_its_handle() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let ask = world.op(A, call, CallAsk::BlindTransfer { to: Address::new("sip:carol@example.org") });
    world.done(world.last_call().0);
    world.ok(ask);
    world.end(key);
    let ask = world.ask(A, Ask::CallRecord { call });
    world.ok(ask);
}

/// Rule 44: monitors are told of a call that another made at the time of the maker's answer, with
/// state unknown.
#[test]
fn monitors_see_made_calls_after_the_maker() {
    let mut world = World::bare();
    let line = world.open(B, Interest::MONITOR);
    let ask = world.make_call(A, line);
    let (request, key, ..) = world.last_call();
    world.forget();
    world.done(request);
    let fresh = world.fresh();
    assert!(matches!(fresh[0], Output::Answer { id, .. } if id == ask));
    let Output::Event { to, event: AppEvent::NewCall { record }, .. } = &fresh[1] else {
        panic!("{fresh:?}")
    };
    assert_eq!((to.clone(), record.state.clone()), (vec![B], CallState::Unknown));
    assert_eq!((record.privilege, record.allowed), (Privilege::Monitor, OpSet::EMPTY));
    world.state(key, CallState::Dialing);
    let events = world.events();
    assert_eq!(events[0].0, [A, B]);
}

/// Rule 45: a new monitor hears nothing of calls that run already.
#[test]
fn a_new_monitor_is_not_given_old_calls() {
    let mut world = World::bare();
    let (_, key) = world.connected(A);
    world.open(B, Interest::MONITOR);
    world.forget();
    world.state(key, CallState::OnHold);
    assert_eq!(world.events()[0].0, [A]);
    let ask = world.ask(B, Ask::Calls);
    assert_eq!(world.ok(ask), Answer::Calls { calls: Vec::new() });
}

/// Rule 50: whoever opens a line may make calls.
#[test]
fn a_monitor_of_a_line_may_make_calls() {
    let mut world = World::bare();
    world.open(B, Interest::MONITOR);
    world.made(B);
}

/// Section 3.6: an incoming call goes to the highest priority, among equals to who registered first;
/// every monitor gets a handle.
#[test]
fn an_incoming_call_has_one_owner_and_all_monitors() {
    for (priorities, owner) in [([0, 0, 0], A), ([0, 5, 5], B), ([0, 1, 9], offhook_core::AppId(12))] {
        let mut world = World::bare();
        let apps = [A, B, offhook_core::AppId(12)];
        for (app, priority) in apps.into_iter().zip(priorities) {
            world.input(Input::AppDown { app });
            world.app_up(app, "again", priority);
            world.open(app, Interest::OWN_AUDIO);
        }
        world.open(C, Interest::MONITOR);
        world.forget();
        world.incoming(1);
        let told: Vec<_> = world
            .events()
            .into_iter()
            .filter_map(|(to, event)| match event {
                AppEvent::NewCall { record } => Some((to, record.privilege, record.owners, record.monitors)),
                _ => None,
            })
            .collect();
        let expected = [(vec![owner], Privilege::Owner, 1, 1), (vec![C], Privilege::Monitor, 1, 1)];
        assert_eq!(told, expected, "{priorities:?}");
    }
}

#[test]
fn a_call_that_nobody_wants_rings_or_is_rejected() {
    for (incoming, commands) in [(Incoming::Ring, 0), (Incoming::Reject, 1)] {
        let mut world = policy(LinePolicy { incoming, ..LinePolicy::default() });
        world.open(A, Interest::MONITOR);
        world.forget();
        let key = world.incoming(1);
        assert_eq!(world.commands().len(), commands, "{incoming:?}");
        world.state(key, CallState::Disconnected { cause: Cause::Cancelled });
        assert!(matches!(world.last_call().2, CallOp::Drop { .. }));
        world.done(world.last_call().0);
        world.end(key);
        let call = world.newest();
        world.ask(A, Ask::Deallocate { call, keep: false });
        assert!(world.switch.is_empty());
    }
}

#[test]
fn a_line_is_opened_by_the_first_and_closed_after_the_last() {
    let mut world = World::bare();
    let line = world.line();
    world.forget();
    let first = world.ask(A, Ask::OpenLine { line, interest: BOTH });
    let second = world.ask(B, Ask::OpenLine { line, interest: BOTH });
    assert_eq!(world.commands().len(), 1);
    assert_eq!((world.answer(first), world.answer(second)), (None, None));
    world.done(world.last_open());
    world.ok(first);
    world.ok(second);
    world.ask(A, Ask::CloseLine { line });
    assert!(world.commands().is_empty());
    world.ask(B, Ask::CloseLine { line });
    assert_eq!(world.commands(), [TspCommand::Close { line: ALICE }]);
}

#[test]
fn a_line_may_be_open_always() {
    let mut world = policy(LinePolicy { opening: Opening::Always, ..LinePolicy::default() });
    world.done(world.last_open());
    let line = world.open(A, BOTH);
    world.forget();
    world.ask(A, Ask::CloseLine { line });
    assert!(world.commands().is_empty());
}

#[test]
fn a_line_that_does_not_open_refuses_all_who_wait() {
    let mut world = World::bare();
    let line = world.line();
    let open = world.ask(A, Ask::OpenLine { line, interest: BOTH });
    let call = world.make_call(B, line);
    world.refuse(world.last_open(), Refusal::new(RefusalKind::Busy, "in use"));
    assert_eq!(world.refused(open).kind, RefusalKind::Busy);
    assert_eq!(world.refused(call).kind, RefusalKind::Busy);
    assert!(world.switch.is_empty());
}

/// A call before the line is open must not come.
#[test]
fn a_call_on_an_unopened_line_is_a_violation() {
    let mut world = World::bare();
    world.incoming(1);
    assert_eq!(
        world.violations(),
        ["expected no call before the line is opened, received one on line-key:1"]
    );
    assert_eq!(world.switch.counts().calls, 0);
}

/// A call that crosses the closing of its line is dropped, and nobody is to blame.
#[test]
fn a_call_on_a_line_just_closed_is_dropped() {
    let mut world = World::bare();
    let line = world.open(A, BOTH);
    world.ask(A, Ask::CloseLine { line });
    world.forget();
    let key = world.incoming(1);
    let commands = world.commands();
    assert!(matches!(&commands[..], [TspCommand::Call { op: CallOp::Drop { .. }, .. }]), "{commands:?}");
    world.end(key);
    world.done(world.last_call().0);
    assert!(world.violations().is_empty());
    assert!(world.switch.is_empty());
}

#[test]
fn a_key_is_never_used_twice() {
    let mut world = World::bare();
    world.open(A, BOTH);
    let key = world.incoming(7);
    world.end(key);
    world.incoming(7);
    world.incoming(6);
    assert_eq!(world.violations().len(), 2);
}

/// A monitor is refused by name: what it asked, and who owns the call.
#[test]
fn a_monitor_is_refused_by_name() {
    let mut world = World::bare();
    world.open(B, Interest::MONITOR);
    let (call, _) = world.connected(A);
    let ask = world.op(B, call, CallAsk::Hold);
    let refusal = world.refused(ask);
    assert_eq!(refusal.kind, RefusalKind::NotOwner);
    assert_eq!(
        refusal.detail,
        "hold needs an owner of call:1.1; this application monitors it, 'desk' owns it"
    );
}

#[test]
fn who_has_no_handle_is_refused_as_stale() {
    let mut world = World::bare();
    let (call, _) = world.connected(A);
    let ask = world.op(C, call, CallAsk::Hold);
    assert_eq!(world.refused(ask).detail, "application:3 has no handle on call:1.1");
}

#[test]
fn a_call_has_no_handle_before_its_birth() {
    let mut world = World::bare();
    let line = world.open(A, BOTH);
    world.make_call(A, line);
    let call = "call:1.1".parse().unwrap();
    let ask = world.op(A, call, CallAsk::Drop { cause: None });
    assert_eq!(world.refused(ask).kind, RefusalKind::StaleHandle);
    let ask = world.ask(A, Ask::Deallocate { call, keep: true });
    assert_eq!(world.refused(ask).kind, RefusalKind::StaleHandle);
}

#[test]
fn an_operation_in_the_wrong_state_names_the_right_ones() {
    let mut world = World::bare();
    let (call, _) = world.connected(A);
    let ask = world.op(A, call, CallAsk::Unhold);
    assert_eq!(
        world.refused(ask).detail,
        "call:1.1 is connected; unhold needs on hold, on hold pending conference, on hold pending transfer"
    );
}

#[test]
fn what_a_line_does_not_declare_is_refused_by_name() {
    let mut world = World::with(Config::default(), caps(OpSet::from([Op::MakeCall, Op::Drop]), false));
    let (call, _) = world.connected(A);
    let ask = world.op(A, call, CallAsk::Hold);
    let refusal = world.refused(ask);
    assert_eq!(
        (refusal.kind, &*refusal.detail),
        (RefusalKind::Unsupported, "line:1.1 (sim/alice) does not offer hold")
    );
    let ask = world.op(A, call, CallAsk::GenerateDigits { digits: Vec::new(), mode: None, duration: None });
    assert_eq!(world.refused(ask).kind, RefusalKind::Unsupported);
}

#[test]
fn answering_twice_is_refused() {
    let mut world = World::bare();
    world.open(A, Interest::OWN_AUDIO);
    let key = world.incoming(1);
    let call = world.newest();
    let first = world.op(A, call, CallAsk::Answer);
    let second = world.op(A, call, CallAsk::Answer);
    assert_eq!(world.refused(second).kind, RefusalKind::InvalidState);
    world.done(world.last_call().0);
    world.ok(first);
    let third = world.op(A, call, CallAsk::Answer);
    assert_eq!(world.refused(third).kind, RefusalKind::InvalidState);
    world.state(key, CallState::CONNECTED);
    assert_eq!(world.states(A), [CallState::CONNECTED]);
}

#[test]
fn an_answer_that_failed_may_be_tried_again() {
    let mut world = World::bare();
    world.open(A, Interest::OWN_AUDIO);
    world.incoming(1);
    let call = world.newest();
    world.op(A, call, CallAsk::Answer);
    world.refuse(world.last_call().0, Refusal::new(RefusalKind::OperationFailed, "try again"));
    let again = world.op(A, call, CallAsk::Answer);
    world.done(world.last_call().0);
    world.ok(again);
}

/// `allowed` is the table, cut down by the line and by the provider.
#[test]
fn allowed_is_what_table_line_and_provider_agree_on() {
    let ops = OpSet::from([Op::MakeCall, Op::Drop, Op::Hold, Op::Unhold, Op::BlindTransfer]);
    let mut world = World::with(Config::default(), caps(ops, false));
    let (call, key) = world.made(A);
    world.forget();
    world.state(key, CallState::CONNECTED);
    let told = |world: &mut World| match world.events().pop() {
        Some((_, AppEvent::CallState { allowed, .. })) => allowed,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(&mut world), OpSet::from([Op::Drop, Op::Hold, Op::BlindTransfer]));
    let allowed = Some(OpSet::from([Op::Drop, Op::Answer]));
    world.tsp(TspEvent::CallState { call: key, state: CallState::CONNECTED, allowed });
    assert_eq!(told(&mut world), OpSet::from([Op::Drop]));
    let ask = world.op(A, call, CallAsk::Hold);
    let detail = "call:1.1 is connected and its provider does not allow hold now; it allows drop";
    assert_eq!(world.refused(ask).detail, detail);
}

#[test]
fn an_illegal_step_is_noted_and_ignored() {
    let mut world = World::bare();
    let (_, key) = world.connected(A);
    world.state(key, CallState::Offering);
    assert!(world.states(A).is_empty());
    assert_eq!(world.violations(), ["expected a state that may follow connected, received offering"]);
}

#[test]
fn the_same_state_again_is_not_told() {
    let mut world = World::bare();
    let (_, key) = world.connected(A);
    world.state(key, CallState::CONNECTED);
    assert!(world.events().is_empty());
}

/// Consultation: the new call has the answer first; the pair is checked call by call.
#[test]
fn a_consultation_transfer_goes_through() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let to = Some(Address::new("sip:carol@example.org"));
    let ask = world.op(A, call, CallAsk::SetupTransfer { to, params: Box::default() });
    let (request, asked, op, _) = world.last_call();
    let CallOp::SetupTransfer { consultation: second_key, .. } = op else { panic!("{op:?}") };
    assert_eq!((asked, second_key), (key, CallKey::core(2)));
    world.done(request);
    let Answer::Call { call: second } = world.ok(ask) else { panic!("no call") };
    world.state(key, CallState::OnHoldPendingTransfer);
    world.state(second_key, CallState::Dialing);
    let complete = CallAsk::CompleteTransfer { consultation: second, as_conference: false };
    let early = world.op(A, call, complete.clone());
    assert_eq!(
        world.refused(early).detail,
        "call:2.1 is dialing; complete_transfer needs connected, ringback, busy, proceeding"
    );
    world.state(second_key, CallState::CONNECTED);
    let ask = world.op(A, call, complete);
    world.done(world.last_call().0);
    world.ok(ask);
    world.end(key);
    world.end(second_key);
    assert_eq!(world.switch.counts().keys, 0);
}

#[test]
fn a_conference_is_answered_with_both_calls() {
    let mut world = World::bare();
    let (call, _) = world.connected(A);
    let ask = world.op(A, call, CallAsk::SetupConference);
    let (request, _, op, _) = world.last_call();
    let CallOp::SetupConference { conference, consultation } = op else { panic!("{op:?}") };
    assert_eq!((conference, consultation), (CallKey::core(2), CallKey::core(3)));
    world.done(request);
    assert!(matches!(world.ok(ask), Answer::Conference { .. }));
    assert_eq!(world.switch.counts().calls, 3);
}

/// Rule 66: both calls of an operation are on one line and owned.
#[test]
fn calls_of_two_lines_are_not_joined() {
    let mut world = World::bare();
    let (call, _) = world.connected(A);
    world.line_up(TSP, offhook_spi::LineKey(2), "bob", caps(control_ops(), false));
    let ask = world.ask(A, Ask::Lines);
    let Answer::Lines { lines } = world.ok(ask) else { panic!("no lines") };
    let ask = world.make_call(A, lines[1].line);
    world.done(world.last_open());
    world.done(world.last_call().0);
    let Answer::Call { call: other } = world.ok(ask) else { panic!("no call") };
    let ask = world.op(A, call, CallAsk::SwapHold { with: other });
    assert_eq!(world.refused(ask).detail, "swap_hold needs two calls of one line; call:2.1 is on line:2.1");
    let ask = world.op(A, call, CallAsk::SwapHold { with: call });
    assert_eq!(world.refused(ask).kind, RefusalKind::InvalidParameter);
}

#[test]
fn a_full_line_is_busy() {
    let mut two = caps(control_ops(), false);
    two.max_calls = 1;
    let mut world = World::with(Config::default(), two);
    let (call, _) = world.connected(A);
    let line = world.line();
    let ask = world.make_call(A, line);
    assert_eq!(world.refused(ask).detail, "line:1.1 (sim/alice) carries 1 calls, its limit");
    let ask = world.op(A, call, CallAsk::SetupTransfer { to: None, params: Box::default() });
    assert_eq!(world.refused(ask).kind, RefusalKind::Busy);
}

#[test]
fn a_full_queue_refuses_as_busy() {
    let mut world = World::bare();
    let line = world.open(A, BOTH);
    let ask = world.make_call(A, line);
    let (request, ..) = world.last_call();
    world.input(Input::Overflow { provider: TSP, request });
    let refusal = world.refused(ask);
    assert_eq!((refusal.kind, &*refusal.detail), (RefusalKind::Busy, "the queue of 'sim' is full"));
    assert!(world.switch.is_empty());
}

#[test]
fn a_provider_that_does_not_reply_is_timed_out() {
    let mut world = World::bare();
    let (call, _) = world.connected(A);
    let ask = world.op(A, call, CallAsk::Hold);
    let (request, ..) = world.last_call();
    assert_eq!(
        world.switch.deadline_reason().unwrap().1.to_string(),
        "the reply of provider:1 to request:3 is due"
    );
    world.forget();
    world.pass(Duration::from_secs(30));
    assert_eq!(world.commands(), [TspCommand::Abandon { request }]);
    let refusal = world.refused(ask);
    assert_eq!((refusal.kind, &*refusal.detail), (RefusalKind::TimedOut, "'sim' did not reply within 30 s"));
    world.done(request);
    assert!(world.violations().is_empty(), "the one reply still comes");
    assert_eq!(world.switch.counts().requests, 0);
}

/// A call made in spite of the time-out is dropped, and nobody hears of it.
#[test]
fn a_call_that_is_made_too_late_is_dropped() {
    let mut world = World::bare();
    let line = world.open(A, BOTH);
    let ask = world.make_call(A, line);
    let (request, key, ..) = world.last_call();
    world.pass(Duration::from_secs(31));
    assert_eq!(world.refused(ask).kind, RefusalKind::TimedOut);
    world.forget();
    world.done(request);
    let commands = world.commands();
    assert!(matches!(&commands[..], [TspCommand::Call { op: CallOp::Drop { .. }, .. }]), "{commands:?}");
    world.done(world.last_call().0);
    world.end(key);
    let ask = world.ask(A, Ask::Calls);
    // The application never learnt of it, yet its record waits for nobody.
    assert_eq!(world.ok(ask), Answer::Calls { calls: Vec::new() });
    assert!(world.switch.is_empty());
}

#[test]
fn a_request_never_replied_to_is_forgotten() {
    let mut world = World::bare();
    let line = world.open(A, BOTH);
    world.make_call(A, line);
    world.pass(Duration::from_secs(61));
    assert!(world.switch.is_empty());
    assert_eq!(world.violations(), ["expected a reply to the abandoned request:2, received nothing"]);
}

/// A provider that ends: everything outstanding is answered, its calls end, one event for all its lines.
#[test]
fn a_provider_that_ends_takes_its_calls_along() {
    let mut world = World::bare();
    world.line_up(TSP, offhook_spi::LineKey(2), "bob", caps(control_ops(), false));
    let (call, _) = world.connected(A);
    let hold = world.op(A, call, CallAsk::Hold);
    let line = world.line();
    let make = world.make_call(B, line);
    world.forget();
    world.down(TSP);
    assert_eq!(world.refused(hold).kind, RefusalKind::ProviderGone);
    assert_eq!(world.refused(make).detail, "'sim' ended: unplugged");
    let events = world.events();
    let gone: Vec<_> = events.iter().filter(|(_, e)| matches!(e, AppEvent::ProviderGone { .. })).collect();
    assert_eq!((gone.len(), gone[0].0.clone()), (1, vec![A, B, C]));
    let states: Vec<_> = events
        .iter()
        .filter_map(|(_, event)| match event {
            AppEvent::CallState { state, .. } => Some(state.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(states, [CallState::Disconnected { cause: Cause::ProviderGone }, CallState::Idle]);
    assert!(!events.iter().any(|(_, event)| matches!(event, AppEvent::Line { .. })));
    let ask = world.make_call(A, line);
    assert_eq!(world.refused(ask).kind, RefusalKind::Gone);
    world.tsp(TspEvent::Ready);
    assert_eq!(world.switch.counts().strays, 1);
}

/// A line comes back under the same id, and is opened again for those who had it open.
#[test]
fn a_line_comes_back_under_the_same_id() {
    let mut world = World::bare();
    let line = world.open(A, BOTH);
    world.down(TSP);
    let again = ProviderId(9);
    world.input(Input::TspUp { provider: again, manifest: manifest("sim") });
    world.forget();
    world.line_up(again, offhook_spi::LineKey(77), "alice", caps(control_ops(), false));
    let fresh = world.fresh();
    let Output::Event { event: AppEvent::Line { record }, .. } = &fresh[0] else { panic!("{fresh:?}") };
    assert_eq!((record.line, record.present), (line, true));
    let expected = TspCommand::Open { request: RequestId(1), line: offhook_spi::LineKey(77) };
    assert_eq!(fresh[1], Output::Tsp { provider: again, command: expected });
}

/// Rule 6: when a line goes, its calls end first.
#[test]
fn a_line_that_goes_ends_its_calls() {
    let mut world = World::bare();
    let (call, _) = world.connected(A);
    let hold = world.op(A, call, CallAsk::Hold);
    let (request, ..) = world.last_call();
    world.forget();
    world.tsp(TspEvent::LineDown { line: ALICE });
    assert_eq!(world.refused(hold).kind, RefusalKind::Gone);
    let events = world.events();
    assert!(
        matches!(&events[0].1, AppEvent::CallState { state, .. } if *state == CallState::Disconnected { cause: Cause::LineGone })
    );
    assert!(matches!(&events[1].1, AppEvent::CallState { state: CallState::Idle, .. }));
    assert!(matches!(&events[2].1, AppEvent::Line { record } if !record.present));
    world.done(request);
    assert!(world.violations().is_empty());
    let ask = world.ask(A, Ask::Deallocate { call, keep: false });
    world.ok(ask);
    assert!(world.switch.is_empty());
}

#[test]
fn an_application_that_leaves_follows_the_policy_of_the_line() {
    for (unowned, drops, heir) in
        [(Unowned::Drop, true, false), (Unowned::Keep, false, false), (Unowned::HandOff, false, true)]
    {
        let mut world = policy(LinePolicy { unowned, ..LinePolicy::default() });
        world.open(B, BOTH);
        let (call, key) = world.connected(A);
        world.forget();
        world.input(Input::AppDown { app: A });
        let fresh = world.fresh();
        let dropped = fresh.iter().any(|output| matches!(output, Output::Tsp { .. }));
        assert_eq!(dropped, drops, "{unowned:?}");
        let ask = world.ask(B, Ask::CallRecord { call });
        let Answer::Record { record } = world.ok(ask) else { panic!("no record") };
        assert_eq!((record.owners == 1, record.privilege == Privilege::Owner), (heir, heir), "{unowned:?}");
        world.end(key);
    }
}

#[test]
fn an_application_that_leaves_early_gives_up_its_call() {
    let mut world = World::bare();
    let line = world.open(B, BOTH);
    let ask = world.make_call(A, line);
    let (request, key, ..) = world.last_call();
    world.forget();
    world.input(Input::AppDown { app: A });
    assert_eq!(world.refused(ask).kind, RefusalKind::Abandoned);
    assert_eq!(world.commands(), [TspCommand::Abandon { request }]);
    world.done(request);
    assert!(matches!(world.last_call().2, CallOp::Drop { .. }));
    world.done(world.last_call().0);
    world.end(key);
    assert!(world.events().is_empty());
    assert!(world.switch.is_empty());
}

#[test]
fn events_count_upwards_without_gaps() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    world.state(key, CallState::OnHold);
    world.end(key);
    world.ask(A, Ask::Deallocate { call, keep: false });
    let sequences: Vec<u64> = world
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Event { sequence, .. } => Some(sequence.0),
            _ => None,
        })
        .collect();
    let expected: Vec<u64> = (1..=sequences.len() as u64).collect();
    assert_eq!(sequences, expected);
}

#[test]
fn data_that_is_too_big_is_not_carried() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let data = Opaque { schema: SchemaId::new("test.extension"), data: "x".repeat(Opaque::MAX_BYTES + 1) };
    world.tsp(TspEvent::Relay { call: key, to: None, data: data.clone() });
    world.tsp(TspEvent::Extension { call: Some(key), line: None, data: data.clone() });
    assert!(world.events().is_empty());
    assert_eq!(world.violations(), vec!["expected at most 65536 bytes of data, received 65537"; 2]);
    let ask = world.op(A, call, CallAsk::Extension { data: data.clone() });
    assert_eq!(world.refused(ask).kind, RefusalKind::InvalidParameter);
    // Nor as what an operation gives back; that is said.
    let small = Opaque { data: String::new(), ..data.clone() };
    let ask = world.op(A, call, CallAsk::Extension { data: small });
    let (request, ..) = world.last_call();
    world.tsp(TspEvent::Reply { request, result: Reply::Done(Outcome::Data { data }) });
    let refusal = world.refused(ask);
    assert_eq!(refusal.kind, RefusalKind::OperationFailed);
    assert_eq!(refusal.detail, "'sim' gave back 65537 bytes, too many to be carried");
    assert_eq!(world.violations().len(), 3);
}

#[test]
fn an_incompatible_provider_is_not_taken() {
    let mut world = World::bare();
    let mut future = manifest("future");
    future.spi.min = offhook_spi::Version(7);
    future.spi.max = offhook_spi::Version(9);
    world.input(Input::TspUp { provider: ProviderId(5), manifest: future });
    assert_eq!(
        world.violations(),
        ["no common contract version: we speak 1 to 1, the other side speaks 7 to 9"]
    );
}

#[test]
fn a_line_is_up_only_once() {
    let mut world = World::bare();
    world.line_up(TSP, ALICE, "alice", caps(control_ops(), false));
    world.line_up(TSP, offhook_spi::LineKey(8), "alice", caps(control_ops(), false));
    world.line_up(TSP, offhook_spi::LineKey(9), "", caps(control_ops(), false));
    world.tsp(TspEvent::LineDown { line: offhook_spi::LineKey(10) });
    assert_eq!(world.violations().len(), 4);
    assert_eq!(world.switch.counts().lines, 1);
}

#[test]
fn an_application_that_is_not_there_is_refused() {
    let mut world = World::bare();
    let ask = world.ask(offhook_core::AppId(99), Ask::Lines);
    assert_eq!(world.refused(ask).detail, "application:99 is not there");
}

#[test]
fn the_network_may_send_a_call_elsewhere() {
    let mut world = World::bare();
    let (call, key) = world.made(A);
    world.forget();
    let targets = vec![Address::new("sip:carol@example.org")];
    world.tsp(TspEvent::Redirected { call: key, targets: targets.clone(), cause: None });
    assert_eq!(world.events(), [(vec![A], AppEvent::Redirected { call, targets })]);
}

/// The core asks again where its own drop was refused: a full queue must not keep a call alive.
#[test]
fn a_drop_of_the_core_is_tried_again() {
    let mut world = World::bare();
    let (_, key) = world.connected(A);
    world.input(Input::AppDown { app: A });
    let (request, ..) = world.last_call();
    world.input(Input::Overflow { provider: TSP, request });
    world.forget();
    world.pass(Duration::from_secs(3));
    let commands = world.commands();
    assert!(matches!(&commands[..], [TspCommand::Call { op: CallOp::Drop { .. }, .. }]), "{commands:?}");
    world.done(world.last_call().0);
    world.end(key);
    assert!(world.switch.is_empty());
    assert!(world.violations().is_empty());
}

/// Who has asked for the drop may give the handle back without waiting for idle.
#[test]
fn a_dropped_call_may_be_deallocated_at_once() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let drop = world.op(A, call, CallAsk::Drop { cause: None });
    let ask = world.ask(A, Ask::Deallocate { call, keep: false });
    world.ok(ask);
    let (request, ..) = world.last_call();
    world.refuse(request, Refusal::new(RefusalKind::OperationFailed, "not now"));
    assert_eq!(world.refused(drop).kind, RefusalKind::OperationFailed);
    world.pass(Duration::from_secs(3));
    assert_ne!(world.last_call().0, request, "nobody is left to try again but the core");
    world.done(world.last_call().0);
    world.end(key);
    assert!(world.switch.is_empty());
}
