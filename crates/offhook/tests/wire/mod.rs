// SPDX-License-Identifier: MIT OR Apache-2.0
//! A telephony provider that is a wire between two lines, `alice` and `bob`: what one session offers the
//! other is handed over as it is. It lets two RTP sessions of one server talk without a network protocol.

use std::collections::BTreeMap;

use offhook::spi::{
    AddressCaps, CallDirection, CallInfo, CallKey, CallOp, CallState, Cause, Flowing, LineCaps, LineKey,
    LineStatus, Manifest, MediaSet, Op, OpSet, ProviderError, Reply, RequestId, SDP_SCHEMA, SchemaId,
    SdpMessage, SessionWish, Tsp, TspCommand, TspEvent, TspLink, VersionRange,
};

/// The provider.
#[derive(Debug)]
pub(crate) struct Wire;

/// One end of a call.
#[derive(Debug)]
struct End {
    other: CallKey,
    /// What its session answered, until the call is answered.
    answer: Option<String>,
    answering: Option<RequestId>,
}

#[derive(Debug)]
struct State {
    link: TspLink,
    ends: BTreeMap<CallKey, End>,
    serial: u64,
}

impl Tsp for Wire {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "wire".to_owned(),
            vendor: "test".to_owned(),
            release: "1".to_owned(),
            spi: VersionRange::CURRENT,
            schemas: vec![SchemaId::new(SDP_SCHEMA)],
        }
    }

    async fn run(self, link: TspLink) -> Result<(), ProviderError> {
        let mut state = State { link, ends: BTreeMap::new(), serial: 0 };
        state.emit(line_up(1, "alice")).await;
        state.emit(line_up(2, "bob")).await;
        state.emit(TspEvent::Ready).await;
        while let Some(command) = state.link.next().await {
            match command {
                TspCommand::Open { request, .. } => state.done(request).await,
                TspCommand::Call { request, call, line, op, .. } => {
                    state.operate(request, line, call, op).await;
                }
                TspCommand::Relay { call, data, .. } => {
                    if let Some(message) = SdpMessage::from_opaque(&data) {
                        state.relayed(call, message).await;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl State {
    async fn operate(&mut self, request: RequestId, line: LineKey, call: CallKey, op: CallOp) {
        match op {
            CallOp::MakeCall { .. } => {
                self.done(request).await;
                self.serial += 1;
                let other = CallKey::provider(self.serial);
                self.ends.insert(call, End { other, answer: None, answering: None });
                self.ends.insert(other, End { other: call, answer: None, answering: None });
                self.state(call, CallState::Proceeding).await;
                let info = CallInfo {
                    direction: CallDirection::Incoming,
                    media: MediaSet::AUDIO,
                    ..CallInfo::default()
                };
                let new = TspEvent::NewCall {
                    line: LineKey(3 - line.0),
                    call: other,
                    info: Box::new(info),
                    state: CallState::Offering,
                };
                self.emit(new).await;
                self.relay(call, SdpMessage::OfferWanted { flow: Flowing::Both }).await;
            }
            CallOp::Answer => {
                if let Some(end) = self.ends.get_mut(&call) {
                    end.answering = Some(request);
                }
                self.answer(call).await;
            }
            CallOp::Drop { cause } => {
                self.done(request).await;
                self.state(call, CallState::Idle).await;
                if let Some(End { other, .. }) = self.ends.remove(&call) {
                    self.ends.remove(&other);
                    let cause = cause.unwrap_or(Cause::NormalClearing);
                    self.state(other, CallState::Disconnected { cause }).await;
                    self.state(other, CallState::Idle).await;
                }
            }
            _ => self.done(request).await,
        }
    }

    async fn relayed(&mut self, call: CallKey, message: SdpMessage) {
        let Some(end) = self.ends.get_mut(&call) else { return };
        match message {
            SdpMessage::Offer { sdp } => {
                let other = end.other;
                self.relay(other, SdpMessage::Offer { sdp }).await;
            }
            SdpMessage::Answer { sdp } => {
                end.answer = Some(sdp);
                self.answer(call).await;
            }
            _ => {}
        }
    }

    /// Connects both ends once the call is answered and the session has said with what.
    async fn answer(&mut self, call: CallKey) {
        let Some(end) = self.ends.get_mut(&call) else { return };
        let (Some(sdp), Some(request)) = (end.answer.clone(), end.answering) else { return };
        end.answering = None;
        let other = end.other;
        self.done(request).await;
        self.relay(call, SdpMessage::Commit).await;
        self.relay(other, SdpMessage::Answer { sdp }).await;
        self.state(call, CallState::CONNECTED).await;
        self.state(other, CallState::CONNECTED).await;
    }

    async fn done(&self, request: RequestId) {
        self.emit(TspEvent::Reply { request, result: Reply::DONE }).await;
    }

    async fn state(&self, call: CallKey, state: CallState) {
        self.emit(TspEvent::CallState { call, state, allowed: None }).await;
    }

    async fn relay(&self, call: CallKey, message: SdpMessage) {
        self.emit(TspEvent::Relay { call, to: None, data: message.into_opaque() }).await;
    }

    async fn emit(&self, event: TspEvent) {
        // A closed link ends the loop of the provider.
        self.link.emit(event).await.ok();
    }
}

fn line_up(key: u64, name: &str) -> TspEvent {
    let ops: OpSet = [Op::MakeCall, Op::Drop, Op::Answer].into_iter().collect();
    let session = SessionWish { msp: "rtp".to_owned(), schema: SchemaId::new(SDP_SCHEMA) };
    let address = AddressCaps { address: name.to_owned(), dials: Vec::new(), max_calls: 0 };
    let caps = LineCaps {
        ops,
        media: MediaSet::AUDIO,
        session: Some(session),
        addresses: vec![address],
        ..LineCaps::default()
    };
    TspEvent::LineUp {
        line: LineKey(key),
        stable_id: name.to_owned(),
        caps: Box::new(caps),
        status: LineStatus::default(),
    }
}
