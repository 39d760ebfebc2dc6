// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a busy lamp shows: the calls of somebody else, as documents about them come in (RFC 4235).

use std::collections::BTreeMap;

use offhook_sipcore::body::{DialogInfo, DialogState, KnownDialog, Part, Presence};
use offhook_spi::WatchedState;

/// More calls of one address are not remembered.
const MAX_DIALOGS: usize = 128;

/// The calls of one address.
#[derive(Debug, Default)]
pub(crate) struct Lamp {
    version: Option<u32>,
    dialogs: BTreeMap<String, KnownDialog>,
}

/// What became of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    /// It came twice, or out of order.
    Late,
    /// Something was missed before it: the whole state has to be asked for.
    Missed,
    Whole,
}

impl Lamp {
    /// Takes a document (RFC 4235 section 3.10: versions tell what was missed).
    pub(crate) fn take(&mut self, info: DialogInfo) -> Taken {
        let expected = self.version.map_or(0, |version| version.saturating_add(1));
        if self.version.is_some() && info.version < expected {
            return Taken::Late;
        }
        let missed = info.part == Part::Partial && (self.version.is_none() || info.version != expected);
        self.version = Some(info.version);
        if info.part == Part::Full {
            self.dialogs.clear();
        }
        for dialog in info.dialogs {
            if dialog.state == DialogState::Terminated {
                self.dialogs.remove(&dialog.id);
            } else if self.dialogs.len() < MAX_DIALOGS || self.dialogs.contains_key(&dialog.id) {
                self.dialogs.insert(dialog.id.clone(), dialog);
            }
        }
        if missed { Taken::Missed } else { Taken::Whole }
    }

    /// What the lamp shows: a call that can still be picked up is worth more than one that goes on.
    pub(crate) fn state(&self) -> WatchedState {
        let rings =
            |dialog: &KnownDialog| dialog.state != DialogState::Confirmed && dialog.is_incoming == Some(true);
        if self.dialogs.values().any(rings) {
            WatchedState::Alerting
        } else if self.dialogs.is_empty() {
            WatchedState::Idle
        } else {
            WatchedState::Busy
        }
    }
}

/// What a lamp shows of somebody's presence.
pub(crate) const fn of_presence(presence: Presence) -> WatchedState {
    match presence {
        Presence::Open => WatchedState::Idle,
        Presence::Busy => WatchedState::Busy,
        Presence::Closed => WatchedState::Offline,
        _ => WatchedState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: u32, part: Part, dialogs: &[(&str, bool, DialogState)]) -> DialogInfo {
        let dialogs = dialogs
            .iter()
            .map(|(id, incoming, state)| KnownDialog {
                id: (*id).to_owned(),
                is_incoming: Some(*incoming),
                state: *state,
            })
            .collect();
        DialogInfo { version, part, dialogs }
    }

    #[test]
    fn a_lamp_follows_a_call_from_the_first_ring_to_the_end() {
        use DialogState::{Confirmed, Early, Terminated, Trying};
        let mut lamp = Lamp::default();
        let steps = [
            (info(0, Part::Full, &[]), WatchedState::Idle),
            (info(1, Part::Partial, &[("a", true, Early)]), WatchedState::Alerting),
            (info(2, Part::Partial, &[("a", true, Confirmed)]), WatchedState::Busy),
            (info(3, Part::Partial, &[("b", true, Trying)]), WatchedState::Alerting),
            (info(4, Part::Partial, &[("b", true, Terminated)]), WatchedState::Busy),
            (info(5, Part::Partial, &[("a", true, Terminated)]), WatchedState::Idle),
            (info(6, Part::Full, &[("c", false, Early)]), WatchedState::Busy),
            (info(9, Part::Full, &[]), WatchedState::Idle),
        ];
        for (document, state) in steps {
            assert_eq!(lamp.take(document), Taken::Whole);
            assert_eq!(lamp.state(), state, "{lamp:?}");
        }
    }

    #[test]
    fn what_was_missed_is_noticed_and_what_comes_late_is_not_taken() {
        let ringing = [("a", true, DialogState::Early)];
        let mut lamp = Lamp::default();
        assert_eq!(lamp.take(info(4, Part::Partial, &ringing)), Taken::Missed);
        assert_eq!(lamp.take(info(5, Part::Full, &[])), Taken::Whole);
        assert_eq!(lamp.take(info(5, Part::Full, &ringing)), Taken::Late);
        assert_eq!(lamp.state(), WatchedState::Idle);
        assert_eq!(lamp.take(info(7, Part::Partial, &ringing)), Taken::Missed);
    }
}
