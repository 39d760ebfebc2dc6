// SPDX-License-Identifier: MIT OR Apache-2.0
//! A telephony provider that misbehaves as the dialled address says.

use std::time::Duration;

use offhook::spi::{
    Address, AddressCaps, CallInfo, CallKey, CallOp, CallState, LineCaps, LineKey, LineStatus, Manifest,
    MediaSet, Op, OpSet, ProviderError, Reply, Tsp, TspCommand, TspEvent, TspLink, Version, VersionRange,
};

/// What the provider does wrong before anybody dials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    None,
    /// Speaks only versions that nobody knows.
    FromTheFuture,
    /// Panics at once.
    PanicsAtOnce,
    /// Never says that it is ready.
    NeverReady,
}

/// The provider; its one line is `odd`.
#[derive(Debug)]
pub(crate) struct OddTsp(pub(crate) Flaw);

impl Tsp for OddTsp {
    fn manifest(&self) -> Manifest {
        let future = VersionRange { min: Version(900), max: Version(901) };
        Manifest {
            name: "odd".to_owned(),
            vendor: "test".to_owned(),
            release: "1".to_owned(),
            spi: if self.0 == Flaw::FromTheFuture { future } else { VersionRange::CURRENT },
            schemas: Vec::new(),
        }
    }

    async fn run(self, mut link: TspLink) -> Result<(), ProviderError> {
        match self.0 {
            Flaw::PanicsAtOnce => panic!("no dial tone"),
            Flaw::NeverReady => std::future::pending().await,
            Flaw::None | Flaw::FromTheFuture => {}
        }
        link.emit(line_up()).await.ok();
        link.emit(TspEvent::Ready).await.ok();
        while let Some(command) = link.next().await {
            match command {
                TspCommand::Open { request, .. } => {
                    link.emit(TspEvent::Reply { request, result: Reply::DONE }).await.ok();
                }
                TspCommand::Call { request, call, op: CallOp::MakeCall { to, .. }, .. } => {
                    let reply = TspEvent::Reply { request, result: Reply::DONE };
                    if !make_call(&link, call, reply, &to).await? {
                        return Ok(());
                    }
                }
                TspCommand::Call { request, call, op: CallOp::Drop { .. }, .. } => {
                    link.emit(TspEvent::Reply { request, result: Reply::DONE }).await.ok();
                    link.emit(state(call, CallState::Idle)).await.ok();
                }
                TspCommand::Call { request, .. } => {
                    link.emit(TspEvent::Reply { request, result: Reply::DONE }).await.ok();
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Makes a call; says whether the provider goes on.
async fn make_call(
    link: &TspLink,
    call: CallKey,
    reply: TspEvent,
    to: &Address,
) -> Result<bool, ProviderError> {
    match to.as_str() {
        "silence" => return Ok(true),
        "panic" => panic!("somebody dialled panic"),
        "error" => return Err(ProviderError::new("the wire was cut, plug it in again")),
        "close" => return Ok(false),
        "deaf" => {
            link.emit(reply).await.ok();
            // Reads nothing for a while.
            tokio::time::sleep(Duration::from_secs(20)).await;
            return Ok(true);
        }
        "twice" => {
            link.emit(reply.clone()).await.ok();
            link.emit(reply).await.ok();
        }
        "flood" => {
            link.emit(reply).await.ok();
            for number in 0..20_000_u32 {
                let info = CallInfo { call_id: Some(number.to_string()), ..CallInfo::default() };
                link.emit(TspEvent::CallInfo { call, info: Box::new(info) }).await.ok();
            }
        }
        _ => {
            link.emit(reply).await.ok();
        }
    }
    link.emit(state(call, CallState::Proceeding)).await.ok();
    link.emit(state(call, CallState::CONNECTED)).await.ok();
    Ok(true)
}

fn state(call: CallKey, state: CallState) -> TspEvent {
    TspEvent::CallState { call, state, allowed: None }
}

fn line_up() -> TspEvent {
    let address = AddressCaps { address: "odd".to_owned(), dials: Vec::new(), max_calls: 0 };
    let ops: OpSet = [Op::MakeCall, Op::Drop, Op::Answer, Op::Hold, Op::Unhold].into_iter().collect();
    let caps = LineCaps { ops, media: MediaSet::AUDIO, addresses: vec![address], ..LineCaps::default() };
    TspEvent::LineUp {
        line: LineKey(1),
        stable_id: "odd".to_owned(),
        caps: Box::new(caps),
        status: LineStatus::default(),
    }
}
