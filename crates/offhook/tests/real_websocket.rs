// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIP in WebSockets over real sockets (RFC 7118): between two servers of ours, and through Kamailio.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "peers say what they measured; what cannot be set up has failed"
)]

mod peers;

use std::path::Path;

use offhook::spi::ConnectedMode;
use offhook::{Call, CallState, Cause, LineConfig, SipConfig};
use peers::PATIENCE;
use peers::baresip::{Baresip, Setup};
use peers::kamailio::{Kamailio, PASSWORD};
use peers::ours::{Phone, certificate, reaches};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const HELD: CallState = CallState::Connected { mode: ConnectedMode::ActiveHeld };

/// A telephone that nobody can connect to, as in a browser: it only connects to others.
async fn browser(certificate: &Path) -> Phone {
    let mut sip = SipConfig::default().with_line(LineConfig::direct("ours"));
    sip.tls.authorities = Some(certificate.to_owned());
    sip.tls.trust_anybody = true;
    Phone::start(sip).await
}

/// Either side changes the call and ends it: all of that goes through the one connection.
async fn hold_from_both_sides(near: &Call, far: &Call) {
    for (holder, held) in [(near, far), (far, near)] {
        holder.hold().await.unwrap();
        reaches(held, HELD).await;
        holder.unhold().await.unwrap();
        reaches(held, CallState::CONNECTED).await;
    }
    let (digit, ()) = tokio::join!(far.digit(PATIENCE), async { near.send_digits("4").await.unwrap() });
    assert_eq!(digit.unwrap().as_char(), '4');
}

#[tokio::test(flavor = "multi_thread")]
async fn real_loopback_calls_go_through_web_sockets_plain_and_secure() {
    let certificate = certificate();
    for transport in ["ws", "wss"] {
        let server = Phone::over(transport, &certificate).await;
        let browser = browser(&certificate).await;
        for who_ends in ["near", "far"] {
            let (near, far) = tokio::join!(browser.connect(server.address()), server.answer());
            hold_from_both_sides(&near, &far).await;
            let (ends, other) = if who_ends == "near" { (&near, &far) } else { (&far, &near) };
            ends.hang_up().await.unwrap();
            let cause = timeout(PATIENCE, other.ended()).await.unwrap();
            assert_eq!(cause, Cause::NormalClearing, "{transport}, {who_ends} side");
        }
        browser.end().await;
        server.end().await;
    }
}

/// What a server says to a handshake with these headers.
async fn answer_to(server: &Phone, headers: &str) -> String {
    let address = server.address();
    let place = address.split(['@', ';']).nth(1).unwrap();
    let mut stream = tokio::net::TcpStream::connect(place).await.unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let head = async {
        while !said.ends_with(b"\r\n\r\n") {
            said.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(PATIENCE, head).await.expect("it answers");
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn only_who_speaks_sip_gets_a_web_socket() {
    let server = Phone::over("ws", &certificate()).await;
    let yes = answer_to(&server, "Sec-WebSocket-Protocol: chat, sip\r\n").await;
    assert!(
        yes.starts_with("HTTP/1.1 101") && yes.to_lowercase().contains("sec-websocket-protocol: sip"),
        "{yes}"
    );
    let no = answer_to(&server, "Sec-WebSocket-Protocol: chat\r\n").await;
    assert!(no.starts_with("HTTP/1.1 400"), "{no}");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn real_kamailio_registers_us_by_web_socket_and_carries_calls_both_ways() {
    let Some(kamailio) = Kamailio::with_web_sockets() else { return };
    let account = format!(
        "<sip:peer@127.0.0.1>;outbound=\"sip:{}\";regint=60;auth_user=peer;auth_pass={PASSWORD}",
        kamailio.address()
    );
    let Some(mut peer) = Baresip::start(&Setup { account: &account, ..Setup::default() }) else { return };
    peer.wait_for("[1 binding]");
    let mut line = LineConfig::account("ours", "127.0.0.1", PASSWORD);
    line.registrar = Some(format!("sip:{};transport=ws", kamailio.address()));
    line.proxy = line.registrar.clone();
    let phone = Phone::start(SipConfig::default().with_line(line)).await;
    timeout(PATIENCE, phone.line.in_service()).await.expect("registered").unwrap();

    let call = phone.connect("sip:peer@127.0.0.1").await;
    peer.event("CALL_ESTABLISHED");
    call.hold().await.unwrap();
    assert_eq!(peer.event("CALL_REMOTE_SDP"), "offer");
    call.unhold().await.unwrap();
    assert_eq!(peer.event("CALL_REMOTE_SDP"), "offer");
    peer.command("hangup", "");
    assert_eq!(timeout(PATIENCE, call.ended()).await.unwrap(), Cause::NormalClearing);

    peer.command("dial", "sip:ours@127.0.0.1");
    let call = phone.answer().await;
    peer.command("hold", "");
    reaches(&call, HELD).await;
    peer.command("resume", "");
    reaches(&call, CallState::CONNECTED).await;
    println!("held and retrieved by baresip, through Kamailio's WebSocket");
    call.hang_up().await.unwrap();
    timeout(PATIENCE, call.ended()).await.unwrap();
    phone.end().await;
}
