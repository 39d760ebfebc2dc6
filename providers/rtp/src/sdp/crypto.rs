// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys in descriptions: `a=crypto` (SDES, RFC 4568).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use offhook_media::srtp::{MasterKey, Suite};
use zeroize::Zeroizing;

use super::describe::MediaLine;
use super::short;
use crate::config::Srtp;

/// Suites that are offered; those with shortened tags are only answered, so that offers stay short.
const OFFERED: usize = 4;
/// The most `a=crypto` of one media line that are looked at.
const MAX_CRYPTOS: usize = 16;

/// Whether sound is protected, and this session's own keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Security {
    policy: Srtp,
    /// One for each suite, never used elsewhere.
    keys: Vec<MasterKey>,
}

/// What both sides agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Crypto {
    /// The tag of the offer.
    pub(super) tag: u32,
    /// For what we send.
    pub(crate) ours: MasterKey,
    /// For what comes.
    pub(crate) theirs: MasterKey,
}

/// An `a=crypto` that can be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct CryptoLine {
    tag: u32,
    key: MasterKey,
}

impl Security {
    /// By `policy`, with a key for each suite; without keys there is no protection.
    pub(crate) const fn new(policy: Srtp, keys: Vec<MasterKey>) -> Self {
        Self { policy, keys }
    }

    /// Whether sound may be protected.
    pub(super) fn is_spoken(&self) -> bool {
        self.policy != Srtp::Off
    }

    /// The profile of a first offer. Many answer `a=crypto` under `RTP/AVP` too and treat `RTP/SAVP` as a demand.
    pub(super) fn profile(&self) -> &'static str {
        match self.policy {
            Srtp::Required => "RTP/SAVP",
            Srtp::Off | Srtp::Optional => "RTP/AVP",
        }
    }

    /// Our keys under their tags, as they are offered.
    pub(super) fn offer(&self) -> Vec<(u32, MasterKey)> {
        if self.is_spoken() {
            (1..).zip(self.keys.iter().take(OFFERED).cloned()).collect()
        } else {
            Vec::new()
        }
    }

    /// What of an offered line is taken: the first suite that is spoken here (RFC 4568 section 5.1.2).
    pub(super) fn choose(&self, line: &MediaLine) -> Result<Option<Crypto>, String> {
        let key = |suite| self.keys.iter().find(|key| key.suite() == suite);
        let found = line.cryptos.iter().filter(|_| self.is_spoken()).find_map(|theirs| {
            let ours = key(theirs.key.suite())?.clone();
            Some(Crypto { tag: theirs.tag, ours, theirs: theirs.key.clone() })
        });
        self.judge_absence(line, found)
    }

    /// What an answered line has chosen (RFC 4568 section 5.1.3).
    pub(super) fn accept(&self, line: &MediaLine) -> Result<Option<Crypto>, String> {
        let offer = self.offer();
        let found = line.cryptos.iter().find_map(|theirs| {
            let (tag, ours) = offer.iter().find(|(tag, _)| *tag == theirs.tag)?;
            let fits = ours.suite() == theirs.key.suite();
            fits.then(|| Crypto { tag: *tag, ours: ours.clone(), theirs: theirs.key.clone() })
        });
        if found.is_none() && self.is_spoken() && line.has_crypto {
            return Err("with an a=crypto that does not answer ours".to_owned());
        }
        self.judge_absence(line, found)
    }

    /// Whether a line may go without protection.
    fn judge_absence(&self, line: &MediaLine, found: Option<Crypto>) -> Result<Option<Crypto>, String> {
        let proto = short(&line.head.proto);
        match (self.policy, found) {
            (Srtp::Off, _) if line.head.is_secure() => {
                Err(format!("encrypted ({proto}), and srtp is off here, expected RTP/AVP"))
            }
            (Srtp::Off, _) => Ok(None),
            (Srtp::Optional | Srtp::Required, Some(crypto)) => Ok(Some(crypto)),
            (Srtp::Optional | Srtp::Required, None) if line.head.is_secure() => {
                Err(format!("encrypted ({proto}) without an a=crypto that is spoken here"))
            }
            (Srtp::Required, None) => Err(format!(
                "not encrypted ({proto}), and srtp is required here, expected RTP/SAVP with a=crypto"
            )),
            (Srtp::Optional, None) => Ok(None),
        }
    }
}

/// Reads the values of all `a=crypto` of a line; what is not understood is left out (RFC 4568 section 5.1.2).
pub(super) fn read<'a>(values: impl Iterator<Item = &'a str>) -> Vec<CryptoLine> {
    values.take(MAX_CRYPTOS).filter_map(CryptoLine::read).collect()
}

/// Writes the value of an `a=crypto` (RFC 4568 section 9.1).
pub(super) fn write(tag: u32, key: &MasterKey) -> String {
    format!("{tag} {} inline:{}", key.suite(), STANDARD.encode(key.material()))
}

impl CryptoLine {
    /// Reads `1 AES_CM_128_HMAC_SHA1_80 inline:…|2^20`.
    fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9)?.parse().ok()?;
        let suite = Suite::of_name(words.next()?)?;
        let inline = words.next()?;
        let (method, material) = inline.split_at_checked("inline:".len())?;
        // Several keys need a mark in each packet that says which, as does a key with an MKI: not spoken here.
        if !method.eq_ignore_ascii_case("inline:") || material.contains([';', ':']) {
            return None;
        }
        // RFC 4568 section 6.3: a parameter that is not understood makes the whole line so, unless it begins with a
        // minus. The size of the window is a hint.
        if !words.all(|word| word.starts_with('-') || word.starts_with("WSH=") || word == "KDR=0") {
            return None;
        }
        // What follows is a lifetime, longer than any call.
        let material = material.split('|').next()?.trim_end_matches('=');
        let material = Zeroizing::new(STANDARD_NO_PAD.decode(material).ok()?);
        Some(Self { tag, key: MasterKey::new(suite, &material).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 4568 section 6.1's example.
    const KEY: &str = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    #[test]
    fn what_is_understood_is_read_and_written_back() {
        for rest in ["", "|2^20", "|1048576", " WSH=64", " KDR=0", " -OWN=1 WSH=128"] {
            let line = CryptoLine::read(&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}{rest}")).unwrap();
            assert_eq!(write(line.tag, &line.key), format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"), "{rest}");
        }
        let line = CryptoLine::read(&format!("999999999 aes_cm_128_hmac_sha1_32 {KEY}")).unwrap();
        assert_eq!((line.tag, line.key.suite()), (999_999_999, Suite::AesCm128Sha1_32));
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        for value in [
            "".to_owned(),
            "1".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
            format!("one AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("1000000000 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("1 F8_128_HMAC_SHA1_80 {KEY}"),
            format!("1 AES_256_CM_HMAC_SHA1_80 {KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY};{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=3"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:!".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80 inlinü:x".to_owned(),
        ] {
            assert_eq!(CryptoLine::read(&value), None, "{value}");
        }
    }
}
