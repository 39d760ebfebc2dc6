// SPDX-License-Identifier: MIT OR Apache-2.0
//! No codec allocates while it runs, whatever comes in and is lost; but Opus does when it encodes or conceals.

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use offhook_media::codec::{
    Alaw, Codec, ComfortNoise, G722, G726, G726Packing, G726Rate, G729, G729Settings, L16, NoiseMeasure,
    Opus, OpusChannels, OpusRate, OpusSettings, Ulaw,
};
use offhook_media::{Channels, SampleRate};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

/// Sends and receives noise bursts and silence, one in ten lost, and packets of nonsense.
fn run(codec: &mut dyn Codec, milliseconds: usize) {
    let sampling = codec.sampling();
    let length = sampling.rate.hertz() as usize * milliseconds / 1_000 * sampling.channels.count();
    let (mut pcm, mut heard) = (vec![0; length], vec![0; length]);
    let mut payload = vec![0; codec.payload_len(length)];
    let mut seed = 1_u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as i16
    };
    assert_no_alloc(|| {
        for n in 0..200 {
            for (k, sample) in pcm.iter_mut().enumerate() {
                let wave = (((n * length + k) % 113) as i16 - 56) * 100;
                *sample = match n % 40 {
                    0..20 => wave.saturating_add(random() >> 6),
                    20..30 => random() >> 3,
                    _ => 0,
                };
            }
            let written = codec.encode(&pcm, &mut payload);
            if n % 10 == 3 {
                codec.conceal(&mut heard);
            } else if n % 10 == 5 {
                let _ = codec.recover(&payload[..written], &mut heard);
                codec.decode(&payload[..written], &mut heard);
            } else {
                codec.decode(&payload[..written], &mut heard);
            }
            if n % 25 == 24 {
                payload.fill_with(|| random() as u8);
                codec.decode(&payload, &mut heard);
                codec.decode(&payload, &mut heard[..length / 3]);
            }
        }
    });
}

#[test]
fn codecs_of_samples_and_short_frames_do_not_allocate() {
    run(&mut Ulaw, 20);
    run(&mut Alaw, 20);
    run(&mut L16::new(SampleRate::HZ_44100, Channels::STEREO), 20);
    run(&mut G722::new(), 20);
    for rate in [G726Rate::Kbit16, G726Rate::Kbit24, G726Rate::Kbit32, G726Rate::Kbit40] {
        run(&mut G726::new(rate, G726Packing::Rfc3551), 20);
        run(&mut G726::new(rate, G726Packing::Aal2), 20);
    }
    run(&mut G729::new(G729Settings::default()), 20);
    run(&mut G729::new(G729Settings { annex_b: true }), 10);
}

#[test]
fn comfort_noise_does_not_allocate() {
    let (mut measure, mut noise) = (NoiseMeasure::new(10), ComfortNoise::new(1));
    let (mut pcm, mut payload) = ([10; 160], [0; 11]);
    assert_no_alloc(|| {
        for _ in 0..100 {
            measure.add(&pcm);
            let written = measure.payload(&mut payload);
            noise.describe(&payload[..written]);
            noise.fill(&mut pcm);
        }
    });
}

#[test]
fn opus_does_not_allocate_when_it_decodes_speech() {
    for rate in [OpusRate::Hz8000, OpusRate::Hz16000] {
        let channels = OpusChannels::Mono;
        for bitrate in [12_000, 24_000, 64_000] {
            let settings = OpusSettings {
                rate,
                channels,
                bitrate,
                fec: true,
                expected_loss: 20,
                ..OpusSettings::default()
            };
            let (mut sender, mut receiver) = (Opus::new(settings), Opus::new(settings));
            let length = rate.rate().hertz() as usize / 50 * channels.channels().count();
            let (mut payload, mut heard) = (vec![0; sender.payload_len(length)], vec![0; length]);
            for n in 0..200_usize {
                let pcm: Vec<_> =
                    (0..length).map(|k| ((n * length + k) % 113) as i16 * 100 - 5_600).collect();
                let written = sender.encode(&pcm, &mut payload);
                let (copies, samples) = assert_no_alloc(|| {
                    let copies =
                        if n % 10 == 5 { receiver.recover(&payload[..written], &mut heard) } else { None };
                    (copies, receiver.decode(&payload[..written], &mut heard))
                });
                assert!(samples == length && copies.is_none_or(|copied| copied == length));
            }
        }
    }
}
