// SPDX-License-Identifier: MIT OR Apache-2.0
//! From datagrams to frames: whose they are, what they carry, when they play.

use std::time::Duration;

use offhook_spi::Moment;

use super::worker::Scratch;
use super::{AudioCodec, JitterLimits, MediaFormat, ReceiveStatistics};
use crate::format::SampleRate;
use crate::jitter::{Concealer, Inserted, JitterBuffer, JitterPacket, Loudness, Next};
use crate::node::FrameInfo;
use crate::quality::{Impairment, Measured, Rating};
use crate::rtp::{
    Arrival, EventHeard, EventReceiver, Header, Packet, PayloadType, Reception, ReportBlock, Ssrc,
};

/// Longest piece of sound that waits as one packet; longer packets wait in pieces.
const PIECE: Duration = Duration::from_millis(60);
/// Root mean square below which nobody hears a frame come or go: −50 dB of full scale.
const QUIET: f32 = 100.0;
/// Packets after which quality is told.
const ENOUGH: u64 = 50;

/// The receiving half of a leg.
#[derive(Debug)]
pub(super) struct Receiver {
    media: MediaFormat,
    rate: SampleRate,
    source: Option<Source>,
    /// Another source that may take over when the first has gone quiet.
    candidate: Option<Source>,
    /// Totals of sources before this one.
    past: (u64, u64),
    jitter: JitterBuffer,
    concealer: Concealer,
    /// Sound of a packet longer than the frame it began in.
    leftover: Box<[i16]>,
    left: usize,
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
    pub(super) fn new(media: MediaFormat, limits: &JitterLimits) -> Self {
        let config = limits.buffer(&media);
        let rate = media.send_codec.rate();
        let leftover = rate.samples_in(PIECE) as usize;
        Self {
            media,
            rate,
            source: None,
            candidate: None,
            past: (0, 0),
            jitter: JitterBuffer::new(config),
            concealer: Concealer::new(rate),
            leftover: vec![0; leftover].into(),
            left: 0,
            events: EventReceiver::default(),
            position: 0,
            is_playing: false,
            power: 0.0,
            codec: None,
            counts: Counts::default(),
        }
    }

    pub(super) fn set_media(&mut self, media: MediaFormat) {
        self.media = media;
    }

    /// Takes one datagram. Keys it tells of go to `heard`.
    pub(super) fn take(
        &mut self,
        now: Moment,
        datagram: &[u8],
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
        if Some(kind) == self.media.receive_events {
            self.events
                .receive(now, packet.header.timestamp, packet.payload)
                .into_iter()
                .flatten()
                .for_each(&mut heard);
        } else if let Some(codec) = self.media.receive.codec(kind).filter(|codec| codec.rate() == self.rate) {
            self.store(now, codec, &packet);
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
    pub(super) fn play(&mut self, now: Moment, frame: &mut [i16], scratch: &mut Scratch) -> FrameInfo {
        let mut info = FrameInfo::at(self.position);
        self.position += frame.len() as u64;
        let mut filled = self.take_leftover(frame);
        while filled < frame.len() {
            let room = frame.len() - filled;
            let at = if filled == 0 { now } else { now + self.rate.duration_of(filled as u64) };
            match self.jitter.next(at, room as u32, self.loudness(), &mut scratch.payload) {
                Next::Packet { payload_type, len, .. } => {
                    let codec = self.media.receive.codec(payload_type).or(self.codec);
                    let payload = scratch.payload.get(..len).unwrap_or_default();
                    let samples = codec.map_or(0, |codec| codec.decode(payload, &mut scratch.pcm));
                    let pcm = &mut scratch.pcm[..samples];
                    self.concealer.played(pcm);
                    self.counts.played += samples as u64;
                    self.is_playing = true;
                    filled += self.put(&mut frame[filled..], &scratch.pcm[..samples]);
                }
                Next::Lost(ticks) => {
                    let made_up = &mut frame[filled..filled + room.min(ticks as usize)];
                    self.concealer.conceal(made_up);
                    info.concealed += made_up.len() as u32;
                    self.counts.concealed += made_up.len() as u64;
                    filled += made_up.len();
                }
                Next::Empty => {
                    info.concealed += room as u32;
                    self.make_up_pause(&mut frame[filled..]);
                    filled = frame.len();
                }
                Next::Stretch => {
                    self.concealer.conceal(&mut frame[filled..]);
                    filled = frame.len();
                }
            }
        }
        self.power = mean_square(frame);
        info
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
        let buffer = self.jitter.delay(now);
        to.codec = self.codec;
        to.packets = self.counts.packets;
        to.bytes = self.counts.bytes;
        to.lost = has_any.then(|| expected.saturating_sub(received));
        to.loss = (expected > 0).then(|| expected.saturating_sub(received) as f64 / expected as f64);
        to.late = self.jitter.counts().late;
        to.concealed = self.counts.concealed.div_ceil(u64::from(frame));
        to.played = self.counts.played / u64::from(frame);
        to.jitter = jitter.filter(|_| has_any).map(|ticks| self.rate.duration_of(u64::from(ticks)));
        to.buffer = buffer;
        to.malformed = self.counts.malformed;
        to.unexpected = self.counts.unexpected;
        to.looped = self.counts.looped;
        to.mos = (self.counts.packets >= ENOUGH).then(|| {
            let heard = self.counts.concealed + self.counts.played;
            let loss = self.counts.concealed as f64 / heard.max(1) as f64;
            let delay = one_way + buffer.unwrap_or_else(|| self.jitter.target()) + super::TICK;
            Rating::of(&Measured { loss, delay }, Impairment::G711).mos()
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
        let clock = self.rate.hertz();
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
        self.events.reset();
        self.is_playing = false;
    }

    /// Puts a packet into the buffer, in pieces that fit the frame's leftover.
    fn store(&mut self, now: Moment, codec: AudioCodec, packet: &Packet<'_>) {
        self.codec = Some(codec);
        let longest = self.leftover.len() * codec.sample_bytes();
        let mut timestamp = packet.header.timestamp;
        for piece in packet.payload.chunks(longest.max(1)) {
            let duration = (piece.len() / codec.sample_bytes()) as u32;
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
            if self.jitter.insert(now, &waiting) == Inserted::Restarted {
                self.is_playing = false;
            }
            timestamp = timestamp.plus(duration);
        }
    }

    fn take_leftover(&mut self, frame: &mut [i16]) -> usize {
        let taken = self.left.min(frame.len());
        frame[..taken].copy_from_slice(&self.leftover[..taken]);
        self.leftover.copy_within(taken..self.left, 0);
        self.left -= taken;
        taken
    }

    /// Plays what fits, keeps the rest for the next frame.
    fn put(&mut self, frame: &mut [i16], pcm: &[i16]) -> usize {
        let now = pcm.len().min(frame.len());
        frame[..now].copy_from_slice(&pcm[..now]);
        let later = &pcm[now..];
        self.left = later.len().min(self.leftover.len());
        self.leftover[..self.left].copy_from_slice(&later[..self.left]);
        now
    }

    /// Nothing came: goes on fading, unless a key is down or the stream has not begun.
    fn make_up_pause(&mut self, rest: &mut [i16]) {
        if self.events.is_down() || !self.is_playing {
            rest.fill(0);
            return;
        }
        if !self.concealer.has_faded() {
            self.counts.concealed += rest.len() as u64;
        }
        self.concealer.conceal(rest);
    }

    fn loudness(&self) -> Loudness {
        if self.power < QUIET * QUIET { Loudness::Quiet } else { Loudness::Audible }
    }
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
