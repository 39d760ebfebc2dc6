// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bodies of messages: which are descriptions, which are refused, and how.

use offhook_sipcore::agent::Body;
use offhook_sipcore::message::{Headers, Request, Response, Status, name};
use offhook_spi::{Opaque, SdpMessage};

/// The description in a request, or how to refuse what is in its body instead.
pub(super) fn offered(request: &Request) -> Result<Option<String>, (Status, Headers)> {
    read(&request.headers, &request.body)
}

/// The description in an ACK, if it has one that can be used.
pub(super) fn acknowledged(request: &Request) -> Option<String> {
    read(&request.headers, &request.body).ok().flatten()
}

/// The description in a response: none, or none that can be used, as an error.
pub(super) fn answered(response: &Response) -> Result<Option<String>, (Status, Headers)> {
    read(&response.headers, &response.body)
}

/// A body to send with a description.
pub(super) fn sdp_body(sdp: String) -> Option<Body> {
    Some(Body::sdp(sdp.into_bytes()))
}

fn read(headers: &Headers, body: &[u8]) -> Result<Option<String>, (Status, Headers)> {
    if body.is_empty() {
        return Ok(None);
    }
    let encoding = headers.get(name::CONTENT_ENCODING).map(str::trim);
    let is_plain = encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case("identity"));
    let kind = headers.get(name::CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default();
    let is_sdp = kind.trim().eq_ignore_ascii_case("application/sdp");
    if is_sdp && is_plain {
        let sdp = String::from_utf8_lossy(body).into_owned();
        return if fits(&sdp) {
            Ok(Some(sdp))
        } else {
            Err((Status::REQUEST_ENTITY_TOO_LARGE, Headers::new()))
        };
    }
    if is_optional(headers) {
        return Ok(None);
    }
    // RFC 3261 section 8.2.3: 415 says what would have been understood.
    let mut wanted = Headers::new();
    if is_sdp {
        wanted.push(name::ACCEPT_ENCODING, "identity");
    } else {
        wanted.push(name::ACCEPT, "application/sdp");
    }
    Err((Status::UNSUPPORTED_MEDIA_TYPE, wanted))
}

/// Whether the body may be passed over (RFC 3261 section 20.11).
fn is_optional(headers: &Headers) -> bool {
    let disposition = headers.get(name::CONTENT_DISPOSITION).unwrap_or_default();
    disposition.split(';').skip(1).any(|parameter| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("handling") && value.trim().eq_ignore_ascii_case("optional")
        })
    })
}

/// Whether the core would carry the description to the MSP.
fn fits(sdp: &str) -> bool {
    // Six bytes stand for one character at the worst, so that small ones need no closer look.
    let surely = sdp.len() <= Opaque::MAX_BYTES / 6 - 64;
    surely || {
        let message = SdpMessage::EarlyAnswer { sdp: sdp.to_owned() };
        message.into_opaque().data.len() <= Opaque::MAX_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in rows {
            headers.push(name, *value);
        }
        headers
    }

    #[test]
    fn only_plain_sdp_is_a_description() {
        let sdp = ("Content-Type", "Application/SDP ; charset=utf-8");
        let text = ("Content-Type", "text/plain");
        let near = ("Content-Type", "application/sdpx");
        for (rows, wanted) in [
            (vec![sdp], Ok(true)),
            (vec![sdp, ("Content-Encoding", "identity")], Ok(true)),
            (vec![sdp, ("Content-Encoding", "gzip")], Err(415)),
            (vec![text], Err(415)),
            (vec![near], Err(415)),
            (vec![], Err(415)),
            (vec![text, ("Content-Disposition", "session; handling=required")], Err(415)),
            (vec![text, ("Content-Disposition", "render;Handling = optional")], Ok(false)),
        ] {
            let read = read(&headers(&rows), b"v=0\r\n");
            let read = read.map(|sdp| sdp.is_some()).map_err(|(status, _)| status.code());
            assert_eq!(read, wanted, "{rows:?}");
        }
        assert!(matches!(read(&headers(&[text]), b""), Ok(None)));
    }

    #[test]
    fn a_description_that_nobody_would_carry_is_too_large() {
        let sdp = headers(&[("Content-Type", "application/sdp")]);
        for (lines, fits) in [(1_000, true), (7_000, true), (8_000, false), (100_000, false)] {
            let body = "a=xyz\r\n".repeat(lines);
            let read = read(&sdp, body.as_bytes()).map_err(|(status, _)| status.code());
            assert_eq!(read.err(), (!fits).then_some(413), "{lines}");
        }
    }
}
