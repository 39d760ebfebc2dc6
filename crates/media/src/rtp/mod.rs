// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTP and RTCP (RFC 3550) and telephone events (RFC 4733): packets on slices, statistics, timing.
//!
//! Everything here is pure: bytes, numbers and moments go in, bytes, numbers and moments come out. Nothing
//! allocates, so that all of it may run on the tick.

mod burst;
mod event;
mod number;
mod packet;
mod random;
mod rtcp;
mod schedule;
mod source;
mod xr;

pub use burst::{BurstGap, BurstGapMetrics, Fate, Fates, GAP_MIN};
pub use event::{EventHeard, EventReceiver, EventReport, EventSender, QueueFull};
pub use number::{PayloadType, SequenceNumber, Ssrc, Timestamp};
pub use packet::{Header, HeaderError, Marker, Packet, is_rtcp};
pub use random::Random;
pub use rtcp::{
    Cname, NtpTime, Report, ReportBlock, RtcpItem, RtcpItems, RtcpWriter, SenderInfo, TooSmall, round_trip,
};
pub use schedule::{Due, RtcpSchedule};
pub(crate) use source::ticks;
pub use source::{Arrival, Reception, ReceptionCounts};
pub use xr::{Dlrr, VoipMetrics, XrBlock, XrPacket};
