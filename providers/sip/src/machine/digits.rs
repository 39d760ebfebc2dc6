// SPDX-License-Identifier: MIT OR Apache-2.0
//! Digits in signalling: INFO requests, one after the other (RFC 6086; `application/dtmf-relay` as everybody writes
//! it). Digits in the sound and beside it are the MSP's.

use std::collections::VecDeque;
use std::time::Duration;

use offhook_sipcore::agent::{Body, Command, Failure, RequestId as SipRequestId};
use offhook_sipcore::message::{Method, Response};
use offhook_spi::{Digit, DigitMode, GenerationEnd, Moment, Op, Refusal, RefusalKind, RequestId, TspEvent};

use super::{Asked, SipMachine};
use crate::call::Phase;

/// Digits that one generation sends.
const MOST: usize = 256;
/// How long a digit sounds at the far end, unless told otherwise, and within which bounds.
const USUAL: Duration = Duration::from_millis(100);
const BOUNDS: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(6));

/// Digits on their way.
#[derive(Debug)]
pub(crate) struct Sending {
    left: VecDeque<Digit>,
    each: Duration,
    /// The INFO that has no answer yet.
    request: SipRequestId,
}

impl SipMachine {
    pub(super) fn generate_digits(
        &mut self,
        now: Moment,
        request: RequestId,
        serial: u64,
        digits: Vec<Digit>,
        how: (Option<DigitMode>, Option<Duration>),
    ) {
        let (mode, duration) = how;
        if let Err(refusal) = self.may_send(serial, digits.len(), mode) {
            return self.reply(request, Err(refusal));
        }
        self.reply(request, Ok(()));
        self.end_digits(serial, GenerationEnd::Cancelled);
        let each = duration.unwrap_or(USUAL).clamp(BOUNDS.0, BOUNDS.1);
        self.send_digit(now, serial, digits.into(), each);
    }

    fn may_send(&self, serial: u64, count: usize, mode: Option<DigitMode>) -> Result<(), Refusal> {
        let Some(call) = self.calls.get(&serial) else { return Ok(()) };
        if mode.is_some_and(|mode| mode != DigitMode::Signalling) {
            let detail = format!("{} sends digits in signalling here; expected no other way", call.key);
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        if count > MOST {
            let detail = format!("expected at most {MOST} digits, received {count}");
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        if !matches!(call.phase, Phase::Up) {
            let detail = format!("{} is not answered; {} needs a call that is", call.key, Op::GenerateDigits);
            return Err(Refusal::new(RefusalKind::InvalidState, detail));
        }
        Ok(())
    }

    /// Sends the next digit, if there is one.
    fn send_digit(&mut self, now: Moment, serial: u64, mut left: VecDeque<Digit>, each: Duration) {
        let Some(digit) = left.pop_front() else { return };
        let text = format!("Signal={digit}\r\nDuration={}\r\n", each.as_millis());
        let body = Some(Body { kind: "application/dtmf-relay".into(), bytes: text.into() });
        let headers = self.own_contact(serial);
        let id = self.sip_request(Asked::Digit(serial));
        let Some(call) = self.calls.get_mut(&serial) else { return };
        call.sending = Some(Box::new(Sending { left, each, request: id }));
        let (invite, method) = (call.id, Method::INFO);
        self.agent(now, Command::RequestInDialog { id, invite, method, headers, body });
    }

    /// What became of a digit: the next one follows, or none does any more.
    pub(super) fn digit_sent(
        &mut self,
        now: Moment,
        serial: u64,
        id: SipRequestId,
        outcome: &Result<Box<Response>, Failure>,
    ) {
        let sending =
            self.calls.get_mut(&serial).and_then(|call| call.sending.take_if(|it| it.request == id));
        let Some(sending) = sending else { return };
        let is_taken = outcome.as_ref().is_ok_and(|response| response.status.is_success());
        let is_over = sending.left.is_empty();
        if is_taken && !is_over {
            return self.send_digit(now, serial, sending.left, sending.each);
        }
        let end = if is_taken { GenerationEnd::Done } else { GenerationEnd::Cancelled };
        self.tell_generated(serial, end);
    }

    /// What is on its way is the last.
    pub(super) fn end_digits(&mut self, serial: u64, end: GenerationEnd) {
        let sending = self.calls.get_mut(&serial).and_then(|call| call.sending.take());
        if sending.is_some() {
            self.tell_generated(serial, end);
        }
    }

    fn tell_generated(&mut self, serial: u64, end: GenerationEnd) {
        if let Some(key) = self.calls.get(&serial).map(|call| call.key) {
            self.tell(TspEvent::Generated { call: key, end });
        }
    }
}
