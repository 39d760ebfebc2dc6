// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operations on lines, call completions, and what providers listen for.

mod common;

use common::*;
use offhook_core::{Answer, AppEvent, AppId, Ask, AskId, CallAsk, Input, Interest, LineAsk};
use offhook_spi::{
    Address, AddressIndex, CallInfo, CallKey, CallOp, CallReason, CallState, CompletionMode, ForwardRule,
    ForwardWhen, LineOp, MediaKind, MediaRule, MediaSet, Op, OpSet, Opaque, Outcome, PickupTarget, Refusal,
    RefusalKind, Reply, RequestId, SchemaId, Tone, TspCommand, TspEvent,
};

fn at() -> Address {
    Address::new("7001")
}

fn line_op(world: &mut World, app: AppId, op: LineAsk) -> AskId {
    let line = world.line();
    world.ask(app, Ask::Line { line, op })
}

/// The last request about a line.
#[track_caller]
fn last_line(world: &World) -> (RequestId, LineOp) {
    let mut all = world.outputs.iter().rev();
    all.find_map(|output| match output {
        offhook_core::Output::Tsp { command: TspCommand::Line { request, op, .. }, .. } => {
            Some((*request, op.clone()))
        }
        _ => None,
    })
    .expect("a request about the line")
}

fn forward(to: Option<Address>) -> LineAsk {
    let rule = ForwardRule { when: ForwardWhen::Always, caller: None, to, after: None };
    LineAsk::Forward { address: AddressIndex(0), rules: vec![rule] }
}

/// Rule 50: whoever uses a line may forward it, fetch calls and so on; asking opens it.
#[test]
fn an_operation_on_a_line_opens_it() {
    for ask in [
        forward(Some(at())),
        forward(None),
        LineAsk::Forward { address: AddressIndex(0), rules: Vec::new() },
        LineAsk::SetStatus { message_waiting: Some(true), in_service: None, locked: None },
        LineAsk::Extension { data: Opaque { schema: SchemaId::new("test.extension"), data: String::new() } },
    ] {
        let mut world = World::bare();
        let id = line_op(&mut world, A, ask.clone());
        assert!(matches!(&world.commands()[..], [TspCommand::Open { .. }]), "{ask:?}");
        world.done(world.last_open());
        assert_eq!(world.answer(id), None);
        world.done(last_line(&world).0);
        world.ok(id);
    }
}

#[test]
fn what_a_line_does_not_declare_is_refused_by_name() {
    for (ask, op) in [
        (forward(Some(at())), Op::Forward),
        (forward(None), Op::ForwardDoNotDisturb),
        (LineAsk::Pickup { what: PickupTarget::Address { address: at() } }, Op::Pickup),
        (LineAsk::Pickup { what: PickupTarget::Group { group: None } }, Op::PickupGroup),
        (LineAsk::Pickup { what: PickupTarget::Held { address: at() } }, Op::PickupHeld),
        (LineAsk::SetStatus { message_waiting: None, in_service: None, locked: None }, Op::SetLineStatus),
        (LineAsk::SetupConference, Op::SetupConferenceEmpty),
        (LineAsk::UncompleteCall { id: 1 }, Op::UncompleteCall),
        (LineAsk::Unpark { at: at() }, Op::Unpark),
    ] {
        let mut world =
            World::with(offhook_core::Config::default(), caps(OpSet::from([Op::MakeCall]), false));
        let id = line_op(&mut world, A, ask);
        let refusal = world.refused(id);
        assert_eq!(refusal.kind, RefusalKind::Unsupported);
        assert_eq!(refusal.detail, format!("line:1.1 (sim/alice) does not offer {op}"));
    }
}

#[test]
fn wrong_parameters_of_lines_are_refused_by_name() {
    let mut world = World::bare();
    world.open(A, BOTH);
    let foreign = Opaque { schema: SchemaId::new("other"), data: String::new() };
    let rules = vec![ForwardRule { when: ForwardWhen::Busy, caller: None, to: Some(at()), after: None }; 65];
    for (ask, detail) in [
        (LineAsk::Forward { address: AddressIndex(1), rules: Vec::new() }, "there is no number 1"),
        (LineAsk::Forward { address: AddressIndex(0), rules }, "at most 64 fit"),
        (LineAsk::Extension { data: foreign }, "does not offer the extension other"),
        (LineAsk::UncompleteCall { id: 9 }, "completion 9 of line:1.1 is not owed"),
    ] {
        let id = line_op(&mut world, A, ask);
        let refusal = world.refused(id);
        assert!(refusal.detail.contains(detail), "{}", refusal.detail);
    }
}

/// Rules 26 and 43: a fetched call is a new one; its answer comes first, then states.
#[test]
fn a_fetched_call_is_a_new_one() {
    for (ask, reason) in [
        (LineAsk::Unpark { at: at() }, CallReason::Unpark),
        (LineAsk::Pickup { what: PickupTarget::Group { group: None } }, CallReason::Pickup),
    ] {
        let mut world = World::media();
        world.open(A, BOTH);
        world.open(B, Interest::MONITOR);
        world.forget();
        let id = line_op(&mut world, A, ask);
        let commands = world.commands();
        let [TspCommand::Line { request, op, .. }, TspCommand::Session { call, .. }] = &commands[..] else {
            panic!("{commands:?}")
        };
        assert!(matches!(op, LineOp::Unpark { call: k, .. } | LineOp::Pickup { call: k, .. } if k == call));
        world.msp_done(world.msp_request());
        world.done(*request);
        let Answer::Call { call: fetched } = world.ok(id) else { panic!("no call") };
        world.state(*call, CallState::CONNECTED);
        let events = world.events();
        let new = events.iter().find_map(|(to, event)| match event {
            AppEvent::NewCall { record } => Some((to.clone(), record.call, record.info.reason)),
            _ => None,
        });
        assert_eq!(new, Some((vec![B], fetched, reason)));
        assert!(matches!(events.last(), Some((to, AppEvent::CallState { .. })) if *to == [A, B]));
    }
}

#[test]
fn a_call_that_cannot_be_fetched_leaves_nothing_behind() {
    let mut world = World::bare();
    world.open(A, BOTH);
    let id = line_op(&mut world, A, LineAsk::Unpark { at: at() });
    world.refuse(last_line(&world).0, Refusal::new(RefusalKind::InvalidAddress, "nothing is parked there"));
    assert_eq!(world.refused(id).kind, RefusalKind::InvalidAddress);
    assert!(world.switch.is_empty());
}

#[test]
fn a_line_that_goes_refuses_what_is_outstanding() {
    let mut world = World::bare();
    world.open(A, BOTH);
    let forwarding = line_op(&mut world, A, forward(None));
    let fetching = line_op(&mut world, A, LineAsk::Unpark { at: at() });
    world.tsp(TspEvent::LineDown { line: ALICE });
    assert_eq!(world.refused(forwarding).kind, RefusalKind::Gone);
    assert_eq!(world.refused(fetching).kind, RefusalKind::Gone);
    assert!(world.switch.counts().calls == 0);
}

/// A call completion that was accepted: gives its id.
fn completion(world: &mut World, app: AppId, id: u64) {
    let (call, key) = world.made(app);
    world.state(key, CallState::Busy);
    let ask = world.op(app, call, CallAsk::CompleteCall { mode: CompletionMode::CallBack });
    let request = world.last_call().0;
    world.tsp(TspEvent::Reply { request, result: Reply::Done(Outcome::Completion { id }) });
    assert_eq!(world.ok(ask), Answer::Done { outcome: Outcome::Completion { id } });
    world.end(key);
    world.forget();
}

/// Rule 71: a completion dies when it is used or cancelled.
#[test]
fn a_completion_is_used_up_once() {
    let mut world = World::bare();
    world.open(A, BOTH);
    completion(&mut world, A, 5);
    let foreign = line_op(&mut world, B, LineAsk::UncompleteCall { id: 5 });
    assert_eq!(world.refused(foreign).kind, RefusalKind::NotOwner);
    let cancel = line_op(&mut world, A, LineAsk::UncompleteCall { id: 5 });
    let (request, op) = last_line(&world);
    assert_eq!(op, LineOp::UncompleteCall { id: 5 });
    world.done(request);
    world.ok(cancel);
    let again = line_op(&mut world, A, LineAsk::UncompleteCall { id: 5 });
    assert_eq!(world.refused(again).kind, RefusalKind::Gone);

    completion(&mut world, A, 6);
    let (call, info) = (CallKey::provider(1), CallInfo { completion: Some(6), ..CallInfo::default() });
    world.tsp(TspEvent::NewCall { line: ALICE, call, info: Box::new(info), state: CallState::Offering });
    let again = line_op(&mut world, A, LineAsk::UncompleteCall { id: 6 });
    assert_eq!(world.refused(again).kind, RefusalKind::Gone);
}

#[test]
fn a_completion_cancelled_from_elsewhere_is_told_to_who_asked() {
    let mut world = World::bare();
    let line = world.open(A, BOTH);
    world.open(B, Interest::MONITOR);
    completion(&mut world, A, 5);
    world.tsp(TspEvent::CompletionGone { line: ALICE, id: 5 });
    assert_eq!(world.events(), [(vec![A], AppEvent::CompletionGone { line, completion: 5 })]);
    world.tsp(TspEvent::CompletionGone { line: ALICE, id: 5 });
    assert_eq!(world.violations().len(), 1);
    completion(&mut world, A, 6);
    world.tsp(TspEvent::LineDown { line: ALICE });
    let told = world.events();
    assert!(told.contains(&(vec![A], AppEvent::CompletionGone { line, completion: 6 })), "{told:?}");
}

#[test]
fn an_application_that_leaves_wants_no_call_back() {
    let mut world = World::bare();
    world.open(A, BOTH);
    completion(&mut world, A, 5);
    world.input(Input::AppDown { app: A });
    assert_eq!(last_line(&world).1, LineOp::UncompleteCall { id: 5 });
}

#[test]
fn a_conference_can_start_from_nothing() {
    let mut world = World::bare();
    world.open(A, BOTH);
    let id = line_op(&mut world, A, LineAsk::SetupConference);
    let (request, key, op, _) = world.last_call();
    let CallOp::SetupConference { conference, consultation } = op else { panic!("{op:?}") };
    assert_eq!((key, conference), (consultation, CallKey::core(1)));
    world.done(request);
    let Answer::Conference { conference, consultation } = world.ok(id) else { panic!("no conference") };
    assert_ne!(conference, consultation);
}

fn tone(hertz: f32) -> Tone {
    let duration = std::time::Duration::from_millis(100);
    Tone { frequencies: vec![hertz], duration, level: Tone::usual_level() }
}

fn with_tones() -> World {
    World::with(offhook_core::Config::default(), caps(control_ops().with(Op::MonitorTones), false))
}

/// A call that A and B own.
fn shared(world: &mut World) -> (offhook_core::CallId, CallKey) {
    world.open(B, BOTH);
    let (call, key) = world.connected(A);
    let name = "recorder".to_owned();
    let ask = world.ask(A, Ask::HandOff { call, to: offhook_core::HandOff::App { name } });
    world.ok(ask);
    world.forget();
    (call, key)
}

/// The provider has one list of tones; each application hears of its own, by its own places.
#[test]
fn each_application_hears_its_own_tones() {
    let mut world = with_tones();
    let (call, key) = shared(&mut world);
    let first = world.op(A, call, CallAsk::MonitorTones { tones: vec![tone(400.0), tone(500.0)] });
    let busy = world.op(B, call, CallAsk::MonitorTones { tones: vec![tone(600.0)] });
    assert_eq!(world.refused(busy).kind, RefusalKind::Busy);
    world.done(world.last_call().0);
    world.ok(first);
    let second = world.op(B, call, CallAsk::MonitorTones { tones: vec![tone(600.0)] });
    let (request, _, op, _) = world.last_call();
    assert_eq!(op, CallOp::MonitorTones { tones: vec![tone(400.0), tone(500.0), tone(600.0)] });
    // Still the old list.
    world.forget();
    world.tsp(TspEvent::ToneHeard { call: key, tone: 2 });
    assert!(world.events().is_empty());
    world.done(request);
    world.ok(second);
    let heard = |tone| AppEvent::ToneHeard { call, terminal: None, tone, on: true };
    for (place, app, tone) in [(0, A, 0), (1, A, 1), (2, B, 0)] {
        world.tsp(TspEvent::ToneHeard { call: key, tone: place });
        assert_eq!(world.events(), [(vec![app], heard(tone))]);
    }
    let ask = world.ask(A, Ask::Deallocate { call, keep: false });
    world.ok(ask);
    assert_eq!(world.last_call().2, CallOp::MonitorTones { tones: vec![tone(600.0)] });
    world.done(world.last_call().0);
    world.forget();
    world.tsp(TspEvent::ToneHeard { call: key, tone: 0 });
    assert_eq!(world.events(), [(vec![B], heard(0))]);
}

#[test]
fn tones_that_cannot_be_heard_are_refused() {
    let mut world = with_tones();
    let (call, _) = world.connected(A);
    for hertz in [0.0, f32::NAN, 1e9] {
        let ask = world.op(A, call, CallAsk::MonitorTones { tones: vec![tone(hertz)] });
        assert_eq!(world.refused(ask).kind, RefusalKind::InvalidParameter, "{hertz}");
    }
    let ask = world.op(A, call, CallAsk::MonitorTones { tones: vec![tone(1.0); 65] });
    assert_eq!(world.refused(ask).kind, RefusalKind::InvalidParameter);
}

/// Rule 63: a medium that is heard does not change the media of the call; only owners do.
#[test]
fn media_that_are_heard_change_nothing() {
    let mut world = World::bare();
    let (call, key) = shared(&mut world);
    let video = MediaSet::EMPTY.with(MediaKind::Video);
    let ask = world.op(A, call, CallAsk::MonitorMedia { media: video });
    world.done(world.last_call().0);
    world.ok(ask);
    world.forget();
    world.tsp(TspEvent::MediaHeard { call: key, media: MediaSet::AUDIO });
    assert!(world.events().is_empty());
    world.tsp(TspEvent::MediaHeard { call: key, media: video });
    assert_eq!(world.events(), [(vec![A], AppEvent::MediaHeard { call, media: video })]);
    let ask = world.op(B, call, CallAsk::SetMediaMode { media: video });
    world.done(world.last_call().0);
    world.ok(ask);
    let events = world.events();
    assert!(
        matches!(&events[..], [(to, AppEvent::CallInfo { info, .. })] if *to == [A, B] && info.media == video)
    );
}

#[test]
fn a_refused_wish_leaves_the_old_one() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let ask = world.op(A, call, CallAsk::MonitorMedia { media: MediaSet::AUDIO });
    world.done(world.last_call().0);
    world.ok(ask);
    let video = MediaSet::EMPTY.with(MediaKind::Video);
    let ask = world.op(A, call, CallAsk::MonitorMedia { media: video });
    world.refuse(world.last_call().0, Refusal::new(RefusalKind::OperationFailed, "no"));
    world.refused(ask);
    world.forget();
    world.tsp(TspEvent::MediaHeard { call: key, media: MediaSet::AUDIO });
    assert_eq!(world.events().len(), 1);
}

/// User data that was received stays until it is released.
#[test]
fn user_data_stays_until_it_is_released() {
    let mut world = World::bare();
    let (call, key) = world.connected(A);
    let data = Opaque { schema: SchemaId::new("uui"), data: "hello".to_owned() };
    let info = CallInfo { user_data: Some(Box::new(data)), ..CallInfo::default() };
    world.tsp(TspEvent::CallInfo { call: key, info: Box::new(info) });
    world.forget();
    let ask = world.op(A, call, CallAsk::ReleaseUserData);
    world.done(world.last_call().0);
    world.ok(ask);
    let events = world.events();
    assert!(matches!(&events[..], [(_, AppEvent::CallInfo { info, .. })] if info.user_data.is_none()));
}

#[test]
fn what_the_core_only_passes_on_reaches_the_provider_as_it_is() {
    let rules = vec![MediaRule {
        digit: offhook_spi::Digit::new('1').unwrap(),
        action: offhook_spi::MediaAction::Stop,
    }];
    for (ask, op) in [
        (CallAsk::SetMediaControl { rules: rules.clone() }, CallOp::SetMediaControl { rules }),
        (CallAsk::SetQuality { bits_per_second: 64_000 }, CallOp::SetQuality { bits_per_second: 64_000 }),
        (
            CallAsk::SetTerminal { terminal: "headset".to_owned(), enabled: true },
            CallOp::SetTerminal { terminal: "headset".to_owned(), enabled: true },
        ),
    ] {
        let mut world = World::bare();
        let (call, _) = world.connected(A);
        let id = world.op(A, call, ask);
        assert_eq!(world.last_call().2, op);
        world.done(world.last_call().0);
        world.ok(id);
    }
}
