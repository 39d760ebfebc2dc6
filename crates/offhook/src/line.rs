// SPDX-License-Identifier: MIT OR Apache-2.0
//! The line: an entry to a network, from which calls are made and on which they arrive.

use std::fmt;

use offhook_core::{Answer, AppEvent, Ask, Interest, LineAsk, LineId, LineRecord, Privilege};
use offhook_spi::{
    Address, AddressIndex, CallParams, ForwardRule, ForwardWhen, Opaque, Outcome, PickupTarget, Service,
};

use crate::app::{App, unexpected};
use crate::call::Call;
use crate::error::{Error, ErrorKind};
use crate::runtime::Attached;

/// A line of an application: makes calls, receives calls.
///
/// ```
/// # async fn example(app: offhook::App) -> Result<(), offhook::Error> {
/// let line = app.line("alice").await?;
/// let call = line.call("sip:bob@example.org").await?;
/// call.connected().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Line {
    app: App,
    id: LineId,
    name: String,
}

impl Line {
    pub(crate) fn new(app: App, id: LineId, name: String) -> Self {
        Self { app, id, name }
    }

    /// The line's id in this server; it stays when the line goes and comes back.
    #[must_use]
    pub fn id(&self) -> LineId {
        self.id
    }

    /// The line's stable id, as its provider names it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The application that uses it.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// All that is known about the line now.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn details(&self) -> Result<LineRecord, Error> {
        let lines = self.app.lines().await?;
        let found = lines.into_iter().find(|line| line.line == self.id);
        found.ok_or_else(|| {
            let detail = format!("the server no longer knows line '{}'", self.name);
            Error::new(ErrorKind::NotFound, format!("read line '{}'", self.name), detail)
        })
    }

    /// Waits until the line serves calls, for example until it is registered.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidState`] with the provider's reason when it cannot for now,
    /// [`ErrorKind::ShutDown`].
    pub async fn in_service(&self) -> Result<(), Error> {
        let mut events = self.app.events();
        let mut record = Some(self.details().await?);
        let operation = || format!("wait for line '{}'", self.name);
        while let Some(now) = record {
            match now.status.service {
                Service::In if now.present => return Ok(()),
                Service::Out { reason } => {
                    return Err(Error::new(ErrorKind::InvalidState, operation(), reason));
                }
                _ => {}
            }
            let mine = |event: &AppEvent| match event {
                AppEvent::Line { record } if record.line == self.id => Some(record.as_ref().clone()),
                _ => None,
            };
            record = events.find(mine).await;
        }
        Err(Error::shut_down(operation()))
    }

    /// Starts a call; the application owns it. The answer comes when the provider has begun, long
    /// before somebody answers: wait with [`Call::connected`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidAddress`], [`ErrorKind::Busy`] when the line has no room for a call, and
    /// what the provider says.
    pub async fn call(&self, to: impl Into<String>) -> Result<Call, Error> {
        self.call_with(to, CallParams::default()).await
    }

    /// As [`Line::call`], with parameters.
    ///
    /// # Errors
    /// As [`Line::call`].
    pub async fn call_with(&self, to: impl Into<String>, params: CallParams) -> Result<Call, Error> {
        let to = to.into();
        let operation = || format!("call {to} from line '{}'", self.name);
        let params = Box::new(params);
        let ask = Ask::MakeCall { line: self.id, to: Address::new(to.clone()), params };
        let reply = self.app.ask(operation, ask).await?;
        match reply.attached {
            Attached::Calls(calls) => calls.into_iter().next(),
            _ => None,
        }
        .map(|call| Call::new(self.app.clone(), call))
        .ok_or_else(|| unexpected(operation(), &reply.answer))
    }

    /// Opens the line, so that calls or the sight of them come to this application. What it is open for
    /// already stays.
    ///
    /// # Errors
    /// What the provider says.
    pub async fn open(&self, interest: Interest) -> Result<(), Error> {
        self.app.open_line(|| format!("open line '{}'", self.name), self.id, interest).await
    }

    /// The calls that live on the line. This application becomes a monitor of those that it had no handle on;
    /// the line has to be open for it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidState`] when the line is not open.
    pub async fn calls(&self) -> Result<Vec<Call>, Error> {
        let operation = || format!("list the calls of line '{}'", self.name);
        let reply = self.app.ask(operation, Ask::LineCalls { line: self.id }).await?;
        match reply.attached {
            Attached::Calls(calls) => {
                Ok(calls.into_iter().map(|call| Call::new(self.app.clone(), call)).collect())
            }
            _ => Err(unexpected(operation(), &reply.answer)),
        }
    }

    /// Waits for the next incoming call of this line; the application owns it. The first use opens the
    /// line, open it earlier with [`Line::open`] to miss no call.
    ///
    /// Cancel safe: a call that arrives while nobody waits is kept for the next who does.
    ///
    /// # Errors
    /// As [`Line::open`].
    pub async fn incoming(&self) -> Result<Call, Error> {
        self.open(Interest::OWN_AUDIO).await?;
        self.app.next_call(Some(self.id), Privilege::Owner).await
    }
}

/// What a line does beside calls. Asking opens the line to dial.
impl Line {
    /// Replaces all forwarding rules of the line's first address; none cancels them. A rule without
    /// destination means do not disturb. [`LineStatus::forwarding`](crate::spi::LineStatus::forwarding) tells
    /// once they are in force. Requires `forward`, or `forward_do_not_disturb`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], [`ErrorKind::InvalidAddress`], and what the provider says.
    pub async fn forward(&self, rules: Vec<ForwardRule>) -> Result<(), Error> {
        self.ask(LineAsk::Forward { address: AddressIndex(0), rules }).await.map(|_| ())
    }

    /// Turns every call away until other rules are set. Requires `forward_do_not_disturb`.
    ///
    /// # Errors
    /// As [`Line::forward`].
    pub async fn do_not_disturb(&self) -> Result<(), Error> {
        let rule = ForwardRule { when: ForwardWhen::Always, caller: None, to: None, after: None };
        self.forward(vec![rule]).await
    }

    /// Answers a call that alerts or is held elsewhere. Requires `pickup`, `pickup_group` or `pickup_held`.
    ///
    /// # Errors
    /// As [`Line::call`].
    pub async fn pick_up(&self, what: PickupTarget) -> Result<Call, Error> {
        self.fetch("pick up a call", LineAsk::Pickup { what }).await.map(|(call, _)| call)
    }

    /// Fetches a call that was parked; it is a new call. Requires `unpark`.
    ///
    /// # Errors
    /// As [`Line::call`].
    pub async fn unpark(&self, at: impl Into<String>) -> Result<Call, Error> {
        self.fetch("fetch a call", LineAsk::Unpark { at: Address::new(at) }).await.map(|(call, _)| call)
    }

    /// Starts a conference from nothing; gives it, and a consultation call for the first member. Requires
    /// `setup_conference_empty`.
    ///
    /// # Errors
    /// As [`Line::call`].
    pub async fn conference(&self) -> Result<(Call, Call), Error> {
        let operation = "set up a conference";
        let (conference, consultation) = self.fetch(operation, LineAsk::SetupConference).await?;
        let detail = "the answer names one call";
        let missing = || Error::new(ErrorKind::OperationFailed, operation, detail);
        consultation.map(|consultation| (conference, consultation)).ok_or_else(missing)
    }

    /// Cancels a call completion that [`Call::complete`] asked for. Requires `uncomplete_call`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it was used or cancelled, [`ErrorKind::NotOwner`] when another
    /// application asked for it.
    pub async fn cancel_completion(&self, id: u64) -> Result<(), Error> {
        self.ask(LineAsk::UncompleteCall { id }).await.map(|_| ())
    }

    /// Asks for an operation of the vendor's own; gives its data, where there is any. Requires `extension`,
    /// and the schema among the line's extensions.
    ///
    /// # Errors
    /// As [`Line::forward`].
    pub async fn extension(&self, data: Opaque) -> Result<Option<Opaque>, Error> {
        Ok(match self.ask(LineAsk::Extension { data }).await? {
            Answer::Done { outcome: Outcome::Data { data } } => Some(data),
            _ => None,
        })
    }

    /// Asks for any operation on the line, for example [`LineAsk::SetStatus`]; the others here are short forms
    /// of it.
    ///
    /// # Errors
    /// As [`Line::forward`].
    pub async fn ask(&self, op: LineAsk) -> Result<Answer, Error> {
        let operation = || format!("ask something of line '{}'", self.name);
        Ok(self.app.ask(operation, Ask::Line { line: self.id, op }).await?.answer)
    }

    async fn fetch(&self, verb: &str, op: LineAsk) -> Result<(Call, Option<Call>), Error> {
        let operation = || format!("{verb} on line '{}'", self.name);
        let reply = self.app.ask(operation, Ask::Line { line: self.id, op }).await?;
        let Attached::Calls(calls) = reply.attached else {
            return Err(unexpected(operation(), &reply.answer));
        };
        let mut calls = calls.into_iter().map(|call| Call::new(self.app.clone(), call));
        match calls.next() {
            Some(first) => Ok((first, calls.next())),
            None => Err(unexpected(operation(), &reply.answer)),
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("id", &self.id).field("name", &self.name).finish()
    }
}

/// Watches the calls of a line; see [`App::monitor`].
#[derive(Clone, Debug)]
pub struct Monitor {
    line: Line,
}

impl Monitor {
    pub(crate) fn new(line: Line) -> Self {
        Self { line }
    }

    /// Waits for the next call that appears on the line. It may be read and followed, not changed.
    ///
    /// Cancel safe, as [`Line::incoming`].
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn next(&self) -> Result<Call, Error> {
        self.line.app.next_call(Some(self.line.id), Privilege::Monitor).await
    }
}
