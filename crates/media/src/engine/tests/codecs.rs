// SPDX-License-Identifier: MIT OR Apache-2.0
//! Codecs of any rate and clock, into frames of any other.

use super::*;

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
