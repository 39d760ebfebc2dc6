// SPDX-License-Identifier: MIT OR Apache-2.0
//! The canonical form: `+49 (30) 1234567`, the same everywhere (inventory section 5.3).

use std::fmt;

use phonenumber::PhoneNumber;

use crate::refused::Refused;

/// A number that is tied to no place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Canonical {
    /// Country code, without `+`.
    pub country: String,
    /// Area code where it is told apart; numbers are often written without.
    pub area: Option<String>,
    /// What is left: with the area code where that is not told apart.
    pub subscriber: String,
    /// Extension behind the number, dialled after a pause.
    pub extension: Option<String>,
}

impl Canonical {
    /// Reads a number that begins with `+`, or a `tel:` address (RFC 3966).
    ///
    /// # Errors
    /// [`Refused::NoNumber`] when no country knows such a number.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let none = || Refused::NoNumber { text: text.to_owned() };
        let number = phonenumber::parse(None, text).map_err(|_| none())?;
        let mut it = Self::of(&number);
        if let Some(area) = area_in_parentheses(text)
            && let Some(subscriber) = it.subscriber.strip_prefix(&area)
        {
            it.subscriber = subscriber.to_owned();
            it.area = Some(area);
        }
        Ok(it)
    }

    pub(crate) fn of(number: &PhoneNumber) -> Self {
        Self {
            country: number.code().value().to_string(),
            area: None,
            subscriber: number.national().to_string(),
            extension: number.extension().map(|it| it.as_ref().to_owned()),
        }
    }

    /// Area and subscriber in one: what is dialled within the country without a prefix.
    #[must_use]
    pub fn national(&self) -> String {
        format!("{}{}", self.area.as_deref().unwrap_or_default(), self.subscriber)
    }

    /// The form that numbers are compared by (E.164): `+49301234567`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("+{}{}", self.country, self.national())
    }

    /// The same number with the area code told apart, if it begins with this one.
    pub(crate) fn with_area(mut self, area: &str) -> Self {
        if self.area.is_none()
            && !area.is_empty()
            && let Some(subscriber) = self.subscriber.strip_prefix(area)
        {
            (self.subscriber, self.area) = (subscriber.to_owned(), Some(area.to_owned()));
        }
        self
    }
}

impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{} ", self.country)?;
        if let Some(area) = &self.area {
            write!(f, "({area}) ")?;
        }
        f.write_str(&self.subscriber)
    }
}

/// The digits between the first parentheses after the country code; a zero for national callers, `(0)`, is none.
fn area_in_parentheses(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('(')?;
    let (inside, _) = rest.split_once(')')?;
    let digits: String = inside.chars().filter(char::is_ascii_digit).collect();
    (!digits.is_empty() && digits != "0").then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_however_they_are_written() {
        for (text, canonical, key) in [
            ("+49 (30) 1234567", "+49 (30) 1234567", "+49301234567"),
            ("+49301234567", "+49 301234567", "+49301234567"),
            ("+49 (0) 30 1234567", "+49 301234567", "+49301234567"),
            ("+1 (425) 555-0100", "+1 (425) 5550100", "+14255550100"),
            ("tel:+1-201-555-0123", "+1 2015550123", "+12015550123"),
            ("+39 06 698 83145", "+39 0669883145", "+390669883145"),
            ("+44 (20) 7946 0958", "+44 (20) 79460958", "+442079460958"),
        ] {
            let it = Canonical::parse(text).unwrap();
            assert_eq!((it.to_string().as_str(), it.key().as_str()), (canonical, key), "{text}");
        }
    }

    #[test]
    fn an_extension_stands_beside_the_number() {
        let it = Canonical::parse("tel:+1-201-555-0123;ext=17").unwrap();
        assert_eq!(it.extension.as_deref(), Some("17"));
        assert_eq!(it.key(), "+12015550123");
    }

    #[test]
    fn what_no_country_knows_is_refused() {
        for text in ["+", "+999 123456", "hello", "+49"] {
            assert!(matches!(Canonical::parse(text), Err(Refused::NoNumber { .. })), "{text}");
        }
    }
}
