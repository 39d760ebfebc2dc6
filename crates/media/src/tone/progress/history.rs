// SPDX-License-Identifier: MIT OR Apache-2.0
//! What sounded how long and paused how long of late, and which cadences that agrees with.

/// Bursts and pauses that are remembered: one more than the longest doubt between two cadences takes.
const MOST: usize = 12;
/// A running pause of so many milliseconds is one between calls of a bell, not within one.
const LONG_PAUSE: u32 = 600;

/// Bursts and pauses in turn, beginning with a burst.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    parts: [u32; MOST],
    /// For each burst, and each pause alike, the rows whose sound it has.
    rows: [u32; MOST],
    count: usize,
}

impl History {
    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) const fn clear(&mut self) {
        self.count = 0;
    }

    /// The number of complete bursts and pauses.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Adds a burst after a pause (of which the first has none).
    pub(super) fn add(&mut self, pause: u32, burst: u32, rows: u32) {
        if self.count + 2 > MOST {
            self.forget();
        }
        if self.count > 0 {
            (self.parts[self.count], self.rows[self.count]) = (pause, u32::MAX);
            self.count += 1;
        }
        (self.parts[self.count], self.rows[self.count]) = (burst, rows);
        self.count += 1;
    }

    /// Forgets the oldest burst and the pause after it.
    pub(super) fn forget(&mut self) {
        let gone = self.count.min(2);
        self.parts.copy_within(gone.., 0);
        self.rows.copy_within(gone.., 0);
        self.count -= gone;
    }

    /// Forgets all but the newest burst.
    pub(super) fn keep_last(&mut self) {
        while self.count > 1 {
            self.forget();
        }
    }

    /// Whether a row fits, given the part that goes on.
    pub(super) fn fits(&self, row: usize, cadence: &[u32], running: Running) -> bool {
        self.fits_since(0, row, cadence, running)
    }

    /// Whether a row fits the last few parts.
    pub(super) fn still_fits(&self, row: usize, cadence: &[u32], running: Running) -> bool {
        let start = self.count.saturating_sub(3);
        self.fits_since(start - start % 2, row, cadence, running)
    }

    fn fits_since(&self, start: usize, row: usize, cadence: &[u32], running: Running) -> bool {
        if cadence.is_empty() || self.rows[start..self.count].iter().any(|rows| rows & (1 << row) == 0) {
            return false;
        }
        let parts = &self.parts[start..self.count];
        (0..cadence.len()).step_by(2).any(|phase| {
            let expected = |index: usize| cadence[(phase + index) % cadence.len()];
            let complete = parts
                .iter()
                .enumerate()
                .all(|(index, &part)| part.abs_diff(expected(index)) <= slack(expected(index)));
            let longest = |index: usize| expected(index).saturating_add(slack(expected(index)));
            complete
                && match running {
                    Running::Pause(ms) => ms <= longest(parts.len()),
                    Running::Burst { pause, burst } => {
                        pause.abs_diff(expected(parts.len())) <= slack(expected(parts.len()))
                            && burst <= longest(parts.len() + 1)
                    }
                }
        })
    }

    /// Whether enough was heard to believe in a cadence that fits.
    pub(super) fn is_enough(&self, cadence: &[u32], is_ringing: bool, running: Running) -> bool {
        let group = cadence.len() - 1;
        let paused = matches!(running, Running::Pause(ms) if ms >= LONG_PAUSE);
        let whole = self.count > group || (self.count == group && paused);
        if is_ringing {
            whole
        } else {
            self.count >= 3 && (cadence.len() == 2 || whole || self.count >= group)
        }
    }
}

/// What goes on after the complete parts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Running {
    /// A pause of so many milliseconds.
    Pause(u32),
    /// A burst after a pause.
    Burst { pause: u32, burst: u32 },
}

/// How far a part may be from what is written: 10 % (the widest of E.180 section 4 and following) and two hops.
const fn slack(ms: u32) -> u32 {
    35 + ms / 10
}
