// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a line is: everything about its place that changes what must be dialled.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::country::Country;
use crate::refused::Refused;
use crate::rule::Rule;

/// Where a line is (`LINELOCATIONENTRY`).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The country, by its two letters: `DE`.
    pub country: String,
    /// The area code; none in countries without.
    #[serde(default)]
    pub area: Option<String>,
    /// Dialled before every number outside the house, for example `0,` or `9W`.
    #[serde(default)]
    pub outside: String,
    /// Dialled instead of `outside` before long-distance and international numbers.
    #[serde(default)]
    pub outside_long_distance: Option<String>,
    /// What of a number in the same area is dialled.
    #[serde(default)]
    pub local: LocalForm,
    /// First digits of subscriber numbers in the same area that are dialled as long distance all the same.
    #[serde(default)]
    pub toll: Vec<String>,
    /// Dialled to keep waiting calls from knocking, for example `*70,`.
    #[serde(default)]
    pub cancel_call_waiting: Option<String>,
    /// Whether to ask for tones or pulses.
    #[serde(default)]
    pub dialling: Dialling,
    /// The calling card that is used unless told otherwise.
    #[serde(default)]
    pub card: Option<String>,
    /// How numbers in other areas are dialled, where the country's rule does not fit.
    #[serde(default)]
    pub long_distance: Option<Rule>,
    /// How numbers in other countries are dialled, where the country's rule does not fit.
    #[serde(default)]
    pub international: Option<Rule>,
}

/// What of a number in the same area is dialled.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the three ways that exist")]
pub enum LocalForm {
    /// The subscriber's number alone.
    #[default]
    Subscriber,
    /// Area code and number, as in most of North America.
    WithArea,
    /// As long distance, as in countries with closed numbering plans.
    LongDistance,
}

/// Whether a line is asked for tones or pulses.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there are tones and pulses, or nothing is said")]
pub enum Dialling {
    /// As the line does it.
    #[default]
    AsTheLine,
    /// `P`.
    Pulse,
    /// `T`.
    Tone,
}

/// A calling card (`LINECARDENTRY`).
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// Number and secret: never shown, not in displayed forms, not in debug output.
    pub number: String,
    /// How numbers in the same area are dialled with it; none: without the card.
    #[serde(default)]
    pub local: Option<Rule>,
    /// How numbers in other areas are dialled with it; none: without the card.
    #[serde(default)]
    pub long_distance: Option<Rule>,
    /// How numbers in other countries are dialled with it; none: without the card.
    #[serde(default)]
    pub international: Option<Rule>,
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Location {
    /// A place in a country where nothing special is dialled.
    ///
    /// # Errors
    /// [`Refused::Country`] when there is no such country.
    pub fn in_country(id: &str) -> Result<Self, Refused> {
        Country::find(id)?;
        Ok(Self {
            name: String::new(),
            country: id.to_owned(),
            area: None,
            outside: String::new(),
            outside_long_distance: None,
            local: LocalForm::Subscriber,
            toll: Vec::new(),
            cancel_call_waiting: None,
            dialling: Dialling::AsTheLine,
            card: None,
            long_distance: None,
            international: None,
        })
    }
}
