// SPDX-License-Identifier: MIT OR Apache-2.0
//! A ring of samples between two threads of which neither ever waits for the other.
//!
//! One side may be the tick, the other an application, a file or a device. The [`RingWriter`] is a
//! [`Sink`], the [`RingReader`] a [`Source`]; a [`RingControl`] pauses, empties and watches from anywhere.
//!
//! ```
//! use std::time::Duration;
//! use offhook_media::{Format, FrameInfo, Flow, Source};
//! use offhook_media::ring;
//!
//! let (mut writer, mut reader) = ring::channel(Format::TELEPHONE, Duration::from_millis(200));
//! assert_eq!(writer.write(&[5; 100]), 100);
//! let mark = writer.mark();
//! let mut frame = [0; 160];
//! let mut info = FrameInfo::default();
//! assert_eq!(reader.pull(&mut frame, &mut info), Flow::Continue);
//! assert_eq!((frame[99], frame[100], info.concealed), (5, 0, 60));
//! assert!(writer.control().has_passed(mark));
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::format::Format;
use crate::node::{Flow, FrameInfo, Sink, Source};

/// Notes of gaps on their way; while there are more, they are added up.
const NOTES: usize = 64;
/// No ring is longer than this many samples, whatever was asked for.
const MOST_SAMPLES: usize = 1 << 24;

/// Makes a ring for sound in `format` that holds about `length` of it, and at least one frame.
#[must_use]
pub fn channel(format: Format, length: Duration) -> (RingWriter, RingReader) {
    let channels = format.channels.count();
    let samples = usize::try_from(format.rate.samples_in(length)).unwrap_or(MOST_SAMPLES);
    let samples = samples.max(format.samples as usize).clamp(1, MOST_SAMPLES / channels);
    let (samples_in, samples_out) = RingBuffer::new(samples * channels);
    let (notes_in, notes_out) = RingBuffer::new(NOTES);
    let shared = Arc::new(Shared::default());
    let control = RingControl(Arc::clone(&shared));
    let writer = RingWriter {
        format,
        samples: samples_in,
        notes: notes_in,
        shared,
        written: 0,
        pending: FrameInfo::default(),
    };
    let reader =
        RingReader { format, samples: samples_out, notes: notes_out, control, position: 0, next: None };
    (writer, reader)
}

/// What both sides and the controls know. Positions count samples of one channel since the ring was made.
#[derive(Debug, Default)]
struct Shared {
    written: AtomicU64,
    position: AtomicU64,
    discarded: AtomicU64,
    missing: AtomicU64,
    flush_to: AtomicU64,
    paused: AtomicBool,
    ended: AtomicBool,
}

/// A place in the sound that passes through a ring.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Mark(u64);

/// How far the sound in a ring has come, in samples of one channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Written so far.
    pub written: u64,
    /// Read or thrown away so far: where the reader stands.
    pub position: u64,
    /// Thrown away by flushing.
    pub discarded: u64,
    /// Silence that the reader gave because nothing was there in time.
    pub missing: u64,
}

impl Progress {
    /// How much has really been heard.
    #[must_use]
    pub const fn heard(&self) -> u64 {
        self.position.saturating_sub(self.discarded)
    }

    /// How much waits to be heard.
    #[must_use]
    pub const fn waiting(&self) -> u64 {
        self.written.saturating_sub(self.position)
    }
}

/// Watches and steers a ring from any thread.
#[derive(Clone, Debug)]
pub struct RingControl(Arc<Shared>);

impl RingControl {
    /// The reader gives silence from now on; what is in the ring stays.
    pub fn pause(&self) {
        self.0.paused.store(true, Ordering::Release);
    }

    /// The reader goes on where it was paused.
    pub fn resume(&self) {
        self.0.paused.store(false, Ordering::Release);
    }

    /// The reader throws away, at its next turn, all that has been written up to now.
    pub fn flush(&self) {
        let written = self.0.written.load(Ordering::Acquire);
        self.0.flush_to.fetch_max(written, Ordering::AcqRel);
    }

    /// Nothing more will come: when what is in the ring has been read, the sound is over.
    pub fn finish(&self) {
        self.0.ended.store(true, Ordering::Release);
    }

    /// How far the sound has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        // The position first, so that it never seems to be ahead of what was written.
        let position = self.0.position.load(Ordering::Acquire);
        Progress {
            written: self.0.written.load(Ordering::Acquire),
            position,
            discarded: self.0.discarded.load(Ordering::Acquire),
            missing: self.0.missing.load(Ordering::Acquire),
        }
    }

    /// Whether everything before `mark` has been heard or thrown away.
    #[must_use]
    pub fn has_passed(&self, mark: Mark) -> bool {
        self.0.position.load(Ordering::Acquire) >= mark.0
    }

    fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Acquire)
    }

    fn is_finished(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }
}

/// The side that sound goes into. Dropping it ends the sound, as [`RingControl::finish`] does.
#[derive(Debug)]
pub struct RingWriter {
    format: Format,
    samples: Producer<i16>,
    /// What happened to the sound, and where.
    notes: Producer<FrameInfo>,
    shared: Arc<Shared>,
    written: u64,
    /// Lost or made up since the last note.
    pending: FrameInfo,
}

impl RingWriter {
    /// Writes as much of `samples` as there is room for, returns how much that was.
    ///
    /// Only whole moments are written: as many samples as there are channels.
    pub fn write(&mut self, samples: &[i16]) -> usize {
        let channels = self.format.channels.count();
        let count = samples.len().min(self.samples.slots()) / channels * channels;
        let Ok(mut chunk) = self.samples.write_chunk(count) else { return 0 };
        let (first, second) = chunk.as_mut_slices();
        let (head, tail) = samples[..count].split_at(first.len());
        first.copy_from_slice(head);
        second.copy_from_slice(tail);
        chunk.commit_all();
        self.written = self.written.saturating_add((count / channels) as u64);
        self.shared.written.store(self.written, Ordering::Release);
        count
    }

    /// How many samples there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.samples.slots()
    }

    /// The place just after what was written last.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark(self.written)
    }

    /// Whether nobody will read any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.samples.is_abandoned()
    }

    /// A handle to watch and steer the ring with.
    #[must_use]
    pub fn control(&self) -> RingControl {
        RingControl(Arc::clone(&self.shared))
    }

    fn note(&mut self) {
        if self.pending.is_intact() || self.notes.is_full() {
            return;
        }
        let note = FrameInfo { position: self.written, ..self.pending };
        if self.notes.push(note).is_ok() {
            self.pending = FrameInfo::default();
        }
    }
}

impl Sink for RingWriter {
    fn format(&self) -> Format {
        self.format
    }

    /// Never waits: what the ring has no room for is dropped and told to the reader as an overrun.
    fn push(&mut self, samples: &[i16], info: &FrameInfo) -> Flow {
        self.pending.gap = self.pending.gap.saturating_add(info.gap);
        self.pending.overrun = self.pending.overrun.saturating_add(info.overrun);
        self.pending.concealed = self.pending.concealed.saturating_add(info.concealed);
        self.note();
        let left = (samples.len() - self.write(samples)) / self.format.channels.count();
        self.pending.overrun = self.pending.overrun.saturating_add(u32::try_from(left).unwrap_or(u32::MAX));
        if self.is_abandoned() || self.shared.ended.load(Ordering::Acquire) {
            Flow::End
        } else {
            Flow::Continue
        }
    }
}

impl Drop for RingWriter {
    fn drop(&mut self) {
        self.note();
        self.shared.ended.store(true, Ordering::Release);
    }
}

/// The side that sound comes out of.
#[derive(Debug)]
pub struct RingReader {
    format: Format,
    samples: Consumer<i16>,
    notes: Consumer<FrameInfo>,
    control: RingControl,
    position: u64,
    next: Option<FrameInfo>,
}

impl RingReader {
    /// Reads what is there, up to `out.len()` samples, and returns how many; does not make up silence.
    ///
    /// Stops before a place where something was lost, so that the loss is told exactly where it was.
    pub fn read(&mut self, out: &mut [i16], info: &mut FrameInfo) -> usize {
        self.throw_away();
        *info = FrameInfo::at(self.position);
        self.take_notes(self.position, info);
        let channels = self.format.channels.count();
        let until = self.next.map_or(u64::MAX, |note| note.position.saturating_sub(self.position));
        let until = usize::try_from(until).unwrap_or(usize::MAX).saturating_mul(channels);
        let most = out.len().min(until);
        self.copy(&mut out[..most])
    }

    /// Whether the sound is over: the writer has finished and everything was read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        // In this order: what was written before the end was told is seen.
        self.control.is_finished() && self.samples.is_empty()
    }

    /// A handle to watch and steer the ring with.
    #[must_use]
    pub fn control(&self) -> RingControl {
        self.control.clone()
    }

    fn throw_away(&mut self) {
        let to = self.control.0.flush_to.load(Ordering::Acquire);
        let channels = self.format.channels.count();
        let behind = usize::try_from(to.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let count = behind.saturating_mul(channels).min(self.samples.slots());
        if count == 0 {
            return;
        }
        if let Ok(chunk) = self.samples.read_chunk(count) {
            chunk.commit_all();
            self.control.0.discarded.fetch_add((count / channels) as u64, Ordering::AcqRel);
            self.passed(count);
            let mut nobody_asks = FrameInfo::default();
            self.take_notes(self.position.saturating_sub(1), &mut nobody_asks);
        }
    }

    /// Adds up all notes at places up to `until`.
    fn take_notes(&mut self, until: u64, info: &mut FrameInfo) {
        loop {
            if self.next.is_none() {
                self.next = self.notes.pop().ok();
            }
            let Some(note) = self.next.filter(|note| note.position <= until) else {
                return;
            };
            info.gap = info.gap.saturating_add(note.gap);
            info.overrun = info.overrun.saturating_add(note.overrun);
            info.concealed = info.concealed.saturating_add(note.concealed);
            self.next = None;
        }
    }

    fn copy(&mut self, out: &mut [i16]) -> usize {
        let channels = self.format.channels.count();
        let count = out.len().min(self.samples.slots()) / channels * channels;
        let Ok(chunk) = self.samples.read_chunk(count) else { return 0 };
        let (first, second) = chunk.as_slices();
        out[..first.len()].copy_from_slice(first);
        out[first.len()..count].copy_from_slice(second);
        chunk.commit_all();
        self.passed(count);
        count
    }

    fn passed(&mut self, count: usize) {
        self.position = self.position.saturating_add((count / self.format.channels.count()) as u64);
        self.control.0.position.store(self.position, Ordering::Release);
    }
}

impl Source for RingReader {
    fn format(&self) -> Format {
        self.format
    }

    /// Never waits: what is not there is silence, counted as concealed. A pause is silence that is not.
    fn pull(&mut self, out: &mut [i16], info: &mut FrameInfo) -> Flow {
        let finished = self.control.is_finished();
        self.throw_away();
        *info = FrameInfo::at(self.position);
        if self.control.is_paused() {
            out.fill(0);
            return Flow::Continue;
        }
        let count = self.copy(out);
        out[count..].fill(0);
        self.take_notes(self.position.saturating_sub(1).max(info.position), info);
        if finished && self.samples.is_empty() {
            return Flow::End;
        }
        let missing = (out.len() - count) / self.format.channels.count();
        info.concealed = info.concealed.saturating_add(u32::try_from(missing).unwrap_or(u32::MAX));
        self.control.0.missing.fetch_add(missing as u64, Ordering::AcqRel);
        Flow::Continue
    }
}

#[cfg(test)]
mod tests;
