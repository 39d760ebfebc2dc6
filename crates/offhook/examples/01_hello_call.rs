// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls somebody, listens for keys, answers with some, hangs up. The network is a simulation, so
//! nothing needs to be set up:
//!
//! ```text
//! cargo run --example 01_hello_call
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::time::Duration;

use offhook::{Error, ExchangeConfig, Gather, Offhook};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let phone = Offhook::builder().sim(ExchangeConfig::default()).start().await?;
    let app = phone.app("hello").await?;
    let line = app.line("alice").await?;

    let call = line.call("sim:friendly").await?;
    println!("calling ...");
    call.connected().await?;
    println!("connected");

    let patience = Some(Duration::from_secs(10));
    let three = Gather { max: 3, terminators: Vec::new(), first_timeout: patience, inter_timeout: patience };
    println!("they pressed {}", call.gather(three).await?.text());
    call.send_digits("42#").await?;

    call.hang_up().await?;
    println!("{} is over: {}", call.id(), call.ended().await);
    phone.shutdown().await;
    Ok(())
}
