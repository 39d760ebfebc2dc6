// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook answer`: wait for calls and answer them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tokio::sync::mpsc;

use offhook::{Call, Interest, Line, Offhook};

use crate::args;
use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::number::written;
use crate::show::Show;

/// Calls that may wait to be answered before the far ends hear that we are slow.
const WAITING: usize = 1024;

/// Answers calls on these lines until enough have come or the user interrupts.
pub(crate) async fn run(
    show: Show,
    server: &Offhook,
    lines: Vec<Line>,
    args: args::Answer,
) -> Result<(), Failure> {
    if let Some(folder) = &args.record {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::usage(format!("cannot make the folder {}: {error}", folder.display()))
        })?;
    }
    let (sender, mut calls) = mpsc::channel(WAITING);
    let mut interrupts = Interrupts::listen()?;
    for line in lines {
        wait_on(show, server, &line, sender.clone()).await?;
    }
    drop(sender);
    let args = Arc::new(args);
    let finished = Arc::new(AtomicU64::new(0));
    let (done, mut all_done) = mpsc::channel::<()>(1);
    let mut taken = 0;
    while args.calls.is_none_or(|wanted| taken < wanted) {
        let call = tokio::select! {
            call = calls.recv() => call,
            () = interrupts.next() => None,
        };
        let Some((line, call)) = call else { break };
        taken += 1;
        let args = Arc::clone(&args);
        let (finished, done) = (Arc::clone(&finished), done.clone());
        tokio::spawn(async move {
            let served = async {
                greet(show, &call, &line).await?;
                serve(show, &call, &args, taken).await
            };
            if let Err(failure) = served.await {
                show.event(
                    "failed",
                    &format!("{}: {failure}", call.id()),
                    json!({
                        "call": call.id().to_string(), "error": failure.text,
                    }),
                );
                // The call may have ended already, then there is nothing to hang up.
                call.hang_up().await.ok();
            }
            finished.fetch_add(1, Ordering::Relaxed);
            drop(done);
        });
    }
    drop(done);
    if finished.load(Ordering::Relaxed) < taken {
        show.text("no more calls are taken; interrupt again to hang up those that there are");
    }
    // Ends when the last task has dropped its end of the channel.
    tokio::select! {
        _ = all_done.recv() => {}
        () = interrupts.next() => {}
    }
    let count = finished.load(Ordering::Relaxed);
    show.event("done", &format!("{count} calls answered"), json!({"calls": count}));
    Ok(())
}

/// Opens a line, says where it can be called and hands over its calls.
async fn wait_on(
    show: Show,
    server: &Offhook,
    line: &Line,
    calls: mpsc::Sender<(String, Call)>,
) -> Result<(), Failure> {
    line.open(Interest::OWN_AUDIO).await?;
    let (name, addresses) = (line.name(), addresses(server, line).await?);
    let text = match addresses.as_slice() {
        [] => format!("waiting for calls on {name}"),
        some => format!("waiting for calls on {name} at {}", some.join(", ")),
    };
    show.event("waiting", &text, json!({"line": name, "addresses": addresses}));
    let registering = line.clone();
    tokio::spawn(async move {
        if let Err(error) = registering.in_service().await {
            let (name, detail) = (registering.name(), error.to_string());
            show.event("out_of_service", &detail, json!({"line": name, "error": detail}));
        }
    });
    let line = line.clone();
    tokio::spawn(async move {
        while let Ok(call) = line.incoming().await {
            if calls.send((line.name().to_owned(), call)).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Where a line can be called: on every socket, and at its own address where that is elsewhere.
async fn addresses(server: &Offhook, line: &Line) -> Result<Vec<String>, Failure> {
    let record = line.details().await?;
    let Some(own) = record.caps.addresses.first().map(|address| address.address.as_str()) else {
        return Ok(Vec::new());
    };
    let Some((user, host)) = own.strip_prefix("sip:").and_then(|rest| rest.split_once('@')) else {
        return Ok(vec![own.to_owned()]);
    };
    let sockets: Vec<_> = server.sip_addresses().iter().flat_map(|bound| &bound.sockets).collect();
    let mut addresses: Vec<String> = sockets
        .iter()
        .map(|bound| match format!("{:?}", bound.transport).to_lowercase().as_str() {
            "udp" => format!("sip:{user}@{}", bound.address),
            other => format!("sip:{user}@{};transport={other}", bound.address),
        })
        .collect();
    if !sockets.iter().any(|bound| host.starts_with(&bound.address.ip().to_string())) {
        addresses.push(own.to_owned());
    }
    Ok(addresses)
}

/// Says who calls, in the forms that the line's place knows.
async fn greet(show: Show, call: &Call, line: &str) -> Result<(), Failure> {
    let id = call.id().to_string();
    let caller = call.details().await?.info.caller;
    let from = caller.address.as_ref().map_or("somebody", |address| address.as_str());
    let mut words = format!("{id} from {from}");
    if caller.number.is_some() {
        words = format!("{id} from {} ({from})", written(&caller));
    }
    show.event("call", &words, json!({"call": id, "line": line, "from": from, "number": caller.number}));
    Ok(())
}

async fn serve(show: Show, call: &Call, args: &args::Answer, number: u64) -> Result<(), Failure> {
    let id = call.id().to_string();
    call.answer().await?;
    call.connected().await?;
    let recording = match &args.record {
        Some(folder) => Some(call.record(file_for(folder, number)).await?),
        None => None,
    };
    if args.echo {
        call.echo().await?;
    }
    let limit = async {
        match args.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let played = async {
        if let Some(path) = &args.play {
            call.play(path).await?.finished().await?;
        }
        // Without more to do than to play, the call is over when the file is.
        if args.play.is_none() || args.echo || args.record.is_some() {
            std::future::pending::<()>().await;
        }
        Ok::<(), Failure>(())
    };
    tokio::select! {
        _ = call.ended() => {}
        () = limit => call.hang_up().await?,
        result = played => {
            result?;
            call.hang_up().await?;
        }
    }
    let cause = call.ended().await;
    if let Some(recording) = recording {
        let recorded = recording.stored().await?;
        show.event(
            "recorded",
            &format!("{id} recorded to {}", recorded.path),
            json!({
                "call": id, "path": recorded.path, "seconds": recorded.duration.as_secs_f64(),
            }),
        );
    }
    show.event("ended", &format!("{id} {cause}"), json!({"call": id, "cause": cause}));
    Ok(())
}

fn file_for(folder: &std::path::Path, number: u64) -> PathBuf {
    folder.join(format!("call-{number:04}.wav"))
}
