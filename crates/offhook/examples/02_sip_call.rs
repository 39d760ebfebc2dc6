// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two SIP telephones in one program call each other over loopback sockets. Alice sends a tone and
//! records what comes back; Bob echoes and presses a key. Nothing needs to be set up.
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::time::Duration;

use offhook::{Error, Interest, Line, Offhook, RtpConfig, SipConfig, Tone};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let bobs = start("bob").await?;
    let bob = bobs.app("echo").await?.line("bob").await?;
    bob.open(Interest::OWN_AUDIO).await?;
    let answering = tokio::spawn(answer(bob));

    let phone = start("alice").await?;
    let app = phone.app("hello").await?;
    let line = app.line("alice").await?;
    let call = line.call(bobs.sip_uri("bob")?).await?;
    call.connected().await?;
    println!("connected to {}", bobs.sip_uri("bob")?);

    let recording = call.record(std::env::temp_dir().join("offhook-02.wav")).await?;
    let tone = Tone { frequencies: vec![440.0], duration: Duration::from_millis(700), level: -10.0 };
    call.beep(tone).await?;
    println!("bob pressed {}", call.digit(Duration::from_secs(10)).await?);
    let stored = recording.stop().await?;
    println!("{:.1} s of echo are in {}", stored.duration.as_secs_f32(), stored.path);
    for (stream, figures) in call.statistics().await?.streams {
        println!("{stream:?}: {} packets, {} lost", figures.packets, figures.lost.unwrap_or(0));
    }

    call.hang_up().await?;
    println!("alice: {}", call.ended().await);
    answering.await.ok();
    phone.shutdown().await;
    bobs.shutdown().await;
    Ok(())
}

async fn start(user: &str) -> Result<Offhook, Error> {
    Offhook::builder().sip(SipConfig::direct(user)).rtp(RtpConfig::default()).start().await
}

async fn answer(bob: Line) -> Result<(), Error> {
    let call = bob.incoming().await?;
    call.answer().await?;
    call.echo().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    call.send_digits("5").await?;
    println!("bob: {}", call.ended().await);
    Ok(())
}
