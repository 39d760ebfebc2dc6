// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a reader puts up with from a side that knows more. Strange fields are tried on every pinned message
//! (see `pin`); here are names that this version does not know.

use offhook_spi::{
    AddressCaps, AddressKind, CallOp, DigitMode, HookSwitch, LineCaps, MediaSet, MspCaps, MspCommand,
    MspEvent, Op, OpSet, PhoneCaps, SdpMessage, TerminalClass, TspCommand, TspEvent,
};
use serde_json::{from_value, json};

use crate::parties::opaque;

#[test]
fn capabilities_of_a_newer_version_are_skipped() {
    let caps = json!({
        "ops": ["hold", "teleport"], "media": ["audio", "smell"], "digit_modes": ["smoke", "tone"],
        "addresses": [{"address": "1", "dials": ["thought", "number", {"by": "hand"}]}],
    });
    let caps: LineCaps = from_value(caps).unwrap();
    assert_eq!((caps.ops, caps.media), (OpSet::from([Op::Hold]), MediaSet::AUDIO));
    assert_eq!(caps.digit_modes, [DigitMode::Tone]);
    let dials = vec![AddressKind::Number];
    assert_eq!(caps.addresses, [AddressCaps { address: "1".to_owned(), dials, max_calls: 0 }]);
    let caps: MspCaps =
        from_value(json!({"ops": [], "media": [], "terminals": ["hologram", "echo"]})).unwrap();
    assert_eq!(caps.terminals, [TerminalClass::Echo]);
    let caps: PhoneCaps = from_value(json!({"hooks": ["earring", "headset"]})).unwrap();
    assert_eq!(caps.hooks, [HookSwitch::Headset]);
}

#[test]
fn what_a_line_may_do_now_is_read_past_strange_names() {
    let event = json!({
        "event": "call_state", "call": {"named_by": "core", "serial": 1}, "state": "on_hold",
        "allowed": ["teleport", "unhold"],
    });
    let event: TspEvent = from_value(event).unwrap();
    assert!(
        matches!(event, TspEvent::CallState { allowed: Some(set), .. } if set == OpSet::from([Op::Unhold]))
    );
}

/// Link rule 9: such a command is answered as unsupported and such an event ignored, by whoever reads the
/// bytes; for that it must be an error that names what was not known, never something else.
#[test]
fn messages_of_a_newer_version_are_found_out_by_name() {
    let call = json!({"named_by": "core", "serial": 1});
    let op = json!({"command": "call", "request": 1, "line": 1, "call": call, "op": "teleport"});
    for (what, error) in [
        ("levitate", from_value::<TspCommand>(json!({"command": "levitate", "request": 1})).unwrap_err()),
        ("levitated", from_value::<TspEvent>(json!({"event": "levitated"})).unwrap_err()),
        ("levitate", from_value::<MspCommand>(json!({"command": "levitate", "request": 1})).unwrap_err()),
        ("levitated", from_value::<MspEvent>(json!({"event": "levitated"})).unwrap_err()),
        ("teleport", from_value::<CallOp>(json!({"op": "teleport"})).unwrap_err()),
        ("teleport", from_value::<TspCommand>(op).unwrap_err()),
    ] {
        let error = error.to_string();
        assert!(error.starts_with(&format!("unknown variant `{what}`")), "{error}");
    }
}

#[test]
fn a_relayed_message_of_a_newer_version_is_not_read() {
    let mut data = SdpMessage::Commit.into_opaque();
    data.data = r#"{"type":"sing"}"#.to_owned();
    assert_eq!(SdpMessage::from_opaque(&data), None);
    assert_eq!(SdpMessage::from_opaque(&opaque()), None);
}
