// SPDX-License-Identifier: MIT OR Apache-2.0
//! Facts about negotiations, with descriptions as well-known programs write them.

use offhook_spi::Flowing;
use proptest::prelude::*;

use super::*;
use crate::codec::Wish;
use crate::config::Srtp;

fn local() -> Local {
    Local {
        address: "192.0.2.1".parse().unwrap(),
        port: 4_000,
        rtcp: Some(4_001),
        mux: Mux::Offered,
        codecs: vec![AudioCodec::Pcmu, AudioCodec::Pcma],
        events: Events::Spoken,
        ptime: 20,
        id: 7,
        security: Security::new(Srtp::Off, Vec::new()),
    }
}

fn negotiation() -> Negotiation {
    Negotiation::new(local())
}

/// A description of the far end with these media lines.
fn far(lines: &str) -> String {
    let lines = lines.replace('\n', "\r\n");
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{lines}\r\n")
}

fn answer(lines: &str) -> Result<(String, Agreed), Unacceptable> {
    negotiation().answer(&far(lines))
}

fn agreed(lines: &str) -> Agreed {
    answer(lines).unwrap().1
}

const SIPP: &str = "v=0\r\no=user1 53655765 2353687637 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\n\
    t=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

const BARESIP: &str = "v=0\r\no=- 2914377543 1037291131 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\n\
    t=0 0\r\na=tool:baresip 3.10.0\r\nm=audio 10040 RTP/AVP 96 0 8 101\r\na=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 stereo=1;sprop-stereo=1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:10041\r\na=sendrecv\r\na=label:1\r\n\
    a=rtcp-rsize\r\na=ssrc:1873462001 cname:sip:bob@192.0.2.9\r\na=ptime:20\r\n";

const ASTERISK: &str = "v=0\r\no=- 1203440822 1203440822 IN IP4 192.0.2.9\r\ns=Asterisk\r\n\
    c=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 17038 RTP/AVP 8 0 3 111 101\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:3 GSM/8000\r\na=rtpmap:111 G726-32/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:150\r\na=sendrecv\r\n";

const LINPHONE: &str = "v=0\r\no=alice 2457 3206 IN IP4 192.0.2.9\r\ns=Talk\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    a=ice-pwd:5c1b3f50e9a4c2d7a1e0b9d2\r\na=ice-ufrag:18a1bd24\r\n\
    a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\na=record:off\r\n\
    m=audio 7078 RTP/AVPF 96 97 98 0 8 101 99 100\r\na=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 useinbandfec=1\r\na=rtpmap:97 speex/16000\r\na=fmtp:97 vbr=on\r\na=rtpmap:98 speex/8000\r\n\
    a=fmtp:98 vbr=on\r\na=rtpmap:101 telephone-event/48000\r\na=rtpmap:99 telephone-event/16000\r\n\
    a=rtpmap:100 telephone-event/8000\r\na=rtcp-fb:* trr-int 1000\r\na=rtcp-fb:* ccm tmmbr\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n\
    a=candidate:1 1 UDP 2130706303 192.0.2.9 7078 typ host\r\n\
    m=video 9078 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:* nack pli\r\n";

mod protected;

#[test]
fn an_offer_lists_what_we_speak() {
    insta::assert_snapshot!(negotiation().offer(Flowing::Both), @r"
    v=0
    o=- 7 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 4000 RTP/AVP 0 8 101
    a=rtpmap:0 PCMU/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-16
    a=ptime:20
    a=sendrecv
    ");
}

#[test]
fn wideband_has_its_own_clock_for_events() {
    let codecs = vec![AudioCodec::L16Wide, AudioCodec::L16Narrow, AudioCodec::Pcma];
    let address = "2001:db8::1".parse().unwrap();
    let mut wide = Negotiation::new(Local { codecs, address, rtcp: Some(4_100), ..local() });
    insta::assert_snapshot!(wide.offer(Flowing::In), @r"
    v=0
    o=- 7 1 IN IP6 2001:db8::1
    s=-
    c=IN IP6 2001:db8::1
    t=0 0
    m=audio 4000 RTP/AVP 96 97 8 101 102
    a=rtpmap:96 L16/16000
    a=rtpmap:97 L16/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:101 telephone-event/16000
    a=fmtp:101 0-16
    a=rtpmap:102 telephone-event/8000
    a=fmtp:102 0-16
    a=ptime:20
    a=rtcp:4100
    a=recvonly
    ");
}

#[test]
fn sipp_is_answered() {
    let (text, agreed) = negotiation().answer(SIPP).unwrap();
    insta::assert_snapshot!(text, @r"
    v=0
    o=- 7 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 4000 RTP/AVP 0
    a=rtpmap:0 PCMU/8000
    a=ptime:20
    a=sendrecv
    ");
    let mapping = Mapping { payload_type: 0, codec: AudioCodec::Pcmu };
    let expected = Agreed {
        flow: Flowing::Both,
        remote: Some("192.0.2.9:6000".parse().unwrap()),
        rtcp: Rtcp::To("192.0.2.9:6001".parse().unwrap()),
        send: mapping,
        wish: Wish::default(),
        receive: vec![mapping],
        events: None,
        ptime: 20,
        crypto: None,
    };
    assert_eq!(agreed, expected);
}

#[test]
fn baresip_is_answered() {
    let (text, agreed) = negotiation().answer(BARESIP).unwrap();
    insta::assert_snapshot!(text, @r"
    v=0
    o=- 7 1 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 4000 RTP/AVP 0 101
    a=rtpmap:0 PCMU/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-16
    a=ptime:20
    a=sendrecv
    ");
    assert_eq!(agreed.events, Some(EventTypes { send: 101, receive: 101, understood: 0xffff }));
}

#[test]
fn asterisk_is_answered_in_its_order() {
    let (_, agreed) = negotiation().answer(ASTERISK).unwrap();
    assert_eq!(agreed.send, Mapping { payload_type: 8, codec: AudioCodec::Pcma });
    assert_eq!(agreed.events.unwrap().understood, 0x1_ffff);
}

#[test]
fn linphone_is_answered_without_its_video_and_with_the_right_event_clock() {
    let (text, agreed) = negotiation().answer(LINPHONE).unwrap();
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
    a=sendrecv
    m=video 0 RTP/AVPF 96
    ");
    assert_eq!(agreed.events.unwrap().send, 100);
}

#[test]
fn lines_that_cannot_be_used_are_refused_in_place() {
    let (text, agreed) = answer(
        "m=image 7000 udptl t38\nm=audio 7002 RTP/SAVP 0\nm=audio 0 RTP/AVP 0\nm=audio 7004 RTP/AVP 9\n\
         m=audio 7006 RTP/AVP 8\nm=audio 7008 RTP/AVP 0\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    )
    .unwrap();
    assert_eq!(agreed.remote, Some("192.0.2.9:7006".parse().unwrap()));
    let media: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        media,
        [
            "m=image 0 udptl t38",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 0 RTP/AVP 0",
            "m=audio 0 RTP/AVP 9",
            "m=audio 4000 RTP/AVP 8",
            "m=audio 0 RTP/AVP 0",
            "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        ]
    );
}

#[test]
fn our_later_offer_repeats_the_lines_in_place() {
    let mut negotiation = negotiation();
    let video = "m=video 5000 RTP/AVP 31\nm=audio 6000 RTP/AVP 8 96\na=rtpmap:96 telephone-event/8000";
    negotiation.answer(&far(video)).unwrap();
    negotiation.commit();
    insta::assert_snapshot!(negotiation.offer(Flowing::Out), @r"
    v=0
    o=- 7 2 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=video 0 RTP/AVP 31
    m=audio 4000 RTP/AVP 0 8 96
    a=rtpmap:0 PCMU/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:96 telephone-event/8000
    a=fmtp:96 0-16
    a=ptime:20
    a=sendonly
    ");
    let held = negotiation.accept(&far("m=video 0 RTP/AVP 31\nm=audio 6000 RTP/AVP 8\na=recvonly")).unwrap();
    assert_eq!(held.flow, Flowing::Out);
}

#[test]
fn what_cannot_be_answered_says_why() {
    for (lines, reason) in [
        ("", "has no media, expected audio"),
        ("m=audio 6000 RTP/SAVP 0", "encrypted (RTP/SAVP), and srtp is off here"),
        (
            "m=audio 6000 UDP/TLS/RTP/SAVPF 0",
            "encrypted (UDP/TLS/RTP/SAVPF) by keys that are not spoken here",
        ),
        ("m=video 6000 RTP/AVP 31", "line 1 is video, expected audio"),
        ("m=audio 0 RTP/AVP 0", "line 1 is off (port 0)"),
        ("m=audio 6000 RTP/AVP 9 18 96\na=rtpmap:96 opus/48000/2", "without a codec that is spoken here"),
        ("m=audio 6000 RTP/AVP 96", "without a codec that is spoken here"),
        ("m=audio 6000 TCP/RTP/AVP 0", "TCP/RTP/AVP, expected RTP/AVP"),
        ("m=audio 6000 RTP/AVP 0\nc=IN IP4 far.example.com", "without an address"),
        ("m=audio 6000 RTP/AVP 0\nc=IN IP4 224.2.1.1/127", "without an address"),
        ("m=audio 6000 RTP/AVP 0\nc=IN IP6 2001:db8::9", "expected an address of the family of 192.0.2.1"),
        ("m=audio 70000 RTP/AVP 0", "cannot be read"),
        ("m=audio", "cannot be read"),
    ] {
        let error = answer(lines).unwrap_err().to_string();
        assert!(error.contains(reason), "{lines}: {error}");
    }
}

#[test]
fn directions_meet() {
    use Flowing::{Both, In, Neither, Out};
    for (wish, theirs, met) in [
        (Both, Both, Both),
        (Both, Out, In),
        (Both, In, Out),
        (Both, Neither, Neither),
        (Out, Both, Out),
        (Out, Out, Neither),
        (Out, In, Out),
        (In, Both, In),
        (In, Out, In),
        (In, In, Neither),
        (Neither, Both, Neither),
    ] {
        assert_eq!(negotiation::meet(wish, theirs), met, "{wish:?} and {theirs:?}");
    }
}

#[test]
fn an_answer_turns_the_direction_round() {
    for (offered, answered, flow) in [
        ("sendrecv", "a=sendrecv", Flowing::Both),
        ("sendonly", "a=recvonly", Flowing::In),
        ("recvonly", "a=sendonly", Flowing::Out),
        ("inactive", "a=inactive", Flowing::Neither),
    ] {
        let (text, agreed) = answer(&format!("m=audio 6000 RTP/AVP 0\na={offered}")).unwrap();
        assert_eq!(agreed.flow, flow);
        assert!(text.ends_with(&format!("{answered}\r\n")), "{text}");
    }
}

#[test]
fn the_media_level_overrides_the_session_level() {
    let session = "a=sendonly\nm=audio 6000 RTP/AVP 0";
    assert_eq!(agreed(session).flow, Flowing::In);
    let media = "a=sendonly\nm=audio 6000 RTP/AVP 0\nc=IN IP4 192.0.2.77\na=sendrecv";
    assert_eq!(agreed(media).flow, Flowing::Both);
    assert_eq!(agreed(media).remote, Some("192.0.2.77:6000".parse().unwrap()));
}

#[test]
fn no_address_is_the_old_hold() {
    let (text, agreed) = answer("m=audio 6000 RTP/AVP 0\nc=IN IP4 0.0.0.0").unwrap();
    assert_eq!((agreed.flow, agreed.remote), (Flowing::In, None));
    assert!(text.contains("a=recvonly"), "{text}");
    assert!(text.contains("c=IN IP4 192.0.2.1"), "{text}");
}

#[test]
fn packet_lengths_follow_the_far_end_within_reason() {
    for (attributes, ptime) in [
        ("", 20),
        ("a=ptime:30", 30),
        ("a=ptime:25", 20),
        ("a=ptime:5", 10),
        ("a=ptime:0", 20),
        ("a=ptime:200", 60),
        ("a=ptime:40\na=maxptime:30", 30),
        ("a=ptime:20.0", 20),
        ("a=ptime:soon", 20),
        ("a=maxptime:10", 10),
        ("a=maxptime:0", 10),
    ] {
        assert_eq!(agreed(&format!("m=audio 6000 RTP/AVP 0\n{attributes}")).ptime, ptime, "{attributes}");
    }
}

#[test]
fn reports_go_where_they_should() {
    let to = |place: &str| Rtcp::To(place.parse().unwrap());
    for (port, attributes, rtcp) in [
        (6_000, "", to("192.0.2.9:6001")),
        (6_000, "a=rtcp:7000", to("192.0.2.9:7000")),
        (6_000, "a=rtcp:7000 IN IP4 192.0.2.9", to("192.0.2.9:7000")),
        (6_000, "a=rtcp:7000 IN IP4 192.0.2.66", Rtcp::Off),
        (6_000, "a=rtcp-mux", Rtcp::Muxed),
        (65_535, "", Rtcp::Off),
    ] {
        assert_eq!(agreed(&format!("m=audio {port} RTP/AVP 0\n{attributes}")).rtcp, rtcp, "{attributes}");
    }
    let (text, _) = answer("m=audio 6000 RTP/AVP 0\na=rtcp-mux").unwrap();
    assert!(text.contains("a=rtcp-mux\r\n"), "{text}");
    let mut silent = Negotiation::new(Local { rtcp: None, ..local() });
    let (text, agreed) = silent.answer(&far("m=audio 6000 RTP/AVP 0\na=rtcp-mux")).unwrap();
    assert_eq!(agreed.rtcp, Rtcp::Off);
    let mut apart = Negotiation::new(Local { mux: Mux::Unknown, ..local() });
    let apart = apart.answer(&far("m=audio 6000 RTP/AVP 0\na=rtcp-mux")).unwrap();
    assert_eq!(apart.1.rtcp, to("192.0.2.9:6001"));
    assert!(!text.contains("rtcp"), "{text}");
}

#[test]
fn an_answer_may_choose_its_own_payload_types() {
    let codecs = vec![AudioCodec::L16Wide, AudioCodec::Pcmu];
    let mut negotiation = Negotiation::new(Local { codecs, ..local() });
    negotiation.offer(Flowing::Both);
    let lines = "m=audio 6000 RTP/AVP 112 99\na=rtpmap:112 L16/16000\na=rtpmap:99 telephone-event/16000";
    let agreed = negotiation.accept(&far(lines)).unwrap();
    assert_eq!(agreed.send, Mapping { payload_type: 112, codec: AudioCodec::L16Wide });
    assert_eq!(agreed.receive[0], Mapping { payload_type: 96, codec: AudioCodec::L16Wide });
    assert_eq!(agreed.events.unwrap(), EventTypes { send: 99, receive: 101, understood: 0xffff });
    assert_eq!(agreed.ptime, 20);
}

#[test]
fn an_answer_without_rtpmap_means_what_we_offered() {
    let codecs = vec![AudioCodec::L16Narrow];
    let mut negotiation = Negotiation::new(Local { codecs, ..local() });
    negotiation.offer(Flowing::Both);
    let agreed = negotiation.accept(&far("m=audio 6000 RTP/AVP 96")).unwrap();
    assert_eq!(agreed.send, Mapping { payload_type: 96, codec: AudioCodec::L16Narrow });
}

#[test]
fn an_answer_that_fits_no_offer_is_unacceptable() {
    let cases = [
        ("m=audio 0 RTP/AVP 0", "refused our audio"),
        ("", "line 1 is missing"),
        ("m=audio 6000 RTP/AVP 9", "without a codec that was offered"),
        ("m=video 6000 RTP/AVP 0", "expected audio"),
        ("m=audio 6000 RTP/SAVP 0", "encrypted"),
    ];
    for (lines, reason) in cases {
        let mut negotiation = negotiation();
        negotiation.offer(Flowing::Both);
        let error = negotiation.accept(&far(lines)).unwrap_err().to_string();
        assert!(error.contains(reason), "{lines}: {error}");
        assert!(negotiation.has_offered(), "the exchange stays open for another answer");
    }
    assert_eq!(negotiation().accept(SIPP), Err(Unacceptable::NoOffer));
}

#[test]
fn early_answers_may_differ_and_the_last_one_stands() {
    let mut negotiation = negotiation();
    negotiation.offer(Flowing::Both);
    let first = negotiation.accept_early(&far("m=audio 6000 RTP/AVP 8")).unwrap();
    let second = negotiation.accept_early(&far("m=audio 6100 RTP/AVP 0")).unwrap();
    assert_ne!(first.remote, second.remote);
    let last = negotiation.accept(&far("m=audio 6200 RTP/AVP 0")).unwrap();
    assert_eq!(negotiation.rollback(), Some(&last));
    assert_eq!(negotiation.accept(SIPP), Err(Unacceptable::NoOffer), "a repeated answer changes nothing");
}

#[test]
fn an_early_answer_that_none_follows_was_the_answer() {
    let mut negotiation = negotiation();
    negotiation.offer(Flowing::Both);
    let early = negotiation.accept_early(&far("m=audio 6000 RTP/AVP 8")).unwrap();
    negotiation.offer(Flowing::Out);
    assert_eq!(negotiation.rollback(), Some(&early));
}

#[test]
fn a_refused_hold_leaves_things_as_they_were() {
    let mut negotiation = negotiation();
    negotiation.answer(SIPP).unwrap();
    let before = negotiation.commit().cloned().unwrap();
    negotiation.offer(Flowing::Out);
    assert_eq!(negotiation.rollback(), Some(&before));
    let (_, again) = negotiation.answer(SIPP).unwrap();
    assert_eq!(again.flow, Flowing::Both, "the wish to hold is forgotten too");
}

#[test]
fn our_hold_outlives_their_new_offer() {
    let mut negotiation = negotiation();
    negotiation.offer(Flowing::Both);
    negotiation.accept(SIPP).unwrap();
    negotiation.offer(Flowing::Out);
    negotiation.accept(&far("m=audio 6000 RTP/AVP 0\na=recvonly")).unwrap();
    let (text, agreed) = negotiation.answer(SIPP).unwrap();
    assert_eq!(agreed.flow, Flowing::Out);
    assert!(text.contains("a=sendonly"), "{text}");
}

#[test]
fn an_answer_counts_only_after_commit() {
    let mut negotiation = negotiation();
    negotiation.answer(SIPP).unwrap();
    let before = negotiation.commit().cloned();
    negotiation.answer(&far("m=audio 9000 RTP/AVP 8")).unwrap();
    assert_eq!(negotiation.plan().receive[0].codec, AudioCodec::Pcma, "received at once");
    assert_eq!(negotiation.rollback().cloned(), before);
    assert_eq!(negotiation.plan().receive[0].codec, AudioCodec::Pcmu);
}

#[test]
fn the_version_counts_changes_only() {
    let version = |text: &str| text.lines().nth(1).unwrap().split(' ').nth(2).unwrap().to_owned();
    let mut negotiation = negotiation();
    assert_eq!(version(&negotiation.answer(SIPP).unwrap().0), "1");
    negotiation.commit();
    assert_eq!(version(&negotiation.answer(SIPP).unwrap().0), "1");
    negotiation.commit();
    assert_eq!(version(&negotiation.offer(Flowing::Out)), "2");
    negotiation.rollback();
    assert_eq!(version(&negotiation.offer(Flowing::Out)), "2");
    negotiation.rollback();
    assert_eq!(version(&negotiation.offer(Flowing::Both)), "3");
}

#[test]
fn a_line_that_is_taken_away_is_answered_so() {
    let mut negotiation = negotiation();
    negotiation.answer(SIPP).unwrap();
    negotiation.commit();
    let (text, agreed) = negotiation.answer(&far("m=audio 0 RTP/AVP 0")).unwrap();
    assert_eq!((agreed.flow, agreed.remote), (Flowing::Neither, None));
    assert!(text.contains("m=audio 0 RTP/AVP 0"), "{text}");
    assert!(!text.contains("a=sendrecv"), "{text}");
}

#[test]
fn both_ends_understand_each_other() {
    let (mut one, mut other) = (negotiation(), Negotiation::new(Local { port: 5_000, ..local() }));
    let offer = one.offer(Flowing::Both);
    let (text, answered) = other.answer(&offer).unwrap();
    let accepted = one.accept(&text).unwrap();
    assert_eq!(answered.remote.unwrap().port(), 4_000);
    assert_eq!(accepted.remote.unwrap().port(), 5_000);
    assert_eq!(accepted.send, answered.send);
    assert_eq!(accepted.events, answered.events);
}

#[test]
fn bare_newlines_and_blank_starts_are_read() {
    assert!(negotiation().answer(&format!("\r\n{}", SIPP.replace('\r', ""))).is_ok());
}

#[test]
fn sizes_are_bounded() {
    let long = format!("{SIPP}a=x:{}\r\n", "y".repeat(MAX_TEXT));
    assert_eq!(negotiation().answer(&long), Err(Unacceptable::TooLong));
    let many = "m=audio 6000 RTP/AVP 0\n".repeat(MAX_LINES + 1);
    assert_eq!(answer(&many), Err(Unacceptable::TooManyLines));
}

#[test]
fn what_peers_write_passes_the_fuzz_target() {
    for text in [SIPP, BARESIP, ASTERISK, LINPHONE, "", "v=0", "\u{fffd}"] {
        fuzz::sdp(text.as_bytes());
    }
}

/// Lines of descriptions, right and wrong.
fn line() -> impl Strategy<Value = String> {
    let known = SIPP.lines().chain(BARESIP.lines()).chain(LINPHONE.lines()).map(String::from);
    let known: Vec<String> = known.collect();
    prop_oneof![
        4 => proptest::sample::select(known),
        1 => "[vosctma]=[ -~]{0,40}",
        1 => "m=audio [0-9]{1,6} RTP/AVP( [0-9]{1,3}){0,5}",
        1 => "a=(rtpmap|fmtp):[0-9]{1,3} [a-zA-Z0-9/-]{0,30}",
        1 => "a=(ptime|maxptime|rtcp):[0-9]{0,6}",
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn nothing_a_stranger_writes_can_panic(lines in prop::collection::vec(line(), 0..40)) {
        let text = format!("v=0\r\n{}", lines.join("\r\n"));
        let mut negotiation = negotiation();
        if let Ok((answer, agreed)) = negotiation.answer(&text) {
            let heads = |text: &str| text.lines().filter(|l| l.starts_with("m=")).count();
            let known = describe::Description::parse(&text).unwrap().lines.len();
            prop_assert_eq!(heads(&answer), known, "a line for each line");
            prop_assert!((10..=60).contains(&agreed.ptime));
            negotiation.commit();
        }
        negotiation.offer(Flowing::Out);
        negotiation.accept_early(&text).ok();
        negotiation.accept(&text).ok();
        negotiation.answer(&text).ok();
    }
}

#[test]
fn opus_and_its_clock_are_agreed_with_wishes_and_events() {
    let codecs = vec![AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcmu];
    let mut negotiation = Negotiation::new(Local { codecs, ..local() });
    let lines = "m=audio 6000 RTP/AVP 109 9 0 101 102\na=rtpmap:109 opus/48000/2\n\
                 a=fmtp:109 useinbandfec=1;maxaveragebitrate=16000\na=rtpmap:101 telephone-event/8000\n\
                 a=rtpmap:102 telephone-event/48000\na=ptime:30";
    let (text, agreed) = negotiation.answer(&far(lines)).unwrap();
    assert_eq!(agreed.send, Mapping { payload_type: 109, codec: AudioCodec::Opus });
    assert_eq!(agreed.wish, Wish::of("useinbandfec=1;maxaveragebitrate=16000"));
    assert_eq!(agreed.events.unwrap().send, 102, "events on the clock of the sound");
    assert_eq!(agreed.ptime, 20, "Opus has no packets of 30 ms");
    for line in [
        "a=rtpmap:109 opus/48000/2",
        "a=fmtp:109 maxplaybackrate=16000",
        "a=rtpmap:102 telephone-event/48000",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn every_codec_is_offered_and_answered_by_its_name() {
    for codec in AudioCodec::ALL {
        let ours = || Negotiation::new(Local { codecs: vec![codec], ..local() });
        let (mut caller, mut called) = (ours(), ours());
        let offer = caller.offer(Flowing::Both);
        let (answer, agreed) = called.answer(&offer).unwrap();
        assert_eq!(agreed.send.codec, codec);
        caller.accept(&answer).unwrap();
        assert_eq!(caller.plan().far.unwrap().send.codec, codec);
    }
}
