// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses as From, To, Contact, Route and their like carry them.

use std::fmt;

use sip_header::{HeaderParse, SipHeaderAddr, WarningCode};

use super::grammar::{is_overfull, is_token, saturating_number, trim};
use super::params::{Params, Quoted};
use super::uri::Uri;

/// A URI with an optional display name and header parameters (RFC 3261 20.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name without its quotes and escapes.
    pub display: Option<String>,
    /// The URI as received.
    pub uri: Uri,
    /// The header parameters.
    pub params: Params,
}

impl NameAddr {
    /// An address without display name and parameters.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::default() }
    }

    /// The same address with a display name.
    #[must_use]
    pub fn with_display(mut self, display: impl Into<String>) -> Self {
        self.display = Some(display.into());
        self
    }

    /// The same address with a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag));
        self
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag")
    }

    /// The preference in thousandths, 1000 at most.
    #[must_use]
    pub fn q(&self) -> Option<u16> {
        let text = self.params.value("q")?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if fraction.len() > 3 || whole.len() > 1 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
        match whole {
            "" | "0" => Some(thousandths),
            "1" if thousandths == 0 => Some(1000),
            _ => None,
        }
    }

    /// The seconds a binding is to live; more than fit count as the most that do (RFC 4475 3.1.2.4).
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        let seconds = saturating_number(self.params.value("expires")?)?;
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// Reads one address.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        Self::plain(value).or_else(|| Self::full(value))
    }

    /// `"name" <uri>;params`, `<uri>;params` or `uri;params` without escapes or blanks too many.
    fn plain(value: &str) -> Option<Self> {
        let (display, uri, params) = match value.as_bytes().first()? {
            b'<' => (None, value, ""),
            b'"' => {
                let (name, rest) = value[1..].split_once('"')?;
                (Some(name).filter(|name| !name.contains('\\')).map(Some)?, trim(rest), "")
            }
            _ if value.contains(['"', ',', '?']) => return None,
            _ => match value.split_once('<') {
                Some((name, _)) => (Some(token_words(name)?), &value[name.len()..], ""),
                None => {
                    let (uri, params) = value.split_at(value.find(';').unwrap_or(value.len()));
                    (None, uri, params)
                }
            },
        };
        let (uri, params) = match uri.strip_prefix('<') {
            Some(rest) => rest.split_once('>')?,
            None if display.is_none() => (uri, params),
            None => return None,
        };
        Some(Self {
            display: display.map(str::to_owned),
            uri: uri.parse().ok()?,
            params: Params::plain(params)?,
        })
    }

    /// Every legal spelling. What the grammar crate would drop on the way is refused.
    fn full(value: &str) -> Option<Self> {
        if is_overfull(value) {
            return None;
        }
        let parsed = SipHeaderAddr::parse_with_warnings(value).ok()?;
        if parsed.warnings.iter().any(|warning| is_loss(warning.code)) {
            return None;
        }
        let address = parsed.value;
        let uri = address.uri_span().and_then(|span| span.get(value).ok()).map(trim)?;
        let mut params = Params::default();
        for (name, value) in address.params().iter() {
            params.push(name, value);
        }
        Some(Self { display: address.display_name().map(str::to_owned), uri: uri.parse().ok()?, params })
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.display.as_deref() {
            Some(name) if !name.is_empty() => write!(f, "{} <{}>{}", Quoted(name), self.uri, self.params),
            _ => write!(f, "<{}>{}", self.uri, self.params),
        }
    }
}

/// A display name of tokens without quotes (RFC 3261 25.1 `*(token LWS)`).
fn token_words(text: &str) -> Option<&str> {
    let text = trim(text);
    text.split(' ').all(is_token).then_some(text)
}

fn is_loss(code: WarningCode) -> bool {
    matches!(
        code,
        WarningCode::TrailingContent
            | WarningCode::UnterminatedQuote
            | WarningCode::UnclosedBracket
            | WarningCode::MissingBrackets
            | WarningCode::SkippedEntry
            | WarningCode::StrayDelimiter
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> NameAddr {
        NameAddr::parse(value).unwrap_or_else(|| panic!("{value}"))
    }

    #[test]
    fn display_name_uri_and_tag_are_read_in_every_form() {
        type Row<'a> = (&'a str, Option<&'a str>, &'a str, Option<&'a str>);
        let rows: [Row<'_>; 10] = [
            ("<sip:a@b>", None, "sip:a@b", None),
            ("<sip:a@b>;tag=1", None, "sip:a@b", Some("1")),
            ("sip:a@b;tag=1", None, "sip:a@b", Some("1")),
            ("tel:+1201;tag=1", None, "tel:+1201", Some("1")),
            ("Bob T. <sip:a@b;lr>;tag=1", Some("Bob T."), "sip:a@b;lr", Some("1")),
            ("\"Bob, B\"<sip:a@b>;tag=1", Some("Bob, B"), "sip:a@b", Some("1")),
            (r#""Bob \"B\" \\" <sip:a@b>;tag=1"#, Some(r#"Bob "B" \"#), "sip:a@b", Some("1")),
            ("\"x <y>; z\" <sip:a@b>;tag=1", Some("x <y>; z"), "sip:a@b", Some("1")),
            ("sip:a@b ; tag = 1", None, "sip:a@b", Some("1")),
            ("<sip:%75ser@B;;x>;tag=1", None, "sip:%75ser@B;;x", Some("1")),
        ];
        for (value, display, uri, tag) in rows {
            let address = read(value);
            assert_eq!(
                (address.display.as_deref(), address.uri.as_str(), address.tag()),
                (display, uri, tag)
            );
        }
    }

    #[test]
    fn the_short_path_agrees_with_the_grammar() {
        for value in [
            "<sip:a@b:5060;transport=tcp>;tag=x-1;q=0.5",
            "\"Alice B\" <sips:a@[::1]>;expires=60",
            "Alice <tel:+1201;phone-context=x>;tag=9",
            "sip:a@b;tag=x",
        ] {
            assert!(NameAddr::plain(value).is_some(), "{value}");
            assert_eq!(NameAddr::plain(value), NameAddr::full(value), "{value}");
        }
    }

    #[test]
    fn display_names_survive_a_round_trip() {
        for name in ["Bob", "Bob, \"B\"", "back\\slash", "x <y>; z", "Владимир", "a\tb"] {
            let written =
                NameAddr::new(Uri::sip(None, "h", None)).with_display(name).with_tag("1").to_string();
            assert_eq!(read(&written).display.as_deref(), Some(name), "{written}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for value in
            ["", "<>", "<sip:a@b", "\"a <sip:a@b>", "<sip:a@b>junk", "sip:a@b?Route=%3Csip:c%3E", "a"]
        {
            assert_eq!(NameAddr::parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn preferences_and_lifetimes_are_bounded() {
        let q = |text: &str| read(&format!("<sip:a@b>;q={text}")).q();
        for (text, thousandths) in [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("0.33", Some(330)),
            ("0", Some(0)),
            ("1.1", None),
            ("2", None),
        ] {
            assert_eq!(q(text), thousandths, "{text}");
        }
        assert_eq!(read("<sip:a@b>;expires=18446744073709551616").expires(), Some(u32::MAX));
        assert_eq!(read("<sip:a@b>;expires=x").expires(), None);
    }
}
