// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that belong together: swapping, consulting, transferring, conferring; and calls that change hands.

use offhook_core::{Ask, CallAsk, HandOff, Privilege};
use offhook_spi::{Address, CallParams, MediaSet};

use super::Call;
use crate::app::unexpected;
use crate::error::Error;
use crate::runtime::Attached;

/// Consultation transfer.
impl Call {
    /// Swaps this active call with a held one. Requires `swap_hold`.
    ///
    /// # Errors
    /// As [`Call::accept`], about either call.
    pub async fn swap(&self, held: &Self) -> Result<(), Error> {
        self.act("swap", CallAsk::SwapHold { with: held.id() }).await
    }

    /// Puts the call on hold and starts a consultation call, on which to [`Call::dial`]. From there:
    /// [`Call::complete_transfer`], [`Call::complete_as_conference`], or back by [`Call::unhold`] of this
    /// call or [`Call::hang_up`] of the other. Requires `setup_transfer`.
    ///
    /// ```
    /// # async fn example(call: offhook::Call) -> Result<(), offhook::Error> {
    /// let consultation = call.consult_with("sip:carol@example.org").await?;
    /// consultation.connected().await?;
    /// call.complete_transfer(&consultation).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Call::accept`]; [`ErrorKind::InvalidState`](crate::ErrorKind::InvalidState) names a consultation
    /// that the call has already.
    pub async fn consult(&self) -> Result<Self, Error> {
        self.one("consult on", CallAsk::SetupTransfer { to: None, params: Box::default() }).await
    }

    /// As [`Call::consult`], and the provider calls the new party itself. Requires
    /// `setup_transfer_one_step`.
    ///
    /// # Errors
    /// As [`Call::consult`], and [`ErrorKind::InvalidAddress`](crate::ErrorKind::InvalidAddress).
    pub async fn consult_with(&self, to: impl Into<String>) -> Result<Self, Error> {
        self.one("consult on", CallAsk::SetupTransfer { to: Some(Address::new(to)), params: Box::default() })
            .await
    }

    /// As [`Call::consult_with`], with parameters of its own: another caller to show, own headers, a time to give up.
    ///
    /// # Errors
    /// As [`Call::consult_with`].
    pub async fn consult_as(&self, to: impl Into<String>, params: CallParams) -> Result<Self, Error> {
        let (to, params) = (Some(Address::new(to)), Box::new(params));
        self.one("consult on", CallAsk::SetupTransfer { to, params }).await
    }

    /// Joins the other two parties; both calls of this side end. Requires `complete_transfer`.
    ///
    /// # Errors
    /// As [`Call::accept`], about either call; as long as another application joins, swaps or retrieves the
    /// pair, [`ErrorKind::InvalidState`](crate::ErrorKind::InvalidState) says so.
    pub async fn complete_transfer(&self, consultation: &Self) -> Result<(), Error> {
        let op = CallAsk::CompleteTransfer { consultation: consultation.id(), as_conference: false };
        self.act("transfer", op).await
    }

    /// Keeps all three parties together; gives the conference. Requires
    /// `complete_transfer_as_conference`.
    ///
    /// # Errors
    /// As [`Call::complete_transfer`].
    pub async fn complete_as_conference(&self, consultation: &Self) -> Result<Self, Error> {
        let op = CallAsk::CompleteTransfer { consultation: consultation.id(), as_conference: true };
        self.one("confer on", op).await
    }
}

/// Conferences.
impl Call {
    /// Makes a conference of which this call is the first member; gives the conference, which waits, and a
    /// consultation call for the second. Requires `setup_conference`.
    ///
    /// ```
    /// # async fn example(call: offhook::Call) -> Result<(), offhook::Error> {
    /// let (conference, carol) = call.conference().await?;
    /// carol.dial("sip:carol@example.org").await?;
    /// carol.connected().await?;
    /// conference.add(&carol).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Call::consult`].
    pub async fn conference(&self) -> Result<(Self, Self), Error> {
        let verb = "set up a conference from";
        let reply = self.request(verb, CallAsk::SetupConference).await?;
        let Attached::Calls(calls) = reply.attached else {
            return Err(unexpected(format!("{verb} {}", self.id()), &reply.answer));
        };
        let mut calls = calls.into_iter().map(|call| Self::new(self.app().clone(), call));
        match (calls.next(), calls.next()) {
            (Some(conference), Some(consultation)) => Ok((conference, consultation)),
            _ => Err(unexpected(format!("{verb} {}", self.id()), &reply.answer)),
        }
    }

    /// Puts this conference on hold and starts a consultation call to add. Requires
    /// `prepare_add_to_conference`.
    ///
    /// # Errors
    /// As [`Call::consult`]; [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) when the
    /// call is no conference, [`ErrorKind::Busy`](crate::ErrorKind::Busy) when it is full.
    pub async fn prepare_add(&self) -> Result<Self, Error> {
        self.one("prepare to add to", CallAsk::PrepareAddToConference { to: None, number: None }).await
    }

    /// As [`Call::prepare_add`], and the provider calls the new party itself.
    ///
    /// # Errors
    /// As [`Call::prepare_add`], and [`ErrorKind::InvalidAddress`](crate::ErrorKind::InvalidAddress).
    pub async fn prepare_add_of(&self, to: impl Into<String>) -> Result<Self, Error> {
        self.one(
            "prepare to add to",
            CallAsk::PrepareAddToConference { to: Some(Address::new(to)), number: None },
        )
        .await
    }

    /// Adds a call to this conference. Requires `add_to_conference`.
    ///
    /// # Errors
    /// As [`Call::prepare_add`], about either call;
    /// [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) when the other takes part in a
    /// conference already.
    pub async fn add(&self, member: &Self) -> Result<(), Error> {
        self.act("add to", CallAsk::AddToConference { member: member.id() }).await
    }

    /// Takes this call out of its conference. Requires `remove_from_conference`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn leave_conference(&self) -> Result<(), Error> {
        self.act("remove from its conference", CallAsk::RemoveFromConference).await
    }
}

/// Calls that change hands.
impl Call {
    /// Makes another application an owner of the call: the one of that name that has opened the line to own
    /// calls. It finds the call among its incoming ones. This application stays an owner until it gives
    /// the call back.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such application,
    /// [`ErrorKind::NotOwner`](crate::ErrorKind::NotOwner).
    pub async fn hand_off(&self, to: impl Into<String>) -> Result<(), Error> {
        self.hand_over(HandOff::App { name: to.into() }).await
    }

    /// As [`Call::hand_off`], to the application of the highest priority that owns calls of a medium.
    ///
    /// # Errors
    /// As [`Call::hand_off`]; [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) when that
    /// is this application itself.
    pub async fn hand_off_by_media(&self, media: MediaSet) -> Result<(), Error> {
        self.hand_over(HandOff::Media { media }).await
    }

    /// Becomes an owner of a call that this application watches. The line has to be open to own calls.
    ///
    /// # Errors
    /// [`ErrorKind::NotOwner`](crate::ErrorKind::NotOwner) when it is not.
    pub async fn become_owner(&self) -> Result<(), Error> {
        self.set_privilege(Privilege::Owner).await
    }

    /// Goes on watching a call that this application owns.
    ///
    /// # Errors
    /// [`ErrorKind::SoleOwner`](crate::ErrorKind::SoleOwner) when nobody else owns it and it lives.
    pub async fn become_monitor(&self) -> Result<(), Error> {
        self.set_privilege(Privilege::Monitor).await
    }

    async fn hand_over(&self, to: HandOff) -> Result<(), Error> {
        let ask = Ask::HandOff { call: self.id(), to };
        self.app().ask(|| format!("hand off {}", self.id()), ask).await.map(|_| ())
    }

    async fn set_privilege(&self, privilege: Privilege) -> Result<(), Error> {
        let ask = Ask::SetPrivilege { call: self.id(), privilege };
        self.app().ask(|| format!("change the privilege on {}", self.id()), ask).await.map(|_| ())
    }

    /// An operation that brings one new call.
    async fn one(&self, verb: &str, op: CallAsk) -> Result<Self, Error> {
        let reply = self.request(verb, op).await?;
        match reply.attached {
            Attached::Calls(calls) => calls.into_iter().next(),
            _ => None,
        }
        .map(|call| Self::new(self.app().clone(), call))
        .ok_or_else(|| unexpected(format!("{verb} {}", self.id()), &reply.answer))
    }
}
