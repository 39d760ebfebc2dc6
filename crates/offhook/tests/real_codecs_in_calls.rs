// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls with baresip in each codec that both have, judged by the tone that was sent.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]
#![expect(clippy::print_stdout, reason = "measured values are worth reading")]

mod peers;

use std::time::Duration;

use offhook::spi::StreamKey;
use offhook::{AudioCodec, RtpConfig, SipConfig};
use peers::PATIENCE;
use peers::baresip::{Baresip, Setup};
use peers::ours::{Phone, assert_same_tone, rtp, tone_file};
use tokio::time::timeout;

/// What we speak, what baresip calls it, and what the stream is called then.
const CODECS: [(AudioCodec, &str, &str); 3] = [
    (AudioCodec::Pcma, "PCMA/8000/1", "PCMA/8000"),
    (AudioCodec::G722, "G722/16000/1", "G722/8000"),
    (AudioCodec::Opus, "opus/48000/2", "opus/48000/2"),
];

/// A tone each way for three seconds, over a call that we make or that comes in.
async fn tones_pass(codec: AudioCodec, theirs: &str, stream: &str, is_called: bool) {
    let source = tone_file(440.0, -12.0, Duration::from_secs(30));
    let setup = Setup { source: Some(&source), codecs: theirs, ..Setup::default() };
    let Some(mut peer) = Baresip::start(&setup) else { return };
    let config = RtpConfig { codecs: vec![codec], ..rtp() };
    let phone = Phone::start_with(SipConfig::direct("ours"), config).await;
    let call = if is_called {
        phone.connect(peer.address("udp")).await
    } else {
        peer.command("dial", &phone.address());
        phone.answer().await
    };
    let ours = tone_file(620.0, -14.0, Duration::from_secs(3));
    let recorded = peers::folder("recorded").join("heard.wav");
    let recording = call.record(&recorded).await.unwrap();
    call.play(&ours).await.unwrap().finished().await.unwrap();
    recording.stop().await.unwrap();
    let figures = call.statistics().await.unwrap();
    for key in [StreamKey::AudioIn, StreamKey::AudioOut] {
        assert_eq!(figures.streams[&key].codec.as_deref(), Some(stream), "{key:?}");
    }
    call.hang_up().await.unwrap();
    timeout(PATIENCE, call.ended()).await.unwrap();
    peer.event("CALL_CLOSED");
    let (sent, heard) = (peer.sent(), peer.heard());
    peer.quit();
    phone.end().await;
    let what = if is_called { "we call" } else { "they call" };
    let least = Duration::from_millis(2_800);
    assert_same_tone(&format!("{stream}, {what}, baresip to us"), &sent, &recorded, least);
    assert_same_tone(&format!("{stream}, {what}, us to baresip"), &ours, &heard, least);
}

#[tokio::test(flavor = "multi_thread")]
async fn real_codecs_carry_tones_both_ways_whoever_calls() {
    for (codec, theirs, stream) in CODECS {
        for is_called in [true, false] {
            tones_pass(codec, theirs, stream, is_called).await;
        }
    }
    println!("{} codecs, both ways", CODECS.len());
}
