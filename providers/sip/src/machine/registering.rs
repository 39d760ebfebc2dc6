// SPDX-License-Identifier: MIT OR Apache-2.0
//! Accounts: what registrations want, carried out.

use offhook_sipcore::agent::{Command, RequestId as SipRequestId};
use offhook_sipcore::message::{Response, Tokens, name};
use offhook_spi::{LineKey, LineStatus, Moment, Service, TspEvent};

use super::{Alarm, Asked, LookupId, SipMachine};
use crate::account::{Act, Registration};
use crate::location::{Lookup, Target};

impl SipMachine {
    /// Registers a line that wants it, once the way to its registrar is known.
    pub(super) fn start_registration(&mut self, now: Moment, key: LineKey) {
        let Some(line) = self.lines.get(key) else { return };
        let Some(registration) = &line.registration else { return };
        let next_hop = line.proxy.as_ref().unwrap_or_else(|| registration.registrar());
        let (lookup, step) = Lookup::start(next_hop, &self.transports());
        self.lookups.insert(LookupId::Line(key), (lookup, None));
        self.looked_up(now, LookupId::Line(key), step);
    }

    pub(super) fn registrar_located(&mut self, now: Moment, key: LineKey, targets: &[Target]) {
        let flow = targets.first().and_then(|target| self.flow(*target));
        let user = self.lines.get(key).map(|line| line.user.clone()).unwrap_or_default();
        if let Some(target) = targets.first() {
            self.registrars.insert(key, *target);
        }
        let Some(flow) = flow else {
            let reason = "the registrar's host name leads nowhere; check domain and registrar".to_owned();
            return self.service(key, Service::Out { reason });
        };
        let contact = self.contact(&user, &flow, None);
        self.register(now, key, |registration, tokens| registration.start(contact, tokens));
    }

    pub(super) fn stop_registration(&mut self, now: Moment, key: LineKey) {
        self.register(now, key, Registration::stop);
    }

    pub(super) fn refresh_registration(&mut self, now: Moment, key: LineKey) {
        self.register(now, key, |registration, tokens| registration.wake(now, tokens));
    }

    pub(super) fn request_done(&mut self, now: Moment, id: SipRequestId, response: Option<&Response>) {
        let Some(Asked::Register(key)) = self.requests.remove(&id) else { return };
        self.register(now, key, |registration, tokens| registration.done(now, response, tokens));
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
                Act::Service(service) => self.service(key, service),
                Act::Send(request) => self.send_register(now, key, *request),
            }
        }
    }

    fn send_register(&mut self, now: Moment, key: LineKey, mut request: offhook_sipcore::message::Request) {
        let Some(line) = self.lines.get(key) else { return };
        if let Some(proxy) = &line.proxy {
            let loose =
                if proxy.param("lr").is_some() { proxy.clone() } else { proxy.with_param("lr", None) };
            request.headers.push(name::ROUTE, format!("<{loose}>"));
        }
        let target = self.registrars.get(&key).copied();
        let Some(flow) = target.and_then(|target| self.flow(target)) else {
            let done =
                |registration: &mut Registration, tokens: &mut Tokens| registration.done(now, None, tokens);
            return self.register(now, key, done);
        };
        self.serial += 1;
        let id = SipRequestId(self.serial);
        self.requests.insert(id, Asked::Register(key));
        self.agent(now, Command::Request { id, request, flow });
    }

    fn service(&mut self, key: LineKey, service: Service) {
        let Some(line) = self.lines.get_mut(key) else { return };
        if line.service != service {
            line.service = service.clone();
            self.tell(TspEvent::Line { line: key, status: LineStatus { service, ..LineStatus::default() } });
        }
    }
}
