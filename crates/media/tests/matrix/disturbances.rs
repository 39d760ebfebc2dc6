// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a call bears beside weather: outages, other sources, jumps and wraps of numbers, packets of any length.

use std::f32::consts::TAU;
use std::time::Duration;

use offhook_media::codec::{Codec, Ulaw};
use offhook_media::engine::{LegControl, LegEvent, Weather};
use offhook_media::rtp::{Header, Marker, PayloadType, SequenceNumber, Ssrc, Timestamp};
use offhook_spi::Flowing;

use crate::virtual_call::{Call, TONE, address, millis};

/// A far end of its own: packets of a tone with whatever numbers, to the first leg.
struct FarEnd {
    call: Call,
    header: Header,
    at: usize,
}

impl FarEnd {
    fn new(sequence: u16, timestamp: u32) -> Self {
        let mut call = Call::new(3);
        call.tell(1, LegControl::SetFlowing(Flowing::Neither));
        let header = Header {
            marker: Marker::Clear,
            payload_type: PayloadType::PCMU,
            sequence: SequenceNumber(sequence),
            timestamp: Timestamp(timestamp),
            ssrc: Ssrc(0x1234_5678),
        };
        Self { call, header, at: 0 }
    }

    /// Sends so many packets, one every 20 ms.
    fn send(&mut self, packets: usize) {
        for _ in 0..packets {
            let sample = |n: usize| ((n % 8_000) as f32 * TONE / 8_000.0 * TAU).sin() * 8_000.0;
            let pcm: Vec<i16> = (self.at..self.at + 160).map(|n| sample(n) as i16).collect();
            let mut packet = self.header.to_bytes().to_vec();
            packet.resize(Header::LEN + 160, 0);
            Ulaw.encode(&pcm, &mut packet[Header::LEN..]);
            self.call.network().inject(address(1), address(0), &packet);
            self.header.sequence = self.header.sequence.next();
            self.header.timestamp = self.header.timestamp.plus(160);
            self.at += 160;
            self.call.run(millis(20));
        }
    }

    /// Frames of the tone among the last `frames`.
    fn pure(&self, frames: usize) -> usize {
        let heard = self.call.heard(0);
        heard[heard.len() - frames..].iter().filter(|frame| frame.is_tone).count()
    }
}

#[test]
fn after_an_outage_the_call_goes_on_as_before() {
    for outage in [3, 30] {
        let fair = Weather { delay: millis(20), ..Weather::default() };
        let mut call = Call::new(outage);
        call.set_weather([fair; 2]);
        call.run(millis(3_000));
        let before = call.statistics();
        call.set_weather([Weather { loss: 1.0, ..fair }; 2]);
        call.run(Duration::from_secs(outage));
        let heard = call.heard_frames();
        for leg in [0, 1] {
            let frames = call.heard(leg);
            let silent = frames[..heard[leg]].iter().rev().take_while(|frame| frame.power < 10.0).count();
            assert!(silent as u64 >= outage * 50 - 10, "made-up sound fades: {silent}");
        }
        call.set_weather([fair; 2]);
        call.run(millis(2_000));
        let after = call.statistics();
        for leg in [0, 1] {
            let frames = call.heard(leg);
            let first = frames[heard[leg]..].iter().position(|frame| frame.is_tone);
            assert!(first.is_some_and(|first| first <= 6), "{outage} s: {first:?}");
            let delays = [&before, &after].map(|statistics| statistics[leg].buffer.unwrap());
            assert!(delays[1] <= delays[0] + millis(20), "{delays:?}");
            // Faded silence counts as nothing made up.
            assert!(after[leg].concealed - before[leg].concealed <= 6, "{:?}", after[leg]);
        }
    }
}

#[test]
fn sequence_numbers_and_timestamps_wrap_without_notice() {
    let mut far = FarEnd::new(u16::MAX - 100, 0_u32.wrapping_sub(200 * 160));
    far.send(400);
    let found = far.call.statistics()[0].clone();
    assert_eq!((found.lost, found.late, found.concealed), (Some(0), 0, 0));
    assert!(far.pure(390) >= 388, "{}", far.pure(390));
}

#[test]
fn a_jump_of_the_timestamp_is_followed() {
    for jump in [80_000, 0_u32.wrapping_sub(80_000), 1 << 31] {
        let mut far = FarEnd::new(1, 1_000_000);
        far.send(100);
        far.header.timestamp = far.header.timestamp.plus(jump);
        far.send(100);
        assert!(far.pure(90) >= 89, "{jump}: {}", far.pure(90));
        assert_eq!(far.call.statistics()[0].lost, Some(0));
    }
}

#[test]
fn a_jump_of_the_sequence_is_a_restart_and_no_loss() {
    let mut far = FarEnd::new(1, 1_000_000);
    far.send(100);
    far.header.sequence = SequenceNumber(far.header.sequence.0.wrapping_add(20_000));
    far.send(100);
    assert!(far.pure(90) >= 89, "{}", far.pure(90));
    assert!(far.call.statistics()[0].lost.is_some_and(|lost| lost <= 1));
}

#[test]
fn another_source_is_heard_within_few_packets() {
    let mut far = FarEnd::new(1, 1_000_000);
    far.send(100);
    far.header.ssrc = Ssrc(0x8765_4321);
    far.header.sequence = SequenceNumber(40_000);
    far.header.timestamp = Timestamp(7);
    far.send(100);
    assert!(far.pure(90) >= 88, "{}", far.pure(90));
    let changes = |(_, event): &&(usize, LegEvent)| matches!(event, LegEvent::SourceChanged(_));
    assert_eq!(far.call.told.iter().filter(changes).count(), 1);
}

#[test]
fn parties_of_one_name_part_and_hear_each_other() {
    // One seed, one name: both see their own name on what comes (RFC 3550 section 8.2).
    let mut call = Call::with(5, |_, config| config.seed = 99);
    call.run(millis(4_000));
    let statistics = call.statistics();
    for (leg, found) in statistics.iter().enumerate() {
        let frames = call.heard(leg);
        let pure = frames[frames.len() - 150..].iter().filter(|frame| frame.is_tone).count();
        assert!(pure >= 148, "{pure}");
        assert!(found.packets > 190, "{found:?}");
    }
}

#[test]
fn packets_of_any_length_pass_both_ways_through_jitter() {
    for packet in [10, 20, 30, 40, 50, 60] {
        for other in [10, 20, 60] {
            let mut call = Call::with(packet, |leg, config| {
                config.media.packet = millis(if leg == 0 { packet } else { other });
            });
            call.set_weather([Weather { delay: millis(30), jitter: millis(15), ..Weather::default() }; 2]);
            call.run(millis(10_000));
            for (leg, found) in call.statistics().iter().enumerate() {
                let frames = call.heard(leg);
                let pure = frames[100..].iter().filter(|frame| frame.is_tone).count();
                assert!(pure * 100 >= (frames.len() - 100) * 97, "{packet} {other}: {pure} {found:?}");
                // One may be overtaken just now.
                assert!(found.lost.is_some_and(|lost| lost <= 1), "{found:?}");
                assert!(found.concealed <= 5, "{packet} {other}: {found:?}");
                assert!(found.buffer.unwrap() <= millis(90), "{packet} {other}: {found:?}");
            }
        }
    }
}

#[test]
fn extended_reports_tell_each_other_how_the_call_is_found() {
    for is_reduced_size in [false, true] {
        let mut call = Call::with(8, |_, config| {
            (config.xr, config.reduced_size) = (true, is_reduced_size);
        });
        call.set_weather([Weather { delay: millis(40), loss: 0.05, ..Weather::default() }; 2]);
        call.run(millis(60_000));
        for leg in [0, 1] {
            let (ours, theirs) = (call.both(leg).sent.mos.unwrap(), call.both(1 - leg).received.mos.unwrap());
            assert!((ours - theirs).abs() < 0.4, "{ours} {theirs}");
            assert!(
                (ours * 10.0).fract().abs() < 0.01 || (ours * 10.0).fract() > 0.99,
                "told in tenths: {ours}"
            );
            let time = call.both(leg).round_trip;
            // Reports go by ports of their own, where the weather is fair.
            assert!(time.is_some_and(|time| time <= millis(25)), "{time:?}");
        }
    }
}
