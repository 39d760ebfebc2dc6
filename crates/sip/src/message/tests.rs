// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole messages: rules, limits and the traps that other stacks fell into.

use bytes::Bytes;

use super::*;

/// A request that keeps every rule, with lines put in place of those of the same name, or added.
fn request(lines: &[&str], body: &str) -> String {
    let mut rows = vec![
        String::from("INVITE sip:bob@example.com SIP/2.0"),
        String::from("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776;rport"),
        String::from("From: \"Alice\" <sip:alice@example.org>;tag=a1"),
        String::from("To: <sip:bob@example.com>"),
        String::from("Call-ID: c1@192.0.2.1"),
        String::from("CSeq: 7 INVITE"),
    ];
    let mut replaced = Vec::new();
    for line in lines {
        let name = line.split([':', ' ']).next().unwrap_or_default();
        let place = rows.iter().position(|row| row.split([':', ' ']).next() == Some(name));
        match place.filter(|place| !replaced.contains(place)) {
            Some(place) => {
                rows[place] = String::from(*line);
                replaced.push(place);
            }
            None => rows.push(String::from(*line)),
        }
    }
    rows.retain(|row| !row.ends_with("absent"));
    format!("{}\r\n\r\n{body}", rows.join("\r\n"))
}

fn parse(text: impl Into<Vec<u8>>) -> Result<Message, ParseError> {
    Message::parse(&Bytes::from(text.into()), &Limits::default())
}

fn good(text: impl Into<Vec<u8>>) -> Request {
    match parse(text).expect("message") {
        Message::Request(request) => request,
        Message::Response(response) => panic!("{response:?}"),
    }
}

fn refused(text: impl Into<Vec<u8>>) -> (ParseErrorKind, Option<u16>) {
    let error = parse(text).expect_err("must be refused");
    (error.kind, error.reply.map(|reply| reply.status.code()))
}

#[test]
fn a_request_is_read() {
    let request = good(request(&["Contact: <sip:alice@192.0.2.1>", "Content-Length: 3"], "v=0"));
    let headers = &request.headers;
    assert_eq!((request.method, request.uri.as_str()), (Method::INVITE, "sip:bob@example.com"));
    assert_eq!(headers.top_via().expect("via").branch(), Some("z9hG4bK776"));
    assert_eq!(headers.from().expect("from").display.as_deref(), Some("Alice"));
    assert_eq!(headers.from().expect("from").tag(), Some("a1"));
    assert_eq!(headers.to().expect("to").tag(), None);
    assert_eq!(headers.call_id(), Ok("c1@192.0.2.1"));
    assert_eq!(headers.cseq(), Ok(CSeq::new(7, Method::INVITE)));
    assert_eq!(headers.contacts().expect("contacts").len(), 1);
    assert_eq!(&request.body[..], b"v=0");
}

#[test]
fn a_response_takes_over_what_the_rfc_says_in_order() {
    let request =
        good(request(&["Via: SIP/2.0/UDP a, SIP/2.0/TCP b", "Via: SIP/2.0/TLS c", "Timestamp: 54"], ""));
    let trying = request.response(Status::TRYING);
    assert_eq!(trying.headers.get(name::TIMESTAMP), Some("54"));
    let mut ringing = request.response(Status::RINGING);
    ringing.headers.set_to_tag("t1");
    assert_eq!(
        ringing.to_bytes(),
        "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a, SIP/2.0/TCP b\r\nVia: SIP/2.0/TLS c\r\n\
         From: \"Alice\" <sip:alice@example.org>;tag=a1\r\nTo: <sip:bob@example.com>;tag=t1\r\n\
         Call-ID: c1@192.0.2.1\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn received_text_goes_out_unchanged() {
    let to = "To: \"x <y>; z\" <sip:a%40b@Example.COM;;x>;p=%zz";
    let request = good(request(&["INVITE sip:%75ser%40x@Example.COM;;lr SIP/2.0", to], ""));
    assert!(request.to_bytes().starts_with(b"INVITE sip:%75ser%40x@Example.COM;;lr SIP/2.0\r\n"));
    let mut response = request.response(Status::OK);
    response.headers.set_to_tag("t");
    let text = String::from_utf8(response.to_bytes().to_vec()).expect("text");
    assert!(text.contains(&format!("{to};tag=t\r\n")), "{text}");
}

#[test]
fn a_to_tag_that_is_there_is_replaced_not_doubled() {
    let mut request = good(request(&["To: sip:bob@example.com;tag=old"], ""));
    request.headers.set_to_tag("new");
    assert_eq!(request.headers.get(name::TO), Some("<sip:bob@example.com>;tag=new"));
}

#[test]
fn bytes_outside_utf_8_lose_nothing_but_their_own_reading() {
    let mut text = request(&["Subject: Gr_sse", "Content-Type: application/sdp"], "v=0").into_bytes();
    let at = text.iter().position(|b| *b == b'_').expect("mark");
    text[at] = 0xfc;
    let request = good(text);
    assert_eq!(request.headers.get(name::SUBJECT), Some("Grüsse"));
    assert_eq!(request.headers.get(name::CONTENT_TYPE), Some("application/sdp"));
    assert_eq!(&request.body[..], b"v=0");
}

#[test]
fn latin_1_in_one_line_leaves_utf_8_in_another_alone() {
    let mut text = request(&["From: \"M_ller\" <sip:a@b>;tag=1", "Subject: Владимир"], "").into_bytes();
    let at = text.iter().position(|b| *b == b'_').expect("mark");
    text[at] = 0xfc;
    let request = good(text);
    assert_eq!(request.headers.from().expect("from").display.as_deref(), Some("Müller"));
    assert_eq!(request.headers.get(name::SUBJECT), Some("Владимир"));
}

#[test]
fn bodies_stay_bytes() {
    let mut text = request(&["Content-Length: 4"], "").into_bytes();
    text.extend([0, 0xff, b'\r', b'\n']);
    assert_eq!(&good(text).body[..], [0, 0xff, b'\r', b'\n']);
}

#[test]
fn folds_compact_forms_and_blanks_before_colons_are_read() {
    let text = request(&["Call-ID: absent", "CSeq: absent", "Subject: one\r\n two\r\n\t three"], "");
    let text = text.replace("\r\n\r\n", "\r\ni : x1\r\ncSEQ\t:\r\n 0009\r\n  INVITE\r\nl:0\r\n\r\n");
    let request = good(text);
    assert_eq!(request.headers.call_id(), Ok("x1"));
    assert_eq!(request.headers.cseq(), Ok(CSeq::new(9, Method::INVITE)));
    assert_eq!(request.headers.get(name::SUBJECT), Some("one two three"));
}

#[test]
fn a_line_break_alone_inside_a_line_cannot_make_a_header() {
    let request = good(request(&["Subject: a\rEvil: 1"], ""));
    assert_eq!(request.headers.get(name::SUBJECT), Some("a Evil: 1"));
    assert!(!request.headers.contains("Evil"));
}

#[test]
fn a_line_that_is_no_header_is_passed_over_with_its_folds() {
    let request = good(request(&["no colon here\r\n folded", "Bad Name: x", ": empty", "Subject: s"], ""));
    assert_eq!(request.headers.len(), 6);
    assert_eq!(request.headers.get(name::SUBJECT), Some("s"));
}

#[test]
fn keep_alives_and_leading_line_breaks_are_no_trouble() {
    assert_eq!(refused("\r\n\r\n"), (ParseErrorKind::Empty, None));
    assert_eq!(refused(""), (ParseErrorKind::Empty, None));
    good(format!("\r\n\r\n{}", request(&[], "")));
}

#[test]
fn malformed_requests_that_can_be_answered_get_their_answer() {
    use HeaderError as H;
    use ParseErrorKind as K;
    let rows = [
        ("INVITE sip:bob@example.com SIP/7.0", K::Version, 505),
        ("INVITE  sip:bob@example.com SIP/2.0", K::StartLine, 400),
        ("INVITE sip:bob@example.com SIP/2.0 ", K::StartLine, 400),
        ("INVITE bob SIP/2.0", K::RequestUri(UriError::Scheme), 400),
        ("INVITE sip:bob@example.com?a=b SIP/2.0", K::RequestUri(UriError::Character), 400),
        ("CSeq: 1 BYE", K::CseqMethod, 400),
        ("CSeq: 4294967296 INVITE", K::Header(H::Malformed(name::CSEQ)), 400),
        ("CSeq: 2147483648 INVITE", K::Header(H::Malformed(name::CSEQ)), 400),
        ("CSeq: -1 INVITE", K::Header(H::Malformed(name::CSEQ)), 400),
        ("CSeq: absent", K::Header(H::Missing(name::CSEQ)), 400),
        ("From: absent", K::Header(H::Missing(name::FROM)), 400),
        ("To: absent", K::Header(H::Missing(name::TO)), 400),
        ("To: \"Bob <sip:bob@example.com>", K::Header(H::Malformed(name::TO)), 400),
        ("Call-ID: absent", K::Header(H::Missing(name::CALL_ID)), 400),
        ("Call-ID: ", K::Header(H::Malformed(name::CALL_ID)), 400),
        ("Via: SIP/2.0/UDP 192.0.2.15;;,;,,", K::Header(H::Malformed(name::VIA)), 400),
        ("Via: ", K::Header(H::Malformed(name::VIA)), 400),
        ("Via: SIP/2.0/UDP a;branch=z9hG4bK", K::Header(H::Malformed(name::VIA)), 400),
        ("Via: SIP/2.0/UDP a:99999;branch=z9hG4bK1", K::Header(H::Malformed(name::VIA)), 400),
        ("Content-Length: -1", K::ContentLength, 400),
        ("Content-Length: five", K::ContentLength, 400),
        ("Content-Length: 1", K::Truncated, 400),
        ("Content-Length: 18446744073709551615", K::Truncated, 400),
        ("Content-Length: 99999999999999999999999", K::Truncated, 400),
        ("Content-Length: 0\r\nl: 1", K::ContentLength, 400),
        ("From: <sip:a@b>;tag=1\r\nf: <sip:a@b>;tag=1", K::Header(H::Duplicate(name::FROM)), 400),
    ];
    for (line, kind, status) in rows {
        assert_eq!(refused(request(&[line], "")), (kind, Some(status)), "{line}");
    }
}

#[test]
fn an_unknown_method_with_another_in_cseq_is_called_unknown() {
    let text = request(&["CSeq: 1 INVITE"], "").replacen("INVITE", "NEWMETHOD", 1);
    assert_eq!(refused(text), (ParseErrorKind::CseqMethod, Some(501)));
}

#[test]
fn an_unknown_method_in_any_case_is_read() {
    let text = request(&[], "").replace("INVITE", "invite");
    assert_eq!(good(text).method.as_str(), "invite");
}

#[test]
fn tags_are_read_with_and_without_brackets_and_with_blanks() {
    for to in
        ["sip:a@h;tag=x", "<sip:a@h>;tag=x", "sip:a@h ; tag = x", "\"<>;tag=no\" <sip:a@h;tag=no> ;tag=x"]
    {
        let request = good(request(&[&format!("To: {to}")], ""));
        assert_eq!(request.headers.to().expect("to").tag(), Some("x"), "{to}");
    }
}

#[test]
fn the_answer_to_a_malformed_request_can_be_placed_and_is_always_the_same() {
    let text = request(&["CSeq: 1 BYE"], "");
    let reply = |text: &str| parse(text).expect_err("refused").reply.expect("reply");
    let one = reply(&text);
    assert_eq!(one.reason, "Bad Request (cseq names another method than the request)");
    assert_eq!(one.headers.top_via().expect("via").branch(), Some("z9hG4bK776"));
    let tag = one.headers.to().expect("to").tag().map(str::to_owned);
    assert!(tag.is_some());
    assert_eq!(reply(&text).headers.to().expect("to").tag().map(str::to_owned), tag);
}

#[test]
fn what_cannot_be_answered_is_dropped() {
    let ack = request(&["CSeq: 1 BYE"], "").replacen("INVITE", "ACK", 1);
    assert_eq!(refused(ack), (ParseErrorKind::CseqMethod, None));
    let missing = (ParseErrorKind::Header(HeaderError::Missing(name::VIA)), None);
    assert_eq!(refused(request(&["Via: absent"], "")), missing);
    assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), (ParseErrorKind::NotSip, None));
    assert_eq!(refused("\u{16}\u{3}\u{1}"), (ParseErrorKind::HeadEnd, None));
    for line in
        ["SIP/2.0 99 Low", "SIP/2.0 700 High", "SIP/2.0 4294967301 x", "SIP/2.0 2000", "SIP/2.0 20x No"]
    {
        let text = request(&[], "").replacen("INVITE sip:bob@example.com SIP/2.0", line, 1);
        assert_eq!(refused(text), (ParseErrorKind::Status, None), "{line}");
    }
}

#[test]
fn a_status_line_may_lack_its_phrase_and_the_blank_before_it() {
    for (line, reason) in [("SIP/2.0 200 All good", "All good"), ("sip/2.0 200 ", ""), ("SIP/2.0 200", "")] {
        let text = request(&[], "").replacen("INVITE sip:bob@example.com SIP/2.0", line, 1);
        let Ok(Message::Response(response)) = parse(text) else { panic!("{line}") };
        assert_eq!((response.status, response.reason.as_str()), (Status::OK, reason));
    }
}

#[test]
fn limits_come_before_everything_else() {
    let limits = Limits { datagram: 2000, head: 1500, line: 400, headers: 12, body: 100 };
    let kind =
        |text: String| Message::parse(&Bytes::from(text), &limits).map(drop).map_err(|error| error.kind);
    let long = "x".repeat(450);
    assert_eq!(kind(request(&[], "")), Ok(()));
    assert_eq!(kind(request(&[], &"b".repeat(2000))), Err(ParseErrorKind::TooLong));
    assert_eq!(kind(request(&[&format!("Subject: {long}")], "")), Err(ParseErrorKind::LineTooLong));
    let folded = format!("Subject: {}\r\n {}", &long[..300], &long[..300]);
    assert_eq!(kind(request(&[&folded], "")), Err(ParseErrorKind::LineTooLong));
    let rows: Vec<String> = (0..8).map(|n| format!("X-{n}: 1")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(kind(request(&rows, "")), Err(ParseErrorKind::TooManyHeaders));
    let rows: Vec<String> = (0..4).map(|n| format!("X-{n}: {}", &long[..350])).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(kind(request(&rows, "")), Err(ParseErrorKind::TooLong));
}

#[test]
fn lists_are_read_up_to_their_limit() {
    let route = |count: usize| format!("Route: {}", vec!["<sip:a;lr>"; count].join(","));
    let routes =
        |count: usize| good(request(&[&route(count)], "")).headers.routes().map(|routes| routes.len());
    assert_eq!(routes(MAX_ENTRIES), Ok(MAX_ENTRIES));
    assert_eq!(routes(MAX_ENTRIES + 1), Err(HeaderError::TooMany(name::ROUTE)));
    let params = format!("From: <sip:a@b>{};tag=1", ";p".repeat(1000));
    let kind = ParseErrorKind::Header(HeaderError::TooMany(name::FROM));
    assert_eq!(refused(request(&[&params], "")), (kind, Some(400)));
}

#[test]
fn an_entry_is_read_up_to_its_limit_of_parameters() {
    let via = |count: usize| {
        let text = format!("Via: SIP/2.0/UDP a;branch=z9hG4bK1{}", ";p=\"q\"".repeat(count));
        parse(request(&[&text], "")).map(drop).map_err(|error| error.kind)
    };
    assert_eq!(via(60), Ok(()));
    assert_eq!(via(70), Err(ParseErrorKind::Header(HeaderError::Malformed(name::VIA))));
}

#[test]
fn the_top_via_can_be_stamped_and_taken_away() {
    let mut request = good(request(&["Via: SIP/2.0/UDP a;rport , SIP/2.0/TCP b", "Via: SIP/2.0/TLS c"], ""));
    let mut via = request.headers.top_via().expect("via");
    via.set_received("192.0.2.9".parse().expect("address"));
    via.set_rport(Some(4444));
    request.headers.set_top_via(&via);
    let stamped = "SIP/2.0/UDP a;rport=4444;received=192.0.2.9, SIP/2.0/TCP b";
    assert_eq!(request.headers.all(name::VIA).collect::<Vec<_>>(), [stamped, "SIP/2.0/TLS c"]);
    let hosts = |request: &Request| -> Vec<String> {
        request.headers.vias().expect("vias").into_iter().map(|via| via.host).collect()
    };
    request.headers.remove_top_via();
    assert_eq!(hosts(&request), ["b", "c"]);
    request.headers.remove_top_via();
    assert_eq!(hosts(&request), ["c"]);
    request.headers.remove_top_via();
    assert_eq!(request.headers.vias(), Err(HeaderError::Missing(name::VIA)));
}

#[test]
fn optional_headers_are_values_when_they_are_there() {
    let request = good(request(
        &[
            "Expires: 99999999999999999999",
            "Max-Forwards: 0068",
            "Retry-After: 18000;duration=3600",
            "Supported: 100rel , timer",
            "k: replaces",
            "Reason: Q.850;cause=16, SIP;cause=200;text=\"Call, completed\"",
            "Contact: *",
        ],
        "",
    ));
    let headers = &request.headers;
    assert_eq!(headers.expires(), Ok(Some(u32::MAX)));
    assert_eq!((headers.max_forwards(), headers.min_expires()), (Ok(Some(68)), Ok(None)));
    assert_eq!(headers.retry_after(), Ok(Some(18000)));
    assert_eq!(headers.option_tags(name::SUPPORTED).collect::<Vec<_>>(), ["100rel", "timer", "replaces"]);
    let reasons = headers.reason().expect("reason");
    assert_eq!((reasons[0].cause, reasons[1].text.as_deref()), (Some(16), Some("Call, completed")));
    assert!(headers.is_contact_wildcard());
    assert_eq!(headers.contacts(), Ok(Vec::new()));
}

#[test]
fn the_length_written_is_that_of_the_body() {
    let mut request = good(request(&["l: 3"], "v=0"));
    request.body = Bytes::from_static(b"longer");
    let text = String::from_utf8(request.to_bytes().to_vec()).expect("text");
    assert_eq!(text.matches("Content-Length").count(), 1);
    assert!(text.ends_with("Content-Length: 6\r\n\r\nlonger"));
}
