// SPDX-License-Identifier: MIT OR Apache-2.0
//! SRTP and SRTCP (RFC 3711, 6188, 7714) in place, without allocation, keyed by SDES (RFC 4568).
//!
//! A [`Protector`] covers what is sent, an [`Unprotector`] uncovers what comes; each has its own [`MasterKey`], as
//! SDES gives one to each direction. Nothing here reads a clock or a source of randomness.

mod cipher;
mod derivation;
mod index;
mod receive;
mod send;
mod suite;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub use receive::Unprotector;
pub use send::{Counters, Protector};
pub use suite::{BadKey, MasterKey, Suite};

/// The most bytes that protection adds to a packet: the tag of RFC 7714 section 13.2 and the index of SRTCP.
pub const MAX_GROWTH: usize = 20;

/// Why a packet was not protected or not believed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SrtpError {
    /// The key has covered all it may (RFC 3711 section 9.2), or this number before: another packet under it would
    /// tell both contents.
    #[error("the packet's number is used up under this key")]
    Exhausted,
    /// Too short for what its header promises.
    #[error("the packet is too short")]
    Malformed,
    /// No room behind the packet for its tag.
    #[error("no room for the tag behind the packet")]
    NoRoom,
    /// It came before, or so long ago that nobody can tell (RFC 3711 section 3.3.2).
    #[error("the packet came before")]
    Replayed,
    /// Its tag is not what the key makes of it.
    #[error("the packet is not authentic")]
    Unauthentic,
}

/// Bytes of an RTP header before its payload, extension included (RFC 3711 section 3.1: they stay clear), with the
/// packet's sequence number and source.
fn rtp_header(packet: &[u8]) -> Result<(usize, u16, u32), SrtpError> {
    let fixed: &[u8; 12] = packet.first_chunk().ok_or(SrtpError::Malformed)?;
    if fixed[0] >> 6 != 2 {
        return Err(SrtpError::Malformed);
    }
    let mut len = 12 + usize::from(fixed[0] & 0x0f) * 4;
    if fixed[0] & 0x10 != 0 {
        let words = packet.get(len + 2..len + 4).ok_or(SrtpError::Malformed)?;
        len += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
    }
    if packet.len() < len {
        return Err(SrtpError::Malformed);
    }
    let sequence = u16::from_be_bytes([fixed[2], fixed[3]]);
    Ok((len, sequence, u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]])))
}

/// Bytes of the first RTCP header, which stay clear (RFC 3711 section 3.4).
const RTCP_HEADER: usize = 8;
/// Bytes of the index of SRTCP, the E bit included.
const RTCP_INDEX: usize = 4;
/// The bit that says that an SRTCP packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// The source of a compound RTCP packet.
fn rtcp_source(packet: &[u8]) -> Result<u32, SrtpError> {
    let head: &[u8; RTCP_HEADER] = packet.first_chunk().ok_or(SrtpError::Malformed)?;
    if head[0] >> 6 != 2 {
        return Err(SrtpError::Malformed);
    }
    Ok(u32::from_be_bytes([head[4], head[5], head[6], head[7]]))
}
