// SPDX-License-Identifier: MIT OR Apache-2.0
//! Applications behind a socket, as other processes are: rights, order, resuming, and lines that nobody can read.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::path::PathBuf;
use std::time::Duration;

use offhook::local::{Listening, Remote, RemoteEvent, Session};
use offhook::spi::{Address, StateKind};
use offhook::{
    Answer, AppEvent, Ask, CallAsk, CallId, Config, ErrorKind, Interest, LineId, Offhook, Sequence,
};
use offhook_sim::{ExchangeConfig, SimMsp, SimTsp};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// A server with a socket, which both end with it.
struct Served {
    _phone: Offhook,
    listening: Listening,
}

impl Served {
    async fn start(name: &str) -> Self {
        Self::with(name, Config::default()).await
    }

    async fn with(name: &str, config: Config) -> Self {
        let (exchange, _) = SimTsp::new(ExchangeConfig::default());
        let builder = Offhook::builder().tsp(exchange).msp(SimMsp).policy(config);
        let phone = builder.start().await.unwrap();
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

/// An application that is nothing but lines, and can end without a word as a crash would.
struct Raw {
    lines: tokio::io::Lines<BufReader<tokio::net::unix::OwnedReadHalf>>,
    writer: tokio::net::unix::OwnedWriteHalf,
    session: Session,
}

impl Raw {
    async fn connect(served: &Served) -> Self {
        let (reader, mut writer) = UnixStream::connect(served.listening.path()).await.unwrap().into_split();
        let mut lines = BufReader::new(reader).lines();
        writer.write_all(b"{\"hello\":{\"name\":\"owner\"}}\n").await.unwrap();
        let welcome: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        let session = serde_json::from_value(welcome["welcome"]["session"].clone()).unwrap();
        Self { lines, writer, session }
    }

    async fn says(&mut self, what: &Value) {
        self.writer.write_all(format!("{what}\n").as_bytes()).await.unwrap();
    }

    /// The next line with this word.
    async fn hears(&mut self, word: &str) -> Value {
        loop {
            let line = self.lines.next_line().await.unwrap().unwrap();
            if line.contains(word) {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }

    /// A call to a far end that answers, connected.
    async fn calls(&mut self, line: LineId) -> CallId {
        self.says(&json!({"id": 1, "ask": "make_call", "line": line, "to": "sim:echo"})).await;
        let made = self.hears("\"id\":1").await;
        self.hears("\"connected\"").await;
        serde_json::from_value(made["answer"]["done"]["call"].clone()).unwrap()
    }
}

#[tokio::test]
async fn an_application_that_crashes_may_come_back_to_its_calls() {
    let served = Served::start("back").await;
    let mut watcher = served.app("watcher").await;
    let line = line(&mut watcher).await;
    watcher.ask(Ask::OpenLine { line, interest: Interest::MONITOR }).await.unwrap();
    let mut crashing = Raw::connect(&served).await;
    let call = crashing.calls(line).await;
    let session = crashing.session;
    drop(crashing);

    let mut again = Remote::resume(served.listening.path(), session, Sequence(1)).await.unwrap();
    assert_eq!(again.session(), session);
    let Answer::Calls { calls } = again.ask(Ask::Calls).await.unwrap() else { panic!("no calls") };
    assert_eq!(calls.iter().map(|record| record.call).collect::<Vec<_>>(), [call]);
    // What it was told before is told again from where it asked.
    assert_eq!(told(&mut again, StateKind::Connected).await.0, call);
    again.ask(Ask::Call { call, op: CallAsk::Drop { cause: None } }).await.unwrap();
    told(&mut watcher, StateKind::Idle).await;
}

#[tokio::test]
async fn who_does_not_come_back_in_time_has_lost_its_calls() {
    let short = Config { grace: Duration::from_millis(20), ..Config::default() };
    let served = Served::with("late", short).await;
    let mut watcher = served.app("watcher").await;
    let line = line(&mut watcher).await;
    watcher.ask(Ask::OpenLine { line, interest: Interest::MONITOR }).await.unwrap();
    let mut crashing = Raw::connect(&served).await;
    let call = crashing.calls(line).await;
    let session = crashing.session;
    drop(crashing);
    assert_eq!(told(&mut watcher, StateKind::Idle).await.0, call);
    let refused = Remote::resume(served.listening.path(), session, Sequence(1)).await.unwrap_err();
    assert!(refused.to_string().contains("away for too long"), "{refused}");
}

#[tokio::test]
async fn a_second_connection_takes_an_application_over() {
    let served = Served::start("over").await;
    let mut first = served.app("one").await;
    let line = line(&mut first).await;
    let mut second =
        Remote::resume(served.listening.path(), first.session(), first.position()).await.unwrap();
    let gone = loop {
        match first.event().await {
            Ok(_) => {}
            Err(gone) => break gone,
        }
    };
    assert!(gone.to_string().contains("taken the application over"), "{gone}");
    let call = make_call(&mut second, line).await;
    assert_eq!(told(&mut second, StateKind::Connected).await.0, call);
    let stranger = serde_json::from_value(json!({"app": second.id(), "key": 1})).unwrap();
    assert!(Remote::resume(served.listening.path(), stranger, Sequence(1)).await.is_err());
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
