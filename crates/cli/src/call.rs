// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook call`: call somebody, with live progress.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout};

use offhook::{AppEvent, Call, CallId, Events, Interest, Line, Recording};
use offhook_spi::{CallParams, CallState, Cause, SessionStatistics};

use crate::args;
use crate::config::Dialling;
use crate::exit;
use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::number;
use crate::show::{Show, clock, quality, short_quality};

/// How long a line may take to come into service.
const REGISTERED: Duration = Duration::from_secs(10);
/// How often the progress line is renewed.
const REFRESH: Duration = Duration::from_millis(500);
/// How long the last events of a call may take.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a call did.
struct Done {
    cause: Cause,
    talked: Duration,
    statistics: SessionStatistics,
}

/// Calls and does with the call what was asked.
pub(crate) async fn run(
    show: Show,
    line: &Line,
    dialling: &Dialling,
    args: &args::Call,
) -> Result<(), Failure> {
    let target = number::to_dial(dialling, line.name(), &args.target)?;
    serving(line).await?;
    let number = target.number.clone();
    let params = CallParams { no_answer_timeout: Some(args.ring), number, ..CallParams::default() };
    // Asked for before the call is, so that no state is missed.
    let events = line.app().events();
    let call = line.call_with(target.dialable.as_str(), params).await?;
    show.event(
        "calling",
        &format!("{} calls {}", line.name(), target.words(&args.target)),
        json!({
            "call": call.id().to_string(), "line": line.name(), "target": args.target,
            "dialled": target.shown, "number": target.number,
        }),
    );
    let mut interrupts = Interrupts::listen()?;
    let reporter = tokio::spawn(report_states(show, events, call.id()));
    let outcome = tokio::select! {
        outcome = talk(show, &call, args) => outcome,
        () = interrupts.next() => {
            call.hang_up().await?;
            Err(Failure::call(&args.target, Cause::Cancelled))
        }
    };
    call.ended().await;
    // What is still to be told comes at once; a server that has gone tells nothing more.
    timeout(LAST_WORDS, reporter).await.ok();
    let done = outcome?;
    summary(show, &done);
    Ok(())
}

/// Waits until the line serves calls: one with an account has to register first.
async fn serving(line: &Line) -> Result<(), Failure> {
    line.open(Interest::DIAL).await?;
    let why = match timeout(REGISTERED, line.in_service()).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer from its registrar within {REGISTERED:?}"),
    };
    let text = format!("line {} is not in service: {why}; see `offhook register --check`", line.name());
    Err(Failure::new(exit::OUT_OF_SERVICE, text))
}

async fn talk(show: Show, call: &Call, args: &args::Call) -> Result<Done, Failure> {
    // Providers that know how long it may ring say so more precisely, hence a little later.
    match timeout(args.ring.saturating_add(LAST_WORDS), call.connected()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Err(Failure::call(&args.target, call.ended().await)),
        Err(_) => {
            call.hang_up().await?;
            return Err(Failure::call(&args.target, Cause::NoAnswer));
        }
    }
    let began = Instant::now();
    let recording = match &args.record {
        Some(path) => Some(call.record(path).await?),
        None => None,
    };
    let wanted = async {
        if let Some(digits) = &args.digits {
            call.send_digits(digits).await?;
        }
        if let Some(path) = &args.play {
            call.play(path).await?.finished().await?;
        }
        match (args.duration, args.play.is_some() || args.digits.is_some()) {
            (Some(duration), _) => tokio::time::sleep_until(began + duration).await,
            (None, true) => {}
            (None, false) => std::future::pending().await,
        }
        Ok::<(), Failure>(())
    };
    let mut statistics = SessionStatistics::default();
    let cause = tokio::select! {
        done = wanted => {
            done?;
            statistics = call.statistics().await.unwrap_or(statistics);
            None
        }
        cause = call.ended() => Some(cause),
        () = progress(show, call, began, &mut statistics) => None,
    };
    let talked = began.elapsed();
    if let Some(recording) = recording {
        stored(show, &recording).await?;
    }
    let cause = match cause {
        Some(cause) => cause,
        None => {
            call.hang_up().await?;
            Cause::NormalClearing
        }
    };
    Ok(Done { cause, talked, statistics })
}

async fn stored(show: Show, recording: &Recording) -> Result<(), Failure> {
    // A call that ended has stopped its recording already.
    let recorded = match recording.stop().await {
        Ok(recorded) => recorded,
        Err(_) => recording.stored().await?,
    };
    let seconds = recorded.duration.as_secs_f64();
    show.event(
        "recorded",
        &format!("recorded {seconds:.2} s to {}", recorded.path),
        json!({
            "path": recorded.path, "seconds": seconds,
        }),
    );
    Ok(())
}

/// Renews the progress line until the call is over, and remembers the last figures.
async fn progress(show: Show, call: &Call, began: Instant, last: &mut SessionStatistics) {
    let mut tick = tokio::time::interval(REFRESH);
    loop {
        tick.tick().await;
        let Ok(statistics) = call.statistics().await else { return std::future::pending().await };
        let line = format!("{} {}  {}", clock(began.elapsed()), call.state(), short_quality(&statistics));
        show.progress(&line);
        *last = statistics;
    }
}

/// Tells every state until the call is over.
async fn report_states(show: Show, mut events: Events, mine: CallId) {
    let state_of = |event: &AppEvent| match event {
        AppEvent::CallState { call, state, .. } if *call == mine => Some(state.clone()),
        _ => None,
    };
    while let Some(state) = events.find(state_of).await {
        let object = json!({"call": mine.to_string(), "state": state.kind(), "cause": cause_of(&state)});
        show.event("state", &format!("  {state}"), object);
        if matches!(state, CallState::Disconnected { .. } | CallState::Idle) {
            return;
        }
    }
}

const fn cause_of(state: &CallState) -> Option<Cause> {
    match state {
        CallState::Disconnected { cause } => Some(*cause),
        _ => None,
    }
}

fn summary(show: Show, done: &Done) {
    let seconds = done.talked.as_secs_f64();
    let mut text = format!("talked {seconds:.1} s, {}", done.cause);
    for line in quality(&done.statistics) {
        text.push('\n');
        text.push_str(&line);
    }
    show.event(
        "done",
        &text,
        json!({
            "seconds": seconds, "cause": done.cause, "statistics": done.statistics,
        }),
    );
}
