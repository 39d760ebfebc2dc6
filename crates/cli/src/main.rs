// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `offhook`: calls from the command line over any provider.

mod answer;
mod args;
mod call;
mod calls;
mod config;
mod demo;
mod dial;
mod exit;
mod failure;
mod interrupts;
mod line;
mod line_verbs;
mod number;
mod phone;
mod provider;
mod serve;
mod show;
mod trace;
mod visit;

use std::process::ExitCode;

use clap::Parser;
use offhook::{App, Offhook};
use serde_json::json;

use args::{Cli, Command, LineWhat};
use config::{Config, Dialling};
use failure::Failure;
use show::Show;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let show = Show::new(cli.json);
    match run(show, cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if show.is_json() {
                show.event("error", "", json!({"error": failure.text, "exit": failure.code}));
            } else {
                eprintln!("offhook: {failure}");
            }
            ExitCode::from(failure.code)
        }
    }
}

async fn run(show: Show, cli: Cli) -> Result<(), Failure> {
    let Some(cli) = visit(show, cli).await? else { return Ok(()) };
    match &cli.command {
        Command::Demo(demo) => return demo::run(show, demo, cli.trace.as_deref()).await,
        Command::Provider(args::Provider::Test(args)) => return provider::test(show, args).await,
        Command::Trace(what) => return trace::run(show, what),
        Command::Watch(args::Watch { line, server: Some(socket) }) => {
            return serve::watch(show, socket.clone(), line.as_deref()).await;
        }
        _ => {}
    }
    let config = Config::load(cli.config.as_deref())?;
    let dialling = config.dialling().clone();
    match &cli.command {
        Command::Dial(args) => return dial::run(show, &dialling, args).await,
        Command::Number(args) => return number::run(show, &dialling, args),
        Command::Provider(args::Provider::Serve { provider }) => {
            return provider::serve(config, *provider).await;
        }
        _ => {}
    }
    let server = config.builder(cli.trace.as_deref()).await?.start().await?;
    let app = server.app("offhook").await?;
    let outcome = serve(show, &server, &app, &dialling, cli.command).await;
    server.shutdown().await;
    outcome
}

/// What only asks the running server; gives back any other command.
async fn visit(show: Show, mut cli: Cli) -> Result<Option<Cli>, Failure> {
    cli.command = match cli.command {
        Command::Calls(args) => return calls::run(show, args).await.map(|()| None),
        Command::Phone(args) => return phone::run(show, args).await.map(|()| None),
        Command::Line(args::Line { server, what: LineWhat::Verb(verb) }) => {
            return line_verbs::run(show, server, verb).await.map(|()| None);
        }
        Command::Line(args::Line { server, what }) if server.server.is_some() => {
            return line::of_server(show, server, what).await.map(|()| None);
        }
        other => other,
    };
    Ok(Some(cli))
}

async fn serve(
    show: Show,
    server: &Offhook,
    app: &App,
    dialling: &Dialling,
    command: Command,
) -> Result<(), Failure> {
    match command {
        Command::Answer(args) => {
            let lines = match &args.line {
                Some(name) => vec![app.line(name).await?],
                None => every_line(app).await?,
            };
            answer::run(show, server, lines, args).await
        }
        Command::Call(args) => {
            let line = line::choose(app, args.from.as_deref(), &args.target).await?;
            call::run(show, &line, dialling, &args).await
        }
        Command::Line(args) => match args.what {
            LineWhat::List => line::list(show, app.lines().await?),
            LineWhat::Show { line } => line::show_one(show, &app.line(&line).await?.details().await?),
            LineWhat::Verb(_) => Ok(()),
        },
        Command::Register(args) => line::register(show, app, &args).await,
        Command::Serve(args) => serve::run(show, server, app, args.socket).await,
        Command::Watch(args) => line::watch(show, app, args.line.as_deref()).await,
        Command::Calls(_)
        | Command::Demo(_)
        | Command::Dial(_)
        | Command::Number(_)
        | Command::Phone(_)
        | Command::Provider(_)
        | Command::Trace(_) => Ok(()),
    }
}

async fn every_line(app: &App) -> Result<Vec<offhook::Line>, Failure> {
    let mut lines = Vec::new();
    for record in app.lines().await? {
        // Scripted far ends do not call by themselves.
        if record.provider != "sim" {
            lines.push(app.line(&record.stable_id).await?);
        }
    }
    Ok(lines)
}
