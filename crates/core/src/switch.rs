// SPDX-License-Identifier: MIT OR Apache-2.0
//! The switch: everything the server knows, and the one place where things happen to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use offhook_spi::{
    CallKey, LineKey, Machine, Manifest, Moment, MspCommand, PhoneKey, Refusal, RequestId, SessionKey,
    TspCommand, TspEvent, VersionRange,
};
use slotmap::SlotMap;

use crate::app::{Answer, AppEvent, AppProfile, Ask};
use crate::call::Call;
use crate::deadline::{Deadlines, Reason, Timer};
use crate::hubs::Hubs;
use crate::id::{AppId, CallId, LineId, PhoneId, ProviderId, Sequence};
use crate::io::{Input, Output};
use crate::line::{Line, LineName};
use crate::phone::Phone;
use crate::policy::Config;
use crate::request::{Asker, Pending};
use crate::session::{Msp, Session};

/// The server's mind: applications, lines, calls, sessions and requests, and nothing of the world.
///
/// It draws no random numbers, reads no clock and does no input or output: the same inputs at the same
/// moments give the same outputs, bit for bit.
///
/// ```
/// use offhook_core::{AppId, AppProfile, Ask, AskId, Answer, Config, Input, Output, Switch};
/// use offhook_spi::{Machine, Moment};
///
/// let mut switch = Switch::new(Config::default());
/// let app = AppId(1);
/// let profile = AppProfile { name: "example".to_owned(), priority: 0 };
/// switch.handle(Moment::ZERO, Input::AppUp { app, profile });
/// switch.handle(Moment::ZERO, Input::Ask { app, id: AskId(1), ask: Ask::Lines });
/// let lines = Answer::Lines { lines: Vec::new() };
/// assert_eq!(switch.poll(), Some(Output::Answer { app, id: AskId(1), result: Ok(lines) }));
/// assert_eq!(switch.poll(), None);
/// ```
#[derive(Debug)]
pub struct Switch {
    pub(crate) now: Moment,
    pub(crate) config: Config,
    pub(crate) apps: BTreeMap<AppId, App>,
    pub(crate) lines: SlotMap<LineId, Line>,
    pub(crate) names: BTreeMap<LineName, LineId>,
    pub(crate) calls: SlotMap<CallId, Call>,
    pub(crate) hubs: Hubs,
    pub(crate) phones: SlotMap<PhoneId, Phone>,
    pub(crate) phone_names: BTreeMap<LineName, PhoneId>,
    pub(crate) tsps: BTreeMap<ProviderId, Tsp>,
    pub(crate) msps: BTreeMap<ProviderId, Msp>,
    pub(crate) sessions: BTreeMap<SessionKey, Session>,
    pub(crate) requests: BTreeMap<(ProviderId, RequestId), Pending>,
    pub(crate) deadlines: Deadlines,
    pub(crate) last_session: u64,
    pub(crate) last_terminal: u64,
    outputs: VecDeque<Output>,
    registered: u64,
    sequence: u64,
    violations: u64,
    strays: u64,
}

/// An application as the core knows it.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) profile: AppProfile,
    /// Who registered first goes first among equal priorities.
    pub(crate) registered: u64,
    pub(crate) calls: BTreeSet<CallId>,
    pub(crate) lines: BTreeSet<LineId>,
    pub(crate) phones: BTreeSet<PhoneId>,
    /// It has lost its connection; until then it may come back.
    pub(crate) absent: Option<Timer>,
}

/// A telephony service provider as the core knows it.
#[derive(Debug)]
pub(crate) struct Tsp {
    pub(crate) name: String,
    pub(crate) requests: u64,
    /// Serial of the last call that the core named on this link.
    pub(crate) named: u64,
    /// Serial of the last call that the provider named on this link.
    pub(crate) heard: u64,
    pub(crate) keys: BTreeMap<CallKey, CallId>,
    pub(crate) lines: BTreeMap<LineKey, LineId>,
    pub(crate) phones: BTreeMap<PhoneKey, PhoneId>,
}

/// How much the switch holds now: for tests, statistics and the curious.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Applications that are there.
    pub apps: usize,
    /// Lines, present or absent.
    pub lines: usize,
    /// Phones, present or absent.
    pub phones: usize,
    /// Calls, with those that are idle and not yet deallocated.
    pub calls: usize,
    /// Keys of calls that are not idle.
    pub keys: usize,
    /// Sessions.
    pub sessions: usize,
    /// Requests that wait for a provider.
    pub requests: usize,
    /// Deadlines.
    pub deadlines: usize,
    /// Breaches of the contract by providers so far.
    pub violations: u64,
    /// Inputs so far of providers that are not there (any more).
    pub strays: u64,
}

impl Switch {
    /// Makes a switch that knows nobody.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            now: Moment::ZERO,
            config,
            apps: BTreeMap::new(),
            lines: SlotMap::with_key(),
            names: BTreeMap::new(),
            calls: SlotMap::with_key(),
            hubs: Hubs::default(),
            phones: SlotMap::with_key(),
            phone_names: BTreeMap::new(),
            tsps: BTreeMap::new(),
            msps: BTreeMap::new(),
            sessions: BTreeMap::new(),
            requests: BTreeMap::new(),
            deadlines: Deadlines::default(),
            last_session: 0,
            last_terminal: 0,
            outputs: VecDeque::new(),
            registered: 0,
            sequence: 0,
            violations: 0,
            strays: 0,
        }
    }

    /// How much the switch holds now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            apps: self.apps.len(),
            lines: self.lines.len(),
            phones: self.phones.len(),
            calls: self.calls.len(),
            keys: self.tsps.values().map(|tsp| tsp.keys.len()).sum(),
            sessions: self.sessions.len(),
            requests: self.requests.len(),
            deadlines: self.deadlines.len(),
            violations: self.violations,
            strays: self.strays,
        }
    }

    /// Whether nothing is going on: no call, no session, no request, nothing to wait for. Lines and
    /// applications may be there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let counts = self.counts();
        counts.calls + counts.keys + counts.sessions + counts.requests + counts.deadlines == 0
            && self.hubs.is_empty()
            && self.lines.values().all(|line| line.calls == 0 && line.waiting.is_empty())
            && self.apps.values().all(|app| app.calls.is_empty())
    }

    /// The lasting name of the line that an input says something of parties on, if it is one the switch knows.
    #[must_use]
    pub fn line_of(&self, input: &Input) -> Option<&str> {
        let of_call = |id: CallId| self.calls.get(id).map(|call| call.line);
        let line = match input {
            Input::Tsp { provider, event: TspEvent::NewCall { line, .. } } => self.line_at(*provider, *line),
            Input::Tsp { provider, event: TspEvent::CallInfo { call, .. } } => {
                self.tsps.get(provider)?.keys.get(call).copied().and_then(of_call)
            }
            Input::Ask { ask: Ask::MakeCall { line, .. }, .. } => Some(*line),
            Input::Ask { ask: Ask::Call { call, .. }, .. } => of_call(*call),
            _ => None,
        };
        self.lines.get(line?).map(|line| line.name.stable_id.as_str())
    }

    /// When the switch next wants to be woken, and why.
    #[must_use]
    pub fn deadline_reason(&self) -> Option<(Moment, Reason)> {
        self.deadlines.next()
    }

    fn app_up(&mut self, app: AppId, profile: AppProfile) {
        self.registered += 1;
        let registered = self.registered;
        self.apps.entry(app).or_insert_with(|| App {
            profile,
            registered,
            calls: BTreeSet::new(),
            lines: BTreeSet::new(),
            phones: BTreeSet::new(),
            absent: None,
        });
    }

    fn tsp_up(&mut self, provider: ProviderId, manifest: Manifest) {
        if !self.is_new_provider(provider) {
            return;
        }
        match VersionRange::CURRENT.agree(manifest.spi) {
            Ok(version) => {
                let tsp = Tsp {
                    name: manifest.name,
                    requests: 0,
                    named: 0,
                    heard: 0,
                    keys: BTreeMap::new(),
                    lines: BTreeMap::new(),
                    phones: BTreeMap::new(),
                };
                self.tsps.insert(provider, tsp);
                self.tsp(provider, TspCommand::Hello { version });
            }
            Err(error) => self.violation(provider, None, error.to_string()),
        }
    }

    fn msp_up(&mut self, provider: ProviderId, manifest: Manifest) {
        if !self.is_new_provider(provider) {
            return;
        }
        match VersionRange::CURRENT.agree(manifest.spi) {
            Ok(version) => {
                let Manifest { name, schemas, .. } = manifest;
                let caps = offhook_spi::MspCaps::default();
                self.msps.insert(provider, Msp { name, schemas, caps, requests: 0 });
                self.msp(provider, MspCommand::Hello { version });
            }
            Err(error) => self.violation(provider, None, error.to_string()),
        }
    }

    fn is_new_provider(&mut self, provider: ProviderId) -> bool {
        let is_new = !self.tsps.contains_key(&provider) && !self.msps.contains_key(&provider);
        if !is_new {
            self.violation(provider, None, format!("expected a new provider, {provider} is there already"));
        }
        is_new
    }

    fn provider_down(&mut self, provider: ProviderId, detail: String) {
        if self.tsps.contains_key(&provider) {
            self.tsp_down(provider, detail);
        } else if self.msps.contains_key(&provider) {
            self.msp_down(provider, detail);
        } else {
            self.strays += 1;
        }
    }

    fn due(&mut self, reason: Reason) {
        match reason {
            Reason::Absence { app } => self.absence_over(app),
            Reason::Ending { call } => self.call_overdue(call),
            Reason::Gathering { call } => self.gather_timed_out(call),
            Reason::Reply { provider, request } => self.reply_overdue(provider, request),
            Reason::SessionEnding { session } => self.session_overdue(session),
        }
    }
}

/// What leaves the switch.
impl Switch {
    pub(crate) fn answer(&mut self, asker: Asker, result: Result<Answer, Refusal>) {
        self.outputs.push_back(Output::Answer { app: asker.app, id: asker.id, result });
    }

    /// Writes an event for those who may know; nothing happens when that is nobody.
    pub(crate) fn tell(&mut self, to: Vec<AppId>, event: AppEvent) {
        if !to.is_empty() {
            self.sequence += 1;
            self.outputs.push_back(Output::Event { sequence: Sequence(self.sequence), to, event });
        }
    }

    /// Tells every application.
    pub(crate) fn tell_all(&mut self, event: AppEvent) {
        self.tell(self.apps.keys().copied().collect(), event);
    }

    pub(crate) fn tsp(&mut self, provider: ProviderId, command: TspCommand) {
        if self.tsps.contains_key(&provider) {
            self.outputs.push_back(Output::Tsp { provider, command });
        }
    }

    pub(crate) fn msp(&mut self, provider: ProviderId, command: MspCommand) {
        if self.msps.contains_key(&provider) {
            self.outputs.push_back(Output::Msp { provider, command });
        }
    }

    /// Notes that a provider broke the contract.
    pub(crate) fn violation(&mut self, provider: ProviderId, call: Option<CallKey>, detail: String) {
        self.violations += 1;
        self.outputs.push_back(Output::Violation { provider, call, detail });
    }

    /// Counts what came from a provider that is not there.
    pub(crate) const fn stray(&mut self) {
        self.strays += 1;
    }
}

impl Machine for Switch {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Moment, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::AppUp { app, profile } => self.app_up(app, profile),
            Input::AppDown { app } => self.app_down(app),
            Input::AppLost { app } => self.app_lost(app),
            Input::AppBack { app } => self.app_back(app),
            Input::Ask { app, id, ask } => self.ask(Asker { app, id }, ask),
            Input::TspUp { provider, manifest } => self.tsp_up(provider, manifest),
            Input::Tsp { provider, event } => self.tsp_event(provider, event),
            Input::MspUp { provider, manifest } => self.msp_up(provider, manifest),
            Input::Msp { provider, event } => self.msp_event(provider, event),
            Input::ProviderDown { provider, detail } => self.provider_down(provider, detail),
            Input::Overflow { provider, request } => self.overflow(provider, request),
            Input::Wake => self.handle_timeout(now),
        }
    }

    fn handle_timeout(&mut self, now: Moment) {
        self.now = self.now.max(now);
        while let Some(reason) = self.deadlines.due(self.now) {
            self.due(reason);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Moment> {
        self.deadlines.next().map(|(at, _)| at)
    }
}
