// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plain words: enums that travel as a name.

use std::any::type_name;

use offhook_spi::{
    AddressKind, CallDirection, CallReason, Cause, CompletionMode, ConnectedMode, DigitMode, Flowing,
    ForwardWhen, GatherEnd, GenerationEnd, HookMode, HookSwitch, LampMode, MediaAction, MediaKind, NamedBy,
    Op, Presentation, RefusalKind, Retry, StateKind, StreamChange, StreamKey, TerminalClass, TerminalControl,
    Treatment,
};
use serde_json::{json, to_value};

use crate::pin::{Form, Message, snapshot, variants};

/// One line: the type and its words. Variants that carry a value are marked and pinned with an example.
fn line<T: Message>() -> String {
    let mut line = format!("{}:", type_name::<T>().rsplit("::").next().unwrap_or_default());
    for word in variants::<T>(Form::Words) {
        line.push(' ');
        line.push_str(&word);
        match serde_json::from_value::<T>(json!(word)) {
            Ok(value) => assert_eq!(to_value(value).ok(), Some(json!(word))),
            Err(_) => line.push_str("(..)"),
        }
    }
    line.push('\n');
    line
}

#[test]
fn every_word_is_pinned() {
    let lines = [
        line::<AddressKind>(),
        line::<CallDirection>(),
        line::<CallReason>(),
        line::<Cause>(),
        line::<CompletionMode>(),
        line::<ConnectedMode>(),
        line::<DigitMode>(),
        line::<Flowing>(),
        line::<ForwardWhen>(),
        line::<GatherEnd>(),
        line::<GenerationEnd>(),
        line::<HookMode>(),
        line::<HookSwitch>(),
        line::<LampMode>(),
        line::<MediaAction>(),
        line::<MediaKind>(),
        line::<NamedBy>(),
        line::<Op>(),
        line::<Presentation>(),
        line::<RefusalKind>(),
        line::<Retry>(),
        line::<StateKind>(),
        line::<StreamChange>(),
        line::<StreamKey>(),
        line::<TerminalClass>(),
        line::<TerminalControl>(),
        line::<Treatment>(),
    ];
    snapshot("words", &lines.concat());
}

#[test]
fn lists_of_all_words_leave_none_out() {
    let names =
        |all: &[(MediaKind, &str)]| all.iter().map(|(_, name)| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&MediaKind::ALL), variants::<MediaKind>(Form::Words));
    let operations: Vec<String> = Op::ALL.iter().map(|(_, name)| (*name).to_owned()).collect();
    assert_eq!(operations, variants::<Op>(Form::Words));
    assert_eq!(StateKind::ALL.len(), variants::<StateKind>(Form::Words).len());
}
