// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small media provider that plays and records by the clock.

use std::collections::BTreeMap;
use std::time::Duration;

use offhook::spi::{
    Manifest, MediaSet, Msp, MspCaps, MspCommand, MspEvent, MspLink, OpSet, ProviderError, RecordingEnd,
    Refusal, RefusalKind, Reply, SchemaId, SessionKey, Terminal, TerminalClass, TerminalControl, TerminalKey,
    VersionRange,
};
use tokio::time::Instant;

/// A media provider that stands in for the simulated one, with recordings. Every file lasts two
/// seconds, but for `missing.wav`; nothing can be stored in `full-disk.wav`.
#[derive(Debug)]
pub(crate) struct Studio;

type Placed = (SessionKey, TerminalKey);

impl Msp for Studio {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "sim-media".to_owned(),
            vendor: "test".to_owned(),
            release: "1".to_owned(),
            spi: VersionRange::CURRENT,
            schemas: vec![SchemaId::new("offhook.sim")],
        }
    }

    async fn run(self, mut link: MspLink) -> Result<(), ProviderError> {
        let mut recordings: BTreeMap<Placed, (String, Instant)> = BTreeMap::new();
        while let Some(command) = link.next().await {
            let mut reply = Reply::DONE;
            let request = match command {
                MspCommand::Hello { .. } => {
                    let terminals = vec![TerminalClass::FilePlayback, TerminalClass::FileRecording];
                    let caps = MspCaps { ops: OpSet::EMPTY, media: MediaSet::AUDIO, terminals };
                    link.emit(MspEvent::Ready { caps }).await.ok();
                    continue;
                }
                MspCommand::CreateSession { request, .. } => request,
                MspCommand::SelectTerminal { request, session, terminal, what, .. } => {
                    match what {
                        Terminal::FileRecording { path } => {
                            recordings.insert((session, terminal), (path, Instant::now()));
                        }
                        Terminal::FilePlayback { path, .. } if path == "missing.wav" => {
                            let detail = "'missing.wav' does not exist";
                            reply = Reply::Refused(Refusal::new(RefusalKind::OperationFailed, detail));
                        }
                        _ => {
                            let events = link.emitter();
                            tokio::spawn(async move {
                                tokio::time::sleep(Duration::from_secs(2)).await;
                                events.emit(MspEvent::EndOfFile { session, terminal }).await.ok();
                            });
                        }
                    }
                    request
                }
                MspCommand::UnselectTerminal { request, session, terminal } => {
                    store(&link, &mut recordings, |placed| *placed == (session, terminal)).await;
                    request
                }
                MspCommand::TerminalControl { request, session, terminal, control } => {
                    if control == TerminalControl::Stop {
                        link.emit(MspEvent::EndOfFile { session, terminal }).await.ok();
                    }
                    request
                }
                MspCommand::EndSession { session } => {
                    store(&link, &mut recordings, |placed| placed.0 == session).await;
                    link.emit(MspEvent::SessionEnded { session, statistics: None }).await.ok();
                    continue;
                }
                _ => continue,
            };
            link.emit(MspEvent::Reply { request, result: reply }).await.ok();
        }
        Ok(())
    }
}

/// Stores some of the recordings.
async fn store(
    link: &MspLink,
    recordings: &mut BTreeMap<Placed, (String, Instant)>,
    which: impl Fn(&Placed) -> bool,
) {
    let (done, rest) = std::mem::take(recordings).into_iter().partition(|(placed, _)| which(placed));
    *recordings = rest;
    let done: BTreeMap<Placed, (String, Instant)> = done;
    for ((session, terminal), (path, begin)) in done {
        let end = if path == "full-disk.wav" {
            RecordingEnd::Failed { detail: "the disk is full".to_owned() }
        } else {
            RecordingEnd::Stored { duration: begin.elapsed() }
        };
        link.emit(MspEvent::Recorded { session, terminal, path, end }).await.ok();
    }
}
