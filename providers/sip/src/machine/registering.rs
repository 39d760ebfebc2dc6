// SPDX-License-Identifier: MIT OR Apache-2.0
//! Accounts: what registrations want, carried out.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use offhook_sipcore::agent::{Command, Flow, FlowId, RequestId as SipRequestId};
use offhook_sipcore::message::{Request, Response, Status, Tokens, name};
use offhook_spi::{LineKey, Moment, Service};

use super::{Alarm, Asked, LookupId, SipMachine};
use crate::account::{Act, Registration};
use crate::location::{Lookup, Target};

/// Where registrars were found, and how fast lines may turn to them.
#[derive(Debug, Default)]
pub(super) struct Registrars {
    ways: HashMap<LineKey, Way>,
    /// Whose connection is gone and has no successor yet.
    lost: BTreeSet<LineKey>,
    /// When the next line may begin.
    next: Moment,
}

#[derive(Debug)]
struct Way {
    target: Target,
    flow: Flow,
    /// Places to try when this one does not answer.
    others: VecDeque<Target>,
    /// The REGISTER that is under way; answers to others come too late.
    request: Option<SipRequestId>,
}

impl Registrars {
    /// The time at which one more line may begin, so that ten thousand do not begin at once.
    fn slot(&mut self, now: Moment, per_second: u32) -> Moment {
        let at = self.next.max(now);
        if let Some(step) = Duration::from_secs(1).checked_div(per_second) {
            self.next = at + step;
        }
        at
    }
}

impl SipMachine {
    /// Registers a line that wants it.
    pub(super) fn start_registration(&mut self, now: Moment, key: LineKey) {
        self.register(now, key, |registration, _| registration.start());
    }

    pub(super) fn stop_registration(&mut self, now: Moment, key: LineKey) {
        self.register(now, key, Registration::stop);
    }

    pub(super) fn refresh_registration(&mut self, now: Moment, key: LineKey) {
        self.register(now, key, |registration, tokens| registration.wake(now, tokens));
    }

    /// Looks for the registrar of a line, now or when it is its turn.
    fn locate_registrar(&mut self, now: Moment, key: LineKey) {
        let at = self.registrars.slot(now, self.config.limits.registrations_per_second);
        if at > now {
            self.set_alarm(at, Alarm::Locate(key));
        } else {
            self.look_for_registrar(now, key);
        }
    }

    pub(super) fn look_for_registrar(&mut self, now: Moment, key: LineKey) {
        let Some(line) = self.lines.get(key) else { return };
        let Some(registration) = &line.registration else { return };
        let next_hop = line.proxy.as_ref().unwrap_or_else(|| registration.registrar());
        let (lookup, step) = Lookup::start(next_hop, &self.transports());
        self.lookups.insert(LookupId::Line(key), (lookup, None));
        self.looked_up(now, LookupId::Line(key), step);
    }

    pub(super) fn registrar_located(&mut self, now: Moment, key: LineKey, targets: Vec<Target>) {
        let mut others = VecDeque::from(targets);
        let found = self.next_flow(&mut others);
        let contact = found.as_ref().and_then(|(_, flow)| self.contact_of(key, flow));
        if let Some((target, flow)) = found {
            self.registrars.ways.insert(key, Way { target, flow, others, request: None });
        }
        self.register(now, key, |registration, tokens| registration.located(now, contact, tokens));
    }

    /// The first target that one of our sockets leads to.
    fn next_flow(&mut self, targets: &mut VecDeque<Target>) -> Option<(Target, Flow)> {
        while let Some(target) = targets.pop_front() {
            if let Some(flow) = self.flow(&target) {
                return Some((target, flow));
            }
        }
        None
    }

    /// Where calls of a line reach us that come from the far end of a flow.
    pub(super) fn contact_of(&self, key: LineKey, flow: &Flow) -> Option<offhook_sipcore::message::Uri> {
        let line = self.lines.get(key)?;
        let public = line.registration.as_ref()?.public();
        let public = public.filter(|public| public.is_ipv4() == flow.local.is_ipv4());
        Some(self.contact(&line.user, flow, public))
    }

    /// A request of ours outside calls has ended.
    pub(super) fn register_done(
        &mut self,
        now: Moment,
        key: LineKey,
        id: SipRequestId,
        response: Option<&Response>,
    ) {
        let Some(way) = self.registrars.ways.get_mut(&key).filter(|way| way.request == Some(id)) else {
            return;
        };
        way.request = None;
        // RFC 3263 section 4.3: no answer, no transport, or a 503.
        let is_away = response.is_none_or(|response| response.status == Status::SERVICE_UNAVAILABLE);
        if is_away {
            let mut others = std::mem::take(&mut way.others);
            let found = self.next_flow(&mut others);
            if let Some((target, flow)) = found
                && let Some(contact) = self.contact_of(key, &flow)
            {
                self.registrars.ways.insert(key, Way { target, flow, others, request: None });
                return self
                    .register(now, key, |registration, tokens| registration.elsewhere(contact, tokens));
            }
        }
        self.register(now, key, |registration, tokens| registration.done(now, response, tokens));
    }

    /// A connection is gone: the accounts that calls would have come to by it register again.
    pub(super) fn registrars_lost(&mut self, now: Moment, flow: FlowId) {
        let ways = self.registrars.ways.iter();
        let mut lost: Vec<LineKey> =
            ways.filter(|(_, way)| way.flow.id == flow).map(|(key, _)| *key).collect();
        lost.sort_unstable();
        for key in lost {
            self.registrars.lost.insert(key);
            self.register(now, key, |registration, tokens| registration.flow_lost(now, tokens));
        }
    }

    /// Whether an account still says good-bye.
    pub(super) fn is_leaving(&self) -> bool {
        let ways = self.registrars.ways.keys();
        let mut registrations = ways.filter_map(|key| self.lines.get(*key)?.registration.as_ref());
        registrations.any(|registration| registration.is_leaving())
    }

    fn register(
        &mut self,
        now: Moment,
        key: LineKey,
        act: impl FnOnce(&mut Registration, &mut Tokens) -> Vec<Act>,
    ) {
        let Some(registration) = self.lines.get_mut(key).and_then(|line| line.registration.as_mut()) else {
            return;
        };
        let before = registration.alarm();
        let acts = act(registration, &mut self.tokens);
        if let Some(at) = registration.alarm().filter(|at| before != Some(*at)) {
            self.set_alarm(at, Alarm::Register(key));
        }
        for act in acts {
            match act {
                Act::Locate => self.locate_registrar(now, key),
                Act::Service(service) => {
                    let is_in = service == Service::In;
                    self.service(key, service);
                    if is_in {
                        self.watch_again(now, key);
                    }
                }
                Act::Send(request) => self.send_register(now, key, *request),
            }
        }
        self.keep_alive(now, key);
    }

    /// The account is registered. What others tell it went by the old connection, if that was lost: they shall
    /// know the new one at once, and tell what was missed.
    fn watch_again(&mut self, now: Moment, key: LineKey) {
        self.start_watching(now, key);
        if self.registrars.lost.remove(&key) {
            self.renew_watching(now, key);
        }
    }

    /// Whether the connection of an account is gone and has no successor yet.
    pub(super) fn is_lost(&self, key: LineKey) -> bool {
        self.registrars.lost.contains(&key)
    }

    /// The way to the registrar of a line.
    pub(super) fn registrar_flow(&self, key: LineKey) -> Option<Flow> {
        self.registrars.ways.get(&key).map(|way| way.flow)
    }

    /// The same; a connection may have been lost since, and its successor has another number.
    pub(super) fn account_flow(&mut self, key: LineKey) -> Option<Flow> {
        let (target, before) = self.registrars.ways.get(&key).map(|way| (way.target.clone(), way.flow))?;
        Some(self.flow(&target).unwrap_or(before))
    }

    /// Sends a request outside dialogs by way of the line's proxy, where it has one.
    pub(super) fn route_to_proxy(&self, key: LineKey, request: &mut Request) {
        if let Some(proxy) = self.lines.get(key).and_then(|line| line.proxy.as_ref()) {
            let loose =
                if proxy.param("lr").is_some() { proxy.clone() } else { proxy.with_param("lr", None) };
            request.headers.push(name::ROUTE, format!("<{loose}>"));
        }
    }

    fn send_register(&mut self, now: Moment, key: LineKey, mut request: Request) {
        self.route_to_proxy(key, &mut request);
        let Some(flow) = self.account_flow(key) else { return };
        let id = self.sip_request(Asked::Register(key));
        if let Some(way) = self.registrars.ways.get_mut(&key) {
            way.flow = flow;
            way.request = Some(id);
        }
        self.agent(now, Command::Request { id, request, flow });
    }

    fn service(&mut self, key: LineKey, service: Service) {
        let Some(line) = self.lines.get_mut(key) else { return };
        if line.service != service {
            line.service = service;
            self.tell_status(key);
        }
    }
}

#[cfg(test)]
mod tests;
