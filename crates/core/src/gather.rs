// SPDX-License-Identifier: MIT OR Apache-2.0
//! Digits that come in: who wants to hear them, and how they are gathered into one string.

use std::collections::BTreeMap;
use std::time::Duration;

use offhook_spi::{Digit, DigitMode, Gather, GatherEnd};

use crate::deadline::Timer;
use crate::id::AppId;
use crate::request::Asker;

/// A set of ways in which digits travel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Modes(u8);

/// Who wants the digits of one call.
#[derive(Debug, Default)]
pub(crate) struct DigitWatch {
    /// What each application monitors.
    pub(crate) monitors: BTreeMap<AppId, Modes>,
    /// What the provider was last asked to report.
    pub(crate) asked: Modes,
    pub(crate) gathering: Option<Gathering>,
    /// Who asked the provider itself to gather, oldest first (lines that gather but do not monitor).
    pub(crate) elsewhere: Vec<AppId>,
}

/// One running gathering of digits: one per call over all owners (inventory rule 59).
#[derive(Debug)]
pub(crate) struct Gathering {
    pub(crate) app: AppId,
    /// The request to answer once digits are reported; `None` once it was answered.
    pub(crate) asker: Option<Asker>,
    pub(crate) timer: Option<Timer>,
    wish: Gather,
    digits: Vec<Digit>,
}

impl Modes {
    pub(crate) const NONE: Self = Self(0);
    /// What a gathering listens to: wherever digits can come from.
    pub(crate) const EVERY: Self = Self(7);

    const ORDER: [DigitMode; 3] = [DigitMode::Event, DigitMode::Signalling, DigitMode::Tone];

    pub(crate) fn contains(self, mode: DigitMode) -> bool {
        self.0 & Self::bit(mode) != 0
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn of(mode: DigitMode) -> Self {
        Self(Self::bit(mode))
    }

    pub(crate) fn list(self) -> Vec<DigitMode> {
        Self::ORDER.into_iter().filter(|mode| self.contains(*mode)).collect()
    }

    fn bit(mode: DigitMode) -> u8 {
        Self::ORDER.iter().position(|m| *m == mode).map_or(0, |n| 1 << n)
    }
}

impl FromIterator<DigitMode> for Modes {
    fn from_iter<T: IntoIterator<Item = DigitMode>>(modes: T) -> Self {
        modes.into_iter().fold(Self::NONE, |set, mode| Self(set.0 | Self::bit(mode)))
    }
}

impl DigitWatch {
    /// What applications monitor, together.
    pub(crate) fn monitored(&self) -> Modes {
        self.monitors.values().fold(Modes::NONE, |set, modes| set.union(*modes))
    }

    /// What the provider has to report: the union of what is monitored and what is gathered.
    pub(crate) fn wanted(&self, gathered: Modes) -> Modes {
        if self.gathering.is_some() { self.monitored().union(gathered) } else { self.monitored() }
    }
}

impl Gathering {
    pub(crate) fn new(asker: Asker, wish: Gather) -> Self {
        Self { app: asker.app, asker: Some(asker), timer: None, wish, digits: Vec::new() }
    }

    /// Takes a digit; says so when it was the last (inventory rule 60: a terminator is included).
    pub(crate) fn take(&mut self, digit: Digit) -> Option<GatherEnd> {
        self.digits.push(digit);
        if self.wish.terminators.contains(&digit) {
            Some(GatherEnd::Terminator)
        } else {
            (self.digits.len() >= usize::from(self.wish.max)).then_some(GatherEnd::BufferFull)
        }
    }

    /// How long to wait for the next digit.
    pub(crate) const fn patience(&self) -> Option<Duration> {
        if self.digits.is_empty() { self.wish.first_timeout } else { self.wish.inter_timeout }
    }

    /// Why it ends when the next digit does not come.
    pub(crate) const fn timeout(&self) -> GatherEnd {
        if self.digits.is_empty() { GatherEnd::FirstTimeout } else { GatherEnd::InterTimeout }
    }

    /// Hands over what was gathered.
    pub(crate) fn into_digits(self) -> Vec<Digit> {
        self.digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AskId;

    fn gathering(max: u16, terminators: &str) -> Gathering {
        let wish = Gather {
            max,
            terminators: terminators.chars().filter_map(Digit::new).collect(),
            first_timeout: Some(Duration::from_secs(5)),
            inter_timeout: Some(Duration::from_secs(2)),
        };
        Gathering::new(Asker { app: AppId(1), id: AskId(1) }, wish)
    }

    #[test]
    fn a_gathering_ends_as_its_wish_says() {
        for (max, terminators, typed, end) in [
            (3, "", "123", Some(GatherEnd::BufferFull)),
            (3, "#", "12", None),
            (3, "#", "1#", Some(GatherEnd::Terminator)),
            (2, "#", "1#", Some(GatherEnd::Terminator)),
            (1, "", "5", Some(GatherEnd::BufferFull)),
        ] {
            let mut gathering = gathering(max, terminators);
            let ends: Vec<_> = typed.chars().filter_map(Digit::new).map(|d| gathering.take(d)).collect();
            assert_eq!(ends.last().copied().flatten(), end, "{max} {terminators} {typed}");
            let digits: String = gathering.into_digits().into_iter().map(Digit::as_char).collect();
            assert_eq!(digits, typed);
        }
    }

    #[test]
    fn the_first_digit_has_its_own_patience() {
        let mut gathering = gathering(3, "");
        assert_eq!(gathering.patience(), Some(Duration::from_secs(5)));
        assert_eq!(gathering.timeout(), GatherEnd::FirstTimeout);
        gathering.take(Digit::new('1').unwrap());
        assert_eq!(gathering.patience(), Some(Duration::from_secs(2)));
        assert_eq!(gathering.timeout(), GatherEnd::InterTimeout);
    }

    #[test]
    fn modes_keep_their_order() {
        let modes: Modes = [DigitMode::Tone, DigitMode::Event].into_iter().collect();
        assert_eq!(modes.list(), [DigitMode::Event, DigitMode::Tone]);
        assert!(!modes.contains(DigitMode::Signalling));
        assert_eq!(Modes::EVERY.list().len(), 3);
    }
}
