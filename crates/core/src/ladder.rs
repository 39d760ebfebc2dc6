// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ladder drawings: who said what to whom, in order, as text.
//!
//! ```text
//!      time  application      core             tsp              msp
//!     0.000      │ make call     │                │                │
//!                │──────────────►│                │                │
//! ```

use std::fmt::Write as _;

use offhook_spi::{Moment, MspCommand, MspEvent, Opaque, Reply, TspCommand, TspEvent};

use crate::app::{Answer, AppEvent, Ask};
use crate::io::{Input, Output};

/// Who stands in a column.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Column {
    /// An application.
    Application,
    /// The core.
    Core,
    /// A telephony service provider.
    Tsp,
    /// A media service provider.
    Msp,
}

/// One message between two neighbours of the core.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrow {
    /// When.
    pub at: Moment,
    /// Who says it.
    pub from: Column,
    /// To whom.
    pub to: Column,
    /// What, in a few words.
    pub label: String,
}

/// Room between two columns, in characters.
const WIDTH: usize = 34;
const COLUMNS: [(Column, &str); 4] = [
    (Column::Application, "application"),
    (Column::Core, "core"),
    (Column::Tsp, "tsp"),
    (Column::Msp, "msp"),
];

impl Arrow {
    /// The arrow for something that goes into the switch; `None` for what is not drawn.
    #[must_use]
    pub fn of_input(at: Moment, input: &Input) -> Option<Self> {
        let (from, label) = match input {
            Input::Ask { ask, .. } => (Column::Application, ask_label(ask)?),
            Input::Tsp { event, .. } => (Column::Tsp, tsp_event_label(event)?),
            Input::Msp { event, .. } => (Column::Msp, msp_event_label(event)?),
            _ => return None,
        };
        Some(Self { at, from, to: Column::Core, label })
    }

    /// The arrow for something that comes out of the switch; `None` for what is not drawn.
    #[must_use]
    pub fn of_output(at: Moment, output: &Output) -> Option<Self> {
        let (to, label) = match output {
            Output::Answer { result: Ok(answer), .. } => (Column::Application, answer_label(answer)?),
            Output::Answer { result: Err(refusal), .. } => {
                (Column::Application, format!("refused: {}", refusal.kind))
            }
            Output::Event { to, .. } if to.is_empty() => return None,
            Output::Event { event, .. } => (Column::Application, app_event_label(event)?),
            Output::Tsp { command, .. } => (Column::Tsp, tsp_command_label(command)?),
            Output::Msp { command, .. } => (Column::Msp, msp_command_label(command)?),
            Output::Violation { .. } => return None,
        };
        Some(Self { at, from: Column::Core, to, label })
    }
}

/// The line of column heads.
#[must_use]
pub fn heads() -> String {
    let mut line = format!("{:>9}  ", "time");
    for (_, head) in COLUMNS {
        let _ = write!(line, "{head:<WIDTH$}");
    }
    line.trim_end().to_owned()
}

/// One arrow as one line.
#[must_use]
pub fn line(arrow: &Arrow) -> String {
    let place = |column: Column| COLUMNS.iter().position(|(c, _)| *c == column).unwrap_or(0) * WIDTH;
    let (left, right) = (place(arrow.from.min(arrow.to)), place(arrow.from.max(arrow.to)));
    let mut cells: Vec<char> = vec![' '; WIDTH * (COLUMNS.len() - 1) + 1];
    for (column, _) in COLUMNS {
        cells[place(column)] = '│';
    }
    cells[left + 1..right].fill('─');
    // The label may take all cells but that of the arrow's head.
    let free = if arrow.from < arrow.to {
        cells[right - 1] = '►';
        left + 1..right - 1
    } else {
        cells[left + 1] = '◄';
        left + 2..right
    };
    let label: String = arrow.label.chars().take(free.len() - 2).collect();
    let text = format!(" {label} ");
    // Short labels begin below each other; long ones move left as far as they must.
    let start = (left + 3).min(free.end - text.chars().count());
    for (cell, character) in cells[start..free.end].iter_mut().zip(text.chars()) {
        *cell = character;
    }
    let drawing: String = cells.into_iter().collect();
    format!("{:>9}  {}", arrow.at.to_string(), drawing.trim_end())
}

/// All arrows under their heads.
#[must_use]
pub fn draw(arrows: &[Arrow]) -> String {
    let mut drawing = heads();
    for arrow in arrows {
        drawing.push('\n');
        drawing.push_str(&line(arrow));
    }
    drawing.push('\n');
    drawing
}

fn ask_label(ask: &Ask) -> Option<String> {
    Some(match ask {
        Ask::Apps
        | Ask::Lines
        | Ask::Calls
        | Ask::CallRecord { .. }
        | Ask::LineCalls { .. }
        | Ask::Phones
        | Ask::Statistics { .. } => return None,
        Ask::Line { op, .. } => word(&format!("{op:?}")),
        Ask::HandOff { .. } => "hand off".to_owned(),
        Ask::SetPrivilege { .. } => "set privilege".to_owned(),
        Ask::OpenPhone { .. } => "open phone".to_owned(),
        Ask::ClosePhone { .. } => "close phone".to_owned(),
        Ask::Phone { op, .. } => format!("phone: {}", word(&format!("{op:?}"))),
        Ask::OpenLine { .. } => "open line".to_owned(),
        Ask::CloseLine { .. } => "close line".to_owned(),
        Ask::MakeCall { .. } => "make call".to_owned(),
        Ask::Call { op, .. } => word(&format!("{op:?}")),
        Ask::Deallocate { .. } => "deallocate".to_owned(),
    })
}

fn answer_label(answer: &Answer) -> Option<String> {
    Some(match answer {
        Answer::Call { call } => call.to_string(),
        Answer::Conference { conference, .. } => conference.to_string(),
        Answer::Done { .. } => "done".to_owned(),
        Answer::Terminal { terminal } => terminal.to_string(),
        Answer::Apps { .. }
        | Answer::Calls { .. }
        | Answer::Lines { .. }
        | Answer::Phones { .. }
        | Answer::Record { .. }
        | Answer::Statistics { .. } => return None,
    })
}

fn app_event_label(event: &AppEvent) -> Option<String> {
    Some(match event {
        AppEvent::CallState { state, .. } => state.to_string(),
        AppEvent::NewCall { record } => format!("new {}: {}", record.call, record.state),
        AppEvent::Digit { digit, .. } => format!("digit {digit}"),
        AppEvent::CallInfo { .. }
        | AppEvent::Hub { .. }
        | AppEvent::Line { .. }
        | AppEvent::Owners { .. }
        | AppEvent::Phone { .. }
        | AppEvent::PhoneOwners { .. } => return None,
        AppEvent::PhoneChange { change, .. } => format!("phone: {}", word(&format!("{change:?}"))),
        other => word(&format!("{other:?}")),
    })
}

fn tsp_command_label(command: &TspCommand) -> Option<String> {
    Some(match command {
        TspCommand::Hello { .. } => return None,
        TspCommand::Call { op, .. } => word(&format!("{op:?}")),
        TspCommand::Line { op, .. } => word(&format!("{op:?}")),
        TspCommand::Relay { data, .. } => relay_label(data),
        other => word(&format!("{other:?}")),
    })
}

fn tsp_event_label(event: &TspEvent) -> Option<String> {
    Some(match event {
        TspEvent::CallState { state, .. } => state.to_string(),
        TspEvent::NewCall { call, state, .. } => format!("new {call}: {state}"),
        TspEvent::Relay { data, .. } => relay_label(data),
        TspEvent::Reply { result, .. } => reply_label(result),
        TspEvent::CallInfo { .. } | TspEvent::Ready | TspEvent::Line { .. } => return None,
        other => word(&format!("{other:?}")),
    })
}

fn msp_command_label(command: &MspCommand) -> Option<String> {
    Some(match command {
        MspCommand::Hello { .. } | MspCommand::Statistics { .. } => return None,
        MspCommand::Relay { data, .. } => relay_label(data),
        MspCommand::SelectTerminal { what, .. } => format!("select {}", word(&format!("{:?}", what.class()))),
        other => word(&format!("{other:?}")),
    })
}

fn msp_event_label(event: &MspEvent) -> Option<String> {
    Some(match event {
        MspEvent::Ready { .. } | MspEvent::Statistics { .. } => return None,
        MspEvent::Digit { digit, .. } => format!("digit {digit}"),
        MspEvent::Relay { data, .. } => relay_label(data),
        MspEvent::Reply { result, .. } => reply_label(result),
        MspEvent::Stream { stream, state, .. } => {
            format!("{} {}", word(&format!("{stream:?}")), word(&format!("{state:?}")))
        }
        other => word(&format!("{other:?}")),
    })
}

fn reply_label(reply: &Reply) -> String {
    match reply {
        Reply::Done(_) => "reply: done".to_owned(),
        Reply::Refused(refusal) => format!("reply: {}", refusal.kind),
    }
}

/// Schema and length; where the data name their own type in JSON, that too.
fn relay_label(data: &Opaque) -> String {
    let kind = data.data.split_once("\"type\":\"").and_then(|(_, rest)| rest.split('"').next());
    let length = data.data.len();
    match kind {
        Some(kind) => format!("relay: {} ({length} bytes)", kind.replace('_', " ")),
        None => format!("relay: {} ({length} bytes)", data.schema),
    }
}

/// The name of a variant, out of its debug form, as words: `SetupTransfer { .. }` becomes `setup transfer`.
fn word(debug: &str) -> String {
    let name: String = debug.chars().take_while(|c| c.is_alphanumeric()).collect();
    let mut words = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_points_from_its_speaker_to_its_listener() {
        let arrow = Arrow {
            at: Moment::from_millis(1500),
            from: Column::Tsp,
            to: Column::Core,
            label: "ringback".to_owned(),
        };
        let drawn = line(&arrow);
        assert!(drawn.contains("│◄─ ringback ─"), "{drawn}");
        assert!(drawn.starts_with("    1.500  │"), "{drawn}");
    }

    #[test]
    fn a_label_takes_all_the_room_beside_the_head_either_way() {
        let between = |from, to, label: &str| {
            let arrow = Arrow { at: Moment::ZERO, from, to, label: label.to_owned() };
            let drawn = line(&arrow);
            assert_eq!(drawn.chars().count(), 11 + WIDTH * 3 + 1, "{drawn}");
            drawn.chars().skip(11 + WIDTH).take(WIDTH + 1).collect::<String>()
        };
        for (label, leftward, rightward) in [
            ("short", "│◄─ short ────────────────────────│", "│── short ───────────────────────►│"),
            (
                "relay: early answer (84 bytes)",
                "│◄ relay: early answer (84 bytes) │",
                "│ relay: early answer (84 bytes) ►│",
            ),
            (
                "relay: early answer (846 bytes)",
                "│◄ relay: early answer (846 bytes │",
                "│ relay: early answer (846 bytes ►│",
            ),
        ] {
            assert_eq!(between(Column::Tsp, Column::Core, label), leftward);
            assert_eq!(between(Column::Core, Column::Tsp, label), rightward);
        }
    }

    #[test]
    fn variant_names_become_words() {
        assert_eq!(word("SetupTransfer { to: None }"), "setup transfer");
        assert_eq!(word("Answer"), "answer");
    }
}
