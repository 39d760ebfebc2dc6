// SPDX-License-Identifier: MIT OR Apache-2.0
//! A network in memory: what is sent arrives when the weather says, the same every time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use offhook_spi::Moment;

use super::io::{Channel, Datagram, PacketIo, Peer, Received, Sent};
use crate::rtp::Random;

/// Datagrams that may wait at one address, like a socket's buffer.
const WAITING: usize = 256;

/// How the network treats datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Every datagram is under way for so long.
    pub delay: Duration,
    /// Each a random part of this longer.
    pub jitter: Duration,
    /// Share that never arrives.
    pub loss: f64,
    /// Share that arrives twice.
    pub duplication: f64,
    /// Share that is held back by 50 ms, behind those sent after it.
    pub reordering: f64,
}

/// The ports of one leg on a virtual network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VirtualPort {
    /// For media.
    pub rtp: SocketAddr,
    /// For reports.
    pub rtcp: SocketAddr,
}

/// The network, for one worker.
#[derive(Debug)]
pub struct VirtualNetwork {
    now: Moment,
    random: Random,
    weather: Weather,
    weather_to: HashMap<SocketAddr, Weather, BuildHasherDefault<AddressHasher>>,
    inboxes: HashMap<SocketAddr, BinaryHeap<Reverse<UnderWay>>, BuildHasherDefault<AddressHasher>>,
    serial: u64,
    spare: Vec<Vec<u8>>,
}

/// Mixes addresses quickly: a lookup for every packet is most of what a virtual network costs.
#[derive(Clone, Copy, Debug, Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for eight in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..eight.len()].copy_from_slice(eight);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
}

#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct UnderWay {
    at: Moment,
    serial: u64,
    from: SocketAddr,
    bytes: Vec<u8>,
}

impl VirtualNetwork {
    /// A network with the same weather everywhere.
    #[must_use]
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self {
            now: Moment::ZERO,
            random: Random::new(seed),
            weather,
            weather_to: HashMap::default(),
            inboxes: HashMap::default(),
            serial: 0,
            spare: Vec::new(),
        }
    }

    /// Opens the ports of a leg, RTCP one higher than `rtp`; what comes to closed ports is refused.
    pub fn open(&mut self, rtp: SocketAddr) -> VirtualPort {
        let rtcp = SocketAddr::new(rtp.ip(), rtp.port().wrapping_add(1));
        self.inboxes.entry(rtp).or_default();
        self.inboxes.entry(rtcp).or_default();
        VirtualPort { rtp, rtcp }
    }

    /// Changes the weather on all ways to one address.
    pub fn set_weather_to(&mut self, to: SocketAddr, weather: Weather) {
        self.weather_to.insert(to, weather);
    }

    /// Sends a datagram as a far end that is no leg.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Sent {
        let weather = self.weather_to.get(&to).copied().unwrap_or(self.weather);
        if !self.inboxes.contains_key(&to) {
            return Sent::Refused;
        }
        if self.random.chance(weather.loss) {
            return Sent::Done;
        }
        self.deliver(from, to, &weather, bytes);
        if self.random.chance(weather.duplication) {
            self.deliver(from, to, &weather, bytes);
        }
        Sent::Done
    }

    /// Takes the next datagram that has arrived at an address.
    pub fn take(&mut self, at: SocketAddr) -> Option<(SocketAddr, Vec<u8>)> {
        let now = self.now;
        let inbox = self.inboxes.get_mut(&at)?;
        inbox.peek().filter(|first| first.0.at <= now)?;
        inbox.pop().map(|Reverse(first)| (first.from, first.bytes))
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, weather: &Weather, bytes: &[u8]) {
        let mut under_way = weather.delay + weather.jitter.mul_f64(self.random.unit());
        if self.random.chance(weather.reordering) {
            under_way += Duration::from_millis(50);
        }
        let Some(inbox) = self.inboxes.get_mut(&to).filter(|inbox| inbox.len() < WAITING) else { return };
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(bytes);
        self.serial += 1;
        inbox.push(Reverse(UnderWay { at: self.now + under_way, serial: self.serial, from, bytes: copy }));
    }
}

impl PacketIo for VirtualNetwork {
    type Port = VirtualPort;

    fn begin(&mut self, now: Moment) {
        self.now = now;
    }

    fn receive(&mut self, port: &mut VirtualPort, channel: Channel, buffer: &mut [u8]) -> Received {
        let now = self.now;
        let Some(inbox) = self.inboxes.get_mut(&port.address(channel)) else { return Received::Nothing };
        if inbox.peek().is_none_or(|first| first.0.at > now) {
            return Received::Nothing;
        }
        let Some(Reverse(first)) = inbox.pop() else { return Received::Nothing };
        let len = first.bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&first.bytes[..len]);
        self.spare.push(first.bytes);
        Received::Datagram(Datagram { len, from: first.from, at: first.at })
    }

    fn send(&mut self, port: &mut VirtualPort, channel: Channel, to: Peer, datagram: &[u8]) -> Sent {
        self.inject(port.address(channel), to.address(), datagram)
    }
}

impl VirtualPort {
    const fn address(self, channel: Channel) -> SocketAddr {
        match channel {
            Channel::Rtcp => self.rtcp,
            Channel::Rtp => self.rtp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(weather: Weather, seed: u64) -> Vec<(u64, u8)> {
        let (from, to) = ("10.0.0.1:1000".parse().unwrap(), "10.0.0.2:2000".parse().unwrap());
        let mut network = VirtualNetwork::new(seed, weather);
        let mut port = network.open(to);
        let mut arrivals = Vec::new();
        for milli in 0..3_000_u64 {
            network.begin(Moment::from_millis(milli));
            if milli.is_multiple_of(20) && milli < 2_000 {
                network.inject(from, to, &[(milli / 20) as u8]);
            }
            let mut buffer = [0; 10];
            while let Received::Datagram(found) = network.receive(&mut port, Channel::Rtp, &mut buffer) {
                assert_eq!((found.len, found.from), (1, from));
                arrivals.push((milli, buffer[0]));
            }
        }
        arrivals
    }

    #[test]
    fn fair_weather_delays_and_keeps_order() {
        let found = arrivals(Weather { delay: Duration::from_millis(30), ..Weather::default() }, 1);
        let expected: Vec<_> = (0..100).map(|n| (u64::from(n) * 20 + 30, n)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn bad_weather_is_the_same_every_time() {
        let jitter = Duration::from_millis(60);
        let weather = Weather { jitter, loss: 0.2, duplication: 0.1, reordering: 0.1, ..Weather::default() };
        let found = arrivals(weather, 5);
        assert_eq!(found, arrivals(weather, 5));
        assert_ne!(found, arrivals(weather, 6));
        assert!((70..105).contains(&found.len()), "{}", found.len());
        assert!(found.windows(2).any(|pair| pair[0].1 > pair[1].1));
    }

    #[test]
    fn closed_ports_refuse() {
        let (from, to) = ("10.0.0.1:1000".parse().unwrap(), "10.0.0.2:2000".parse().unwrap());
        assert_eq!(VirtualNetwork::new(1, Weather::default()).inject(from, to, &[]), Sent::Refused);
    }
}
