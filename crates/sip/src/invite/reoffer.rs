// SPDX-License-Identifier: MIT OR Apache-2.0
//! Re-INVITEs: when one may be sent, when one is taken, and what happens when two meet
//! (RFC 3261 sections 14.1 and 14.2).

use std::sync::Arc;
use std::time::Duration;

use crate::dialog::Caller;
use crate::message::{Headers, Request};
use crate::transaction::TransactionId;

use super::Body;

/// A re-INVITE of ours, from the wish to the end.
#[derive(Debug)]
pub(crate) struct Reoffer {
    pub(crate) headers: Headers,
    pub(crate) body: Option<Body>,
    pub(crate) stage: Stage,
    /// How often the far end said 491.
    pub(crate) collisions: u8,
    /// What was sent last.
    pub(crate) request: Option<Arc<Request>>,
    pub(crate) transaction: Option<TransactionId>,
    /// It only keeps the session alive; the owner does not know of it.
    pub(crate) is_refresh: bool,
}

/// Where a re-INVITE of ours stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// Refused for want of credentials; the owner may bring them.
    Challenged,
    /// Both ends asked at once; waiting a random time.
    Collided,
    /// Under way.
    Sent,
    /// Another INVITE of this dialog has to end first.
    Waiting,
}

/// A re-INVITE of theirs that the owner has not answered yet.
#[derive(Debug)]
pub(crate) struct Reoffered {
    pub(crate) request: Arc<Request>,
    pub(crate) transaction: TransactionId,
}

/// The INVITEs of one dialog that are not over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Open {
    /// Our own INVITE has no final response, or its 2xx no ACK of ours.
    pub(crate) ours: bool,
    /// Theirs has no final response of ours.
    pub(crate) theirs: bool,
    /// Our 2xx to theirs has no ACK.
    pub(crate) unacknowledged: bool,
}

/// What to do with a re-INVITE that comes in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Let the owner answer.
    Accept,
    /// 491: ours is under way, or an offer of ours waits for its answer.
    Collision,
    /// 500 with Retry-After: theirs is still unanswered.
    Overlap,
}

impl Reoffer {
    /// A wish, before anything was sent.
    pub(crate) const fn new(headers: Headers, body: Option<Body>) -> Self {
        Self {
            headers,
            body,
            stage: Stage::Waiting,
            collisions: 0,
            request: None,
            transaction: None,
            is_refresh: false,
        }
    }
}

impl Open {
    /// Judges a re-INVITE that comes in (section 14.2).
    pub(crate) const fn judge(self) -> Verdict {
        match self {
            Self { theirs: true, .. } => Verdict::Overlap,
            Self { ours: true, .. } | Self { unacknowledged: true, .. } => Verdict::Collision,
            Self { .. } => Verdict::Accept,
        }
    }

    /// Says whether a re-INVITE of ours may be sent (section 14.1).
    pub(crate) const fn admits_ours(self) -> bool {
        !self.ours && !self.theirs && !self.unacknowledged
    }
}

/// How long to wait after a 491, by a random number: whoever chose the Call-ID waits 2.1 to 4 s, the other
/// up to 2 s, in steps of 10 ms (section 14.1).
pub(crate) fn pause(caller: Caller, random: u64) -> Duration {
    let (least, steps) = match caller {
        Caller::Us => (2_100, 191),
        Caller::Them => (0, 201),
    };
    Duration::from_millis(least + random % steps * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_open_invites_has_its_verdict() {
        let rows = [
            // ours, theirs, unacknowledged, verdict, may send
            (false, false, false, Verdict::Accept, true),
            (false, false, true, Verdict::Collision, false),
            (false, true, false, Verdict::Overlap, false),
            (false, true, true, Verdict::Overlap, false),
            (true, false, false, Verdict::Collision, false),
            (true, false, true, Verdict::Collision, false),
            (true, true, false, Verdict::Overlap, false),
            (true, true, true, Verdict::Overlap, false),
        ];
        for (ours, theirs, unacknowledged, verdict, may) in rows {
            let open = Open { ours, theirs, unacknowledged };
            assert_eq!((open.judge(), open.admits_ours()), (verdict, may), "{open:?}");
        }
    }

    #[test]
    fn the_caller_waits_longer_after_a_collision_in_steps_of_ten_milliseconds() {
        for random in (0..1_000).chain([u64::MAX]) {
            let (long, short) = (pause(Caller::Us, random), pause(Caller::Them, random));
            assert!((2_100..=4_000).contains(&long.as_millis()), "{long:?}");
            assert!((0..=2_000).contains(&short.as_millis()), "{short:?}");
            assert!(long.as_millis() % 10 == 0 && short.as_millis() % 10 == 0);
        }
        assert_eq!(pause(Caller::Us, 190), Duration::from_secs(4));
        assert_eq!(pause(Caller::Them, 200), Duration::from_secs(2));
    }
}
