// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the exchange hears, what digits steer, what telephone sets show, and how calls are completed.

use std::time::Duration;

use crate::bench::{ALICE, BOB, Bench, CAROL, SECOND, key, outcome};
use offhook_sim::digits;
use offhook_spi::{
    CallOp, Cause, CompletionMode, GenerationEnd, MediaAction, MediaKind, MediaRule, MediaSet, Outcome,
    PhoneChange, RefusalKind, StateKind, Tone, TspEvent,
};

fn tone(hertz: f32, duration: Duration) -> Tone {
    Tone { frequencies: vec![hertz], duration, level: -10.0 }
}

fn sound(bench: &mut Bench, hertz: f32, duration: Duration) {
    let op = CallOp::GenerateTone { tone: Some(tone(hertz, duration)) };
    bench.ask(ALICE, key(1), op).unwrap();
    bench.run_for(2 * duration);
}

#[test]
fn a_tone_is_told_once_it_has_sounded_long_enough() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    let tones = vec![tone(440.0, Duration::ZERO), tone(1_000.0, SECOND)];
    bench.ask(BOB, bob, CallOp::MonitorTones { tones }).unwrap();
    let told = |bench: &Bench, tone| bench.events.contains(&TspEvent::ToneHeard { call: bob, tone });
    for (hertz, duration, heard) in [
        (1_000.0, SECOND / 2, None),
        (1_000.0, 2 * SECOND, Some(1)),
        (440.0, SECOND / 10, Some(0)),
        (600.0, 2 * SECOND, None),
    ] {
        sound(&mut bench, hertz, duration);
        for place in [0, 1] {
            assert_eq!(told(&bench, place), heard == Some(place), "{hertz} Hz for {duration:?}");
        }
        assert!(bench.events.contains(&TspEvent::Generated { call: key(1), end: GenerationEnd::Done }));
    }
    bench.ask(BOB, bob, CallOp::MonitorTones { tones: Vec::new() }).unwrap();
    sound(&mut bench, 440.0, SECOND);
    assert!(!told(&bench, 0), "nobody listens any more");
    bench.drop_call(ALICE, key(1));
    bench.assert_clean();
}

#[test]
fn a_medium_is_told_when_it_changes_and_is_wanted() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    let wanted = MediaSet::EMPTY.with(MediaKind::Fax).with(MediaKind::Data);
    bench.ask(BOB, bob, CallOp::MonitorMedia { media: wanted }).unwrap();
    for (hertz, told) in [
        (1_100.0, Some(MediaKind::Fax)),
        (2_100.0, None),
        (2_225.0, Some(MediaKind::Data)),
        (440.0, None),
        (1_800.0, None),
        (2_100.0, Some(MediaKind::Fax)),
    ] {
        sound(&mut bench, hertz, SECOND);
        let heard = bench.events.iter().find_map(|event| match event {
            TspEvent::MediaHeard { call, media } if *call == bob => media.iter().next(),
            _ => None,
        });
        assert_eq!(heard, told, "{hertz} Hz");
    }
    bench.drop_call(ALICE, key(1));
    bench.assert_clean();
}

#[test]
fn digits_of_the_far_end_steer_what_plays() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    let rule = |digit: &str, action| MediaRule { digit: digits(digit)[0], action };
    let rules =
        vec![rule("1", MediaAction::Pause), rule("2", MediaAction::Resume), rule("3", MediaAction::Stop)];
    bench.ask(BOB, bob, CallOp::SetMediaControl { rules }).unwrap();
    let louder = vec![rule("4", MediaAction::VolumeUp)];
    let refused = bench.ask(BOB, bob, CallOp::SetMediaControl { rules: louder }).unwrap_err();
    assert_eq!(refused.kind, RefusalKind::Unsupported);
    let plays = CallOp::GenerateTone { tone: Some(tone(440.0, 4 * SECOND)) };
    let press = |bench: &mut Bench, digit: &str| {
        let op = CallOp::GenerateDigits { digits: digits(digit), mode: None, duration: None };
        bench.ask(ALICE, key(1), op).unwrap();
        bench.run_for(SECOND);
    };
    let ended = |bench: &Bench| {
        bench.events.iter().find_map(|event| match event {
            TspEvent::Generated { call, end } if *call == bob => Some(*end),
            _ => None,
        })
    };
    bench.ask(BOB, bob, plays.clone()).unwrap();
    press(&mut bench, "1");
    bench.run_for(20 * SECOND);
    assert_eq!(ended(&bench), None, "it stands still");
    press(&mut bench, "2");
    bench.run_for(5 * SECOND);
    assert_eq!(ended(&bench), Some(GenerationEnd::Done));
    bench.ask(BOB, bob, plays).unwrap();
    press(&mut bench, "3");
    assert_eq!(ended(&bench), Some(GenerationEnd::Cancelled));
    bench.drop_call(ALICE, key(1));
    bench.assert_clean();
}

#[test]
fn a_telephone_set_shows_the_call_that_is_routed_to_it() {
    let mut bench = Bench::with(|config| config.phones = vec!["desk".to_owned()]);
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    let route = |enabled| CallOp::SetTerminal { terminal: "desk".to_owned(), enabled };
    let shown = |bench: &Bench| {
        bench.events.iter().rev().find_map(|event| match event {
            TspEvent::Phone { change: PhoneChange::Display { text }, .. } => Some(text.trim().to_owned()),
            _ => None,
        })
    };
    bench.ask(BOB, bob, route(true)).unwrap();
    assert_eq!(shown(&bench).as_deref(), Some("sim:alice connected"));
    bench.ask(BOB, bob, CallOp::Hold).unwrap();
    assert_eq!(shown(&bench).as_deref(), Some("sim:alice on hold"));
    bench.ask(BOB, bob, route(false)).unwrap();
    assert_eq!(shown(&bench).as_deref(), Some(""));
    bench.ask(BOB, bob, route(true)).unwrap();
    bench.drop_call(BOB, bob);
    assert_eq!(shown(&bench).as_deref(), Some(""), "nothing is left of it");
    let unknown = CallOp::SetTerminal { terminal: "door".to_owned(), enabled: true };
    bench.make(ALICE, key(2), "bob");
    let refused = bench.ask(ALICE, key(2), unknown).unwrap_err();
    assert!(refused.detail.contains("'door'") && refused.detail.contains("desk"), "{refused}");
    bench.drop_call(ALICE, key(2));
    bench.assert_clean();
}

#[test]
fn who_camps_on_is_connected_once_the_party_is_free() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.make(CAROL, key(2), "bob");
    let waiting = bench.offered(BOB);
    bench.ask(CAROL, key(2), CallOp::CompleteCall { mode: CompletionMode::CampOn }).unwrap();
    let Outcome::Completion { id } = outcome(&bench) else { panic!("no completion") };
    bench.run_for(60 * SECOND);
    assert_eq!(bench.state(waiting), StateKind::Offering, "bob talks");
    bench.drop_call(BOB, bob);
    bench.run_for(3 * SECOND);
    assert_eq!((bench.state(key(2)), bench.state(waiting)), (StateKind::Connected, StateKind::Connected));
    assert!(bench.events.contains(&TspEvent::CompletionGone { line: CAROL, id }));
    bench.drop_call(CAROL, key(2));
    bench.assert_clean();
}

#[test]
fn who_intrudes_talks_at_once_unless_the_call_is_secure() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.make(CAROL, key(2), "bob");
    let waiting = bench.offered(BOB);
    let intrude = CallOp::CompleteCall { mode: CompletionMode::Intrude };
    bench.ask(ALICE, key(1), CallOp::Secure).unwrap();
    let refused = bench.ask(CAROL, key(2), intrude.clone()).unwrap_err();
    assert_eq!(refused.cause, Some(Cause::CallRejected));
    bench.drop_call(ALICE, key(1));
    assert_eq!(bench.state(bob), StateKind::Idle);
    let refused = bench.ask(CAROL, key(2), intrude.clone()).unwrap_err();
    assert_eq!(refused.kind, RefusalKind::InvalidState, "bob talks to nobody");
    // A second conversation, which is not secure.
    bench.make(ALICE, key(3), "bob");
    let bob = bench.offered(BOB);
    bench.ask(BOB, bob, CallOp::Answer).unwrap();
    bench.ask(CAROL, key(2), intrude).unwrap();
    assert_eq!((bench.state(key(2)), bench.state(waiting)), (StateKind::Connected, StateKind::Connected));
    assert_eq!(bench.state(bob), StateKind::OnHold);
    bench.drop_call(CAROL, key(2));
    bench.ask(BOB, bob, CallOp::Unhold).unwrap();
    assert_eq!(bench.state(bob), StateKind::Connected);
    bench.drop_call(ALICE, key(3));
    bench.assert_clean();
}
