// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bodies of the fuzz targets: each takes any bytes and must come back.

use std::io::Cursor;
use std::time::Duration;

use offhook_spi::Moment;

use crate::codec::{
    Codec, ComfortNoise, G722, G726, G726Packing, G726Rate, G729, G729Settings, Opus, OpusChannels, OpusRate,
    OpusSettings,
};
use crate::file::{SoundRead, WavReader};
use crate::jitter::{JitterBuffer, JitterConfig, JitterPacket, Loudness, Next};
use crate::rtp::{
    EventHeard, EventReceiver, Header, NtpTime, Packet, PayloadType, Reception, Report, RtcpItem, RtcpItems,
    SequenceNumber, Ssrc, Timestamp, round_trip,
};
use crate::srtp::{MAX_GROWTH, MasterKey, Protector, Suite, Unprotector};

/// Reads a WAV file to its end, then again from the middle.
pub fn wav(data: &[u8]) {
    let Ok(mut file) = WavReader::new(Cursor::new(data)) else { return };
    let mut block = [0; 1_000];
    let mut samples = 0;
    while let Ok(count @ 1..) = file.read(&mut block) {
        samples += count;
    }
    assert!(samples <= data.len(), "more samples than bytes");
    if file.seek(file.len() / 2).is_ok() {
        let _ = file.read(&mut block);
    }
}

/// Reads one datagram as RTP, and feeds streams of such packets to a receiver's statistics.
pub fn rtp(data: &[u8]) {
    if let Ok(packet) = Packet::parse(data) {
        assert!(packet.payload.len() + Header::LEN <= data.len(), "more payload than bytes");
        assert!(packet.contributors().count() <= 15, "more contributors than four bits can count");
    }
    let mut reception = Reception::new(SequenceNumber(0), 1, 8_000);
    for (n, bytes) in data.chunks_exact(6).enumerate() {
        let sequence = SequenceNumber(u16::from_be_bytes([bytes[0], bytes[1]]));
        let timestamp = Timestamp(u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]));
        reception.receive(Moment::from_millis(n as u64), sequence, timestamp);
        let counts = reception.counts();
        assert!(counts.expected <= 1 << 40, "an impossible number of packets");
        reception.fraction_lost();
    }
}

/// Reads a compound RTCP packet.
pub fn rtcp(data: &[u8]) {
    for item in RtcpItems::new(data, Ssrc(0x0102_0304)) {
        if let RtcpItem::Report(Report { block: Some(block), .. }) = item {
            let _ = round_trip(NtpTime(0), &block);
        }
    }
}

/// Takes any bytes for protected packets, and sends those that are packets through protection and back.
pub fn srtp(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let suite = Suite::ALL[usize::from(*choice) % Suite::ALL.len()];
    let Ok(key) = MasterKey::new(suite, &[*choice; 46][..suite.material_len()]) else { return };
    let (mut sender, mut receiver) = (Protector::new(&key), Unprotector::new(&key));
    let mut buffer = data.to_vec();
    receiver.unprotect_rtp(&mut buffer).ok();
    buffer.clear();
    buffer.extend_from_slice(data);
    receiver.unprotect_rtcp(&mut buffer).ok();
    let covered = |bytes: &[u8]| {
        let mut buffer = bytes.to_vec();
        buffer.resize(bytes.len() + MAX_GROWTH, 0);
        buffer
    };
    let mut packet = covered(data);
    if let Ok(len) = sender.protect_rtp(&mut packet, data.len()) {
        let back = receiver.unprotect_rtp(&mut packet[..len]).map(|len| &packet[..len]);
        assert_eq!(back, Ok(data), "what was protected came back otherwise");
    }
    let mut report = covered(data);
    if let Ok(len) = sender.protect_rtcp(&mut report, data.len()) {
        let back = receiver.unprotect_rtcp(&mut report[..len]).map(|len| &report[..len]);
        assert_eq!(back, Ok(data), "what was protected came back otherwise");
    }
}

/// Feeds a jitter buffer with packets of any number, time and length, and plays in between.
pub fn jitter(data: &[u8]) {
    let mut buffer = JitterBuffer::new(JitterConfig::G711);
    let mut now = Moment::ZERO;
    let mut payload = [0; 480];
    for bytes in data.chunks_exact(8) {
        let duration = u32::from(bytes[6]) * 2;
        let packet = JitterPacket {
            sequence: SequenceNumber(u16::from_be_bytes([bytes[0], bytes[1]])),
            timestamp: Timestamp(u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]])),
            duration,
            payload_type: PayloadType::PCMU,
            payload: &[0x55; 510][..duration as usize],
        };
        buffer.insert(now, &packet);
        let loudness = if bytes[7] & 0x80 == 0 { Loudness::Quiet } else { Loudness::Audible };
        for _ in 0..bytes[7] & 3 {
            now += Duration::from_millis(u64::from(bytes[7] & 0x7f));
            if let Next::Lost(ticks) = buffer.next(now, 160, loudness, &mut payload) {
                assert!(ticks <= 160, "more is lost than was asked for");
            }
        }
        assert!(buffer.target() <= Duration::from_millis(200), "the delay has no bound");
    }
}

/// Feeds decoders with payloads of any kind, lost ones between: the first byte says which decoder, the first of each
/// payload how long it is.
pub fn codec(data: &[u8]) {
    let Some((&which, mut data)) = data.split_first() else { return };
    let opus =
        |rate, channels| Box::new(Opus::new(OpusSettings { rate, channels, ..OpusSettings::default() }));
    let mut codec: Box<dyn Codec> = match which % 10 {
        0 => Box::new(G722::new()),
        1 => Box::new(G726::new(G726Rate::Kbit16, G726Packing::Rfc3551)),
        2 => Box::new(G726::new(G726Rate::Kbit24, G726Packing::Aal2)),
        3 => Box::new(G726::new(G726Rate::Kbit32, G726Packing::Rfc3551)),
        4 => Box::new(G726::new(G726Rate::Kbit40, G726Packing::Aal2)),
        5 => Box::new(G729::new(G729Settings::default())),
        6 => opus(OpusRate::Hz8000, OpusChannels::Mono),
        7 => opus(OpusRate::Hz16000, OpusChannels::Mono),
        8 => opus(OpusRate::Hz48000, OpusChannels::Stereo),
        _ => return comfort_noise(data),
    };
    let mut pcm = [0; 2_000];
    while let Some((&length, rest)) = data.split_first() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(length)));
        let room = if length & 1 == 0 { pcm.len() } else { usize::from(length) * 7 };
        let pcm = &mut pcm[..room];
        let written = match length {
            0 => codec.conceal(pcm).unwrap_or(0),
            1..16 => codec.recover(rest, pcm).unwrap_or(0),
            _ => {
                let written = codec.decode(payload, pcm);
                let held = codec.duration(payload) as usize * codec.sampling().channels.count();
                assert!(written <= held, "more was heard than the payload holds");
                written
            }
        };
        assert!(written <= room, "more was heard than there was room for");
        data = rest;
    }
}

fn comfort_noise(data: &[u8]) {
    let mut noise = ComfortNoise::new(1);
    let mut pcm = [0; 100];
    for payload in data.chunks(7) {
        noise.describe(payload);
        noise.fill(&mut pcm);
    }
}

/// Feeds a receiver of telephone events; every key that ends has begun.
pub fn telephone_event(data: &[u8]) {
    let mut receiver = EventReceiver::default();
    let mut down = 0_i32;
    let mut note = |heard| {
        down += if matches!(heard, EventHeard::Started(_)) { 1 } else { -1 };
        assert!((0..=1).contains(&down), "keys go down and come up in turn");
    };
    for (n, bytes) in data.chunks(9).enumerate() {
        let now = Moment::from_millis(n as u64 * u64::from(bytes[0]));
        let timestamp =
            bytes.get(1..5).map_or(0, |four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
        let payload = bytes.get(5..).unwrap_or_default();
        receiver.receive(now, Timestamp(timestamp), payload).into_iter().flatten().for_each(&mut note);
        receiver.poll(now).into_iter().for_each(&mut note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What fuzzing found worth keeping.
    #[test]
    fn the_corpus_does_no_harm() {
        for (name, target) in [
            ("wav", wav as fn(&[u8])),
            ("rtp", rtp as fn(&[u8])),
            ("rtcp", rtcp as fn(&[u8])),
            ("srtp", srtp as fn(&[u8])),
            ("jitter", jitter as fn(&[u8])),
            ("codec", codec as fn(&[u8])),
            ("telephone_event", telephone_event as fn(&[u8])),
        ] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/");
            let files: Vec<_> = std::fs::read_dir(format!("{folder}{name}")).unwrap().collect();
            assert!(!files.is_empty(), "{name} has no corpus");
            for file in files {
                target(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }
}
