// SPDX-License-Identifier: MIT OR Apache-2.0
//! The message model: requests, responses, and their headers as rows that are read when asked.
//!
//! Grammar comes from `sip-header` and `sip-uri`, kept behind the types of this module; what nearly every peer
//! sends (no blanks around separators, no escapes) is read by short paths that allocate little. What was received
//! is kept as text, so that it can go out again unchanged.
//!
//! ```
//! use bytes::Bytes;
//! use offhook_sipcore::message::{Limits, Message, Status};
//!
//! let datagram = Bytes::from(
//!     "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
//!      f: \"Alice\" <sip:alice@example.org>;tag=a1\r\nt: sip:bob@example.com\r\ni: c1\r\nCSeq: 7 OPTIONS\r\n\r\n",
//! );
//! let Ok(Message::Request(request)) = Message::parse(&datagram, &Limits::default()) else { panic!("a request") };
//! assert_eq!(request.headers.from()?.display.as_deref(), Some("Alice"));
//! let mut response = request.response(Status::OK);
//! response.headers.set_to_tag("b2");
//! assert!(response.to_bytes().starts_with(b"SIP/2.0 200 OK\r\n"));
//! # Ok::<(), offhook_sipcore::message::HeaderError>(())
//! ```

mod address;
mod event;
mod framing;
pub(crate) mod grammar;
mod headers;
mod method;
/// Header names.
pub mod name;
mod params;
mod parse;
mod reason;
mod replaces;
mod session;
mod status;
mod tokens;
mod typed;
mod uri;
mod via;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use bytes::Bytes;

pub use address::NameAddr;
pub use event::{EventType, SubscriptionLife, SubscriptionState, Termination, sipfrag, sipfrag_status};
pub use framing::{Frame, FramingError, StreamDecoder};
pub use headers::Headers;
pub use method::Method;
pub use params::Params;
pub use parse::{Limits, ParseError, ParseErrorKind};
pub use reason::ReasonValue;
pub use replaces::{ReferTarget, Replaces};
pub use session::{RAck, Refresher, SessionExpires};
pub use status::Status;
pub use tokens::Tokens;
pub use typed::{CSeq, HeaderError, MAX_ENTRIES};
pub use uri::{MAX_URI, Uri, UriError};
pub use via::{Via, ViaTransport};

/// A request or a response.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "SIP has two kinds of messages")]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Whom it is asked of: the Request-URI.
    pub uri: Uri,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: Status,
    /// The reason phrase, which is for people only.
    pub reason: String,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

impl Message {
    /// Reads one datagram.
    ///
    /// Empty lines before the message are passed over (RFC 3261 7.5), and what follows `Content-Length` bytes of
    /// body is cut off (RFC 3261 18.3). The body shares the datagram's memory.
    ///
    /// # Errors
    ///
    /// [`ParseError`], with a ready answer when the text was a request that can be answered.
    pub fn parse(datagram: &Bytes, limits: &Limits) -> Result<Self, ParseError> {
        parse::datagram(datagram, limits)
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// The headers, to change.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }

    /// The message as it goes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// A request with no headers and no body.
    #[must_use]
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::new(), body: Bytes::new() }
    }

    /// A response to this request, with every Via, From, To, Call-ID and CSeq of it, and for 100 its Timestamp
    /// (RFC 3261 8.2.6). The To tag is the caller's to set.
    #[must_use]
    pub fn response(&self, status: Status) -> Response {
        let mut response = Response::new(status);
        response.headers = self.headers.echoed(status == Status::TRYING);
        response
    }

    /// The request as it goes on the wire, with the `Content-Length` of its body.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut text = self.headers.buffer(self.body.len());
        let _ = write!(text, "{} {} SIP/2.0\r\n", self.method.as_str(), self.uri.as_str());
        assemble(text, &self.headers, &self.body)
    }
}

impl Response {
    /// A response with the registered phrase, no headers and no body.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self {
            status,
            reason: String::from(status.reason_phrase()),
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// The response as it goes on the wire, with the `Content-Length` of its body.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut text = self.headers.buffer(self.body.len());
        let _ = write!(text, "SIP/2.0 {} ", self.status.code());
        headers::append_clean(&mut text, &self.reason);
        text.push_str("\r\n");
        assemble(text, &self.headers, &self.body)
    }
}

fn assemble(mut text: String, headers: &Headers, body: &Bytes) -> Bytes {
    headers.write(&mut text);
    let _ = write!(text, "{}: {}\r\n\r\n", name::CONTENT_LENGTH, body.len());
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    Bytes::from(bytes)
}
