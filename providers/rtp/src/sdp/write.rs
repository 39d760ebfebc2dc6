// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing our descriptions.

use offhook_media::srtp::MasterKey;
use offhook_spi::Flowing;
use sdp_types::{Attribute, Connection, Media, Origin, Session, Time};

use super::crypto;
use super::describe::{Head, Mux};
use super::{Events, Local};
use crate::codec::AudioCodec;

/// A media line that we write.
#[derive(Clone, Debug)]
pub(super) enum Line<'a> {
    /// Our sound, in place of a line with that head.
    Audio(&'a Head, &'a Audio),
    /// Port 0, in place of a line that is refused or was refused before (RFC 3264 sections 6 and 8).
    Refused(&'a Head),
}

/// Our audio line.
#[derive(Clone, Debug)]
pub(super) struct Audio {
    /// Codecs under their payload types, in order of preference.
    pub(super) codecs: Vec<(u8, AudioCodec)>,
    /// Telephone-events: payload type and clock.
    pub(super) events: Vec<(u8, u32)>,
    /// Which way sound flows, seen from here.
    pub(super) flow: Flowing,
    /// Whether reports share the port.
    pub(super) mux: Mux,
    /// Our keys under their tags.
    pub(super) keys: Vec<(u32, MasterKey)>,
}

/// Writes a description.
pub(super) fn description(local: &Local, version: u64, lines: &[Line<'_>]) -> String {
    let mut session = Session::new(Origin::with_ip_addr(local.id, version, local.address), "-");
    session.connection = Some(Connection::from(local.address));
    session.times.push(Time::new(0, 0));
    session.medias = lines.iter().map(|line| media(local, line)).collect();
    let mut bytes = Vec::new();
    // Writing into memory does not fail, and all parts are text.
    session.write(&mut bytes).ok();
    String::from_utf8(bytes).unwrap_or_default()
}

fn media(local: &Local, line: &Line<'_>) -> Media {
    match line {
        Line::Refused(head) => bare(&head.media, 0, &head.proto, head.fmt.clone()),
        Line::Audio(head, audio) => {
            let codecs = audio.codecs.iter().map(|(payload_type, _)| payload_type);
            let events = audio.events.iter().map(|(payload_type, _)| payload_type);
            let fmt: Vec<String> = codecs.chain(events).map(u8::to_string).collect();
            let mut media = bare("audio", local.port, &head.proto, fmt.join(" "));
            media.attributes = attributes(local, audio);
            media
        }
    }
}

fn bare(media: &str, port: u16, proto: &str, fmt: String) -> Media {
    Media {
        media: media.to_owned(),
        port,
        num_ports: None,
        proto: proto.to_owned(),
        fmt,
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

fn attributes(local: &Local, audio: &Audio) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    // RFC 3264 section 5.1: rtpmap also for static types.
    for (payload_type, codec) in &audio.codecs {
        attributes.push(Attribute::with_value("rtpmap", format!("{payload_type} {codec}")));
        if let Some(parameters) = codec.parameters() {
            attributes.push(Attribute::with_value("fmtp", format!("{payload_type} {parameters}")));
        }
    }
    if local.events == Events::Spoken {
        for (payload_type, clock) in &audio.events {
            let map = format!("{payload_type} telephone-event/{clock}");
            attributes.push(Attribute::with_value("rtpmap", map));
            attributes.push(Attribute::with_value("fmtp", format!("{payload_type} 0-16")));
        }
    }
    attributes.push(Attribute::with_value("ptime", local.ptime));
    for (tag, key) in &audio.keys {
        attributes.push(Attribute::with_value("crypto", crypto::write(*tag, key)));
    }
    match (audio.mux, local.rtcp) {
        // RFC 5761 section 5.1.1: accepted by repeating it.
        (Mux::Offered, Some(_)) => attributes.push(Attribute::new("rtcp-mux")),
        // RFC 3605: only when it is not the next port.
        (Mux::Unknown, Some(port)) if local.port.checked_add(1) != Some(port) => {
            attributes.push(Attribute::with_value("rtcp", port));
        }
        _ => {}
    }
    attributes.push(Attribute::new(match audio.flow {
        Flowing::Both => "sendrecv",
        Flowing::Neither => "inactive",
        Flowing::In => "recvonly",
        Flowing::Out => "sendonly",
    }));
    attributes
}
