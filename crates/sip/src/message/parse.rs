// SPDX-License-Identifier: MIT OR Apache-2.0
//! From bytes to messages: limits first, then rows, then the rules that every message must keep.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::grammar::{is_token, saturating_number, trim};
use super::headers::Headers;
use super::method::Method;
use super::status::Status;
use super::typed::HeaderError;
use super::uri::{Uri, UriError};
use super::{Message, Request, Response, name};

/// How much of a message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a datagram.
    pub datagram: usize,
    /// Bytes of a start line with its headers.
    pub head: usize,
    /// Bytes of one line, its folds included.
    pub line: usize,
    /// Header rows.
    pub headers: usize,
    /// Bytes of a body on a stream.
    pub body: usize,
}

impl Default for Limits {
    /// 64 KiB of datagram and of head, 8 KiB of line, 256 headers, 1 MiB of body.
    fn default() -> Self {
        Self { datagram: 65_536, head: 65_536, line: 8192, headers: 256, body: 1 << 20 }
    }
}

/// A message that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}")]
pub struct ParseError {
    /// What is wrong with it.
    pub kind: ParseErrorKind,
    /// The answer to it, ready to go out, when it was a request with a Via.
    ///
    /// When even its Via cannot be read, the way back is the way the request came.
    pub reply: Option<Box<Response>>,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The body is longer than the limit for streams.
    #[error("body is longer than the limit")]
    BodyTooLong,
    /// `Content-Length` is not one number of bytes, or is missing on a stream.
    #[error("content-length is missing or is not one number")]
    ContentLength,
    /// The method in CSeq is not the method of the request (RFC 3261 8.1.1.5).
    #[error("cseq names another method than the request")]
    CseqMethod,
    /// There is nothing but line breaks: a keep-alive.
    #[error("datagram holds no message")]
    Empty,
    /// A required header cannot be read.
    #[error("{0}")]
    Header(HeaderError),
    /// There is no empty line after the headers.
    #[error("headers do not end")]
    HeadEnd,
    /// A line is longer than the limit.
    #[error("line is longer than the limit")]
    LineTooLong,
    /// The bytes are no SIP message at all.
    #[error("start line is not sip")]
    NotSip,
    /// The Request-URI is no URI.
    #[error("request-uri: {0}")]
    RequestUri(UriError),
    /// The start line does not have its three parts with one blank between them (RFC 3261 7.1).
    #[error("start line is malformed")]
    StartLine,
    /// The status of a response is not 100 to 699.
    #[error("status code is not 100 to 699")]
    Status,
    /// The datagram, or the head of a message, is longer than the limit.
    #[error("message is longer than the limit")]
    TooLong,
    /// There are more headers than the limit.
    #[error("message has more headers than the limit")]
    TooManyHeaders,
    /// The datagram ends before its `Content-Length` (RFC 3261 18.3).
    #[error("datagram is shorter than its content-length")]
    Truncated,
    /// The version is not `SIP/2.0`.
    #[error("version is not SIP/2.0")]
    Version,
}

impl ParseErrorKind {
    /// The status that answers it.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::BodyTooLong => Status::REQUEST_ENTITY_TOO_LARGE,
            Self::RequestUri(UriError::Length) => Status::REQUEST_URI_TOO_LONG,
            Self::LineTooLong | Self::TooLong | Self::TooManyHeaders => Status::MESSAGE_TOO_LARGE,
            Self::Version => Status::VERSION_NOT_SUPPORTED,
            _ => Status::BAD_REQUEST,
        }
    }
}

impl From<HeaderError> for ParseErrorKind {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

/// A head read into rows, before anything is asked of it.
#[derive(Debug)]
pub(super) struct Head {
    line: String,
    headers: Headers,
    /// What was found wrong while reading the rows.
    fault: Option<ParseErrorKind>,
}

pub(super) fn datagram(datagram: &Bytes, limits: &Limits) -> Result<Message, ParseError> {
    let start = datagram
        .iter()
        .position(|b| !matches!(b, b'\r' | b'\n'))
        .ok_or_else(|| bare(ParseErrorKind::Empty))?;
    let bytes = &datagram[start..];
    if bytes.len() > limits.datagram {
        return Err(bare(ParseErrorKind::TooLong));
    }
    let end = head_end(bytes, 0);
    let mut head = Head::read(&bytes[..end.unwrap_or(bytes.len())], limits);
    let Some(end) = end else { return Err(head.refuse(ParseErrorKind::HeadEnd)) };
    let rest = bytes.len() - end;
    match head.content_length() {
        Err(kind) => Err(head.refuse(kind)),
        Ok(Some(length)) if length > rest as u64 => Err(head.refuse(ParseErrorKind::Truncated)),
        Ok(length) => {
            // Not more than `rest`, so it fits.
            let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(rest);
            let body = datagram.slice(start + end..start + end + length);
            head.finish(body)
        }
    }
}

impl Head {
    /// Reads what [`head_end`] found, or what there is of it. Always gives the rows that can be read.
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Self {
        let text = as_text(bytes);
        let mut head = Self { line: String::new(), headers: Headers::new(), fault: None };
        if bytes.len() > limits.head {
            head.fault = Some(ParseErrorKind::TooLong);
        }
        let source: Arc<str> = Arc::from(&*text);
        head.headers = Headers::over(Arc::clone(&source));
        let mut lines = Lines { text: &source, at: 0 };
        if let Some((start, end)) = lines.next() {
            head.line = source[start..end].to_owned();
            head.check_line(end - start, limits);
        }
        let mut usable = false;
        for (start, end) in lines {
            if start == end {
                break;
            }
            usable = head.row(&source, (start, end), usable, limits);
        }
        head
    }

    /// Reads one line; `usable` says whether the row before it is one that a fold may continue.
    fn row(&mut self, source: &str, (start, end): (usize, usize), usable: bool, limits: &Limits) -> bool {
        let line = &source[start..end];
        if line.starts_with([' ', '\t']) {
            if usable {
                let length = self.headers.fold(trim(line));
                self.check_line(length, limits);
            }
            return usable;
        }
        self.check_line(line.len(), limits);
        // A line that is no header is passed over (RFC 3261 8.2: malformed headers that are not needed).
        let Some(colon) = line.find(':') else { return false };
        let name = line[..colon].trim_end_matches([' ', '\t']);
        if !is_token(name) {
            return false;
        }
        if self.headers.len() >= limits.headers {
            self.fault.get_or_insert(ParseErrorKind::TooManyHeaders);
            return false;
        }
        let value = &line[colon + 1..];
        let trimmed = trim(value);
        let from = start + colon + 1 + (value.len() - value.trim_start_matches([' ', '\t']).len());
        let from = if trimmed.is_empty() { end } else { from };
        self.headers.push_part((start, start + name.len()), (from, from + trimmed.len()));
        true
    }

    fn check_line(&mut self, length: usize, limits: &Limits) {
        if length > limits.line {
            self.fault.get_or_insert(ParseErrorKind::LineTooLong);
        }
    }

    /// The length of the body: the one number of all `Content-Length` rows (RFC 3261 20.14).
    pub(super) fn content_length(&self) -> Result<Option<u64>, ParseErrorKind> {
        let mut found = None;
        for row in self.headers.all(name::CONTENT_LENGTH) {
            let length = saturating_number(row).ok_or(ParseErrorKind::ContentLength)?;
            if found.is_some_and(|before| before != length) {
                return Err(ParseErrorKind::ContentLength);
            }
            found = Some(length);
        }
        Ok(found)
    }

    /// Whether the start line could be one of a SIP message.
    pub(super) fn is_sip(&self) -> bool {
        !matches!(self.start_line(), Err(ParseErrorKind::NotSip))
    }

    /// Makes the message, if it keeps the rules that every message must keep.
    pub(super) fn finish(mut self, body: Bytes) -> Result<Message, ParseError> {
        if let Some(kind) = self.fault {
            return Err(self.refuse(kind));
        }
        let start = match self.start_line() {
            Ok(start) => start,
            Err(kind) => return Err(self.refuse(kind)),
        };
        let method = match &start {
            Start::Request(method, _) => Some(method),
            Start::Response(..) => None,
        };
        if let Err(kind) = check(&self.headers, method) {
            return Err(self.refuse(kind));
        }
        let headers = std::mem::take(&mut self.headers);
        Ok(match start {
            Start::Request(method, uri) => Message::Request(Request { method, uri, headers, body }),
            Start::Response(status, reason) => Message::Response(Response { status, reason, headers, body }),
        })
    }

    /// The error, with an answer if this was a request that can have one: an ACK has none, and without a Via there
    /// is nobody to answer.
    pub(super) fn refuse(&mut self, kind: ParseErrorKind) -> ParseError {
        let kind = self.fault.take().unwrap_or(kind);
        let method = self.line.split(' ').next().unwrap_or_default();
        let answerable = self.is_sip()
            && is_token(method)
            && method != Method::ACK.as_str()
            && self.headers.contains(name::VIA);
        if !answerable {
            return bare(kind);
        }
        // Of an unknown method it is more useful to say that it is unknown (RFC 4475 3.1.2.18).
        let unknown = kind == ParseErrorKind::CseqMethod && !Method::is_known(method);
        let status = if unknown { Status::NOT_IMPLEMENTED } else { kind.status() };
        let mut reply = Response::new(status);
        reply.reason = format!("{} ({kind})", status.reason_phrase());
        reply.headers = self.headers.echoed(false);
        if reply.headers.to().is_ok_and(|to| to.tag().is_none()) {
            reply.headers.set_to_tag(&stateless_tag(&self.headers));
        }
        ParseError { kind, reply: Some(Box::new(reply)) }
    }

    fn start_line(&self) -> Result<Start, ParseErrorKind> {
        match self.line.as_bytes().get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case(b"SIP/") => self.status_line(),
            _ => self.request_line(),
        }
    }

    /// `Method SP Request-URI SP SIP-Version` (RFC 3261 7.1), with exactly these two blanks.
    fn request_line(&self) -> Result<Start, ParseErrorKind> {
        let line = trim(&self.line);
        let (method, rest) = line.split_once(' ').ok_or(ParseErrorKind::NotSip)?;
        let (uri, version) = rest.rsplit_once(' ').ok_or(ParseErrorKind::NotSip)?;
        let method = Method::parse(method).ok_or(ParseErrorKind::NotSip)?;
        if !version.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("SIP/")) {
            return Err(ParseErrorKind::NotSip);
        }
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return Err(ParseErrorKind::Version);
        }
        if line.len() != self.line.len() || uri.contains([' ', '\t']) {
            return Err(ParseErrorKind::StartLine);
        }
        let uri: Uri = uri.parse().map_err(ParseErrorKind::RequestUri)?;
        // A Request-URI carries no headers (RFC 3261 19.1.1, table 1).
        if uri.is_sip() && uri.headers().is_some() {
            return Err(ParseErrorKind::RequestUri(UriError::Character));
        }
        Ok(Start::Request(method, uri))
    }

    /// `SIP-Version SP Status-Code SP Reason-Phrase` (RFC 3261 7.2); the last blank may be missing with the phrase.
    fn status_line(&self) -> Result<Start, ParseErrorKind> {
        let (version, rest) = self.line.split_once(' ').ok_or(ParseErrorKind::StartLine)?;
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return Err(ParseErrorKind::Version);
        }
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let legal = code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
        let status =
            code.parse().ok().filter(|_| legal).and_then(Status::new).ok_or(ParseErrorKind::Status)?;
        Ok(Start::Response(status, reason.to_owned()))
    }
}

enum Start {
    Request(Method, Uri),
    Response(Status, String),
}

/// The headers without which no message can be placed (RFC 3261 8.1.1); `method` is that of a request.
fn check(headers: &Headers, method: Option<&Method>) -> Result<(), ParseErrorKind> {
    for name in [name::FROM, name::TO, name::CALL_ID, name::CSEQ] {
        if headers.all(name).nth(1).is_some() {
            return Err(HeaderError::Duplicate(name).into());
        }
    }
    let via = headers.top_via()?;
    // The cookie alone promises a unique branch and then gives none (RFC 4475 3.2.1).
    if via.branch().is_some_and(|branch| branch.eq_ignore_ascii_case(COOKIE)) {
        return Err(HeaderError::Malformed(name::VIA).into());
    }
    headers.from()?;
    headers.to()?;
    headers.call_id()?;
    let cseq = headers.cseq()?;
    if method.is_some_and(|method| *method != cseq.method) {
        return Err(ParseErrorKind::CseqMethod);
    }
    Ok(())
}

/// The offset behind the empty line that ends the headers; `from` is a line start already looked at.
pub(super) fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(length) = bytes.get(at..)?.iter().position(|b| *b == b'\n') {
        at += length + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// The head as text: lines that are not UTF-8 are taken as Latin-1, in which every byte is a character, and a CR
/// alone becomes a blank, as some peers would take it for a line break.
fn as_text(bytes: &[u8]) -> Cow<'_, str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.split_inclusive(|b| *b == b'\n').map(transcoded).collect()),
    };
    let lone = text.as_bytes().windows(2).any(|pair| matches!(pair, [b'\r', next] if *next != b'\n'));
    if !lone {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let alone = c == '\r' && characters.peek() != Some(&'\n');
        out.push(if alone { ' ' } else { c });
    }
    Cow::Owned(out)
}

fn transcoded(line: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(line.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// The lines of a text as ranges without their line breaks.
struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let start = self.at;
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n');
        let end = start + length.unwrap_or(rest.len());
        self.at = length.map_or(self.text.len(), |length| start + length + 1);
        let cut = usize::from(self.text[start..end].ends_with('\r'));
        Some((start, end - cut))
    }
}

/// A tag that is the same for every copy of a request, as a stateless answer needs it (RFC 3261 8.2.7).
fn stateless_tag(headers: &Headers) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for name in [name::VIA, name::FROM, name::CALL_ID, name::CSEQ] {
        for byte in headers.get(name).unwrap_or_default().bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}0")
}

/// The beginning of every branch that is unique (RFC 3261 8.1.1.7).
const COOKIE: &str = "z9hG4bK";

fn bare(kind: ParseErrorKind) -> ParseError {
    ParseError { kind, reply: None }
}
