// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every pair of state and input of the four machines: what is not in a table must do nothing.

use std::fmt::Debug;
use std::time::Duration;

use super::invite_client::{self, InviteClient};
use super::invite_server::{self, InviteServer};
use super::machine::{Action, Actions, ClientInput, Reliability, Rules, ServerInput, Timer, Trouble};
use super::other_client::{self, OtherClient};
use super::other_server::{self, OtherServer};
use super::timing::Timing;

const TIMERS: [Timer; 14] = [
    Timer::A,
    Timer::B,
    Timer::D,
    Timer::E,
    Timer::F,
    Timer::G,
    Timer::H,
    Timer::I,
    Timer::J,
    Timer::K,
    Timer::L,
    Timer::M,
    Timer::Trying,
    Timer::Unanswered,
];

fn udp() -> Rules {
    Rules { timing: Timing::default(), reliability: Reliability::Unreliable }
}

fn tcp() -> Rules {
    Rules { timing: Timing::default(), reliability: Reliability::Reliable }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn client_inputs() -> Vec<ClientInput> {
    let mut inputs = vec![
        ClientInput::Begin,
        ClientInput::Broken,
        ClientInput::Failure,
        ClientInput::Provisional,
        ClientInput::Success,
    ];
    inputs.extend(TIMERS.map(ClientInput::Fired));
    inputs
}

fn server_inputs() -> Vec<ServerInput> {
    let mut inputs = vec![
        ServerInput::Ack,
        ServerInput::Again,
        ServerInput::Begin,
        ServerInput::Broken,
        ServerInput::Failure,
        ServerInput::Provisional,
        ServerInput::Success,
    ];
    inputs.extend(TIMERS.map(ServerInput::Fired));
    inputs
}

type Row<S, I> = (S, I, S, Vec<Action>);

/// Steps a machine through every pair; `step` returns the new state.
fn check<S, I>(states: &[S], inputs: &[I], rows: &[Row<S, I>], step: impl Fn(S, I, &mut Actions) -> S)
where
    S: Copy + Debug + PartialEq,
    I: Copy + Debug + PartialEq,
{
    for &state in states {
        for &input in inputs {
            let mut actions = Actions::new();
            let after = step(state, input, &mut actions);
            let expected = rows.iter().find(|row| row.0 == state && row.1 == input);
            let (to, todo) = expected.map_or((state, Vec::new()), |row| (row.2, row.3.clone()));
            assert_eq!((after, actions), (to, todo), "{state:?} {input:?}");
        }
    }
}

#[test]
fn invite_client_table() {
    use ClientInput::{Begin, Broken, Failure, Fired, Provisional, Success};
    use invite_client::State::{Accepted, Calling, Completed, Proceeding, Terminated};
    let quiet = [Action::Disarm(Timer::A), Action::Disarm(Timer::B)];
    let accept = [Action::Deliver, Action::Arm(Timer::M, ms(32_000))];
    let refuse = [Action::SendAck, Action::Deliver, Action::Arm(Timer::D, ms(32_000))];
    let rows = [
        (
            Calling,
            Begin,
            Calling,
            vec![Action::Send, Action::Arm(Timer::A, ms(500)), Action::Arm(Timer::B, ms(32_000))],
        ),
        (Calling, Fired(Timer::A), Calling, vec![Action::Send, Action::Arm(Timer::A, ms(0))]),
        (Calling, Fired(Timer::B), Terminated, vec![Action::Fail(Trouble::Timeout), Action::End]),
        (Calling, Broken, Terminated, vec![Action::Fail(Trouble::Transport), Action::End]),
        (Calling, Provisional, Proceeding, [&quiet[..], &[Action::Deliver]].concat()),
        (Calling, Success, Accepted, [&quiet[..], &accept].concat()),
        (Calling, Failure, Completed, [&quiet[..], &refuse].concat()),
        (Proceeding, Provisional, Proceeding, vec![Action::Deliver]),
        (Proceeding, Success, Accepted, accept.to_vec()),
        (Proceeding, Failure, Completed, refuse.to_vec()),
        (Completed, Failure, Completed, vec![Action::SendAck]),
        (Completed, Success, Completed, vec![Action::Deliver]),
        (Completed, Broken, Terminated, vec![Action::Fail(Trouble::Transport), Action::End]),
        (Completed, Fired(Timer::D), Terminated, vec![Action::End]),
        (Accepted, Success, Accepted, vec![Action::Deliver]),
        (Accepted, Fired(Timer::M), Terminated, vec![Action::End]),
    ];
    let states = [Calling, Proceeding, Completed, Accepted, Terminated];
    check(&states, &client_inputs(), &rows, |state, input, out| {
        let mut machine = InviteClient::new();
        machine.state = state;
        machine.step(input, &udp(), out);
        machine.state
    });
}

#[test]
fn other_client_table() {
    use ClientInput::{Begin, Broken, Failure, Fired, Provisional, Success};
    use other_client::State::{Completed, Proceeding, Terminated, Trying};
    let quiet = [Action::Disarm(Timer::E), Action::Disarm(Timer::F)];
    let answered = [&quiet[..], &[Action::Deliver, Action::Arm(Timer::K, ms(5_000))]].concat();
    let late = vec![Action::Disarm(Timer::E), Action::Fail(Trouble::Timeout), Action::End];
    let broken = [&quiet[..], &[Action::Fail(Trouble::Transport), Action::End]].concat();
    let rows = [
        (
            Trying,
            Begin,
            Trying,
            vec![Action::Send, Action::Arm(Timer::E, ms(500)), Action::Arm(Timer::F, ms(32_000))],
        ),
        (Trying, Fired(Timer::E), Trying, vec![Action::Send, Action::Arm(Timer::E, ms(0))]),
        (Trying, Fired(Timer::F), Terminated, late.clone()),
        (Trying, Broken, Terminated, broken.clone()),
        (Trying, Provisional, Proceeding, vec![Action::Deliver]),
        (Trying, Success, Completed, answered.clone()),
        (Trying, Failure, Completed, answered.clone()),
        (Proceeding, Fired(Timer::E), Proceeding, vec![Action::Send, Action::Arm(Timer::E, ms(4_000))]),
        (Proceeding, Fired(Timer::F), Terminated, late),
        (Proceeding, Broken, Terminated, broken),
        (Proceeding, Provisional, Proceeding, vec![Action::Deliver]),
        (Proceeding, Success, Completed, answered.clone()),
        (Proceeding, Failure, Completed, answered),
        (Completed, Fired(Timer::K), Terminated, vec![Action::End]),
    ];
    check(&[Trying, Proceeding, Completed, Terminated], &client_inputs(), &rows, |state, input, out| {
        let mut machine = OtherClient::new();
        machine.state = state;
        machine.step(input, &udp(), out);
        machine.state
    });
}

#[test]
fn invite_server_table() {
    use ServerInput::{Ack, Again, Begin, Broken, Failure, Fired, Provisional, Success};
    use invite_server::State::{Accepted, Completed, Confirmed, Proceeding, Terminated};
    let heard = vec![Action::Fail(Trouble::Transport)];
    let rows = [
        (Proceeding, Begin, Proceeding, vec![Action::Arm(Timer::Trying, ms(200))]),
        (Proceeding, Fired(Timer::Trying), Proceeding, vec![Action::SendTrying]),
        (Proceeding, Again, Proceeding, vec![Action::Send]),
        (Proceeding, Provisional, Proceeding, vec![Action::Disarm(Timer::Trying), Action::Send]),
        (
            Proceeding,
            Success,
            Accepted,
            vec![Action::Disarm(Timer::Trying), Action::Send, Action::Arm(Timer::L, ms(32_000))],
        ),
        (
            Proceeding,
            Failure,
            Completed,
            vec![
                Action::Disarm(Timer::Trying),
                Action::Send,
                Action::Arm(Timer::G, ms(500)),
                Action::Arm(Timer::H, ms(32_000)),
            ],
        ),
        (Proceeding, Broken, Proceeding, heard.clone()),
        (Completed, Again, Completed, vec![Action::Send]),
        (Completed, Fired(Timer::G), Completed, vec![Action::Send, Action::Arm(Timer::G, ms(0))]),
        (
            Completed,
            Fired(Timer::H),
            Terminated,
            vec![Action::Disarm(Timer::G), Action::Fail(Trouble::Timeout), Action::End],
        ),
        (
            Completed,
            Ack,
            Confirmed,
            vec![Action::Disarm(Timer::G), Action::Disarm(Timer::H), Action::Arm(Timer::I, ms(5_000))],
        ),
        (Completed, Broken, Completed, heard.clone()),
        (Confirmed, Fired(Timer::I), Terminated, vec![Action::End]),
        (Accepted, Success, Accepted, vec![Action::Send]),
        (Accepted, Ack, Accepted, vec![Action::Deliver]),
        (Accepted, Broken, Accepted, heard),
        (Accepted, Fired(Timer::L), Terminated, vec![Action::End]),
    ];
    let states = [Proceeding, Completed, Confirmed, Accepted, Terminated];
    check(&states, &server_inputs(), &rows, |state, input, out| {
        let mut machine = InviteServer::new();
        machine.state = state;
        machine.step(input, &udp(), out);
        machine.state
    });
}

#[test]
fn other_server_table() {
    use ServerInput::{Again, Begin, Broken, Failure, Fired, Provisional, Success};
    use other_server::State::{Completed, Proceeding, Terminated, Trying};
    let answered = vec![
        Action::Disarm(Timer::Trying),
        Action::Disarm(Timer::Unanswered),
        Action::Send,
        Action::Arm(Timer::J, ms(32_000)),
    ];
    let late = vec![Action::Disarm(Timer::Trying), Action::Fail(Trouble::Timeout), Action::End];
    let broken = vec![
        Action::Disarm(Timer::Unanswered),
        Action::Disarm(Timer::J),
        Action::Fail(Trouble::Transport),
        Action::End,
    ];
    let provisional = vec![Action::Disarm(Timer::Trying), Action::Send];
    let rows = [
        (
            Trying,
            Begin,
            Trying,
            vec![Action::Arm(Timer::Trying, ms(3_500)), Action::Arm(Timer::Unanswered, ms(32_000))],
        ),
        (Trying, Fired(Timer::Trying), Proceeding, vec![Action::SendTrying]),
        (Trying, Fired(Timer::Unanswered), Terminated, late.clone()),
        (Trying, Provisional, Proceeding, provisional.clone()),
        (Trying, Success, Completed, answered.clone()),
        (Trying, Failure, Completed, answered.clone()),
        (Proceeding, Again, Proceeding, vec![Action::Send]),
        (Proceeding, Provisional, Proceeding, provisional),
        (Proceeding, Success, Completed, answered.clone()),
        (Proceeding, Failure, Completed, answered),
        (Proceeding, Fired(Timer::Unanswered), Terminated, late),
        (Proceeding, Broken, Terminated, broken.clone()),
        (Completed, Again, Completed, vec![Action::Send]),
        (Completed, Broken, Terminated, broken),
        (Completed, Fired(Timer::J), Terminated, vec![Action::End]),
    ];
    check(&[Trying, Proceeding, Completed, Terminated], &server_inputs(), &rows, |state, input, out| {
        let mut machine = OtherServer::new();
        machine.state = state;
        machine.step(input, &udp(), out);
        machine.state
    });
}

#[test]
fn reliable_transports_repeat_nothing_and_absorb_nothing() {
    let mut out = Actions::new();
    InviteClient::new().step(ClientInput::Begin, &tcp(), &mut out);
    assert_eq!(out, [Action::Send, Action::Arm(Timer::B, ms(32_000))]);
    out.clear();
    OtherClient::new().step(ClientInput::Begin, &tcp(), &mut out);
    assert_eq!(out, [Action::Send, Action::Arm(Timer::F, ms(32_000))]);
    out.clear();
    InviteServer::new().step(ServerInput::Failure, &tcp(), &mut out);
    assert_eq!(out, [Action::Disarm(Timer::Trying), Action::Send, Action::Arm(Timer::H, ms(32_000))]);
    out.clear();
    OtherServer::new().step(ServerInput::Success, &tcp(), &mut out);
    assert_eq!(out.last(), Some(&Action::Arm(Timer::J, ms(0))));
    for (input, timer) in [(ClientInput::Failure, Timer::D), (ClientInput::Success, Timer::M)] {
        out.clear();
        InviteClient::new().step(input, &tcp(), &mut out);
        // Timer M counts on every transport: other branches may still answer.
        let wait = if timer == Timer::M { ms(32_000) } else { ms(0) };
        assert_eq!(out.last(), Some(&Action::Arm(timer, wait)));
    }
}

/// Lets `timer` fire until another one would come first, and returns when it sent.
fn sendings(timer: Timer, give_up: Duration, mut step: impl FnMut(bool, &mut Actions)) -> Vec<u128> {
    let (mut now, mut sent, mut first) = (Duration::ZERO, Vec::new(), true);
    loop {
        let mut out = Actions::new();
        step(first, &mut out);
        first = false;
        if out.contains(&Action::Send) {
            sent.push(now.as_millis());
        }
        let next = out.iter().find_map(|action| match action {
            Action::Arm(armed, after) if *armed == timer => Some(*after),
            _ => None,
        });
        now += next.expect("the timer is armed again");
        if now >= give_up {
            return sent;
        }
    }
}

#[test]
fn an_invite_is_sent_at_half_a_second_doubling_without_a_ceiling() {
    let mut machine = InviteClient::new();
    let times = sendings(Timer::A, ms(32_000), |first, out| {
        let input = if first { ClientInput::Begin } else { ClientInput::Fired(Timer::A) };
        machine.step(input, &udp(), out);
    });
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
}

#[test]
fn another_request_is_sent_at_half_a_second_doubling_up_to_four() {
    let mut machine = OtherClient::new();
    let times = sendings(Timer::E, ms(32_000), |first, out| {
        let input = if first { ClientInput::Begin } else { ClientInput::Fired(Timer::E) };
        machine.step(input, &udp(), out);
    });
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
}

#[test]
fn a_refusal_is_sent_at_half_a_second_doubling_up_to_four() {
    let mut machine = InviteServer::new();
    let times = sendings(Timer::G, ms(32_000), |first, out| {
        let input = if first { ServerInput::Failure } else { ServerInput::Fired(Timer::G) };
        machine.step(input, &udp(), out);
    });
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
}
