// SPDX-License-Identifier: MIT OR Apache-2.0
//! Losses and discards measured as bursts and gaps (RFC 3611 section 4.7.2), in the order of the stream.

use std::time::Duration;

use super::SequenceNumber;

/// Packets in a row that must come well for a burst to be over (RFC 3611 section 4.7.2 recommends 16).
pub const GAP_MIN: u8 = 16;
/// Packets that may be overtaken before their fate is sealed.
const WINDOW: u16 = 64;

/// What became of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3611 section 4.7.1 knows these")]
pub enum Fate {
    /// It came, too late or too early to be played.
    Discarded,
    /// It never came.
    Lost,
    /// It came in time.
    Played,
}

/// A model of two states, burst and gap, in constant memory: the counts of RFC 3611 appendix A.2.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BurstGap {
    played: u64,
    lost: u64,
    discarded: u64,
    /// Runs of packets not played.
    runs: u64,
    is_running: bool,
    /// Packets that came well since the last that did not.
    well: u64,
    /// Packets not played in the burst that may be going on.
    bad: u64,
    /// Transitions: from gap to gap, gap to burst, gap to a single loss, and so on, as the appendix names them.
    c11: u64,
    c13: u64,
    c14: u64,
    c22: u64,
    c23: u64,
    c33: u64,
}

/// What a [`BurstGap`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BurstGapMetrics {
    /// Share of packets lost.
    pub loss: f64,
    /// Share of packets discarded.
    pub discard: f64,
    /// Share of packets not played while in bursts.
    pub burst_density: f64,
    /// Share of packets not played while in gaps.
    pub gap_density: f64,
    /// Mean length of a burst.
    pub burst: Duration,
    /// Mean length of a gap.
    pub gap: Duration,
}

impl BurstGap {
    /// Counts the next packet of the stream.
    pub const fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Played => {
                self.played += 1;
                self.well += 1;
                self.is_running = false;
                return;
            }
            Fate::Lost => self.lost += 1,
            Fate::Discarded => self.discarded += 1,
        }
        if !self.is_running {
            self.runs += 1;
            self.is_running = true;
        }
        if self.well >= GAP_MIN as u64 {
            if self.bad == 1 {
                self.c14 += 1;
            } else {
                self.c13 += 1;
            }
            self.bad = 1;
            self.c11 += self.well;
        } else {
            self.bad += 1;
            if self.well == 0 {
                self.c33 += 1;
            } else {
                self.c23 += 1;
                self.c22 += self.well - 1;
            }
        }
        self.well = 0;
    }

    /// Packets counted.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.played + self.lost + self.discarded
    }

    /// `BurstR` of ITU-T G.107 section 7.5: the mean length of a run of missing packets against the length it
    /// would have if each were lost by chance; 1 for random loss and for none.
    #[must_use]
    pub fn burst_ratio(&self) -> f64 {
        let missing = self.lost + self.discarded;
        if self.runs == 0 || self.played == 0 {
            return 1.0;
        }
        let (missing, total) = (missing as f64, self.total() as f64);
        (missing / self.runs as f64 * (1.0 - missing / total)).max(1.0)
    }

    /// The metrics so far, of packets of `packet` each; without a burst all is one gap.
    #[must_use]
    pub fn metrics(&self, packet: Duration) -> BurstGapMetrics {
        let total = self.total();
        if total == 0 {
            return BurstGapMetrics::default();
        }
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let (loss, discard) = (share(self.lost, total), share(self.discarded, total));
        if self.c13 == 0 {
            let gap = packet.mul_f64(total as f64);
            return BurstGapMetrics { loss, discard, gap_density: loss + discard, gap, ..Default::default() };
        }
        // What begins ends: c31 is c13, c32 is c23.
        let Self { c11, c13, c14, c22, c23, c33, .. } = *self;
        let all = c11 + c14 + c13 + c22 + c23 + c13 + c23 + c33;
        let p32 = share(c23, c13 + c23 + c33);
        let p23 = if c22 + c23 == 0 { 1.0 } else { 1.0 - share(c22, c22 + c23) };
        let gap = share(c11 + c14 + c13, c13);
        let burst = (share(all, c13) - gap).max(0.0);
        BurstGapMetrics {
            loss,
            discard,
            burst_density: p23 / (p23 + p32),
            gap_density: share(c14, c11 + c14),
            burst: packet.mul_f64(burst),
            gap: packet.mul_f64(gap),
        }
    }
}

/// Finds the fate of each packet from arrivals in whatever order, and counts it once none can overtake it.
#[derive(Clone, Debug, Default)]
pub struct Fates {
    newest: Option<SequenceNumber>,
    /// Bit n is the packet n before the newest: came at all, and came in time.
    came: u64,
    played: u64,
    /// Packets known so far, up to the window.
    known: u16,
    counts: BurstGap,
}

impl Fates {
    /// Notes an arrival; `fate` is [`Fate::Played`] or [`Fate::Discarded`].
    pub fn arrived(&mut self, sequence: SequenceNumber, fate: Fate) {
        let Some(newest) = self.newest else {
            self.begin(sequence, fate);
            return;
        };
        let ahead = sequence.after(newest);
        if ahead > 0 {
            // A jump as long as RFC 3550 appendix A.1 takes for loss is bounded by its type.
            for _ in 0..ahead {
                self.advance();
            }
            self.newest = Some(sequence);
            self.note(0, fate);
        } else if ahead.unsigned_abs() < self.known {
            self.note(ahead.unsigned_abs(), fate);
        }
    }

    /// Forgets where the stream stood: for a new source.
    pub fn restart(&mut self) {
        for back in (0..self.known).rev() {
            self.counts.count(self.fate(back));
        }
        (self.newest, self.known, self.came, self.played) = (None, 0, 0, 0);
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> &BurstGap {
        &self.counts
    }

    fn begin(&mut self, sequence: SequenceNumber, fate: Fate) {
        self.newest = Some(sequence);
        self.known = 1;
        self.note(0, fate);
    }

    const fn note(&mut self, back: u16, fate: Fate) {
        let bit = 1 << back;
        // The first copy counts.
        if self.came & bit == 0 {
            self.came |= bit;
            if matches!(fate, Fate::Played) {
                self.played |= bit;
            }
        }
    }

    /// Of the packet so many before the newest.
    const fn fate(&self, back: u16) -> Fate {
        let bit = 1 << back;
        if self.played & bit != 0 {
            Fate::Played
        } else if self.came & bit != 0 {
            Fate::Discarded
        } else {
            Fate::Lost
        }
    }

    const fn advance(&mut self) {
        if self.known == WINDOW {
            self.counts.count(self.fate(WINDOW - 1));
        } else {
            self.known += 1;
        }
        self.came <<= 1;
        self.played <<= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS20: Duration = Duration::from_millis(20);

    /// `.` played, `x` lost, `d` discarded, numbers repeat the next.
    fn of(runs: &[(usize, char)]) -> BurstGap {
        let mut counts = BurstGap::default();
        for (times, what) in runs {
            let fate = match what {
                'x' => Fate::Lost,
                'd' => Fate::Discarded,
                _ => Fate::Played,
            };
            (0..*times).for_each(|_| counts.count(fate));
        }
        counts
    }

    #[test]
    fn without_loss_all_is_one_gap() {
        let found = of(&[(100, '.')]).metrics(MS20);
        let gap = Duration::from_secs(2);
        assert_eq!(found, BurstGapMetrics { gap, ..BurstGapMetrics::default() });
        assert_eq!(BurstGap::default().metrics(MS20), BurstGapMetrics::default());
    }

    #[test]
    fn the_counts_are_those_done_by_hand() {
        // 20 well, two lost at once, 20 well, one lost, 3 well, one discarded, 20 well, one lost.
        let counts = of(&[(20, '.'), (2, 'x'), (20, '.'), (1, 'x'), (3, '.'), (1, 'd'), (20, '.'), (1, 'x')]);
        let found = (counts.c11, counts.c13, counts.c14, counts.c22, counts.c23, counts.c33);
        // Three times a loss after a gap; before each of them the last burst had not exactly one loss.
        assert_eq!(found, (60, 3, 0, 2, 1, 1));
        let metrics = counts.metrics(MS20);
        // p32 = 1 / (3 + 1 + 1), p23 = 1 − 2 / 3, density = p23 / (p23 + p32) = 0.625.
        assert!((metrics.burst_density - 0.625).abs() < 1e-9);
        // Gaps: (60 + 0 + 3) / 3 = 21 packets; bursts: (60 + 3 + 2 + 1 + 3 + 1 + 1) / 3 − 21 packets.
        assert_eq!(metrics.gap, MS20 * 21);
        assert!((metrics.burst.as_secs_f64() - 0.02 * (71.0 / 3.0 - 21.0)).abs() < 1e-6);
        assert!((metrics.loss - 4.0 / 68.0).abs() < 1e-9 && (metrics.discard - 1.0 / 68.0).abs() < 1e-9);
    }

    #[test]
    fn lone_losses_belong_to_the_gap() {
        let counts =
            of(&[(20, '.'), (2, 'x'), (20, '.'), (1, 'x'), (20, '.'), (1, 'x'), (20, '.'), (1, 'x')]);
        assert_eq!((counts.c13, counts.c14), (2, 2));
        assert!((counts.metrics(MS20).gap_density - 2.0 / 82.0).abs() < 1e-9);
    }

    #[test]
    fn the_burst_ratio_is_one_for_lone_losses_and_grows_with_runs() {
        assert!((of(&[(100, '.')]).burst_ratio() - 1.0).abs() < 1e-9);
        assert!((of(&[(10, '.'), (1, 'x'), (10, '.'), (1, 'x')]).burst_ratio() - 1.0).abs() < 1e-9);
        // Runs of four in a tenth lost: 4 × 0.9.
        assert!((of(&[(36, '.'), (4, 'x')]).burst_ratio() - 3.6).abs() < 1e-9);
    }

    #[test]
    fn order_of_arrival_and_copies_do_not_matter() {
        let mut fates = Fates::default();
        for base in (65_500..66_500_u32).step_by(4) {
            // The second overtakes the first, the third comes twice, the fourth never.
            for (n, fate) in [(1, Fate::Played), (0, Fate::Played), (2, Fate::Discarded), (2, Fate::Played)] {
                fates.arrived(SequenceNumber((base + n) as u16), fate);
            }
        }
        // The first number overtaken by the first to come is before the beginning.
        fates.restart();
        let counts = fates.counts();
        assert_eq!((counts.played, counts.discarded, counts.lost), (499, 250, 249));
    }
}
