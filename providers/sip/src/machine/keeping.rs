// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keep-alives to registrars: address translators and firewalls on the way forget us otherwise over UDP, and a
//! registrar that has given a time (RFC 5626 section 5.4) does by connections too.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use offhook_sipcore::agent::{Flow, FlowId};
use offhook_sipcore::bytes::Bytes;
use offhook_spi::{LineKey, Moment};

use super::{Alarm, SipMachine, ToDo};
use crate::account::Registration;
use crate::config::LineConfig;

/// Every 24 to 29 seconds, as RFC 5626 section 4.4.2 says for UDP.
const USUAL: u32 = 29;
/// What is sent; whoever does not know it takes it for empty lines before a message (RFC 3261 section 7.5).
const PING: &[u8] = b"\r\n\r\n";

/// One way that is kept open, for all the lines that use it.
#[derive(Debug)]
struct Kept {
    flow: Flow,
    lines: BTreeSet<(u32, LineKey)>,
}

/// Ways that are kept open, by socket and far end.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    ways: HashMap<(FlowId, SocketAddr), Kept>,
    of_line: HashMap<LineKey, (u32, Flow)>,
}

/// The seconds between two keep-alives at most. Quiet connections are looked after by their own tasks.
fn pause(config: &LineConfig, flow: &Flow, timer: Option<u32>) -> Option<u32> {
    if flow.transport.is_stream() {
        return timer;
    }
    let every = config.keep_alive.unwrap_or(USUAL);
    (every > 0).then(|| timer.map_or(every, |timer| timer.min(every)))
}

impl SipMachine {
    /// Keeps the way of a line to its registrar open as long as the line is registered.
    pub(super) fn keep_alive(&mut self, now: Moment, key: LineKey) {
        let Some(line) = self.lines.get(key) else { return };
        let registration = line.registration.as_deref().filter(|registration| registration.is_on());
        let flow = registration.and_then(|_| self.registrar_flow(key)).filter(|_| !self.is_lost(key));
        let timer = registration.and_then(Registration::flow_timer);
        let wanted = flow.and_then(|flow| Some((pause(&line.config, &flow, timer)?, flow)));
        let had = self.keeping.of_line.get(&key).copied();
        if had == wanted {
            return;
        }
        if let Some((every, flow)) = had {
            self.keeping.of_line.remove(&key);
            if let Some(kept) = self.keeping.ways.get_mut(&(flow.id, flow.remote)) {
                kept.lines.remove(&(every, key));
            }
        }
        if let Some((every, flow)) = wanted {
            self.keeping.of_line.insert(key, (every, flow));
            let way = (flow.id, flow.remote);
            let is_new = !self.keeping.ways.contains_key(&way);
            let kept = self.keeping.ways.entry(way).or_insert_with(|| Kept { flow, lines: BTreeSet::new() });
            kept.lines.insert((every, key));
            if is_new {
                self.set_keep_alive(now, every, flow.id, flow.remote);
            }
        }
    }

    /// Sends a keep-alive, if any line still wants it, and sets the time of the next.
    pub(super) fn send_keep_alive(&mut self, now: Moment, id: FlowId, remote: SocketAddr) {
        let Some(kept) = self.keeping.ways.get(&(id, remote)) else { return };
        let Some((every, _)) = kept.lines.first().copied() else {
            self.keeping.ways.remove(&(id, remote));
            return;
        };
        self.out.push_back(ToDo::Transmit { flow: kept.flow, bytes: Bytes::from_static(PING) });
        self.set_keep_alive(now, every, id, remote);
    }

    fn set_keep_alive(&mut self, now: Moment, every: u32, id: FlowId, remote: SocketAddr) {
        // 80 to 100 percent of it.
        let share = f32::from(u16::from_le_bytes(self.tokens.bytes())) / f32::from(u16::MAX);
        let pause = Duration::from_secs(u64::from(every)).mul_f32(0.8 + share / 5.0);
        self.set_alarm(now + pause, Alarm::KeepAlive(id, remote));
    }
}
