// SPDX-License-Identifier: MIT OR Apache-2.0
use std::time::Duration;

use offhook_spi::Moment;

use super::{Act, MAX_BODY, Setup, Subscription};
use crate::digest::{Account, Client, Password};
use crate::message::{EventType, Headers, Method, Request, Response, Status, Tokens, Uri, name};

const KIND: &str = "application/simple-message-summary";

/// A subscription, its notifier's view of it, and the time.
struct World {
    subscription: Subscription,
    tokens: Tokens,
    now: Moment,
    sent: Option<Request>,
    number: u32,
}

impl World {
    /// Subscribed to and asked for; the first SUBSCRIBE is out.
    fn new() -> Self {
        let account = Account { realm: None, username: "bob".to_owned(), password: Password::new("builder") };
        let setup = Setup {
            resource: uri("sip:bob@example.org"),
            from: uri("sip:bob@example.org"),
            event: EventType::new("message-summary"),
            accept: vec![KIND.to_owned()],
            expires: 600,
            credentials: Client::new(vec![account]),
        };
        let mut world = Self {
            subscription: Subscription::new(setup),
            tokens: Tokens::from_seed(3),
            now: Moment::from_millis(1_000),
            sent: None,
            number: 0,
        };
        let acts = world.subscription.start(contact(), &mut world.tokens);
        assert_eq!(world.take(acts), ["sent"]);
        world
    }

    /// Accepted, with the first NOTIFY here.
    fn on() -> Self {
        let mut world = Self::new();
        assert!(world.answer(200, &[("Expires", "600")]).is_empty());
        assert_eq!(world.notify("active;expires=600", "x"), (200, told("x")));
        world
    }

    fn take(&mut self, acts: Vec<Act>) -> Vec<String> {
        let mut words = Vec::new();
        for act in acts {
            words.push(match act {
                Act::Lost { reason } => format!("lost: {reason}"),
                Act::Send(request) => {
                    self.sent = Some(*request);
                    "sent".to_owned()
                }
                Act::Told { body, .. } => format!("told {}", String::from_utf8_lossy(&body)),
            });
        }
        words
    }

    fn answer(&mut self, code: u16, headers: &[(&'static str, &str)]) -> Vec<String> {
        let mut response = Response::new(Status::new(code).unwrap());
        let sent = self.sent.clone().unwrap();
        for name in [name::FROM, name::TO, name::CALL_ID, name::CSEQ] {
            response.headers.push(name, sent.headers.get(name).unwrap());
        }
        for (name, value) in headers {
            response.headers.push(name, *value);
        }
        let acts = self.subscription.done(self.now, Some(&response), &mut self.tokens);
        self.take(acts)
    }

    fn silence(&mut self) -> Vec<String> {
        let acts = self.subscription.done(self.now, None, &mut self.tokens);
        self.take(acts)
    }

    /// A NOTIFY as the notifier sends it, to what was sent last.
    fn a_notify(&mut self, state: &str, body: &str) -> Request {
        self.number += 1;
        let sent = self.sent.as_ref().unwrap();
        let mut notify = Request::new(Method::NOTIFY, contact());
        let headers = &mut notify.headers;
        headers.push(name::FROM, "<sip:bob@example.org>;tag=theirs");
        headers.push(name::TO, sent.headers.get(name::FROM).unwrap());
        headers.push(name::CALL_ID, sent.headers.get(name::CALL_ID).unwrap());
        headers.push(name::CSEQ, format!("{} NOTIFY", self.number));
        headers.push(name::CONTACT, "<sip:notifier@192.0.2.9>");
        headers.push(name::RECORD_ROUTE, "<sip:192.0.2.1;lr>");
        headers.push(name::RECORD_ROUTE, "<sip:192.0.2.2;lr>");
        headers.push(name::EVENT, sent.headers.get(name::EVENT).unwrap());
        headers.push(name::SUBSCRIPTION_STATE, state.to_owned());
        if !body.is_empty() {
            headers.push(name::CONTENT_TYPE, format!("{KIND}; charset=utf-8"));
            notify.body = body.to_owned().into();
        }
        notify
    }

    fn hear(&mut self, notify: &Request) -> (u16, Vec<String>) {
        let (status, acts) = self.subscription.notified(self.now, notify, &mut self.tokens);
        (status.code(), self.take(acts))
    }

    fn notify(&mut self, state: &str, body: &str) -> (u16, Vec<String>) {
        let notify = self.a_notify(state, body);
        self.hear(&notify)
    }

    /// Lets the time pass until the alarm; says how long that was.
    fn wait(&mut self) -> (Duration, Vec<String>) {
        let at = self.subscription.alarm().expect("an alarm is set");
        let waited = at.since(self.now);
        self.now = at;
        let acts = self.subscription.wake(at, &mut self.tokens);
        (waited, self.take(acts))
    }

    fn stop(&mut self) -> Vec<String> {
        let acts = self.subscription.stop(self.now, &mut self.tokens);
        self.take(acts)
    }

    fn header(&self, name: &'static str) -> &str {
        self.sent.as_ref().and_then(|sent| sent.headers.get(name)).unwrap_or_default()
    }

    fn is_new_dialog(&self) -> bool {
        !self.header(name::TO).contains("tag=")
    }
}

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

fn contact() -> Uri {
    uri("sip:bob@192.0.2.7:5060")
}

fn told(body: &str) -> Vec<String> {
    vec![format!("told {body}")]
}

fn lost(words: &[String]) -> bool {
    matches!(words, [word] if word.starts_with("lost: "))
}

fn drop_state(headers: &mut Headers) {
    headers.remove(name::SUBSCRIPTION_STATE);
}

#[test]
fn the_first_subscribe_says_what_is_wanted() {
    let world = World::new();
    assert_eq!(world.header(name::EVENT), "message-summary");
    assert_eq!(world.header(name::EXPIRES), "600");
    assert_eq!(world.header(name::ACCEPT), KIND);
    assert_eq!(world.header(name::CONTACT), "<sip:bob@192.0.2.7:5060>");
    assert!(world.is_new_dialog());
}

#[test]
fn it_is_refreshed_in_its_dialog_before_it_ends() {
    let mut world = World::on();
    let first = world.header(name::CSEQ).to_owned();
    let (waited, words) = world.wait();
    assert_eq!((waited, words), (Duration::from_secs(450), vec!["sent".to_owned()]));
    let sent = world.sent.clone().unwrap();
    assert_eq!(sent.uri, uri("sip:notifier@192.0.2.9"));
    let routes: Vec<_> = sent.headers.iter().filter(|(name, _)| *name == name::ROUTE).collect();
    assert_eq!(
        routes.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
        ["<sip:192.0.2.1;lr>", "<sip:192.0.2.2;lr>"]
    );
    assert!(world.header(name::TO).ends_with("tag=theirs") && world.header(name::CSEQ) != first);
    assert!(world.answer(200, &[("Expires", "60")]).is_empty());
    assert_eq!(world.wait(), (Duration::from_secs(45), vec!["sent".to_owned()]));
}

#[test]
fn a_notify_may_come_before_the_response() {
    let mut world = World::new();
    assert_eq!(world.notify("active;expires=600", "early"), (200, told("early")));
    assert!(world.answer(200, &[("Expires", "600")]).is_empty());
    assert_eq!(world.wait(), (Duration::from_secs(450), vec!["sent".to_owned()]));
    assert!(!world.is_new_dialog());
}

#[test]
fn a_notifier_may_shorten_and_not_lengthen() {
    let mut world = World::on();
    world.notify("active;expires=100", "");
    assert_eq!(world.subscription.alarm().unwrap().since(world.now), Duration::from_secs(75));
    world.notify("active;expires=4000000", "");
    assert_eq!(world.subscription.alarm().unwrap().since(world.now), Duration::from_secs(450));
}

#[test]
fn acceptance_without_a_notify_is_none() {
    let mut world = World::new();
    world.answer(202, &[]);
    let (waited, words) = world.wait();
    assert_eq!(waited, Duration::from_secs(32));
    assert!(lost(&words), "{words:?}");
    assert_eq!(world.wait().1, ["sent"]);
    assert!(world.is_new_dialog());
}

#[test]
fn a_challenge_is_met_once_with_the_same_password() {
    let mut world = World::new();
    let challenge = "Digest realm=\"example.org\", nonce=\"n1\", qop=\"auth\"";
    assert_eq!(world.answer(401, &[("WWW-Authenticate", challenge)]), ["sent"]);
    assert!(world.header(name::AUTHORIZATION).contains("username=\"bob\""));
    let words = world.answer(401, &[("WWW-Authenticate", challenge)]);
    assert!(lost(&words), "{words:?}");
    // Half an hour at least: another attempt would only lock the account.
    assert!(world.wait().0 >= Duration::from_secs(1_800));
}

#[test]
fn a_longer_interval_is_taken_and_an_endless_one_is_not() {
    let mut world = World::new();
    assert_eq!(world.answer(423, &[("Min-Expires", "3600")]), ["sent"]);
    assert_eq!(world.header(name::EXPIRES), "3600");
    assert!(lost(&world.answer(423, &[("Min-Expires", "99999999")])));
}

#[test]
fn every_refusal_has_its_pause() {
    for (code, headers, least, most) in [
        (500, &[][..], 2, 5),
        (503, &[("Retry-After", "120")][..], 120, 125),
        (480, &[("Retry-After", "4000000000")][..], 86_400, 86_405),
        (403, &[][..], 1_800, 3_600),
        (603, &[][..], 1_800, 3_600),
    ] {
        let mut world = World::new();
        assert!(lost(&world.answer(code, headers)), "{code}");
        let (waited, words) = world.wait();
        assert!((least..=most).contains(&waited.as_secs()), "{code}: {waited:?}");
        assert_eq!(words, ["sent"]);
    }
}

#[test]
fn an_unknown_package_is_not_asked_for_again() {
    let mut world = World::new();
    assert!(lost(&world.answer(489, &[])));
    assert_eq!(world.subscription.alarm(), None);
}

#[test]
fn pauses_grow_up_to_a_bound_and_shrink_after_success() {
    let mut world = World::new();
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        assert!(lost(&world.silence()));
        longest = longest.max(world.wait().0);
    }
    assert!(longest > Duration::from_secs(150) && longest <= Duration::from_secs(300), "{longest:?}");
    world.answer(200, &[]);
    world.notify("active;expires=600", "");
    world.notify("terminated;reason=giveup", "");
    assert!(world.wait().0 <= Duration::from_secs(5));
}

#[test]
fn every_reason_to_end_it_has_its_answer() {
    // RFC 6665 section 4.1.3. What follows: the words, and the range of the pause in seconds.
    for (reason, words, pause) in [
        ("terminated;reason=deactivated", "sent", None),
        ("terminated;reason=timeout", "sent", None),
        ("terminated;reason=probation;retry-after=60", "lost", Some((60, 65))),
        ("terminated;reason=giveup", "lost", Some((2, 5))),
        ("terminated", "lost", Some((2, 5))),
        ("terminated;reason=rejected;retry-after=9", "lost", None),
        ("terminated;reason=noresource", "lost", None),
        ("terminated;reason=invariant", "", None),
    ] {
        let mut world = World::on();
        let (status, heard) = world.notify(reason, "");
        assert_eq!(status, 200);
        assert!(heard.first().map(String::as_str).unwrap_or_default().starts_with(words), "{reason}");
        assert_eq!(heard.is_empty(), words.is_empty(), "{reason}: {heard:?}");
        let waits = world.subscription.alarm().map(|at| at.since(world.now).as_secs());
        assert_eq!(waits.is_some(), pause.is_some(), "{reason}");
        if let (Some(waits), Some((least, most))) = (waits, pause) {
            assert!((least..=most).contains(&waits), "{reason}: {waits}");
        }
    }
}

#[test]
fn a_notifier_that_always_moves_does_not_keep_us_busy() {
    let mut world = World::on();
    assert_eq!(world.notify("terminated;reason=deactivated", "").1, ["sent"]);
    assert!(world.is_new_dialog());
    world.answer(200, &[]);
    assert!(lost(&world.notify("terminated;reason=deactivated", "").1));
}

#[test]
fn a_forgotten_subscription_is_begun_anew() {
    let mut world = World::on();
    world.wait();
    assert_eq!(world.answer(481, &[]), ["sent"]);
    assert!(world.is_new_dialog());
}

#[test]
fn a_refresh_that_fails_for_now_is_tried_again_until_the_end() {
    let mut world = World::on();
    assert_eq!(world.wait().1, ["sent"]);
    let mut refreshed = 0;
    while !world.is_new_dialog() {
        assert!(world.answer(500, &[]).is_empty());
        assert_eq!(world.wait().1, ["sent"]);
        refreshed += 1;
    }
    assert!((3..12).contains(&refreshed), "{refreshed}");
    assert_eq!(world.now.since(Moment::from_millis(1_000)), Duration::from_secs(600));
}

#[test]
fn silence_to_a_refresh_ends_it() {
    let mut world = World::on();
    world.wait();
    assert!(lost(&world.silence()));
    assert_eq!(world.wait().1, ["sent"]);
    assert!(world.is_new_dialog());
}

#[test]
fn leaving_asks_for_no_more_and_waits_for_the_last_notify() {
    let mut world = World::on();
    assert_eq!(world.stop(), ["sent"]);
    assert_eq!(world.header(name::EXPIRES), "0");
    assert!(world.subscription.is_leaving());
    assert!(world.answer(200, &[]).is_empty());
    assert_eq!(world.notify("terminated;reason=timeout", "x"), (200, Vec::new()));
    assert!(!world.subscription.is_leaving());
    assert_eq!(world.notify("active", "x").0, 481);
}

#[test]
fn a_last_notify_that_never_comes_is_not_waited_for_long() {
    let mut world = World::on();
    world.stop();
    world.answer(200, &[]);
    assert_eq!(world.wait(), (Duration::from_secs(32), Vec::new()));
    assert!(!world.subscription.is_leaving() && world.subscription.alarm().is_none());
}

#[test]
fn what_is_stopped_before_its_answer_is_left_afterwards() {
    let mut world = World::new();
    assert!(world.stop().is_empty() && world.subscription.is_leaving());
    assert!(world.answer(200, &[]).is_empty());
    assert_eq!(world.notify("active;expires=600", "x"), (200, vec!["sent".to_owned()]));
    assert_eq!(world.header(name::EXPIRES), "0");
}

#[test]
fn what_is_wanted_again_while_it_leaves_is_begun_anew() {
    let mut world = World::on();
    world.stop();
    assert!(world.subscription.start(contact(), &mut world.tokens).is_empty());
    assert_eq!(world.answer(481, &[]), ["sent"]);
    assert!(world.is_new_dialog());
}

#[test]
fn what_is_wanted_again_while_nobody_answers_its_leaving_is_begun_anew() {
    let mut world = World::on();
    world.stop();
    assert!(world.answer(200, &[]).is_empty(), "the last NOTIFY is still to come");
    assert!(world.subscription.start(contact(), &mut world.tokens).is_empty());
    let (_, acts) = world.wait();
    assert_eq!(acts.len(), 1, "{acts:?}");
    assert!(world.is_new_dialog());
}

#[test]
fn another_address_of_ours_is_told_at_once() {
    let mut world = World::on();
    let acts = world.subscription.start(uri("sip:bob@192.0.2.8"), &mut world.tokens);
    assert_eq!(world.take(acts), ["sent"]);
    assert_eq!(world.header(name::CONTACT), "<sip:bob@192.0.2.8>");
    assert!(!world.is_new_dialog());
}

#[test]
fn a_notify_of_something_else_is_refused() {
    type Change = fn(&mut Headers);
    let changes: [(&str, u16, Change); 7] = [
        ("another call", 481, |headers| headers.set(name::CALL_ID, "other")),
        ("another tag of ours", 481, |headers| headers.set(name::TO, "<sip:bob@example.org>;tag=o")),
        ("another branch", 481, |headers| headers.set(name::FROM, "<sip:bob@example.org>;tag=o")),
        ("another package", 481, |headers| headers.set(name::EVENT, "presence")),
        ("another id", 481, |headers| headers.set(name::EVENT, "message-summary;id=2")),
        ("no state", 400, drop_state),
        ("an older one", 500, |headers| headers.set(name::CSEQ, "0 NOTIFY")),
    ];
    for (what, status, change) in changes {
        let mut world = World::on();
        let mut notify = world.a_notify("active;expires=600", "x");
        change(&mut notify.headers);
        assert_eq!(world.hear(&notify), (status, Vec::new()), "{what}");
    }
}

#[test]
fn bodies_that_cannot_be_read_are_refused_and_the_state_is_kept() {
    let mut world = World::on();
    let mut notify = world.a_notify("active;expires=100", "x");
    notify.headers.set(name::CONTENT_TYPE, "text/plain");
    assert_eq!(world.hear(&notify), (415, Vec::new()));
    assert_eq!(world.subscription.alarm().unwrap().since(world.now), Duration::from_secs(75));
    let long = "x".repeat(MAX_BODY + 1);
    assert_eq!(world.notify("active", &long).0, 413);
}

#[test]
fn requests_go_to_the_next_hop_where_it_is_a_number() {
    use crate::transaction::{Flow, FlowId, Transport};
    let before = Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: "192.0.2.7:5060".parse().unwrap(),
        remote: "192.0.2.50:5060".parse().unwrap(),
    };
    assert_eq!(World::new().subscription.flow(before), before);
    assert_eq!(World::on().subscription.flow(before).remote, "192.0.2.1:5060".parse().unwrap());
}
