// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTP packets on slices (RFC 3550 section 5.1): read in place, written in place.

use thiserror::Error;

use super::{PayloadType, SequenceNumber, Ssrc, Timestamp};

/// The version every packet must carry.
const VERSION: u8 = 2;
/// Bytes before contributing sources and extension.
const FIXED: usize = 12;

/// A received packet, borrowed from its datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Packet<'a> {
    /// The fixed part of the header.
    pub header: Header,
    /// Contributing sources, four bytes each.
    csrc: &'a [u8],
    /// The header extension with its profile number, when there is one.
    extension: Option<(u16, &'a [u8])>,
    /// What the codec reads: without extension and padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    ///
    /// Tells which length or version rule of RFC 3550 section 5.1 or appendix A.1 the datagram breaks.
    #[inline]
    pub fn parse(datagram: &'a [u8]) -> Result<Self, HeaderError> {
        let (fixed, rest) =
            datagram.split_first_chunk::<FIXED>().ok_or(HeaderError::Short { len: datagram.len() })?;
        if fixed[0] >> 6 != VERSION {
            return Err(HeaderError::Version { found: fixed[0] >> 6 });
        }
        let header = Header::of_fixed(fixed);
        let sources = usize::from(fixed[0] & 0x0f) * 4;
        let (csrc, rest) = rest.split_at_checked(sources).ok_or(HeaderError::Sources)?;
        let (extension, rest) = if fixed[0] & 0x10 == 0 {
            (None, rest)
        } else {
            split_extension(rest).ok_or(HeaderError::Extension)?
        };
        let payload =
            if fixed[0] & 0x20 == 0 { rest } else { strip_padding(rest).ok_or(HeaderError::Padding)? };
        Ok(Self { header, csrc, extension, payload })
    }

    /// The sources a mixer combined into this packet.
    pub fn contributors(&self) -> impl Iterator<Item = Ssrc> + 'a {
        self.csrc.chunks_exact(4).map(|four| Ssrc(u32::from_be_bytes([four[0], four[1], four[2], four[3]])))
    }

    /// The header extension: the number that says whose it is, and its bytes.
    #[must_use]
    pub const fn extension(&self) -> Option<(u16, &'a [u8])> {
        self.extension
    }
}

/// The fixed part of a header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// What the profile makes of it; for speech, the first packet after silence (RFC 3551 section 4.1).
    pub marker: Marker,
    /// How the payload is encoded.
    pub payload_type: PayloadType,
    /// Place in the stream.
    pub sequence: SequenceNumber,
    /// Media time of the first sample.
    pub timestamp: Timestamp,
    /// Who sent it.
    pub ssrc: Ssrc,
}

impl Header {
    /// Bytes that [`Self::write`] needs before the payload.
    pub const LEN: usize = FIXED;

    /// The twelve bytes that precede the payload; no padding, contributors or extension.
    #[inline]
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = VERSION << 6;
        bytes[1] = self.payload_type.number() | if self.marker == Marker::Set { 0x80 } else { 0 };
        bytes[2..4].copy_from_slice(&self.sequence.0.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.ssrc.0.to_be_bytes());
        bytes
    }

    /// Writes the header to the front of `packet`; the payload follows at [`Self::LEN`].
    ///
    /// Returns the room for the payload, `None` when not even the header fits.
    #[inline]
    pub fn write(self, packet: &mut [u8]) -> Option<&mut [u8]> {
        let (head, payload) = packet.split_first_chunk_mut::<FIXED>()?;
        *head = self.to_bytes();
        Some(payload)
    }

    const fn of_fixed(fixed: &[u8; FIXED]) -> Self {
        Self {
            marker: if fixed[1] & 0x80 == 0 { Marker::Clear } else { Marker::Set },
            payload_type: PayloadType::of_byte(fixed[1]),
            sequence: SequenceNumber(u16::from_be_bytes([fixed[2], fixed[3]])),
            timestamp: Timestamp(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]])),
            ssrc: Ssrc(u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]])),
        }
    }
}

/// The marker bit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a bit has two values")]
pub enum Marker {
    /// 0.
    Clear,
    /// 1.
    Set,
}

/// Why a datagram is not an RTP packet.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The extension is longer than the datagram.
    #[error("rtp packet ends inside its header extension")]
    Extension,
    /// The last byte claims more padding than there is, or none at all.
    #[error("rtp packet has an impossible amount of padding")]
    Padding,
    /// Shorter than any header.
    #[error("rtp packet has {len} bytes, expected at least 12")]
    Short {
        /// Bytes of the datagram.
        len: usize,
    },
    /// The list of contributing sources is longer than the datagram.
    #[error("rtp packet ends inside its list of contributing sources")]
    Sources,
    /// Another protocol or an attack.
    #[error("rtp packet has version {found}, expected 2")]
    Version {
        /// The version field.
        found: u8,
    },
}

/// Tells RTCP from RTP when both come to one port (RFC 5761 section 4).
#[inline]
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    // Packet types 192 to 223 are 64 to 95 with the marker set, which no RTP payload type may then use.
    datagram.get(1).is_some_and(|second| (192..=223).contains(second))
}

/// A header extension is a profile number, a count of words, and the words (RFC 3550 section 5.3.1).
#[expect(clippy::type_complexity, reason = "two halves of one slice, named by the callers' patterns")]
fn split_extension(rest: &[u8]) -> Option<(Option<(u16, &[u8])>, &[u8])> {
    let (head, rest) = rest.split_first_chunk::<4>()?;
    let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (words, rest) = rest.split_at_checked(words * 4)?;
    Some((Some((u16::from_be_bytes([head[0], head[1]]), words)), rest))
}

/// The last byte of a padded packet counts the padding, itself included.
fn strip_padding(rest: &[u8]) -> Option<&[u8]> {
    let padding = usize::from(*rest.last()?);
    if padding == 0 { None } else { rest.get(..rest.len().checked_sub(padding)?) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtp_types::{RtpPacket, RtpPacketBuilder};

    use super::*;

    const PLAIN: Header = Header {
        marker: Marker::Set,
        payload_type: PayloadType::PCMA,
        sequence: SequenceNumber(0x1234),
        timestamp: Timestamp(0xdead_beef),
        ssrc: Ssrc(0xcafe_f00d),
    };

    #[test]
    fn broken_packets_are_refused_by_name() {
        let whole = PLAIN.to_bytes();
        let with = |first: u8, rest: &[u8]| {
            let mut packet = whole.to_vec();
            packet[0] = first;
            packet.extend_from_slice(rest);
            packet
        };
        let table: [(Vec<u8>, HeaderError); 8] = [
            (vec![], HeaderError::Short { len: 0 }),
            (whole[..11].to_vec(), HeaderError::Short { len: 11 }),
            (with(0x40, &[]), HeaderError::Version { found: 1 }),
            (with(0x82, &[0; 7]), HeaderError::Sources),
            (with(0x90, &[0, 0, 0]), HeaderError::Extension),
            (with(0x90, &[0, 0, 0, 2, 1, 2, 3, 4]), HeaderError::Extension),
            (with(0xa0, &[0]), HeaderError::Padding),
            (with(0xa0, &[9, 9, 4]), HeaderError::Padding),
        ];
        for (packet, error) in table {
            assert_eq!(Packet::parse(&packet), Err(error), "{packet:02x?}");
        }
    }

    #[test]
    fn padding_contributors_and_extension_are_not_payload() {
        let packet = RtpPacketBuilder::new()
            .payload_type(8)
            .add_csrc(1)
            .add_csrc(2)
            .extension(0xbede, &[9_u8, 8, 7, 6][..])
            .payload(&[1_u8, 2, 3][..])
            .padding(5)
            .write_vec()
            .unwrap();
        let read = Packet::parse(&packet).unwrap();
        assert_eq!(read.payload, [1, 2, 3]);
        assert_eq!(read.contributors().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
        assert_eq!(read.extension(), Some((0xbede, &[9, 8, 7, 6][..])));
    }

    #[test]
    fn padding_and_extension_may_be_all_there_is() {
        let with = |first: u8, rest: &[u8]| {
            let mut packet = PLAIN.to_bytes().to_vec();
            packet[0] = first;
            packet.extend_from_slice(rest);
            packet
        };
        let padded = with(0xa0, &[0, 0, 0, 4]);
        assert!(Packet::parse(&padded).unwrap().payload.is_empty());
        let empty = with(0x90, &[0x10, 0, 0, 0, 7]);
        let read = Packet::parse(&empty).unwrap();
        assert_eq!((read.extension(), read.payload), (Some((0x1000, &[][..])), &[7][..]));
        // Fifteen contributors, two words of extension, padding of one byte.
        let mut rest = vec![9; 60];
        rest.extend([0xbe, 0xde, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 42, 1]);
        let full = with(0xbf, &rest);
        let read = Packet::parse(&full).unwrap();
        assert_eq!((read.contributors().count(), read.payload), (15, &[42][..]));
        assert_eq!(read.extension().map(|(_, bytes)| bytes.len()), Some(8));
    }

    #[test]
    fn rtcp_is_told_by_its_second_byte() {
        for (second, is) in
            [(0, false), (0x80, false), (191, false), (192, true), (200, true), (223, true), (224, false)]
        {
            assert_eq!(is_rtcp(&[0x80, second]), is, "{second}");
        }
        assert!(!is_rtcp(&[0x80]));
    }

    proptest! {
        #[test]
        fn another_library_reads_what_we_write(
            marker: bool, kind in 0_u8..128, sequence: u16, timestamp: u32, ssrc: u32, payload: Vec<u8>,
        ) {
            let header = Header {
                marker: if marker { Marker::Set } else { Marker::Clear },
                payload_type: PayloadType::new(kind).unwrap(),
                sequence: SequenceNumber(sequence),
                timestamp: Timestamp(timestamp),
                ssrc: Ssrc(ssrc),
            };
            let mut packet = vec![0; Header::LEN + payload.len()];
            header.write(&mut packet).unwrap().copy_from_slice(&payload);
            let theirs = RtpPacket::parse(&packet).unwrap();
            prop_assert_eq!(theirs.marker_bit(), marker);
            prop_assert_eq!(theirs.payload_type(), kind);
            prop_assert_eq!(theirs.sequence_number(), sequence);
            prop_assert_eq!(theirs.timestamp(), timestamp);
            prop_assert_eq!(theirs.ssrc(), ssrc);
            prop_assert_eq!(theirs.payload(), &payload[..]);
            prop_assert_eq!(Packet::parse(&packet).unwrap().header, header);
        }

        #[test]
        fn two_readers_agree_on_any_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(first) = bytes.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            let (ours, theirs) = (Packet::parse(&bytes), RtpPacket::parse(&bytes));
            prop_assert_eq!(ours.is_ok(), theirs.is_ok());
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                prop_assert_eq!(ours.payload, theirs.payload());
                prop_assert_eq!(ours.extension(), theirs.extension());
            }
        }
    }
}
