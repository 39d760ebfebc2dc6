// SPDX-License-Identifier: MIT OR Apache-2.0
//! The schema that the simulated exchange and the counting MSP share: sound as words.

use serde::{Deserialize, Serialize};

use offhook_spi::{Digit, Flowing, MediaAction, Opaque, SchemaId};

/// Name of the schema.
pub const SIM_SCHEMA: &str = "offhook.sim";

/// What travels between the exchange and a session.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sound {
    /// To the session: what plays shall do this.
    Control {
        /// What.
        action: MediaAction,
    },
    /// A key was pressed on the sending side.
    Digit {
        /// Which.
        digit: Digit,
    },
    /// To the session: media flow so from now on.
    Flow {
        /// Seen from the session.
        flow: Flowing,
    },
    /// A tone sounds on the sending side, or none any more.
    Tone {
        /// Hertz.
        #[serde(default)]
        frequency: Option<f32>,
    },
}

impl Sound {
    /// Packs it for a relay.
    #[must_use]
    pub fn into_opaque(self) -> Opaque {
        Opaque { schema: SchemaId::new(SIM_SCHEMA), data: serde_json::to_string(&self).unwrap_or_default() }
    }

    /// Reads a relayed message; `None` when it is of another schema.
    #[must_use]
    pub fn from_opaque(opaque: &Opaque) -> Option<Self> {
        if opaque.schema.0 != SIM_SCHEMA {
            return None;
        }
        serde_json::from_str(&opaque.data).ok()
    }
}
