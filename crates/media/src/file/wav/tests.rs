// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of WAV files: what was written is read, and no header does harm.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::file::{FileError, SoundRead, SoundSpec, load};
use crate::format::{Channels, SampleRate};

fn spec(encoding: Encoding, channels: u8) -> SoundSpec {
    SoundSpec { encoding, rate: SampleRate::HZ_16000, channels: Channels::new(channels).unwrap() }
}

fn written(spec: SoundSpec, samples: &[i16]) -> Vec<u8> {
    let mut writer = WavWriter::new(Cursor::new(Vec::new()), spec).unwrap();
    for part in samples.chunks(999) {
        writer.write(part).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn read(bytes: &[u8]) -> Result<(SoundSpec, Vec<i16>), FileError> {
    let mut reader = WavReader::new(Cursor::new(bytes))?;
    let mut samples = vec![0; 100_000];
    let count = reader.read(&mut samples)?;
    samples.truncate(count);
    assert_eq!(count as u64, reader.len() * reader.spec().channels.count() as u64);
    Ok((reader.spec(), samples))
}

fn error(bytes: &[u8]) -> String {
    WavReader::new(Cursor::new(bytes)).unwrap_err().to_string()
}

/// A 16-bit mono file at 8 kHz with `extra` before the sound, which is said to have `size` bytes.
fn by_hand(extra: &[u8], size: u32, sound: &[u8]) -> Vec<u8> {
    let mut bytes =
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0".to_vec();
    bytes.extend_from_slice(extra);
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes.extend_from_slice(sound);
    bytes
}

#[test]
fn what_was_written_is_read() {
    let samples: Vec<i16> = (0..9_001).map(|i: i32| (i * 321 % 20_000 - 10_000) as i16).collect();
    for (_, _, encoding) in ENCODINGS {
        for channels in [1, 2] {
            let spec = spec(encoding, channels);
            let samples = &samples[..9_001 - usize::from(channels - 1)];
            let (found, heard) = read(&written(spec, samples)).unwrap();
            assert_eq!((found, heard.len()), (spec, samples.len()));
            let exact = encoding.bytes() > 1;
            for (sent, heard) in samples.iter().zip(heard) {
                assert!(if exact { *sent == heard } else { sent.abs_diff(heard) <= 512 }, "{encoding:?}");
            }
        }
    }
}

#[test]
fn headers_are_written_to_the_byte() {
    let hex = |bytes: &[u8]| {
        bytes
            .chunks(16)
            .map(|row| row.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    insta::assert_debug_snapshot!("pcm_header", hex(&written(spec(Encoding::PcmS16, 2), &[1, 2, 3, 4])));
    insta::assert_debug_snapshot!("ulaw_header", hex(&written(spec(Encoding::Ulaw, 1), &[0, 0, 0])));
}

#[test]
fn a_file_left_behind_plays_up_to_the_last_flush() {
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec(Encoding::PcmS16, 1)).unwrap();
    writer.write(&[5; 1_000]).unwrap();
    writer.flush().unwrap();
    writer.write(&[6; 20_000]).unwrap();
    let (_, heard) = read(file.get_ref()).unwrap();
    assert_eq!(heard, [5; 1_000]);
}

#[test]
fn a_size_beyond_the_file_means_its_end() {
    for size in [u32::MAX, 7, 1_000_000] {
        let (_, heard) = read(&by_hand(&[], size, &[1, 0, 2, 0, 3])).unwrap();
        assert_eq!(heard, [1, 2], "{size}");
    }
}

#[test]
fn unknown_chunks_are_passed_over_with_their_padding() {
    let (_, heard) = read(&by_hand(b"LIST\x03\0\0\0abc\0", 2, &[9, 0])).unwrap();
    assert_eq!(heard, [9]);
}

#[test]
fn an_extended_format_is_looked_into() {
    let mut format =
        vec![0xfe, 0xff, 1, 0, 0x40, 0x1f, 0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 22, 0, 8, 0, 0, 0, 0, 0, 7, 0];
    format.extend_from_slice(&TAIL);
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0".to_vec();
    bytes.extend_from_slice(&format);
    bytes.extend_from_slice(b"data\x02\0\0\0\xff\xff");
    let (spec, heard) = read(&bytes).unwrap();
    assert_eq!((spec.encoding, heard), (Encoding::Ulaw, vec![0, 0]));
    bytes[50] ^= 1;
    assert!(error(&bytes).contains("extended"));
}

#[test]
fn bad_headers_are_refused_by_name() {
    let good = by_hand(&[], 2, &[0, 0]);
    let with = |at: usize, value: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        error(&bytes)
    };
    let refusals = [
        error(b""),
        error(b"RIFF"),
        error(&good[..40]),
        error(&good[..36]),
        error(b"RIFX\0\0\0\0WAVE"),
        error(b"RIFF\0\0\0\0WAVEdata\0\0\0\0"),
        with(0, b"OggS"),
        with(16, &[4]),
        with(16, &[0xff; 4]),
        with(20, &[85]),
        with(22, &[0, 0]),
        with(22, &[0, 1]),
        with(24, &[0, 0, 0, 0]),
        with(24, &[0xff; 4]),
        with(34, &[12]),
    ];
    insta::assert_debug_snapshot!(refusals);
}

#[test]
fn endless_tiny_chunks_are_given_up_on() {
    let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
    for _ in 0..5_000 {
        bytes.extend_from_slice(b"junk\0\0\0\0");
    }
    assert!(error(&bytes).contains("no data chunk"));
}

#[test]
fn stereo_at_another_rate_is_loaded_as_mono() {
    let tone = crate::signal::reference_tone(SampleRate::HZ_16000, std::time::Duration::from_millis(500));
    let stereo: Vec<i16> = tone.iter().flat_map(|&sample| [sample, sample]).collect();
    let bytes = written(spec(Encoding::PcmS16, 2), &stereo);
    let mut reader = WavReader::new(Cursor::new(bytes)).unwrap();
    let heard = load(&mut reader, SampleRate::HZ_8000, usize::MAX).unwrap();
    assert_eq!(heard.len(), 4_000);
    let report = crate::tone::analysis::analyse(&heard, SampleRate::HZ_8000).unwrap();
    assert!(report.matches(1_004.0, crate::signal::REFERENCE_LEVEL, &Default::default()), "{report:?}");
    reader.seek(0).unwrap();
    assert_eq!(load(&mut reader, SampleRate::HZ_16000, 100).unwrap().len(), 100);
}

proptest! {
    #[test]
    fn no_file_does_harm(mut bytes: Vec<u8>, flips in proptest::collection::vec((0usize..60, any::<u8>()), 0..6)) {
        let _ = read(&bytes);
        let mut mutated = by_hand(&bytes, 100, &bytes);
        for (at, value) in flips {
            if let Some(byte) = mutated.get_mut(at) {
                *byte = value;
            }
        }
        let _ = read(&mutated);
        bytes.splice(0..0, *b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0");
        let _ = read(&bytes);
    }
}
