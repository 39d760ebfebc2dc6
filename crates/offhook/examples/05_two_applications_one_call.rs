// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two applications share one call: the owner acts, the other watches and is refused by name. The
//! network is a simulation, so nothing needs to be set up.
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::time::Duration;

use offhook::{AppEvent, Call, Error, ExchangeConfig, Offhook, Told};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let phone = Offhook::builder().sim(ExchangeConfig::default()).start().await?;
    let owner = phone.app("owner").await?;
    let watcher = phone.app("watcher").await?;

    let line = owner.line("alice").await?;
    let monitor = watcher.monitor(&line).await?;
    let call = line.call("sim:friendly").await?;
    let seen = monitor.next().await?;
    let watching = tokio::spawn(watch(seen.clone()));

    call.connected().await?;
    println!("owner:   they pressed {}", call.digit(Duration::from_secs(10)).await?);
    match seen.hang_up().await {
        Ok(()) => println!("watcher: that should not have been allowed"),
        Err(error) => println!("watcher: {error}"),
    }
    call.hang_up().await?;
    println!("owner:   hung up");
    watching.await.ok();
    phone.shutdown().await;
    Ok(())
}

/// Prints each state of the call until it is over.
async fn watch(call: Call) {
    let mut events = call.events();
    println!("watcher: {} is {}", call.id(), call.state());
    while let Some(Told::Event(entry)) = events.next().await {
        if let AppEvent::CallState { state, .. } = &entry.event {
            println!("watcher: {} is {state}, event {} at {} s", call.id(), entry.sequence, entry.at);
            if !state.kind().is_live() {
                return;
            }
        }
    }
}
