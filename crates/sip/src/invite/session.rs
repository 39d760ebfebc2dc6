// SPDX-License-Identifier: MIT OR Apache-2.0
//! Session timers: who refreshes a call, when, and when it counts as lost (RFC 4028).

use std::time::Duration;

use offhook_spi::Moment;

use crate::message::{Headers, Refresher, SessionExpires, name};

/// The shortest interval that anybody may ask for (RFC 4028 section 5).
const SHORTEST: u32 = 90;

/// How calls are kept from living on when the far end has vanished.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionPolicy {
    /// The interval to ask for, in seconds.
    pub interval: u32,
    /// Shorter ones are refused with 422; 90 at least.
    pub min: u32,
}

impl Default for SessionPolicy {
    /// What RFC 4028 section 4 recommends.
    fn default() -> Self {
        Self { interval: 1_800, min: SHORTEST }
    }
}

/// The timer of one dialog.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Session {
    /// Seconds.
    pub(crate) interval: u32,
    pub(crate) side: Side,
    /// When the call counts as lost.
    pub(crate) expires: Moment,
    /// Whether this interval's refresh is under way.
    pub(crate) is_asked: bool,
}

/// Who refreshes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    Them,
    Us,
}

impl SessionPolicy {
    /// The policy with limits that the standard allows.
    pub(crate) fn bounded(self) -> Self {
        let min = self.min.max(SHORTEST);
        Self { interval: self.interval.max(min), min }
    }

    /// What our first INVITE asks for.
    pub(crate) fn ask(self, headers: &mut Headers) {
        headers.set(name::SESSION_EXPIRES, self.interval.to_string());
        if self.min > SHORTEST {
            headers.set(name::MIN_SE, self.min.to_string());
        }
    }

    /// The `Min-SE` to refuse a request with, if its interval is too short (section 9). Who does not know
    /// session timers has not chosen it and is not refused.
    pub(crate) fn refuses(self, headers: &Headers) -> Option<u32> {
        let asked = headers.session_expires().ok()??;
        (asked.seconds < self.min && headers.lists(name::SUPPORTED, "timer")).then_some(self.min)
    }

    /// What our 2xx to a request says, and the timer that runs from then on (section 9, table 2).
    pub(crate) fn answer(self, now: Moment, request: &Headers, response: &mut Headers) -> Option<Session> {
        let knows = request.lists(name::SUPPORTED, "timer");
        let least = request.min_se().ok().flatten().unwrap_or(SHORTEST).max(self.min);
        let asked = request.session_expires().ok().flatten();
        let (seconds, refresher) = match asked {
            // Never longer than what was asked for, and shorter only as far as everybody on the way allows.
            Some(asked) => {
                let seconds = asked.seconds.max(least).min(self.interval.max(least));
                let usual = if knows { Refresher::Uac } else { Refresher::Uas };
                (seconds, asked.refresher.filter(|_| knows).unwrap_or(usual))
            }
            None if knows => (self.interval.max(least), Refresher::Uas),
            // Nobody asked, and the far end does not know what it is.
            None => return None,
        };
        let value = SessionExpires { seconds, refresher: Some(refresher) };
        response.set(name::SESSION_EXPIRES, value.to_string());
        if refresher == Refresher::Uac {
            response.push(name::REQUIRE, "timer");
        }
        let side = if refresher == Refresher::Uac { Side::Them } else { Side::Us };
        Some(Session::new(now, seconds, side))
    }
}

impl Session {
    fn new(now: Moment, interval: u32, side: Side) -> Self {
        // A peer that grants next to nothing shall not keep us busy.
        let interval = interval.max(SHORTEST);
        let all = Duration::from_secs(u64::from(interval));
        // Section 10: a little earlier than the far end would, min(32 s, a third).
        let early = Duration::from_secs(32).min(all / 3);
        Self { interval, side, expires: now + all.saturating_sub(early), is_asked: false }
    }

    /// The timer that a 2xx to a request of ours sets; none means that there is none any more (section 7.2).
    pub(crate) fn granted(now: Moment, response: &Headers) -> Option<Self> {
        let granted = response.session_expires().ok()??;
        let side = if granted.refresher == Some(Refresher::Uas) { Side::Them } else { Side::Us };
        Some(Self::new(now, granted.seconds, side))
    }

    /// What a further request of ours says: the same interval, and who refreshes stays (section 7.4).
    pub(crate) fn ask(&self, headers: &mut Headers) {
        let refresher = if self.side == Side::Us { Refresher::Uac } else { Refresher::Uas };
        let value = SessionExpires { seconds: self.interval, refresher: Some(refresher) };
        headers.set(name::SESSION_EXPIRES, value.to_string());
        if self.interval > SHORTEST {
            // Whoever made it longer once would refuse less again (section 7.4).
            headers.set(name::MIN_SE, SHORTEST.to_string());
        }
    }

    /// Takes the interval that a 422 asks for; false when that helps nothing.
    pub(crate) fn raise(&mut self, response: &Headers) -> bool {
        let least = response.min_se().ok().flatten().unwrap_or_default();
        let helps = least > self.interval && least <= LONGEST;
        if helps {
            self.interval = least;
        }
        helps
    }

    /// When to look at the timer again: half of the interval for whoever refreshes (section 7.2), else its end.
    pub(crate) fn next(&self, now: Moment) -> Moment {
        if self.side == Side::Us && !self.is_asked {
            let half = Duration::from_secs(u64::from(self.interval) / 2);
            return (now + half).min(self.expires);
        }
        self.expires
    }
}

/// The longest interval that a 422 may talk us into, in seconds.
pub(crate) const LONGEST: u32 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::ZERO;

    fn headers(rows: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        rows.iter().for_each(|(name, value)| headers.push(name, *value));
        headers
    }

    #[test]
    fn every_request_has_its_interval_and_refresher() {
        let timer = ("Supported", "replaces, timer");
        let rows = [
            // asked for, who knows, answered with, who refreshes
            (vec![timer, ("Session-Expires", "1800")], Some("1800;refresher=uac"), Some(Side::Them)),
            (vec![timer, ("x", "1800;refresher=uas")], Some("1800;refresher=uas"), Some(Side::Us)),
            (vec![timer, ("x", "1800;refresher=uac")], Some("1800;refresher=uac"), Some(Side::Them)),
            (vec![timer, ("x", "3600")], Some("1800;refresher=uac"), Some(Side::Them)),
            (vec![timer, ("x", "3600"), ("Min-SE", "2000")], Some("2000;refresher=uac"), Some(Side::Them)),
            (vec![timer, ("x", "600")], Some("600;refresher=uac"), Some(Side::Them)),
            (vec![timer], Some("1800;refresher=uas"), Some(Side::Us)),
            (vec![("x", "600")], Some("600;refresher=uas"), Some(Side::Us)),
            (vec![("x", "600;refresher=uac")], Some("600;refresher=uas"), Some(Side::Us)),
            (vec![("x", "30")], Some("90;refresher=uas"), Some(Side::Us)),
            (vec![], None, None),
        ];
        for (request, wanted, side) in rows {
            let mut response = Headers::new();
            let session = SessionPolicy::default().answer(NOW, &headers(&request), &mut response);
            assert_eq!(response.get(name::SESSION_EXPIRES), wanted, "{request:?}");
            assert_eq!(session.map(|session| session.side), side, "{request:?}");
            assert_eq!(response.contains(name::REQUIRE), side == Some(Side::Them), "{request:?}");
        }
    }

    #[test]
    fn only_who_knows_timers_is_refused_for_a_short_one() {
        let policy = SessionPolicy { interval: 600, min: 120 };
        for (request, refused) in [
            (vec![("x", "100"), ("Supported", "timer")], Some(120)),
            (vec![("x", "120"), ("Supported", "timer")], None),
            (vec![("x", "100")], None),
            (vec![("Supported", "timer")], None),
        ] {
            assert_eq!(policy.refuses(&headers(&request)), refused, "{request:?}");
        }
        let low = SessionPolicy { interval: 5, min: 1 }.bounded();
        assert_eq!((low.interval, low.min), (90, 90));
    }

    #[test]
    fn who_refreshes_does_at_half_time_and_the_other_gives_up_before_the_end() {
        let ours = Session::granted(NOW, &headers(&[("x", "1800;refresher=uac")])).unwrap();
        assert_eq!(ours.next(NOW), Moment::from_millis(900_000));
        let theirs = Session::granted(NOW, &headers(&[("x", "1800;refresher=uas")])).unwrap();
        assert_eq!(theirs.next(NOW), Moment::from_millis(1_768_000));
        let short = Session::granted(NOW, &headers(&[("x", "90;refresher=uas")])).unwrap();
        assert_eq!(short.next(NOW), Moment::from_millis(60_000));
        let tiny = Session::granted(NOW, &headers(&[("x", "1")])).unwrap();
        assert_eq!((tiny.interval, tiny.next(NOW)), (90, Moment::from_millis(45_000)));
        assert_eq!(Session::granted(NOW, &Headers::new()), None);
        let asked = Session { is_asked: true, ..ours };
        assert_eq!(asked.next(NOW), asked.expires);
    }

    #[test]
    fn a_longer_interval_is_taken_and_a_senseless_one_is_not() {
        let mut session = Session::new(NOW, 600, Side::Us);
        for (min, helps, then) in
            [("300", false, 600), ("900", true, 900), ("900", false, 900), ("999999", false, 900)]
        {
            assert_eq!(session.raise(&headers(&[("Min-SE", min)])), helps, "{min}");
            assert_eq!(session.interval, then);
        }
        assert!(!session.raise(&Headers::new()));
        let mut again = Headers::new();
        session.ask(&mut again);
        assert_eq!(again.get(name::SESSION_EXPIRES), Some("900;refresher=uac"));
    }
}
