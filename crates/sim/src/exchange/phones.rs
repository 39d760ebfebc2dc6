// SPDX-License-Identifier: MIT OR Apache-2.0
//! Telephone sets of the exchange: what an application sets, and what somebody does at them.

use offhook_spi::{
    HookMode, HookSwitch, Opaque, Outcome, PhoneCaps, PhoneChange, PhoneKey, PhoneOp, Refusal, RefusalKind,
    Reply, RequestId, SchemaId, TspEvent,
};

use super::Exchange;

/// Rows and columns of every display.
const DISPLAY: (u16, u16) = (2, 20);
/// Buttons of every phone, each with a lamp.
const BUTTONS: u16 = 4;
/// Ring patterns that every phone knows.
const RING_MODES: u16 = 3;
/// The extension of every phone: a text that it remembers.
const MEMORY_SCHEMA: &str = "offhook.sim.memory";
/// Bytes of that text.
const MEMORY: usize = 1_024;
/// What every phone has to be lifted.
const HOOKS: [HookSwitch; 2] = [HookSwitch::Handset, HookSwitch::Speakerphone];

/// A telephone set.
#[derive(Debug)]
pub(super) struct PhoneSet {
    name: String,
    rows: Vec<String>,
    memory: String,
}

impl PhoneSet {
    pub(super) fn new(name: String) -> Self {
        Self { name, rows: vec![String::new(); usize::from(DISPLAY.0)], memory: String::new() }
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name
    }

    /// Writes the top row anew; gives what the display shows then, if that is news.
    pub(super) fn show(&mut self, text: &str) -> Option<String> {
        let row: String = text.chars().take(usize::from(DISPLAY.1)).collect();
        let top = self.rows.first_mut().filter(|top| **top != row)?;
        *top = row;
        Some(self.rows.join("\n"))
    }

    /// The event that tells of it.
    pub(super) fn announced(&self, phone: PhoneKey) -> TspEvent {
        let caps = PhoneCaps {
            hooks: HOOKS.to_vec(),
            display: DISPLAY,
            buttons: BUTTONS,
            ring_modes: RING_MODES,
            extensions: vec![SchemaId::new(MEMORY_SCHEMA)],
        };
        TspEvent::PhoneUp { phone, stable_id: self.name.clone(), caps }
    }

    /// Carries out what was asked: the outcome, and what there is to tell.
    fn carry_out(&mut self, op: PhoneOp) -> Result<(Outcome, Option<PhoneChange>), Refusal> {
        match op {
            PhoneOp::Extension { data } => self.remember(data),
            op => Ok((Outcome::Done, Some(self.change(op)?))),
        }
    }

    /// The vendor's own: a text is remembered in place of the last one and told to who watches; an empty one
    /// asks for what is remembered (`phoneSetData`, `phoneGetData`).
    fn remember(&mut self, data: Opaque) -> Result<(Outcome, Option<PhoneChange>), Refusal> {
        let Opaque { schema, data: text } = data;
        if schema.0 != MEMORY_SCHEMA {
            let detail = format!("the phones of the exchange do not know {schema}; expected {MEMORY_SCHEMA}");
            return Err(Refusal::new(RefusalKind::Unsupported, detail));
        }
        if text.len() > MEMORY {
            return Err(wrong(format!("the memory of the phone holds {MEMORY} bytes, not {}", text.len())));
        }
        let is_news = !text.is_empty() && text != self.memory;
        if is_news {
            self.memory = text;
        }
        let data = Opaque { schema, data: self.memory.clone() };
        Ok((Outcome::Data { data: data.clone() }, is_news.then_some(PhoneChange::Extension { data })))
    }

    /// Makes a change; gives what there is to tell about it.
    fn change(&mut self, op: PhoneOp) -> Result<PhoneChange, Refusal> {
        let change = match op {
            PhoneOp::Button { button, label } => PhoneChange::Label { button: known(button)?, label },
            PhoneOp::Display { row, column, text } => self.write(row, column, &text)?,
            PhoneOp::Gain { hook, gain } => PhoneChange::Gain { hook: part(hook)?, gain },
            PhoneOp::Hook { hook, mode } => PhoneChange::Hook { hook: part(hook)?, mode },
            PhoneOp::Lamp { button, mode } => PhoneChange::Lamp { button: known(button)?, mode },
            PhoneOp::Ring { mode, .. } if mode >= RING_MODES => {
                return Err(wrong(format!("ring pattern {mode} is not one of 0 to {}", RING_MODES - 1)));
            }
            PhoneOp::Ring { volume, .. } => PhoneChange::Ring { volume },
            PhoneOp::Volume { hook, volume } => PhoneChange::Volume { hook: part(hook)?, volume },
            other => {
                let detail = format!("the phones of the exchange know no {other:?}");
                return Err(Refusal::new(RefusalKind::Unsupported, detail));
            }
        };
        Ok(change)
    }

    /// Writes over what the display shows; what does not fit is cut off.
    fn write(&mut self, row: u16, column: u16, text: &str) -> Result<PhoneChange, Refusal> {
        let (rows, columns) = DISPLAY;
        let line = self.rows.get_mut(usize::from(row)).filter(|_| column < columns).ok_or_else(|| {
            wrong(format!(
                "row {row}, column {column} is not on the display of {rows} rows, {columns} columns"
            ))
        })?;
        let column = usize::from(column);
        let mut shown: Vec<char> = line.chars().collect();
        shown.resize(shown.len().max(column), ' ');
        let after: Vec<char> = shown.iter().copied().skip(column + text.chars().count()).collect();
        shown.truncate(column);
        *line = shown.into_iter().chain(text.chars()).chain(after).take(usize::from(columns)).collect();
        Ok(PhoneChange::Display { text: self.rows.join("\n") })
    }
}

impl Exchange {
    /// An application sets something.
    pub(super) fn set_phone(&mut self, request: RequestId, phone: PhoneKey, op: PhoneOp) {
        let set = self.phones.get_mut(&phone);
        let gone = || Refusal::new(RefusalKind::Gone, format!("the exchange has no {phone}"));
        match set.ok_or_else(gone).and_then(|set| set.carry_out(op)) {
            Ok((outcome, change)) => {
                self.out.push_back(TspEvent::Reply { request, result: Reply::Done(outcome) });
                self.out.extend(change.map(|change| TspEvent::Phone { phone, change }));
            }
            Err(refusal) => {
                self.out.push_back(TspEvent::Reply { request, result: Reply::Refused(refusal) });
            }
        }
    }

    /// Somebody does something at a phone. A button that is pressed is let go too (inventory rule 69).
    pub(super) fn touch(&mut self, phone: PhoneKey, touch: Touch) {
        if !self.phones.contains_key(&phone) {
            return;
        }
        let changes = match touch {
            Touch::Lift(hook) => vec![PhoneChange::Hook { hook, mode: HookMode::Both }],
            Touch::LayDown(hook) => vec![PhoneChange::Hook { hook, mode: HookMode::OnHook }],
            Touch::Press(button) => [true, false].map(|down| PhoneChange::Button { button, down }).to_vec(),
        };
        self.out.extend(changes.into_iter().map(|change| TspEvent::Phone { phone, change }));
    }
}

/// What somebody does at a phone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Touch {
    /// Lays something down.
    LayDown(HookSwitch),
    /// Lifts something.
    Lift(HookSwitch),
    /// Presses a button and lets it go.
    Press(u16),
}

fn known(button: u16) -> Result<u16, Refusal> {
    if button < BUTTONS {
        return Ok(button);
    }
    Err(wrong(format!("button {button} is not one of 0 to {}", BUTTONS - 1)))
}

fn part(hook: HookSwitch) -> Result<HookSwitch, Refusal> {
    if HOOKS.contains(&hook) {
        return Ok(hook);
    }
    Err(wrong(format!("the phone has no {hook:?}; it has a handset and a speakerphone")))
}

fn wrong(detail: String) -> Refusal {
    Refusal::new(RefusalKind::InvalidParameter, detail)
}

#[cfg(test)]
mod tests {
    use offhook_spi::LampMode;

    use super::*;

    #[test]
    fn texts_are_written_over_each_other_and_cut_off() {
        let mut set = PhoneSet::new("desk".to_owned());
        let mut shows = |row, column, text: &str| {
            let text = text.to_owned();
            match set.change(PhoneOp::Display { row, column, text }) {
                Ok(PhoneChange::Display { text }) => text,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(shows(0, 0, "good morning"), "good morning\n");
        assert_eq!(shows(0, 5, "even"), "good evening\n");
        assert_eq!(shows(1, 3, "x"), "good evening\n   x");
        assert_eq!(shows(1, 18, "abcdef"), "good evening\n   x              ab");
        assert_eq!(shows(0, 0, &"ä".repeat(30)), format!("{}\n   x              ab", "ä".repeat(20)));
    }

    #[test]
    fn what_a_phone_does_not_have_is_refused_by_name() {
        let mut set = PhoneSet::new("desk".to_owned());
        for (op, expected) in [
            (PhoneOp::Lamp { button: 4, mode: LampMode::Wink }, "button 4 is not one of 0 to 3"),
            (PhoneOp::Ring { mode: 3, volume: 1 }, "ring pattern 3 is not one of 0 to 2"),
            (PhoneOp::Display { row: 2, column: 0, text: String::new() }, "row 2, column 0 is not on"),
            (PhoneOp::Display { row: 0, column: 20, text: String::new() }, "row 0, column 20 is not on"),
            (PhoneOp::Volume { hook: HookSwitch::Headset, volume: 1 }, "has no Headset"),
        ] {
            let refusal = set.change(op).unwrap_err();
            assert_eq!(refusal.kind, RefusalKind::InvalidParameter);
            assert!(refusal.detail.contains(expected), "{refusal}");
        }
    }

    #[test]
    fn a_text_is_remembered_and_told_once() {
        let mut set = PhoneSet::new("desk".to_owned());
        let data = |text: &str| Opaque { schema: SchemaId::new(MEMORY_SCHEMA), data: text.to_owned() };
        for (asked, remembered, is_told) in
            [("", "", false), ("1234", "1234", true), ("1234", "1234", false), ("", "1234", false)]
        {
            let (outcome, change) = set.carry_out(PhoneOp::Extension { data: data(asked) }).unwrap();
            assert_eq!(outcome, Outcome::Data { data: data(remembered) });
            assert_eq!(change, is_told.then(|| PhoneChange::Extension { data: data(remembered) }));
        }
        let long = PhoneOp::Extension { data: data(&"x".repeat(1_025)) };
        assert!(set.carry_out(long).unwrap_err().detail.contains("holds 1024 bytes, not 1025"));
        let foreign = Opaque { schema: SchemaId::new("acme.lamp"), data: String::new() };
        let refusal = set.carry_out(PhoneOp::Extension { data: foreign }).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Unsupported);
        assert!(refusal.detail.contains("expected offhook.sim.memory"), "{refusal}");
    }
}
