// SPDX-License-Identifier: MIT OR Apache-2.0
//! A rig for the SIP provider, with and without the RTP provider: the far end is a server of its own on loopback, with
//! a line for each way to behave.

use offhook_rtp::{RtpConfig, RtpMsp};
use offhook_sim::conformance::{Behaviour, FarAct, Rig};
use offhook_sip::{LineConfig, LineMedia, SipConfig, SipTsp};
use offhook_spi::{Address, CallState, Cause, DynMsp, DynTsp, ProviderError, StateKind};

use super::ProcessRig;
use crate::{Call, Error, Interest, Line, Offhook};

/// The SIP provider, and who it calls and is called by.
#[derive(Debug)]
pub struct SipRig {
    far: Offhook,
    caller: Line,
    near: Near,
    /// The far end's last call.
    call: Option<Call>,
}

/// What is under test.
#[derive(Debug)]
enum Near {
    Here(LineMedia),
    There(ProcessRig),
}

/// The far end's lines.
const LINES: [(&str, Behaviour); 5] = [
    ("answers", Behaviour::Answers),
    ("busy", Behaviour::Busy),
    ("hangs-up", Behaviour::HangsUp),
    ("never-answers", Behaviour::NeverAnswers),
    ("rejects", Behaviour::Rejects),
];

impl SipRig {
    /// The pair of SIP and RTP provider, in this process.
    ///
    /// # Errors
    /// When the far end cannot bind its sockets.
    pub async fn new() -> Result<Self, Error> {
        Self::of(Near::Here(LineMedia::Rtp)).await
    }

    /// The SIP provider without media.
    ///
    /// # Errors
    /// As [`SipRig::new`].
    pub async fn without_media() -> Result<Self, Error> {
        Self::of(Near::Here(LineMedia::None)).await
    }

    /// The pair as child processes.
    ///
    /// # Errors
    /// As [`SipRig::new`].
    pub async fn in_processes(pair: ProcessRig) -> Result<Self, Error> {
        Self::of(Near::There(pair)).await
    }

    /// Ends the far end.
    pub async fn close(self) {
        self.far.shutdown().await;
    }

    async fn of(near: Near) -> Result<Self, Error> {
        let lines = LINES.iter().map(|(name, _)| *name).chain(["caller"]);
        let sip = lines.fold(SipConfig::default(), |sip, name| sip.with_line(LineConfig::direct(name)));
        let far = Offhook::builder().sip(on_loopback(sip)).rtp(RtpConfig::default()).start().await?;
        let app = far.app("far end").await?;
        for (name, behaviour) in LINES {
            let line = app.line(name).await?;
            line.open(Interest::OWN_AUDIO).await?;
            tokio::spawn(async move {
                while let Ok(call) = line.incoming().await {
                    tokio::spawn(behave(call, behaviour));
                }
            });
        }
        let caller = app.line("caller").await?;
        Ok(Self { far, caller, near, call: None })
    }
}

fn on_loopback(sip: SipConfig) -> SipConfig {
    sip.listening(&["udp:127.0.0.1:0"]).expect("an address of loopback can be read")
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
    async fn tsp(&mut self) -> Result<Box<dyn DynTsp>, ProviderError> {
        let media = match &mut self.near {
            Near::Here(media) => *media,
            Near::There(pair) => return pair.tsp().await,
        };
        let line = LineConfig { media, ..LineConfig::direct("near") };
        let bound = SipTsp::bind(on_loopback(SipConfig::default().with_line(line))).await;
        let (provider, _) = bound.map_err(|error| ProviderError::new(error.to_string()))?;
        Ok(Box::new(provider))
    }

    async fn msp(&mut self) -> Result<Option<Box<dyn DynMsp>>, ProviderError> {
        match &mut self.near {
            Near::Here(LineMedia::Rtp) => Ok(Some(Box::new(RtpMsp::new(RtpConfig::default())))),
            Near::Here(_) => Ok(None),
            Near::There(pair) => pair.msp().await,
        }
    }

    fn address(&self, behaviour: Behaviour) -> Option<Address> {
        let name = match behaviour {
            Behaviour::WrongNumber => "nobody",
            _ => LINES.iter().find(|(_, known)| *known == behaviour)?.0,
        };
        self.far.sip_uri(name).ok().map(Address::new)
    }

    async fn act(&mut self, act: FarAct, line: &Address) -> bool {
        match act {
            FarAct::HangUp => match self.call.take() {
                Some(call) => call.hang_up().await.is_ok(),
                None => false,
            },
            FarAct::Call => {
                self.call = self.caller.call(line.0.clone()).await.ok();
                self.call.is_some()
            }
            FarAct::CallAndGiveUp => {
                let Ok(call) = self.caller.call(line.0.clone()).await else { return false };
                let rings = |state: &CallState| state.kind() == StateKind::Ringback;
                tokio::spawn(async move {
                    if call.reaches(rings).await.is_ok() {
                        call.hang_up().await.ok();
                    }
                });
                true
            }
            _ => false,
        }
    }
}
