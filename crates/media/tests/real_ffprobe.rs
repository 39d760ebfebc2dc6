// SPDX-License-Identifier: MIT OR Apache-2.0
//! What other programs make of our sound files: `ffprobe` opens every kind, finished or left behind.
//!
//! Without the program there is nothing to see, unless `OFFHOOK_REQUIRE_PEERS` says that it must be there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall end")]

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use offhook_media::file::{Encoding, SoundSpec, WavWriter};
use offhook_media::{Channels, SampleRate, signal};

/// Codec, rate, channels and seconds as `ffprobe` sees them.
fn probed(path: &PathBuf) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "warning", "-of", "csv=p=0", "-show_entries"])
        .arg("stream=codec_name,sample_rate,channels,duration")
        .arg(path)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn probe(name: &str, encoding: Encoding, channels: Channels, finish: impl Fn(WavWriter<File>)) -> String {
    let path = std::env::temp_dir().join(format!("offhook-probe-{}-{name}.wav", std::process::id()));
    let spec = SoundSpec { encoding, rate: SampleRate::HZ_8000, channels };
    let mut writer = WavWriter::new(File::create(&path).unwrap(), spec).unwrap();
    let tone = signal::reference_tone(SampleRate::HZ_8000, Duration::from_secs(channels.count() as u64));
    writer.write(&tone).unwrap();
    finish(writer);
    let seen = probed(&path);
    std::fs::remove_file(&path).unwrap();
    seen
}

fn is_missing() -> bool {
    let missing = Command::new("ffprobe").arg("-version").output().is_err();
    assert!(!missing || std::env::var_os("OFFHOOK_REQUIRE_PEERS").is_none(), "ffprobe is required");
    missing
}

#[test]
fn real_ffprobe_opens_every_encoding() {
    if is_missing() {
        return;
    }
    let cases = [
        (Encoding::Alaw, "pcm_alaw"),
        (Encoding::Float32, "pcm_f32le"),
        (Encoding::PcmS16, "pcm_s16le"),
        (Encoding::PcmS24, "pcm_s24le"),
        (Encoding::PcmS32, "pcm_s32le"),
        (Encoding::PcmU8, "pcm_u8"),
        (Encoding::Ulaw, "pcm_mulaw"),
    ];
    for (encoding, name) in cases {
        for channels in [Channels::MONO, Channels::STEREO] {
            let seen = probe(name, encoding, channels, |writer| drop(writer.finish().unwrap()));
            assert_eq!(seen, format!("{name},8000,{},1.000000", channels.count()));
        }
    }
}

#[test]
fn real_ffprobe_opens_what_a_crash_left_behind() {
    if is_missing() {
        return;
    }
    let seen = probe("crash", Encoding::Ulaw, Channels::MONO, |mut writer| {
        writer.flush().unwrap();
        writer.write(&[1; 50_000]).unwrap();
    });
    assert!(seen.starts_with("pcm_mulaw,8000,1,"), "{seen}");
}
