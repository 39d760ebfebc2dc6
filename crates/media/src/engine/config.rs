// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a leg is told when it is made; most of it may change during the call.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_spi::Flowing;

use super::{AudioCodec, ReceiveFormats};
use crate::format::Format;
use crate::jitter::JitterConfig;
use crate::rtp::{Cname, PayloadType, Ssrc};

/// Everything a leg needs to begin.
#[derive(Clone, Copy, Debug)]
pub struct LegConfig {
    /// What is sent and what may come.
    pub media: MediaFormat,
    /// Which directions flow.
    pub flowing: Flowing,
    /// Where the peer says it is; `None` until it has said so.
    pub remote: Option<Remote>,
    /// From where packets are taken.
    pub latching: Latching,
    /// Where RTCP goes.
    pub rtcp: RtcpMode,
    /// What is sent while nothing is patched to the leg.
    pub idle: Idle,
    /// Bounds of the jitter buffer.
    pub jitter: JitterLimits,
    /// Name in RTCP; the same for all streams of one party, unlike any other's.
    pub cname: Cname,
    /// After so long without a packet the leg tells that its peer is silent.
    pub silence: Duration,
    /// Seed of the SSRC, the first sequence number and timestamp, and the times of RTCP.
    pub seed: u64,
}

impl LegConfig {
    /// A leg that speaks `media` both ways with `remote`, and all else as usual.
    #[must_use]
    pub fn new(media: MediaFormat, remote: Option<Remote>, seed: u64) -> Self {
        Self {
            media,
            flowing: Flowing::Both,
            remote,
            latching: Latching::Address,
            rtcp: RtcpMode::Separate,
            idle: Idle::Silence,
            jitter: JitterLimits::default(),
            cname: Cname::new("offhook"),
            silence: Duration::from_secs(5),
            seed,
        }
    }

    /// The format of every frame that passes between the leg and what is patched to it.
    #[must_use]
    pub fn format(&self) -> Format {
        self.media.format()
    }
}

/// Payload types and codecs of a leg.
///
/// All codecs must have one rate, that of the codec sent when the leg was made: others are not heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MediaFormat {
    /// The payload type sent.
    pub send_type: PayloadType,
    /// The codec sent.
    pub send_codec: AudioCodec,
    /// Sound in each packet sent: 10 to 60 ms, in steps of 10.
    pub packet: Duration,
    /// What may come.
    pub receive: ReceiveFormats,
    /// The payload type of telephone events sent, if the peer takes them.
    pub send_events: Option<PayloadType>,
    /// The payload type of telephone events that may come.
    pub receive_events: Option<PayloadType>,
}

impl MediaFormat {
    /// One codec both ways in packets of 20 ms, with events when they have a payload type.
    #[must_use]
    pub fn symmetric(payload_type: PayloadType, codec: AudioCodec, events: Option<PayloadType>) -> Self {
        Self {
            send_type: payload_type,
            send_codec: codec,
            packet: super::TICK,
            receive: ReceiveFormats::new([(payload_type, codec)]),
            send_events: events,
            receive_events: events,
        }
    }

    /// The format of frames at the codec's rate, one tick long.
    #[must_use]
    pub fn format(&self) -> Format {
        Format::mono(self.send_codec.rate(), super::TICK)
    }

    /// Samples in each packet sent.
    pub(super) fn packet_samples(&self) -> usize {
        let millis = (self.packet.as_millis().clamp(10, 60) / 10 * 10) as u64;
        self.send_codec.rate().samples_in(Duration::from_millis(millis)) as usize
    }
}

/// Where a peer wants its packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Remote {
    /// For RTP.
    pub rtp: SocketAddr,
    /// For RTCP, unless it shares the port of RTP.
    pub rtcp: SocketAddr,
}

impl Remote {
    /// RTP at `rtp`, RTCP one port higher (RFC 3550 section 11).
    #[must_use]
    pub fn at(rtp: SocketAddr) -> Self {
        Self { rtp, rtcp: SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1)) }
    }
}

/// From where packets are taken, and whether ours follow them (symmetric RTP, RFC 4961).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Latching {
    /// From the announced address with any port; ours go where theirs come from.
    #[default]
    Address,
    /// From anywhere: the first credible source is the peer, for peers behind address translation.
    Anywhere,
    /// From the announced address and port only.
    Exact,
}

/// Where RTCP goes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum RtcpMode {
    /// To the port of RTP (RFC 5761).
    Multiplexed,
    /// Nowhere.
    Off,
    /// To a port of its own.
    #[default]
    Separate,
}

/// What is sent while nothing is patched to a leg.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Idle {
    /// Nothing at all.
    Nothing,
    /// Silence: it keeps address translators open and tells the peer that we are there.
    #[default]
    Silence,
}

/// Bounds of a jitter buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JitterLimits {
    /// The delay before anything is known.
    pub initial: Duration,
    /// The delay is never less.
    pub min: Duration,
    /// The delay is never more.
    pub max: Duration,
}

impl Default for JitterLimits {
    /// 20 to 200 ms, 40 ms to begin with.
    fn default() -> Self {
        let JitterConfig { initial, min, max, .. } = JitterConfig::G711;
        Self { initial, min, max }
    }
}

impl JitterLimits {
    pub(super) fn buffer(&self, media: &MediaFormat) -> JitterConfig {
        let rate = media.send_codec.rate().hertz();
        let widest = media.receive.iter().map(|(_, codec)| codec.sample_bytes()).max().unwrap_or(1);
        let block = (rate as usize / 100).max(1) * widest;
        JitterConfig { clock: rate, initial: self.initial, min: self.min, max: self.max, block }
    }
}

/// The numbers a leg begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) ssrc: Ssrc,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
}
