// SPDX-License-Identifier: MIT OR Apache-2.0
//! A whole server in one thread and in virtual time: the core, the simulated exchange, the counting
//! MSP and applications, stepped by whoever holds it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use offhook_core::ladder::{self, Arrow};
use offhook_core::{
    Answer, AppEvent, AppId, AppProfile, Ask, AskId, Config, Input, Output, ProviderId, Sequence, Switch,
};
use offhook_spi::{Machine, Moment, Party, Refusal, RefusalKind};

use crate::exchange::{Exchange, ExchangeConfig, ExchangeInput};
use crate::msp::CountingMsp;
use crate::script::Script;
use crate::watch::{MspWatch, TspWatch};

/// How long [`World::ask`] waits, in virtual time, before it gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// A simulated server with everything around it.
#[derive(Debug)]
pub struct World {
    now: Moment,
    switch: Switch,
    exchange: Exchange,
    /// Calls of exchanges that have died.
    made_before: u64,
    msp: CountingMsp,
    tsp_watch: TspWatch,
    msp_watch: MspWatch,
    tsp_id: Option<ProviderId>,
    msp_id: Option<ProviderId>,
    config: ExchangeConfig,
    files: BTreeMap<String, Duration>,
    apps: BTreeMap<AppId, App>,
    counts: u64,
    newest: Sequence,
    breaches: Vec<String>,
    arrows: Option<Vec<Arrow>>,
    inputs: u64,
}

#[derive(Debug, Default)]
struct App {
    events: VecDeque<AppEvent>,
    answers: BTreeMap<AskId, Result<Answer, Refusal>>,
}

impl World {
    /// Makes a world whose exchange is up and whose files have these lengths.
    #[must_use]
    pub fn new(config: ExchangeConfig, files: BTreeMap<String, Duration>) -> Self {
        let mut world = Self {
            now: Moment::ZERO,
            switch: Switch::new(Config::default()),
            exchange: Exchange::new(config.clone()),
            made_before: 0,
            msp: CountingMsp::new(files.clone()),
            tsp_watch: TspWatch::default(),
            msp_watch: MspWatch::default(),
            tsp_id: None,
            msp_id: None,
            config,
            files,
            apps: BTreeMap::new(),
            counts: 0,
            newest: Sequence(0),
            breaches: Vec::new(),
            arrows: None,
            inputs: 0,
        };
        world.start_msp();
        world.start_tsp();
        world
    }

    /// Keeps every message from now on, for [`World::ladder`].
    pub fn draw(&mut self) {
        self.arrows = Some(Vec::new());
    }

    /// The messages since [`World::draw`], as a ladder.
    #[must_use]
    pub fn ladder(&self) -> String {
        ladder::draw(self.arrows.as_deref().unwrap_or_default())
    }

    /// The time in this world.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// The core.
    #[must_use]
    pub const fn switch(&self) -> &Switch {
        &self.switch
    }

    /// The exchange.
    #[must_use]
    pub const fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The MSP.
    #[must_use]
    pub const fn msp(&self) -> &CountingMsp {
        &self.msp
    }

    /// Calls that were ever made or received in this world.
    #[must_use]
    pub const fn calls_made(&self) -> u64 {
        self.made_before + self.exchange.made()
    }

    /// Inputs that the core has taken.
    #[must_use]
    pub const fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Everything that the watchers saw break the rules, and what the core complained about.
    #[must_use]
    pub fn breaches(&self) -> Vec<String> {
        let watched = self.tsp_watch.breaches().iter().chain(self.msp_watch.breaches());
        watched.chain(&self.breaches).cloned().collect()
    }

    /// What is left when everything should be over: requests, calls, sessions.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let mut left = self.tsp_watch.leftovers();
        left.extend(self.msp_watch.leftovers());
        if self.exchange.live() > 0 {
            left.push(format!("{} calls live in the exchange", self.exchange.live()));
        }
        if self.msp.counts().live > 0 {
            left.push(format!("{} sessions live in the MSP", self.msp.counts().live));
        }
        left
    }

    /// Registers an application.
    pub fn app(&mut self, name: &str, priority: i32) -> AppId {
        self.counts += 1;
        let app = AppId(self.counts);
        self.apps.insert(app, App::default());
        let profile = AppProfile { name: name.to_owned(), priority };
        self.input(Input::AppUp { app, profile });
        app
    }

    /// An application goes away.
    pub fn app_gone(&mut self, app: AppId) {
        self.apps.remove(&app);
        self.input(Input::AppDown { app });
    }

    /// Asks without waiting; [`World::answer`] has the answer later.
    pub fn tell(&mut self, app: AppId, ask: Ask) -> AskId {
        self.counts += 1;
        let id = AskId(self.counts);
        self.input(Input::Ask { app, id, ask });
        id
    }

    /// Takes the answer to a request, if it has come.
    pub fn answer(&mut self, app: AppId, id: AskId) -> Option<Result<Answer, Refusal>> {
        self.apps.get_mut(&app)?.answers.remove(&id)
    }

    /// Asks and lets time pass until the answer comes.
    ///
    /// # Errors
    /// The refusal; timed out when no answer came within two minutes.
    pub fn ask(&mut self, app: AppId, ask: Ask) -> Result<Answer, Refusal> {
        let id = self.tell(app, ask);
        let end = self.now + PATIENCE;
        loop {
            if let Some(answer) = self.answer(app, id) {
                return answer;
            }
            if !self.step_until(end) {
                return Err(Refusal::new(RefusalKind::TimedOut, "the simulated server never answered"));
            }
        }
    }

    /// Takes the next event that an application was told.
    pub fn event(&mut self, app: AppId) -> Option<AppEvent> {
        self.apps.get_mut(&app)?.events.pop_front()
    }

    /// Lets time pass until an event comes that `wanted` accepts; the ones before it are dropped.
    pub fn wait_for<T>(
        &mut self,
        app: AppId,
        within: Duration,
        mut wanted: impl FnMut(&AppEvent) -> Option<T>,
    ) -> Option<T> {
        let end = self.now + within;
        loop {
            while let Some(event) = self.event(app) {
                if let Some(found) = wanted(&event) {
                    return Some(found);
                }
            }
            if !self.step_until(end) {
                return None;
            }
        }
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step_until(end) {}
    }

    /// Somebody calls a line of the exchange.
    pub fn ring(&mut self, line: &str, caller: Party, script: Script) {
        if let Some(line) = self.exchange.line(line) {
            self.exchange.handle(self.now, ExchangeInput::Ring { line, caller, script });
            self.settle();
        }
    }

    /// Pulls a line out, or puts it back.
    pub fn plug(&mut self, line: &str, present: bool) {
        if let Some(line) = self.exchange.line(line) {
            self.exchange.handle(self.now, ExchangeInput::Plug { line, present });
            self.settle();
        }
    }

    /// The exchange dies with everything in it and is started again.
    pub fn restart_tsp(&mut self) {
        if let Some(provider) = self.tsp_id.take() {
            self.made_before += self.exchange.made();
            self.config.seed += 1;
            self.exchange = Exchange::new(self.config.clone());
            self.tsp_watch.died();
            self.input(Input::ProviderDown { provider, detail: "it was restarted".to_owned() });
        }
        self.start_tsp();
    }

    /// The MSP dies with everything in it and is started again.
    pub fn restart_msp(&mut self) {
        if let Some(provider) = self.msp_id.take() {
            self.msp = CountingMsp::new(self.files.clone());
            self.msp_watch.died();
            self.input(Input::ProviderDown { provider, detail: "it was restarted".to_owned() });
        }
        self.start_msp();
    }

    fn next_provider(&mut self) -> ProviderId {
        self.counts += 1;
        ProviderId(u32::try_from(self.counts).unwrap_or(u32::MAX))
    }

    fn start_tsp(&mut self) {
        let provider = self.next_provider();
        self.tsp_id = Some(provider);
        self.input(Input::TspUp { provider, manifest: Exchange::manifest() });
    }

    fn start_msp(&mut self) {
        let provider = self.next_provider();
        self.msp_id = Some(provider);
        self.input(Input::MspUp { provider, manifest: CountingMsp::manifest() });
    }

    /// Goes to the next moment at which something happens, but not past `end`. False at the end.
    fn step_until(&mut self, end: Moment) -> bool {
        let deadlines = [self.switch.deadline(), self.exchange.deadline(), self.msp.deadline()];
        let next = deadlines.into_iter().flatten().min().filter(|next| *next <= end);
        let Some(next) = next else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = self.now.max(next);
        self.exchange.handle_timeout(self.now);
        self.msp.handle_timeout(self.now);
        self.switch.handle_timeout(self.now);
        self.settle();
        true
    }

    fn input(&mut self, input: Input) {
        self.feed(input);
        self.settle();
    }

    fn feed(&mut self, input: Input) {
        self.inputs += 1;
        if let Some(arrows) = &mut self.arrows {
            arrows.extend(Arrow::of_input(self.now, &input));
        }
        self.switch.handle(self.now, input);
        while let Some(output) = self.switch.poll() {
            if let Some(arrows) = &mut self.arrows {
                arrows.extend(Arrow::of_output(self.now, &output));
            }
            self.output(output);
        }
    }

    /// Carries messages until nobody has anything more to say at this moment.
    fn settle(&mut self) {
        while let Some(output) = self.switch.poll() {
            self.output(output);
        }
        loop {
            if let Some(event) = self.exchange.poll() {
                self.tsp_watch.event(&event);
                if let Some(provider) = self.tsp_id {
                    self.feed(Input::Tsp { provider, event });
                }
            } else if let Some(event) = self.msp.poll() {
                self.msp_watch.event(&event);
                if let Some(provider) = self.msp_id {
                    self.feed(Input::Msp { provider, event });
                }
            } else {
                return;
            }
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Tsp { provider, command } if self.tsp_id == Some(provider) => {
                self.tsp_watch.command(&command);
                self.exchange.handle(self.now, ExchangeInput::Command(command));
            }
            Output::Msp { provider, command } if self.msp_id == Some(provider) => {
                self.msp_watch.command(&command);
                self.msp.handle(self.now, command);
            }
            Output::Answer { app, id, result } => self.answered(app, id, result),
            Output::Event { sequence, to, event } => self.told(sequence, &to, &event),
            Output::Violation { provider, detail, .. } => {
                self.breaches.push(format!("the core says of {provider}: {detail}"));
            }
            _ => {}
        }
    }

    fn answered(&mut self, app: AppId, id: AskId, result: Result<Answer, Refusal>) {
        let Some(app) = self.apps.get_mut(&app) else { return };
        if app.answers.insert(id, result).is_some() {
            self.breaches.push(format!("{id:?} was answered twice"));
        }
    }

    fn told(&mut self, sequence: Sequence, to: &[AppId], event: &AppEvent) {
        if sequence <= self.newest {
            self.breaches.push(format!("event {sequence} came after event {}", self.newest));
        }
        self.newest = sequence;
        for app in to {
            if let Some(app) = self.apps.get_mut(app) {
                app.events.push_back(event.clone());
            }
        }
    }
}
