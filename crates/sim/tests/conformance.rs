// SPDX-License-Identifier: MIT OR Apache-2.0
//! The simulated exchange passes the suite that it comes with.

use offhook_sim::conformance::{self, Behaviour, FarAct, Rig};
use offhook_sim::{ExchangeConfig, Script, SimCaller, SimMsp, SimTsp, Step};
use offhook_spi::{Address, Cause, DynMsp, DynTsp, Party};
use std::time::Duration;

#[derive(Default)]
struct SimRig {
    caller: Option<SimCaller>,
    media: bool,
}

impl Rig for SimRig {
    async fn tsp(&mut self) -> Box<dyn DynTsp> {
        let config = ExchangeConfig { media: self.media, ..ExchangeConfig::default() };
        let (exchange, caller) = SimTsp::new(config);
        self.caller = Some(caller);
        Box::new(exchange)
    }

    fn msp(&mut self) -> Option<Box<dyn DynMsp>> {
        self.media.then(|| Box::new(SimMsp) as Box<dyn DynMsp>)
    }

    fn address(&self, behaviour: Behaviour) -> Option<Address> {
        Some(Address::new(match behaviour {
            Behaviour::Answers => "sim:echo",
            Behaviour::Busy => "sim:busy",
            Behaviour::HangsUp => "sim:hangs-up",
            Behaviour::NeverAnswers => "sim:no-answer",
            Behaviour::Rejects => "sim:rejects",
            Behaviour::WrongNumber => "sim:wrong-number",
            _ => return None,
        }))
    }

    async fn act(&mut self, act: FarAct) -> bool {
        let Some(caller) = &self.caller else { return false };
        let script = match act {
            FarAct::Call => Script::new([Step::Answer]),
            FarAct::CallAndGiveUp => {
                Script::new([Step::Wait(Duration::from_secs(1)), Step::HangUp(Cause::NormalClearing)])
            }
            _ => return false,
        };
        caller.ring(1, Party::default(), script).await;
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_exchange_conforms_without_media() {
    let report = conformance::run(&mut SimRig::default()).await;
    println!("{report}");
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn the_exchange_and_its_media_provider_conform() {
    let report = conformance::run(&mut SimRig { media: true, ..SimRig::default() }).await;
    println!("{report}");
    assert!(report.is_clean(), "{report}");
}
