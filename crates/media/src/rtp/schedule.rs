// SPDX-License-Identifier: MIT OR Apache-2.0
//! When to send RTCP (RFC 3550 sections 6.2 and 6.3): randomised intervals that share a small part of the
//! session's bandwidth among all members, with reconsideration when the membership changes.

use std::time::Duration;

use offhook_spi::Moment;

use super::Random;

/// RTCP's share of the session bandwidth (RFC 3550 section 6.2).
const SHARE: f64 = 0.05;
/// The share of RTCP's bandwidth that senders have among themselves while they are few.
const SENDERS_SHARE: f64 = 0.25;
/// Shortest interval before randomisation.
const MINIMUM: f64 = 5.0;
/// Makes up for reconsideration settling below the wanted mean: e − 3/2 (RFC 3550 section 6.3.1).
const COMPENSATION: f64 = std::f64::consts::E - 1.5;
/// Bytes of the IP and UDP headers that each packet also costs.
const UNDERNEATH: f64 = 28.0;
/// Above so many members even a farewell waits its turn (RFC 3550 section 6.3.7).
const CROWD: u32 = 50;

/// The transmission timer of one participant. Names of fields follow RFC 3550 section 6.3.
#[derive(Clone, Debug)]
pub struct RtcpSchedule {
    /// Last time a packet went out.
    tp: Moment,
    /// Next time the timer fires.
    tn: Moment,
    pmembers: u32,
    members: u32,
    senders: u32,
    we_sent: bool,
    initial: bool,
    /// Bytes a second for all RTCP of the session.
    rtcp_bandwidth: f64,
    /// Smoothed bytes of a compound packet, with lower layers.
    average_size: f64,
}

/// What the timer says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the timer asks to send or to wait")]
pub enum Due {
    /// Send a report now, then call [`RtcpSchedule::sent`].
    Now,
    /// Nothing before this moment.
    At(Moment),
}

impl RtcpSchedule {
    /// Joins a session of `bandwidth` bytes a second at `now`; alone until [`Self::set_members`].
    #[must_use]
    pub fn new(now: Moment, bandwidth: f64, random: &mut Random) -> Self {
        let mut schedule = Self {
            tp: now,
            tn: now,
            pmembers: 1,
            members: 1,
            senders: 0,
            we_sent: false,
            initial: true,
            rtcp_bandwidth: (bandwidth * SHARE).max(1.0),
            average_size: 100.0 + UNDERNEATH,
        };
        schedule.tn = now + schedule.interval(random);
        schedule
    }

    /// Tells how many members the session has, us included, how many of them send, and whether we do.
    ///
    /// When members leave, the next report moves closer (reverse reconsideration, RFC 3550 section 6.3.4).
    pub fn set_members(&mut self, now: Moment, members: u32, senders: u32, we_sent: bool) {
        let members = members.max(1);
        if members < self.pmembers {
            let share = f64::from(members) / f64::from(self.pmembers);
            self.tn = now + self.tn.since(now).mul_f64(share);
            let since = now.since(self.tp).mul_f64(share);
            self.tp = Moment::from_nanos(now.as_nanos().saturating_sub(since.as_nanos() as u64));
            self.pmembers = members;
        }
        (self.members, self.senders, self.we_sent) = (members, senders, we_sent);
    }

    /// Counts a received compound packet of `len` bytes in the average size (RFC 3550 section 6.3.3).
    pub fn received(&mut self, len: usize) {
        self.average_size += (len as f64 + UNDERNEATH - self.average_size) / 16.0;
    }

    /// Whether a report is due at `now`; reconsiders the interval before it says so (section 6.3.6).
    pub fn poll(&mut self, now: Moment, random: &mut Random) -> Due {
        if now < self.tn {
            return Due::At(self.tn);
        }
        let again = self.tp + self.interval(random);
        if again <= now {
            return Due::Now;
        }
        self.tn = again;
        self.pmembers = self.members;
        Due::At(again)
    }

    /// Records that a compound packet of `len` bytes went out at `now`, and plans the next one.
    pub fn sent(&mut self, now: Moment, len: usize, random: &mut Random) {
        self.received(len);
        self.tp = now;
        self.initial = false;
        self.tn = now + self.interval(random);
        self.pmembers = self.members;
    }

    /// Whether a BYE may go out at once (RFC 3550 section 6.3.7): a leaving crowd must not flood.
    #[must_use]
    pub const fn may_leave_at_once(&self) -> bool {
        self.members <= CROWD
    }

    /// When the timer fires next.
    #[must_use]
    pub const fn deadline(&self) -> Moment {
        self.tn
    }

    /// RFC 3550 section 6.3.1.
    fn interval(&self, random: &mut Random) -> Duration {
        let minimum = if self.initial { MINIMUM / 2.0 } else { MINIMUM };
        let (members, senders) = (f64::from(self.members), f64::from(self.senders));
        let few_senders = self.senders > 0 && senders <= members * SENDERS_SHARE;
        let (bandwidth, sharers) = match (few_senders, self.we_sent) {
            (true, true) => (self.rtcp_bandwidth * SENDERS_SHARE, senders),
            (true, false) => (self.rtcp_bandwidth * (1.0 - SENDERS_SHARE), members - senders),
            (false, _) => (self.rtcp_bandwidth, members),
        };
        let deterministic = (self.average_size * sharers / bandwidth).max(minimum);
        let randomised = deterministic * (random.unit() + 0.5) / COMPENSATION;
        Duration::from_secs_f64(randomised.min(86_400.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten reports of a session of two, and the times between them.
    fn intervals(members: u32, bandwidth: f64) -> Vec<f64> {
        let mut random = Random::new(3);
        let mut now = Moment::ZERO;
        let mut schedule = RtcpSchedule::new(now, bandwidth, &mut random);
        schedule.set_members(now, members, 1, true);
        let (mut gaps, mut last) = (Vec::new(), now);
        while gaps.len() < 200 {
            match schedule.poll(now, &mut random) {
                Due::Now => {
                    gaps.push((now - last).as_secs_f64());
                    schedule.sent(now, 100, &mut random);
                    last = now;
                }
                Due::At(later) => now = later,
            }
        }
        gaps
    }

    #[test]
    fn two_parties_report_every_five_seconds_on_average_but_never_in_step() {
        let gaps = intervals(2, 8_000.0);
        let mean = gaps.iter().skip(1).sum::<f64>() / (gaps.len() - 1) as f64;
        assert!((4.5..5.5).contains(&mean), "{mean}");
        assert!(gaps[0] < 5.0 * 1.5 / COMPENSATION, "the first comes sooner: {}", gaps[0]);
        for gap in &gaps[1..] {
            assert!((2.0..=6.2).contains(gap), "{gap}");
        }
    }

    #[test]
    fn a_crowd_reports_less_often() {
        let gaps = intervals(4_000, 8_000.0);
        let mean = gaps.iter().skip(1).sum::<f64>() / (gaps.len() - 1) as f64;
        assert!(mean > 1.0 && gaps[1..].iter().all(|gap| *gap > 1.0), "{mean}");
        let mut random = Random::new(3);
        let mut schedule = RtcpSchedule::new(Moment::ZERO, 8_000.0, &mut random);
        assert!(schedule.may_leave_at_once());
        schedule.set_members(Moment::ZERO, 4_000, 2_000, false);
        assert!(!schedule.may_leave_at_once());
        assert!(schedule.interval(&mut random) > Duration::from_secs(500));
    }

    #[test]
    fn members_leaving_bring_the_next_report_closer() {
        let mut random = Random::new(3);
        let mut schedule = RtcpSchedule::new(Moment::ZERO, 8_000.0, &mut random);
        schedule.set_members(Moment::ZERO, 1_000, 1_000, true);
        schedule.sent(Moment::ZERO, 100, &mut random);
        let far = schedule.deadline();
        schedule.set_members(Moment::from_millis(1_000), 10, 1, true);
        assert!(schedule.deadline() - Moment::ZERO < (far - Moment::ZERO) / 10);
    }
}
