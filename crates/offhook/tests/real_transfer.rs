// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transfers over the wire: by us and of us, with baresip, and between three servers of ours.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "peers say what they measured; what cannot be set up has failed"
)]

mod peers;

use offhook::{Call, CallState, Cause, LineConfig, RtpConfig, SipConfig};
use offhook_rtp::Symmetric;
use offhook_sip::Transferred;
use peers::PATIENCE;
use peers::baresip::{Answering, Baresip, Setup};
use peers::ours::{Phone, reaches, rtp};
use tokio::time::timeout;

/// A telephone that lets itself be transferred.
async fn follower() -> Phone {
    let line = LineConfig { transferred: Transferred::Follow, ..LineConfig::direct("ours") };
    strict(SipConfig::default().with_line(line)).await
}

/// A telephone that hears whoever its description names and nobody else: all ends of these tests share one
/// address, and the last packets of an old party must not pass for those of the new one.
async fn strict(sip: SipConfig) -> Phone {
    Phone::start_with(sip, RtpConfig { symmetric: Symmetric::Off, ..rtp() }).await
}

/// Waits until a call hears sound of the far end.
async fn hears(call: &Call) {
    let heard = async {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
        loop {
            tick.tick().await;
            let streams = call.statistics().await.unwrap().streams;
            if streams.get(&offhook::StreamKey::AudioIn).is_some_and(|stream| stream.packets > 25) {
                return;
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("sound comes in");
}

async fn over(call: &Call) -> Cause {
    timeout(PATIENCE, call.ended()).await.expect("the call ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_is_transferred_by_us_to_a_third_party() {
    let Some(peer) = Baresip::start(&Setup::default()) else { return };
    let (phone, third) = (Phone::direct().await, Phone::direct().await);
    let call = phone.connect(peer.address("udp")).await;
    let (outcome, arrived) = tokio::join!(call.transfer(third.address()), third.answer());
    outcome.unwrap();
    assert_eq!(over(&call).await, Cause::NormalClearing);
    hears(&arrived).await;
    arrived.hang_up().await.unwrap();
    over(&arrived).await;
    phone.end().await;
    third.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_that_is_transferred_to_a_busy_party_stays_with_us() {
    let Some(mut peer) = Baresip::start(&Setup::default()) else { return };
    let (phone, third) = (Phone::direct().await, Phone::direct().await);
    let call = phone.connect(peer.address("udp")).await;
    let refuse = async { third.incoming().await.reject(Cause::UserBusy).await.unwrap() };
    let (outcome, ()) = tokio::join!(call.transfer(third.address()), refuse);
    assert_eq!(outcome.unwrap_err().cause(), Some(Cause::UserBusy));
    assert_eq!(call.state(), CallState::CONNECTED);
    peer.command("hangup", "");
    over(&call).await;
    phone.end().await;
    third.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_transfers_us_to_a_third_party() {
    let Some(mut peer) = Baresip::start(&Setup::default()) else { return };
    let (phone, third) = (follower().await, Phone::direct().await);
    let call = phone.connect(peer.address("udp")).await;
    peer.event("CALL_ESTABLISHED");
    peer.command("transfer", &third.address());
    let arrived = third.answer().await;
    peer.event("CALL_CLOSED");
    hears(&arrived).await;
    assert_eq!(call.state(), CallState::CONNECTED, "the application still has the same call");
    arrived.hang_up().await.unwrap();
    assert_eq!(over(&call).await, Cause::NormalClearing);
    phone.end().await;
    third.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_cannot_send_us_anywhere_when_the_line_does_not_follow() {
    let Some(mut peer) = Baresip::start(&Setup::default()) else { return };
    let (phone, third) = (Phone::direct().await, Phone::direct().await);
    let call = phone.connect(peer.address("udp")).await;
    peer.event("CALL_ESTABLISHED");
    peer.command("transfer", &third.address());
    assert!(peer.event("TRANSFER_FAILED").starts_with("603"));
    // It hangs up then; that is its way.
    assert_eq!(over(&call).await, Cause::NormalClearing);
    phone.end().await;
    third.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_baresip_is_called_about_another_call_and_then_retrieved_and_dropped() {
    let manual = Setup { answering: Answering::Manual, ..Setup::default() };
    let (Some(mut held), Some(mut asked)) = (Baresip::start(&Setup::default()), Baresip::start(&manual))
    else {
        return;
    };
    let phone = Phone::direct().await;
    let call = phone.connect(held.address("udp")).await;
    held.event("CALL_ESTABLISHED");
    let consultation = call.consult_with(asked.address("udp")).await.unwrap();
    reaches(&call, CallState::OnHoldPendingTransfer).await;
    assert_eq!(held.event("CALL_REMOTE_SDP"), "offer");
    asked.event("CALL_INCOMING");
    asked.command("accept", "");
    reaches(&consultation, CallState::CONNECTED).await;
    call.unhold().await.unwrap();
    reaches(&call, CallState::CONNECTED).await;
    over(&consultation).await;
    asked.event("CALL_CLOSED");
    held.command("hangup", "");
    over(&call).await;
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_loopback_a_consulted_party_takes_over_the_held_call() {
    let asked = strict(SipConfig::direct("ours")).await;
    let (held, phone) = (follower().await, Phone::direct().await);
    let (call, at_held) = tokio::join!(phone.connect(held.address()), held.answer());
    let consult = async {
        let consultation = call.consult_with(asked.address()).await.unwrap();
        reaches(&consultation, CallState::CONNECTED).await;
        consultation
    };
    let (consultation, at_asked) = tokio::join!(consult, asked.answer());
    reaches(&call, CallState::OnHoldPendingTransfer).await;
    call.complete_transfer(&consultation).await.unwrap();
    over(&call).await;
    over(&consultation).await;
    reaches(&at_held, CallState::CONNECTED).await;
    reaches(&at_asked, CallState::CONNECTED).await;
    for (from, to) in [(&at_asked, &at_held), (&at_held, &at_asked)] {
        let (digit, sent) = tokio::join!(to.digit(PATIENCE), from.send_digits("7"));
        sent.unwrap();
        assert_eq!(digit.unwrap().as_char(), '7', "sound goes both ways");
    }
    at_asked.hang_up().await.unwrap();
    assert_eq!(over(&at_held).await, Cause::NormalClearing);
    for phone in [held, phone, asked] {
        phone.end().await;
    }
}
