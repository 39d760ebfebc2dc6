// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replay: every input with its moment, played again and compared.
//!
//! Who runs a switch records what goes in and reads and writes the file. A deadline that fires is recorded
//! as [`Input::Wake`] at the moment at which it was handled.

use std::fmt;

use offhook_spi::{Machine, Moment};
use serde::{Deserialize, Serialize};

use crate::io::{Input, Output};
use crate::policy::Config;
use crate::switch::Switch;

/// One thing that happened to a switch, and when.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Entry {
    /// When.
    pub at: Moment,
    /// What.
    #[serde(flatten)]
    pub input: Input,
}

/// Where a replay differs from what was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Place in the list of outputs, from 0.
    pub place: usize,
    /// What was recorded; `None` when the recording ends there.
    pub recorded: Option<Output>,
    /// What the replay gave; `None` when it ends there.
    pub replayed: Option<Output>,
}

/// Runs a new switch over what was recorded and gives all that comes out.
///
/// ```
/// use offhook_core::{AppId, AppProfile, Config, Entry, Input, compare, replay};
/// use offhook_spi::Moment;
///
/// let profile = AppProfile { name: "example".to_owned(), priority: 0 };
/// let entry = Entry { at: Moment::ZERO, input: Input::AppUp { app: AppId(1), profile } };
/// let once = replay(Config::default(), [entry.clone()]);
/// assert_eq!(compare(&once, &replay(Config::default(), [entry])), None);
/// ```
#[must_use]
pub fn replay(config: Config, entries: impl IntoIterator<Item = Entry>) -> Vec<Output> {
    let mut switch = Switch::new(config);
    let mut outputs = Vec::new();
    for Entry { at, input } in entries {
        switch.handle(at, input);
        outputs.extend(std::iter::from_fn(|| switch.poll()));
    }
    outputs
}

/// Finds the first difference between what was recorded and what a replay gave.
#[must_use]
pub fn compare(recorded: &[Output], replayed: &[Output]) -> Option<Difference> {
    let most = recorded.len().max(replayed.len());
    let place = (0..most).find(|place| recorded.get(*place) != replayed.get(*place))?;
    let (recorded, replayed) = (recorded.get(place).cloned(), replayed.get(place).cloned());
    Some(Difference { place, recorded, replayed })
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |output: &Option<Output>| match output {
            Some(output) => format!("{output:?}"),
            None => "nothing".to_owned(),
        };
        let (recorded, replayed) = (show(&self.recorded), show(&self.replayed));
        write!(f, "output {}: recorded {recorded}, replayed {replayed}", self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AppId, AskId};
    use offhook_spi::{Refusal, RefusalKind};

    fn refused(id: u64) -> Output {
        let refusal = Refusal::new(RefusalKind::Gone, "there is no line:1.1");
        Output::Answer { app: AppId(1), id: AskId(id), result: Err(refusal) }
    }

    #[test]
    fn the_first_difference_is_found() {
        let (a, b) = (vec![refused(1), refused(2)], vec![refused(1), refused(3)]);
        assert_eq!(compare(&a, &a), None);
        assert_eq!(compare(&a, &b).unwrap().place, 1);
        let difference = compare(&a[..1], &a).unwrap();
        assert_eq!((difference.place, difference.recorded.is_none()), (1, true));
    }
}
