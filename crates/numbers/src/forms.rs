// SPDX-License-Identifier: MIT OR Apache-2.0
//! The forms of one number: every call carries them, in and out.

use phonenumber::Mode;
use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::country::Country;
use crate::location::Location;

/// One number in all its forms.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Forms {
    /// As it was dialled or as the network presented it.
    pub dialled: String,
    /// Tied to no place: `+49 (30) 1234567`; none when it is no telephone number of a known country.
    pub canonical: Option<String>,
    /// The form that numbers are compared by (E.164): `+49301234567`.
    pub key: Option<String>,
    /// As people at the location write it.
    pub display: String,
}

/// All forms of what was dialled or presented, as seen from a location. An address that is no telephone number,
/// or none that the location's country knows, has only the dialled form.
#[must_use]
pub fn forms(location: &Location, text: &str) -> Forms {
    let number = number_in(text).and_then(|digits| {
        if digits.starts_with('+') { Canonical::parse(digits).ok() } else { read_national(location, digits) }
    });
    let number = number.map(|it| told_apart(location, it));
    Forms {
        dialled: text.to_owned(),
        canonical: number.as_ref().map(Canonical::to_string),
        key: number.as_ref().map(Canonical::key),
        display: number.map_or_else(|| text.to_owned(), |it| display(location, &it)),
    }
}

/// The text that may be a telephone number: all of it, what follows `tel:`, or the user of a SIP address.
fn number_in(text: &str) -> Option<&str> {
    let rest = ["sips:", "sip:", "tel:"].into_iter().find_map(|scheme| {
        text.get(..scheme.len()).filter(|it| it.eq_ignore_ascii_case(scheme)).map(|_| &text[scheme.len()..])
    });
    let bare = rest.unwrap_or(text);
    let user = bare.split(['@', ';', '|', '^']).next().unwrap_or_default().trim();
    let looks = user.chars().all(|c| c.is_ascii_digit() || "+ ()-./".contains(c));
    (looks && user.chars().filter(char::is_ascii_digit).count() > 2).then_some(user)
}

/// Says whether a text is an address of another kind than a telephone number.
pub(crate) fn is_other_address(text: &str) -> bool {
    let has_scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.len() > 1
            && !scheme.eq_ignore_ascii_case("tel")
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    // `@` alone is a modifier; a name on one of its sides is not.
    let has_host = text.split_once('@').is_some_and(|(user, host)| {
        let is_name = |part: &str| part.chars().any(|c| c.is_ascii_lowercase() && !"abcdptw".contains(c));
        is_name(user) || is_name(host) || host.contains('.')
    });
    has_scheme || has_host
}

/// A number as it is dialled within the location's country, if it is one there.
pub(crate) fn read_national(location: &Location, digits: &str) -> Option<Canonical> {
    let country = Country::find(&location.country).ok()?;
    let read = |text: &str| phonenumber::parse(Some(country.id), text).ok().filter(phonenumber::is_valid);
    let number = read(digits).or_else(|| {
        // A subscriber's number alone, as it is dialled in the same area.
        let area = location.area.as_deref()?;
        read(&format!("+{}{area}{digits}", country.code()))
    })?;
    Some(told_apart(location, Canonical::of(&number)))
}

/// Tells the location's own area code apart.
fn told_apart(location: &Location, number: Canonical) -> Canonical {
    let home = Country::find(&location.country).map(|it| it.code().to_string());
    match &location.area {
        Some(area) if home.as_ref() == Ok(&number.country) => number.with_area(area),
        _ => number,
    }
}

/// How people at a location write a number: nationally within the country, else internationally.
pub(crate) fn display(location: &Location, number: &Canonical) -> String {
    let Ok(parsed) = phonenumber::parse(None, number.key()) else { return number.to_string() };
    let is_home = Country::find(&location.country).is_ok_and(|it| it.code().to_string() == number.country);
    let mode = if is_home { Mode::National } else { Mode::International };
    let shown = parsed.format().mode(mode).to_string();
    match &number.extension {
        Some(extension) => format!("{shown} ext. {extension}"),
        None => shown,
    }
}
