// SPDX-License-Identifier: MIT OR Apache-2.0
//! What SIP peers do that no telephone here does on demand: SIPp plays it, and checks what we say.
//!
//! The tests of session timers take as long as the shortest interval that RFC 4028 allows.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "peers say what they measured; what cannot be set up has failed"
)]

mod peers;

use std::time::Duration;

use offhook::{AppEvent, Call, Cause, LineConfig, Prack, SipConfig};
use offhook_spi::{Address, ForwardRule, ForwardWhen};
use peers::PATIENCE;
use peers::ours::Phone;
use peers::sipp::Part;
use tokio::time::timeout;

/// Longer than a session of 90 seconds can last.
const SESSION: Duration = Duration::from_secs(100);

async fn ended(call: &Call, patience: Duration) -> Cause {
    timeout(patience, call.ended()).await.expect("the call ends")
}

fn target(phone: &Phone) -> String {
    phone.address().replace("sip:ours@", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_says_early_and_acknowledged_what_can_be_heard() {
    let Some(peer) = Part::called("prack_called") else { return };
    let phone = Phone::direct().await;
    // The answer itself describes nothing: the early description stands.
    let call = phone.connect(peer.address.clone()).await;
    call.hang_up().await.unwrap();
    peer.finish().await;
    assert_eq!(ended(&call, PATIENCE).await, Cause::NormalClearing);
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_insists_on_acknowledged_ringing() {
    for prack in [Prack::WhenRequired, Prack::Supported, Prack::Required] {
        let sip = SipConfig { prack, ..SipConfig::direct("ours") };
        let phone = Phone::start(sip).await;
        let Some(peer) = Part::calls("prack_calls", &target(&phone)) else { return };
        let call = phone.answer().await;
        call.hang_up().await.unwrap();
        peer.finish().await;
        phone.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_wants_its_session_refreshed_and_we_do() {
    let Some(peer) = Part::called("session_called") else { return };
    let phone = Phone::direct().await;
    let call = phone.connect(peer.address.clone()).await;
    // It hangs up after our refresh, which comes after 45 seconds.
    assert_eq!(ended(&call, SESSION).await, Cause::NormalClearing);
    peer.finish().await;
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_refreshes_once_and_is_given_up_when_it_does_not() {
    let phone = Phone::direct().await;
    let Some(peer) = Part::calls("session_calls", &target(&phone)) else { return };
    let call = phone.answer().await;
    assert_eq!(ended(&call, SESSION).await, Cause::TimerExpired);
    peer.finish().await;
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_wants_a_longer_session() {
    let Some(peer) = Part::called("session_longer") else { return };
    let phone = Phone::direct().await;
    let call = phone.connect(peer.address.clone()).await;
    assert_eq!(ended(&call, PATIENCE).await, Cause::NormalClearing);
    peer.finish().await;
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_has_moved_and_says_where() {
    let Some(peer) = Part::called("moved_called") else { return };
    let phone = Phone::direct().await;
    let mut events = phone.line.app().events();
    let call = phone.line.call(peer.address.clone()).await.unwrap();
    let moved = |event: &AppEvent| match event {
        AppEvent::Redirected { targets, .. } => Some(targets.clone()),
        _ => None,
    };
    let targets = timeout(PATIENCE, events.find(moved)).await.unwrap().unwrap();
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].0, "sip:elsewhere@192.0.2.9");
    assert_eq!(ended(&call, PATIENCE).await, Cause::Redirected);
    peer.finish().await;
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_is_sent_elsewhere() {
    let phone = Phone::start(SipConfig::default().with_line(LineConfig::direct("ours"))).await;
    let Some(peer) = Part::calls("moved_calls", &target(&phone)) else { return };
    let call = phone.incoming().await;
    call.redirect("sip:elsewhere@192.0.2.9").await.unwrap();
    peer.finish().await;
    assert_eq!(ended(&call, PATIENCE).await, Cause::Redirected);
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_sipp_is_forwarded_before_anybody_is_asked() {
    let phone = Phone::direct().await;
    let (when, to) = (ForwardWhen::Always, Some(Address::new("sip:elsewhere@192.0.2.9")));
    phone.line.forward(vec![ForwardRule { when, caller: None, to, after: None }]).await.unwrap();
    let Some(peer) = Part::calls("moved_calls", &target(&phone)) else { return };
    peer.finish().await;
    phone.end().await;
}
