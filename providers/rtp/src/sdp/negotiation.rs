// SPDX-License-Identifier: MIT OR Apache-2.0
//! The offers and answers of one session, first and later ones.

use std::collections::BTreeMap;

use offhook_spi::Flowing;

use super::describe::{Description, Format, FormatKind, Head, MediaLine, Mux, Place};
use super::write::{Audio, Line, description};
use super::{Agreed, EventTypes, Events, Local, Mapping, Rtcp, Unacceptable, short};
use crate::codec::{AudioCodec, Wish};
use crate::leg::{Far, Flow, Plan, Shield};

/// The negotiation of a session: what stands, what is open, and what was said last.
///
/// A new offer, ours or theirs, takes the place of an open exchange; which of two crossing offers wins is
/// for signalling to decide.
#[derive(Clone, Debug)]
pub(crate) struct Negotiation {
    local: Local,
    /// What both sides agreed on and opened.
    agreed: Option<Agreed>,
    /// The exchange that is not complete.
    open: Open,
    /// Which way we want sound to flow.
    wish: Flowing,
    /// The wish before the open offer, to return to.
    wish_before: Flowing,
    /// Payload types that we have named; they keep their meaning (RFC 3264 section 8.3.2).
    named: BTreeMap<u8, Named>,
    /// The lines of the last exchange, which later ones repeat in place (RFC 3264 section 8).
    lines: Vec<Head>,
    /// Which of the lines is our audio.
    ours: usize,
    version: u64,
    /// What was said last, for telling whether it changed.
    said: Option<String>,
}

/// The exchange that is not complete.
#[derive(Clone, Debug)]
enum Open {
    /// We have answered; the answer is not on its way yet.
    Answered(Agreed),
    /// None is open.
    Nothing,
    /// We have offered and perhaps heard early answers.
    Offered {
        /// Codecs under the payload types that we offered.
        codecs: Vec<Mapping>,
        /// Telephone-events that we offered.
        events: Vec<(u8, u32)>,
        /// The last early answer, which stands if no other comes.
        early: Option<Agreed>,
    },
}

/// What a payload type of ours stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Named {
    Codec(AudioCodec),
    Events(u32),
}

impl Negotiation {
    /// A negotiation in which nothing was said yet.
    pub(crate) const fn new(local: Local) -> Self {
        Self {
            local,
            agreed: None,
            open: Open::Nothing,
            wish: Flowing::Both,
            wish_before: Flowing::Both,
            named: BTreeMap::new(),
            lines: Vec::new(),
            ours: 0,
            version: 1,
            said: None,
        }
    }

    /// Writes an offer in which sound flows so.
    pub(crate) fn offer(&mut self, flow: Flowing) -> String {
        self.settle();
        self.wish_before = self.wish;
        self.wish = flow;
        let codecs: Vec<Mapping> = self.local.codecs.clone().into_iter().map(|c| self.mapping(c)).collect();
        let events = self.offered_events(&codecs);
        if self.lines.is_empty() {
            let head = Head {
                media: "audio".to_owned(),
                proto: self.local.security.profile().to_owned(),
                fmt: String::new(),
            };
            self.lines.push(head);
        }
        let audio = Audio {
            codecs: codecs.iter().map(|m| (m.payload_type, m.codec)).collect(),
            events: events.clone(),
            flow,
            mux: self.agreed.as_ref().map_or(Mux::Unknown, |agreed| mux_of(agreed.rtcp)),
            keys: self.local.security.offer(),
        };
        self.open = Open::Offered { codecs, events, early: None };
        self.say(&audio)
    }

    /// Answers an offer; what is agreed holds for sending only after [`Negotiation::commit`].
    pub(crate) fn answer(&mut self, offer: &str) -> Result<(String, Agreed), Unacceptable> {
        self.settle();
        let offer = Description::parse(offer)?;
        let mut reasons = Vec::new();
        for (place, line) in offer.lines.iter().enumerate() {
            match self.agree(line) {
                Ok(agreed) => {
                    let text = self.write_answer(&offer, place, &agreed);
                    self.open = Open::Answered(agreed.clone());
                    return Ok((text, agreed));
                }
                Err(reason) => reasons.push(format!("line {} is {reason}", place + 1)),
            }
        }
        match &self.agreed {
            Some(agreed) if is_farewell(&offer) => {
                // RFC 3264 section 8.2: a line is taken away by port 0, and answered so.
                let agreed = Agreed { flow: Flowing::Neither, remote: None, ..agreed.clone() };
                let text = self.write_answer(&offer, usize::MAX, &agreed);
                self.open = Open::Answered(agreed.clone());
                Ok((text, agreed))
            }
            _ => Err(Unacceptable::NothingUsable(reasons)),
        }
    }

    /// Our answer is on its way: it stands now.
    pub(crate) fn commit(&mut self) -> Option<&Agreed> {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Answered(agreed) => self.agreed = Some(agreed),
            other => self.open = other,
        }
        self.agreed.as_ref()
    }

    /// Takes an answer to our offer that others may follow.
    pub(crate) fn accept_early(&mut self, answer: &str) -> Result<Agreed, Unacceptable> {
        let agreed = self.judge(answer)?;
        if let Open::Offered { early, .. } = &mut self.open {
            *early = Some(agreed.clone());
        }
        Ok(agreed)
    }

    /// Takes the answer to our offer; it stands now.
    pub(crate) fn accept(&mut self, answer: &str) -> Result<Agreed, Unacceptable> {
        let agreed = self.judge(answer)?;
        self.open = Open::Nothing;
        self.agreed = Some(agreed.clone());
        Ok(agreed)
    }

    /// The open exchange came to nothing: what was agreed before stands (RFC 3264 section 8).
    pub(crate) fn rollback(&mut self) -> Option<&Agreed> {
        if matches!(self.open, Open::Offered { .. }) {
            self.wish = self.wish_before;
        }
        self.open = Open::Nothing;
        self.agreed.as_ref()
    }

    /// Makes room for a new exchange; an early answer that no other followed was the answer.
    fn settle(&mut self) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Offered { early: Some(agreed), .. } => self.agreed = Some(agreed),
            open => {
                self.open = open;
                self.rollback();
            }
        }
    }

    /// Whether an offer of ours waits for its answer.
    pub(crate) const fn has_offered(&self) -> bool {
        matches!(self.open, Open::Offered { .. })
    }

    /// What shall flow now: we receive as soon as we have offered or answered, and send what stands.
    pub(crate) fn plan(&self) -> Plan {
        let stands = match &self.open {
            // Early media: it stands until another answer comes.
            Open::Offered { early: Some(agreed), .. } => Some(agreed),
            Open::Answered(_) | Open::Nothing | Open::Offered { .. } => self.agreed.as_ref(),
        };
        let (expected, expected_events, hears) = match &self.open {
            Open::Answered(agreed) => {
                (agreed.receive.as_slice(), agreed.events.map(|e| e.receive), agreed.flow.receives())
            }
            // RFC 3264 section 5.1: be ready for what was offered before any answer.
            Open::Offered { codecs, events, early: None } if self.agreed.is_none() => {
                (codecs.as_slice(), events.first().map(|(pt, _)| *pt), self.wish.receives())
            }
            Open::Offered { codecs, events, .. } => (codecs.as_slice(), events.first().map(|e| e.0), false),
            Open::Nothing => (&[][..], None, false),
        };
        let flow = stands.map_or(Flowing::Neither, |agreed| agreed.flow);
        let mut receive = expected.to_vec();
        for mapping in stands.iter().flat_map(|agreed| &agreed.receive) {
            if !receive.iter().any(|known| known.payload_type == mapping.payload_type) {
                receive.push(*mapping);
            }
        }
        // What comes is read by new keys from the moment we have answered: the far end may send at once.
        let protected = match &self.open {
            Open::Answered(agreed) => Some(agreed),
            Open::Nothing | Open::Offered { .. } => stands,
        };
        let shield = match protected.map(|agreed| &agreed.crypto) {
            Some(Some(crypto)) => Shield::Keys(Box::new(crypto.clone())),
            Some(None) => Shield::Clear,
            // Protected sound would be noise to who takes it for clear.
            None if self.local.security.is_spoken() => Shield::Closed,
            None => Shield::Clear,
        };
        let agreed_events = stands.and_then(|agreed| agreed.events);
        Plan {
            flow: Flow(Flowing::of(flow.sends(), flow.receives() || hears)),
            receive,
            receive_events: agreed_events.map(|events| events.receive).or(expected_events),
            far: stands.map(|agreed| Far {
                remote: agreed.remote,
                rtcp: agreed.rtcp,
                send: agreed.send,
                wish: agreed.wish,
                events: agreed.events,
                ptime: agreed.ptime,
            }),
            shield,
        }
    }

    /// What can be agreed on a line that the far end offers, or why nothing can.
    fn agree(&self, line: &MediaLine) -> Result<Agreed, String> {
        let remote = self.reachable(line)?;
        let crypto = self.local.security.choose(line)?;
        let codecs = line.formats.iter().filter_map(|format| match format.kind {
            FormatKind::Codec(codec) if self.local.codecs.contains(&codec) => {
                Some(Mapping { payload_type: format.payload_type, codec })
            }
            _ => None,
        });
        // RFC 3264 section 6.1: the offerer's order counts. One codec only, so that none changes at will.
        let send = codecs.into_iter().next().ok_or("without a codec that is spoken here")?;
        Ok(Agreed {
            flow: meet(self.wish, line.effective_flow()),
            remote,
            rtcp: self.rtcp(line, self.local.mux),
            send,
            wish: wish_for(send, &line.formats),
            receive: vec![send],
            events: self.theirs(&line.formats, send.codec).map(|(payload_type, understood)| EventTypes {
                send: payload_type,
                receive: payload_type,
                understood,
            }),
            ptime: self.ptime(line, send.codec),
            crypto,
        })
    }

    /// Judges an answer to the open offer.
    fn judge(&self, answer: &str) -> Result<Agreed, Unacceptable> {
        let Open::Offered { codecs, events, .. } = &self.open else { return Err(Unacceptable::NoOffer) };
        let answer = Description::parse(answer)?;
        // RFC 3264 section 6: an answer has the lines of the offer, in their order.
        let line = answer
            .lines
            .get(self.ours)
            .ok_or_else(|| Unacceptable::NothingUsable(vec![format!("line {} is missing", self.ours + 1)]))?;
        if line.port == 0 {
            return Err(Unacceptable::LineRefused);
        }
        let unusable =
            |reason: String| Unacceptable::NothingUsable(vec![format!("line {} is {reason}", self.ours + 1)]);
        let remote = self.reachable(line).map_err(unusable)?;
        let crypto = self.local.security.accept(line).map_err(unusable)?;
        let send = line.formats.iter().find_map(|format| offered(codecs, format));
        let send = send.ok_or_else(|| unusable("without a codec that was offered".to_owned()))?;
        let receive_events = events.iter().find(|(_, clock)| *clock == send.codec.clock());
        Ok(Agreed {
            flow: meet(self.wish, line.effective_flow()),
            remote,
            rtcp: self.rtcp(line, Mux::Unknown),
            send,
            wish: wish_for(send, &line.formats),
            receive: codecs.clone(),
            events: self.theirs(&line.formats, send.codec).zip(receive_events).map(
                |((payload_type, understood), (receive, _))| EventTypes {
                    send: payload_type,
                    receive: *receive,
                    understood,
                },
            ),
            ptime: self.ptime(line, send.codec),
            crypto,
        })
    }

    /// Whether packets can go where the line wants them.
    fn reachable(&self, line: &MediaLine) -> Result<Option<std::net::SocketAddr>, String> {
        if !line.head.is_audio() {
            return Err(format!("{}, expected audio", short(&line.head.media)));
        }
        if line.head.is_dtls() {
            let proto = short(&line.head.proto);
            return Err(format!("encrypted ({proto}) by keys that are not spoken here, expected RTP/SAVP"));
        }
        if !line.head.is_rtp_audio() {
            return Err(format!("{}, expected RTP/AVP", short(&line.head.proto)));
        }
        if line.port == 0 {
            return Err("off (port 0)".to_owned());
        }
        match line.place {
            Place::Unusable => Err("without an address that can be used".to_owned()),
            Place::At(address) if address.is_ipv4() != self.local.address.is_ipv4() => {
                Err(format!("at {address}, expected an address of the family of {}", self.local.address))
            }
            Place::At(_) | Place::Nowhere => Ok(line.remote()),
        }
    }

    /// Telephone-events of the far end on the clock of the codec (RFC 4733 section 2.1).
    fn theirs(&self, formats: &[Format], codec: AudioCodec) -> Option<(u8, u32)> {
        let spoken = self.local.events == Events::Spoken;
        formats.iter().filter(|_| spoken).find_map(|format| match format.kind {
            FormatKind::Events { clock, understood } if clock == codec.clock() => {
                Some((format.payload_type, understood))
            }
            _ => None,
        })
    }

    fn rtcp(&self, line: &MediaLine, allowed: Mux) -> Rtcp {
        let agreed_before = self.agreed.as_ref().is_some_and(|agreed| agreed.rtcp == Rtcp::Muxed);
        let muxed = line.mux == Mux::Offered && (allowed == Mux::Offered || agreed_before);
        match (self.local.rtcp, muxed) {
            (None, _) => Rtcp::Off,
            (Some(_), true) => Rtcp::Muxed,
            (Some(_), false) => line.remote_rtcp().map_or(Rtcp::Off, Rtcp::To),
        }
    }

    /// What the far end likes, as far as a packet of it is sane, else what we like.
    fn ptime(&self, line: &MediaLine, codec: AudioCodec) -> u16 {
        let most = line.max_ptime.unwrap_or(MAX_PTIME).min(MAX_PTIME).min(codec.most_in(MAX_PAYLOAD));
        let liked = line.ptime.filter(|ptime| *ptime > 0).unwrap_or(self.local.ptime);
        codec.packet(liked.min(most))
    }

    fn offered_events(&mut self, codecs: &[Mapping]) -> Vec<(u8, u32)> {
        let mut events = Vec::new();
        if self.local.events == Events::Spoken {
            for clock in codecs.iter().map(|mapping| mapping.codec.clock()) {
                if !events.iter().any(|(_, known)| *known == clock) {
                    events.push((self.payload_type(Named::Events(clock), FIRST_EVENTS), clock));
                }
            }
        }
        events
    }

    fn mapping(&mut self, codec: AudioCodec) -> Mapping {
        let payload_type =
            codec.static_type().unwrap_or_else(|| self.payload_type(Named::Codec(codec), FIRST_DYNAMIC));
        Mapping { payload_type, codec }
    }

    /// The payload type that stands for something: the one named before, or the next free from `first`.
    fn payload_type(&mut self, what: Named, first: u8) -> u8 {
        if let Some((payload_type, _)) = self.named.iter().find(|(_, named)| **named == what) {
            return *payload_type;
        }
        let free = (first..=127).chain(FIRST_DYNAMIC..first).find(|pt| !self.named.contains_key(pt));
        let payload_type = free.unwrap_or(first);
        self.named.insert(payload_type, what);
        payload_type
    }

    /// Writes the answer whose audio stands at `place`.
    fn write_answer(&mut self, offer: &Description, place: usize, agreed: &Agreed) -> String {
        self.lines = offer.lines.iter().map(|line| line.head.clone()).collect();
        self.ours = place;
        let named = Named::Codec(agreed.send.codec);
        if agreed.send.codec.static_type() != Some(agreed.send.payload_type) {
            self.rename(agreed.send.payload_type, named);
        }
        let clock = agreed.send.codec.clock();
        if let Some(events) = agreed.events {
            self.rename(events.receive, Named::Events(clock));
        }
        self.say(&Audio {
            codecs: vec![(agreed.send.payload_type, agreed.send.codec)],
            events: agreed.events.iter().map(|events| (events.receive, clock)).collect(),
            flow: agreed.flow,
            mux: mux_of(agreed.rtcp),
            keys: agreed.crypto.iter().map(|crypto| (crypto.tag, crypto.ours.clone())).collect(),
        })
    }

    /// From now on a payload type stands for `what`, and no other does.
    fn rename(&mut self, payload_type: u8, what: Named) {
        self.named.retain(|_, named| *named != what);
        self.named.insert(payload_type, what);
    }

    /// Writes a description with a version that counts changes (RFC 3264 section 8).
    fn say(&mut self, audio: &Audio) -> String {
        let write = |version: u64| {
            let lines: Vec<Line<'_>> = (self.lines.iter().enumerate())
                .map(
                    |(place, head)| {
                        if place == self.ours { Line::Audio(head, audio) } else { Line::Refused(head) }
                    },
                )
                .collect();
            description(&self.local, version, &lines)
        };
        let mut text = write(self.version);
        if self.said.as_ref().is_some_and(|said| *said != text) {
            let version = self.version.saturating_add(1);
            text = write(version);
            self.version = version;
        }
        self.said = Some(text.clone());
        text
    }
}

/// The flow on which our wish and the far end's agree, seen from here (RFC 3264 section 6.1).
pub(super) const fn meet(wish: Flowing, theirs: Flowing) -> Flowing {
    Flowing::of(wish.sends() && theirs.receives(), wish.receives() && theirs.sends())
}

/// The codec of an answer's format, when it was offered. An answer need not repeat what it does not change.
fn offered(codecs: &[Mapping], format: &Format) -> Option<Mapping> {
    let codec = match format.kind {
        FormatKind::Codec(codec) => codecs.iter().find(|mapping| mapping.codec == codec)?.codec,
        FormatKind::Unnamed => codecs.iter().find(|m| m.payload_type == format.payload_type)?.codec,
        FormatKind::Events { .. } | FormatKind::Unknown => return None,
    };
    Some(Mapping { payload_type: format.payload_type, codec })
}

/// How the far end wishes to get what is sent.
fn wish_for(send: Mapping, formats: &[Format]) -> Wish {
    let found = formats.iter().find(|format| format.payload_type == send.payload_type);
    found.map(|format| format.wish).unwrap_or_default()
}

/// Whether an offer takes every line away.
fn is_farewell(offer: &Description) -> bool {
    !offer.lines.is_empty() && offer.lines.iter().all(|line| line.port == 0)
}

const fn mux_of(rtcp: Rtcp) -> Mux {
    match rtcp {
        Rtcp::Muxed => Mux::Offered,
        Rtcp::Off | Rtcp::To(_) => Mux::Unknown,
    }
}

/// The most milliseconds of sound that we put into a packet.
const MAX_PTIME: u16 = 60;
/// The most bytes of payload that fit a packet on any path with room to spare.
const MAX_PAYLOAD: u16 = 1_400;
/// The first dynamic payload type (RFC 3551 section 6).
const FIRST_DYNAMIC: u8 = 96;
/// Where telephone-events usually stand; some devices look nowhere else.
const FIRST_EVENTS: u8 = 101;
