// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conferences of SIP calls that this side mixes: everybody hears everybody, through real sockets.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "peers say what they measured; what cannot be set up has failed"
)]

mod peers;

use std::time::Duration;

use offhook::{Call, CallState, Cause, StreamKey, Tone};
use peers::baresip::{Baresip, Setup};
use peers::ours::{Phone, assert_same_tone, reaches, tone_file};
use peers::{PATIENCE, folder};
use tokio::time::timeout;

fn tone(hertz: f32) -> Tone {
    Tone { frequencies: vec![hertz], duration: Duration::from_millis(40), level: -10.0 }
}

/// One plays a tone, and each of the others hears it.
async fn all_hear(what: &str, from: &Call, others: &[&Call]) {
    let mut ears = Vec::new();
    for other in others {
        ears.push(other.detect_tones(vec![tone(900.0)]).await.unwrap());
    }
    let sounding = from.tone(tone(900.0)).await.unwrap();
    for ear in &mut ears {
        let heard = ear.heard(PATIENCE).await;
        assert_eq!(heard.unwrap_or_else(|error| panic!("{what}: {error}")), 0);
    }
    sounding.remove().await.unwrap();
    for ear in ears {
        ear.remove().await.unwrap();
    }
}

/// A call, the consultation about it, and the conference of both with us.
async fn together(phone: &Phone, call: &Call, third: String) -> (Call, Call) {
    let consultation = call.consult_with(third).await.unwrap();
    timeout(PATIENCE, consultation.connected()).await.expect("they answer").unwrap();
    let conference = call.complete_as_conference(&consultation).await.unwrap();
    reaches(&conference, CallState::CONNECTED).await;
    for member in [call, &consultation] {
        let seated = member.reaches(|state| matches!(state, CallState::Conferenced { .. }));
        timeout(PATIENCE, seated).await.expect("they take part").unwrap();
    }
    assert_eq!(phone.server.violations(), 0);
    (consultation, conference)
}

#[tokio::test(flavor = "multi_thread")]
async fn real_loopback_three_hear_each_other_and_the_last_two_go_on() {
    let (phone, bob, carol) = (Phone::direct().await, Phone::direct().await, Phone::direct().await);
    let (call, at_bob) = tokio::join!(phone.connect(bob.address()), bob.answer());
    let joined = together(&phone, &call, carol.address());
    let ((consultation, conference), at_carol) = tokio::join!(joined, carol.answer());
    all_hear("bob", &at_bob, &[&at_carol, &conference]).await;
    all_hear("carol", &at_carol, &[&at_bob, &conference]).await;
    all_hear("we", &conference, &[&at_bob, &at_carol]).await;
    // Somebody is added, while the others talk on without us.
    let dave = Phone::direct().await;
    let (added, at_dave) = tokio::join!(conference.prepare_add_of(dave.address()), dave.answer());
    let added = added.unwrap();
    timeout(PATIENCE, added.connected()).await.unwrap().unwrap();
    all_hear("carol, while we are away", &at_carol, &[&at_bob]).await;
    conference.add(&added).await.unwrap();
    reaches(&conference, CallState::CONNECTED).await;
    all_hear("dave", &at_dave, &[&at_bob, &at_carol, &conference]).await;
    // One after the other goes.
    at_dave.hang_up().await.unwrap();
    timeout(PATIENCE, added.ended()).await.unwrap();
    all_hear("bob, without dave", &at_bob, &[&at_carol, &conference]).await;
    consultation.leave_conference().await.unwrap();
    assert_eq!(timeout(PATIENCE, at_carol.ended()).await.unwrap(), Cause::NormalClearing);
    timeout(PATIENCE, conference.ended()).await.unwrap();
    reaches(&call, CallState::CONNECTED).await;
    all_hear("bob, alone with us", &at_bob, &[&call]).await;
    call.hang_up().await.unwrap();
    timeout(PATIENCE, at_bob.ended()).await.unwrap();
    for phone in [phone, bob, carol, dave] {
        phone.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_hears_another_one_through_our_conference() {
    let source = tone_file(440.0, -12.0, Duration::from_secs(30));
    let other_source = tone_file(700.0, -14.0, Duration::from_secs(30));
    let setup = |source| Setup { source: Some(source), ..Setup::default() };
    let Some(one) = Baresip::start(&setup(&source)) else { return };
    let Some(other) = Baresip::start(&setup(&other_source)) else { return };
    let phone = Phone::direct().await;
    let call = phone.connect(one.address("udp")).await;
    let (_consultation, conference) = together(&phone, &call, other.address("udp")).await;
    let mut ears = conference.detect_tones(vec![tone(440.0), tone(700.0)]).await.unwrap();
    ears.heard(PATIENCE).await.expect("we hear one of them");
    // So long that more than a second of it is in the recording of the consulted one; that of the other begins anew
    // with each description.
    let recorded = folder("three").join("all.wav");
    let recording = conference.record(&recorded).await.unwrap();
    timeout(PATIENCE, async {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while call.statistics().await.unwrap().streams[&StreamKey::AudioOut].packets < 150 {
            tick.tick().await;
        }
    })
    .await
    .expect("packets go out");
    let stored = recording.stop().await.unwrap();
    assert!(stored.duration > Duration::from_secs(1), "{stored:?}");
    conference.hang_up().await.unwrap();
    timeout(PATIENCE, call.ended()).await.unwrap();
    for peer in [&one, &other] {
        peer.event("CALL_CLOSED");
    }
    assert_same_tone("through the conference", &one.sent(), &other.heard(), Duration::from_secs(1));
    phone.end().await;
}
