// SPDX-License-Identifier: MIT OR Apache-2.0

use proptest::prelude::*;

use super::*;
use crate::rtp::Random;

const FRAME: u32 = 160;

/// A buffer with a network before it and an ear behind it, in steps of 20 ms.
struct Bench {
    buffer: JitterBuffer,
    now: Moment,
    out: Vec<Next>,
    loudness: Loudness,
}

impl Bench {
    fn new() -> Self {
        let buffer = JitterBuffer::new(JitterConfig::G711);
        Self { buffer, now: Moment::from_millis(1_000), out: Vec::new(), loudness: Loudness::Audible }
    }

    fn arrive(&mut self, n: u32) -> Inserted {
        self.arrive_as(n, n.wrapping_mul(FRAME), FRAME)
    }

    fn arrive_as(&mut self, n: u32, timestamp: u32, duration: u32) -> Inserted {
        let payload = vec![n as u8; duration as usize];
        let packet = JitterPacket {
            sequence: SequenceNumber(n as u16),
            timestamp: Timestamp(timestamp),
            duration,
            payload_type: PayloadType::PCMU,
            payload: &payload,
        };
        self.buffer.insert(self.now, &packet)
    }

    fn play(&mut self) -> Next {
        let mut payload = [0; 960];
        let next = self.buffer.next(self.now, FRAME, self.loudness, &mut payload);
        self.out.push(next);
        self.now += Duration::from_millis(20);
        next
    }

    /// Lets `numbers` arrive one a step, with those that `is_lost` left out.
    fn run(&mut self, numbers: std::ops::Range<u32>, is_lost: impl Fn(u32) -> bool) {
        for n in numbers {
            if !is_lost(n) {
                self.arrive(n);
            }
            self.play();
        }
    }

    fn count(&self, wanted: impl Fn(&Next) -> bool) -> usize {
        self.out.iter().filter(|next| wanted(next)).count()
    }
}

fn is_packet(next: &Next) -> bool {
    matches!(next, Next::Packet { .. })
}

#[test]
fn a_clean_stream_waits_for_the_initial_delay_and_then_never_again() {
    let mut bench = Bench::new();
    bench.run(0..500, |_| false);
    assert_eq!(bench.count(|next| *next == Next::Empty), 2);
    assert_eq!(bench.count(is_packet), 498);
}

#[test]
fn a_lost_packet_is_lost_once_and_shifts_nothing() {
    let mut bench = Bench::new();
    bench.run(0..100, |n| n == 50 || n == 60);
    assert_eq!(bench.count(|next| *next == Next::Lost(FRAME)), 2);
    assert_eq!(bench.count(|next| *next == Next::Empty), 2);
    assert_eq!(bench.buffer.counts(), JitterCounts::default());
}

#[test]
fn empty_is_delay_and_not_loss() {
    let mut bench = Bench::new();
    bench.run(0..50, |_| false);
    for _ in 0..4 {
        bench.play(); // A stall of 80 ms …
    }
    for n in 50..54 {
        assert_eq!(bench.arrive(n), Inserted::Stored); // … after which nothing is missing.
    }
    bench.run(54..100, |_| false);
    assert_eq!(bench.count(is_packet), 98 - 2);
    assert_eq!(bench.count(|next| matches!(next, Next::Lost(_))), 0);
    assert_eq!(bench.buffer.counts().late, 0);
}

#[test]
fn what_was_made_up_while_empty_stands_for_the_loss() {
    let mut bench = Bench::new();
    bench.run(0..50, |_| false);
    bench.run(50..55, |_| true);
    bench.run(55..60, |_| false);
    let lost: u32 = bench.out.iter().map(|next| if let Next::Lost(ticks) = next { *ticks } else { 0 }).sum();
    let empty = bench.count(|next| *next == Next::Empty) - 2;
    assert_eq!(empty as u32 + lost / FRAME, 5);
}

#[test]
fn late_packets_teach_the_buffer_to_wait() {
    let mut bench = Bench::new();
    bench.loudness = Loudness::Quiet;
    let mut waiting: Vec<(u32, u32)> = Vec::new();
    for n in 0..1_000_u32 {
        // Every fifth packet is 80 ms late.
        waiting.push((n + if n % 5 == 0 { 4 } else { 0 }, n));
        for &(_, packet) in waiting.iter().filter(|(at, _)| *at == n) {
            bench.arrive(packet);
        }
        waiting.retain(|(at, _)| *at > n);
        bench.play();
    }
    assert_eq!(bench.buffer.target(), Duration::from_millis(80));
    let late_before = bench.out[..500].iter().filter(|next| !is_packet(next)).count();
    let late_after = bench.out[500..].iter().filter(|next| !is_packet(next)).count();
    assert!(late_after <= 1 && late_before > 2, "{late_before} {late_after}");
}

#[test]
fn in_silence_the_delay_shrinks_back() {
    let mut bench = Bench::new();
    bench.run(0..50, |_| false);
    for _ in 0..6 {
        bench.play();
    }
    for n in 50..56 {
        bench.arrive(n);
    }
    bench.run(56..500, |_| false);
    assert!(bench.buffer.delay(bench.now).unwrap() >= Duration::from_millis(100));
    bench.loudness = Loudness::Quiet;
    bench.run(500..3_000, |_| false);
    assert!(bench.buffer.delay(bench.now).unwrap() <= Duration::from_millis(60));
    assert!((3..=6).contains(&bench.buffer.counts().dropped), "{:?}", bench.buffer.counts());
}

#[test]
fn while_sound_goes_on_the_delay_shrinks_back_by_periods() {
    let mut bench = Bench::new();
    bench.run(0..50, |_| false);
    for _ in 0..6 {
        bench.play();
    }
    for n in 50..56 {
        bench.arrive(n);
    }
    let (mut sent, mut least_alike) = (56, 100);
    let mut ahead = Duration::ZERO;
    for _ in 0..500 {
        bench.arrive(sent);
        sent += 1;
        // Every period left out lets the next packet be wanted so much sooner.
        while ahead < Duration::from_millis(20) {
            let now = bench.now;
            ahead += match bench.play() {
                Next::Packet { pace: Pace::Shorter(alike), .. } => {
                    least_alike = least_alike.min(alike);
                    bench.buffer.paced(now);
                    Duration::from_millis(15)
                }
                next => {
                    assert!(is_packet(&next), "{next:?}");
                    Duration::from_millis(20)
                }
            };
            bench.now = now;
        }
        ahead -= Duration::from_millis(20);
        bench.now += Duration::from_millis(20);
    }
    assert!(
        bench.buffer.last_delay().unwrap() < Duration::from_millis(60),
        "{:?}",
        bench.buffer.last_delay()
    );
    assert_eq!(bench.buffer.counts().dropped, 0);
    assert!(bench.buffer.counts().paced >= 12, "{:?}", bench.buffer.counts());
    assert!(least_alike >= 80, "no need for impatience: {least_alike}");
}

#[test]
fn what_cannot_be_cut_well_is_cut_in_a_second_all_the_same() {
    let mut bench = Bench::new();
    bench.run(0..50, |_| false);
    for _ in 0..6 {
        bench.play();
    }
    for n in 50..56 {
        bench.arrive(n);
    }
    bench.run(56..106, |_| false);
    let last = bench.out.last();
    assert!(matches!(last, Some(Next::Packet { pace: Pace::Shorter(0), .. })), "{last:?}");
}

#[test]
fn a_restart_of_the_clock_is_followed_at_once() {
    let mut bench = Bench::new();
    bench.run(0..50, |_| false);
    assert_eq!(bench.arrive_as(50, 0x8000_0000, FRAME), Inserted::Restarted);
    for n in 51..100 {
        bench.arrive_as(n, 0x8000_0000 + (n - 50) * FRAME, FRAME);
        bench.play();
    }
    assert!(bench.out[60..].iter().all(is_packet));
}

#[test]
fn a_pause_is_neither_loss_nor_lasting_delay() {
    for stamp in [51, 1_000] {
        let mut bench = Bench::new();
        bench.run(0..50, |_| false);
        for _ in 0..950 {
            bench.play();
        }
        for n in 50..150 {
            bench.arrive_as(n, (n - 50 + stamp) * FRAME, FRAME);
            bench.play();
        }
        assert_eq!(bench.count(|next| matches!(next, Next::Lost(_))), 0);
        assert!(bench.buffer.delay(bench.now).unwrap() <= Duration::from_millis(60));
    }
}

#[test]
fn a_flood_is_bounded_and_the_newest_is_kept() {
    let mut bench = Bench::new();
    for n in 0..1_000 {
        bench.arrive(n);
    }
    assert!(bench.buffer.counts().overflowed > 900);
    assert!(bench.buffer.store.len() <= 28);
    for _ in 0..30 {
        bench.play();
    }
    assert_eq!(bench.buffer.store.len(), 0);
}

#[test]
fn packets_may_have_any_length() {
    for millis in [10, 20, 30, 40, 60] {
        let mut bench = Bench::new();
        let duration = millis * 8;
        let (mut sent, mut played) = (0, 0);
        for step in 0..300 {
            while sent * millis <= step * 20 {
                bench.arrive_as(sent, sent * duration, duration);
                sent += 1;
            }
            let due = step * 20;
            while played * millis <= due {
                match bench.play() {
                    Next::Packet { duration: found, .. } => {
                        assert_eq!(found, duration);
                        played += 1;
                    }
                    _ => break,
                }
                bench.now = Moment::from_millis(1_000 + u64::from(due));
            }
            bench.now = Moment::from_millis(1_000 + u64::from(due) + 20);
        }
        assert_eq!(bench.count(|next| matches!(next, Next::Lost(_))), 0, "{millis}");
        assert_eq!(bench.buffer.counts().late, 0, "{millis}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_network_is_survived_and_recovered_from(seed: u64, jitter in 0_u64..400, loss in 0.0_f64..0.5) {
        let mut random = Random::new(seed);
        let mut bench = Bench::new();
        let mut under_way: Vec<(u64, u32)> = Vec::new();
        let start = random.word();
        for n in 0..400_u32 {
            if !random.chance(loss) {
                under_way.push((u64::from(n) * 20 + (random.unit() * jitter as f64) as u64, start.wrapping_add(n)));
            }
            let now = u64::from(n) * 20;
            for (_, packet) in under_way.extract_if(.., |(at, _)| *at <= now).collect::<Vec<_>>() {
                bench.arrive(packet);
            }
            bench.play();
            prop_assert!(bench.buffer.store.len() <= 28);
        }
        // Then the network is good: within a second everything plays.
        let start = start.wrapping_add(400);
        bench.loudness = Loudness::Quiet;
        bench.out.clear();
        for n in 0..300 {
            bench.arrive(start.wrapping_add(n));
            bench.play();
        }
        let unplayed = bench.out[100..].iter().filter(|next| !is_packet(next)).count();
        prop_assert!(unplayed <= 12, "{unplayed}: {:?}", &bench.out[100..]);
    }

    #[test]
    fn any_packets_are_survived(packets: Vec<(u16, u32, u8, u8)>) {
        let mut bench = Bench::new();
        for (sequence, timestamp, duration, plays) in packets {
            bench.arrive_as(u32::from(sequence), timestamp, u32::from(duration));
            for _ in 0..plays % 4 {
                bench.play();
            }
        }
    }
}
