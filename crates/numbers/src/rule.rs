// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rules: how the digits of one reach are put together.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::dialable::Dialable;
use crate::refused::Refused;

/// How a number of one reach is dialled: `0{area}{number}`, `0800123456,{card},{country}{area}{number}`.
///
/// Everything outside braces is dialled as it stands (TAPI writes such rules with letters: `0FG`).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Area,
    Card,
    Country,
    Number,
    Text(String),
}

/// What a rule is filled with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling<'a> {
    pub(crate) country: &'a str,
    pub(crate) area: &'a str,
    pub(crate) number: &'a str,
    pub(crate) card: &'a str,
}

impl Rule {
    /// Puts the digits together.
    pub(crate) fn fill(&self, with: Filling<'_>) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Area => with.area,
                Part::Card => with.card,
                Part::Country => with.country,
                Part::Number => with.number,
                Part::Text(text) => text,
            })
            .collect()
    }

    /// A prefix before the area and the number.
    pub(crate) fn national(prefix: &str) -> Self {
        Self { parts: vec![Part::Text(prefix.to_owned()), Part::Area, Part::Number] }
    }

    /// A prefix before country, area and number.
    pub(crate) fn international(prefix: &str) -> Self {
        Self { parts: vec![Part::Text(prefix.to_owned()), Part::Country, Part::Area, Part::Number] }
    }

    /// The number alone.
    pub(crate) fn number() -> Self {
        Self { parts: vec![Part::Number] }
    }
}

impl FromStr for Rule {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, braced) = rest.split_once('{').unwrap_or((rest, ""));
            if !literal.is_empty() {
                Dialable::check(literal)?;
                parts.push(Part::Text(literal.to_owned()));
            }
            if literal.len() == rest.len() {
                break;
            }
            let (name, after) = braced.split_once('}').unwrap_or((braced, ""));
            parts.push(match name {
                "area" => Part::Area,
                "card" => Part::Card,
                "country" => Part::Country,
                "number" => Part::Number,
                _ => {
                    return Err(Refused::Placeholder { name: name.to_owned(), rule: text.to_owned() });
                }
            });
            rest = after;
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| {
            f.write_str(match part {
                Part::Area => "{area}",
                Part::Card => "{card}",
                Part::Country => "{country}",
                Part::Number => "{number}",
                Part::Text(text) => text,
            })
        })
    }
}

impl TryFrom<String> for Rule {
    type Error = Refused;

    fn try_from(text: String) -> Result<Self, Refused> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILLING: Filling<'_> = Filling { country: "49", area: "30", number: "1234567", card: "4711" };

    #[test]
    fn a_rule_is_filled_in_and_written_as_it_was_read() {
        for (text, dialled) in [
            ("{number}", "1234567"),
            ("0{area}{number}", "0301234567"),
            ("00{country}{area}{number}", "0049301234567"),
            ("0800123456,{card},{country}{area}{number}", "0800123456,4711,49301234567"),
            ("112", "112"),
            ("", ""),
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.fill(FILLING), dialled);
            assert_eq!(rule.to_string(), text);
        }
    }

    #[test]
    fn a_wrong_rule_is_refused_by_name() {
        let wrong = "0{city}{number}".parse::<Rule>().unwrap_err();
        assert!(wrong.to_string().contains("'{city}' in the rule '0{city}{number}'"), "{wrong}");
        assert!("0{area".parse::<Rule>().is_ok(), "a brace that is not closed ends with the text");
        assert!("x{area}".parse::<Rule>().is_err());
    }
}
