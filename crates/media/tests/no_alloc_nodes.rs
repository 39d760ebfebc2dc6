// SPDX-License-Identifier: MIT OR Apache-2.0
//! What runs on the tick does not allocate: sources, sinks, codecs, detectors and meters.

use std::time::Duration;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use offhook_media::answer::{AnswerDetector, AnswerLimits};
use offhook_media::codec::{Alaw, Codec, G722, G729, L16, Ulaw};
use offhook_media::file::Clip;
use offhook_media::level::LevelMeter;
use offhook_media::resample::Resampler;
use offhook_media::tone::dtmf::{DtmfDetector, DtmfDigit, DtmfTiming, script};
use offhook_media::tone::progress::{Country, ProgressDetector};
use offhook_media::tone::{DetectorSink, Frequency, Repeat, ToneDetector, ToneGenerator, ToneTarget};
use offhook_media::{
    Channels, Discard, Flow, Format, FrameInfo, SampleRate, Silence, Sink, Source, ring, signal,
};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

const RATE: SampleRate = SampleRate::HZ_8000;

fn pulled(source: &mut dyn Source) {
    let (mut frame, mut info) = ([0; 160], FrameInfo::default());
    assert_no_alloc(|| {
        for _ in 0..200 {
            if source.pull(&mut frame, &mut info) == Flow::End {
                break;
            }
        }
    });
}

fn pushed(sink: &mut dyn Sink, sound: &[i16]) {
    assert_no_alloc(|| {
        for frame in sound.chunks(160) {
            let _ = sink.push(frame, &FrameInfo { gap: 160, ..FrameInfo::default() });
        }
    });
}

#[test]
fn sources_do_not_allocate() {
    let digits: Vec<_> = "123".chars().filter_map(DtmfDigit::from_char).collect();
    pulled(&mut ToneGenerator::new(Format::TELEPHONE, &script(&digits, &DtmfTiming::default())));
    pulled(&mut Clip::new(Format::TELEPHONE, signal::prompt(RATE), Repeat::Times(2)));
    pulled(&mut Silence::new(Format::TELEPHONE));
    let (mut writer, mut reader) = ring::channel(Format::TELEPHONE, Duration::from_secs(1));
    writer.write(&[1; 5_000]);
    writer.control().flush();
    writer.write(&[1; 3_000]);
    pulled(&mut reader);
}

#[test]
fn sinks_do_not_allocate() {
    let digits: Vec<_> = "5#".chars().filter_map(DtmfDigit::from_char).collect();
    let sound = ToneGenerator::new(Format::TELEPHONE, &script(&digits, &DtmfTiming::default()));
    let sound = sound.render(Duration::from_secs(2));
    let mut heard = 0;
    pushed(&mut DetectorSink::new(Format::TELEPHONE, DtmfDetector::new(RATE), |_| heard += 1), &sound);
    assert!(heard >= 3);
    let target = ToneTarget::new(Frequency::from_hertz(770.0));
    pushed(&mut DetectorSink::new(Format::TELEPHONE, ToneDetector::new(target, RATE), |_| ()), &sound);
    let prompt = signal::prompt(RATE);
    let progress = ProgressDetector::new(Country::Generic, RATE).unwrap();
    pushed(&mut DetectorSink::new(Format::TELEPHONE, progress, |_| ()), &prompt);
    let wide = Format::mono(SampleRate::HZ_48000, Duration::from_millis(20));
    let answer = AnswerDetector::new(AnswerLimits::default(), Country::Germany, wide.rate).unwrap();
    pushed(&mut DetectorSink::new(wide, answer, |_| ()), &prompt);
    pushed(&mut Discard::new(Format::TELEPHONE), &sound);
    let (mut writer, reader) = ring::channel(Format::TELEPHONE, Duration::from_millis(100));
    pushed(&mut writer, &sound);
    drop(reader);
}

#[test]
fn codecs_meters_and_converters_do_not_allocate() {
    let (pcm, mut payload, mut out) = ([100; 160], [0; 320], [0; 961]);
    let (mut ulaw, mut alaw, mut l16) = (Ulaw, Alaw, L16::new(RATE, Channels::MONO));
    let mut meter = LevelMeter::new(RATE);
    let mut resampler = Resampler::new(RATE, SampleRate::HZ_48000).unwrap();
    assert_no_alloc(|| {
        for codec in [&mut ulaw as &mut dyn Codec, &mut alaw, &mut l16] {
            let length = codec.encode(&pcm, &mut payload);
            codec.decode(&payload[..length], &mut out);
        }
        meter.measure(&pcm);
        resampler.convert(&pcm, &mut out);
    });
    assert!(meter.rms().is_some());
}

#[test]
fn codecs_with_state_but_opus_do_not_allocate() {
    let codecs: [Box<dyn Codec>; 2] = [Box::new(G722::new()), Box::new(G729::default())];
    for mut codec in codecs {
        let samples = codec.sampling().rate.hertz() as usize / 50;
        let (mut payload, mut heard) = ([0; 1_500], vec![0; samples * 6]);
        let sound: Vec<i16> = (0..samples).map(|n| (n * 37 % 4_000) as i16 - 2_000).collect();
        for _ in 0..500 {
            assert_no_alloc(|| {
                let len = codec.encode(&sound, &mut payload);
                codec.decode(&payload[..len], &mut heard);
            });
        }
    }
}
