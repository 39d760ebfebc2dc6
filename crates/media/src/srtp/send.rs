// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sending side: a number for every packet, used once.

use super::cipher::Cover;
use super::index::{estimate, rollover};
use super::{
    ENCRYPTED, MasterKey, RTCP_HEADER, RTCP_INDEX, SrtpError, Suite, derivation, rtcp_source, rtp_header,
};

/// Sources that may send under one key; each has its own rollover counter.
const SOURCES: usize = 4;
/// Indices of RTP end here (RFC 3711 section 9.2).
const LAST: u64 = (1 << 48) - 1;

/// Protects what is sent under one master key.
#[derive(Debug)]
pub struct Protector {
    suite: Suite,
    rtp: Cover,
    rtcp: Cover,
    counters: Counters,
}

/// Numbers that were used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Source and last index. Never forgotten: a source that came back with a counter at zero would repeat itself.
    sources: [Option<(u32, u64)>; SOURCES],
    /// The next index of SRTCP, counted over all sources, so that it is never used twice.
    next_report: u32,
}

impl Protector {
    /// A context in which nothing was sent yet.
    #[must_use]
    pub fn new(key: &MasterKey) -> Self {
        Self::of_covers(key.suite(), derivation::rtp(key), derivation::rtcp(key))
    }

    pub(super) fn of_covers(suite: Suite, rtp: Cover, rtcp: Cover) -> Self {
        Self { suite, rtp, rtcp, counters: Counters::default() }
    }

    /// The suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Counts on where another context stands: new keys do not reset counters (RFC 3711 section 3.3.1).
    pub const fn follow(&mut self, before: Counters) {
        self.counters = before;
    }

    /// The numbers used so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Protects the RTP packet in the first `len` bytes of `buffer`; gives its length with the tag.
    ///
    /// # Errors
    ///
    /// The packet is not RTP, its number was used before, or there is no room for the tag. It must not be sent then.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpError::Malformed)?;
        let (header, sequence, source) = rtp_header(packet)?;
        let tag_len = self.rtp.tag_len();
        let room = room.get_mut(..tag_len).ok_or(SrtpError::NoRoom)?;
        let (place, index) = self.place(source, sequence)?;
        let tag = self.rtp.seal(packet, header, source, index, &rollover(index))?;
        room.copy_from_slice(&tag[..tag_len]);
        self.counters.sources[place] = Some((source, index));
        Ok(len + tag_len)
    }

    /// Protects the compound RTCP packet in the first `len` bytes of `buffer`; gives its length with index and tag.
    ///
    /// # Errors
    ///
    /// The packet is not RTCP, the key is used up, or there is no room for the tag. It must not be sent then.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpError::Malformed)?;
        let source = rtcp_source(packet)?;
        let tag_len = self.rtcp.tag_len();
        let room = room.get_mut(..tag_len + RTCP_INDEX).ok_or(SrtpError::NoRoom)?;
        if self.counters.next_report & ENCRYPTED != 0 {
            return Err(SrtpError::Exhausted);
        }
        let index = u64::from(self.counters.next_report);
        let word = (self.counters.next_report | ENCRYPTED).to_be_bytes();
        if self.rtcp.is_aead() {
            let (head, body) = packet.split_at_mut_checked(RTCP_HEADER).ok_or(SrtpError::Malformed)?;
            let tag = self.rtcp.seal_aead(&associated(head, word), body, source, index)?;
            // RFC 7714 section 9.2: the tag ends the ciphertext, the index follows.
            let (first, last) = room.split_at_mut(tag_len);
            first.copy_from_slice(&tag);
            last.copy_from_slice(&word);
        } else {
            let tag = self.rtcp.seal(packet, RTCP_HEADER, source, index, &word)?;
            // RFC 3711 section 3.4: the index, then the tag.
            let (first, last) = room.split_at_mut(RTCP_INDEX);
            first.copy_from_slice(&word);
            last.copy_from_slice(&tag[..tag_len]);
        }
        self.counters.next_report += 1;
        Ok(len + tag_len + RTCP_INDEX)
    }

    /// Where a source is kept, and the index of its next packet.
    fn place(&self, source: u32, sequence: u16) -> Result<(usize, u64), SrtpError> {
        let of_source = |place: &Option<(u32, u64)>| place.is_some_and(|(known, _)| known == source);
        match self.counters.sources.iter().position(of_source) {
            Some(place) => {
                let last = self.counters.sources[place].map_or(0, |(_, last)| last);
                let index = estimate(last, sequence);
                if index > last && index <= LAST { Ok((place, index)) } else { Err(SrtpError::Exhausted) }
            }
            None => {
                let free =
                    self.counters.sources.iter().position(Option::is_none).ok_or(SrtpError::Exhausted)?;
                Ok((free, u64::from(sequence)))
            }
        }
    }
}

/// The associated data of an encrypted SRTCP packet (RFC 7714 section 9.2).
pub(super) fn associated(head: &[u8], word: [u8; 4]) -> [u8; RTCP_HEADER + RTCP_INDEX] {
    let mut data = [0; RTCP_HEADER + RTCP_INDEX];
    for (to, from) in data.iter_mut().zip(head.iter().chain(&word)) {
        *to = *from;
    }
    data
}
