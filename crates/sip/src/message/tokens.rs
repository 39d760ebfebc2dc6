// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tags, branches, Call-IDs and nonces, from randomness given from outside.

use std::fmt;

use sha2::{Digest, Sha256};

/// A source of identifiers: SHA-256 over a seed and a counter.
///
/// The same seed gives the same identifiers, so that a run replays bit for bit; a seed of 32 random bytes makes
/// them unguessable, as RFC 3261 19.3 wants them.
#[derive(Clone)]
pub struct Tokens {
    seed: [u8; 32],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Tokens {
    /// A source whose identifiers nobody can guess who does not know the seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0, block: [0; 32], used: 32 }
    }

    /// A source for tests and replays; its identifiers are easy to guess.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        Self::new(bytes)
    }

    /// A tag of 80 bits.
    pub fn tag(&mut self) -> String {
        self.token("", 16)
    }

    /// A branch of 100 bits with the cookie of RFC 3261 8.1.1.7.
    pub fn branch(&mut self) -> String {
        self.token("z9hG4bK", 20)
    }

    /// A Call-ID of 120 bits. It names no host, as RFC 3261 20.8 leaves free and privacy prefers.
    pub fn call_id(&mut self) -> String {
        self.token("", 24)
    }

    /// A client nonce of 120 bits.
    pub fn cnonce(&mut self) -> String {
        self.token("", 24)
    }

    /// A first CSeq number, low enough that 2^31 is far (RFC 3261 8.1.1.5).
    pub fn cseq(&mut self) -> u32 {
        let [a, b, ..] = self.bytes::<8>();
        u32::from(u16::from_be_bytes([a, b])) % 10_000 + 1
    }

    /// Some random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        for byte in &mut out {
            *byte = self.byte();
        }
        out
    }

    /// Ends in a digit: a token that ends like a header name confuses peers that search for names in the text.
    fn token(&mut self, prefix: &str, length: usize) -> String {
        let mut text = String::with_capacity(prefix.len() + length + 1);
        text.push_str(prefix);
        for _ in 0..length {
            text.push(char::from(ALPHABET[usize::from(self.byte() % 32)]));
        }
        text.push(char::from(b'0' + self.byte() % 8));
        text
    }

    fn byte(&mut self) -> u8 {
        if self.used >= self.block.len() {
            let hash = Sha256::new().chain_update(self.seed).chain_update(self.counter.to_be_bytes());
            self.block = hash.finalize().into();
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        let byte = self.block[self.used];
        self.used += 1;
        byte
    }
}

impl fmt::Debug for Tokens {
    /// The seed is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("counter", &self.counter).finish_non_exhaustive()
    }
}

/// Digits and consonants: no words, least of all header names.
const ALPHABET: &[u8; 32] = b"0123456789BCDFGHJKMNPQRSTVWXZbdf";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::message::{grammar::is_token, name};

    #[test]
    fn the_same_seed_gives_the_same_identifiers() {
        let (mut one, mut two) = (Tokens::from_seed(7), Tokens::from_seed(7));
        assert_eq!([one.tag(), one.branch(), one.call_id()], [two.tag(), two.branch(), two.call_id()]);
        assert_ne!(Tokens::from_seed(8).tag(), Tokens::from_seed(7).tag());
    }

    #[test]
    fn identifiers_are_tokens_that_end_in_no_header_name() {
        let mut tokens = Tokens::from_seed(1);
        let mut seen = HashSet::new();
        for _ in 0..2_000 {
            for token in [tokens.tag(), tokens.branch(), tokens.call_id(), tokens.cnonce()] {
                assert!(is_token(&token));
                assert!(token.ends_with(|c: char| c.is_ascii_digit()), "{token}");
                assert!(!token.to_ascii_lowercase().ends_with(&name::CSEQ.to_ascii_lowercase()));
                assert!(seen.insert(token));
            }
            assert!((1..=10_000).contains(&tokens.cseq()));
        }
        assert!(tokens.branch().starts_with("z9hG4bK"));
    }

    #[test]
    fn debug_output_hides_the_seed() {
        assert_eq!(format!("{:?}", Tokens::new([42; 32])), "Tokens { counter: 0, .. }");
    }
}
