// SPDX-License-Identifier: MIT OR Apache-2.0
//! Codecs of any rate and clock, into frames of any other.

use super::*;
use crate::codec::{G726Packing, G726Rate, OpusChannels, OpusRate, OpusSettings};

fn with_state() -> Vec<AudioCodec> {
    let g726 = [G726Rate::Kbit16, G726Rate::Kbit24, G726Rate::Kbit32, G726Rate::Kbit40].into_iter().flat_map(
        |rate| [G726Packing::Rfc3551, G726Packing::Aal2].map(|order| AudioCodec::G726(rate, order)),
    );
    let opus = [OpusRate::Hz8000, OpusRate::Hz16000, OpusRate::Hz48000].into_iter().flat_map(|rate| {
        [OpusChannels::Mono, OpusChannels::Stereo]
            .map(|channels| AudioCodec::Opus(OpusSettings { rate, channels, ..OpusSettings::default() }))
    });
    [AudioCodec::G722, AudioCodec::G729].into_iter().chain(g726).chain(opus).collect()
}

#[test]
fn codecs_with_state_carry_a_tone_in_packets_of_any_length() {
    for codec in with_state() {
        for packet in [10, 20, 30, 40, 60] {
            let mut world = World::new(Weather { delay: millis(20), ..Weather::default() });
            let kind = PayloadType::new(96).unwrap();
            let [a, b] = [0, 1].map(|index| {
                world.open(index, |config| {
                    config.media = MediaFormat::symmetric(kind, codec, EVENTS);
                    config.media.packet = millis(packet);
                    config.rate = SampleRate::HZ_8000;
                })
            });
            let ear = world.listen(a, b, 400.0);
            world.run(secs(3));
            // Coarse codecs add noise of their own; the beginning is lost to delay and adaptation.
            let heard =
                ear.frames(400.0).iter().filter(|(power, share)| *power > 4_000.0 && *share > 0.8).count();
            assert!(heard > 130, "{codec} {packet} ms: {heard}");
            let statistics = world.statistics(b);
            assert_eq!((statistics.received.lost, statistics.received.unexpected), (Some(0), 0), "{codec}");
        }
    }
}

#[test]
fn codecs_with_state_bear_loss_and_recover() {
    for codec in with_state() {
        let weather = Weather { delay: millis(20), jitter: millis(10), loss: 0.1, ..Weather::default() };
        let mut world = World::new(weather);
        let kind = PayloadType::new(96).unwrap();
        let [a, b] = [0, 1].map(|index| {
            world.open(index, |config| {
                config.media = MediaFormat::symmetric(kind, codec, EVENTS);
                config.rate = SampleRate::HZ_8000;
            })
        });
        let ear = world.listen(a, b, 400.0);
        world.run(secs(10));
        let heard = ear.frames(400.0).iter().filter(|(power, _)| *power > 2_000.0).count();
        assert!(heard > 400, "{codec}: {heard} of 500");
        let concealed = world.statistics(b).received.concealed;
        assert!((25..100).contains(&concealed), "{codec}: {concealed} concealed");
    }
}

#[test]
fn codecs_of_any_rate_reach_frames_of_any_other() {
    let rates = [8_000, 16_000, 44_100, 48_000].map(|hertz| SampleRate::new(hertz).unwrap());
    for (leg, wire) in rates.iter().flat_map(|leg| rates.iter().map(move |wire| (*leg, *wire))) {
        for channels in [Channels::MONO, Channels::STEREO] {
            let mut world = World::new(Weather { delay: millis(20), ..Weather::default() });
            let kind = PayloadType::new(96).unwrap();
            let change = |config: &mut LegConfig| {
                config.media = MediaFormat::symmetric(kind, AudioCodec::L16(wire, channels), None);
                config.media.packet = millis(10);
                config.rate = leg;
            };
            let [a, b] = [0, 1].map(|index| world.open(index, change));
            let ear = Ear::at(leg);
            world.tell(b, LegControl::AddSink(TerminalKey(2), Box::new(ear.clone())));
            let sine = Sine { rate: leg, ..Sine::of(400.0) };
            world.tell(a, LegControl::AddSource(TerminalKey(1), Box::new(sine)));
            world.run(secs(2));
            assert!(ear.pure(400.0) > 90, "{wire} {channels} to {leg}: {}", ear.pure(400.0));
            assert_eq!(world.statistics(b).received.lost, Some(0), "{wire} {channels} to {leg}");
        }
    }
}

#[test]
fn codecs_of_unlike_clocks_follow_each_other_in_one_stream() {
    let mut world = World::new(Weather { delay: millis(20), ..Weather::default() });
    let kinds = [0_u8, 96, 97].map(|number| PayloadType::new(number).unwrap());
    let codecs = [
        AudioCodec::Pcmu,
        AudioCodec::L16(SampleRate::HZ_16000, Channels::MONO),
        AudioCodec::L16(SampleRate::HZ_48000, Channels::STEREO),
    ];
    let receive = ReceiveFormats::new(kinds.into_iter().zip(codecs));
    let a = world.open(0, |_| {});
    let b = world.open(1, |config| config.media.receive = receive);
    let ear = world.listen(a, b, 400.0);
    for n in 0..12 {
        let media =
            MediaFormat { packet: millis(10), ..MediaFormat::symmetric(kinds[n % 3], codecs[n % 3], EVENTS) };
        world.tell(a, LegControl::SetMedia(LegMedia::new(media, SampleRate::HZ_8000)));
        world.run(secs(1));
    }
    // The buffer begins anew with each clock.
    assert!(ear.pure(400.0) > 600 - 12 * 10, "{}", ear.pure(400.0));
    assert_eq!(world.statistics(b).received.unexpected, 0);
}
