// SPDX-License-Identifier: MIT OR Apache-2.0
//! From frames to datagrams.

use std::time::Duration;

use offhook_spi::Digit;

use super::config::Origin;
use super::{AudioCodec, LegMedia, MediaFormat, SendStatistics};
use crate::format::SampleRate;
use crate::rtp::{
    EventSender, Header, Marker, PayloadType, QueueFull, SenderInfo, SequenceNumber, Ssrc, Timestamp,
};

/// The sending half of a leg.
#[derive(Debug)]
pub(super) struct Transmitter {
    /// Ticks a second of our timestamps.
    clock: SampleRate,
    codec: AudioCodec,
    ssrc: Ssrc,
    sequence: SequenceNumber,
    /// Media time of the next frame, whether it is sent or not.
    timestamp: Timestamp,
    marker: Marker,
    events: EventSender,
    /// Keys were pressed and their end was not yet told.
    owes_end: bool,
    packets: u64,
    bytes: u64,
}

/// Where a packet goes: a header's length of room, then the payload.
pub(super) type Emit<'a> = &'a mut dyn FnMut(&[u8]);

impl Transmitter {
    pub(super) fn new(media: &MediaFormat, origin: Origin) -> Self {
        let clock = media.send_codec.clock();
        Self {
            clock,
            codec: media.send_codec,
            ssrc: origin.ssrc,
            sequence: SequenceNumber(origin.sequence),
            timestamp: Timestamp(origin.timestamp),
            marker: Marker::Set,
            events: EventSender::new(clock.hertz()),
            owes_end: false,
            packets: 0,
            bytes: 0,
        }
    }

    /// The codecs changed.
    pub(super) fn follow(&mut self, media: &LegMedia) {
        self.codec = media.format.send_codec;
        let clock = self.codec.clock();
        if clock != self.clock {
            self.clock = clock;
            self.events.set_clock(clock.hertz());
            self.marker = Marker::Set;
        }
    }

    /// Goes on under another name (RFC 3550 section 8.2).
    pub(super) const fn rename(&mut self, ssrc: Ssrc) {
        self.ssrc = ssrc;
        self.packets = 0;
        self.bytes = 0;
    }

    pub(super) const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    pub(super) fn press(&mut self, digit: Digit, duration: Duration) -> Result<(), QueueFull> {
        self.owes_end = true;
        self.events.press(digit, duration)
    }

    pub(super) fn release(&mut self) {
        self.events.release();
    }

    /// Whether keys wait or are being sent.
    pub(super) const fn has_keys(&self) -> bool {
        self.events.is_busy()
    }

    /// True once after the last key was sent.
    pub(super) fn take_end(&mut self) -> bool {
        let ended = self.owes_end && self.events.is_idle();
        self.owes_end &= !ended;
        ended
    }

    /// Sends `frame`, or a key in its place, as packets handed to `emit`.
    pub(super) fn send(&mut self, frame: &[i16], media: &mut LegMedia, packet: &mut [u8], emit: Emit<'_>) {
        if self.events.is_busy() {
            self.send_key(media, packet, emit);
            return;
        }
        let codec = media.format.send_codec;
        let samples = media.format.packet_samples();
        if samples == frame.len() && media.sender.is_direct() {
            if let Some(room) = packet.get_mut(Header::LEN..) {
                let len = codec.encode(frame, room);
                self.dispatch(media.format.send_type, self.timestamp, len, packet, emit);
            }
            self.timestamp = self.timestamp.plus(codec.ticks(frame.len() as u32));
            return;
        }
        media.sender.push(frame);
        self.timestamp = self.timestamp.plus(self.ticks_of_frame());
        while let Some(room) = packet.get_mut(Header::LEN..)
            && let Some((waiting, len)) = media.sender.next(samples, room)
        {
            let begin = self.timestamp.plus(codec.ticks(waiting as u32).wrapping_neg());
            if len > 0 {
                self.dispatch(media.format.send_type, begin, len, packet, emit);
            } else {
                // The codec is silent (RFC 7587 section 3.1.3): the next packet begins a spurt.
                self.marker = Marker::Set;
            }
        }
    }

    /// Lets the time of a frame pass without sending.
    pub(super) fn skip(&mut self, media: &mut LegMedia) {
        self.timestamp = self.timestamp.plus(self.ticks_of_frame());
        media.sender.forget();
        self.marker = Marker::Set;
    }

    fn ticks_of_frame(&self) -> u32 {
        self.clock.samples_in(super::TICK) as u32
    }

    /// What a sender report says at the moment of the next frame; `None` when nothing was sent.
    pub(super) fn info(&self) -> Option<SenderInfo> {
        (self.packets > 0).then(|| SenderInfo {
            timestamp: self.timestamp,
            packets: self.packets as u32,
            bytes: self.bytes as u32,
            ..SenderInfo::default()
        })
    }

    pub(super) const fn packets(&self) -> u64 {
        self.packets
    }

    pub(super) fn statistics(&self, to: &mut SendStatistics) {
        to.codec = Some(self.codec);
        to.packets = self.packets;
        to.bytes = self.bytes;
    }

    /// A key takes the place of sound (RFC 4733 section 2.2).
    fn send_key(&mut self, media: &mut LegMedia, packet: &mut [u8], emit: Emit<'_>) {
        let key = self.events.packet(self.timestamp, self.ticks_of_frame());
        if let (Some((marker, timestamp, payload)), Some(kind)) = (key, media.format.send_events) {
            if let Some(room) = packet.get_mut(Header::LEN..Header::LEN + payload.len()) {
                room.copy_from_slice(&payload);
            }
            self.put(kind, marker, timestamp, payload.len(), packet, emit);
        }
        self.skip(media);
    }

    fn dispatch(
        &mut self,
        kind: PayloadType,
        timestamp: Timestamp,
        len: usize,
        packet: &mut [u8],
        emit: Emit<'_>,
    ) {
        let marker = std::mem::replace(&mut self.marker, Marker::Clear);
        self.put(kind, marker, timestamp, len, packet, emit);
    }

    /// Writes the header before a payload of `len` bytes and lets the packet go.
    fn put(
        &mut self,
        payload_type: PayloadType,
        marker: Marker,
        timestamp: Timestamp,
        len: usize,
        packet: &mut [u8],
        emit: Emit<'_>,
    ) {
        let header = Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        if header.write(packet).is_none() {
            return;
        }
        self.sequence = self.sequence.next();
        self.packets += 1;
        self.bytes += len as u64;
        emit(packet.get(..Header::LEN + len).unwrap_or_default());
    }
}
