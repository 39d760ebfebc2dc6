// SPDX-License-Identifier: MIT OR Apache-2.0
//! What accounts watch: messages of their own (RFC 3842), calls (RFC 4235) and presence (RFC 3856) of others.
//!
//! Subscriptions begin when the account is registered, go the way that it is registered by, and end before it
//! leaves. What is known is part of the line's status.

use std::collections::HashMap;
use std::ops::Range;

use offhook_sipcore::agent::{Command, Flow, RequestId as SipRequestId};
use offhook_sipcore::body::{DialogInfo, MessageSummary, Presence};
use offhook_sipcore::bytes::Bytes;
use offhook_sipcore::message::{EventType, Request, Response, Status, Tokens, Uri};
use offhook_sipcore::subscription::{Act, Setup, Subscription};
use offhook_spi::{LineKey, Moment, TspEvent, WatchedState};

use super::{Alarm, Asked, SipMachine};
use crate::account::credentials;
use crate::config::{ConfigError, LineKind};
use crate::lamp::{Lamp, Taken, of_presence};
use crate::line::{Line, Lines};

/// How long a subscription shall last, in seconds, as the packages propose.
const EXPIRES: u32 = 3_600;
/// What one line may watch.
const MOST: usize = 256;

/// All subscriptions, by line and by dialog.
#[derive(Debug, Default)]
pub(super) struct Watching {
    watches: Vec<Watch>,
    of_line: HashMap<LineKey, Range<usize>>,
    by_call: HashMap<String, usize>,
}

#[derive(Debug)]
struct Watch {
    line: LineKey,
    what: What,
    subscription: Subscription,
    /// What is under way; answers to others come too late.
    request: Option<SipRequestId>,
    /// The key in the table of dialogs.
    call_id: String,
    alarm: Option<(Moment, u64)>,
}

/// What a subscription is for. Numbers are places in the line's list of watched addresses.
#[derive(Debug)]
enum What {
    Calls(usize, Lamp),
    Messages,
    Presence(usize),
}

impl Watching {
    pub(super) fn new(lines: &Lines) -> Result<Self, ConfigError> {
        let mut watching = Self::default();
        for (key, line) in lines.iter() {
            let begin = watching.watches.len();
            watching.watches.extend(watches(key, line)?);
            let end = watching.watches.len();
            if end > begin {
                watching.of_line.insert(key, begin..end);
            }
        }
        Ok(watching)
    }

    fn of(&self, key: LineKey) -> Range<usize> {
        self.of_line.get(&key).cloned().unwrap_or_default()
    }
}

/// The subscriptions that a line is configured for.
fn watches(key: LineKey, line: &Line) -> Result<Vec<Watch>, ConfigError> {
    let config = &line.config;
    let count = config.watch.len() + config.watch_presence.len();
    if count == 0 && !config.mwi {
        return Ok(Vec::new());
    }
    let wrong = |what: String| Err(ConfigError(format!("line '{}' {what}", config.name)));
    if config.kind != LineKind::Account {
        return wrong(String::from("is no account and can watch nothing; remove mwi and watch"));
    }
    if count > MOST {
        return wrong(format!("watches {count} addresses; expected at most {MOST}"));
    }
    let own = line.address("", None);
    let new = |what, resource, package, accept: &str| Watch {
        line: key,
        what,
        subscription: Subscription::new(Setup {
            resource,
            from: own.clone(),
            event: EventType::new(package),
            accept: vec![accept.to_owned()],
            expires: EXPIRES,
            credentials: credentials(config),
        }),
        request: None,
        call_id: String::new(),
        alarm: None,
    };
    let mut watches = Vec::new();
    if config.mwi {
        watches.push(new(What::Messages, own.clone(), "message-summary", MessageSummary::KIND));
    }
    for (place, text) in config.watch.iter().chain(&config.watch_presence).enumerate() {
        let resource = resource(&own, text).ok_or_else(|| {
            ConfigError(format!("'{text}', which line '{}' watches, is no SIP URI", config.name))
        })?;
        watches.push(if place < config.watch.len() {
            new(What::Calls(place, Lamp::default()), resource, "dialog", DialogInfo::KIND)
        } else {
            new(What::Presence(place), resource, "presence", Presence::KIND)
        });
    }
    Ok(watches)
}

/// A SIP URI as written, or a user of the line's own domain.
fn resource(own: &Uri, text: &str) -> Option<Uri> {
    if text.contains(':') {
        return text.parse().ok().filter(Uri::is_sip);
    }
    (!text.is_empty()).then(|| Uri::sip(Some(text), own.host(), own.port()))
}

impl SipMachine {
    /// The account is registered, perhaps with another address than before.
    pub(super) fn start_watching(&mut self, now: Moment, key: LineKey) {
        let contact = self.registrar_flow(key).and_then(|flow| self.contact_of(key, &flow));
        let Some(contact) = contact.map(|contact| self.in_dialogs(key, contact)) else { return };
        for place in self.watching.of(key) {
            self.watch(now, place, |subscription, tokens| subscription.start(contact.clone(), tokens));
        }
    }

    /// What was told meanwhile may be lost: the whole state is asked for.
    pub(super) fn renew_watching(&mut self, now: Moment, key: LineKey) {
        for place in self.watching.of(key) {
            self.watch(now, place, Subscription::renew);
        }
    }

    pub(super) fn stop_watching(&mut self, now: Moment, key: LineKey) {
        for place in self.watching.of(key) {
            self.watch(now, place, |subscription, tokens| subscription.stop(now, tokens));
            self.show(place, None);
        }
    }

    pub(super) fn wake_watch(&mut self, now: Moment, place: usize) {
        if let Some(watch) = self.watching.watches.get_mut(place) {
            watch.alarm = None;
        }
        self.watch(now, place, |subscription, tokens| subscription.wake(now, tokens));
    }

    /// Whether somebody still has to hear that nothing more is wanted.
    pub(super) fn is_still_watching(&self) -> bool {
        self.watching.watches.iter().any(|watch| watch.subscription.is_leaving())
    }

    /// What came of a SUBSCRIBE.
    pub(super) fn subscribed(
        &mut self,
        now: Moment,
        place: usize,
        id: SipRequestId,
        response: Option<&Response>,
    ) {
        let Some(watch) = self.watching.watches.get_mut(place).filter(|it| it.request == Some(id)) else {
            return;
        };
        watch.request = None;
        self.watch(now, place, |subscription, tokens| subscription.done(now, response, tokens));
    }

    /// A NOTIFY that belongs to no call.
    pub(super) fn heard(&mut self, now: Moment, notify: &Request, flow: &Flow) -> Status {
        let call_id = notify.headers.call_id().unwrap_or_default();
        let Some(place) = self.watching.by_call.get(call_id).copied() else {
            return self.heard_unasked(notify, flow);
        };
        let Some(watch) = self.watching.watches.get_mut(place) else {
            return Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        };
        let (status, acts) = watch.subscription.notified(now, notify, &mut self.tokens);
        if self.carry_out(now, place, acts) { status } else { Status::BAD_REQUEST }
    }

    /// Registrars may tell about messages without being asked; nobody else may.
    fn heard_unasked(&mut self, notify: &Request, flow: &Flow) -> Status {
        let gone = Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let is_tagged = notify.headers.to().is_ok_and(|to| to.tag().is_some());
        let is_ours = notify.headers.event().is_ok_and(|event| event == EventType::new("message-summary"));
        let source = flow.remote.ip();
        let key = self.lines.find(notify, source);
        let registrar = key.and_then(|key| self.registrar_flow(key));
        let (Some(key), Some(registrar)) = (key, registrar) else { return gone };
        if is_tagged || !is_ours || registrar.remote.ip() != source {
            return gone;
        }
        match MessageSummary::parse(&notify.body) {
            Ok(summary) => {
                self.show_messages(key, Some(summary.waiting));
                Status::OK
            }
            Err(_) => Status::BAD_REQUEST,
        }
    }

    fn watch(
        &mut self,
        now: Moment,
        place: usize,
        act: impl FnOnce(&mut Subscription, &mut Tokens) -> Vec<Act>,
    ) {
        if let Some(watch) = self.watching.watches.get_mut(place) {
            let acts = act(&mut watch.subscription, &mut self.tokens);
            self.carry_out(now, place, acts);
        }
    }

    /// Does what a subscription wants; false when it was told what cannot be read.
    fn carry_out(&mut self, now: Moment, place: usize, acts: Vec<Act>) -> bool {
        let mut is_read = true;
        for act in acts {
            match act {
                Act::Lost { .. } => self.show(place, None),
                Act::Send(request) => self.send_subscribe(now, place, *request),
                Act::Told { body, .. } => is_read &= self.told(now, place, &body),
                _ => {}
            }
        }
        self.set_watch_alarm(place);
        is_read
    }

    /// One alarm for each subscription, however often it changes its mind.
    fn set_watch_alarm(&mut self, place: usize) {
        let Some(watch) = self.watching.watches.get_mut(place) else { return };
        let (had, wanted) = (watch.alarm, watch.subscription.alarm());
        if had.map(|(at, _)| at) == wanted {
            return;
        }
        if let Some(had) = watch.alarm.take() {
            self.alarms.remove(&had);
        }
        let alarm = wanted.map(|at| self.set_alarm(at, Alarm::Watch(place)));
        if let Some(watch) = self.watching.watches.get_mut(place) {
            watch.alarm = alarm;
        }
    }

    fn send_subscribe(&mut self, now: Moment, place: usize, mut request: Request) {
        let Some(line) = self.watching.watches.get(place).map(|watch| watch.line) else { return };
        let Some(before) = self.account_flow(line) else { return };
        if request.headers.to().is_ok_and(|to| to.tag().is_none()) {
            self.route_to_proxy(line, &mut request);
        }
        let id = self.sip_request(Asked::Watch(place));
        let Some(watch) = self.watching.watches.get_mut(place) else { return };
        watch.request = Some(id);
        let flow = watch.subscription.flow(before);
        if watch.call_id != watch.subscription.call_id() {
            self.watching.by_call.remove(&watch.call_id);
            watch.subscription.call_id().clone_into(&mut watch.call_id);
            self.watching.by_call.insert(watch.call_id.clone(), place);
            if let What::Calls(_, lamp) = &mut watch.what {
                // Another dialog counts its documents from the beginning.
                *lamp = Lamp::default();
            }
        }
        self.agent(now, Command::Request { id, request, flow });
    }

    /// A subscription tells how things are; false when it cannot be read.
    fn told(&mut self, now: Moment, place: usize, body: &Bytes) -> bool {
        let Some(watch) = self.watching.watches.get_mut(place) else { return false };
        let line = watch.line;
        match &mut watch.what {
            What::Messages => {
                let summary = MessageSummary::parse(body);
                if let Ok(summary) = summary {
                    self.show_messages(line, Some(summary.waiting));
                }
                summary.is_ok()
            }
            What::Presence(_) => {
                let presence = Presence::parse(body);
                if let Ok(presence) = presence {
                    self.show(place, Some(of_presence(presence)));
                }
                presence.is_ok()
            }
            What::Calls(_, lamp) => {
                let Ok(info) = DialogInfo::parse(body) else { return false };
                let taken = lamp.take(info);
                let state = lamp.state();
                self.show(place, Some(state));
                if taken == Taken::Missed {
                    self.watch(now, place, Subscription::renew);
                }
                true
            }
        }
    }

    /// What is known of the state that a subscription is about.
    fn show(&mut self, place: usize, state: Option<WatchedState>) {
        let Some(watch) = self.watching.watches.get(place) else { return };
        let key = watch.line;
        let number = match &watch.what {
            What::Messages => return self.show_messages(key, None),
            What::Calls(number, _) | What::Presence(number) => *number,
        };
        let watched = self.lines.get_mut(key).and_then(|line| line.watched.get_mut(number));
        let state = state.unwrap_or_default();
        if let Some(watched) = watched
            && watched.state != state
        {
            watched.state = state;
            self.tell_status(key);
        }
    }

    fn show_messages(&mut self, key: LineKey, waiting: Option<bool>) {
        if let Some(line) = self.lines.get_mut(key)
            && line.messages != waiting
        {
            line.messages = waiting;
            self.tell_status(key);
        }
    }

    /// Tells the core what a line is like now.
    pub(super) fn tell_status(&mut self, key: LineKey) {
        if let Some(status) = self.lines.get(key).map(Line::status) {
            self.tell(TspEvent::Line { line: key, status });
        }
    }
}

#[cfg(test)]
mod tests;
