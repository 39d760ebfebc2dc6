// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages and keep-alives cut from a stream (RFC 3261 18.3, RFC 5626 4.4.1).

use bytes::{Buf, Bytes, BytesMut};

use super::Message;
use super::parse::{Head, Limits, ParseError, ParseErrorKind, head_end};

/// What a stream carried.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Frame {
    /// A message whose borders were clear but which cannot be used; send its reply, if it has one.
    Malformed(ParseError),
    /// A message.
    Message(Message),
    /// Two line breaks, to be answered by one.
    Ping,
    /// One line break: the answer to a ping.
    Pong,
}

/// Why a stream must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// A message was refused in a way that hides where it ends.
    #[error("end of a message cannot be told")]
    Lost,
    /// The peer does not speak SIP.
    #[error("stream does not carry sip")]
    NotSip,
    /// A start line with its headers is longer than the limit.
    #[error("head is longer than the limit")]
    TooLong,
}

/// Cuts a stream into messages; it holds at most one message beyond what was pushed last.
#[derive(Debug)]
pub struct StreamDecoder {
    limits: Limits,
    buffer: BytesMut,
    /// Up to where the buffer was searched for the end of a head.
    searched: usize,
    /// A head whose body is not there yet.
    pending: Option<(Head, usize)>,
    /// A single line break was reported that may turn out to be the first half of a ping.
    half_ping: bool,
    failed: Option<FramingError>,
}

impl StreamDecoder {
    /// A decoder at the beginning of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, buffer: BytesMut::new(), searched: 0, pending: None, half_ping: false, failed: None }
    }

    /// Takes what was received. Call [`StreamDecoder::next`] until it gives nothing before pushing more.
    pub fn push(&mut self, received: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(received);
        }
    }

    /// The next frame; `None` until more is received.
    ///
    /// # Errors
    ///
    /// [`FramingError`]: close the stream. The same error comes again on every further call.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not tell waiting from the end")]
    pub fn next(&mut self) -> Result<Option<Frame>, FramingError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.pending.is_none() {
            if let Some(frame) = self.line_breaks() {
                return Ok(Some(frame));
            }
            if let Some(frame) = self.head()? {
                return Ok(Some(frame));
            }
        }
        Ok(self.body())
    }

    /// Bytes received that are in no frame yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Line breaks between messages. A single one at the end of what is there is reported at once, as an answer to
    /// a ping has nothing after it; if a second one follows, that was a ping.
    fn line_breaks(&mut self) -> Option<Frame> {
        match &self.buffer[..] {
            [b'\r', b'\n', ..] if self.half_ping => {
                self.half_ping = false;
                self.skip(2, Frame::Ping)
            }
            [b'\r', b'\n', b'\r', b'\n', ..] => self.skip(4, Frame::Ping),
            [b'\r', b'\n', b'\r'] => None,
            [b'\r', b'\n', rest @ ..] => {
                self.half_ping = rest.is_empty();
                self.skip(2, Frame::Pong)
            }
            [] | [b'\r'] => None,
            _ => {
                self.half_ping = false;
                None
            }
        }
    }

    fn skip(&mut self, count: usize, frame: Frame) -> Option<Frame> {
        self.buffer.advance(count);
        self.searched = 0;
        Some(frame)
    }

    /// Reads a complete head and the length of its body.
    fn head(&mut self) -> Result<Option<Frame>, FramingError> {
        if self.buffer.starts_with(b"\r") {
            return if self.buffer.len() > 3 { Err(self.fail(FramingError::NotSip)) } else { Ok(None) };
        }
        let Some(end) = head_end(&self.buffer, self.searched).filter(|end| *end <= self.limits.head) else {
            return self.incomplete();
        };
        let mut head = Head::read(&self.buffer[..end], &self.limits);
        if !head.is_sip() {
            return Err(self.fail(FramingError::NotSip));
        }
        self.buffer.advance(end);
        self.searched = 0;
        // A stream has no other mark for the end of a message (RFC 3261 20.14).
        let length = head.content_length().and_then(|length| length.ok_or(ParseErrorKind::ContentLength));
        let length = length.and_then(|length| {
            let length = usize::try_from(length).ok().filter(|length| *length <= self.limits.body);
            length.ok_or(ParseErrorKind::BodyTooLong)
        });
        match length {
            Ok(length) => {
                self.pending = Some((head, length));
                Ok(None)
            }
            Err(kind) => {
                self.fail(FramingError::Lost);
                Ok(Some(Frame::Malformed(head.refuse(kind))))
            }
        }
    }

    fn incomplete(&mut self) -> Result<Option<Frame>, FramingError> {
        if self.buffer.len() > self.limits.head {
            return Err(self.fail(FramingError::TooLong));
        }
        // The search goes on at the last line break seen, which may be half of the empty line.
        self.searched = self.buffer.iter().rposition(|b| *b == b'\n').unwrap_or_default();
        Ok(None)
    }

    fn body(&mut self) -> Option<Frame> {
        let (head, length) = self.pending.take_if(|(_, length)| *length <= self.buffer.len())?;
        // A copy, as a body that shared the buffer would keep all of it alive.
        let body = Bytes::copy_from_slice(&self.buffer[..length]);
        self.buffer.advance(length);
        Some(match head.finish(body) {
            Ok(message) => Frame::Message(message),
            Err(error) => Frame::Malformed(error),
        })
    }

    fn fail(&mut self, error: FramingError) -> FramingError {
        self.failed = Some(error);
        self.buffer = BytesMut::new();
        error
    }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
