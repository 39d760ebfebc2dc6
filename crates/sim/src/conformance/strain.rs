// SPDX-License-Identifier: MIT OR Apache-2.0
//! Questions about hard times: floods, hosts that read late or go, lines and providers that come back.

use offhook_spi::{CallOp, Op, RequestId};

use super::bench::{Bench, Failure};
use super::cases::{connected, hang_up};
use super::{FarAct, Rig, Verdict};

/// How many requests make a flood.
const FLOOD: usize = 1000;
/// Calls that live when the host goes.
const LIVE: usize = 5;

/// Requests about calls that never were cost the provider nothing but the answer.
const fn ask() -> CallOp {
    CallOp::Drop { cause: None }
}

/// Requests come as fast as the link takes them, and replies are read on the way.
pub(super) async fn flood(bench: &mut Bench) -> Result<Verdict, Failure> {
    let mut asked = Vec::new();
    while asked.len() < FLOOD {
        let key = bench.new_key();
        match bench.try_operate(key, ask())? {
            Some(request) => asked.push(request),
            None => bench.read().await?,
        }
    }
    answered(bench, asked).await
}

/// Nothing is read until the link is full or the flood is over.
pub(super) async fn reads_late(bench: &mut Bench) -> Result<Verdict, Failure> {
    let mut asked = Vec::new();
    while asked.len() < FLOOD {
        let key = bench.new_key();
        let Some(request) = bench.try_operate(key, ask())? else { break };
        asked.push(request);
        // The provider works meanwhile, until nobody takes what it says.
        tokio::task::yield_now().await;
    }
    answered(bench, asked).await
}

/// Whether a call was dropped that never was is another question; that each answer is the only one, the watcher sees.
async fn answered(bench: &mut Bench, asked: Vec<RequestId>) -> Result<Verdict, Failure> {
    for request in asked {
        bench.reply(request).await?.ok();
    }
    Ok(Verdict::Passed)
}

pub(super) async fn opens_again(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    bench.close_line().await?;
    bench.open_line().await?;
    let Some(key) = connected(rig, bench).await? else { return Ok(Verdict::NotTried) };
    hang_up(bench, key).await?;
    Ok(Verdict::Passed)
}

/// The calls of a line that goes are over (design 3, hot-plug); a new one can be made once it is back.
pub(super) async fn comes_back(rig: &mut impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let calls = bench.declares(Op::MakeCall);
    let live = if calls { connected(rig, bench).await? } else { None };
    if !bench.act(rig, FarAct::Replug).await? {
        if let Some(key) = live {
            hang_up(bench, key).await?;
        }
        return Ok(Verdict::NotTried);
    }
    bench.line_returns().await?;
    if !calls {
        return Ok(Verdict::Passed);
    }
    let Some(key) = connected(rig, bench).await? else { return Ok(Verdict::Passed) };
    hang_up(bench, key).await?;
    Ok(Verdict::Passed)
}

/// A line is known again by its stable id, and can what it could.
pub(super) async fn restarts(rig: &mut impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    let first = bench.identity();
    bench.stop().await?;
    *bench = Bench::start(rig).await?;
    let again = bench.identity();
    if first == again {
        return Ok(Verdict::Passed);
    }
    Err(Failure::new(format!("its line was {first:?}, and is {again:?} after a start")))
}

/// Nobody is left to hear how the calls end; the provider has to see that for itself.
pub(super) async fn host_goes(rig: &impl Rig, bench: &mut Bench) -> Result<Verdict, Failure> {
    for _ in 0..LIVE {
        if connected(rig, bench).await?.is_none() {
            return Ok(Verdict::NotTried);
        }
    }
    bench.stop().await?;
    Ok(Verdict::Passed)
}
