// SPDX-License-Identifier: MIT OR Apache-2.0
//! A trace of a call replays bit for bit and can be drawn.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::path::PathBuf;

use offhook::trace::{self, TraceError};
use offhook::{Config, ErrorKind, Offhook};
use offhook_sim::{ExchangeConfig, SimMsp, SimTsp};

struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("offhook-{}-{name}", std::process::id())))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

async fn record(file: &TemporaryFile) {
    let (exchange, _) = SimTsp::new(ExchangeConfig::default());
    let builder = Offhook::builder().tsp(exchange).msp(SimMsp).policy(Config::default()).trace(&file.0);
    let phone = builder.start().await.unwrap();
    let line = phone.app("test").await.unwrap().line("alice").await.unwrap();
    let call = line.call("sim:friendly").await.unwrap();
    call.connected().await.unwrap();
    call.digit(std::time::Duration::from_secs(5)).await.unwrap();
    call.digit(std::time::Duration::from_secs(1)).await.ok();
    call.hang_up().await.unwrap();
    call.ended().await;
    phone.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_recorded_call_replays_without_a_difference() {
    let file = TemporaryFile::new("replay.trace");
    record(&file).await;
    let replayed = trace::replay(&file.0).unwrap();
    assert_eq!(replayed.differences, []);
    assert!(replayed.inputs > 15 && replayed.outputs > 15, "{replayed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_changed_trace_shows_where_it_differs() {
    let file = TemporaryFile::new("differs.trace");
    record(&file).await;
    let text = std::fs::read_to_string(&file.0).unwrap();
    let line = text.lines().position(|line| line.contains(r#""out""#) && line.contains("connected")).unwrap();
    let changed: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(n, l)| if n == line { l.replace("connected", "ringback") } else { l.to_owned() })
        .collect();
    std::fs::write(&file.0, changed.join("\n") + "\n").unwrap();
    let replayed = trace::replay(&file.0).unwrap();
    assert_eq!(replayed.differences.len(), 1);
    assert_eq!(replayed.differences[0].line, line + 1);
}

#[tokio::test(start_paused = true)]
async fn a_ladder_shows_who_said_what() {
    let file = TemporaryFile::new("ladder.trace");
    record(&file).await;
    let ladder = trace::ladder(&file.0).unwrap();
    for word in ["application", "tsp", "msp", "make call", "connected", "►", "◄"] {
        assert!(ladder.contains(word), "'{word}' is missing in\n{ladder}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_sessions_say_at_their_end() {
    let file = TemporaryFile::new("shutdown.trace");
    let (exchange, _) = SimTsp::new(ExchangeConfig { media: true, ..ExchangeConfig::default() });
    let phone = Offhook::builder().tsp(exchange).msp(SimMsp).trace(&file.0).start().await.unwrap();
    let line = phone.app("test").await.unwrap().line("alice").await.unwrap();
    line.call("sim:echo").await.unwrap().connected().await.unwrap();
    phone.shutdown().await;
    let text = std::fs::read_to_string(&file.0).unwrap();
    assert_eq!(text.matches("session_ended").count(), 1, "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_trace_that_was_cut_off_is_read_up_to_there() {
    let file = TemporaryFile::new("cut.trace");
    record(&file).await;
    let text = std::fs::read_to_string(&file.0).unwrap();
    std::fs::write(&file.0, &text[..text.len() * 2 / 3]).unwrap();
    assert_eq!(trace::replay(&file.0).unwrap().differences, []);
}

#[test]
fn what_is_not_a_trace_is_refused_by_name() {
    let file = TemporaryFile::new("wrong.trace");
    assert!(matches!(trace::replay(&file.0), Err(TraceError::Io { .. })));
    std::fs::write(&file.0, "hello\n").unwrap();
    let error = trace::replay(&file.0).unwrap_err();
    assert!(error.to_string().starts_with("line 1 of the trace"), "{error}");
}

#[tokio::test]
async fn a_trace_that_cannot_be_written_fails_the_start() {
    let error = Offhook::builder().trace("/no/such/folder/call.trace").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("/no/such/folder/call.trace"), "{error}");
}
