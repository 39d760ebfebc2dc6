// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long packets may be under way: a histogram of arrival delays that forgets, and its quantile.

use crate::rtp::Timestamp;

/// Cells of the histogram, each 5 ms wide; the last one takes everything beyond.
const CELLS: usize = 48;
/// Cells a second.
const CELL_RATE: u32 = 200;
/// The share of packets that the target delay must let arrive in time. By the E-model a hundredth of loss costs
/// as much as 150 ms of delay, so the tail is worth waiting for; a single straggler in a hundred is not.
const QUANTILE: f32 = 0.98;
/// What one packet weighs when many were seen: about three seconds of memory at 50 packets a second, so that
/// trouble is forgotten within a quarter of a minute.
const WEIGHT: f32 = 0.006;
/// Packets over which the least delay is taken; two such windows count.
const WINDOW: u16 = 256;
/// Beyond this the cells are made smaller, long before they are inexact.
const LARGEST: f32 = 1_000_000.0;
/// Before so many packets, one second, the quantile is a guess.
const YOUNG: u16 = 50;

/// The delays of arrivals against the earliest arrival of late.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    cells: [f32; CELLS],
    /// What the cells add up to.
    total: f32,
    /// Packets seen, up to the point where all weigh alike.
    seen: u16,
    /// Ticks a cell.
    cell: u32,
    /// Least transit of the window before and of this one, against `reference`.
    least: [i32; 2],
    /// Packets in this window.
    age: u16,
    /// Transit that the others are compared with, so that wrapping numbers stay small.
    reference: Option<u32>,
}

impl Estimate {
    pub(super) fn new(clock: u32) -> Self {
        Self {
            cells: [0.0; CELLS],
            total: 0.0,
            seen: 0,
            cell: (clock / CELL_RATE).max(1),
            least: [i32::MAX; 2],
            age: 0,
            reference: None,
        }
    }

    /// Goes on at another clock, keeps what was learnt of the network.
    pub(super) fn set_clock(&mut self, clock: u32) {
        self.cell = (clock / CELL_RATE).max(1);
        self.rebase();
    }

    /// Forgets where the stream stood in time, keeps what was learnt of the network.
    pub(super) fn rebase(&mut self) {
        self.reference = None;
        self.least = [i32::MAX; 2];
        self.age = 0;
    }

    /// Counts an arrival at `now` (in ticks of the stream) of the packet that begins at `timestamp`.
    pub(super) fn observe(&mut self, now: u32, timestamp: Timestamp) {
        let transit = now.wrapping_sub(timestamp.0);
        let reference = *self.reference.get_or_insert(transit);
        let relative = transit.wrapping_sub(reference).cast_signed();
        self.age += 1;
        if self.age > WINDOW {
            self.age = 0;
            self.least = [self.least[1], i32::MAX];
        }
        self.least[1] = self.least[1].min(relative);
        let delay = relative.saturating_sub(self.floor()).max(0).cast_unsigned();
        self.learn((delay.div_ceil(self.cell) as usize).min(CELLS - 1));
    }

    /// Ticks by which play-out of `timestamp` at `now` would lie behind the earliest arrivals.
    pub(super) fn delay(&self, now: u32, timestamp: Timestamp) -> Option<i32> {
        let reference = self.reference?;
        let relative = now.wrapping_sub(timestamp.0).wrapping_sub(reference).cast_signed();
        Some(relative.saturating_sub(self.floor()))
    }

    /// The delay in ticks that lets all but a few packets arrive in time; `None` before the first packet.
    pub(super) fn target(&self) -> Option<u32> {
        if self.seen == 0 {
            return None;
        }
        let mut share = 0.0;
        let quantile = self.cells.iter().position(|cell| {
            share += cell;
            share >= QUANTILE * self.total
        });
        Some(quantile.unwrap_or(CELLS - 1) as u32 * self.cell)
    }

    /// Whether too little was seen to trust the quantile.
    pub(super) const fn is_young(&self) -> bool {
        self.seen < YOUNG
    }

    fn floor(&self) -> i32 {
        self.least[0].min(self.least[1])
    }

    /// Early packets weigh as much as all before them together would on average, later ones let the past fade.
    /// Weights grow instead of the past being made smaller: one cell is written, not all.
    fn learn(&mut self, cell: usize) {
        self.seen = self.seen.saturating_add(1);
        let share = (1.0 / f32::from(self.seen)).max(WEIGHT);
        // So that the packet has this share of the new total.
        let weight = if self.total > 0.0 { self.total * share / (1.0 - share) } else { 1.0 };
        self.cells[cell] += weight;
        self.total += weight;
        if self.total > LARGEST {
            self.cells.iter_mut().for_each(|cell| *cell /= LARGEST);
            self.total = self.cells.iter().sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds packets 20 ms apart of which `late(n)` gives the milliseconds under way.
    fn feed(estimate: &mut Estimate, numbers: std::ops::Range<u32>, late: impl Fn(u32) -> u32) {
        for n in numbers {
            estimate.observe((n * 20 + late(n)) * 8, Timestamp((n * 160).wrapping_sub(99)));
        }
    }

    #[test]
    fn steady_arrivals_need_no_delay() {
        let mut estimate = Estimate::new(8_000);
        assert_eq!(estimate.target(), None);
        feed(&mut estimate, 0..100, |_| 70);
        assert_eq!(estimate.target(), Some(0));
    }

    #[test]
    fn a_tenth_late_is_waited_for_and_a_hundredth_is_not() {
        let mut estimate = Estimate::new(8_000);
        feed(&mut estimate, 0..1_000, |n| if n % 100 == 99 { 150 } else { 0 });
        assert_eq!(estimate.target(), Some(0));
        feed(&mut estimate, 1_000..2_000, |n| if n % 10 == 9 { 42 } else { 0 });
        assert_eq!(estimate.target(), Some(45 * 8));
    }

    #[test]
    fn old_trouble_is_forgotten() {
        let mut estimate = Estimate::new(8_000);
        feed(&mut estimate, 0..500, |n| n % 2 * 100);
        assert_eq!(estimate.target(), Some(800));
        feed(&mut estimate, 500..3_000, |_| 0);
        assert_eq!(estimate.target(), Some(0));
    }

    #[test]
    fn a_slower_clock_is_followed() {
        let mut estimate = Estimate::new(8_000);
        // 500 ppm: after 60,000 packets 600 ms behind.
        feed(&mut estimate, 0..60_000, |n| n / 100);
        assert!(estimate.target().unwrap() <= 80, "{:?}", estimate.target());
    }
}
