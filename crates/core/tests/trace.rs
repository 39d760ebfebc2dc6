// SPDX-License-Identifier: MIT OR Apache-2.0
//! A recorded SIP call over loopback sockets: it replays bit for bit, and its ladder stands in ARCHITECTURE.md.
//!
//! The trace was written by `offhook demo --keep FOLDER` on the caller's side. It is renewed only when the core
//! decides otherwise on purpose: then the new trace goes to the same place, and `just bless` draws the ladder.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use offhook_core::ladder::{Arrow, draw};
use offhook_core::{Config, Counts, Input, Output, Switch};
use offhook_spi::{Machine, Moment};
use serde::{Deserialize, Serialize};

const TRACE: &str = include_str!("traces/sip_call.trace");
const MAP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ARCHITECTURE.md");
const BEGIN: &str = "<!-- ladder:begin -->\n";
const END: &str = "<!-- ladder:end -->";

/// The first line.
#[derive(Deserialize, Serialize)]
struct Header {
    offhook_trace: u16,
    policy: Config,
}

/// A further line. A gap has no place in a committed trace.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    In(Moment, Input),
    Out(Moment, Output),
    Wake(Moment),
}

fn header() -> Header {
    let first = TRACE.lines().next().expect("a trace has a first line");
    serde_json::from_str(first).expect("the first line is a header")
}

/// Every line behind the first, as text and as what it means.
fn lines() -> impl Iterator<Item = (&'static str, Line)> {
    TRACE.lines().skip(1).map(|text| (text, serde_json::from_str(text).expect(text)))
}

fn write(line: &Line) -> String {
    serde_json::to_string(line).expect("a line can be written")
}

#[test]
fn a_real_call_replays_bit_for_bit() {
    assert_eq!(header().offhook_trace, 1);
    let mut switch = Switch::new(header().policy);
    let mut replayed = Vec::new();
    for (_, line) in lines() {
        let now = match &line {
            Line::Out(..) => continue,
            Line::In(at, input) => {
                switch.handle(*at, input.clone());
                *at
            }
            Line::Wake(at) => {
                switch.handle_timeout(*at);
                *at
            }
        };
        replayed.push(write(&line));
        // Outputs are drained before the next input, so they follow it.
        let outputs = std::iter::from_fn(|| switch.poll());
        replayed.extend(outputs.map(|output| write(&Line::Out(now, output))));
    }
    for (number, (recorded, replayed)) in TRACE.lines().skip(1).zip(&replayed).enumerate() {
        assert_eq!(recorded, replayed, "line {} of the trace", number + 2);
    }
    assert_eq!(TRACE.lines().count() - 1, replayed.len(), "lines of the trace");
    let Counts { calls, sessions, requests, violations, strays, .. } = switch.counts();
    assert_eq!((calls, sessions, requests, violations, strays), (0, 0, 0, 0, 0), "what is left");
}

#[test]
fn the_trace_tells_nothing_about_the_machine_that_wrote_it() {
    for (text, _) in lines() {
        assert!(!text.contains("\"/"), "an absolute path in {text}");
        let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
        for address in words.filter_map(|word| word.parse::<IpAddr>().ok()) {
            assert!(address.is_loopback(), "{address} in {text}");
        }
    }
}

#[test]
fn the_ladder_in_the_map_is_that_of_the_trace() {
    let arrows: Vec<Arrow> = lines()
        .filter_map(|(_, line)| match line {
            Line::In(at, input) => Arrow::of_input(at, &input),
            Line::Out(at, output) => Arrow::of_output(at, &output),
            Line::Wake(_) => None,
        })
        .collect();
    let ladder = format!("\n```text\n{}```\n\n", draw(&arrows));
    let map = fs::read_to_string(MAP).unwrap();
    let (before, rest) = map.split_once(BEGIN).expect("ARCHITECTURE.md has the mark ladder:begin");
    let (drawn, after) = rest.split_once(END).expect("ARCHITECTURE.md has the mark ladder:end");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(Path::new(MAP), format!("{before}{BEGIN}{ladder}{END}{after}")).unwrap();
        return;
    }
    assert!(
        drawn == ladder,
        "the ladder in ARCHITECTURE.md is not that of crates/core/tests/traces/sip_call.trace; `just bless` (or \
         INSTA_UPDATE=always cargo test -p offhook-core --test trace) draws it again:\n{ladder}"
    );
}
