// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was measured of a leg. What was not measured is `None`, never a guess.

use std::net::SocketAddr;
use std::time::Duration;

use super::AudioCodec;

/// A snapshot of a leg.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LegStatistics {
    /// From the peer, measured here.
    pub received: ReceiveStatistics,
    /// To the peer, as far as its reports tell.
    pub sent: SendStatistics,
    /// To the peer and back, from its last report.
    pub round_trip: Option<Duration>,
}

/// The direction from the peer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiveStatistics {
    /// The codec of the last packet.
    pub codec: Option<AudioCodec>,
    /// Where packets come from.
    pub from: Option<SocketAddr>,
    /// Credible packets.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Packets that never came; known once packets come.
    pub lost: Option<u64>,
    /// Share of packets that never came.
    pub loss: Option<f64>,
    /// Packets that came after their time.
    pub late: u64,
    /// Frames of 20 ms made up in place of missing ones.
    pub concealed: u64,
    /// Frames of 20 ms played from packets.
    pub played: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub jitter: Option<Duration>,
    /// Delay of the jitter buffer.
    pub buffer: Option<Duration>,
    /// Mean level of the last whole second in dB of full scale.
    pub level: Option<f32>,
    /// Mean opinion score by the E-model, after a second of sound.
    pub mos: Option<f32>,
    /// Datagrams that were neither RTP nor RTCP.
    pub malformed: u64,
    /// Datagrams from others than the peer.
    pub strangers: u64,
    /// Datagrams that SRTP did not believe: not protected, or not with our key.
    pub unauthentic: u64,
    /// Protected packets that came before (RFC 3711 section 3.3.2).
    pub replayed: u64,
    /// Packets of a payload type nobody agreed on.
    pub unexpected: u64,
    /// Our own packets, sent back to us.
    pub looped: u64,
}

/// The direction to the peer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SendStatistics {
    /// The codec sent.
    pub codec: Option<AudioCodec>,
    /// Where packets go.
    pub to: Option<SocketAddr>,
    /// Packets sent.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Packets the peer missed, by its last report.
    pub lost: Option<u64>,
    /// Share the peer missed between its last two reports.
    pub loss: Option<f64>,
    /// Interarrival jitter at the peer.
    pub jitter: Option<Duration>,
    /// Mean level of the last whole second in dB of full scale.
    pub level: Option<f32>,
    /// Mean opinion score at the peer by the E-model, from its last report.
    pub mos: Option<f32>,
    /// Sends that the peer's machine refused; normal while a call ends.
    pub refused: u64,
    /// Sends that the system did not take.
    pub failed: u64,
}
