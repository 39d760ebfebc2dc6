// SPDX-License-Identifier: MIT OR Apache-2.0
//! Applications behind a socket, as other processes are: rights, order, resuming, and lines that nobody can read.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::path::PathBuf;

use offhook::local::{Listening, Remote, RemoteEvent};
use offhook::spi::{Address, StateKind};
use offhook::{Answer, AppEvent, Ask, CallAsk, CallId, ErrorKind, Interest, LineId, Offhook, Sequence};
use offhook_sim::{ExchangeConfig, SimMsp, SimTsp};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// A server with a socket, which both end with it.
struct Served {
    _phone: Offhook,
    listening: Listening,
}

impl Served {
    async fn start(name: &str) -> Self {
        let (exchange, _) = SimTsp::new(ExchangeConfig::default());
        let phone = Offhook::builder().tsp(exchange).msp(SimMsp).start().await.unwrap();
        let listening = phone.listen(&socket(name)).await.unwrap();
        Self { _phone: phone, listening }
    }

    async fn app(&self, name: &str) -> Remote {
        Remote::connect(self.listening.path(), name, None).await.unwrap()
    }
}

/// Names of sockets must be short; those of folders for tests are not.
fn socket(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("offhook-{}-{name}", std::process::id()))
}

async fn line(remote: &mut Remote) -> LineId {
    match remote.ask(Ask::Lines).await.unwrap() {
        Answer::Lines { lines } => lines[0].line,
        other => panic!("{other:?}"),
    }
}

async fn make_call(remote: &mut Remote, line: LineId) -> CallId {
    let to = Address::new("sim:echo");
    match remote.ask(Ask::MakeCall { line, to, params: Box::default() }).await.unwrap() {
        Answer::Call { call } => call,
        other => panic!("{other:?}"),
    }
}

/// Waits until the application is told of a state; gives the sequence of that event.
async fn told(remote: &mut Remote, wanted: StateKind) -> (CallId, Sequence) {
    loop {
        match remote.event().await.unwrap() {
            RemoteEvent::Event { sequence, what, .. } => match *what {
                AppEvent::CallState { call, state, .. } if state.kind() == wanted => return (call, sequence),
                _ => {}
            },
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn two_applications_share_a_line_by_rights() {
    let served = Served::start("rights").await;
    let (mut owner, mut monitor) = (served.app("owner").await, served.app("monitor").await);
    assert_ne!(owner.id(), monitor.id());
    let line = line(&mut owner).await;
    monitor.ask(Ask::OpenLine { line, interest: Interest::MONITOR }).await.unwrap();
    let call = make_call(&mut owner, line).await;
    assert_eq!(told(&mut owner, StateKind::Connected).await.0, call);
    assert_eq!(told(&mut monitor, StateKind::Connected).await.0, call);
    let drop = || Ask::Call { call, op: CallAsk::Drop { cause: None } };
    let refused = monitor.ask(drop()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotOwner);
    assert!(refused.to_string().contains("'owner' owns it"), "{refused}");
    owner.ask(drop()).await.unwrap();
    told(&mut owner, StateKind::Idle).await;
    told(&mut monitor, StateKind::Idle).await;
}

#[tokio::test]
async fn the_calls_of_an_application_that_goes_follow_the_policy_of_their_line() {
    let served = Served::start("goes").await;
    let (mut owner, mut monitor) = (served.app("owner").await, served.app("monitor").await);
    let line = line(&mut owner).await;
    monitor.ask(Ask::OpenLine { line, interest: Interest::MONITOR }).await.unwrap();
    make_call(&mut owner, line).await;
    told(&mut monitor, StateKind::Connected).await;
    drop(owner);
    told(&mut monitor, StateKind::Idle).await;
}

#[tokio::test]
async fn who_comes_back_is_told_what_it_missed() {
    let served = Served::start("back").await;
    let mut watcher = served.app("watcher").await;
    let mut owner = served.app("owner").await;
    let line = line(&mut watcher).await;
    watcher.ask(Ask::OpenLine { line, interest: Interest::MONITOR }).await.unwrap();
    let call = make_call(&mut owner, line).await;
    told(&mut owner, StateKind::Connected).await;
    // Events name their applications, and who comes back is another one: what it may know begins anew, the
    // numbers go on.
    let seen = told(&mut watcher, StateKind::Connected).await.1;
    let position = watcher.position();
    assert_eq!(position.0, seen.0 + 1);
    drop(watcher);
    let mut again = Remote::connect(served.listening.path(), "watcher", Some(position)).await.unwrap();
    again.ask(Ask::OpenLine { line, interest: Interest::MONITOR }).await.unwrap();
    owner.ask(Ask::Call { call, op: CallAsk::Drop { cause: None } }).await.unwrap();
    told(&mut owner, StateKind::Idle).await;
    let second = make_call(&mut owner, line).await;
    assert_eq!(told(&mut again, StateKind::Connected).await.0, second);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_the_rest_goes_on() {
    let served = Served::start("wrong").await;
    let stream = UnixStream::connect(served.listening.path()).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"{\"hello\":{\"name\":\"raw\"}}\n").await.unwrap();
    assert!(lines.next_line().await.unwrap().unwrap().starts_with("{\"welcome\":{\"app\":"));
    writer.write_all(b"\n{\"id\":7,\"ask\":\"teleport\"}\n{\"id\":8,\"ask\":\"calls\"}\n").await.unwrap();
    let refused = lines.next_line().await.unwrap().unwrap();
    assert!(refused.contains("\"id\":7,\"refused\":{") && refused.contains("teleport"), "{refused}");
    let answer = lines.next_line().await.unwrap().unwrap();
    assert_eq!(answer, r#"{"answer":{"id":8,"done":{"answer":"calls","calls":[]}}}"#);
    writer.write_all(b"nonsense\n").await.unwrap();
    let bye = lines.next_line().await.unwrap().unwrap();
    assert!(bye.starts_with("{\"bye\":{\"because\":\"expected a request with an id"), "{bye}");
    assert_eq!(lines.next_line().await.unwrap(), None);
}

#[tokio::test]
async fn a_line_without_end_is_not_kept() {
    let served = Served::start("long").await;
    let stream = UnixStream::connect(served.listening.path()).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    // The server reads a mebibyte and no more.
    let written = writer.write_all(&vec![b'x'; 4 << 20]).await;
    let mut lines = BufReader::new(reader).lines();
    let bye = lines.next_line().await;
    match bye {
        Ok(Some(bye)) => assert!(bye.contains("at most 1048576 bytes"), "{bye}"),
        // What it had not read yet resets the connection.
        Ok(None) | Err(_) => assert!(written.is_err() || bye.is_err()),
    }
    assert!(matches!(served.app("next").await.ask(Ask::Lines).await, Ok(Answer::Lines { .. })));
}

#[tokio::test]
async fn a_socket_in_use_is_not_taken_and_one_left_behind_is() {
    use std::os::unix::fs::PermissionsExt as _;

    let served = Served::start("taken").await;
    let path = served.listening.path().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (exchange, _) = SimTsp::new(ExchangeConfig::default());
    let other = Offhook::builder().tsp(exchange).msp(SimMsp).start().await.unwrap();
    let refused = other.listen(&path).await.unwrap_err();
    assert!(refused.to_string().contains("another server listens there"), "{refused}");
    drop(served);
    assert!(!path.exists());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listening = other.listen(&path).await.unwrap();
    drop(listening);
    std::fs::write(&path, "precious").unwrap();
    assert!(other.listen(&path).await.is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();
}
