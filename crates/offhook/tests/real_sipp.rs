// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIPp as a crowd of callers: many calls a second, and many with sound at once.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]
#![expect(clippy::print_stdout, reason = "measured values are worth reading")]

mod peers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use offhook::{Call, CallState, LineConfig, RtpConfig, SipConfig, StreamKey};
use offhook_sip::LineMedia;
use peers::PATIENCE;
use peers::ours::{Phone, rtp};
use peers::sipp::{Counted, Run};
use tokio::sync::{Barrier, Mutex};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// One crowd at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Runs SIPp beside the test.
async fn crowd(run: Run) -> Option<Counted> {
    tokio::task::spawn_blocking(move || run.run()).await.unwrap()
}

async fn two_thousand_calls(media: LineMedia) {
    let _alone = ALONE.lock().await;
    let mut line = LineConfig::direct("ours");
    line.media = media;
    // Sessions end a little after their calls: ports for more than ten are needed at this pace.
    let rtp = RtpConfig { ports: (19_000, 19_999), ..rtp() };
    let phone = Phone::start_with(SipConfig::default().with_line(line), rtp).await;
    let line = phone.line.clone();
    let answering = tokio::spawn(async move {
        while let Ok(call) = line.incoming().await {
            tokio::spawn(async move {
                call.answer().await.unwrap();
                call.ended().await;
            });
        }
    });
    let run = Run {
        target: phone.address().replace("sip:ours@", ""),
        user: "ours",
        calls: 2_000,
        per_second: 200,
        limit: 2_000,
        hold: 0,
        scenario: None,
        arguments: Vec::new(),
    };
    if let Some(counted) = crowd(run).await {
        let (failed, again) = (counted.failed(), counted.retransmissions());
        println!("{media:?}: {} calls, {failed} failed, {again} retransmissions", counted.successful());
        assert_eq!((counted.successful(), failed, again), (2_000, 0, 0));
    }
    answering.abort();
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_makes_2000_calls_at_200_a_second_without_media() {
    two_thousand_calls(LineMedia::None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_makes_2000_calls_at_200_a_second_with_media() {
    two_thousand_calls(LineMedia::Rtp).await;
}

/// Echoes one call; once all stand, waits until packets went both ways. Gives how many.
async fn echo(call: Call, all: Arc<Barrier>) -> (u64, u64) {
    call.answer().await.unwrap();
    call.connected().await.unwrap();
    call.echo().await.unwrap();
    all.wait().await;
    assert_eq!(call.state(), CallState::CONNECTED, "all stand at once");
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    for _ in 0..20 {
        tick.tick().await;
        let streams = call.statistics().await.unwrap().streams;
        let packets = |key| streams.get(&key).map_or(0, |stream| stream.packets);
        let ways = (packets(StreamKey::AudioIn), packets(StreamKey::AudioOut));
        // Two seconds of sound each way.
        if ways.0 >= 100 && ways.1 >= 100 {
            call.ended().await;
            return ways;
        }
    }
    panic!("{call:?} is one-way: {:?}", call.statistics().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_has_100_echoed_calls_at_once_and_none_is_one_way() {
    let _alone = ALONE.lock().await;
    let rtp = RtpConfig { ports: (18_000, 18_999), ..RtpConfig::default() };
    let phone = Phone::start_with(SipConfig::direct("ours"), rtp).await;
    let line = phone.line.clone();
    let echoing = tokio::spawn(async move {
        let (all, mut calls) = (Arc::new(Barrier::new(CROWD)), JoinSet::new());
        for _ in 0..CROWD {
            calls.spawn(echo(line.incoming().await.unwrap(), Arc::clone(&all)));
        }
        calls.join_all().await
    });
    let run = Run {
        target: phone.address().replace("sip:ours@", ""),
        user: "ours",
        calls: CROWD as u32,
        per_second: 50,
        limit: CROWD as u32,
        hold: 10_000,
        scenario: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/uac_media.xml")),
        arguments: vec!["-mp", "28000"],
    };
    let Some(counted) = crowd(run).await else { return };
    assert_eq!((counted.successful(), counted.failed()), (CROWD as u64, 0), "{counted:?}");
    let ways = timeout(PATIENCE, echoing).await.unwrap().unwrap();
    let least = (ways.iter().map(|way| way.0).min(), ways.iter().map(|way| way.1).min());
    println!(
        "{CROWD} echoed at once, least packets in and out: {least:?}, {} again",
        counted.retransmissions()
    );
    assert_eq!(ways.len(), CROWD);
    phone.end().await;
}

/// Calls with sound at once.
const CROWD: usize = 100;
