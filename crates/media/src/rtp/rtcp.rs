// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTCP packets (RFC 3550 section 6): what a call needs of them, read and written without allocation.
//!
//! `rtcp-types` reads reports and farewells in place. Its writers and its reader of descriptions collect
//! into vectors, which the tick may not; those two are written here and held against it in the tests.

use std::time::Duration;

use rtcp_types::{Bye, ReceiverReport, RtcpPacketParser, SenderReport};
use thiserror::Error;

use super::xr::EXTENDED;
use super::{Ssrc, Timestamp, XrPacket};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// The description item that names a participant across its streams (RFC 3550 section 6.5.1).
const CNAME: u8 = 1;

/// A moment of the wall clock: seconds since 1900 in the high half, their 2^32th parts in the low half.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Seconds from 1900 to 1970.
    const UNIX: u64 = 2_208_988_800;

    /// The moment `since` after 1970 began.
    #[must_use]
    pub fn from_unix(since: Duration) -> Self {
        Self(Self::UNIX << 32).plus(since)
    }

    /// The moment `later` than this one; wraps in 2036 as the format does.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        let fraction = (u64::from(later.subsec_nanos()) << 32) / 1_000_000_000;
        Self(self.0.wrapping_add(later.as_secs() << 32).wrapping_add(fraction))
    }

    /// The middle 32 bits, which report blocks carry back: 2^16ths of a second.
    #[must_use]
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// The time a report took to the peer and back (RFC 3550 section 6.4.1): arrival − LSR − DLSR.
///
/// `None` while the peer has not seen a report of ours, or when its numbers cannot be.
#[must_use]
pub fn round_trip(now: NtpTime, block: &ReportBlock) -> Option<Duration> {
    if block.last_report == 0 {
        return None;
    }
    let units = now.middle().wrapping_sub(block.last_report).wrapping_sub(block.since_last_report);
    // A clock read a little early gives a little less than zero; anything further off is nonsense.
    let units = if units.cast_signed() < 0 && units.cast_signed() > -0x1000 { 0 } else { units };
    (units < 60 << 16).then(|| Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16))
}

/// What one receiver says about one sender.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReportBlock {
    /// About whom.
    pub about: u32,
    /// Share lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, 24 bits, negative when duplicates outnumber losses.
    pub lost: i32,
    /// Highest sequence number with its cycles.
    pub highest: u32,
    /// Interarrival jitter in ticks.
    pub jitter: u32,
    /// [`NtpTime::middle`] of the last sender report, 0 before the first.
    pub last_report: u32,
    /// Time since that report came, in 2^16ths of a second.
    pub since_last_report: u32,
}

/// The part of a report only senders have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SenderInfo {
    /// Wall clock of the report.
    pub ntp: NtpTime,
    /// The same moment in media time.
    pub timestamp: Timestamp,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload bytes sent so far.
    pub bytes: u32,
}

/// A sender or receiver report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Report {
    /// Who reports.
    pub from: Ssrc,
    /// Present in a sender report.
    pub sender: Option<SenderInfo>,
    /// What it says about the stream asked for, if anything.
    pub block: Option<ReportBlock>,
}

/// One packet of a compound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RtcpItem<'a> {
    /// A source leaves.
    Bye(Ssrc),
    /// A source names itself.
    Cname(Ssrc, &'a [u8]),
    /// An extended report (RFC 3611).
    Extended(XrPacket<'a>),
    /// A sender or receiver report.
    Report(Report),
}

/// Reads a compound packet: what is unknown or broken is passed over, what is understood is given.
#[derive(Clone, Debug)]
pub struct RtcpItems<'a> {
    rest: &'a [u8],
    about: Ssrc,
}

impl<'a> RtcpItems<'a> {
    /// Reads `compound`, keeping of all report blocks the one about `about`.
    ///
    /// Nothing is given when the first packet is no report (RFC 3550 appendix A.2): then it is not RTCP.
    #[must_use]
    pub fn new(compound: &'a [u8], about: Ssrc) -> Self {
        let first = compound.first_chunk::<2>().copied().unwrap_or_default();
        let credible = first[0] & 0xe0 == 0x80 && matches!(first[1], SENDER_REPORT | RECEIVER_REPORT);
        Self { rest: if credible { compound } else { &[] }, about }
    }

    /// Reads what may be a reduced-size packet (RFC 5506), which needs not begin with a report.
    #[must_use]
    pub const fn reduced_size(packet: &'a [u8], about: Ssrc) -> Self {
        Self { rest: packet, about }
    }

    fn read(&self, packet: &'a [u8]) -> Option<RtcpItem<'a>> {
        match packet.get(1).copied()? {
            SENDER_REPORT => {
                let report = SenderReport::parse(packet).ok()?;
                let sender = SenderInfo {
                    ntp: NtpTime(report.ntp_timestamp()),
                    timestamp: Timestamp(report.rtp_timestamp()),
                    packets: report.packet_count(),
                    bytes: report.octet_count(),
                };
                let block = self.block(report.report_blocks());
                Some(RtcpItem::Report(Report { from: Ssrc(report.ssrc()), sender: Some(sender), block }))
            }
            RECEIVER_REPORT => {
                let report = ReceiverReport::parse(packet).ok()?;
                let block = self.block(report.report_blocks());
                Some(RtcpItem::Report(Report { from: Ssrc(report.ssrc()), sender: None, block }))
            }
            EXTENDED => XrPacket::parse(packet).map(RtcpItem::Extended),
            DESCRIPTION => read_cname(packet),
            GOODBYE => Bye::parse(packet).ok()?.ssrcs().next().map(|ssrc| RtcpItem::Bye(Ssrc(ssrc))),
            _ => None,
        }
    }

    fn block<'b>(
        &self,
        mut blocks: impl Iterator<Item = rtcp_types::ReportBlock<'b>>,
    ) -> Option<ReportBlock> {
        blocks.find(|block| block.ssrc() == self.about.0).map(|block| ReportBlock {
            about: block.ssrc(),
            fraction_lost: block.fraction_lost(),
            // The sign is in bit 23.
            lost: (block.cumulative_lost() << 8).cast_signed() >> 8,
            highest: block.extended_sequence_number(),
            jitter: block.interarrival_jitter(),
            last_report: block.last_sender_report_timestamp(),
            since_last_report: block.delay_since_last_sender_report_timestamp(),
        })
    }
}

impl<'a> Iterator for RtcpItems<'a> {
    type Item = RtcpItem<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let head = self.rest.first_chunk::<4>()?;
            let len = (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1) * 4;
            let Some((packet, rest)) = self.rest.split_at_checked(len).filter(|_| head[0] >> 6 == 2) else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            if let Some(item) = self.read(packet) {
                return Some(item);
            }
        }
    }
}

/// A canonical name, as long as it may be without a heap: a random one needs 16 characters (RFC 7022).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cname {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Cname {
    /// Longest name kept.
    pub const MAX: usize = 32;

    /// Takes `name`, cut to [`Self::MAX`] bytes at a character's border.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let kept = &name.as_bytes()[..name.floor_char_boundary(Self::MAX)];
        let mut bytes = [0; Self::MAX];
        bytes[..kept.len()].copy_from_slice(kept);
        Self { bytes, len: kept.len() as u8 }
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Writes one compound packet into a buffer.
#[derive(Debug)]
pub struct RtcpWriter<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

/// The buffer has no room for the packet.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("rtcp packet does not fit its buffer")]
pub struct TooSmall;

impl<'a> RtcpWriter<'a> {
    /// Begins at the front of `buffer`.
    #[must_use]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Nothing was written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes a sender report, or a receiver report when there is nothing to say as a sender.
    ///
    /// # Errors
    ///
    /// [`TooSmall`] when the buffer is full.
    pub fn report(&mut self, report: &Report) -> Result<(), TooSmall> {
        let kind = if report.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        let words = 1 + report.sender.map_or(0, |_| 5) + report.block.map_or(0, |_| 6);
        self.head(u8::from(report.block.is_some()), kind, words)?;
        self.word(report.from.0)?;
        if let Some(sender) = report.sender {
            self.word((sender.ntp.0 >> 32) as u32)?;
            self.word(sender.ntp.0 as u32)?;
            self.word(sender.timestamp.0)?;
            self.word(sender.packets)?;
            self.word(sender.bytes)?;
        }
        if let Some(block) = report.block {
            let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
            self.word(block.about)?;
            self.word(u32::from(block.fraction_lost) << 24 | lost)?;
            self.word(block.highest)?;
            self.word(block.jitter)?;
            self.word(block.last_report)?;
            self.word(block.since_last_report)?;
        }
        Ok(())
    }

    /// Writes a description with the canonical name (RFC 3550 section 6.5), which every compound has.
    ///
    /// # Errors
    ///
    /// [`TooSmall`] when the buffer is full.
    pub fn cname(&mut self, from: Ssrc, name: &Cname) -> Result<(), TooSmall> {
        // Items end with at least one null byte, then the chunk is filled to a whole word.
        let words = (2 + name.as_bytes().len()) / 4 + 1;
        self.head(1, DESCRIPTION, words + 1)?;
        self.word(from.0)?;
        let room = self.room(words * 4)?;
        room.fill(0);
        room[0] = CNAME;
        room[1] = name.len;
        room[2..2 + name.as_bytes().len()].copy_from_slice(name.as_bytes());
        Ok(())
    }

    /// Writes a farewell (RFC 3550 section 6.6), last in its compound.
    ///
    /// # Errors
    ///
    /// [`TooSmall`] when the buffer is full.
    pub fn bye(&mut self, from: Ssrc) -> Result<(), TooSmall> {
        self.head(1, GOODBYE, 1)?;
        self.word(from.0)
    }

    pub(super) fn head(&mut self, count: u8, kind: u8, words: usize) -> Result<(), TooSmall> {
        self.word(u32::from(0x80 | count) << 24 | u32::from(kind) << 16 | words as u32)
    }

    pub(super) fn word(&mut self, word: u32) -> Result<(), TooSmall> {
        self.room(4)?.copy_from_slice(&word.to_be_bytes());
        Ok(())
    }

    fn room(&mut self, bytes: usize) -> Result<&mut [u8], TooSmall> {
        let end = self.len + bytes;
        let room = self.buffer.get_mut(self.len..end).ok_or(TooSmall)?;
        self.len = end;
        Ok(room)
    }
}

/// The canonical name in the first chunk of a description.
fn read_cname(packet: &[u8]) -> Option<RtcpItem<'_>> {
    let (_, chunk) = packet.split_first_chunk::<4>()?;
    let (ssrc, mut items) = chunk.split_first_chunk::<4>()?;
    loop {
        let (&[kind, len], rest) = items.split_first_chunk::<2>()?;
        let (text, after) = rest.split_at_checked(usize::from(len))?;
        match kind {
            0 => return None,
            CNAME => return Some(RtcpItem::Cname(Ssrc(u32::from_be_bytes(*ssrc)), text)),
            _ => items = after,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtcp_types::{Compound, Packet};

    use super::*;

    const US: Ssrc = Ssrc(0x0102_0304);
    const THEM: Ssrc = Ssrc(0xa0b0_c0d0);

    const BLOCK: ReportBlock = ReportBlock {
        about: US.0,
        fraction_lost: 25,
        lost: -3,
        highest: 0x1_0005,
        jitter: 12,
        last_report: 0x1234_5678,
        since_last_report: 0x8000,
    };
    const SENDER: SenderInfo =
        SenderInfo { ntp: NtpTime(0xe000_0000_8000_0000), timestamp: Timestamp(77), packets: 5, bytes: 800 };

    fn compound(report: &Report, name: &str) -> Vec<u8> {
        let mut buffer = [0; 200];
        let mut writer = RtcpWriter::new(&mut buffer);
        writer.report(report).unwrap();
        writer.cname(report.from, &Cname::new(name)).unwrap();
        writer.bye(report.from).unwrap();
        let len = writer.len();
        buffer[..len].to_vec()
    }

    #[test]
    fn what_we_write_we_read() {
        for sender in [None, Some(SENDER)] {
            for block in [None, Some(BLOCK)] {
                let report = Report { from: THEM, sender, block };
                let bytes = compound(&report, "abc");
                let items: Vec<_> = RtcpItems::new(&bytes, US).collect();
                let expected = [RtcpItem::Report(report), RtcpItem::Cname(THEM, b"abc"), RtcpItem::Bye(THEM)];
                assert_eq!(items, expected);
            }
        }
    }

    #[test]
    fn another_library_reads_what_we_write() {
        for len in 0..=Cname::MAX {
            let name = "n".repeat(len);
            let bytes = compound(&Report { from: THEM, sender: Some(SENDER), block: Some(BLOCK) }, &name);
            let packets: Vec<_> = Compound::parse(&bytes).unwrap().collect::<Result<_, _>>().unwrap();
            let Packet::Sr(report) = &packets[0] else { panic!("{packets:?}") };
            assert_eq!(report.ntp_timestamp(), SENDER.ntp.0);
            assert_eq!(report.report_blocks().next().unwrap().cumulative_lost(), 0xff_fffd);
            let Packet::Sdes(sdes) = &packets[1] else { panic!("{packets:?}") };
            assert_eq!(sdes.chunks().next().unwrap().items().next().unwrap().value(), name.as_bytes());
            assert!(matches!(packets[2], Packet::Bye(_)));
        }
    }

    #[test]
    fn a_compound_begins_with_a_report() {
        let bytes = compound(&Report { from: THEM, sender: None, block: None }, "abc");
        assert_eq!(RtcpItems::new(&bytes[8..], US).count(), 0);
    }

    #[test]
    fn blocks_about_others_are_left() {
        let bytes = compound(&Report { from: THEM, sender: None, block: Some(BLOCK) }, "");
        let Some(RtcpItem::Report(report)) = RtcpItems::new(&bytes, THEM).next() else { panic!("no report") };
        assert_eq!(report.block, None);
    }

    #[test]
    fn a_full_buffer_is_an_error() {
        let mut buffer = [0; 10];
        let report = Report { from: THEM, sender: Some(SENDER), block: None };
        assert_eq!(RtcpWriter::new(&mut buffer).report(&report), Err(TooSmall));
    }

    #[test]
    fn the_round_trip_is_what_the_standard_computes() {
        // The example of RFC 3550 figure 2.
        let now = NtpTime(0xb710_8000_u64 << 16);
        let block = ReportBlock { last_report: 0xb705_2000, since_last_report: 0x5_4000, ..BLOCK };
        assert_eq!(round_trip(now, &block), Some(Duration::from_millis(6_125)));
        assert_eq!(round_trip(now, &ReportBlock { last_report: 0, ..block }), None);
        let early = ReportBlock { since_last_report: 0xb_6010, ..block };
        assert_eq!(round_trip(now, &early), Some(Duration::ZERO));
        assert_eq!(round_trip(now, &ReportBlock { since_last_report: 0x8000_0000, ..block }), None);
    }

    #[test]
    fn the_wall_clock_counts_from_1900() {
        let time = NtpTime::from_unix(Duration::from_millis(1_500));
        assert_eq!(time.0, (2_208_988_801 << 32) + (1 << 31));
        assert_eq!(time.middle(), 0x7e81_8000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes: Vec<u8>, kind in 200_u8..=204) {
            if let Some(head) = bytes.first_chunk_mut::<4>() {
                *head = [0x80 | head[0] & 0x3f, kind, 0, head[3] % 16];
            }
            for item in RtcpItems::new(&bytes, US) {
                let _ = format!("{item:?}");
            }
        }
    }
}
