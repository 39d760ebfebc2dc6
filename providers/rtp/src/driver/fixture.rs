// SPDX-License-Identifier: MIT OR Apache-2.0
//! Terminals: what each class means for the engine, the files and the application's rings.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use offhook_media::engine::{Echo, LegControl, LegId};
use offhook_media::file::{self, Encoding, JobId, PlayOrder, RecordOrder, Storage};
use offhook_media::ring::{self, RingControl};
use offhook_media::tone::{Repeat, ToneGenerator, ToneScript};
use offhook_media::{Sink, Source};
use offhook_spi::{Refusal, RefusalKind, SessionKey, StreamKey, Terminal, TerminalControl, TerminalKey};

use super::legs::components;
use super::{Driver, Signal};
use crate::leg::Input;
use crate::node::{Converted, Gate, ToneListener};

/// What the driver remembers of a terminal.
pub(super) enum Fixture {
    /// Repeats what comes in.
    Echo,
    /// Listens for tones.
    Listener,
    /// Plays out of a ring: a file or a program.
    Playing { ring: RingControl, job: Option<JobId>, paused: bool },
    /// Takes into a sink that a gate guards: a file or a program.
    Taking { gate: Arc<AtomicBool>, paused: bool },
    /// Needs nothing to be remembered.
    Plain,
}

impl Driver {
    /// Puts a terminal on a stream; files are looked at first, on a thread that may wait for a disk.
    pub(super) fn attach(
        &mut self,
        session: SessionKey,
        stream: StreamKey,
        terminal: TerminalKey,
        what: Terminal,
    ) {
        if !matches!(what, Terminal::FilePlayback { .. } | Terminal::FileRecording { .. }) {
            let result = self.fit(session, stream, terminal, what);
            self.inputs.push_back(Input::Attached { session, terminal, result });
            return;
        }
        let signals = self.signals.clone();
        tokio::task::spawn_blocking(move || {
            let result = check_file(&what);
            let checked = Signal::Checked { session, stream, terminal, what, result };
            signals.blocking_send(checked).ok();
        });
    }

    /// Makes a terminal whose file can be used, if it has one.
    pub(super) fn fit(
        &mut self,
        session: SessionKey,
        stream: StreamKey,
        terminal: TerminalKey,
        what: Terminal,
    ) -> Result<(), Refusal> {
        let Some(id) = self.legs.get(&session).map(|leg| leg.id) else {
            return Err(Refusal::new(RefusalKind::StaleHandle, format!("{session} has ended")));
        };
        let fixture = match what {
            Terminal::Echo => {
                self.tell(id, LegControl::Echo(Echo::On));
                Fixture::Echo
            }
            Terminal::FilePlayback { path, repeat } => {
                let repeat = if repeat { Repeat::Forever } else { Repeat::Times(1) };
                self.play(id, session, terminal, path, repeat)?
            }
            Terminal::FileRecording { path } => self.record(id, session, terminal, path)?,
            Terminal::Application { port } if stream == StreamKey::AudioOut => {
                self.speak_for_program(id, terminal, port)?
            }
            Terminal::Application { port } => self.hear_for_program(id, terminal, port)?,
            Terminal::Tone { tone } => {
                let script = ToneScript::steady(&components(&tone));
                let source = Box::new(ToneGenerator::new(self.format, &script));
                self.tell(id, LegControl::AddSource(terminal, source));
                Fixture::Plain
            }
            Terminal::ToneDetector { tones } => {
                let notes = self.notes.clone();
                let listener = ToneListener::new(self.format, session, terminal, &tones, notes);
                self.tell(id, LegControl::AddSink(terminal, Box::new(listener)));
                Fixture::Listener
            }
            Terminal::Null => Fixture::Plain,
            what => {
                let detail = format!("{:?} is not known", what.class());
                return Err(Refusal::new(RefusalKind::Unsupported, detail));
            }
        };
        if let Some(leg) = self.legs.get_mut(&session) {
            leg.fixtures.insert(terminal, fixture);
        }
        self.follow_gates(session);
        self.follow_listeners(session);
        Ok(())
    }

    /// Takes a terminal off. What a recording has not written yet is written, and then told.
    pub(super) fn detach(&mut self, session: SessionKey, terminal: TerminalKey) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let id = leg.id;
        let removed = leg.fixtures.remove(&terminal);
        let echoes = leg.fixtures.values().any(|fixture| matches!(fixture, Fixture::Echo));
        match removed {
            Some(Fixture::Echo) if !echoes => self.tell(id, LegControl::Echo(Echo::Off)),
            Some(Fixture::Echo) => {}
            Some(_) | None => self.tell(id, LegControl::Remove(terminal)),
        }
        self.follow_listeners(session);
    }

    pub(super) fn control(&mut self, session: SessionKey, terminal: TerminalKey, control: TerminalControl) {
        if control == TerminalControl::Stop {
            return self.detach(session, terminal);
        }
        let fixture = self.legs.get_mut(&session).and_then(|leg| leg.fixtures.get_mut(&terminal));
        match (fixture, control) {
            (Some(Fixture::Playing { job: Some(job), .. }), TerminalControl::Seek(at)) => {
                let job = *job;
                // Only a disk with a thousand orders before it says no; the file then goes on where it is.
                self.disk.seek(job, at).ok();
            }
            (Some(Fixture::Playing { paused, .. } | Fixture::Taking { paused, .. }), control) => {
                *paused = control == TerminalControl::Pause;
                self.follow_gates(session);
            }
            _ => {}
        }
    }

    /// Lets sound through where it flows: what plays waits until it is sent, what takes until it is received.
    pub(super) fn follow_gates(&self, session: SessionKey) {
        let Some(leg) = self.legs.get(&session) else { return };
        for (terminal, fixture) in &leg.fixtures {
            let is_its_turn = leg.is_on_music == (*terminal == MUSIC);
            match fixture {
                Fixture::Playing { ring, paused, .. } if *paused || !leg.sends() || !is_its_turn => {
                    ring.pause();
                }
                Fixture::Playing { ring, .. } => ring.resume(),
                Fixture::Taking { gate, paused } => {
                    let open = leg.has_begun && !leg.incoming.paused && !paused;
                    gate.store(open, Ordering::Relaxed);
                }
                Fixture::Echo | Fixture::Listener | Fixture::Plain => {}
            }
        }
    }

    /// Plays a file instead of the terminals, or lets them speak again. One that cannot be played is silence.
    pub(super) fn music(&mut self, session: SessionKey, path: Option<String>) {
        self.detach(session, MUSIC);
        let Some(leg) = self.legs.get_mut(&session) else { return };
        leg.is_on_music = path.is_some();
        let id = leg.id;
        let fixture = path.and_then(|path| self.play(id, session, MUSIC, path, Repeat::Forever).ok());
        if let (Some(fixture), Some(leg)) = (fixture, self.legs.get_mut(&session)) {
            leg.fixtures.insert(MUSIC, fixture);
        }
        self.follow_gates(session);
    }

    fn play(
        &mut self,
        leg: LegId,
        session: SessionKey,
        terminal: TerminalKey,
        path: String,
        repeat: Repeat,
    ) -> Result<Fixture, Refusal> {
        let (ring, source) = ring::channel(self.format, FILE_RING);
        let control = ring.control();
        control.pause();
        let job = self.next_job();
        let files = vec![(PathBuf::from(path), Storage::Wav)];
        self.disk.play(job, PlayOrder { files, repeat, ring }).map_err(failed)?;
        self.jobs.insert(job, (session, terminal));
        self.tell(leg, LegControl::AddSource(terminal, Box::new(source)));
        Ok(Fixture::Playing { ring: control, job: Some(job), paused: false })
    }

    fn record(
        &mut self,
        leg: LegId,
        session: SessionKey,
        terminal: TerminalKey,
        path: String,
    ) -> Result<Fixture, Refusal> {
        let (sink, ring) = ring::channel(self.format, FILE_RING);
        let job = self.next_job();
        let order = RecordOrder { path: PathBuf::from(path), encoding: Encoding::PcmS16, ring };
        self.disk.record(job, order).map_err(failed)?;
        self.jobs.insert(job, (session, terminal));
        let gate = Arc::new(AtomicBool::new(false));
        let sink = Box::new(Gate::new(sink, Arc::clone(&gate)));
        self.tell(leg, LegControl::AddSink(terminal, sink));
        Ok(Fixture::Taking { gate, paused: false })
    }

    fn speak_for_program(
        &mut self,
        leg: LegId,
        terminal: TerminalKey,
        port: u64,
    ) -> Result<Fixture, Refusal> {
        let source = self.ports.take_source(port).ok_or_else(|| no_port(port))?;
        let ring = source.control();
        ring.pause();
        let source: Box<dyn Source> = if source.format().rate == self.format.rate {
            Box::new(source)
        } else {
            Box::new(Converted::source(source, self.format).map_err(failed)?)
        };
        self.tell(leg, LegControl::AddSource(terminal, source));
        Ok(Fixture::Playing { ring, job: None, paused: false })
    }

    fn hear_for_program(&mut self, leg: LegId, terminal: TerminalKey, port: u64) -> Result<Fixture, Refusal> {
        let sink = self.ports.take_sink(port).ok_or_else(|| no_port(port))?;
        let gate = Arc::new(AtomicBool::new(false));
        let sink: Box<dyn Sink> = if sink.format().rate == self.format.rate {
            Box::new(Gate::new(sink, Arc::clone(&gate)))
        } else {
            Box::new(Gate::new(Converted::sink(sink, self.format).map_err(failed)?, Arc::clone(&gate)))
        };
        self.tell(leg, LegControl::AddSink(terminal, sink));
        Ok(Fixture::Taking { gate, paused: false })
    }

    const fn next_job(&mut self) -> JobId {
        self.last_job += 1;
        JobId(self.last_job)
    }
}

/// Looks whether the file of a terminal can be used.
fn check_file(what: &Terminal) -> Result<(), Refusal> {
    let named = |path: &str, error: &dyn fmt::Display| failed(format!("{path}: {error}"));
    match what {
        Terminal::FilePlayback { path, .. } => {
            file::open(path.as_ref()).map(drop).map_err(|error| named(path, &error))
        }
        Terminal::FileRecording { path } => {
            std::fs::File::create(path).map(drop).map_err(|error| named(path, &error))
        }
        _ => Ok(()),
    }
}

fn failed(error: impl fmt::Display) -> Refusal {
    Refusal::new(RefusalKind::OperationFailed, error.to_string())
}

fn no_port(port: u64) -> Refusal {
    Refusal::new(
        RefusalKind::InvalidParameter,
        format!("application port {port} is not open, or taken already"),
    )
}

/// The key under which music is patched.
const MUSIC: TerminalKey = TerminalKey(u64::MAX - 1);
/// How much of a file waits between disk and leg.
const FILE_RING: Duration = Duration::from_millis(500);
