// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every operation of the exchange, and random sequences of them.

use offhook_sim::{ExchangeInput, Script, Step, digits};
use offhook_spi::{
    Address, AddressIndex, CallKey, CallOp, CallParams, CallState, Cause, Completion, CompletionMode,
    ForwardRule, ForwardWhen, Gather, GatherEnd, GenerationEnd, LineKey, LineOp, Machine, Opaque, Outcome,
    Party, PickupTarget, Refusal, RefusalKind, RequestId, SchemaId, StateKind, TspCommand, TspEvent,
};
use proptest::prelude::*;

use crate::bench::{ALICE, BOB, Bench, CAROL, SECOND, key, make_call, outcome};

fn consult(consultation: CallKey, to: Option<&str>) -> CallOp {
    CallOp::SetupTransfer { consultation, to: to.map(Address::new), params: Box::new(CallParams::default()) }
}

fn transfer(consultation: CallKey) -> CallOp {
    CallOp::CompleteTransfer { consultation, completion: Completion::Transfer }
}

#[test]
fn digits_are_dialled_in_parts() {
    let mut bench = Bench::new();
    bench.make(ALICE, key(1), ";");
    assert_eq!(bench.state(key(1)), StateKind::DialTone);
    let refusal = bench.ask(ALICE, key(1), CallOp::Dial { digits: "b?;".to_owned() }).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::InvalidAddress);
    bench.ask(ALICE, key(1), CallOp::Dial { digits: "bo;".to_owned() }).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::Dialing);
    bench.ask(ALICE, key(1), CallOp::Dial { digits: "b;".to_owned() }).unwrap();
    bench.ask(ALICE, key(1), CallOp::Dial { digits: String::new() }).unwrap();
    assert_eq!(bench.state(bench.offered(BOB)), StateKind::Offering);
    let again = bench.ask(ALICE, key(1), CallOp::Dial { digits: "1".to_owned() }).unwrap_err();
    assert_eq!(again.kind, RefusalKind::InvalidState);
    bench.drop_call(ALICE, key(1));
    bench.assert_clean();
}

#[test]
fn wrong_digits_end_in_special_information() {
    let mut bench = Bench::new();
    bench.make(ALICE, key(1), "1;");
    bench.ask(ALICE, key(1), CallOp::Dial { digits: "23".to_owned() }).unwrap();
    let cause = Cause::UnallocatedNumber;
    let told: Vec<&TspEvent> =
        bench.events.iter().filter(|event| matches!(event, TspEvent::CallState { .. })).collect();
    let ended = TspEvent::CallState { call: key(1), state: CallState::Disconnected { cause }, allowed: None };
    assert_eq!(told.get(1), Some(&&ended));
    bench.assert_clean();
}

#[test]
fn a_consultation_becomes_a_transfer() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.ask(ALICE, key(1), consult(key(2), Some("sim:carol"))).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::OnHoldPendingTransfer);
    let carol = bench.offered(CAROL);
    bench.ask(CAROL, carol, CallOp::Answer).unwrap();
    bench.ask(ALICE, key(1), transfer(key(2))).unwrap();
    assert_eq!((bench.state(key(1)), bench.state(key(2))), (StateKind::Idle, StateKind::Idle));
    assert_eq!((bench.state(bob), bench.state(carol)), (StateKind::Connected, StateKind::Connected));
    let names: Vec<Option<Address>> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            TspEvent::CallInfo { info, .. } => info.connected.clone().map(|party| party.address),
            _ => None,
        })
        .collect();
    assert_eq!(names, [Some(Address::new("sim:carol")), Some(Address::new("sim:bob"))]);
    bench.drop_call(BOB, bob);
    assert_eq!(bench.state(carol), StateKind::Idle);
    bench.assert_clean();
}

#[test]
fn a_transfer_completes_while_the_third_party_still_rings() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.ask(ALICE, key(1), consult(key(2), Some("sim:carol"))).unwrap();
    let carol = bench.offered(CAROL);
    bench.ask(ALICE, key(1), transfer(key(2))).unwrap();
    bench.ask(CAROL, carol, CallOp::Answer).unwrap();
    assert_eq!((bench.state(bob), bench.state(carol)), (StateKind::Connected, StateKind::Connected));
    bench.drop_call(CAROL, carol);
    bench.assert_clean();
}

#[test]
fn every_way_back_from_a_consultation_leads_to_the_first_call() {
    for way in ["unhold", "drop then unhold", "far end hangs up"] {
        let mut bench = Bench::new();
        let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
        bench.ask(ALICE, key(1), consult(key(2), None)).unwrap();
        assert_eq!(bench.state(key(2)), StateKind::DialTone);
        bench.ask(ALICE, key(2), CallOp::Dial { digits: "carol".to_owned() }).unwrap();
        let carol = bench.offered(CAROL);
        match way {
            "unhold" => {}
            "drop then unhold" => bench.drop_call(ALICE, key(2)),
            _ => bench.drop_call(CAROL, carol),
        }
        bench.ask(ALICE, key(1), CallOp::Unhold).unwrap();
        assert_eq!(bench.state(key(1)), StateKind::Connected, "{way}");
        assert_eq!(bench.state(key(2)), StateKind::Idle, "{way}");
        assert_eq!(bench.state(carol), StateKind::Idle, "{way}");
        bench.drop_call(BOB, bob);
        bench.assert_clean();
    }
}

#[test]
fn swapping_changes_who_waits() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.ask(ALICE, key(1), consult(key(2), Some("echo"))).unwrap();
    bench.run_for(2 * SECOND);
    bench.ask(ALICE, key(2), CallOp::SwapHold { with: key(1) }).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::Connected);
    assert_eq!(bench.state(key(2)), StateKind::OnHoldPendingTransfer);
    bench.ask(ALICE, key(2), transfer(key(1))).unwrap();
    assert_eq!(bench.state(bob), StateKind::Connected);
    bench.drop_call(BOB, bob);
    bench.assert_clean();
}

#[test]
fn a_blind_transfer_to_nobody_is_refused_and_the_call_is_kept() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    for (to, kind, cause) in [
        ("sim:teleport", RefusalKind::InvalidAddress, None),
        ("sim:busy", RefusalKind::OperationFailed, Some(Cause::UserBusy)),
    ] {
        let op = CallOp::BlindTransfer { to: Address::new(to) };
        let refusal = bench.ask(ALICE, key(1), op).unwrap_err();
        assert_eq!((refusal.kind, refusal.cause), (kind, cause));
        assert_eq!(bench.state(key(1)), StateKind::Connected);
    }
    bench.ask(ALICE, key(1), CallOp::BlindTransfer { to: Address::new("sim:carol") }).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::Idle);
    let carol = bench.offered(CAROL);
    bench.ask(CAROL, carol, CallOp::Answer).unwrap();
    bench.drop_call(BOB, bob);
    bench.assert_clean();
}

#[test]
fn a_far_end_that_only_rings_cannot_be_sent_on() {
    let mut bench = Bench::new();
    let carol = bench.talk(ALICE, key(1), (CAROL, "carol"));
    bench.ask(ALICE, key(1), CallOp::BlindTransfer { to: Address::new("bob") }).unwrap();
    let bob = bench.offered(BOB);
    let again = bench.ask(CAROL, carol, CallOp::BlindTransfer { to: Address::new("alice") }).unwrap_err();
    assert_eq!(again.kind, RefusalKind::OperationFailed);
    assert_eq!(bench.state(bob), StateKind::Offering);
    bench.ask(BOB, bob, CallOp::Answer).unwrap();
    bench.drop_call(BOB, bob);
    bench.assert_clean();
}

#[test]
fn an_offered_call_is_redirected_to_another_line() {
    let mut bench = Bench::new();
    bench.make(ALICE, key(1), "bob");
    let bob = bench.offered(BOB);
    bench.ask(BOB, bob, CallOp::Redirect { to: Address::new("sim:carol") }).unwrap();
    assert_eq!(bench.state(bob), StateKind::Idle);
    let carol = bench.offered(CAROL);
    bench.ask(CAROL, carol, CallOp::Answer).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::Connected);
    bench.drop_call(ALICE, key(1));
    bench.assert_clean();
}

/// Alice talks to Bob and Carol; the conference and the two members.
fn three_way(bench: &mut Bench) -> (CallKey, CallKey, CallKey) {
    bench.talk(ALICE, key(1), (BOB, "bob"));
    let op = CallOp::SetupConference { conference: key(10), consultation: key(2) };
    bench.ask(ALICE, key(1), op).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::Conferenced);
    assert_eq!(bench.state(key(10)), StateKind::OnHoldPendingConference);
    bench.ask(ALICE, key(2), CallOp::Dial { digits: "carol".to_owned() }).unwrap();
    let carol = bench.offered(CAROL);
    bench.ask(CAROL, carol, CallOp::Answer).unwrap();
    bench.ask(ALICE, key(10), CallOp::AddToConference { member: key(2) }).unwrap();
    assert_eq!((bench.state(key(2)), bench.state(key(10))), (StateKind::Conferenced, StateKind::Connected));
    (key(10), key(1), key(2))
}

#[test]
fn a_conference_collapses_when_one_member_is_left() {
    let mut bench = Bench::new();
    let (conference, bob, carol) = three_way(&mut bench);
    bench.ask(ALICE, carol, CallOp::RemoveFromConference).unwrap();
    assert_eq!((bench.state(carol), bench.state(conference)), (StateKind::Idle, StateKind::Idle));
    assert_eq!(bench.state(bob), StateKind::Connected);
    bench.drop_call(ALICE, bob);
    bench.assert_clean();
}

#[test]
fn who_drops_a_conference_drops_its_members() {
    let mut bench = Bench::new();
    let (conference, bob, carol) = three_way(&mut bench);
    bench.drop_call(ALICE, conference);
    for call in [conference, bob, carol] {
        assert_eq!(bench.state(call), StateKind::Idle);
    }
    bench.assert_clean();
}

#[test]
fn a_party_that_is_not_wanted_after_all_leaves_the_conference_as_it_was() {
    let mut bench = Bench::new();
    let (conference, bob, _) = three_way(&mut bench);
    let op = CallOp::PrepareAddToConference { consultation: key(3), to: Some(Address::new("echo")) };
    bench.ask(ALICE, conference, op).unwrap();
    assert_eq!(bench.state(conference), StateKind::OnHoldPendingConference);
    bench.ask(ALICE, conference, CallOp::Unhold).unwrap();
    assert_eq!((bench.state(key(3)), bench.state(conference)), (StateKind::Idle, StateKind::Connected));
    assert_eq!(bench.state(bob), StateKind::Conferenced);
    bench.drop_call(ALICE, conference);
    bench.assert_clean();
}

#[test]
fn a_full_conference_refuses_another_party() {
    let mut bench = Bench::new();
    let (conference, ..) = three_way(&mut bench);
    for serial in 20..24 {
        let op = CallOp::PrepareAddToConference { consultation: key(serial), to: Some(Address::new("echo")) };
        bench.ask(ALICE, conference, op).unwrap();
        bench.run_for(2 * SECOND);
        bench.ask(ALICE, conference, CallOp::AddToConference { member: key(serial) }).unwrap();
    }
    let op = CallOp::PrepareAddToConference { consultation: key(30), to: None };
    assert_eq!(bench.ask(ALICE, conference, op).unwrap_err().kind, RefusalKind::Busy);
    bench.drop_call(ALICE, conference);
    bench.assert_clean();
}

#[test]
fn a_conference_from_nothing_goes_when_its_only_consultation_goes() {
    let mut bench = Bench::new();
    let op = CallOp::SetupConference { conference: key(10), consultation: key(1) };
    bench.ask(ALICE, key(1), op).unwrap();
    assert_eq!(bench.state(key(1)), StateKind::DialTone);
    bench.drop_call(ALICE, key(1));
    assert_eq!(bench.state(key(10)), StateKind::Idle);
    bench.assert_clean();
}

#[test]
fn a_consultation_becomes_a_conference() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.ask(ALICE, key(1), consult(key(2), Some("echo"))).unwrap();
    let completion = Completion::Conference { conference: key(10) };
    let early = CallOp::CompleteTransfer { consultation: key(2), completion };
    assert_eq!(bench.ask(ALICE, key(1), early.clone()).unwrap_err().kind, RefusalKind::InvalidState);
    bench.run_for(2 * SECOND);
    bench.ask(ALICE, key(1), early).unwrap();
    assert_eq!((bench.state(key(2)), bench.state(key(10))), (StateKind::Conferenced, StateKind::Connected));
    bench.drop_call(BOB, bob);
    assert_eq!((bench.state(key(2)), bench.state(key(10))), (StateKind::Connected, StateKind::Idle));
    bench.drop_call(ALICE, key(2));
    bench.assert_clean();
}

/// Asks for an operation on a line.
fn ask_line(bench: &mut Bench, line: LineKey, op: LineOp) -> Result<Outcome, Refusal> {
    bench.requests += 1;
    let request = RequestId(bench.requests);
    bench.events.clear();
    bench.command(TspCommand::Line { request, line, op });
    let reply = bench.events.iter().find_map(|event| match event {
        TspEvent::Reply { request: of, result } if *of == request => Some(result.clone()),
        _ => None,
    });
    reply.unwrap().into_result()
}

fn rule(when: ForwardWhen, to: Option<&str>) -> ForwardRule {
    ForwardRule { when, caller: None, to: to.map(Address::new), after: None }
}

fn forward(bench: &mut Bench, line: LineKey, rules: Vec<ForwardRule>) {
    ask_line(bench, line, LineOp::Forward { address: AddressIndex::default(), rules }).unwrap();
}

#[test]
fn a_parked_call_is_fetched_from_another_line() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.ask(ALICE, key(1), CallOp::Park { at: None }).unwrap();
    let at = Address::new("sim:park-1");
    assert_eq!(outcome(&bench), Outcome::ParkedAt { at: at.clone() });
    assert_eq!((bench.state(key(1)), bench.exchange.parked()), (StateKind::Idle, 1));
    ask_line(&mut bench, CAROL, LineOp::Unpark { call: key(2), at: at.clone() }).unwrap();
    assert_eq!((bench.state(key(2)), bench.state(bob)), (StateKind::Connected, StateKind::Connected));
    let again = ask_line(&mut bench, CAROL, LineOp::Unpark { call: key(3), at }).unwrap_err();
    assert_eq!(again.kind, RefusalKind::InvalidAddress);
    bench.drop_call(BOB, bob);
    assert_eq!(bench.state(key(2)), StateKind::Idle);
    bench.assert_clean();
}

#[test]
fn a_slot_takes_one_call_and_is_free_when_its_call_hangs_up() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.talk(ALICE, key(2), (CAROL, "carol"));
    let park = |at: &str| CallOp::Park { at: Some(Address::new(at)) };
    bench.ask(ALICE, key(1), park("sim:park-4")).unwrap();
    assert_eq!(bench.ask(ALICE, key(2), park("sim:park-4")).unwrap_err().kind, RefusalKind::Busy);
    let nowhere = bench.ask(ALICE, key(2), park("sim:car-park")).unwrap_err();
    assert_eq!(nowhere.kind, RefusalKind::InvalidAddress);
    bench.drop_call(BOB, bob);
    assert_eq!(bench.exchange.parked(), 0);
    bench.drop_call(ALICE, key(2));
    bench.assert_clean();
}

#[test]
fn a_ringing_call_is_picked_up_by_address_and_by_group() {
    let targets =
        [PickupTarget::Address { address: Address::new("sim:bob") }, PickupTarget::Group { group: None }];
    for what in targets {
        let mut bench = Bench::new();
        bench.make(ALICE, key(1), "bob");
        let bob = bench.offered(BOB);
        ask_line(&mut bench, CAROL, LineOp::Pickup { call: key(2), what: what.clone() }).unwrap();
        assert_eq!((bench.state(bob), bench.state(key(2))), (StateKind::Idle, StateKind::Connected));
        assert_eq!(bench.state(key(1)), StateKind::Connected);
        let none = ask_line(&mut bench, CAROL, LineOp::Pickup { call: key(3), what }).unwrap_err();
        assert_eq!(none.kind, RefusalKind::OperationFailed);
        bench.drop_call(ALICE, key(1));
        bench.assert_clean();
    }
}

#[test]
fn a_held_call_is_picked_up() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.ask(ALICE, key(1), CallOp::Hold).unwrap();
    let what = PickupTarget::Held { address: Address::new("sim:alice") };
    ask_line(&mut bench, CAROL, LineOp::Pickup { call: key(2), what }).unwrap();
    assert_eq!((bench.state(key(1)), bench.state(key(2))), (StateKind::Idle, StateKind::Connected));
    bench.drop_call(BOB, bob);
    bench.assert_clean();
}

#[test]
fn forwarding_sends_calls_where_its_rules_say() {
    let mut bench = Bench::new();
    forward(&mut bench, BOB, vec![rule(ForwardWhen::Always, Some("sim:carol"))]);
    bench.make(ALICE, key(1), "bob");
    let carol = bench.offered(CAROL);
    bench.drop_call(CAROL, carol);
    forward(&mut bench, BOB, vec![rule(ForwardWhen::NoAnswer, Some("sim:carol"))]);
    bench.make(ALICE, key(2), "bob");
    let bob = bench.offered(BOB);
    bench.run_for(21 * SECOND);
    assert_eq!(bench.state(bob), StateKind::Idle);
    let carol = bench.offered(CAROL);
    bench.drop_call(CAROL, carol);
    forward(&mut bench, BOB, vec![rule(ForwardWhen::Always, None)]);
    bench.make(ALICE, key(3), "bob");
    let cause = Cause::UserBusy;
    let busy = TspEvent::CallState { call: key(3), state: CallState::Disconnected { cause }, allowed: None };
    assert!(bench.events.contains(&busy));
    forward(&mut bench, BOB, Vec::new());
    bench.make(ALICE, key(4), "bob");
    let bob = bench.offered(BOB);
    bench.drop_call(BOB, bob);
    bench.assert_clean();
}

#[test]
fn a_busy_rule_leaves_the_first_call_alone_and_circles_end() {
    let mut bench = Bench::new();
    forward(&mut bench, BOB, vec![rule(ForwardWhen::Busy, Some("sim:carol"))]);
    bench.talk(ALICE, key(1), (BOB, "bob"));
    bench.make(ALICE, key(2), "bob");
    assert_eq!(bench.state(bench.offered(CAROL)), StateKind::Offering);
    bench.drop_call(ALICE, key(2));
    bench.drop_call(ALICE, key(1));
    forward(&mut bench, BOB, vec![rule(ForwardWhen::Always, Some("sim:carol"))]);
    forward(&mut bench, CAROL, vec![rule(ForwardWhen::Always, Some("sim:bob"))]);
    bench.make(ALICE, key(3), "bob");
    assert_eq!(bench.state(key(3)), StateKind::Idle);
    bench.assert_clean();
}

#[test]
fn the_ring_time_of_a_rule_is_clamped_and_reported() {
    let mut bench = Bench::new();
    let asked = ForwardRule { after: Some(500 * SECOND), ..rule(ForwardWhen::NoAnswer, Some("carol")) };
    forward(&mut bench, BOB, vec![asked.clone()]);
    let in_force = vec![ForwardRule { after: Some(60 * SECOND), ..asked }];
    let reported = bench.events.iter().find_map(|event| match event {
        TspEvent::Line { line: BOB, status } => status.forwarding.clone(),
        _ => None,
    });
    assert_eq!(reported, Some(in_force));
}

#[test]
fn a_completion_calls_back_once_and_its_id_dies_with_it() {
    let mut bench = Bench::new();
    bench.make(ALICE, key(1), "bob");
    let bob = bench.offered(BOB);
    bench.ask(ALICE, key(1), CallOp::CompleteCall { mode: CompletionMode::CallBack }).unwrap();
    let Outcome::Completion { id } = outcome(&bench) else { panic!("no completion") };
    bench.run_for(10 * SECOND);
    assert_eq!(bench.state(bob), StateKind::Offering);
    bench.drop_call(ALICE, key(1));
    bench.run_for(10 * SECOND);
    let back = bench.offered(ALICE);
    bench.ask(ALICE, back, CallOp::Answer).unwrap();
    let bob = bench.offered(BOB);
    bench.ask(BOB, bob, CallOp::Answer).unwrap();
    let used = ask_line(&mut bench, ALICE, LineOp::UncompleteCall { id }).unwrap_err();
    assert_eq!(used.kind, RefusalKind::Gone);
    bench.drop_call(ALICE, back);
    bench.assert_clean();
}

#[test]
fn a_completion_that_is_cancelled_calls_nobody() {
    let mut bench = Bench::new();
    bench.make(ALICE, key(1), "bob");
    bench.ask(ALICE, key(1), CallOp::CompleteCall { mode: CompletionMode::CallBack }).unwrap();
    let Outcome::Completion { id } = outcome(&bench) else { panic!("no completion") };
    bench.drop_call(ALICE, key(1));
    ask_line(&mut bench, ALICE, LineOp::UncompleteCall { id }).unwrap();
    bench.run_for(10 * SECOND);
    bench.assert_clean();
}

#[test]
fn a_locked_line_makes_no_calls_and_its_lamp_can_be_lit() {
    let mut bench = Bench::new();
    let set = |message_waiting, locked| LineOp::SetStatus { message_waiting, in_service: None, locked };
    ask_line(&mut bench, ALICE, set(Some(true), Some(true))).unwrap();
    let lit = bench
        .events
        .iter()
        .any(|event| matches!(event, TspEvent::Line { status, .. } if status.message_waiting == Some(true)));
    assert!(lit);
    let refusal = bench.ask(ALICE, key(1), make_call("bob")).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::InvalidState);
    ask_line(&mut bench, ALICE, set(None, Some(false))).unwrap();
    bench.make(ALICE, key(2), "bob");
    bench.drop_call(ALICE, key(2));
    bench.assert_clean();
}

#[test]
fn digits_travel_in_signalling_where_there_is_no_media() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    let gather = |max, end: &str| Gather {
        max,
        terminators: digits(end),
        first_timeout: Some(5 * SECOND),
        inter_timeout: Some(2 * SECOND),
    };
    let ends = [
        ("123", gather(3, "#"), "123", GatherEnd::BufferFull),
        ("12#", gather(9, "#"), "12#", GatherEnd::Terminator),
        ("12", gather(9, "#"), "12", GatherEnd::InterTimeout),
        ("", gather(9, "#"), "", GatherEnd::FirstTimeout),
    ];
    for (sent, wanted, came, end) in ends {
        bench.ask(BOB, bob, CallOp::GatherDigits { gather: Some(wanted) }).unwrap();
        let op = CallOp::GenerateDigits { digits: digits(sent), mode: None, duration: None };
        bench.ask(ALICE, key(1), op).unwrap();
        bench.run_for(10 * SECOND);
        let gathered = TspEvent::Gathered { call: bob, digits: digits(came), end };
        assert!(bench.events.contains(&gathered), "{sent}");
        let generated = TspEvent::Generated { call: key(1), end: GenerationEnd::Done };
        assert_eq!(bench.events.contains(&generated), !sent.is_empty(), "{sent}");
    }
    let none = CallOp::GatherDigits { gather: Some(gather(0, "")) };
    assert_eq!(bench.ask(BOB, bob, none).unwrap_err().kind, RefusalKind::InvalidParameter);
    bench.ask(BOB, bob, CallOp::GatherDigits { gather: Some(gather(4, "")) }).unwrap();
    bench.drop_call(ALICE, key(1));
    let ended = TspEvent::Gathered { call: bob, digits: Vec::new(), end: GatherEnd::CallEnded };
    assert!(bench.events.contains(&ended));
    bench.assert_clean();
}

#[test]
fn one_message_of_user_data_waits_until_it_is_released() {
    let mut bench = Bench::new();
    let bob = bench.talk(ALICE, key(1), (BOB, "bob"));
    let data = |text: &str| Opaque { schema: SchemaId::new("text"), data: text.to_owned() };
    let send = |text: &str| CallOp::SendUserData { data: data(text) };
    bench.ask(ALICE, key(1), send("hello")).unwrap();
    let told = bench.events.iter().any(|event| {
        matches!(event, TspEvent::CallInfo { call, info }
            if *call == bob && info.user_data.as_deref() == Some(&data("hello")))
    });
    assert!(told);
    assert_eq!(bench.ask(ALICE, key(1), send("again")).unwrap_err().kind, RefusalKind::Busy);
    bench.ask(BOB, bob, CallOp::ReleaseUserData).unwrap();
    bench.ask(ALICE, key(1), send("again")).unwrap();
    let long = bench.ask(BOB, bob, send(&"x".repeat(129))).unwrap_err();
    assert_eq!(long.kind, RefusalKind::InvalidParameter);
    bench.drop_call(ALICE, key(1));
    bench.assert_clean();
}

#[test]
fn quality_that_does_not_exist_and_unknown_extensions_are_refused() {
    let mut bench = Bench::new();
    bench.talk(ALICE, key(1), (BOB, "bob"));
    let refusal = bench.ask(ALICE, key(1), CallOp::SetQuality { bits_per_second: 64_001 }).unwrap_err();
    assert_eq!(refusal.cause, Some(Cause::QualityUnavailable));
    let data = |schema: &str| Opaque { schema: SchemaId::new(schema), data: "ping".to_owned() };
    let unknown = bench.ask(ALICE, key(1), CallOp::Extension { data: data("acme.lamp") }).unwrap_err();
    assert_eq!(unknown.kind, RefusalKind::Unsupported);
    let known = data("offhook.sim.echo");
    bench.ask(ALICE, key(1), CallOp::Extension { data: known.clone() }).unwrap();
    assert_eq!(outcome(&bench), Outcome::Data { data: known });
    bench.drop_call(ALICE, key(1));
    bench.assert_clean();
}

fn operation() -> impl Strategy<Value = (u64, u8, u64, u64)> {
    (1..4_u64, 0..23_u8, 0..12_u64, 0..12_u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Operations at any moment on any call, most of them refused: the contract holds, and nothing is
    /// left when the lines are closed.
    #[test]
    fn any_operations_keep_the_contract(steps in proptest::collection::vec(operation(), 1..60)) {
        let mut bench = Bench::new();
        let names = ["bob", "carol", "echo", "friendly", "hangs-up", "busy", "alice", ";"];
        let mut fresh = 100;
        for (line, what, one, two) in steps {
            let live: Vec<CallKey> =
                bench.states.iter().filter(|(_, s)| s.kind() != StateKind::Idle).map(|(k, _)| *k).collect();
            let pick = |n: u64| live.get(usize::try_from(n).unwrap()).copied().unwrap_or_else(|| key(99));
            let name = names.get(usize::try_from(two % 8).unwrap()).copied().unwrap_or("bob");
            let to = Address::new(name);
            let (call, other) = (pick(one), pick(two));
            fresh += 2;
            let (new, newer) = (key(fresh), key(fresh + 1));
            let (call, op) = match what {
                0 | 1 => (new, make_call(name)),
                2 => (call, CallOp::Accept),
                3 | 4 => (call, CallOp::Answer),
                5 => (call, CallOp::Hold),
                6 => (call, CallOp::Unhold),
                7 => (call, CallOp::SwapHold { with: other }),
                8 => (call, consult(new, (two < 8).then_some(name).filter(|name| *name != ";"))),
                9 => (call, transfer(other)),
                10 => {
                    let completion = Completion::Conference { conference: new };
                    (call, CallOp::CompleteTransfer { consultation: other, completion })
                }
                11 => (call, CallOp::SetupConference { conference: new, consultation: newer }),
                12 => (new, CallOp::SetupConference { conference: newer, consultation: new }),
                13 => (call, CallOp::PrepareAddToConference { consultation: new, to: (two < 4).then_some(to) }),
                14 => (call, CallOp::AddToConference { member: other }),
                15 => (call, CallOp::RemoveFromConference),
                16 => (call, CallOp::BlindTransfer { to }),
                17 => (call, CallOp::Park { at: None }),
                18 => {
                    let modes = [
                        CompletionMode::CallBack,
                        CompletionMode::CampOn,
                        CompletionMode::Intrude,
                        CompletionMode::Message,
                    ];
                    (call, CallOp::CompleteCall { mode: modes[usize::try_from(two % 4).unwrap()] })
                }
                19 => {
                    let at = Address::new(format!("sim:park-{}", one % 3));
                    ask_line(&mut bench, LineKey(line), LineOp::Unpark { call: new, at }).ok();
                    continue;
                }
                20 => {
                    let what = PickupTarget::Group { group: None };
                    ask_line(&mut bench, LineKey(line), LineOp::Pickup { call: new, what }).ok();
                    continue;
                }
                21 => {
                    let when = [ForwardWhen::Always, ForwardWhen::Busy, ForwardWhen::NoAnswer];
                    let rules = vec![rule(when[usize::try_from(one % 3).unwrap()], Some(name))];
                    let address = AddressIndex::default();
                    ask_line(&mut bench, LineKey(line), LineOp::Forward { address, rules }).ok();
                    continue;
                }
                _ => (call, CallOp::Drop { cause: None }),
            };
            bench.ask(LineKey(line), call, op).ok();
            bench.run_for(SECOND * u32::try_from(two % 2).unwrap());
            prop_assert_eq!(bench.watch.breaches(), Vec::<String>::new());
        }
        let caller = Party::default();
        let script = Script::new([Step::Wait(SECOND), Step::HangUp(Cause::NormalClearing)]);
        bench.exchange.handle(bench.now, ExchangeInput::Ring { line: ALICE, caller, script });
        bench.collect();
        bench.close_all();
        bench.run_for(SECOND);
        bench.assert_clean();
    }
}
