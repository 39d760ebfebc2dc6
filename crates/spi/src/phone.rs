// SPDX-License-Identifier: MIT OR Apache-2.0
//! Phones: hook switches, volume, ringer, lamps, buttons and display, beside lines.

use serde::{Deserialize, Serialize};

use crate::opaque::{Opaque, SchemaId};
use crate::tolerant::known_only;

/// What a phone has (`PHONECAPS`).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct PhoneCaps {
    /// Which hook switches it has.
    #[serde(default, deserialize_with = "known_only")]
    pub hooks: Vec<HookSwitch>,
    /// Rows and columns of its display; zero when it has none.
    #[serde(default)]
    pub display: (u16, u16),
    /// How many buttons with lamps it has beside the keypad.
    #[serde(default)]
    pub buttons: u16,
    /// How many ring patterns it knows.
    #[serde(default)]
    pub ring_modes: u16,
    /// Vendor extensions that it understands (`phoneGetExtensionID`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<SchemaId>,
}

/// A part of a phone that can be lifted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HookSwitch {
    /// The handset.
    Handset,
    /// The headset.
    Headset,
    /// Loudspeaker and microphone of the set.
    Speakerphone,
}

/// What of a lifted part works (`PHONEHOOKSWITCHMODE`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HookMode {
    /// Microphone and loudspeaker work.
    Both,
    /// Only the microphone works.
    Microphone,
    /// It lies on the hook.
    OnHook,
    /// Only the loudspeaker works.
    Speaker,
}

/// How a lamp shines (`PHONELAMPMODE`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LampMode {
    /// Fast blinking.
    Flash,
    /// Very fast blinking.
    Flutter,
    /// Dark.
    Off,
    /// Lit.
    Steady,
    /// Slow blinking.
    Wink,
}

/// One change to a phone. All of them require `set_phone`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PhoneOp {
    /// Labels a button and says what it does (`phoneSetButtonInfo`).
    Button {
        /// Which.
        button: u16,
        /// Its label.
        label: String,
    },
    /// Writes to the display (`phoneSetDisplay`).
    Display {
        /// Row, from 0.
        row: u16,
        /// Column, from 0.
        column: u16,
        /// What.
        text: String,
    },
    /// Does something of the vendor's own (`phoneDevSpecific`, `phoneGetData`, `phoneSetData`); requires the
    /// schema among the phone's extensions. The reply may carry [`Outcome::Data`](crate::Outcome::Data).
    Extension {
        /// What, in a schema that the phone lists.
        data: Opaque,
    },
    /// Sets the gain of a microphone, 0 to 65535; kept while muted (`phoneSetGain`).
    Gain {
        /// Whose.
        hook: HookSwitch,
        /// How much.
        gain: u16,
    },
    /// Lifts or lays down (`phoneSetHookSwitch`).
    Hook {
        /// What.
        hook: HookSwitch,
        /// How.
        mode: HookMode,
    },
    /// Sets a lamp (`phoneSetLamp`).
    Lamp {
        /// Which button's.
        button: u16,
        /// How it shines.
        mode: LampMode,
    },
    /// Rings, or stops at volume 0 (`phoneSetRing`).
    Ring {
        /// Which pattern.
        mode: u16,
        /// How loud, 0 to 65535.
        volume: u16,
    },
    /// Sets the volume of a loudspeaker, 0 to 65535; kept while muted (`phoneSetVolume`).
    Volume {
        /// Whose.
        hook: HookSwitch,
        /// How loud.
        volume: u16,
    },
}

/// Something that happened at a phone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PhoneChange {
    /// A button went down or up; every down has an up (inventory rule 69).
    Button {
        /// Which.
        button: u16,
        /// Whether it is down now.
        down: bool,
    },
    /// The display shows something else.
    Display {
        /// All of it, rows joined by line feeds.
        text: String,
    },
    /// Something of the vendor's own happened (`PHONE_DEVSPECIFIC`).
    Extension {
        /// What, in a schema that the phone lists.
        data: Opaque,
    },
    /// The gain of a microphone changed.
    Gain {
        /// Whose.
        hook: HookSwitch,
        /// How much now.
        gain: u16,
    },
    /// Something was lifted or laid down.
    Hook {
        /// What.
        hook: HookSwitch,
        /// How it is now.
        mode: HookMode,
    },
    /// A button has another label.
    Label {
        /// Which.
        button: u16,
        /// Its label now.
        label: String,
    },
    /// A lamp changed.
    Lamp {
        /// Which button's.
        button: u16,
        /// How it shines now.
        mode: LampMode,
    },
    /// The ringer changed.
    Ring {
        /// How loud now.
        volume: u16,
    },
    /// The volume of a loudspeaker changed.
    Volume {
        /// Whose.
        hook: HookSwitch,
        /// How loud now.
        volume: u16,
    },
}
