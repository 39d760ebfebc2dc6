// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the metadata says about countries: their codes and the prefixes dialled there.

use phonenumber::country::Id;
use phonenumber::metadata::{DATABASE, Metadata};

use crate::refused::Refused;
use crate::rule::Rule;

/// A country and how numbers are dialled there (`LINECOUNTRYENTRY`).
#[derive(Clone, Copy, Debug)]
pub struct Country {
    pub(crate) id: Id,
    metadata: &'static Metadata,
}

impl Country {
    /// Finds a country by its two letters (ISO 3166): `DE`.
    ///
    /// # Errors
    /// [`Refused::Country`] when there is none.
    pub fn find(id: &str) -> Result<Self, Refused> {
        let none = || Refused::Country { id: id.to_owned() };
        let upper = id.to_ascii_uppercase();
        let known = upper.parse().map_err(|_| none())?;
        let metadata = DATABASE.by_id(upper.as_str()).ok_or_else(none)?;
        Ok(Self { id: known, metadata })
    }

    /// Its code, without `+`.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.metadata.country_code()
    }

    /// What is dialled before an area code, for example `0`; nothing in countries without such a prefix.
    #[must_use]
    pub fn long_distance_prefix(&self) -> &str {
        self.metadata.national_prefix().unwrap_or_default()
    }

    /// What is dialled before a country code, for example `00`.
    #[must_use]
    pub fn international_prefix(&self) -> String {
        let preferred = self.metadata.preferred_international_prefix();
        let first = preferred.map_or_else(
            || self.metadata.international_prefix().map(|it| it.as_str().to_owned()).unwrap_or_default(),
            str::to_owned,
        );
        // The metadata marks the wait for a second dial tone with a tilde.
        let dialled: String = first.replace('~', "W").chars().filter(|c| *c != ' ').collect();
        // A choice of carriers is an expression and no prefix.
        if !dialled.is_empty() && dialled.chars().all(|c| c.is_ascii_digit() || c == 'W') {
            dialled
        } else {
            "00".to_owned()
        }
    }

    /// How a number in another area of this country is dialled.
    #[must_use]
    pub fn long_distance(&self) -> Rule {
        Rule::national(self.long_distance_prefix())
    }

    /// How a number in another country is dialled.
    #[must_use]
    pub fn international(&self) -> Rule {
        Rule::international(&self.international_prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_know_their_codes_and_prefixes() {
        for (id, code, long_distance, international) in [
            ("DE", 49, "0", "00"),
            ("US", 1, "1", "011"),
            ("gb", 44, "0", "00"),
            ("IT", 39, "", "00"),
            ("RU", 7, "8", "8W10"),
            ("AU", 61, "0", "0011"),
            ("JP", 81, "0", "010"),
            // A caller chooses a carrier: there is no one prefix.
            ("BR", 55, "0", "00"),
        ] {
            let country = Country::find(id).unwrap();
            assert_eq!(country.code(), code, "{id}");
            assert_eq!(country.long_distance_prefix(), long_distance, "{id}");
            assert_eq!(country.international_prefix(), international, "{id}");
        }
        assert_eq!(Country::find("Germany").unwrap_err(), Refused::Country { id: "Germany".to_owned() });
    }
}
