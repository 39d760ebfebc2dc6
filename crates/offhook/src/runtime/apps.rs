// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server remembers of each application: its calls, who waits for what, what it was told.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use offhook_core::{AppEvent, AppId, AskId, CallId, CallRecord, Interest, LineId, Privilege, Sequence};
use offhook_spi::{CallState, GenerationEnd, MediaKind, TerminalKey};
use tokio::sync::{mpsc, oneshot, watch};

use super::command::{CallGuard, CallView, Delivered, Gathered, Release, TerminalEnd, TerminalView};

/// One application.
#[derive(Debug)]
pub(super) struct AppState {
    id: AppId,
    pub(super) calls: HashMap<CallId, Held>,
    /// What each line is used for.
    pub(super) lines: HashMap<LineId, Interest>,
    /// Sequence of the newest event for the application.
    newest: watch::Sender<Sequence>,
    /// Calls that the application was given and that nobody has picked up.
    offers: VecDeque<Offer>,
    /// Who waits for such calls.
    waiting: Vec<Waiting>,
    releases: mpsc::UnboundedSender<Release>,
}

/// A call of one application.
#[derive(Debug)]
pub(super) struct Held {
    line: LineId,
    pub(super) privilege: Privilege,
    /// Dead once nobody holds the call.
    guard: Weak<CallGuard>,
    view: watch::Sender<CallView>,
    newest: watch::Sender<Sequence>,
    terminals: HashMap<TerminalKey, watch::Sender<TerminalView>>,
    gatherings: VecDeque<(AskId, oneshot::Sender<Gathered>)>,
    generations: VecDeque<(AskId, oneshot::Sender<GenerationEnd>)>,
    /// Whether the application was given it, instead of making it.
    pub(super) given: bool,
    /// How far giving it back has come.
    pub(super) parting: Parting,
}

/// How far giving a call back has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Parting {
    /// Somebody may hold it.
    No,
    /// It is being given back.
    Deallocating,
    /// It has to end first.
    Dropping,
}

#[derive(Debug)]
struct Offer {
    line: LineId,
    call: CallId,
    privilege: Privilege,
}

#[derive(Debug)]
struct Waiting {
    line: Option<LineId>,
    privilege: Privilege,
    reply: oneshot::Sender<Delivered>,
}

impl AppState {
    pub(super) fn new(
        id: AppId,
        releases: mpsc::UnboundedSender<Release>,
        newest: watch::Sender<Sequence>,
    ) -> Self {
        Self {
            id,
            calls: HashMap::new(),
            lines: HashMap::new(),
            newest,
            offers: VecDeque::new(),
            waiting: Vec::new(),
            releases,
        }
    }

    /// Takes in a call that the application has made, or has a record of.
    pub(super) fn hold(&mut self, call: CallId, line: LineId, privilege: Privilege) -> &mut Held {
        self.calls.entry(call).or_insert_with(|| Held::new(line, privilege))
    }

    /// Makes what a handle of the call needs.
    pub(super) fn deliver(&mut self, call: CallId) -> Option<Delivered> {
        let held = self.calls.get_mut(&call)?;
        let guard = held.guard.upgrade().unwrap_or_else(|| {
            let guard = Arc::new(CallGuard::new(self.id, call, self.releases.clone()));
            held.guard = Arc::downgrade(&guard);
            guard
        });
        self.offers.retain(|offer| offer.call != call);
        let (view, newest) = (held.view.subscribe(), held.newest.subscribe());
        Some(Delivered { line: held.line, call, guard, view, newest })
    }

    /// Takes over what the application knows from a record, and makes what a handle needs.
    pub(super) fn deliver_record(&mut self, record: &CallRecord) -> Option<Delivered> {
        let held = self.hold(record.call, record.line, record.privilege);
        held.privilege = record.privilege;
        held.view.send_modify(|view| view.enter(record.state.clone(), record.allowed));
        self.deliver(record.call)
    }

    /// Hands over the next call that fits, now or when it comes.
    pub(super) fn next_call(
        &mut self,
        line: Option<LineId>,
        privilege: Privilege,
        reply: oneshot::Sender<Delivered>,
    ) {
        self.waiting.retain(|waiting| !waiting.reply.is_closed());
        self.waiting.push(Waiting { line, privilege, reply });
        self.match_offers();
    }

    /// Offers a call that was handed over and never taken again, first of all.
    pub(super) fn offer_again(&mut self, call: CallId) {
        if let Some(held) = self.calls.get(&call) {
            self.offers.push_front(Offer { line: held.line, call, privilege: held.privilege });
            self.match_offers();
        }
    }

    /// Whether the application still has a handle on the call somewhere.
    pub(super) fn in_hand(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|held| held.guard.strong_count() > 0)
    }

    /// Whether nobody has picked the call up.
    pub(super) fn is_offered(&self, call: CallId) -> bool {
        self.offers.iter().any(|offer| offer.call == call)
    }

    /// Forgets a call that was given back.
    pub(super) fn forget(&mut self, call: CallId) {
        self.calls.remove(&call);
        self.offers.retain(|offer| offer.call != call);
    }

    /// Takes in what the application is told about one of its calls.
    pub(super) fn hear(&mut self, call: CallId, event: &AppEvent) {
        if let AppEvent::NewCall { record } = event {
            self.hear_new(record);
        }
        let Some(held) = self.calls.get_mut(&call) else { return };
        match event {
            AppEvent::CallState { state, allowed, .. } => held.enter(state, *allowed),
            AppEvent::EndOfFile { terminal, .. } => held.end_terminal(*terminal, TerminalEnd::EndOfFile),
            AppEvent::Gathered { digits, end, .. } => {
                if let Some((_, waiting)) = held.gatherings.pop_front() {
                    waiting.send(Gathered { digits: digits.clone(), end: *end }).ok();
                }
            }
            AppEvent::Generated { end, .. } => {
                if let Some((_, waiting)) = held.generations.pop_front() {
                    waiting.send(*end).ok();
                }
            }
            AppEvent::Recorded { terminal, path, end, .. } => {
                let end = TerminalEnd::Recorded { path: path.clone(), end: end.clone() };
                held.end_terminal(*terminal, end);
            }
            AppEvent::SessionEnded { .. } => {
                held.view.send_modify(|view| view.session_ended = true);
            }
            _ => {}
        }
    }

    /// Wakes the readers of events, after the journal has them.
    pub(super) fn wake(&self, call: Option<CallId>, sequence: Sequence) {
        self.newest.send_replace(sequence);
        if let Some(held) = call.and_then(|call| self.calls.get(&call)) {
            held.newest.send_replace(sequence);
        }
    }

    fn hear_new(&mut self, record: &CallRecord) {
        // A monitor that was made an owner finds the call among those that it owns.
        let before = self.calls.get(&record.call).map(|held| held.privilege);
        let known = before.is_some_and(|before| before >= record.privilege);
        let held = self.hold(record.call, record.line, record.privilege);
        held.privilege = record.privilege;
        held.enter(&record.state, record.allowed);
        if !known {
            held.given = true;
            let (line, call, privilege) = (record.line, record.call, record.privilege);
            self.offers.retain(|offer| offer.call != call);
            self.offers.push_back(Offer { line, call, privilege });
            self.match_offers();
        }
    }

    /// Brings calls and those who wait for them together.
    fn match_offers(&mut self) {
        let mut place = 0;
        while let Some(offer) = self.offers.get(place) {
            let fits = |waiting: &Waiting| {
                waiting.privilege == offer.privilege && waiting.line.is_none_or(|line| line == offer.line)
            };
            let call = offer.call;
            match self.waiting.iter().position(fits) {
                Some(first) => {
                    let waiting = self.waiting.remove(first);
                    if waiting.reply.is_closed() {
                        continue;
                    }
                    if let Some(delivered) = self.deliver(call) {
                        // Whoever stops waiting this very moment gives the call back untaken.
                        waiting.reply.send(delivered).ok();
                    }
                }
                None => place += 1,
            }
        }
    }
}

impl Held {
    fn new(line: LineId, privilege: Privilege) -> Self {
        Self {
            line,
            privilege,
            guard: Weak::new(),
            view: watch::Sender::new(CallView::unknown()),
            newest: watch::Sender::new(Sequence(0)),
            terminals: HashMap::new(),
            gatherings: VecDeque::new(),
            generations: VecDeque::new(),
            given: false,
            parting: Parting::No,
        }
    }

    /// Whether the call still lives.
    pub(super) fn is_live(&self) -> bool {
        !self.view.borrow().ended()
    }

    /// Whether the call is over for good.
    pub(super) fn is_idle(&self) -> bool {
        self.view.borrow().state == CallState::Idle
    }

    pub(super) fn line(&self) -> LineId {
        self.line
    }

    /// Remembers who waits for the end of a gathering.
    pub(super) fn expect_gathering(&mut self, ask: AskId) -> oneshot::Receiver<Gathered> {
        let (sender, receiver) = oneshot::channel();
        self.gatherings.push_back((ask, sender));
        receiver
    }

    /// Remembers who waits for the end of a generation.
    pub(super) fn expect_generation(&mut self, ask: AskId) -> oneshot::Receiver<GenerationEnd> {
        let (sender, receiver) = oneshot::channel();
        self.generations.push_back((ask, sender));
        receiver
    }

    /// A request was refused: nothing will end on its behalf.
    pub(super) fn expect_nothing(&mut self, ask: AskId) {
        self.gatherings.retain(|(id, _)| *id != ask);
        self.generations.retain(|(id, _)| *id != ask);
    }

    /// Follows a terminal.
    pub(super) fn follow(&mut self, terminal: TerminalKey) -> watch::Receiver<TerminalView> {
        self.terminals.entry(terminal).or_default().subscribe()
    }

    fn enter(&mut self, state: &CallState, allowed: offhook_spi::OpSet) {
        self.view.send_modify(|view| view.enter(state.clone(), allowed));
        if *state == CallState::Idle {
            self.gatherings.clear();
            self.generations.clear();
        }
    }

    fn end_terminal(&mut self, terminal: TerminalKey, end: TerminalEnd) {
        // Whoever follows it keeps the last view.
        if let Some(view) = self.terminals.remove(&terminal) {
            view.send_replace(TerminalView { end: Some(end) });
        }
    }
}

/// Both interests together.
pub(super) fn merge(a: Interest, b: Interest) -> Interest {
    let own = MediaKind::ALL.into_iter().map(|(kind, _)| kind);
    let own = own.filter(|kind| a.own.contains(*kind) || b.own.contains(*kind)).collect();
    Interest { monitor: a.monitor || b.monitor, own }
}
