// SPDX-License-Identifier: MIT OR Apache-2.0
//! The phone: a telephone set with its hook switches, buttons, lamps, display and ringer.

use std::fmt;

use offhook_core::{Answer, AppEvent, Ask, PhoneId, PhoneRecord, Privilege};
use offhook_spi::{HookMode, HookSwitch, LampMode, Opaque, Outcome, PhoneChange, PhoneOp};

use crate::app::App;
use crate::error::{Error, ErrorKind};
use crate::journal::Events;

/// A phone of an application.
///
/// One application at a time owns a phone and may change it; any number watch it. What happens at the
/// phone comes as [`AppEvent::PhoneChange`].
///
/// ```
/// # async fn example(app: offhook::App) -> Result<(), offhook::Error> {
/// use offhook::spi::{HookSwitch, LampMode};
///
/// let phone = app.phone("desk").await?;
/// phone.own().await?;
/// phone.display(0, 0, "good morning").await?;
/// phone.lamp(12, LampMode::Wink).await?;
/// let change = phone.next_change().await?;
/// println!("somebody is there: {change:?}");
/// phone.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Phone {
    app: App,
    id: PhoneId,
    name: String,
}

impl Phone {
    pub(crate) fn new(app: App, id: PhoneId, name: String) -> Self {
        Self { app, id, name }
    }

    /// The phone's id in this server; it stays when the phone goes and comes back.
    #[must_use]
    pub fn id(&self) -> PhoneId {
        self.id
    }

    /// The phone's stable id, as its provider names it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All that is known about the phone now, as it was last reported.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn details(&self) -> Result<PhoneRecord, Error> {
        let phones = self.app.phones().await?;
        phones.into_iter().find(|phone| phone.phone == self.id).ok_or_else(|| {
            let detail = format!("the server no longer knows phone '{}'", self.name);
            Error::new(ErrorKind::NotFound, format!("read phone '{}'", self.name), detail)
        })
    }

    /// Opens the phone to change it.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] names the application that owns it.
    pub async fn own(&self) -> Result<(), Error> {
        self.open(Privilege::Owner).await
    }

    /// Opens the phone to watch it; an owner becomes a watcher.
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn watch(&self) -> Result<(), Error> {
        self.open(Privilege::Monitor).await
    }

    /// Ends the use of the phone.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidState`] when it is not open.
    pub async fn close(&self) -> Result<(), Error> {
        let ask = Ask::ClosePhone { phone: self.id };
        self.app.ask(|| format!("close phone '{}'", self.name), ask).await.map(|_| ())
    }

    /// Waits for the next thing that happens at the phone, from now on. To miss nothing read
    /// [`Phone::events`].
    ///
    /// # Errors
    /// [`ErrorKind::ShutDown`].
    pub async fn next_change(&self) -> Result<PhoneChange, Error> {
        let mine = |event: &AppEvent| match event {
            AppEvent::PhoneChange { phone, change } if *phone == self.id => Some(change.clone()),
            _ => None,
        };
        let found = self.events().find(mine).await;
        found.ok_or_else(|| Error::shut_down(format!("watch phone '{}'", self.name)))
    }

    /// All that the application is told, from now on; [`AppEvent::PhoneChange`] and
    /// [`AppEvent::PhoneOwners`] are about phones.
    #[must_use]
    pub fn events(&self) -> Events {
        self.app.events()
    }

    async fn open(&self, privilege: Privilege) -> Result<(), Error> {
        let ask = Ask::OpenPhone { phone: self.id, privilege };
        self.app.ask(|| format!("open phone '{}'", self.name), ask).await.map(|_| ())
    }
}

/// Changing a phone: all of this is for its owner.
impl Phone {
    /// Asks for any change; the others here are short forms of it.
    ///
    /// # Errors
    /// [`ErrorKind::NotOwner`], [`ErrorKind::InvalidParameter`] when the phone has no such part,
    /// [`ErrorKind::NotFound`] while it is absent, and what its provider says.
    pub async fn set(&self, op: PhoneOp) -> Result<(), Error> {
        let ask = Ask::Phone { phone: self.id, op };
        self.app.ask(|| format!("change phone '{}'", self.name), ask).await.map(|_| ())
    }

    /// Asks for something of the vendor's own, in one of the schemas that
    /// [`PhoneCaps::extensions`](offhook_spi::PhoneCaps::extensions) lists; gives its data, where there is any.
    ///
    /// # Errors
    /// As [`Phone::set`], and [`ErrorKind::Unsupported`] for another schema.
    pub async fn extension(&self, data: Opaque) -> Result<Option<Opaque>, Error> {
        let ask = Ask::Phone { phone: self.id, op: PhoneOp::Extension { data } };
        let reply = self.app.ask(|| format!("ask an extension of phone '{}'", self.name), ask).await?;
        Ok(match reply.answer {
            Answer::Done { outcome: Outcome::Data { data } } => Some(data),
            _ => None,
        })
    }

    /// Writes to the display.
    ///
    /// # Errors
    /// As [`Phone::set`].
    pub async fn display(&self, row: u16, column: u16, text: impl Into<String>) -> Result<(), Error> {
        self.set(PhoneOp::Display { row, column, text: text.into() }).await
    }

    /// Lifts or lays down a part, or mutes one side of it; volume and gain are kept.
    ///
    /// # Errors
    /// As [`Phone::set`].
    pub async fn hook(&self, hook: HookSwitch, mode: HookMode) -> Result<(), Error> {
        self.set(PhoneOp::Hook { hook, mode }).await
    }

    /// Sets the volume of a loudspeaker.
    ///
    /// # Errors
    /// As [`Phone::set`].
    pub async fn volume(&self, hook: HookSwitch, volume: u16) -> Result<(), Error> {
        self.set(PhoneOp::Volume { hook, volume }).await
    }

    /// Sets the gain of a microphone.
    ///
    /// # Errors
    /// As [`Phone::set`].
    pub async fn gain(&self, hook: HookSwitch, gain: u16) -> Result<(), Error> {
        self.set(PhoneOp::Gain { hook, gain }).await
    }

    /// Labels a button.
    ///
    /// # Errors
    /// As [`Phone::set`].
    pub async fn label(&self, button: u16, label: impl Into<String>) -> Result<(), Error> {
        self.set(PhoneOp::Button { button, label: label.into() }).await
    }

    /// Sets the lamp of a button.
    ///
    /// # Errors
    /// As [`Phone::set`].
    pub async fn lamp(&self, button: u16, mode: LampMode) -> Result<(), Error> {
        self.set(PhoneOp::Lamp { button, mode }).await
    }

    /// Rings in a pattern; volume 0 stops it.
    ///
    /// # Errors
    /// As [`Phone::set`].
    pub async fn ring(&self, mode: u16, volume: u16) -> Result<(), Error> {
        self.set(PhoneOp::Ring { mode, volume }).await
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone").field("id", &self.id).field("name", &self.name).finish()
    }
}
