// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our codecs against libopus, libspandsp and libbcg729, each as encoder for the other; the libraries speak through a small C
//! program beside this file. Every test prints what it measured.
//!
//! Without compiler or libraries there is nothing to hear, unless `OFFHOOK_REQUIRE_PEERS` says that they must be there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall end")]

#[path = "../src/codec/test_signal.rs"]
mod test_signal;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use offhook_media::codec::{
    Alaw, Codec, G722, G726, G726Packing, G726Rate, G729, G729Settings, Opus, OpusChannels, OpusRate,
    OpusSettings, Ulaw,
};
use test_signal::{Speech, Tone, snr};

type Packets = Vec<Vec<u8>>;

/// The compiled oracle; built once, and kept where the build keeps such things.
fn oracle() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("codec-oracle");
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/oracle.c");
            let compiled = Command::new("cc")
                .args(["-O2", "-o"])
                .arg(&program)
                .args([source, "-lopus", "-lspandsp", "-lbcg729"])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
            assert!(
                compiled || std::env::var_os("OFFHOOK_REQUIRE_PEERS").is_none(),
                "cc, libopus-dev, libspandsp-dev and libbcg729-dev are required"
            );
            if !compiled {
                // Past the harness, which keeps what passing tests print.
                let complaint =
                    "NOT TESTED: codecs, for lack of cc, libopus-dev, libspandsp-dev or libbcg729-dev";
                let _ = writeln!(std::io::stderr(), "{complaint}");
            }
            compiled.then_some(program)
        })
        .as_deref()
}

/// What the oracle makes of `packets`.
fn ask(program: &Path, arguments: &str, packets: &[Vec<u8>]) -> Packets {
    let mut child = Command::new(program)
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let question: Vec<u8> = packets
        .iter()
        .flat_map(|packet| [&u32::try_from(packet.len()).unwrap().to_le_bytes()[..], packet].concat())
        .collect();
    let asking = thread::spawn(move || input.write_all(&question).unwrap());
    let mut answer = Vec::new();
    output.read_to_end(&mut answer).unwrap();
    asking.join().unwrap();
    assert!(child.wait().unwrap().success(), "{arguments}");
    let (mut rest, mut packets) = (&answer[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (packet, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        packets.push(packet.to_vec());
        rest = after;
    }
    packets
}

fn to_bytes(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn to_samples(packets: &[Vec<u8>]) -> Vec<i16> {
    let bytes = packets.concat();
    bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

fn frames(pcm: &[i16], length: usize) -> Packets {
    pcm.chunks_exact(length).map(to_bytes).collect()
}

fn encode(codec: &mut impl Codec, pcm: &[i16], length: usize) -> Packets {
    pcm.chunks_exact(length)
        .map(|frame| {
            let mut payload = vec![0; codec.payload_len(length)];
            let written = codec.encode(frame, &mut payload);
            payload.truncate(written);
            payload
        })
        .collect()
}

/// Decodes; an empty packet is a lost one, to be recovered from the next or concealed.
fn decode(codec: &mut impl Codec, packets: &[Vec<u8>], length: usize, recover: bool) -> Vec<i16> {
    let mut heard = Vec::new();
    for (n, packet) in packets.iter().enumerate() {
        let mut pcm = vec![0; length];
        let next = packets.get(n + 1).filter(|next| recover && !next.is_empty());
        let written = if packet.is_empty() {
            let recovered = next.and_then(|next| codec.recover(next, &mut pcm));
            recovered.or_else(|| codec.conceal(&mut pcm)).unwrap()
        } else {
            codec.decode(packet, &mut pcm)
        };
        assert_eq!(written, length);
        heard.extend(pcm);
    }
    heard
}

/// One packet in ten is lost, never two in a row.
fn lose(packets: &[Vec<u8>]) -> Packets {
    let lost = |n: usize| n % 10 == 3 + n / 10 % 5;
    packets.iter().enumerate().map(|(n, packet)| if lost(n) { Vec::new() } else { packet.clone() }).collect()
}

fn decibels(pcm: &[i16]) -> f64 {
    let power: f64 = pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    10.0 * (power / pcm.len() as f64).log10()
}

fn speech(rate: usize) -> Vec<i16> {
    Speech::new(rate as f64).take(rate * 4).collect()
}

fn opus(rate: OpusRate, fec: bool) -> (OpusSettings, String) {
    let settings = OpusSettings {
        rate,
        channels: OpusChannels::Mono,
        fec,
        expected_loss: if fec { 20 } else { 0 },
        ..OpusSettings::default()
    };
    let arguments = format!(
        "rate={} bitrate={} complexity={} fec={} loss={}",
        rate.rate().hertz(),
        settings.bitrate,
        settings.complexity,
        u8::from(fec),
        settings.expected_loss
    );
    (settings, arguments)
}

#[test]
fn real_opus_understands_us_and_we_it() {
    let Some(program) = oracle() else { return };
    for (rate, exact) in [(OpusRate::Hz16000, 100.0), (OpusRate::Hz48000, 90.0)] {
        let hertz = rate.rate().hertz() as usize;
        let (length, pcm) = (hertz / 50, speech(hertz));
        let (settings, arguments) = opus(rate, false);
        let mut qualities = Vec::new();
        let ours = encode(&mut Opus::new(settings), &pcm, length);
        let theirs = ask(program, &format!("opus encode {arguments}"), &frames(&pcm, length));
        for (who, packets) in [("our", ours), ("their", theirs)] {
            let bitrate = packets.concat().len() * 8 / 4;
            let we = decode(&mut Opus::new(settings), &packets, length, false);
            let they = to_samples(&ask(program, &format!("opus decode {arguments}"), &packets));
            let (between, _) = snr(&they, &we, 0);
            let (quality, delay) = snr(&pcm[..hertz * 3], &they, hertz / 100);
            let level = decibels(&we) - decibels(&pcm);
            println!(
                "opus {hertz} Hz, {who} encoder: {bitrate} bit/s, decoders agree to {between:.1} dB, \
                 their decoder {quality:.1} dB of {delay} samples delay, our level {level:+.2} dB"
            );
            assert!(between > exact && quality > 5.0 && level.abs() < 1.0);
            assert!(bitrate < 26_000);
            qualities.push(quality);
        }
        assert!(qualities[0] > qualities[1] - 1.0, "our encoder is as good: {qualities:?}");
    }
}

#[test]
fn real_opus_loses_packets_as_we_do() {
    let Some(program) = oracle() else { return };
    for rate in [OpusRate::Hz16000, OpusRate::Hz48000] {
        let hertz = rate.rate().hertz() as usize;
        let (length, pcm) = (hertz / 50, speech(hertz));
        let mut qualities = [[0.0; 2]; 2];
        for fec in [false, true] {
            let (settings, arguments) = opus(rate, true);
            let ours = lose(&encode(&mut Opus::new(settings), &pcm, length));
            let theirs = lose(&ask(program, &format!("opus encode {arguments}"), &frames(&pcm, length)));
            for (n, (who, packets)) in [("our", ours), ("their", theirs)].into_iter().enumerate() {
                let we = decode(&mut Opus::new(settings), &packets, length, fec);
                let asked = format!("opus decode rate={hertz} fec={}", u8::from(fec));
                let they = to_samples(&ask(program, &asked, &packets));
                let (between, _) = snr(&they, &we, 0);
                let (our_quality, _) = snr(&pcm[..hertz * 3], &we, hertz / 100);
                let (their_quality, _) = snr(&pcm[..hertz * 3], &they, hertz / 100);
                let level = decibels(&we) - decibels(&they);
                println!(
                    "opus {hertz} Hz, 10 % lost, {who} encoder, recovered {fec}: decoders agree to {between:.1} dB, \
                     quality ours {our_quality:.1} theirs {their_quality:.1} dB, level {level:+.2} dB"
                );
                assert!(between > 25.0 && our_quality > their_quality - 0.5 && level.abs() < 0.5);
                qualities[usize::from(fec)][n] = our_quality;
            }
        }
        for (without, with) in qualities[0].iter().zip(qualities[1]) {
            assert!(with > *without, "recovery helps: {without} {with}");
        }
    }
}

#[test]
fn real_g722_understands_us_and_we_it() {
    let Some(program) = oracle() else { return };
    let tone: Vec<i16> = Tone::new(1_000.0, 16_000.0).take(64_000).collect();
    for (sound, pcm) in [("speech", speech(16_000)), ("tone", tone)] {
        let ours = encode(&mut G722::new(), &pcm, 320);
        let theirs = ask(program, "g722 encode", &frames(&pcm, 320));
        let equal = ours.concat().iter().zip(theirs.concat()).filter(|(a, b)| **a == *b).count();
        println!("g722 {sound}: {:.1} % of bytes equal", equal as f64 / 320.0);
        let mut qualities = Vec::new();
        for (who, packets) in [("our", &ours), ("their", &theirs)] {
            let we = decode(&mut G722::new(), packets, 320, false);
            let they = to_samples(&ask(program, "g722 decode", packets));
            let (between, _) = snr(&they, &we, 0);
            for (decoder, heard) in [("our", &we), ("their", &they)] {
                let (quality, delay) = snr(&pcm[..60_000], heard, 40);
                let level = decibels(heard) - decibels(&pcm);
                println!(
                    "g722 {sound}, {who} encoder, {decoder} decoder: {quality:.2} dB of {delay} samples delay, \
                     level {level:+.2} dB, decoders agree to {between:.1} dB"
                );
                assert!(level.abs() < 0.5);
                qualities.push(quality);
            }
        }
        let best = qualities.iter().fold(f64::MIN, |best, one| best.max(*one));
        assert!(best > 15.0 && qualities.iter().all(|one| best - one < 1.0 || *one > 40.0), "{qualities:?}");
    }
}

#[test]
fn real_g726_says_bit_for_bit_what_we_say() {
    let Some(program) = oracle() else { return };
    // At half strength: what overshoots 14 bits their decoder lets wrap, and ours limits (G.726 annex A).
    let tone = Tone::new(1_004.0, 8_000.0).take(8_000);
    let pcm: Vec<i16> = speech(8_000).into_iter().chain(tone).map(|sample| sample / 2).collect();
    let rates = [G726Rate::Kbit16, G726Rate::Kbit24, G726Rate::Kbit32, G726Rate::Kbit40];
    for rate in rates {
        for packing in [G726Packing::Rfc3551, G726Packing::Aal2] {
            let new = || G726::new(rate, packing);
            let big = u8::from(packing == G726Packing::Aal2);
            let asked = format!("bitrate={} aal2={big}", rate.bits() * 8_000);
            let ours = encode(&mut new(), &pcm, 160);
            let theirs = ask(program, &format!("g726 encode {asked}"), &frames(&pcm, 160));
            let equal = ours.concat().iter().zip(theirs.concat()).filter(|(a, b)| **a == *b).count();
            let we = decode(&mut new(), &theirs, 160, false);
            let they = to_samples(&ask(program, &format!("g726 decode {asked}"), &theirs));
            let same = we.iter().zip(&they).filter(|(a, b)| a == b).count();
            let (quality, _) = snr(&pcm, &we, 0);
            println!(
                "g726 {rate:?} {packing:?}: {equal} of {} bytes and {same} of {} samples equal, {quality:.1} dB",
                theirs.concat().len(),
                they.len()
            );
            assert!(ours == theirs && we == they && they.len() == pcm.len());
        }
    }
}

#[test]
fn real_g711_says_bit_for_bit_what_we_say() {
    let Some(program) = oracle() else { return };
    let pcm: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    let codes: Vec<u8> = (0..=u8::MAX).collect();
    let check = |codec: &mut dyn Codec, alaw: u8| {
        let mut payload = vec![0; pcm.len()];
        codec.encode(&pcm, &mut payload);
        let theirs = ask(program, &format!("g711 encode alaw={alaw}"), &frames(&pcm, pcm.len())).concat();
        let equal = payload.iter().zip(&theirs).filter(|(a, b)| a == b).count();
        if alaw == 0 {
            // Theirs takes the two's complement of a negative sample where G.711 (and the ITU's own program)
            // takes the one's: at the end of an interval it is one sample early.
            codec.encode(&pcm[..32_767], &mut payload[1..]);
        }
        let mut heard = vec![0; 256];
        codec.decode(&codes, &mut heard);
        let they =
            to_samples(&ask(program, &format!("g711 decode alaw={alaw}"), std::slice::from_ref(&codes)));
        let same = heard.iter().zip(&they).filter(|(a, b)| a == b).count();
        println!("g711 alaw={alaw}: {equal} of 65536 samples and {same} of 256 codes equal");
        assert!(payload[1..] == theirs[1..] && heard == they);
    };
    check(&mut Ulaw, 0);
    check(&mut Alaw, 1);
}

#[test]
fn real_g729_says_bit_for_bit_what_we_say() {
    let Some(program) = oracle() else { return };
    let pcm = speech(8_000);
    for annex_b in [false, true] {
        let settings = G729Settings { annex_b };
        let ours = encode(&mut G729::new(settings), &pcm, 80);
        let theirs = ask(program, &format!("g729 encode annexb={}", u8::from(annex_b)), &frames(&pcm, 80));
        let equal = ours.iter().zip(&theirs).filter(|(a, b)| a == b).count();
        println!("g729 annex B {annex_b}: {equal} of {} frames equal", theirs.len());
        assert_eq!(ours, theirs);
        for (who, packets) in [("our", &ours), ("their", &theirs)] {
            for (network, packets) in [("clean", packets.clone()), ("10 % lost", lose(packets))] {
                let we = decode(&mut G729::default(), &packets, 80, false);
                let they = to_samples(&ask(program, "g729 decode", &packets));
                let (between, _) = snr(&they, &we, 0);
                let (quality, delay) = snr(&pcm[..24_000], &we, 160);
                let level = decibels(&we) - decibels(&pcm);
                println!(
                    "g729 annex B {annex_b}, {who} encoder, {network}: decoders agree to {between:.1} dB, \
                     {quality:.1} dB of {delay} samples delay, level {level:+.2} dB"
                );
                assert!(we == they && (level.abs() < 1.0 || network != "clean"));
            }
        }
    }
}
