// SPDX-License-Identifier: MIT OR Apache-2.0
//! Vectors of the RFCs, an independent implementation, and packets that must not be believed.

use libsrtp::{MasterKey as OtherKey, ProtectionProfile as Profile, RecvSession, SendSession, StreamConfig};
use proptest::prelude::*;

use super::cipher::{Block, Cover};
use super::derivation::{Label, derive};
use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|digit| u8::try_from(digit).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn key(suite: Suite, fill: u8) -> MasterKey {
    let material: Vec<u8> = (0..suite.material_len()).map(|n| (n as u8).wrapping_mul(7) ^ fill).collect();
    MasterKey::new(suite, &material).unwrap()
}

fn rtp(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend(u32::from(sequence).wrapping_mul(160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn rtcp(ssrc: u32, words: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1 + words as u8];
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..words * 4).map(|n| n as u8));
    packet
}

fn cover(sender: &mut Protector, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + MAX_GROWTH, 0);
    let len = sender.protect_rtp(&mut buffer, plain.len()).unwrap();
    buffer.truncate(len);
    buffer
}

fn cover_report(sender: &mut Protector, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + MAX_GROWTH, 0);
    let len = sender.protect_rtcp(&mut buffer, plain.len()).unwrap();
    buffer.truncate(len);
    buffer
}

fn uncover(receiver: &mut Unprotector, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = packet.to_vec();
    let len = receiver.unprotect_rtp(&mut packet)?;
    packet.truncate(len);
    Ok(packet)
}

fn uncover_report(receiver: &mut Unprotector, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = packet.to_vec();
    let len = receiver.unprotect_rtcp(&mut packet)?;
    packet.truncate(len);
    Ok(packet)
}

/// RFC 3711 appendix B.2, RFC 6188 section 7.1.
#[test]
fn counter_mode_gives_the_key_streams_of_the_rfcs() {
    for (key, first, last) in [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab 41e95b3bb0a2e8dd477901e4fca894c0",
            "ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae 6a2cc3787889374fbeb4c81b17ba6c44",
        ),
        (
            "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
            "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31",
            "cea518c90fd91ced9cbb18c078a54711 3dbc4814f4da5f00a08772b63c6a046d 6eb246913062a16891433e97dd01a57f",
        ),
    ] {
        let block = Block::new(&hex(key));
        let mut stream = vec![0; 0xff02 * 16];
        block.apply(&hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000").try_into().unwrap(), &mut stream);
        assert_eq!(stream[..48], hex(first));
        assert_eq!(stream[0xfeff * 16..], hex(last));
    }
}

/// RFC 3711 appendix B.3, RFC 6188 section 7.2.
#[test]
fn session_keys_are_those_of_the_rfcs() {
    for (suite, master, wanted) in [
        (
            Suite::AesCm128Sha1_80,
            "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6",
            [
                "c61e7a93744f39ee10734afe3ff7a087",
                "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbce\
                 e049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdddc25\
                 6d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2",
                "30cbbc08863d8c85d49db34a9ae1",
            ],
        ),
        (
            Suite::AesCm256Sha1_80,
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2",
            [
                "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
                "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
                "fa31791685ca444a9e07c6c64e93",
            ],
        ),
    ] {
        let master = MasterKey::new(suite, &hex(master)).unwrap();
        for (label, wanted) in [Label::RtpKey, Label::RtpAuth, Label::RtpSalt].into_iter().zip(wanted) {
            let mut found = vec![0xff; hex(wanted).len()];
            derive(&master, label, &mut found);
            assert_eq!(found, hex(wanted), "{suite} {label:?}");
        }
    }
}

/// A context with the session key and salt of RFC 7714 sections 16 and 17, which name no master key.
fn gcm(suite: Suite) -> (Protector, Unprotector) {
    let cover = || {
        let key: Vec<u8> = (0..suite.key_len() as u8).collect();
        let salt = hex("517569642070726f2071756f0000").try_into().unwrap();
        Cover::new(suite, &key, &[0; 20], &salt, 16)
    };
    (Protector::of_covers(suite, cover(), cover()), Unprotector::of_covers(suite, cover(), cover()))
}

/// RFC 7714 sections 16.1.1, 16.1.2, 16.2.1 and 16.2.2.
#[test]
fn gcm_packets_are_those_of_the_rfc() {
    let head = "8040f17b8041f8d35501a0b2";
    let plain =
        hex(&format!("{head}47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573"));
    for (suite, covered) in [
        (
            Suite::AeadAes128Gcm,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
             899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::AeadAes256Gcm,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let covered = hex(&format!("{head}{covered}"));
        let (mut sender, mut receiver) = gcm(suite);
        assert_eq!(cover(&mut sender, &plain), covered);
        assert_eq!(uncover(&mut receiver, &covered), Ok(plain.clone()));
    }
}

/// RFC 7714 sections 17.1 to 17.4.
#[test]
fn gcm_reports_are_those_of_the_rfc() {
    let head = "81c8000d4d617273";
    let body = "4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
    let plain = hex(&format!("{head}{body}"));
    for (suite, covered) in [
        (
            Suite::AeadAes128Gcm,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b\
             c84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            Suite::AeadAes256Gcm,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad\
             1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ] {
        let covered = hex(&format!("{head}{covered}"));
        let (mut sender, mut receiver) = gcm(suite);
        for _ in 0..0x5d4 {
            cover_report(&mut sender, &plain);
        }
        assert_eq!(cover_report(&mut sender, &plain), covered);
        assert_eq!(uncover_report(&mut receiver, &covered), Ok(plain.clone()));
        assert_eq!(uncover_report(&mut receiver, &covered), Err(SrtpError::Replayed));
    }
    for (suite, tag) in [
        (Suite::AeadAes128Gcm, "841dd9683dd78ec92ae58790125f62b3000005d4"),
        (Suite::AeadAes256Gcm, "91db4afbfeee5a978fab4393ed2615fe000005d4"),
    ] {
        let tagged = hex(&format!("{head}{body}{tag}"));
        assert_eq!(uncover_report(&mut gcm(suite).1, &tagged), Ok(plain.clone()));
    }
}

#[test]
fn every_suite_leads_there_and_back() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = (Protector::new(&key(suite, 1)), Unprotector::new(&key(suite, 1)));
        for sequence in 0..300_u16 {
            let plain = rtp(sequence, 7, &vec![sequence as u8; usize::from(sequence)]);
            let covered = cover(&mut sender, &plain);
            assert_eq!(covered.len(), plain.len() + suite.tag_len(), "{suite}");
            assert_eq!(covered[..12], plain[..12], "the header stays clear");
            assert_eq!(uncover(&mut receiver, &covered), Ok(plain));
            let plain = rtcp(7, usize::from(sequence % 20));
            let covered = cover_report(&mut sender, &plain);
            assert_eq!(uncover_report(&mut receiver, &covered), Ok(plain));
            assert_eq!(uncover_report(&mut receiver, &covered), Err(SrtpError::Replayed), "{suite}");
        }
    }
}

#[test]
fn extensions_contributors_and_padding_are_carried() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = (Protector::new(&key(suite, 1)), Unprotector::new(&key(suite, 1)));
        let mut plain = rtp(9, 7, &hex("01020304 05060708 bede0001 aabbccdd 5555 00000004"));
        plain[0] |= 0x32;
        let covered = cover(&mut sender, &plain);
        assert_eq!(covered[..28], plain[..28], "{suite}: contributors and extension stay clear");
        assert_ne!(covered[28..34], plain[28..34]);
        assert_eq!(uncover(&mut receiver, &covered), Ok(plain));
    }
}

#[test]
fn the_rollover_counter_follows_both_ways() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = (Protector::new(&key(suite, 1)), Unprotector::new(&key(suite, 1)));
        let packets: Vec<Vec<u8>> = (0..200_000_u32)
            .step_by(40)
            .map(|n| cover(&mut sender, &rtp(n as u16, 7, &n.to_be_bytes())))
            .collect();
        // Neighbours change places: around each rollover one comes from before it.
        for pair in packets.chunks(2) {
            for packet in pair.iter().rev() {
                assert!(uncover(&mut receiver, packet).is_ok(), "{suite}");
            }
        }
        assert_eq!(uncover(&mut receiver, packets.last().unwrap()), Err(SrtpError::Replayed));
    }
}

#[test]
fn what_came_before_is_refused() {
    let suite = Suite::AesCm128Sha1_80;
    let (mut sender, mut receiver) = (Protector::new(&key(suite, 1)), Unprotector::new(&key(suite, 1)));
    let packets: Vec<Vec<u8>> = (0..400).map(|n| cover(&mut sender, &rtp(n, 7, b"sound"))).collect();
    for packet in packets.iter().skip(1) {
        assert!(uncover(&mut receiver, packet).is_ok());
    }
    for packet in &packets {
        assert_eq!(
            uncover(&mut receiver, packet),
            Err(SrtpError::Replayed),
            "late by more than the window too"
        );
    }
}

#[test]
fn a_sender_never_uses_a_number_twice() {
    let mut sender = Protector::new(&key(Suite::AesCm128Sha1_80, 1));
    let mut again = |sequence, ssrc| {
        let mut packet = rtp(sequence, ssrc, &[0; 40]);
        sender.protect_rtp(&mut packet, 30)
    };
    assert_eq!(again(5, 1), Ok(40));
    assert_eq!(again(5, 1), Err(SrtpError::Exhausted));
    assert_eq!(again(4, 1), Err(SrtpError::Exhausted));
    assert_eq!(again(5, 2), Ok(40), "another source counts for itself");
    assert_eq!(again(5, 3), Ok(40));
    assert_eq!(again(5, 4), Ok(40));
    assert_eq!(again(5, 5), Err(SrtpError::Exhausted), "none is forgotten for a new one");
    assert_eq!(again(6, 1), Ok(40));
    let mut short = rtp(9, 1, &[0; 3]);
    let len = short.len();
    assert_eq!(sender.protect_rtp(&mut short, len), Err(SrtpError::NoRoom));
}

#[test]
fn new_keys_do_not_reset_the_counter_but_a_sender_that_does_is_understood() {
    let suite = Suite::AesCm256Sha1_80;
    let (mut sender, mut receiver) = (Protector::new(&key(suite, 1)), Unprotector::new(&key(suite, 1)));
    for n in (0..70_000_u32).step_by(100) {
        uncover(&mut receiver, &cover(&mut sender, &rtp(n as u16, 7, b"sound"))).unwrap();
    }
    let next = rtp(70_000_u32 as u16, 7, b"sound");
    let (mut kept, mut fresh) = (Protector::new(&key(suite, 2)), Protector::new(&key(suite, 2)));
    kept.follow(sender.counters());
    for packet in [cover(&mut kept, &next), cover(&mut fresh, &next)] {
        let mut newer = Unprotector::new(&key(suite, 2));
        newer.follow(&receiver);
        assert_eq!(uncover(&mut newer, &packet), Ok(next.clone()));
        assert_eq!(uncover(&mut newer, &packet), Err(SrtpError::Replayed));
        assert_eq!(uncover(&mut receiver, &packet), Err(SrtpError::Unauthentic), "the old key is another");
    }
}

/// Suites in the words of the other implementation: for packets, and for reports.
fn profiles(suite: Suite) -> (Profile, Profile) {
    match suite {
        Suite::AesCm128Sha1_80 => (Profile::Aes128CmHmacSha180, Profile::Aes128CmHmacSha180),
        Suite::AesCm128Sha1_32 => (Profile::Aes128CmHmacSha132, Profile::Aes128CmHmacSha180),
        Suite::AesCm256Sha1_80 => (Profile::Aes256CmHmacSha180, Profile::Aes256CmHmacSha180),
        Suite::AesCm256Sha1_32 => (Profile::Aes256CmHmacSha132, Profile::Aes256CmHmacSha180),
        Suite::AeadAes128Gcm => (Profile::AeadAes128Gcm, Profile::AeadAes128Gcm),
        Suite::AeadAes256Gcm => (Profile::AeadAes256Gcm, Profile::AeadAes256Gcm),
    }
}

#[test]
fn an_independent_implementation_agrees() {
    for suite in Suite::ALL {
        let ours = key(suite, 3);
        let (master, salt) = ours.parts();
        let (packets, reports) = profiles(suite);
        let config = StreamConfig::new(vec![OtherKey::new(master, salt, &None)], &packets, &reports);
        let (mut theirs_out, mut theirs_in) = (SendSession::new(), RecvSession::new());
        theirs_out.add_stream(Some(7), &config).unwrap();
        theirs_in.add_stream(Some(7), &config).unwrap();
        let (mut sender, mut receiver) = (Protector::new(&ours), Unprotector::new(&ours));
        for n in (0..150_000_u32).step_by(97) {
            let plain = rtp(n as u16, 7, &vec![n as u8; (n % 173) as usize]);
            assert_eq!(theirs_in.rtp_unprotect(cover(&mut sender, &plain)).unwrap(), plain, "{suite}");
            let covered = theirs_out.rtp_protect(plain.clone()).unwrap();
            assert_eq!(uncover(&mut receiver, &covered), Ok(plain), "{suite}");
            let plain = rtcp(7, n as usize % 13);
            let covered = cover_report(&mut sender, &plain);
            if n > 0 {
                // The other takes no index 0.
                assert_eq!(theirs_in.rtcp_unprotect(covered).unwrap(), plain, "{suite}");
            }
            let covered = theirs_out.rtcp_protect(plain.clone()).unwrap();
            assert_eq!(uncover_report(&mut receiver, &covered), Ok(plain), "{suite}");
        }
    }
}

proptest! {
    #[test]
    fn what_was_altered_is_refused(
        suite in proptest::sample::select(&Suite::ALL[..]),
        payload in prop::collection::vec(any::<u8>(), 0..300),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut sender, mut receiver) = (Protector::new(&key(suite, 1)), Unprotector::new(&key(suite, 1)));
        let packet = cover(&mut sender, &rtp(40, 7, &payload));
        let report = cover_report(&mut sender, &rtcp(7, payload.len() / 8));
        let flip = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            bytes
        };
        prop_assert!(uncover(&mut receiver, &flip(&packet)).is_err());
        prop_assert!(uncover(&mut receiver, &packet[..cut.index(packet.len())]).is_err());
        prop_assert!(uncover_report(&mut receiver, &flip(&report)).is_err());
        prop_assert!(uncover_report(&mut receiver, &report[..cut.index(report.len())]).is_err());
        let mut stranger = Unprotector::new(&key(suite, 2));
        prop_assert_eq!(uncover(&mut stranger, &packet), Err(SrtpError::Unauthentic));
        prop_assert_eq!(uncover_report(&mut stranger, &report), Err(SrtpError::Unauthentic));
        prop_assert!(uncover(&mut receiver, &packet).is_ok(), "what was refused changed nothing");
        prop_assert!(uncover_report(&mut receiver, &report).is_ok());
    }

    #[test]
    fn nothing_that_comes_can_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzzing::srtp(&bytes);
    }
}
