// SPDX-License-Identifier: MIT OR Apache-2.0
//! What holds for every message: what is written is read again, and nothing that is received can do harm.

use bytes::Bytes;
use offhook_sipcore::digest::{Challenge, Credentials};
use offhook_sipcore::message::{
    CSeq, Frame, Headers, Limits, Message, Method, NameAddr, Request, Status, StreamDecoder, Tokens, Uri,
    Via, ViaTransport, name,
};
use proptest::prelude::*;

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,20}"
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,8}){0,3}",
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    let params = prop::collection::vec((token(), prop::option::of("\\PC{1,8}")), 0..3);
    (prop::option::of("\\PC{1,16}"), host(), any::<Option<u16>>(), params).prop_map(
        |(user, host, port, params)| {
            let uri = Uri::sip(user.as_deref(), &host, port);
            params.iter().fold(uri, |uri, (name, value)| uri.with_param(name, value.as_deref()))
        },
    )
}

fn address() -> impl Strategy<Value = NameAddr> {
    let params = prop::collection::vec((token(), prop::option::of("[^\\p{C}]{1,8}")), 0..3);
    (prop::option::of("[^\\p{C}]{1,24}"), uri(), prop::option::of(token()), params).prop_map(
        |(display, uri, tag, params)| {
            let mut address = NameAddr::new(uri);
            address.display = display;
            for (name, value) in params {
                address.params.set(&name.to_ascii_lowercase(), value.as_deref());
            }
            match tag {
                Some(tag) => address.with_tag(&tag),
                None => address,
            }
        },
    )
}

fn via() -> impl Strategy<Value = Via> {
    let transport = prop_oneof![
        Just(ViaTransport::Udp),
        Just(ViaTransport::Tcp),
        Just(ViaTransport::Wss),
        token().prop_filter_map("a transport", |text| ViaTransport::parse(&text)),
    ];
    (transport, host(), any::<Option<u16>>(), token(), any::<Option<Option<u16>>>()).prop_map(
        |(transport, host, port, branch, rport)| {
            let mut via = Via::new(transport, &host, port, &format!("z9hG4bK{branch}"));
            if let Some(rport) = rport {
                via.set_rport(rport);
            }
            via
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let parts = (token(), uri(), prop::collection::vec(via(), 1..4), address(), address());
    let rest = (token(), 0..1_u32 << 31, prop::collection::vec(any::<u8>(), 0..64), "[^\\p{C}]{0,40}");
    (parts, rest).prop_map(|((method, uri, vias, from, to), (call, seq, body, subject))| {
        let method = Method::parse(&method).expect("a token");
        let mut request = Request::new(method.clone(), uri);
        for via in vias {
            request.headers.push(name::VIA, via.to_string());
        }
        request.headers.push(name::FROM, from.to_string());
        request.headers.push(name::TO, to.to_string());
        request.headers.push(name::CALL_ID, call);
        request.headers.push(name::CSEQ, CSeq::new(seq, method).to_string());
        request.headers.push(name::SUBJECT, subject);
        request.body = Bytes::from(body);
        request
    })
}

fn parse(bytes: &Bytes) -> Message {
    Message::parse(bytes, &Limits::default()).unwrap_or_else(|error| panic!("{error}: {bytes:?}"))
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(request in request()) {
        let Message::Request(again) = parse(&request.to_bytes()) else { panic!("a request") };
        prop_assert_eq!(&again.method, &request.method);
        prop_assert_eq!(&again.uri, &request.uri);
        prop_assert_eq!(&again.body, &request.body);
        prop_assert_eq!(again.headers.vias(), request.headers.vias());
        prop_assert_eq!(again.headers.from(), request.headers.from());
        prop_assert_eq!(again.headers.to(), request.headers.to());
        prop_assert_eq!(again.headers.call_id(), request.headers.call_id());
        prop_assert_eq!(again.headers.cseq(), request.headers.cseq());
        prop_assert_eq!(again.headers.get(name::SUBJECT), request.headers.get(name::SUBJECT));
    }

    #[test]
    fn addresses_keep_every_part(address in address()) {
        let mut headers = Headers::new();
        headers.push(name::TO, address.to_string());
        let again = headers.to().expect("an address");
        let display = address.display.as_deref().filter(|name| !name.is_empty());
        prop_assert_eq!(again.display.as_deref(), display);
        prop_assert_eq!(&again.uri, &address.uri);
        prop_assert_eq!(&again.params, &address.params);
    }

    #[test]
    fn a_stream_carries_what_a_datagram_does(requests in prop::collection::vec(request(), 1..4), size in 1..200_usize) {
        let text: Vec<u8> = requests.iter().flat_map(|request| request.to_bytes().to_vec()).collect();
        let mut decoder = StreamDecoder::new(Limits::default());
        let mut seen = Vec::new();
        for chunk in text.chunks(size) {
            decoder.push(chunk);
            while let Some(frame) = decoder.next().expect("framing") {
                match frame {
                    Frame::Message(message) => seen.push(message.to_bytes()),
                    other => panic!("{other:?}"),
                }
            }
        }
        let whole: Vec<Bytes> = requests.iter().map(|request| parse(&request.to_bytes()).to_bytes()).collect();
        prop_assert_eq!(seen, whole);
    }

    #[test]
    fn a_value_never_adds_a_header(value in "[\\x00-\\x7f]{0,60}", name in "[\\x00-\\x7f]{1,20}") {
        let mut response = Request::new(Method::OPTIONS, Uri::sip(None, "h", None)).response(Status::OK);
        response.headers.push(&name, value.as_str());
        response.reason = value;
        let text = response.to_bytes();
        // The start line, the row (not if it was a length), the length, the empty line.
        prop_assert!(text.iter().filter(|b| **b == b'\n').count() <= 4);
    }
}

/// A message with something of everything.
const RICH: &str = "INVITE sip:bob%40x@example.com;transport=tcp SIP/2.0\r\n\
    Via: SIP / 2.0 / UDP [2001:db8::1]:5060;branch=z9hG4bK77;rport;received=192.0.2.1, SIP/2.0/TCP h;ttl=3\r\n\
    Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>\r\nRoute: \"p\" <sip:p3;lr>\r\n\
    From: \"Al \\\"A\\\" ice\" <sip:alice:secret@example.org;x=y>;tag=a1;q=\"z\"\r\n\
    t: sip:bob@example.com\r\nCall-ID: c1@192.0.2.1\r\nCSeq: 0007\r\n INVITE\r\nMax-Forwards: 70\r\n\
    Contact: <sip:alice@192.0.2.1:5061>;q=0.7;expires=3600, *\r\nExpires: 3600\r\nRetry-After: 5 (soon);duration=9\r\n\
    Reason: Q.850;cause=16;text=\"Normal, call\", SIP;cause=200\r\nSupported: 100rel, timer\r\nSubject: Gr\u{fc}sse\r\n\
    Authorization: Digest username=\"bob\", realm=\"r\", nonce=\"n\", uri=\"sip:h\", response=\"00\", qop=auth, \
    nc=00000001, cnonce=\"c\"\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\", stale=true\r\n\
    Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";

/// Asks a message everything it can be asked.
fn interrogate(message: &Message) {
    let mut headers = message.headers().clone();
    let _ =
        (headers.vias(), headers.top_via(), headers.from(), headers.to(), headers.call_id().map(str::len));
    let _ = (headers.cseq(), headers.contacts(), headers.routes(), headers.record_routes(), headers.reason());
    let _ = (headers.expires(), headers.min_expires(), headers.retry_after(), headers.max_forwards());
    let _ = headers.option_tags(name::SUPPORTED).count();
    let challenges = headers.all(name::WWW_AUTHENTICATE).flat_map(Challenge::parse_all);
    let credentials = headers.all(name::AUTHORIZATION).filter_map(Credentials::parse);
    let _ = (challenges.count(), credentials.count());
    if let Ok(via) = headers.top_via() {
        headers.set_top_via(&via);
        let _ = (via.received(), via.rport(), via.ttl(), via.ip(), via.sent_by());
    }
    headers.remove_top_via();
    headers.set_to_tag("t");
    for address in [headers.from(), headers.to()].into_iter().flatten() {
        let _ = (address.q(), address.expires(), address.uri.user_decoded().map(|user| user.len()));
        let _ = (address.uri.with_param("x", None), address.uri.without_headers(), format!("{address:?}"));
        let _ = (address.uri.equivalent(&address.uri), address.uri.params().count(), address.uri.ip());
    }
    if let Message::Request(request) = message {
        let _ = request.response(Status::TRYING).to_bytes();
    }
    // What was accepted is accepted again after it was written.
    let written = message.to_bytes();
    assert!(Message::parse(&written, &Limits { head: 1 << 20, line: 1 << 20, ..Limits::default() }).is_ok());
}

/// Changes some bytes: single ones, ranges, digits, long runs, lines.
fn mutate(text: &mut Vec<u8>, tokens: &mut Tokens) {
    for _ in 0..=tokens.bytes::<1>()[0] % 4 {
        let [kind, value, a, b, c, d] = tokens.bytes();
        let at = usize::from(u16::from_be_bytes([a, b])) % text.len().max(1);
        let end = (at + usize::from(c) % 40).min(text.len());
        match kind % 7 {
            0 => text.get_mut(at).into_iter().for_each(|byte| *byte = value),
            1 => drop(text.drain(at..end)),
            2 => text.insert(
                at,
                *b" \t\r\n;,<>\"\\:@=%?*[]/-0\x00\xff\xc3".get(usize::from(value) % 24).unwrap_or(&b';'),
            ),
            3 => drop(text.splice(at..at, std::iter::repeat_n(value, usize::from(d) * 16))),
            4 => {
                let copy = text[at..end].to_vec();
                let to = usize::from(u16::from_be_bytes([c, d])) % (text.len() + 1);
                drop(text.splice(to..to, copy));
            }
            5 => text.truncate(at.max(20)),
            _ => {
                let digits = text.iter().position(u8::is_ascii_digit).filter(|_| d > 128).unwrap_or(at);
                drop(text.splice(digits..digits, *b"18446744073709551616"));
            }
        }
    }
}

/// Mutates datagrams and streams; the seeds share the work, so that each test is short.
fn mutations(seed: u64) {
    let mut tokens = Tokens::from_seed(seed);
    let (mut accepted, mut answered) = (0, 0);
    for round in 0..5_000 {
        let mut text = RICH.as_bytes().to_vec();
        mutate(&mut text, &mut tokens);
        if round % 4 == 0 {
            stream(&text);
        }
        match Message::parse(&Bytes::from(text), &Limits::default()) {
            Ok(message) => {
                accepted += 1;
                interrogate(&message);
            }
            Err(error) => {
                answered += u32::from(error.reply.is_some_and(|reply| !reply.to_bytes().is_empty()));
            }
        }
    }
    assert!(accepted > 500 && answered > 500, "{accepted} accepted, {answered} answered");
}

#[test]
fn no_mutation_of_a_message_does_harm_1() {
    mutations(1);
}

#[test]
fn no_mutation_of_a_message_does_harm_2() {
    mutations(2);
}

#[test]
fn no_mutation_of_a_message_does_harm_3() {
    mutations(3);
}

#[test]
fn no_mutation_of_a_message_does_harm_4() {
    mutations(4);
}

/// Runs a text through a stream in pieces.
fn stream(text: &[u8]) {
    let mut decoder = StreamDecoder::new(Limits { body: 4096, ..Limits::default() });
    for chunk in text.chunks(97) {
        decoder.push(chunk);
        while let Ok(Some(frame)) = decoder.next() {
            drop(frame);
        }
        assert!(decoder.buffered() < 1 << 17);
    }
}
