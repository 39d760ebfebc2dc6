// SPDX-License-Identifier: MIT OR Apache-2.0
//! How phones come and go, who uses them, and how they are changed.

use offhook_spi::{
    Outcome, PhoneCaps, PhoneChange, PhoneKey, PhoneOp, Refusal, RefusalKind, Retry, TspCommand,
};

use crate::app::{AppEvent, PhoneRecord, Privilege};
use crate::asks::Handled;
use crate::bounds;
use crate::id::{AppId, PhoneId, ProviderId};
use crate::line::LineName;
use crate::phone::{Phone, changes};
use crate::request::{Asker, What};
use crate::switch::Switch;

/// Phones that appear, change and go.
impl Switch {
    /// A phone appears, for the first time or again under the same id.
    pub(crate) fn phone_up(
        &mut self,
        provider: ProviderId,
        key: PhoneKey,
        stable_id: String,
        mut caps: PhoneCaps,
    ) {
        let Some(tsp) = self.tsps.get(&provider) else { return };
        if tsp.phones.contains_key(&key) {
            return self.violation(provider, None, format!("expected a new phone key, {key} is up already"));
        }
        if !bounds::is_stable_id(&stable_id) {
            let detail = "expected a stable id of 1 to 512 bytes, received another".to_owned();
            return self.violation(provider, None, detail);
        }
        let name = LineName { provider: tsp.name.clone(), stable_id };
        let Some(id) = self.remember_phone(provider, name) else { return };
        bounds::clip_list(&mut caps.hooks);
        bounds::clip_list(&mut caps.extensions);
        if let (Some(phone), Some(tsp)) = (self.phones.get_mut(id), self.tsps.get_mut(&provider)) {
            phone.link = Some((provider, key));
            phone.caps = caps;
            phone.state = crate::app::PhoneState::default();
            tsp.phones.insert(key, id);
        }
        self.tell_phone(id);
    }

    /// Finds the id that a phone had before, or gives it one.
    fn remember_phone(&mut self, provider: ProviderId, name: LineName) -> Option<PhoneId> {
        if let Some(id) = self.phone_names.get(&name).copied() {
            let is_absent = self.phones.get(id).is_some_and(|phone| phone.link.is_none());
            if !is_absent {
                self.violation(provider, None, format!("expected each phone once, {name} is up already"));
            }
            return is_absent.then_some(id);
        }
        if self.phones.len() >= self.config.max_lines {
            let most = self.config.max_lines;
            self.violation(provider, None, format!("expected at most {most} phones, received one more"));
            return None;
        }
        let id = self.phones.insert(Phone::new(name.clone()));
        self.phone_names.insert(name, id);
        Some(id)
    }

    /// A phone goes; who uses it keeps its handle and finds the phone absent.
    pub(crate) fn phone_down(&mut self, provider: ProviderId, key: PhoneKey) {
        let Some(id) = self.tsps.get_mut(&provider).and_then(|tsp| tsp.phones.remove(&key)) else {
            return self.unknown_phone(provider, key);
        };
        let refusal = self.phone_gone(id);
        self.refuse_about(
            provider,
            &refusal,
            |_, what| matches!(what, What::Phone { phone, .. } if *phone == id),
        );
        self.lose_phone(id);
    }

    /// A phone is absent from now on.
    pub(crate) fn lose_phone(&mut self, id: PhoneId) {
        if let Some(phone) = self.phones.get_mut(id) {
            phone.link = None;
            phone.asked.clear();
        }
        self.tell_phone(id);
    }

    /// Something happened at a phone.
    pub(crate) fn phone_event(&mut self, provider: ProviderId, key: PhoneKey, change: PhoneChange) {
        if let PhoneChange::Extension { data } = &change
            && !bounds::fits(data)
        {
            return self.too_big(provider, None, data);
        }
        match self.tsps.get(&provider).and_then(|tsp| tsp.phones.get(&key)).copied() {
            Some(id) => self.phone_changed(id, change),
            None => self.unknown_phone(provider, key),
        }
    }

    fn phone_changed(&mut self, id: PhoneId, mut change: PhoneChange) {
        let Some(phone) = self.phones.get_mut(id) else { return };
        if phone.take(&mut change) {
            let to = phone.users();
            self.tell(to, AppEvent::PhoneChange { phone: id, change });
        }
    }

    fn unknown_phone(&mut self, provider: ProviderId, key: PhoneKey) {
        self.violation(provider, None, format!("expected the key of a phone that is up, received {key}"));
    }

    fn tell_phone(&mut self, id: PhoneId) {
        if let Some(record) = self.phone_record(id) {
            self.tell_all(AppEvent::Phone { record: Box::new(record) });
        }
    }

    pub(crate) fn phone_record(&self, id: PhoneId) -> Option<PhoneRecord> {
        let phone = self.phones.get(id)?;
        Some(PhoneRecord {
            phone: id,
            provider: phone.name.provider.clone(),
            stable_id: phone.name.stable_id.clone(),
            present: phone.link.is_some(),
            caps: phone.caps.clone(),
            state: phone.state.clone(),
            owner: phone.owner,
            monitors: u32::try_from(phone.monitors.len()).unwrap_or(u32::MAX),
        })
    }

    fn phone_gone(&self, id: PhoneId) -> Refusal {
        let name = self.phones.get(id).map(|phone| phone.name.to_string()).unwrap_or_default();
        let detail = format!("{id} ({name}) is absent; its provider has to bring it back");
        Refusal::new(RefusalKind::Gone, detail).with_retry(Retry::Later)
    }
}

/// Who uses a phone (inventory, section 3.6): one owner, any number of monitors.
impl Switch {
    /// An application begins to use a phone, or uses it for something else from now on.
    pub(crate) fn open_phone(
        &mut self,
        app: AppId,
        id: PhoneId,
        privilege: Privilege,
    ) -> Result<Handled, Refusal> {
        let Some(phone) = self.phones.get_mut(id) else { return Err(no_phone(id)) };
        let before = (phone.owner, phone.monitors.len());
        match (privilege, phone.owner) {
            (Privilege::Owner, Some(owner)) if owner != app => {
                let name = self.apps.get(&owner).map(|known| known.profile.name.clone()).unwrap_or_default();
                let detail = format!("{id} is owned by '{name}'; one application owns a phone at a time");
                return Err(Refusal::new(RefusalKind::Busy, detail));
            }
            (Privilege::Owner, _) => {
                phone.owner = Some(app);
                phone.monitors.remove(&app);
            }
            (Privilege::Monitor, owner) => {
                phone.monitors.insert(app);
                phone.owner = owner.filter(|owner| *owner != app);
            }
        }
        if before != (phone.owner, phone.monitors.len()) {
            self.tell_phone_owners(id, app);
        }
        if let Some(known) = self.apps.get_mut(&app) {
            known.phones.insert(id);
        }
        Ok(Handled::DONE)
    }

    /// An application ends the use of a phone.
    pub(crate) fn close_phone(&mut self, app: AppId, id: PhoneId) -> Result<Handled, Refusal> {
        let phone = self.phones.get(id).ok_or_else(|| no_phone(id))?;
        if phone.owner != Some(app) && !phone.monitors.contains(&app) {
            let detail = format!("{id} ({}) is not open for this application", phone.name);
            return Err(Refusal::new(RefusalKind::InvalidState, detail));
        }
        self.leave_phone(app, id);
        Ok(Handled::DONE)
    }

    pub(crate) fn leave_phone(&mut self, app: AppId, id: PhoneId) {
        if let Some(known) = self.apps.get_mut(&app) {
            known.phones.remove(&id);
        }
        let Some(phone) = self.phones.get_mut(id) else { return };
        phone.monitors.remove(&app);
        phone.owner = phone.owner.filter(|owner| *owner != app);
        self.tell_phone_owners(id, app);
    }

    fn tell_phone_owners(&mut self, id: PhoneId, except: AppId) {
        let Some(phone) = self.phones.get(id) else { return };
        let to = phone.users().into_iter().filter(|app| *app != except).collect();
        let monitors = u32::try_from(phone.monitors.len()).unwrap_or(u32::MAX);
        let event = AppEvent::PhoneOwners { phone: id, owner: phone.owner, monitors };
        self.tell(to, event);
    }
}

/// Changing a phone.
impl Switch {
    /// The owner of a phone asks for a change.
    pub(crate) fn set_phone(&mut self, asker: Asker, id: PhoneId, op: PhoneOp) -> Result<Handled, Refusal> {
        let phone = self.phones.get(id).ok_or_else(|| no_phone(id))?;
        if phone.owner != Some(asker.app) {
            let owner = phone.owner.and_then(|owner| self.apps.get(&owner));
            let owner = owner.map_or_else(|| "nobody".to_owned(), |app| format!("'{}'", app.profile.name));
            let detail = format!("set_phone needs the owner of {id} ({}); {owner} owns it", phone.name);
            return Err(Refusal::new(RefusalKind::NotOwner, detail));
        }
        let (provider, key) = phone.link.ok_or_else(|| self.phone_gone(id))?;
        phone.check(&op)?;
        let text = match &op {
            PhoneOp::Button { label: text, .. } | PhoneOp::Display { text, .. } => text.len(),
            _ => 0,
        };
        if text > bounds::TEXT {
            let detail = format!("a text of {text} bytes for {id}; at most {} are carried", bounds::TEXT);
            return Err(Refusal::new(RefusalKind::InvalidParameter, detail));
        }
        let request = self.next_request(provider);
        // What is the vendor's own is not kept: only the phone can say what has changed.
        if let Some(phone) = self.phones.get_mut(id)
            && !matches!(op, PhoneOp::Extension { .. })
        {
            phone.asked.insert(request, op.clone());
        }
        self.tsp(provider, TspCommand::Phone { request, phone: key, op });
        self.expect_reply(provider, request, Some(asker), What::Phone { phone: id, request });
        Ok(Handled::Later)
    }

    /// A phone was changed, or not: what was set counts as reported, so that who watches it learns of it
    /// from every provider alike.
    pub(crate) fn phone_set(
        &mut self,
        asker: Option<Asker>,
        id: PhoneId,
        request: offhook_spi::RequestId,
        result: Result<Outcome, Refusal>,
    ) {
        let op = self.phones.get_mut(id).and_then(|phone| phone.asked.remove(&request));
        let op = op.filter(|_| result.is_ok());
        self.pass_on(asker, result);
        if let Some(op) = op {
            if let (PhoneOp::Ring { mode, .. }, Some(phone)) = (&op, self.phones.get_mut(id)) {
                phone.state.ring_mode = Some(*mode);
            }
            if let Some(change) = changes(op) {
                self.phone_changed(id, change);
            }
        }
    }
}

fn no_phone(id: PhoneId) -> Refusal {
    Refusal::new(RefusalKind::Gone, format!("there is no {id}"))
}
