// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who the peer is: the address it announced, then the one its packets come from.

use std::net::SocketAddr;

use super::{Channel, Latching, Peer, Remote, RtcpMode};

/// The addresses of a leg's peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latch {
    policy: Latching,
    announced: Option<Remote>,
    latched: Option<SocketAddr>,
}

impl Latch {
    pub(super) const fn new(policy: Latching, announced: Option<Remote>) -> Self {
        Self { policy, announced, latched: None }
    }

    /// The peer says where it is now. Saying the same again changes nothing.
    pub(super) fn announce(&mut self, announced: Option<Remote>) {
        if self.announced != announced {
            self.announced = announced;
            self.latched = None;
        }
    }

    /// Whether a media packet from there may be the peer's.
    pub(super) fn accepts(&self, from: SocketAddr) -> bool {
        if let Some(latched) = self.latched {
            return latched == from;
        }
        match (self.policy, self.announced) {
            (Latching::Anywhere, _) => true,
            (Latching::Address, Some(remote)) => remote.rtp.ip() == from.ip(),
            (Latching::Exact, Some(remote)) => remote.rtp == from,
            // The answer to an offer may come after the first packets (RFC 3264 section 5.1).
            (Latching::Address | Latching::Exact, None) => true,
        }
    }

    /// Whether a report from there may be the peer's.
    pub(super) fn accepts_report(&self, from: SocketAddr) -> bool {
        let announced = self.announced.is_some_and(|remote| remote.rtcp.ip() == from.ip());
        announced || self.latched.is_some_and(|latched| latched.ip() == from.ip())
    }

    /// A credible packet came from there. True when that is news.
    pub(super) fn latch(&mut self, from: SocketAddr) -> bool {
        let may = self.policy == Latching::Anywhere || self.announced.is_some();
        if self.latched.is_some() || !may {
            return false;
        }
        self.latched = Some(from);
        self.announced.is_none_or(|remote| remote.rtp != from)
    }

    /// Where datagrams go; `None` while the peer is unknown.
    pub(super) fn peer(&self, channel: Channel, rtcp: RtcpMode) -> Option<Peer> {
        if channel == Channel::Rtp || rtcp == RtcpMode::Multiplexed {
            let announced = self.announced.map(|remote| Peer::Announced(remote.rtp));
            return self.latched.map(Peer::Latched).or(announced);
        }
        let Some(remote) = self.announced else {
            return self.latched.map(|rtp| Peer::Announced(Remote::at(rtp).rtcp));
        };
        // A peer behind a translator has its RTCP there as well, most likely one port higher.
        let moved = self.latched.filter(|rtp| rtp.ip() != remote.rtp.ip());
        Some(Peer::Announced(moved.map_or(remote.rtcp, |rtp| Remote::at(rtp).rtcp)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn strangers_are_kept_out_as_the_policy_says() {
        let remote = Some(Remote::at(address("10.0.0.1:4000")));
        let from = ["10.0.0.1:4000", "10.0.0.1:5000", "10.0.0.2:4000"].map(address);
        for (policy, expected) in [
            (Latching::Exact, [true, false, false]),
            (Latching::Address, [true, true, false]),
            (Latching::Anywhere, [true, true, true]),
        ] {
            let latch = Latch::new(policy, remote);
            assert_eq!(from.map(|from| latch.accepts(from)), expected, "{policy:?}");
        }
    }

    #[test]
    fn packets_follow_the_peer_once_and_others_stay_out() {
        let mut latch = Latch::new(Latching::Address, Some(Remote::at(address("10.0.0.1:4000"))));
        let peer = |latch: &Latch| latch.peer(Channel::Rtp, RtcpMode::Separate);
        assert_eq!(peer(&latch), Some(Peer::Announced(address("10.0.0.1:4000"))));
        assert!(latch.latch(address("10.0.0.1:5000")));
        assert!(!latch.latch(address("10.0.0.1:6000")) && !latch.accepts(address("10.0.0.1:6000")));
        assert_eq!(peer(&latch), Some(Peer::Latched(address("10.0.0.1:5000"))));
        latch.announce(Some(Remote::at(address("10.0.0.1:4000"))));
        assert!(!latch.accepts(address("10.0.0.1:6000")), "the same announcement keeps the latch");
        latch.announce(Some(Remote::at(address("10.0.0.9:4000"))));
        assert!(latch.accepts(address("10.0.0.9:1")) && !latch.accepts(address("10.0.0.1:5000")));
    }

    #[test]
    fn before_the_answer_packets_are_heard_but_not_followed() {
        let mut latch = Latch::new(Latching::Address, None);
        assert!(latch.accepts(address("10.0.0.1:4000")));
        assert!(!latch.latch(address("10.0.0.1:4000")));
        assert_eq!(latch.peer(Channel::Rtp, RtcpMode::Separate), None);
    }

    #[test]
    fn reports_go_to_their_own_port_or_to_that_of_media() {
        let mut latch = Latch::new(Latching::Anywhere, Some(Remote::at(address("10.0.0.1:4000"))));
        let peer = |latch: &Latch, mode| latch.peer(Channel::Rtcp, mode).unwrap().address();
        assert_eq!(peer(&latch, RtcpMode::Separate), address("10.0.0.1:4001"));
        assert_eq!(peer(&latch, RtcpMode::Multiplexed), address("10.0.0.1:4000"));
        latch.latch(address("10.9.9.9:7000"));
        assert_eq!(peer(&latch, RtcpMode::Separate), address("10.9.9.9:7001"));
        assert!(latch.accepts_report(address("10.9.9.9:1")) && !latch.accepts_report(address("1.1.1.1:1")));
    }
}
