// SPDX-License-Identifier: MIT OR Apache-2.0
//! The jitter buffer: packets in as the network brings them, packets out as the ear needs them.
//!
//! It thinks in media time. `now` is turned into ticks of the stream's clock, every arrival is compared with
//! the earliest arrivals of late, and a histogram of these delays that slowly forgets gives the **target**:
//! the delay that all but a few packets meet. The buffer moves towards its target in whole frames where nobody
//! hears it, in quiet ones; by single pitch periods while sound goes on; and at once beyond its maximum.
//!
//! Empty is delay, not loss: when nothing is there, play-out waits where it is, and what comes later is played
//! later. Loss is a hole before a packet that is there.

mod conceal;
mod estimate;
mod pace;
mod store;

use std::time::Duration;

use offhook_spi::Moment;

use crate::rtp::{PayloadType, SequenceNumber, Timestamp, ticks};

pub use conceal::Concealer;
pub use pace::Pace;

use estimate::Estimate;
use store::{Store, Stored};

/// A jump of the timestamp beyond this is a new beginning.
const JUMP: Duration = Duration::from_secs(2);
/// After so long without a packet the next one is a new beginning.
const PAUSE: Duration = Duration::from_millis(300);
/// Shortest time between two corrections of the delay by whole frames.
const CALM: Duration = Duration::from_millis(200);
/// Shortest time between two corrections by a pitch period: packets of any length and frames come
/// round once in it.
const GENTLE: Duration = Duration::from_millis(60);
/// Two periods must be so much alike, in hundredths, for one of them to go or to be said twice …
const ALIKE: u8 = 90;
/// … and so much less for every step of this time in which the delay was wrong, so that a second suffices
/// whatever is said.
const IMPATIENCE: Duration = Duration::from_millis(10);

/// How a buffer is built and what it may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JitterConfig {
    /// Ticks a second of the timestamps.
    pub clock: u32,
    /// The delay before anything is known.
    pub initial: Duration,
    /// The delay is never less.
    pub min: Duration,
    /// The delay is never more.
    pub max: Duration,
    /// Bytes of 10 ms of sound, the unit of storage.
    pub block: usize,
}

impl JitterConfig {
    /// For G.711: 20 to 200 ms, 40 ms to begin with.
    pub const G711: Self = Self::telephone(8_000, 80);

    /// 20 to 200 ms, 40 ms to begin with, for a codec of `block` bytes each 10 ms.
    #[must_use]
    pub const fn telephone(clock: u32, block: usize) -> Self {
        let (initial, min) = (Duration::from_millis(40), Duration::from_millis(20));
        Self { clock, initial, min, max: Duration::from_millis(200), block }
    }

    /// Storage for the longest delay, a burst on top and nothing more.
    fn blocks(&self) -> u8 {
        let millis = self.max.as_millis().saturating_add(80);
        u8::try_from(millis / 10).unwrap_or(254)
    }
}

/// A packet for the buffer.
#[derive(Clone, Copy, Debug)]
pub struct JitterPacket<'a> {
    /// Place in the stream.
    pub sequence: SequenceNumber,
    /// Media time of the first sample.
    pub timestamp: Timestamp,
    /// Ticks of sound.
    pub duration: u32,
    /// How it is encoded.
    pub payload_type: PayloadType,
    /// What the codec reads.
    pub payload: &'a [u8],
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Inserted {
    /// It was there already, or is too long to be kept.
    Duplicate,
    /// Its time has passed.
    Late,
    /// It waits for its time, but older ones had to go.
    Overflow,
    /// It is the first of a stream that begins anew.
    Restarted,
    /// It waits for its time.
    Stored,
}

/// What to play next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Next {
    /// Nothing is there: make something up, or be quiet when the stream pauses.
    Empty,
    /// So many ticks are lost: make them up.
    Lost(u32),
    /// A packet of so many ticks and bytes.
    Packet {
        /// How it is encoded.
        payload_type: PayloadType,
        /// Media time of the first sample.
        timestamp: Timestamp,
        /// Ticks of sound.
        duration: u32,
        /// Bytes of payload given.
        len: usize,
        /// How fast to play it; tell [`JitterBuffer::paced`] when that was possible.
        pace: Pace,
    },
    /// Play a quiet frame more: the delay has to grow.
    Stretch,
}

/// Whether what was played last is quiet enough to lose or gain a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "it is or it is not")]
pub enum Loudness {
    /// Somebody would hear it.
    Audible,
    /// Nobody would.
    Quiet,
}

/// Totals of a buffer, in packets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct JitterCounts {
    /// Came after their time.
    pub late: u64,
    /// Left out to make the delay shorter.
    pub dropped: u64,
    /// Quiet frames added to make the delay longer.
    pub stretched: u64,
    /// Played faster or slower.
    pub paced: u64,
    /// Thrown away because too many came.
    pub overflowed: u64,
    /// New beginnings after the first.
    pub restarts: u64,
}

/// The buffer of one stream.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    clock: u32,
    limits: Limits,
    /// The delay aimed at, in ticks; follows every arrival.
    target: u32,
    store: Store,
    estimate: Estimate,
    playing: Playing,
    /// The newest sequence number, to tell a late packet from a jump.
    newest: Option<SequenceNumber>,
    corrected: Moment,
    /// The last moment at which the delay was right or was corrected.
    content: Moment,
    /// By how much the delay was at least more than its target, in the time of [`GENTLE`] before `turned` and
    /// since then.
    least_excess: [i32; 2],
    turned: Moment,
    /// Longest frame that was asked for, in ticks.
    frame: u32,
    /// The delay with which the last packet began to play, in ticks.
    delayed: Option<u32>,
    counts: JitterCounts,
}

/// Durations in ticks of the stream, so that nothing is divided on the way of a packet.
#[derive(Clone, Copy, Debug)]
struct Limits {
    initial: u32,
    min: u32,
    max: u32,
    jump: u32,
    pause: u32,
}

impl Limits {
    fn of(config: &JitterConfig) -> Self {
        let ticks = |duration: Duration| {
            let ticks = duration.as_millis().saturating_mul(u128::from(config.clock)) / 1_000;
            u32::try_from(ticks).unwrap_or(u32::MAX).min(u32::MAX >> 2)
        };
        let min = ticks(config.min);
        let max = ticks(config.max).max(min);
        Self {
            initial: ticks(config.initial).clamp(min, max),
            min,
            max,
            jump: ticks(JUMP),
            pause: ticks(PAUSE),
        }
    }
}

/// Where play-out stands.
#[derive(Clone, Copy, Debug)]
enum Playing {
    /// Gathering until the delay is long enough.
    Priming,
    /// At a moment of media time, waiting there for so many ticks with nothing to play.
    At { next: Timestamp, waited: u32 },
}

impl JitterBuffer {
    /// An empty buffer; takes all memory it will ever have.
    #[must_use]
    pub fn new(config: JitterConfig) -> Self {
        let limits = Limits::of(&config);
        Self {
            config,
            clock: config.clock,
            limits,
            target: limits.initial,
            store: Store::new(config.blocks(), config.block),
            estimate: Estimate::new(config.clock),
            playing: Playing::Priming,
            newest: None,
            corrected: Moment::ZERO,
            content: Moment::ZERO,
            least_excess: [i32::MIN, i32::MAX],
            turned: Moment::ZERO,
            frame: 0,
            delayed: None,
            counts: JitterCounts::default(),
        }
    }

    /// Takes a packet that arrived at `now`.
    pub fn insert(&mut self, now: Moment, packet: &JitterPacket<'_>) -> Inserted {
        if packet.payload.len() > self.store.longest() {
            return Inserted::Duplicate;
        }
        let restarted = self.is_new_beginning(packet);
        if restarted {
            self.restart();
        }
        // Late ones teach as well; else the delay would never grow to meet them.
        self.estimate.observe(ticks(now, self.clock), packet.timestamp);
        self.aim();
        if self.newest.is_none_or(|newest| packet.sequence.after(newest) > 0) {
            self.newest = Some(packet.sequence);
        }
        if let Playing::At { next, .. } = self.playing
            && packet.timestamp.after(next) < 0
        {
            self.counts.late += 1;
            return Inserted::Late;
        }
        match self.keep(packet) {
            Inserted::Stored if restarted => Inserted::Restarted,
            inserted => inserted,
        }
    }

    /// Gives what begins to play at `now`; a packet's payload goes to the front of `payload`.
    ///
    /// `frame` is the ticks the caller plays at a time, and `loudness` is of what it played last.
    pub fn next(&mut self, now: Moment, frame: u32, loudness: Loudness, payload: &mut [u8]) -> Next {
        let Playing::At { next, waited } = self.playing else {
            return self.prime(now, frame, loudness, payload);
        };
        self.frame = self.frame.max(frame);
        let Some(first) = self.store.first().copied() else {
            self.playing = Playing::At { next, waited: waited.saturating_add(frame) };
            return Next::Empty;
        };
        let hole = first.timestamp.after(next).max(0).cast_unsigned();
        // What was made up while nothing was there stands in for what turns out to be lost.
        let left = hole.saturating_sub(waited);
        let next = first.timestamp.plus(left.wrapping_neg());
        self.playing = Playing::At { next, waited: 0 };
        if left > 0 {
            let lost = left.min(frame);
            self.playing = Playing::At { next: next.plus(lost), waited: 0 };
            return Next::Lost(lost);
        }
        match self.correction(now, first.duration, loudness) {
            Correction::Drop => {
                self.store.take_first(&mut []);
                self.counts.dropped += 1;
                self.correct(now);
                self.playing = Playing::At { next: next.plus(first.duration), waited: 0 };
                self.take(now, payload, Pace::Even)
            }
            Correction::Pace(pace) => self.take(now, payload, pace),
            Correction::Stretch => {
                self.counts.stretched += 1;
                self.correct(now);
                Next::Stretch
            }
        }
    }

    /// Tells that the last packet was played at the pace asked for.
    pub const fn paced(&mut self, now: Moment) {
        self.counts.paced += 1;
        self.correct(now);
    }

    /// Forgets the stream, keeps what was learnt of the network: for a new source.
    pub fn restart(&mut self) {
        if self.newest.is_some() {
            self.counts.restarts += 1;
        }
        self.store.clear();
        self.estimate.rebase();
        self.playing = Playing::Priming;
        self.newest = None;
        self.delayed = None;
    }

    /// Goes on at another clock, as after a change of codec; keeps what was learnt of the network.
    pub fn set_clock(&mut self, clock: u32) {
        if clock == self.clock || clock == 0 {
            return;
        }
        self.restart();
        self.clock = clock;
        self.config.clock = clock;
        self.limits = Limits::of(&self.config);
        self.estimate.set_clock(clock);
        self.aim();
    }

    /// How the first packet that waits is encoded.
    #[must_use]
    pub fn first_type(&self) -> Option<PayloadType> {
        self.store.first().map(|first| first.payload_type)
    }

    /// The packet that plays next, when no sound is missing before it; its payload goes to the front of `payload`.
    #[must_use]
    pub fn peek(&self, payload: &mut [u8]) -> Option<(PayloadType, usize)> {
        let Playing::At { next, .. } = self.playing else { return None };
        let first = self.store.first().filter(|first| first.timestamp == next)?;
        let len = self.store.copy(first, payload);
        Some((first.payload_type, len))
    }

    /// The delay the buffer aims at.
    #[must_use]
    pub fn target(&self) -> Duration {
        duration(self.target, self.clock)
    }

    /// The delay it never exceeds.
    #[must_use]
    pub fn max(&self) -> Duration {
        duration(self.limits.max, self.clock)
    }

    /// The delay it has at `now`, against the earliest arrivals; `None` while nothing plays.
    #[must_use]
    pub fn delay(&self, now: Moment) -> Option<Duration> {
        let Playing::At { next, waited: 0 } = self.playing else { return None };
        let delay = self.estimate.delay(ticks(now, self.clock), next)?;
        Some(duration(delay.max(0).cast_unsigned(), self.clock))
    }

    /// The delay with which the last packet of this stream began to play; `None` before the first.
    #[must_use]
    pub fn last_delay(&self) -> Option<Duration> {
        self.delayed.map(|ticks| duration(ticks, self.clock))
    }

    /// Whether fewer packets wait than the target wants: time to look for more.
    #[must_use]
    pub fn is_low(&self) -> bool {
        let (Some(first), Some(last)) = (self.store.first(), self.store.last()) else { return true };
        let span = last.timestamp.after(first.timestamp).max(0).cast_unsigned();
        span < self.target
    }

    /// Totals so far.
    #[must_use]
    pub const fn counts(&self) -> JitterCounts {
        self.counts
    }

    fn is_new_beginning(&self, packet: &JitterPacket<'_>) -> bool {
        let Playing::At { next, waited } = self.playing else {
            let Some(last) = self.store.last() else { return false };
            return self.is_jump(packet.timestamp.after(last.timestamp));
        };
        if waited > self.limits.pause {
            return true;
        }
        // A packet from long ago is late, not a jump.
        let is_newer = self.newest.is_none_or(|newest| packet.sequence.after(newest) > 0);
        is_newer && self.is_jump(packet.timestamp.after(next))
    }

    fn is_jump(&self, ticks: i32) -> bool {
        ticks.unsigned_abs() > self.limits.jump
    }

    /// Stores a packet, making room by letting the oldest go.
    fn keep(&mut self, packet: &JitterPacket<'_>) -> Inserted {
        let place = (packet.sequence, packet.timestamp, packet.duration);
        let mut inserted = Inserted::Stored;
        loop {
            match self.store.insert(place, packet.payload_type, packet.payload) {
                Stored::Duplicate => return Inserted::Duplicate,
                Stored::Kept => return inserted,
                Stored::Full => {}
            }
            let Some((gone, _)) = self.store.take_first(&mut []) else { return Inserted::Duplicate };
            self.counts.overflowed += 1;
            inserted = Inserted::Overflow;
            if let Playing::At { next, .. } = &mut self.playing {
                *next = gone.timestamp.plus(gone.duration);
            }
        }
    }

    /// Begins to play when the first packet has waited for the target.
    fn prime(&mut self, now: Moment, frame: u32, loudness: Loudness, payload: &mut [u8]) -> Next {
        let Some(first) = self.store.first() else { return Next::Empty };
        let next = first.timestamp;
        let delay = self.estimate.delay(ticks(now, self.clock), next);
        if delay.is_some_and(|delay| delay < self.target.cast_signed()) {
            return Next::Empty;
        }
        self.playing = Playing::At { next, waited: 0 };
        self.correct(now);
        self.next(now, frame, loudness, payload)
    }

    fn take(&mut self, now: Moment, payload: &mut [u8], pace: Pace) -> Next {
        let Some((entry, len)) = self.store.take_first(payload) else { return Next::Empty };
        let delay = self.estimate.delay(ticks(now, self.clock), entry.timestamp);
        self.delayed = delay.map(|delay| delay.max(0).cast_unsigned());
        self.playing = Playing::At { next: entry.timestamp.plus(entry.duration), waited: 0 };
        Next::Packet {
            payload_type: entry.payload_type,
            timestamp: entry.timestamp,
            duration: entry.duration,
            len,
            pace,
        }
    }

    const fn correct(&mut self, now: Moment) {
        self.corrected = now;
        self.content = now;
        self.turned = now;
        self.least_excess = [i32::MIN, i32::MAX];
    }

    fn note_excess(&mut self, now: Moment, excess: i32) {
        if now.since(self.turned) >= GENTLE {
            self.turned = now;
            self.least_excess = [self.least_excess[1], i32::MAX];
        }
        self.least_excess[1] = self.least_excess[1].min(excess);
    }

    /// Whether to move towards the target before a packet of `length` ticks plays.
    fn correction(&mut self, now: Moment, length: u32, loudness: Loudness) -> Correction {
        let even = Correction::Pace(Pace::Even);
        let Playing::At { next, .. } = self.playing else { return even };
        let Some(delay) = self.estimate.delay(ticks(now, self.clock), next) else { return even };
        let (target, length) = (self.target.cast_signed(), length.min(self.clock).cast_signed());
        let excess = delay.saturating_sub(target);
        self.note_excess(now, excess);
        let is_droppable = self.store.len() > 1;
        if is_droppable && delay.saturating_sub(length) >= self.limits.max.cast_signed() {
            return Correction::Drop;
        }
        let since = now.since(self.corrected);
        // Half a packet of slack either way, so that it does not swing about the target.
        if loudness == Loudness::Quiet && since >= CALM {
            if is_droppable && excess > length + length / 2 {
                return Correction::Drop;
            }
            if excess < -length / 2 {
                return Correction::Stretch;
            }
        }
        if since < GENTLE {
            return even;
        }
        // A frame is filled at once: though less than a frame goes, a packet may be wanted a whole frame sooner.
        let is_long = self.least_excess.iter().all(|least| *least >= self.frame.cast_signed());
        if !is_long && excess >= 0 {
            self.content = now;
            return even;
        }
        let steps = now.since(self.content).as_nanos() / IMPATIENCE.as_nanos().max(1);
        let alike = ALIKE.saturating_sub(u8::try_from(steps).unwrap_or(u8::MAX));
        match (is_long, is_droppable) {
            (true, true) => Correction::Pace(Pace::Shorter(alike)),
            (true, false) => even,
            (false, _) => Correction::Pace(Pace::Longer(alike)),
        }
    }

    fn aim(&mut self) {
        let Limits { initial, min, max, .. } = self.limits;
        // Until the network is known a little, the initial delay is the least.
        let least = if self.estimate.is_young() { initial } else { min };
        self.target = self.estimate.target().unwrap_or(0).clamp(least, max);
    }
}

#[derive(Clone, Copy, Debug)]
enum Correction {
    Drop,
    Pace(Pace),
    Stretch,
}

fn duration(ticks: u32, clock: u32) -> Duration {
    Duration::from_nanos(u64::from(ticks) * 1_000_000_000 / u64::from(clock.max(1)))
}

#[cfg(test)]
mod tests;
