// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who takes part, what is known about a call, why things end or are refused, and versions.

use offhook_spi::{
    Address, AddressIndex, BridgeSide, CallDatum, CallDirection, CallInfo, CallReason, Cause, Flowing,
    Manifest, MediaSet, NumberForms, Opaque, Outcome, Party, Presentation, Refusal, RefusalKind, Reply,
    Retry, SDP_SCHEMA, SchemaId, SdpMessage, Version, VersionRange,
};

use crate::pin::{Form, pin, variants};

pub(crate) fn opaque() -> Opaque {
    Opaque { schema: SchemaId::new("example.data"), data: "a \"b\"\r\nü".to_owned() }
}

pub(crate) fn bob() -> Party {
    Party {
        address: Some(Address::new("sip:bob@example.org")),
        name: Some("Bob".to_owned()),
        presentation: Presentation::Asserted,
        number: None,
    }
}

pub(crate) fn number() -> Box<NumberForms> {
    let (canonical, key, display) =
        ("+49 (30) 1234567".to_owned(), "+49301234567".to_owned(), "030 1234567".to_owned());
    Box::new(NumberForms { canonical, key, display })
}

pub(crate) fn info() -> CallInfo {
    CallInfo {
        direction: CallDirection::Incoming,
        address: AddressIndex(1),
        caller: bob(),
        called: Party { presentation: Presentation::Unknown, ..Party::default() },
        connected: Some(Party { number: Some(number()), ..bob() }),
        redirecting: vec![bob()],
        reason: CallReason::ForwardedBusy,
        media: MediaSet::AUDIO,
        call_id: Some("one@example.org".to_owned()),
        related_call_id: Some("two@example.org".to_owned()),
        data: vec![CallDatum { name: "X-Customer".to_owned(), value: "4711".to_owned() }],
        completion: Some(3),
        user_data: Some(Box::new(opaque())),
    }
}

#[test]
fn parties() {
    pin("parties", Form::Plain, &[Party::default(), bob()]);
}

#[test]
fn what_is_known_about_a_call() {
    pin("call_info", Form::Plain, &[CallInfo::default(), info()]);
}

#[test]
fn causes() {
    let words = variants::<Cause>(Form::Words);
    let named = words.iter().filter(|word| *word != "q850");
    let mut causes: Vec<Cause> =
        named.map(|word| serde_json::from_str(&format!("\"{word}\"")).unwrap()).collect();
    causes.push(Cause::Q850(2));
    pin("causes", Form::Words, &causes);
}

#[test]
fn refusals_of_every_kind() {
    let kinds = variants::<RefusalKind>(Form::Words);
    let kinds = kinds.iter().map(|word| serde_json::from_str(&format!("\"{word}\"")).unwrap());
    let mut refusals: Vec<Refusal> = kinds.map(|kind| Refusal::new(kind, "one sentence")).collect();
    let busy = Refusal::new(RefusalKind::OperationFailed, "the far end is busy");
    refusals.push(busy.with_cause(Cause::UserBusy).with_retry(Retry::Later));
    pin("refusals", Form::Plain, &refusals);
}

#[test]
fn replies() {
    let refused = Reply::Refused(Refusal::new(RefusalKind::Gone, "there is no line-key:9"));
    pin("replies", Form::Words, &[Reply::DONE, Reply::Done(Outcome::Completion { id: 3 }), refused]);
}

#[test]
fn opaque_data() {
    pin("opaque", Form::Plain, &[opaque()]);
}

#[test]
fn session_descriptions() {
    let sdp = "v=0\r\n".to_owned();
    let messages = [
        SdpMessage::OfferWanted { flow: Flowing::Out },
        SdpMessage::Offer { sdp: sdp.clone() },
        SdpMessage::EarlyAnswer { sdp: sdp.clone() },
        SdpMessage::Answer { sdp },
        SdpMessage::Commit,
        SdpMessage::Join { bridge: 7, side: BridgeSide::Party },
        SdpMessage::Join { bridge: 7, side: BridgeSide::Own },
        SdpMessage::Leave,
        SdpMessage::Music { path: Some("music.wav".to_owned()) },
        SdpMessage::Music { path: None },
        SdpMessage::Rollback,
        SdpMessage::Unacceptable { detail: "no codec in common".to_owned() },
    ];
    pin("sdp_messages", Form::Tagged("type"), &messages);
    assert_eq!(SDP_SCHEMA, "offhook.sdp");
}

#[test]
fn manifests() {
    let manifest = Manifest {
        name: "sip".to_owned(),
        vendor: "example".to_owned(),
        release: "1.2.3".to_owned(),
        spi: VersionRange { min: Version(1), max: Version(2) },
        schemas: vec![SchemaId::new(SDP_SCHEMA)],
    };
    pin("manifests", Form::Plain, &[manifest]);
}
