// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every operation through handles, over a provider that carries out whatever it is asked.

use std::time::Duration;

use offhook::spi::{
    Address, AddressCaps, CallKey, CallOp, Completion, CompletionMode, HookMode, HookSwitch, LampMode,
    LineCaps, LineKey, LineOp, LineStatus, Manifest, MediaSet, Op, OpSet, Opaque, Outcome, PhoneCaps,
    PhoneChange, PhoneKey, PickupTarget, ProviderError, Reply, RequestId, SchemaId, Treatment, Tsp,
    TspCommand, TspEvent, TspLink, VersionRange,
};
use offhook::{CallState, Cause, ErrorKind, Interest, Offhook, Privilege, Tie};

/// A provider whose network is of one mind with everybody.
#[derive(Debug)]
struct YesTsp;

impl Tsp for YesTsp {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "yes".to_owned(),
            vendor: "test".to_owned(),
            release: "1".to_owned(),
            spi: VersionRange::CURRENT,
            schemas: Vec::new(),
        }
    }

    async fn run(self, mut link: TspLink) -> Result<(), ProviderError> {
        let caps = LineCaps {
            ops: Op::ALL.into_iter().map(|(op, _)| op).collect::<OpSet>(),
            media: MediaSet::AUDIO,
            addresses: vec![AddressCaps::default()],
            extensions: vec![SchemaId::new("test")],
            ..LineCaps::default()
        };
        let (stable_id, status) = ("alice".to_owned(), LineStatus::default());
        let line = TspEvent::LineUp { line: LineKey(1), stable_id, caps: Box::new(caps), status };
        let hooks = vec![HookSwitch::Handset];
        let caps = PhoneCaps { hooks, display: (2, 20), buttons: 4, ring_modes: 2, ..PhoneCaps::default() };
        let phone = TspEvent::PhoneUp { phone: PhoneKey(1), stable_id: "desk".to_owned(), caps };
        for event in [line, phone, TspEvent::Ready] {
            link.emit(event).await.ok();
        }
        while let Some(command) = link.next().await {
            for event in answer(command) {
                link.emit(event).await.ok();
            }
        }
        Ok(())
    }
}

fn done(request: RequestId, outcome: Outcome) -> TspEvent {
    TspEvent::Reply { request, result: Reply::Done(outcome) }
}

fn state(call: CallKey, state: CallState) -> TspEvent {
    TspEvent::CallState { call, state, allowed: None }
}

fn answer(command: TspCommand) -> Vec<TspEvent> {
    match command {
        TspCommand::Call { request, call, op, .. } => answer_call(request, call, op),
        TspCommand::Line { request, op, .. } => match op {
            LineOp::Pickup { call, .. } | LineOp::Unpark { call, .. } => {
                vec![done(request, Outcome::Done), state(call, CallState::CONNECTED)]
            }
            LineOp::Extension { data } => vec![done(request, Outcome::Data { data })],
            _ => vec![done(request, Outcome::Done)],
        },
        TspCommand::Open { request, .. } | TspCommand::Phone { request, .. } => {
            vec![done(request, Outcome::Done)]
        }
        _ => Vec::new(),
    }
}

fn answer_call(request: RequestId, call: CallKey, op: CallOp) -> Vec<TspEvent> {
    let ok = done(request, Outcome::Done);
    let connected = |call| state(call, CallState::CONNECTED);
    match op {
        CallOp::MakeCall { to, .. } if to.as_str() == "busy" => vec![ok, state(call, CallState::Busy)],
        CallOp::MakeCall { .. } | CallOp::Unhold => vec![ok, connected(call)],
        CallOp::Hold => vec![ok, state(call, CallState::OnHold)],
        CallOp::SwapHold { with } => vec![ok, state(call, CallState::OnHold), connected(with)],
        CallOp::Drop { .. } | CallOp::BlindTransfer { .. } | CallOp::RemoveFromConference => {
            vec![ok, state(call, CallState::Idle)]
        }
        CallOp::Park { .. } => {
            let at = Address::new("7001");
            vec![done(request, Outcome::ParkedAt { at }), state(call, CallState::Idle)]
        }
        CallOp::CompleteCall { .. } => vec![done(request, Outcome::Completion { id: 9 })],
        CallOp::Extension { data } => vec![done(request, Outcome::Data { data })],
        CallOp::SetupTransfer { consultation, .. } => {
            vec![ok, state(call, CallState::OnHoldPendingTransfer), connected(consultation)]
        }
        CallOp::CompleteTransfer { consultation, completion: Completion::Transfer } => {
            vec![ok, state(call, CallState::Idle), state(consultation, CallState::Idle)]
        }
        CallOp::CompleteTransfer { consultation, completion: Completion::Conference { conference } } => {
            let member = CallState::Conferenced { conference };
            vec![ok, connected(conference), state(call, member.clone()), state(consultation, member)]
        }
        CallOp::SetupConference { conference, consultation } => {
            let mut events =
                vec![ok, state(conference, CallState::OnHoldPendingConference), connected(consultation)];
            if call != consultation {
                events.push(state(call, CallState::Conferenced { conference }));
            }
            events
        }
        CallOp::PrepareAddToConference { consultation, .. } => {
            vec![ok, state(call, CallState::OnHoldPendingConference), connected(consultation)]
        }
        CallOp::AddToConference { member } => {
            vec![ok, state(member, CallState::Conferenced { conference: call }), connected(call)]
        }
        _ => vec![ok],
    }
}

async fn phone() -> Offhook {
    Offhook::builder().tsp(YesTsp).start().await.expect("the provider starts")
}

#[tokio::test(start_paused = true)]
async fn a_consultation_is_transferred_or_becomes_a_conference() {
    let server = phone().await;
    let line = server.app("desk").await.unwrap().line("alice").await.unwrap();
    for as_conference in [false, true] {
        let call = line.call("bob").await.unwrap();
        call.connected().await.unwrap();
        let other = call.consult_with("carol").await.unwrap();
        other.connected().await.unwrap();
        let ties = call.details().await.unwrap().ties;
        assert!(matches!(ties[..], [Tie::ConsultedBy { consultation, .. }] if consultation == other.id()));
        if as_conference {
            let conference = call.complete_as_conference(&other).await.unwrap();
            conference.connected().await.unwrap();
            other.leave_conference().await.unwrap();
            other.ended().await;
            conference.hang_up().await.unwrap();
        } else {
            call.complete_transfer(&other).await.unwrap();
            assert_eq!(call.ended().await, Cause::NormalClearing);
            other.ended().await;
        }
    }
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn conferences_grow_from_a_call_and_from_nothing() {
    let server = phone().await;
    let line = server.app("desk").await.unwrap().line("alice").await.unwrap();
    let call = line.call("bob").await.unwrap();
    call.connected().await.unwrap();
    let (conference, second) = call.conference().await.unwrap();
    second.connected().await.unwrap();
    conference.add(&second).await.unwrap();
    conference.connected().await.unwrap();
    let third = conference.prepare_add_of("dave").await.unwrap();
    third.connected().await.unwrap();
    conference.add(&third).await.unwrap();
    third.reaches(|state| matches!(state, CallState::Conferenced { .. })).await.unwrap();
    let record = conference.details().await.unwrap();
    assert!(matches!(&record.ties[..], [Tie::Conference { members }] if members.len() == 3));
    assert_eq!(record.hub, third.details().await.unwrap().hub);

    let (conference, first) = line.conference().await.unwrap();
    first.dial("eve").await.unwrap();
    first.connected().await.unwrap();
    conference.add(&first).await.unwrap();
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn calls_are_parked_fetched_picked_up_and_called_back() {
    let server = phone().await;
    let line = server.app("desk").await.unwrap().line("alice").await.unwrap();
    let call = line.call("bob").await.unwrap();
    call.connected().await.unwrap();
    let at = call.park().await.unwrap();
    let fetched = line.unpark(at.as_str()).await.unwrap();
    fetched.connected().await.unwrap();
    line.pick_up(PickupTarget::Group { group: None }).await.unwrap().connected().await.unwrap();
    let busy = line.call("busy").await.unwrap();
    busy.reaches(|state| *state == CallState::Busy).await.unwrap();
    let id = busy.complete(CompletionMode::CallBack).await.unwrap();
    line.cancel_completion(id).await.unwrap();
    assert_eq!(line.cancel_completion(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    line.do_not_disturb().await.unwrap();
    line.forward(Vec::new()).await.unwrap();
    let data = Opaque { schema: SchemaId::new("test"), data: "hello".to_owned() };
    assert_eq!(line.extension(data.clone()).await.unwrap(), Some(data.clone()));
    assert_eq!(fetched.extension(data.clone()).await.unwrap(), Some(data));
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_is_swapped_secured_treated_and_listened_to() {
    let server = phone().await;
    let line = server.app("desk").await.unwrap().line("alice").await.unwrap();
    let (held, call) = (line.call("bob").await.unwrap(), line.call("carol").await.unwrap());
    held.connected().await.unwrap();
    held.hold().await.unwrap();
    held.reaches(|state| *state == CallState::OnHold).await.unwrap();
    call.connected().await.unwrap();
    call.swap(&held).await.unwrap();
    held.reaches(|state| *state == CallState::CONNECTED).await.unwrap();
    held.secure().await.unwrap();
    held.treat(Treatment::Music).await.unwrap();
    held.set_media(MediaSet::AUDIO).await.unwrap();
    held.set_data(Vec::new()).await.unwrap();
    held.set_quality(64_000).await.unwrap();
    held.set_media_control(Vec::new()).await.unwrap();
    held.add_terminal("headset").await.unwrap();
    held.remove_terminal("headset").await.unwrap();
    held.monitor_media(MediaSet::AUDIO).await.unwrap();
    held.monitor_tones(Vec::new()).await.unwrap();
    held.release_user_data().await.unwrap();
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_changes_hands() {
    let server = phone().await;
    let (desk, robot) = (server.app("desk").await.unwrap(), server.app("robot").await.unwrap());
    let (line, other) = (desk.line("alice").await.unwrap(), robot.line("alice").await.unwrap());
    other.open(Interest { monitor: true, own: MediaSet::AUDIO }).await.unwrap();
    let call = line.call("bob").await.unwrap();
    call.connected().await.unwrap();
    assert_eq!(call.hand_off("nobody").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(call.become_monitor().await.unwrap_err().kind(), ErrorKind::SoleOwner);
    call.hand_off("robot").await.unwrap();
    // It had a monitor's handle; now it is among those that it owns.
    let taken = tokio::time::timeout(Duration::from_secs(1), robot.incoming()).await.unwrap().unwrap();
    assert_eq!(taken.id(), call.id());
    call.become_monitor().await.unwrap();
    assert_eq!(call.hold().await.unwrap_err().kind(), ErrorKind::NotOwner);
    assert_eq!(taken.details().await.unwrap().owners, 1);
    let mut names: Vec<String> = desk.apps().await.unwrap().into_iter().map(|app| app.name).collect();
    names.sort();
    assert_eq!(names, ["desk", "robot"]);
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_monitor_asks_for_the_calls_of_a_line() {
    let server = phone().await;
    let (desk, late) = (server.app("desk").await.unwrap(), server.app("late").await.unwrap());
    let call = desk.line("alice").await.unwrap().call("bob").await.unwrap();
    call.connected().await.unwrap();
    let line = late.line("alice").await.unwrap();
    assert_eq!(line.calls().await.unwrap_err().kind(), ErrorKind::InvalidState);
    line.open(Interest::MONITOR).await.unwrap();
    let calls = line.calls().await.unwrap();
    assert_eq!((calls.len(), calls[0].state()), (1, CallState::CONNECTED));
    assert_eq!(calls[0].details().await.unwrap().privilege, Privilege::Monitor);
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_phone_is_owned_watched_and_changed() {
    let server = phone().await;
    let (desk, other) = (server.app("desk").await.unwrap(), server.app("other").await.unwrap());
    let (mine, theirs) = (desk.phone("desk").await.unwrap(), other.phone("desk").await.unwrap());
    assert_eq!(desk.phone("kitchen").await.unwrap_err().kind(), ErrorKind::NotFound);
    mine.own().await.unwrap();
    assert_eq!(theirs.own().await.unwrap_err().kind(), ErrorKind::Busy);
    theirs.watch().await.unwrap();
    assert_eq!(theirs.ring(0, 1).await.unwrap_err().kind(), ErrorKind::NotOwner);
    let mut events = theirs.events();
    mine.lamp(12, LampMode::Wink).await.unwrap();
    mine.hook(HookSwitch::Handset, HookMode::Both).await.unwrap();
    mine.volume(HookSwitch::Handset, 7).await.unwrap();
    mine.gain(HookSwitch::Handset, 8).await.unwrap();
    mine.label(12, "Hold").await.unwrap();
    mine.display(0, 0, "hello").await.unwrap();
    mine.ring(1, 9).await.unwrap();
    assert_eq!(mine.lamp(16, LampMode::Wink).await.unwrap_err().kind(), ErrorKind::InvalidParameter);
    let lamp = events
        .find(|event| match event {
            offhook::AppEvent::PhoneChange { change: PhoneChange::Lamp { button, mode }, .. } => {
                Some((*button, *mode))
            }
            _ => None,
        })
        .await;
    assert_eq!(lamp, Some((12, LampMode::Wink)));
    let state = theirs.details().await.unwrap().state;
    assert_eq!((state.hooks[&HookSwitch::Handset].volume, state.ring_mode), (Some(7), Some(1)));
    mine.close().await.unwrap();
    theirs.own().await.unwrap();
    server.shutdown().await;
}
