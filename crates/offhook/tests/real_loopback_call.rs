// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two servers call each other with SIP and RTP over loopback sockets.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook::spi::DigitMode;
use offhook::{
    AppEvent, Builder, Call, CallAsk, CallState, Cause, Digit, ErrorKind, Interest, Line, LineConfig,
    LineMedia, Offhook, RtpConfig, SampleRate, SipConfig, Told, Tone, trace,
};
use offhook_media::file::{Encoding, SoundSpec, WavWriter};
use offhook_media::level::Level;
use offhook_media::signal;
use offhook_media::tone::Frequency;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

fn server(user: &str) -> Builder {
    Offhook::builder().sip(SipConfig::direct(user)).rtp(RtpConfig::default())
}

struct Bench {
    alice: Offhook,
    from: Line,
    bob: Offhook,
    to: Line,
}

impl Bench {
    async fn new() -> Self {
        Self::with(server("alice")).await
    }

    async fn with(alice: Builder) -> Self {
        let (alice, bob) = (alice.start().await.unwrap(), server("bob").start().await.unwrap());
        let from = alice.app("alice").await.unwrap().line("alice").await.unwrap();
        let to = bob.app("bob").await.unwrap().line("bob").await.unwrap();
        to.open(Interest::OWN_AUDIO).await.unwrap();
        Self { alice, from, bob, to }
    }

    async fn ring(&self) -> (Call, Call) {
        let uri = self.bob.sip_uri("bob").unwrap();
        let (out, incoming) = tokio::join!(self.from.call(uri), timeout(PATIENCE, self.to.incoming()));
        (out.unwrap(), incoming.unwrap().unwrap())
    }

    async fn connected(&self) -> (Call, Call) {
        let (alice, bob) = self.ring().await;
        bob.answer().await.unwrap();
        let both = async { tokio::try_join!(alice.connected(), bob.connected()) };
        timeout(PATIENCE, both).await.unwrap().unwrap();
        (alice, bob)
    }

    async fn end(self) {
        tokio::join!(self.alice.shutdown(), self.bob.shutdown());
        assert_eq!((self.alice.violations(), self.bob.violations()), (0, 0));
    }
}

fn tone(hertz: f32) -> Tone {
    Tone { frequencies: vec![hertz], duration: Duration::from_millis(40), level: -10.0 }
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("offhook-sip-{}-{name}", std::process::id()))
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

#[tokio::test]
async fn a_tone_is_heard_and_recorded_and_digits_arrive() {
    let bench = Bench::new().await;
    let (alice, bob) = bench.connected().await;
    let recorded = file("tone.wav");
    let recording = bob.record(&recorded).await.unwrap();
    let mut ears = bob.detect_tones(vec![tone(1_000.0)]).await.unwrap();
    let sounding = alice.tone(tone(1_000.0)).await.unwrap();
    assert_eq!(ears.heard(PATIENCE).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    sounding.remove().await.unwrap();
    let stored = recording.stop().await.unwrap();
    assert!(stored.duration > Duration::from_millis(400), "{stored:?}");
    assert!(length(&recorded) > 6_000);
    let (digit, sent) = tokio::join!(bob.digit(PATIENCE), alice.send_digits("9"));
    sent.unwrap();
    assert_eq!(digit.unwrap().as_char(), '9');
    bob.play(&recorded).await.unwrap().finished().await.unwrap();
    bob.hang_up().await.unwrap();
    assert_eq!(timeout(PATIENCE, alice.ended()).await.unwrap(), Cause::NormalClearing);
    bench.end().await;
    std::fs::remove_file(recorded).unwrap();
}

#[tokio::test]
async fn who_is_held_hears_the_music_of_the_line_and_nothing_else() {
    let music = file("music.wav");
    let rate = SampleRate::HZ_8000;
    let samples = signal::tone(rate, Frequency::from_hertz(700.0), Level::from_dbov(-12.0), PATIENCE);
    let output = std::fs::File::create(&music).unwrap();
    let mut wav = WavWriter::new(output, SoundSpec::mono(Encoding::PcmS16, rate)).unwrap();
    wav.write(&samples).unwrap();
    wav.finish().unwrap();
    let line = LineConfig { hold_music: Some(music.clone()), ..LineConfig::direct("alice") };
    let alice = Offhook::builder().sip(SipConfig::default().with_line(line)).rtp(RtpConfig::default());
    let bench = Bench::with(alice).await;
    assert!(bench.from.details().await.unwrap().caps.ops.contains(offhook::spi::Op::HoldWithMusic));
    let (alice, bob) = bench.connected().await;
    let mut ears = bob.detect_tones(vec![tone(700.0)]).await.unwrap();
    alice.hold().await.unwrap();
    assert_eq!(ears.heard(PATIENCE).await.unwrap(), 0);
    alice.unhold().await.unwrap();
    let mut ears = bob.detect_tones(vec![tone(1_000.0)]).await.unwrap();
    let _sounding = alice.tone(tone(1_000.0)).await.unwrap();
    assert_eq!(ears.heard(PATIENCE).await.unwrap(), 0, "pure, so the music is over");
    alice.hang_up().await.unwrap();
    timeout(PATIENCE, bob.ended()).await.unwrap();
    bench.end().await;
    std::fs::remove_file(music).unwrap();
}

#[tokio::test]
async fn digits_go_in_signalling_where_there_is_no_media() {
    let silent = |name: &str| {
        let line = LineConfig { media: LineMedia::None, ..LineConfig::direct(name) };
        Offhook::builder().sip(SipConfig::default().with_line(line))
    };
    let (alice, bob) = (silent("alice").start().await.unwrap(), silent("bob").start().await.unwrap());
    let from = alice.app("alice").await.unwrap().line("alice").await.unwrap();
    let to = bob.app("bob").await.unwrap().line("bob").await.unwrap();
    to.open(Interest::OWN_AUDIO).await.unwrap();
    let bench = Bench { alice, from, bob, to };
    let (alice, bob) = bench.connected().await;
    bob.monitor_digits(vec![DigitMode::Signalling]).await.unwrap();
    let mut events = bob.events();
    let digits = "4#".chars().filter_map(Digit::new).collect();
    let mode = Some(DigitMode::Signalling);
    alice.ask(CallAsk::GenerateDigits { digits, mode, duration: None }).await.unwrap();
    let mut heard = String::new();
    while heard.len() < 2 {
        let told = timeout(PATIENCE, events.next()).await.expect("digits come").unwrap();
        if let Told::Event(entry) = told
            && let AppEvent::Digit { digit, mode: DigitMode::Signalling, .. } = &entry.event
        {
            heard.push(digit.as_char());
        }
    }
    assert_eq!(heard, "4#");
    alice.hang_up().await.unwrap();
    timeout(PATIENCE, bob.ended()).await.unwrap();
    bench.end().await;
}

#[tokio::test]
async fn either_side_may_hold() {
    let bench = Bench::new().await;
    let (alice, bob) = bench.connected().await;
    for (holder, held) in [(&alice, &bob), (&bob, &alice)] {
        holder.hold().await.unwrap();
        let on_hold = holder.reaches(|state| *state == CallState::OnHold);
        timeout(PATIENCE, on_hold).await.unwrap().unwrap();
        let noticed =
            held.reaches(|s| matches!(s, CallState::Connected { .. }) && *s != CallState::CONNECTED);
        timeout(PATIENCE, noticed).await.unwrap().unwrap();
        holder.unhold().await.unwrap();
        for call in [holder, held] {
            timeout(PATIENCE, call.reaches(|s| *s == CallState::CONNECTED)).await.unwrap().unwrap();
        }
    }
    alice.hang_up().await.unwrap();
    timeout(PATIENCE, bob.ended()).await.unwrap();
    bench.end().await;
}

#[tokio::test]
async fn a_call_that_is_refused_says_why() {
    let bench = Bench::new().await;
    for (cause, seen) in [(Cause::UserBusy, Cause::UserBusy), (Cause::CallRejected, Cause::CallRejected)] {
        let (alice, bob) = bench.ring().await;
        bob.reject(cause).await.unwrap();
        let error = timeout(PATIENCE, alice.connected()).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.cause()), (ErrorKind::CallEnded, Some(seen)));
    }
    let nobody = bench.from.call(bench.bob.sip_uri("nobody").unwrap()).await.unwrap();
    let error = timeout(PATIENCE, nobody.connected()).await.unwrap().unwrap_err();
    assert_eq!(error.cause(), Some(Cause::UnallocatedNumber));
    bench.end().await;
}

#[tokio::test]
async fn a_caller_who_gives_up_is_gone() {
    let bench = Bench::new().await;
    let (alice, bob) = bench.ring().await;
    drop(alice);
    let cause = timeout(PATIENCE, bob.ended()).await.unwrap();
    assert_eq!(cause, Cause::Cancelled);
    bench.end().await;
}

#[tokio::test]
async fn a_trace_of_a_real_call_replays_bit_for_bit() {
    let path = file("call.trace");
    let bench = Bench::with(server("alice").trace(&path)).await;
    let (alice, bob) = bench.connected().await;
    alice.hold().await.unwrap();
    alice.unhold().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    bob.hang_up().await.unwrap();
    timeout(PATIENCE, alice.ended()).await.unwrap();
    bench.end().await;
    let replayed = trace::replay(&path).unwrap();
    assert_eq!(replayed.differences, []);
    assert!(replayed.outputs > 10, "{replayed:?}");
    let ladder = trace::ladder(&path).unwrap();
    assert!(ladder.contains("make call") && ladder.contains("connected"), "{ladder}");
    std::fs::remove_file(path).unwrap();
}
