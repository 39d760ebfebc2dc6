// SPDX-License-Identifier: MIT OR Apache-2.0
//! Providers in this process: each runs in its own task, behind a link, and may fail alone.

use std::any::Any;
use std::collections::VecDeque;

use offhook_core::ProviderId;
use offhook_spi::{
    HostLink, Incompatible, Link, Manifest, MspCommand, MspEvent, ProviderError, ProviderRun, RequestId,
    TspCommand, TspEvent, VersionRange,
};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

/// What provider tasks tell the server.
#[derive(Debug)]
pub(crate) enum FromProvider {
    /// Some events, in order.
    Tsp { provider: ProviderId, events: Vec<TspEvent> },
    /// Some events, in order.
    Msp { provider: ProviderId, events: Vec<MspEvent> },
    /// One that is kept running was started again, or could not be.
    Again(Box<super::supervise::StartedAgain>),
    /// It ended; nothing more comes from it.
    Down { provider: ProviderId, detail: String },
}

/// A command of either kind of link.
pub(crate) trait LinkCommand: Send + Sized + 'static {
    /// The events that come back.
    type Event: Send + 'static;

    /// The request that wants an answer, if the command carries one.
    fn request(&self) -> Option<RequestId>;

    /// Wraps events for the server.
    fn wrap(provider: ProviderId, events: Vec<Self::Event>) -> FromProvider;
}

/// The server's side of one provider.
#[derive(Debug)]
pub(crate) struct Hosted<C> {
    pub(crate) name: String,
    commands: mpsc::Sender<C>,
    /// Commands without a request that found the queue full: they cannot be refused, so they wait here,
    /// at most [`BACKLOG`] of them.
    backlog: VecDeque<C>,
    /// Ends once the provider has ended and its last event was handed over.
    pump: JoinHandle<()>,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// It is on its way, or the provider is gone and will be reported as such.
    Taken,
    /// There is no room; the request must be refused.
    Refused(RequestId),
    /// There has been no room for so long that the provider must be given up.
    Stuck,
}

impl<C: LinkCommand> Hosted<C> {
    /// Agrees on a version, opens a link and starts the provider.
    ///
    /// # Errors
    /// When there is no version that both sides speak.
    pub(crate) fn start(
        provider: ProviderId,
        manifest: &Manifest,
        to_server: mpsc::Sender<FromProvider>,
        run: impl FnOnce(Link<C, C::Event>) -> ProviderRun,
    ) -> Result<Self, Incompatible> {
        // The switch agrees in the same way and says hello; here a provider without a common version is
        // not even started.
        VersionRange::CURRENT.agree(manifest.spi)?;
        let (HostLink { commands, events }, link) = Link::pair(LINK_CAPACITY);
        let running = tokio::spawn(run(link));
        let pump = tokio::spawn(pump::<C>(provider, events, running, to_server));
        Ok(Self { name: manifest.name.clone(), commands, backlog: VecDeque::new(), pump })
    }

    /// Sends a command; never waits.
    pub(crate) fn send(&mut self, command: C) -> Sent {
        let command = if self.backlog.is_empty() {
            match self.commands.try_send(command) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return Sent::Taken,
                Err(mpsc::error::TrySendError::Full(command)) => command,
            }
        } else {
            command
        };
        match command.request() {
            Some(request) => Sent::Refused(request),
            None if self.backlog.len() >= BACKLOG => Sent::Stuck,
            None => {
                self.backlog.push_back(command);
                Sent::Taken
            }
        }
    }

    /// Sends what waits, as far as there is room; says whether something still waits.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(command) = self.backlog.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(command)) = self.commands.try_send(command) {
                self.backlog.push_front(command);
                return true;
            }
        }
        false
    }

    /// Whether the provider should be given time to read its commands.
    pub(crate) fn is_busy(&self) -> bool {
        self.commands.capacity() < LINK_CAPACITY / 2
    }

    /// Whether commands wait for room.
    pub(crate) fn waits(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Closes the link, so that the provider ends; the handle is done when it has.
    pub(crate) fn close(self) -> JoinHandle<()> {
        self.pump
    }
}

/// Hands a provider's events to the server in batches, and last its end.
async fn pump<C: LinkCommand>(
    provider: ProviderId,
    mut events: mpsc::Receiver<C::Event>,
    running: JoinHandle<Result<(), ProviderError>>,
    to_server: mpsc::Sender<FromProvider>,
) {
    let mut running = AbortOnDrop(running);
    let mut batch = Vec::with_capacity(BATCH);
    let end = loop {
        tokio::select! {
            biased;
            count = events.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    break (&mut running.0).await;
                }
                let batch = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                if to_server.send(C::wrap(provider, batch)).await.is_err() {
                    return;
                }
            }
            end = &mut running.0 => break end,
        }
    };
    // Another task of the provider may still hold an emitter; what it had to say by now is heard.
    while let Ok(event) = events.try_recv() {
        batch.push(event);
    }
    if !batch.is_empty() {
        to_server.send(C::wrap(provider, batch)).await.ok();
    }
    to_server.send(FromProvider::Down { provider, detail: detail_of(end) }).await.ok();
}

/// Ends a provider's task with the task that watches it.
#[derive(Debug)]
struct AbortOnDrop(JoinHandle<Result<(), ProviderError>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One sentence about why a provider ended.
fn detail_of(end: Result<Result<(), ProviderError>, JoinError>) -> String {
    match end {
        Ok(Ok(())) => "it ended".to_owned(),
        Ok(Err(error)) => error.detail,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => format!("it panicked: {}", words_of(panic.as_ref())),
            Err(_) => "it was stopped".to_owned(),
        },
    }
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

impl LinkCommand for TspCommand {
    type Event = TspEvent;

    fn request(&self) -> Option<RequestId> {
        match self {
            Self::Call { request, .. }
            | Self::Line { request, .. }
            | Self::Open { request, .. }
            | Self::Phone { request, .. } => Some(*request),
            _ => None,
        }
    }

    fn wrap(provider: ProviderId, events: Vec<TspEvent>) -> FromProvider {
        FromProvider::Tsp { provider, events }
    }
}

impl LinkCommand for MspCommand {
    type Event = MspEvent;

    fn request(&self) -> Option<RequestId> {
        match self {
            Self::CreateSession { request, .. }
            | Self::GenerateDigits { request, .. }
            | Self::GenerateTone { request, .. }
            | Self::MonitorDigits { request, .. }
            | Self::SelectTerminal { request, .. }
            | Self::SetStream { request, .. }
            | Self::Statistics { request, .. }
            | Self::TerminalControl { request, .. }
            | Self::UnselectTerminal { request, .. } => Some(*request),
            _ => None,
        }
    }

    fn wrap(provider: ProviderId, events: Vec<MspEvent>) -> FromProvider {
        FromProvider::Msp { provider, events }
    }
}

/// Messages that each queue of a link holds.
const LINK_CAPACITY: usize = 4_096;
/// Commands without a request that may wait for room.
const BACKLOG: usize = 16_384;
/// Events handed over at once.
const BATCH: usize = 64;
