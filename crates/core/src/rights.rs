// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who holds a handle on a call, and with which privilege.

use crate::app::Privilege;
use crate::id::AppId;

/// The applications that have a handle on one call, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holders(Vec<(AppId, Privilege)>);

impl Holders {
    /// Gives an application a handle, or raises the privilege of the one it has.
    pub(crate) fn give(&mut self, app: AppId, privilege: Privilege) {
        match self.0.binary_search_by_key(&app, |(holder, _)| *holder) {
            Ok(n) => self.0[n].1 = self.0[n].1.max(privilege),
            Err(n) => self.0.insert(n, (app, privilege)),
        }
    }

    /// Changes the privilege of a handle.
    pub(crate) fn set(&mut self, app: AppId, privilege: Privilege) {
        if let Ok(n) = self.0.binary_search_by_key(&app, |(holder, _)| *holder) {
            self.0[n].1 = privilege;
        }
    }

    /// Takes an application's handle.
    pub(crate) fn take(&mut self, app: AppId) -> Option<Privilege> {
        let n = self.0.binary_search_by_key(&app, |(holder, _)| *holder).ok()?;
        Some(self.0.remove(n).1)
    }

    pub(crate) fn privilege(&self, app: AppId) -> Option<Privilege> {
        let n = self.0.binary_search_by_key(&app, |(holder, _)| *holder).ok()?;
        Some(self.0[n].1)
    }

    /// Everybody, in order.
    pub(crate) fn all(&self) -> Vec<AppId> {
        self.0.iter().map(|(app, _)| *app).collect()
    }

    /// Everybody but these, in order.
    pub(crate) fn others(&self, than: &[AppId]) -> Vec<AppId> {
        self.0.iter().map(|(app, _)| *app).filter(|app| !than.contains(app)).collect()
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = AppId> {
        self.with(Privilege::Owner)
    }

    pub(crate) fn count(&self, privilege: Privilege) -> u32 {
        u32::try_from(self.with(privilege).count()).unwrap_or(u32::MAX)
    }

    /// Whether the application owns the call and nobody else does.
    pub(crate) fn is_sole_owner(&self, app: AppId) -> bool {
        let mut owners = self.owners();
        owners.next() == Some(app) && owners.next().is_none()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn with(&self, privilege: Privilege) -> impl Iterator<Item = AppId> {
        self.0.iter().filter(move |(_, p)| *p == privilege).map(|(app, _)| *app)
    }
}
