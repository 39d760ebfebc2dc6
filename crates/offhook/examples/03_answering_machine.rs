// SPDX-License-Identifier: MIT OR Apache-2.0
//! An answering machine: answers, beeps, records until the caller hangs up. So that the example ends by
//! itself, a second telephone in the same program leaves a message. Nothing needs to be set up.
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::time::Duration;

use offhook::{Error, Interest, Line, Offhook, Recorded, RtpConfig, SipConfig, Tone};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let home = start("home").await?;
    let line = home.app("answering machine").await?.line("home").await?;
    line.open(Interest::OWN_AUDIO).await?;
    let number = home.sip_uri("home")?;
    let (message, ()) = tokio::try_join!(take_message(&line), leave_message(number))?;
    println!("a message of {:.1} s is in {}", message.duration.as_secs_f32(), message.path);
    home.shutdown().await;
    Ok(())
}

/// The machine, for one call.
async fn take_message(line: &Line) -> Result<Recorded, Error> {
    let call = line.incoming().await?;
    println!("machine: {} is {}", call.id(), call.state());
    call.answer().await?;
    call.connected().await?;
    call.beep(beep()).await?;
    let recording = call.record(std::env::temp_dir().join("offhook-03.wav")).await?;
    println!("machine: {}", call.ended().await);
    recording.stored().await
}

/// Somebody who waits for the beep and then speaks.
async fn leave_message(number: String) -> Result<(), Error> {
    let phone = start("caller").await?;
    let call = phone.app("caller").await?.line("caller").await?.call(number).await?;
    let mut ears = call.detect_tones(vec![beep()]).await?;
    call.connected().await?;
    ears.heard(Duration::from_secs(10)).await?;
    println!("caller: heard the beep, speaking");
    let voice = Tone { frequencies: vec![220.0], duration: Duration::from_millis(1_500), level: -12.0 };
    call.beep(voice).await?;
    call.hang_up().await?;
    call.ended().await;
    phone.shutdown().await;
    Ok(())
}

fn beep() -> Tone {
    Tone { frequencies: vec![1_000.0], duration: Duration::from_millis(300), level: -10.0 }
}

async fn start(user: &str) -> Result<Offhook, Error> {
    Offhook::builder().sip(SipConfig::direct(user)).rtp(RtpConfig::default()).start().await
}
