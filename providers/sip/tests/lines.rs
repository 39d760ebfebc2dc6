// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines and sockets of the provider, over loopback.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use offhook_sip::{LineConfig, LineMedia, SipConfig, SipTsp};
use offhook_spi::{
    Address, CallKey, CallOp, CallParams, CallState, HostLink, LineKey, Link, RequestId, Service, Tsp,
    TspCommand, TspEvent,
};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long anything may take before a test fails: far longer than it does.
const PATIENCE: Duration = Duration::from_secs(20);

/// A provider with one account that is open.
struct Host {
    link: HostLink<TspCommand, TspEvent>,
    task: JoinHandle<()>,
}

impl Host {
    async fn start(registrar: &str) -> Self {
        let mut line = LineConfig::account("me", "example.org", "secret");
        line.registrar = Some(registrar.to_owned());
        let (provider, _) = SipTsp::bind(SipConfig::default().with_line(line)).await.unwrap();
        let (link, end) = Link::pair(64);
        let task = tokio::spawn(async move { provider.run(end).await.unwrap() });
        link.commands.send(TspCommand::Open { request: RequestId(1), line: LineKey(1) }).await.unwrap();
        Self { link, task }
    }

    /// Waits until the line's service is such.
    async fn service(&mut self, wanted: impl Fn(&Service) -> bool) -> Service {
        let waiting = async {
            loop {
                if let TspEvent::Line { status, .. } = self.link.events.recv().await.unwrap()
                    && wanted(&status.service)
                {
                    return status.service;
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("the line changes its service")
    }
}

/// The next REGISTER, and where it came from.
async fn register(socket: &UdpSocket) -> (String, SocketAddr) {
    next(socket, "REGISTER").await
}

/// The next request of a method, and where it came from.
async fn next(socket: &UdpSocket, method: &str) -> (String, SocketAddr) {
    let mut buffer = [0; 4096];
    loop {
        let (len, from) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
        let text = String::from_utf8(buffer[..len].to_vec()).unwrap();
        if text.starts_with(&format!("{method} ")) {
            return (text, from);
        }
    }
}

/// 200 with what has to be repeated.
fn welcome(request: &str) -> String {
    let repeated = ["Via:", "From:", "To:", "Call-ID:", "CSeq:", "Contact:"];
    let rows: Vec<&str> =
        request.lines().filter(|row| repeated.iter().any(|name| row.starts_with(name))).collect();
    format!("SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n", rows.join("\r\n"))
}

#[tokio::test]
async fn real_goodbyes_are_repeated_until_they_are_answered() {
    let registrar = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut host = Host::start(&registrar.local_addr().unwrap().to_string()).await;
    let (request, from) = register(&registrar).await;
    registrar.send_to(welcome(&request).as_bytes(), from).await.unwrap();
    host.service(|service| *service == Service::In).await;
    drop(host.link.commands);
    let (first, _) = register(&registrar).await;
    assert!(first.contains("expires=0"), "{first}");
    // Lost on the way: it comes again.
    let (second, from) = register(&registrar).await;
    assert_eq!(first, second);
    registrar.send_to(welcome(&second).as_bytes(), from).await.unwrap();
    let began = Instant::now();
    timeout(PATIENCE, host.task).await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn real_goodbyes_that_nobody_answers_do_not_hold_us_up() {
    let registrar = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut host = Host::start(&registrar.local_addr().unwrap().to_string()).await;
    let (request, from) = register(&registrar).await;
    registrar.send_to(welcome(&request).as_bytes(), from).await.unwrap();
    host.service(|service| *service == Service::In).await;
    drop(host.link.commands);
    let began = Instant::now();
    timeout(PATIENCE, host.task).await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn real_calls_that_stand_are_ended_before_we_go() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let line = LineConfig { media: LineMedia::None, ..LineConfig::direct("ours") };
    let (provider, _) = SipTsp::bind(SipConfig::default().with_line(line)).await.unwrap();
    let (mut link, end) = Link::pair(64);
    let task = tokio::spawn(async move { provider.run(end).await.unwrap() });
    let at = peer.local_addr().unwrap();
    let to = Address::new(format!("sip:peer@{at}"));
    let op = CallOp::MakeCall { to, params: Box::new(CallParams::default()) };
    let (line, call) = (LineKey(1), CallKey::core(1));
    link.commands.send(TspCommand::Open { request: RequestId(1), line }).await.unwrap();
    let make = TspCommand::Call { request: RequestId(2), line, call, session: None, op };
    link.commands.send(make).await.unwrap();
    let (invite, from) = next(&peer, "INVITE").await;
    let to = format!("To: <sip:peer@{at}>");
    let rows: Vec<String> =
        welcome(&invite)
            .lines()
            .filter(|row| !row.starts_with("Contact:"))
            .map(|row| {
                if row == to { format!("{to};tag=peer\r\nContact: <sip:peer@{at}>") } else { row.to_owned() }
            })
            .collect();
    peer.send_to(format!("{}\r\n", rows.join("\r\n")).as_bytes(), from).await.unwrap();
    let connected = async {
        while !matches!(
            link.events.recv().await.unwrap(),
            TspEvent::CallState { state: CallState::Connected { .. }, .. }
        ) {}
    };
    timeout(PATIENCE, connected).await.unwrap();
    drop(link.commands);
    let (first, _) = next(&peer, "BYE").await;
    // Lost on the way: it comes again.
    let (second, from) = next(&peer, "BYE").await;
    assert_eq!(first, second);
    peer.send_to(welcome(&second).as_bytes(), from).await.unwrap();
    timeout(PATIENCE, task).await.unwrap().unwrap();
}

/// Elsewhere only the transaction's end says so, after 32 seconds.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn real_registrars_that_do_not_listen_are_known_at_once() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let began = Instant::now();
    let mut host = Host::start(&closed.to_string()).await;
    let service = host.service(|service| matches!(service, Service::Out { .. })).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let Service::Out { reason } = service else { panic!("{service:?}") };
    assert!(reason.starts_with("the registrar does not answer"), "{reason}");
}

/// The error of one peer must not hit the datagrams of another that share the socket.
#[tokio::test]
async fn real_registrars_that_listen_are_reached_beside_those_that_do_not() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let registrar = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let account = |name: &str, registrar: SocketAddr| {
        let mut line = LineConfig::account(name, "example.org", "secret");
        line.registrar = Some(registrar.to_string());
        line
    };
    let config = SipConfig::default()
        .with_line(account("lost", closed))
        .with_line(account("found", registrar.local_addr().unwrap()));
    let (provider, _) = SipTsp::bind(config).await.unwrap();
    let (link, end) = Link::pair(64);
    let task = tokio::spawn(async move { provider.run(end).await.unwrap() });
    for line in [1, 2] {
        let open = TspCommand::Open { request: RequestId(line), line: LineKey(line) };
        link.commands.send(open).await.unwrap();
    }
    let mut host = Host { link, task };
    let (request, from) = register(&registrar).await;
    registrar.send_to(welcome(&request).as_bytes(), from).await.unwrap();
    host.service(|service| *service == Service::In).await;
}
