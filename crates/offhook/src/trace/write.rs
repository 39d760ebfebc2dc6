// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a trace: a thread of its own has the file, and the server never waits for it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use offhook_core::{Config, Input, Output};
use offhook_spi::Moment;
use tokio::sync::oneshot;
use tracing::warn;

use super::{FORMAT, Header, Line};
use crate::error::Error;

/// The server's end of a trace.
#[derive(Debug)]
pub(crate) struct TraceWriter {
    lines: SyncSender<Line>,
    /// Lines that found no room since the last one that did.
    lost: u64,
    /// Told when the file is closed.
    done: oneshot::Receiver<()>,
}

impl TraceWriter {
    /// Creates the file and starts the thread.
    pub(crate) fn create(path: &Path, policy: &Config) -> Result<Self, Error> {
        let operation = || format!("write the trace '{}'", path.display());
        let failed = |error: io::Error| Error::io(operation(), error.to_string(), error);
        let mut file = BufWriter::new(File::create(path).map_err(failed)?);
        let header = Header { offhook_trace: FORMAT, policy: policy.clone() };
        write_line(&mut file, &header).map_err(failed)?;
        let (lines, lines_out) = sync_channel(ROOM);
        let (closed, done) = oneshot::channel();
        let run = move || {
            if let Err(error) = write_all(&mut file, &lines_out) {
                warn!(%error, "the trace ends here, it could not be written");
            }
            closed.send(()).ok();
        };
        std::thread::Builder::new().name("offhook-trace".to_owned()).spawn(run).map_err(failed)?;
        Ok(Self { lines, lost: 0, done })
    }

    pub(crate) fn input(&mut self, now: Moment, input: &Input) {
        self.write(|| Line::In(now, input.clone()));
    }

    pub(crate) fn output(&mut self, now: Moment, output: &Output) {
        self.write(|| Line::Out(now, output.clone()));
    }

    pub(crate) fn wake(&mut self, now: Moment) {
        self.write(|| Line::Wake(now));
    }

    /// Waits until everything is in the file.
    pub(crate) async fn finish(self) {
        let Self { lines, done, .. } = self;
        drop(lines);
        done.await.ok();
    }

    fn write(&mut self, line: impl FnOnce() -> Line) {
        if self.lost > 0 {
            match self.lines.try_send(Line::Lost(self.lost)) {
                Ok(()) => self.lost = 0,
                Err(_) => {
                    self.lost = self.lost.saturating_add(1);
                    return;
                }
            }
        }
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line()) {
            warn!("the trace has a gap, the disk is too slow");
            self.lost = 1;
        }
    }
}

fn write_all(file: &mut BufWriter<File>, lines: &Receiver<Line>) -> io::Result<()> {
    while let Ok(line) = lines.recv() {
        write_line(file, &line)?;
        // What is there goes out together, and nothing waits in the buffer while nothing happens.
        while let Ok(line) = lines.try_recv() {
            write_line(file, &line)?;
        }
        file.flush()?;
    }
    file.flush()
}

fn write_line(file: &mut impl Write, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}

/// Lines that may wait for the disk.
const ROOM: usize = 16_384;
