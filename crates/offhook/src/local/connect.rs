// SPDX-License-Identifier: MIT OR Apache-2.0
//! The application's side: asks a server in another process, in the core's words.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;

use offhook_core::{Answer, AppEvent, AppId, AppProfile, Ask, AskId, Sequence};
use offhook_spi::{Moment, Refusal};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::wire::{Goodbye, Hello, LONGEST_LINE, Line, Nothing, Request, Session};
use crate::error::{Error, ErrorKind};
use crate::lines::Lines;

/// An application whose server runs in another process of this machine.
///
/// It leaves when this is dropped; calls that only it owned follow the policy of their line. One that loses its
/// connection, or crashes, may come back within the server's grace period with [`Remote::resume`].
///
/// ```no_run
/// # async fn example() -> Result<(), offhook::Error> {
/// use offhook::{Answer, Ask, local::Remote};
///
/// let mut remote = Remote::connect("offhook.sock".as_ref(), "crm", None).await?;
/// if let Answer::Lines { lines } = remote.ask(Ask::Lines).await? {
///     println!("{} lines", lines.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Remote {
    session: Session,
    next: Sequence,
    lines: Lines<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    last: u64,
    /// Events that came while an answer was waited for.
    early: VecDeque<RemoteEvent>,
    /// Answers that came while something else was waited for.
    answered: HashMap<AskId, Result<Answer, Refusal>>,
}

/// What a server in another process tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RemoteEvent {
    /// Something happened.
    Event {
        /// Its place among all events of the server.
        sequence: Sequence,
        /// When, on the server's clock.
        at: Moment,
        /// What.
        what: Box<AppEvent>,
    },
    /// We have fallen behind; nothing is lost.
    Lagged {
        /// The next event that we shall be told.
        from: Sequence,
    },
    /// We have fallen so far behind that these events are forgotten.
    Lost {
        /// The first.
        from: Sequence,
        /// The last.
        to: Sequence,
    },
}

impl Remote {
    /// Connects and introduces the application; `from` resumes the events after a place that was seen before.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when no server listens there.
    pub async fn connect(path: &Path, name: &str, from: Option<Sequence>) -> Result<Self, Error> {
        Self::begin(path, name, None, from).await
    }

    /// Comes back after a lost connection, as if nothing had been: the same calls, the events since `from`.
    ///
    /// # Errors
    /// [`ErrorKind::OperationFailed`] when the grace period is over; [`ErrorKind::Io`] when no server listens.
    pub async fn resume(path: &Path, session: Session, from: Sequence) -> Result<Self, Error> {
        Self::begin(path, "", Some(session), Some(from)).await
    }

    async fn begin(
        path: &Path,
        name: &str,
        resume: Option<Session>,
        from: Option<Sequence>,
    ) -> Result<Self, Error> {
        let operation = format!("connect to the server at {}", path.display());
        let stream = UnixStream::connect(path).await.map_err(|error| {
            Error::io(
                operation.clone(),
                "expected a running server there; start one with `offhook serve`",
                error,
            )
        })?;
        let (reader, writer) = stream.into_split();
        let mut remote = Self {
            session: Session { app: AppId(0), key: 0 },
            next: Sequence(0),
            lines: Lines::new(reader, LONGEST_LINE),
            writer,
            last: 0,
            early: VecDeque::new(),
            answered: HashMap::new(),
        };
        let profile = AppProfile { name: name.to_owned(), priority: 0 };
        remote.send(&Hello { hello: profile, resume, from }).await?;
        match remote.read().await? {
            Line::Welcome { session, next, .. } => (remote.session, remote.next) = (session, next),
            Line::Bye { because } => return Err(Error::new(ErrorKind::OperationFailed, operation, because)),
            other => return Err(unexpected(&operation, &other)),
        }
        Ok(remote)
    }

    /// The application's id in the server.
    #[must_use]
    pub const fn id(&self) -> AppId {
        self.session.app
    }

    /// What it takes to come back after a lost connection.
    #[must_use]
    pub const fn session(&self) -> Session {
        self.session
    }

    /// The number of the next event that was not told yet; to resume there after a lost connection.
    #[must_use]
    pub const fn position(&self) -> Sequence {
        self.next
    }

    /// Asks for something and waits for the one answer; events that come meanwhile are kept.
    ///
    /// # Errors
    /// What the server refuses; [`ErrorKind::ShutDown`] when it has gone.
    pub async fn ask(&mut self, ask: Ask) -> Result<Answer, Error> {
        self.last += 1;
        let id = AskId(self.last);
        self.send(&Request { id, ask }).await?;
        loop {
            if let Some(result) = self.answered.remove(&id) {
                return result.map_err(Error::from);
            }
            if let Some(event) = self.take().await? {
                self.early.push_back(event);
            }
        }
    }

    /// Waits for the next event. Cancel safe.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`] when the server has gone.
    pub async fn event(&mut self) -> Result<RemoteEvent, Error> {
        loop {
            if let Some(event) = self.early.pop_front() {
                return Ok(event);
            }
            if let Some(event) = self.take().await? {
                self.early.push_back(event);
            }
        }
    }

    /// Takes one line in; gives the event that it tells.
    async fn take(&mut self) -> Result<Option<RemoteEvent>, Error> {
        Ok(match self.read().await? {
            Line::Answer { id, done: Some(answer), .. } => {
                self.answered.insert(id, Ok(answer));
                None
            }
            Line::Answer { id, refused: Some(refusal), .. } => {
                self.answered.insert(id, Err(refusal));
                None
            }
            Line::Event { sequence, at, what } => {
                self.next = Sequence(sequence.0.saturating_add(1));
                Some(RemoteEvent::Event { sequence, at, what: Box::new(what) })
            }
            Line::Lagged { from } => Some(RemoteEvent::Lagged { from }),
            Line::Lost { from, to } => Some(RemoteEvent::Lost { from, to }),
            Line::Bye { because } => {
                return Err(Error::new(ErrorKind::ShutDown, "ask the server", because));
            }
            other => return Err(unexpected("ask the server", &other)),
        })
    }

    async fn read(&mut self) -> Result<Line, Error> {
        let operation = "hear the server";
        let line = self.lines.next().await.map_err(|detail| Error::new(ErrorKind::Io, operation, detail))?;
        let line =
            line.ok_or_else(|| Error::new(ErrorKind::ShutDown, operation, "it has closed the connection"))?;
        serde_json::from_slice(&line)
            .map_err(|error| Error::io(operation, "it says what this program does not know", error))
    }

    async fn send(&mut self, message: &impl serde::Serialize) -> Result<(), Error> {
        let failed = |error: io::Error| Error::io("ask the server", "it does not listen any more", error);
        let mut bytes = serde_json::to_vec(message).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        self.writer.write_all(&bytes).await.map_err(failed)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Ok(mut bytes) = serde_json::to_vec(&Goodbye { bye: Nothing {} }) {
            bytes.push(b'\n');
            // A server that does not hear it waits for the grace period.
            self.writer.try_write(&bytes).ok();
        }
    }
}

fn unexpected(operation: &str, line: &Line) -> Error {
    Error::new(ErrorKind::OperationFailed, operation, format!("the server says something else: {line:?}"))
}
