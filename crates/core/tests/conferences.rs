// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conferences, branch by branch: set up, added to, left, collapsed, dropped, refused half-way; and the
//! conversations that calls belong to.

mod common;

use common::*;
use offhook_core::{
    Answer, AppEvent, Ask, AskId, CallAsk, CallId, CallRecord, HubId, Interest, Purpose, Tie,
};
use offhook_spi::{
    CallInfo, CallKey, CallOp, CallState, Cause, DigitMode, Op, Refusal, RefusalKind, RequestId, TspEvent,
};

const GONE: CallState = CallState::Disconnected { cause: Cause::NormalClearing };

/// A conference with its first member, and the consultation call for the second.
struct Three {
    world: World,
    first: (CallId, CallKey),
    conference: (CallId, CallKey),
    second: (CallId, CallKey),
}

fn no() -> Refusal {
    Refusal::new(RefusalKind::OperationFailed, "the network says no")
}

fn in_conference(conference: CallKey) -> CallState {
    CallState::Conferenced { conference }
}

impl Three {
    /// Set up: the first is conferenced, the conference waits, the second is being consulted.
    fn set_up() -> Self {
        let mut world = World::bare();
        let first = world.connected(A);
        let ask = world.op(A, first.0, CallAsk::SetupConference);
        let (request, _, op, _) = world.last_call();
        let CallOp::SetupConference { conference: conference_key, consultation: second_key } = op else {
            panic!("{op:?}")
        };
        world.done(request);
        let Answer::Conference { conference, consultation } = world.ok(ask) else { panic!("no conference") };
        world.state(first.1, in_conference(conference_key));
        world.state(conference_key, CallState::OnHoldPendingConference);
        world.state(second_key, CallState::CONNECTED);
        let (conference, second) = ((conference, conference_key), (consultation, second_key));
        Self { world, first, conference, second }
    }

    /// As [`Three::set_up`], and the second was added.
    fn together() -> Self {
        let mut three = Self::set_up();
        let (ask, request) = three.add(three.second.0);
        three.world.done(request);
        three.world.ok(ask);
        three.world.state(three.second.1, in_conference(three.conference.1));
        three.world.state(three.conference.1, CallState::CONNECTED);
        three
    }

    fn add(&mut self, member: CallId) -> (AskId, RequestId) {
        let ask = self.world.op(A, self.conference.0, CallAsk::AddToConference { member });
        (ask, self.world.last_call().0)
    }

    fn record(&mut self, call: CallId) -> CallRecord {
        let ask = self.world.ask(A, Ask::CallRecord { call });
        match self.world.ok(ask) {
            Answer::Record { record } => *record,
            other => panic!("{other:?}"),
        }
    }

    fn members(&mut self) -> Vec<CallId> {
        let ties = self.record(self.conference.0).ties;
        let members = ties.into_iter().find_map(|tie| match tie {
            Tie::Conference { members } => Some(members),
            _ => None,
        });
        members.unwrap_or_default()
    }

    fn is_quiet(&self) {
        assert_eq!(self.world.violations(), Vec::<String>::new());
    }
}

#[test]
fn a_conference_is_set_up_from_a_call() {
    let mut three = Three::set_up();
    let (conference, second) = (three.conference.0, three.second.0);
    let purpose = Purpose::Conference;
    assert_eq!(three.record(three.first.0).ties, [Tie::Member { conference }]);
    let members = vec![three.first.0];
    assert_eq!(
        three.record(conference).ties,
        [Tie::Conference { members }, Tie::ConsultedBy { consultation: second, purpose }]
    );
    assert_eq!(three.record(second).ties, [Tie::Consults { about: conference, purpose }]);
    three.is_quiet();
}

#[test]
fn a_refused_set_up_leaves_nothing_behind() {
    let mut world = World::bare();
    let first = world.connected(A);
    let ask = world.op(A, first.0, CallAsk::SetupConference);
    world.refuse(world.last_call().0, no());
    world.refused(ask);
    assert_eq!(world.switch.counts().calls, 1);
}

/// The member may be reported before the reply, which comes in the same order for all providers.
#[test]
fn a_member_may_be_reported_before_the_set_up_is_answered() {
    for is_done in [true, false] {
        let mut world = World::bare();
        let first = world.connected(A);
        let ask = world.op(A, first.0, CallAsk::SetupConference);
        let (request, _, op, _) = world.last_call();
        let CallOp::SetupConference { conference, .. } = op else { panic!("{op:?}") };
        world.state(first.1, in_conference(conference));
        if is_done {
            world.done(request);
            assert!(matches!(world.ok(ask), Answer::Conference { .. }));
        } else {
            world.refuse(request, no());
            world.refused(ask);
            world.state(first.1, CallState::CONNECTED);
        }
        assert_eq!(world.violations(), Vec::<String>::new());
    }
}

#[test]
fn an_added_call_takes_part() {
    let mut three = Three::together();
    let conference = three.conference.0;
    assert_eq!(three.members(), [three.first.0, three.second.0]);
    assert_eq!(three.record(three.second.0).ties, [Tie::Member { conference }]);
    three.is_quiet();
}

#[test]
fn a_refused_addition_may_be_tried_again() {
    let mut three = Three::set_up();
    let (ask, request) = three.add(three.second.0);
    three.world.refuse(request, no());
    three.world.refused(ask);
    assert_eq!(three.members(), [three.first.0]);
    let (ask, request) = three.add(three.second.0);
    three.world.done(request);
    three.world.ok(ask);
}

#[test]
fn the_consulted_party_may_end_while_it_is_being_added() {
    let mut three = Three::set_up();
    let (ask, request) = three.add(three.second.0);
    three.world.state(three.second.1, GONE);
    three.world.refuse(request, no());
    three.world.refused(ask);
    let ask = three.world.op(A, three.conference.0, CallAsk::Unhold);
    three.world.done(three.world.last_call().0);
    three.world.ok(ask);
    three.world.state(three.conference.1, CallState::CONNECTED);
    three.is_quiet();
}

/// Back: the conference is retrieved without the party that was consulted.
#[test]
fn a_conference_may_go_on_without_the_consulted_party() {
    let mut three = Three::set_up();
    let ask = three.world.op(A, three.conference.0, CallAsk::Unhold);
    three.world.done(three.world.last_call().0);
    three.world.ok(ask);
    three.world.state(three.conference.1, CallState::CONNECTED);
    three.world.end(three.second.1);
    assert_eq!(three.members(), [three.first.0]);
    three.is_quiet();
}

#[test]
fn a_conference_may_be_added_to_again_and_again() {
    let mut three = Three::together();
    for _ in 0..3 {
        let ask =
            three.world.op(A, three.conference.0, CallAsk::PrepareAddToConference { to: None, number: None });
        let (request, _, op, _) = three.world.last_call();
        let CallOp::PrepareAddToConference { consultation: key, .. } = op else { panic!("{op:?}") };
        three.world.done(request);
        let Answer::Call { call } = three.world.ok(ask) else { panic!("no call") };
        three.world.state(three.conference.1, CallState::OnHoldPendingConference);
        three.world.state(key, CallState::Ringback);
        let (ask, request) = three.add(call);
        three.world.done(request);
        three.world.ok(ask);
        three.world.state(key, in_conference(three.conference.1));
        three.world.state(three.conference.1, CallState::CONNECTED);
        assert_eq!(three.members().last(), Some(&call));
    }
    assert_eq!(three.members().len(), 5);
    three.is_quiet();
}

#[test]
fn a_removed_member_leaves_the_others_alone() {
    let mut three = Three::together();
    let ask = three.world.op(A, three.second.0, CallAsk::RemoveFromConference);
    three.world.done(three.world.last_call().0);
    three.world.ok(ask);
    three.world.end(three.second.1);
    assert_eq!(three.members(), [three.first.0]);
    assert_eq!(three.record(three.second.0).ties, []);
    let again = three.world.op(A, three.second.0, CallAsk::RemoveFromConference);
    assert_eq!(three.world.refused(again).kind, RefusalKind::InvalidState);
    three.is_quiet();
}

#[test]
fn a_refused_removal_changes_nothing() {
    let mut three = Three::together();
    let ask = three.world.op(A, three.second.0, CallAsk::RemoveFromConference);
    three.world.refuse(three.world.last_call().0, no());
    three.world.refused(ask);
    assert_eq!(three.members().len(), 2);
}

/// Collapse to two: the conference is idle, who is left is connected.
#[test]
fn a_conference_collapses_to_a_call() {
    let mut three = Three::together();
    three.world.state(three.second.1, GONE);
    three.world.state(three.first.1, CallState::CONNECTED);
    three.world.end(three.conference.1);
    assert_eq!(three.record(three.first.0).ties, []);
    let hold = three.world.op(A, three.first.0, CallAsk::Hold);
    three.world.done(three.world.last_call().0);
    three.world.ok(hold);
    three.is_quiet();
}

/// Dropping the conference takes its members along or not, as the switch does.
#[test]
fn a_dropped_conference_lets_its_members_go_on_or_not() {
    for takes_along in [true, false] {
        let mut three = Three::together();
        let ask = three.world.op(A, three.conference.0, CallAsk::Drop { cause: None });
        three.world.done(three.world.last_call().0);
        three.world.ok(ask);
        three.world.end(three.conference.1);
        for member in [three.first, three.second] {
            assert_eq!(three.record(member.0).ties, [], "nobody takes part in what is over");
            let state = if takes_along { CallState::Idle } else { CallState::CONNECTED };
            three.world.state(member.1, state);
        }
        assert_eq!(three.world.switch.counts().keys, if takes_along { 0 } else { 2 });
        three.is_quiet();
    }
}

#[test]
fn a_member_may_be_dropped() {
    let mut three = Three::together();
    let ask = three.world.op(A, three.first.0, CallAsk::Drop { cause: None });
    three.world.done(three.world.last_call().0);
    three.world.ok(ask);
    three.world.end(three.first.1);
    assert_eq!(three.members(), [three.second.0]);
}

/// Rule 66: what is a conference or takes part in one cannot be added.
#[test]
fn only_single_calls_are_added_to_conferences() {
    let mut three = Three::together();
    let single = three.world.connected(A);
    let (first, conference) = (three.first.0, three.conference.0);
    for (call, op, detail) in [
        (single.0, CallAsk::AddToConference { member: first }, "on hold"),
        (single.0, CallAsk::PrepareAddToConference { to: None, number: None }, "is no conference"),
    ] {
        let ask = three.world.op(A, call, op);
        let refusal = three.world.refused(ask);
        assert!(refusal.detail.contains(detail), "{}", refusal.detail);
    }
    three.world.state(three.conference.1, CallState::OnHold);
    three.world.state(single.1, CallState::OnHold);
    for (call, member, detail) in [
        (single.0, conference, "is no conference"),
        (conference, first, "takes part in"),
        (conference, conference, "is a conference itself"),
    ] {
        let ask = three.world.op(A, call, CallAsk::AddToConference { member });
        let refusal = three.world.refused(ask);
        assert_eq!(refusal.kind, RefusalKind::InvalidParameter);
        assert!(refusal.detail.contains(detail), "{}", refusal.detail);
    }
}

#[test]
fn a_full_conference_is_busy() {
    let mut caps = caps(control_ops(), false);
    caps.conference_max_parties = 2;
    let mut three = Three::together();
    three.world.tsp(TspEvent::LineCaps { line: ALICE, caps });
    let ask =
        three.world.op(A, three.conference.0, CallAsk::PrepareAddToConference { to: None, number: None });
    let refusal = three.world.refused(ask);
    assert_eq!(refusal.kind, RefusalKind::Busy);
    assert!(refusal.detail.contains("has 2 parties"), "{}", refusal.detail);
}

/// Two applications act at once: the pair that is being joined is left alone.
#[test]
fn nobody_retrieves_a_conference_that_is_being_added_to() {
    let mut three = Three::set_up();
    let (ask, request) = three.add(three.second.0);
    let second = three.world.op(A, three.conference.0, CallAsk::Unhold);
    let refusal = three.world.refused(second);
    assert!(refusal.detail.contains("add_to_conference with call:3.1 is under way"), "{}", refusal.detail);
    three.world.done(request);
    three.world.ok(ask);
}

/// Rule 65: monitoring on a conference applies to the conference call only.
#[test]
fn monitoring_a_conference_is_not_monitoring_its_members() {
    let ops = control_ops().with(Op::MonitorDigits);
    let mut three = Three::together();
    three.world.tsp(TspEvent::LineCaps { line: ALICE, caps: caps(ops, false) });
    let ask = three.world.op(A, three.conference.0, CallAsk::MonitorDigits { modes: vec![DigitMode::Event] });
    three.world.done(three.world.last_call().0);
    three.world.ok(ask);
    let digit = offhook_spi::Digit::new('5').unwrap();
    for (call, heard) in [(three.first.1, 0), (three.conference.1, 1)] {
        three.world.forget();
        three.world.tsp(TspEvent::Digit { call, digit, mode: DigitMode::Event });
        assert_eq!(three.world.events().len(), heard);
    }
}

#[test]
fn a_member_of_nothing_is_a_violation() {
    let mut world = World::bare();
    let (_, key) = world.connected(A);
    world.state(key, in_conference(CallKey::core(99)));
    assert_eq!(
        world.violations(),
        ["expected the key of a conference on the line of call:1.1, received call-key:c99"]
    );
}

/// One id for all calls of one conversation, across consultation and conference.
#[test]
fn calls_of_one_conversation_share_one_hub() {
    let mut three = Three::together();
    let hub = three.record(three.first.0).hub;
    for call in [three.conference.0, three.second.0] {
        assert_eq!(three.record(call).hub, hub);
    }
    let other = three.world.connected(A);
    assert_ne!(three.record(other.0).hub, hub);
}

/// A call from elsewhere that is added comes into the conversation, and who may know is told.
#[test]
fn a_call_that_joins_a_conversation_takes_its_hub() {
    let mut three = Three::together();
    let other = three.world.connected(A);
    three.world.state(three.conference.1, CallState::OnHold);
    three.world.forget();
    let (ask, request) = three.add(other.0);
    three.world.done(request);
    three.world.ok(ask);
    let hub = three.record(three.first.0).hub;
    assert_eq!(three.world.events(), [(vec![A], AppEvent::Hub { call: other.0, hub })]);
}

/// The network's own ids join calls of any lines: here the two ends of one call.
#[test]
fn equal_ids_of_the_network_make_one_conversation() {
    let mut world = World::bare();
    world.open(A, Interest::OWN_AUDIO);
    let (call, key) = world.connected(A);
    let info = |id: &str, related: Option<&str>| {
        let (call_id, related_call_id) = (Some(id.to_owned()), related.map(str::to_owned));
        Box::new(CallInfo { call_id, related_call_id, ..CallInfo::default() })
    };
    world.tsp(TspEvent::CallInfo { call: key, info: info("one", None) });
    let hub = |world: &mut World, call| -> HubId {
        let ask = world.ask(A, Ask::CallRecord { call });
        match world.ok(ask) {
            Answer::Record { record } => record.hub,
            other => panic!("{other:?}"),
        }
    };
    let first = hub(&mut world, call);
    for (serial, id, related, is_same) in [
        (1, "one", None, true),
        (2, "two", Some("one"), true),
        (3, "three", None, false),
        (4, "two", None, true),
    ] {
        let key = CallKey::provider(serial);
        let info = info(id, related);
        world.tsp(TspEvent::NewCall { line: ALICE, call: key, info, state: CallState::Offering });
        let call = world.newest();
        assert_eq!(hub(&mut world, call) == first, is_same, "{id}");
    }
}
