// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether somebody speaks: level above a floor that follows the noise, and not hissing all the time.

use crate::tone::ear::{HOP_MS, Hop};

/// Quieter than this, in dBov, nobody speaks.
const QUIETEST: f32 = -56.0;
/// Decibels above the floor at which speech begins …
const ABOVE: f32 = 7.0;
/// … and below which it ends.
const STAYS: f32 = 4.0;
/// Hops within which the quietest is the floor: longer than any stretch of speech without a gap.
const REMEMBERED: usize = 64;
/// Milliseconds that speech goes on after its last sound: the gaps before stops such as "t" and "k".
const HANGOVER: u32 = 96;
/// Sound that changes sign so often is hiss: an "s" if it is short, noise if it is not.
const HISS: f32 = 0.42;
/// Milliseconds of hiss that are an "s".
const SIBILANT: u32 = 240;
/// Milliseconds of sound in a row that make speech; a shorter knock is none.
const KNOCK: u32 = 48;

/// Follows the voice from hop to hop.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    /// The levels of late, in dBov.
    levels: [f32; REMEMBERED],
    next: usize,
    /// Milliseconds of sound in a row.
    sound: u32,
    /// Milliseconds since there was sound.
    quiet: u32,
    hiss: u32,
    speaks: bool,
}

impl Default for Voice {
    fn default() -> Self {
        // As if there had been silence before.
        Self { levels: [QUIETEST - ABOVE; REMEMBERED], next: 0, sound: 0, quiet: 0, hiss: 0, speaks: false }
    }
}

impl Voice {
    /// Whether somebody speaks as of this hop.
    pub(super) fn judge(&mut self, hop: &Hop) -> bool {
        let level = hop.fresh.dbov();
        self.levels[self.next % REMEMBERED] = level.max(QUIETEST - ABOVE);
        self.next = (self.next + 1) % REMEMBERED;
        let floor = self.floor();
        let margin = if self.speaks { STAYS } else { ABOVE };
        self.hiss = if hop.crossings > HISS { self.hiss.saturating_add(HOP_MS) } else { 0 };
        // A word may end in an "s"; noise never begins one.
        let hisses = self.hiss > if self.speaks { SIBILANT } else { 0 };
        if level > QUIETEST && level > floor + margin && !hisses {
            self.sound = self.sound.saturating_add(HOP_MS);
            self.quiet = 0;
        } else {
            self.quiet = self.quiet.saturating_add(HOP_MS);
            if self.quiet > HOP_MS {
                self.sound = 0;
            }
        }
        self.speaks = if self.speaks { self.quiet <= HANGOVER } else { self.sound >= KNOCK };
        self.speaks
    }

    /// Milliseconds by which the beginning of speech is told late.
    pub(super) const LATE: u32 = KNOCK;
    /// Milliseconds by which its end is.
    pub(super) const AFTER: u32 = HANGOVER;

    /// The floor: the fourth quietest hop of the last second, lest a lost packet count as the noise.
    fn floor(&self) -> f32 {
        let mut lowest = [f32::INFINITY; 5];
        for &level in &self.levels {
            let mut level = level;
            for place in &mut lowest {
                if level < *place {
                    std::mem::swap(place, &mut level);
                }
            }
        }
        lowest[4]
    }
}
