// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reliable provisional responses: ours until their PRACK, and the PRACK for theirs (RFC 3262).

use std::sync::Arc;

use offhook_spi::Moment;

use super::api::Ending;
use super::{Agent, Alarm};
use crate::invite::{Body, DialogId, Heard, Outbound, Overdue, Purpose, Reliability, Reliable, Usage, hear};
use crate::message::{Headers, Method, RAck, Request, Response, Status, name};
use crate::transaction::{Sent, TransactionId};

/// The option tag (RFC 3262 section 8.1).
pub(super) const TAG: &str = "100rel";

impl Agent {
    /// Whether an INVITE must be refused because its sender does not know reliable responses (RFC 3261 section
    /// 21.4.16).
    pub(super) fn wants_reliability(&self, request: &Request) -> bool {
        self.config.reliability == Reliability::Required && self.knows_reliability() && !knows(request)
    }

    pub(super) fn knows_reliability(&self) -> bool {
        self.config.supported.iter().any(|tag| tag == TAG)
    }

    /// Whether a provisional answer is to be reliable. An offer of ours is not sent so: its answer would come in
    /// the PRACK, where nobody waits for it.
    pub(super) fn is_reliable(&self, request: &Request, body: Option<&Body>) -> bool {
        let insists = request.headers.lists(name::REQUIRE, TAG);
        let wanted = match self.config.reliability {
            Reliability::Required | Reliability::Supported => knows(request),
            Reliability::WhenRequired => insists,
        };
        wanted && self.knows_reliability() && !(request.body.is_empty() && body.is_some())
    }

    /// The headers of the next reliable response.
    pub(super) fn number_response(&mut self, usage: &mut Usage, request: &Request, headers: &mut Headers) {
        let first = self.tokens.cseq();
        let cseq = request.headers.cseq().map(|cseq| cseq.seq).unwrap_or_default();
        let Some(dialog) = usage.dialogs.first_mut() else { return };
        let reliable = dialog.reliable.get_or_insert_with(|| Box::new(Reliable::new(cseq, first)));
        headers.push(name::REQUIRE, TAG);
        headers.push(name::RSEQ, reliable.next_number().to_string());
    }

    /// A reliable response is out: it is repeated until its PRACK comes.
    pub(super) fn wait_for_prack(&mut self, now: Moment, usage: &mut Usage, sent: Sent, has_body: bool) {
        let id = usage.id;
        let Some(reliable) = usage.dialogs.first_mut().and_then(|it| it.reliable.as_mut()) else { return };
        let next = reliable.sent(now, sent, has_body, &self.config.timing);
        self.alarms.arm(Alarm::Reliable(id), next);
    }

    /// The moment to send a reliable response again, or to refuse the INVITE for want of its PRACK.
    pub(super) fn repeat_reliable(&mut self, now: Moment, usage: &mut Usage) {
        let id = usage.id;
        let Some(reliable) = usage.dialogs.first_mut().and_then(|it| it.reliable.as_mut()) else { return };
        match reliable.due(now) {
            Overdue::Again(Sent { flow, bytes }, next) => {
                self.transmit(flow, bytes);
                self.alarms.arm(Alarm::Reliable(id), next);
            }
            Overdue::GiveUp => {
                self.refuse(now, usage, Status::SERVER_TIMEOUT, &Headers::new(), Ending::NoAck);
            }
            Overdue::Nothing => {}
        }
    }

    /// A PRACK of theirs (section 3).
    pub(super) fn on_prack(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        id: DialogId,
        transaction: TransactionId,
        request: &Arc<Request>,
    ) {
        let Ok(rack) = request.headers.rack() else {
            self.reply(now, transaction, request, Status::BAD_REQUEST, &Headers::new());
            return;
        };
        let call = usage.id;
        let reliable = usage.dialog(id).and_then(|dialog| dialog.reliable.as_mut());
        if !reliable.is_some_and(|reliable| reliable.acknowledge(&rack)) {
            let gone = Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            self.reply(now, transaction, request, gone, &Headers::new());
            return;
        }
        self.alarms.disarm(Alarm::Reliable(call));
        // A second offer before the call is answered is not taken; the response counts as heard all the same.
        let status = if request.body.is_empty() { Status::OK } else { Status::NOT_ACCEPTABLE_HERE };
        self.reply(now, transaction, request, status, &Headers::new());
        while let Some(next) = usage.dialogs.first_mut().and_then(|it| it.reliable.as_mut()?.next()) {
            self.answer(now, usage, next.status, &next.headers, next.body);
        }
    }

    /// A provisional response of theirs: says whether the owner shall hear of it, and acknowledges it if that is
    /// wanted (section 4).
    pub(super) fn hear_provisional(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        dialog: Option<DialogId>,
        response: &Response,
    ) -> bool {
        if !response.headers.lists(name::REQUIRE, TAG) {
            return true;
        }
        // Without a number or a dialog it cannot be acknowledged; it says what it says.
        let (Ok(rseq), Some(id)) = (response.headers.rseq(), dialog) else { return true };
        let Ok(cseq) = response.headers.cseq() else { return true };
        let Some(dialog) = usage.dialog(id) else { return true };
        if hear(&mut dialog.rseq, rseq) == Heard::Passed {
            return false;
        }
        let number = dialog.dialog.next_number();
        let mut prack = dialog.dialog.request(&Method::PRACK, number);
        let rack = RAck { rseq, cseq: cseq.seq, method: cseq.method };
        prack.headers.push(name::RACK, rack.to_string());
        self.introduce(&mut prack.headers, &Method::PRACK);
        self.send_within(now, usage, id, Outbound::Begin(prack, Purpose::Prack));
        true
    }
}

fn knows(request: &Request) -> bool {
    request.headers.lists(name::SUPPORTED, TAG) || request.headers.lists(name::REQUIRE, TAG)
}
