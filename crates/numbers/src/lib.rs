// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dialling rules: from an address as people write it to the digits that a line dials, and why.
//!
//! People and address books write numbers in many ways; what must be dialled depends on where the line is. A
//! [`Location`] says where, [`translate`] does the work of TAPI's `lineTranslateAddress`, and a [`Translation`]
//! carries the dialled, canonical and displayed form with one sentence for each decision.
//!
//! ```
//! use offhook_numbers::{Location, Options, translate};
//!
//! let office = Location { area: Some("30".to_owned()), outside: "0,".to_owned(), ..Location::in_country("DE")? };
//! let there = translate(&office, &[], "+49 (89) 1234567", &Options::default())?;
//! assert_eq!(there.dialable, "0,0891234567");
//! assert_eq!(there.display, "089 1234567");
//! # Ok::<(), offhook_numbers::Refused>(())
//! ```
//!
//! A number is kept as *canonical* (`+49 (30) 1234567`, tied to no place), dialled as *dialable* (digits and
//! modifiers), compared by its *key* (`+49301234567`), and shown as *display*.

mod canonical;
mod country;
mod dialable;
mod forms;
mod location;
mod refused;
mod rule;
mod translate;

pub use canonical::Canonical;
pub use country::Country;
pub use dialable::{Dialable, Waits};
pub use forms::{Forms, forms};
pub use location::{Card, Dialling, LocalForm, Location};
pub use refused::Refused;
pub use rule::Rule;
pub use translate::{Kind, Options, Reach, Translation, translate};
