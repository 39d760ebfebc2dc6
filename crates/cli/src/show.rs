// SPDX-License-Identifier: MIT OR Apache-2.0
//! How things are printed: aligned text for people, one JSON object per line for programs.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde_json::{Value, json};

use offhook_spi::{SessionStatistics, StreamKey, StreamStatistics};

/// Where the program's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Show {
    json: bool,
    live: bool,
}

impl Show {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, live: !json && std::io::stderr().is_terminal() }
    }

    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Something happened: a sentence for people, an object for programs.
    pub(crate) fn event(self, kind: &str, text: &str, mut object: Value) {
        self.clear();
        if self.json {
            if let Some(fields) = object.as_object_mut() {
                fields.insert("event".to_owned(), json!(kind));
            }
            print(&object.to_string());
        } else if !text.is_empty() {
            print(text);
        }
    }

    /// A line for people only.
    pub(crate) fn text(self, text: &str) {
        if !self.json {
            self.clear();
            print(text);
        }
    }

    /// An object for programs, a text for people.
    pub(crate) fn result(self, text: &str, object: &Value) {
        self.clear();
        print(&if self.json { object.to_string() } else { text.to_owned() });
    }

    /// A line that the next one replaces; only on a terminal.
    pub(crate) fn progress(self, text: &str) {
        if self.live {
            let mut terminal = std::io::stderr();
            // A terminal that is gone is nobody's loss.
            let _ = write!(terminal, "\r\x1b[K{text}").and_then(|()| terminal.flush());
        }
    }

    fn clear(self) {
        if self.live {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever reads us may close the pipe; then there is nobody left to tell.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Minutes and seconds: `01:05`.
pub(crate) fn clock(time: Duration) -> String {
    format!("{:02}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

/// What was measured on a session, one line per stream; what was not measured is said to be unknown.
pub(crate) fn quality(statistics: &SessionStatistics) -> Vec<String> {
    let mut lines: Vec<String> = statistics
        .streams
        .iter()
        .map(|(key, figures)| format!("  {:<9} {}", name(*key), stream(figures)))
        .collect();
    if let Some(time) = statistics.round_trip {
        lines.push(format!("  round trip {:.1} ms", millis(time)));
    }
    lines
}

/// The shortest form, for a progress line.
pub(crate) fn short_quality(statistics: &SessionStatistics) -> String {
    let part = |(key, figures): (&StreamKey, &StreamStatistics)| {
        let level =
            figures.level.map_or_else(|| "level unknown".to_owned(), |level| format!("{level:.0} dBov"));
        let mos = figures.mos.map_or_else(|| "quality unknown".to_owned(), |mos| format!("MOS {mos:.1}"));
        format!("{} {level}, {mos}", name(*key))
    };
    statistics.streams.iter().map(part).collect::<Vec<_>>().join("; ")
}

fn stream(figures: &StreamStatistics) -> String {
    let unknown = || "unknown".to_owned();
    let codec = figures.codec.clone().unwrap_or_else(unknown);
    let level = figures.level.map_or_else(unknown, |level| format!("{level:.1} dBov"));
    let loss = figures.loss.map_or_else(unknown, |loss| format!("{:.2} %", loss * 100.0));
    let jitter = figures.jitter.map_or_else(unknown, |jitter| format!("{:.1} ms", millis(jitter)));
    let mos = figures.mos.map_or_else(unknown, |mos| format!("{mos:.2}"));
    let mut text = format!(
        "{codec}, {} packets, level {level}, loss {loss}, jitter {jitter}, MOS {mos}",
        figures.packets
    );
    if let Some(concealed) = figures.concealed.filter(|count| *count > 0) {
        text.push_str(&format!(", {concealed} frames concealed"));
    }
    text
}

const fn name(key: StreamKey) -> &'static str {
    match key {
        StreamKey::AudioIn => "audio in",
        StreamKey::AudioOut => "audio out",
        StreamKey::TextIn => "text in",
        StreamKey::TextOut => "text out",
        StreamKey::VideoIn => "video in",
        StreamKey::VideoOut => "video out",
        _ => "stream",
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_said_to_be_unknown() {
        let mut statistics = SessionStatistics::default();
        statistics.streams.insert(StreamKey::AudioIn, StreamStatistics::default());
        assert_eq!(
            quality(&statistics),
            ["  audio in  unknown, 0 packets, level unknown, loss unknown, jitter unknown, MOS unknown"]
        );
    }
}
