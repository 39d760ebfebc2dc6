// SPDX-License-Identifier: MIT OR Apache-2.0
//! Request methods.

use std::fmt;
use std::sync::Arc;

use super::grammar::is_token;

/// A request method: case-sensitive and open to any token (RFC 3261 7.1).
///
/// The methods with a constant are compared without touching memory, every other token is kept as received.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method(Word);

#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Word {
    Known(&'static str),
    Other(Arc<str>),
}

macro_rules! methods {
    ($($constant:ident $rfc:literal;)*) => {
        impl Method {
            $(
                #[doc = concat!("`", stringify!($constant), "`, ", $rfc, ".")]
                pub const $constant: Self = Self(Word::Known(stringify!($constant)));
            )*
        }

        fn known(text: &str) -> Option<Method> {
            match text {
                $(stringify!($constant) => Some(Method::$constant),)*
                _ => None,
            }
        }
    };
}

methods! {
    ACK "RFC 3261";
    BYE "RFC 3261";
    CANCEL "RFC 3261";
    INFO "RFC 6086";
    INVITE "RFC 3261";
    MESSAGE "RFC 3428";
    NOTIFY "RFC 6665";
    OPTIONS "RFC 3261";
    PRACK "RFC 3262";
    PUBLISH "RFC 3903";
    REFER "RFC 3515";
    REGISTER "RFC 3261";
    SUBSCRIBE "RFC 6665";
    UPDATE "RFC 3311";
}

impl Method {
    /// Reads a method; `None` when the text is not a token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        known(text).or_else(|| is_token(text).then(|| Self(Word::Other(Arc::from(text)))))
    }

    /// Whether the text is a method that has a constant here.
    #[must_use]
    pub fn is_known(text: &str) -> bool {
        known(text).is_some()
    }

    /// The method as it goes on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Word::Known(text) => text,
            Word::Other(text) => text,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::parse("INVITE"), Some(Method::INVITE));
        assert_ne!(Method::parse("invite"), Some(Method::INVITE));
        assert_eq!(Method::parse("invite").map(|m| m.to_string()).as_deref(), Some("invite"));
    }

    #[test]
    fn any_token_is_a_method_and_nothing_else_is() {
        assert!(Method::parse("!interesting-Method0123456789_*+`.%indeed'~").is_some());
        for text in ["", "IN VITE", "INVITE,", "INVITÉ", "<INVITE>"] {
            assert_eq!(Method::parse(text), None, "{text}");
        }
    }
}
