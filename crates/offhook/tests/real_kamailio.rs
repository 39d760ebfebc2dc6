// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kamailio as registrar with digest and as Record-Route proxy between us and baresip.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]
#![expect(clippy::print_stdout, reason = "measured values are worth reading")]

mod peers;

use offhook::spi::ConnectedMode;
use offhook::{Call, CallState, Cause, LineConfig, SipConfig};
use peers::PATIENCE;
use peers::baresip::{Baresip, Setup};
use peers::kamailio::{Kamailio, PASSWORD};
use peers::ours::{Phone, reaches};
use tokio::time::timeout;

/// A line of ours with an account there.
async fn registering(kamailio: &Kamailio, password: &str) -> Phone {
    let mut line = LineConfig::account("ours", "127.0.0.1", password);
    line.registrar = Some(format!("sip:{}", kamailio.address()));
    line.proxy = line.registrar.clone();
    Phone::start(SipConfig::default().with_line(line)).await
}

fn telephone(kamailio: &Kamailio) -> Option<Baresip> {
    let account = format!(
        "<sip:peer@127.0.0.1>;outbound=\"sip:{}\";regint=60;auth_user=peer;auth_pass={PASSWORD}",
        kamailio.address()
    );
    let peer = Baresip::start(&Setup { account: &account, ..Setup::default() })?;
    peer.wait_for("[1 binding]");
    Some(peer)
}

async fn hold_and_press_keys(call: &Call, peer: &mut Baresip) {
    peer.event("CALL_ESTABLISHED");
    call.hold().await.unwrap();
    reaches(call, CallState::OnHold).await;
    assert_eq!(peer.event("CALL_REMOTE_SDP"), "offer");
    call.unhold().await.unwrap();
    reaches(call, CallState::CONNECTED).await;
    assert_eq!(peer.event("CALL_REMOTE_SDP"), "offer");
    peer.command("hold", "");
    reaches(call, CallState::Connected { mode: ConnectedMode::ActiveHeld }).await;
    peer.command("resume", "");
    reaches(call, CallState::CONNECTED).await;
    let (digit, ()) = tokio::join!(call.digit(PATIENCE), async { peer.command("sndcode", "5") });
    assert_eq!(digit.unwrap().as_char(), '5');
    call.send_digits("7").await.unwrap();
    assert_eq!(peer.event("CALL_DTMF_START"), "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_kamailio_registers_us_and_carries_calls_both_ways() {
    let Some(kamailio) = Kamailio::start() else { return };
    let Some(mut peer) = telephone(&kamailio) else { return };
    let phone = registering(&kamailio, PASSWORD).await;
    timeout(PATIENCE, phone.line.in_service()).await.expect("registered").unwrap();

    let call = phone.connect("sip:peer@127.0.0.1").await;
    hold_and_press_keys(&call, &mut peer).await;
    call.hang_up().await.unwrap();
    peer.event("CALL_CLOSED");
    assert_eq!(timeout(PATIENCE, call.ended()).await.unwrap(), Cause::NormalClearing);

    peer.command("dial", "sip:ours@127.0.0.1");
    let call = phone.answer().await;
    hold_and_press_keys(&call, &mut peer).await;
    peer.command("hangup", "");
    assert_eq!(timeout(PATIENCE, call.ended()).await.unwrap(), Cause::NormalClearing);

    for (user, cause) in [("nobody", Cause::UnallocatedNumber), ("declines", Cause::CallRejected)] {
        let call = phone.line.call(format!("sip:{user}@127.0.0.1")).await.unwrap();
        let error = timeout(PATIENCE, call.connected()).await.unwrap().unwrap_err();
        assert_eq!(error.cause(), Some(cause), "{user}");
    }
    phone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_kamailio_refuses_a_wrong_password_and_the_line_says_so() {
    let Some(kamailio) = Kamailio::start() else { return };
    let phone = registering(&kamailio, "wrong").await;
    let error = timeout(PATIENCE, phone.line.in_service()).await.expect("refused").unwrap_err();
    println!("wrong password: {error}");
    assert!(error.to_string().contains("password"), "{error}");
    phone.end().await;
}
