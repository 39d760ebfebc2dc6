// SPDX-License-Identifier: MIT OR Apache-2.0
//! Translation: from what was written to what is dialled (`lineTranslateAddress`, inventory section 5.3).

use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::country::Country;
use crate::dialable::{Dialable, Waits, is_only_for_the_eye};
use crate::forms::{display, is_other_address, read_national};
use crate::location::{Card, Dialling, LocalForm, Location};
use crate::refused::Refused;
use crate::rule::{Filling, Rule};

/// What a translation is asked for beside the location (`LINETRANSLATEOPTION`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// Treat it as such, whatever the location says.
    pub reach: Option<Reach>,
    /// Use this card once instead of the location's; an empty name means none.
    pub card: Option<String>,
    /// Put the location's string against waiting calls in front.
    pub cancel_call_waiting: bool,
}

/// How far a number is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "same area, same country, another country")]
pub enum Reach {
    /// In the same area.
    Local,
    /// In another area of the same country.
    LongDistance,
    /// In another country.
    International,
}

/// What kind of address was given.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A number in international form; the location's rules were applied.
    Canonical,
    /// Digits; dialled as they stand.
    Dialable,
    /// No telephone number (`sip:bob@example.org`); passed on as it stands.
    Other,
}

/// What is dialled, and why.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Translation {
    /// What kind of address was given.
    pub kind: Kind,
    /// How far it is, where rules were applied.
    pub reach: Option<Reach>,
    /// What the line dials. It may contain a card's secret number.
    pub dialable: String,
    /// The same with the card's number hidden.
    pub shown: String,
    /// The number tied to no place, where it is one.
    pub canonical: Option<String>,
    /// The form that numbers are compared by (E.164).
    pub key: Option<String>,
    /// How people at the location write it.
    pub display: String,
    /// What the line has to wait for while it dials.
    pub waits: Waits,
    /// One sentence for each decision, in order.
    pub why: Vec<String>,
}

/// Says what a line at `location` dials for `text`, and why.
///
/// Text that begins with `+` or `tel:` is canonical and follows the location's rules; other digits are taken as
/// dialable already and only lose what helps the eye; anything else is passed on. Only the first of several
/// addresses, separated by CR LF, is translated.
///
/// # Errors
/// What cannot be dialled, a card or country that does not exist.
pub fn translate(
    location: &Location,
    cards: &[Card],
    text: &str,
    options: &Options,
) -> Result<Translation, Refused> {
    let text = text.split("\r\n").next().unwrap_or_default().trim();
    if is_other_address(text) {
        return Ok(passed_on(text));
    }
    if text.trim_start_matches(is_only_for_the_eye).starts_with('+')
        || text.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("tel:"))
    {
        let country = Country::find(&location.country)?;
        Work { location, cards, options, country, why: Vec::new() }.canonical(text)
    } else {
        dialable(location, text, options)
    }
}

fn passed_on(text: &str) -> Translation {
    Translation {
        kind: Kind::Other,
        reach: None,
        dialable: text.to_owned(),
        shown: text.to_owned(),
        canonical: None,
        key: None,
        display: text.to_owned(),
        waits: Waits::default(),
        why: vec!["it is no telephone number: passed on as it stands".to_owned()],
    }
}

fn dialable(location: &Location, text: &str, options: &Options) -> Result<Translation, Refused> {
    let parsed = Dialable::parse(text)?;
    let number = read_national(location, &parsed.text);
    let mut why = vec!["it does not begin with '+': dialled as it stands".to_owned()];
    let mut dialled = parsed.text;
    if options.cancel_call_waiting
        && let Some(code) = &location.cancel_call_waiting
    {
        why.push(format!("'{code}' keeps waiting calls away"));
        dialled.insert_str(0, code);
    }
    if parsed.is_partial {
        dialled.push(';');
    }
    Ok(Translation {
        kind: Kind::Dialable,
        reach: None,
        shown: dialled.clone(),
        dialable: dialled,
        display: number.as_ref().map_or_else(|| text.to_owned(), |it| display(location, it)),
        key: number.as_ref().map(Canonical::key),
        canonical: number.as_ref().map(Canonical::to_string),
        waits: parsed.waits,
        why,
    })
}

/// One translation of a canonical number.
struct Work<'a> {
    location: &'a Location,
    cards: &'a [Card],
    options: &'a Options,
    country: Country,
    why: Vec<String>,
}

impl Work<'_> {
    fn canonical(mut self, text: &str) -> Result<Translation, Refused> {
        let area = self.location.area.clone().unwrap_or_default();
        let mut number = Canonical::parse(text)?;
        let is_home = number.country == self.country.code().to_string();
        if is_home {
            number = number.with_area(&area);
        }
        let reach = self.reach(&number, is_home);
        let card = self.card()?;
        let (rule, card) = self.rule(reach, card);
        let dialled = self.assemble(reach, &rule, &number, card.map_or("", |card| &card.number));
        let shown = match card {
            Some(_) => self.assemble(reach, &rule, &number, HIDDEN),
            None => dialled.clone(),
        };
        self.say(reach, &rule, &number);
        let Dialable { text: dialled, waits, .. } = Dialable::parse(&dialled)?;
        Ok(Translation {
            kind: Kind::Canonical,
            reach: Some(reach),
            dialable: dialled,
            shown,
            display: display(self.location, &number),
            key: Some(number.key()),
            canonical: Some(number.to_string()),
            waits,
            why: self.why,
        })
    }

    fn reach(&mut self, number: &Canonical, is_home: bool) -> Reach {
        if let Some(reach) = self.options.reach {
            self.why.push(format!("{} as was asked", words(reach)));
            return reach;
        }
        let here = self.country.code();
        if !is_home {
            self.why.push(format!(
                "+{} is not +{here}, the country of the location: international",
                number.country
            ));
            return Reach::International;
        }
        let Some(area) = &self.location.area else {
            // Without areas there is one way to dial within the country.
            self.why.push(format!(
                "+{here} is the country of the location, which has no area code: long distance"
            ));
            return Reach::LongDistance;
        };
        if number.area.as_ref() != Some(area) {
            self.why.push(format!(
                "+{here} is the country of the location, but the number not in its area {area}: long distance"
            ));
            return Reach::LongDistance;
        }
        if let Some(prefix) = self.location.toll.iter().find(|it| number.subscriber.starts_with(it.as_str()))
        {
            self.why.push(format!(
                "+{here} ({area}) is the area of the location, but {prefix} in its toll list: long distance"
            ));
            return Reach::LongDistance;
        }
        self.why.push(format!("+{here} ({area}) is the area of the location: local"));
        Reach::Local
    }

    fn card(&self) -> Result<Option<&Card>, Refused> {
        let name = self.options.card.as_ref().or(self.location.card.as_ref());
        let Some(name) = name.filter(|it| !it.is_empty()) else { return Ok(None) };
        let known = || {
            let names: Vec<&str> = self.cards.iter().map(|card| card.name.as_str()).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let card = self.cards.iter().find(|card| card.name == *name);
        card.map(Some).ok_or_else(|| Refused::Card { name: name.clone(), known: known() })
    }

    /// The card's rule, else the location's, else the country's.
    fn rule<'c>(&self, reach: Reach, card: Option<&'c Card>) -> (Rule, Option<&'c Card>) {
        let of_card = card.and_then(|card| match reach {
            Reach::Local => card.local.clone(),
            Reach::LongDistance => card.long_distance.clone(),
            Reach::International => card.international.clone(),
        });
        if let Some(rule) = of_card {
            return (rule, card);
        }
        let long_distance =
            || self.location.long_distance.clone().unwrap_or_else(|| self.country.long_distance());
        let rule = match (reach, self.location.local) {
            (Reach::Local, LocalForm::Subscriber) => Rule::number(),
            (Reach::Local, LocalForm::WithArea) => Rule::national(""),
            (Reach::Local, LocalForm::LongDistance) | (Reach::LongDistance, _) => long_distance(),
            (Reach::International, _) => {
                self.location.international.clone().unwrap_or_else(|| self.country.international())
            }
        };
        (rule, None)
    }

    fn outside(&self, reach: Reach) -> &str {
        let far = self.location.outside_long_distance.as_ref().filter(|_| reach != Reach::Local);
        far.unwrap_or(&self.location.outside)
    }

    fn assemble(&self, reach: Reach, rule: &Rule, number: &Canonical, card: &str) -> String {
        let mut dialled = String::from(match self.location.dialling {
            Dialling::AsTheLine => "",
            Dialling::Pulse => "P",
            Dialling::Tone => "T",
        });
        if self.options.cancel_call_waiting {
            dialled.push_str(self.location.cancel_call_waiting.as_deref().unwrap_or_default());
        }
        dialled.push_str(self.outside(reach));
        dialled.push_str(&rule.fill(Filling {
            country: &number.country,
            area: number.area.as_deref().unwrap_or_default(),
            number: &number.subscriber,
            card,
        }));
        if let Some(extension) = &number.extension {
            dialled.push(',');
            dialled.push_str(extension);
        }
        dialled
    }

    fn say(&mut self, reach: Reach, rule: &Rule, number: &Canonical) {
        self.why.push(format!("{} numbers are dialled '{rule}'", words(reach)));
        let outside = self.outside(reach).to_owned();
        if !outside.is_empty() {
            self.why.push(format!("'{outside}' leads outside"));
        }
        if self.options.cancel_call_waiting {
            self.why.push(match &self.location.cancel_call_waiting {
                Some(code) => format!("'{code}' keeps waiting calls away"),
                None => "the location has no code against waiting calls".to_owned(),
            });
        }
        if let Some(extension) = &number.extension {
            self.why.push(format!("extension {extension} follows after a pause"));
        }
    }
}

const fn words(reach: Reach) -> &'static str {
    match reach {
        Reach::Local => "local",
        Reach::LongDistance => "long-distance",
        Reach::International => "international",
    }
}

/// Stands for a card's number where it is shown. Nobody could dial it.
const HIDDEN: &str = "\u{2022}\u{2022}\u{2022}\u{2022}";
