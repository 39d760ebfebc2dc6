// SPDX-License-Identifier: MIT OR Apache-2.0
//! Things to do later, in the order of their moments.

use std::collections::BTreeMap;

use offhook_spi::Moment;

/// A queue of things to do later; equal moments go by who was set first.
#[derive(Debug)]
pub(crate) struct Alarms<T> {
    set: BTreeMap<(Moment, u64), T>,
    count: u64,
}

impl<T> Default for Alarms<T> {
    fn default() -> Self {
        Self { set: BTreeMap::new(), count: 0 }
    }
}

impl<T> Alarms<T> {
    pub(crate) fn set(&mut self, at: Moment, what: T) {
        self.count += 1;
        self.set.insert((at, self.count), what);
    }

    /// Takes the first one that is due.
    pub(crate) fn due(&mut self, now: Moment) -> Option<T> {
        let entry = self.set.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    pub(crate) fn next(&self) -> Option<Moment> {
        self.set.first_key_value().map(|(key, _)| key.0)
    }
}
