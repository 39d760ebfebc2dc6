// SPDX-License-Identifier: MIT OR Apache-2.0
//! The conformance suite asks the SIP provider, with and without its media provider, over loopback
//! sockets; the far end is a server with a line for each way to behave.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use offhook::{Call, CallState, Cause, Interest, Line, LineConfig, LineMedia, Offhook, RtpConfig, SipConfig};
use offhook_rtp::RtpMsp;
use offhook_sim::conformance::{self, Behaviour, FarAct, Report, Rig, Verdict};
use offhook_sip::{BoundAddresses, SipTsp};
use offhook_spi::{Address, DynMsp, DynTsp, StateKind};

/// The far end's lines.
const LINES: [(&str, Behaviour); 5] = [
    ("answers", Behaviour::Answers),
    ("busy", Behaviour::Busy),
    ("hangs-up", Behaviour::HangsUp),
    ("never-answers", Behaviour::NeverAnswers),
    ("rejects", Behaviour::Rejects),
];

struct SipRig {
    far: Offhook,
    caller: Line,
    media: LineMedia,
    /// Where the provider under test is called.
    near: Option<BoundAddresses>,
    /// The far end's last call.
    call: Option<Call>,
}

impl SipRig {
    async fn new(media: LineMedia) -> Self {
        let lines = LINES.iter().map(|(name, _)| *name).chain(["caller"]);
        let sip = lines.fold(SipConfig::default(), |sip, name| sip.with_line(LineConfig::direct(name)));
        let sip = sip.listening(&["udp:127.0.0.1:0"]).unwrap();
        let far = Offhook::builder().sip(sip).rtp(RtpConfig::default()).start().await.unwrap();
        let app = far.app("far end").await.unwrap();
        for (name, behaviour) in LINES {
            let line = app.line(name).await.unwrap();
            line.open(Interest::OWN_AUDIO).await.unwrap();
            tokio::spawn(async move {
                while let Ok(call) = line.incoming().await {
                    tokio::spawn(behave(call, behaviour));
                }
            });
        }
        let caller = app.line("caller").await.unwrap();
        Self { far, caller, media, near: None, call: None }
    }
}

/// What the far end does with a call. One that was given up meanwhile is no fault.
async fn behave(call: Call, behaviour: Behaviour) {
    match behaviour {
        Behaviour::Busy => call.reject(Cause::UserBusy).await.ok(),
        Behaviour::Rejects => call.reject(Cause::CallRejected).await.ok(),
        Behaviour::NeverAnswers => call.accept().await.ok(),
        _ => call.answer().await.ok(),
    };
    if behaviour == Behaviour::HangsUp && call.connected().await.is_ok() {
        call.hang_up().await.ok();
    }
    call.ended().await;
}

impl Rig for SipRig {
    async fn tsp(&mut self) -> Box<dyn DynTsp> {
        let line = LineConfig { media: self.media, ..LineConfig::direct("near") };
        let config = SipConfig::default().with_line(line).listening(&["udp:127.0.0.1:0"]).unwrap();
        let (provider, near) = SipTsp::bind(config).await.unwrap();
        self.near = Some(near);
        Box::new(provider)
    }

    fn msp(&mut self) -> Option<Box<dyn DynMsp>> {
        (self.media == LineMedia::Rtp).then(|| Box::new(RtpMsp::new(RtpConfig::default())) as Box<dyn DynMsp>)
    }

    fn address(&self, behaviour: Behaviour) -> Option<Address> {
        let name = match behaviour {
            Behaviour::WrongNumber => "nobody",
            _ => LINES.iter().find(|(_, known)| *known == behaviour)?.0,
        };
        Some(Address::new(self.far.sip_uri(name).unwrap()))
    }

    async fn act(&mut self, act: FarAct) -> bool {
        let near = self.near.as_ref().and_then(BoundAddresses::udp).unwrap();
        match act {
            FarAct::Call => self.call = Some(self.caller.call(format!("sip:near@{near}")).await.unwrap()),
            FarAct::CallAndGiveUp => {
                let call = self.caller.call(format!("sip:near@{near}")).await.unwrap();
                let rings = |state: &CallState| state.kind() == StateKind::Ringback;
                tokio::spawn(async move {
                    if call.reaches(rings).await.is_ok() {
                        call.hang_up().await.ok();
                    }
                });
            }
            FarAct::HangUp => match self.call.take() {
                Some(call) => call.hang_up().await.unwrap(),
                None => return false,
            },
            _ => return false,
        }
        true
    }
}

async fn asked(media: LineMedia) -> Report {
    let mut rig = SipRig::new(media).await;
    let report = conformance::run(&mut rig).await;
    rig.far.shutdown().await;
    report
}

fn assert_all_passed(report: &Report) {
    assert!(report.is_clean(), "{report}");
    let left_out = report.tests.iter().find(|(_, verdict)| *verdict == Verdict::NotTried);
    assert_eq!(left_out, None, "this rig has every far end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sip_and_rtp_pair_conforms() {
    assert_all_passed(&asked(LineMedia::Rtp).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sip_provider_conforms_without_media() {
    assert_all_passed(&asked(LineMedia::None).await);
}
