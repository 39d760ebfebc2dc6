// SPDX-License-Identifier: MIT OR Apache-2.0
//! Session keys from a master key (RFC 3711 section 4.3, RFC 6188 section 3, RFC 7714 section 11).

use zeroize::Zeroizing;

use super::MasterKey;
use super::cipher::{Block, Cover};

/// What a session key is for (RFC 3711 section 4.3.2).
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Label {
    RtpKey = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

/// Longest session key.
const LONGEST: usize = 32;
/// Bytes of the key of HMAC-SHA1 (RFC 3711 section 5.2).
const AUTH: usize = 20;

/// The session keys of RTP.
pub(super) fn rtp(master: &MasterKey) -> Cover {
    cover(master, [Label::RtpKey, Label::RtpAuth, Label::RtpSalt], master.suite().tag_len())
}

/// The session keys of RTCP.
pub(super) fn rtcp(master: &MasterKey) -> Cover {
    cover(master, [Label::RtcpKey, Label::RtcpAuth, Label::RtcpSalt], master.suite().report_tag_len())
}

fn cover(master: &MasterKey, labels: [Label; 3], tag: usize) -> Cover {
    let suite = master.suite();
    let mut key = Zeroizing::new([0; LONGEST]);
    let mut auth = Zeroizing::new([0; AUTH]);
    let mut salt = Zeroizing::new([0; 14]);
    derive(master, labels[0], &mut key[..suite.key_len()]);
    derive(master, labels[1], &mut auth[..]);
    derive(master, labels[2], &mut salt[..suite.salt_len()]);
    Cover::new(suite, &key[..suite.key_len()], &auth, &salt, tag)
}

/// Fills `to` with the key of a purpose, for ever: the key derivation rate is zero.
pub(super) fn derive(master: &MasterKey, label: Label, to: &mut [u8]) {
    let (key, salt) = master.parts();
    // RFC 7714 section 11: a salt of 96 bits is followed by 16 zeros.
    let mut iv = Zeroizing::new([0; 16]);
    iv[..salt.len()].copy_from_slice(salt);
    iv[7] ^= label as u8;
    to.fill(0);
    Block::new(key).apply(&iv, to);
}
