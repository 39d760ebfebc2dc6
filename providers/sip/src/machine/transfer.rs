// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transfers that we ask for: REFER, and what the far end reports about it (RFC 3515, RFC 5589).
//!
//! ```text
//!            2xx                 sipfrag 2xx, BYE, or silence
//!   asked ───────► taken over ──────────────────────────────────► done: our calls end
//!     │ 3xx-6xx        │ sipfrag 3xx-6xx, or no end of it
//!     └────────────────┴───────────────────────────────────────► refused: the calls stay
//! ```

use std::time::Duration;

use offhook_sipcore::agent::{Command, Failure, RequestId as SipRequestId};
use offhook_sipcore::message::{
    Headers, Method, ReferTarget, Replaces, Request, Response, Status, SubscriptionLife, Termination, name,
    sipfrag_status,
};
use offhook_spi::{Address, CallKey, Cause, Moment, Refusal, RefusalKind, RequestId};

use super::{Alarm, Asked, SipMachine, host_of, name_addr};
use crate::call::{Call, Phase, Transfer, TransferStage};
use crate::cause;

/// A far end that has not reported anything by then never will (64*T1 of RFC 3261): it has taken the call over.
const SILENCE: Duration = Duration::from_secs(32);
/// A far end that reports may ring for so long before it says how it went.
const PATIENCE: Duration = Duration::from_secs(180);

impl SipMachine {
    pub(super) fn blind_transfer(&mut self, now: Moment, request: RequestId, serial: u64, to: &Address) {
        let Some(call) = self.calls.get(&serial) else { return };
        match self.address(call.line, to) {
            Ok(uri) => self.refer(now, request, serial, &ReferTarget { uri, replaces: None }, None),
            Err(refusal) => self.reply(request, Err(refusal)),
        }
    }

    /// Joins the held call with whom was consulted: the held party is referred to the consulted one, in the
    /// place of our call with it (RFC 5589 section 7.3), or without one where nobody has answered yet.
    pub(super) fn complete_transfer(
        &mut self,
        now: Moment,
        request: RequestId,
        serial: u64,
        consultation: CallKey,
    ) {
        let other = self.by_key.get(&consultation).copied().filter(|other| *other != serial);
        let target = other.ok_or_else(|| gone(consultation)).and_then(|other| self.reached(other));
        let refused = target.is_err() || self.must_rest(serial).is_err();
        match (target, other) {
            (Ok(target), Some(other)) => {
                if !refused && target.replaces.is_none() {
                    self.hang_up(now, other, None);
                }
                self.refer(now, request, serial, &target, Some(other));
            }
            (Err(refusal), _) => self.reply(request, Err(refusal)),
            (Ok(_), None) => self.reply(request, Err(gone(consultation))),
        }
    }

    /// How somebody else reaches the far end of a call of ours, in our place.
    fn reached(&self, serial: u64) -> Result<ReferTarget, Refusal> {
        let call = self.calls.get(&serial);
        let named = call.and_then(|call| self.agent.dialog(call.id));
        match (call.map(|call| &call.phase), named) {
            (Some(Phase::Up), Some(name)) => {
                // To whom the INVITE goes, its own tag is the local one, and that is our remote one.
                let replaces = Replaces {
                    call_id: name.call_id,
                    to_tag: name.remote_tag,
                    from_tag: name.local_tag,
                    early_only: false,
                };
                Ok(ReferTarget { uri: name.target, replaces: Some(replaces) })
            }
            (Some(Phase::Outgoing(outgoing)), _) => {
                Ok(ReferTarget { uri: outgoing.to.clone(), replaces: None })
            }
            _ => {
                let detail = "the consulted party cannot be reached by others yet; try again once it rings";
                Err(Refusal::new(RefusalKind::InvalidState, detail))
            }
        }
    }

    /// Sends REFER in the dialog of a call.
    fn refer(
        &mut self,
        now: Moment,
        request: RequestId,
        serial: u64,
        target: &ReferTarget,
        consultation: Option<u64>,
    ) {
        if let Err(refusal) = self.must_rest(serial) {
            return self.reply(request, Err(refusal));
        }
        let mut headers = self.own_contact(serial);
        headers.push(name::REFER_TO, target.to_value());
        if let Some(own) = self.own_address(serial) {
            // Whoever is called next may want to know (RFC 3892).
            headers.push(name::REFERRED_BY, own);
        }
        let id = self.sip_request(Asked::Refer(serial));
        if let Some(call) = self.calls.get_mut(&serial) {
            call.transfer = Some(Box::new(Transfer {
                request,
                consultation,
                refer: id,
                headers: headers.clone(),
                stage: TransferStage::Asked,
                alarm: None,
            }));
            let invite = call.id;
            self.agent(
                now,
                Command::RequestInDialog { id, invite, method: Method::REFER, headers, body: None },
            );
        }
    }

    /// Who we are on the line of a call, as an address.
    fn own_address(&self, serial: u64) -> Option<String> {
        let call = self.calls.get(&serial)?;
        let (line, flow) = (self.lines.get(call.line)?, call.flow?);
        let own = line.address(&host_of(flow.local.ip()), Some(flow.local.port()));
        Some(name_addr(own, None).to_string())
    }

    /// What came of our REFER.
    pub(super) fn referred(
        &mut self,
        now: Moment,
        serial: u64,
        id: SipRequestId,
        outcome: Result<Box<Response>, Failure>,
    ) {
        let Some(call) = self.calls.get(&serial) else { return };
        let Some(transfer) = call.transfer.as_ref().filter(|transfer| transfer.refer == id) else { return };
        match outcome {
            Ok(response) if response.status.is_success() => {
                let waits = if transfer.stage == TransferStage::Reported { PATIENCE } else { SILENCE };
                self.taken_over(now, serial, waits);
            }
            Ok(response) if super::within::is_challenge(response.status) => {
                if !self.refer_again(now, serial, &response) {
                    self.transfer_refused(serial, Cause::NotAuthorized);
                }
            }
            Ok(response) => {
                let cause = cause::of_response(response.status, &response.headers);
                self.transfer_refused(serial, cause);
            }
            Err(failure) => {
                let cause = cause::of_failure(&failure);
                self.transfer_refused(serial, cause);
            }
        }
    }

    /// The same REFER with credentials; false when the line has none, or they were refused.
    fn refer_again(&mut self, now: Moment, serial: u64, response: &Response) -> bool {
        let Some(call) = self.calls.get_mut(&serial) else { return false };
        let (invite, line, mut credentials) = (call.id, call.line, std::mem::take(&mut call.credentials));
        let Some(target) = self.agent.dialog(invite).map(|name| name.target) else { return false };
        let again = Request::new(Method::REFER, target);
        let Some(mended) = self.mend(line, &mut credentials, again, response) else { return false };
        let id = self.sip_request(Asked::Refer(serial));
        let Some(call) = self.calls.get_mut(&serial) else { return false };
        call.credentials = credentials;
        let Some(transfer) = &mut call.transfer else { return false };
        transfer.refer = id;
        let mut headers = transfer.headers.clone();
        for (name, value) in mended.iter() {
            headers.push(name, value);
        }
        self.agent(now, Command::RequestInDialog { id, invite, method: Method::REFER, headers, body: None });
        true
    }

    /// The far end does it, or says how far it is: from now on it has so long to say how it went.
    fn taken_over(&mut self, now: Moment, serial: u64, waits: Duration) {
        let alarm = self.set_alarm(now + waits, Alarm::Transfer(serial));
        let Some(call) = self.calls.get_mut(&serial) else { return };
        call.credentials = Headers::new();
        if let Some(transfer) = &mut call.transfer {
            if transfer.stage == TransferStage::Asked {
                transfer.stage = TransferStage::TakenOver;
            }
            if let Some(before) = transfer.alarm.replace(alarm) {
                self.alarms.remove(&before);
            }
        }
    }

    /// A NOTIFY within a call: what the far end reports about our REFER.
    pub(super) fn notified(&mut self, now: Moment, serial: Option<u64>, request: &Request) -> Status {
        let gone = Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
        let is_refer = request.headers.event().is_ok_and(|event| event.package == "refer");
        let Some(serial) = serial.filter(|_| is_refer) else { return gone };
        let has_transfer = self.calls.get(&serial).is_some_and(|call| call.transfer.is_some());
        if !has_transfer {
            // RFC 6665 section 4.1.3: a report that nobody waits for.
            return gone;
        }
        let Ok(state) = request.headers.subscription_state() else { return Status::BAD_REQUEST };
        match sipfrag_status(&request.body) {
            Some(status) if status.is_success() => self.transferred(now, serial),
            Some(status) if status.is_final() => {
                self.transfer_refused(serial, cause::of_status(status.code()));
            }
            _ => match state.life {
                // No more reports and no failure: it is out of the far end's hands.
                SubscriptionLife::Terminated(
                    Termination::NoResource | Termination::Invariant | Termination::Unsaid,
                ) => self.transferred(now, serial),
                SubscriptionLife::Terminated(Termination::Rejected) => {
                    self.transfer_refused(serial, Cause::CallRejected);
                }
                SubscriptionLife::Terminated(_) => self.transfer_refused(serial, Cause::TimerExpired),
                _ => {
                    if let Some(transfer) = self.calls.get_mut(&serial).and_then(|it| it.transfer.as_mut()) {
                        transfer.stage = TransferStage::Reported;
                    }
                    self.taken_over(now, serial, PATIENCE);
                }
            },
        }
        Status::OK
    }

    /// Nothing was heard for long. Who never reports has done it; who did and stopped has failed.
    pub(super) fn transfer_overdue(&mut self, now: Moment, serial: u64) {
        let transfer = self.calls.get(&serial).and_then(|call| call.transfer.as_ref());
        match transfer.map(|transfer| transfer.stage) {
            Some(TransferStage::TakenOver) => self.transferred(now, serial),
            Some(TransferStage::Reported) => self.transfer_refused(serial, Cause::NoAnswer),
            Some(TransferStage::Asked) | None => {}
        }
    }

    /// The far end has left with the call before it said how it went: it is the network's from then on.
    /// Says whether that was so.
    pub(super) fn left_with_transfer(&mut self, now: Moment, serial: u64) -> bool {
        let transfer = self.calls.get(&serial).and_then(|call| call.transfer.as_ref());
        if transfer.is_none_or(|transfer| transfer.stage == TransferStage::Asked) {
            return false;
        }
        let Some(transfer) = self.end_transfer(serial) else { return false };
        self.reply(transfer.request, Ok(()));
        self.over(serial, Cause::NormalClearing);
        if let Some(consultation) = transfer.consultation {
            self.hang_up(now, consultation, None);
        }
        true
    }

    /// It is done: both our calls end.
    fn transferred(&mut self, now: Moment, serial: u64) {
        let Some(transfer) = self.end_transfer(serial) else { return };
        self.reply(transfer.request, Ok(()));
        self.hang_up(now, serial, None);
        if let Some(consultation) = transfer.consultation {
            self.hang_up(now, consultation, None);
        }
    }

    fn transfer_refused(&mut self, serial: u64, cause: Cause) {
        let Some(transfer) = self.end_transfer(serial) else { return };
        let refusal = Refusal::new(RefusalKind::OperationFailed, "the far end did not take the transfer")
            .with_cause(cause);
        self.reply(transfer.request, Err(refusal));
    }

    fn end_transfer(&mut self, serial: u64) -> Option<Box<Transfer>> {
        let call = self.calls.get_mut(&serial)?;
        call.credentials = Headers::new();
        let transfer = call.transfer.take()?;
        if let Some(alarm) = transfer.alarm {
            self.alarms.remove(&alarm);
        }
        Some(transfer)
    }

    /// Checks that a call is up and that nothing goes on in it.
    pub(super) fn must_rest(&self, serial: u64) -> Result<(), Refusal> {
        let Some(call) = self.calls.get(&serial) else {
            return Err(Refusal::new(RefusalKind::StaleHandle, "the call has ended"));
        };
        if call.rests() {
            return Ok(());
        }
        let detail = format!("{} is changing just now; try again when that is done", call.key);
        Err(Refusal::new(RefusalKind::Busy, detail))
    }
}

fn gone(key: CallKey) -> Refusal {
    Refusal::new(RefusalKind::StaleHandle, format!("{key} has ended"))
}

impl Call {
    /// Whether the call is up and nothing goes on in it.
    pub(crate) fn rests(&self) -> bool {
        matches!(self.phase, Phase::Up)
            && self.exchange == crate::call::Exchange::None
            && self.transfer.is_none()
            && self.then.is_none()
    }
}
