// SPDX-License-Identifier: MIT OR Apache-2.0
//! Provisional responses that are repeated until they are acknowledged, ours and theirs (RFC 3262).

use std::collections::VecDeque;
use std::time::Duration;

use offhook_spi::Moment;

use crate::message::{Headers, Method, RAck, Status};
use crate::transaction::{Sent, Timing};

use super::Body;

/// Whether our provisional responses are reliable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a caller must, may or need not know 100rel")]
pub enum Reliability {
    /// Callers that do not know `100rel` are refused with 421.
    Required,
    /// For callers that know `100rel`.
    Supported,
    /// Only for callers that insist.
    #[default]
    WhenRequired,
}

/// Our reliable responses to one INVITE.
#[derive(Debug)]
pub(crate) struct Reliable {
    /// The number of the response sent last.
    rseq: u32,
    /// The number of the INVITE.
    cseq: u32,
    state: State,
    /// What waits for the acknowledgement.
    queue: VecDeque<Queued>,
}

#[derive(Debug)]
enum State {
    /// Nothing waits.
    Rest,
    /// The response goes out again and again.
    Repeating(Box<Repeating>),
    /// The final response went out before the acknowledgement, which may still come.
    Late,
}

#[derive(Debug)]
struct Repeating {
    sent: Sent,
    interval: Duration,
    until: Moment,
    has_body: bool,
}

/// An answer of the owner that has to wait.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) status: Status,
    pub(crate) headers: Headers,
    pub(crate) body: Option<Body>,
}

/// More answers than this do not wait: the ones before the last are dropped.
const MAX_QUEUE: usize = 4;

/// What is due for an unacknowledged response.
#[derive(Debug)]
pub(crate) enum Overdue {
    /// Send it, and look again at this moment.
    Again(Sent, Moment),
    /// Nobody acknowledges it: the INVITE is refused (section 3).
    GiveUp,
    Nothing,
}

impl Reliable {
    /// Before the first response; `first` is its number.
    pub(crate) const fn new(cseq: u32, first: u32) -> Self {
        Self { rseq: first.saturating_sub(1), cseq, state: State::Rest, queue: VecDeque::new() }
    }

    /// The number of the next response.
    pub(crate) fn next_number(&mut self) -> u32 {
        self.rseq = self.rseq.saturating_add(1);
        self.rseq
    }

    /// The response went out; when to look at it again.
    pub(crate) fn sent(&mut self, now: Moment, sent: Sent, has_body: bool, timing: &Timing) -> Moment {
        let until = now + timing.transaction();
        self.state = State::Repeating(Box::new(Repeating { sent, interval: timing.t1, until, has_body }));
        now + timing.t1
    }

    /// Whether an answer must wait: a reliable one always, a 2xx while a description is not acknowledged
    /// (section 5).
    pub(crate) fn holds_back(&self, status: Status) -> bool {
        match &self.state {
            State::Repeating(repeating) => {
                status.is_provisional() || status.is_success() && repeating.has_body
            }
            State::Rest | State::Late => false,
        }
    }

    pub(crate) fn wait(&mut self, answer: Queued) {
        if self.queue.len() >= MAX_QUEUE {
            self.queue.pop_back();
        }
        self.queue.push_back(answer);
    }

    /// What the owner wanted to say meanwhile, one by one.
    pub(crate) fn next(&mut self) -> Option<Queued> {
        match self.state {
            State::Repeating(_) => None,
            State::Rest | State::Late => self.queue.pop_front(),
        }
    }

    /// A final response goes out: nothing is repeated any more.
    pub(crate) fn finish(&mut self) {
        if matches!(self.state, State::Repeating(_)) {
            self.state = State::Late;
        }
        self.queue.clear();
    }

    /// Takes a PRACK; false when no response waits for it (section 3).
    pub(crate) fn acknowledge(&mut self, rack: &RAck) -> bool {
        let fits = rack.rseq == self.rseq && rack.cseq == self.cseq && rack.method == Method::INVITE;
        let waits = !matches!(self.state, State::Rest);
        if fits && waits {
            self.state = State::Rest;
        }
        fits && waits
    }

    /// The interval doubles from T1 on and has no upper bound (section 3).
    pub(crate) fn due(&mut self, now: Moment) -> Overdue {
        let State::Repeating(repeating) = &mut self.state else { return Overdue::Nothing };
        if now >= repeating.until {
            self.state = State::Late;
            return Overdue::GiveUp;
        }
        repeating.interval = repeating.interval.saturating_mul(2);
        Overdue::Again(repeating.sent.clone(), (now + repeating.interval).min(repeating.until))
    }
}

/// What to do with a reliable response of theirs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Heard {
    /// It is the next one: acknowledge it.
    New,
    /// A repetition, or one before it was lost: their repetitions will bring it again (section 4).
    Passed,
}

/// Judges a response by its number and that of the one before in its dialog.
pub(crate) fn hear(last: &mut Option<u32>, rseq: u32) -> Heard {
    if last.is_some_and(|last| last.checked_add(1) != Some(rseq)) {
        return Heard::Passed;
    }
    *last = Some(rseq);
    Heard::New
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::tests::a_flow;

    fn sent() -> Sent {
        Sent { flow: a_flow(), bytes: bytes::Bytes::new() }
    }

    fn queued(status: Status) -> Queued {
        Queued { status, headers: Headers::new(), body: None }
    }

    #[test]
    fn a_response_is_repeated_at_doubling_intervals_for_32_seconds() {
        let timing = Timing::default();
        let mut reliable = Reliable::new(1, 77);
        assert_eq!(reliable.next_number(), 77);
        let mut now = reliable.sent(Moment::ZERO, sent(), false, &timing);
        let mut times = Vec::new();
        while let Overdue::Again(_, next) = reliable.due(now) {
            times.push(now.since(Moment::ZERO).as_millis());
            now = next;
        }
        assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(now, Moment::from_millis(32_000));
    }

    #[test]
    fn only_the_response_that_waits_is_acknowledged_and_once() {
        let mut reliable = Reliable::new(5, 9);
        let rack = |rseq, cseq, method| RAck { rseq, cseq, method };
        assert!(!reliable.acknowledge(&rack(9, 5, Method::INVITE)), "nothing was sent");
        reliable.next_number();
        reliable.sent(Moment::ZERO, sent(), false, &Timing::default());
        for wrong in [rack(8, 5, Method::INVITE), rack(9, 4, Method::INVITE), rack(9, 5, Method::UPDATE)] {
            assert!(!reliable.acknowledge(&wrong), "{wrong}");
        }
        assert!(reliable.acknowledge(&rack(9, 5, Method::INVITE)));
        assert!(!reliable.acknowledge(&rack(9, 5, Method::INVITE)));
    }

    #[test]
    fn answers_wait_for_the_acknowledgement_where_they_must() {
        for (has_body, holds_ok) in [(false, false), (true, true)] {
            let mut reliable = Reliable::new(1, 1);
            reliable.next_number();
            reliable.sent(Moment::ZERO, sent(), has_body, &Timing::default());
            assert!(reliable.holds_back(Status::RINGING));
            assert_eq!(reliable.holds_back(Status::OK), holds_ok);
            reliable.wait(queued(Status::RINGING));
            reliable.wait(queued(Status::OK));
            assert!(reliable.next().is_none());
            assert!(reliable.acknowledge(&RAck { rseq: 1, cseq: 1, method: Method::INVITE }));
            assert_eq!(reliable.next().map(|it| it.status), Some(Status::RINGING));
            assert_eq!(reliable.next().map(|it| it.status), Some(Status::OK));
        }
    }

    #[test]
    fn a_late_acknowledgement_after_the_final_response_is_taken() {
        let mut reliable = Reliable::new(1, 1);
        reliable.next_number();
        reliable.sent(Moment::ZERO, sent(), false, &Timing::default());
        reliable.finish();
        assert!(matches!(reliable.due(Moment::from_millis(500)), Overdue::Nothing));
        assert!(reliable.acknowledge(&RAck { rseq: 1, cseq: 1, method: Method::INVITE }));
    }

    #[test]
    fn responses_count_in_order_only() {
        let mut last = None;
        for (rseq, heard) in
            [(7, Heard::New), (7, Heard::Passed), (9, Heard::Passed), (8, Heard::New), (7, Heard::Passed)]
        {
            assert_eq!(hear(&mut last, rseq), heard, "{rseq}");
        }
        let mut last = Some(u32::MAX);
        assert_eq!(hear(&mut last, 0), Heard::Passed);
    }
}
