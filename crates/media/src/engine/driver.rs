// SPDX-License-Identifier: MIT OR Apache-2.0
//! Workers on threads of their own: the only part of the engine that reads a clock, sleeps or locks.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use offhook_spi::Moment;
use rtrb::{Consumer, Producer, PushError};
use thiserror::Error;

use super::leg::Leg;
use super::ports::Sockets;
use super::udp::{ReportWatch, UdpIo, UdpPort};
use super::worker::{Control, Outgoing, Worker, WorkerEnds};
use super::{LegConfig, LegControl, LegEvent, LegId, LegStatistics, STEP};
use crate::rtp::NtpTime;

/// Steps that are made up for at once; further ones are passed over.
const MADE_UP: u32 = 2;
/// The nice value that workers ask for.
const PRIORITY: i32 = -15;
/// Legs that a worker takes before the next one gets any: waking a thread costs as much as some fifty legs.
const WAKING: usize = 256;
/// How long the post waits when nobody wakes it.
const POST_WAIT: Duration = Duration::from_millis(200);

/// How an engine is built.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EngineConfig {
    /// Threads that move sound; one for each core given to media.
    pub workers: u16,
    /// Legs each of them may have.
    pub legs: u16,
}

impl Default for EngineConfig {
    /// One worker of 4096 legs.
    fn default() -> Self {
        Self { workers: 1, legs: 4_096 }
    }
}

/// Why the engine did not take a leg or a command.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Too many commands wait for the worker.
    #[error("media worker has no room for another command")]
    Busy,
    /// Every worker has as many legs as it may have.
    #[error("media engine has no room for another leg")]
    Full,
    /// The system refused the sockets.
    #[error("sockets of a leg cannot be used")]
    Sockets(#[from] io::Error),
    /// The engine has stopped.
    #[error("media engine has stopped")]
    Stopped,
    /// No such leg, or no more.
    #[error("{0} does not exist")]
    UnknownLeg(LegId),
}

/// A running engine. Cheap to share behind an [`Arc`]; dropping it ends all legs and threads.
#[derive(Debug)]
pub struct Engine {
    workers: Arc<[WorkerLink]>,
    started: Instant,
    stop: Arc<AtomicBool>,
    skipped: Arc<AtomicU64>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    post: Thread,
}

/// The control side of one worker.
#[derive(Debug)]
struct WorkerLink {
    state: Mutex<LinkState>,
    watch: ReportWatch,
    thread: OnceLock<Thread>,
}

#[derive(Debug)]
struct LinkState {
    controls: Producer<Control<UdpPort>>,
    /// Places, the one to be used next at the end.
    free: Vec<u16>,
    /// By index: how often the place was used, and whether it is now.
    places: Vec<(u32, bool)>,
}

impl Engine {
    /// Starts workers, and a thread that hands every event to `on_event` in order.
    ///
    /// `on_event` may block: it delays other events, never sound. It must not own the engine. When events of
    /// a worker are not taken, 4096 wait and further ones are lost, except that a leg has closed.
    ///
    /// # Errors
    ///
    /// When threads cannot be started or descriptors are exhausted.
    pub fn start(
        config: EngineConfig,
        on_event: impl FnMut(LegId, LegEvent) + Send + 'static,
    ) -> io::Result<Self> {
        let started = Instant::now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stop = Arc::new(AtomicBool::new(false));
        let skipped = Arc::new(AtomicU64::new(0));
        let (mut links, mut letters, mut workers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..config.workers.max(1) {
            let io = UdpIo::new(config.legs)?;
            let watch = io.watch();
            let (worker, ends) = Worker::new(io, config.legs, NtpTime::from_unix(wall));
            let WorkerEnds { controls, events, closed } = ends;
            let free = (0..config.legs).rev().collect();
            let places = vec![(0, false); usize::from(config.legs)];
            links.push(WorkerLink {
                state: Mutex::new(LinkState { controls, free, places }),
                watch,
                thread: OnceLock::new(),
            });
            letters.push(Letters { events, closed });
            workers.push(worker);
        }
        let links_for_all: Arc<[WorkerLink]> = links.into();
        let post = Post { letters, links: Arc::clone(&links_for_all), started, on_event };
        let post = spawn("offhook-post", {
            let stop = Arc::clone(&stop);
            move || post.run(&stop)
        })?;
        let post_thread = post.thread().clone();
        let mut threads = vec![post];
        for (worker, link) in workers.into_iter().zip(links_for_all.iter()) {
            let (stop, post) = (Arc::clone(&stop), post_thread.clone());
            let skipped = Arc::clone(&skipped);
            let thread = spawn("offhook-media", move || run(worker, started, &stop, &skipped, &post))?;
            link.thread.set(thread.thread().clone()).ok();
            threads.push(thread);
        }
        Ok(Self {
            workers: links_for_all,
            started,
            stop,
            skipped,
            threads: Mutex::new(threads),
            post: post_thread,
        })
    }

    /// Logical time: since the engine started.
    #[must_use]
    pub fn now(&self) -> Moment {
        moment(self.started)
    }

    /// Begins a leg on `sockets`: at the first worker that has few, or else at the one that has fewest.
    ///
    /// # Errors
    ///
    /// [`EngineError::Full`], [`EngineError::Busy`], [`EngineError::Sockets`] or [`EngineError::Stopped`].
    pub fn open(&self, config: &LegConfig, sockets: Sockets) -> Result<LegId, EngineError> {
        let links = self.workers.iter().enumerate();
        let with_room = links.filter(|(_, link)| !link.lock().free.is_empty());
        let fewest = with_room.min_by_key(|(_, link)| link.lock().legs().max(WAKING));
        let (worker, link) = fewest.ok_or(EngineError::Full)?;
        let id = link.reserve(worker as u16).ok_or(EngineError::Full)?;
        let opened = link.watch.port(sockets, id.index).map_err(EngineError::from).and_then(|port| {
            let leg = Box::new(Leg::new(id, config, port, self.now()));
            self.push(link, Control::Open(leg))
        });
        if opened.is_err() {
            link.lock().release(id);
        }
        opened.map(|()| id)
    }

    /// Commands a leg.
    ///
    /// # Errors
    ///
    /// [`EngineError::UnknownLeg`], [`EngineError::Busy`] or [`EngineError::Stopped`].
    pub fn control(&self, leg: LegId, control: LegControl) -> Result<(), EngineError> {
        let link = self.link(leg)?;
        self.push(link, Control::Leg(leg, control))
    }

    /// Asks for the numbers of a leg; they come as [`LegEvent::Statistics`].
    ///
    /// # Errors
    ///
    /// As [`Self::control`].
    pub fn ask_statistics(&self, leg: LegId) -> Result<(), EngineError> {
        self.control(leg, LegControl::Statistics(Box::default()))
    }

    /// Ends a leg with an RTCP farewell; its sockets close, and [`LegEvent::Closed`] is its last event.
    ///
    /// # Errors
    ///
    /// As [`Self::control`].
    pub fn close(&self, leg: LegId) -> Result<(), EngineError> {
        let link = self.link(leg)?;
        self.push(link, Control::Close(leg))
    }

    /// Legs open now.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.workers.iter().map(|link| link.lock().legs()).sum()
    }

    /// Steps of 5 ms that all workers together came too late for: each is a gap of 20 ms for a quarter of a
    /// worker's legs. None on a machine with time to spare.
    #[must_use]
    pub fn skipped_steps(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    fn link(&self, leg: LegId) -> Result<&WorkerLink, EngineError> {
        let link = self.workers.get(usize::from(leg.worker)).ok_or(EngineError::UnknownLeg(leg))?;
        let is_open = link.lock().places.get(usize::from(leg.index)) == Some(&(leg.generation, true));
        if is_open { Ok(link) } else { Err(EngineError::UnknownLeg(leg)) }
    }

    fn push(&self, link: &WorkerLink, control: Control<UdpPort>) -> Result<(), EngineError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(EngineError::Stopped);
        }
        link.lock().controls.push(control).map_err(|PushError::Full(_)| EngineError::Busy)?;
        link.wake();
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.post.unpark();
        self.workers.iter().for_each(WorkerLink::wake);
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // An engine dropped by its own event handler cannot wait for it.
            if thread.thread().id() != thread::current().id() {
                thread.join().ok();
            }
        }
    }
}

impl WorkerLink {
    fn lock(&self) -> std::sync::MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a worker without legs look at its commands.
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn reserve(&self, worker: u16) -> Option<LegId> {
        let mut state = self.lock();
        let index = state.free.pop()?;
        let place = state.places.get_mut(usize::from(index))?;
        *place = (place.0.wrapping_add(1), true);
        Some(LegId { worker, index, generation: place.0 })
    }
}

impl LinkState {
    fn legs(&self) -> usize {
        self.places.len() - self.free.len()
    }

    fn release(&mut self, leg: LegId) {
        if let Some(place) = self.places.get_mut(usize::from(leg.index)).filter(|place| place.1) {
            place.1 = false;
            self.free.push(leg.index);
        }
    }
}

/// Takes what workers tell to whom it concerns, and frees what they cannot.
struct Post<F> {
    letters: Vec<Letters>,
    links: Arc<[WorkerLink]>,
    started: Instant,
    on_event: F,
}

struct Letters {
    events: Consumer<Outgoing>,
    closed: Consumer<Box<Leg<UdpPort>>>,
}

impl<F: FnMut(LegId, LegEvent)> Post<F> {
    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.deliver();
            thread::park_timeout(POST_WAIT);
        }
        self.deliver();
    }

    fn deliver(&mut self) {
        for (letters, link) in self.letters.iter_mut().zip(self.links.iter()) {
            // Closed legs are counted first: all their events are then in the ring.
            let closed = letters.closed.slots();
            while let Ok(letter) = letters.events.pop() {
                match letter {
                    Outgoing::Event(leg, event) => (self.on_event)(leg, event),
                    Outgoing::Trash(trash) => drop(trash),
                }
            }
            for _ in 0..closed {
                let Ok(leg) = letters.closed.pop() else { break };
                let mut statistics = Box::<LegStatistics>::default();
                leg.statistics(moment(self.started), &mut statistics);
                let id = leg.id();
                drop(leg);
                link.lock().release(id);
                (self.on_event)(id, LegEvent::Closed(statistics));
            }
        }
    }
}

/// A worker's thread: absolute deadlines, so that no lateness adds up.
fn run(mut worker: Worker<UdpIo>, started: Instant, stop: &AtomicBool, skipped: &AtomicU64, post: &Thread) {
    // Sound cannot wait, programs beside it can. Refused to most users, and then it works as well, only with
    // less certainty. On Linux this concerns the calling thread alone.
    rustix::process::setpriority_process(None, PRIORITY).ok();
    let mut deadline = moment(started) + STEP;
    while !stop.load(Ordering::Relaxed) {
        if worker.is_idle() {
            thread::park();
            deadline = deadline.max(moment(started));
        }
        sleep_until(started, deadline);
        let mut late = 0;
        while deadline <= moment(started) {
            late += 1;
            if late <= MADE_UP + 1 {
                if worker.step(deadline) {
                    post.unpark();
                }
            } else {
                worker.skip();
                skipped.fetch_add(1, Ordering::Relaxed);
            }
            deadline += STEP;
        }
    }
}

fn sleep_until(started: Instant, deadline: Moment) {
    let left = (deadline - Moment::ZERO).saturating_sub(started.elapsed());
    if !left.is_zero() {
        thread::sleep(left);
    }
}

fn moment(started: Instant) -> Moment {
    Moment::ZERO + started.elapsed()
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(body)
}
