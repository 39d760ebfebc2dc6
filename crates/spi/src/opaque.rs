// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data that the core carries without reading it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names the meaning of [`Opaque`] bytes, as reverse-domain or short text: `offhook.sdp`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct SchemaId(pub String);

impl SchemaId {
    /// Makes the id of a schema.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes that only the two ends of a relay understand; the core carries them unread and in order.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub struct Opaque {
    /// What the bytes mean.
    pub schema: SchemaId,
    /// The bytes as text where they are UTF-8 (all schemas of this crate), which keeps traces readable.
    pub data: String,
}

impl Opaque {
    /// The most bytes that the core relays in one piece; more is refused.
    pub const MAX_BYTES: usize = 64 * 1024;
}

impl fmt::Debug for Opaque {
    /// Schema and length only: the content may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opaque({}, {} bytes)", self.schema, self.data.len())
    }
}
