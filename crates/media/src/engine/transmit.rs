// SPDX-License-Identifier: MIT OR Apache-2.0
//! From frames to datagrams.

use std::time::Duration;

use offhook_spi::Digit;

use super::config::Origin;
use super::{MediaFormat, SendStatistics};
use crate::rtp::{
    EventSender, Header, Marker, PayloadType, QueueFull, SenderInfo, SequenceNumber, Ssrc, Timestamp,
};

/// Longest packet and a frame, in milliseconds: what may wait to be sent.
const PENDING_MILLIS: u64 = 80;

/// The sending half of a leg.
#[derive(Debug)]
pub(super) struct Transmitter {
    media: MediaFormat,
    ssrc: Ssrc,
    sequence: SequenceNumber,
    /// Media time of the next frame, whether it is sent or not.
    timestamp: Timestamp,
    marker: Marker,
    /// Encoded sound that does not yet fill a packet.
    pending: Box<[u8]>,
    waiting: usize,
    events: EventSender,
    /// Keys were pressed and their end was not yet told.
    owes_end: bool,
    packets: u64,
    bytes: u64,
}

/// Where a packet goes: a header's length of room, then the payload.
pub(super) type Emit<'a> = &'a mut dyn FnMut(&[u8]);

impl Transmitter {
    pub(super) fn new(media: MediaFormat, origin: Origin) -> Self {
        let rate = media.send_codec.rate();
        let room = rate.samples_in(Duration::from_millis(PENDING_MILLIS)) as usize * 2;
        Self {
            media,
            ssrc: origin.ssrc,
            sequence: SequenceNumber(origin.sequence),
            timestamp: Timestamp(origin.timestamp),
            marker: Marker::Set,
            pending: vec![0; room].into(),
            waiting: 0,
            events: EventSender::new(rate.hertz()),
            owes_end: false,
            packets: 0,
            bytes: 0,
        }
    }

    pub(super) fn set_media(&mut self, media: MediaFormat) {
        if self.media.send_codec != media.send_codec {
            self.waiting = 0;
        }
        self.media = media;
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
    pub(super) fn send(&mut self, frame: &[i16], packet: &mut [u8], emit: Emit<'_>) {
        if self.events.is_busy() {
            self.send_key(frame.len(), packet, emit);
            return;
        }
        let codec = self.media.send_codec;
        let samples = self.media.packet_samples();
        if samples == frame.len() && self.waiting == 0 {
            if let Some(room) = packet.get_mut(Header::LEN..) {
                let len = codec.encode(frame, room);
                self.dispatch(self.timestamp, len, packet, emit);
            }
            self.timestamp = self.timestamp.plus(frame.len() as u32);
            return;
        }
        self.waiting += codec.encode(frame, &mut self.pending[self.waiting..]);
        self.timestamp = self.timestamp.plus(frame.len() as u32);
        self.send_pending(samples, packet, emit);
    }

    /// Lets the time of a frame pass without sending.
    pub(super) fn skip(&mut self, samples: usize) {
        self.timestamp = self.timestamp.plus(samples as u32);
        self.waiting = 0;
        self.marker = Marker::Set;
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
        to.codec = Some(self.media.send_codec);
        to.packets = self.packets;
        to.bytes = self.bytes;
    }

    /// Sends whole packets of what waits.
    fn send_pending(&mut self, samples: usize, packet: &mut [u8], emit: Emit<'_>) {
        let per_sample = self.media.send_codec.sample_bytes();
        let wanted = samples * per_sample;
        while self.waiting >= wanted && wanted > 0 {
            let Some(room) = packet.get_mut(Header::LEN..Header::LEN + wanted) else { return };
            room.copy_from_slice(&self.pending[..wanted]);
            let begin = self.timestamp.plus(((self.waiting / per_sample) as u32).wrapping_neg());
            self.pending.copy_within(wanted..self.waiting, 0);
            self.waiting -= wanted;
            self.dispatch(begin, wanted, packet, emit);
        }
    }

    /// A key takes the place of sound (RFC 4733 section 2.2).
    fn send_key(&mut self, samples: usize, packet: &mut [u8], emit: Emit<'_>) {
        let key = self.events.packet(self.timestamp, samples as u32);
        if let (Some((marker, timestamp, payload)), Some(kind)) = (key, self.media.send_events) {
            if let Some(room) = packet.get_mut(Header::LEN..Header::LEN + payload.len()) {
                room.copy_from_slice(&payload);
            }
            self.put(kind, marker, timestamp, payload.len(), packet, emit);
        }
        self.skip(samples);
    }

    fn dispatch(&mut self, timestamp: Timestamp, len: usize, packet: &mut [u8], emit: Emit<'_>) {
        let marker = std::mem::replace(&mut self.marker, Marker::Clear);
        self.put(self.media.send_type, marker, timestamp, len, packet, emit);
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
