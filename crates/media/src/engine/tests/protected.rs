// SPDX-License-Identifier: MIT OR Apache-2.0
//! Legs under SRTP, and legs that are attacked.

use super::*;
use crate::srtp::{MasterKey, Protector, Suite, Unprotector};

fn key(suite: Suite, fill: u8) -> MasterKey {
    MasterKey::new(suite, &vec![fill; suite.material_len()]).unwrap()
}

fn protect(world: &mut World, leg: LegId, send: &MasterKey, receive: &MasterKey) {
    let protection = Protection {
        send: Some(Guard::Srtp(Box::new(Protector::new(send)))),
        receive: Some(Guard::Srtp(Box::new(Unprotector::new(receive)))),
    };
    world.tell(leg, LegControl::Protect(Box::new(protection)));
}

/// A pair whose keys are right, in rough weather if need be.
fn protected_pair(suite: Suite, weather: Weather, mode: RtcpMode) -> (World, LegId, LegId) {
    let mut world = World::new(weather);
    let (a, b) = (world.open(0, |config| config.rtcp = mode), world.open(1, |config| config.rtcp = mode));
    protect(&mut world, a, &key(suite, 1), &key(suite, 2));
    protect(&mut world, b, &key(suite, 2), &key(suite, 1));
    (world, a, b)
}

#[test]
fn protected_legs_hear_each_other_and_read_reports() {
    for suite in Suite::ALL {
        for mode in [RtcpMode::Separate, RtcpMode::Multiplexed] {
            let weather = Weather { delay: millis(30), ..Weather::default() };
            let (mut world, a, b) = protected_pair(suite, weather, mode);
            let at_b = world.listen(a, b, 400.0);
            let at_a = world.listen(b, a, 1_000.0);
            world.run(secs(20));
            for (ear, hertz, leg) in [(at_b, 400.0, b), (at_a, 1_000.0, a)] {
                assert!(ear.pure(hertz) > 985, "{suite}: {}", ear.pure(hertz));
                let LegStatistics { received, round_trip, .. } = world.statistics(leg);
                assert_eq!((received.unauthentic, received.replayed, received.malformed), (0, 0, 0));
                assert!(round_trip.is_some_and(|trip| trip >= millis(58)), "{suite}: reports are read");
            }
            world.ends.controls.push(Control::Close(a)).unwrap();
            world.run(secs(1));
            assert_eq!(world.count(b, |event| matches!(event, LegEvent::Bye)), 1, "{suite}");
        }
    }
}

#[test]
fn a_wrong_key_hears_nothing_and_counts() {
    let suite = Suite::AesCm128Sha1_80;
    let mut world = World::new(Weather::default());
    let (a, b) = world.pair();
    protect(&mut world, a, &key(suite, 1), &key(suite, 2));
    protect(&mut world, b, &key(suite, 2), &key(suite, 9));
    let at_b = world.listen(a, b, 400.0);
    world.run(secs(5));
    assert!(at_b.frames(400.0).iter().all(|(power, _)| *power < 2.0));
    let received = world.statistics(b).received;
    assert_eq!((received.packets, received.from), (0, None));
    assert!((240..=255).contains(&received.unauthentic), "{received:?}");
    assert_eq!(world.count(b, |event| matches!(event, LegEvent::FirstPacket(_) | LegEvent::Latched(_))), 0);
    protect(&mut world, b, &key(suite, 2), &key(suite, 1));
    world.run(secs(1));
    assert!(at_b.pure(400.0) > 40, "the right key is heard at once");
}

#[test]
fn clear_packets_are_not_believed_and_never_latched_on() {
    let suite = Suite::AeadAes128Gcm;
    let (mut world, a, b) = protected_pair(suite, Weather::default(), RtcpMode::Separate);
    let at_b = world.listen(a, b, 400.0);
    world.run(secs(2));
    // From the announced address, from another port: what latching alone would believe.
    let forger = SocketAddr::from(([10, 0, 0, 1], 9_000));
    for n in 0..100_u16 {
        let header = Header {
            marker: Marker::Clear,
            payload_type: PayloadType::PCMU,
            sequence: SequenceNumber(n),
            timestamp: Timestamp(u32::from(n) * 160),
            ssrc: Ssrc(666),
        };
        let mut packet = header.to_bytes().to_vec();
        packet.resize(172, 0);
        world.worker.io_mut().inject(forger, address(1), &packet);
        world.worker.io_mut().inject(forger, address(1), &[0x80, 203, 0, 1, 0, 0, 0, 7]);
        world.run(millis(20));
    }
    let received = world.statistics(b).received;
    assert_eq!((received.from, received.lost), (Some(address(0)), Some(0)));
    assert_eq!(world.count(b, |event| matches!(event, LegEvent::SourceChanged(_) | LegEvent::Bye)), 0);
    assert!(at_b.pure(400.0) > 190, "{}", at_b.pure(400.0));
}

#[test]
fn a_closed_leg_neither_sends_nor_believes() {
    let mut world = World::new(Weather::default());
    let (a, b) = world.pair();
    let closed = Protection { send: Some(Guard::Closed), receive: Some(Guard::Closed) };
    world.tell(b, LegControl::Protect(Box::new(closed)));
    let (at_a, at_b) = (world.listen(b, a, 400.0), world.listen(a, b, 400.0));
    world.run(secs(12));
    assert_eq!((at_a.pure(400.0), at_b.pure(400.0)), (0, 0));
    let (at_a, at_b) = (world.statistics(a), world.statistics(b));
    assert_eq!((at_a.received.packets, at_b.sent.packets, at_b.received.packets), (0, 0, 0));
    assert!(at_b.received.unauthentic > 590, "{at_b:?}");
    assert_eq!(at_a.round_trip, None, "reports stay in too");
}

#[test]
fn rough_weather_and_a_rollover_do_not_break_protection() {
    let weather =
        Weather { jitter: millis(60), loss: 0.05, reordering: 0.02, duplication: 0.05, ..Weather::default() };
    let (mut world, a, b) = protected_pair(Suite::AesCm128Sha1_32, weather, RtcpMode::Separate);
    let at_b = world.listen(a, b, 400.0);
    // Long enough for the sequence number to begin anew at least once.
    world.run(secs(1_320));
    let received = world.statistics(b).received;
    assert_eq!(received.unauthentic, 0);
    assert!(received.replayed > 2_500, "duplicates are refused: {received:?}");
    let frames = at_b.frames(400.0);
    let heard = frames.iter().rev().take(500).filter(|(power, _)| *power > 2_000.0).count();
    assert!(heard > 450, "{heard}");
}

#[test]
fn new_keys_during_a_call_lose_no_more_than_what_is_under_way() {
    let (mut world, a, b) = protected_pair(Suite::AesCm128Sha1_80, Weather::default(), RtcpMode::Separate);
    let at_b = world.listen(a, b, 400.0);
    world.run(secs(2));
    let suite = Suite::AesCm256Sha1_80;
    protect(&mut world, a, &key(suite, 5), &key(suite, 6));
    protect(&mut world, b, &key(suite, 6), &key(suite, 5));
    world.run(secs(2));
    assert!(at_b.pure(400.0) > 185, "{}", at_b.pure(400.0));
    assert!(world.statistics(b).received.unauthentic <= 2);
}
