// SPDX-License-Identifier: MIT OR Apache-2.0
//! Versions of the contract, and what a provider says about itself before its link opens.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::opaque::SchemaId;

/// A version of the contract: one number for each link, agreed at its start.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Version(pub u16);

impl Version {
    /// The version that this crate describes.
    pub const CURRENT: Self = Self(1);
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The versions that one side understands, both ends included.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct VersionRange {
    /// The oldest.
    pub min: Version,
    /// The newest.
    pub max: Version,
}

impl VersionRange {
    /// What this crate can speak.
    pub const CURRENT: Self = Self { min: Version::CURRENT, max: Version::CURRENT };

    /// Picks the highest version that both sides understand (inventory rule 10).
    ///
    /// ```
    /// use offhook_spi::{Version, VersionRange};
    ///
    /// let ours = VersionRange { min: Version(1), max: Version(3) };
    /// let theirs = VersionRange { min: Version(2), max: Version(5) };
    /// assert_eq!(ours.agree(theirs), Ok(Version(3)));
    /// ```
    ///
    /// # Errors
    /// [`Incompatible`] when the ranges do not overlap; it names both.
    pub fn agree(self, other: Self) -> Result<Version, Incompatible> {
        let version = self.max.min(other.max);
        if version >= self.min && version >= other.min {
            Ok(version)
        } else {
            Err(Incompatible { ours: self, theirs: other })
        }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

/// Two sides have no version in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Incompatible {
    /// The range of the side that reports the error.
    pub ours: VersionRange,
    /// The range of the other side.
    pub theirs: VersionRange,
}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ours, theirs } = self;
        write!(f, "no common contract version: we speak {ours}, the other side speaks {theirs}")
    }
}

impl std::error::Error for Incompatible {}

/// What a provider says about itself before its link opens: pure data, read once.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Manifest {
    /// Short name, unique in one server, as used in configuration: `sip`.
    pub name: String,
    /// Who made it.
    pub vendor: String,
    /// The provider's own version, for people.
    pub release: String,
    /// Contract versions it speaks.
    pub spi: VersionRange,
    /// Schemas it can relay to a paired MSP or TSP.
    #[serde(default)]
    pub schemas: Vec<SchemaId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(min: u16, max: u16) -> VersionRange {
        VersionRange { min: Version(min), max: Version(max) }
    }

    #[test]
    fn overlapping_ranges_agree_on_the_highest_common_version() {
        for (ours, theirs, agreed) in [
            (range(1, 1), range(1, 1), 1),
            (range(1, 3), range(2, 5), 3),
            (range(2, 5), range(1, 3), 3),
            (range(1, 9), range(4, 4), 4),
        ] {
            assert_eq!(ours.agree(theirs), Ok(Version(agreed)));
        }
    }

    #[test]
    fn disjoint_ranges_are_refused_naming_both() {
        let error = range(1, 2).agree(range(3, 4)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no common contract version: we speak 1 to 2, the other side speaks 3 to 4"
        );
    }
}
