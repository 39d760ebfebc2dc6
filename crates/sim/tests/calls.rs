// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls through the whole simulated server.

#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_core::{Answer, AppEvent, AppId, Ask, CallAsk, CallId, Interest, LineId};
use offhook_sim::{ExchangeConfig, Script, Step, World};
use offhook_spi::{
    Address, CallParams, CallState, Cause, ConnectedMode, Digit, DigitMode, Gather, GatherEnd, Party,
    RefusalKind, StateKind,
};

const MINUTE: Duration = Duration::from_secs(60);

fn world() -> (World, AppId, LineId) {
    let mut world = World::new(ExchangeConfig::default(), BTreeMap::new());
    let app = world.app("tester", 0);
    let line = line(&mut world, app, "alice");
    (world, app, line)
}

fn line(world: &mut World, app: AppId, name: &str) -> LineId {
    let Ok(Answer::Lines { lines }) = world.ask(app, Ask::Lines) else { panic!("no lines") };
    lines.iter().find(|line| line.stable_id == name).unwrap().line
}

fn dial(world: &mut World, app: AppId, line: LineId, to: &str) -> CallId {
    let ask = Ask::MakeCall { line, to: Address::new(to), params: Box::default() };
    match world.ask(app, ask) {
        Ok(Answer::Call { call }) => call,
        other => panic!("{other:?}"),
    }
}

fn state(world: &mut World, app: AppId, wanted: StateKind) -> CallState {
    let found = world.wait_for(app, MINUTE, |event| match event {
        AppEvent::CallState { state, .. } if state.kind() == wanted => Some(state.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no call became {wanted}"))
}

#[test]
fn every_scripted_far_end_ends_as_its_name_says() {
    for (to, cause) in [
        ("sim:busy", Cause::UserBusy),
        ("sim:rejects", Cause::CallRejected),
        ("sim:hangs-up", Cause::NormalClearing),
        ("sim:wrong-number", Cause::UnallocatedNumber),
        ("sim:redirects", Cause::Redirected),
    ] {
        let (mut world, app, line) = world();
        dial(&mut world, app, line, to);
        assert_eq!(
            state(&mut world, app, StateKind::Disconnected),
            CallState::Disconnected { cause },
            "{to}"
        );
        state(&mut world, app, StateKind::Idle);
        assert_eq!(world.breaches(), Vec::<String>::new(), "{to}");
        assert_eq!(world.leftovers(), Vec::<String>::new(), "{to}");
    }
}

#[test]
fn a_caller_waits_for_an_answer_as_long_as_it_said() {
    let (mut world, app, line) = world();
    let params = CallParams { no_answer_timeout: Some(Duration::from_secs(20)), ..CallParams::default() };
    let begin = world.now();
    let ask = Ask::MakeCall { line, to: Address::new("sim:no-answer"), params: Box::new(params) };
    world.ask(app, ask).unwrap();
    let ended = state(&mut world, app, StateKind::Disconnected);
    assert_eq!(ended, CallState::Disconnected { cause: Cause::NoAnswer });
    assert_eq!(world.now().since(begin), Duration::from_secs(20));
}

#[test]
fn an_unknown_far_end_is_refused_with_the_names_there_are() {
    let (mut world, app, line) = world();
    let ask = Ask::MakeCall { line, to: Address::new("sim:teleport"), params: Box::default() };
    let refusal = world.ask(app, ask).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::InvalidAddress);
    assert!(refusal.detail.contains("friendly"), "{refusal}");
}

#[test]
fn digits_of_a_far_end_are_gathered() {
    let (mut world, app, line) = world();
    let call = dial(&mut world, app, line, "sim:friendly");
    state(&mut world, app, StateKind::Connected);
    let gather = Gather { max: 3, terminators: Vec::new(), first_timeout: None, inter_timeout: None };
    world.ask(app, Ask::Call { call, op: CallAsk::GatherDigits { gather: Some(gather) } }).unwrap();
    let gathered = world.wait_for(app, MINUTE, |event| match event {
        AppEvent::Gathered { digits, end, .. } => Some((digits.clone(), *end)),
        _ => None,
    });
    let wanted: Vec<Digit> = "123".chars().filter_map(Digit::new).collect();
    assert_eq!(gathered, Some((wanted, GatherEnd::BufferFull)));
    assert_eq!(world.breaches(), Vec::<String>::new());
}

#[test]
fn a_menu_that_hears_its_digits_says_goodbye() {
    let (mut world, app, line) = world();
    let call = dial(&mut world, app, line, "sim:menu");
    state(&mut world, app, StateKind::Connected);
    let digits = "42".chars().filter_map(Digit::new).collect();
    let op = CallAsk::GenerateDigits { digits, mode: Some(DigitMode::Event), duration: None };
    world.run_for(Duration::from_secs(2));
    world.ask(app, Ask::Call { call, op }).unwrap();
    let ended = state(&mut world, app, StateKind::Disconnected);
    assert_eq!(ended, CallState::Disconnected { cause: Cause::NormalClearing });
}

#[test]
fn two_lines_call_each_other() {
    let (mut world, app, alice) = world();
    let bob = line(&mut world, app, "bob");
    let callee = world.app("callee", 0);
    world.ask(callee, Ask::OpenLine { line: bob, interest: Interest::OWN_AUDIO }).unwrap();
    let call = dial(&mut world, app, alice, "sim:bob");
    let offered = world.wait_for(callee, MINUTE, |event| match event {
        AppEvent::NewCall { record } => Some(record.call),
        _ => None,
    });
    let offered = offered.expect("bob was offered no call");
    world.ask(callee, Ask::Call { call: offered, op: CallAsk::Answer }).unwrap();
    state(&mut world, app, StateKind::Connected);
    world.ask(callee, Ask::Call { call: offered, op: CallAsk::Hold }).unwrap();
    let held = world.wait_for(app, MINUTE, |event| match event {
        AppEvent::CallState { state: CallState::Connected { mode }, .. } => Some(*mode),
        _ => None,
    });
    assert_eq!(held, Some(ConnectedMode::ActiveHeld));
    world.ask(app, Ask::Call { call, op: CallAsk::Drop { cause: None } }).unwrap();
    state(&mut world, callee, StateKind::Idle);
    assert_eq!(world.breaches(), Vec::<String>::new());
    assert_eq!(world.leftovers(), Vec::<String>::new());
}

#[test]
fn a_caller_that_gives_up_ends_the_offer() {
    let (mut world, app, alice) = world();
    world.ask(app, Ask::OpenLine { line: alice, interest: Interest::OWN_AUDIO }).unwrap();
    let script = Script::new([Step::Wait(Duration::from_secs(5)), Step::HangUp(Cause::NormalClearing)]);
    world.ring("alice", Party::default(), script);
    state(&mut world, app, StateKind::Disconnected);
    state(&mut world, app, StateKind::Idle);
    assert_eq!(world.breaches(), Vec::<String>::new());
}

#[test]
fn a_line_that_is_pulled_out_ends_its_calls_and_comes_back_under_its_id() {
    let (mut world, app, alice) = world();
    dial(&mut world, app, alice, "sim:echo");
    state(&mut world, app, StateKind::Connected);
    world.plug("alice", false);
    let ended = state(&mut world, app, StateKind::Disconnected);
    assert_eq!(ended, CallState::Disconnected { cause: Cause::LineGone });
    world.plug("alice", true);
    assert_eq!(line(&mut world, app, "alice"), alice);
    dial(&mut world, app, alice, "sim:echo");
    state(&mut world, app, StateKind::Connected);
    assert_eq!(world.breaches(), Vec::<String>::new());
}

#[test]
fn a_provider_that_dies_ends_its_calls_and_comes_back() {
    let (mut world, app, alice) = world();
    dial(&mut world, app, alice, "sim:echo");
    state(&mut world, app, StateKind::Connected);
    world.restart_tsp();
    let ended = state(&mut world, app, StateKind::Disconnected);
    assert_eq!(ended, CallState::Disconnected { cause: Cause::ProviderGone });
    dial(&mut world, app, alice, "sim:echo");
    state(&mut world, app, StateKind::Connected);
    assert_eq!(world.breaches(), Vec::<String>::new());
}

#[test]
fn the_ladder_of_a_call_is_as_written_down() {
    let (mut world, app, line) = world();
    world.draw();
    let call = dial(&mut world, app, line, "sim:friendly");
    state(&mut world, app, StateKind::Connected);
    world.run_for(Duration::from_secs(2));
    world.ask(app, Ask::Call { call, op: CallAsk::Drop { cause: None } }).unwrap();
    state(&mut world, app, StateKind::Idle);
    insta::assert_snapshot!(world.ladder());
}
