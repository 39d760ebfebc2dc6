// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packet indices, rollover counters and replay windows (RFC 3711 sections 3.3.1 and 3.3.2).

/// Half of the sequence numbers.
const HALF: i64 = 1 << 15;

/// The index that a sequence number most likely stands for, given the highest index so far (RFC 3711 appendix A).
///
/// Before the first rollover nothing can be older than the stream, so a wide jump is one ahead.
pub(super) const fn estimate(highest: u64, sequence: u16) -> u64 {
    let rollover = highest >> 16;
    let ahead = sequence as i64 - (highest & 0xffff) as i64;
    let rollover = if ahead > HALF && rollover > 0 {
        rollover - 1
    } else if ahead < -HALF {
        rollover + 1
    } else {
        rollover
    };
    rollover << 16 | sequence as u64
}

/// The rollover counter of an index, as it goes into the tag.
pub(super) const fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// Which of the last 128 indices came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Window {
    /// Nothing came before the first.
    highest: Option<u64>,
    /// Bit n: the index n below the highest came.
    seen: u128,
}

impl Window {
    /// Indices that it remembers.
    pub(super) const SIZE: u64 = u128::BITS as u64;

    /// The highest index that came.
    pub(super) const fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Whether an index neither came nor is too old to tell.
    pub(super) fn is_new(&self, index: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        match highest.checked_sub(index) {
            None => true,
            Some(age) => age < Self::SIZE && self.seen >> age & 1 == 0,
        }
    }

    /// Notes an index, once its packet is known to be authentic.
    pub(super) fn note(&mut self, index: u64) {
        let highest = self.highest.unwrap_or(index);
        if let Some(step) = index.checked_sub(highest) {
            // A shift by the whole width forgets everything.
            self.seen =
                u32::try_from(step).ok().and_then(|step| self.seen.checked_shl(step)).unwrap_or(0) | 1;
            self.highest = Some(index);
        } else if highest - index < Self::SIZE {
            self.seen |= 1 << (highest - index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_roll_over_in_both_directions() {
        for (highest, sequence, index) in [
            (0, 1, 1),
            (0xffff, 0, 0x1_0000),
            (0x1_0000, 0xffff, 0xffff),
            (0x1_0005, 6, 0x1_0006),
            (0x1_8000, 0, 0x1_0000),
            (0x1_8001, 0, 0x2_0000),
            (0x1_7fff, 0xffff, 0x1_ffff),
            (0x1_7ffe, 0xffff, 0xffff),
            (5, 0xffff, 0xffff),
        ] {
            assert_eq!(estimate(highest, sequence), index, "{highest:x} {sequence:x}");
        }
    }

    #[test]
    fn a_window_knows_what_came() {
        let mut window = Window::default();
        assert!(window.is_new(1_000));
        window.note(1_000);
        assert!(!window.is_new(1_000) && window.is_new(1_001) && window.is_new(999));
        assert!(window.is_new(1_000 - 127) && !window.is_new(1_000 - 128));
        window.note(1_000 - 127);
        assert!(!window.is_new(1_000 - 127));
        window.note(1_127);
        assert!(!window.is_new(1_000) && window.is_new(1_001));
        window.note(1_128 + 127);
        assert!(window.is_new(1_128) && !window.is_new(1_127));
        window.note(1 << 47);
        assert_eq!(window.highest(), Some(1 << 47));
        assert!(!window.is_new(1_255) && window.is_new((1 << 47) - 1));
    }
}
