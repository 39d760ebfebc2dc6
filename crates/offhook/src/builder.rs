// SPDX-License-Identifier: MIT OR Apache-2.0
//! Setting a server up: which providers, which policies, what is written down.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use offhook_core::{Config, ProviderId, Switch};
use offhook_spi::{DynMsp, DynTsp, Incompatible, Msp, ProviderError, Tsp};
use tokio::sync::{mpsc, oneshot, watch};

use crate::app;
use crate::audio::Rings;
use crate::carrier::Process;
use crate::error::{Error, ErrorKind};
use crate::journal::Journal;
use crate::offhook::Offhook;
use crate::runtime::{FromProvider, Inbox, Newcomer, NumberPlan, Role, Server, Supervised, Supervisor, host};
use crate::trace::{Arrows, Observer, TraceWriter};

/// Sets a server up; [`Offhook::builder`] makes one.
#[must_use = "nothing runs before `start`"]
pub struct Builder {
    config: Config,
    journal: usize,
    trace: Option<PathBuf>,
    observer: Option<Observer>,
    numbers: Option<NumberPlan>,
    tsps: Vec<Box<dyn DynTsp>>,
    children: Vec<Process>,
    media_children: Vec<Process>,
    msps: Vec<Box<dyn DynMsp>>,
    #[cfg(feature = "sip")]
    sip: Vec<offhook_sip::SipConfig>,
    #[cfg(feature = "sim")]
    sim: Option<offhook_sim::SimCaller>,
    rings: Rings,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            config: Config::default(),
            journal: JOURNAL,
            trace: None,
            observer: None,
            numbers: None,
            tsps: Vec::new(),
            children: Vec::new(),
            media_children: Vec::new(),
            msps: Vec::new(),
            #[cfg(feature = "sip")]
            sip: Vec::new(),
            #[cfg(feature = "sim")]
            sim: None,
            rings: Rings::default(),
        }
    }

    /// Adds a telephony provider.
    pub fn tsp(mut self, provider: impl Tsp) -> Self {
        self.tsps.push(Box::new(provider));
        self
    }

    /// Adds a telephony provider that runs as a child process. It is started by [`Builder::start`], and again
    /// whenever it ends, after a pause that grows while it keeps failing. Its lines come back under the same ids.
    pub fn child(mut self, process: Process) -> Self {
        self.children.push(process);
        self
    }

    /// The same for a media provider: sessions of one that ends are lost, and new calls have sessions of its successor.
    pub fn media_child(mut self, process: Process) -> Self {
        self.media_children.push(process);
        self
    }

    /// Adds a media provider.
    pub fn msp(mut self, provider: impl Msp) -> Self {
        self.msps.push(Box::new(provider));
        self
    }

    /// Adds the SIP provider; its sockets are bound by [`Builder::start`].
    #[cfg(feature = "sip")]
    pub fn sip(mut self, config: offhook_sip::SipConfig) -> Self {
        self.sip.push(config);
        self
    }

    /// Adds the RTP provider, the pair of the SIP provider.
    #[cfg(feature = "rtp")]
    pub fn rtp(mut self, config: offhook_rtp::RtpConfig) -> Self {
        let provider = self.rings.share(offhook_rtp::RtpMsp::new(config));
        self.msp(provider)
    }

    /// Adds a simulated exchange with its media: no network, and far ends such as `sim:friendly`, which
    /// answers, plays a tone and presses keys. [`Offhook::sim`] makes calls come in.
    #[cfg(feature = "sim")]
    pub fn sim(mut self, config: offhook_sim::ExchangeConfig) -> Self {
        let (exchange, caller) = offhook_sim::SimTsp::new(config);
        if self.sim.replace(caller).is_none() {
            self = self.msp(offhook_sim::SimMsp);
        }
        self.tsp(exchange)
    }

    /// Decides how lines treat calls that nobody owns, and sets limits.
    pub fn policy(mut self, policy: Config) -> Self {
        self.config = policy;
        self
    }

    /// Writes everything that happens to a file, from which it can be replayed and drawn
    /// (see [`trace`](crate::trace)). An existing file is replaced.
    ///
    /// A trace holds names, numbers and digits in the clear.
    pub fn trace(mut self, path: impl Into<PathBuf>) -> Self {
        self.trace = Some(path.into());
        self
    }

    /// Lets this program see the ladder as it happens; the server never waits for it.
    pub fn observe(mut self) -> (Self, Arrows) {
        let (observer, arrows) = Observer::new();
        self.observer = Some(observer);
        (self, arrows)
    }

    /// Knows the numbers of the lines' places: gets the name of a line and an address, and gives the forms of the
    /// telephone number in it, if there is one. Every party of every call is asked for once, before an
    /// application sees it: the function must be quick, must not wait and must not panic, whatever a network
    /// sends. Forms that come with a call ([`CallParams::number`](offhook_spi::CallParams::number)) stand.
    pub fn numbers(
        mut self,
        plan: impl Fn(&str, &offhook_spi::Address) -> Option<offhook_spi::NumberForms> + Send + Sync + 'static,
    ) -> Self {
        self.numbers = Some(NumberPlan(Box::new(plan)));
        self
    }

    /// Sets how many events the journal remembers for readers that fall behind; 16,384 unless set.
    pub fn journal(mut self, events: usize) -> Self {
        self.journal = events;
        self
    }

    /// Starts the server and waits until all providers have said which lines they have.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when a socket or the trace file cannot be opened; [`ErrorKind::Unsupported`]
    /// when a provider speaks another version of the contract; [`ErrorKind::ProviderGone`] or
    /// [`ErrorKind::TimedOut`] when one does not get ready.
    pub async fn start(mut self) -> Result<Offhook, Error> {
        #[cfg(feature = "sip")]
        let sip_addresses = self.bind_sip().await?;
        let trace = match &self.trace {
            Some(path) => Some(TraceWriter::create(path, &self.config)?),
            None => None,
        };
        let (commands, commands_out) = mpsc::channel(COMMANDS);
        let (to_server, providers) = mpsc::channel(BATCHES);
        let (releases, releases_out) = mpsc::unbounded_channel();
        let inbox = Inbox { commands: commands_out, providers, releases: releases_out };
        // Providers are numbered from 1, media providers first: the last one has the number that there are so far.
        let mut supervised = Vec::new();
        let failed = |error: ProviderError| {
            Error::new(ErrorKind::ProviderGone, "start a provider as a child process", error.detail)
        };
        for process in std::mem::take(&mut self.media_children) {
            self.msps.push(Box::new(process.msp().await.map_err(failed)?));
            supervised.push((self.msps.len(), Supervised::new(process, Role::Msp)));
        }
        for process in std::mem::take(&mut self.children) {
            self.tsps.push(Box::new(process.tsp().await.map_err(failed)?));
            supervised.push((self.msps.len() + self.tsps.len(), Supervised::new(process, Role::Tsp)));
        }
        let next = self.msps.len() + self.tsps.len() + 1;
        let newcomers = start_providers(self.msps, self.tsps, &to_server)?;
        let journal = Arc::new(Journal::new(self.journal));
        let (alive, alive_out) = watch::channel(());
        let switch = Switch::new(self.config);
        let mut server = Server::new(switch, Arc::clone(&journal), trace, releases, alive);
        server.observer = self.observer;
        server.numbers = self.numbers;
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        for (place, supervised) in supervised {
            server.supervise(ProviderId(number(place)), supervised);
        }
        let next = number(next);
        server.supervisor = Some(Supervisor { to_server, next });
        let violations = Arc::clone(&server.violations);
        let (reply, ready) = oneshot::channel();
        server.welcome(newcomers, reply);
        tokio::spawn(server.run(inbox));
        let handle =
            Arc::new(app::Server { commands, journal, violations, rings: self.rings, alive: alive_out });
        match tokio::time::timeout(START, ready).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(not_ready))) => {
                let operation = format!("start provider '{}'", not_ready.provider);
                return Err(Error::new(ErrorKind::ProviderGone, operation, not_ready.detail));
            }
            Ok(Err(_)) => return Err(Error::shut_down("start the server")),
            Err(_) => {
                let detail = format!("a provider did not say within {START:?} which lines it has");
                return Err(Error::timed_out("start the server", detail));
            }
        }
        Ok(Offhook::new(
            handle,
            #[cfg(feature = "sip")]
            sip_addresses,
            #[cfg(feature = "sim")]
            self.sim,
        ))
    }

    #[cfg(feature = "sip")]
    async fn bind_sip(&mut self) -> Result<Vec<offhook_sip::BoundAddresses>, Error> {
        let mut addresses = Vec::with_capacity(self.sip.len());
        for config in std::mem::take(&mut self.sip) {
            let bound = offhook_sip::SipTsp::bind(config).await;
            let (provider, bound) = bound.map_err(|error| {
                let detail = error.to_string();
                Error::io("bind the sockets of the SIP provider", detail, error)
            })?;
            self.tsps.push(Box::new(provider));
            addresses.push(bound);
        }
        Ok(addresses)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).field("trace", &self.trace).finish()
    }
}

/// Opens the links and starts the providers, media first: lines need their sessions.
fn start_providers(
    msps: Vec<Box<dyn DynMsp>>,
    tsps: Vec<Box<dyn DynTsp>>,
    to_server: &mpsc::Sender<FromProvider>,
) -> Result<Vec<Newcomer>, Error> {
    let mut newcomers = Vec::with_capacity(msps.len() + tsps.len());
    let mut ids = (1..).map(ProviderId);
    for (msp, provider) in msps.into_iter().zip(ids.by_ref()) {
        let manifest = msp.manifest();
        let hosted = host(provider, &manifest, to_server.clone(), move |link| msp.run(link));
        let hosted = hosted.map_err(|error| incompatible(&manifest.name, error))?;
        newcomers.push(Newcomer::Msp(provider, manifest, hosted));
    }
    for (tsp, provider) in tsps.into_iter().zip(ids) {
        let manifest = tsp.manifest();
        let hosted = host(provider, &manifest, to_server.clone(), move |link| tsp.run(link));
        let hosted = hosted.map_err(|error| incompatible(&manifest.name, error))?;
        newcomers.push(Newcomer::Tsp(provider, manifest, hosted));
    }
    Ok(newcomers)
}

fn incompatible(name: &str, error: Incompatible) -> Error {
    let detail = format!("{error}; use a provider made for this version");
    Error::new(ErrorKind::Unsupported, format!("start provider '{name}'"), detail)
}

/// Commands that wait for the server.
const COMMANDS: usize = 1_024;
/// Batches of events that wait for the server.
const BATCHES: usize = 64;
/// Events that the journal remembers unless told otherwise.
const JOURNAL: usize = 16_384;
/// How long providers may take to get ready.
const START: Duration = Duration::from_secs(10);
