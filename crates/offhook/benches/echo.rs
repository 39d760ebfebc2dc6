// SPDX-License-Identifier: MIT OR Apache-2.0
//! What G.711 calls cost that hear themselves: whole calls with SIPp sending a tone in each, against a
//! bare loop that answers the same callers with as little SIP as they accept and sends every packet back.
//!
//! `cargo bench -p offhook --bench echo`; `-- --calls N` measures one number of calls.

#![expect(clippy::expect_used, reason = "a bench that cannot be set up has nothing to say")]

mod stand;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use stand::{Answerer, Callers, Media, cpu, load, resident, say};

/// The argument that makes this program the bare loop.
const BARE: &str = "bare";
const WINDOW: Duration = Duration::from_secs(4);
/// The cheapest of so many windows counts: what else runs on the machine only ever adds.
const WINDOWS: u32 = 3;
/// Calls that are set up in a second.
const RAMP: u64 = 50;
/// A quarter of the sockets is looked at every so often.
const STEP: Duration = Duration::from_millis(5);

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(BARE) {
        return bare();
    }
    if stand::answering() || !stand::asked() || !stand::sipp_is_there() {
        return;
    }
    say("calls  answerer  CPU %  ratio  failed  KiB/call  packets back  load");
    let asked = stand::number("--calls").map(|calls| vec![calls]);
    for calls in asked.unwrap_or_else(|| vec![100, 1_000]) {
        let least = row("bare", &Answerer::start_with(&[BARE]), calls, None);
        row("offhook", &Answerer::start(Media::Echo), calls, Some(least));
    }
}

/// Measures one answerer; gives its share of a processor.
fn row(name: &str, answerer: &Answerer, calls: u64, least: Option<f64>) -> f64 {
    let before = resident(answerer.id());
    let ramp = Duration::from_millis(calls * 1_000 / RAMP) + Duration::from_secs(2);
    let callers = Callers {
        hold: ramp + WINDOW * WINDOWS + Duration::from_secs(4),
        sending: true,
        ..Callers::new(&answerer.target, calls, RAMP)
    };
    let calling = callers.start();
    std::thread::sleep(ramp);
    let (mut share, unread, begin) = (f64::INFINITY, dropped(), Instant::now());
    for _ in 0..WINDOWS {
        let (used, from) = (cpu(answerer.id()), Instant::now());
        std::thread::sleep(WINDOW);
        share = share.min((cpu(answerer.id()) - used).as_secs_f64() / from.elapsed().as_secs_f64());
    }
    // SIPp never reads what comes back: its sockets overflow by one datagram for each that does.
    let back = (dropped() - unread) as f64 / (begin.elapsed().as_secs_f64() * calls as f64 * 50.0);
    let memory = resident(answerer.id()).saturating_sub(before) as f64 / calls as f64;
    let load = load();
    let failed = calling.finish().failed();
    let (percent, back) = (share * 100.0, back * 100.0);
    let ratio = share / least.unwrap_or(share);
    say(&format!(
        "{calls:5}  {name:8}  {percent:5.1}  {ratio:5.2}  {failed:6}  {memory:8.1}  {back:11.1}%  {load}"
    ));
    share
}

/// Datagrams that found a full socket, on the whole machine.
fn dropped() -> u64 {
    let text = std::fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("Udp:"));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut columns = names.split(' ').zip(values.split(' '));
    columns.find(|(name, _)| *name == "RcvbufErrors").and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

/// One receive and one send for each socket every 20 ms, a second look every eighth time; between them
/// calls are answered.
fn bare() {
    let signalling = socket();
    say(&format!("sip:bare@{}", signalling.local_addr().expect("it is bound")));
    let mut calls: Vec<UdpSocket> = Vec::new();
    let mut buffer = [0; 2_048];
    let (begin, mut step) = (Instant::now(), 0_u32);
    loop {
        step += 1;
        std::thread::sleep((STEP * step).saturating_sub(begin.elapsed()));
        while let Ok((len, from)) = signalling.recv_from(&mut buffer) {
            answer(&signalling, &buffer[..len], from, &mut calls);
        }
        let looks = if (step / 4).is_multiple_of(8) { 2 } else { 1 };
        for call in calls.iter().skip((step % 4) as usize).step_by(4) {
            for _ in 0..looks {
                if let Ok((len, from)) = call.recv_from(&mut buffer) {
                    call.send_to(&buffer[..len], from).ok();
                }
            }
        }
    }
}

/// Says 200 to whatever is asked; an INVITE gets a socket.
fn answer(signalling: &UdpSocket, request: &[u8], from: SocketAddr, calls: &mut Vec<UdpSocket>) {
    let text = String::from_utf8_lossy(request);
    if text.starts_with("ACK") {
        return;
    }
    let mut reply = "SIP/2.0 200 OK\r\n".to_owned();
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let kept = ["Via:", "From:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name));
        if kept || line.starts_with("To:") {
            reply.push_str(line);
            if line.starts_with("To:") && !line.contains("tag=") {
                reply.push_str(";tag=bare");
            }
            reply.push_str("\r\n");
        }
    }
    let mut body = String::new();
    if text.starts_with("INVITE") {
        calls.push(socket());
        let port = calls.last().and_then(|call| call.local_addr().ok()).expect("it is bound").port();
        let local = signalling.local_addr().expect("it is bound");
        reply.push_str(&format!("Contact: <sip:{local}>\r\nContent-Type: application/sdp\r\n"));
        body = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        );
    }
    reply.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    signalling.send_to(reply.as_bytes(), from).ok();
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("descriptors: try ulimit -n 8192");
    socket.set_nonblocking(true).expect("a socket");
    socket
}
