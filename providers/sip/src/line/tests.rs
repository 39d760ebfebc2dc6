// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which line is called, and how lines are announced.

use super::directory::Pattern;
use super::*;
use offhook_sipcore::message::{Method, name};

fn invite(uri: &str) -> Request {
    Request::new(Method::INVITE, uri.parse().unwrap())
}

const ANYBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

#[test]
fn ten_thousand_lines_are_told_apart_by_their_users() {
    let config = LineConfig { count: Some(10_000), ..LineConfig::direct("desk") };
    let lines = Lines::new(&[config], None, &mut Tokens::from_seed(1)).unwrap();
    for n in [1, 77, 9_999, 10_000] {
        let request = invite(&format!("sip:desk{n}@127.0.0.1"));
        let found = lines.find(&request, ANYBODY).unwrap();
        assert_eq!(lines.get(found).unwrap().config.name, format!("desk{n}"));
    }
    assert_eq!(lines.find(&invite("sip:desk10001@127.0.0.1"), ANYBODY), None);
}

#[test]
fn an_escaped_user_is_the_same_user() {
    let lines = Lines::new(&[LineConfig::direct("alice")], None, &mut Tokens::from_seed(1)).unwrap();
    assert!(lines.find(&invite("sip:%61lice@127.0.0.1"), ANYBODY).is_some());
}

#[test]
fn a_trunk_takes_every_number_of_its_peer_and_of_nobody_else() {
    let trunk = LineConfig {
        kind: LineKind::Trunk,
        domain: Some("192.0.2.9:5080".to_owned()),
        ..LineConfig::direct("carrier")
    };
    let lines = lines(&[trunk]);
    let request = invite("sip:+4930123456@127.0.0.1");
    assert!(lines.find(&request, ANYBODY).is_some());
    assert_eq!(lines.find(&request, IpAddr::from([192, 0, 2, 10])), None);
}

#[test]
fn a_direct_line_is_announced_with_our_host_and_port() {
    let lines = Lines::new(&[LineConfig::direct("desk")], None, &mut Tokens::from_seed(1)).unwrap();
    let (key, line) = lines.iter().next().unwrap();
    let TspEvent::LineUp { caps, .. } = line.up(key, "127.0.0.1", Some(49_360)) else { panic!() };
    assert_eq!(caps.addresses[0].address, "sip:desk@127.0.0.1:49360");
}

#[test]
fn wrong_lines_are_named() {
    let mut tokens = Tokens::from_seed(1);
    let twice = [LineConfig::direct("a"), LineConfig::direct("a")];
    assert_eq!(Lines::new(&twice, None, &mut tokens).unwrap_err().to_string(), "two lines are called 'a'");
    let account = LineConfig { kind: LineKind::Account, ..LineConfig::direct("b") };
    let error = Lines::new(&[account], None, &mut tokens).unwrap_err().to_string();
    assert_eq!(error, "line 'b' is an account and has no domain; set domain");
}

fn lines(configs: &[LineConfig]) -> Lines {
    Lines::new(configs, None, &mut Tokens::from_seed(1)).unwrap()
}

/// The name of the line that a call to `uri`, at first to `to`, is for.
fn found<'a>(lines: &'a Lines, uri: &str, to: &str, source: IpAddr) -> Option<&'a str> {
    let mut request = invite(uri);
    request.headers.push(name::TO, format!("<{to}>"));
    let key = lines.find(&request, source)?;
    Some(lines.get(key).unwrap().config.name.as_str())
}

fn trunk(name: &str, peer: &str, numbers: &[&str]) -> LineConfig {
    LineConfig {
        kind: LineKind::Trunk,
        peers: vec![peer.parse().unwrap()],
        numbers: numbers.iter().map(|text| (*text).to_owned()).collect(),
        ..LineConfig::direct(name)
    }
}

#[test]
fn a_trunk_is_found_by_its_peers_address_alone() {
    let lines = lines(&[trunk("carrier", "192.0.2.20", &[])]);
    for (uri, to) in [
        ("sip:carrier@192.0.2.1", "sip:carrier@192.0.2.1"),
        ("sip:anybody@192.0.2.1", "sip:carrier@192.0.2.1"),
    ] {
        assert_eq!(found(&lines, uri, to, ANYBODY), None, "{uri} {to}");
        assert_eq!(found(&lines, uri, to, "192.0.2.20".parse().unwrap()), Some("carrier"));
        // As a socket for both families writes it.
        assert_eq!(found(&lines, uri, to, "::ffff:192.0.2.20".parse().unwrap()), Some("carrier"));
    }
}

#[test]
fn trunks_of_one_peer_share_its_numbers() {
    let peer = "192.0.2.20";
    let configs =
        [trunk("rest", peer, &[]), trunk("berlin", peer, &["+4930*", "1??"]), LineConfig::direct("112")];
    let shared = lines(&configs);
    let narrow = lines(&configs[1..]);
    for (user, with_rest, without) in [
        ("+49301234", Some("berlin"), Some("berlin")),
        ("123", Some("berlin"), Some("berlin")),
        ("112", Some("112"), Some("112")),
        ("+49401234", Some("rest"), None),
        ("1234", Some("rest"), None),
    ] {
        let uri = format!("sip:{user}@192.0.2.1");
        assert_eq!(found(&shared, &uri, &uri, peer.parse().unwrap()), with_rest, "{user}");
        assert_eq!(found(&narrow, &uri, &uri, peer.parse().unwrap()), without, "{user}");
    }
}

#[test]
fn users_of_several_domains_are_told_apart_by_the_domain() {
    let one = LineConfig { user: Some("alice".to_owned()), ..LineConfig::account("one", "one.example", "x") };
    let two =
        LineConfig { name: "two".to_owned(), domain: Some("two.example:5070".to_owned()), ..one.clone() };
    let here = LineConfig { user: Some("alice".to_owned()), ..LineConfig::direct("here") };
    let contact = "sip:alice@192.0.2.1:5060";
    let accounts = lines(&[one.clone(), two.clone()]);
    let all = lines(&[one.clone(), two, here]);
    for (uri, to, of_accounts, of_all) in [
        ("sip:alice@Two.example", contact, Some("two"), Some("two")),
        (contact, "sip:alice@one.example", Some("one"), Some("one")),
        (contact, "sip:alice@TWO.example", Some("two"), Some("two")),
        (contact, "sip:alice@else.example", None, Some("here")),
        (contact, "sip:bob@one.example", None, Some("here")),
    ] {
        assert_eq!(found(&accounts, uri, to, ANYBODY), of_accounts, "{uri} {to}");
        assert_eq!(found(&all, uri, to, ANYBODY), of_all, "{uri} {to}");
    }
    assert_eq!(found(&lines(&[one]), contact, contact, ANYBODY), Some("one"));
}

#[test]
fn patterns_match_whole_numbers() {
    for (pattern, number, matches) in [
        ("*", "", true),
        ("*", "x", true),
        ("", "", true),
        ("", "x", false),
        ("a*c", "abc", true),
        ("a*c", "ac", true),
        ("a*c", "acb", false),
        ("a*b*c", "axxbxxbc", true),
        ("???", "abc", true),
        ("???", "ab", false),
        ("*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
    ] {
        assert_eq!(Pattern::new(pattern).matches(number), matches, "{pattern} {number}");
    }
}
