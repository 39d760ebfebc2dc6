// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the measurement: against tones of known frequency, level and gaps.

use std::time::Duration;

use super::*;
use crate::codec::{Alaw, Codec, Ulaw};
use crate::signal;
use crate::tone::Frequency;

const RATES: [SampleRate; 4] =
    [SampleRate::HZ_8000, SampleRate::HZ_16000, SampleRate::HZ_44100, SampleRate::HZ_48000];

fn tone(rate: SampleRate, hertz: f32, dbfs: f32, ms: u64) -> Vec<i16> {
    let level = Level::from_dbfs(dbfs);
    signal::tone(rate, Frequency::from_hertz(hertz), level, Duration::from_millis(ms))
}

fn through(codec: &mut dyn Codec, samples: &[i16]) -> Vec<i16> {
    let mut payload = vec![0; codec.payload_len(samples.len())];
    codec.encode(samples, &mut payload);
    let mut heard = vec![0; samples.len()];
    codec.decode(&payload, &mut heard);
    heard
}

#[test]
fn a_clean_tone_is_measured_to_a_tenth() {
    for rate in RATES {
        for hertz in [203.7, 425.0, 697.0, 1_000.0, 1_004.0, 1_633.31, 2_100.0, 3_399.9] {
            for dbfs in [-3.0, -20.0, -40.0] {
                let report = analyse(&tone(rate, hertz, dbfs, 700), rate).unwrap();
                let context = format!("{rate} {hertz} {dbfs} {report:?}");
                assert!((report.frequency_hz - f64::from(hertz)).abs() < 0.1, "{context}");
                assert!((report.level.dbfs() - dbfs).abs() < 0.1, "{context}");
                assert!(report.longest_gap_ms == 0.0 && report.first_ms == 0.0, "{context}");
                assert!((report.present_ms - 700.0).abs() < 1.5, "{context}");
            }
        }
    }
}

#[test]
fn a_tone_is_measured_through_g711() {
    for hertz in [425.0, 1_000.0, 1_004.0, 2_713.3] {
        for dbfs in [-6.0, -20.0, -35.0] {
            let sent = tone(SampleRate::HZ_8000, hertz, dbfs, 600);
            for codec in [&mut Ulaw as &mut dyn Codec, &mut Alaw] {
                let report = analyse(&through(codec, &sent), SampleRate::HZ_8000).unwrap();
                let limits = ToneLimits { frequency_hz: 0.1, level_db: 0.3, gap_ms: 0.0 };
                let level = Level::from_dbfs(dbfs);
                assert!(report.matches(f64::from(hertz), level, &limits), "{hertz} {dbfs} {report:?}");
            }
        }
    }
}

#[test]
fn the_longest_gap_is_found() {
    for gap in [5, 10, 20, 40, 60, 200] {
        let mut samples = tone(SampleRate::HZ_8000, 1_004.0, -20.0, 1_500);
        samples[4_003..4_003 + 8 * gap].fill(0);
        samples[9_000..9_032].fill(0);
        let report = analyse(&samples, SampleRate::HZ_8000).unwrap();
        assert!((report.longest_gap_ms - gap as f64).abs() <= 1.5, "{gap}: {report:?}");
        assert!((report.frequency_hz - 1_004.0).abs() < 0.1, "{report:?}");
        assert!((report.level.dbfs() + 20.0).abs() < 0.1, "{report:?}");
    }
}

#[test]
fn a_gap_that_breaks_the_phase_does_not_shift_the_frequency() {
    let mut samples = tone(SampleRate::HZ_8000, 1_004.0, -20.0, 500);
    for _ in 0..6 {
        samples.extend([0; 163]);
        samples.extend(tone(SampleRate::HZ_8000, 1_004.0, -20.0, 250));
    }
    let report = analyse(&samples, SampleRate::HZ_8000).unwrap();
    assert!((report.frequency_hz - 1_004.0).abs() < 0.1, "{report:?}");
    assert!((report.longest_gap_ms - 20.4).abs() < 1.5, "{report:?}");
    assert!((report.present_ms - 2_000.0).abs() < 10.0, "{report:?}");
}

#[test]
fn silence_before_and_after_is_no_gap() {
    let mut samples = vec![0; 2_400];
    samples.extend(tone(SampleRate::HZ_8000, 440.0, -15.0, 400));
    samples.extend([0; 8_000]);
    let report = analyse(&samples, SampleRate::HZ_8000).unwrap();
    assert!((report.first_ms - 300.0).abs() <= 2.0, "{report:?}");
    assert!((report.present_ms - 400.0).abs() <= 2.0, "{report:?}");
    assert_eq!(report.longest_gap_ms, 0.0);
    assert!((report.frequency_hz - 440.0).abs() < 0.1, "{report:?}");
}

#[test]
fn a_tone_in_noise_is_found() {
    let clean = tone(SampleRate::HZ_8000, 1_004.0, -20.0, 1_000);
    let noise = signal::noise(SampleRate::HZ_8000, 3, Duration::from_secs(1), Level::from_dbfs(-40.0));
    let mixed: Vec<_> = clean.iter().zip(&noise).map(|(a, b)| a + b).collect();
    let report = analyse(&mixed, SampleRate::HZ_8000).unwrap();
    assert!(report.matches(1_004.0, Level::from_dbfs(-20.0), &ToneLimits::default()), "{report:?}");
}

#[test]
fn the_weaker_of_two_tones_is_found_when_asked_for() {
    let strong = tone(SampleRate::HZ_8000, 1_209.0, -15.0, 500);
    let weak = tone(SampleRate::HZ_8000, 770.0, -18.0, 500);
    let both: Vec<_> = strong.iter().zip(&weak).map(|(a, b)| a + b).collect();
    let report = analyse(&both, SampleRate::HZ_8000).unwrap();
    assert!((report.frequency_hz - 1_209.0).abs() < 0.5, "{report:?}");
    let report = analyse_near(&both, SampleRate::HZ_8000, 772.0).unwrap();
    assert!((report.frequency_hz - 770.0).abs() < 0.5, "{report:?}");
    assert!((report.level.dbfs() + 18.0).abs() < 0.3, "{report:?}");
}

#[test]
fn what_is_no_tone_has_no_report() {
    let rate = SampleRate::HZ_8000;
    let noise = signal::noise(rate, 5, Duration::from_secs(1), Level::from_dbfs(-20.0));
    let cases = [vec![], vec![0; 8_000], vec![500; 8_000], vec![9; 3], noise, tone(rate, 1_000.0, -10.0, 20)];
    for (index, samples) in cases.iter().enumerate() {
        assert_eq!(analyse(samples, rate), None, "case {index}");
    }
    assert_eq!(analyse_near(&[1; 100], rate, f64::NAN), None);
    assert_eq!(analyse_near(&[1; 100], rate, 4_000.0), None);
}

#[test]
fn a_wrong_tone_does_not_match() {
    let report = analyse(&tone(SampleRate::HZ_8000, 1_004.0, -20.0, 500), SampleRate::HZ_8000).unwrap();
    let limits = ToneLimits::default();
    assert!(report.matches(1_004.9, Level::from_dbfs(-20.9), &limits));
    assert!(!report.matches(1_005.2, Level::from_dbfs(-20.0), &limits));
    assert!(!report.matches(1_004.0, Level::from_dbfs(-21.2), &limits));
    assert!(!ToneReport { longest_gap_ms: 41.0, ..report }.matches(1_004.0, report.level, &limits));
}
