// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an administrator may choose: addresses, ports, codecs, buffers, limits.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use offhook_media::SampleRate;
use serde::{Deserialize, Serialize};

use crate::codec::AudioCodec;

/// How the provider is set up; everything has a default that works on one machine.
///
/// ```
/// use offhook_rtp::RtpConfig;
///
/// let config = RtpConfig { bind: "192.0.2.7".parse().unwrap(), ..RtpConfig::default() };
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RtpConfig {
    /// Address of the sockets; loopback unless set, so that nothing is reachable from outside by accident.
    pub bind: IpAddr,
    /// Address that descriptions name, when it is not the one that sockets are bound to (behind a NAT, or
    /// bound to all addresses).
    pub advertised: Option<IpAddr>,
    /// The lowest and the highest port; each session takes an even port for RTP and the next for RTCP.
    pub ports: (u16, u16),
    /// Codecs in order of preference; sound is converted where their sampling rates differ.
    pub codecs: Vec<AudioCodec>,
    /// Whether digits may travel as telephone-events (RFC 4733).
    pub telephone_event: bool,
    /// Milliseconds of sound in a packet that we would like to get, and send when the far end has no wish.
    pub ptime: u16,
    /// The least delay of the jitter buffer in milliseconds.
    pub jitter_min: u16,
    /// The greatest delay of the jitter buffer in milliseconds.
    pub jitter_max: u16,
    /// From where packets are taken, and whether ours go where they come from.
    pub symmetric: Symmetric,
    /// Whether reports are sent and read (RTCP).
    pub rtcp: bool,
    /// Whether sound and reports are encrypted, with keys in the descriptions (SRTP with SDES).
    pub srtp: Srtp,
    /// Milliseconds without a packet after which a stream counts as silent.
    pub silence_after: u32,
    /// Threads for media; 0 means one for each processor.
    pub workers: u16,
    /// How many sessions may exist at once.
    pub max_sessions: u32,
}

/// From where packets are taken, and whether ours follow them (symmetric RTP, RFC 4961).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Symmetric {
    /// From any port of the address in the far end's description; ours go where they come from.
    #[default]
    Address,
    /// From anywhere: the first credible sender is the far end. Needed when the far end names an address
    /// behind a NAT; others can push in, so it is not the default.
    Anywhere,
    /// From exactly the address and port in the far end's description.
    Off,
}

/// Whether sound and reports are encrypted (RFC 3711), with keys in the descriptions (RFC 4568).
///
/// The keys are as secret as the signalling that carries them: they want SIP over TLS.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Srtp {
    /// Never; a far end that requires it gets no call.
    #[default]
    Off,
    /// When the far end does so too.
    Optional,
    /// Always; a far end that does not gets no call.
    Required,
}

impl RtpConfig {
    /// Says whether the provider can run so.
    ///
    /// # Errors
    /// One sentence for people that names the field and what was expected.
    pub fn check(&self) -> Result<(), String> {
        let (low, high) = self.ports;
        if low == 0 || self.even_ports().is_none() {
            return Err(format!("ports {low} to {high} hold no pair of an even port and the next"));
        }
        if self.codecs.is_empty() {
            return Err("codecs is empty, at least one is needed".to_owned());
        }
        if !(10..=60).contains(&self.ptime) || !self.ptime.is_multiple_of(10) {
            return Err(format!("ptime is {} ms, expected 10 to 60 in steps of 10", self.ptime));
        }
        if self.jitter_min > self.jitter_max {
            return Err(format!("jitter_min {} is above jitter_max {}", self.jitter_min, self.jitter_max));
        }
        let named = self.advertised_address();
        if named.is_unspecified() || named.is_multicast() {
            return Err(format!("{named} cannot be named as our address, set advertised"));
        }
        if named.is_ipv4() != self.bind.is_ipv4() {
            return Err(format!("bind {} and advertised {named} are of different families", self.bind));
        }
        Ok(())
    }

    /// The address that descriptions name.
    #[must_use]
    pub fn advertised_address(&self) -> IpAddr {
        self.advertised.unwrap_or(self.bind)
    }

    /// Samples a second of every frame that terminals give and take: enough for the best of the codecs.
    #[must_use]
    pub fn rate(&self) -> SampleRate {
        let rates = self.codecs.iter().map(|codec| codec.rate());
        rates.max().unwrap_or(SampleRate::HZ_8000)
    }

    /// How long a stream may be without a packet before it counts as silent.
    #[must_use]
    pub const fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_after as u64)
    }

    /// The even ports whose next port lies in the range too, as halves.
    pub(crate) fn even_ports(&self) -> Option<RangeInclusive<u16>> {
        let (low, high) = self.ports;
        let first = low.div_ceil(2);
        let last = high.checked_sub(1)? / 2;
        (first <= last).then_some(first..=last)
    }
}

impl Default for RtpConfig {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            advertised: None,
            ports: (16_384, 32_767),
            codecs: vec![AudioCodec::Pcmu, AudioCodec::Pcma],
            telephone_event: true,
            ptime: 20,
            jitter_min: 20,
            jitter_max: 200,
            symmetric: Symmetric::Address,
            rtcp: true,
            srtp: Srtp::Off,
            silence_after: 5_000,
            workers: 0,
            max_sessions: 4_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_can_run_and_is_not_reachable_from_outside() {
        let config = RtpConfig::default();
        assert_eq!(config.check(), Ok(()));
        assert!(config.bind.is_loopback());
    }

    #[test]
    fn what_cannot_run_is_named() {
        let d = RtpConfig::default;
        for (config, expected) in [
            (RtpConfig { ports: (5_000, 5_000), ..d() }, "ports 5000 to 5000"),
            (RtpConfig { ports: (5_001, 5_002), ..d() }, "ports"),
            (RtpConfig { ports: (0, 10), ..d() }, "ports"),
            (RtpConfig { codecs: Vec::new(), ..d() }, "codecs"),
            (RtpConfig { ptime: 25, ..d() }, "ptime"),
            (RtpConfig { jitter_min: 300, ..d() }, "jitter_min"),
            (RtpConfig { bind: "0.0.0.0".parse().unwrap(), ..d() }, "set advertised"),
            (RtpConfig { advertised: Some("::1".parse().unwrap()), ..d() }, "families"),
        ] {
            let error = config.check().unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn port_pairs_stay_inside_the_range() {
        let pairs = |ports| RtpConfig { ports, ..RtpConfig::default() }.even_ports();
        assert_eq!(pairs((10_000, 10_003)), Some(5_000..=5_001));
        assert_eq!(pairs((10_001, 10_003)), Some(5_001..=5_001));
        assert_eq!(pairs((65_534, 65_535)), Some(32_767..=32_767));
    }
}
