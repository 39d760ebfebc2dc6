// SPDX-License-Identifier: MIT OR Apache-2.0
//! What lines, addresses, phones and media providers can do and are like.

use std::time::Duration;

use offhook_spi::{
    Address, AddressCaps, AddressKind, CallKey, DigitMode, ForwardRule, ForwardWhen, HookMode, HookSwitch,
    LampMode, LineCaps, LineOp, LineStatus, MediaKind, MediaSet, MspCaps, Op, OpSet, PhoneCaps, PhoneChange,
    PhoneOp, PickupTarget, SchemaId, Service, SessionWish, TerminalClass, Watched, WatchedState,
};

use crate::calls::to;
use crate::parties::opaque;
use crate::pin::{Form, pin};

pub(crate) fn line_caps() -> LineCaps {
    LineCaps {
        ops: OpSet::from([Op::MakeCall, Op::Drop, Op::Hold]),
        media: MediaSet::AUDIO.with(MediaKind::Video),
        session: Some(SessionWish { msp: "rtp".to_owned(), schema: SchemaId::new("offhook.sdp") }),
        addresses: vec![AddressCaps {
            address: "sip:alice@example.org".to_owned(),
            dials: vec![AddressKind::Sip, AddressKind::Number],
            max_calls: 2,
        }],
        max_calls: 4,
        conference_max_parties: 3,
        digit_modes: vec![DigitMode::Event, DigitMode::Signalling],
        no_answer_timeout: Some(Duration::from_secs(180)),
        extensions: vec![SchemaId::new("example.data")],
        terminals: vec!["desk".to_owned()],
    }
}

pub(crate) fn msp_caps() -> MspCaps {
    MspCaps {
        ops: OpSet::from([Op::GenerateDigits, Op::MonitorDigits]),
        media: MediaSet::AUDIO,
        terminals: vec![TerminalClass::FilePlayback, TerminalClass::ToneDetector],
    }
}

pub(crate) fn phone_caps() -> PhoneCaps {
    PhoneCaps {
        hooks: vec![HookSwitch::Handset],
        display: (2, 16),
        buttons: 8,
        ring_modes: 3,
        extensions: vec![SchemaId::new("example.data")],
    }
}

fn rules() -> Vec<ForwardRule> {
    let plain = ForwardRule { when: ForwardWhen::Always, caller: None, to: None, after: None };
    let full = ForwardRule {
        when: ForwardWhen::NoAnswer,
        caller: Some(to()),
        to: Some(to()),
        after: Some(Duration::from_secs(15)),
    };
    vec![plain, full]
}

pub(crate) fn status() -> LineStatus {
    let service = Service::Out { reason: "the registrar does not answer".to_owned() };
    let watched = Watched { address: Address::new("sip:101@example.org"), state: WatchedState::Alerting };
    LineStatus { service, message_waiting: Some(true), forwarding: Some(rules()), watched: vec![watched] }
}

pub(crate) fn line_ops() -> Vec<LineOp> {
    let call = CallKey::core(7);
    vec![
        LineOp::Extension { data: opaque() },
        LineOp::Forward { address: offhook_spi::AddressIndex(0), rules: Vec::new() },
        LineOp::Forward { address: offhook_spi::AddressIndex(1), rules: rules() },
        LineOp::Pickup { call, what: PickupTarget::Address { address: to() } },
        LineOp::Pickup { call, what: PickupTarget::Group { group: None } },
        LineOp::Pickup { call, what: PickupTarget::Group { group: Some(to()) } },
        LineOp::Pickup { call, what: PickupTarget::Held { address: to() } },
        LineOp::SetStatus { message_waiting: None, in_service: None, locked: None },
        LineOp::SetStatus { message_waiting: Some(true), in_service: Some(true), locked: Some(false) },
        LineOp::UncompleteCall { id: 3 },
        LineOp::Unpark { call, at: to() },
    ]
}

pub(crate) fn phone_ops() -> Vec<PhoneOp> {
    let hook = HookSwitch::Headset;
    vec![
        PhoneOp::Button { button: 2, label: "Hold".to_owned() },
        PhoneOp::Display { row: 1, column: 0, text: "Bob".to_owned() },
        PhoneOp::Gain { hook, gain: 32_768 },
        PhoneOp::Hook { hook, mode: HookMode::OnHook },
        PhoneOp::Lamp { button: 2, mode: LampMode::Wink },
        PhoneOp::Ring { mode: 1, volume: 65_535 },
        PhoneOp::Volume { hook, volume: 0 },
        PhoneOp::Extension { data: opaque() },
    ]
}

pub(crate) fn phone_changes() -> Vec<PhoneChange> {
    vec![
        PhoneChange::Button { button: 2, down: true },
        PhoneChange::Display { text: "Bob\n12:00".to_owned() },
        PhoneChange::Hook { hook: HookSwitch::Handset, mode: HookMode::Both },
        PhoneChange::Lamp { button: 2, mode: LampMode::Steady },
        PhoneChange::Ring { volume: 0 },
        PhoneChange::Gain { hook: HookSwitch::Headset, gain: 32_768 },
        PhoneChange::Label { button: 2, label: "Hold".to_owned() },
        PhoneChange::Volume { hook: HookSwitch::Speakerphone, volume: 1 },
        PhoneChange::Extension { data: opaque() },
    ]
}

#[test]
fn capabilities_of_lines() {
    pin("line_capabilities", Form::Plain, &[LineCaps::default(), line_caps()]);
}

#[test]
fn capabilities_of_media_providers() {
    pin("msp_capabilities", Form::Plain, &[MspCaps::default(), msp_caps()]);
}

#[test]
fn capabilities_of_phones() {
    pin("phone_capabilities", Form::Plain, &[PhoneCaps::default(), phone_caps()]);
}

#[test]
fn what_lines_are_like() {
    pin("line_status", Form::Plain, &[LineStatus::default(), status()]);
    let out = Service::Out { reason: "unplugged".to_owned() };
    pin("line_service", Form::Tagged("is"), &[Service::In, Service::Connecting, out]);
}

#[test]
fn operations_on_lines() {
    pin("line_operations", Form::Tagged("op"), &line_ops());
    let targets: Vec<PickupTarget> = line_ops()
        .into_iter()
        .filter_map(|op| match op {
            LineOp::Pickup { what, .. } => Some(what),
            _ => None,
        })
        .collect();
    pin("pickup_targets", Form::Tagged("from"), &targets);
}

#[test]
fn operations_on_phones_and_their_changes() {
    pin("phone_operations", Form::Tagged("op"), &phone_ops());
    pin("phone_changes", Form::Tagged("what"), &phone_changes());
}
