// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registrations against registrars that are friendly, slow, strict and mad.

use super::*;

const CONTACT: &str = "sip:me@192.0.2.1:5060";

fn registration(tokens: &mut Tokens) -> Registration {
    let line = LineConfig::account("me", "example.org", "secret");
    let aor = "sip:me@example.org".parse().unwrap();
    Registration::new(&line, aor, "sip:example.org".parse().unwrap(), tokens)
}

/// The REGISTERs among what is to be done.
fn sent(acts: Vec<Act>) -> Vec<Request> {
    let request = |act| match act {
        Act::Send(request) => Some(*request),
        _ => None,
    };
    acts.into_iter().filter_map(request).collect()
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
    let mut requests = sent(registration.start(CONTACT.parse().unwrap(), &mut tokens));
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
