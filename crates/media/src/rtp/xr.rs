// SPDX-License-Identifier: MIT OR Apache-2.0
//! Extended reports (RFC 3611): reference time, its echo, and the metrics of a call, on slices.

use super::rtcp::{RtcpWriter, TooSmall};
use super::{NtpTime, Ssrc};

/// The packet type (RFC 3611 section 2).
pub(super) const EXTENDED: u8 = 207;
const REFERENCE_TIME: u8 = 4;
const DLRR: u8 = 5;
const VOIP_METRICS: u8 = 7;
/// A level or score that is not known (RFC 3611 sections 4.7.4 and 4.7.5).
const UNKNOWN: u8 = 127;

/// How a receiver finds a call (RFC 3611 section 4.7); shares are 256ths, times are milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VoipMetrics {
    /// About whom.
    pub about: Ssrc,
    /// Share of packets lost.
    pub loss: u8,
    /// Share of packets discarded by the jitter buffer.
    pub discard: u8,
    /// Share of packets lost or discarded within bursts.
    pub burst_density: u8,
    /// The same within gaps.
    pub gap_density: u8,
    /// Mean length of a burst.
    pub burst: u16,
    /// Mean length of a gap.
    pub gap: u16,
    /// There and back through the network.
    pub round_trip: u16,
    /// From arrival to ear, and from mouth to sending.
    pub end_system: u16,
    /// Level of speech in dB of full scale, two's complement; 127 when it is not known.
    pub signal: u8,
    /// Level of noise likewise.
    pub noise: u8,
    /// Echo return loss in dB.
    pub echo_loss: u8,
    /// Packets in a row that end a burst.
    pub gap_min: u8,
    /// Rating by the E-model, 0 to 100.
    pub rating: u8,
    /// Rating of a network beyond this one.
    pub external_rating: u8,
    /// Opinion of listening, in tenths from 10 to 50.
    pub listening: u8,
    /// Opinion of conversing, likewise.
    pub conversing: u8,
    /// Kind of concealment and jitter buffer (RFC 3611 section 4.7.6).
    pub configuration: u8,
    /// Delay of the buffer.
    pub nominal: u16,
    /// Its longest delay as things are.
    pub maximum: u16,
    /// Its longest delay whatever happens.
    pub absolute: u16,
}

impl VoipMetrics {
    /// Nothing known about `about`.
    #[must_use]
    pub const fn unknown(about: Ssrc) -> Self {
        Self {
            about,
            loss: 0,
            discard: 0,
            burst_density: 0,
            gap_density: 0,
            burst: 0,
            gap: 0,
            round_trip: 0,
            end_system: 0,
            signal: UNKNOWN,
            noise: UNKNOWN,
            echo_loss: UNKNOWN,
            gap_min: super::GAP_MIN,
            rating: UNKNOWN,
            external_rating: UNKNOWN,
            listening: UNKNOWN,
            conversing: UNKNOWN,
            configuration: 0,
            nominal: 0,
            maximum: 0,
            absolute: 0,
        }
    }
}

/// The echo of a receiver's reference time (RFC 3611 section 4.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dlrr {
    /// Whose reference time.
    pub about: Ssrc,
    /// [`NtpTime::middle`] of it, 0 before the first.
    pub last: u32,
    /// Time since it came, in 2^16ths of a second.
    pub since: u32,
}

/// One block of an extended report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum XrBlock {
    /// Echoes of reference times; of several the first.
    Dlrr(Dlrr),
    /// The wall clock of a receiver (RFC 3611 section 4.4).
    ReferenceTime(NtpTime),
    /// The metrics of a call.
    VoipMetrics(VoipMetrics),
}

/// A received extended report, borrowed from its compound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct XrPacket<'a> {
    /// Who reports.
    pub from: Ssrc,
    blocks: &'a [u8],
}

impl<'a> XrPacket<'a> {
    pub(super) fn parse(packet: &'a [u8]) -> Option<Self> {
        let (head, blocks) = packet.split_first_chunk::<8>()?;
        // Padding ends the packet; its last byte counts it (RFC 3550 section 6.4.1).
        let padding = if head[0] & 0x20 == 0 { 0 } else { usize::from(*blocks.last()?) };
        let blocks = blocks.get(..blocks.len().checked_sub(padding)?)?;
        Some(Self { from: Ssrc(u32::from_be_bytes([head[4], head[5], head[6], head[7]])), blocks })
    }

    /// The blocks that are understood; others are passed over (RFC 3611 section 3).
    pub fn blocks(&self) -> impl Iterator<Item = XrBlock> + 'a {
        let mut rest = self.blocks;
        std::iter::from_fn(move || {
            loop {
                let (head, after) = rest.split_first_chunk::<4>()?;
                let len = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
                let (body, after) = after.split_at_checked(len)?;
                rest = after;
                if let Some(block) = read(head[0], body) {
                    return Some(block);
                }
            }
        })
    }
}

fn read(kind: u8, body: &[u8]) -> Option<XrBlock> {
    let word = |n: usize| {
        let bytes = body.get(n * 4..n * 4 + 4)?;
        Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    match (kind, body.len()) {
        (REFERENCE_TIME, 8) => {
            Some(XrBlock::ReferenceTime(NtpTime(u64::from(word(0)?) << 32 | u64::from(word(1)?))))
        }
        (DLRR, 12..) => Some(XrBlock::Dlrr(Dlrr { about: Ssrc(word(0)?), last: word(1)?, since: word(2)? })),
        (VOIP_METRICS, 32) => {
            let half = |n: usize| u16::from_be_bytes([body[n], body[n + 1]]);
            Some(XrBlock::VoipMetrics(VoipMetrics {
                about: Ssrc(word(0)?),
                loss: body[4],
                discard: body[5],
                burst_density: body[6],
                gap_density: body[7],
                burst: half(8),
                gap: half(10),
                round_trip: half(12),
                end_system: half(14),
                signal: body[16],
                noise: body[17],
                echo_loss: body[18],
                gap_min: body[19],
                rating: body[20],
                external_rating: body[21],
                listening: body[22],
                conversing: body[23],
                configuration: body[24],
                nominal: half(26),
                maximum: half(28),
                absolute: half(30),
            }))
        }
        _ => None,
    }
}

impl RtcpWriter<'_> {
    /// Writes an extended report of `blocks`.
    ///
    /// # Errors
    ///
    /// [`TooSmall`] when the buffer is full.
    pub fn extended(&mut self, from: Ssrc, blocks: &[XrBlock]) -> Result<(), TooSmall> {
        let words = |block: &XrBlock| match block {
            XrBlock::Dlrr(_) => 4,
            XrBlock::ReferenceTime(_) => 3,
            XrBlock::VoipMetrics(_) => 9,
        };
        self.head(0, EXTENDED, 1 + blocks.iter().map(words).sum::<usize>())?;
        self.word(from.0)?;
        for block in blocks {
            let kind = match block {
                XrBlock::Dlrr(_) => DLRR,
                XrBlock::ReferenceTime(_) => REFERENCE_TIME,
                XrBlock::VoipMetrics(_) => VOIP_METRICS,
            };
            self.word(u32::from(kind) << 24 | (words(block) as u32 - 1))?;
            match block {
                XrBlock::Dlrr(Dlrr { about, last, since }) => {
                    self.word(about.0)?;
                    self.word(*last)?;
                    self.word(*since)?;
                }
                XrBlock::ReferenceTime(time) => {
                    self.word((time.0 >> 32) as u32)?;
                    self.word(time.0 as u32)?;
                }
                XrBlock::VoipMetrics(metrics) => self.metrics(metrics)?,
            }
        }
        Ok(())
    }

    fn metrics(&mut self, m: &VoipMetrics) -> Result<(), TooSmall> {
        let halves = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
        self.word(m.about.0)?;
        self.word(u32::from_be_bytes([m.loss, m.discard, m.burst_density, m.gap_density]))?;
        self.word(halves(m.burst, m.gap))?;
        self.word(halves(m.round_trip, m.end_system))?;
        self.word(u32::from_be_bytes([m.signal, m.noise, m.echo_loss, m.gap_min]))?;
        self.word(u32::from_be_bytes([m.rating, m.external_rating, m.listening, m.conversing]))?;
        self.word(u32::from(m.configuration) << 24 | u32::from(m.nominal))?;
        self.word(halves(m.maximum, m.absolute))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtcp_types::{RtcpPacketParser, Unknown};

    use super::*;

    const FROM: Ssrc = Ssrc(0x0102_0304);

    fn blocks() -> [XrBlock; 3] {
        let metrics = VoipMetrics {
            loss: 12,
            discard: 3,
            burst_density: 160,
            burst: 53,
            gap: 420,
            round_trip: 118,
            signal: 0xf1,
            rating: 80,
            conversing: 40,
            configuration: 0xb0,
            nominal: 40,
            absolute: 200,
            ..VoipMetrics::unknown(Ssrc(9))
        };
        [
            XrBlock::ReferenceTime(NtpTime(0xe000_0000_8000_0001)),
            XrBlock::Dlrr(Dlrr { about: Ssrc(7), last: 0x1234_5678, since: 0x8000 }),
            XrBlock::VoipMetrics(metrics),
        ]
    }

    fn written(blocks: &[XrBlock]) -> Vec<u8> {
        let mut buffer = [0; 100];
        let mut writer = RtcpWriter::new(&mut buffer);
        writer.extended(FROM, blocks).unwrap();
        let len = writer.len();
        buffer[..len].to_vec()
    }

    #[test]
    fn what_we_write_we_read() {
        let bytes = written(&blocks());
        assert_eq!(bytes.len(), 8 + 12 + 16 + 36);
        assert!(Unknown::parse(&bytes).is_ok(), "another library finds an RTCP packet");
        let packet = XrPacket::parse(&bytes).unwrap();
        assert_eq!(packet.from, FROM);
        assert_eq!(packet.blocks().collect::<Vec<_>>(), blocks());
    }

    #[test]
    fn the_bytes_are_those_of_the_figures() {
        let bytes = written(&blocks()[..2]);
        let expected = [
            0x80, 207, 0, 8, 1, 2, 3, 4, 4, 0, 0, 2, 0xe0, 0, 0, 0, 0x80, 0, 0, 1, 5, 0, 0, 3, 0, 0, 0, 7,
            0x12, 0x34, 0x56, 0x78, 0, 0, 0x80, 0,
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn unknown_and_cut_blocks_are_passed_over() {
        let mut bytes = vec![0x80, 207, 0, 0, 1, 2, 3, 4, 99, 0, 0, 1, 5, 5, 5, 5];
        bytes.extend_from_slice(&written(&blocks()[..1])[8..]);
        bytes.extend_from_slice(&[7, 0, 0, 8, 0, 0]);
        let packet = XrPacket::parse(&bytes).unwrap();
        assert_eq!(packet.blocks().collect::<Vec<_>>(), blocks()[..1]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            if let Some(packet) = XrPacket::parse(&bytes) {
                prop_assert!(packet.blocks().count() <= bytes.len());
            }
        }
    }
}
