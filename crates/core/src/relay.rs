// SPDX-License-Identifier: MIT OR Apache-2.0
//! Carrying data between a call's TSP and its session's MSP: unread, in order, at most 64 KiB.

use offhook_spi::{CallKey, MspCommand, Opaque, SessionKey, TspCommand};

use crate::bounds;
use crate::id::ProviderId;
use crate::session::Stage;
use crate::switch::Switch;

impl Switch {
    /// A TSP has data for the session of a call. Allowed before the reply that gives birth to the call:
    /// the pair may have to agree before the network can be asked.
    pub(crate) fn relay_to_msp(
        &mut self,
        provider: ProviderId,
        key: CallKey,
        to: Option<SessionKey>,
        data: Opaque,
    ) {
        let Some(id) = self.known(provider, key) else { return };
        if !bounds::fits(&data) {
            return self.too_big(provider, Some(key), &data);
        }
        let session = self.session_of(id);
        if let (Some(named), Some(own)) = (to, session)
            && named != own
        {
            let detail = format!("expected data for {own}, received some for {named}");
            return self.violation(provider, Some(key), detail);
        }
        // A call without a session is call control only: there is nobody to read.
        if let Some(session) = session
            && let Some(known) = self.sessions.get(&session)
        {
            let msp = known.msp;
            self.msp(msp, MspCommand::Relay { session, data });
        }
    }

    /// An MSP has data for the TSP of a session's call.
    pub(crate) fn relay_to_tsp(&mut self, provider: ProviderId, key: SessionKey, data: Opaque) {
        let Some(session) = self.sessions.get(&key).filter(|session| session.msp == provider) else {
            let detail = format!("expected the key of a session that lives, received {key}");
            return self.violation(provider, None, detail);
        };
        let (call, tsp, stage) = (session.call_key, session.tsp, session.stage);
        if !bounds::fits(&data) {
            return self.too_big(provider, Some(call), &data);
        }
        // The call is over while its session ends: nobody is left to read.
        if !matches!(stage, Stage::Ending(_)) {
            self.tsp(tsp, TspCommand::Relay { call, from: key, data });
        }
    }
}
