// SPDX-License-Identifier: MIT OR Apache-2.0
//! A phone as the core knows it: what it has, what it last reported, who may change it.

use std::collections::{BTreeMap, BTreeSet};

use offhook_spi::{
    HookSwitch, Opaque, PhoneCaps, PhoneChange, PhoneKey, PhoneOp, Refusal, RefusalKind, RequestId,
};

use crate::app::{ButtonState, PhoneState};
use crate::bounds;
use crate::id::{AppId, ProviderId};
use crate::line::LineName;

/// A phone as the core knows it; it stays when its provider goes and comes back.
#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) name: LineName,
    /// Where it is reached; `None` while it is absent.
    pub(crate) link: Option<(ProviderId, PhoneKey)>,
    pub(crate) caps: PhoneCaps,
    pub(crate) state: PhoneState,
    pub(crate) owner: Option<AppId>,
    pub(crate) monitors: BTreeSet<AppId>,
    /// What was asked of it and not replied to; bounded by the queue of its provider.
    pub(crate) asked: BTreeMap<RequestId, PhoneOp>,
}

/// Buttons of a phone that the core remembers at most, the keypad included.
const MOST_BUTTONS: usize = 512;

/// Keys 0 to 9, `*` and `#` are buttons 0 to 11 (inventory rule 69); further ones follow.
const KEYPAD: u16 = 12;

impl Phone {
    pub(crate) fn new(name: LineName) -> Self {
        Self {
            name,
            link: None,
            caps: PhoneCaps::default(),
            state: PhoneState::default(),
            owner: None,
            monitors: BTreeSet::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Everybody who uses it, in order.
    pub(crate) fn users(&self) -> Vec<AppId> {
        let mut users = self.monitors.clone();
        users.extend(self.owner);
        users.into_iter().collect()
    }

    /// Takes in what was reported; says whether it is news.
    pub(crate) fn take(&mut self, change: &mut PhoneChange) -> bool {
        let state = &mut self.state;
        match change {
            PhoneChange::Button { button, down } => {
                button_of(state, *button).is_some_and(|known| replace(&mut known.down, *down))
            }
            PhoneChange::Display { text } => {
                bounds::clip(text);
                replace(&mut state.display, Some(text.clone()))
            }
            // What it means is the vendor's business; it is told as often as it happens.
            PhoneChange::Extension { .. } => true,
            PhoneChange::Gain { hook, gain } => {
                replace(&mut state.hooks.entry(*hook).or_default().gain, Some(*gain))
            }
            PhoneChange::Hook { hook, mode } => {
                replace(&mut state.hooks.entry(*hook).or_default().mode, Some(*mode))
            }
            PhoneChange::Label { button, label } => {
                bounds::clip(label);
                let label = Some(label.clone());
                button_of(state, *button).is_some_and(|known| replace(&mut known.label, label))
            }
            PhoneChange::Lamp { button, mode } => {
                button_of(state, *button).is_some_and(|known| replace(&mut known.lamp, Some(*mode)))
            }
            PhoneChange::Ring { volume } => replace(&mut state.ring_volume, Some(*volume)),
            PhoneChange::Volume { hook, volume } => {
                replace(&mut state.hooks.entry(*hook).or_default().volume, Some(*volume))
            }
            // A newer vocabulary is passed on unread.
            _ => true,
        }
    }

    /// Checks that the phone has what an operation names; the refusal says what there is.
    pub(crate) fn check(&self, op: &PhoneOp) -> Result<(), Refusal> {
        match op {
            PhoneOp::Button { button, .. } | PhoneOp::Lamp { button, .. } => self.has_button(*button),
            PhoneOp::Display { row, column, .. } => self.has_place(*row, *column),
            PhoneOp::Extension { data } => self.takes(data),
            PhoneOp::Gain { hook, .. } | PhoneOp::Hook { hook, .. } | PhoneOp::Volume { hook, .. } => {
                self.has_hook(*hook)
            }
            PhoneOp::Ring { mode, .. } if *mode >= self.caps.ring_modes => {
                Err(self.lacks(&format!("ring mode {mode}"), &format!("{} from 0", self.caps.ring_modes)))
            }
            _ => Ok(()),
        }
    }

    fn has_button(&self, button: u16) -> Result<(), Refusal> {
        let most = KEYPAD.saturating_add(self.caps.buttons);
        if button < most {
            return Ok(());
        }
        Err(self.lacks(&format!("button {button}"), &format!("{most} from 0, the keypad included")))
    }

    fn has_place(&self, row: u16, column: u16) -> Result<(), Refusal> {
        let (rows, columns) = self.caps.display;
        if row < rows && column < columns {
            return Ok(());
        }
        let there = format!("a display of {rows} rows and {columns} columns");
        Err(self.lacks(&format!("row {row}, column {column}"), &there))
    }

    fn has_hook(&self, hook: HookSwitch) -> Result<(), Refusal> {
        if self.caps.hooks.contains(&hook) {
            return Ok(());
        }
        let there: Vec<String> =
            self.caps.hooks.iter().map(|hook| format!("{hook:?}").to_lowercase()).collect();
        let there = if there.is_empty() { String::from("no hook switch") } else { there.join(", ") };
        Err(self.lacks(&format!("{hook:?}").to_lowercase(), &there))
    }

    fn takes(&self, data: &Opaque) -> Result<(), Refusal> {
        if !self.caps.extensions.contains(&data.schema) {
            let detail = format!("the phone {} does not offer the extension {}", self.name, data.schema);
            return Err(Refusal::new(RefusalKind::Unsupported, detail));
        }
        if bounds::fits(data) {
            return Ok(());
        }
        let size = data.data.len();
        let detail = format!("data of {size} bytes for the phone {} is too big to be carried", self.name);
        Err(Refusal::new(RefusalKind::InvalidParameter, detail))
    }

    fn lacks(&self, wanted: &str, there: &str) -> Refusal {
        let detail = format!("the phone {} has no {wanted}; it has {there}", self.name);
        Refusal::new(RefusalKind::InvalidParameter, detail)
    }
}

/// What a phone reports, or would report, once an operation is done; nothing for what only it can say.
pub(crate) fn changes(op: PhoneOp) -> Option<PhoneChange> {
    Some(match op {
        PhoneOp::Button { button, label } => PhoneChange::Label { button, label },
        PhoneOp::Gain { hook, gain } => PhoneChange::Gain { hook, gain },
        PhoneOp::Hook { hook, mode } => PhoneChange::Hook { hook, mode },
        PhoneOp::Lamp { button, mode } => PhoneChange::Lamp { button, mode },
        PhoneOp::Ring { volume, .. } => PhoneChange::Ring { volume },
        PhoneOp::Volume { hook, volume } => PhoneChange::Volume { hook, volume },
        _ => return None,
    })
}

fn button_of(state: &mut PhoneState, button: u16) -> Option<&mut ButtonState> {
    match state.buttons.binary_search_by_key(&button, |known| known.button) {
        Ok(n) => state.buttons.get_mut(n),
        Err(_) if state.buttons.len() >= MOST_BUTTONS => None,
        Err(n) => {
            state.buttons.insert(n, ButtonState { button, ..ButtonState::default() });
            state.buttons.get_mut(n)
        }
    }
}

fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let is_news = *old != new;
    *old = new;
    is_news
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_spi::{HookMode, LampMode};

    fn phone() -> Phone {
        let mut phone = Phone::new(LineName { provider: "sim".to_owned(), stable_id: "desk".to_owned() });
        let hooks = vec![HookSwitch::Handset];
        phone.caps = PhoneCaps { hooks, display: (2, 20), buttons: 4, ring_modes: 1, ..PhoneCaps::default() };
        phone
    }

    #[test]
    fn what_a_phone_does_not_have_is_refused_by_name() {
        let handset = HookSwitch::Handset;
        for (op, detail) in [
            (PhoneOp::Lamp { button: 15, mode: LampMode::Off }, None),
            (PhoneOp::Lamp { button: 16, mode: LampMode::Off }, Some("has no button 16; it has 16 from 0")),
            (PhoneOp::Display { row: 1, column: 19, text: String::new() }, None),
            (
                PhoneOp::Display { row: 2, column: 0, text: String::new() },
                Some("has no row 2, column 0; it has a display of 2 rows and 20 columns"),
            ),
            (PhoneOp::Hook { hook: handset, mode: HookMode::Both }, None),
            (
                PhoneOp::Volume { hook: HookSwitch::Headset, volume: 1 },
                Some("has no headset; it has handset"),
            ),
            (PhoneOp::Ring { mode: 1, volume: 1 }, Some("has no ring mode 1; it has 1 from 0")),
        ] {
            let refusal = phone().check(&op).err();
            assert_eq!(refusal.is_some(), detail.is_some(), "{op:?}");
            if let (Some(refusal), Some(detail)) = (refusal, detail) {
                assert!(refusal.detail.contains(detail), "{}", refusal.detail);
            }
        }
    }

    /// Inventory rule 70: muting keeps volume and gain.
    #[test]
    fn muting_keeps_volume_and_gain() {
        let mut phone = phone();
        let hook = HookSwitch::Handset;
        assert!(phone.take(&mut PhoneChange::Volume { hook, volume: 7 }));
        assert!(phone.take(&mut PhoneChange::Gain { hook, gain: 9 }));
        assert!(phone.take(&mut PhoneChange::Hook { hook, mode: HookMode::Speaker }));
        let state = phone.state.hooks[&hook];
        assert_eq!((state.volume, state.gain, state.mode), (Some(7), Some(9), Some(HookMode::Speaker)));
    }

    #[test]
    fn what_is_known_already_is_no_news() {
        let mut phone = phone();
        for down in [true, false] {
            assert!(phone.take(&mut PhoneChange::Button { button: 3, down }));
            assert!(!phone.take(&mut PhoneChange::Button { button: 3, down }));
        }
    }

    #[test]
    fn a_flood_of_buttons_is_bounded() {
        let mut phone = phone();
        for button in 0..=u16::MAX {
            phone.take(&mut PhoneChange::Button { button, down: true });
        }
        assert_eq!(phone.state.buttons.len(), MOST_BUTTONS);
    }
}
