// SPDX-License-Identifier: MIT OR Apache-2.0
//! Header parameters: the `;name=value` tail of Via, From, To, Contact and their like.

use std::fmt;

use super::grammar::{is_bare_value, is_token};

/// Parameters in the order received; names are compared without regard to case.
///
/// Values are held unescaped; writing puts those that are neither a token nor a host between quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Sets a parameter in place, or at the end when it is new; `None` makes it a flag.
    ///
    /// A name that is not a token, or a value with a line break or a NUL, would change the header around it: such
    /// a parameter is left out.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        if !is_token(name) || value.is_some_and(|value| value.contains(['\r', '\n', '\0'])) {
            return;
        }
        let value = value.map(str::to_owned);
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some(row) => row.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Removes a parameter, and says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.0.len() != before
    }

    pub(super) fn push(&mut self, name: &str, value: Option<&str>) {
        self.0.push((name.to_owned(), value.map(str::to_owned)));
    }

    /// A parameter: `None` when absent, `Some(None)` when it is a flag.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_deref())
    }

    /// The value of a parameter that has one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).flatten()
    }

    /// Every parameter in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// How many parameters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `;name=value` as nearly every peer writes it: no blanks, no quotes. `None` for anything else.
    pub(super) fn plain(text: &str) -> Option<Self> {
        let mut params = Self::default();
        if text.is_empty() {
            return Some(params);
        }
        for part in text.strip_prefix(';')?.split(';') {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) if is_bare_value(value) => (name, Some(value)),
                Some(_) => return None,
                None => (part, None),
            };
            if !is_token(name) {
                return None;
            }
            params.push(name, value);
        }
        Some(params)
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            match value {
                None => write!(f, ";{name}")?,
                Some(value) if is_bare_value(value) => write!(f, ";{name}={value}")?,
                Some(value) => write!(f, ";{name}={}", Quoted(value))?,
            }
        }
        Ok(())
    }
}

/// Text written as a quoted string with its escapes.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        let mut rest = self.0;
        while let Some(at) = rest.find(['"', '\\', '\r', '\n', '\0']) {
            let (before, after) = rest.split_at(at);
            f.write_str(before)?;
            // A line break would end the header, so a blank stands for it (RFC 3261 25.1, quoted-pair).
            match after.as_bytes().first() {
                Some(b'"') => f.write_str("\\\"")?,
                Some(b'\\') => f.write_str("\\\\")?,
                _ => f.write_str(" ")?,
            }
            rest = after.get(1..).unwrap_or_default();
        }
        f.write_str(rest)?;
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_no_tokens_are_written_in_quotes() {
        let mut params = Params::default();
        params.set("tag", Some("a-1"));
        params.set("maddr", Some("[2001:db8::1]"));
        params.set("text", Some("say \"no\" \\ now"));
        params.set("lr", None);
        assert_eq!(params.to_string(), r#";tag=a-1;maddr=[2001:db8::1];text="say \"no\" \\ now";lr"#);
    }

    #[test]
    fn a_parameter_cannot_smuggle_a_header() {
        let mut params = Params::default();
        params.set("a", Some("x\r\nEvil: 1"));
        params.set("b\r\nEvil", None);
        assert!(params.is_empty());
        assert!(!Quoted("x\r\nEvil: 1").to_string().contains('\n'));
    }

    #[test]
    fn names_are_found_in_any_case_and_set_in_place() {
        let mut params = Params::plain(";Branch=z9;rport;ttl=1").expect("plain");
        assert_eq!(
            (params.value("branch"), params.get("RPORT"), params.get("x")),
            (Some("z9"), Some(None), None)
        );
        params.set("RPORT", Some("5060"));
        assert!(params.remove("TTL") && !params.remove("ttl"));
        assert_eq!(params.to_string(), ";Branch=z9;rport=5060");
    }

    #[test]
    fn unusual_spellings_are_left_to_the_full_grammar() {
        for text in ["; a=b", ";a = b", ";a=\"b\"", ";;", ";a=", "a=b", ";a=b,c"] {
            assert_eq!(Params::plain(text), None, "{text}");
        }
    }
}
