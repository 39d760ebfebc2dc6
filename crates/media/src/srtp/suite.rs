// SPDX-License-Identifier: MIT OR Apache-2.0
//! Crypto suites by the names of SDES, and master keys.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Suite {
    /// AES in counter mode with a tag of 80 bits (RFC 4568 section 6.2.1).
    AesCm128Sha1_80,
    /// The same with a tag of 32 bits; that of reports keeps 80 (RFC 4568 section 6.2.2).
    AesCm128Sha1_32,
    /// AES of 256 bits in counter mode with a tag of 80 bits (RFC 6188).
    AesCm256Sha1_80,
    /// The same with a tag of 32 bits; that of reports keeps 80 (RFC 6188).
    AesCm256Sha1_32,
    /// AES in Galois counter mode (RFC 7714).
    AeadAes128Gcm,
    /// AES of 256 bits in Galois counter mode (RFC 7714).
    AeadAes256Gcm,
}

impl Suite {
    /// Every suite, in the order in which they are best offered: what every peer knows first, shortened tags last.
    pub const ALL: [Self; 6] = [
        Self::AesCm128Sha1_80,
        Self::AesCm256Sha1_80,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
        Self::AesCm128Sha1_32,
        Self::AesCm256Sha1_32,
    ];

    /// Its name in `a=crypto` (RFC 4568 section 6.2, RFC 6188 section 6, RFC 7714 section 14.2).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256Sha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256Sha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of the master key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm128Sha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256Sha1_80 | Self::AesCm256Sha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Bytes of master key and salt together, as SDES carries them.
    #[must_use]
    pub const fn material_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    /// Bytes of the tag of RTP packets.
    pub(super) const fn tag_len(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm256Sha1_80 => 10,
            Self::AesCm128Sha1_32 | Self::AesCm256Sha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Bytes of the tag of RTCP packets.
    pub(super) const fn report_tag_len(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }

    /// Whether one algorithm encrypts and authenticates.
    pub(super) const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Longest master key and salt.
const MATERIAL: usize = 46;

/// A master key with its salt and the suite that they are for. Cleared when it is dropped, never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct MasterKey {
    suite: Suite,
    material: [u8; MATERIAL],
}

impl MasterKey {
    /// Takes key and salt as SDES carries them, one behind the other (RFC 4568 section 6.1).
    ///
    /// # Errors
    ///
    /// Tells the length that the suite needs.
    pub fn new(suite: Suite, material: &[u8]) -> Result<Self, BadKey> {
        let expected = suite.material_len();
        if material.len() != expected {
            return Err(BadKey { suite, found: material.len(), expected });
        }
        let mut kept = [0; MATERIAL];
        kept[..expected].copy_from_slice(material);
        Ok(Self { suite, material: kept })
    }

    /// The suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt, one behind the other.
    #[must_use]
    pub fn material(&self) -> &[u8] {
        &self.material[..self.suite.material_len()]
    }

    /// Key, and salt on its own.
    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        self.material().split_at(self.suite.key_len())
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.material.zeroize();
    }
}

impl ZeroizeOnDrop for MasterKey {}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, …)", self.suite)
    }
}

/// A master key of the wrong length.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("a key for {suite} has {found} bytes, expected {expected} of key and salt")]
#[non_exhaustive]
pub struct BadKey {
    /// The suite.
    pub suite: Suite,
    /// Bytes given.
    pub found: usize,
    /// Bytes needed.
    pub expected: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_suites() {
        for suite in Suite::ALL {
            assert_eq!(Suite::of_name(suite.name()), Some(suite));
        }
        assert_eq!(Suite::of_name("aes_cm_128_hmac_sha1_80"), Some(Suite::AesCm128Sha1_80));
        assert_eq!(Suite::of_name("F8_128_HMAC_SHA1_80"), None);
    }

    #[test]
    fn keys_have_the_length_of_their_suite_and_are_not_shown() {
        for (suite, len) in Suite::ALL.into_iter().zip([30, 46, 28, 44, 30, 46]) {
            let key = MasterKey::new(suite, &vec![0xab; len]).unwrap();
            assert_eq!(key.material().len(), len);
            let shown = format!("{key:?}");
            assert!(!shown.contains("171") && !shown.to_lowercase().contains("ab,"), "{shown}");
            let error = MasterKey::new(suite, &vec![0; len - 1]).unwrap_err().to_string();
            assert!(error.contains(&format!("expected {len}")), "{error}");
        }
    }
}
