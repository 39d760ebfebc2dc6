// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a number, a rule or a location cannot be used.

/// Why a number, a rule or a location cannot be used; a sentence that names what was expected.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A character that nobody can dial.
    #[error(
        "'{found}' at place {place} of '{text}' cannot be dialled; expected digits, A to D, * # + or a modifier of P T , ! W @ $ : ;"
    )]
    Character {
        /// The character.
        found: char,
        /// Its place, from 1.
        place: usize,
        /// The whole text.
        text: String,
    },
    /// There is nothing to dial.
    #[error("'{text}' has nothing to dial; expected at least one digit")]
    Empty {
        /// The whole text.
        text: String,
    },
    /// A number in international form that no country knows.
    #[error(
        "'{text}' is no telephone number; expected '+', a country code and the number, as in +49 (30) 1234567"
    )]
    NoNumber {
        /// The whole text.
        text: String,
    },
    /// `?` asks a person and cannot be dialled by a program.
    #[error("'{text}' contains '?': ask the user for the rest first, a line cannot")]
    AskUser {
        /// The whole text.
        text: String,
    },
    /// A rule with a placeholder that does not exist.
    #[error(
        "'{{{name}}}' in the rule '{rule}' is not known; expected {{country}}, {{area}}, {{number}} or {{card}}"
    )]
    Placeholder {
        /// The placeholder.
        name: String,
        /// The rule.
        rule: String,
    },
    /// No country has this code.
    #[error("'{id}' is no country; expected two letters as in DE, US or GB")]
    Country {
        /// What was asked for.
        id: String,
    },
    /// No card has this name.
    #[error("there is no calling card '{name}'; known are: {known}")]
    Card {
        /// What was asked for.
        name: String,
        /// The names of those that are there.
        known: String,
    },
}
