// SPDX-License-Identifier: MIT OR Apache-2.0
//! Telephone events (RFC 4733): keys pressed, carried as packets of their own beside the speech.
//!
//! An event is one timestamp, many packets: each update repeats the start and tells how long the key has
//! been down, so any of them may be lost. The last one is sent three times.

use std::time::Duration;

use offhook_spi::{Digit, Moment};
use thiserror::Error;

use super::{Marker, Timestamp};

/// Bytes of an event payload (RFC 4733 section 2.3).
const LEN: usize = 4;
/// How often the end is sent (RFC 4733 section 2.5.1.4).
const ENDS: u8 = 3;
/// Keys waiting to be sent.
const QUEUE: usize = 64;
/// The key's power in −dBm0.
const VOLUME: u8 = 10;
/// An event whose end was lost has ended when nothing was heard of it for so long.
const SILENCE: Duration = Duration::from_millis(150);

/// The payload of one event packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EventReport {
    /// Event number; 0 to 15 are keys, 16 is the hook flash (RFC 4733 table 3).
    pub event: u8,
    /// The end bit.
    pub ended: bool,
    /// Power in −dBm0, six bits.
    pub volume: u8,
    /// Time since the timestamp, in its ticks.
    pub duration: u16,
}

impl EventReport {
    /// Reads a payload; `None` when it is too short. What follows the first event is left.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, high, low] = payload.first_chunk::<LEN>()?;
        let duration = u16::from_be_bytes([high, low]);
        Some(Self { event, ended: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    /// The payload's bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; LEN] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, self.volume & 0x3f | if self.ended { 0x80 } else { 0 }, high, low]
    }
}

/// What a receiver makes of event packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a key goes down and comes up")]
pub enum EventHeard {
    /// A key came up, after so many ticks.
    Ended(Digit, u32),
    /// A key went down.
    Started(Digit),
}

/// Turns event packets into keys: each key once, whatever was lost, doubled or reordered.
#[derive(Clone, Debug, Default)]
pub struct EventReceiver {
    /// The event heard last; kept after its end to know its repetitions.
    last: Option<Heard>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    digit: Digit,
    /// Start of the current segment.
    timestamp: Timestamp,
    /// Longest duration told for the segment.
    duration: u16,
    /// Ticks of the segments before it.
    before: u32,
    at: Moment,
    is_down: bool,
}

impl EventReceiver {
    /// Takes one packet of the event payload type, gives what it tells in order: the end of an earlier event
    /// that had not told it, a start, an end. Events that are no keys are left.
    #[must_use]
    pub fn receive(&mut self, now: Moment, timestamp: Timestamp, payload: &[u8]) -> [Option<EventHeard>; 3] {
        let Some(report) = EventReport::parse(payload) else { return [None; 3] };
        let Some(digit) = Digit::from_event(report.event) else { return [None; 3] };
        if let Some(last) = &mut self.last {
            let since = timestamp.after(last.timestamp);
            if since < 0 {
                return [None; 3]; // A late packet of an event long heard.
            }
            // An event longer than the field goes on in a new segment, 2^16 − 1 later (RFC 4733 section 2.5.1.3).
            let continues = last.is_down && last.digit == digit && since == i32::from(u16::MAX);
            if continues {
                last.before = last.before.saturating_add(u32::from(u16::MAX));
                (last.timestamp, last.duration) = (timestamp, 0);
            }
            if continues || since == 0 {
                return [None, None, last.update(now, report)];
            }
        }
        let unfinished = self.last.filter(|last| last.is_down).map(Heard::end);
        let mut heard = Heard { digit, timestamp, duration: 0, before: 0, at: now, is_down: true };
        let ended = heard.update(now, report);
        self.last = Some(heard);
        [unfinished, Some(EventHeard::Started(digit)), ended]
    }

    /// The end of an event whose own end was lost.
    pub fn poll(&mut self, now: Moment) -> Option<EventHeard> {
        let last = self.last.as_mut().filter(|last| last.is_down && now.since(last.at) > SILENCE)?;
        last.is_down = false;
        Some(last.end())
    }

    /// Forgets the past, for a sender that begins anew.
    pub fn reset(&mut self) {
        self.last = None;
    }

    /// Whether a key is down: no speech is to be expected then.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.last.is_some_and(|last| last.is_down)
    }
}

impl Heard {
    fn update(&mut self, now: Moment, report: EventReport) -> Option<EventHeard> {
        if !self.is_down {
            return None;
        }
        self.at = now;
        self.duration = self.duration.max(report.duration);
        if !report.ended {
            return None;
        }
        self.is_down = false;
        Some(self.end())
    }

    const fn end(self) -> EventHeard {
        EventHeard::Ended(self.digit, self.before.saturating_add(self.duration as u32))
    }
}

/// Sends keys one after another, a packet at each interval.
#[derive(Clone, Debug)]
pub struct EventSender {
    /// Apart, since it is empty almost always.
    queue: Box<[(u8, u16)]>,
    first: usize,
    waiting: usize,
    now: Option<Sending>,
    /// Ticks of silence still owed before the next key.
    gap: u32,
    clock: u32,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    event: u8,
    /// Start of the current segment.
    timestamp: Timestamp,
    /// Ticks since then.
    elapsed: u32,
    /// Ticks of the whole event, from the segment's start.
    total: u32,
    ends: u8,
    marker: Marker,
}

/// The queue of keys is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Error)]
#[error("no more than 64 digits can wait to be sent")]
pub struct QueueFull;

impl EventSender {
    /// Shortest time a key is down.
    pub const SHORTEST: Duration = Duration::from_millis(40);
    /// Longest time a key is down.
    pub const LONGEST: Duration = Duration::from_millis(6_000);
    /// Silence between two keys.
    pub const GAP: Duration = Duration::from_millis(70);

    /// Sends nothing yet; `clock` is the ticks a second of the speech beside it (RFC 4733 section 2.1).
    #[must_use]
    pub fn new(clock: u32) -> Self {
        Self { queue: vec![(0, 0); QUEUE].into(), first: 0, waiting: 0, now: None, gap: 0, clock }
    }

    /// Changes the ticks a second, when the speech beside the events does; a key that is down then ends by the new
    /// clock.
    pub const fn set_clock(&mut self, clock: u32) {
        self.clock = clock;
    }

    /// Adds a key to be down for `duration`, brought into [`Self::SHORTEST`]..=[`Self::LONGEST`].
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when 64 keys wait.
    pub fn press(&mut self, digit: Digit, duration: Duration) -> Result<(), QueueFull> {
        if self.waiting == QUEUE {
            return Err(QueueFull);
        }
        let millis = duration.clamp(Self::SHORTEST, Self::LONGEST).as_millis() as u16;
        self.queue[(self.first + self.waiting) % QUEUE] = (digit.event(), millis);
        self.waiting += 1;
        Ok(())
    }

    /// Forgets the waiting keys and ends the one that is down.
    pub fn release(&mut self) {
        self.waiting = 0;
        if let Some(sending) = &mut self.now {
            sending.total = sending.total.min(sending.elapsed);
        }
    }

    /// Nothing is being sent or waits.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.waiting == 0 && self.now.is_none() && self.gap == 0
    }

    /// Whether events take the place of speech now, gaps between keys included.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        !self.is_idle()
    }

    /// The packet for the interval of `ticks` that begins at `timestamp`: its marker, timestamp and payload.
    ///
    /// `None` while idle or in the gap between two keys.
    pub fn packet(&mut self, timestamp: Timestamp, ticks: u32) -> Option<(Marker, Timestamp, [u8; LEN])> {
        if self.now.is_none() {
            if self.gap > 0 {
                self.gap = self.gap.saturating_sub(ticks);
                return None;
            }
            self.begin(timestamp)?;
        }
        let mut sending = self.now.take()?;
        let report = sending.step(ticks);
        let packet = (sending.marker, sending.timestamp, report.to_bytes());
        sending.marker = Marker::Clear;
        if report.ended {
            sending.ends += 1;
        } else if u32::from(report.duration) == u32::from(u16::MAX) {
            sending.next_segment();
        }
        if sending.ends < ENDS {
            self.now = Some(sending);
        } else {
            // Two of the three ends were already sent inside the gap.
            let gap = self.clock / 1_000 * Self::GAP.as_millis() as u32;
            self.gap = gap.saturating_sub(ticks.saturating_mul(u32::from(ENDS) - 1));
        }
        Some(packet)
    }

    fn begin(&mut self, timestamp: Timestamp) -> Option<()> {
        if self.waiting == 0 {
            return None;
        }
        let (event, millis) = self.queue[self.first];
        self.first = (self.first + 1) % QUEUE;
        self.waiting -= 1;
        let total = u32::from(millis) * (self.clock / 1_000);
        self.now = Some(Sending { event, timestamp, elapsed: 0, total, ends: 0, marker: Marker::Set });
        Some(())
    }
}

impl Sending {
    /// The key has been down `ticks` longer.
    fn step(&mut self, ticks: u32) -> EventReport {
        if self.ends == 0 {
            self.elapsed = self.elapsed.saturating_add(ticks).min(self.total).min(u32::from(u16::MAX));
        }
        let duration = self.elapsed as u16;
        EventReport { event: self.event, ended: self.elapsed >= self.total, volume: VOLUME, duration }
    }

    const fn next_segment(&mut self) {
        self.timestamp = self.timestamp.plus(self.elapsed);
        self.total = self.total.saturating_sub(self.elapsed);
        self.elapsed = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Sent = (Marker, Timestamp, [u8; LEN]);

    /// Everything sent for `keys`, 20 ms apart.
    fn sent(keys: &str, millis: u64, clock: u32) -> Vec<Option<Sent>> {
        let mut sender = EventSender::new(clock);
        for key in keys.chars() {
            sender.press(Digit::new(key).unwrap(), Duration::from_millis(millis)).unwrap();
        }
        let mut packets = Vec::new();
        let mut timestamp = Timestamp(u32::MAX - 1_000);
        while sender.is_busy() {
            packets.push(sender.packet(timestamp, clock / 50));
            timestamp = timestamp.plus(clock / 50);
        }
        packets
    }

    /// The keys heard, and for how many ticks, from the packets that `passes` lets through.
    fn heard(packets: &[Option<Sent>], mut passes: impl FnMut(usize) -> bool) -> (String, Vec<u32>) {
        let mut receiver = EventReceiver::default();
        let (mut keys, mut lengths) = (String::new(), Vec::new());
        let mut note = |heard: EventHeard| match heard {
            EventHeard::Started(digit) => keys.push(digit.as_char()),
            EventHeard::Ended(_, ticks) => lengths.push(ticks),
        };
        for n in 0..packets.len() + 20 {
            let now = Moment::from_millis(n as u64 * 20);
            if let Some(Some((_, timestamp, payload))) = packets.get(n).filter(|_| passes(n)) {
                receiver.receive(now, *timestamp, payload).into_iter().flatten().for_each(&mut note);
            }
            receiver.poll(now).into_iter().for_each(&mut note);
        }
        (keys, lengths)
    }

    #[test]
    fn a_key_is_one_timestamp_growing_and_ending_three_times() {
        let packets: Vec<_> = sent("5", 100, 8_000).into_iter().flatten().collect();
        let told: Vec<_> =
            packets.iter().map(|(_, _, payload)| EventReport::parse(payload).unwrap()).collect();
        let durations: Vec<_> = told.iter().map(|report| report.duration).collect();
        assert_eq!(durations, [160, 320, 480, 640, 800, 800, 800]);
        assert_eq!(told.iter().map(|report| report.ended).filter(|ended| *ended).count(), 3);
        assert!(packets.iter().all(|packet| packet.1 == packets[0].1));
        assert_eq!(packets.iter().map(|packet| packet.0 == Marker::Set).collect::<Vec<_>>(), {
            [true, false, false, false, false, false, false]
        });
    }

    #[test]
    fn every_key_and_the_flash_arrive_once() {
        let keys = "0123456789*#ABCD!";
        let (got, lengths) = heard(&sent(keys, 50, 8_000), |_| true);
        assert_eq!(got, keys);
        assert_eq!(lengths, [400; 17]);
    }

    #[test]
    fn equal_keys_in_a_row_are_told_apart() {
        assert_eq!(heard(&sent("1111", 40, 8_000), |_| true).0, "1111");
    }

    #[test]
    fn durations_stay_in_bounds() {
        assert_eq!(heard(&sent("1", 1, 8_000), |_| true).1, [320]);
        assert_eq!(heard(&sent("1", 9_000, 8_000), |_| true).1, [48_000]);
    }

    #[test]
    fn a_long_event_goes_on_in_segments() {
        let packets = sent("1", 6_000, 48_000);
        let timestamps: Vec<_> = packets.iter().flatten().map(|packet| packet.1).collect();
        assert_eq!(timestamps.last().unwrap().after(timestamps[0]), 4 * i32::from(u16::MAX));
        assert_eq!(packets.iter().flatten().filter(|packet| packet.0 == Marker::Set).count(), 1);
        assert_eq!(heard(&packets, |_| true), ("1".to_owned(), vec![288_000]));
    }

    #[test]
    fn a_lost_start_or_end_loses_no_key() {
        let packets = sent("7", 100, 8_000);
        assert_eq!(heard(&packets, |n| n > 2), ("7".to_owned(), vec![800]));
        assert_eq!(heard(&packets, |n| n < 4), ("7".to_owned(), vec![640]));
        assert_eq!(heard(&packets, |n| n == 6), ("7".to_owned(), vec![800]));
    }

    #[test]
    fn a_key_whose_end_was_lost_ends_with_the_next_key() {
        let packets = sent("78", 100, 8_000);
        let (keys, lengths) = heard(&packets, |n| !(4..=6).contains(&n));
        assert_eq!((keys.as_str(), lengths), ("78", vec![640, 800]));
    }

    #[test]
    fn releasing_ends_the_key_and_forgets_the_rest() {
        let mut sender = EventSender::new(8_000);
        for _ in 0..QUEUE {
            sender.press(Digit::new('1').unwrap(), Duration::from_secs(1)).unwrap();
        }
        assert_eq!(sender.press(Digit::new('1').unwrap(), Duration::from_secs(1)), Err(QueueFull));
        sender.packet(Timestamp(0), 160);
        sender.release();
        let ends = (0..3).filter(|_| {
            let (_, _, payload) = sender.packet(Timestamp(0), 160).unwrap();
            EventReport::parse(&payload).unwrap().ended
        });
        assert_eq!(ends.count(), 3);
        while sender.is_busy() {
            assert_eq!(sender.packet(Timestamp(0), 160), None);
        }
    }

    proptest! {
        #[test]
        fn a_fifth_of_the_packets_lost_loses_no_long_key(seed: u64) {
            let packets = sent("159", 200, 8_000);
            let mut random = super::super::Random::new(seed);
            let (keys, _) = heard(&packets, |_| !random.chance(0.2));
            prop_assert_eq!(keys, "159");
        }

        #[test]
        fn any_payload_is_survived(packets: Vec<(u32, Vec<u8>)>) {
            let mut receiver = EventReceiver::default();
            for (n, (timestamp, payload)) in packets.iter().enumerate() {
                let now = Moment::from_millis(n as u64);
                let _ = receiver.receive(now, Timestamp(*timestamp), payload);
                receiver.poll(now);
            }
        }
    }
}
