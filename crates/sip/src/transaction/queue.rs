// SPDX-License-Identifier: MIT OR Apache-2.0
//! One queue for all timers of an agent.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use offhook_spi::Moment;

/// Timers by the moment at which they fire; arming and disarming are exact and cost O(log n).
#[derive(Debug)]
pub(crate) struct TimerQueue<K> {
    order: BTreeSet<(Moment, K)>,
    armed: HashMap<K, Moment>,
}

impl<K: Copy + Eq + Hash + Ord> TimerQueue<K> {
    /// Sets `key` to fire at `at`, wherever it stood before.
    pub(crate) fn arm(&mut self, key: K, at: Moment) {
        if let Some(before) = self.armed.insert(key, at) {
            self.order.remove(&(before, key));
        }
        self.order.insert((at, key));
    }

    /// Forgets `key`.
    pub(crate) fn disarm(&mut self, key: K) {
        if let Some(at) = self.armed.remove(&key) {
            self.order.remove(&(at, key));
        }
    }

    /// Takes the earliest timer that is due at `now`, with the moment it was set to.
    pub(crate) fn due(&mut self, now: Moment) -> Option<(Moment, K)> {
        let (at, key) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.order.pop_first();
        self.armed.remove(&key);
        Some((at, key))
    }

    /// When the earliest timer fires.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Says whether `key` is armed.
    pub(crate) fn is_armed(&self, key: K) -> bool {
        self.armed.contains_key(&key)
    }

    /// How many timers are armed.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}

impl<K> Default for TimerQueue<K> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), armed: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_and_once() {
        let mut queue = TimerQueue::default();
        for (key, at) in [(1_u32, 30), (2, 10), (3, 20)] {
            queue.arm(key, Moment::from_millis(at));
        }
        assert_eq!(queue.next(), Some(Moment::from_millis(10)));
        assert_eq!(queue.due(Moment::from_millis(20)), Some((Moment::from_millis(10), 2)));
        assert_eq!(queue.due(Moment::from_millis(20)), Some((Moment::from_millis(20), 3)));
        assert_eq!(queue.due(Moment::from_millis(20)), None);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn arming_again_moves_a_timer_and_disarming_removes_it() {
        let mut queue = TimerQueue::default();
        queue.arm('a', Moment::from_millis(5));
        queue.arm('a', Moment::from_millis(9));
        assert_eq!(queue.due(Moment::from_millis(5)), None);
        assert_eq!(queue.len(), 1);
        queue.disarm('a');
        assert_eq!((queue.next(), queue.len()), (None, 0));
    }
}
