// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of the core's objects, as applications see them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use slotmap::{Key, KeyData};

slotmap::new_key_type! {
    /// Names a call. Prints as `call:17.3`: slot and generation.
    pub struct CallId;
    /// Names a phone. It stays the same when a phone of the same stable id comes back.
    pub struct PhoneId;
    /// Names a line. It stays the same when a line of the same stable id comes back.
    pub struct LineId;
}

/// A text does not name an object of the kind expected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotAnId {
    text: String,
    kind: &'static str,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' does not name a {}; expected {}:SLOT.GENERATION", self.text, self.kind, self.kind)
    }
}

impl std::error::Error for NotAnId {}

fn show(f: &mut fmt::Formatter<'_>, kind: &str, key: KeyData) -> fmt::Result {
    let both = key.as_ffi();
    write!(f, "{kind}:{}.{}", both & 0xffff_ffff, both >> 32)
}

fn read(kind: &'static str, text: &str) -> Result<KeyData, NotAnId> {
    let wrong = || NotAnId { text: text.to_owned(), kind };
    let (slot, generation) =
        text.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':')?.split_once('.')).ok_or_else(wrong)?;
    let slot: u32 = slot.parse().map_err(|_| wrong())?;
    let generation: u32 = generation.parse().map_err(|_| wrong())?;
    Ok(KeyData::from_ffi(u64::from(generation) << 32 | u64::from(slot)))
}

macro_rules! words {
    ($id:ident, $kind:literal) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                show(f, $kind, self.data())
            }
        }

        impl FromStr for $id {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                read($kind, text).map(Self::from)
            }
        }
    };
}

words!(CallId, "call");
words!(LineId, "line");
words!(PhoneId, "phone");

/// Names a conversation (call hub): all calls that came out of one another, were joined, or carry the
/// same network's id, on whatever lines.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct HubId(pub u64);

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hub:{}", self.0)
    }
}

/// Names an application; the runtime counts them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct AppId(pub u64);

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "application:{}", self.0)
    }
}

/// Names a request of an application; the application's side counts them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct AskId(pub u64);

/// Names a provider, TSP or MSP; the runtime counts them. A provider that comes back gets a new one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ProviderId(pub u32);

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider:{}", self.0)
    }
}

/// Place of an event in the journal: counts upwards from 1 over all events of a server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_being_printed_and_read() {
        // The arena gives odd generations to living objects.
        let id = CallId::from(KeyData::from_ffi(3 << 32 | 17));
        assert_eq!(id.to_string(), "call:17.3");
        assert_eq!(id.to_string().parse::<CallId>().unwrap(), id);
    }

    #[test]
    fn an_id_of_another_kind_is_refused_by_name() {
        let error = "line:1.1".parse::<CallId>().unwrap_err();
        assert_eq!(error.to_string(), "'line:1.1' does not name a call; expected call:SLOT.GENERATION");
    }
}
