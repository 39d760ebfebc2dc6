// SPDX-License-Identifier: MIT OR Apache-2.0
//! The numbers of RTP, each its own type; those that wrap compare by the shorter way round.

use std::fmt;

/// A synchronisation source (RFC 3550 section 3): who sends a stream.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A payload type: seven bits that SDP gives a meaning (RFC 3550 section 5.1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PayloadType(u8);

impl PayloadType {
    /// G.711 µ-law (RFC 3551 table 4).
    pub const PCMU: Self = Self(0);
    /// G.711 A-law (RFC 3551 table 4).
    pub const PCMA: Self = Self(8);
    /// Comfort noise (RFC 3389).
    pub const COMFORT_NOISE: Self = Self(13);

    /// The payload type `number`; `None` beyond 127.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number < 128 { Some(Self(number)) } else { None }
    }

    /// The low seven bits of the second header byte.
    #[must_use]
    pub(crate) const fn of_byte(byte: u8) -> Self {
        Self(byte & 0x7f)
    }

    /// The number as SDP writes it.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A packet's place in its stream, modulo 2^16.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number of the packet after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How far this packet lies after `other`, negative when before it.
    #[must_use]
    pub const fn after(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

/// A moment of media time, in ticks of the stream's clock, modulo 2^32.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Timestamp(pub u32);

impl Timestamp {
    /// How many ticks this lies after `other`, negative when before it.
    #[must_use]
    pub const fn after(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// The moment `ticks` later.
    #[must_use]
    pub const fn plus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_across_the_wrap() {
        assert_eq!(SequenceNumber(2).after(SequenceNumber(u16::MAX)), 3);
        assert_eq!(SequenceNumber(u16::MAX).after(SequenceNumber(2)), -3);
        assert_eq!(SequenceNumber(u16::MAX).next(), SequenceNumber(0));
        assert_eq!(Timestamp(100).after(Timestamp(u32::MAX - 99)), 200);
        assert_eq!(Timestamp(u32::MAX).plus(161), Timestamp(160));
    }

    #[test]
    fn payload_types_have_seven_bits() {
        assert_eq!(PayloadType::new(128), None);
        assert_eq!(PayloadType::new(127).map(PayloadType::number), Some(127));
        assert_eq!(PayloadType::of_byte(0x80), PayloadType::PCMU);
    }
}
