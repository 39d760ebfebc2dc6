// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two calls of one server talk over loopback RTP: tones, files, recordings, digits, frames.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod wire;

use std::path::PathBuf;
use std::time::Duration;

use offhook::{Call, Cause, Interest, Offhook, RtpConfig, SampleRate, StreamKey, Tone};
use tokio::time::timeout;

use wire::Wire;

const PATIENCE: Duration = Duration::from_secs(10);

struct Pair {
    phone: Offhook,
    alice: Call,
    bob: Call,
}

async fn connected() -> Pair {
    let phone = Offhook::builder().tsp(Wire).rtp(RtpConfig::default()).start().await.unwrap();
    let alice = phone.app("alice").await.unwrap().line("alice").await.unwrap();
    let bob = phone.app("bob").await.unwrap().line("bob").await.unwrap();
    bob.open(Interest::OWN_AUDIO).await.unwrap();
    let alice = alice.call("bob").await.unwrap();
    let bob = timeout(PATIENCE, bob.incoming()).await.unwrap().unwrap();
    bob.answer().await.unwrap();
    let both = async { tokio::try_join!(alice.connected(), bob.connected()) };
    timeout(PATIENCE, both).await.unwrap().unwrap();
    Pair { phone, alice, bob }
}

fn tone(hertz: f32, millis: u64) -> Tone {
    Tone { frequencies: vec![hertz], duration: Duration::from_millis(millis), level: -10.0 }
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("offhook-{}-{name}", std::process::id()))
}

#[tokio::test]
async fn a_tone_is_echoed_recorded_and_played_again() {
    let Pair { phone, alice, bob } = connected().await;
    bob.echo().await.unwrap();
    let mut ears = alice.detect_tones(vec![tone(1_000.0, 40)]).await.unwrap();
    let recording = alice.record(file("echo.wav")).await.unwrap();
    let sounding = alice.tone(tone(1_000.0, 0)).await.unwrap();
    assert_eq!(ears.heard(PATIENCE).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(600)).await;
    sounding.remove().await.unwrap();
    let stored = recording.stop().await.unwrap();
    assert!(stored.duration >= Duration::from_millis(500), "{stored:?}");
    let mut ears = alice.detect_tones(vec![tone(1_000.0, 40)]).await.unwrap();
    let playback = alice.play(&stored.path).await.unwrap();
    assert_eq!(ears.heard(PATIENCE).await.unwrap(), 0);
    timeout(PATIENCE, playback.finished()).await.unwrap().unwrap();
    let statistics = alice.statistics().await.unwrap();
    assert!(statistics.streams[&StreamKey::AudioIn].packets > 20, "{statistics:?}");
    alice.hang_up().await.unwrap();
    assert_eq!(timeout(PATIENCE, bob.ended()).await.unwrap(), Cause::NormalClearing);
    phone.shutdown().await;
    std::fs::remove_file(&stored.path).unwrap();
    assert_eq!(phone.violations(), 0);
}

#[tokio::test]
async fn digits_travel_both_ways() {
    let Pair { alice, bob, .. } = connected().await;
    for (from, to) in [(&alice, &bob), (&bob, &alice)] {
        let (digit, sent) = tokio::join!(to.digit(PATIENCE), from.send_digits("7"));
        sent.unwrap();
        assert_eq!(digit.unwrap().as_char(), '7');
    }
}

#[tokio::test]
async fn a_program_hears_and_speaks_frame_by_frame() {
    let Pair { alice, bob, .. } = connected().await;
    let mut audio = alice.audio(SampleRate::HZ_16000).await.unwrap();
    bob.tone(tone(440.0, 0)).await.unwrap();
    let mut ears = bob.detect_tones(vec![tone(880.0, 40)]).await.unwrap();
    let speak = async {
        let turn = std::f32::consts::TAU * 880.0 / 16_000.0;
        let mut phase = 0.0_f32;
        loop {
            let frame = [0; 320].map(|_: i16| {
                phase = (phase + turn) % std::f32::consts::TAU;
                (phase.sin() * 8_000.0) as i16
            });
            if !audio.to_call.write_whole(&frame).await {
                break;
            }
        }
    };
    let hear = async {
        let mut frame = [0; 320];
        while audio.from_call.read_whole(&mut frame).await == frame.len() {
            if frame.iter().any(|sample| *sample > 1_000) {
                break;
            }
        }
    };
    let heard = async { tokio::join!(ears.heard(PATIENCE), hear).0 };
    tokio::select! {
        heard = heard => assert_eq!(heard.unwrap(), 0),
        () = speak => panic!("the call ended"),
        () = tokio::time::sleep(PATIENCE) => panic!("nothing was heard"),
    }
    alice.hang_up().await.unwrap();
    let mut frame = [0; 320];
    while timeout(PATIENCE, audio.from_call.read_whole(&mut frame)).await.unwrap() == frame.len() {}
    assert!(audio.to_call.is_closed());
}
