// SPDX-License-Identifier: MIT OR Apache-2.0
//! The event journal: every event goes here first, and applications read on from any place in it.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use offhook_core::{AppEvent, AppId, CallId, Sequence};
use offhook_spi::Moment;
use tokio::sync::watch;

use crate::app::App;

/// One event in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalEntry {
    /// Its place, counted over all events of the server.
    pub sequence: Sequence,
    /// When it happened.
    pub at: Moment,
    /// What happened.
    pub event: AppEvent,
    /// Applications that may know.
    pub(crate) to: Vec<AppId>,
}

/// What an event stream says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Told {
    /// Something happened.
    Event(Arc<JournalEntry>),
    /// The reader has fallen behind; nothing is lost, it reads on from here.
    Lagged {
        /// The next event it will be told.
        from: Sequence,
    },
    /// The reader has fallen so far behind that the journal forgot these events.
    Lost {
        /// The first one that is gone.
        from: Sequence,
        /// The last one that is gone.
        to: Sequence,
    },
}

/// The events of a server, as many as there is room for.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Written by the server's task for the length of one push, read by event streams for the length
    /// of one scan of at most [`SCAN`] entries; never held across an await.
    entries: RwLock<Entries>,
    capacity: usize,
}

#[derive(Debug)]
struct Entries {
    kept: VecDeque<Arc<JournalEntry>>,
    /// Sequence of the next event.
    next: Sequence,
}

impl Journal {
    /// Makes an empty journal that remembers `capacity` events.
    pub(crate) fn new(capacity: usize) -> Self {
        let entries = Entries { kept: VecDeque::new(), next: Sequence(1) };
        Self { entries: RwLock::new(entries), capacity: capacity.max(1) }
    }

    /// Writes an event down and forgets the oldest when there is no room.
    pub(crate) fn push(&self, entry: JournalEntry) -> Arc<JournalEntry> {
        let entry = Arc::new(entry);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.kept.len() >= self.capacity {
            entries.kept.pop_front();
        }
        entries.next = Sequence(entry.sequence.0.saturating_add(1));
        entries.kept.push_back(Arc::clone(&entry));
        entry
    }

    /// The sequence number that the next event will have.
    pub(crate) fn head(&self) -> Sequence {
        self.read().next
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream of the events that an application is told, of one call or of all.
///
/// It reads from the journal at its own pace and never slows the server. A reader that falls behind is
/// told so ([`Told::Lagged`]) and misses nothing as long as the journal remembers.
///
/// Taken from [`App::events`] or [`Call::events`](crate::Call::events). A stream keeps its application
/// in the server, but no call: the stream of a call ends when the call is given back.
#[derive(Debug)]
pub struct Events {
    journal: Arc<Journal>,
    app: AppId,
    call: Option<CallId>,
    next: Sequence,
    lagging: bool,
    /// Sequence of the newest event that may concern this stream; closed when there can be no more.
    newest: watch::Receiver<Sequence>,
    /// Who listens is there.
    _listener: Option<App>,
}

impl Events {
    pub(crate) fn new(
        journal: Arc<Journal>,
        app: AppId,
        call: Option<CallId>,
        next: Sequence,
        newest: watch::Receiver<Sequence>,
    ) -> Self {
        Self { journal, app, call, next, lagging: false, newest, _listener: None }
    }

    /// Keeps the application in the server as long as the stream is held.
    pub(crate) fn of(mut self, listener: App) -> Self {
        self._listener = Some(listener);
        self
    }

    /// Waits for the next event; `None` when there can be no more.
    ///
    /// Cancel safe: no event is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            let newest = *self.newest.borrow_and_update();
            while self.next <= newest {
                if let Some(told) = self.scan(newest) {
                    return Some(told);
                }
            }
            if self.newest.changed().await.is_err() && *self.newest.borrow() < self.next {
                return None;
            }
        }
    }

    /// Waits for the next event that `pick` wants; what it does not want is passed over.
    pub async fn find<T>(&mut self, mut pick: impl FnMut(&AppEvent) -> Option<T>) -> Option<T> {
        loop {
            if let Told::Event(entry) = self.next().await?
                && let Some(found) = pick(&entry.event)
            {
                return Some(found);
            }
        }
    }

    /// The place in the journal from which the stream reads on. A later stream may begin there:
    /// [`App::events_from`].
    #[must_use]
    pub fn position(&self) -> Sequence {
        self.next
    }

    /// Looks at some entries up to `newest`; `None` when none of them is for this stream.
    fn scan(&mut self, newest: Sequence) -> Option<Told> {
        let entries = self.journal.read();
        let first = entries.kept.front().map_or(entries.next, |entry| entry.sequence);
        if self.next < first {
            let from = self.next;
            self.next = first;
            return Some(Told::Lost { from, to: Sequence(first.0.saturating_sub(1)) });
        }
        let behind = newest.0.saturating_sub(self.next.0);
        if !self.lagging && behind >= LAGGING {
            self.lagging = true;
            return Some(Told::Lagged { from: self.next });
        }
        self.lagging = self.lagging && behind > 0;
        let start = usize::try_from(self.next.0.saturating_sub(first.0)).unwrap_or(usize::MAX);
        let mut found = None;
        for entry in entries.kept.iter().skip(start).take(SCAN) {
            self.next = Sequence(entry.sequence.0.saturating_add(1));
            let mine = self.call.is_none_or(|call| call_of(&entry.event) == Some(call));
            if mine && entry.to.contains(&self.app) {
                found = Some(Told::Event(Arc::clone(entry)));
                break;
            }
        }
        if found.is_none() && start >= entries.kept.len() {
            // Sequence numbers have no gaps; were there one, waiting must not become spinning.
            self.next = Sequence(newest.0.saturating_add(1));
        }
        found
    }
}

/// The call that an event is about.
pub(crate) fn call_of(event: &AppEvent) -> Option<CallId> {
    match event {
        AppEvent::CallInfo { call, .. }
        | AppEvent::CallState { call, .. }
        | AppEvent::Digit { call, .. }
        | AppEvent::EndOfFile { call, .. }
        | AppEvent::Gathered { call, .. }
        | AppEvent::Generated { call, .. }
        | AppEvent::Hub { call, .. }
        | AppEvent::MediaHeard { call, .. }
        | AppEvent::Owners { call, .. }
        | AppEvent::Recorded { call, .. }
        | AppEvent::Redirected { call, .. }
        | AppEvent::SessionEnded { call, .. }
        | AppEvent::Stream { call, .. }
        | AppEvent::ToneHeard { call, .. } => Some(*call),
        AppEvent::NewCall { record } => Some(record.call),
        AppEvent::Extension { call, .. } => *call,
        _ => None,
    }
}

/// So many events behind, a reader is told that it lags.
const LAGGING: u64 = 1_024;
/// So many entries are looked at under one lock.
const SCAN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const ME: AppId = AppId(1);
    const OTHER: AppId = AppId(2);

    fn journal(capacity: usize, count: u64) -> (Arc<Journal>, watch::Receiver<Sequence>) {
        let journal = Arc::new(Journal::new(capacity));
        for sequence in 1..=count {
            let to = if sequence % 2 == 0 { vec![ME] } else { vec![OTHER] };
            let event = AppEvent::ProviderGone { provider: sequence.to_string(), detail: String::new() };
            journal.push(JournalEntry { sequence: Sequence(sequence), at: Moment::ZERO, event, to });
        }
        let (sender, receiver) = watch::channel(Sequence(count));
        drop(sender);
        (journal, receiver)
    }

    async fn read(mut events: Events) -> (Vec<u64>, Vec<Told>) {
        let (mut sequences, mut other) = (Vec::new(), Vec::new());
        while let Some(told) = events.next().await {
            match told {
                Told::Event(entry) => sequences.push(entry.sequence.0),
                told => other.push(told),
            }
        }
        (sequences, other)
    }

    #[tokio::test]
    async fn a_stream_reads_only_what_its_application_may_know() {
        let (journal, newest) = journal(100, 7);
        let events = Events::new(journal, ME, None, Sequence(1), newest);
        assert_eq!(read(events).await, (vec![2, 4, 6], vec![]));
    }

    #[tokio::test]
    async fn a_reader_that_lags_is_told_once_and_misses_nothing() {
        let (journal, newest) = journal(10_000, 5_000);
        let events = Events::new(journal, ME, None, Sequence(1), newest);
        let (sequences, other) = read(events).await;
        assert_eq!(sequences, (1..=2_500).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(other, [Told::Lagged { from: Sequence(1) }]);
    }

    #[tokio::test]
    async fn what_the_journal_forgot_is_named() {
        let (journal, newest) = journal(4, 10);
        let events = Events::new(journal, ME, None, Sequence(3), newest);
        let (sequences, other) = read(events).await;
        assert_eq!(sequences, [8, 10]);
        assert_eq!(other, [Told::Lost { from: Sequence(3), to: Sequence(6) }]);
    }

    #[tokio::test]
    async fn a_stream_from_the_future_waits_and_then_ends() {
        let (journal, newest) = journal(4, 10);
        let events = Events::new(journal, ME, None, Sequence(50), newest);
        assert_eq!(read(events).await, (vec![], vec![]));
    }
}
