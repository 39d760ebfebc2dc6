// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registrations against registrars that are friendly, slow, strict and mad.

use super::*;

const CONTACT: &str = "sip:me@192.0.2.1:5060";

fn registration(tokens: &mut Tokens) -> Registration {
    let line = LineConfig::account("me", "example.org", "secret");
    let aor = "sip:me@example.org".parse().unwrap();
    Registration::new(&line, aor, "sip:example.org".parse().unwrap(), None, tokens)
}

/// The REGISTERs among what is to be done.
fn sent(acts: Vec<Act>) -> Vec<Request> {
    let request = |act| match act {
        Act::Send(request) => Some(*request),
        _ => None,
    };
    acts.into_iter().filter_map(request).collect()
}

/// Opens the line and finds the registrar; gives what is sent.
fn begin(registration: &mut Registration, tokens: &mut Tokens) -> Vec<Request> {
    let acts = registration.start();
    assert!(matches!(acts[..], [Act::Service(Service::Connecting), Act::Locate]), "{acts:?}");
    sent(registration.located(Moment::ZERO, Some(CONTACT.parse().unwrap()), tokens))
}

/// A response that came through an address translator which shows this port of ours.
fn seen_at(request: &Request, status: u16, port: u16) -> Response {
    let mut request = request.clone();
    let via = format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;received=198.51.100.7;rport={port}");
    request.headers.push_front(name::VIA, via);
    request.response(Status::new(status).unwrap())
}

/// Answers as `answer` says until nothing is sent any more, at most a thousand times; gives how many were sent.
fn exchange(mut answer: impl FnMut(&Request, u16) -> Response) -> (usize, Registration) {
    let mut tokens = Tokens::from_seed(1);
    let mut registration = registration(&mut tokens);
    let mut requests = begin(&mut registration, &mut tokens);
    let mut count = 0;
    while let Some(request) = requests.pop()
        && count < 1000
    {
        count += 1;
        let response = answer(&request, u16::try_from(count).unwrap());
        requests = sent(registration.done(Moment::ZERO, Some(&response), &mut tokens));
    }
    (count, registration)
}

#[test]
fn a_new_port_each_time_does_not_mean_registering_for_ever() {
    let (count, registration) = exchange(|request, count| seen_at(request, 200, 40_000 + count));
    assert_eq!(count, usize::from(MAX_ATTEMPTS));
    assert_eq!(registration.stage, Stage::On);
    assert!(registration.alarm.is_some());
}

#[test]
fn an_interval_that_rises_each_time_is_a_failure() {
    let (count, registration) = exchange(|request, count| {
        let mut response = seen_at(request, 423, 5060);
        response.headers.push(name::MIN_EXPIRES, (1000 + count).to_string());
        response
    });
    assert_eq!(count, usize::from(MAX_ATTEMPTS));
    assert_eq!(registration.stage, Stage::Failed);
    assert!(registration.alarm.is_some());
}

fn answer(request: &Request, status: u16) -> Response {
    seen_at(request, status, 5060)
}

/// Fails once with a status, or without an answer; gives what is said about it and the pause.
fn fail(
    registration: &mut Registration,
    tokens: &mut Tokens,
    now: Moment,
    response: Option<&Response>,
) -> (String, Duration) {
    let acts = registration.done(now, response, tokens);
    let [Act::Service(Service::Out { reason })] = &acts[..] else { panic!("{acts:?}") };
    (reason.clone(), registration.alarm.unwrap().since(now))
}

/// Wakes a registration that has failed, and finds its registrar again.
fn again(registration: &mut Registration, tokens: &mut Tokens) -> Moment {
    let at = registration.alarm.unwrap();
    assert!(matches!(registration.wake(at, tokens)[..], [Act::Locate]));
    assert_eq!(sent(registration.located(at, Some(CONTACT.parse().unwrap()), tokens)).len(), 1);
    at
}

#[test]
fn pauses_grow_to_a_limit_and_start_again_after_success() {
    let mut tokens = Tokens::from_seed(1);
    let mut registration = registration(&mut tokens);
    let mut request = begin(&mut registration, &mut tokens).remove(0);
    let mut now = Moment::ZERO;
    for ceiling in [5, 10, 20, 40, 80, 160, 300, 300, 300] {
        let (reason, pause) = fail(&mut registration, &mut tokens, now, None);
        assert!(reason.starts_with("the registrar does not answer"), "{reason}");
        let ceiling = Duration::from_secs(ceiling);
        assert!(pause >= ceiling / 2 && pause <= ceiling, "{pause:?} of {ceiling:?}");
        now = again(&mut registration, &mut tokens);
        request = registration.last.clone().unwrap();
    }
    registration.done(now, Some(&answer(&request, 200)), &mut tokens);
    // The answer shows an address of ours that is new.
    registration.done(now, Some(&answer(&request, 200)), &mut tokens);
    assert!(registration.is_on());
    let at = registration.alarm.unwrap();
    assert_eq!(sent(registration.wake(at, &mut tokens)).len(), 1);
    let (_, pause) = fail(&mut registration, &mut tokens, at, None);
    assert!(pause <= Duration::from_secs(5), "{pause:?}");
}

#[test]
fn every_refusal_is_tried_again_soon_or_late() {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    for (status, retry_after, least, most) in [
        (403, 0, minutes(30), minutes(60)),
        (404, 0, minutes(30), minutes(60)),
        (603, 0, minutes(30), minutes(60)),
        (500, 0, Duration::ZERO, Duration::from_secs(5)),
        (503, 0, Duration::ZERO, Duration::from_secs(5)),
        (503, 120, minutes(2), minutes(2) + Duration::from_secs(5)),
        (404, 7_200, minutes(120), minutes(120) + Duration::from_secs(5)),
        (503, u32::MAX, LONGEST_RETRY_AFTER, LONGEST_RETRY_AFTER + Duration::from_secs(5)),
        // A challenge that a line without that password cannot meet.
        (401, 0, minutes(30), minutes(60)),
    ] {
        let mut tokens = Tokens::from_seed(1);
        let mut registration = registration(&mut tokens);
        let request = begin(&mut registration, &mut tokens).remove(0);
        let mut response = answer(&request, status);
        if retry_after > 0 {
            response.headers.push(name::RETRY_AFTER, retry_after.to_string());
        }
        let (reason, pause) = fail(&mut registration, &mut tokens, Moment::ZERO, Some(&response));
        assert!(reason.contains("next attempt in"), "{reason}");
        assert!(pause >= least && pause <= most, "{status}: {pause:?}");
        again(&mut registration, &mut tokens);
    }
}

#[test]
fn a_registrar_that_is_not_found_is_looked_for_again() {
    let mut tokens = Tokens::from_seed(1);
    let mut registration = registration(&mut tokens);
    registration.start();
    let acts = registration.located(Moment::ZERO, None, &mut tokens);
    let [Act::Service(Service::Out { reason })] = &acts[..] else { panic!("{acts:?}") };
    assert!(reason.contains("leads nowhere"), "{reason}");
    again(&mut registration, &mut tokens);
}

#[test]
fn closing_while_registering_undoes_it_and_opening_again_redoes_it() {
    let mut tokens = Tokens::from_seed(1);
    let mut registration = registration(&mut tokens);
    let first = begin(&mut registration, &mut tokens).remove(0);
    // RFC 3261 section 10.2: nothing is sent before the answer.
    assert!(registration.stop(&mut tokens).is_empty());
    assert!(registration.is_leaving());
    let leaving = sent(registration.done(Moment::ZERO, Some(&answer(&first, 200)), &mut tokens)).remove(0);
    assert_eq!(leaving.headers.expires().unwrap(), Some(0));
    assert!(registration.start().is_empty());
    let acts = registration.done(Moment::ZERO, Some(&answer(&leaving, 200)), &mut tokens);
    assert!(matches!(acts[..], [Act::Service(Service::Connecting), Act::Locate]), "{acts:?}");
    registration.stop(&mut tokens);
    assert!(registration.located(Moment::ZERO, Some(CONTACT.parse().unwrap()), &mut tokens).is_empty());
    assert!(!registration.is_leaving());
    assert_eq!(registration.alarm, None);
}

#[test]
fn a_contact_that_has_moved_is_taken_back() {
    let mut tokens = Tokens::from_seed(1);
    let mut registration = registration(&mut tokens);
    let request = begin(&mut registration, &mut tokens).remove(0);
    let moved = sent(registration.done(Moment::ZERO, Some(&seen_at(&request, 200, 40_000)), &mut tokens));
    let contacts: Vec<&str> = moved[0].headers.all(name::CONTACT).collect();
    assert_eq!(contacts, ["<sip:me@198.51.100.7:40000>;expires=300", "<sip:me@192.0.2.1:5060>;expires=0"]);
}

#[test]
fn who_opens_a_connection_names_it_and_hears_whether_calls_come_by_it() {
    let mut tokens = Tokens::from_seed(1);
    let mut registration = registration(&mut tokens);
    registration.start();
    let contact = format!("{CONTACT};transport=tcp");
    let request =
        sent(registration.located(Moment::ZERO, Some(contact.parse().unwrap()), &mut tokens)).remove(0);
    let row = request.headers.get(name::CONTACT).unwrap();
    assert!(row.contains(";+sip.instance=\"<urn:uuid:") && row.contains(">\";reg-id=1;expires="), "{row}");
    assert!(
        request.headers.lists(name::SUPPORTED, "outbound") && request.headers.lists(name::SUPPORTED, "path")
    );
    for (require, is_agreed) in [(None, false), (Some("outbound"), true), (None, false)] {
        let mut response = request.response(Status::OK);
        if let Some(tag) = require {
            response.headers.push(name::REQUIRE, tag);
        }
        registration.stage = Stage::Waiting;
        registration.done(Moment::ZERO, Some(&response), &mut tokens);
        assert_eq!(registration.is_outbound(), is_agreed, "{require:?}");
    }
    // Another connection is another place of the same telephone: the old one needs no word.
    registration.flow_lost(Moment::ZERO, &mut tokens);
    let later = Moment::ZERO + FLOW_LOST;
    let again = sent(registration.wake(later, &mut tokens)).remove(0);
    assert_eq!(again.headers.all(name::CONTACT).count(), 1);
    assert_eq!(again.headers.get(name::CONTACT), Some(row), "by the same name");
}

#[test]
fn a_first_hop_without_outbound_is_registered_by_without() {
    let mut tokens = Tokens::from_seed(1);
    let mut registration = registration(&mut tokens);
    registration.start();
    let contact = format!("{CONTACT};transport=tcp");
    let first =
        sent(registration.located(Moment::ZERO, Some(contact.parse().unwrap()), &mut tokens)).remove(0);
    assert!(first.headers.get(name::CONTACT).unwrap().contains("reg-id"));
    let no = first.response(Status::FIRST_HOP_LACKS_OUTBOUND_SUPPORT);
    let second = sent(registration.done(Moment::ZERO, Some(&no), &mut tokens)).remove(0);
    assert!(!second.headers.get(name::CONTACT).unwrap().contains("reg-id"));
    assert!(!second.headers.lists(name::SUPPORTED, "outbound"));
    // Who says it to that too is as good as away.
    assert!(sent(registration.done(Moment::ZERO, Some(&no), &mut tokens)).is_empty());
    assert_eq!(registration.stage, Stage::Failed);
}
