// SPDX-License-Identifier: MIT OR Apache-2.0
//! The dialable form: digits and modifiers, as a line takes them (inventory section 5.3).

use serde::{Deserialize, Serialize};

use crate::refused::Refused;

/// What a dialable text makes the line wait for; a line that cannot must refuse the first one before it dials
/// anything (inventory rule 53).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Waits {
    /// `W`: for a dial tone.
    pub dial_tone: bool,
    /// `@`: for silence after an answer.
    pub quiet: bool,
    /// `$`: for the tone of a calling card.
    pub billing: bool,
    /// `:`: for a spoken prompt.
    pub prompt: bool,
}

/// A dialable text, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dialable {
    /// Digits and modifiers, without anything that only helps the eye.
    pub text: String,
    /// More digits follow later (`;`).
    pub is_partial: bool,
    /// What comes after `|`.
    pub subaddress: Option<String>,
    /// What comes after `^`.
    pub name: Option<String>,
    /// What the line has to wait for.
    pub waits: Waits,
}

impl Dialable {
    /// Takes the first address of a text apart.
    ///
    /// # Errors
    /// A character that cannot be dialled, `?`, or no digit at all.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let first = text.split("\r\n").next().unwrap_or_default();
        let (rest, name) = cut(first, '^');
        let (rest, subaddress) = cut(rest, '|');
        let (body, is_partial) = match rest.trim_end().strip_suffix(';') {
            Some(body) => (body, true),
            None => (rest, false),
        };
        Self::check(body)?;
        let text: String = body.chars().filter(|c| !is_only_for_the_eye(*c)).collect();
        // A plus begins a number in international form and means nothing elsewhere.
        if let Some(place) = text.rfind('+').filter(|place| *place > 0) {
            return Err(Refused::Character { found: '+', place: place + 1, text });
        }
        if !is_partial && !text.chars().any(is_digit) {
            return Err(Refused::Empty { text: first.to_owned() });
        }
        let waits = Waits {
            dial_tone: text.contains(['W', 'w']),
            quiet: text.contains('@'),
            billing: text.contains('$'),
            prompt: text.contains(':'),
        };
        Ok(Self { text, is_partial, subaddress, name, waits })
    }

    /// Checks that every character can be dialled.
    pub(crate) fn check(text: &str) -> Result<(), Refused> {
        for (n, found) in text.chars().enumerate() {
            if found == '?' {
                return Err(Refused::AskUser { text: text.to_owned() });
            }
            if !is_digit(found) && !"+PpTt,!Ww@$:".contains(found) && !is_only_for_the_eye(found) {
                return Err(Refused::Character { found, place: n + 1, text: text.to_owned() });
            }
        }
        Ok(())
    }
}

/// The part before a mark, and what follows it, if it says something.
fn cut(text: &str, mark: char) -> (&str, Option<String>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after.trim().to_owned()).filter(|it| !it.is_empty())),
        None => (text, None),
    }
}

/// The sixteen keys of a telephone.
const fn is_digit(c: char) -> bool {
    matches!(c, '0'..='9' | 'A'..='D' | 'a'..='d' | '*' | '#')
}

pub(crate) const fn is_only_for_the_eye(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '(' | ')' | '-' | '.' | '/' | '\u{2010}'..='\u{2013}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_modifiers_are_kept_and_the_rest_is_only_for_the_eye() {
        for (text, dialled) in [
            ("112", "112"),
            ("(030) 123-45 67", "0301234567"),
            ("0,T030/1234567", "0,T0301234567"),
            ("*70,W555 1234", "*70,W5551234"),
            ("+49 30 1234567", "+49301234567"),
            ("1234\r\n5678", "1234"),
        ] {
            assert_eq!(Dialable::parse(text).map(|it| it.text), Ok(dialled.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_follows_later_and_what_stands_beside_is_told_apart() {
        let it = Dialable::parse("0301234;").unwrap();
        assert!(it.is_partial);
        assert_eq!(it.text, "0301234");
        let it = Dialable::parse("1234567|8899 ^ Mr Smith").unwrap();
        assert_eq!((it.subaddress.as_deref(), it.name.as_deref()), (Some("8899"), Some("Mr Smith")));
        assert!(Dialable::parse(";").is_ok_and(|it| it.is_partial && it.text.is_empty()));
    }

    #[test]
    fn what_the_line_waits_for_is_said() {
        let it = Dialable::parse("9W555@1$2:3").unwrap();
        assert_eq!(it.waits, Waits { dial_tone: true, quiet: true, billing: true, prompt: true });
        assert_eq!(Dialable::parse("555").unwrap().waits, Waits::default());
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_by_its_place() {
        let wrong = |text: &str| Dialable::parse(text).unwrap_err().to_string();
        assert!(wrong("12x4").starts_with("'x' at place 3 of '12x4' cannot be dialled"), "{}", wrong("12x4"));
        assert!(wrong("0,+49 30").starts_with("'+' at place 3 of '0,+4930'"), "{}", wrong("0,+49 30"));
        assert!(wrong("123?").contains("ask the user"));
        assert!(wrong("").contains("nothing to dial"));
        assert!(wrong(",,W").contains("nothing to dial"));
    }
}
