// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook line` on the running server: forwarding, pickup, park slots, lamps and locks.

use std::time::Duration;

use offhook::{Answer, Ask, LineAsk};
use offhook_spi::{Address, AddressIndex, ForwardRule, ForwardWhen, Opaque, Outcome, PickupTarget, SchemaId};
use serde_json::json;

use crate::args::{LineVerb as V, Server, Switch};
use crate::failure::Failure;
use crate::show::Show;
use crate::visit::{Visit, strange};

/// Asks the line for one thing and leaves.
pub(crate) async fn run(show: Show, server: Server, verb: V) -> Result<(), Failure> {
    let (name, op) = asked(verb);
    let mut visit = Visit::begin(server.server).await?;
    let line = visit.line(&name).await?.line;
    let answer = visit.ask(Ask::Line { line, op }).await?;
    visit.note(&answer);
    match answer {
        Answer::Call { call } => {
            show.event("call", &format!("{call} on {name}"), json!({"call": call, "id": call.to_string()}))
        }
        Answer::Conference { conference, consultation } => {
            let text = format!("{conference} is a conference, {consultation} waits for `offhook calls dial`");
            show.event(
                "conference",
                &text,
                json!({"id": conference.to_string(), "consultation": consultation.to_string()}),
            );
        }
        Answer::Done { outcome: Outcome::Data { data } } => {
            show.event("data", &data.data, json!({"line": name, "data": data}));
        }
        Answer::Done { .. } => show.event("done", &format!("{name}: done"), json!({"line": name})),
        other => return Err(strange(&other)),
    }
    visit.leave().await
}

/// The line and what is asked of it.
fn asked(verb: V) -> (String, LineAsk) {
    match verb {
        V::CancelCompletion { line, id } => (line, LineAsk::UncompleteCall { id }),
        V::Conference { line } => (line, LineAsk::SetupConference),
        V::DoNotDisturb { line } => {
            let rules = vec![ForwardRule { when: ForwardWhen::Always, caller: None, to: None, after: None }];
            (line, forward(rules))
        }
        V::Extension { line, schema, data } => {
            (line, LineAsk::Extension { data: Opaque { schema: SchemaId::new(schema), data } })
        }
        V::Forward { line, always, busy, no_answer, after, caller } => {
            let targets = [
                (ForwardWhen::Always, always, None),
                (ForwardWhen::Busy, busy, None),
                (ForwardWhen::NoAnswer, no_answer, after),
            ];
            let rule = |(when, to, after): (ForwardWhen, Option<String>, Option<Duration>)| {
                let caller = caller.clone().map(Address::new);
                Some(ForwardRule { when, caller, to: Some(Address::new(to?)), after })
            };
            (line, forward(targets.into_iter().filter_map(rule).collect()))
        }
        V::Pickup { line, at, held } => {
            let what = match at.map(Address::new) {
                Some(address) if held => PickupTarget::Held { address },
                Some(address) => PickupTarget::Address { address },
                None => PickupTarget::Group { group: None },
            };
            (line, LineAsk::Pickup { what })
        }
        V::Status { line, messages, service, lock } => {
            let is_on = |switch: Option<Switch>| switch.map(|switch| switch == Switch::On);
            let op = LineAsk::SetStatus {
                message_waiting: is_on(messages),
                in_service: is_on(service),
                locked: is_on(lock),
            };
            (line, op)
        }
        V::Unpark { line, at } => (line, LineAsk::Unpark { at: Address::new(at) }),
    }
}

fn forward(rules: Vec<ForwardRule>) -> LineAsk {
    LineAsk::Forward { address: AddressIndex::default(), rules }
}
