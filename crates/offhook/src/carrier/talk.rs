// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's half of every conversation in frames, whatever carries them.

use std::time::Duration;

use offhook_spi::frame::{FromProvider, Introduction, ProviderKind, Words, line, ping};
use offhook_spi::{Emitter, Link, ProviderError};
use tokio::sync::watch;
use tokio::time::{interval, timeout};
use tracing::debug;

/// Where a provider's frames come from.
pub(super) trait Ear: Send {
    /// The next frame, or nothing at the end; a sentence when what came is no frame. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, String>> + Send;
}

/// Where frames for a provider go; closed when dropped.
pub(super) trait Mouth: Send {
    /// Says a frame; nothing when the provider does not listen any more.
    fn say(&mut self, frame: Vec<u8>) -> impl Future<Output = Option<()>> + Send;
}

/// Waits for a provider's first frame, which has to say that it is of this kind.
pub(super) async fn introduced(wanted: ProviderKind, ear: &mut impl Ear) -> Result<Introduction, String> {
    let introduction = match timeout(INTRODUCTION, ear.next()).await {
        Ok(Ok(Some(line))) => {
            Introduction::read(&line).map_err(|error| format!("does not introduce itself: {error}"))?
        }
        Ok(Ok(None)) => return Err("ended before it introduced itself".to_owned()),
        Ok(Err(detail)) => return Err(format!("does not introduce itself: {detail}")),
        Err(_) => return Err(format!("has not introduced itself within {INTRODUCTION:?}")),
    };
    if introduction.provider == wanted {
        return Ok(introduction);
    }
    Err(format!("is no {} but says it is a {}", words(wanted), words(introduction.provider)))
}

/// Carries messages both ways until the link closes or the provider ends, which is an error.
pub(super) async fn carry<W: Words>(
    mut link: Link<W::Command, W::Event>,
    ear: &mut impl Ear,
    mouth: impl Mouth,
    period: Duration,
) -> Result<(), String> {
    let (pongs, answered) = watch::channel(0);
    let emitter = link.emitter();
    let hear = hear::<W>(ear, emitter, pongs);
    let tell = tell::<W>(&mut link, mouth, answered, period);
    tokio::pin!(hear, tell);
    tokio::select! {
        ended = &mut hear => ended,
        // It reads the end of its input; what it still says while it ends is heard.
        ended = &mut tell => {
            if ended.is_ok() {
                timeout(FAREWELL, hear).await.ok();
            }
            ended
        }
    }
}

/// The refusal or the end of a provider, in one sentence.
pub(super) fn failed(name: &str, detail: &str) -> ProviderError {
    ProviderError::new(format!("'{name}' {detail}"))
}

/// Passes on what the provider says. It ends when nobody listens, or with the reason why nothing more comes.
async fn hear<W: Words>(
    ear: &mut impl Ear,
    emitter: Emitter<W::Event>,
    pongs: watch::Sender<u64>,
) -> Result<(), String> {
    let mut unknown = 0_u64;
    loop {
        let line = ear.next().await.map_err(|detail| format!("it says what is no frame: {detail}"))?;
        let Some(line) = line else { return Err(CLOSED.to_owned()) };
        match FromProvider::<W::Event>::read(&line).map_err(|error| error.to_string())? {
            FromProvider::Event(event) => {
                if emitter.emit(event).await.is_err() {
                    return Ok(());
                }
            }
            FromProvider::Pong(number) => {
                pongs.send_replace(number);
            }
            FromProvider::Unknown { detail } => {
                unknown += 1;
                debug!(unknown, detail, "an event that this version does not know was passed over");
            }
        }
    }
}

/// Passes on what the host says, and asks now and then whether anybody is there.
async fn tell<W: Words>(
    link: &mut Link<W::Command, W::Event>,
    mut mouth: impl Mouth,
    answered: watch::Receiver<u64>,
    period: Duration,
) -> Result<(), String> {
    let mut pulse = interval(period);
    let mut sent = 0_u64;
    loop {
        let bytes = tokio::select! {
            command = link.next() => match command {
                Some(command) => line(&command),
                None => return Ok(()),
            },
            _ = pulse.tick() => {
                if sent.saturating_sub(*answered.borrow()) >= SILENCE {
                    return Err(format!("it has not answered {SILENCE} pings, one every {period:?}"));
                }
                sent += 1;
                ping(sent)
            }
        };
        match timeout(period.saturating_mul(3), mouth.say(bytes)).await {
            Ok(Some(())) => {}
            Ok(None) => return Err("it has closed its input".to_owned()),
            Err(_) => return Err("it does not read its commands".to_owned()),
        }
    }
}

const fn words(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Tsp => "TSP",
        ProviderKind::Msp => "MSP",
    }
}

/// The provider has ended, or says nothing more.
pub(super) const CLOSED: &str = "it has closed its output";
/// How often a provider is asked whether it lives.
pub(super) const PING: Duration = Duration::from_secs(5);
/// How long a provider may take to end.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);
/// How long a provider may take for its first frame.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// So many pings without an answer mean that it does not live.
const SILENCE: u64 = 3;
