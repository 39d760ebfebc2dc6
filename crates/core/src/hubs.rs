// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conversations (call hubs): one id for all calls that belong together, across transfer and conference.
//!
//! Calls belong together when the network gives them the same id, on whatever lines, when one came out of
//! the other, or when they are joined.

use std::collections::BTreeMap;

use offhook_spi::CallInfo;

use crate::app::AppEvent;
use crate::id::{CallId, HubId};
use crate::switch::Switch;

/// Network's ids that one conversation remembers; a provider that changes them without end is not
/// followed further.
const MOST_NAMES: usize = 32;

/// All conversations.
#[derive(Debug, Default)]
pub(crate) struct Hubs {
    last: u64,
    hubs: BTreeMap<HubId, Hub>,
    /// The conversation of each network's id.
    names: BTreeMap<String, HubId>,
}

#[derive(Debug, Default)]
struct Hub {
    calls: Vec<CallId>,
    names: Vec<String>,
}

impl Hubs {
    /// A new call that belongs to nothing yet.
    pub(crate) fn enter(&mut self, call: CallId) -> HubId {
        self.last += 1;
        let id = HubId(self.last);
        self.hubs.insert(id, Hub { calls: vec![call], names: Vec::new() });
        id
    }

    /// A conversation has a network's id: it is one with that which has the same. Gives the conversation
    /// and the calls that came to it from another.
    fn name(&mut self, id: HubId, name: &str) -> (HubId, Vec<CallId>) {
        match self.names.get(name).copied() {
            Some(other) if other == id => (id, Vec::new()),
            Some(other) => self.join(id, other),
            None => {
                if let Some(hub) = self.hubs.get_mut(&id).filter(|hub| hub.names.len() < MOST_NAMES) {
                    hub.names.push(name.to_owned());
                    self.names.insert(name.to_owned(), id);
                }
                (id, Vec::new())
            }
        }
    }

    /// Two conversations become one, under the older id.
    pub(crate) fn join(&mut self, a: HubId, b: HubId) -> (HubId, Vec<CallId>) {
        let (keep, goes) = (a.min(b), a.max(b));
        if keep == goes || !self.hubs.contains_key(&keep) {
            return (a, Vec::new());
        }
        let Some(gone) = self.hubs.remove(&goes) else { return (keep, Vec::new()) };
        for name in &gone.names {
            self.names.insert(name.clone(), keep);
        }
        if let Some(hub) = self.hubs.get_mut(&keep) {
            hub.calls.extend(&gone.calls);
            hub.names.extend(gone.names);
        }
        (keep, gone.calls)
    }

    /// A call is forgotten; the last one takes the conversation along.
    pub(crate) fn leave(&mut self, id: HubId, call: CallId) {
        let Some(hub) = self.hubs.get_mut(&id) else { return };
        hub.calls.retain(|other| *other != call);
        if hub.calls.is_empty() {
            for name in self.hubs.remove(&id).map(|hub| hub.names).unwrap_or_default() {
                self.names.remove(&name);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hubs.is_empty() && self.names.is_empty()
    }
}

impl Switch {
    /// Finds the conversation of a call by the ids that the network gives it.
    pub(crate) fn place_in_hub(&mut self, id: CallId, info: &CallInfo) {
        for name in [&info.call_id, &info.related_call_id].into_iter().flatten() {
            let Some(call) = self.calls.get(id) else { return };
            let moved = self.hubs.name(call.hub, name);
            self.moved_to_hub(moved);
        }
    }

    /// Two calls belong together from now on.
    pub(crate) fn join_hubs(&mut self, a: CallId, b: CallId) {
        if let (Some(a), Some(b)) = (self.calls.get(a), self.calls.get(b)) {
            let moved = self.hubs.join(a.hub, b.hub);
            self.moved_to_hub(moved);
        }
    }

    fn moved_to_hub(&mut self, (hub, calls): (HubId, Vec<CallId>)) {
        for id in calls {
            let Some(call) = self.calls.get_mut(id) else { continue };
            call.hub = hub;
            if !call.life.is_over() {
                let to = call.hearers();
                self.tell(to, AppEvent::Hub { call: id, hub });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotmap::KeyData;

    fn call(n: u64) -> CallId {
        CallId::from(KeyData::from_ffi(1 << 32 | n))
    }

    #[test]
    fn equal_ids_of_the_network_make_one_conversation() {
        let mut hubs = Hubs::default();
        let (a, b) = (hubs.enter(call(1)), hubs.enter(call(2)));
        assert_eq!(hubs.name(a, "x"), (a, Vec::new()));
        assert_eq!(hubs.name(b, "x"), (a, vec![call(2)]));
        assert_eq!(hubs.name(a, "x"), (a, Vec::new()));
    }

    #[test]
    fn the_older_id_stays_whoever_joins_whom() {
        for swapped in [false, true] {
            let mut hubs = Hubs::default();
            let (a, b) = (hubs.enter(call(1)), hubs.enter(call(2)));
            let (x, y) = if swapped { (b, a) } else { (a, b) };
            assert_eq!(hubs.join(x, y), (a, vec![call(2)]));
            let c = hubs.enter(call(3));
            assert_eq!(hubs.join(c, a), (a, vec![call(3)]));
        }
    }

    #[test]
    fn names_go_with_their_conversation() {
        let mut hubs = Hubs::default();
        let (a, b) = (hubs.enter(call(1)), hubs.enter(call(2)));
        hubs.name(b, "b");
        hubs.join(a, b);
        let c = hubs.enter(call(3));
        assert_eq!(hubs.name(c, "b"), (a, vec![call(3)]));
        for n in 1..=3 {
            hubs.leave(a, call(n));
        }
        assert!(hubs.is_empty());
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let mut hubs = Hubs::default();
        let a = hubs.enter(call(1));
        for n in 0..10_000 {
            hubs.name(a, &n.to_string());
        }
        assert_eq!(hubs.names.len(), MOST_NAMES);
        hubs.leave(a, call(1));
        assert!(hubs.is_empty());
    }
}
