// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a receiver knows about one sender: which packets are credible, how many were lost, how much they
//! jitter (RFC 3550 appendices A.1, A.3 and A.8).

use offhook_spi::Moment;

use super::{SequenceNumber, Timestamp};

/// A jump ahead of more than this many packets is a restart, not loss (RFC 3550 appendix A.1).
const MAX_DROPOUT: u16 = 3_000;
/// A packet older than this many is a restart, not reordering (RFC 3550 appendix A.1).
const MAX_MISORDER: u16 = 100;
/// Sequence numbers of one cycle.
const CYCLE: u64 = 1 << 16;

/// The reception of one synchronisation source.
#[derive(Clone, Debug)]
pub struct Reception {
    /// Ticks a second of the timestamps.
    clock: u32,
    first: u64,
    /// Highest number so far, with its cycles.
    highest: u64,
    /// The number that would confirm a restart after a wild jump.
    restart: Option<SequenceNumber>,
    /// Packets still to come in order before the source is credible.
    probation: u8,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    /// Arrival against timestamp of the last packet, in ticks.
    transit: Option<u32>,
    /// Sixteen times the estimate, as appendix A.8 keeps it.
    jitter: u32,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3550 appendix A.1 knows these")]
pub enum Arrival {
    /// The packet belongs to the stream.
    Credible,
    /// Not yet, or not any more: leave the packet.
    Doubtful,
    /// The sender has begun anew: forget what the last packets said, use this one.
    Restarted,
}

/// Totals of a reception.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReceptionCounts {
    /// Highest sequence number with its cycles, as report blocks carry it.
    pub highest: u32,
    /// Packets that should have come.
    pub expected: u64,
    /// Packets that came, duplicates and late ones included (RFC 3550 appendix A.3).
    pub received: u64,
}

impl ReceptionCounts {
    /// Packets that did not come; negative when duplicates outnumber losses.
    #[must_use]
    pub const fn lost(&self) -> i64 {
        self.expected.cast_signed().saturating_sub(self.received.cast_signed())
    }
}

impl Reception {
    /// Begins with the first packet of a source, which `probation` packets in order must follow before it
    /// counts. RFC 3550 suggests one more; a source that SDP announced needs none.
    #[must_use]
    pub fn new(first: SequenceNumber, probation: u8, clock: u32) -> Self {
        let mut reception = Self {
            clock,
            first: 0,
            highest: 0,
            restart: None,
            probation,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            transit: None,
            jitter: 0,
        };
        reception.begin(first);
        reception
    }

    /// Judges and counts the next packet; the first one, which [`Self::new`] was told of, as well.
    pub fn receive(&mut self, now: Moment, sequence: SequenceNumber, timestamp: Timestamp) -> Arrival {
        if self.probation > 0 {
            return self.probe(now, sequence, timestamp);
        }
        let newest = SequenceNumber((self.highest % CYCLE) as u16);
        let ahead = sequence.0.wrapping_sub(newest.0);
        let arrival = if ahead < MAX_DROPOUT {
            self.highest += u64::from(ahead);
            Arrival::Credible
        } else if ahead <= u16::MAX - MAX_MISORDER {
            if self.restart != Some(sequence) {
                self.restart = Some(sequence.next());
                return Arrival::Doubtful;
            }
            self.begin(sequence);
            Arrival::Restarted
        } else {
            Arrival::Credible
        };
        self.received += 1;
        self.observe(now, timestamp);
        arrival
    }

    /// The share lost since the last call, in 256ths (RFC 3550 appendix A.3), for the next report.
    pub fn fraction_lost(&mut self) -> u8 {
        let counts = self.counts();
        let expected = counts.expected.saturating_sub(self.expected_prior);
        let received = counts.received.saturating_sub(self.received_prior);
        (self.expected_prior, self.received_prior) = (counts.expected, counts.received);
        let lost = expected.saturating_sub(received);
        lost.saturating_mul(256).checked_div(expected).map_or(0, |fraction| fraction.min(255) as u8)
    }

    /// The totals so far.
    #[must_use]
    pub const fn counts(&self) -> ReceptionCounts {
        let expected = if self.received == 0 { 0 } else { self.highest - self.first + 1 };
        ReceptionCounts { highest: self.highest as u32, expected, received: self.received }
    }

    /// Goes on at another clock: what was measured at the old one does not count (RFC 7160 section 4.1).
    pub const fn set_clock(&mut self, clock: u32) {
        self.clock = clock;
        self.transit = None;
        self.jitter = 0;
    }

    /// The interarrival jitter in ticks of the stream's clock (RFC 3550 section 6.4.1).
    #[must_use]
    pub const fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    fn begin(&mut self, sequence: SequenceNumber) {
        self.first = u64::from(sequence.0);
        self.highest = self.first;
        self.restart = None;
        self.received = 0;
        (self.expected_prior, self.received_prior) = (0, 0);
        self.transit = None;
    }

    fn probe(&mut self, now: Moment, sequence: SequenceNumber, timestamp: Timestamp) -> Arrival {
        let newest = SequenceNumber((self.highest % CYCLE) as u16);
        let is_first = sequence == newest;
        if !is_first && sequence != newest.next() {
            self.begin(sequence);
            return Arrival::Doubtful;
        }
        if is_first {
            return Arrival::Doubtful;
        }
        self.probation -= 1;
        self.begin(sequence);
        if self.probation > 0 {
            return Arrival::Doubtful;
        }
        self.received = 1;
        self.observe(now, timestamp);
        Arrival::Credible
    }

    /// Appendix A.8: the mean of the differences in transit, as integers.
    fn observe(&mut self, now: Moment, timestamp: Timestamp) {
        let arrival = ticks(now, self.clock);
        let transit = arrival.wrapping_sub(timestamp.0);
        if let Some(last) = self.transit.replace(transit) {
            let difference = transit.wrapping_sub(last).cast_signed().unsigned_abs();
            // Bounded, so that one wild timestamp does not drown the estimate for minutes.
            let difference = difference.min(self.clock);
            self.jitter = self.jitter.saturating_add(difference).saturating_sub((self.jitter + 8) >> 4);
        }
    }
}

/// `now` in ticks of a media clock, modulo 2^32.
#[must_use]
pub(crate) fn ticks(now: Moment, clock: u32) -> u32 {
    let nanos = now.as_nanos();
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let clock = u64::from(clock);
    (seconds.wrapping_mul(clock)).wrapping_add(rest * clock / 1_000_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(reception: &mut Reception, numbers: impl IntoIterator<Item = u16>) -> Vec<Arrival> {
        let at = |n: u16| Moment::from_millis(u64::from(n) * 20);
        let stamp = |n: u16| Timestamp(u32::from(n) * 160);
        numbers.into_iter().map(|n| reception.receive(at(n), SequenceNumber(n), stamp(n))).collect()
    }

    #[test]
    fn a_source_on_probation_needs_packets_in_order() {
        let mut reception = Reception::new(SequenceNumber(5), 1, 8_000);
        let arrivals = feed(&mut reception, [5, 9, 11, 12, 13]);
        use Arrival::{Credible, Doubtful};
        assert_eq!(arrivals, [Doubtful, Doubtful, Doubtful, Credible, Credible]);
        assert_eq!(reception.counts().expected, 2);
    }

    #[test]
    fn losses_and_duplicates_are_counted() {
        let mut reception = Reception::new(SequenceNumber(65_530), 0, 8_000);
        feed(&mut reception, (65_530..=65_535).chain([0, 1, 4, 3, 3]));
        let counts = reception.counts();
        assert_eq!((counts.expected, counts.received, counts.lost()), (11, 11, 0));
        assert_eq!(counts.highest, 65_536 + 4);
        feed(&mut reception, [14]);
        assert_eq!(reception.counts().lost(), 9);
        assert_eq!(reception.fraction_lost(), (9 * 256 / 21) as u8);
        assert_eq!(reception.fraction_lost(), 0);
    }

    #[test]
    fn one_wild_number_is_left_and_two_in_order_are_a_restart() {
        let mut reception = Reception::new(SequenceNumber(10), 0, 8_000);
        use Arrival::{Credible, Doubtful, Restarted};
        let arrivals = feed(&mut reception, [10, 11, 30_000, 12, 40_000, 40_001, 40_002]);
        assert_eq!(arrivals, [Credible, Credible, Doubtful, Credible, Doubtful, Restarted, Credible]);
        assert_eq!(reception.counts().expected, 2);
    }

    #[test]
    fn even_arrivals_do_not_jitter_and_uneven_ones_do() {
        let mut reception = Reception::new(SequenceNumber(0), 0, 8_000);
        feed(&mut reception, 0..100);
        assert_eq!(reception.jitter(), 0);
        for n in 100_u16..400 {
            let late = u64::from(n % 2) * 10;
            let at = Moment::from_millis(u64::from(n) * 20 + late);
            reception.receive(at, SequenceNumber(n), Timestamp(u32::from(n) * 160));
        }
        // Every difference is 10 ms, 80 ticks.
        assert!((75..=80).contains(&reception.jitter()), "{}", reception.jitter());
    }

    #[test]
    fn moments_become_ticks_without_drift() {
        assert_eq!(ticks(Moment::from_millis(20), 8_000), 160);
        assert_eq!(ticks(Moment::from_millis(3_600_000), 44_100), 158_760_000);
    }
}
