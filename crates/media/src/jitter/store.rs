// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where packets wait: a bounded list in play-out order over a pool of equal blocks.

use crate::rtp::{PayloadType, SequenceNumber, Timestamp};

/// Ends a chain of blocks.
const NONE: u8 = u8::MAX;

/// One waiting packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) timestamp: Timestamp,
    /// Ticks of sound in the packet.
    pub(super) duration: u32,
    pub(super) sequence: SequenceNumber,
    len: u16,
    pub(super) payload_type: PayloadType,
    first: u8,
}

/// The waiting packets. All memory is taken at creation.
#[derive(Clone, Debug)]
pub(super) struct Store {
    /// Earliest first; never grows beyond its first capacity.
    entries: Vec<Entry>,
    bytes: Box<[u8]>,
    /// The block after each block, in its packet or among the free ones.
    next: Box<[u8]>,
    free: u8,
    block: usize,
}

/// What became of a packet to be stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stored {
    Duplicate,
    Full,
    Kept,
}

impl Store {
    /// Room for `blocks` pieces of `block` bytes, at most 255.
    pub(super) fn new(blocks: u8, block: usize) -> Self {
        let count = usize::from(blocks.clamp(1, NONE));
        let mut store = Self {
            entries: Vec::with_capacity(count),
            bytes: vec![0; count * block.max(1)].into(),
            next: vec![NONE; count].into(),
            free: 0,
            block: block.max(1),
        };
        store.clear();
        store
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        let count = self.next.len();
        for (n, next) in self.next.iter_mut().enumerate() {
            *next = if n + 1 < count { (n + 1) as u8 } else { NONE };
        }
        self.free = 0;
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.first()
    }

    pub(super) fn last(&self) -> Option<&Entry> {
        self.entries.last()
    }

    /// Longest packet that could ever be kept.
    pub(super) fn longest(&self) -> usize {
        self.bytes.len().min(usize::from(u16::MAX))
    }

    /// Keeps a packet in its place.
    pub(super) fn insert(
        &mut self,
        (sequence, timestamp, duration): (SequenceNumber, Timestamp, u32),
        payload_type: PayloadType,
        payload: &[u8],
    ) -> Stored {
        let after = |entry: &Entry| timestamp.after(entry.timestamp);
        let place = self.entries.iter().rposition(|entry| after(entry) >= 0).map_or(0, |n| n + 1);
        if place > 0 && after(&self.entries[place - 1]) == 0 {
            return Stored::Duplicate;
        }
        if self.entries.len() == self.entries.capacity() {
            return Stored::Full;
        }
        let Some(first) = self.keep(payload) else { return Stored::Full };
        let len = payload.len() as u16;
        self.entries.insert(place, Entry { timestamp, duration, sequence, len, payload_type, first });
        Stored::Kept
    }

    /// Copies a packet's payload to the front of `out`, cut to its length.
    pub(super) fn copy(&self, entry: &Entry, out: &mut [u8]) -> usize {
        let len = usize::from(entry.len);
        let mut block = entry.first;
        for start in (0..len).step_by(self.block) {
            let piece = self.block.min(len - start);
            let from = usize::from(block) * self.block;
            if let Some(room) = out.get_mut(start..start + piece) {
                room.copy_from_slice(&self.bytes[from..from + piece]);
            }
            block = self.next.get(usize::from(block)).copied().unwrap_or(NONE);
        }
        len.min(out.len())
    }

    /// Takes the earliest packet; its payload goes to the front of `out`, cut to its length.
    pub(super) fn take_first(&mut self, out: &mut [u8]) -> Option<(Entry, usize)> {
        let entry = *self.entries.first()?;
        let len = self.copy(&entry, out);
        self.entries.remove(0);
        let mut block = entry.first;
        for _ in 0..usize::from(entry.len).div_ceil(self.block) {
            block = self.release(block);
        }
        Some((entry, len))
    }

    /// Copies a payload into free blocks, all or nothing.
    fn keep(&mut self, payload: &[u8]) -> Option<u8> {
        let wanted = payload.len().div_ceil(self.block);
        let mut last_free = self.free;
        for _ in 1..wanted {
            last_free = *self.next.get(usize::from(last_free))?;
        }
        if wanted > 0 && last_free == NONE {
            return None;
        }
        let first = if wanted > 0 { self.free } else { NONE };
        for piece in payload.chunks(self.block) {
            let block = usize::from(self.free);
            self.bytes[block * self.block..][..piece.len()].copy_from_slice(piece);
            self.free = self.next[block];
        }
        if wanted > 0 {
            self.next[usize::from(last_free)] = NONE;
        }
        Some(first)
    }

    /// Gives a block back, returns the one after it.
    fn release(&mut self, block: u8) -> u8 {
        let next = std::mem::replace(&mut self.next[usize::from(block)], self.free);
        self.free = block;
        next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(store: &mut Store, n: u16, len: usize) -> Stored {
        let place = (SequenceNumber(n), Timestamp(u32::from(n) * 160), 160);
        store.insert(place, PayloadType::PCMU, &vec![n as u8; len])
    }

    #[test]
    fn packets_come_out_in_order_whatever_order_they_came_in() {
        let mut store = Store::new(8, 80);
        for n in [3, 1, 2, 0] {
            assert_eq!(put(&mut store, n, 160), Stored::Kept);
        }
        assert_eq!(put(&mut store, 2, 160), Stored::Duplicate);
        assert_eq!(put(&mut store, 9, 1), Stored::Full);
        for n in 0..4_u8 {
            let mut out = [9; 200];
            let (entry, len) = store.take_first(&mut out).unwrap();
            assert_eq!((entry.sequence.0, len), (u16::from(n), 160));
            assert!(out[..160].iter().all(|byte| *byte == n) && out[160] == 9);
        }
        assert_eq!(store.take_first(&mut []), None);
    }

    proptest! {
        #[test]
        fn blocks_are_never_lost(steps: Vec<(bool, u16, u8)>) {
            let mut store = Store::new(16, 40);
            let mut out = [0; 255];
            for (take, n, len) in steps {
                if take {
                    store.take_first(&mut out);
                } else {
                    put(&mut store, n, usize::from(len));
                }
            }
            while let Some((entry, len)) = store.take_first(&mut out) {
                prop_assert!(out[..len].iter().all(|byte| *byte == entry.sequence.0 as u8));
            }
            for n in 0..16 {
                prop_assert_eq!(put(&mut store, n, 40), Stored::Kept);
            }
            prop_assert_eq!(put(&mut store, 16, 0), Stored::Full);
        }
    }
}
