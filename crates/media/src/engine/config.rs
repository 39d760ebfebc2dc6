// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a leg is told when it is made; most of it may change during the call.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_spi::Flowing;

use super::{AudioCodec, ReceiveFormats};
use crate::format::{Format, SampleRate};
use crate::jitter::JitterConfig;
use crate::rtp::{Cname, PayloadType, Ssrc};

/// Everything a leg needs to begin.
#[derive(Clone, Copy, Debug)]
pub struct LegConfig {
    /// What is sent and what may come.
    pub media: MediaFormat,
    /// Samples a second of every frame that passes between the leg and what is patched to it, for the whole call;
    /// codecs of other rates are converted.
    pub rate: SampleRate,
    /// The most payload bytes that 10 ms of any codec take that the call may use later.
    pub block: usize,
    /// Which directions flow.
    pub flowing: Flowing,
    /// Where the peer says it is; `None` until it has said so.
    pub remote: Option<Remote>,
    /// From where packets are taken.
    pub latching: Latching,
    /// Where RTCP goes.
    pub rtcp: RtcpMode,
    /// Whether reports carry extended ones (RFC 3611): only when the peer's description has `a=rtcp-xr`.
    pub xr: bool,
    /// Whether reports may come without what makes them whole (RFC 5506): only when both agreed on
    /// `a=rtcp-rsize`. Ours are whole all the same: regular reports must be.
    pub reduced_size: bool,
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
            rate: media.send_codec.rate(),
            block: media.bytes_of_10_ms(),
            flowing: Flowing::Both,
            remote,
            latching: Latching::Address,
            rtcp: RtcpMode::Separate,
            xr: false,
            reduced_size: false,
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
        Format::mono(self.rate, super::TICK)
    }

    pub(super) fn buffer(&self) -> JitterConfig {
        let JitterLimits { initial, min, max } = self.jitter;
        let clock = self.media.send_codec.clock().hertz();
        JitterConfig { clock, initial, min, max, block: self.block.max(self.media.bytes_of_10_ms()) }
    }
}

/// Payload types and codecs of a leg.
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

    /// The most payload bytes that 10 ms take in any of the codecs.
    #[must_use]
    pub fn bytes_of_10_ms(&self) -> usize {
        let codecs = self.receive.iter().map(|(_, codec)| codec);
        codecs.chain([self.send_codec]).map(AudioCodec::bytes_of_10_ms).max().unwrap_or(80)
    }

    /// Samples of one channel in each packet sent.
    pub(super) fn packet_samples(&self) -> usize {
        self.send_codec.rate().samples_in(self.send_codec.packet(self.packet)) as usize
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

/// The numbers a leg begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) ssrc: Ssrc,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
}
