// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one thread that touches the disk, for all players and recorders.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use thiserror::Error;

use super::player::{Player, Work};
use super::raw::RawReader;
use super::recorder::Recorder;
use super::wav::WavReader;
use super::{Encoding, FileError, SoundRead, SoundSpec};
use crate::format::SampleRate;
use crate::node::Sink;
use crate::ring::{RingReader, RingWriter};
use crate::tone::Repeat;

/// How often files are looked after; rings should hold several times this.
const ROUND: Duration = Duration::from_millis(10);
/// Orders that wait at most.
const ORDERS: usize = 1_024;

/// Names a player or recorder in orders and events; chosen by the caller.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JobId(pub u64);

/// How a file is to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Storage {
    /// Without a header, as told.
    Raw(SoundSpec),
    /// A WAV file.
    Wav,
}

/// What to play.
#[derive(Debug)]
pub struct PlayOrder {
    /// The files, one after the other.
    pub files: Vec<(PathBuf, Storage)>,
    /// How often the whole list is played.
    pub repeat: Repeat,
    /// Where the sound goes: mono, at the rate of its format.
    pub ring: RingWriter,
}

/// What to record.
#[derive(Debug)]
pub struct RecordOrder {
    /// The WAV file; what was there before is lost.
    pub path: PathBuf,
    /// How samples are stored.
    pub encoding: Encoding,
    /// Where the sound comes from.
    pub ring: RingReader,
}

/// What became of an order. Exactly one for each.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiskEvent {
    /// A player or recorder could not begin or go on; of a recording, what was written so far can be played.
    Failed {
        /// Whose.
        job: JobId,
        /// Why.
        error: FileError,
    },
    /// The last sample of a playlist was heard, or nobody listens any more.
    Played {
        /// Whose.
        job: JobId,
    },
    /// A recording is complete in the file system.
    Stored {
        /// Whose.
        job: JobId,
        /// Where.
        path: PathBuf,
        /// How long it is.
        duration: Duration,
        /// How much of it is silence because the sound was lost.
        missing: Duration,
    },
}

/// The disk has more orders waiting than it takes.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("disk: too many orders waiting, expected fewer than {ORDERS}")]
pub struct DiskBusy;

enum Order {
    Play(JobId, PlayOrder),
    Record(JobId, RecordOrder),
    Seek(JobId, Duration),
    Stop(JobId),
}

/// A handle to the disk thread. Giving an order never waits; dropping the handle completes all recordings.
///
/// ```no_run
/// use std::time::Duration;
/// use offhook_media::{Format, ring};
/// use offhook_media::file::{Disk, Encoding, JobId, RecordOrder};
///
/// let (report, events) = std::sync::mpsc::channel();
/// let disk = Disk::start(move |event| drop(report.send(event)))?;
/// let (sink, ring) = ring::channel(Format::TELEPHONE, Duration::from_secs(1));
/// disk.record(JobId(1), RecordOrder { path: "call.wav".into(), encoding: Encoding::PcmS16, ring })?;
/// // … the sink is given to a call, which drops it when it ends …
/// drop(sink);
/// println!("{:?}", events.recv()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Disk {
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Starts the thread. It calls `report` with each event; that call may wait, but holds up all files.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn start(report: impl FnMut(DiskEvent) + Send + 'static) -> io::Result<Self> {
        let (orders, waiting) = sync_channel(ORDERS);
        let thread = thread::Builder::new().name("offhook-disk".into());
        let work = Desk { jobs: HashMap::new(), report: Box::new(report) };
        let thread = thread.spawn(move || work.run(&waiting))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Plays files. Drop the ring's reader, or call [`Disk::stop`], to end early.
    ///
    /// # Errors
    ///
    /// If too many orders wait.
    pub fn play(&self, job: JobId, order: PlayOrder) -> Result<(), DiskBusy> {
        self.order(Order::Play(job, order))
    }

    /// Records until the ring's writer finishes or is dropped, or [`Disk::stop`] is called.
    ///
    /// # Errors
    ///
    /// If too many orders wait.
    pub fn record(&self, job: JobId, order: RecordOrder) -> Result<(), DiskBusy> {
        self.order(Order::Record(job, order))
    }

    /// Goes to a place of the file that is being played; what waits to be heard is thrown away.
    ///
    /// # Errors
    ///
    /// If too many orders wait.
    pub fn seek(&self, job: JobId, at: Duration) -> Result<(), DiskBusy> {
        self.order(Order::Seek(job, at))
    }

    /// Ends a player at once, or a recorder after what it has got so far.
    ///
    /// # Errors
    ///
    /// If too many orders wait.
    pub fn stop(&self, job: JobId) -> Result<(), DiskBusy> {
        self.order(Order::Stop(job))
    }

    fn order(&self, order: Order) -> Result<(), DiskBusy> {
        let Some(orders) = &self.orders else { return Err(DiskBusy) };
        orders.try_send(order).map_err(|_| DiskBusy)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to complete.
            let _ = thread.join();
        }
    }
}

/// What the thread has in hand.
struct Desk {
    jobs: HashMap<JobId, Job>,
    report: Box<dyn FnMut(DiskEvent) + Send>,
}

enum Job {
    Playing(Box<Player>),
    Recording(Box<Recorder<File>>, PathBuf),
}

impl Desk {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let order = if self.jobs.is_empty() {
                orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                orders.recv_timeout(ROUND)
            };
            match order {
                Ok(order) => {
                    self.obey(order);
                    while let Ok(order) = orders.try_recv() {
                        self.obey(order);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.work();
        }
        for job in self.jobs.keys().copied().collect::<Vec<_>>() {
            self.stop(job);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Play(job, order) => {
                let begun = begin_playing(order).map(|player| Job::Playing(Box::new(player)));
                self.begin(job, begun);
            }
            Order::Record(job, order) => {
                let RecordOrder { path, encoding, ring } = order;
                let file = File::create(&path).map_err(FileError::from);
                let begun = file.and_then(|file| Recorder::new(ring, file, encoding));
                self.begin(job, begun.map(|recorder| Job::Recording(Box::new(recorder), path)));
            }
            Order::Seek(job, at) => self.seek(job, at),
            Order::Stop(job) => self.stop(job),
        }
    }

    fn begin(&mut self, job: JobId, begun: Result<Job, FileError>) {
        // A name used twice ends what had it before.
        self.stop(job);
        match begun {
            Ok(begun) => {
                self.jobs.insert(job, begun);
            }
            Err(error) => (self.report)(DiskEvent::Failed { job, error }),
        }
    }

    fn seek(&mut self, job: JobId, at: Duration) {
        let Some(Job::Playing(player)) = self.jobs.get_mut(&job) else { return };
        let sought = player.seek(at);
        if let Err(error) = sought {
            self.jobs.remove(&job);
            (self.report)(DiskEvent::Failed { job, error });
        }
    }

    fn stop(&mut self, job: JobId) {
        let event = match self.jobs.remove(&job) {
            None => return,
            Some(Job::Playing(player)) => {
                player.control().flush();
                DiskEvent::Played { job }
            }
            Some(Job::Recording(mut recorder, path)) => {
                let completed = recorder.pump().and_then(|_| recorder.complete());
                ended(job, path, &recorder, completed.map(drop))
            }
        };
        (self.report)(event);
    }

    /// One round over all files.
    fn work(&mut self) {
        let mut over = Vec::new();
        for (&job, state) in &mut self.jobs {
            if let Some(event) = state.work(job) {
                over.push((job, event));
            }
        }
        for (job, event) in over {
            self.jobs.remove(&job);
            (self.report)(event);
        }
    }
}

impl Job {
    /// Does what can be done now; the event if that was the last of it.
    fn work(&mut self, job: JobId) -> Option<DiskEvent> {
        match self {
            Self::Playing(player) => match player.pump() {
                Ok(Work::Waits) => None,
                // All was read; what waits in the ring is still to be heard.
                Ok(Work::Done) => player.is_heard().then_some(DiskEvent::Played { job }),
                Err(error) => Some(DiskEvent::Failed { job, error }),
            },
            Self::Recording(recorder, path) => match recorder.pump() {
                Ok(Work::Waits) => None,
                Ok(Work::Done) => Some(ended(job, std::mem::take(path), recorder, Ok(()))),
                Err(error) => Some(ended(job, std::mem::take(path), recorder, Err(error))),
            },
        }
    }
}

fn ended(job: JobId, path: PathBuf, recorder: &Recorder<File>, result: Result<(), FileError>) -> DiskEvent {
    match result {
        Ok(()) => DiskEvent::Stored { job, path, duration: recorder.duration(), missing: recorder.missing() },
        Err(error) => DiskEvent::Failed { job, error },
    }
}

fn begin_playing(order: PlayOrder) -> Result<Player, FileError> {
    let PlayOrder { files, repeat, ring } = order;
    let rate: SampleRate = ring.format().rate;
    let files = files
        .into_iter()
        .map(|(path, storage)| match storage {
            Storage::Raw(spec) => {
                Ok(Box::new(RawReader::new(File::open(path)?, spec)?) as Box<dyn SoundRead>)
            }
            Storage::Wav => open(&path),
        })
        .collect::<Result<Vec<_>, FileError>>()?;
    Player::new(files, repeat, ring, rate)
}

/// Opens a WAV file.
///
/// # Errors
///
/// If there is no such file or it is no WAV file that can be read.
pub fn open(path: &Path) -> Result<Box<dyn SoundRead>, FileError> {
    Ok(Box::new(WavReader::new(File::open(path)?)?))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::file::load;
    use crate::format::Format;
    use crate::node::{FrameInfo, Source};
    use crate::ring;
    use crate::signal;
    use crate::tone::analysis::analyse;

    /// A file that is gone when the test is.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("offhook-{}-{name}.wav", std::process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn disk() -> (Disk, Receiver<DiskEvent>) {
        let (report, events) = channel();
        (Disk::start(move |event| drop(report.send(event))).unwrap(), events)
    }

    fn record(disk: &Disk, job: u64, path: &Path) -> RingWriter {
        let (sink, ring) = ring::channel(Format::TELEPHONE, Duration::from_secs(5));
        let order = RecordOrder { path: path.to_owned(), encoding: Encoding::Ulaw, ring };
        disk.record(JobId(job), order).unwrap();
        sink
    }

    fn play(disk: &Disk, job: u64, path: &Path) -> RingReader {
        let (ring, source) = ring::channel(Format::TELEPHONE, Duration::from_secs(1));
        let files = vec![(path.to_owned(), Storage::Wav)];
        disk.play(JobId(job), PlayOrder { files, repeat: Repeat::Times(1), ring }).unwrap();
        source
    }

    #[test]
    fn what_was_recorded_is_played() {
        let (file, (disk, events)) = (Scratch::new("played"), disk());
        let mut sink = record(&disk, 1, &file.0);
        let tone = signal::reference_tone(SampleRate::HZ_8000, Duration::from_secs(2));
        for frame in tone.chunks(160) {
            let _ = sink.push(frame, &FrameInfo::default());
        }
        drop(sink);
        let stored = events.recv().unwrap();
        let DiskEvent::Stored { job: JobId(1), duration, missing, path } = stored else {
            panic!("{stored:?}")
        };
        assert_eq!((duration, missing, path), (Duration::from_secs(2), Duration::ZERO, file.0.clone()));

        let mut source = play(&disk, 2, &file.0);
        let (mut heard, mut frame, mut info) = (Vec::new(), [0; 160], FrameInfo::default());
        while !source.is_over() {
            let count = source.read(&mut frame, &mut info);
            heard.extend_from_slice(&frame[..count]);
            thread::yield_now();
        }
        assert!(matches!(events.recv().unwrap(), DiskEvent::Played { job: JobId(2) }));
        let report = analyse(&heard, SampleRate::HZ_8000).unwrap();
        assert!(report.matches(1_004.0, signal::REFERENCE_LEVEL, &Default::default()), "{report:?}");
        assert_eq!(heard.len(), tone.len());
    }

    #[test]
    fn a_file_that_is_not_there_fails_and_ends_the_sound() {
        let (file, (disk, events)) = (Scratch::new("absent"), disk());
        let mut source = play(&disk, 7, &file.0);
        let failed = events.recv().unwrap();
        assert!(matches!(failed, DiskEvent::Failed { job: JobId(7), error: FileError::Io(_) }), "{failed:?}");
        let flow = source.pull(&mut [0; 160], &mut FrameInfo::default());
        assert_eq!(flow, crate::Flow::End);
        let _sink = record(&disk, 8, &file.0.join("below"));
        assert!(matches!(events.recv().unwrap(), DiskEvent::Failed { job: JobId(8), .. }));
    }

    #[test]
    fn stopping_ends_players_and_completes_recordings() {
        let (file, (disk, events)) = (Scratch::new("stopped"), disk());
        let mut sink = record(&disk, 1, &file.0);
        let _ = sink.push(&[500; 8_000], &FrameInfo::default());
        disk.stop(JobId(1)).unwrap();
        let stored = events.recv().unwrap();
        assert!(matches!(stored, DiskEvent::Stored { duration, .. } if duration == Duration::from_secs(1)));
        let mut source = play(&disk, 2, &file.0);
        disk.seek(JobId(2), Duration::from_millis(900)).unwrap();
        disk.stop(JobId(2)).unwrap();
        assert!(matches!(events.recv().unwrap(), DiskEvent::Played { job: JobId(2) }));
        let flow = source.pull(&mut [0; 160], &mut FrameInfo::default());
        assert_eq!(flow, crate::Flow::End);
    }

    #[test]
    fn dropping_the_disk_completes_recordings() {
        let (file, (disk, events)) = (Scratch::new("dropped"), disk());
        let mut sink = record(&disk, 1, &file.0);
        let _ = sink.push(&[900; 1_600], &FrameInfo::default());
        drop(disk);
        assert!(matches!(events.recv().unwrap(), DiskEvent::Stored { job: JobId(1), .. }));
        let heard = load(&mut open(&file.0).unwrap(), SampleRate::HZ_8000, usize::MAX).unwrap();
        assert_eq!(heard.len(), 1_600);
    }

    #[test]
    fn a_listener_who_leaves_ends_the_player() {
        let (file, (disk, events)) = (Scratch::new("left"), disk());
        let mut sink = record(&disk, 1, &file.0);
        let _ = sink.push(&[3; 40_000], &FrameInfo::default());
        drop(sink);
        assert!(matches!(events.recv().unwrap(), DiskEvent::Stored { .. }));
        drop(play(&disk, 2, &file.0));
        assert!(matches!(events.recv().unwrap(), DiskEvent::Played { job: JobId(2) }));
    }
}
