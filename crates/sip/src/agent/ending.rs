// SPDX-License-Identifier: MIT OR Apache-2.0
//! How dialogs end: BYE of ours and of theirs, crossing or waiting (RFC 3261 section 15).

use std::mem;
use std::sync::Arc;

use offhook_spi::Moment;

use super::api::{Ending, Event};
use super::send::{append, replace};
use super::{Agent, Alarm};
use crate::invite::{Bye, DialogId, Failure, InviteDialog, InviteId, Life, Outbound, Purpose, Stage, Usage};
use crate::message::{Headers, Method, Request, Response, Status};
use crate::transaction::{Flow, TransactionId};

impl Agent {
    /// The owner wants no more of a call, whatever its state.
    pub(super) fn hang_up(&mut self, now: Moment, usage: &mut Usage, headers: Headers) {
        if let Some(id) = usage.answered {
            if usage.dialog(id).is_some_and(|dialog| dialog.life == Life::Ending) {
                // Its BYE was challenged and the owner gives up, or asks twice.
                self.give_up_bye(now, usage, id);
            } else {
                self.bye(now, usage, id, headers);
            }
        } else if usage.incoming().is_some() {
            self.refuse(now, usage, Status::TEMPORARILY_UNAVAILABLE, &headers, Ending::Local);
        } else {
            self.cancel(now, usage, headers);
        }
    }

    /// Sends BYE, or notes that it is wanted: not before our answer has been acknowledged or given up.
    pub(super) fn bye(&mut self, now: Moment, usage: &mut Usage, id: DialogId, headers: Headers) {
        let call = usage.id;
        let Some(dialog) = usage.dialog(id) else { return };
        if dialog.life == Life::Ending {
            return;
        }
        if dialog.repeat.is_some() {
            if !matches!(dialog.bye, Bye::Wanted(_)) {
                dialog.bye = Bye::Wanted(headers);
            }
            return;
        }
        if let Some(owed) = dialog.owed.take() {
            self.acknowledge(now, usage, id, owed.number, &owed.request, None);
        }
        self.answer_open_reinvite(now, usage, id);
        let Some(dialog) = usage.dialog(id) else { return };
        self.drop_reoffer(now, call, dialog);
        self.alarms.disarm(Alarm::Session(call, id));
        dialog.life = Life::Ending;
        self.send_bye(now, usage, id, headers, None);
    }

    fn send_bye(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        id: DialogId,
        headers: Headers,
        credentials: Option<&Headers>,
    ) {
        let Some(dialog) = usage.dialog(id) else { return };
        let number = dialog.dialog.next_number();
        let mut request = dialog.dialog.request(&Method::BYE, number);
        append(&mut request.headers, &headers);
        if let Some(credentials) = credentials {
            replace(&mut request.headers, credentials);
        }
        self.introduce(&mut request.headers, &Method::BYE);
        dialog.bye = Bye::Sent(headers);
        self.send_within(now, usage, id, Outbound::Begin(request, Purpose::Bye));
    }

    /// Our BYE was answered or not: the dialog is over either way, unless credentials may help.
    pub(super) fn on_bye_done(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        id: DialogId,
        outcome: Result<Box<Response>, Failure>,
    ) {
        let is_main = usage.answered == Some(id) && !usage.is_told;
        let call = usage.id;
        let Some(dialog) = usage.dialog(id) else { return };
        match outcome {
            Ok(response) if response.status.is_provisional() => {}
            Ok(response) if is_main && is_challenge(response.status) => {
                let uri = dialog.dialog.request(&Method::BYE, 0).uri;
                self.alarms.arm(Alarm::Bye(call, id), now + self.config.timing.transaction());
                self.event(Event::Challenged { id: call, method: Method::BYE, uri, response });
            }
            _ => self.finish(now, usage, id),
        }
    }

    pub(super) fn retry_bye(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        credentials: &Headers,
        flow: Option<Flow>,
    ) {
        let call = usage.id;
        let Some(dialog) = usage.main() else { return };
        let id = dialog.id;
        let alarm = Alarm::Bye(call, id);
        if !self.alarms.is_armed(alarm) {
            return;
        }
        self.alarms.disarm(alarm);
        if flow.is_some() {
            dialog.way.flow = flow;
        }
        let Bye::Sent(headers) = mem::replace(&mut dialog.bye, Bye::No) else { return };
        self.send_bye(now, usage, id, headers, Some(credentials));
    }

    fn give_up_bye(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        if self.alarms.is_armed(Alarm::Bye(usage.id, id)) {
            self.finish(now, usage, id);
        }
    }

    /// Forgets a dialog that we ended.
    pub(super) fn finish(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        self.drop_dialog(now, usage, id);
        if usage.answered == Some(id) {
            let why = usage.why.take().unwrap_or(Ending::Local);
            self.tell_end(usage, why);
        }
    }

    /// A BYE of theirs.
    pub(super) fn on_bye(
        &mut self,
        now: Moment,
        usage: &mut Usage,
        id: DialogId,
        transaction: TransactionId,
        request: &Arc<Request>,
    ) {
        self.reply(now, transaction, request, Status::OK, &Headers::new());
        let why = Ending::Remote(Box::new(Request::clone(request)));
        if usage.incoming().is_some() {
            // The caller may give up with BYE as well as with CANCEL (section 15.1.2).
            self.refuse(now, usage, Status::REQUEST_TERMINATED, &Headers::new(), why);
            return;
        }
        let was_early = usage.dialog(id).is_some_and(|dialog| dialog.life == Life::Early);
        self.answer_open_reinvite(now, usage, id);
        self.drop_dialog(now, usage, id);
        if usage.answered == Some(id) {
            self.tell_end(usage, why);
        } else if was_early && usage.dialogs.is_empty() {
            // Nobody sends BYE before an answer unless that answer was lost; there is nothing to wait for.
            self.cancel(now, usage, Headers::new());
        }
    }

    /// Pending requests are answered when a dialog ends (section 15.1.2).
    fn answer_open_reinvite(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        let Some(dialog) = usage.dialog(id) else { return };
        if let Some(open) = dialog.reoffered.take() {
            self.served.remove(&open.transaction);
            self.reply(now, open.transaction, &open.request, Status::REQUEST_TERMINATED, &Headers::new());
        }
    }

    /// Forgets our re-INVITE; one that is under way gets its time to end.
    fn drop_reoffer(&mut self, now: Moment, call: InviteId, dialog: &mut InviteDialog) {
        self.alarms.disarm(Alarm::Collision(call, dialog.id));
        self.alarms.disarm(Alarm::Reoffer(call, dialog.id));
        let Some(reoffer) = dialog.reoffer.take() else { return };
        if let (Stage::Sent, Some(transaction)) = (reoffer.stage, reoffer.transaction) {
            self.alarms.arm(Alarm::Abandon(transaction), now + self.config.timing.transaction());
        }
    }

    /// Removes a dialog and whatever was going on in it.
    pub(super) fn drop_dialog(&mut self, now: Moment, usage: &mut Usage, id: DialogId) {
        let call = usage.id;
        let Some(at) = usage.dialogs.iter().position(|dialog| dialog.id == id) else { return };
        let mut dialog = usage.dialogs.swap_remove(at);
        self.stop_repeating(call, &mut dialog);
        self.drop_reoffer(now, call, &mut dialog);
        if let Some(open) = dialog.reoffered.take() {
            self.served.remove(&open.transaction);
        }
        if dialog.reliable.is_some() {
            self.alarms.disarm(Alarm::Reliable(call));
        }
        for alarm in [Alarm::Bye(call, id), Alarm::Locate(call, id), Alarm::Session(call, id)] {
            self.alarms.disarm(alarm);
        }
        for outbound in mem::take(&mut dialog.way.waiting) {
            self.not_sent(&outbound);
        }
        let key = dialog.dialog.key();
        if self.dialogs.get(&key) == Some(&(call, id)) {
            self.dialogs.remove(&key);
        }
    }

    /// Removes the dialogs that were never confirmed; nothing can be going on in them.
    pub(super) fn drop_early(&mut self, usage: &mut Usage) {
        let early: Vec<_> =
            usage.dialogs.iter().filter(|it| it.life == Life::Early).map(|it| it.id).collect();
        for id in early {
            self.drop_dialog(Moment::ZERO, usage, id);
        }
    }

    /// Stops repeating a 2xx and hands out the BYE that waited for its ACK.
    pub(super) fn stop_repeating(&mut self, call: InviteId, dialog: &mut InviteDialog) -> Option<Headers> {
        if dialog.repeat.take().is_some() {
            self.alarms.disarm(Alarm::Repeat(call, dialog.id));
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        }
        match mem::replace(&mut dialog.bye, Bye::No) {
            Bye::Wanted(headers) => Some(headers),
            other @ (Bye::No | Bye::Sent(_)) => {
                dialog.bye = other;
                None
            }
        }
    }

    /// Tells the owner once that a call is over.
    pub(super) fn tell_end(&mut self, usage: &mut Usage, why: Ending) {
        if !usage.is_told {
            usage.is_told = true;
            self.event(Event::Ended { id: usage.id, why });
        }
    }

    /// A request that never left.
    pub(super) fn not_sent(&mut self, outbound: &Outbound) {
        if let Outbound::Begin(_, Purpose::Plain(id)) = *outbound {
            self.event(Event::RequestDone { id, outcome: Err(Failure::Transport) });
        }
    }

    /// The owner found a way, or none.
    pub(super) fn located(&mut self, now: Moment, usage: &mut Usage, id: DialogId, flow: Option<Flow>) {
        if let Some(flow) = flow {
            self.flush(now, usage, id, flow);
            return;
        }
        let call = usage.id;
        let Some(dialog) = usage.dialog(id) else { return };
        self.alarms.disarm(Alarm::Locate(call, id));
        for outbound in mem::take(&mut dialog.way.waiting) {
            match outbound {
                Outbound::Begin(_, Purpose::Bye) => self.finish(now, usage, id),
                Outbound::Begin(_, Purpose::Reinvite) => {
                    self.on_reinvite_done(now, usage, id, Err(Failure::Transport));
                }
                Outbound::Ack(_)
                | Outbound::Begin(_, Purpose::Plain(_) | Purpose::Prack | Purpose::Refresh) => {
                    self.not_sent(&outbound);
                }
            }
        }
    }
}

pub(super) fn is_challenge(status: Status) -> bool {
    status == Status::UNAUTHORIZED || status == Status::PROXY_AUTHENTICATION_REQUIRED
}
