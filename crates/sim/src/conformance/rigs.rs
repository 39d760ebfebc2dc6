// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rigs for the providers of this crate: the simulated exchange, and one that can do nothing.

use offhook_spi::{
    Address, AddressCaps, DynMsp, DynTsp, LineCaps, LineKey, LineStatus, Manifest, ProviderError, Refusal,
    RefusalKind, Reply, RequestId, Tsp, TspCommand, TspEvent, TspLink, VersionRange,
};

use super::{Behaviour, Rig};
use crate::{ExchangeConfig, SimMsp, SimTsp};

/// The simulated exchange, whose far ends do as they are called, and call when asked to (schema
/// [`RIG`](super::RIG)).
#[derive(Clone, Copy, Debug, Default)]
pub struct SimRig {
    media: bool,
}

impl SimRig {
    /// With its media provider.
    #[must_use]
    pub const fn with_media() -> Self {
        Self { media: true }
    }

    /// The address of a far end of the exchange that behaves so.
    #[must_use]
    pub fn far_end(behaviour: Behaviour) -> Address {
        Address::new(match behaviour {
            Behaviour::Answers => "sim:echo",
            Behaviour::Busy => "sim:busy",
            Behaviour::HangsUp => "sim:hangs-up",
            Behaviour::NeverAnswers => "sim:no-answer",
            Behaviour::Rejects => "sim:rejects",
            Behaviour::WrongNumber => "sim:wrong-number",
        })
    }
}

impl Rig for SimRig {
    async fn tsp(&mut self) -> Result<Box<dyn DynTsp>, ProviderError> {
        let config = ExchangeConfig { media: self.media, ..ExchangeConfig::default() };
        Ok(Box::new(SimTsp::new(config).0))
    }

    async fn msp(&mut self) -> Result<Option<Box<dyn DynMsp>>, ProviderError> {
        Ok(self.media.then(|| Box::new(SimMsp) as Box<dyn DynMsp>))
    }

    fn address(&self, behaviour: Behaviour) -> Option<Address> {
        Some(Self::far_end(behaviour))
    }
}

/// A provider with one line that can do nothing.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing")]
pub struct NullTsp;

/// [`NullTsp`] and nobody at the other end.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing")]
pub struct NullRig;

impl Tsp for NullTsp {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "null".to_owned(),
            vendor: "offhook".to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            spi: VersionRange::CURRENT,
            schemas: Vec::new(),
        }
    }

    async fn run(self, mut link: TspLink) -> Result<(), ProviderError> {
        let caps = LineCaps {
            addresses: vec![AddressCaps { address: "null".to_owned(), ..AddressCaps::default() }],
            ..LineCaps::default()
        };
        let (line, stable_id, status) = (LineKey(1), "null".to_owned(), LineStatus::default());
        let up = TspEvent::LineUp { line, stable_id, caps: Box::new(caps), status };
        // A host that has gone closes the link, and the loop below ends.
        link.emit(up).await.ok();
        link.emit(TspEvent::Ready).await.ok();
        while let Some(command) = link.next().await {
            if let Some(reply) = reply(&command) {
                link.emit(reply).await.ok();
            }
        }
        Ok(())
    }
}

/// Opening the line is all that it can.
fn reply(command: &TspCommand) -> Option<TspEvent> {
    let (request, result): (RequestId, Reply) = match command {
        TspCommand::Open { request, .. } => (*request, Reply::DONE),
        TspCommand::Call { request, op, .. } => (*request, cannot(op.required().name())),
        TspCommand::Line { request, op, .. } => (*request, cannot(op.required().name())),
        TspCommand::Phone { request, .. } => (*request, cannot("set_phone")),
        _ => return None,
    };
    Some(TspEvent::Reply { request, result })
}

fn cannot(name: &str) -> Reply {
    Reply::Refused(Refusal::new(RefusalKind::Unsupported, format!("the null line cannot {name}")))
}

impl Rig for NullRig {
    async fn tsp(&mut self) -> Result<Box<dyn DynTsp>, ProviderError> {
        Ok(Box::new(NullTsp))
    }
}
