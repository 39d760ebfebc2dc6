// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames: how the messages of a link are written where the provider is another process.
//!
//! One JSON object per line. The provider's first line is its [`Introduction`]; after that the host sends
//! commands and pings, the provider events and pongs. A command that is not known and carries a request is
//! answered as unsupported by the provider's carrier, an event that is not known is ignored and counted (rule 9 of
//! the link); that is all forward compatibility needs.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::key::RequestId;
use crate::msp::{MspCommand, MspEvent};
use crate::refusal::{Refusal, RefusalKind};
use crate::tsp::{Reply, TspCommand, TspEvent};
use crate::version::Manifest;

/// Longer lines are refused: the largest message is data of 64 KiB, written as text.
pub const LONGEST_FRAME: usize = 1 << 20;

/// What kind of provider speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "call control and media")]
pub enum ProviderKind {
    /// Call control.
    Tsp,
    /// Media.
    Msp,
}

/// A provider's first line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Introduction {
    /// What kind of provider it is.
    pub provider: ProviderKind,
    /// Who it is.
    pub manifest: Manifest,
}

/// A line of the host.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a carrier must treat each of these")]
pub enum ToProvider<C> {
    /// A command of the link.
    Command(C),
    /// To be answered at once with the same number.
    Ping(u64),
    /// A command of a newer version.
    Unknown {
        /// What has to be answered, if anything.
        request: Option<RequestId>,
        /// What could not be read.
        detail: String,
    },
}

/// A line of the provider, after its introduction.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a carrier must treat each of these")]
pub enum FromProvider<E> {
    /// An event of the link.
    Event(E),
    /// The answer to a ping.
    Pong(u64),
    /// An event of a newer version; ignored and counted.
    Unknown {
        /// What could not be read.
        detail: String,
    },
}

/// A line is no frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotAFrame {
    detail: String,
}

impl fmt::Display for NotAFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a JSON object per line, of at most {LONGEST_FRAME} bytes: {}", self.detail)
    }
}

impl std::error::Error for NotAFrame {}

/// The words of one kind of link.
pub trait Words: Send + 'static {
    /// Which kind.
    const KIND: ProviderKind;
    /// What the host says.
    type Command: DeserializeOwned + Serialize + Send;
    /// What the provider says.
    type Event: DeserializeOwned + Serialize + Send;

    /// The reply that refuses a request.
    fn refuse(request: RequestId, refusal: Refusal) -> Self::Event;
}

/// The words of call control.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for types")]
pub struct TspWords;

/// The words of media.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for types")]
pub struct MspWords;

impl Words for TspWords {
    type Command = TspCommand;
    type Event = TspEvent;

    const KIND: ProviderKind = ProviderKind::Tsp;

    fn refuse(request: RequestId, refusal: Refusal) -> TspEvent {
        TspEvent::Reply { request, result: Reply::Refused(refusal) }
    }
}

impl Words for MspWords {
    type Command = MspCommand;
    type Event = MspEvent;

    const KIND: ProviderKind = ProviderKind::Msp;

    fn refuse(request: RequestId, refusal: Refusal) -> MspEvent {
        MspEvent::Reply { request, result: Reply::Refused(refusal) }
    }
}

/// Writes a frame: one line with its end.
#[must_use]
pub fn line(message: &impl Serialize) -> Vec<u8> {
    // Messages are plain data with names for keys: writing them to memory cannot fail.
    let mut bytes = serde_json::to_vec(message).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Writes a ping of the host.
#[must_use]
pub fn ping(number: u64) -> Vec<u8> {
    line(&Ping { ping: number })
}

/// Writes the answer to a ping.
#[must_use]
pub fn pong(number: u64) -> Vec<u8> {
    line(&Pong { pong: number })
}

/// The refusal for a command that the provider's carrier does not know.
#[must_use]
pub fn unsupported(detail: &str) -> Refusal {
    Refusal::new(RefusalKind::Unsupported, format!("the provider does not know this command: {detail}"))
}

impl<C: DeserializeOwned> ToProvider<C> {
    /// Reads a line of the host.
    ///
    /// # Errors
    /// [`NotAFrame`] when it is no JSON object or too long.
    pub fn read(line: &[u8]) -> Result<Self, NotAFrame> {
        #[derive(Deserialize)]
        struct Numbered {
            request: Option<RequestId>,
        }
        if let Some(Ping { ping }) = short(line) {
            return Ok(Self::Ping(ping));
        }
        Ok(match read(line)? {
            Ok(command) => Self::Command(command),
            Err(detail) => {
                let numbered = serde_json::from_slice(line).ok();
                Self::Unknown { request: numbered.and_then(|it: Numbered| it.request), detail }
            }
        })
    }
}

impl<E: DeserializeOwned> FromProvider<E> {
    /// Reads a line of the provider.
    ///
    /// # Errors
    /// [`NotAFrame`] when it is no JSON object or too long.
    pub fn read(line: &[u8]) -> Result<Self, NotAFrame> {
        if let Some(Pong { pong }) = short(line) {
            return Ok(Self::Pong(pong));
        }
        Ok(match read(line)? {
            Ok(event) => Self::Event(event),
            Err(detail) => Self::Unknown { detail },
        })
    }
}

impl Introduction {
    /// Reads a provider's first line.
    ///
    /// # Errors
    /// [`NotAFrame`] when it is something else.
    pub fn read(line: &[u8]) -> Result<Self, NotAFrame> {
        read(line)?.map_err(|detail| NotAFrame { detail: format!("expected an introduction: {detail}") })
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Ping {
    ping: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Pong {
    pong: u64,
}

/// Reads what is never long without looking at what is.
fn short<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    (line.len() < 64 && begins_as_object(line)).then(|| serde_json::from_slice(line).ok()).flatten()
}

/// Tells lines that are no objects from objects that are not known.
fn read<T: DeserializeOwned>(line: &[u8]) -> Result<Result<T, String>, NotAFrame> {
    if line.len() > LONGEST_FRAME {
        return Err(NotAFrame { detail: format!("this line has {} bytes", line.len()) });
    }
    if !begins_as_object(line) {
        return Err(NotAFrame { detail: "this line does not begin with '{'".to_owned() });
    }
    match serde_json::from_slice(line) {
        Ok(message) => Ok(Ok(message)),
        Err(error) if error.is_data() && is_whole(line) => Ok(Err(error.to_string())),
        Err(error) => Err(NotAFrame { detail: error.to_string() }),
    }
}

fn begins_as_object(line: &[u8]) -> bool {
    line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

fn is_whole(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::LineKey;
    use crate::version::{Version, VersionRange};

    type Host = ToProvider<TspCommand>;
    type Provider = FromProvider<TspEvent>;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let open = TspCommand::Open { request: RequestId(7), line: LineKey(1) };
        let written = line(&open);
        assert_eq!(written, b"{\"command\":\"open\",\"request\":7,\"line\":1}\n");
        assert_eq!(Host::read(&written), Ok(ToProvider::Command(open)));
        let written = line(&TspEvent::Ready);
        assert_eq!(written, b"{\"event\":\"ready\"}\n");
        assert_eq!(Provider::read(&written), Ok(FromProvider::Event(TspEvent::Ready)));
        assert_eq!(Host::read(&ping(5)), Ok(ToProvider::Ping(5)));
        assert_eq!(Provider::read(&pong(5)), Ok(FromProvider::Pong(5)));
    }

    #[test]
    fn an_introduction_names_the_provider() {
        let schemas = Vec::new();
        let (name, vendor, release) = ("toy".to_owned(), "us".to_owned(), "1".to_owned());
        let manifest = Manifest { name, vendor, release, spi: VersionRange::CURRENT, schemas };
        let introduction = Introduction { provider: ProviderKind::Tsp, manifest };
        let written = line(&introduction);
        assert!(written.starts_with(b"{\"provider\":\"tsp\",\"manifest\":{\"name\":\"toy\""));
        assert_eq!(Introduction::read(&written), Ok(introduction));
        let wrong = Introduction::read(b"{\"event\":\"ready\"}").unwrap_err().to_string();
        assert!(wrong.contains("expected an introduction: missing field `provider`"), "{wrong}");
        assert_eq!(Version::CURRENT, Version(1));
    }

    #[test]
    fn what_is_not_known_is_answered_or_counted() {
        let read = Host::read(br#"{"command":"teleport","request":9,"line":1}"#).unwrap();
        let ToProvider::Unknown { request, detail } = read else { panic!("{read:?}") };
        assert_eq!(request, Some(RequestId(9)));
        assert!(detail.contains("teleport"), "{detail}");
        let reply = line(&TspWords::refuse(RequestId(9), unsupported(&detail)));
        assert!(String::from_utf8_lossy(&reply).contains("\"unsupported\""));
        let read = Provider::read(br#"{"event":"sings"}"#);
        assert!(matches!(read, Ok(FromProvider::Unknown { .. })), "{read:?}");
        assert!(matches!(Host::read(b"{}"), Ok(ToProvider::Unknown { request: None, .. })));
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for wrong in [&b"hello"[..], b"[1]", b"\"open\"", b"{\"command\":\"open\"", b"", b"\xff"] {
            assert!(Host::read(wrong).is_err(), "{wrong:?}");
            assert!(Provider::read(wrong).is_err(), "{wrong:?}");
        }
        let long = vec![b' '; LONGEST_FRAME + 1];
        assert!(Host::read(&long).unwrap_err().to_string().contains("of at most 1048576 bytes"));
    }
}
