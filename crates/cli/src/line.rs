// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook line`, `offhook register`, `offhook watch`: lines and what happens on them.

use serde_json::json;

use offhook::{App, Interest, Line, LineRecord, Told};
use offhook_spi::{MediaSet, Service, WatchedState};

use crate::args::{self, LineWhat, Server};
use crate::exit;
use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::show::Show;
use crate::visit::Visit;

/// The same of the lines of a running server.
pub(crate) async fn of_server(show: Show, server: Server, what: LineWhat) -> Result<(), Failure> {
    let mut visit = Visit::begin(server.server).await?;
    match what {
        LineWhat::Show { line } => show_one(show, &visit.line(&line).await?)?,
        _ => list(show, visit.lines().await?)?,
    }
    visit.leave().await
}

/// Lists all lines.
pub(crate) fn list(show: Show, lines: Vec<LineRecord>) -> Result<(), Failure> {
    if lines.is_empty() {
        show.text("no lines; add some to the configuration file (see --config)");
    }
    for line in lines {
        let row =
            format!("{:<24} {:<10} {:<28} {}", line.stable_id, line.provider, address(&line), service(&line));
        show.result(row.trim_end(), &json!(line));
    }
    Ok(())
}

/// Shows all about one line.
pub(crate) fn show_one(show: Show, line: &LineRecord) -> Result<(), Failure> {
    let mut text = format!(
        "{} ({} of provider {})\n  address     {}\n  service     {}\n  calls       {}",
        line.stable_id,
        line.line,
        line.provider,
        address(line),
        service(line),
        line.calls
    );
    if let Some(session) = &line.caps.session {
        text.push_str(&format!("\n  media       {} by {}", session.schema, session.msp));
    }
    if let Some(waiting) = line.status.message_waiting {
        text.push_str(if waiting { "\n  messages    waiting" } else { "\n  messages    none" });
    }
    for watched in &line.status.watched {
        text.push_str(&format!("\n  watches     {} ({})", watched.address, standing(watched.state)));
    }
    let ops: Vec<&str> = line.caps.ops.iter().map(offhook_spi::Op::name).collect();
    text.push_str(&format!("\n  can         {}", ops.join("\n              ")));
    show.result(&text, &json!(line));
    Ok(())
}

/// Registers lines and says how it went.
pub(crate) async fn register(show: Show, app: &App, args: &args::Register) -> Result<(), Failure> {
    let mut failed = None;
    for record in wanted(app, args.line.as_deref()).await? {
        // The simulated exchange has nothing to register with.
        if args.line.is_none() && record.provider == "sim" {
            continue;
        }
        let line = app.line(&record.stable_id).await?;
        line.open(Interest::DIAL).await?;
        let outcome = tokio::time::timeout(args.within, line.in_service()).await;
        let (text, ok) = match outcome {
            Ok(Ok(())) => ("in service".to_owned(), true),
            Ok(Err(error)) => (error.to_string(), false),
            Err(_) => (format!("no answer from its registrar within {:?}", args.within), false),
        };
        show.event(
            "line",
            &format!("{:<24} {text}", line.name()),
            json!({
                "line": line.name(), "in_service": ok, "detail": text,
            }),
        );
        if !ok {
            failed =
                Some(Failure::new(exit::OUT_OF_SERVICE, format!("line {} is not in service", line.name())));
        }
    }
    match failed {
        Some(failure) => Err(failure),
        None if args.check => Ok(()),
        None => {
            let mut interrupts = Interrupts::listen()?;
            show.text("registered until interrupted");
            interrupts.next().await;
            Ok(())
        }
    }
}

/// Prints what happens until interrupted.
pub(crate) async fn watch(show: Show, app: &App, name: Option<&str>) -> Result<(), Failure> {
    let (mut events, mut interrupts) = (app.events(), Interrupts::listen()?);
    for record in wanted(app, name).await? {
        let line = app.line(&record.stable_id).await?;
        line.open(Interest { monitor: true, own: MediaSet::EMPTY }).await?;
        show.event("watching", &format!("watching {}", line.name()), json!({"line": line.name()}));
    }
    loop {
        let told = tokio::select! {
            told = events.next() => told,
            () = interrupts.next() => None,
        };
        match told {
            None => return Ok(()),
            Some(Told::Event(entry)) => {
                let object =
                    json!({"sequence": entry.sequence, "at": entry.at.to_string(), "what": entry.event});
                let text = format!("{:>6} {} {}", entry.sequence, entry.at, object["what"]);
                show.event("event", &text, object);
            }
            Some(Told::Lost { from, to }) => {
                let object = json!({"from": from, "to": to});
                show.event("lost", &format!("events {from} to {to} are gone from the journal"), object);
            }
            Some(_) => {}
        }
    }
}

async fn wanted(app: &App, name: Option<&str>) -> Result<Vec<LineRecord>, Failure> {
    match name {
        Some(name) => Ok(vec![app.line(name).await?.details().await?]),
        None => Ok(app.lines().await?),
    }
}

/// The line to call from: the one that was named, or the one that fits the target.
pub(crate) async fn choose(app: &App, name: Option<&str>, target: &str) -> Result<Line, Failure> {
    if let Some(name) = name {
        return Ok(app.line(name).await?);
    }
    let provider = if target.starts_with("sim:") { "sim" } else { "sip" };
    let lines = app.lines().await?;
    let fits = lines.iter().find(|line| line.provider == provider).or_else(|| lines.first());
    match fits {
        Some(record) => Ok(app.line(&record.stable_id).await?),
        None => {
            Err(Failure::usage(format!("no line to call {target} from; add one to the configuration file")))
        }
    }
}

fn address(line: &LineRecord) -> String {
    line.caps.addresses.first().map(|address| address.address.clone()).unwrap_or_default()
}

fn service(line: &LineRecord) -> String {
    if !line.present {
        return "gone".to_owned();
    }
    match &line.status.service {
        Service::In => "in service".to_owned(),
        Service::Connecting => "connecting".to_owned(),
        Service::Out { reason } => format!("out of service: {reason}"),
        _ => "unknown".to_owned(),
    }
}

fn standing(state: WatchedState) -> &'static str {
    match state {
        WatchedState::Alerting => "a call rings",
        WatchedState::Busy => "busy",
        WatchedState::Idle => "free",
        WatchedState::Offline => "not there",
        _ => "unknown",
    }
}
