// SPDX-License-Identifier: MIT OR Apache-2.0
//! A leg's RTCP: when to report, what the peer reports.

use std::time::Duration;

use offhook_spi::Moment;

use super::{AudioCodec, SendStatistics};
use crate::quality::{Measured, Rating};
use crate::rtp::{
    Cname, Dlrr, Due, NtpTime, Random, Report, ReportBlock, RtcpItem, RtcpItems, RtcpSchedule, RtcpWriter,
    SenderInfo, Ssrc, TooSmall, VoipMetrics, XrBlock, XrPacket, round_trip,
};

/// Bytes a second that RTCP's share is reckoned from: G.711 in packets of 20 ms.
const BANDWIDTH: f64 = 10_000.0;

/// The reports of a leg.
#[derive(Debug)]
pub(super) struct Reporter {
    schedule: RtcpSchedule,
    random: Random,
    cname: Cname,
    /// The peer's last sender report: the middle of its clock, and when it came.
    heard: Option<(u32, Moment)>,
    /// What the peer last said of our stream.
    block: Option<ReportBlock>,
    round_trip: Option<Duration>,
    /// Packets sent when we last reported.
    sent: u64,
    peer_sends: bool,
    /// Whether extended reports are sent.
    has_xr: bool,
    is_reduced_size: bool,
    /// Whose reference time came last, its middle, and when.
    reference: Option<(Ssrc, u32, Moment)>,
    /// How the peer finds our stream.
    found: Option<VoipMetrics>,
}

/// What a compound packet told beside numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Told {
    Nothing,
    /// The peer leaves.
    Bye,
}

/// What is said, and from whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saying {
    pub(super) from: Ssrc,
    pub(super) sender: Option<SenderInfo>,
    pub(super) block: Option<ReportBlock>,
    pub(super) metrics: Option<VoipMetrics>,
}

impl Reporter {
    pub(super) fn new(now: Moment, cname: Cname, mut random: Random) -> Self {
        let mut schedule = RtcpSchedule::new(now, BANDWIDTH, &mut random);
        // A call has two parties; both may send.
        schedule.set_members(now, 2, 2, true);
        Self {
            schedule,
            random,
            cname,
            heard: None,
            block: None,
            round_trip: None,
            sent: 0,
            peer_sends: false,
            has_xr: false,
            is_reduced_size: false,
            reference: None,
            found: None,
        }
    }

    /// With extended reports, and taking reduced ones, as agreed.
    pub(super) const fn agree(mut self, has_xr: bool, is_reduced_size: bool) -> Self {
        (self.has_xr, self.is_reduced_size) = (has_xr, is_reduced_size);
        self
    }

    pub(super) const fn has_xr(&self) -> bool {
        self.has_xr
    }

    /// Whether a report is due.
    pub(super) fn is_due(&mut self, now: Moment) -> bool {
        now >= self.schedule.deadline() && self.schedule.poll(now, &mut self.random) == Due::Now
    }

    /// Reads a compound packet that came at `at`.
    pub(super) fn receive(
        &mut self,
        at: Moment,
        wall: NtpTime,
        compound: &[u8],
        ours: Ssrc,
        theirs: Option<Ssrc>,
    ) -> Told {
        let mut told = Told::Nothing;
        let mut is_rtcp = false;
        let items = if self.is_reduced_size { RtcpItems::reduced_size } else { RtcpItems::new };
        for item in items(compound, ours) {
            is_rtcp = true;
            match item {
                RtcpItem::Bye(from) if theirs.is_none_or(|ssrc| ssrc == from) => told = Told::Bye,
                RtcpItem::Report(report) if report.from != ours => self.note(at, wall, &report),
                RtcpItem::Extended(packet) if packet.from != ours => self.note_xr(at, wall, &packet, ours),
                RtcpItem::Bye(_) | RtcpItem::Cname(..) | RtcpItem::Extended(_) | RtcpItem::Report(_) => {}
            }
        }
        if is_rtcp {
            self.schedule.received(compound.len());
        }
        told
    }

    /// Writes the report that is due; gives its length.
    pub(super) fn write(
        &mut self,
        now: Moment,
        wall: NtpTime,
        saying: Saying,
        packets: u64,
        buffer: &mut [u8],
    ) -> Result<usize, TooSmall> {
        // A sender is who sent since its last report but one (RFC 3550 section 6.4).
        let is_sender = packets != self.sent;
        self.sent = packets;
        self.schedule.set_members(now, 2, u32::from(is_sender) + u32::from(self.peer_sends), is_sender);
        let len = self.compose(
            now,
            wall,
            Saying { sender: saying.sender.filter(|_| is_sender), ..saying },
            buffer,
            false,
        )?;
        self.schedule.sent(now, len, &mut self.random);
        Ok(len)
    }

    /// Writes the last report and the farewell.
    pub(super) fn write_bye(
        &self,
        now: Moment,
        wall: NtpTime,
        saying: Saying,
        buffer: &mut [u8],
    ) -> Result<usize, TooSmall> {
        self.compose(now, wall, saying, buffer, true)
    }

    /// Half of the last round trip; zero while unknown.
    pub(super) fn one_way(&self) -> Duration {
        self.round_trip.unwrap_or_default() / 2
    }

    pub(super) const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    fn note_xr(&mut self, at: Moment, wall: NtpTime, packet: &XrPacket<'_>, ours: Ssrc) {
        for block in packet.blocks() {
            match block {
                XrBlock::ReferenceTime(time) => self.reference = Some((packet.from, time.middle(), at)),
                XrBlock::Dlrr(echo) if echo.about == ours => {
                    let block = ReportBlock {
                        last_report: echo.last,
                        since_last_report: echo.since,
                        ..ReportBlock::default()
                    };
                    self.round_trip = round_trip(wall, &block).or(self.round_trip);
                }
                XrBlock::VoipMetrics(metrics) if metrics.about == ours => self.found = Some(metrics),
                XrBlock::Dlrr(_) | XrBlock::VoipMetrics(_) => {}
            }
        }
    }

    /// Writes the extended report: our clock when no sender report carries it, the echo of the peer's, and how
    /// its stream is found.
    fn extend(
        &self,
        writer: &mut RtcpWriter<'_>,
        now: Moment,
        wall: NtpTime,
        saying: &Saying,
    ) -> Result<(), TooSmall> {
        let clock = saying.sender.is_none().then_some(XrBlock::ReferenceTime(wall));
        let echo = self
            .reference
            .map(|(about, last, at)| XrBlock::Dlrr(Dlrr { about, last, since: sixteenths(now.since(at)) }));
        let mut blocks = [XrBlock::ReferenceTime(wall); 3];
        let mut count = 0;
        for block in [clock, echo, saying.metrics.map(XrBlock::VoipMetrics)].into_iter().flatten() {
            blocks[count] = block;
            count += 1;
        }
        if count == 0 { Ok(()) } else { writer.extended(saying.from, &blocks[..count]) }
    }

    /// The numbers of what is sent in `codec`, as far as the peer tells.
    pub(super) fn statistics(&self, codec: AudioCodec, to: &mut SendStatistics) {
        let Some(block) = self.block else { return };
        let loss = f64::from(block.fraction_lost) / 256.0;
        let jitter = codec.clock().duration_of(u64::from(block.jitter));
        to.lost = Some(u64::try_from(block.lost).unwrap_or(0));
        to.loss = Some(loss);
        to.jitter = Some(jitter);
        // The peer's buffer is unknown; it needs about twice the jitter to bear it.
        let delay = self.one_way() + jitter * 2 + super::TICK;
        let measured = Measured { loss, burst_ratio: 1.0, delay };
        to.mos = codec.impairment().and_then(|codec| Rating::of(&measured, codec)).map(Rating::mos);
        // What the peer itself finds is better than what we guess of it.
        if let Some(score) =
            self.found.map(|found| found.conversing).filter(|score| (10..=50).contains(score))
        {
            to.mos = Some(f32::from(score) / 10.0);
        }
    }

    fn note(&mut self, at: Moment, wall: NtpTime, report: &Report) {
        self.peer_sends = report.sender.is_some();
        if let Some(sender) = report.sender {
            self.heard = Some((sender.ntp.middle(), at));
        }
        if let Some(block) = report.block {
            self.block = Some(block);
            self.round_trip = round_trip(wall, &block).or(self.round_trip);
        }
    }

    fn compose(
        &self,
        now: Moment,
        wall: NtpTime,
        saying: Saying,
        buffer: &mut [u8],
        is_last: bool,
    ) -> Result<usize, TooSmall> {
        let sender = saying.sender.map(|sender| SenderInfo { ntp: wall, ..sender });
        let block = saying.block.map(|block| match self.heard {
            Some((last_report, at)) => {
                let since_last_report = sixteenths(now.since(at));
                ReportBlock { last_report, since_last_report, ..block }
            }
            None => block,
        });
        let mut writer = RtcpWriter::new(buffer);
        writer.report(&Report { from: saying.from, sender, block })?;
        writer.cname(saying.from, &self.cname)?;
        if self.has_xr {
            self.extend(&mut writer, now, wall, &saying)?;
        }
        if is_last {
            writer.bye(saying.from)?;
        }
        Ok(writer.len())
    }
}

/// In 2^16ths of a second, as reports carry times.
fn sixteenths(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().saturating_mul(1 << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}
