// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two transforms: AES in counter mode with HMAC-SHA1, and AES-GCM.

use std::fmt;

use aes::cipher::{InnerIvInit as _, KeyInit as _, StreamCipherCore as _};
use aes::{Aes128, Aes256};
use aes_gcm::aead::AeadInPlace as _;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use zeroize::Zeroize as _;

use super::{SrtpError, Suite};

/// AES with its key schedule.
// Boxing the larger would put a pointer before every packet; contexts are boxed as a whole.
#[expect(clippy::large_enum_variant, reason = "one a direction, boxed as a whole")]
pub(super) enum Block {
    Aes128(Aes128),
    Aes256(Aes256),
}

impl Block {
    /// For a key of 16 bytes or of 32.
    pub(super) fn new(key: &[u8]) -> Self {
        match key.first_chunk::<32>() {
            Some(key) => Self::Aes256(Aes256::new(key.into())),
            None => Self::Aes128(Aes128::new(key.first_chunk::<16>().unwrap_or(&[0; 16]).into())),
        }
    }

    /// Encrypts or decrypts in counter mode (RFC 3711 section 4.1.1).
    pub(super) fn apply(&self, iv: &[u8; 16], data: &mut [u8]) {
        match self {
            Self::Aes128(aes) => {
                CtrCore::<&Aes128, Ctr128BE>::inner_iv_init(aes, iv.into())
                    .apply_keystream_partial(data.into());
            }
            Self::Aes256(aes) => {
                CtrCore::<&Aes256, Ctr128BE>::inner_iv_init(aes, iv.into())
                    .apply_keystream_partial(data.into());
            }
        }
    }
}

/// The session keys of RTP or of RTCP, ready for use.
pub(super) struct Cover {
    transform: Transform,
    salt: [u8; 14],
    tag: usize,
}

enum Transform {
    /// RFC 3711 and RFC 6188.
    Counter(Block, Hmac<Sha1>),
    /// RFC 7714.
    Gcm128(Aes128Gcm),
    /// RFC 7714.
    Gcm256(Aes256Gcm),
}

impl Cover {
    pub(super) fn new(suite: Suite, key: &[u8], auth: &[u8; 20], salt: &[u8; 14], tag: usize) -> Self {
        let transform = match (suite.is_aead(), key.first_chunk::<32>()) {
            (false, _) => Transform::Counter(Block::new(key), mac(auth)),
            (true, Some(key)) => Transform::Gcm256(Aes256Gcm::new(key.into())),
            (true, None) => {
                Transform::Gcm128(Aes128Gcm::new(key.first_chunk::<16>().unwrap_or(&[0; 16]).into()))
            }
        };
        Self { transform, salt: *salt, tag }
    }

    /// Bytes of the tag.
    pub(super) const fn tag_len(&self) -> usize {
        self.tag
    }

    /// Whether one algorithm encrypts and authenticates: RFC 7714.
    pub(super) const fn is_aead(&self) -> bool {
        !matches!(self.transform, Transform::Counter(..))
    }

    /// Encrypts `packet` from `header` on and gives the tag; `trailer` is authenticated too: the rollover counter of
    /// SRTP (RFC 3711 section 4.2), the index of SRTCP.
    ///
    /// `index` is the packet's, `source` its SSRC.
    pub(super) fn seal(
        &self,
        packet: &mut [u8],
        header: usize,
        source: u32,
        index: u64,
        trailer: &[u8; 4],
    ) -> Result<[u8; 20], SrtpError> {
        let mut whole = [0; 20];
        let (head, body) = packet.split_at_mut_checked(header).ok_or(SrtpError::Malformed)?;
        match &self.transform {
            Transform::Counter(block, mac) => {
                block.apply(&self.counter_iv(source, index), body);
                let mut mac = mac.clone();
                mac.update(packet);
                mac.update(trailer);
                whole.copy_from_slice(&mac.finalize().into_bytes());
            }
            Transform::Gcm128(_) | Transform::Gcm256(_) => {
                whole[..16].copy_from_slice(&self.seal_aead(head, body, source, index)?);
            }
        }
        Ok(whole)
    }

    /// Checks `tag` and decrypts `packet` from `header` on; a packet that is not authentic stays as it was.
    pub(super) fn open(
        &self,
        packet: &mut [u8],
        header: usize,
        source: u32,
        index: u64,
        trailer: &[u8; 4],
        tag: &[u8],
    ) -> Result<(), SrtpError> {
        match &self.transform {
            Transform::Counter(block, mac) => {
                let mut mac = mac.clone();
                mac.update(packet);
                mac.update(trailer);
                mac.verify_truncated_left(tag).map_err(|_| SrtpError::Unauthentic)?;
                let body = packet.get_mut(header..).ok_or(SrtpError::Malformed)?;
                block.apply(&self.counter_iv(source, index), body);
                Ok(())
            }
            Transform::Gcm128(_) | Transform::Gcm256(_) => {
                let (head, body) = packet.split_at_mut_checked(header).ok_or(SrtpError::Malformed)?;
                self.open_aead(head, body, source, index, tag)
            }
        }
    }

    /// As [`Self::seal`], for associated data that are not in front of the body: those of SRTCP by RFC 7714.
    pub(super) fn seal_aead(
        &self,
        aad: &[u8],
        body: &mut [u8],
        source: u32,
        index: u64,
    ) -> Result<[u8; 16], SrtpError> {
        let nonce = self.nonce(source, index);
        let sealed = match &self.transform {
            Transform::Gcm128(gcm) => gcm.encrypt_in_place_detached(&nonce.into(), aad, body),
            Transform::Gcm256(gcm) => gcm.encrypt_in_place_detached(&nonce.into(), aad, body),
            Transform::Counter(..) => Err(aes_gcm::Error),
        };
        // No packet nears the longest that GCM takes.
        Ok(sealed.map_err(|_| SrtpError::Exhausted)?.into())
    }

    /// As [`Self::open`], for associated data that are not in front of the body.
    pub(super) fn open_aead(
        &self,
        aad: &[u8],
        body: &mut [u8],
        source: u32,
        index: u64,
        tag: &[u8],
    ) -> Result<(), SrtpError> {
        let tag: &[u8; 16] = tag.try_into().map_err(|_| SrtpError::Malformed)?;
        let nonce = self.nonce(source, index);
        let opened = match &self.transform {
            Transform::Gcm128(gcm) => gcm.decrypt_in_place_detached(&nonce.into(), aad, body, tag.into()),
            Transform::Gcm256(gcm) => gcm.decrypt_in_place_detached(&nonce.into(), aad, body, tag.into()),
            Transform::Counter(..) => Err(aes_gcm::Error),
        };
        opened.map_err(|_| SrtpError::Unauthentic)
    }

    /// Decrypts nothing, but checks the tag of a packet in clear: SRTCP without the E bit, by RFC 3711.
    pub(super) fn verify(&self, packet: &[u8], trailer: &[u8; 4], tag: &[u8]) -> Result<(), SrtpError> {
        let Transform::Counter(_, mac) = &self.transform else { return Err(SrtpError::Unauthentic) };
        let mut mac = mac.clone();
        mac.update(packet);
        mac.update(trailer);
        mac.verify_truncated_left(tag).map_err(|_| SrtpError::Unauthentic)
    }

    /// The initial counter of a packet (RFC 3711 section 4.1.1).
    fn counter_iv(&self, source: u32, index: u64) -> [u8; 16] {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        xor(&mut iv[4..8], &source.to_be_bytes());
        xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
        iv
    }

    /// The nonce of a packet (RFC 7714 sections 8.1 and 9.1): both place the index in the last six bytes.
    fn nonce(&self, source: u32, index: u64) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&self.salt[..12]);
        xor(&mut nonce[2..6], &source.to_be_bytes());
        xor(&mut nonce[6..], &index.to_be_bytes()[2..]);
        nonce
    }
}

impl Drop for Cover {
    fn drop(&mut self) {
        self.salt.zeroize();
        // The ciphers clear themselves; the hash does not, so its keyed state is written over.
        if let Transform::Counter(_, kept) = &mut self.transform {
            *kept = mac(&[0; 20]);
            std::hint::black_box(kept);
        }
    }
}

impl fmt::Debug for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cover(…)")
    }
}

fn mac(key: &[u8; 20]) -> Hmac<Sha1> {
    // HMAC pads its key to a block of the hash with zeros (RFC 2104 section 2).
    let mut block = [0; 64];
    block[..20].copy_from_slice(key);
    let mac = <Hmac<Sha1> as hmac::Mac>::new(&block.into());
    block.zeroize();
    mac
}

fn xor(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to ^= from;
    }
}
