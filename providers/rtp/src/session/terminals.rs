// SPDX-License-Identifier: MIT OR Apache-2.0
//! Terminals of a session: put on a stream, controlled, taken off.

use offhook_spi::{
    MspEvent, Refusal, RefusalKind, RequestId, StreamKey, Terminal, TerminalClass, TerminalControl,
    TerminalKey,
};

use super::{Outbox, Session};
use crate::leg::Output;

/// A terminal of a session.
#[derive(Debug)]
pub(super) struct Fitted {
    class: TerminalClass,
    stream: StreamKey,
    /// Path of its file.
    path: Option<String>,
    stage: Stage,
}

/// How far a terminal is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// It is being made.
    Coming { request: RequestId, unwanted: Option<RequestId> },
    /// It has played to the end, or was stopped.
    Over,
    /// Its recording is being stored; somebody may wait for it.
    Storing { request: Option<RequestId>, after: After },
    /// It is on its stream.
    There,
}

/// What becomes of a recording terminal when it is stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum After {
    /// It goes.
    Gone,
    /// It stays until it is taken off.
    Stays,
}

impl Fitted {
    /// Whether a recording of it may not be stored yet.
    pub(super) fn is_recording(&self) -> bool {
        self.class == TerminalClass::FileRecording
            && matches!(self.stage, Stage::There | Stage::Storing { .. })
    }
}

impl Session {
    /// Puts a terminal on a stream; the reply comes when it is there.
    pub(crate) fn select(
        &mut self,
        request: RequestId,
        stream: StreamKey,
        key: TerminalKey,
        what: Terminal,
        out: &mut Outbox,
    ) {
        match self.check_terminal(stream, key, &what) {
            Err(refusal) => out.reply(request, Err(refusal)),
            Ok(()) => {
                let path = match &what {
                    Terminal::FileRecording { path } => Some(path.clone()),
                    _ => None,
                };
                let stage = Stage::Coming { request, unwanted: None };
                self.terminals.insert(key, Fitted { class: what.class(), stream, path, stage });
                out.push(Output::Attach { session: self.key, stream, terminal: key, what });
            }
        }
    }

    /// A terminal is there, or could not be made.
    pub(crate) fn attached(&mut self, key: TerminalKey, result: Result<(), Refusal>, out: &mut Outbox) {
        let Some(fitted) = self.terminals.get_mut(&key) else { return };
        let Stage::Coming { request, unwanted } = fitted.stage else { return };
        let made = result.is_ok();
        fitted.stage = Stage::There;
        if !made {
            self.terminals.remove(&key);
        }
        out.reply(request, result);
        if let Some(request) = unwanted {
            if made { self.unselect(request, key, out) } else { out.reply(request, Ok(())) }
        }
    }

    /// Takes a terminal off; the reply comes when a recording is stored.
    pub(crate) fn unselect(&mut self, request: RequestId, key: TerminalKey, out: &mut Outbox) {
        let session = self.key;
        let Some(fitted) = self.terminals.get_mut(&key) else {
            let detail = format!("{session} has no {key}");
            out.reply(request, Err(Refusal::new(RefusalKind::StaleHandle, detail)));
            return;
        };
        match &mut fitted.stage {
            Stage::Coming { unwanted, .. } if unwanted.is_none() => *unwanted = Some(request),
            Stage::Storing { request: waiting, after } if waiting.is_none() => {
                (*waiting, *after) = (Some(request), After::Gone);
            }
            Stage::Coming { .. } | Stage::Storing { .. } => {
                let detail = format!("{key} of {session} is being taken off already");
                out.reply(request, Err(Refusal::new(RefusalKind::InvalidState, detail)));
            }
            Stage::There if fitted.class == TerminalClass::FileRecording => {
                fitted.stage = Stage::Storing { request: Some(request), after: After::Gone };
                out.push(Output::Detach { session, terminal: key });
            }
            Stage::There | Stage::Over => {
                self.terminals.remove(&key);
                out.push(Output::Detach { session, terminal: key });
                out.reply(request, Ok(()));
            }
        }
    }

    /// Pauses, resumes, moves or stops a file.
    pub(crate) fn control(
        &mut self,
        key: TerminalKey,
        control: TerminalControl,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let session = self.key;
        let stale = || Refusal::new(RefusalKind::StaleHandle, format!("{session} has no {key}"));
        let fitted = self.terminals.get_mut(&key).ok_or_else(stale)?;
        if fitted.stage != Stage::There {
            let detail = format!("{key} of {session} is not running, expected one that plays or records");
            return Err(Refusal::new(RefusalKind::InvalidState, detail));
        }
        match (fitted.class, control) {
            (TerminalClass::FilePlayback, TerminalControl::Stop) => {
                fitted.stage = Stage::Over;
                out.push(Output::Control { session, terminal: key, control });
                out.emit(MspEvent::EndOfFile { session, terminal: key });
            }
            (TerminalClass::FileRecording, TerminalControl::Stop) => {
                fitted.stage = Stage::Storing { request: None, after: After::Stays };
                out.push(Output::Detach { session, terminal: key });
            }
            (TerminalClass::FilePlayback, _)
            | (TerminalClass::FileRecording, TerminalControl::Pause | TerminalControl::Resume) => {
                out.push(Output::Control { session, terminal: key, control });
            }
            (class, control) => {
                return Err(self.invalid(format!("a {class:?} cannot {control:?}")));
            }
        }
        Ok(())
    }

    pub(super) fn terminal_ended(&mut self, key: TerminalKey, out: &mut Outbox) {
        let playing = |fitted: &&mut Fitted| fitted.stage == Stage::There;
        let Some(fitted) = self.terminals.get_mut(&key).filter(playing) else { return };
        if fitted.class == TerminalClass::FilePlayback {
            fitted.stage = Stage::Over;
            out.emit(MspEvent::EndOfFile { session: self.key, terminal: key });
        }
    }

    /// A recording has ended, wanted or not: its path, and who waits for it.
    pub(super) fn recording_over(&mut self, key: TerminalKey) -> Option<(String, Option<RequestId>)> {
        let fitted = self.terminals.get_mut(&key).filter(|fitted| fitted.is_recording())?;
        let path = fitted.path.clone().unwrap_or_default();
        match fitted.stage {
            Stage::Storing { request, after: After::Gone } => {
                self.terminals.remove(&key);
                Some((path, request))
            }
            _ => {
                fitted.stage = Stage::Over;
                Some((path, None))
            }
        }
    }

    pub(super) fn is_there(&self, key: TerminalKey) -> bool {
        self.terminals.get(&key).is_some_and(|fitted| fitted.stage == Stage::There)
    }

    /// Answers everything that waits, because the session ends.
    pub(super) fn answer_all(&mut self, out: &mut Outbox) {
        let ended = || Refusal::new(RefusalKind::Abandoned, format!("{} ended", self.key));
        for request in std::mem::take(&mut self.measuring) {
            out.reply(request, Err(ended()));
        }
        for fitted in self.terminals.values() {
            if let Stage::Coming { request, unwanted } = fitted.stage {
                out.reply(request, Err(ended()));
                unwanted.into_iter().for_each(|request| out.reply(request, Ok(())));
            }
        }
        self.terminals.retain(|_, fitted| !matches!(fitted.stage, Stage::Coming { .. }));
    }

    fn check_terminal(&self, stream: StreamKey, key: TerminalKey, what: &Terminal) -> Result<(), Refusal> {
        if self.terminals.contains_key(&key) {
            return Err(self.invalid(format!("{key} is taken")));
        }
        if self.terminals.values().filter(|fitted| fitted.stream == stream).count() >= MAX_TERMINALS {
            let detail = format!("{} has {MAX_TERMINALS} terminals on the stream, expected fewer", self.key);
            return Err(Refusal::new(RefusalKind::Busy, detail));
        }
        let fits = match what.class() {
            TerminalClass::Application | TerminalClass::Null => {
                matches!(stream, StreamKey::AudioIn | StreamKey::AudioOut)
            }
            TerminalClass::Echo | TerminalClass::FilePlayback | TerminalClass::Tone => {
                stream == StreamKey::AudioOut
            }
            TerminalClass::FileRecording | TerminalClass::ToneDetector => stream == StreamKey::AudioIn,
            _ => {
                return Err(Refusal::new(
                    RefusalKind::Unsupported,
                    format!("{:?} is not known", what.class()),
                ));
            }
        };
        if !fits {
            return Err(self.invalid(format!("a {:?} does not fit on {stream:?}", what.class())));
        }
        match what {
            Terminal::Tone { tone } => self.check_tone(tone),
            Terminal::ToneDetector { tones } if tones.is_empty() || tones.len() > MAX_TONES => {
                Err(self.invalid(format!("{} tones to listen for, expected 1 to {MAX_TONES}", tones.len())))
            }
            Terminal::ToneDetector { tones } => tones.iter().try_for_each(|tone| self.check_tone(tone)),
            _ => Ok(()),
        }
    }
}

/// The most terminals on a stream: the engine patches six, and one place is for digits.
const MAX_TERMINALS: usize = 5;
/// The most tones that a detector listens for.
const MAX_TONES: usize = 16;
