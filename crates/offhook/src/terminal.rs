// SPDX-License-Identifier: MIT OR Apache-2.0
//! Terminals on the streams of a call: playing, recording, echoing, listening for tones.

use std::path::Path;
use std::time::Duration;

use offhook_core::{Answer, AppEvent, CallAsk};
use offhook_spi::{RecordingEnd, StreamKey, Terminal, TerminalControl, TerminalKey, Tone};
use tokio::sync::watch;

use crate::app::unexpected;
use crate::call::Call;
use crate::error::{Error, ErrorKind};
use crate::journal::Events;
use crate::runtime::{Attached, TerminalEnd, TerminalView};

/// A terminal on a stream. It stays until it is removed or the call ends, also when this handle is
/// dropped.
#[derive(Clone, Debug)]
pub struct Placed {
    call: Call,
    terminal: TerminalKey,
    /// How it ended; only files do.
    view: Option<watch::Receiver<TerminalView>>,
}

/// A file that is being played to the far end. Dropping this does not stop it.
#[derive(Clone, Debug)]
pub struct Playback(Placed);

/// A recording of what the far end says. Dropping this does not stop it.
#[derive(Clone, Debug)]
pub struct Recording(Placed);

/// A recording that is safely stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// The file.
    pub path: String,
    /// How long it is.
    pub duration: Duration,
}

/// Listens for tones in what the far end says.
#[derive(Debug)]
pub struct ToneDetector {
    placed: Placed,
    events: Events,
}

/// A tone began or ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ToneHeard {
    /// Its place in the list that was asked for.
    pub tone: usize,
    /// Whether it sounds now.
    pub on: bool,
}

impl Call {
    /// Plays a sound file to the far end; relative to the working directory of this process.
    ///
    /// # Errors
    /// [`ErrorKind::NoMedia`] when the call has no session, [`ErrorKind::OperationFailed`] when the
    /// file cannot be played, [`ErrorKind::NotOwner`].
    pub async fn play(&self, path: impl AsRef<Path>) -> Result<Playback, Error> {
        let path = self.text_of("play", path.as_ref())?;
        let what = Terminal::FilePlayback { path, repeat: false };
        self.place("play a file on", StreamKey::AudioOut, what).await.map(Playback)
    }

    /// Plays a sound file again and again.
    ///
    /// # Errors
    /// As [`Call::play`].
    pub async fn play_repeatedly(&self, path: impl AsRef<Path>) -> Result<Playback, Error> {
        let path = self.text_of("play", path.as_ref())?;
        let what = Terminal::FilePlayback { path, repeat: true };
        self.place("play a file on", StreamKey::AudioOut, what).await.map(Playback)
    }

    /// Records what the far end says to a file; an existing file is replaced.
    ///
    /// # Errors
    /// As [`Call::play`].
    pub async fn record(&self, path: impl AsRef<Path>) -> Result<Recording, Error> {
        let path = self.text_of("record", path.as_ref())?;
        let what = Terminal::FileRecording { path };
        self.place("record", StreamKey::AudioIn, what).await.map(Recording)
    }

    /// Sends back what comes in.
    ///
    /// # Errors
    /// As [`Call::play`].
    pub async fn echo(&self) -> Result<Placed, Error> {
        self.place("echo on", StreamKey::AudioOut, Terminal::Echo).await
    }

    /// Sends a tone until it is removed; its duration is ignored.
    ///
    /// # Errors
    /// As [`Call::play`].
    pub async fn tone(&self, tone: Tone) -> Result<Placed, Error> {
        self.place("send a tone on", StreamKey::AudioOut, Terminal::Tone { tone }).await
    }

    /// Listens for tones.
    ///
    /// # Errors
    /// As [`Call::play`].
    pub async fn detect_tones(&self, tones: Vec<Tone>) -> Result<ToneDetector, Error> {
        let events = self.events();
        let placed =
            self.place("listen for tones on", StreamKey::AudioIn, Terminal::ToneDetector { tones }).await?;
        Ok(ToneDetector { placed, events })
    }

    /// Puts any terminal on any stream; the others here are short forms of it.
    ///
    /// # Errors
    /// As [`Call::play`].
    pub async fn select(&self, stream: StreamKey, what: Terminal) -> Result<Placed, Error> {
        self.place("select a terminal on", stream, what).await
    }

    async fn place(&self, verb: &str, stream: StreamKey, what: Terminal) -> Result<Placed, Error> {
        let reply = self.request(verb, CallAsk::SelectTerminal { stream, what }).await?;
        let Answer::Terminal { terminal } = reply.answer else {
            return Err(unexpected(format!("{verb} {}", self.id()), &reply.answer));
        };
        let view = match reply.attached {
            Attached::Terminal(view) => Some(view),
            _ => None,
        };
        Ok(Placed { call: self.clone(), terminal, view })
    }

    /// Paths travel as text.
    fn text_of(&self, verb: &str, path: &Path) -> Result<String, Error> {
        path.to_str().map(str::to_owned).ok_or_else(|| {
            let detail = format!("the path {} is not UTF-8 text", path.display());
            Error::new(ErrorKind::InvalidParameter, format!("{verb} a file on {}", self.id()), detail)
        })
    }
}

impl Placed {
    /// The terminal's key, as events show it.
    #[must_use]
    pub fn key(&self) -> TerminalKey {
        self.terminal
    }

    /// Takes the terminal off its stream.
    ///
    /// # Errors
    /// [`ErrorKind::StaleHandle`] when it was off already.
    pub async fn remove(&self) -> Result<(), Error> {
        let op = CallAsk::UnselectTerminal { terminal: self.terminal };
        self.call.request("take a terminal off", op).await.map(|_| ())
    }

    async fn control(&self, verb: &str, control: TerminalControl) -> Result<(), Error> {
        let op = CallAsk::TerminalControl { terminal: self.terminal, control };
        self.call.request(verb, op).await.map(|_| ())
    }

    /// Waits for the end of the terminal; `None` when the call ended and it was never told.
    async fn end(&self) -> Option<TerminalEnd> {
        let mut view = self.view.clone()?;
        let last = view.clone();
        let told =
            async { view.wait_for(|view| view.end.is_some()).await.ok().and_then(|view| view.end.clone()) };
        let over = async {
            // Recordings are stored when the session ends, after the call has.
            self.call.wait_for(|view| view.ended()).await?;
            let session_ended = self.call.wait_for(|view| view.session_ended);
            tokio::time::timeout(AFTER_CALL, session_ended).await.ok().flatten()
        };
        tokio::select! {
            biased;
            end = told => end,
            _ = over => last.borrow().end.clone(),
        }
    }
}

impl Playback {
    /// The terminal's key, as events show it.
    #[must_use]
    pub fn key(&self) -> TerminalKey {
        self.0.key()
    }

    /// Waits until the file was played to the end, or was stopped.
    ///
    /// # Errors
    /// [`ErrorKind::CallEnded`] with the cause when the call ended first.
    pub async fn finished(&self) -> Result<(), Error> {
        let operation = || format!("play a file on {}", self.0.call.id());
        tokio::select! {
            biased;
            end = self.0.end() => match end {
                Some(_) => Ok(()),
                None => Err(self.0.call.over(operation())),
            },
            _ = self.0.call.wait_for(|view| view.ended()) => Err(self.0.call.over(operation())),
        }
    }

    /// Stands still.
    ///
    /// # Errors
    /// [`ErrorKind::StaleHandle`] when it has ended.
    pub async fn pause(&self) -> Result<(), Error> {
        self.0.control("pause a file on", TerminalControl::Pause).await
    }

    /// Goes on.
    ///
    /// # Errors
    /// As [`Playback::pause`].
    pub async fn resume(&self) -> Result<(), Error> {
        self.0.control("resume a file on", TerminalControl::Resume).await
    }

    /// Goes to a position from the start of the file.
    ///
    /// # Errors
    /// As [`Playback::pause`].
    pub async fn seek(&self, to: Duration) -> Result<(), Error> {
        self.0.control("seek in a file on", TerminalControl::Seek(to)).await
    }

    /// Ends it now; [`Playback::finished`] returns.
    ///
    /// # Errors
    /// As [`Playback::pause`].
    pub async fn stop(&self) -> Result<(), Error> {
        self.0.control("stop a file on", TerminalControl::Stop).await
    }
}

impl Recording {
    /// The terminal's key, as events show it.
    #[must_use]
    pub fn key(&self) -> TerminalKey {
        self.0.key()
    }

    /// Ends the recording and waits until it is safely stored. A recording that the end of the call has
    /// ended already is only waited for.
    ///
    /// # Errors
    /// [`ErrorKind::OperationFailed`] when it could not be stored.
    pub async fn stop(&self) -> Result<Recorded, Error> {
        if let Err(error) = self.0.remove().await {
            let ended = matches!(error.kind(), ErrorKind::InvalidState | ErrorKind::StaleHandle);
            if !ended {
                return Err(error);
            }
        }
        self.stored().await
    }

    /// Waits until the recording is safely stored, which is when the call ends or somebody stops it.
    ///
    /// # Errors
    /// [`ErrorKind::OperationFailed`] when it could not be stored.
    pub async fn stored(&self) -> Result<Recorded, Error> {
        let operation = || format!("record {}", self.0.call.id());
        let detail = match self.0.end().await {
            Some(TerminalEnd::Recorded { path, end: RecordingEnd::Stored { duration } }) => {
                return Ok(Recorded { path, duration });
            }
            Some(TerminalEnd::Recorded { path, end: RecordingEnd::Failed { detail } }) => {
                format!("'{path}' could not be stored: {detail}")
            }
            Some(TerminalEnd::EndOfFile) => "the recording ended as if it were a playback".to_owned(),
            None => "the call ended and nobody said what became of the recording".to_owned(),
        };
        Err(Error::new(ErrorKind::OperationFailed, operation(), detail))
    }

    /// Leaves out what comes from now on.
    ///
    /// # Errors
    /// [`ErrorKind::StaleHandle`] when it has ended.
    pub async fn pause(&self) -> Result<(), Error> {
        self.0.control("pause a recording of", TerminalControl::Pause).await
    }

    /// Goes on.
    ///
    /// # Errors
    /// As [`Recording::pause`].
    pub async fn resume(&self) -> Result<(), Error> {
        self.0.control("resume a recording of", TerminalControl::Resume).await
    }
}

impl ToneDetector {
    /// Waits for the next tone to begin or to end; `None` when the call is over.
    pub async fn next(&mut self) -> Option<ToneHeard> {
        let mine = self.placed.terminal;
        let call = self.placed.call.clone();
        let heard = self.events.find(move |event| match event {
            AppEvent::ToneHeard { terminal: Some(terminal), tone, on, .. } if *terminal == mine => {
                Some(ToneHeard { tone: usize::from(*tone), on: *on })
            }
            _ => None,
        });
        tokio::select! {
            biased;
            heard = heard => heard,
            _ = call.wait_for(|view| view.ended()) => None,
        }
    }

    /// Waits until a tone of the list begins.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] when none began in time, [`ErrorKind::CallEnded`].
    pub async fn heard(&mut self, within: Duration) -> Result<usize, Error> {
        let operation = format!("listen for tones on {}", self.placed.call.id());
        let call = self.placed.call.clone();
        let begun = async {
            loop {
                match self.next().await {
                    Some(ToneHeard { tone, on: true }) => return Some(tone),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        match tokio::time::timeout(within, begun).await {
            Ok(Some(tone)) => Ok(tone),
            Ok(None) => Err(call.over(operation)),
            Err(_) => Err(Error::timed_out(operation, format!("no tone began within {within:?}"))),
        }
    }

    /// Stops listening.
    ///
    /// # Errors
    /// [`ErrorKind::StaleHandle`] when it has ended.
    pub async fn remove(&self) -> Result<(), Error> {
        self.placed.remove().await
    }
}

/// How long a recording may take to be stored after its call has ended.
const AFTER_CALL: Duration = Duration::from_secs(10);
