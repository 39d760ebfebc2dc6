// SPDX-License-Identifier: MIT OR Apache-2.0
//! The receiving side: nothing is believed before its tag is right and its number new.

use super::cipher::Cover;
use super::index::{Window, estimate, rollover};
use super::send::associated;
use super::{
    ENCRYPTED, MasterKey, RTCP_HEADER, RTCP_INDEX, SrtpError, Suite, derivation, rtcp_source, rtp_header,
};

/// Sources whose numbers are remembered; the one longest unheard gives way to a new authentic one.
const SOURCES: usize = 8;

/// Uncovers what comes under one master key.
#[derive(Debug)]
pub struct Unprotector {
    suite: Suite,
    rtp: Cover,
    rtcp: Cover,
    sources: [Source; SOURCES],
    /// Counts authentic packets, to tell which source was heard last.
    heard: u64,
}

/// Longest tag (RFC 7714 section 13.2).
const LONGEST_TAG: usize = 16;

/// What is known of one source.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    ssrc: u32,
    /// When it was last heard; 0 for a free place.
    heard: u64,
    rtp: Window,
    rtcp: Window,
    /// Where it stood under the keys before these.
    before: Option<u64>,
}

impl Unprotector {
    /// A context in which nothing came yet.
    #[must_use]
    pub fn new(key: &MasterKey) -> Self {
        Self::of_covers(key.suite(), derivation::rtp(key), derivation::rtcp(key))
    }

    pub(super) fn of_covers(suite: Suite, rtp: Cover, rtcp: Cover) -> Self {
        Self { suite, rtp, rtcp, sources: [Source::default(); SOURCES], heard: 0 }
    }

    /// The suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Counts on where another context stands: new keys do not reset rollover counters (RFC 3711 section 3.3.1).
    /// A sender that begins anew all the same is understood too.
    pub fn follow(&mut self, before: &Self) {
        self.heard = before.heard;
        self.sources = before.sources.map(|source| Source {
            before: source.rtp.highest().or(source.before),
            rtp: Window::default(),
            rtcp: Window::default(),
            ..source
        });
    }

    /// Checks and decrypts an SRTP packet; gives the length of the RTP packet that is left at its front.
    ///
    /// # Errors
    ///
    /// The packet is malformed, not authentic, or came before. Nothing of it is to be believed; it may have been
    /// altered.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let len = packet.len().checked_sub(self.rtp.tag_len()).ok_or(SrtpError::Malformed)?;
        let (packet, tag) = packet.split_at_mut_checked(len).ok_or(SrtpError::Malformed)?;
        let (header, sequence, ssrc) = rtp_header(packet)?;
        let place = self.place(ssrc);
        let source = self.sources.get(place).filter(|source| source.is(ssrc)).copied().unwrap_or_default();
        let known = source.rtp.highest().or(source.before);
        let index = known.map_or_else(|| u64::from(sequence), |highest| estimate(highest, sequence));
        if !source.rtp.is_new(index) {
            return Err(SrtpError::Replayed);
        }
        let cover = &self.rtp;
        let mut open = |index| cover.open(packet, header, ssrc, index, &rollover(index), tag);
        let mut found = open(index).map(|()| index);
        if found.is_err() && source.rtp.highest().is_none() && index > 0xffff {
            // New keys, and a sender that counts from zero again.
            found = open(u64::from(sequence)).map(|()| u64::from(sequence));
        }
        let index = found?;
        self.note(place, ssrc).rtp.note(index);
        Ok(len)
    }

    /// Checks and decrypts an SRTCP packet; gives the length of the compound packet that is left at its front.
    ///
    /// # Errors
    ///
    /// As [`Self::unprotect_rtp`].
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let tag_len = self.rtcp.tag_len();
        let growth = tag_len + RTCP_INDEX;
        let len = packet.len().checked_sub(growth).ok_or(SrtpError::Malformed)?;
        let ssrc = rtcp_source(packet.get(..len).unwrap_or_default())?;
        let is_aead = self.rtcp.is_aead();
        // RFC 7714 section 9.3: tag, then index; RFC 3711 section 3.4: index, then tag.
        let (tag_at, word_at) = if is_aead { (len, len + tag_len) } else { (len + RTCP_INDEX, len) };
        let mut word = [0; RTCP_INDEX];
        word.copy_from_slice(packet.get(word_at..word_at + RTCP_INDEX).ok_or(SrtpError::Malformed)?);
        let mut tag = [0; LONGEST_TAG];
        let tag = tag.get_mut(..tag_len).ok_or(SrtpError::Malformed)?;
        tag.copy_from_slice(packet.get(tag_at..tag_at + tag_len).ok_or(SrtpError::Malformed)?);
        let is_encrypted = u32::from_be_bytes(word) & ENCRYPTED != 0;
        let index = u64::from(u32::from_be_bytes(word) & !ENCRYPTED);
        let place = self.place(ssrc);
        let source = self.sources.get(place).filter(|source| source.is(ssrc)).copied().unwrap_or_default();
        if !source.rtcp.is_new(index) {
            return Err(SrtpError::Replayed);
        }
        let (body, behind) = packet.split_at_mut_checked(len).ok_or(SrtpError::Malformed)?;
        match (is_aead, is_encrypted) {
            (false, true) => self.rtcp.open(body, RTCP_HEADER, ssrc, index, &word, tag)?,
            (false, false) => self.rtcp.verify(body, &word, tag)?,
            (true, true) => {
                let (head, body) = body.split_at_mut_checked(RTCP_HEADER).ok_or(SrtpError::Malformed)?;
                self.rtcp.open_aead(&associated(head, word), body, ssrc, index, tag)?;
            }
            (true, false) => {
                // RFC 7714 section 9.3: packet and index, one behind the other, are associated data.
                behind.get_mut(..RTCP_INDEX).ok_or(SrtpError::Malformed)?.copy_from_slice(&word);
                let whole = packet.get(..len + RTCP_INDEX).ok_or(SrtpError::Malformed)?;
                self.rtcp.open_aead(whole, &mut [], ssrc, index, tag)?;
            }
        }
        self.note(place, ssrc).rtcp.note(index);
        Ok(len)
    }

    /// Where a source is kept, or is to be kept.
    fn place(&self, ssrc: u32) -> usize {
        let known = self.sources.iter().position(|source| source.is(ssrc));
        let oldest = || self.sources.iter().enumerate().min_by_key(|(_, source)| source.heard);
        known.or_else(|| oldest().map(|(place, _)| place)).unwrap_or(0)
    }

    /// Keeps an authentic source at its place.
    fn note(&mut self, place: usize, ssrc: u32) -> &mut Source {
        self.heard += 1;
        let source = &mut self.sources[place];
        if !source.is(ssrc) {
            *source = Source { ssrc, ..Source::default() };
        }
        source.heard = self.heard;
        source
    }
}

impl Source {
    const fn is(&self, ssrc: u32) -> bool {
        self.heard > 0 && self.ssrc == ssrc
    }
}
