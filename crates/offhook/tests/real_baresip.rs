// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls with baresip, a SIP telephone that others wrote, over loopback sockets.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]
#![expect(clippy::print_stdout, reason = "measured values are worth reading")]

mod peers;

use std::time::{Duration, Instant};

use offhook::spi::ConnectedMode;
use offhook::{Call, CallState, Cause, LineConfig, RtpConfig, SipConfig, Srtp};
use peers::PATIENCE;
use peers::baresip::{Answering, Baresip, Setup};
use peers::ours::{Phone, assert_same_tone, certificate, reaches, tone_file};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// One call at a time, so that no other spoils the sound.
static ALONE: Mutex<()> = Mutex::const_new(());

const MANUAL: Setup<'static> = Setup {
    answering: Answering::Manual,
    account: "<sip:peer@127.0.0.1>;regint=0",
    source: None,
    certificate: None,
    codecs: "PCMU/8000/1,PCMA/8000/1",
};

const HELD: CallState = CallState::Connected { mode: ConnectedMode::ActiveHeld };

/// A tone each way at once for three seconds, judged where it was heard; then digits each way, and both
/// hang up: ends both ends.
async fn sound_and_digits(what: &str, phone: Phone, call: Call, mut peer: Baresip) {
    let ours = tone_file(620.0, -14.0, Duration::from_secs(3));
    let recorded = peers::folder("recorded").join("heard.wav");
    let recording = call.record(&recorded).await.unwrap();
    call.play(&ours).await.unwrap().finished().await.unwrap();
    recording.stop().await.unwrap();
    let digit = call.digit(PATIENCE);
    let (digit, ()) = tokio::join!(digit, async { peer.command("sndcode", "5") });
    assert_eq!(digit.unwrap().as_char(), '5');
    for key in ["7", "#"] {
        call.send_digits(key).await.unwrap();
        assert_eq!(peer.event("CALL_DTMF_START"), key);
    }
    call.hang_up().await.unwrap();
    peer.event("CALL_CLOSED");
    assert_eq!(timeout(PATIENCE, call.ended()).await.unwrap(), Cause::NormalClearing);
    let (sent, heard) = (peer.sent(), peer.heard());
    peer.quit();
    phone.end().await;
    let least = Duration::from_millis(2_800);
    assert_same_tone(&format!("{what}, baresip to us"), &sent, &recorded, least);
    assert_same_tone(&format!("{what}, us to baresip"), &ours, &heard, least);
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_is_called_and_both_hear_tones_and_digits() {
    let _alone = ALONE.lock().await;
    let source = tone_file(440.0, -12.0, Duration::from_secs(30));
    let Some(peer) = Baresip::start(&Setup { source: Some(&source), ..Setup::default() }) else { return };
    let phone = Phone::direct().await;
    let call = phone.connect(peer.address("udp")).await;
    sound_and_digits("called over UDP", phone, call, peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_calls_us_and_both_hear_tones_and_digits() {
    let _alone = ALONE.lock().await;
    let source = tone_file(440.0, -12.0, Duration::from_secs(30));
    let setup = Setup { source: Some(&source), codecs: "PCMA/8000/1,PCMU/8000/1", ..Setup::default() };
    let Some(mut peer) = Baresip::start(&setup) else { return };
    let phone = Phone::direct().await;
    peer.command("dial", &phone.address());
    let call = phone.answer().await;
    sound_and_digits("calling over UDP", phone, call, peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_and_we_encrypt_in_both_directions() {
    let _alone = ALONE.lock().await;
    for (srtp, theirs) in [(Srtp::Required, "srtp-mand"), (Srtp::Optional, "srtp")] {
        for called in [true, false] {
            let source = tone_file(440.0, -12.0, Duration::from_secs(30));
            let account = format!("{};mediaenc={theirs}", Setup::default().account);
            let setup = Setup { source: Some(&source), account: &account, ..Setup::default() };
            let Some(mut peer) = Baresip::start(&setup) else { return };
            let rtp = RtpConfig { srtp, ..peers::ours::rtp() };
            let phone = Phone::start_with(SipConfig::direct("ours"), rtp).await;
            let call = if called {
                phone.connect(peer.address("udp")).await
            } else {
                peer.command("dial", &phone.address());
                phone.answer().await
            };
            let what = if called { "called" } else { "calling" };
            sound_and_digits(&format!("{what} with SRTP ({theirs})"), phone, call, peer).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_over_tcp_and_tls_in_both_directions() {
    let _alone = ALONE.lock().await;
    let certificate = certificate();
    for transport in ["tcp", "tls"] {
        for called in [true, false] {
            let source = tone_file(440.0, -12.0, Duration::from_secs(30));
            let setup = Setup { source: Some(&source), certificate: Some(&certificate), ..Setup::default() };
            let Some(mut peer) = Baresip::start(&setup) else { return };
            let phone = Phone::over(transport, &certificate).await;
            let call = if called {
                phone.connect(peer.address(transport)).await
            } else {
                peer.command("dial", &phone.address());
                phone.answer().await
            };
            let what = if called { "called" } else { "calling" };
            sound_and_digits(&format!("{what} over {transport}"), phone, call, peer).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_and_we_hold_and_hang_up() {
    let _alone = ALONE.lock().await;
    let Some(mut peer) = Baresip::start(&Setup::default()) else { return };
    let phone = Phone::direct().await;
    let call = phone.connect(peer.address("udp")).await;
    peer.event("CALL_ESTABLISHED");
    call.hold().await.unwrap();
    reaches(&call, CallState::OnHold).await;
    assert_eq!(peer.event("CALL_REMOTE_SDP"), "offer");
    call.unhold().await.unwrap();
    reaches(&call, CallState::CONNECTED).await;
    assert_eq!(peer.event("CALL_REMOTE_SDP"), "offer");
    peer.command("hold", "");
    reaches(&call, HELD).await;
    peer.command("resume", "");
    reaches(&call, CallState::CONNECTED).await;
    peer.command("hangup", "");
    assert_eq!(timeout(PATIENCE, call.ended()).await.unwrap(), Cause::NormalClearing);
    peer.event("CALL_CLOSED");

    peer.command("dial", &phone.address());
    let call = phone.answer().await;
    peer.event("CALL_ESTABLISHED");
    peer.command("hold", "");
    reaches(&call, HELD).await;
    peer.command("resume", "");
    reaches(&call, CallState::CONNECTED).await;
    call.hang_up().await.unwrap();
    peer.event("CALL_CLOSED");
    assert_eq!(timeout(PATIENCE, call.ended()).await.unwrap(), Cause::NormalClearing);
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_and_we_refuse_calls() {
    let Some(mut peer) = Baresip::start(&MANUAL) else { return };
    let phone = Phone::direct().await;
    let call = phone.line.call(peer.address("udp")).await.unwrap();
    peer.event("CALL_INCOMING");
    reaches(&call, CallState::Ringback).await;
    peer.command("hangup", "");
    let error = timeout(PATIENCE, call.connected()).await.unwrap().unwrap_err();
    assert_eq!(error.cause(), Some(Cause::UserBusy));
    peer.event("CALL_CLOSED");
    for (cause, status) in [(Cause::UserBusy, "486"), (Cause::CallRejected, "603")] {
        peer.command("dial", &phone.address());
        phone.incoming().await.reject(cause).await.unwrap();
        let closed = peer.event("CALL_CLOSED");
        assert!(closed.starts_with(status), "{closed}");
    }
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_and_we_give_up_when_nobody_answers() {
    let Some(mut peer) = Baresip::start(&MANUAL) else { return };
    let phone = Phone::direct().await;
    let call = phone.line.call(peer.address("udp")).await.unwrap();
    peer.event("CALL_INCOMING");
    reaches(&call, CallState::Ringback).await;
    call.hang_up().await.unwrap();
    peer.event("CALL_CLOSED");
    timeout(PATIENCE, call.ended()).await.unwrap();

    peer.command("dial", &phone.address());
    let call = phone.incoming().await;
    peer.event("CALL_RINGING");
    peer.command("hangup", "");
    assert_eq!(timeout(PATIENCE, call.ended()).await.unwrap(), Cause::Cancelled);
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_and_we_know_wrong_numbers() {
    let Some(mut peer) = Baresip::start(&Setup::default()) else { return };
    let phone = Phone::direct().await;
    let nobody = peer.address("udp").replace("peer@", "nobody@");
    let call = phone.line.call(nobody).await.unwrap();
    let error = timeout(PATIENCE, call.connected()).await.unwrap().unwrap_err();
    assert_eq!(error.cause(), Some(Cause::UnallocatedNumber));
    peer.command("dial", &phone.address().replace("ours@", "nobody@"));
    let closed = peer.event("CALL_CLOSED");
    assert!(closed.starts_with("404"), "{closed}");
    phone.end().await;
}

/// A server of ours whose line wants the password `secret`, proved by MD5: baresip 1.0.0 gives up as soon as
/// a challenge names SHA-256 beside it (against RFC 8760 section 2.4).
async fn challenging() -> Phone {
    let mut line = LineConfig::direct("ours");
    line.password = offhook_sip::Secret::new("secret");
    line.challenge = true;
    line.challenge_with = vec![offhook_sip::DigestAlgorithm::Md5];
    Phone::start(SipConfig::default().with_line(line)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_with_the_right_password_reaches_a_line_that_challenges() {
    let _alone = ALONE.lock().await;
    let phone = challenging().await;
    let account = "<sip:ours@127.0.0.1>;regint=0;auth_user=ours;auth_pass=secret";
    let Some(mut peer) = Baresip::start(&Setup { account, ..Setup::default() }) else { return };
    peer.command("dial", &phone.address());
    let call = phone.answer().await;
    peer.event("CALL_ESTABLISHED");
    peer.command("hangup", "");
    assert_eq!(timeout(PATIENCE, call.ended()).await.unwrap(), Cause::NormalClearing);
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_with_the_wrong_password_does_not_reach_a_line_that_challenges() {
    let phone = challenging().await;
    let account = "<sip:ours@127.0.0.1>;regint=0;auth_user=ours;auth_pass=wrong";
    let Some(mut peer) = Baresip::start(&Setup { account, ..Setup::default() }) else { return };
    peer.command("dial", &phone.address());
    let closed = peer.event("CALL_CLOSED");
    assert!(closed.starts_with("401") || closed.starts_with("403"), "{closed}");
    assert!(phone.line.app().calls().await.unwrap().is_empty(), "the call came in");
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_hosts_that_do_not_listen_end_the_call() {
    let phone = Phone::direct().await;
    // Over UDP Linux tells us what ICMP says (RFC 3261 section 18.4); elsewhere only the transaction's end does
    // (section 17.1.1.2, timer B).
    let over_udp = if cfg!(target_os = "linux") { 5 } else { 34 };
    for (transport, limit) in [("tcp", 5), ("udp", over_udp)] {
        let port = peers::free_port(1);
        let began = Instant::now();
        let call = phone.line.call(format!("sip:peer@127.0.0.1:{port};transport={transport}")).await.unwrap();
        let error = timeout(PATIENCE * 2, call.connected()).await.unwrap().unwrap_err();
        println!("unreachable over {transport}: {error} after {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(limit), "{transport}: {:?}", began.elapsed());
    }
    phone.end().await;
}
