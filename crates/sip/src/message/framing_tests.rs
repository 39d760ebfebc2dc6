// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams cut at every place, and streams that must be closed.

use super::*;
use crate::message::Message;

fn message(length: &str, body: &str) -> String {
    format!(
        "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
         Call-ID: {}\r\nCSeq: 1 OPTIONS\r\n{length}\r\n\r\n{body}",
        body.len()
    )
}

/// What a stream carried: bodies, keep-alives and refusals, and how it ended.
fn frames(chunks: &[&[u8]], limits: Limits) -> (Vec<String>, Option<FramingError>) {
    let mut decoder = StreamDecoder::new(limits);
    let mut seen = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next() {
                Ok(Some(Frame::Message(message))) => seen.push(body(&message)),
                Ok(Some(Frame::Malformed(error))) => {
                    let status = error.reply.map_or(0, |reply| reply.status.code());
                    seen.push(format!("{status}"));
                }
                Ok(Some(Frame::Ping)) => seen.push(String::from("ping")),
                Ok(Some(Frame::Pong)) => seen.push(String::from("pong")),
                Ok(None) => break,
                Err(error) => return (seen, Some(error)),
            }
        }
    }
    (seen, None)
}

fn body(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

#[test]
fn a_stream_reads_the_same_however_it_is_cut() {
    let text = format!(
        "{}\r\n\r\n{}{}",
        message("Content-Length: 3", "one"),
        message("l :\r\n 3", "two"),
        message("CONTENT-LENGTH\t: 0005", "th\r\n3")
    );
    let whole = frames(&[text.as_bytes()], Limits::default());
    assert_eq!(whole, (vec!["one".into(), "ping".into(), "two".into(), "th\r\n3".into()], None));
    for size in 1..text.len() {
        let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let (seen, error) = frames(&chunks, Limits::default());
        let messages: Vec<&String> = seen.iter().filter(|frame| !frame.starts_with('p')).collect();
        assert_eq!(messages, ["one", "two", "th\r\n3"], "{size}");
        assert!(seen.contains(&String::from("ping")), "{size}");
        assert_eq!(error, None);
    }
}

#[test]
fn one_line_break_is_a_pong_and_two_are_a_ping() {
    assert_eq!(frames(&[b"\r\n"], Limits::default()).0, ["pong"]);
    assert_eq!(frames(&[b"\r\n\r\n"], Limits::default()).0, ["ping"]);
    assert_eq!(frames(&[b"\r", b"\n\r", b"\n"], Limits::default()).0, ["ping"]);
    assert_eq!(frames(&[b"\r\n", b"\r\n"], Limits::default()).0, ["pong", "ping"]);
}

#[test]
fn a_length_that_hides_the_end_is_answered_and_ends_the_stream() {
    for length in [
        "Content-Length: -1",
        "Content-Length: five",
        "Content-Length: 3\r\nl: 4",
        "Content-Length: 3, 4",
        "X-None: 0",
    ] {
        let (seen, error) = frames(&[message(length, "one").as_bytes()], Limits::default());
        assert_eq!((seen, error), (vec![String::from("400")], Some(FramingError::Lost)), "{length}");
    }
    let same = message("Content-Length: 3\r\nl: 3", "one");
    assert_eq!(frames(&[same.as_bytes()], Limits::default()), (vec![String::from("one")], None));
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_arrives() {
    for length in ["1048577", "18446744073709551615", "99999999999999999999999999"] {
        let head = message(&format!("Content-Length: {length}"), "");
        let (seen, error) = frames(&[head.as_bytes()], Limits::default());
        assert_eq!((seen, error), (vec![String::from("413")], Some(FramingError::Lost)), "{length}");
    }
}

#[test]
fn a_malformed_message_with_clear_borders_does_not_end_the_stream() {
    let text = message("Content-Length: 3\r\nCSeq: 2 BYE", "one") + &message("l: 3", "two");
    assert_eq!(frames(&[text.as_bytes()], Limits::default()), (vec!["400".into(), "two".into()], None));
}

#[test]
fn what_is_not_sip_or_never_ends_closes_the_stream() {
    let limits = Limits { head: 200, ..Limits::default() };
    assert_eq!(frames(&[b"GET / HTTP/1.1\r\n\r\n"], limits).1, Some(FramingError::NotSip));
    assert_eq!(frames(&[&[b'x'; 201]], limits).1, Some(FramingError::TooLong));
    assert_eq!(frames(&[b"\rxxxx"], limits).1, Some(FramingError::NotSip));
    let mut decoder = StreamDecoder::new(limits);
    decoder.push(&[b'x'; 201]);
    assert_eq!(decoder.next().map(drop), Err(FramingError::TooLong));
    decoder.push(&[b'x'; 201]);
    assert_eq!((decoder.next().map(drop), decoder.buffered()), (Err(FramingError::TooLong), 0));
}
