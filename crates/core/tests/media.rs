// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions, relays, terminals, digits and tones: what the switch does with the MSP side of calls.

mod common;

use std::time::Duration;

use common::*;
use offhook_core::{Answer, AppEvent, Ask, CallAsk, CallId, Config, Input, Interest, LineId, Output};
use offhook_spi::{
    CallKey, CallOp, CallState, Cause, Digit, DigitMode, Gather, GatherEnd, GenerationEnd, MspCommand,
    MspEvent, Op, OpSet, Opaque, Refusal, RefusalKind, SchemaId, SessionKey, SessionStatistics, StreamChange,
    StreamKey, StreamState, Terminal, TerminalControl, TerminalKey, TspCommand, TspEvent,
};

const ONE: SessionKey = SessionKey(1);

fn data(text: &str) -> Opaque {
    Opaque { schema: SchemaId::new("test.data"), data: text.to_owned() }
}

fn digits(text: &str) -> Vec<Digit> {
    text.chars().filter_map(Digit::new).collect()
}

fn gather(max: u16, terminators: &str) -> CallAsk {
    CallAsk::GatherDigits {
        gather: Some(Gather {
            max,
            terminators: digits(terminators),
            first_timeout: Some(Duration::from_secs(5)),
            inter_timeout: Some(Duration::from_secs(2)),
        }),
    }
}

impl World {
    fn hear(&mut self, text: &str) {
        for digit in digits(text) {
            self.msp(MspEvent::Digit { session: ONE, digit, mode: DigitMode::Event });
        }
    }

    fn gathered(&mut self) -> Vec<(offhook_core::AppId, String, GatherEnd)> {
        let events = self.events().into_iter();
        events
            .filter_map(|(to, event)| match event {
                AppEvent::Gathered { digits, end, .. } => {
                    Some((to[0], digits.into_iter().map(Digit::as_char).collect(), end))
                }
                _ => None,
            })
            .collect()
    }

    /// Two owners of one call: B got it handed over from nobody, so it is given by the line's policy.
    fn run(&mut self, app: offhook_core::AppId, call: CallId, op: CallAsk) {
        let ask = self.op(app, call, op);
        if self.answer(ask).is_none() {
            self.msp_done(self.msp_request());
        }
        self.ok(ask);
    }
}

/// The session is asked for first, the call right after, and the TSP is told which session it is.
#[test]
fn an_outgoing_call_has_its_session_from_the_start() {
    let mut world = World::media();
    let line = world.open(A, Interest::DIAL);
    world.forget();
    world.make_call(A, line);
    let fresh = world.fresh();
    let [
        Output::Msp { command: MspCommand::CreateSession { session, call, line, schema, .. }, .. },
        Output::Tsp { command, .. },
    ] = &fresh[..]
    else {
        panic!("{fresh:?}")
    };
    assert_eq!((*session, *call, line.as_str()), (ONE, CallKey::core(1), "alice"));
    assert_eq!(schema.0, "test.data");
    assert!(matches!(command, TspCommand::Call { session: Some(ONE), op: CallOp::MakeCall { .. }, .. }));
}

/// An incoming call's session is asked for at once; the TSP is told before any application.
#[test]
fn an_incoming_call_has_its_session_from_the_start() {
    let mut world = World::media();
    world.open(A, Interest::OWN_AUDIO);
    world.forget();
    let key = world.incoming(1);
    let fresh = world.fresh();
    assert!(matches!(&fresh[0], Output::Msp { command: MspCommand::CreateSession { session: ONE, .. }, .. }));
    let told = TspCommand::Session { call: key, session: ONE };
    assert_eq!(fresh[1], Output::Tsp { provider: TSP, command: told });
    assert!(matches!(&fresh[2], Output::Event { event: AppEvent::NewCall { .. }, .. }));
}

/// Rule 73: data travels unread and in order, both ways, also before the reply.
#[test]
fn relays_travel_unread_and_in_order() {
    let mut world = World::media();
    let line = world.open(A, Interest::DIAL);
    world.make_call(A, line);
    let (_, key, ..) = world.last_call();
    world.forget();
    for text in ["one", "two"] {
        world.tsp(TspEvent::Relay { call: key, to: None, data: data(text) });
    }
    world.tsp(TspEvent::Relay { call: key, to: Some(ONE), data: data("three") });
    world.msp(MspEvent::Relay { session: ONE, data: data("back") });
    let expected: Vec<Output> = ["one", "two", "three"]
        .map(|text| MspCommand::Relay { session: ONE, data: data(text) })
        .map(|command| Output::Msp { provider: MSP, command })
        .into_iter()
        .chain([Output::Tsp {
            provider: TSP,
            command: TspCommand::Relay { call: key, from: ONE, data: data("back") },
        }])
        .collect();
    assert_eq!(world.fresh(), expected);
    world.tsp(TspEvent::Relay { call: key, to: Some(SessionKey(9)), data: data("whose") });
    assert_eq!(world.violations(), ["expected data for session:1, received some for session:9"]);
}

/// Rule 75: data for a call that the core does not know is a violation.
#[test]
fn data_of_an_unknown_call_or_session_is_a_violation() {
    let mut world = World::media();
    world.tsp(TspEvent::Relay { call: CallKey::core(5), to: None, data: data("x") });
    world.msp(MspEvent::Relay { session: SessionKey(5), data: data("x") });
    assert_eq!(world.violations().len(), 2);
}

#[test]
fn a_refused_session_fails_the_call_before_its_answer() {
    let mut world = World::media();
    let line = world.open(A, Interest::DIAL);
    let ask = world.make_call(A, line);
    let (request, key, ..) = world.last_call();
    world.forget();
    world.msp_refuse(world.msp_request(), Refusal::new(RefusalKind::Busy, "no port is free"));
    assert_eq!(world.refused(ask).detail, "no port is free");
    assert_eq!(world.commands(), [TspCommand::Abandon { request }]);
    world.done(request);
    assert!(matches!(world.last_call().2, CallOp::Drop { .. }), "the call was made in spite of it");
    world.done(world.last_call().0);
    world.end(key);
    assert!(world.events().is_empty());
    assert!(world.switch.is_empty());
}

#[test]
fn a_refused_session_ends_the_call_after_its_answer() {
    let mut world = World::media();
    let line = world.open(A, Interest::DIAL);
    let ask = world.make_call(A, line);
    let create = world.msp_request();
    let (request, key, ..) = world.last_call();
    world.done(request);
    world.ok(ask);
    world.forget();
    world.msp_refuse(create, Refusal::new(RefusalKind::Busy, "no port is free"));
    let cause = Cause::ResourceUnavailable;
    let events = world.events();
    let detail = "no port is free".to_owned();
    let failed = |event: &AppEvent| match event {
        AppEvent::Stream { state, .. } => *state == StreamState::Failed { detail: detail.clone() },
        _ => false,
    };
    assert!(failed(&events[0].1) && failed(&events[1].1), "why comes first: {events:?}");
    let AppEvent::CallState { state, .. } = &events[2].1 else { panic!("{events:?}") };
    assert_eq!(*state, CallState::Disconnected { cause });
    assert!(matches!(world.last_call().2, CallOp::Drop { cause: Some(Cause::ResourceUnavailable) }));
    world.state(key, CallState::Ringback);
    world.end(key);
    assert_eq!(world.states(A), [CallState::Idle]);
    assert!(world.violations().is_empty());
}

/// A call ends, its session ends, its last figures go to whoever holds a handle.
#[test]
fn a_session_ends_after_its_call_with_figures() {
    let mut world = World::media();
    let (call, key) = world.connected(A);
    world.end(key);
    assert_eq!(world.last_msp(), MspCommand::EndSession { session: ONE });
    world.forget();
    let statistics = Some(Box::new(SessionStatistics::default()));
    world.msp(MspEvent::SessionEnded { session: ONE, statistics: statistics.clone() });
    assert_eq!(world.events(), [(vec![A], AppEvent::SessionEnded { call, statistics })]);
    assert_eq!(world.switch.counts().sessions, 0);
}

#[test]
fn a_session_that_does_not_end_is_given_up() {
    let mut world = World::media();
    let (call, key) = world.connected(A);
    world.end(key);
    world.forget();
    world.pass(Duration::from_secs(61));
    assert_eq!(world.events(), [(vec![A], AppEvent::SessionEnded { call, statistics: None })]);
    assert_eq!(world.violations(), ["expected the end of session:1 in time, received nothing"]);
}

#[test]
fn a_call_outlives_its_msp() {
    let mut world = World::media();
    let (call, key) = world.connected(A);
    let ask = world.ask(A, Ask::Statistics { call });
    world.forget();
    world.down(MSP);
    assert_eq!(world.refused(ask).kind, RefusalKind::ProviderGone);
    let failed = |event: &AppEvent| matches!(event, AppEvent::Stream { state: StreamState::Failed { detail }, .. } if detail == "'media' ended: unplugged");
    let events = world.events();
    assert_eq!(events.iter().filter(|(_, event)| failed(event)).count(), 2);
    let ask = world.op(A, call, CallAsk::GenerateTone { tone: None });
    assert_eq!(
        world.refused(ask).detail,
        "call:1.1 has no session; expected the media provider 'media' for sim/alice"
    );
    world.state(key, CallState::OnHold);
    assert_eq!(world.states(A), [CallState::OnHold]);
}

/// Rule 76: without an MSP the line is call control only.
#[test]
fn a_line_works_without_its_msp() {
    let mut world = World::with(Config::default(), caps(control_ops(), true));
    let (call, _) = world.connected(A);
    let ask =
        world.op(A, call, CallAsk::SelectTerminal { stream: StreamKey::AudioOut, what: Terminal::Null });
    assert_eq!(world.refused(ask).kind, RefusalKind::NoMedia);
    let hold = world.op(A, call, CallAsk::Hold);
    world.done(world.last_call().0);
    world.ok(hold);
}

/// The effective set of a line grows with its MSP.
#[test]
fn a_line_offers_what_its_msp_adds() {
    let mut world = World::with(Config::default(), caps(OpSet::from([Op::MakeCall, Op::Drop]), true));
    world.forget();
    world.msp_up();
    let events = world.events();
    let AppEvent::Line { record } = &events[0].1 else { panic!("{events:?}") };
    let expected =
        [Op::MakeCall, Op::Drop, Op::GenerateDigits, Op::GenerateTone, Op::MonitorDigits, Op::GatherDigits];
    assert_eq!(record.caps.ops, OpSet::from(expected));
}

#[test]
fn terminals_are_selected_controlled_and_taken_off() {
    let mut world = World::media();
    let (call, _) = world.connected(A);
    let file = Terminal::FileRecording { path: "a.wav".to_owned() };
    let ask = world.op(A, call, CallAsk::SelectTerminal { stream: StreamKey::AudioIn, what: file });
    world.msp_done(world.msp_request());
    let Answer::Terminal { terminal } = world.ok(ask) else { panic!("no terminal") };
    world.run(A, call, CallAsk::TerminalControl { terminal, control: TerminalControl::Pause });
    world.run(A, call, CallAsk::SetStream { stream: StreamKey::AudioIn, change: StreamChange::Mute });
    world.run(A, call, CallAsk::UnselectTerminal { terminal });
    let again = world.op(A, call, CallAsk::UnselectTerminal { terminal });
    assert_eq!(world.refused(again).detail, "call:1.1 has no terminal:1");
    world.msp(MspEvent::EndOfFile { session: ONE, terminal });
    assert_eq!(world.violations(), ["expected the key of a terminal of session:1, received terminal:1"]);
}

#[test]
fn a_class_that_is_not_offered_is_refused_by_name() {
    let mut world = World::media();
    let (call, _) = world.connected(A);
    let ask =
        world.op(A, call, CallAsk::SelectTerminal { stream: StreamKey::AudioOut, what: Terminal::Echo });
    let refusal = world.refused(ask);
    assert_eq!(
        (refusal.kind, &*refusal.detail),
        (RefusalKind::Unsupported, "'media' does not offer terminals of class Echo")
    );
}

#[test]
fn events_of_terminals_and_streams_reach_all_holders() {
    let mut world = World::media();
    world.open(B, Interest::MONITOR);
    let (call, _) = world.connected(A);
    let file = Terminal::FilePlayback { path: "a.wav".to_owned(), repeat: false };
    world.op(A, call, CallAsk::SelectTerminal { stream: StreamKey::AudioOut, what: file });
    world.msp_done(world.msp_request());
    world.forget();
    world.msp(MspEvent::EndOfFile { session: ONE, terminal: TerminalKey(1) });
    world.msp(MspEvent::Stream { session: ONE, stream: StreamKey::AudioIn, state: StreamState::Silent });
    let events = world.events();
    assert_eq!(events[0], (vec![A, B], AppEvent::EndOfFile { call, terminal: TerminalKey(1) }));
    assert_eq!(events[1].0, [A, B]);
}

#[test]
fn figures_come_with_the_reply_and_monitors_may_ask() {
    let mut world = World::media();
    world.open(B, Interest::MONITOR);
    let (call, _) = world.connected(A);
    let ask = world.ask(B, Ask::Statistics { call });
    let statistics = Box::<SessionStatistics>::default();
    world.msp(MspEvent::Statistics { session: ONE, statistics: statistics.clone() });
    world.msp_done(world.msp_request());
    assert_eq!(world.ok(ask), Answer::Statistics { statistics });
    let ask = world.ask(B, Ask::Statistics { call });
    world.msp_done(world.msp_request());
    assert_eq!(world.refused(ask).detail, "session:1 gave no figures");
}

/// Rule 62: one generation per call; the end of each is told to who asked for it, nobody else.
#[test]
fn a_new_generation_cancels_the_old() {
    let mut world = World::media();
    world.open(B, Interest::MONITOR);
    let (call, _) = world.connected(A);
    let generate = CallAsk::GenerateDigits { digits: digits("12"), mode: None, duration: None };
    world.run(A, call, generate.clone());
    world.run(A, call, generate);
    world.forget();
    world.msp(MspEvent::Generated { session: ONE, end: GenerationEnd::Cancelled });
    world.msp(MspEvent::Generated { session: ONE, end: GenerationEnd::Done });
    let told: Vec<_> = world.events();
    assert_eq!(
        told,
        [
            (vec![A], AppEvent::Generated { call, end: GenerationEnd::Cancelled }),
            (vec![A], AppEvent::Generated { call, end: GenerationEnd::Done }),
        ]
    );
    world.msp(MspEvent::Generated { session: ONE, end: GenerationEnd::Done });
    assert_eq!(world.violations().len(), 1);
}

#[test]
fn a_generation_ends_with_its_call() {
    let mut world = World::media();
    let (call, key) = world.connected(A);
    world.run(A, call, CallAsk::GenerateDigits { digits: digits("1"), mode: None, duration: None });
    world.forget();
    world.end(key);
    let events = world.events();
    assert_eq!(events[0].1, AppEvent::Generated { call, end: GenerationEnd::Cancelled });
    world.msp(MspEvent::Generated { session: ONE, end: GenerationEnd::Cancelled });
    assert!(world.violations().is_empty());
}

/// Rule 59: one gathering per call; a new one or an empty one cancels the old with its digits so far.
#[test]
fn a_new_gathering_cancels_the_old() {
    let mut world = World::media();
    let (call, _) = world.connected(A);
    world.run(A, call, gather(4, "#"));
    world.hear("12");
    world.forget();
    world.run(A, call, gather(2, ""));
    assert_eq!(world.gathered(), [(A, "12".to_owned(), GatherEnd::Cancelled)]);
    world.hear("34");
    assert_eq!(world.gathered(), [(A, "34".to_owned(), GatherEnd::BufferFull)]);
    world.run(A, call, gather(2, ""));
    world.hear("5");
    world.forget();
    world.run(A, call, CallAsk::GatherDigits { gather: None });
    assert_eq!(world.gathered(), [(A, "5".to_owned(), GatherEnd::Cancelled)]);
}

/// Rule 60: the terminator is included; zero digits are refused.
#[test]
fn a_terminator_ends_a_gathering_and_is_included() {
    let mut world = World::media();
    let (call, _) = world.connected(A);
    world.run(A, call, gather(9, "#*"));
    world.forget();
    world.hear("12#");
    assert_eq!(world.gathered(), [(A, "12#".to_owned(), GatherEnd::Terminator)]);
    let ask = world.op(A, call, gather(0, ""));
    assert_eq!(world.refused(ask).kind, RefusalKind::InvalidParameter);
}

#[test]
fn a_gathering_waits_only_so_long() {
    for (typed, seconds, end) in [
        ("", 5, Some(GatherEnd::FirstTimeout)),
        ("", 4, None),
        ("1", 2, Some(GatherEnd::InterTimeout)),
        ("1", 1, None),
    ] {
        let mut world = World::media();
        let (call, _) = world.connected(A);
        world.run(A, call, gather(4, "#"));
        world.hear(typed);
        world.forget();
        world.pass(Duration::from_secs(seconds));
        let ends: Vec<_> = world.gathered().into_iter().map(|(_, digits, end)| (digits, end)).collect();
        let expected: Vec<_> = end.into_iter().map(|end| (typed.to_owned(), end)).collect();
        assert_eq!(ends, expected, "{typed} {seconds}");
    }
}

/// Rule 58: monitoring and gathering end with the conversation.
#[test]
fn a_gathering_ends_with_its_call() {
    let mut world = World::media();
    let (call, key) = world.connected(A);
    world.run(A, call, gather(4, "#"));
    world.hear("9");
    world.forget();
    world.state(key, CallState::Disconnected { cause: Cause::NormalClearing });
    world.hear("8");
    assert_eq!(world.gathered(), [(A, "9".to_owned(), GatherEnd::CallEnded)]);
    assert_eq!(world.switch.deadline_reason(), None);
}

/// Rule 61: a gathering and a monitor run together; digits go to all once somebody monitors.
#[test]
fn a_gathering_and_a_monitor_run_together() {
    let mut world = World::media();
    world.open(B, Interest::MONITOR);
    let (call, _) = world.connected(A);
    world.run(A, call, gather(1, ""));
    world.forget();
    world.hear("1");
    let events = world.events();
    assert!(!events.iter().any(|(_, event)| matches!(event, AppEvent::Digit { .. })), "nobody monitors");
    world.run(A, call, CallAsk::MonitorDigits { modes: vec![DigitMode::Event] });
    world.run(A, call, gather(1, ""));
    world.forget();
    world.hear("2");
    let events = world.events();
    let heard = AppEvent::Digit { call, digit: digits("2")[0], mode: DigitMode::Event };
    assert_eq!(events[0], (vec![A, B], heard));
    assert!(matches!(&events[1].1, AppEvent::Gathered { .. }));
}

/// The provider is asked for the union of all wishes, and for less when one goes.
#[test]
fn the_union_of_wishes_goes_to_the_provider() {
    let mut world = World::media();
    let (call, _) = world.connected(A);
    world.run(A, call, CallAsk::MonitorDigits { modes: vec![DigitMode::Event] });
    world.forget();
    world.run(A, call, gather(2, ""));
    let asked = |world: &World| match world.last_msp() {
        MspCommand::MonitorDigits { modes, .. } => modes,
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(&world), [DigitMode::Event, DigitMode::Tone]);
    world.hear("12");
    assert_eq!(asked(&world), [DigitMode::Event]);
    world.run(A, call, CallAsk::MonitorDigits { modes: Vec::new() });
    assert_eq!(asked(&world), []);
}

#[test]
fn a_refused_monitor_fails_the_gathering() {
    let mut world = World::media();
    let (call, _) = world.connected(A);
    let ask = world.op(A, call, gather(2, ""));
    assert_eq!(world.answer(ask), None);
    world.msp_refuse(world.msp_request(), Refusal::new(RefusalKind::OperationFailed, "no detector is free"));
    assert_eq!(world.refused(ask).detail, "no detector is free");
    world.forget();
    world.hear("12");
    assert!(world.events().is_empty());
}

#[test]
fn the_digits_of_an_application_that_leaves_are_given_up() {
    let mut world = World::media();
    world.open(B, Interest::MONITOR);
    let (call, key) = world.connected(A);
    world.run(A, call, gather(2, ""));
    world.input(Input::AppDown { app: A });
    assert!(matches!(world.last_msp(), MspCommand::MonitorDigits { modes, .. } if modes.is_empty()));
    world.forget();
    world.hear("12");
    assert!(world.gathered().is_empty());
    world.end(key);
}

/// Beside a session, digits in signalling are told unasked; where the line has none, the session judges the wish.
#[test]
fn digits_in_signalling_are_heard_beside_a_session() {
    let both = vec![DigitMode::Event, DigitMode::Signalling];
    for signals in [true, false] {
        let mut line = caps(control_ops(), true);
        line.digit_modes = if signals { vec![DigitMode::Signalling] } else { Vec::new() };
        let mut world = World::with(Config::default(), line);
        world.msp_up();
        let (call, key) = world.connected(A);
        world.run(A, call, CallAsk::MonitorDigits { modes: both.clone() });
        let MspCommand::MonitorDigits { modes, .. } = world.last_msp() else { panic!() };
        assert_eq!(modes, if signals { vec![DigitMode::Event] } else { both.clone() });
        world.forget();
        let (digit, mode) = (digits("7")[0], DigitMode::Signalling);
        world.tsp(TspEvent::Digit { call: key, digit, mode });
        assert_eq!(world.events(), [(vec![A], AppEvent::Digit { call, digit, mode })]);
        // Nothing is left to ask the session for.
        let ask = world.op(A, call, CallAsk::MonitorDigits { modes: vec![mode] });
        let MspCommand::MonitorDigits { modes, .. } = world.last_msp() else { panic!() };
        assert_eq!(modes, if signals { Vec::new() } else { vec![mode] });
        world.msp_done(world.msp_request());
        world.ok(ask);
    }
}

/// Where the TSP declares digits itself, it is asked, not the session.
#[test]
fn a_tsp_that_declares_digits_is_asked_first() {
    let ops = control_ops().with(Op::GenerateDigits).with(Op::MonitorDigits);
    let mut world = World::with(Config::default(), caps(ops, true));
    world.msp_up();
    let (call, key) = world.connected(A);
    let ask = world.op(A, call, CallAsk::GenerateDigits { digits: digits("1"), mode: None, duration: None });
    let (request, _, op, _) = world.last_call();
    assert!(matches!(op, CallOp::GenerateDigits { .. }));
    world.done(request);
    world.ok(ask);
    world.forget();
    world.tsp(TspEvent::Generated { call: key, end: GenerationEnd::Done });
    assert_eq!(world.events(), [(vec![A], AppEvent::Generated { call, end: GenerationEnd::Done })]);
    let ask = world.op(A, call, gather(1, ""));
    let (request, _, op, _) = world.last_call();
    assert_eq!(op, CallOp::MonitorDigits { modes: vec![DigitMode::Event] });
    world.done(request);
    world.ok(ask);
    world.forget();
    world.tsp(TspEvent::Digit { call: key, digit: digits("7")[0], mode: DigitMode::Event });
    assert_eq!(world.gathered(), [(A, "7".to_owned(), GatherEnd::BufferFull)]);
}

/// A line that gathers but does not report single digits gathers itself.
#[test]
fn a_provider_may_gather_itself() {
    let mut world = World::with(Config::default(), caps(control_ops().with(Op::GatherDigits), false));
    let (call, key) = world.connected(A);
    let ask = world.op(A, call, gather(3, "#"));
    let (request, _, op, _) = world.last_call();
    assert!(matches!(op, CallOp::GatherDigits { gather: Some(_) }));
    world.done(request);
    world.ok(ask);
    world.forget();
    world.tsp(TspEvent::Gathered { call: key, digits: digits("123"), end: GatherEnd::BufferFull });
    assert_eq!(world.gathered(), [(A, "123".to_owned(), GatherEnd::BufferFull)]);
    world.tsp(TspEvent::Gathered { call: key, digits: digits("1"), end: GatherEnd::BufferFull });
    assert_eq!(world.violations().len(), 1);
}

#[test]
fn a_consultation_call_has_a_session_of_its_own() {
    let mut world = World::media();
    let (call, _) = world.connected(A);
    let ask = world.op(A, call, CallAsk::SetupTransfer { to: None, params: Box::default() });
    assert_eq!(world.last_call().3, Some(SessionKey(2)));
    world.msp_refuse(world.msp_request(), Refusal::new(RefusalKind::Busy, "no port is free"));
    assert_eq!(world.refused(ask).detail, "no port is free");
    let line: LineId = world.line();
    assert_eq!(line.to_string(), "line:1.1");
}
