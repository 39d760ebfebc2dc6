// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the far end's description says, as far as it matters here.

use std::net::{IpAddr, SocketAddr};

use offhook_spi::Flowing;

use super::crypto::{self, CryptoLine};
use super::{MAX_FORMATS, MAX_LINES, MAX_TEXT, Unacceptable};
use crate::codec::{AudioCodec, Wish};

/// A description: its media lines in their order.
#[derive(Clone, Debug)]
pub(super) struct Description {
    /// The lines.
    pub(super) lines: Vec<MediaLine>,
}

/// A media line with what the session level adds to it.
#[derive(Clone, Debug)]
pub(super) struct MediaLine {
    /// What a refusal of the line must repeat.
    pub(super) head: Head,
    /// Port; 0 means that the line is refused or off.
    pub(super) port: u16,
    /// Where packets should go.
    pub(super) place: Place,
    /// Formats in order of preference.
    pub(super) formats: Vec<Format>,
    /// Which way media flow, seen from the far end.
    pub(super) flow: Flowing,
    /// Milliseconds of sound in a packet that the far end likes.
    pub(super) ptime: Option<u16>,
    /// The most milliseconds of sound in a packet that it takes.
    pub(super) max_ptime: Option<u16>,
    /// Where reports should go, when it is said (RFC 3605).
    rtcp: Option<(u16, Option<IpAddr>)>,
    /// Whether reports may travel on the port of the sound (RFC 5761).
    pub(super) mux: Mux,
    /// Keys that can be used, in order of preference (RFC 4568); they stand at the media level only.
    pub(super) cryptos: Vec<CryptoLine>,
    /// Whether there is any `a=crypto`, usable or not.
    pub(super) has_crypto: bool,
}

/// The parts of an `m=` line that stay when it is refused (RFC 3264 section 6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Head {
    /// `audio`, `video` and so on.
    pub(super) media: String,
    /// `RTP/AVP` and so on.
    pub(super) proto: String,
    /// The formats as they stand.
    pub(super) fmt: String,
}

/// Where a line wants its packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// At an address.
    At(IpAddr),
    /// At `0.0.0.0` or `::`: nowhere for now, how RFC 2543 put a call on hold.
    Nowhere,
    /// At a name, a group, or not said.
    Unusable,
}

/// Whether RTP and RTCP may share a port (RFC 5761).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mux {
    /// They may.
    Offered,
    /// They may not.
    Unknown,
}

/// A format of a media line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Format {
    /// The payload type.
    pub(super) payload_type: u8,
    /// What it stands for.
    pub(super) kind: FormatKind,
    /// How the far end wishes to get it.
    pub(super) wish: Wish,
}

/// What a payload type stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FormatKind {
    /// A codec.
    Codec(AudioCodec),
    /// Telephone-events on that clock, with the events that the far end understands as bits.
    Events {
        /// Ticks in a second.
        clock: u32,
        /// One bit for each event.
        understood: u32,
    },
    /// Nothing that is known here.
    Unknown,
    /// A dynamic type about which nothing is said.
    Unnamed,
}

impl Description {
    /// Reads a description.
    pub(super) fn parse(text: &str) -> Result<Self, Unacceptable> {
        if text.len() > MAX_TEXT {
            return Err(Unacceptable::TooLong);
        }
        if text.lines().filter(|line| line.starts_with("m=")).count() > MAX_LINES {
            return Err(Unacceptable::TooManyLines);
        }
        let session = sdp_types::Session::parse(text.trim_start().as_bytes())
            .map_err(|error| Unacceptable::Malformed(error.to_string()))?;
        let lines = session.medias.iter().map(|media| MediaLine::of(&session, media)).collect();
        Ok(Self { lines })
    }
}

impl MediaLine {
    fn of(session: &sdp_types::Session, media: &sdp_types::Media) -> Self {
        let attribute = |name: &str| {
            let found = media.attributes.iter().find(|a| a.attribute.eq_ignore_ascii_case(name));
            found.and_then(|a| a.value.as_deref()).map(str::trim)
        };
        let muxed = media.attributes.iter().any(|a| a.attribute.eq_ignore_ascii_case("rtcp-mux"));
        // RFC 8866 section 5.7: the media level overrides the session level.
        let connection = media.connections.first().or(session.connection.as_ref());
        // RFC 8866 section 6.7: so it does for directions, and without one media flow both ways.
        let flow = flow_of(&media.attributes).or_else(|| flow_of(&session.attributes)).unwrap_or_default();
        let crypto = media.attributes.iter().filter(|a| a.attribute.eq_ignore_ascii_case("crypto"));
        Self {
            head: Head { media: media.media.clone(), proto: media.proto.clone(), fmt: media.fmt.clone() },
            port: media.port,
            place: connection.map_or(Place::Unusable, Place::of),
            formats: formats_of(media),
            flow,
            ptime: attribute("ptime").and_then(milliseconds),
            max_ptime: attribute("maxptime").and_then(milliseconds),
            rtcp: attribute("rtcp").and_then(rtcp_of),
            mux: if muxed { Mux::Offered } else { Mux::Unknown },
            has_crypto: crypto.clone().next().is_some(),
            cryptos: crypto::read(crypto.filter_map(|a| a.value.as_deref())),
        }
    }

    /// Which way media flow, seen from the far end; a line without a place takes nothing
    /// (RFC 3264 section 8.4).
    pub(super) const fn effective_flow(&self) -> Flowing {
        Flowing::of(self.flow.sends(), self.flow.receives() && matches!(self.place, Place::At(_)))
    }

    /// Where sound should go.
    pub(super) const fn remote(&self) -> Option<SocketAddr> {
        match self.place {
            Place::At(address) => Some(SocketAddr::new(address, self.port)),
            Place::Nowhere | Place::Unusable => None,
        }
    }

    /// Where reports should go: as said, or to the next port (RFC 3550 section 11).
    pub(super) fn remote_rtcp(&self) -> Option<SocketAddr> {
        let Place::At(address) = self.place else { return None };
        match self.rtcp {
            Some((0, _)) => None,
            // Reports follow the sound: another address would let a description aim them at a third party.
            Some((port, place)) if place.is_none_or(|p| p == address) => Some(SocketAddr::new(address, port)),
            Some(_) => None,
            None => self.port.checked_add(1).map(|port| SocketAddr::new(address, port)),
        }
    }
}

impl Place {
    fn of(connection: &sdp_types::Connection) -> Self {
        match connection.connection_address.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => Self::Nowhere,
            Ok(address) if is_unicast(address) => Self::At(address),
            Ok(_) | Err(_) => Self::Unusable,
        }
    }
}

impl Head {
    /// Whether it is RTP audio, encrypted or not; `RTP/AVPF` only adds feedback that nobody has to send (RFC 4585).
    pub(super) fn is_rtp_audio(&self) -> bool {
        let known = ["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"];
        self.is_audio() && known.iter().any(|p| self.proto.eq_ignore_ascii_case(p))
    }

    /// Whether its keys are agreed on in the media's own path (RFC 5764).
    pub(super) fn is_dtls(&self) -> bool {
        self.is_secure() && !self.is_rtp_audio()
    }

    /// Whether it is audio.
    pub(super) fn is_audio(&self) -> bool {
        self.media.eq_ignore_ascii_case("audio")
    }

    /// Whether it asks for encrypted media (RFC 3711, RFC 5764).
    pub(super) fn is_secure(&self) -> bool {
        self.proto.to_ascii_uppercase().contains("SAVP")
    }
}

impl FormatKind {
    /// What RFC 3551 table 4 says about a static type that is spoken here.
    fn of_static(payload_type: u8) -> Self {
        let known = AudioCodec::ALL.into_iter().find(|codec| codec.static_type() == Some(payload_type));
        match known {
            Some(codec) => Self::Codec(codec),
            None if payload_type >= 96 => Self::Unnamed,
            None => Self::Unknown,
        }
    }

    /// What `a=rtpmap:… name/clock/channels` says.
    fn of_map(map: &str) -> Self {
        let mut parts = map.split('/').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let Some(clock) = parts.next().and_then(|clock| clock.parse::<u32>().ok()) else {
            return Self::Unknown;
        };
        // RFC 8866 section 6.6: one channel unless said otherwise.
        let channels = parts.next().map_or(Some(1), |channels| channels.parse::<u8>().ok());
        if name.eq_ignore_ascii_case("telephone-event") {
            // RFC 4733 section 2.4.1: without a list the sixteen keys are understood.
            return Self::Events { clock, understood: 0xffff };
        }
        let known = AudioCodec::ALL.into_iter().find(|codec| {
            codec.encoding().eq_ignore_ascii_case(name)
                && codec.clock() == clock
                && Some(codec.channels()) == channels
        });
        known.map_or(Self::Unknown, Self::Codec)
    }
}

fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_multicast(),
    }
}

fn formats_of(media: &sdp_types::Media) -> Vec<Format> {
    let listed = media.fmt.split_ascii_whitespace().filter_map(|f| f.parse::<u8>().ok());
    let mut formats: Vec<Format> = Vec::new();
    for payload_type in listed.filter(|pt| *pt < 128).take(MAX_FORMATS) {
        if !formats.iter().any(|f| f.payload_type == payload_type) {
            formats.push(Format {
                payload_type,
                kind: FormatKind::of_static(payload_type),
                wish: Wish::default(),
            });
        }
    }
    let named = |name: &'static str| {
        let attributes = media.attributes.iter().filter(move |a| a.attribute.eq_ignore_ascii_case(name));
        attributes.filter_map(|a| typed(a.value.as_deref()?))
    };
    for (payload_type, map) in named("rtpmap") {
        for format in formats.iter_mut().filter(|f| f.payload_type == payload_type) {
            format.kind = FormatKind::of_map(map);
        }
    }
    for (payload_type, parameters) in named("fmtp") {
        for format in formats.iter_mut().filter(|f| f.payload_type == payload_type) {
            match &mut format.kind {
                FormatKind::Events { understood, .. } => *understood = events_of(parameters),
                FormatKind::Codec(_) => format.wish = Wish::of(parameters),
                FormatKind::Unknown | FormatKind::Unnamed => {}
            }
        }
    }
    formats
}

/// Splits `101 rest` into the payload type and the rest.
fn typed(value: &str) -> Option<(u8, &str)> {
    let (payload_type, rest) = value.trim().split_once(char::is_whitespace)?;
    Some((payload_type.parse().ok()?, rest.trim()))
}

/// Reads a list of events such as `0-15,66` into bits; events from 32 on are of no use here.
fn events_of(list: &str) -> u32 {
    // Some write `events=0-15`, as the media type registration does.
    let list = list.strip_prefix("events=").unwrap_or(list);
    list.split(',').map(str::trim).fold(0, |bits, item| {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        match (first.trim().parse::<u8>(), last.trim().parse::<u8>()) {
            (Ok(first), Ok(last)) => (first..=last.min(31)).fold(bits, |bits, event| bits | 1 << event),
            _ => bits,
        }
    })
}

fn flow_of(attributes: &[sdp_types::Attribute]) -> Option<Flowing> {
    attributes.iter().find_map(|a| match a.attribute.as_str() {
        "sendrecv" => Some(Flowing::Both),
        "sendonly" => Some(Flowing::Out),
        "recvonly" => Some(Flowing::In),
        "inactive" => Some(Flowing::Neither),
        _ => None,
    })
}

/// Reads `20` or `20.5` milliseconds, rounded down.
fn milliseconds(value: &str) -> Option<u16> {
    value.split('.').next()?.parse().ok()
}

/// Reads `53020` or `53020 IN IP4 126.16.64.4` (RFC 3605 section 2.1).
fn rtcp_of(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut parts = value.split_ascii_whitespace();
    let port = parts.next()?.parse().ok()?;
    Some((port, parts.nth(2).and_then(|address| address.parse().ok())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_lists_are_read_as_bits() {
        for (list, bits) in [
            ("0-15", 0xffff),
            ("0-16", 0x1_ffff),
            ("0-11,16", 0x1_0fff),
            ("0-15,66,70", 0xffff),
            ("events=0-15", 0xffff),
            ("0 - 3", 0xf),
            ("7", 0x80),
            ("", 0),
            ("15-0", 0),
            ("0-255", 0xffff_ffff),
            ("99999-1", 0),
        ] {
            assert_eq!(events_of(list), bits, "{list}");
        }
    }

    #[test]
    fn rtpmaps_name_codecs() {
        for (map, kind) in [
            ("PCMU/8000", FormatKind::Codec(AudioCodec::Pcmu)),
            ("pcma/8000/1", FormatKind::Codec(AudioCodec::Pcma)),
            ("L16/16000", FormatKind::Codec(AudioCodec::L16Wide)),
            ("L16/8000/1", FormatKind::Codec(AudioCodec::L16Narrow)),
            ("L16/44100/2", FormatKind::Codec(AudioCodec::L16DiscStereo)),
            ("PCMU/8000/2", FormatKind::Unknown),
            ("PCMU/16000", FormatKind::Unknown),
            ("opus/48000/2", FormatKind::Codec(AudioCodec::Opus)),
            ("opus/48000", FormatKind::Unknown),
            ("G722/8000", FormatKind::Codec(AudioCodec::G722)),
            ("AAL2-G726-32/8000", FormatKind::Codec(AudioCodec::Aal2At32)),
            ("telephone-event/8000", FormatKind::Events { clock: 8_000, understood: 0xffff }),
            ("PCMU", FormatKind::Unknown),
            ("", FormatKind::Unknown),
        ] {
            assert_eq!(FormatKind::of_map(map), kind, "{map}");
        }
    }

    #[test]
    fn an_rtcp_attribute_names_port_and_perhaps_address() {
        assert_eq!(rtcp_of("53020"), Some((53_020, None)));
        let named = rtcp_of("53020 IN IP4 192.0.2.4");
        assert_eq!(named, Some((53_020, Some("192.0.2.4".parse().unwrap()))));
        assert_eq!(rtcp_of("many"), None);
        assert_eq!(rtcp_of("70000"), None);
    }
}
