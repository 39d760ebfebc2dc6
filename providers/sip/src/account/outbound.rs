// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls come by the connection that an account has opened (RFC 5626): it names itself and its flow, keeps the flow
//! open, and opens another one soon after it was lost.

use std::fmt::Write as _;

use offhook_sipcore::digest::Algorithm;
use offhook_sipcore::message::{Headers, Response, Tokens, Uri, name};

/// The option tag (section 11.2).
const OUTBOUND: &str = "outbound";

/// Whoever wants to hear from us more often would keep us busy, in seconds.
const LEAST_TIMER: u32 = 5;

/// How an account uses its flow.
#[derive(Debug)]
pub(super) struct Outbound {
    /// Names this telephone among all of the account, also after a restart (section 4.1).
    instance: String,
    /// Asked for on every transport, on none, or where there are connections.
    wanted: Option<bool>,
    /// The first hop said that it cannot do it (439, section 11.6).
    is_refused: bool,
    /// The registrar said that it sends calls by the flow (section 6).
    pub(super) is_agreed: bool,
    /// How often the registrar wants to hear from us at least, in seconds (section 5.4).
    pub(super) timer: Option<u32>,
}

impl Outbound {
    pub(super) fn new(wanted: Option<bool>, seed: Option<&str>, line: &str, tokens: &mut Tokens) -> Self {
        let instance = match seed {
            Some(seed) => hash(seed, line),
            None => u128::from_le_bytes(tokens.bytes()),
        };
        Self { instance: uuid(instance), wanted, is_refused: false, is_agreed: false, timer: None }
    }

    /// Whether a contact is registered with its flow.
    pub(super) fn applies(&self, contact: &Uri) -> bool {
        let transport = contact.param("transport").flatten();
        let is_wanted = || transport.is_some_and(|word| !word.eq_ignore_ascii_case("udp"));
        !self.is_refused && self.wanted.unwrap_or_else(is_wanted)
    }

    /// The first hop cannot do it: the account does without (section 4.2.1). False when it does so already.
    pub(super) fn give_up(&mut self, contact: &Uri) -> bool {
        let applied = self.applies(contact);
        self.is_refused |= applied;
        applied
    }

    /// What is written behind the contact.
    pub(super) fn marks(&self, contact: &Uri) -> String {
        let mut marks = String::new();
        if self.applies(contact) {
            // One flow for each account; writing to memory does not fail.
            let _ = write!(marks, ";+sip.instance=\"<urn:uuid:{}>\";reg-id=1", self.instance);
        }
        marks
    }

    /// Says that we know what this is.
    pub(super) fn announce(&self, contact: &Uri, headers: &mut Headers) {
        if self.applies(contact) {
            headers.push(name::SUPPORTED, "path, outbound");
        }
    }

    /// Reads whether the registrar does it, and how often it wants to hear from us.
    pub(super) fn learn(&mut self, response: &Response) {
        self.is_agreed = response.headers.lists(name::REQUIRE, OUTBOUND);
        self.timer = response.headers.flow_timer().ok().flatten().map(|seconds| seconds.max(LEAST_TIMER));
    }
}

/// What goes in cannot be told from what comes out: others learn nothing about the machine.
fn hash(seed: &str, line: &str) -> u128 {
    let text = Algorithm::Sha256.hash(&[seed.as_bytes(), line.as_bytes()]);
    text.get(..32).and_then(|half| u128::from_str_radix(half, 16).ok()).unwrap_or_default()
}

/// A UUID of version 8, whose bits are its maker's business (RFC 9562 section 5.8).
fn uuid(bits: u128) -> String {
    let versioned = bits & !(0xf << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    let text = format!("{versioned:032x}");
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_has_the_same_name_after_a_restart_and_another_than_others() {
        let mut tokens = Tokens::from_seed(1);
        let mut name = |seed, line| Outbound::new(None, Some(seed), line, &mut tokens).instance;
        let one = name("machine", "desk");
        assert_eq!(one, name("machine", "desk"));
        assert_ne!(one, name("machine", "door"));
        assert_ne!(one, name("other", "desk"));
        assert_eq!((one.len(), &one[14..15], one.matches('-').count()), (36, "8", 4), "{one}");
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"), "{one}");
    }

    #[test]
    fn connections_are_named_unless_somebody_says_otherwise() {
        let mut tokens = Tokens::from_seed(1);
        let (udp, tcp): (Uri, Uri) =
            ("sip:a@192.0.2.1".parse().unwrap(), "sip:a@192.0.2.1;transport=tcp".parse().unwrap());
        for (wanted, on_udp, on_tcp) in
            [(None, false, true), (Some(true), true, true), (Some(false), false, false)]
        {
            let outbound = Outbound::new(wanted, None, "desk", &mut tokens);
            assert_eq!((outbound.applies(&udp), outbound.applies(&tcp)), (on_udp, on_tcp), "{wanted:?}");
        }
    }
}
