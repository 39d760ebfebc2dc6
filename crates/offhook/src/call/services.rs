// SPDX-License-Identifier: MIT OR Apache-2.0
//! What else networks do with one call: park it, call back, carry data, change what it is.

use offhook_core::{Answer, CallAsk};
use offhook_spi::{
    Address, CallDatum, CallParams, CompletionMode, DigitMode, MediaRule, MediaSet, Opaque, Outcome, Tone,
    Treatment,
};

use super::Call;
use crate::app::unexpected;
use crate::error::Error;

/// Dialling, parking and calling back.
impl Call {
    /// Dials more digits; an empty text ends a partial dialling, which a call to an address that ends in
    /// `;` begins. Requires `dial`.
    ///
    /// # Errors
    /// As [`Call::accept`], and [`ErrorKind::InvalidAddress`](crate::ErrorKind::InvalidAddress).
    pub async fn dial(&self, digits: impl Into<String>) -> Result<(), Error> {
        self.act("dial on", CallAsk::Dial { digits: digits.into() }).await
    }

    /// Parks the call where the switch chooses, and says where. The call ends here; fetch it with
    /// [`Line::unpark`](crate::Line::unpark). Requires `park`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn park(&self) -> Result<Address, Error> {
        match self.outcome("park", CallAsk::Park { at: None }).await? {
            Outcome::ParkedAt { at } => Ok(at),
            outcome => Err(unexpected(format!("park {}", self.id()), &Answer::Done { outcome })),
        }
    }

    /// Parks the call at an address. Requires `park_directed`.
    ///
    /// # Errors
    /// As [`Call::accept`], and [`ErrorKind::InvalidAddress`](crate::ErrorKind::InvalidAddress).
    pub async fn park_at(&self, at: impl Into<String>) -> Result<(), Error> {
        self.act("park", CallAsk::Park { at: Some(Address::new(at)) }).await
    }

    /// Asks to reach a party that is busy or does not answer: by a call back when it is free, by waiting,
    /// by breaking in, or by a message. Gives an id: [`Line::cancel_completion`](crate::Line::cancel_completion)
    /// cancels it, and a call that fulfils it carries it in its
    /// [`CallInfo::completion`](crate::spi::CallInfo::completion). Requires `complete_call`.
    ///
    /// # Errors
    /// As [`Call::accept`], and [`ErrorKind::Busy`](crate::ErrorKind::Busy) when too many are pending.
    pub async fn complete(&self, mode: CompletionMode) -> Result<u64, Error> {
        match self.outcome("complete", CallAsk::CompleteCall { mode }).await? {
            Outcome::Completion { id } => Ok(id),
            outcome => Err(unexpected(format!("complete {}", self.id()), &Answer::Done { outcome })),
        }
    }
}

/// Data that travels with a call.
impl Call {
    /// Sends user data to the far end in signalling. Requires `send_user_data`.
    ///
    /// # Errors
    /// As [`Call::accept`], and [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) when it
    /// is too long.
    pub async fn send_user_data(&self, data: Opaque) -> Result<(), Error> {
        self.act("send user data on", CallAsk::SendUserData { data }).await
    }

    /// Frees user data that was received ([`CallInfo::user_data`](crate::spi::CallInfo::user_data)), so that
    /// more can come. Requires `release_user_data`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn release_user_data(&self) -> Result<(), Error> {
        self.act("release user data of", CallAsk::ReleaseUserData).await
    }

    /// Replaces the data that travels with the call, such as own headers. Requires `set_call_data`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn set_data(&self, data: Vec<CallDatum>) -> Result<(), Error> {
        self.act("set the data of", CallAsk::SetCallData { data }).await
    }

    /// Asks for an operation of the vendor's own; gives its data, where there is any. Requires `extension`,
    /// and the schema among the line's extensions.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn extension(&self, data: Opaque) -> Result<Option<Opaque>, Error> {
        Ok(match self.outcome("ask an extension of", CallAsk::Extension { data }).await? {
            Outcome::Data { data } => Some(data),
            _ => None,
        })
    }
}

/// What a call is like.
impl Call {
    /// Protects the call from interruption. Requires `secure_call`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn secure(&self) -> Result<(), Error> {
        self.act("secure", CallAsk::Secure).await
    }

    /// Changes the parameters of the live call. Requires `set_call_params`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn set_params(&self, params: CallParams) -> Result<(), Error> {
        self.act("set the parameters of", CallAsk::SetCallParams { params: Box::new(params) }).await
    }

    /// Records the media of the call; the other applications are told. Requires `set_media_mode`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn set_media(&self, media: MediaSet) -> Result<(), Error> {
        self.act("set the media of", CallAsk::SetMediaMode { media }).await
    }

    /// Attaches media actions to digits, all at once; none detaches all. Requires `set_media_control`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn set_media_control(&self, rules: Vec<MediaRule>) -> Result<(), Error> {
        self.act("set the media control of", CallAsk::SetMediaControl { rules }).await
    }

    /// Negotiates another quality of service, in bits per second each way. Requires `set_quality`.
    ///
    /// # Errors
    /// As [`Call::accept`]; [`ErrorKind::OperationFailed`](crate::ErrorKind::OperationFailed) when the
    /// network cannot.
    pub async fn set_quality(&self, bits_per_second: u64) -> Result<(), Error> {
        self.act("set the quality of", CallAsk::SetQuality { bits_per_second }).await
    }

    /// Routes the call to a telephone of the switch, beside where it is. Requires `set_terminal`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn add_terminal(&self, terminal: impl Into<String>) -> Result<(), Error> {
        self.act("route", CallAsk::SetTerminal { terminal: terminal.into(), enabled: true }).await
    }

    /// Takes a telephone of the switch off the call. Requires `set_terminal`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn remove_terminal(&self, terminal: impl Into<String>) -> Result<(), Error> {
        self.act("route", CallAsk::SetTerminal { terminal: terminal.into(), enabled: false }).await
    }

    /// Chooses what the waiting or held party hears. Requires `set_treatment`.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn treat(&self, treatment: Treatment) -> Result<(), Error> {
        self.act("treat", CallAsk::SetTreatment { treatment }).await
    }
}

/// Listening: what is heard comes as events ([`Call::events`]).
impl Call {
    /// Reports each digit that comes in one of these ways; none ends it. Requires `monitor_digits`, of the
    /// line or of its media provider.
    ///
    /// # Errors
    /// As [`Call::accept`].
    pub async fn monitor_digits(&self, modes: Vec<DigitMode>) -> Result<(), Error> {
        self.act("monitor digits of", CallAsk::MonitorDigits { modes }).await
    }

    /// Reports these media when they are heard; none ends it. Requires `monitor_media`.
    ///
    /// # Errors
    /// As [`Call::accept`]; [`ErrorKind::Busy`](crate::ErrorKind::Busy) while another change is under way.
    pub async fn monitor_media(&self, media: MediaSet) -> Result<(), Error> {
        self.act("monitor media of", CallAsk::MonitorMedia { media }).await
    }

    /// Reports these tones when the network hears them, by their places in the list; none ends it. Requires
    /// `monitor_tones`. To listen in the call's own sound see [`Call::detect_tones`].
    ///
    /// # Errors
    /// As [`Call::monitor_media`]; [`ErrorKind::InvalidParameter`](crate::ErrorKind::InvalidParameter) for a
    /// tone that cannot be heard, or too many.
    pub async fn monitor_tones(&self, tones: Vec<Tone>) -> Result<(), Error> {
        self.act("monitor tones of", CallAsk::MonitorTones { tones }).await
    }
}
