// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call as the core knows it, and the steps of its life.

use std::collections::VecDeque;
use std::fmt;

use offhook_spi::{CallInfo, CallKey, CallState, LineKey, Moment, OpSet, RequestId, SessionKey, StateKind};

use crate::conference::Seat;
use crate::consultation::Bond;
use crate::deadline::Timer;
use crate::gather::DigitWatch;
use crate::id::{AppId, HubId, LineId, ProviderId};
use crate::rights::Holders;
use crate::sounds::SoundWatch;
use crate::table;

/// A call as the core knows it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) line: LineId,
    pub(crate) provider: ProviderId,
    pub(crate) line_key: LineKey,
    pub(crate) key: CallKey,
    pub(crate) life: Life,
    pub(crate) info: Box<CallInfo>,
    pub(crate) holders: Holders,
    pub(crate) session: Option<SessionKey>,
    /// One-shot operations asked for since the state last changed: they are not asked twice.
    pub(crate) spent: OpSet,
    /// What the core itself has decided about the end of the call.
    pub(crate) fate: Fate,
    /// When a dropped call should be idle, or the next drop is due after one was refused.
    pub(crate) ending: Option<Timer>,
    /// How often a drop that the core needs was refused.
    pub(crate) refused_drops: u8,
    /// Whether the deadline is for the next drop.
    pub(crate) is_drop_due: bool,
    pub(crate) digits: Option<Box<DigitWatch>>,
    pub(crate) sounds: Option<Box<SoundWatch>>,
    /// The consultation that it is part of.
    pub(crate) bond: Option<Bond>,
    pub(crate) seat: Seat,
    /// The conversation that it belongs to.
    pub(crate) hub: HubId,
    /// Who asked for generations of digits or tones that have not ended, oldest first.
    pub(crate) generations: VecDeque<AppId>,
}

/// What has been decided about the end of a call.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Fate {
    /// Nothing: it lives as long as both ends want.
    Open,
    /// It was asked to be dropped.
    Dropped,
    /// Nobody waits for it any more: once it is born it is dropped.
    Doomed,
    /// The core has told applications that it is disconnected; the provider has to follow.
    Overruled,
}

/// What a provider reports about a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Report {
    pub(crate) state: CallState,
    /// What the provider would carry out now, where it says so.
    pub(crate) narrowed: Option<OpSet>,
}

/// The life of a call, from the request that starts it to idle.
#[derive(Clone, Debug)]
pub(crate) enum Life {
    /// The provider has not replied to the request that starts it. Nothing may be reported; what is
    /// reported nevertheless is held back.
    Pending { request: RequestId, held: Option<Box<Report>> },
    /// It exists.
    Live { report: Report, since: Moment },
    /// It is idle; its key is dead, its record readable.
    Over { since: Moment },
}

/// One step in the life of a call.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The provider carried out the request that starts it.
    Birth,
    /// The provider, or the core in its place, says what state it is in.
    Report(Report),
}

/// A step that cannot be: what was expected and what came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Illegal {
    from: Option<StateKind>,
    to: Option<StateKind>,
}

impl Life {
    /// A call that begins in a state, without a request of the core.
    pub(crate) const fn new(now: Moment, state: CallState) -> Self {
        Self::Live { report: Report { state, narrowed: None }, since: now }
    }

    /// Takes a step; an illegal one gives the life back as it was.
    pub(crate) fn step(self, now: Moment, step: Step) -> Result<Self, (Self, Illegal)> {
        match (self, step) {
            (Self::Pending { .. }, Step::Birth) => Ok(Self::new(now, CallState::Unknown)),
            (life @ Self::Pending { .. }, Step::Report(report)) => {
                Err((life, Illegal { from: None, to: Some(report.state.kind()) }))
            }
            (Self::Live { report: old, since }, Step::Report(report)) => {
                let (from, to) = (old.state.kind(), report.state.kind());
                if !table::may_follow(from, to) {
                    let illegal = Illegal { from: Some(from), to: Some(to) };
                    Err((Self::Live { report: old, since }, illegal))
                } else if to == StateKind::Idle {
                    Ok(Self::Over { since: now })
                } else {
                    let since = if from == to { since } else { now };
                    Ok(Self::Live { report, since })
                }
            }
            (life @ Self::Live { .. }, Step::Birth) => {
                let from = Some(life.kind());
                Err((life, Illegal { from, to: None }))
            }
            (life @ Self::Over { .. }, step) => {
                let to = match step {
                    Step::Birth => None,
                    Step::Report(report) => Some(report.state.kind()),
                };
                Err((life, Illegal { from: Some(StateKind::Idle), to }))
            }
        }
    }

    /// The state as applications see it.
    pub(crate) const fn state(&self) -> &CallState {
        match self {
            Self::Pending { .. } => &CallState::Unknown,
            Self::Live { report, .. } => &report.state,
            Self::Over { .. } => &CallState::Idle,
        }
    }

    pub(crate) const fn kind(&self) -> StateKind {
        self.state().kind()
    }

    /// When the state began.
    pub(crate) const fn since(&self) -> Moment {
        match self {
            Self::Pending { .. } => Moment::ZERO,
            Self::Live { since, .. } | Self::Over { since } => *since,
        }
    }

    pub(crate) const fn narrowed(&self) -> Option<OpSet> {
        match self {
            Self::Live { report, .. } => report.narrowed,
            Self::Pending { .. } | Self::Over { .. } => None,
        }
    }

    pub(crate) const fn is_pending(&self) -> bool {
        matches!(self, Self::Pending { .. })
    }

    pub(crate) const fn is_over(&self) -> bool {
        matches!(self, Self::Over { .. })
    }
}

impl Call {
    /// Takes a step in place; what cannot be changes nothing.
    pub(crate) fn step(&mut self, now: Moment, step: Step) -> Result<(), Illegal> {
        let life = std::mem::replace(&mut self.life, Life::Over { since: now });
        match life.step(now, step) {
            Ok(life) => {
                self.life = life;
                Ok(())
            }
            Err((life, illegal)) => {
                self.life = life;
                Err(illegal)
            }
        }
    }

    pub(crate) const fn kind(&self) -> StateKind {
        self.life.kind()
    }

    /// Whether nobody waits for it, so that it ends before anybody hears of it.
    pub(crate) fn is_doomed(&self) -> bool {
        self.fate == Fate::Doomed
    }

    /// Who may hear of the call: everybody with a handle, nobody before its birth.
    pub(crate) fn hearers(&self) -> Vec<AppId> {
        if self.life.is_pending() { Vec::new() } else { self.holders.all() }
    }
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            None => f.write_str("expected the reply before any event")?,
            Some(StateKind::Idle) => f.write_str("expected nothing after idle")?,
            Some(from) => write!(f, "expected a state that may follow {from}")?,
        }
        match self.to {
            Some(to) => write!(f, ", received {to}"),
            None => f.write_str(", received a reply"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(state: CallState) -> Step {
        Step::Report(Report { state, narrowed: None })
    }

    #[test]
    fn nothing_is_reported_before_birth() {
        let life = Life::Pending { request: RequestId(1), held: None };
        let (life, illegal) = life.step(Moment::ZERO, reported(CallState::Ringback)).unwrap_err();
        assert_eq!(illegal.to_string(), "expected the reply before any event, received ringback");
        let life = life.step(Moment::ZERO, Step::Birth).unwrap();
        assert_eq!(life.kind(), StateKind::Unknown);
    }

    #[test]
    fn an_illegal_step_gives_the_old_life_back() {
        let life = Life::new(Moment::ZERO, CallState::CONNECTED);
        let (life, illegal) = life.step(Moment::from_millis(5), reported(CallState::Offering)).unwrap_err();
        assert_eq!(illegal.to_string(), "expected a state that may follow connected, received offering");
        assert_eq!((life.kind(), life.since()), (StateKind::Connected, Moment::ZERO));
    }

    #[test]
    fn nothing_follows_idle() {
        for state in [CallState::Idle, CallState::Offering, CallState::CONNECTED] {
            let life = Life::Over { since: Moment::ZERO };
            let (life, illegal) = life.step(Moment::ZERO, reported(state)).unwrap_err();
            assert!(life.is_over());
            assert!(illegal.to_string().starts_with("expected nothing after idle"));
        }
    }

    #[test]
    fn a_call_record_is_small() {
        assert!(size_of::<Call>() + size_of::<CallInfo>() <= 1024, "{}", size_of::<Call>());
    }
}
