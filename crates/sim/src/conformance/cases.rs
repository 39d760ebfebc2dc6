// SPDX-License-Identifier: MIT OR Apache-2.0
//! The questions of the suite.

use offhook_spi::{
    Address, CallDirection, CallKey, CallOp, CallParams, CallState, Cause, CompletionMode, Op, RefusalKind,
    StateKind,
};

use super::bench::{Bench, Failure};
use super::{Behaviour, FarAct, Rig, Verdict, strain};

/// One test.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Case {
    AnswerAndDropIncoming,
    AnsweringOnesOwnCallIsRefused,
    BusyEndsWithItsCause,
    CallerGivesUp,
    CancelWhileRinging,
    ClosingTheLineEndsItsCalls,
    DeclinedEndsWithItsCause,
    DropBeforeAnything,
    DropEndsTheCall,
    DropTwice,
    FarEndHangsUp,
    FiftyCallsAtOnce,
    FloodIsAnswered,
    HoldAndUnhold,
    HoldingAnUnansweredCallIsRefused,
    HostGoes,
    HostReadsLate,
    LineComesBack,
    LineOpensAgain,
    NobodyThereEndsWithItsCause,
    RejectIncoming,
    RestartBringsTheSameLine,
    SenselessAddressIsNoCall,
    StaleCallIsRefused,
    TwoCallsAtOnce,
    UnknownCallIsRefused,
}

/// Operations that are tested to be refused where a line does not declare them.
pub(super) const SAMPLED: &[Op] = &[
    Op::BlindTransfer,
    Op::CompleteCall,
    Op::Dial,
    Op::Hold,
    Op::Park,
    Op::Redirect,
    Op::SecureCall,
    Op::SetMediaMode,
    Op::SwapHold,
];

impl Case {
    pub(super) const ALL: &[Self] = &[
        Self::DropEndsTheCall,
        Self::DropBeforeAnything,
        Self::DropTwice,
        Self::TwoCallsAtOnce,
        Self::FiftyCallsAtOnce,
        Self::BusyEndsWithItsCause,
        Self::DeclinedEndsWithItsCause,
        Self::NobodyThereEndsWithItsCause,
        Self::CancelWhileRinging,
        Self::FarEndHangsUp,
        Self::HoldAndUnhold,
        Self::HoldingAnUnansweredCallIsRefused,
        Self::AnsweringOnesOwnCallIsRefused,
        Self::SenselessAddressIsNoCall,
        Self::AnswerAndDropIncoming,
        Self::RejectIncoming,
        Self::CallerGivesUp,
        Self::ClosingTheLineEndsItsCalls,
        Self::StaleCallIsRefused,
        Self::UnknownCallIsRefused,
        Self::FloodIsAnswered,
        Self::HostReadsLate,
        Self::LineOpensAgain,
        Self::LineComesBack,
        Self::RestartBringsTheSameLine,
        Self::HostGoes,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::AnswerAndDropIncoming => "an incoming call is answered and dropped",
            Self::AnsweringOnesOwnCallIsRefused => "answering a call of one's own is refused",
            Self::BusyEndsWithItsCause => "a busy far end ends the call with its cause",
            Self::CallerGivesUp => "a caller that gives up ends the call",
            Self::CancelWhileRinging => "dropping while it rings ends the call",
            Self::ClosingTheLineEndsItsCalls => "closing the line ends its calls",
            Self::DeclinedEndsWithItsCause => "a declined call ends with its cause",
            Self::DropBeforeAnything => "a call is dropped before anything was heard of it",
            Self::DropEndsTheCall => "an answered call is dropped",
            Self::DropTwice => "a call that is dropped twice ends once",
            Self::FarEndHangsUp => "the far end hangs up",
            Self::FiftyCallsAtOnce => "fifty calls live at once and all end",
            Self::FloodIsAnswered => "a thousand requests in a row are answered once each",
            Self::HoldAndUnhold => "a call is held and retrieved",
            Self::HoldingAnUnansweredCallIsRefused => "holding a call that only rings is refused",
            Self::HostGoes => "a host that goes in the middle of calls ends the provider",
            Self::HostReadsLate => "a host that reads late loses no reply",
            Self::LineComesBack => "a line that is pulled out comes back as the same",
            Self::LineOpensAgain => "a line that was closed is opened again",
            Self::NobodyThereEndsWithItsCause => "a wrong number ends the call with its cause",
            Self::RejectIncoming => "an incoming call is declined",
            Self::RestartBringsTheSameLine => "a provider that is started again brings the same line",
            Self::SenselessAddressIsNoCall => "an address without sense is refused, or ends the call",
            Self::StaleCallIsRefused => "an operation on an ended call is refused",
            Self::TwoCallsAtOnce => "two calls live at once and end apart",
            Self::UnknownCallIsRefused => "an operation on a call that never was is refused",
        }
    }

    pub(super) const fn requires(self) -> &'static [Op] {
        match self {
            Self::AnswerAndDropIncoming | Self::CallerGivesUp => &[Op::Answer, Op::Drop],
            Self::RejectIncoming | Self::UnknownCallIsRefused => &[Op::Drop],
            Self::FloodIsAnswered
            | Self::HostReadsLate
            | Self::LineComesBack
            | Self::RestartBringsTheSameLine => &[],
            Self::AnsweringOnesOwnCallIsRefused => &[Op::MakeCall, Op::Drop, Op::Answer],
            Self::HoldAndUnhold | Self::HoldingAnUnansweredCallIsRefused => {
                &[Op::MakeCall, Op::Drop, Op::Hold, Op::Unhold]
            }
            _ => &[Op::MakeCall, Op::Drop],
        }
    }
}

/// Asks one question.
pub(super) async fn ask(case: Case, rig: &mut impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    match case {
        Case::DropEndsTheCall => drop_ends_the_call(rig, bench).await,
        Case::DropBeforeAnything => drop_before_anything(rig, bench).await,
        Case::DropTwice => drop_twice(rig, bench).await,
        Case::FiftyCallsAtOnce => fifty_calls(rig, bench).await,
        Case::HoldingAnUnansweredCallIsRefused => refused_while_ringing(rig, bench, CallOp::Hold).await,
        Case::AnsweringOnesOwnCallIsRefused => refused_while_ringing(rig, bench, CallOp::Answer).await,
        Case::SenselessAddressIsNoCall => senseless(bench).await,
        Case::UnknownCallIsRefused => unknown(bench).await,
        Case::TwoCallsAtOnce => two_calls(rig, bench).await,
        Case::BusyEndsWithItsCause => fails(rig, bench, Behaviour::Busy, &[Cause::UserBusy]).await,
        Case::DeclinedEndsWithItsCause => fails(rig, bench, Behaviour::Rejects, &[Cause::CallRejected]).await,
        Case::NobodyThereEndsWithItsCause => {
            let causes = [Cause::UnallocatedNumber, Cause::NoRouteToDestination];
            fails(rig, bench, Behaviour::WrongNumber, &causes).await
        }
        Case::CancelWhileRinging => cancel(rig, bench).await,
        Case::FarEndHangsUp => {
            fails(rig, bench, Behaviour::HangsUp, &[Cause::NormalClearing, Cause::NormalUnspecified]).await
        }
        Case::HoldAndUnhold => hold(rig, bench).await,
        Case::AnswerAndDropIncoming => answer(rig, bench).await,
        Case::RejectIncoming => reject(rig, bench).await,
        Case::CallerGivesUp => caller_gives_up(rig, bench).await,
        Case::ClosingTheLineEndsItsCalls => close(rig, bench).await,
        Case::StaleCallIsRefused => stale(rig, bench).await,
        Case::FloodIsAnswered => strain::flood(bench).await,
        Case::HostReadsLate => strain::reads_late(bench).await,
        Case::LineOpensAgain => strain::opens_again(rig, bench).await,
        Case::LineComesBack => strain::comes_back(rig, bench).await,
        Case::RestartBringsTheSameLine => strain::restarts(rig, bench).await,
        Case::HostGoes => strain::host_goes(rig, bench).await,
    }
}

/// Asks for an operation that is not declared, on a live call.
pub(super) async fn refuses(op: Op, rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(call) = connected(rig, bench).await? else { return Ok(Verdict::NotTried) };
    let Some(ask) = sample(op, bench) else { return Ok(Verdict::NotTried) };
    let request = bench.operate(call, ask).await?;
    match bench.reply(request).await? {
        Err(refusal) if refusal.kind == RefusalKind::Unsupported => Ok(Verdict::RefusedAsDeclared),
        Err(refusal) => Err(Failure::new(format!("{op} was refused, but as {refusal}"))),
        Ok(_) => Err(Failure::new(format!("{op} is not declared and was carried out"))),
    }
}

fn sample(op: Op, bench: &mut Bench) -> Option<CallOp> {
    let to = Address::new("somebody");
    Some(match op {
        Op::BlindTransfer => CallOp::BlindTransfer { to },
        Op::CompleteCall => CallOp::CompleteCall { mode: CompletionMode::CallBack },
        Op::Dial => CallOp::Dial { digits: "1".to_owned() },
        Op::Hold => CallOp::Hold,
        Op::Park => CallOp::Park { at: None },
        Op::Redirect => CallOp::Redirect { to },
        Op::SecureCall => CallOp::Secure,
        Op::SetMediaMode => CallOp::SetMediaMode { media: offhook_spi::MediaSet::AUDIO },
        Op::SwapHold => CallOp::SwapHold { with: bench.new_key() },
        _ => return None,
    })
}

async fn call(rig: &impl Rig, bench: &mut Bench, whom: Behaviour) -> Result<Option<CallKey>, Failure> {
    let Some(to) = bench.address(rig, whom) else { return Ok(None) };
    let key = bench.new_key();
    bench.done(key, CallOp::MakeCall { to, params: Box::new(CallParams::default()) }).await?;
    Ok(Some(key))
}

pub(super) async fn connected(rig: &impl Rig, bench: &mut Bench) -> Result<Option<CallKey>, Failure> {
    let Some(key) = call(rig, bench, Behaviour::Answers).await? else { return Ok(None) };
    bench.state(key, StateKind::Connected).await?;
    Ok(Some(key))
}

pub(super) async fn hang_up(bench: &mut Bench, key: CallKey) -> Result<(), Failure> {
    bench.done(key, CallOp::Drop { cause: None }).await?;
    bench.state(key, StateKind::Idle).await?;
    Ok(())
}

async fn drop_ends_the_call(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(key) = connected(rig, bench).await? else { return Ok(Verdict::NotTried) };
    hang_up(bench, key).await?;
    Ok(Verdict::Passed)
}

async fn two_calls(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(first) = connected(rig, bench).await? else { return Ok(Verdict::NotTried) };
    let Some(second) = connected(rig, bench).await? else { return Ok(Verdict::NotTried) };
    hang_up(bench, first).await?;
    hang_up(bench, second).await?;
    Ok(Verdict::Passed)
}

async fn drop_before_anything(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(to) = bench.address(rig, Behaviour::Answers) else { return Ok(Verdict::NotTried) };
    let key = bench.new_key();
    let make = bench.operate(key, CallOp::MakeCall { to, params: Box::new(CallParams::default()) }).await?;
    let drop = bench.operate(key, CallOp::Drop { cause: None }).await?;
    let (made, dropped) = (bench.reply(make).await?, bench.reply(drop).await?);
    match (made, dropped) {
        (Ok(_), Ok(_)) => bench.state(key, StateKind::Idle).await.map(|_| Verdict::Passed),
        // The drop overtook it: then there never was a call.
        (Err(_), _) => Ok(Verdict::Passed),
        (Ok(_), Err(refusal)) => {
            Err(Failure::new(format!("the call stands, its drop was refused: {refusal}")))
        }
    }
}

async fn drop_twice(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(key) = connected(rig, bench).await? else { return Ok(Verdict::NotTried) };
    let first = bench.operate(key, CallOp::Drop { cause: None }).await?;
    let second = bench.operate(key, CallOp::Drop { cause: None }).await?;
    bench.reply(first).await?.map_err(|no| Failure::new(format!("drop was refused: {no}")))?;
    // Whether the second is too late or finds the call still ending is a matter of speed; it has a reply.
    bench.reply(second).await?.ok();
    bench.state(key, StateKind::Idle).await?;
    Ok(Verdict::Passed)
}

async fn fifty_calls(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let mut keys = Vec::new();
    for _ in 0..50 {
        let Some(key) = call(rig, bench, Behaviour::Answers).await? else { return Ok(Verdict::NotTried) };
        keys.push(key);
    }
    for key in &keys {
        bench.state(*key, StateKind::Connected).await?;
    }
    for key in keys {
        hang_up(bench, key).await?;
    }
    Ok(Verdict::Passed)
}

/// What makes no sense for a call of ours that rings must leave it as it was.
async fn refused_while_ringing(rig: &impl Rig, bench: &mut Bench, op: CallOp) -> Result<Verdict, Failure> {
    let Some(key) = call(rig, bench, Behaviour::NeverAnswers).await? else { return Ok(Verdict::NotTried) };
    bench.state(key, StateKind::Ringback).await?;
    let request = bench.operate(key, op).await?;
    if bench.reply(request).await?.is_ok() {
        return Err(Failure::new("it was carried out"));
    }
    hang_up(bench, key).await?;
    Ok(Verdict::Passed)
}

async fn senseless(bench: &mut Bench) -> Result<Verdict, Failure> {
    for text in ["", "sip:", "\u{0}\r\nBye: now", "<>"] {
        let (key, to) = (bench.new_key(), Address::new(text));
        let make = CallOp::MakeCall { to, params: Box::new(CallParams::default()) };
        let request = bench.operate(key, make).await?;
        if bench.reply(request).await?.is_ok() {
            bench.state(key, StateKind::Disconnected).await?;
            bench.state(key, StateKind::Idle).await?;
        }
    }
    Ok(Verdict::Passed)
}

async fn unknown(bench: &mut Bench) -> Result<Verdict, Failure> {
    let key = bench.new_key();
    let request = bench.operate(key, CallOp::Drop { cause: None }).await?;
    match bench.reply(request).await? {
        Err(_) => Ok(Verdict::Passed),
        Ok(_) => Err(Failure::new("a call that never was is said to be dropped")),
    }
}

/// A call that ends by itself: disconnected with one of these causes, then idle.
async fn fails(
    rig: &impl Rig,
    bench: &mut Bench,
    whom: Behaviour,
    causes: &[Cause],
) -> Result<Verdict, Failure> {
    let Some(key) = call(rig, bench, whom).await? else { return Ok(Verdict::NotTried) };
    let state = bench.state(key, StateKind::Disconnected).await?;
    bench.state(key, StateKind::Idle).await?;
    match state {
        CallState::Disconnected { cause } if causes.contains(&cause) => Ok(Verdict::Passed),
        other => Err(Failure::new(format!("expected one of {causes:?}, got {other:?}"))),
    }
}

async fn cancel(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(key) = call(rig, bench, Behaviour::NeverAnswers).await? else { return Ok(Verdict::NotTried) };
    bench.state(key, StateKind::Ringback).await?;
    hang_up(bench, key).await?;
    Ok(Verdict::Passed)
}

async fn hold(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(key) = connected(rig, bench).await? else { return Ok(Verdict::NotTried) };
    bench.done(key, CallOp::Hold).await?;
    bench.state(key, StateKind::OnHold).await?;
    bench.done(key, CallOp::Unhold).await?;
    bench.state(key, StateKind::Connected).await?;
    hang_up(bench, key).await?;
    Ok(Verdict::Passed)
}

async fn offered(rig: &mut impl Rig, bench: &mut Bench, act: FarAct) -> Result<Option<CallKey>, Failure> {
    if !bench.act(rig, act).await? {
        return Ok(None);
    }
    let (key, info) = bench.incoming().await?;
    if info.direction != CallDirection::Incoming {
        return Err(Failure::new("an incoming call says that it goes out"));
    }
    Ok(Some(key))
}

async fn answer(rig: &mut impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(key) = offered(rig, bench, FarAct::Call).await? else { return Ok(Verdict::NotTried) };
    bench.done(key, CallOp::Answer).await?;
    bench.state(key, StateKind::Connected).await?;
    hang_up(bench, key).await?;
    Ok(Verdict::Passed)
}

async fn reject(rig: &mut impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(key) = offered(rig, bench, FarAct::Call).await? else { return Ok(Verdict::NotTried) };
    hang_up(bench, key).await?;
    Ok(Verdict::Passed)
}

async fn caller_gives_up(rig: &mut impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(key) = offered(rig, bench, FarAct::CallAndGiveUp).await? else {
        return Ok(Verdict::NotTried);
    };
    bench.state(key, StateKind::Disconnected).await?;
    bench.state(key, StateKind::Idle).await?;
    Ok(Verdict::Passed)
}

async fn close(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(key) = connected(rig, bench).await? else { return Ok(Verdict::NotTried) };
    bench.close_line().await?;
    bench.state(key, StateKind::Idle).await?;
    Ok(Verdict::Passed)
}

async fn stale(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let Some(key) = connected(rig, bench).await? else { return Ok(Verdict::NotTried) };
    hang_up(bench, key).await?;
    let request = bench.operate(key, CallOp::Drop { cause: None }).await?;
    bench.abandon(request).await?;
    match bench.reply(request).await? {
        Err(_) => Ok(Verdict::Passed),
        Ok(_) => Err(Failure::new("an operation on an ended call was carried out")),
    }
}
