// SPDX-License-Identifier: MIT OR Apache-2.0
//! The call: what an application does with one connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use offhook_core::{Answer, AppEvent, Ask, CallAsk, CallId, CallRecord, LineId, Sequence};
use offhook_spi::{
    Address, CallState, Cause, Digit, Gather, GatherEnd, GenerationEnd, OpSet, Outcome, SessionStatistics,
    StateKind, StreamChange, StreamKey, Tone,
};
use tokio::sync::{oneshot, watch};

use crate::app::{App, unexpected};
use crate::error::{Error, ErrorKind};
use crate::journal::{Events, Told};
use crate::runtime::{Attached, CallGuard, CallView, Delivered, Reply};

mod joining;
mod services;

/// A call of an application.
///
/// Handles are cheap to clone, may be used from any thread and may be dropped anywhere. Dropping the
/// last one gives the call back: a call that is over is forgotten, a live call that somebody else owns
/// goes on without this application, and a live call that only this application owns is hung up. To
/// leave a call alone without ending it, say so with [`Call::keep`].
///
/// ```
/// # use std::time::Duration;
/// # async fn example(line: offhook::Line) -> Result<(), offhook::Error> {
/// let call = line.call("sip:bob@example.org").await?;
/// call.connected().await?;
/// call.play("hello.wav").await?.finished().await?;
/// let digit = call.digit(Duration::from_secs(10)).await?;
/// println!("{} pressed {digit}", call.id());
/// call.hang_up().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Call {
    app: App,
    id: CallId,
    line: LineId,
    view: watch::Receiver<CallView>,
    newest: watch::Receiver<Sequence>,
    _guard: Arc<CallGuard>,
}

/// How a gathering of digits ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatheredDigits {
    /// The digits, in order; a terminator is the last.
    pub digits: Vec<Digit>,
    /// Why it ended.
    pub end: GatherEnd,
}

impl GatheredDigits {
    /// The digits as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.digits.iter().map(|digit| digit.as_char()).collect()
    }
}

/// Finding out about a call.
impl Call {
    pub(crate) fn new(app: App, delivered: Delivered) -> Self {
        let Delivered { line, call, guard, view, newest } = delivered;
        guard.take();
        Self { app, id: call, line, view, newest, _guard: guard }
    }

    /// The call's id; the same for all applications.
    #[must_use]
    pub fn id(&self) -> CallId {
        self.id
    }

    /// The id of the line it is on.
    #[must_use]
    pub fn line(&self) -> LineId {
        self.line
    }

    /// The application whose handle this is.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The state that the application was last told.
    #[must_use]
    pub fn state(&self) -> CallState {
        self.view.borrow().state.clone()
    }

    /// What an owner may ask for now.
    #[must_use]
    pub fn allowed(&self) -> OpSet {
        self.view.borrow().allowed
    }

    /// All that is known about the call now: parties, privilege, owners, state.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn details(&self) -> Result<CallRecord, Error> {
        let reply = self.app.ask(|| format!("read {}", self.id), Ask::CallRecord { call: self.id }).await?;
        match reply.answer {
            Answer::Record { record } => Ok(*record),
            other => Err(unexpected(format!("read {}", self.id), &other)),
        }
    }

    /// The figures of the call's media now: packets, loss, jitter, level, quality.
    ///
    /// # Errors
    /// [`ErrorKind::NoMedia`] when the call has no session.
    pub async fn statistics(&self) -> Result<SessionStatistics, Error> {
        let operation = || format!("measure {}", self.id);
        let reply = self.app.ask(operation, Ask::Statistics { call: self.id }).await?;
        match reply.answer {
            Answer::Statistics { statistics } => Ok(*statistics),
            other => Err(unexpected(operation(), &other)),
        }
    }

    /// What the application is told about this call, from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.app.call_events(self.id, self.newest.clone(), None)
    }

    /// What the application is told about this call, from a place in the journal on.
    #[must_use]
    pub fn events_from(&self, from: Sequence) -> Events {
        self.app.call_events(self.id, self.newest.clone(), Some(from))
    }

    /// Waits until the call is connected.
    ///
    /// # Errors
    /// [`ErrorKind::CallEnded`] with the cause when it ended first, [`ErrorKind::ShutDown`].
    pub async fn connected(&self) -> Result<(), Error> {
        let operation = || format!("wait for {} to connect", self.id);
        let view = self.wait_for(|view| view.answered || view.ended()).await;
        match view {
            Some(view) if view.answered => Ok(()),
            Some(view) => Err(Error::call_ended(operation(), view.cause.unwrap_or(Cause::NormalUnspecified))),
            None => Err(Error::shut_down(operation())),
        }
    }

    /// Waits until the call is over and says why; provider gone, too, when the server itself has gone.
    pub async fn ended(&self) -> Cause {
        match self.wait_for(CallView::ended).await {
            Some(view) => view.cause.unwrap_or(Cause::NormalClearing),
            None => Cause::ProviderGone,
        }
    }

    /// Waits until the call is in a state that `wanted` accepts.
    ///
    /// # Errors
    /// [`ErrorKind::CallEnded`] with the cause when it ended first, [`ErrorKind::ShutDown`].
    pub async fn reaches(&self, wanted: impl Fn(&CallState) -> bool) -> Result<(), Error> {
        let operation = || format!("wait for the state of {}", self.id);
        match self.wait_for(|view| wanted(&view.state) || view.ended()).await {
            Some(view) if wanted(&view.state) => Ok(()),
            Some(view) => Err(Error::call_ended(operation(), view.cause.unwrap_or(Cause::NormalUnspecified))),
            None => Err(Error::shut_down(operation())),
        }
    }

    /// Waits until the view is as wanted; `None` when it can no longer become so.
    pub(crate) async fn wait_for(&self, wanted: impl Fn(&CallView) -> bool) -> Option<CallView> {
        let mut view = self.view.clone();
        match view.wait_for(|view| wanted(view)).await {
            Ok(seen) => Some(seen.clone()),
            Err(_) => None,
        }
    }
}

/// Answering, holding and ending.
impl Call {
    /// Says that the call is wanted and lets the far end hear that it rings.
    ///
    /// # Errors
    /// [`ErrorKind::NotOwner`], [`ErrorKind::InvalidState`], [`ErrorKind::Unsupported`], and what the
    /// provider says.
    pub async fn accept(&self) -> Result<(), Error> {
        self.act("accept", CallAsk::Accept).await
    }

    /// Answers an incoming call. [`Call::connected`] says when it is.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn answer(&self) -> Result<(), Error> {
        self.act("answer", CallAsk::Answer).await
    }

    /// Refuses an incoming call and tells the caller why.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn reject(&self, cause: Cause) -> Result<(), Error> {
        self.act("reject", CallAsk::Drop { cause: Some(cause) }).await
    }

    /// Sends an incoming call elsewhere without answering.
    ///
    /// # Errors
    /// As [`Call::accept`], and [`ErrorKind::InvalidAddress`].
    pub async fn redirect(&self, to: impl Into<String>) -> Result<(), Error> {
        self.act("redirect", CallAsk::Redirect { to: Address::new(to) }).await
    }

    /// Transfers the call in one step.
    ///
    /// # Errors
    /// As [`Call::accept`], and [`ErrorKind::InvalidAddress`].
    pub async fn transfer(&self, to: impl Into<String>) -> Result<(), Error> {
        self.act("transfer", CallAsk::BlindTransfer { to: Address::new(to) }).await
    }

    /// Holds the call; it is held when this returns.
    ///
    /// # Errors
    /// As [`Call::accept`], and [`ErrorKind::CallEnded`] when it ended meanwhile.
    pub async fn hold(&self) -> Result<(), Error> {
        self.settles("hold", CallAsk::Hold, |kind| kind == StateKind::OnHold).await
    }

    /// Takes the call back from hold; it is connected when this returns.
    ///
    /// # Errors
    /// As [`Call::hold`].
    pub async fn unhold(&self) -> Result<(), Error> {
        self.settles("unhold", CallAsk::Unhold, |kind| kind == StateKind::Connected).await
    }

    /// Hangs up, or gives up calling. A call that is over already is not an error.
    ///
    /// # Errors
    /// [`ErrorKind::NotOwner`], [`ErrorKind::ShutDown`], and what the provider says.
    pub async fn hang_up(&self) -> Result<(), Error> {
        match self.act("hang up", CallAsk::Drop { cause: None }).await {
            Err(error) if error.kind() == ErrorKind::InvalidState && self.view.borrow().ended() => Ok(()),
            result => result,
        }
    }

    /// Gives the call back and lets it live on, also without an owner.
    ///
    /// # Errors
    /// [`ErrorKind::StaleHandle`] when it was given back before.
    pub async fn keep(&self) -> Result<(), Error> {
        let ask = Ask::Deallocate { call: self.id, keep: true };
        self.app.ask(|| format!("give back {}", self.id), ask).await.map(|_| ())
    }

    /// Asks for any operation; the others here are short forms of it.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn ask(&self, op: CallAsk) -> Result<Answer, Error> {
        Ok(self.request("ask something of", op).await?.answer)
    }

    async fn act(&self, verb: &str, op: CallAsk) -> Result<(), Error> {
        self.request(verb, op).await.map(|_| ())
    }

    /// Asks, and waits until the call has been in a state of this kind: the reply comes before the state does.
    async fn settles(&self, verb: &str, op: CallAsk, wanted: fn(StateKind) -> bool) -> Result<(), Error> {
        let mut events = self.events();
        self.act(verb, op).await?;
        let operation = || format!("{verb} {}", self.id);
        loop {
            let state = match events.next().await {
                Some(Told::Event(entry)) => match &entry.event {
                    AppEvent::CallState { state, .. } => state.clone(),
                    _ => continue,
                },
                // The journal has forgotten some; what was told last is known all the same.
                Some(Told::Lagged { .. } | Told::Lost { .. }) => self.state(),
                None => return Err(Error::shut_down(operation())),
            };
            match state {
                CallState::Disconnected { cause } => return Err(Error::call_ended(operation(), cause)),
                CallState::Idle => return Err(Error::call_ended(operation(), Cause::NormalUnspecified)),
                state if wanted(state.kind()) => return Ok(()),
                _ => {}
            }
        }
    }

    /// An operation that brings more than success.
    async fn outcome(&self, verb: &str, op: CallAsk) -> Result<Outcome, Error> {
        match self.request(verb, op).await?.answer {
            Answer::Done { outcome } => Ok(outcome),
            other => Err(unexpected(format!("{verb} {}", self.id), &other)),
        }
    }

    pub(crate) async fn request(&self, verb: &str, op: CallAsk) -> Result<Reply, Error> {
        self.app.ask(|| format!("{verb} {}", self.id), Ask::Call { call: self.id, op }).await
    }
}

/// Digits, tones and sound levels.
impl Call {
    /// Waits for one digit. Digits pressed before are not remembered.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] when none came in time, [`ErrorKind::CallEnded`] when the call ended
    /// first, [`ErrorKind::Abandoned`] when another gathering took this one's place.
    pub async fn digit(&self, within: Duration) -> Result<Digit, Error> {
        let gather =
            Gather { max: 1, terminators: Vec::new(), first_timeout: Some(within), inter_timeout: None };
        let gathered = self.gather(gather).await?;
        gathered.digits.first().copied().ok_or_else(|| {
            let detail = format!("no digit came within {within:?}");
            Error::timed_out(format!("wait for a digit of {}", self.id), detail)
        })
    }

    /// Gathers digits until there are enough, a terminator comes or time is up; says which.
    ///
    /// # Errors
    /// [`ErrorKind::CallEnded`] when the call ended first, [`ErrorKind::Abandoned`] when another
    /// gathering took this one's place.
    pub async fn gather(&self, gather: Gather) -> Result<GatheredDigits, Error> {
        let operation = || format!("gather digits of {}", self.id);
        let reply = self.request("gather digits of", CallAsk::GatherDigits { gather: Some(gather) }).await?;
        let Attached::Gathering(ending) = reply.attached else {
            return Err(unexpected(operation(), &reply.answer));
        };
        let gathered = ending.await.map_err(|_| self.over(operation()))?;
        match gathered.end {
            GatherEnd::CallEnded => Err(self.over(operation())),
            GatherEnd::Cancelled => {
                let detail = "another gathering took its place";
                Err(Error::new(ErrorKind::Abandoned, operation(), detail))
            }
            end => Ok(GatheredDigits { digits: gathered.digits, end }),
        }
    }

    /// Sends digits to the far end and waits until all are sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParameter`] when a character is not a telephone key,
    /// [`ErrorKind::Abandoned`] when other digits or a tone took their place,
    /// [`ErrorKind::CallEnded`].
    pub async fn send_digits(&self, digits: &str) -> Result<(), Error> {
        let operation = || format!("send digits '{digits}' on {}", self.id);
        let digits: Result<Vec<Digit>, char> = digits.chars().map(|key| Digit::new(key).ok_or(key)).collect();
        let digits = digits.map_err(|key| {
            let detail = format!("'{key}' is not a telephone key; expected 0 to 9, *, #, A to D or !");
            Error::new(ErrorKind::InvalidParameter, operation(), detail)
        })?;
        if digits.is_empty() {
            return Ok(());
        }
        self.generate(operation(), CallAsk::GenerateDigits { digits, mode: None, duration: None }).await
    }

    /// Sends a tone of limited length to the far end and waits until it is sent. For a tone without an
    /// end see [`Call::tone`].
    ///
    /// # Errors
    /// As [`Call::send_digits`].
    pub async fn beep(&self, tone: Tone) -> Result<(), Error> {
        self.generate(format!("beep on {}", self.id), CallAsk::GenerateTone { tone: Some(tone) }).await
    }

    /// Changes gain, mutes, pauses or starts a stream.
    ///
    /// # Errors
    /// [`ErrorKind::NoMedia`] when the call has no session, [`ErrorKind::NotOwner`].
    pub async fn set_stream(&self, stream: StreamKey, change: StreamChange) -> Result<(), Error> {
        self.act("change a stream of", CallAsk::SetStream { stream, change }).await
    }

    async fn generate(&self, operation: String, op: CallAsk) -> Result<(), Error> {
        let reply = self.request("send on", op).await.map_err(|error| error.during(operation.clone()))?;
        let Attached::Generation(ending) = reply.attached else {
            return Err(unexpected(operation, &reply.answer));
        };
        let ending: oneshot::Receiver<GenerationEnd> = ending;
        match ending.await {
            Ok(GenerationEnd::Done) => Ok(()),
            Ok(_) if !self.view.borrow().ended() => {
                let detail = "another generation took its place";
                Err(Error::new(ErrorKind::Abandoned, operation, detail))
            }
            _ => Err(self.over(operation)),
        }
    }

    /// The error for something that the end of the call cut short.
    pub(crate) fn over(&self, operation: impl Into<String>) -> Error {
        let view = self.view.borrow();
        if view.ended() {
            Error::call_ended(operation, view.cause.unwrap_or(Cause::NormalUnspecified))
        } else {
            Error::shut_down(operation)
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id).field("state", &self.view.borrow().state).finish()
    }
}
