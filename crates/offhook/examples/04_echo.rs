// SPDX-License-Identifier: MIT OR Apache-2.0
//! An echo service that answers every call. So that the example ends by itself, two callers in the
//! same program ring it up, send a tone and wait until they hear it. Nothing needs to be set up.
#![expect(clippy::print_stdout, reason = "an example talks to people")]

use std::time::{Duration, Instant};

use offhook::{Error, Interest, Line, Offhook, RtpConfig, SipConfig, Tone};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let phone = start("echo").await?;
    let line = phone.app("echo").await?.line("echo").await?;
    line.open(Interest::OWN_AUDIO).await?;
    let serving = tokio::spawn(serve(line));

    let callers = start("caller").await?;
    let line = callers.app("callers").await?.line("caller").await?;
    let number = phone.sip_uri("echo")?;
    tokio::try_join!(ring_up(&line, &number, 500.0), ring_up(&line, &number, 900.0))?;

    phone.shutdown().await;
    callers.shutdown().await;
    serving.await.ok();
    Ok(())
}

/// The service: every call in a task of its own.
async fn serve(line: Line) -> Result<(), Error> {
    loop {
        let call = line.incoming().await?;
        tokio::spawn(async move {
            call.answer().await?;
            call.echo().await?;
            println!("echo: {} ended: {}", call.id(), call.ended().await);
            Ok::<(), Error>(())
        });
    }
}

/// A caller who measures how long the echo takes.
async fn ring_up(line: &Line, number: &str, hertz: f32) -> Result<(), Error> {
    let call = line.call(number).await?;
    call.connected().await?;
    let tone = Tone { frequencies: vec![hertz], duration: Duration::from_millis(60), level: -10.0 };
    let mut ears = call.detect_tones(vec![tone.clone()]).await?;
    let begin = Instant::now();
    call.tone(tone).await?;
    ears.heard(Duration::from_secs(10)).await?;
    println!("{}: heard {hertz} Hz after {} ms", call.id(), begin.elapsed().as_millis());
    call.hang_up().await
}

async fn start(user: &str) -> Result<Offhook, Error> {
    Offhook::builder().sip(SipConfig::direct(user)).rtp(RtpConfig::default()).start().await
}
