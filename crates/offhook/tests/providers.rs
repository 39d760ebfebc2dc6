// SPDX-License-Identifier: MIT OR Apache-2.0
//! Providers that misbehave harm nobody but themselves, and every request still gets its answer.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod odd;

use std::time::Duration;

use offhook::{AppEvent, Builder, CallState, Cause, ErrorKind, Fault, Line, Offhook, Sequence, Told};
use tokio::time::Instant;

use odd::{Flaw, OddTsp};

fn with(flaw: Flaw) -> Builder {
    Offhook::builder().tsp(OddTsp(flaw))
}

async fn line() -> (Offhook, Line) {
    let phone = with(Flaw::None).start().await.unwrap();
    let line = phone.app("test").await.unwrap().line("odd").await.unwrap();
    (phone, line)
}

#[tokio::test(start_paused = true)]
async fn a_provider_of_another_version_is_not_started() {
    let error = with(Flaw::FromTheFuture).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "start provider 'odd': no common contract version: we speak 1 to 1, the other side speaks 900 to 901; \
         use a provider made for this version"
    );
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_panics_at_once_fails_the_start() {
    let error = with(Flaw::PanicsAtOnce).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProviderGone);
    assert_eq!(error.detail(), "it panicked: no dial tone");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_gets_ready_fails_the_start() {
    let begin = Instant::now();
    let error = with(Flaw::NeverReady).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(begin.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_owes_when_it_ends_is_answered() {
    for (address, detail) in [
        ("panic", "it panicked: somebody dialled panic"),
        ("error", "the wire was cut, plug it in again"),
        ("close", "it ended"),
    ] {
        let (_phone, line) = line().await;
        let mut events = line.app().events();
        let error = line.call(address).await.unwrap_err();
        assert_eq!((error.kind(), error.fault()), (ErrorKind::ProviderGone, Fault::Provider), "{address}");
        let gone = events.find(|event| match event {
            AppEvent::ProviderGone { provider, detail } => Some((provider.clone(), detail.clone())),
            _ => None,
        });
        assert_eq!(gone.await, Some(("odd".to_owned(), detail.to_owned())));
        assert!(!line.details().await.unwrap().present);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_end_when_their_provider_does() {
    let (_phone, line) = line().await;
    let call = line.call("bob").await.unwrap();
    call.connected().await.unwrap();
    line.call("close").await.unwrap_err();
    assert_eq!(call.ended().await, Cause::ProviderGone);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_never_answered_times_out() {
    let (_phone, line) = line().await;
    let begin = Instant::now();
    let error = line.call("silence").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(begin.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_second_reply_is_counted_and_ignored() {
    let (phone, line) = line().await;
    let call = line.call("twice").await.unwrap();
    call.connected().await.unwrap();
    assert_eq!(phone.violations(), 1);
    call.hang_up().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_events_keeps_nobody_from_being_served() {
    let (_phone, line) = line().await;
    let flooding = line.call("flood").await.unwrap();
    let mut events = flooding.events_from(Sequence(1));
    let other = line.call("bob").await.unwrap();
    tokio::join!(
        async { flooding.connected().await.unwrap() },
        async { other.connected().await.unwrap() },
        async { assert!(line.details().await.unwrap().present) },
    );
    let (mut seen, mut missed) = (0, 0);
    while let Some(told) = events.next().await {
        match told {
            Told::Event(entry) => match &entry.event {
                AppEvent::CallInfo { .. } => seen += 1,
                AppEvent::CallState { state: CallState::Connected { .. }, .. } => break,
                _ => {}
            },
            Told::Lost { from, to } => missed += to.0 - from.0 + 1,
            _ => {}
        }
    }
    assert!(seen + missed >= 20_000, "{seen} seen, {missed} missed");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_of_commands_refuses_as_busy() {
    let (_phone, line) = line().await;
    let deaf = line.call("deaf").await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..4_400 {
        let line = line.clone();
        calls.spawn(async move { line.call("bob").await });
    }
    let (mut made, mut busy) = (0, 0);
    while let Some(call) = calls.join_next().await {
        match call.unwrap() {
            Ok(call) => {
                made += 1;
                drop(call);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                busy += 1;
            }
        }
    }
    assert!(made > 4_000 && busy > 100, "{made} made, {busy} busy");
    tokio::time::timeout(Duration::from_secs(60), deaf.hang_up()).await.unwrap().unwrap();
}
