// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server's side: each connection is an application, for as long as it lasts.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use offhook_core::{AppId, AskId};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::wire::{Goodbye, Hello, LONGEST_LINE, Line, Request, Session};
use crate::app::Server;
use crate::error::Error;
use crate::journal::{Events, Told};
use crate::lines::Lines;
use crate::runtime::{Command, DirectAnswer, DirectGuard, DirectJoined};

/// More requests of one application than this do not wait for their answers; it is read on when some have come.
const MOST_OPEN: usize = 256;
/// More applications than this are not let in.
const MOST_APPS: usize = 1_024;

/// A socket that applications connect to. When it is dropped the socket is closed, the applications leave, and the
/// file is removed.
#[derive(Debug)]
pub struct Listening {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Listening {
    /// Opens the socket; only the user who runs the server can connect.
    pub(crate) async fn open(server: Arc<Server>, path: &Path) -> Result<Self, Error> {
        let operation = || format!("listen for applications at {}", path.display());
        let failed = |error: io::Error, advice: &str| Error::io(operation(), advice.to_owned(), error);
        if UnixStream::connect(path).await.is_ok() {
            let error = io::Error::from(io::ErrorKind::AddrInUse);
            return Err(failed(error, "another server listens there; choose another path or end it"));
        }
        // A socket that nobody serves was left behind by a server that was killed; anything else stays.
        if std::fs::symlink_metadata(path).is_ok_and(|it| !is_socket(&it)) {
            let error = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(failed(error, "there is a file that is no socket; choose another path"));
        }
        let listener =
            bind(path).map_err(|error| failed(error, "expected a path that a socket can be made at"))?;
        let task = tokio::spawn(accept(server, listener));
        Ok(Self { path: path.to_owned(), task })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        std::fs::remove_file(&self.path).ok();
    }
}

fn is_socket(file: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    file.file_type().is_socket()
}

/// Binds under a name that nobody knows, takes the rights of others away, and only then gives it its name.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let mut hidden = path.as_os_str().to_owned();
    hidden.push(format!(".{}", std::process::id()));
    let hidden = PathBuf::from(hidden);
    std::fs::remove_file(&hidden).ok();
    let listener = UnixListener::bind(&hidden)?;
    std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&hidden, path)?;
    Ok(listener)
}

async fn accept(server: Arc<Server>, listener: UnixListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < MOST_APPS => {
                    connections.spawn(serve(Arc::clone(&server), stream));
                }
                Ok(_) => warn!("more than {MOST_APPS} applications; one more was not let in"),
                Err(error) => {
                    // Out of file descriptors, most likely: some may be given back by then.
                    warn!(%error, "an application could not connect");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one application until either side closes.
async fn serve(server: Arc<Server>, stream: UnixStream) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = Lines::new(reader, LONGEST_LINE);
    let because = match greet(&server, &mut lines).await {
        Ok(mut connection) => connection.run(&mut lines, &mut writer).await.err(),
        Err(because) => Some(because),
    };
    if let Some(because) = because {
        debug!(because, "an application is sent away");
        // Whoever has gone does not read it.
        send(&mut writer, &Line::Bye { because }).await.ok();
    }
}

struct Connection {
    server: Arc<Server>,
    app: AppId,
    session: Session,
    answers: tokio::sync::mpsc::UnboundedReceiver<DirectAnswer>,
    events: Events,
    open: HashSet<AskId>,
    _guard: DirectGuard,
}

async fn greet(server: &Arc<Server>, lines: &mut Lines<OwnedReadHalf>) -> Result<Connection, String> {
    let line = lines.next().await?.ok_or("expected a line with hello, found the end")?;
    let Hello { hello: profile, resume, from } =
        serde_json::from_slice(&line).map_err(|error| format!("expected a line with hello: {error}"))?;
    let gone = || "the server is being shut down".to_owned();
    let (reply, joined) = oneshot::channel();
    // Taken before the application is there, so that nothing is missed.
    let head = server.journal.head();
    let command = match resume {
        Some(Session { app, key }) => Command::DirectBack { app, key, reply },
        None => Command::DirectUp { profile, reply },
    };
    server.commands.send(command).await.map_err(|_| gone())?;
    let too_late = || match resume {
        Some(Session { app, .. }) => format!("{app} has been away for too long, or never was; begin anew"),
        None => gone(),
    };
    let DirectJoined { app, key, guard, newest, answers, open } = joined.await.map_err(|_| too_late())?;
    let session = Session { app, key };
    let events = Events::new(Arc::clone(&server.journal), app, None, from.unwrap_or(head), newest);
    let server = Arc::clone(server);
    Ok(Connection { server, app, session, answers, events, open, _guard: guard })
}

impl Connection {
    /// Passes on what comes from either side; the error is why the application is sent away.
    async fn run(
        &mut self,
        lines: &mut Lines<OwnedReadHalf>,
        writer: &mut OwnedWriteHalf,
    ) -> Result<(), String> {
        let gone = |_: io::Error| "it does not read".to_owned();
        let next = self.events.position();
        send(writer, &Line::Welcome { app: self.app, session: self.session, next }).await.map_err(gone)?;
        loop {
            let may_ask = self.open.len() < MOST_OPEN;
            tokio::select! {
                // Answers go before the events that follow them (inventory rule 26).
                biased;
                answer = self.answers.recv() => match answer {
                    Some(answer) => {
                        self.open.remove(&answer.id);
                        send(writer, &answer_line(answer)).await.map_err(gone)?;
                    }
                    None => return Err("another connection has taken the application over".to_owned()),
                },
                told = self.events.next() => match told {
                    Some(told) => send(writer, &event_line(&told)).await.map_err(gone)?,
                    None => return Err("the server has been shut down".to_owned()),
                },
                line = lines.next(), if may_ask => match line? {
                    Some(line) if serde_json::from_slice::<Goodbye>(&line).is_ok() => {
                        self.server.commands.send(Command::DirectDown { app: self.app }).await.ok();
                        return Ok(());
                    }
                    Some(line) => self.ask(&line, writer).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    async fn ask(&mut self, line: &[u8], writer: &mut OwnedWriteHalf) -> Result<(), String> {
        let request: Request = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(error) => return self.refuse(line, &error, writer).await,
        };
        self.open.insert(request.id);
        let command = Command::DirectAsk { app: self.app, id: request.id, ask: request.ask };
        self.server.commands.send(command).await.map_err(|_| "the server is being shut down".to_owned())
    }

    /// Refuses what cannot be read, under its number if it has one.
    async fn refuse(
        &self,
        line: &[u8],
        error: &serde_json::Error,
        writer: &mut OwnedWriteHalf,
    ) -> Result<(), String> {
        #[derive(serde::Deserialize)]
        struct Numbered {
            id: AskId,
        }
        let Ok(Numbered { id }) = serde_json::from_slice(line) else {
            return Err(format!("expected a request with an id: {error}"));
        };
        let detail = format!("the request cannot be read: {error}");
        let refusal = offhook_spi::Refusal::new(offhook_spi::RefusalKind::InvalidParameter, detail);
        let line = Line::Answer { id, done: None, refused: Some(refusal) };
        send(writer, &line).await.map_err(|error| error.to_string())
    }
}

fn answer_line(answer: DirectAnswer) -> Line {
    let (done, refused) = match answer.result {
        Ok(answer) => (Some(answer), None),
        Err(refusal) => (None, Some(refusal)),
    };
    Line::Answer { id: answer.id, done, refused }
}

fn event_line(told: &Told) -> Line {
    match told {
        Told::Event(entry) => {
            Line::Event { sequence: entry.sequence, at: entry.at, what: entry.event.clone() }
        }
        Told::Lagged { from } => Line::Lagged { from: *from },
        Told::Lost { from, to } => Line::Lost { from: *from, to: *to },
    }
}

async fn send(writer: &mut OwnedWriteHalf, line: &Line) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    writer.write_all(&bytes).await
}
