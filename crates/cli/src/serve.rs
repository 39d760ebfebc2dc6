// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook serve`: a server that applications in other processes share, and watching one from outside.

use std::path::PathBuf;

use offhook::local::{Remote, RemoteEvent};
use offhook::{Answer, App, Ask, Interest, LineRecord, Offhook};
use offhook_spi::MediaSet;
use serde_json::json;

use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::show::Show;

/// Where applications find the server of this user.
pub(crate) fn usual_socket() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder).join(SOCKET),
        _ => PathBuf::from(SOCKET),
    }
}

/// Serves until interrupted.
pub(crate) async fn run(
    show: Show,
    server: &Offhook,
    app: &App,
    socket: Option<PathBuf>,
) -> Result<(), Failure> {
    let mut interrupts = Interrupts::listen()?;
    let listening = server.listen(&socket.unwrap_or_else(usual_socket)).await?;
    let lines: Vec<String> = app.lines().await?.into_iter().map(|line| line.stable_id).collect();
    let path = listening.path().display().to_string();
    let text = format!("serving {} at {path} until interrupted", lines.join(", "));
    show.event("serving", &text, json!({"socket": path, "lines": lines}));
    interrupts.next().await;
    Ok(())
}

/// Prints what happens on the lines of a running server until interrupted.
pub(crate) async fn watch(show: Show, socket: PathBuf, name: Option<&str>) -> Result<(), Failure> {
    let mut remote = Remote::connect(&socket, "offhook watch", None).await?;
    let mut interrupts = Interrupts::listen()?;
    for record in wanted(&mut remote, name).await? {
        let interest = Interest { monitor: true, own: MediaSet::EMPTY };
        remote.ask(Ask::OpenLine { line: record.line, interest }).await?;
        let line = &record.stable_id;
        show.event("watching", &format!("watching {line}"), json!({"line": line}));
    }
    loop {
        let told = tokio::select! {
            told = remote.event() => told?,
            () = interrupts.next() => return Ok(()),
        };
        match told {
            RemoteEvent::Event { sequence, at, what } => {
                let object = json!({"sequence": sequence, "at": at.to_string(), "what": what});
                let text = format!("{sequence:>6} {at} {}", object["what"]);
                show.event("event", &text, object);
            }
            RemoteEvent::Lost { from, to } => {
                let object = json!({"from": from, "to": to});
                show.event("lost", &format!("events {from} to {to} are gone from the journal"), object);
            }
            _ => {}
        }
    }
}

async fn wanted(remote: &mut Remote, name: Option<&str>) -> Result<Vec<LineRecord>, Failure> {
    let Answer::Lines { lines } = remote.ask(Ask::Lines).await? else {
        return Err(Failure::new(crate::exit::FAILED, "the server does not say which lines it has"));
    };
    let Some(name) = name else { return Ok(lines) };
    let known: Vec<String> = lines.iter().map(|line| line.stable_id.clone()).collect();
    let found: Vec<LineRecord> = lines.into_iter().filter(|line| line.stable_id == name).collect();
    if found.is_empty() {
        return Err(Failure::usage(format!("there is no line '{name}'; there are: {}", known.join(", "))));
    }
    Ok(found)
}

/// The name of the socket in its folder.
const SOCKET: &str = "offhook.sock";
