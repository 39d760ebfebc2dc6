// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is read from URIs and what is refused.

use super::*;

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn the_text_is_kept_verbatim() {
    for text in [
        "sip:%75ser%40home@Example.COM;;transport=TCP",
        "sip:a%40b%23@[2001:DB8::1]:5061;x=%41?Subject=a%20b",
        "tel:+1-201-555-0123;phone-context=example.com",
        "urn:service:sos",
        "sip:*97#1@pbx_one.example.com",
        "nobodyKnowsThisScheme:totallyopaquecontent",
        "sip:user;par=u%40example.net@example.com",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    ] {
        assert_eq!(uri(text).as_str(), text);
        assert_eq!(uri(text).to_string(), text);
    }
}

#[test]
fn the_parts_are_found() {
    type Row<'a> = (&'a str, Option<&'a str>, &'a str, Option<u16>, Option<Option<&'a str>>);
    let rows: [Row<'_>; 9] = [
        ("sip:a@b;y=1:2;x=[::1]:3", Some("a"), "b", None, Some(Some("[::1]:3"))),
        ("sip:example.com", None, "example.com", None, None),
        ("sip:alice@example.com:5070;x=1", Some("alice"), "example.com", Some(5070), Some(Some("1"))),
        ("sip:a:secret@example.com;X", Some("a"), "example.com", None, Some(None)),
        ("sip:user;x=2@example.com", Some("user;x=2"), "example.com", None, None),
        ("sips:a@[2001:db8::1]:5061;x=3?y=z", Some("a"), "[2001:db8::1]", Some(5061), Some(Some("3"))),
        ("sip:192.0.2.1:", None, "192.0.2.1", None, None),
        ("tel:+12015550123;x=4", Some("+12015550123"), "", None, Some(Some("4"))),
        ("mailto:a@b", None, "", None, None),
    ];
    for (text, user, host, port, x) in rows {
        let uri = uri(text);
        assert_eq!((uri.user(), uri.host(), uri.port(), uri.param("x")), (user, host, port, x), "{text}");
    }
    assert_eq!(uri("sip:a%40b%zz@c").user_decoded().as_deref(), Some("a@b%zz"));
    assert_eq!(uri("sip:a@c;lr?Subject=x&y=z").headers(), Some("Subject=x&y=z"));
    assert_eq!(uri("sip:a@c;lr?Subject=x").without_headers().as_str(), "sip:a@c;lr");
    assert_eq!(uri("sip:a@c;lr").headers(), None);
    assert!(uri("SIPS:c").is_sips() && uri("SIPS:c").is_sip() && !uri("tel:1").is_sip());
    assert_eq!(uri("sip:[::1]").ip(), "::1".parse().ok());
}

#[test]
fn what_cannot_be_kept_is_refused() {
    for (text, error) in [
        ("", UriError::Scheme),
        ("alice", UriError::Scheme),
        ("*", UriError::Scheme),
        ("1sip:a", UriError::Scheme),
        ("sip:", UriError::Host),
        ("sip:a@", UriError::Host),
        ("sip:a@:5060", UriError::Host),
        ("sip:a@[2001:db8::1", UriError::Host),
        ("sip:a@[2001:db8::1]x", UriError::Host),
        ("sip:a@[bad]", UriError::Host),
        ("sip:a@example.com:99999", UriError::Port),
        ("sip:a@example.com:-1", UriError::Port),
        ("sip:a@example.com:50a", UriError::Port),
        ("sip:a b@example.com", UriError::Character),
        ("sip:a@example.com; lr", UriError::Character),
        ("<sip:a@example.com>", UriError::Character),
        ("sip:<a@example.com>", UriError::Character),
        ("sip:a@example.com\r\nEvil: 1", UriError::Character),
    ] {
        assert_eq!(text.parse::<Uri>(), Err(error), "{text:?}");
    }
    assert_eq!(format!("sip:{}@b", "a".repeat(MAX_URI)).parse::<Uri>(), Err(UriError::Length));
}

#[test]
fn built_uris_escape_what_they_must_and_parse_again() {
    let rows = [
        (Uri::sip(Some("alice"), "example.com", None), "sip:alice@example.com"),
        (Uri::sip(Some("a@b c%"), "2001:db8::1", Some(5060)), "sip:a%40b%20c%25@[2001:db8::1]:5060"),
        (Uri::sips(None, "[::1]", None), "sips:[::1]"),
        (Uri::sip(None, "h", None).with_param("transport", Some("tcp")), "sip:h;transport=tcp"),
        (Uri::sip(None, "h", None).with_param("lr", None), "sip:h;lr"),
        (uri("sip:h?a=b").with_param("x", Some("a;b")), "sip:h;x=a%3Bb?a=b"),
        (Uri::sip(None, "evil\r\nhost", None), "sip:evil%0D%0Ahost"),
    ];
    for (built, text) in rows {
        assert_eq!(built.as_str(), text);
        assert_eq!(text.parse::<Uri>().as_ref(), Ok(&built), "{text}");
    }
    assert!(Uri::sip(Some(&"ü".repeat(MAX_URI)), "h", None).as_str().len() <= MAX_URI);
}

#[test]
fn equivalence_is_that_of_the_rfc_and_equality_that_of_the_text() {
    let one = uri("sip:%61lice@atlanta.com;transport=TCP");
    let two = uri("sip:alice@AtLanTa.CoM;Transport=tcp");
    assert!(one.equivalent(&two) && one != two);
    assert!(!uri("sip:ALICE@atlanta.com").equivalent(&uri("sip:alice@atlanta.com")));
}

#[test]
fn debug_output_hides_a_password() {
    let uri = uri("sip:alice:secret@example.com:5060");
    assert_eq!(format!("{uri:?}"), "sip:alice:***@example.com:5060");
}
