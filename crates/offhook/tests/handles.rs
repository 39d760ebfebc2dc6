// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handles: calls made and taken, rights, dropping anywhere, after the end. On the simulated exchange.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

mod studio;

use std::time::Duration;

use offhook::spi::{Op, Party};
use offhook::{
    AppEvent, AppProfile, CallState, Cause, ErrorKind, Fault, Gather, GatherEnd, Interest, Offhook, Sequence,
    Told,
};
use offhook_sim::{ExchangeConfig, Script, SimCaller, SimMsp, SimTsp, Step};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use studio::Studio;

async fn phone() -> (Offhook, SimCaller) {
    let (exchange, caller) = SimTsp::new(ExchangeConfig::default());
    (Offhook::builder().tsp(exchange).msp(SimMsp).start().await.unwrap(), caller)
}

fn patient() -> Script {
    Script::new([Step::Answer])
}

#[tokio::test(start_paused = true)]
async fn a_call_is_made_answered_and_hung_up() {
    let (phone, _) = phone().await;
    let app = phone.app("test").await.unwrap();
    let line = app.line("alice").await.unwrap();
    let call = line.call("sim:friendly").await.unwrap();
    call.connected().await.unwrap();
    assert!(call.allowed().contains(Op::Drop));
    let digit = call.digit(Duration::from_secs(5)).await.unwrap();
    assert_eq!(digit.as_char(), '1');
    call.hang_up().await.unwrap();
    call.ended().await;
    call.reaches(|state| *state == CallState::Idle).await.unwrap();
    call.hang_up().await.unwrap();
    assert_eq!(phone.violations(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_names_the_cause() {
    let (phone, _) = phone().await;
    let line = phone.app("test").await.unwrap().line("alice").await.unwrap();
    for (to, cause, fault) in [
        ("sim:busy", Cause::UserBusy, Fault::Peer),
        ("sim:rejects", Cause::CallRejected, Fault::Peer),
        ("sim:wrong-number", Cause::UnallocatedNumber, Fault::Caller),
    ] {
        let call = line.call(to).await.unwrap();
        let error = call.connected().await.unwrap_err();
        assert_eq!((error.kind(), error.cause(), error.fault()), (ErrorKind::CallEnded, Some(cause), fault));
        assert_eq!(call.ended().await, cause);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_line_is_refused_with_the_lines_there_are() {
    let (phone, _) = phone().await;
    let error = phone.app("test").await.unwrap().line("carol").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "find line 'carol': there is no such line; there are: alice, bob");
}

#[tokio::test(start_paused = true)]
async fn digits_are_gathered_and_sent() {
    let (phone, _) = phone().await;
    let line = phone.app("test").await.unwrap().line("alice").await.unwrap();
    let call = line.call("sim:friendly").await.unwrap();
    call.connected().await.unwrap();
    let gather = Gather { max: 3, terminators: vec![], first_timeout: None, inter_timeout: None };
    let gathered = call.gather(gather).await.unwrap();
    assert_eq!((gathered.text().as_str(), gathered.end), ("123", GatherEnd::BufferFull));
    let error = call.digit(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    call.send_digits("42#").await.unwrap();
    let error = call.send_digits("4x2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(error.detail().contains("'x'"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_new_gathering_takes_the_place_of_the_old() {
    let (phone, _) = phone().await;
    let line = phone.app("test").await.unwrap().line("alice").await.unwrap();
    let call = line.call("sim:echo").await.unwrap();
    call.connected().await.unwrap();
    let minute = Duration::from_secs(60);
    let (old, new) = tokio::join!(call.digit(minute), async {
        let second = call.clone();
        tokio::join!(second.digit(minute), async {
            sleep(Duration::from_secs(1)).await;
            call.send_digits("7").await.unwrap();
        })
        .0
    });
    assert_eq!(old.unwrap_err().kind(), ErrorKind::Abandoned);
    assert_eq!(new.unwrap().as_char(), '7');
}

#[tokio::test(start_paused = true)]
async fn a_gathering_ends_with_its_call() {
    let (phone, _) = phone().await;
    let line = phone.app("test").await.unwrap().line("alice").await.unwrap();
    let call = line.call("sim:hangs-up").await.unwrap();
    call.connected().await.unwrap();
    let error = call.digit(Duration::from_secs(60)).await.unwrap_err();
    assert_eq!((error.kind(), error.cause()), (ErrorKind::CallEnded, Some(Cause::NormalClearing)));
}

#[tokio::test(start_paused = true)]
async fn an_incoming_call_goes_to_whoever_waits() {
    let (phone, caller) = phone().await;
    let app = phone.app("test").await.unwrap();
    let line = app.line("alice").await.unwrap();
    line.open(Interest::OWN_AUDIO).await.unwrap();
    caller.ring(1, Party::default(), patient()).await;
    let call = line.incoming().await.unwrap();
    call.answer().await.unwrap();
    call.connected().await.unwrap();
    assert_eq!(call.line(), line.id());
    call.hang_up().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_incoming_call_waits_for_somebody_who_was_interrupted() {
    let (phone, caller) = phone().await;
    let line = phone.app("test").await.unwrap().line("alice").await.unwrap();
    for round in 0..20 {
        // Whoever waits gives up about when the call comes.
        let patience = Duration::from_micros(100 * round);
        let first = timeout(patience, line.incoming());
        let ring = async {
            sleep(Duration::from_millis(1)).await;
            caller.ring(1, Party::default(), patient()).await;
        };
        let (first, ()) = tokio::join!(first, ring);
        let call = match first {
            Ok(call) => call.unwrap(),
            Err(_) => timeout(Duration::from_secs(5), line.incoming()).await.unwrap().unwrap(),
        };
        assert!(!matches!(call.state(), CallState::Idle | CallState::Disconnected { .. }));
        call.reject(Cause::UserBusy).await.unwrap();
        call.ended().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_higher_priority_gets_the_call() {
    let (phone, caller) = phone().await;
    let low = phone.app("low").await.unwrap();
    let high = phone.app_with(AppProfile { name: "high".to_owned(), priority: 5 }).await.unwrap();
    for app in [&low, &high] {
        app.line("alice").await.unwrap().open(Interest::OWN_AUDIO).await.unwrap();
    }
    caller.ring(1, Party::default(), patient()).await;
    let call = high.incoming().await.unwrap();
    assert!(timeout(Duration::from_secs(1), low.incoming()).await.is_err());
    call.reject(Cause::UserBusy).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_monitor_watches_and_is_refused_by_name() {
    let (phone, _) = phone().await;
    let (owner, watcher) = (phone.app("owner").await.unwrap(), phone.app("watcher").await.unwrap());
    let line = owner.line("alice").await.unwrap();
    let monitor = watcher.monitor(&line).await.unwrap();
    let call = line.call("sim:friendly").await.unwrap();
    let seen = monitor.next().await.unwrap();
    assert_eq!(seen.id(), call.id());
    seen.connected().await.unwrap();
    for error in [
        seen.hold().await.unwrap_err(),
        seen.hang_up().await.unwrap_err(),
        seen.play("hello.wav").await.unwrap_err(),
        seen.send_digits("1").await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.fault()), (ErrorKind::NotOwner, Fault::Caller), "{error}");
        assert!(error.to_string().contains(&call.id().to_string()), "{error}");
    }
    call.hang_up().await.unwrap();
    seen.ended().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_hangs_up_and_a_watcher_leaving_does_not() {
    let (phone, _) = phone().await;
    let (owner, watcher) = (phone.app("owner").await.unwrap(), phone.app("watcher").await.unwrap());
    let line = owner.line("alice").await.unwrap();
    let monitor = watcher.monitor(&line).await.unwrap();
    let call = line.call("sim:echo").await.unwrap();
    let seen = monitor.next().await.unwrap();
    call.connected().await.unwrap();
    drop(seen);
    sleep(Duration::from_secs(5)).await;
    assert!(matches!(call.state(), CallState::Connected { .. }));
    let second = line.call("sim:echo").await.unwrap();
    let seen = monitor.next().await.unwrap();
    let copy = second.clone();
    drop(second);
    copy.connected().await.unwrap();
    drop(copy);
    seen.reaches(|state| *state == CallState::Idle).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_kept_call_lives_on() {
    let (phone, _) = phone().await;
    let (owner, watcher) = (phone.app("owner").await.unwrap(), phone.app("watcher").await.unwrap());
    let line = owner.line("alice").await.unwrap();
    let monitor = watcher.monitor(&line).await.unwrap();
    let call = line.call("sim:echo").await.unwrap();
    let seen = monitor.next().await.unwrap();
    call.connected().await.unwrap();
    call.keep().await.unwrap();
    drop(call);
    sleep(Duration::from_secs(10)).await;
    assert!(matches!(seen.state(), CallState::Connected { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_application_that_leaves_hangs_up() {
    let (phone, _) = phone().await;
    let (owner, watcher) = (phone.app("owner").await.unwrap(), phone.app("watcher").await.unwrap());
    let line = owner.line("alice").await.unwrap();
    let monitor = watcher.monitor(&line).await.unwrap();
    let call = line.call("sim:echo").await.unwrap();
    let seen = monitor.next().await.unwrap();
    call.connected().await.unwrap();
    drop((owner, line, call));
    seen.reaches(|state| *state == CallState::Idle).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_waited_for_any_more_is_hung_up() {
    let (phone, _) = phone().await;
    let (owner, watcher) = (phone.app("owner").await.unwrap(), phone.app("watcher").await.unwrap());
    let line = owner.line("alice").await.unwrap();
    let monitor = watcher.monitor(&line).await.unwrap();
    {
        let call = std::pin::pin!(line.call("sim:echo"));
        // Asked and no longer waited for.
        assert!(timeout(Duration::ZERO, call).await.is_err());
    }
    let seen = monitor.next().await.unwrap();
    seen.reaches(|state| *state == CallState::Idle).await.unwrap();
    assert!(owner.calls().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_an_application_can_be_found_again() {
    let (phone, _) = phone().await;
    let app = phone.app("test").await.unwrap();
    let call = app.line("alice").await.unwrap().call("sim:echo").await.unwrap();
    call.connected().await.unwrap();
    let found = app.calls().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id(), found[0].state()), (call.id(), call.state()));
    drop(call);
    sleep(Duration::from_secs(1)).await;
    assert!(matches!(found[0].state(), CallState::Connected { .. }));
}

#[tokio::test(start_paused = true)]
async fn after_the_end_every_request_says_so() {
    let (phone, _) = phone().await;
    let app = phone.app("test").await.unwrap();
    let line = app.line("alice").await.unwrap();
    let call = line.call("sim:echo").await.unwrap();
    call.connected().await.unwrap();
    let waiting = tokio::spawn({
        let line = line.clone();
        async move { line.incoming().await }
    });
    tokio::task::yield_now().await;
    tokio::join!(phone.shutdown(), phone.shutdown());
    phone.shutdown().await;
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::ShutDown);
    for error in [
        line.call("sim:echo").await.unwrap_err(),
        line.incoming().await.unwrap_err(),
        app.lines().await.unwrap_err(),
        phone.app("late").await.unwrap_err(),
        call.hold().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::ShutDown);
        assert!(error.to_string().ends_with("the server has been shut down; start a new server"), "{error}");
    }
    assert_eq!(call.state(), CallState::Idle);
    assert_eq!(app.events().next().await, None);
}

#[test]
fn handles_may_be_dropped_without_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (phone, app, call, events) = runtime.block_on(async {
        let (phone, _) = phone().await;
        let app = phone.app("test").await.unwrap();
        let call = app.line("alice").await.unwrap().call("sim:friendly").await.unwrap();
        let events = call.events();
        (phone, app, call, events)
    });
    let copy = call.clone();
    std::thread::spawn(move || drop(copy)).join().unwrap();
    drop(runtime);
    drop((call, app, events, phone));
}

#[test]
fn handles_are_send_and_sync() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<Offhook>();
    check::<offhook::App>();
    check::<offhook::Line>();
    check::<offhook::Call>();
    check::<offhook::Playback>();
    check::<offhook::Recording>();
    check::<offhook::Error>();
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_at_once() {
    let (phone, _) = phone().await;
    let app = phone.app("test").await.unwrap();
    let line = app.line("alice").await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let line = line.clone();
        calls.spawn(async move {
            let call = line.call("sim:friendly").await?;
            call.connected().await?;
            let digit = call.digit(Duration::from_secs(10)).await?;
            call.hang_up().await?;
            call.ended().await;
            Ok::<_, offhook::Error>(digit)
        });
    }
    while let Some(digit) = calls.join_next().await {
        assert_eq!(digit.unwrap().unwrap().as_char(), '1');
    }
    sleep(Duration::from_secs(1)).await;
    assert!(app.calls().await.unwrap().is_empty());
    assert_eq!(phone.violations(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_lags_reads_everything() {
    let (phone, _) = phone().await;
    let app = phone.app("test").await.unwrap();
    let mut events = app.events();
    let line = app.line("alice").await.unwrap();
    for _ in 0..300 {
        let call = line.call("sim:busy").await.unwrap();
        call.reaches(|state| *state == CallState::Idle).await.unwrap();
    }
    let head = app.events().position();
    let (mut idle, mut lagged, mut last) = (0, 0, Sequence(0));
    while events.position() < head {
        match events.next().await.unwrap() {
            Told::Event(entry) => {
                assert!(entry.sequence > last);
                last = entry.sequence;
                if matches!(entry.event, AppEvent::CallState { state: CallState::Idle, .. }) {
                    idle += 1;
                }
            }
            Told::Lagged { .. } => lagged += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((idle, lagged), (300, 1));
    // A second reader resumes where it wants.
    let again = app.events_from(Sequence(last.0)).next().await;
    assert!(matches!(again, Some(Told::Event(entry)) if entry.sequence == last));
}

async fn studio_call(to: &str) -> (Offhook, offhook::Call) {
    let (exchange, _) = SimTsp::new(ExchangeConfig::default());
    let phone = Offhook::builder().tsp(exchange).msp(Studio).start().await.unwrap();
    let line = phone.app("test").await.unwrap().line("alice").await.unwrap();
    let call = line.call(to).await.unwrap();
    call.connected().await.unwrap();
    (phone, call)
}

#[tokio::test(start_paused = true)]
async fn a_file_is_played_to_its_end() {
    let (_phone, call) = studio_call("sim:echo").await;
    let begin = Instant::now();
    call.play("two-seconds.wav").await.unwrap().finished().await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 2);
    let error = call.play("missing.wav").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OperationFailed);
    assert!(error.to_string().contains("missing.wav"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_playback_is_stopped_or_cut_short_by_the_end_of_the_call() {
    let (_phone, call) = studio_call("sim:echo").await;
    let playback = call.play("two-seconds.wav").await.unwrap();
    playback.stop().await.unwrap();
    timeout(Duration::from_millis(100), playback.finished()).await.unwrap().unwrap();
    let playback = call.play("two-seconds.wav").await.unwrap();
    call.hang_up().await.unwrap();
    assert_eq!(playback.finished().await.unwrap_err().kind(), ErrorKind::CallEnded);
}

#[tokio::test(start_paused = true)]
async fn a_recording_is_stored_when_it_is_stopped_or_the_call_ends() {
    let (_phone, call) = studio_call("sim:echo").await;
    let recording = call.record("answer.wav").await.unwrap();
    sleep(Duration::from_secs(3)).await;
    let stored = recording.stop().await.unwrap();
    assert_eq!((stored.path.as_str(), stored.duration.as_secs()), ("answer.wav", 3));
    assert_eq!(recording.stop().await.unwrap(), stored);
    let recording = call.record("answer.wav").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    call.hang_up().await.unwrap();
    assert_eq!(recording.stored().await.unwrap().duration.as_secs(), 1);
    let recording = studio_call("sim:echo").await.1.record("full-disk.wav").await.unwrap();
    let error = recording.stop().await.unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
}
