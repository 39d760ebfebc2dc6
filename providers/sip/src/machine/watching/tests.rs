// SPDX-License-Identifier: MIT OR Apache-2.0
//! Watching in virtual time, against a registrar that the test plays.

use std::net::SocketAddr;
use std::time::Duration;

use offhook_sipcore::agent::{FlowId, Transport};
use offhook_sipcore::message::{Limits, Message, Method, name};
use offhook_spi::{LineStatus, Machine, RequestId, TspCommand};

use super::*;
use crate::config::{LineConfig, SipConfig};
use crate::machine::{Input, Socket, ToDo};

struct World {
    machine: SipMachine,
    now: Moment,
    /// Every request that went out, first sendings only.
    sent: Vec<(Flow, Request)>,
    answers: Vec<Response>,
    statuses: Vec<LineStatus>,
    number: u32,
}

fn account() -> LineConfig {
    LineConfig { keep_alive: Some(0), ..LineConfig::account("me", "192.0.2.50", "x") }
}

impl World {
    /// Registered, with the answer to each first SUBSCRIBE still to be given.
    fn new(line: LineConfig) -> Self {
        let local: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let config = SipConfig::default().with_line(line);
        let socket = Socket { id: FlowId(0), transport: Transport::Udp, local };
        let machine = SipMachine::new(config, vec![socket], [7; 32]).unwrap();
        let (sent, answers, statuses) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = Self { machine, now: Moment::ZERO, sent, answers, statuses, number: 0 };
        let open = TspCommand::Open { request: RequestId(1), line: LineKey(1) };
        world.command(open);
        world.answer(0, Status::OK, &[(name::EXPIRES, "7200")]);
        world
    }

    fn command(&mut self, command: TspCommand) {
        self.machine.handle(self.now, Input::Command(command));
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(todo) = self.machine.poll() {
            match todo {
                ToDo::Tell(TspEvent::Line { status, .. }) => self.statuses.push(status),
                ToDo::Transmit { flow, bytes } => match Message::parse(&bytes, &Limits::default()) {
                    Ok(Message::Request(request)) => self.note(flow, request),
                    Ok(Message::Response(response)) => self.answers.push(response),
                    Err(_) => {}
                },
                _ => {}
            }
        }
    }

    fn note(&mut self, flow: Flow, request: Request) {
        let via = request.headers.get(name::VIA);
        if !self.sent.iter().any(|(_, sent)| sent.headers.get(name::VIA) == via) {
            self.sent.push((flow, request));
        }
    }

    fn receive(&mut self, flow: Flow, message: Message) {
        self.machine.handle(self.now, Input::Receive { flow, message });
        self.carry_out();
    }

    /// Answers the request that went out at that place in the row.
    fn answer(&mut self, place: usize, status: Status, headers: &[(&'static str, &str)]) {
        let (flow, request) = self.sent[place].clone();
        let mut response = request.response(status);
        response.headers.set_to_tag("theirs");
        for (name, value) in headers {
            response.headers.push(name, *value);
        }
        self.receive(flow, Message::Response(response));
    }

    /// A NOTIFY in the dialog of a SUBSCRIBE; gives the status of the answer.
    fn notify(&mut self, place: usize, kind: &str, body: &str) -> u16 {
        let (flow, subscribe) = self.sent[place].clone();
        let from = subscribe.headers.get(name::FROM).unwrap().to_owned();
        let mut notify = self.bare_notify(&from, subscribe.headers.get(name::EVENT).unwrap(), kind, body);
        notify.headers.set(name::CALL_ID, subscribe.headers.get(name::CALL_ID).unwrap());
        self.hear(flow, notify)
    }

    fn bare_notify(&mut self, to: &str, event: &str, kind: &str, body: &str) -> Request {
        self.number += 1;
        let mut notify = Request::new(Method::NOTIFY, "sip:me@192.0.2.1".parse().unwrap());
        let branch = format!("SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKn{}", self.number);
        for (name, value) in [
            (name::VIA, branch.as_str()),
            (name::FROM, "<sip:me@192.0.2.50>;tag=theirs"),
            (name::TO, to),
            (name::CALL_ID, "unasked"),
            (name::CSEQ, format!("{} NOTIFY", self.number).as_str()),
            (name::CONTACT, "<sip:192.0.2.50>"),
            (name::EVENT, event),
            (name::SUBSCRIPTION_STATE, "active;expires=3600"),
            (name::CONTENT_TYPE, kind),
        ] {
            notify.headers.push(name, value);
        }
        notify.body = body.to_owned().into();
        notify
    }

    fn hear(&mut self, flow: Flow, notify: Request) -> u16 {
        let before = self.answers.len();
        self.receive(flow, Message::Request(notify));
        assert_eq!(self.answers.len(), before + 1);
        self.answers[before].status.code()
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now);
            self.carry_out();
        }
        self.now = end;
    }

    fn status(&self) -> &LineStatus {
        self.statuses.last().unwrap()
    }

    fn lamps(&self) -> Vec<WatchedState> {
        self.status().watched.iter().map(|watched| watched.state).collect()
    }

    fn subscribes(&self) -> Vec<&Request> {
        self.sent.iter().map(|(_, request)| request).filter(|it| it.method == Method::SUBSCRIBE).collect()
    }
}

fn dialogs(version: u32, state: &str) -> String {
    format!(
        "<dialog-info version='{version}' state='partial' entity='sip:101@192.0.2.50'>\
         <dialog id='a' direction='recipient'><state>{state}</state></dialog></dialog-info>"
    )
}

#[test]
fn messages_that_wait_are_known_after_the_registration() {
    let mut world = World::new(LineConfig { mwi: true, ..account() });
    let subscribe = world.sent[1].1.clone();
    assert_eq!(subscribe.method, Method::SUBSCRIBE);
    assert_eq!(subscribe.uri.as_str(), "sip:me@192.0.2.50");
    assert_eq!(world.sent[1].0, world.sent[0].0, "it goes the way of the REGISTER");
    world.answer(1, Status::OK, &[(name::EXPIRES, "3600")]);
    assert_eq!(world.status().message_waiting, None);
    assert_eq!(world.notify(1, MessageSummary::KIND, "Messages-Waiting: yes\r\n"), 200);
    assert_eq!(world.status().message_waiting, Some(true));
    assert_eq!(world.notify(1, MessageSummary::KIND, "Messages-Waiting: no\r\n"), 200);
    assert_eq!(world.status().message_waiting, Some(false));
    assert_eq!(world.notify(1, MessageSummary::KIND, "hello"), 400);
}

#[test]
fn a_challenged_subscription_brings_the_password_of_the_account() {
    let mut world = World::new(LineConfig { mwi: true, ..account() });
    let challenge = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
    world.answer(1, Status::UNAUTHORIZED, &[(name::WWW_AUTHENTICATE, challenge)]);
    let again = &world.sent[2].1;
    assert!(again.headers.get(name::AUTHORIZATION).unwrap().contains("username=\"me\""));
}

#[test]
fn messages_may_be_told_without_being_asked_by_the_registrar_only() {
    let mut world = World::new(account());
    let mut tell = |host: &str, event: &str, body: &str| {
        let (flow, _) = world.sent[0].clone();
        let notify = world.bare_notify("<sip:me@192.0.2.50>", event, MessageSummary::KIND, body);
        let flow = Flow { remote: host.parse().unwrap(), ..flow };
        world.hear(flow, notify)
    };
    let yes = "Messages-Waiting: yes\r\n";
    assert_eq!(tell("192.0.2.66:5060", "message-summary", yes), 481);
    assert_eq!(tell("192.0.2.50:5060", "dialog", yes), 481);
    assert_eq!(tell("192.0.2.50:5060", "message-summary", "?"), 400);
    assert_eq!(tell("192.0.2.50:5060", "message-summary", yes), 200);
    assert_eq!(world.status().message_waiting, Some(true));
}

#[test]
fn lamps_follow_calls_and_presence_of_others() {
    let watch = vec!["101".to_owned(), "sip:102@example.org".to_owned()];
    let mut world = World::new(LineConfig { watch, watch_presence: vec!["103".to_owned()], ..account() });
    let resources: Vec<_> = world.subscribes().iter().map(|it| it.uri.as_str().to_owned()).collect();
    assert_eq!(resources, ["sip:101@192.0.2.50", "sip:102@example.org", "sip:103@192.0.2.50"]);
    (1..=3).for_each(|place| world.answer(place, Status::OK, &[]));
    let full = "<dialog-info version='0' state='full'/>";
    assert_eq!(world.notify(1, DialogInfo::KIND, full), 200);
    assert_eq!(world.lamps(), [WatchedState::Idle, WatchedState::Unknown, WatchedState::Unknown]);
    for (version, state, lamp) in [
        (1, "early", WatchedState::Alerting),
        (2, "confirmed", WatchedState::Busy),
        (3, "terminated", WatchedState::Idle),
    ] {
        assert_eq!(world.notify(1, DialogInfo::KIND, &dialogs(version, state)), 200);
        assert_eq!(world.lamps()[0], lamp);
    }
    let open = "<presence><tuple><status><basic>open</basic></status></tuple></presence>";
    assert_eq!(world.notify(3, Presence::KIND, open), 200);
    assert_eq!(world.lamps(), [WatchedState::Idle, WatchedState::Unknown, WatchedState::Idle]);
}

#[test]
fn a_missed_document_is_made_up_for_with_the_whole_state() {
    let mut world = World::new(LineConfig { watch: vec!["101".to_owned()], ..account() });
    world.answer(1, Status::OK, &[]);
    assert_eq!(world.notify(1, DialogInfo::KIND, "<dialog-info version='0' state='full'/>"), 200);
    assert_eq!(world.notify(1, DialogInfo::KIND, &dialogs(5, "early")), 200);
    assert_eq!(world.subscribes().len(), 2, "{:?}", world.subscribes());
}

#[test]
fn what_is_lost_is_unknown_and_asked_for_again() {
    let mut world = World::new(LineConfig { watch: vec!["101".to_owned()], mwi: true, ..account() });
    world.answer(1, Status::OK, &[]);
    world.answer(2, Status::SERVICE_UNAVAILABLE, &[]);
    assert_eq!(world.notify(1, MessageSummary::KIND, "Messages-Waiting: yes\r\n"), 200);
    world.run(Duration::from_secs(6));
    assert_eq!(world.subscribes().len(), 3);
    // Nobody answers the refresh after three quarters of the hour.
    world.run(Duration::from_secs(2_700 + 33));
    assert_eq!(world.status().message_waiting, None);
}

#[test]
fn after_a_lost_connection_everything_is_asked_for_by_the_new_one() {
    let registrar = Some("192.0.2.50;transport=tcp".to_owned());
    let line = LineConfig { watch: vec!["101".to_owned()], mwi: true, registrar, ..account() };
    let mut world = World::new(line);
    for place in [1, 2] {
        world.answer(place, Status::OK, &[]);
        assert!(!world.sent[place].1.headers.get(name::CONTACT).unwrap().contains(";ob"));
    }
    assert_eq!(world.notify(1, MessageSummary::KIND, "Messages-Waiting: yes\r\n"), 200);
    assert_eq!(world.notify(2, DialogInfo::KIND, "<dialog-info version='0' state='full'/>"), 200);
    let lost = world.sent[0].0.id;
    world.machine.handle(world.now, Input::FlowClosed { flow: lost });
    world.run(Duration::from_secs(4));
    assert_eq!((world.sent.len(), &world.sent[3].1.method), (4, &Method::REGISTER));
    world.answer(3, Status::OK, &[(name::EXPIRES, "7200"), (name::REQUIRE, "outbound")]);
    let renewed = &world.sent[4..];
    assert_eq!(renewed.len(), 2, "{renewed:?}");
    for (flow, request) in renewed {
        assert_eq!((&request.method, flow.id), (&Method::SUBSCRIBE, world.sent[3].0.id));
        // The registrar sends by the connection from now on, in these dialogs too (RFC 5626 section 4.3).
        assert!(request.headers.get(name::CONTACT).unwrap().ends_with(";ob>"), "{request:?}");
        assert!(flow.id != lost && request.headers.to().unwrap().tag() == Some("theirs"));
    }
    // Once: a later refresh of the registration is nothing new.
    for place in [4, 5] {
        world.answer(place, Status::OK, &[]);
    }
    world.run(Duration::from_secs(5_400));
    let count = world.subscribes().len();
    let last = world.sent.iter().rposition(|(_, it)| it.method == Method::REGISTER).unwrap();
    world.answer(last, Status::OK, &[(name::EXPIRES, "7200"), (name::REQUIRE, "outbound")]);
    assert_eq!(world.subscribes().len(), count);
}

#[test]
fn many_documents_leave_one_alarm_behind() {
    let mut world = World::new(LineConfig { mwi: true, ..account() });
    world.answer(1, Status::OK, &[]);
    for _ in 0..1_000 {
        world.run(Duration::from_millis(10));
        world.notify(1, MessageSummary::KIND, "Messages-Waiting: yes\r\n");
    }
    let watches = world.machine.alarms.values().filter(|alarm| matches!(alarm, Alarm::Watch(_)));
    assert_eq!(watches.count(), 1);
    assert_eq!(world.machine.watching.by_call.len(), 1);
    assert_eq!(world.statuses.iter().filter(|status| status.message_waiting.is_some()).count(), 1);
}

#[test]
fn a_closed_line_ends_its_subscriptions_before_it_leaves() {
    let mut world = World::new(LineConfig { mwi: true, ..account() });
    world.answer(1, Status::OK, &[]);
    world.notify(1, MessageSummary::KIND, "Messages-Waiting: yes\r\n");
    world.command(TspCommand::Close { line: LineKey(1) });
    let last: Vec<_> = world.sent[2..].iter().map(|(_, it)| it).collect();
    assert_eq!((last[0].method.clone(), last[1].method.clone()), (Method::SUBSCRIBE, Method::REGISTER));
    assert_eq!(last[0].headers.get(name::EXPIRES), Some("0"));
    assert_eq!(world.status().message_waiting, None);
    world.answer(2, Status::OK, &[]);
    assert!(!world.machine.is_still_watching() && !world.machine.has_left());
    world.answer(3, Status::OK, &[]);
    assert!(world.machine.has_left());
}

#[test]
fn a_notify_in_no_dialog_of_ours_gets_481() {
    let mut world = World::new(LineConfig { mwi: true, ..account() });
    let (flow, _) = world.sent[0].clone();
    let to = "<sip:me@192.0.2.50>;tag=unheard-of";
    let notify = world.bare_notify(to, "message-summary", MessageSummary::KIND, "Messages-Waiting: yes\r\n");
    assert_eq!(world.hear(flow, notify), 481);
    assert!(world.statuses.iter().all(|status| status.message_waiting.is_none()));
}

#[test]
fn what_cannot_be_watched_is_said_at_the_start() {
    let line = |change: fn(&mut LineConfig)| {
        let mut line = account();
        change(&mut line);
        SipMachine::new(SipConfig::default().with_line(line), Vec::new(), [7; 32]).unwrap_err().to_string()
    };
    let text = line(|line| line.watch = vec!["tel:1".to_owned()]);
    assert!(text.contains("'tel:1'") && text.contains("'me'"), "{text}");
    assert!(line(|line| line.watch = vec!["1".to_owned(); 300]).contains("at most 256"));
    let direct = LineConfig { mwi: true, ..LineConfig::direct("d") };
    let error = SipMachine::new(SipConfig::default().with_line(direct), Vec::new(), [7; 32]).unwrap_err();
    assert!(error.to_string().contains("no account"), "{error}");
}
