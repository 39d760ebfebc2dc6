// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which dialog an INVITE takes the place of (RFC 3891), and how that is said in an address that somebody is
//! referred to (RFC 3515 section 2.1, RFC 3261 section 19.1.1).

use std::fmt;

use super::address::NameAddr;
use super::grammar::{is_bare_value, trim};
use super::headers::Headers;
use super::name;
use super::typed::HeaderError;
use super::uri::{Uri, decode};

/// The dialog to be replaced, as its other end names it (RFC 3891 section 6.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replaces {
    /// The Call-ID of the dialog.
    pub call_id: String,
    /// The tag of whom the INVITE goes to.
    pub to_tag: String,
    /// The tag of the other end.
    pub from_tag: String,
    /// Only while the call is not answered yet.
    pub early_only: bool,
}

impl Replaces {
    fn parse(value: &str) -> Option<Self> {
        if value.len() > MAX_LENGTH {
            return None;
        }
        let mut parts = value.split(';').map(trim);
        let call_id = parts.next().filter(|id| !id.is_empty() && !id.contains([' ', '\t', '"']))?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (trim(name).to_ascii_lowercase(), trim(value));
            let place = match name.as_str() {
                "to-tag" => &mut to_tag,
                "from-tag" => &mut from_tag,
                "early-only" => {
                    early_only = true;
                    continue;
                }
                _ => continue,
            };
            // Section 6.1: each of the two exactly once.
            if !is_bare_value(value) || place.replace(value.to_owned()).is_some() {
                return None;
            }
        }
        Some(Self { call_id, to_tag: to_tag?, from_tag: from_tag?, early_only })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

/// Longer values replace nothing.
const MAX_LENGTH: usize = 1024;

/// Whom a REFER refers to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferTarget {
    /// The address to call, without the headers that came inside it.
    pub uri: Uri,
    /// The dialog that the new call takes the place of.
    pub replaces: Option<Replaces>,
}

impl ReferTarget {
    /// The value of `Refer-To`. The headers part of the URI is percent-encoded (RFC 3261 section 19.1.1).
    #[must_use]
    pub fn to_value(&self) -> String {
        let uri = self.uri.without_headers();
        match &self.replaces {
            Some(replaces) => format!("<{uri}?{}={}>", name::REPLACES, encoded(&replaces.to_string())),
            None => format!("<{uri}>"),
        }
    }
}

impl Headers {
    /// Which dialog an INVITE takes the place of.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is malformed or there more than once (RFC 3891 section 3).
    pub fn replaces(&self) -> Result<Option<Replaces>, HeaderError> {
        let mut rows = self.all(name::REPLACES);
        let Some(row) = rows.next() else { return Ok(None) };
        if rows.next().is_some() {
            return Err(HeaderError::Duplicate(name::REPLACES));
        }
        Replaces::parse(row).map(Some).ok_or(HeaderError::Malformed(name::REPLACES))
    }

    /// Whom a REFER refers to. Of the headers inside the address only `Replaces` is taken: nobody else shall
    /// write what we send.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] when it is missing, malformed, or there more than once (RFC 3515 section 2.4.2).
    pub fn refer_to(&self) -> Result<ReferTarget, HeaderError> {
        let malformed = HeaderError::Malformed(name::REFER_TO);
        let mut rows = self.all(name::REFER_TO);
        let row = rows.next().ok_or(HeaderError::Missing(name::REFER_TO))?;
        if rows.next().is_some() {
            return Err(HeaderError::Duplicate(name::REFER_TO));
        }
        let address = NameAddr::parse(row).ok_or(malformed)?;
        // Another method than INVITE is not what a call is transferred with.
        if address.uri.param("method").is_some_and(|method| method != Some("INVITE")) {
            return Err(malformed);
        }
        let replaces = match address.uri.headers().and_then(inner_replaces) {
            Some(text) => Some(Replaces::parse(&text).ok_or(malformed)?),
            None => None,
        };
        Ok(ReferTarget { uri: address.uri.without_headers(), replaces })
    }
}

/// The value of `Replaces` among the headers of a URI.
fn inner_replaces(headers: &str) -> Option<String> {
    headers.split('&').find_map(|row| {
        let (name, value) = row.split_once('=')?;
        name.eq_ignore_ascii_case(name::REPLACES).then(|| decode(value).into_owned())
    })
}

/// Everything but what a header of a URI may contain as it is, in percent-encoding.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refer(value: &str) -> Result<ReferTarget, HeaderError> {
        let mut headers = Headers::new();
        headers.push(name::REFER_TO, value);
        headers.refer_to()
    }

    fn replaces(value: &str) -> Result<Option<Replaces>, HeaderError> {
        let mut headers = Headers::new();
        headers.push(name::REPLACES, value);
        headers.replaces()
    }

    #[test]
    fn a_dialog_is_named_by_its_id_and_two_tags_in_any_order() {
        let wanted = Replaces {
            call_id: "98732@sip.example.com".to_owned(),
            to_tag: "ff87ff".to_owned(),
            from_tag: "r33th4x0r".to_owned(),
            early_only: false,
        };
        for text in [
            "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff",
            "98732@sip.example.com ; To-Tag = ff87ff ;from-tag=r33th4x0r;x=y",
        ] {
            assert_eq!(replaces(text), Ok(Some(wanted.clone())), "{text}");
        }
        let early = replaces("a;to-tag=1;from-tag=0;early-only").unwrap().unwrap();
        assert!(early.early_only);
        assert_eq!(early.to_string(), "a;to-tag=1;from-tag=0;early-only");
    }

    #[test]
    fn a_name_without_both_tags_once_is_refused() {
        for text in
            ["", "a", "a;to-tag=1", "a;from-tag=1", "a;to-tag=1;to-tag=2;from-tag=3", "a;to-tag=;from-tag=1"]
        {
            assert!(replaces(text).is_err(), "{text}");
        }
        assert!(replaces(&format!("{};to-tag=1;from-tag=1", "a".repeat(2_000))).is_err());
        let mut twice = Headers::new();
        twice.push(name::REPLACES, "a;to-tag=1;from-tag=1");
        twice.push(name::REPLACES, "b;to-tag=1;from-tag=1");
        assert_eq!(twice.replaces(), Err(HeaderError::Duplicate(name::REPLACES)));
    }

    #[test]
    fn a_dialog_inside_an_address_survives_the_way_there_and_back() {
        let target = ReferTarget {
            uri: "sip:carol@192.0.2.3:5070;transport=tcp".parse().unwrap(),
            replaces: replaces("a84b%4c76/e66:710@gw.example.org;to-tag=a6c85cf;from-tag=1928301774")
                .unwrap(),
        };
        let text = target.to_value();
        assert!(!text.contains(";to-tag"), "{text}");
        assert_eq!(refer(&text), Ok(target));
        assert_eq!(refer("<sip:bob@example.org>").unwrap().to_value(), "<sip:bob@example.org>");
    }

    #[test]
    fn what_is_no_call_is_refused_and_foreign_headers_are_left_out() {
        for text in ["", "<sip:a@b", "<sip:a@b;method=BYE>", "<sip:a@b?Replaces=only-an-id>"] {
            assert!(refer(text).is_err(), "{text}");
        }
        assert!(refer("<sip:a@b;method=INVITE>").is_ok());
        let target = refer("<sip:a@b?X-Evil=1&Route=%3Csip:x%3E>").unwrap();
        assert_eq!((target.uri.as_str(), target.replaces), ("sip:a@b", None));
        let mut twice = Headers::new();
        twice.push(name::REFER_TO, "<sip:a@b>");
        twice.push(name::REFER_TO, "<sip:c@d>");
        assert_eq!(twice.refer_to(), Err(HeaderError::Duplicate(name::REFER_TO)));
    }
}
