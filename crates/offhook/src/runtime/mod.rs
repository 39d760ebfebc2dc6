// SPDX-License-Identifier: MIT OR Apache-2.0
//! The task that owns the switch: everything that happens goes through here, one thing at a time.
//!
//! Handles send commands through a bounded queue, providers hand over their events through another,
//! and handles that are dropped say so through a third that never makes them wait. The task takes what
//! is there, gives it to the switch, carries out what the switch wants and sleeps until the next input
//! or the switch's deadline.

mod apps;
mod asks;
mod closing;
mod command;
mod direct;
mod host;
mod numbers;
mod supervise;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use offhook_core::{AppEvent, AppId, AskId, Input, Output, ProviderId, Sequence, Switch};
use offhook_spi::{Machine, Moment, MspCommand, MspEvent, TspCommand, TspEvent};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, info, trace, warn};

pub(crate) use command::{
    AppGuard, AskReply, Attached, CallGuard, CallView, Command, Delivered, DirectGuard, Joined, Release,
    Reply, TerminalEnd, TerminalView,
};
pub(crate) use direct::{DirectAnswer, DirectJoined};
pub(crate) use host::{FromProvider, Hosted};
pub(crate) use numbers::NumberPlan;
pub(crate) use supervise::{Role, Supervised, Supervisor};

use crate::clock::Clock;
use crate::journal::{Journal, JournalEntry, call_of};
use crate::trace::{Observer, TraceWriter};
use apps::AppState;
use asks::Pending;
use direct::Direct;
use host::{LinkCommand, Sent};

/// The task's state.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) switch: Switch,
    pub(crate) clock: Clock,
    pub(crate) journal: Arc<Journal>,
    pub(crate) trace: Option<TraceWriter>,
    pub(crate) observer: Option<Observer>,
    /// What knows the forms of numbers.
    pub(crate) numbers: Option<NumberPlan>,
    pub(crate) violations: Arc<AtomicU64>,
    /// Inputs that wait for their turn.
    inputs: VecDeque<Input>,
    tsps: HashMap<ProviderId, Hosted<TspCommand>>,
    msps: HashMap<ProviderId, Hosted<MspCommand>>,
    starting: Option<Starting>,
    /// Providers that are kept running.
    supervised: HashMap<ProviderId, Supervised>,
    /// Gone once the server is being shut down.
    pub(crate) supervisor: Option<Supervisor>,
    apps: HashMap<AppId, AppState>,
    directs: HashMap<AppId, Direct>,
    pending: HashMap<(AppId, AskId), Pending>,
    next_app: u64,
    next_ask: u64,
    releases: mpsc::UnboundedSender<Release>,
    /// Dropped at the very end, which tells those who wait for it.
    _alive: watch::Sender<()>,
}

/// The queues into the task.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) providers: mpsc::Receiver<FromProvider>,
    pub(crate) releases: mpsc::UnboundedReceiver<Release>,
}

/// Whoever waits until all providers have said what they have.
#[derive(Debug)]
struct Starting {
    missing: HashSet<ProviderId>,
    reply: oneshot::Sender<Result<(), NotReady>>,
}

/// A provider ended before it was ready.
#[derive(Clone, Debug)]
pub(crate) struct NotReady {
    pub(crate) provider: String,
    pub(crate) detail: String,
}

/// A provider that was started and that the server does not know yet.
#[derive(Debug)]
pub(crate) enum Newcomer {
    Tsp(ProviderId, offhook_spi::Manifest, Hosted<TspCommand>),
    Msp(ProviderId, offhook_spi::Manifest, Hosted<MspCommand>),
}

impl Server {
    /// Makes the server; it does nothing until [`Server::run`].
    pub(crate) fn new(
        switch: Switch,
        journal: Arc<Journal>,
        trace: Option<TraceWriter>,
        releases: mpsc::UnboundedSender<Release>,
        alive: watch::Sender<()>,
    ) -> Self {
        Self {
            switch,
            clock: Clock::start(),
            journal,
            trace,
            observer: None,
            numbers: None,
            violations: Arc::default(),
            inputs: VecDeque::new(),
            tsps: HashMap::new(),
            msps: HashMap::new(),
            starting: None,
            supervised: HashMap::new(),
            supervisor: None,
            apps: HashMap::new(),
            directs: HashMap::new(),
            pending: HashMap::new(),
            next_app: 1,
            next_ask: 1,
            releases,
            _alive: alive,
        }
    }

    /// Keeps a provider running.
    pub(crate) fn supervise(&mut self, provider: ProviderId, supervised: Supervised) {
        self.supervised.insert(provider, supervised);
    }

    /// Takes in providers and says when all of them are ready.
    pub(crate) fn welcome(&mut self, newcomers: Vec<Newcomer>, reply: oneshot::Sender<Result<(), NotReady>>) {
        let mut missing = HashSet::new();
        for newcomer in newcomers {
            match newcomer {
                Newcomer::Tsp(provider, manifest, hosted) => {
                    missing.insert(provider);
                    self.tsps.insert(provider, hosted);
                    self.inputs.push_back(Input::TspUp { provider, manifest });
                }
                Newcomer::Msp(provider, manifest, hosted) => {
                    missing.insert(provider);
                    self.msps.insert(provider, hosted);
                    self.inputs.push_back(Input::MspUp { provider, manifest });
                }
            }
        }
        if missing.is_empty() {
            reply.send(Ok(())).ok();
        } else {
            self.starting = Some(Starting { missing, reply });
        }
    }

    /// Serves until somebody shuts the server down or nobody holds it any more.
    pub(crate) async fn run(mut self, mut inbox: Inbox) {
        let mut commands = Vec::with_capacity(BATCH);
        loop {
            self.work();
            if self.tsps.values().any(Hosted::is_busy) || self.msps.values().any(Hosted::is_busy) {
                // Where one thread serves all, providers only get to read when this task pauses.
                tokio::task::yield_now().await;
            }
            let wake = self.next_wake();
            tokio::select! {
                count = inbox.commands.recv_many(&mut commands, BATCH) => {
                    let ends = count == 0 || commands.iter().any(|c| matches!(c, Command::ShutDown));
                    if ends {
                        break;
                    }
                    for command in commands.drain(..) {
                        self.handle_command(command);
                    }
                }
                Some(from) = inbox.providers.recv() => self.handle_provider(from),
                Some(release) = inbox.releases.recv() => self.handle_release(release),
                () = until(wake) => self.handle_wake(),
            }
        }
        self.close(inbox).await;
    }

    /// Gives the switch everything that waits, one input after the other.
    fn work(&mut self) {
        while let Some(mut input) = self.inputs.pop_front() {
            let now = self.clock.now();
            if let Some(numbers) = &self.numbers {
                numbers.fill(&self.switch, &mut input);
            }
            trace!(?input, "input");
            if let Some(trace) = &mut self.trace {
                trace.input(now, &input);
            }
            if let Some(observer) = &self.observer {
                observer.input(now, &input);
            }
            self.switch.handle(now, input);
            self.drain(now);
        }
    }

    fn handle_wake(&mut self) {
        for hosted in self.tsps.values_mut() {
            hosted.flush();
        }
        for hosted in self.msps.values_mut() {
            hosted.flush();
        }
        let now = self.clock.now();
        if self.switch.deadline().is_some_and(|deadline| deadline <= now) {
            if let Some(trace) = &mut self.trace {
                trace.wake(now);
            }
            self.switch.handle_timeout(now);
            self.drain(now);
        }
    }

    /// When there is something to do even if nothing happens.
    fn next_wake(&self) -> Option<Instant> {
        let deadline = self.switch.deadline().and_then(|moment| self.clock.instant(moment));
        let waits = self.tsps.values().any(Hosted::waits) || self.msps.values().any(Hosted::waits);
        let retry = waits.then(|| Instant::now() + RETRY);
        deadline.into_iter().chain(retry).min()
    }

    /// Carries out what the switch wants.
    fn drain(&mut self, now: Moment) {
        while let Some(output) = self.switch.poll() {
            trace!(?output, "output");
            if let Some(trace) = &mut self.trace {
                trace.output(now, &output);
            }
            if let Some(observer) = &self.observer {
                observer.output(now, &output);
            }
            match output {
                Output::Answer { app, id, result } => self.answer(app, id, result),
                Output::Event { sequence, to, event } => {
                    self.event(JournalEntry { sequence, at: now, event, to });
                }
                Output::Tsp { provider, command } => {
                    let sent = self.tsps.get_mut(&provider).map(|hosted| hosted.send(command));
                    self.after_sending(provider, sent);
                }
                Output::Msp { provider, command } => {
                    let sent = self.msps.get_mut(&provider).map(|hosted| hosted.send(command));
                    self.after_sending(provider, sent);
                }
                Output::Violation { provider, call, detail } => {
                    self.violations.fetch_add(1, Ordering::Relaxed);
                    warn!(%provider, ?call, detail, "a provider broke the contract");
                }
                other => debug!(?other, "an output that this server does not know"),
            }
        }
    }

    fn after_sending(&mut self, provider: ProviderId, sent: Option<Sent>) {
        match sent {
            Some(Sent::Taken) | None => {}
            Some(Sent::Refused(request)) => self.inputs.push_back(Input::Overflow { provider, request }),
            Some(Sent::Stuck) => self.provider_down(provider, "it does not read its commands".to_owned()),
        }
    }

    /// Writes an event to the journal, then lets its applications know.
    fn event(&mut self, entry: JournalEntry) {
        let call = call_of(&entry.event);
        if let AppEvent::CallState { call, state, .. } = &entry.event {
            info!(%call, %state, "call");
        }
        if let Some(call) = call {
            for app in &entry.to {
                if let Some(state) = self.apps.get_mut(app) {
                    state.hear(call, &entry.event);
                }
            }
        }
        let entry = self.journal.push(entry);
        for app in &entry.to {
            self.told(*app, call, entry.sequence);
        }
    }

    fn told(&mut self, app: AppId, call: Option<offhook_core::CallId>, sequence: Sequence) {
        if let Some(state) = self.apps.get(&app) {
            state.wake(call, sequence);
        }
        self.direct_told(app, sequence);
        if let Some(call) = call {
            self.part_if_over(app, call);
        }
    }

    fn handle_provider(&mut self, from: FromProvider) {
        match from {
            FromProvider::Tsp { provider, events } => {
                // Events of a provider that was given up are too late.
                if !self.tsps.contains_key(&provider) {
                    return;
                }
                let ready = events.contains(&TspEvent::Ready);
                self.inputs.extend(events.into_iter().map(|event| Input::Tsp { provider, event }));
                self.work();
                if ready {
                    self.provider_ready(provider);
                }
            }
            FromProvider::Msp { provider, events } => {
                if !self.msps.contains_key(&provider) {
                    return;
                }
                let ready = events.iter().any(|event| matches!(event, MspEvent::Ready { .. }));
                self.inputs.extend(events.into_iter().map(|event| Input::Msp { provider, event }));
                self.work();
                if ready {
                    self.provider_ready(provider);
                }
            }
            FromProvider::Again(again) => self.started_again(*again),
            FromProvider::Down { provider, detail } => self.provider_down(provider, detail),
        }
    }

    fn provider_ready(&mut self, provider: ProviderId) {
        if let Some(mut starting) = self.starting.take() {
            starting.missing.remove(&provider);
            if starting.missing.is_empty() {
                starting.reply.send(Ok(())).ok();
            } else {
                self.starting = Some(starting);
            }
        }
    }

    fn provider_down(&mut self, provider: ProviderId, detail: String) {
        let tsp = self.tsps.remove(&provider).map(|hosted| (hosted.name.clone(), hosted.close()));
        let msp = self.msps.remove(&provider).map(|hosted| (hosted.name.clone(), hosted.close()));
        let Some((name, pump)) = tsp.or(msp) else { return };
        warn!(provider = name, detail, "a provider ended");
        pump.abort();
        if let Some(starting) = self.starting.take_if(|starting| starting.missing.contains(&provider)) {
            let not_ready = NotReady { provider: name, detail: detail.clone() };
            starting.reply.send(Err(not_ready)).ok();
        }
        self.inputs.push_back(Input::ProviderDown { provider, detail });
        if let Some(supervised) = self.supervised.remove(&provider) {
            self.start_again(supervised);
        }
    }
}

/// Sleeps until then; for ever if there is no such time.
async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// Starts providers behind links; they run from now on.
pub(crate) fn host<C: LinkCommand>(
    provider: ProviderId,
    manifest: &offhook_spi::Manifest,
    to_server: mpsc::Sender<FromProvider>,
    run: impl FnOnce(offhook_spi::Link<C, C::Event>) -> offhook_spi::ProviderRun,
) -> Result<Hosted<C>, offhook_spi::Incompatible> {
    Hosted::start(provider, manifest, to_server, run)
}

/// Commands taken at once.
const BATCH: usize = 64;
/// How soon commands that found no room are tried again.
const RETRY: Duration = Duration::from_millis(5);
