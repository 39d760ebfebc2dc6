// SPDX-License-Identifier: MIT OR Apache-2.0
//! From datagrams to frames: whose they are, what they carry, when they play.

use std::time::Duration;

use offhook_spi::Moment;

use super::tract::Tract;
use super::worker::Scratch;
use super::{AudioCodec, LegConfig, LegMedia, ReceiveStatistics};
use crate::format::SampleRate;
use crate::jitter::{Inserted, JitterBuffer, JitterPacket, Loudness, Next};
use crate::node::FrameInfo;
use crate::quality::{Measured, Rating};
use crate::rtp::{
    Arrival, EventHeard, EventReceiver, Fate, Fates, Header, Packet, PayloadType, Reception, ReportBlock,
    Ssrc, VoipMetrics,
};

/// Root mean square below which nobody hears a frame come or go: −50 dB of full scale.
const QUIET: f32 = 100.0;
/// Packets after which quality is told.
const ENOUGH: u64 = 50;

/// The receiving half of a leg.
#[derive(Debug)]
pub(super) struct Receiver {
    /// Of the leg's frames.
    rate: SampleRate,
    /// Ticks a second of the timestamps that come.
    clock: SampleRate,
    /// The tract whose sound plays.
    current: usize,
    source: Option<Source>,
    /// Another source that may take over when the first has gone quiet.
    candidate: Option<Source>,
    /// Totals of sources before this one.
    past: (u64, u64),
    jitter: JitterBuffer,
    /// Which packets were played, in order.
    fates: Fates,
    events: EventReceiver,
    position: u64,
    /// Something was played since the source began.
    is_playing: bool,
    power: f32,
    codec: Option<AudioCodec>,
    counts: Counts,
}

#[derive(Debug)]
struct Source {
    ssrc: Ssrc,
    reception: Reception,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    packets: u64,
    bytes: u64,
    malformed: u64,
    unexpected: u64,
    looped: u64,
    /// Samples.
    concealed: u64,
    played: u64,
}

/// What a datagram was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Taken {
    /// Nothing of use.
    Nothing,
    /// A credible packet of the peer; whether it came from another source than before.
    Packet { changed: Option<Ssrc> },
    /// A credible packet under our own name.
    Ours,
}

impl Receiver {
    pub(super) fn new(config: &LegConfig) -> Self {
        Self {
            rate: config.rate,
            clock: config.media.send_codec.clock(),
            current: 0,
            source: None,
            candidate: None,
            past: (0, 0),
            jitter: JitterBuffer::new(config.buffer()),
            fates: Fates::default(),
            events: EventReceiver::default(),
            position: 0,
            is_playing: false,
            power: 0.0,
            codec: None,
            counts: Counts::default(),
        }
    }

    /// The codecs changed: what plays goes on in its tract, wherever that is now.
    pub(super) fn follow(&mut self, media: &LegMedia) {
        self.current = self.codec.and_then(|codec| media.place(codec)).unwrap_or(0);
    }

    /// Ticks a second of the timestamps that come.
    pub(super) const fn clock(&self) -> SampleRate {
        self.clock
    }

    /// Takes one datagram. Keys it tells of go to `heard`.
    pub(super) fn take(
        &mut self,
        now: Moment,
        datagram: &[u8],
        media: &LegMedia,
        ours: Ssrc,
        mut heard: impl FnMut(EventHeard),
    ) -> Taken {
        let Ok(packet) = Packet::parse(datagram) else {
            self.counts.malformed += 1;
            return Taken::Nothing;
        };
        let known = self.source.as_ref().map(|source| source.ssrc);
        if !self.admit(now, &packet.header) {
            return Taken::Nothing;
        }
        self.counts.packets += 1;
        self.counts.bytes += packet.payload.len() as u64;
        let kind = packet.header.payload_type;
        if Some(kind) == media.format.receive_events {
            self.events
                .receive(now, packet.header.timestamp, packet.payload)
                .into_iter()
                .flatten()
                .for_each(&mut heard);
        } else if let Some((codec, place)) = known_way(media, kind) {
            self.store(now, codec, &media.tracts[place], &packet);
        } else if kind != PayloadType::COMFORT_NOISE {
            self.counts.unexpected += 1;
        }
        if packet.header.ssrc == ours {
            self.counts.looped += 1;
            return Taken::Ours;
        }
        Taken::Packet {
            changed: known.filter(|ssrc| *ssrc != packet.header.ssrc).map(|_| packet.header.ssrc),
        }
    }

    /// Ends keys whose end was lost.
    pub(super) fn poll_event(&mut self, now: Moment) -> Option<EventHeard> {
        self.events.poll(now)
    }

    /// Fills the frame that plays at `now`.
    pub(super) fn play(
        &mut self,
        now: Moment,
        frame: &mut [i16],
        media: &mut LegMedia,
        scratch: &mut Scratch,
    ) -> FrameInfo {
        let mut info = FrameInfo::at(self.position);
        self.position += frame.len() as u64;
        self.turn(media);
        match media.tracts.get(self.current) {
            None => frame.fill(0),
            Some(tract) if tract.is_direct() => self.fill(now, frame, media, scratch, &mut info),
            Some(tract) => {
                let mut line = std::mem::take(&mut scratch.line);
                let (len, from) = (tract.frame_len().min(line.len()), self.current);
                self.fill(now, &mut line[..len], media, scratch, &mut info);
                media.tracts[from].convert(&line[..len], frame);
                scratch.line = line;
                info.concealed = (u64::from(info.concealed) * frame.len() as u64 / len.max(1) as u64) as u32;
            }
        }
        self.power = mean_square(frame);
        info
    }

    /// Turns to the tract of the packet that comes next, once the one before has played out.
    fn turn(&mut self, media: &LegMedia) {
        if media.tracts.len() < 2 || media.tracts.get(self.current).is_some_and(|tract| tract.left > 0) {
            return;
        }
        let next = self.jitter.first_type().and_then(|kind| known_way(media, kind));
        if let Some((_, place)) = next {
            self.current = place;
        }
    }

    /// Fills a frame at the rate of the current tract.
    fn fill(
        &mut self,
        now: Moment,
        frame: &mut [i16],
        media: &mut LegMedia,
        scratch: &mut Scratch,
        info: &mut FrameInfo,
    ) {
        let LegMedia { format, tracts, .. } = media;
        let (place, Some(tract)) = (self.current, tracts.get_mut(self.current)) else { return };
        let (codec, rate) = (tract.codec(), tract.rate());
        let mut filled = tract.take_leftover(frame);
        while filled < frame.len() {
            let room = frame.len() - filled;
            // Not the moment at which it is heard: what is to fill a frame must be there when the frame is filled.
            match self.jitter.next(now, codec.ticks(room as u32), self.loudness(), &mut scratch.payload) {
                Next::Packet { payload_type, len, pace, .. } => {
                    let payload = scratch.payload.get(..len).unwrap_or_default();
                    let known = format.receive.codec(payload_type).or(self.codec);
                    let Some(codec) = known else { continue };
                    if !tracts[place].serves(codec) {
                        // Another codec begins in mid-frame: its sound comes with the next one.
                        self.change_over(codec, tracts, payload, &mut scratch.pcm);
                        tracts[place].make_up(None, &mut frame[filled..]);
                        return;
                    }
                    let tract = &mut tracts[place];
                    let decoded = tract.decode(codec, payload, &mut scratch.pcm);
                    let samples = pace.apply(&mut scratch.pcm, decoded, rate);
                    if samples != decoded {
                        self.jitter.paced(now);
                    }
                    tract.played(&mut scratch.pcm[..samples]);
                    self.count_played(samples, rate);
                    filled += tract.put(&mut frame[filled..], &scratch.pcm[..samples]);
                }
                Next::Lost(ticks) => {
                    let wanted = (codec.samples(ticks) as usize).clamp(1, room);
                    let made_up = &mut frame[filled..filled + wanted];
                    let tract = &mut tracts[place];
                    let next = if tract.recovers() { self.jitter.peek(&mut scratch.payload) } else { None };
                    let next = next.filter(|(kind, _)| format.receive.codec(*kind) == Some(codec));
                    let next = next.and_then(|(_, len)| scratch.payload.get(..len));
                    tract.make_up(next, made_up);
                    info.concealed += wanted as u32;
                    self.count_concealed(wanted, rate);
                    filled += wanted;
                }
                Next::Empty => {
                    info.concealed += room as u32;
                    self.make_up_pause(&mut frame[filled..], &mut tracts[place]);
                    filled = frame.len();
                }
                Next::Stretch => {
                    tracts[place].make_up(None, &mut frame[filled..]);
                    filled = frame.len();
                }
            }
        }
    }

    /// Keeps the sound of the first packet of another codec for the frame to come.
    fn change_over(&mut self, codec: AudioCodec, tracts: &mut [Tract], payload: &[u8], pcm: &mut [i16]) {
        let Some(place) = tracts.iter().position(|tract| tract.serves(codec)) else { return };
        let tract = &mut tracts[place];
        let samples = tract.decode(codec, payload, pcm);
        tract.played(&mut pcm[..samples]);
        tract.put(&mut [], &pcm[..samples]);
        self.current = place;
        self.count_played(samples, tract.rate());
    }

    fn count_played(&mut self, samples: usize, rate: SampleRate) {
        self.counts.played += self.of_leg(samples, rate);
        self.is_playing = true;
    }

    fn count_concealed(&mut self, samples: usize, rate: SampleRate) {
        self.counts.concealed += self.of_leg(samples, rate);
    }

    /// Samples at the leg's rate that last as long.
    const fn of_leg(&self, samples: usize, rate: SampleRate) -> u64 {
        samples as u64 * self.rate.hertz() as u64 / rate.hertz() as u64
    }

    /// Whether another look at the socket is worth it.
    pub(super) fn wants_more(&self) -> bool {
        self.jitter.is_low()
    }

    /// Mean square of the last frame.
    pub(super) const fn power(&self) -> f32 {
        self.power
    }

    /// A block for the next report, about the peer's stream.
    pub(super) fn report(&mut self) -> Option<ReportBlock> {
        let source = self.source.as_mut()?;
        let counts = source.reception.counts();
        Some(ReportBlock {
            about: source.ssrc.0,
            fraction_lost: source.reception.fraction_lost(),
            lost: i32::try_from(counts.lost()).unwrap_or(i32::MAX),
            highest: counts.highest,
            jitter: source.reception.jitter(),
            ..ReportBlock::default()
        })
    }

    /// What an extended report tells of the peer's stream (RFC 3611 section 4.7), whose packets are taken to hold as
    /// much sound as ours.
    pub(super) fn metrics(&self, packet: Duration, round_trip: Option<Duration>) -> Option<VoipMetrics> {
        let about = self.ssrc()?;
        let counts = self.fates.counts();
        let found = counts.metrics(packet);
        let share = |share: f64| (share * 256.0).min(255.0) as u8;
        let millis = |time: Duration| u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
        let buffer = self.jitter.last_delay().unwrap_or_else(|| self.jitter.target());
        let measured = Measured {
            loss: found.loss + found.discard,
            burst_ratio: counts.burst_ratio(),
            delay: round_trip.unwrap_or_default() / 2 + buffer + super::TICK,
        };
        let impairment = self.codec.and_then(AudioCodec::impairment).filter(|_| counts.total() >= ENOUGH);
        let rating = impairment.and_then(|codec| Rating::of(&measured, codec));
        let mut metrics = VoipMetrics {
            loss: share(found.loss),
            discard: share(found.discard),
            burst_density: share(found.burst_density),
            gap_density: share(found.gap_density),
            burst: millis(found.burst),
            gap: millis(found.gap),
            round_trip: round_trip.map_or(0, millis),
            end_system: millis(buffer + super::TICK),
            // Enhanced concealment, an adaptive buffer (section 4.7.6).
            configuration: 0b1011_0000,
            nominal: millis(buffer),
            maximum: millis(self.jitter.max()),
            absolute: millis(self.jitter.max()),
            ..VoipMetrics::unknown(about)
        };
        if let Some(rating) = rating {
            metrics.rating = rating.value() as u8;
            metrics.conversing = (rating.mos() * 10.0) as u8;
        }
        Some(metrics)
    }

    /// Who sends, if anybody does.
    pub(super) fn ssrc(&self) -> Option<Ssrc> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    pub(super) const fn packets(&self) -> u64 {
        self.counts.packets
    }

    /// The numbers of this direction; `one_way` is the delay of the network, as far as known.
    pub(super) fn statistics(&self, now: Moment, one_way: Duration, to: &mut ReceiveStatistics) {
        let (expected, received) = self.totals();
        let has_any = self.counts.packets > 0;
        let frame = (self.rate.hertz() / 50).max(1);
        let jitter = self.source.as_ref().map(|source| source.reception.jitter());
        let buffer = self.jitter.delay(now).and_then(|_| self.jitter.last_delay());
        to.codec = self.codec;
        to.packets = self.counts.packets;
        to.bytes = self.counts.bytes;
        to.lost = has_any.then(|| expected.saturating_sub(received));
        to.loss = (expected > 0).then(|| expected.saturating_sub(received) as f64 / expected as f64);
        to.late = self.jitter.counts().late;
        to.concealed = self.counts.concealed.div_ceil(u64::from(frame));
        to.played = self.counts.played / u64::from(frame);
        to.jitter = jitter.filter(|_| has_any).map(|ticks| self.clock.duration_of(u64::from(ticks)));
        to.buffer = buffer;
        to.malformed = self.counts.malformed;
        to.unexpected = self.counts.unexpected;
        to.looped = self.counts.looped;
        to.mos = self.codec.filter(|_| self.counts.packets >= ENOUGH).and_then(|codec| {
            let heard = self.counts.concealed + self.counts.played;
            let loss = self.counts.concealed as f64 / heard.max(1) as f64;
            let delay = one_way + buffer.unwrap_or_else(|| self.jitter.target()) + super::TICK;
            let burst_ratio = self.fates.counts().burst_ratio();
            Rating::of(&Measured { loss, burst_ratio, delay }, codec.impairment()?).map(Rating::mos)
        });
    }

    /// Packets expected and received from all sources.
    fn totals(&self) -> (u64, u64) {
        let counts = self.source.as_ref().map(|source| source.reception.counts()).unwrap_or_default();
        (self.past.0 + counts.expected, self.past.1 + counts.received)
    }

    /// Whether a packet belongs to the stream that is heard.
    fn admit(&mut self, now: Moment, header: &Header) -> bool {
        let (sequence, timestamp) = (header.sequence, header.timestamp);
        let clock = self.clock.hertz();
        let source = self.source.get_or_insert_with(|| Source {
            ssrc: header.ssrc,
            // The description announced somebody: the first one to come is believed.
            reception: Reception::new(sequence, 0, clock),
        });
        if source.ssrc == header.ssrc {
            self.candidate = None;
            let before = source.reception.counts();
            return match source.reception.receive(now, sequence, timestamp) {
                Arrival::Credible => true,
                Arrival::Doubtful => false,
                Arrival::Restarted => {
                    self.begin_anew(before.expected, before.received);
                    true
                }
            };
        }
        let candidate = self.candidate.take_if(|candidate| candidate.ssrc == header.ssrc);
        let mut candidate = candidate
            .unwrap_or_else(|| Source { ssrc: header.ssrc, reception: Reception::new(sequence, 1, clock) });
        if candidate.reception.receive(now, sequence, timestamp) == Arrival::Doubtful {
            self.candidate = Some(candidate);
            return false;
        }
        let before = source.reception.counts();
        *source = candidate;
        self.begin_anew(before.expected, before.received);
        true
    }

    fn begin_anew(&mut self, expected: u64, received: u64) {
        self.past.0 += expected;
        self.past.1 += received;
        self.jitter.restart();
        self.fates.restart();
        self.events.reset();
        self.is_playing = false;
    }

    /// Puts a packet into the buffer, in pieces where it is longer than what waits and may be cut.
    fn store(&mut self, now: Moment, codec: AudioCodec, tract: &Tract, packet: &Packet<'_>) {
        let (samples, most) = (tract.samples(codec, packet.payload) as usize, tract.longest());
        if samples == 0 || (samples > most && !tract.is_cuttable()) {
            self.counts.unexpected += 1;
            return;
        }
        self.codec = Some(codec);
        self.set_clock(codec.clock());
        let longest = if tract.is_cuttable() { most * codec.sample_bytes() } else { packet.payload.len() };
        let mut timestamp = packet.header.timestamp;
        for piece in packet.payload.chunks(longest.max(1)) {
            let duration = codec.ticks(tract.samples(codec, piece));
            if duration == 0 {
                return;
            }
            let waiting = JitterPacket {
                sequence: packet.header.sequence,
                timestamp,
                duration,
                payload_type: packet.header.payload_type,
                payload: piece,
            };
            let inserted = self.jitter.insert(now, &waiting);
            if inserted == Inserted::Restarted {
                self.is_playing = false;
            }
            let fate = if inserted == Inserted::Late { Fate::Discarded } else { Fate::Played };
            self.fates.arrived(packet.header.sequence, fate);
            timestamp = timestamp.plus(duration);
        }
    }

    /// Follows a stream that goes on at another clock (RFC 7160).
    fn set_clock(&mut self, clock: SampleRate) {
        if clock == self.clock {
            return;
        }
        self.clock = clock;
        self.jitter.set_clock(clock.hertz());
        self.is_playing = false;
        for source in self.source.iter_mut().chain(&mut self.candidate) {
            source.reception.set_clock(clock.hertz());
        }
    }

    /// Nothing came: goes on fading, unless a key is down or the stream has not begun.
    fn make_up_pause(&mut self, rest: &mut [i16], tract: &mut Tract) {
        if self.events.is_down() || !self.is_playing {
            rest.fill(0);
            return;
        }
        if tract.make_up_pause(rest) {
            self.count_concealed(rest.len(), tract.rate());
        }
    }

    fn loudness(&self) -> Loudness {
        if self.power < QUIET * QUIET { Loudness::Quiet } else { Loudness::Audible }
    }
}

/// What a payload type stands for, and the place of its tract.
#[inline]
fn known_way(media: &LegMedia, kind: PayloadType) -> Option<(AudioCodec, usize)> {
    let codec = media.format.receive.codec(kind)?;
    Some((codec, media.place(codec)?))
}

/// The mean of the squares; summed in eight lanes, since one sum of floats cannot be vectorised.
pub(super) fn mean_square(frame: &[i16]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (eights, rest) = frame.as_chunks::<8>();
    for eight in eights {
        for (lane, sample) in lanes.iter_mut().zip(eight) {
            *lane += f32::from(*sample) * f32::from(*sample);
        }
    }
    for (lane, sample) in lanes.iter_mut().zip(rest) {
        *lane += f32::from(*sample) * f32::from(*sample);
    }
    lanes.iter().sum::<f32>() / frame.len().max(1) as f32
}

/// A mean square in dB of full scale, no lower than −127.
pub(super) fn decibels(mean_square: f32) -> f32 {
    (10.0 * (mean_square / (32_768.0 * 32_768.0)).log10()).max(-127.0)
}
