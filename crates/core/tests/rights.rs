// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rights that change hands: inventory, section 3.6 and rules 34, 44 to 50; design 4's table.

mod common;

use std::time::Duration;

use common::*;
use offhook_core::{
    Answer, AppEvent, AppId, Ask, AskId, CallAsk, CallId, Config, HandOff, Input, Interest, LinePolicy,
    Privilege, Unowned,
};
use offhook_spi::{CallKey, CallOp, CallState, MediaKind, MediaSet, RefusalKind};

fn video() -> MediaSet {
    MediaSet::EMPTY.with(MediaKind::Video)
}

fn hand_off(world: &mut World, app: AppId, call: CallId, name: &str) -> AskId {
    world.ask(app, Ask::HandOff { call, to: HandOff::App { name: name.to_owned() } })
}

fn hand_off_media(world: &mut World, app: AppId, call: CallId, media: MediaSet) -> AskId {
    world.ask(app, Ask::HandOff { call, to: HandOff::Media { media } })
}

fn privilege(world: &mut World, app: AppId, call: CallId) -> Option<Privilege> {
    let id = world.ask(app, Ask::CallRecord { call });
    match world.answer(id) {
        Some(Ok(Answer::Record { record })) => Some(record.privilege),
        _ => None,
    }
}

fn set(world: &mut World, app: AppId, call: CallId, privilege: Privilege) -> AskId {
    world.ask(app, Ask::SetPrivilege { call, privilege })
}

/// A hand-off by name ignores media, keeps the giver an owner, tells the target with its privilege and
/// everybody else the new numbers (rules 47 and 48).
#[test]
fn a_hand_off_by_name_makes_another_owner() {
    let mut world = World::bare();
    world.open(B, Interest { monitor: true, own: video() });
    world.open(C, Interest::MONITOR);
    let (call, _) = world.connected(A);
    let ask = hand_off(&mut world, A, call, "recorder");
    world.ok(ask);
    let events = world.events();
    assert!(matches!(&events[0], (to, AppEvent::NewCall { record })
            if *to == [B] && record.call == call && record.privilege == Privilege::Owner && record.owners == 2));
    assert_eq!(events[1], (vec![C], AppEvent::Owners { call, owners: 2, monitors: 1 }));
    assert_eq!(events.len(), 2);
    let ask = world.ask(A, Ask::Deallocate { call, keep: false });
    world.ok(ask);
    assert_eq!(privilege(&mut world, B, call), Some(Privilege::Owner));
}

#[test]
fn a_hand_off_to_itself_by_name_is_allowed() {
    let mut world = World::bare();
    world.open(A, BOTH);
    let (call, _) = world.connected(A);
    let ask = hand_off(&mut world, A, call, "desk");
    world.ok(ask);
    let events = world.events();
    assert!(matches!(&events[..], [(to, AppEvent::NewCall { .. })] if *to == [A]), "{events:?}");
}

#[test]
fn a_hand_off_that_reaches_nobody_is_refused_by_name() {
    let mut world = World::bare();
    world.open(A, Interest::OWN_AUDIO);
    world.open(B, Interest::MONITOR);
    let (call, key) = world.connected(A);
    let by_name = |name: &str| HandOff::App { name: name.to_owned() };
    for (to, kind, detail) in [
        (by_name("nobody"), RefusalKind::Gone, "there is no application 'nobody'"),
        (by_name("recorder"), RefusalKind::Gone, "'recorder' has not opened line:1.1 to own calls"),
        (HandOff::Media { media: video() }, RefusalKind::Gone, "no application owns"),
        (HandOff::Media { media: MediaSet::AUDIO }, RefusalKind::InvalidParameter, "this application itself"),
        (HandOff::Media { media: MediaSet::EMPTY }, RefusalKind::InvalidParameter, "needs one medium, not 0"),
    ] {
        let ask = world.ask(A, Ask::HandOff { call, to });
        let refusal = world.refused(ask);
        assert_eq!(refusal.kind, kind);
        assert!(refusal.detail.contains(detail), "{}", refusal.detail);
    }
    let ask = hand_off(&mut world, B, call, "desk");
    assert_eq!(world.refused(ask).kind, RefusalKind::NotOwner);
    world.end(key);
    let ask = hand_off(&mut world, A, call, "desk");
    assert_eq!(world.refused(ask).kind, RefusalKind::InvalidState);
}

/// A hand-off by medium goes to the highest priority that owns it, and does not change the call's media.
#[test]
fn a_hand_off_by_medium_goes_to_the_highest_priority() {
    let mut world = World::bare();
    for (app, priority) in [(B, 1), (C, 7)] {
        world.input(Input::AppDown { app });
        world.app_up(app, "again", priority);
        world.open(app, Interest { monitor: false, own: video() });
    }
    let (call, _) = world.connected(A);
    let ask = hand_off_media(&mut world, A, call, video());
    world.ok(ask);
    assert_eq!(privilege(&mut world, C, call), Some(Privilege::Owner));
    assert_eq!(privilege(&mut world, B, call), None);
}

/// Rule 34, and who may become an owner.
#[test]
fn privileges_change_where_they_may() {
    let mut world = World::bare();
    world.open(B, BOTH);
    world.open(C, Interest::MONITOR);
    let (call, _) = world.connected(A);
    let sole = set(&mut world, A, call, Privilege::Monitor);
    let refusal = world.refused(sole);
    assert_eq!(refusal.kind, RefusalKind::SoleOwner);
    assert!(refusal.detail.starts_with("call:1.1 is connected"), "{}", refusal.detail);
    let watcher = set(&mut world, C, call, Privilege::Owner);
    assert_eq!(world.refused(watcher).kind, RefusalKind::NotOwner);
    world.forget();
    let second = set(&mut world, B, call, Privilege::Owner);
    world.ok(second);
    assert_eq!(world.events(), [(vec![A, C], AppEvent::Owners { call, owners: 2, monitors: 1 })]);
    let first = set(&mut world, A, call, Privilege::Monitor);
    world.ok(first);
    let hold = world.op(A, call, CallAsk::Hold);
    assert_eq!(world.refused(hold).kind, RefusalKind::NotOwner);
    let same = set(&mut world, B, call, Privilege::Owner);
    world.forget();
    world.ok(same);
    assert!(world.events().is_empty());
}

#[test]
fn the_sole_owner_of_a_call_that_is_over_may_step_back() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    world.end(key);
    let ask = set(&mut world, A, call, Privilege::Monitor);
    world.ok(ask);
}

/// Rule 45 and design 4: asking for existing calls gives monitor's handles, never more.
#[test]
fn asking_for_the_calls_of_a_line_makes_a_monitor() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let line = world.line();
    let early = world.ask(B, Ask::LineCalls { line });
    assert_eq!(world.refused(early).kind, RefusalKind::InvalidState);
    world.open(B, BOTH);
    world.forget();
    let ask = world.ask(B, Ask::LineCalls { line });
    let Answer::Calls { calls } = world.ok(ask) else { panic!("no calls") };
    let seen: Vec<_> = calls.iter().map(|record| (record.call, record.privilege, record.monitors)).collect();
    assert_eq!(seen, [(call, Privilege::Monitor, 1)]);
    assert_eq!(world.events(), [(vec![A], AppEvent::Owners { call, owners: 1, monitors: 1 })]);
    world.state(key, CallState::OnHold);
    assert_eq!(world.events()[0].0, [A, B]);
    let again = world.ask(A, Ask::LineCalls { line });
    let Answer::Calls { calls } = world.ok(again) else { panic!("no calls") };
    assert_eq!(calls[0].privilege, Privilege::Owner, "a handle that is there stays as it is");
}

/// A call that nobody owns any more is taken over by who asks for the calls and then becomes an owner.
#[test]
fn an_unowned_call_can_be_taken_over() {
    let mut world = World::bare();
    let (call, _) = world.connected(A);
    let line = world.open(B, BOTH);
    let ask = world.ask(A, Ask::Deallocate { call, keep: true });
    world.ok(ask);
    world.ask(B, Ask::LineCalls { line });
    let ask = set(&mut world, B, call, Privilege::Owner);
    world.ok(ask);
    let hold = world.op(B, call, CallAsk::Hold);
    world.done(world.last_call().0);
    world.ok(hold);
}

fn policy(unowned: Unowned) -> World {
    let usual = LinePolicy { unowned, ..LinePolicy::default() };
    World::with(Config { usual, ..Config::default() }, caps(control_ops(), false))
}

/// Design 4: after a lost connection the policy waits a grace period, in which the same application may
/// resume its session.
#[test]
fn a_lost_application_may_come_back_in_time() {
    let mut world = policy(Unowned::Drop);
    let (call, key) = world.connected(A);
    world.input(Input::AppLost { app: A });
    world.input(Input::AppLost { app: A });
    world.pass(Duration::from_millis(4_900));
    assert!(world.switch.knows_app(A));
    world.state(key, CallState::OnHold);
    assert_eq!(world.states(A), [CallState::OnHold], "its events are in the journal");
    world.input(Input::AppBack { app: A });
    world.pass(Duration::from_secs(60));
    assert_eq!(privilege(&mut world, A, call), Some(Privilege::Owner));
}

#[test]
fn a_lost_application_that_stays_away_follows_the_policy() {
    for unowned in [Unowned::Drop, Unowned::HandOff, Unowned::Keep] {
        let mut world = policy(unowned);
        world.open(B, BOTH);
        let (call, _) = world.connected(A);
        world.input(Input::AppLost { app: A });
        world.forget();
        world.pass(Duration::from_millis(5_100));
        assert!(!world.switch.knows_app(A));
        let is_dropped = matches!(world.last_call().2, CallOp::Drop { .. });
        assert_eq!(is_dropped, unowned == Unowned::Drop, "{unowned:?}");
        let heir = privilege(&mut world, B, call);
        let expected = if unowned == Unowned::HandOff { Privilege::Owner } else { Privilege::Monitor };
        assert_eq!(heir, Some(expected), "{unowned:?}");
        let ask = world.ask(A, Ask::Lines);
        assert_eq!(world.refused(ask).kind, RefusalKind::Gone);
    }
}

#[test]
fn an_application_that_is_away_is_given_no_calls() {
    let mut world = World::bare();
    world.open(A, Interest::OWN_AUDIO);
    world.open(B, Interest::OWN_AUDIO);
    world.input(Input::AppLost { app: A });
    world.forget();
    world.incoming(1);
    assert!(matches!(&world.events()[..], [(to, AppEvent::NewCall { .. })] if *to == [B]));
    let ask = world.ask(B, Ask::Apps);
    let Answer::Apps { apps } = world.ok(ask) else { panic!("no applications") };
    let seen: Vec<_> = apps.iter().map(|app| (app.name.as_str(), app.present)).collect();
    assert_eq!(seen, [("desk", false), ("recorder", true), ("robot", true)]);
    let call = world.newest();
    let ask = hand_off(&mut world, B, call, "desk");
    assert_eq!(world.refused(ask).kind, RefusalKind::Gone);
}

#[test]
fn without_grace_a_lost_application_is_gone_at_once() {
    let config = Config { grace: Duration::ZERO, ..Config::default() };
    let mut world = World::with(config, caps(control_ops(), false));
    world.connected(A);
    world.input(Input::AppLost { app: A });
    assert!(!world.switch.knows_app(A));
    assert!(matches!(world.last_call(), (_, key, CallOp::Drop { .. }, _) if key == CallKey::core(1)));
}
