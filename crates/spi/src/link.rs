// SPDX-License-Identifier: MIT OR Apache-2.0
//! The link between the host and a provider: commands one way, events the other, each in one queue.

use std::fmt;

use tokio::sync::mpsc;

/// The provider's end of a link.
///
/// Commands never wait: the host refuses a request as busy when the queue is full. Events do wait for
/// room. Only one direction can wait, so no deadlock is possible.
#[derive(Debug)]
pub struct Link<C, E> {
    commands: mpsc::Receiver<C>,
    events: mpsc::Sender<E>,
}

/// The host's end of a link.
#[derive(Debug)]
pub struct HostLink<C, E> {
    /// Commands to the provider.
    pub commands: mpsc::Sender<C>,
    /// Events from the provider, in the order in which it emitted them.
    pub events: mpsc::Receiver<E>,
}

/// The other side of the link is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the link is closed")
    }
}

impl std::error::Error for Closed {}

impl<C: Send, E: Send> Link<C, E> {
    /// Makes both ends of a link whose queues hold `capacity` messages each (at least one).
    #[must_use]
    pub fn pair(capacity: usize) -> (HostLink<C, E>, Self) {
        let (commands_in, commands) = mpsc::channel(capacity.max(1));
        let (events, events_out) = mpsc::channel(capacity.max(1));
        (HostLink { commands: commands_in, events: events_out }, Self { commands, events })
    }

    /// Waits for the next command; `None` means that the host is closing the link.
    ///
    /// Cancel safe: no command is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<C> {
        self.commands.recv().await
    }

    /// Takes the next command if there is one already.
    pub fn try_next(&mut self) -> Option<C> {
        self.commands.try_recv().ok()
    }

    /// Sends an event, waiting for room.
    ///
    /// # Errors
    /// [`Closed`] when the host has gone.
    pub async fn emit(&self, event: E) -> Result<(), Closed> {
        self.events.send(event).await.map_err(|_| Closed)
    }

    /// A sender that other tasks of the provider may use; order holds for each task.
    #[must_use]
    pub fn emitter(&self) -> Emitter<E> {
        Emitter { events: self.events.clone() }
    }
}

/// Sends events from another task of the provider.
#[derive(Debug)]
pub struct Emitter<E> {
    events: mpsc::Sender<E>,
}

impl<E: Send> Emitter<E> {
    /// Sends an event, waiting for room.
    ///
    /// # Errors
    /// [`Closed`] when the host has gone.
    pub async fn emit(&self, event: E) -> Result<(), Closed> {
        self.events.send(event).await.map_err(|_| Closed)
    }
}

impl<E> Clone for Emitter<E> {
    fn clone(&self) -> Self {
        Self { events: self.events.clone() }
    }
}
