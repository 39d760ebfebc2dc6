// SPDX-License-Identifier: MIT OR Apache-2.0
//! Phones: they come and go, one application owns them, any number watch.

mod common;

use common::*;
use offhook_core::{Answer, AppEvent, AppId, Ask, AskId, Input, PhoneId, PhoneRecord, Privilege};
use offhook_spi::{
    HookMode, HookSwitch, LampMode, Opaque, Outcome, PhoneCaps, PhoneChange, PhoneKey, PhoneOp, Refusal,
    RefusalKind, Reply, RequestId, SchemaId, TspCommand, TspEvent,
};

const DESK: PhoneKey = PhoneKey(7);
const HANDSET: HookSwitch = HookSwitch::Handset;

fn phone_up(world: &mut World, phone: PhoneKey) {
    let extensions = vec![SchemaId::new("test.phone")];
    let caps = PhoneCaps { hooks: vec![HANDSET], display: (2, 20), buttons: 8, ring_modes: 2, extensions };
    world.tsp(TspEvent::PhoneUp { phone, stable_id: "desk".to_owned(), caps });
}

fn with_phone() -> (World, PhoneId) {
    let mut world = World::bare();
    phone_up(&mut world, DESK);
    world.forget();
    let id = phones(&mut world)[0].phone;
    (world, id)
}

fn phones(world: &mut World) -> Vec<PhoneRecord> {
    let id = world.ask(A, Ask::Phones);
    match world.ok(id) {
        Answer::Phones { phones } => phones,
        other => panic!("{other:?}"),
    }
}

fn open(world: &mut World, app: AppId, phone: PhoneId, privilege: Privilege) -> AskId {
    world.ask(app, Ask::OpenPhone { phone, privilege })
}

#[track_caller]
fn last_phone(world: &World) -> (RequestId, PhoneOp) {
    let mut all = world.outputs.iter().rev();
    all.find_map(|output| match output {
        offhook_core::Output::Tsp { command: TspCommand::Phone { request, op, .. }, .. } => {
            Some((*request, op.clone()))
        }
        _ => None,
    })
    .expect("a request about a phone")
}

/// Section 3.6: one owner at a time, any number of monitors; the others hear of changes.
#[test]
fn a_phone_has_one_owner_and_any_number_of_monitors() {
    let (mut world, phone) = with_phone();
    let asks = [
        open(&mut world, A, phone, Privilege::Owner),
        open(&mut world, B, phone, Privilege::Monitor),
        open(&mut world, C, phone, Privilege::Monitor),
    ];
    asks.into_iter().for_each(|ask| drop(world.ok(ask)));
    let second = open(&mut world, B, phone, Privilege::Owner);
    let refusal = world.refused(second);
    assert_eq!(refusal.kind, RefusalKind::Busy);
    assert_eq!(refusal.detail, "phone:1.1 is owned by 'desk'; one application owns a phone at a time");
    world.forget();
    let ask = world.ask(A, Ask::ClosePhone { phone });
    world.ok(ask);
    assert_eq!(world.events(), [(vec![B, C], AppEvent::PhoneOwners { phone, owner: None, monitors: 2 })]);
    let now = open(&mut world, B, phone, Privilege::Owner);
    world.ok(now);
    let record = phones(&mut world).remove(0);
    assert_eq!((record.owner, record.monitors), (Some(B), 1));
    let again = world.ask(A, Ask::ClosePhone { phone });
    assert_eq!(world.refused(again).kind, RefusalKind::InvalidState);
}

#[test]
fn only_its_owner_changes_a_phone() {
    let (mut world, phone) = with_phone();
    let op = PhoneOp::Lamp { button: 12, mode: LampMode::Wink };
    for privilege in [None, Some(Privilege::Monitor)] {
        if let Some(privilege) = privilege {
            open(&mut world, B, phone, privilege);
        }
        let ask = world.ask(B, Ask::Phone { phone, op: op.clone() });
        let refusal = world.refused(ask);
        assert_eq!(refusal.kind, RefusalKind::NotOwner);
        assert!(refusal.detail.ends_with("nobody owns it"), "{}", refusal.detail);
    }
    open(&mut world, A, phone, Privilege::Owner);
    let ask = world.ask(A, Ask::Phone { phone, op });
    world.done(last_phone(&world).0);
    world.ok(ask);
}

/// What was set counts as reported; who reports it as well is not told twice.
#[test]
fn what_is_set_is_told_once() {
    let (mut world, phone) = with_phone();
    open(&mut world, A, phone, Privilege::Owner);
    open(&mut world, B, phone, Privilege::Monitor);
    for (op, change) in [
        (PhoneOp::Volume { hook: HANDSET, volume: 9 }, PhoneChange::Volume { hook: HANDSET, volume: 9 }),
        (PhoneOp::Gain { hook: HANDSET, gain: 8 }, PhoneChange::Gain { hook: HANDSET, gain: 8 }),
        (
            PhoneOp::Hook { hook: HANDSET, mode: HookMode::Both },
            PhoneChange::Hook { hook: HANDSET, mode: HookMode::Both },
        ),
        (
            PhoneOp::Lamp { button: 1, mode: LampMode::Flash },
            PhoneChange::Lamp { button: 1, mode: LampMode::Flash },
        ),
        (PhoneOp::Ring { mode: 1, volume: 3 }, PhoneChange::Ring { volume: 3 }),
        (
            PhoneOp::Button { button: 1, label: "Hold".to_owned() },
            PhoneChange::Label { button: 1, label: "Hold".to_owned() },
        ),
    ] {
        world.forget();
        let ask = world.ask(A, Ask::Phone { phone, op });
        world.done(last_phone(&world).0);
        world.ok(ask);
        world.tsp(TspEvent::Phone { phone: DESK, change: change.clone() });
        assert_eq!(world.events(), [(vec![A, B], AppEvent::PhoneChange { phone, change })]);
    }
    let state = phones(&mut world).remove(0).state;
    assert_eq!((state.ring_mode, state.ring_volume), (Some(1), Some(3)));
    assert_eq!(state.hooks[&HANDSET].volume, Some(9));
}

#[test]
fn a_refused_change_changes_nothing() {
    let (mut world, phone) = with_phone();
    open(&mut world, A, phone, Privilege::Owner);
    let ask = world.ask(A, Ask::Phone { phone, op: PhoneOp::Volume { hook: HANDSET, volume: 9 } });
    world.refuse(last_phone(&world).0, Refusal::new(RefusalKind::OperationFailed, "no"));
    assert_eq!(world.refused(ask).kind, RefusalKind::OperationFailed);
    assert!(phones(&mut world)[0].state.hooks.is_empty());
}

/// Hot-plug: the id, the owner and the monitors stay; what was outstanding is refused.
#[test]
fn a_phone_comes_back_under_the_same_id() {
    let (mut world, phone) = with_phone();
    open(&mut world, A, phone, Privilege::Owner);
    let op = PhoneOp::Volume { hook: HANDSET, volume: 9 };
    let waiting = world.ask(A, Ask::Phone { phone, op: op.clone() });
    world.tsp(TspEvent::PhoneDown { phone: DESK });
    assert_eq!(world.refused(waiting).kind, RefusalKind::Gone);
    let absent = world.ask(A, Ask::Phone { phone, op: op.clone() });
    assert_eq!(world.refused(absent).kind, RefusalKind::Gone);
    assert!(!phones(&mut world)[0].present);
    phone_up(&mut world, PhoneKey(8));
    let record = phones(&mut world).remove(0);
    assert_eq!((record.phone, record.present, record.owner), (phone, true, Some(A)));
    let ask = world.ask(A, Ask::Phone { phone, op });
    world.done(last_phone(&world).0);
    world.ok(ask);
}

#[test]
fn a_provider_that_ends_takes_its_phones_along() {
    let (mut world, phone) = with_phone();
    open(&mut world, A, phone, Privilege::Owner);
    let op = PhoneOp::Volume { hook: HANDSET, volume: 9 };
    let waiting = world.ask(A, Ask::Phone { phone, op });
    world.down(TSP);
    assert_eq!(world.refused(waiting).kind, RefusalKind::ProviderGone);
    assert!(!phones(&mut world)[0].present);
}

#[test]
fn an_application_that_leaves_gives_its_phones_back() {
    let (mut world, phone) = with_phone();
    open(&mut world, A, phone, Privilege::Owner);
    open(&mut world, B, phone, Privilege::Monitor);
    world.forget();
    world.input(Input::AppDown { app: A });
    assert_eq!(world.events(), [(vec![B], AppEvent::PhoneOwners { phone, owner: None, monitors: 1 })]);
}

fn data(schema: &str, size: usize) -> Opaque {
    Opaque { schema: SchemaId::new(schema), data: "x".repeat(size) }
}

/// The vendor's own (`phoneDevSpecific`): passed on unread, answered with data, and never taken for news.
#[test]
fn a_vendors_operation_reaches_the_phone_as_it_is() {
    let (mut world, phone) = with_phone();
    open(&mut world, A, phone, Privilege::Owner);
    open(&mut world, B, phone, Privilege::Monitor);
    let op = PhoneOp::Extension { data: data("test.phone", 3) };
    let ask = world.ask(A, Ask::Phone { phone, op: op.clone() });
    let (request, asked) = last_phone(&world);
    assert_eq!(asked, op);
    world.forget();
    let outcome = Outcome::Data { data: data("test.phone", 4) };
    world.tsp(TspEvent::Reply { request, result: Reply::Done(outcome.clone()) });
    assert!(world.events().is_empty(), "only the phone says what has changed");
    assert_eq!(world.ok(ask), Answer::Done { outcome });
    world.forget();
    let change = PhoneChange::Extension { data: data("test.phone", 5) };
    for _ in 0..2 {
        world.tsp(TspEvent::Phone { phone: DESK, change: change.clone() });
    }
    let told = (vec![A, B], AppEvent::PhoneChange { phone, change });
    assert_eq!(world.events(), [told.clone(), told], "as often as it happens");
}

#[test]
fn what_the_phone_does_not_offer_or_nobody_carries_is_refused() {
    let (mut world, phone) = with_phone();
    open(&mut world, A, phone, Privilege::Owner);
    open(&mut world, B, phone, Privilege::Monitor);
    for (app, data, kind, detail) in [
        (A, data("other", 1), RefusalKind::Unsupported, "sim/desk does not offer the extension other"),
        (A, data("test.phone", Opaque::MAX_BYTES + 1), RefusalKind::InvalidParameter, "data of 65537 bytes"),
        (B, data("test.phone", 1), RefusalKind::NotOwner, "'desk' owns it"),
    ] {
        let ask = world.ask(app, Ask::Phone { phone, op: PhoneOp::Extension { data } });
        let refusal = world.refused(ask);
        assert_eq!(refusal.kind, kind);
        assert!(refusal.detail.contains(detail), "{refusal}");
    }
    world.forget();
    let change = PhoneChange::Extension { data: data("test.phone", Opaque::MAX_BYTES + 1) };
    world.tsp(TspEvent::Phone { phone: DESK, change });
    assert_eq!(world.violations(), ["expected at most 65536 bytes of data, received 65537"]);
    assert!(world.events().is_empty());
}

#[test]
fn what_cannot_be_said_of_a_phone_is_a_violation() {
    let (mut world, _) = with_phone();
    phone_up(&mut world, DESK);
    phone_up(&mut world, PhoneKey(9));
    world.tsp(TspEvent::PhoneDown { phone: PhoneKey(9) });
    world.tsp(TspEvent::Phone { phone: PhoneKey(9), change: PhoneChange::Ring { volume: 1 } });
    assert_eq!(
        world.violations(),
        [
            "expected a new phone key, phone-key:7 is up already",
            "expected each phone once, sim/desk is up already",
            "expected the key of a phone that is up, received phone-key:9",
            "expected the key of a phone that is up, received phone-key:9",
        ]
    );
}
