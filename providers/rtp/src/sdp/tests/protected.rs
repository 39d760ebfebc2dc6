// SPDX-License-Identifier: MIT OR Apache-2.0
//! Facts about keys in offers and answers.

use offhook_media::srtp::{MasterKey, Suite};

use super::*;
use crate::leg::Shield;

/// A side with keys that tell it from another.
fn side(policy: Srtp, fill: u8) -> Negotiation {
    let key = |suite: Suite| MasterKey::new(suite, &vec![fill; suite.material_len()]).unwrap();
    let keys = Suite::ALL.into_iter().map(key).collect();
    Negotiation::new(Local { security: Security::new(policy, keys), ..local() })
}

const KEY: &str = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

fn suite(agreed: &Agreed) -> Option<Suite> {
    agreed.crypto.as_ref().map(|crypto| crypto.ours.suite())
}

#[test]
fn a_required_offer_is_of_the_secure_profile() {
    insta::assert_snapshot!(side(Srtp::Required, 0).offer(Flowing::Both), @r"
    v=0
    o=- 7 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 4000 RTP/SAVP 0 8 101
    a=rtpmap:0 PCMU/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-16
    a=ptime:20
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    a=crypto:2 AES_256_CM_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
    a=crypto:3 AEAD_AES_128_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
    a=crypto:4 AEAD_AES_256_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
    a=sendrecv
    ");
}

#[test]
fn an_optional_offer_has_keys_under_the_plain_profile() {
    let text = side(Srtp::Optional, 1).offer(Flowing::Both);
    assert!(text.contains("m=audio 4000 RTP/AVP 0 8 101\r\n"), "{text}");
    assert_eq!(text.matches("a=crypto:").count(), 4, "{text}");
    assert!(!negotiation().offer(Flowing::Both).contains("crypto"));
}

#[test]
fn linphone_is_answered_with_its_suite_under_its_profile() {
    let (text, agreed) = side(Srtp::Optional, 0).answer(LINPHONE).unwrap();
    insta::assert_snapshot!(text, @r"
    v=0
    o=- 7 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 4000 RTP/AVPF 0 100
    a=rtpmap:0 PCMU/8000
    a=rtpmap:100 telephone-event/8000
    a=fmtp:100 0-16
    a=ptime:20
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    a=sendrecv
    m=video 0 RTP/AVPF 96
    ");
    let crypto = agreed.crypto.unwrap();
    assert_eq!(crypto.theirs.material()[..4], *b"wDfv");
    assert_eq!(crypto.ours.material(), [0; 30]);
}

#[test]
fn the_first_suite_that_is_spoken_is_taken_under_its_tag() {
    let lines = format!(
        "m=audio 6000 RTP/SAVP 0\na=crypto:5 F8_128_HMAC_SHA1_80 {KEY}\n\
         a=crypto:9 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:4\na=crypto:17 AES_CM_128_HMAC_SHA1_32 {KEY}|2^31\n\
         a=crypto:18 AES_CM_128_HMAC_SHA1_80 {KEY}"
    );
    for policy in [Srtp::Optional, Srtp::Required] {
        let (text, agreed) = side(policy, 1).answer(&far(&lines)).unwrap();
        assert_eq!(suite(&agreed), Some(Suite::AesCm128Sha1_32));
        assert!(text.contains("m=audio 4000 RTP/SAVP 0\r\n"), "{text}");
        assert!(text.contains("a=crypto:17 AES_CM_128_HMAC_SHA1_32 inline:AQEB"), "{text}");
        assert_eq!(text.matches("a=crypto").count(), 1, "{text}");
    }
}

#[test]
fn plain_sound_is_taken_when_it_may_be() {
    let (text, agreed) = side(Srtp::Optional, 1).answer(SIPP).unwrap();
    assert_eq!(agreed.crypto, None);
    assert!(!text.contains("crypto"), "{text}");
    let (text, agreed) = negotiation().answer(LINPHONE).unwrap();
    assert_eq!(agreed.crypto, None, "off: keys under a plain profile are left alone");
    assert!(!text.contains("crypto"), "{text}");
}

#[test]
fn what_does_not_fit_the_policy_is_refused_in_clear_words() {
    let foreign = format!("m=audio 6000 RTP/SAVP 0\na=crypto:1 F8_128_HMAC_SHA1_80 {KEY}");
    let secure = format!("m=audio 6000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}");
    for (policy, lines, reason) in [
        (Srtp::Off, secure.as_str(), "encrypted (RTP/SAVP), and srtp is off here, expected RTP/AVP"),
        (Srtp::Required, "m=audio 6000 RTP/AVP 0", "not encrypted (RTP/AVP), and srtp is required here"),
        (Srtp::Required, foreign.as_str(), "without an a=crypto that is spoken here"),
        (Srtp::Optional, foreign.as_str(), "without an a=crypto that is spoken here"),
        (Srtp::Optional, "m=audio 6000 RTP/SAVP 0", "without an a=crypto that is spoken here"),
        (Srtp::Optional, "m=audio 6000 UDP/TLS/RTP/SAVP 0", "by keys that are not spoken here"),
    ] {
        let error = side(policy, 1).answer(&far(lines)).unwrap_err().to_string();
        assert!(error.contains(reason), "{policy:?} {lines}: {error}");
    }
}

#[test]
fn both_sides_end_with_each_others_keys_whatever_their_policies() {
    for (here, there, protected) in [
        (Srtp::Off, Srtp::Off, Some(false)),
        (Srtp::Off, Srtp::Optional, Some(false)),
        (Srtp::Off, Srtp::Required, None),
        (Srtp::Optional, Srtp::Off, Some(false)),
        (Srtp::Optional, Srtp::Optional, Some(true)),
        (Srtp::Optional, Srtp::Required, Some(true)),
        (Srtp::Required, Srtp::Off, None),
        (Srtp::Required, Srtp::Optional, Some(true)),
        (Srtp::Required, Srtp::Required, Some(true)),
    ] {
        let (mut one, mut other) = (side(here, 1), side(there, 2));
        let offer = one.offer(Flowing::Both);
        let Ok((answer, answered)) = other.answer(&offer) else {
            assert_eq!(protected, None, "{here:?} {there:?}");
            continue;
        };
        let accepted = one.accept(&answer).unwrap();
        assert_eq!(protected, Some(accepted.crypto.is_some()), "{here:?} {there:?}");
        if let (Some(ours), Some(theirs)) = (accepted.crypto, answered.crypto) {
            assert_eq!((&ours.ours, &ours.theirs), (&theirs.theirs, &theirs.ours));
            assert_ne!(ours.ours, ours.theirs);
        }
    }
}

#[test]
fn an_answer_must_choose_what_was_offered() {
    let ok = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}");
    for (policy, line, reason) in [
        (Srtp::Required, format!("RTP/SAVP 0\n{ok}"), None),
        (Srtp::Optional, format!("RTP/AVP 0\n{ok}"), None),
        (Srtp::Optional, "RTP/AVP 0".to_owned(), None),
        (Srtp::Required, "RTP/AVP 0".to_owned(), Some("srtp is required here")),
        (Srtp::Required, "RTP/SAVP 0".to_owned(), Some("without an a=crypto")),
        (Srtp::Optional, format!("RTP/AVP 0\n{}", ok.replace(":1", ":2")), Some("does not answer ours")),
        (Srtp::Optional, format!("RTP/AVP 0\n{}", ok.replace("_80", "_32")), Some("does not answer ours")),
        (Srtp::Optional, format!("RTP/AVP 0\n{}", ok.replace(":1", ":7")), Some("does not answer ours")),
        (Srtp::Off, format!("RTP/SAVP 0\n{ok}"), Some("srtp is off here")),
    ] {
        let mut negotiation = side(policy, 1);
        negotiation.offer(Flowing::Both);
        let found = negotiation.accept(&far(&format!("m=audio 6000 {line}")));
        match (found, reason) {
            (Ok(_), None) => {}
            (Err(error), Some(reason)) => assert!(error.to_string().contains(reason), "{line}: {error}"),
            (found, _) => panic!("{policy:?} {line}: {found:?}"),
        }
    }
}

#[test]
fn nothing_passes_before_keys_are_agreed_on() {
    for policy in [Srtp::Optional, Srtp::Required] {
        let mut negotiation = side(policy, 1);
        assert_eq!(negotiation.plan().shield, Shield::Closed);
        negotiation.offer(Flowing::Both);
        assert_eq!(negotiation.plan().shield, Shield::Closed);
        let lines = format!("m=audio 6000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}");
        negotiation.accept_early(&far(&lines)).unwrap();
        assert!(matches!(negotiation.plan().shield, Shield::Keys(_)));
    }
    assert_eq!(negotiation().plan().shield, Shield::Clear);
    let mut optional = side(Srtp::Optional, 1);
    optional.answer(SIPP).unwrap();
    assert_eq!(optional.plan().shield, Shield::Clear);
}

#[test]
fn keys_stay_over_hold_and_follow_a_far_end_that_changes_its_own() {
    let line = |key: &str| far(&format!("m=audio 6000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {key}"));
    let mut negotiation = side(Srtp::Required, 1);
    negotiation.answer(&line(KEY)).unwrap();
    negotiation.commit();
    let before = negotiation.plan().shield;
    let offer = negotiation.offer(Flowing::Out);
    assert!(offer.contains("m=audio 4000 RTP/SAVP 0 8 101\r\n"), "{offer}");
    negotiation.accept(&line(KEY)).unwrap();
    assert_eq!(negotiation.plan().shield, before);
    negotiation.answer(&line(&KEY.replace("d0Rm", "AAAA"))).unwrap();
    let (Shield::Keys(old), Shield::Keys(new)) = (&before, negotiation.plan().shield) else {
        panic!("protection was lost")
    };
    assert_eq!(old.ours, new.ours, "ours stays");
    assert_ne!(old.theirs, new.theirs, "theirs is read by at once");
    negotiation.rollback();
    assert_eq!(negotiation.plan().shield, before);
}
