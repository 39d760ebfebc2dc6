// SPDX-License-Identifier: MIT OR Apache-2.0
//! The application: a name under which a program uses lines and calls.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use offhook_core::{
    Answer, AppId, AppProfile, AppRecord, Ask, CallId, Interest, LineId, LineRecord, PhoneRecord, Privilege,
    Sequence,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::audio::Rings;
use crate::call::Call;
use crate::error::{Error, ErrorKind};
use crate::journal::{Events, Journal};
use crate::line::{Line, Monitor};
use crate::phone::Phone;
use crate::runtime::{AppGuard, AskReply, Attached, Command, Delivered, Joined, Reply};

/// The way from handles to the server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) violations: Arc<AtomicU64>,
    #[cfg_attr(not(feature = "rtp"), expect(dead_code, reason = "only the RTP provider has rings"))]
    pub(crate) rings: Rings,
    /// Closed once the server has ended.
    pub(crate) alive: watch::Receiver<()>,
}

/// An application: a name under which a program uses lines and calls.
///
/// Handles are cheap to clone, may be used from any thread and may be dropped anywhere. Two
/// applications in one process are as separate as two in different ones: each has its own handle on a
/// call, with its own privilege. When the last handle of an application and of its lines and calls is
/// dropped, the application leaves, and calls that only it owned are hung up.
///
/// ```
/// # async fn example(phone: offhook::Offhook) -> Result<(), offhook::Error> {
/// let app = phone.app("switchboard").await?;
/// for line in app.lines().await? {
///     println!("{} by {}", line.stable_id, line.provider);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    server: Arc<Server>,
    name: String,
    id: AppId,
    newest: watch::Receiver<Sequence>,
    _guard: AppGuard,
}

impl App {
    /// Introduces an application to the server.
    pub(crate) async fn join(server: Arc<Server>, profile: AppProfile) -> Result<Self, Error> {
        let name = profile.name.clone();
        let failed = || Error::shut_down(format!("register application '{name}'"));
        let (reply, joined) = oneshot::channel();
        server.commands.send(Command::AppUp { profile, reply }).await.map_err(|_| failed())?;
        let Joined { app, guard, newest } = joined.await.map_err(|_| failed())?;
        Ok(Self { inner: Arc::new(Inner { server, name, id: app, newest, _guard: guard }) })
    }

    /// The application's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The application's id, as events and traces show it.
    #[must_use]
    pub fn id(&self) -> AppId {
        self.inner.id
    }

    /// All lines of the server, also those that are away for the moment.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn lines(&self) -> Result<Vec<LineRecord>, Error> {
        match self.ask(|| "list the lines".to_owned(), Ask::Lines).await?.answer {
            Answer::Lines { lines } => Ok(lines),
            other => Err(unexpected("list the lines", &other)),
        }
    }

    /// Finds a line by its stable id (`sip:alice@example.org`), by the name in it (`alice`), or by its
    /// id in this server (`line:1.1`).
    ///
    /// Finding a line does not open it: calls come in once [`Line::incoming`] is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] names the lines that there are; [`ErrorKind::InvalidParameter`] when
    /// several lines go by that name.
    pub async fn line(&self, name: &str) -> Result<Line, Error> {
        let lines = self.lines().await?;
        let operation = || format!("find line '{name}'");
        let exact = lines.iter().find(|line| line.stable_id == name || line.line.to_string() == name);
        if let Some(line) = exact {
            return Ok(Line::new(self.clone(), line.line, line.stable_id.clone()));
        }
        let named: Vec<&LineRecord> =
            lines.iter().filter(|line| short_name(&line.stable_id) == name).collect();
        match named.as_slice() {
            [line] => Ok(Line::new(self.clone(), line.line, line.stable_id.clone())),
            [] if lines.is_empty() => {
                let detail = "there are no lines yet; give the server a provider that has some";
                Err(Error::new(ErrorKind::NotFound, operation(), detail))
            }
            [] => {
                let detail = format!("there is no such line; there are: {}", list(lines.iter()));
                Err(Error::new(ErrorKind::NotFound, operation(), detail))
            }
            several => {
                let detail = format!("several lines go by that name: {}", list(several.iter().copied()));
                Err(Error::new(ErrorKind::InvalidParameter, operation(), detail))
            }
        }
    }

    /// All applications of the server, with those that lost their connection and may come back.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn apps(&self) -> Result<Vec<AppRecord>, Error> {
        match self.ask(|| "list the applications".to_owned(), Ask::Apps).await?.answer {
            Answer::Apps { apps } => Ok(apps),
            other => Err(unexpected("list the applications", &other)),
        }
    }

    /// All phones of the server, also those that are away for the moment.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn phones(&self) -> Result<Vec<PhoneRecord>, Error> {
        match self.ask(|| "list the phones".to_owned(), Ask::Phones).await?.answer {
            Answer::Phones { phones } => Ok(phones),
            other => Err(unexpected("list the phones", &other)),
        }
    }

    /// Finds a phone by its stable id or by its id in this server (`phone:1.1`).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] names the phones that there are.
    pub async fn phone(&self, name: &str) -> Result<Phone, Error> {
        let phones = self.phones().await?;
        let exact = phones.iter().find(|phone| phone.stable_id == name || phone.phone.to_string() == name);
        exact.map(|phone| Phone::new(self.clone(), phone.phone, phone.stable_id.clone())).ok_or_else(|| {
            let there: Vec<&str> = phones.iter().map(|phone| phone.stable_id.as_str()).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            let detail = format!("there is no such phone; there are: {there}");
            Error::new(ErrorKind::NotFound, format!("find phone '{name}'"), detail)
        })
    }

    /// Waits for the next incoming call on any line that this application has opened with
    /// [`Line::open`] or [`Line::incoming`]. The application owns the call.
    ///
    /// Cancel safe: a call that arrives while nobody waits is kept for the next who does.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn incoming(&self) -> Result<Call, Error> {
        self.next_call(None, Privilege::Owner).await
    }

    /// Watches the calls of a line: the application may read and follow them, and is refused by name
    /// when it tries to change one.
    ///
    /// # Errors
    /// As the line's provider says when it cannot be opened.
    pub async fn monitor(&self, line: &Line) -> Result<Monitor, Error> {
        let line = Line::new(self.clone(), line.id(), line.name().to_owned());
        line.open(Interest::MONITOR).await?;
        Ok(Monitor::new(line))
    }

    /// The calls that the application has a handle on.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn calls(&self) -> Result<Vec<Call>, Error> {
        let reply = self.ask(|| "list the calls".to_owned(), Ask::Calls).await?;
        match reply.attached {
            Attached::Calls(calls) => {
                Ok(calls.into_iter().map(|call| Call::new(self.clone(), call)).collect())
            }
            _ => Err(unexpected("list the calls", &reply.answer)),
        }
    }

    /// All that the application is told, from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.events_from(self.inner.server.journal.head())
    }

    /// All that the application is told, from a place in the journal on (see [`Events::position`]).
    #[must_use]
    pub fn events_from(&self, from: Sequence) -> Events {
        let journal = Arc::clone(&self.inner.server.journal);
        Events::new(journal, self.inner.id, None, from, self.inner.newest.clone()).of(self.clone())
    }

    /// The events of one call, from a place in the journal on.
    pub(crate) fn call_events(
        &self,
        call: CallId,
        newest: watch::Receiver<Sequence>,
        from: Option<Sequence>,
    ) -> Events {
        let journal = Arc::clone(&self.inner.server.journal);
        let from = from.unwrap_or_else(|| journal.head());
        Events::new(journal, self.inner.id, Some(call), from, newest).of(self.clone())
    }

    /// Rings for sound to and from this process.
    #[cfg(feature = "rtp")]
    pub(crate) fn rings(&self) -> &Rings {
        &self.inner.server.rings
    }

    /// Asks the server for something and waits for the one answer.
    pub(crate) async fn ask(&self, operation: impl FnOnce() -> String, ask: Ask) -> Result<Reply, Error> {
        let app = self.inner.id;
        self.request(operation, |reply| Command::Ask { app, ask, reply }).await
    }

    /// Opens a line.
    pub(crate) async fn open_line(
        &self,
        operation: impl FnOnce() -> String,
        line: LineId,
        interest: Interest,
    ) -> Result<(), Error> {
        let app = self.inner.id;
        let command = |reply| Command::OpenLine { app, line, interest, reply };
        self.request(operation, command).await.map(|_| ())
    }

    /// Waits for the next call that nobody has picked up.
    pub(crate) async fn next_call(&self, line: Option<LineId>, privilege: Privilege) -> Result<Call, Error> {
        let operation = "wait for a call";
        let (reply, next) = oneshot::channel();
        let command = Command::NextCall { app: self.inner.id, line, privilege, reply };
        self.inner.server.commands.send(command).await.map_err(|_| Error::shut_down(operation))?;
        let delivered: Delivered = next.await.map_err(|_| Error::shut_down(operation))?;
        Ok(Call::new(self.clone(), delivered))
    }

    async fn request(
        &self,
        operation: impl FnOnce() -> String,
        command: impl FnOnce(AskReply) -> Command,
    ) -> Result<Reply, Error> {
        let (reply, answer) = oneshot::channel();
        if self.inner.server.commands.send(command(reply)).await.is_err() {
            return Err(Error::shut_down(operation()));
        }
        match answer.await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(refusal)) => Err(Error::from(refusal).during(operation())),
            Err(_) => Err(Error::shut_down(operation())),
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("id", &self.inner.id).field("name", &self.inner.name).finish()
    }
}

/// An answer of the wrong kind.
pub(crate) fn unexpected(operation: impl Into<String>, answer: &Answer) -> Error {
    Error::new(
        ErrorKind::OperationFailed,
        operation,
        format!("the answer is not of the kind expected: {answer:?}"),
    )
}

/// The part of a stable id that people use: `alice` of `sip:alice@example.org:5060`.
fn short_name(stable_id: &str) -> &str {
    let rest = stable_id.split_once(':').map_or(stable_id, |(_, rest)| rest);
    rest.split_once('@').map_or(rest, |(user, _)| user)
}

fn list<'a>(lines: impl Iterator<Item = &'a LineRecord>) -> String {
    lines.map(|line| line.stable_id.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_by_the_name_in_its_stable_id() {
        for (stable_id, name) in [
            ("sip:alice@127.0.0.1:5070", "alice"),
            ("sim:1", "1"),
            ("modem-4711", "modem-4711"),
            ("sips:bob@example.org", "bob"),
        ] {
            assert_eq!(short_name(stable_id), name);
        }
    }
}
