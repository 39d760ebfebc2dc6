// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads, sockets and files: runs the provider's logic on the media engine.

mod bridges;
mod fixture;
mod legs;
pub(crate) mod ports;

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use offhook_media::Format;
use offhook_media::engine::{Engine, EngineConfig, LegEvent, LegId, PortPool, PortRange};
use offhook_media::file::{Disk, DiskEvent, JobId};
use offhook_media::srtp::{MasterKey, Suite};
use offhook_spi::{
    Machine, Manifest, Moment, Msp, MspLink, ProviderError, RecordingEnd, Refusal, SDP_SCHEMA, SchemaId,
    SessionKey, StreamKey, Terminal, TerminalKey, VersionRange,
};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::config::{RtpConfig, Srtp};
use crate::leg::{Bridge, Input, Opening, Output};
use crate::node::Note;
use crate::provider::Provider;
use ports::Ports;

use legs::Leg;

/// The media provider for RTP.
///
/// ```
/// use offhook_rtp::{RtpConfig, RtpMsp};
/// use offhook_spi::Msp;
///
/// let msp = RtpMsp::new(RtpConfig::default());
/// assert_eq!(msp.manifest().name, "rtp");
/// let ports = msp.ports().clone();
/// ```
#[derive(Debug)]
pub struct RtpMsp {
    config: RtpConfig,
    ports: Ports,
}

impl RtpMsp {
    /// A provider so configured; whether it can run is said when it does.
    #[must_use]
    pub fn new(config: RtpConfig) -> Self {
        Self { config, ports: Ports::new() }
    }

    /// The same, with the ports of a host that has them already.
    #[must_use]
    pub fn with_ports(self, ports: Ports) -> Self {
        Self { ports, ..self }
    }

    /// Where programs open ports for application terminals.
    #[must_use]
    pub const fn ports(&self) -> &Ports {
        &self.ports
    }
}

impl Msp for RtpMsp {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "rtp".to_owned(),
            vendor: "offhook".to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            spi: VersionRange::CURRENT,
            schemas: vec![SchemaId::new(SDP_SCHEMA)],
        }
    }

    async fn run(self, link: MspLink) -> Result<(), ProviderError> {
        self.config.check().map_err(|detail| ProviderError::new(format!("rtp: {detail}")))?;
        let (signals, heard) = mpsc::channel(SIGNALS);
        let driver = Driver::start(self.config, self.ports, signals)
            .map_err(|error| ProviderError::new(format!("rtp: the media engine cannot start: {error}")))?;
        driver.serve(link, heard).await;
        Ok(())
    }
}

/// What other threads tell the driver.
#[derive(Debug)]
enum Signal {
    /// A file was looked at and can be used, or not.
    Checked {
        session: SessionKey,
        stream: StreamKey,
        terminal: TerminalKey,
        what: Terminal,
        result: Result<(), Refusal>,
    },
    /// From the thread of the files.
    Disk(DiskEvent),
    /// From the engine.
    Leg(LegId, LegEvent),
}

/// Runs the logic.
struct Driver {
    config: RtpConfig,
    format: Format,
    provider: Provider,
    engine: Engine,
    disk: Disk,
    pool: PortPool,
    ports: Ports,
    legs: HashMap<SessionKey, Leg>,
    by_id: HashMap<LegId, SessionKey>,
    /// Who hears whom.
    bridges: HashMap<Bridge, Vec<SessionKey>>,
    /// Sessions with listeners on the tick.
    listening: HashSet<SessionKey>,
    /// Files that are played or recorded.
    jobs: HashMap<JobId, (SessionKey, TerminalKey)>,
    last_job: u64,
    /// What the logic is to be told next.
    inputs: VecDeque<Input>,
    signals: mpsc::Sender<Signal>,
    /// Listeners on the tick write here; it is looked at while there are any.
    notes: std_mpsc::SyncSender<Note>,
    noted: std_mpsc::Receiver<Note>,
    /// Commands given to the engine since it last had time to obey them.
    told: usize,
    told_since: Instant,
    started: Instant,
}

impl Driver {
    fn start(config: RtpConfig, ports: Ports, signals: mpsc::Sender<Signal>) -> std::io::Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let workers = if config.workers > 0 { usize::from(config.workers) } else { cores() };
        let workers = u16::try_from(workers).unwrap_or(u16::MAX).max(1);
        let legs = config.max_sessions.div_ceil(u32::from(workers)).saturating_add(SPARE_LEGS);
        let legs = u16::try_from(legs).unwrap_or(u16::MAX);
        let to_driver = signals.clone();
        // Both wait when the driver is behind: that delays events, never sound.
        let engine = Engine::start(EngineConfig { workers, legs }, move |leg, event| {
            to_driver.blocking_send(Signal::Leg(leg, event)).ok();
        })?;
        let to_driver = signals.clone();
        let disk = Disk::start(move |event| {
            to_driver.blocking_send(Signal::Disk(event)).ok();
        })?;
        let (notes, noted) = std_mpsc::sync_channel(NOTES);
        let rate = config.rate();
        Ok(Self {
            format: Format::mono(rate, FRAME),
            provider: Provider::new(config.clone()),
            engine,
            disk,
            pool: PortPool::new(PortRange { first: config.ports.0, last: config.ports.1 }),
            ports,
            legs: HashMap::new(),
            by_id: HashMap::new(),
            bridges: HashMap::new(),
            listening: HashSet::new(),
            jobs: HashMap::new(),
            last_job: 0,
            inputs: VecDeque::new(),
            signals,
            notes,
            noted,
            told: 0,
            told_since: Instant::now(),
            started: Instant::now(),
            config,
        })
    }

    /// Serves the link until it closes, then ends what is left.
    async fn serve(mut self, mut link: MspLink, mut heard: mpsc::Receiver<Signal>) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        self.settle(&link).await;
        loop {
            tokio::select! {
                command = link.next() => match command {
                    Some(command) => self.inputs.push_back(Input::Command(command)),
                    None => break,
                },
                Some(signal) = heard.recv() => self.signal(signal),
                _ = look.tick(), if !self.listening.is_empty() => self.read_notes(),
            }
            self.settle(&link).await;
        }
        self.provider.close_all();
        self.settle(&link).await;
        let farewell = async {
            while !self.provider.is_empty() {
                let Some(signal) = heard.recv().await else { break };
                self.signal(signal);
                self.settle(&link).await;
            }
        };
        tokio::time::timeout(FAREWELL, farewell).await.ok();
        // Before the threads are joined, so that none of them waits for room.
        drop(heard);
    }

    /// Gives the logic its inputs and does what it wants, until there is nothing left of both.
    async fn settle(&mut self, link: &MspLink) {
        loop {
            while let Some(output) = self.provider.poll() {
                match output {
                    // A host that has gone is noticed when the next command is awaited.
                    Output::Emit(event) => drop(link.emit(event).await),
                    output => {
                        self.act(output);
                        self.rest().await;
                    }
                }
            }
            let Some(input) = self.inputs.pop_front() else { return };
            let now = Moment::ZERO + self.started.elapsed();
            self.provider.handle(now, input);
        }
    }

    /// Lets the engine obey when it was given many commands at once.
    async fn rest(&mut self) {
        if self.told_since.elapsed() < ENOUGH_TIME && self.told >= ENOUGH {
            tokio::time::sleep(ENOUGH_TIME).await;
        }
        if self.told_since.elapsed() >= ENOUGH_TIME {
            (self.told, self.told_since) = (0, Instant::now());
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Attach { session, stream, terminal, what } => {
                self.attach(session, stream, terminal, what)
            }
            Output::Bridge { session, at } => self.bridge(session, at),
            Output::CancelGeneration { session } => self.cancel(session),
            Output::Close { session } => self.close(session),
            Output::Control { session, terminal, control } => self.control(session, terminal, control),
            Output::Detach { session, terminal } => self.detach(session, terminal),
            Output::Emit(_) => {}
            Output::Generate { session, generation, what } => self.generate(session, generation, what),
            Output::Listen { session, ear } => self.listen(session, ear),
            Output::Measure { session } => self.measure(session),
            Output::Music { session, path } => self.music(session, path),
            Output::Open { session } => {
                let result = self.open(session);
                self.inputs.push_front(Input::Opened { session, result });
            }
            Output::Plan { session, plan } => self.plan(session, plan),
            Output::Stream { session, stream, change } => self.change_stream(session, stream, change),
        }
    }

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Checked { session, stream, terminal, what, result } => {
                let result = result.and_then(|()| self.fit(session, stream, terminal, what));
                self.inputs.push_back(Input::Attached { session, terminal, result });
            }
            Signal::Disk(event) => self.disk_event(event),
            Signal::Leg(id, event) => {
                if let Some(session) = self.by_id.get(&id).copied() {
                    self.leg_event(session, id, event);
                }
            }
        }
    }

    fn disk_event(&mut self, event: DiskEvent) {
        let (job, end) = match event {
            DiskEvent::Failed { job, error } => {
                (job, Some(RecordingEnd::Failed { detail: error.to_string() }))
            }
            DiskEvent::Stored { job, duration, .. } => (job, Some(RecordingEnd::Stored { duration })),
            // The leg tells when it has heard the last of it.
            DiskEvent::Played { job } => (job, None),
            _ => return,
        };
        let Some((session, terminal)) = self.jobs.remove(&job) else { return };
        // What failed may have been playing: then this is nothing to the logic, which knows what records.
        if let Some(end) = end {
            self.inputs.push_back(Input::Recorded { session, terminal, end });
        }
    }

    fn read_notes(&mut self) {
        for (session, news) in self.noted.try_iter().take(NOTES) {
            self.inputs.push_back(Input::Heard { session, news });
        }
    }

    fn open(&mut self, session: SessionKey) -> Result<Opening, String> {
        let bind = self.config.bind;
        let mut sockets =
            self.pool.bind(bind).map_err(|error| format!("no ports for RTP at {bind}: {error}"))?;
        if !self.config.rtcp {
            sockets.rtcp = None;
        }
        let unknown = |error| format!("a new port for RTP has no number: {error}");
        let port = sockets.local().map_err(unknown)?.port();
        let rtcp = sockets.rtcp.as_ref().and_then(|socket| socket.local_addr().ok());
        let keys = if self.config.srtp == Srtp::Off { Vec::new() } else { fresh_keys()? };
        let seed = random();
        let config = legs::leg_config(&self.config, seed);
        let id = self.engine.open(&config, sockets).map_err(|error| error.to_string())?;
        self.by_id.insert(id, session);
        self.legs.insert(session, Leg::new(id));
        let rtcp = rtcp.map(|address: SocketAddr| address.port());
        // Some count in 63 bits, and all in o= are digits.
        Ok(Opening { port, rtcp, id: random() >> 2, keys })
    }
}

/// A number that nobody can foresee, without another dependency: the standard library seeds its maps so.
fn random() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Keys of a new session, one for each suite (RFC 4568 section 7.1.1: never used elsewhere).
fn fresh_keys() -> Result<Vec<MasterKey>, String> {
    let key = |suite: Suite| {
        let mut material = Zeroizing::new([0; 64]);
        let material = &mut material[..suite.material_len()];
        getrandom::fill(material).map_err(|error| format!("the system gives no keys for SRTP: {error}"))?;
        MasterKey::new(suite, material).map_err(|error| error.to_string())
    };
    Suite::ALL.into_iter().map(key).collect()
}

/// A frame on a leg.
const FRAME: Duration = Duration::from_millis(20);
/// Signals of other threads that may wait.
const SIGNALS: usize = 4_096;
/// Notes from the tick that may wait.
const NOTES: usize = 1_024;
/// Between two looks at the notes.
const LOOK: Duration = Duration::from_millis(10);
/// Legs that may be closing while as many sessions as allowed exist.
const SPARE_LEGS: u32 = 64;
/// Commands that a worker's queue takes with ease, and how long it needs for them.
const ENOUGH: usize = 512;
const ENOUGH_TIME: Duration = Duration::from_millis(15);
/// How long recordings may take to be stored when the host has gone.
const FAREWELL: Duration = Duration::from_secs(5);
