// SPDX-License-Identifier: MIT OR Apache-2.0
//! Legs over the virtual network, in virtual time.

use std::f32::consts::TAU;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use offhook_spi::{Digit, Flowing, Moment, TerminalKey};

use super::*;
use crate::format::{Channels, Format, SampleRate};
use crate::node::{Flow, FrameInfo, Sink, Source};
use crate::rtp::{Header, Marker, NtpTime, PayloadType, SequenceNumber, Ssrc, Timestamp};

mod codecs;
mod protected;

const EVENTS: Option<PayloadType> = PayloadType::new(101);

/// A worker with its network and everything its legs told.
struct World {
    worker: Worker<VirtualNetwork>,
    ends: WorkerEnds<VirtualPort>,
    now: Moment,
    told: Vec<(LegId, LegEvent)>,
    closed: Vec<LegId>,
}

impl World {
    fn new(weather: Weather) -> Self {
        let network = VirtualNetwork::new(11, weather);
        let (worker, ends) =
            Worker::new(network, 256, NtpTime::from_unix(Duration::from_secs(1_700_000_000)));
        Self { worker, ends, now: Moment::from_millis(1_000), told: Vec::new(), closed: Vec::new() }
    }

    fn open(&mut self, index: u16, change: impl FnOnce(&mut LegConfig)) -> LegId {
        let id = LegId { worker: 0, index, generation: 1 };
        let port = self.worker.io_mut().open(address(index));
        let media = MediaFormat::symmetric(PayloadType::PCMU, AudioCodec::Pcmu, EVENTS);
        // Legs 0 and 1 are a call, 2 and 3, and so on.
        let mut config = LegConfig::new(media, Some(Remote::at(address(index ^ 1))), u64::from(index) + 77);
        change(&mut config);
        self.ends.controls.push(Control::Open(Box::new(Leg::new(id, &config, port, self.now)))).unwrap();
        id
    }

    fn pair(&mut self) -> (LegId, LegId) {
        (self.open(0, |_| {}), self.open(1, |_| {}))
    }

    fn tell(&mut self, leg: LegId, control: LegControl) {
        self.ends.controls.push(Control::Leg(leg, control)).unwrap();
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now += STEP;
            self.worker.step(self.now);
            while let Ok(outgoing) = self.ends.events.pop() {
                if let Outgoing::Event(leg, event) = outgoing {
                    self.told.push((leg, event));
                }
            }
            self.closed.extend(std::iter::from_fn(|| self.ends.closed.pop().ok()).map(|leg| leg.id()));
        }
    }

    fn statistics(&mut self, leg: LegId) -> LegStatistics {
        self.tell(leg, LegControl::Statistics(Box::default()));
        self.run(STEP);
        let found = self.told.iter().rev().find_map(|(id, event)| match event {
            LegEvent::Statistics(found) if *id == leg => Some((**found).clone()),
            _ => None,
        });
        found.unwrap()
    }

    fn keys(&self, leg: LegId) -> String {
        let digits = self.told.iter().filter_map(|(id, event)| match event {
            LegEvent::Digit(digit) if *id == leg => Some(digit.as_char()),
            _ => None,
        });
        digits.collect()
    }

    fn count(&self, leg: LegId, wanted: impl Fn(&LegEvent) -> bool) -> usize {
        self.told.iter().filter(|(id, event)| *id == leg && wanted(event)).count()
    }

    /// Plays a tone from one leg and listens at the other.
    fn listen(&mut self, from: LegId, to: LegId, hertz: f32) -> Ear {
        self.tell(from, LegControl::AddSource(TerminalKey(1), Box::new(Sine::of(hertz))));
        let ear = Ear::default();
        self.tell(to, LegControl::AddSink(TerminalKey(2), Box::new(ear.clone())));
        ear
    }
}

fn address(index: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 10_000 + index * 2))
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

struct Sine {
    hertz: f32,
    at: u32,
    frames: u32,
    rate: SampleRate,
}

impl Sine {
    fn of(hertz: f32) -> Self {
        Self { hertz, at: 0, frames: u32::MAX, rate: SampleRate::HZ_8000 }
    }
}

impl Source for Sine {
    fn format(&self) -> Format {
        Format::mono(self.rate, TICK)
    }

    fn pull(&mut self, out: &mut [i16], info: &mut FrameInfo) -> Flow {
        *info = FrameInfo::at(u64::from(self.at));
        for sample in out {
            let turns = f64::from(self.at) * f64::from(self.hertz) / f64::from(self.rate.hertz());
            *sample = ((turns.fract() as f32 * TAU).sin() * 8_000.0) as i16;
            self.at += 1;
        }
        self.frames -= 1;
        if self.frames == 0 { Flow::End } else { Flow::Continue }
    }
}

#[derive(Clone)]
struct Ear(Arc<Mutex<(Vec<i16>, u64)>>, SampleRate);

impl Default for Ear {
    fn default() -> Self {
        Self::at(SampleRate::HZ_8000)
    }
}

impl Sink for Ear {
    fn format(&self) -> Format {
        Format::mono(self.1, TICK)
    }

    fn push(&mut self, samples: &[i16], info: &FrameInfo) -> Flow {
        let mut heard = self.0.lock().unwrap();
        heard.0.extend_from_slice(samples);
        heard.1 += u64::from(info.concealed);
        Flow::Continue
    }
}

impl Ear {
    fn at(rate: SampleRate) -> Self {
        Self(Arc::default(), rate)
    }

    /// Root mean square of each 20 ms, and the share that lies at `hertz`.
    fn frames(&self, hertz: f32) -> Vec<(f32, f32)> {
        let heard = self.0.lock().unwrap();
        let frame = |frame: &[i16]| {
            let (mut cosine, mut sine, mut power) = (0.0, 0.0, 1.0);
            for (n, sample) in frame.iter().enumerate() {
                let (phase, sample) = (n as f32 * hertz / self.1.hertz() as f32 * TAU, f32::from(*sample));
                cosine += sample * phase.cos();
                sine += sample * phase.sin();
                power += sample * sample;
            }
            let share = 2.0 * (cosine * cosine + sine * sine) / (frame.len() as f32 * power);
            ((power / frame.len() as f32).sqrt(), share)
        };
        heard.0.chunks_exact(self.1.samples_in(TICK) as usize).map(frame).collect()
    }

    /// Frames with the tone and nothing else.
    fn pure(&self, hertz: f32) -> usize {
        self.frames(hertz).iter().filter(|(power, share)| *power > 4_000.0 && *share > 0.95).count()
    }
}

#[test]
fn two_legs_hear_each_other() {
    let mut world = World::new(Weather { delay: millis(30), ..Weather::default() });
    let (a, b) = world.pair();
    let at_b = world.listen(a, b, 400.0);
    let at_a = world.listen(b, a, 1_000.0);
    world.run(secs(10));
    for (ear, hertz, leg) in [(at_b, 400.0, b), (at_a, 1_000.0, a)] {
        assert!(ear.pure(hertz) > 490, "{}", ear.pure(hertz));
        let statistics = world.statistics(leg);
        assert_eq!((statistics.received.concealed, statistics.received.lost), (0, Some(0)));
        assert!(statistics.received.mos.unwrap() > 4.2, "{statistics:?}");
        assert_eq!(world.count(leg, |event| matches!(event, LegEvent::FirstPacket(_))), 1);
    }
}

#[test]
fn reports_tell_round_trip_loss_and_quality() {
    let mut world = World::new(Weather { delay: millis(60), loss: 0.1, ..Weather::default() });
    let (a, b) = world.pair();
    assert_eq!(world.statistics(a).sent.mos, None);
    world.run(secs(120));
    for leg in [a, b] {
        let LegStatistics { sent, received, round_trip } = world.statistics(leg);
        let round_trip = round_trip.unwrap();
        assert!(round_trip >= millis(118) && round_trip <= millis(145), "{round_trip:?}");
        assert!((0.02..0.25).contains(&sent.loss.unwrap()), "{sent:?}");
        assert!((0.07..0.13).contains(&received.loss.unwrap()), "{received:?}");
        assert!((2.0..4.2).contains(&sent.mos.unwrap()) && (2.0..4.2).contains(&received.mos.unwrap()));
    }
}

#[test]
fn a_hundredth_lost_is_concealed_and_no_more() {
    let mut world =
        World::new(Weather { delay: millis(20), jitter: millis(15), loss: 0.01, ..Weather::default() });
    let (a, b) = world.pair();
    let ear = world.listen(a, b, 400.0);
    world.run(secs(60));
    let statistics = world.statistics(b);
    let lost = statistics.received.lost.unwrap();
    assert!((10..60).contains(&lost), "{lost}");
    assert!(statistics.received.concealed <= lost + 5, "{statistics:?}");
    assert!(ear.pure(400.0) as u64 > 2_990 - 3 * lost, "{}", ear.pure(400.0));
    let quiet = ear.frames(400.0)[10..].iter().filter(|(power, _)| *power < 2_000.0).count();
    assert_eq!(quiet, 0, "single losses leave no hole");
}

#[test]
fn jitter_and_reordering_are_taken_out() {
    let weather = Weather { jitter: millis(80), reordering: 0.02, duplication: 0.02, ..Weather::default() };
    let mut world = World::new(weather);
    let (a, b) = world.pair();
    let ear = world.listen(a, b, 400.0);
    world.run(secs(60));
    let statistics = world.statistics(b);
    assert!(statistics.received.concealed < 120, "{statistics:?}");
    assert!(statistics.received.buffer.unwrap() >= millis(40));
    assert!(ear.pure(400.0) > 2_800, "{}", ear.pure(400.0));
}

#[test]
fn one_way_calls_are_one_way_and_told() {
    let mut world = World::new(Weather::default());
    let (a, b) = world.pair();
    world.worker.io_mut().set_weather_to(address(0), Weather { loss: 1.0, ..Weather::default() });
    let ear = world.listen(a, b, 400.0);
    world.run(secs(6));
    assert!(ear.pure(400.0) > 290);
    let statistics = world.statistics(a);
    assert_eq!(
        (statistics.received.packets, statistics.received.lost, statistics.received.mos),
        (0, None, None)
    );
    assert_eq!(world.count(a, |event| matches!(event, LegEvent::Silent)), 1);
    assert_eq!(world.count(b, |event| matches!(event, LegEvent::Silent)), 0);
    world.worker.io_mut().set_weather_to(address(0), Weather::default());
    world.run(secs(1));
    assert_eq!(world.count(a, |event| matches!(event, LegEvent::FirstPacket(_) | LegEvent::Resumed)), 2);
}

#[test]
fn hold_stops_the_sound_and_resume_brings_it_back() {
    for (holder, held) in [(Flowing::Neither, Flowing::Neither), (Flowing::Out, Flowing::In)] {
        let mut world = World::new(Weather::default());
        let (a, b) = world.pair();
        let ear = world.listen(b, a, 400.0);
        world.run(secs(2));
        let before = (ear.pure(400.0), world.statistics(a).received.packets);
        world.tell(a, LegControl::SetFlowing(holder));
        world.tell(b, LegControl::SetFlowing(held));
        world.run(secs(20));
        let during = (ear.pure(400.0), world.statistics(a).received.packets);
        assert!(during.0 - before.0 <= 5 && during.1 - before.1 <= 1, "{before:?} {during:?}");
        assert_eq!(world.count(a, |event| matches!(event, LegEvent::Silent)), 0, "nobody is to be heard");
        world.tell(a, LegControl::SetFlowing(Flowing::Both));
        world.tell(b, LegControl::SetFlowing(Flowing::Both));
        world.run(secs(2));
        assert!(ear.pure(400.0) - during.0 > 90, "{}", ear.pure(400.0) - during.0);
        assert_eq!(world.statistics(a).received.lost, Some(0));
    }
}

#[test]
fn keys_pass_both_ways_through_loss() {
    let mut world = World::new(Weather { delay: millis(20), loss: 0.05, ..Weather::default() });
    let (a, b) = world.pair();
    for (leg, keys) in [(a, "123456789*0#"), (b, "ABCD!11122")] {
        for key in keys.chars() {
            world.tell(leg, LegControl::Press(Digit::new(key).unwrap(), millis(100)));
        }
    }
    world.run(secs(10));
    assert_eq!((world.keys(b).as_str(), world.keys(a).as_str()), ("123456789*0#", "ABCD!11122"));
    for leg in [a, b] {
        assert_eq!(world.count(leg, |event| matches!(event, LegEvent::DigitsSent)), 1);
        assert!(world.count(leg, |event| matches!(event, LegEvent::DigitEnded(..))) >= 10);
    }
}

#[test]
fn keys_are_not_taken_for_loss() {
    let mut world = World::new(Weather { delay: millis(20), ..Weather::default() });
    let (a, b) = world.pair();
    world.listen(a, b, 400.0);
    world.run(secs(1));
    world.tell(a, LegControl::Press(Digit::new('5').unwrap(), secs(1)));
    world.run(secs(4));
    let statistics = world.statistics(b);
    assert_eq!(statistics.received.lost, Some(0));
    assert!(statistics.received.concealed <= 4, "{statistics:?}");
}

#[test]
fn another_source_takes_over() {
    let mut world = World::new(Weather::default());
    let (a, b) = world.pair();
    let ear = world.listen(a, b, 400.0);
    world.run(secs(2));
    // The peer moves its stream to another machine's leg behind the same address.
    world.ends.controls.push(Control::Close(a)).unwrap();
    world.run(millis(20));
    let c = LegId { generation: 2, ..a };
    let port = VirtualPort { rtp: address(0), rtcp: SocketAddr::from(([10, 0, 0, 1], 10_001)) };
    let media = MediaFormat::symmetric(PayloadType::PCMU, AudioCodec::Pcmu, EVENTS);
    let config = LegConfig::new(media, Some(Remote::at(address(1))), 4_711);
    world.ends.controls.push(Control::Open(Box::new(Leg::new(c, &config, port, world.now)))).unwrap();
    world.tell(c, LegControl::AddSource(TerminalKey(9), Box::new(Sine::of(400.0))));
    world.run(secs(2));
    assert_eq!(world.count(b, |event| matches!(event, LegEvent::SourceChanged(_))), 1);
    assert_eq!(world.count(b, |event| matches!(event, LegEvent::Bye)), 1);
    assert!(ear.pure(400.0) > 190, "{}", ear.pure(400.0));
    assert_eq!(world.statistics(b).received.lost, Some(0));
    assert_eq!(world.closed, [a]);
}

#[test]
fn codec_and_packet_length_may_change_at_any_moment() {
    let mut world = World::new(Weather { delay: millis(20), ..Weather::default() });
    let both = |media: &mut MediaFormat| {
        let l16 = (PayloadType::new(96).unwrap(), AudioCodec::L16(SampleRate::HZ_8000, Channels::MONO));
        let g711 = [(PayloadType::PCMU, AudioCodec::Pcmu), (PayloadType::PCMA, AudioCodec::Pcma)];
        media.receive = ReceiveFormats::new(g711.into_iter().chain([l16]));
    };
    let a = world.open(0, |config| both(&mut config.media));
    let b = world.open(1, |config| both(&mut config.media));
    let ear = world.listen(a, b, 400.0);
    let mut media = MediaFormat::symmetric(PayloadType::PCMU, AudioCodec::Pcmu, EVENTS);
    both(&mut media);
    let mut changes = 0;
    for (number, codec) in [
        (8, AudioCodec::Pcma),
        (96, AudioCodec::L16(SampleRate::HZ_8000, Channels::MONO)),
        (0, AudioCodec::Pcmu),
    ] {
        for packet in [10, 20, 30, 40, 60] {
            (media.send_type, media.send_codec) = (PayloadType::new(number).unwrap(), codec);
            media.packet = millis(packet);
            world.tell(a, LegControl::SetMedia(LegMedia::new(media, SampleRate::HZ_8000)));
            world.run(secs(2));
            changes += 1;
        }
    }
    let statistics = world.statistics(b);
    assert_eq!(statistics.received.codec, Some(AudioCodec::Pcmu));
    assert_eq!(statistics.received.lost, Some(0));
    // At most a few frames are disturbed at each change.
    assert!(ear.pure(400.0) > 1_500 - changes * 6, "{} {statistics:?}", ear.pure(400.0));
}

#[test]
fn echo_sends_back_what_came() {
    let mut world = World::new(Weather { delay: millis(20), ..Weather::default() });
    let (a, b) = world.pair();
    world.tell(b, LegControl::Echo(Echo::On));
    let ear = world.listen(a, a, 400.0);
    world.run(secs(5));
    assert!(ear.pure(400.0) > 235, "{}", ear.pure(400.0));
}

#[test]
fn bridged_legs_hear_each_other_and_who_sits_between_them() {
    let mut world = World::new(Weather::default());
    let [a, far_a, b, far_b] = [0, 1, 2, 3].map(|index| world.open(index, |_| {}));
    let seat = world.open(4, |config| config.remote = None);
    let speakers = [Speaker::Peer, Speaker::Peer, Speaker::Terminals];
    for (leg, bridging) in [a, b, seat].into_iter().zip(converse(Format::TELEPHONE, &speakers)) {
        world.tell(leg, LegControl::Bridge(Some(Box::new(bridging))));
    }
    let ears = [far_a, far_b, seat].map(|leg| {
        let ear = Ear::default();
        world.tell(leg, LegControl::AddSink(TerminalKey(2), Box::new(ear.clone())));
        ear
    });
    // One after the other each says something; everybody else hears it.
    for (from, hertz) in [(far_a, 400.0), (far_b, 700.0), (seat, 1_000.0)] {
        let sine = Sine { frames: 50, ..Sine::of(hertz) };
        world.tell(from, LegControl::AddSource(TerminalKey(1), Box::new(sine)));
        world.run(millis(1_500));
    }
    for (place, hertz) in [400.0, 700.0, 1_000.0].into_iter().enumerate() {
        for (at, ear) in ears.iter().enumerate() {
            let heard = ear.pure(hertz);
            assert_eq!(heard >= 45, at != place, "{hertz} Hz at {at}: {heard} frames");
        }
    }
    assert_eq!(world.count(seat, |event| matches!(event, LegEvent::Silent)), 0, "nobody is expected there");
    world.tell(a, LegControl::Bridge(None));
    let ear = world.listen(far_b, far_a, 440.0);
    world.run(secs(1));
    assert_eq!(ear.pure(440.0), 0, "who has left hears nothing");
}

#[test]
fn gain_mutes_and_marks_levels_and_ends_are_told() {
    let mut world = World::new(Weather::default());
    let (a, b) = world.pair();
    world.tell(a, LegControl::AddSource(TerminalKey(1), Box::new(Sine { frames: 100, ..Sine::of(400.0) })));
    world.tell(a, LegControl::Mark(TerminalKey(1), 8_000));
    world.run(millis(1_050));
    assert_eq!(world.count(a, |event| matches!(event, LegEvent::Marked(TerminalKey(1), 8_000))), 1);
    world.run(millis(500));
    let (heard, said) = (world.statistics(b).received.level, world.statistics(a).sent.level);
    for level in [heard, said] {
        assert!(level.is_some_and(|level| (-16.5..-14.0).contains(&level)), "{heard:?} {said:?}");
    }
    world.run(secs(2));
    assert_eq!(world.count(a, |event| matches!(event, LegEvent::SourceEnded(TerminalKey(1)))), 1);
    world.listen(a, b, 400.0);
    world.tell(b, LegControl::Gain(Direction::In, 0.0));
    let ear = Ear::default();
    world.tell(b, LegControl::AddSink(TerminalKey(5), Box::new(ear.clone())));
    world.run(secs(1));
    assert_eq!(ear.pure(400.0), 0);
}

#[test]
fn wrong_formats_and_unknown_legs_are_refused() {
    struct Wide;
    impl Source for Wide {
        fn format(&self) -> Format {
            Format::mono(SampleRate::HZ_16000, TICK)
        }
        fn pull(&mut self, _out: &mut [i16], _info: &mut FrameInfo) -> Flow {
            Flow::End
        }
    }
    let mut world = World::new(Weather::default());
    let (a, b) = world.pair();
    world.tell(a, LegControl::AddSource(TerminalKey(3), Box::new(Wide)));
    world.tell(LegId { generation: 9, ..b }, LegControl::Echo(Echo::On));
    world.run(millis(100));
    assert_eq!(world.count(a, |event| matches!(event, LegEvent::Refused(TerminalKey(3)))), 1);
}

#[test]
fn strangers_and_garbage_are_counted_and_left() {
    let mut world = World::new(Weather::default());
    let a = world.open(0, |config| config.idle = Idle::Nothing);
    world.run(millis(20));
    let stranger = SocketAddr::from(([10, 6, 6, 6], 4_000));
    let packet = Header {
        marker: Marker::Clear,
        payload_type: PayloadType::PCMU,
        sequence: SequenceNumber(1),
        timestamp: Timestamp(1),
        ssrc: Ssrc(1),
    };
    world.worker.io_mut().inject(stranger, address(0), &packet.to_bytes());
    world.worker.io_mut().inject(address(1), address(0), &[0x80, 0, 1]);
    world.run(millis(200));
    let statistics = world.statistics(a);
    let received = &statistics.received;
    assert_eq!((received.strangers, received.malformed, received.packets), (1, 1, 0));
    assert_eq!((received.from, statistics.sent.packets), (None, 0));
}

#[test]
fn a_peer_that_reflects_our_packets_is_heard() {
    let mut world = World::new(Weather::default());
    let a = world.open(0, |_| {});
    world.worker.io_mut().open(address(1));
    let ear = world.listen(a, a, 400.0);
    for _ in 0..200 {
        world.run(millis(20));
        while let Some((from, bytes)) = world.worker.io_mut().take(address(1)) {
            world.worker.io_mut().inject(address(1), from, &bytes);
        }
    }
    assert!(ear.pure(400.0) > 180, "{}", ear.pure(400.0));
    assert!(world.statistics(a).received.looped > 180);
}

#[test]
fn our_packets_follow_a_peer_behind_a_translator() {
    let mut world = World::new(Weather::default());
    let outside = address(7);
    world.worker.io_mut().open(outside);
    let announced = SocketAddr::from(([192, 168, 1, 1], 4_000));
    let a = world.open(0, |config| {
        config.remote = Some(Remote::at(announced));
        config.latching = Latching::Anywhere;
    });
    world.run(millis(100));
    let mut header = Header {
        marker: Marker::Clear,
        payload_type: PayloadType::PCMU,
        sequence: SequenceNumber(1),
        timestamp: Timestamp(1),
        ssrc: Ssrc(1),
    };
    for _ in 0..5 {
        world.worker.io_mut().inject(outside, address(0), &[&header.to_bytes()[..], &[0xff; 160]].concat());
        header.sequence = header.sequence.next();
        header.timestamp = header.timestamp.plus(160);
        world.run(millis(20));
    }
    assert_eq!(world.count(a, |event| matches!(event, LegEvent::Latched(from) if *from == outside)), 1);
    assert!(world.worker.io_mut().take(outside).is_some());
}

#[test]
fn many_calls_run_long_in_no_time() {
    let mut world =
        World::new(Weather { delay: millis(20), jitter: millis(10), loss: 0.001, ..Weather::default() });
    let legs: Vec<LegId> = (0..40).map(|index| world.open(index, |_| {})).collect();
    for leg in &legs[..20] {
        world.tell(*leg, LegControl::Echo(Echo::On));
    }
    world.run(secs(60));
    for leg in legs {
        let received = world.statistics(leg).received;
        assert!(received.packets > 2_950 && received.mos.unwrap() > 4.0, "{received:?}");
    }
    assert_eq!(world.worker.lost_events(), 0);
}

#[test]
fn a_worker_is_idle_until_a_leg_comes_and_after_the_last_went() {
    let mut world = World::new(Weather::default());
    assert!(world.worker.is_idle());
    let leg = world.open(0, |_| {});
    assert!(!world.worker.is_idle(), "a command waits");
    world.run(secs(1));
    assert!(!world.worker.is_idle());
    world.ends.controls.push(Control::Close(leg)).unwrap();
    world.run(STEP);
    assert!(world.worker.is_idle());
    assert_eq!(world.closed, [leg]);
}
