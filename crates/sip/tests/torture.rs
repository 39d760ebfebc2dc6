// SPDX-License-Identifier: MIT OR Apache-2.0
//! The torture messages of RFC 4475, all of them, each with its verdict.

use bytes::Bytes;
use offhook_sipcore::message::{
    HeaderError, Limits, MAX_ENTRIES, Message, ParseError, Request, Via, ViaTransport, name,
};

/// One message and what becomes of it.
struct Row {
    section: &'static str,
    name: &'static str,
    bytes: &'static [u8],
    verdict: Verdict,
    /// Why the verdict is what it is.
    because: &'static str,
}

enum Verdict {
    /// It is read, and this is what is read.
    Accept(Read),
    /// It is answered with this status.
    Refuse(u16),
    /// It is dropped without an answer.
    Drop,
}

struct Read {
    /// Method and Request-URI, or the status.
    start: &'static str,
    call_id: &'static str,
    cseq: (u32, &'static str),
    /// Empty when there is none, as the next two.
    from_tag: &'static str,
    to_tag: &'static str,
    branch: &'static str,
}

macro_rules! accept {
    ($section:literal, $name:literal, {$($field:ident: $value:expr,)*}, $because:literal) => {
        row!($section, $name, Verdict::Accept(Read { $($field: $value,)* }), $because)
    };
}

macro_rules! refuse {
    ($section:literal, $name:literal, $status:literal, $because:literal) => {
        row!($section, $name, Verdict::Refuse($status), $because)
    };
}

macro_rules! discard {
    ($section:literal, $name:literal, $because:literal) => {
        row!($section, $name, Verdict::Drop, $because)
    };
}

macro_rules! row {
    ($section:literal, $name:literal, $verdict:expr, $because:literal) => {
        Row {
            section: $section,
            name: $name,
            bytes: include_bytes!(concat!("torture/", $name, ".sip")),
            verdict: $verdict,
            because: $because,
        }
    };
}

const ROWS: &[Row] = &[
    accept!("3.1.1.1", "wsinv", {
        start: "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam",
        call_id: "wsinv.ndaksdj@192.0.2.1",
        cseq: (9, "INVITE"),
        from_tag: "98asjd8",
        to_tag: "1918181833n",
        branch: "390skdjuw",
    }, "folds, blanks, escapes, unknown headers and mixed spellings are all legal"),
    accept!("3.1.1.2", "intmeth", {
        start: "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        call_id: r#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#,
        cseq: (139122385, "!interesting-Method0123456789_*+`.%indeed'~"),
        from_tag: "_token~1'+`*%!-.",
        to_tag: "",
        branch: "z9hG4bK-.!%66*_+`'~",
    }, "every token character is legal in a method, a tag, a branch and a header name; the method is unknown: 501 or 405 from above"),
    accept!("3.1.1.3", "esc01", {
        start: "INVITE sip:sips%3Auser%40example.com@example.net",
        call_id: "esc01.239409asdfakjkn23onasd0-3234",
        cseq: (234234, "INVITE"),
        from_tag: "938",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "escapes in user parts and parameters are kept as they came and mean the characters they stand for"),
    accept!("3.1.1.4", "escnull", {
        start: "REGISTER sip:example.com",
        call_id: "escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd",
        cseq: (14398234, "REGISTER"),
        from_tag: "839923423",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "an escaped NUL is part of the user name and ends nothing"),
    accept!("3.1.1.5", "esc02", {
        start: "RE%47IST%45R sip:registrar.example.com",
        call_id: "esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf",
        cseq: (29344, "RE%47IST%45R"),
        from_tag: "f232jadfj23",
        to_tag: "",
        branch: "z9hG4bK209%fzsnel234",
    }, "a percent sign in a method or a header name escapes nothing; the method is unknown: 501 or 405 from above"),
    accept!("3.1.1.6", "lwsdisp", {
        start: "OPTIONS sip:user@example.com",
        call_id: "lwsdisp.1234abcd@funky.example.com",
        cseq: (60, "OPTIONS"),
        from_tag: "323",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "no blank is needed between a display name and the bracket; the grammar has a mistake there"),
    accept!("3.1.1.7", "longreq", {
        start: "INVITE sip:user@example.com",
        call_id: "longreq.onereallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallyreallylongcallid",
        cseq: (3882340, "INVITE"),
        from_tag: "12982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982982424",
        to_tag: "",
        branch: "",
    }, "long values are within the limits of a line"),
    accept!("3.1.1.8", "dblreq", {
        start: "REGISTER sip:example.com",
        call_id: "dblreq.0ha0isndaksdj99sdfafnl3lk233412",
        cseq: (8, "REGISTER"),
        from_tag: "43251j3j324",
        to_tag: "",
        branch: "z9hG4bKkdjuw23492",
    }, "what follows the body in a datagram is noise (RFC 3261 18.3)"),
    accept!("3.1.1.9", "semiuri", {
        start: "OPTIONS sip:user;par=u%40example.net@example.com",
        call_id: "semiuri.0ha0isndaksdj",
        cseq: (8, "OPTIONS"),
        from_tag: "33242",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "a semicolon before the @ belongs to the user part"),
    accept!("3.1.1.10", "transports", {
        start: "OPTIONS sip:user@example.com",
        call_id: "transports.kijh4akdnaqjkwendsasfdj",
        cseq: (60, "OPTIONS"),
        from_tag: "323",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "transports are open, and only the first Via matters"),
    accept!("3.1.1.11", "mpart01", {
        start: "MESSAGE sip:kumiko@example.org",
        call_id: "3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..",
        cseq: (1, "MESSAGE"),
        from_tag: "2fb0dcc9",
        to_tag: "",
        branch: "z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-",
    }, "a body is bytes, NUL among them"),
    accept!("3.1.1.12", "unreason", {
        start: "200",
        call_id: "unreason.1234ksdfak3j2erwedfsASdf",
        cseq: (35, "INVITE"),
        from_tag: "11141343",
        to_tag: "2229",
        branch: "z9hG4bK1324923",
    }, "a reason phrase is any UTF-8 text"),
    accept!("3.1.1.13", "noreason", {
        start: "100",
        call_id: "noreason.asndj203insdf99223ndf",
        cseq: (35, "INVITE"),
        from_tag: "39ansfi3",
        to_tag: "902jndnke3",
        branch: "z9hG4bK2398ndaoe",
    }, "a reason phrase may be empty"),
    refuse!("3.1.2.1", "badinv01", 400, "the first Via has parameters without names"),
    refuse!("3.1.2.2", "clerr", 400, "the datagram is shorter than its Content-Length"),
    refuse!("3.1.2.3", "ncl", 400, "a negative Content-Length is none"),
    refuse!(
        "3.1.2.4",
        "scalar02",
        400,
        "the CSeq number does not fit; the other overlarge numbers alone would be harmless"
    ),
    discard!(
        "3.1.2.5",
        "scalarlg",
        "a response whose CSeq number does not fit belongs to no request of ours"
    ),
    refuse!("3.1.2.6", "quotbal", 400, "where the quote in To ends is anyone's guess, and we do not guess"),
    refuse!("3.1.2.7", "ltgtruri", 400, "a Request-URI has no brackets"),
    refuse!("3.1.2.8", "lwsruri", 400, "a Request-URI has no blanks"),
    refuse!("3.1.2.9", "lwsstart", 400, "the parts of a start line are one blank apart"),
    refuse!("3.1.2.10", "trws", 400, "nothing follows the version"),
    refuse!("3.1.2.11", "escruri", 400, "a Request-URI carries no headers"),
    accept!("3.1.2.12", "baddate", {
        start: "INVITE sip:user@example.com",
        call_id: "baddate.239423mnsadf3j23lj42--sedfnm234",
        cseq: (1392934, "INVITE"),
        from_tag: "2234923",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "Date is not needed, so what is wrong with it is ignored"),
    accept!("3.1.2.13", "regbadct", {
        start: "REGISTER sip:example.com",
        call_id: "regbadct.k345asrl3fdbv@10.0.0.1",
        cseq: (1, "REGISTER"),
        from_tag: "998332",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "the message can be placed; its Contact is refused when it is read, and the registrar answers 400"),
    accept!("3.1.2.14", "badaspec", {
        start: "OPTIONS sip:user@example.org",
        call_id: "badaspec.sdf0234n2nds0a099u23h3hnnw009cdkne3",
        cseq: (3923239, "OPTIONS"),
        from_tag: "433423",
        to_tag: "",
        branch: "z9hG4bKkdju43234",
    }, "blanks inside the brackets are ignored, as they leave no doubt"),
    refuse!("3.1.2.15", "baddn", 400, "a comma in a display name without quotes separates two addresses"),
    refuse!("3.1.2.16", "badvers", 505, "the version is not ours"),
    refuse!("3.1.2.17", "mismatch01", 400, "CSeq names another method than the request"),
    refuse!(
        "3.1.2.18",
        "mismatch02",
        501,
        "CSeq names another method, but that the method is unknown says more"
    ),
    discard!("3.1.2.19", "bigcode", "no status has more than three digits"),
    refuse!("3.2.1", "badbranch", 400, "the branch promises to be unique and then is empty"),
    refuse!("3.3.1", "insuf", 400, "From, To and Call-ID are missing; the answer goes by the Via alone"),
    accept!("3.3.2", "unkscm", {
        start: "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent",
        call_id: "unkscm.nasdfasser0q239nwsdfasdkl34",
        cseq: (3923423, "OPTIONS"),
        from_tag: "384",
        to_tag: "",
        branch: "z9hG4bKkdjuw39234",
    }, "an unknown scheme is a URI; 416 from above"),
    accept!("3.3.3", "novelsc", {
        start: "OPTIONS soap.beep://192.0.2.103:3002",
        call_id: "novelsc.asdfasser0q239nwsdfasdkl34",
        cseq: (3923423, "OPTIONS"),
        from_tag: "384",
        to_tag: "",
        branch: "z9hG4bKkdjuw39234",
    }, "a known scheme that is not SIP's is a URI; 416 from above"),
    accept!("3.3.4", "unksm2", {
        start: "REGISTER sip:example.com",
        call_id: "unksm2.daksdj@hyphenated-host.example.com",
        cseq: (234902, "REGISTER"),
        from_tag: "3234233",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "unknown schemes in From, To and Contact are URIs; a registrar refuses them"),
    accept!("3.3.5", "bext01", {
        start: "OPTIONS sip:user@example.com",
        call_id: "bext01.0ha0isndaksdj",
        cseq: (8, "OPTIONS"),
        from_tag: "242etr",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "what Require asks for is for the level above: 420 with Unsupported"),
    accept!("3.3.6", "invut", {
        start: "INVITE sip:user@example.com",
        call_id: "invut.0ha0isndaksdjadsfij34n23d",
        cseq: (235448, "INVITE"),
        from_tag: "8392034",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "the kind of body is for the level above: 415 with Accept"),
    accept!("3.3.7", "regaut01", {
        start: "REGISTER sip:example.com",
        call_id: "regaut01.0ha0isndaksdj",
        cseq: (9338, "REGISTER"),
        from_tag: "87321hj23128",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "unknown credentials are no credentials: 401 from above, with challenges we know"),
    refuse!("3.3.8", "multi01", 400, "From, To, Call-ID and CSeq are there once"),
    refuse!("3.3.9", "mcl01", 400, "two different lengths"),
    accept!("3.3.10", "bcast", {
        start: "200",
        call_id: "bcast.0384840201234ksdfak3j2erwedfsASdf",
        cseq: (35, "INVITE"),
        from_tag: "11141343",
        to_tag: "2229",
        branch: "z9hG4bK1324923",
    }, "well formed; the level above drops a response with more than one Via (RFC 3261 8.1.3.3)"),
    accept!("3.3.11", "zeromf", {
        start: "OPTIONS sip:user@example.com",
        call_id: "zeromf.jfasdlfnm2o2l43r5u0asdfas",
        cseq: (39234321, "OPTIONS"),
        from_tag: "3ghsd41",
        to_tag: "",
        branch: "z9hG4bKkdjuw2349i",
    }, "an endpoint does not forward, so no hops left is no trouble"),
    accept!("3.3.12", "cparam01", {
        start: "REGISTER sip:example.com",
        call_id: "cparam01.70710@saturn.example.com",
        cseq: (2, "REGISTER"),
        from_tag: "DkfVgjkrtMwaerKKpe",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "without brackets the parameter belongs to Contact"),
    accept!("3.3.13", "cparam02", {
        start: "REGISTER sip:example.com",
        call_id: "cparam02.70710@saturn.example.com",
        cseq: (3, "REGISTER"),
        from_tag: "838293",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "within brackets the parameter belongs to the URI"),
    accept!("3.3.14", "regescrt", {
        start: "REGISTER sip:example.com",
        call_id: "regescrt.k345asrl3fdbv@192.0.2.1",
        cseq: (14398234, "REGISTER"),
        from_tag: "8",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "headers in a Contact URI are part of the contact"),
    accept!("3.3.15", "sdp01", {
        start: "INVITE sip:user@example.com",
        call_id: "sdp01.ndaksdj9342dasdd",
        cseq: (8, "INVITE"),
        from_tag: "234",
        to_tag: "",
        branch: "z9hG4bKkdjuw",
    }, "an Accept without SDP is for the level above: 406, or an answer that fits"),
    accept!("3.4.1", "inv2543", {
        start: "INVITE sip:UserB@example.com",
        call_id: "inv2543.1717@ift.client.example.com",
        cseq: (56, "INVITE"),
        from_tag: "",
        to_tag: "",
        branch: "",
    }, "RFC 2543 knew neither From tags nor cookies in branches, and no Max-Forwards"),
];

fn parse(bytes: &'static [u8]) -> Result<Message, ParseError> {
    Message::parse(&Bytes::from_static(bytes), &Limits::default())
}

fn row(name: &str) -> &'static Row {
    ROWS.iter().find(|row| row.name == name).expect("a row of the table")
}

fn request(name: &str) -> Request {
    match parse(row(name).bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

/// What a message was read as, in the words of the table.
fn read(message: &Message) -> [String; 7] {
    let headers = message.headers();
    let start = match message {
        Message::Request(request) => format!("{} {}", request.method, request.uri),
        Message::Response(response) => response.status.to_string(),
    };
    let cseq = headers.cseq().expect("cseq");
    let tag = |tag: Option<&str>| tag.unwrap_or_default().to_owned();
    [
        start,
        headers.call_id().expect("call-id").to_owned(),
        cseq.seq.to_string(),
        cseq.method.to_string(),
        tag(headers.from().expect("from").tag()),
        tag(headers.to().expect("to").tag()),
        tag(headers.top_via().expect("via").branch()),
    ]
}

fn expected(read: &Read) -> [String; 7] {
    let Read { start, call_id, cseq: (number, method), from_tag, to_tag, branch } = read;
    [*start, *call_id, &number.to_string(), *method, *from_tag, *to_tag, *branch].map(str::to_owned)
}

#[test]
fn every_torture_message_gets_its_verdict() {
    for row in ROWS {
        let place = format!("{} {}: {}", row.section, row.name, row.because);
        match (&row.verdict, parse(row.bytes)) {
            (Verdict::Accept(wanted), Ok(message)) => assert_eq!(read(&message), expected(wanted), "{place}"),
            (Verdict::Refuse(status), Err(error)) => {
                let reply = error.reply.map(|reply| reply.status.code());
                assert_eq!(reply, Some(*status), "{place}");
            }
            (Verdict::Drop, Err(error)) => assert!(error.reply.is_none(), "{place}"),
            (_, result) => panic!("{place}: {result:?}"),
        }
    }
}

#[test]
fn the_table_holds_all_messages_of_the_rfc() {
    let count = |section: &str| ROWS.iter().filter(|row| row.section.starts_with(section)).count();
    let counts = ["3.1.1.", "3.1.2.", "3.2.", "3.3.", "3.4."].map(count);
    assert_eq!(counts, [13, 19, 1, 15, 1]);
    let valid = ROWS.iter().filter(|row| row.section.starts_with("3.1.1."));
    assert!(valid.into_iter().all(|row| matches!(row.verdict, Verdict::Accept(_))));
}

#[test]
fn accepted_messages_read_the_same_after_a_round_trip() {
    for row in ROWS.iter().filter(|row| matches!(row.verdict, Verdict::Accept(_))) {
        let message = parse(row.bytes).expect(row.name);
        let again = Message::parse(&message.to_bytes(), &Limits::default()).expect(row.name);
        assert_eq!(read(&again), read(&message), "{}", row.name);
        assert_eq!(again.headers().vias(), message.headers().vias(), "{}", row.name);
        assert_eq!(again.headers().contacts(), message.headers().contacts(), "{}", row.name);
        assert_eq!(again.body(), message.body(), "{}", row.name);
    }
}

#[test]
fn the_short_tortuous_invite_is_read_to_the_last_detail() {
    let request = request("wsinv");
    let headers = &request.headers;
    let vias = headers.vias().expect("vias");
    let hops: Vec<_> = vias.iter().map(|via| (&via.transport, via.host.as_str(), via.branch())).collect();
    assert_eq!(
        hops,
        [
            (&ViaTransport::Udp, "192.0.2.2", Some("390skdjuw")),
            (&ViaTransport::Tcp, "spindle.example.com", Some("z9hG4bK9ikj8")),
            (&ViaTransport::Udp, "192.168.255.111", Some("z9hG4bK30239")),
        ]
    );
    assert_eq!(headers.from().expect("from").display.as_deref(), Some(r#"J Rosenberg \""#));
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    assert_eq!(headers.get(name::SUBJECT), Some(""));
    assert_eq!(headers.get("newfangledheader"), Some("newfangled value continued newfangled value"));
    assert_eq!(headers.get("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let [contact] = &headers.contacts().expect("contacts")[..] else { panic!("one contact") };
    assert_eq!(contact.display.as_deref(), Some(r#"Quoted string """#));
    assert_eq!((contact.q(), contact.params.get("secondparam")), (Some(330), Some(None)));
    assert_eq!(contact.params.value("newparam"), Some("newvalue"));
    let [route] = &headers.routes().expect("routes")[..] else { panic!("one route") };
    assert_eq!(route.uri.as_str(), "sip:services.example.com;lr;unknownwith=value;unknown-no-value");
    assert_eq!(request.uri.param("unknownparam"), Some(None));
    assert_eq!(request.body.len(), 150);
}

#[test]
fn unusual_characters_are_read_where_they_are_legal() {
    let request = request("intmeth");
    assert_eq!(request.uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(request.uri.host(), "example.com");
    let from = request.headers.from().expect("from");
    assert_eq!(from.display.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(from.params.value("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(request.headers.get("extensionHeader-!.%*+_`'~"), Some("\u{feff}大停電"));
}

#[test]
fn escapes_mean_their_characters_and_are_kept_as_they_came() {
    let request = request("esc01");
    assert_eq!(request.uri.user(), Some("sips%3Auser%40example.com"));
    assert_eq!(request.uri.user_decoded().as_deref(), Some("sips:user@example.com"));
    assert_eq!(request.headers.to().expect("to").uri.user_decoded().as_deref(), Some("user"));
    let contact = &request.headers.contacts().expect("contacts")[0];
    assert_eq!(contact.uri.as_str(), "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31");
}

#[test]
fn an_escaped_nul_does_not_shorten_a_name() {
    let request = request("escnull");
    assert_eq!(request.headers.to().expect("to").uri.user_decoded().as_deref(), Some("null-\0-null"));
    let contacts = request.headers.contacts().expect("contacts");
    let users: Vec<_> = contacts.iter().filter_map(|contact| contact.uri.user_decoded()).collect();
    assert_eq!(users, ["\0", "\0\0"]);
}

#[test]
fn a_percent_sign_in_a_header_name_escapes_nothing() {
    let request = request("esc02");
    assert_eq!(request.headers.contacts().expect("contacts").len(), 2);
    assert_eq!(request.headers.to().expect("to").display.as_deref(), Some("%Z%45"));
}

#[test]
fn all_hops_of_the_long_request_are_read_in_order() {
    let vias = request("longreq").headers.vias().expect("vias");
    let hosts: Vec<String> = vias.iter().map(Via::sent_by).collect();
    let wanted: Vec<String> = (1..34).rev().map(|n| format!("sip{n}.example.com")).collect();
    assert_eq!(hosts[..33], wanted);
    assert_eq!(hosts[33], "host.example.com");
    assert!(hosts.len() < MAX_ENTRIES);
}

#[test]
fn bodies_are_framed_by_their_length() {
    assert!(request("dblreq").body.is_empty());
    let body = request("mpart01").body;
    assert_eq!(body.len(), 553);
    assert!(body.contains(&0));
}

#[test]
fn transports_are_open() {
    let vias = request("transports").headers.vias().expect("vias");
    let names: Vec<&str> = vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(names, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn parameters_belong_to_the_header_without_brackets_and_to_the_uri_within() {
    let one = &request("cparam01").headers.contacts().expect("contacts")[0];
    assert_eq!((one.params.get("unknownparam"), one.uri.param("unknownparam")), (Some(None), None));
    let two = &request("cparam02").headers.contacts().expect("contacts")[0];
    assert_eq!((two.params.get("unknownparam"), two.uri.param("unknownparam")), (None, Some(None)));
    let three = &request("regescrt").headers.contacts().expect("contacts")[0];
    assert_eq!(three.uri.headers(), Some("Route=%3Csip:sip.example.com%3E"));
}

#[test]
fn a_contact_with_headers_and_no_brackets_is_refused_when_it_is_read() {
    assert_eq!(request("regbadct").headers.contacts(), Err(HeaderError::Malformed(name::CONTACT)));
}
