// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bridges: which legs hear each other. Whenever somebody comes or goes, all legs of the bridge are connected anew.

use offhook_media::engine::{LegControl, Speaker, converse};
use offhook_spi::{BridgeSide, SessionKey};

use super::Driver;
use crate::leg::Bridge;

/// Legs that one bridge holds: what connects them grows with the square of their number.
const MOST: usize = 16;

impl Driver {
    /// Lets a session talk with the others of a bridge, or with nobody any more.
    pub(super) fn bridge(&mut self, session: SessionKey, at: Option<(Bridge, BridgeSide)>) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        if leg.bridge.is_none() && at.is_none() {
            return;
        }
        let id = leg.id;
        if let Some((left, _)) = leg.bridge.take() {
            self.tell(id, LegControl::Bridge(None));
            if let Some(members) = self.bridges.get_mut(&left) {
                members.retain(|member| *member != session);
            }
            self.connect(&left);
        }
        if let Some((bridge, side)) = at {
            let members = self.bridges.entry(bridge.clone()).or_default();
            // The TSP knows how many parties a conference of its lines may have, which is fewer.
            if members.len() < MOST {
                members.push(session);
                self.enter(session, &bridge, side);
            }
        }
        self.follow_place(session);
    }

    fn enter(&mut self, session: SessionKey, bridge: &Bridge, side: BridgeSide) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let speaker = match side {
            BridgeSide::Own => Speaker::Terminals,
            BridgeSide::Party => Speaker::Peer,
        };
        leg.bridge = Some((bridge.clone(), speaker));
        leg.has_begun |= leg.is_own_place();
        self.connect(bridge);
    }

    /// Who stands for this side has sound flow, though no far end agreed to it.
    fn follow_place(&mut self, session: SessionKey) {
        let Some(leg) = self.legs.get(&session) else { return };
        let (id, flow) = (leg.id, leg.flow());
        self.tell(id, LegControl::SetFlowing(flow));
        self.follow_gates(session);
    }

    /// Connects all legs of a bridge anew; an empty one ends.
    fn connect(&mut self, bridge: &Bridge) {
        let members = self.bridges.get(bridge).cloned().unwrap_or_default();
        if members.is_empty() {
            self.bridges.remove(bridge);
            return;
        }
        let speaker = |session: &SessionKey| {
            let leg = self.legs.get(session)?;
            Some((leg.id, leg.bridge.as_ref()?.1))
        };
        let (legs, speakers): (Vec<_>, Vec<_>) = members.iter().filter_map(speaker).unzip();
        for (leg, bridging) in legs.into_iter().zip(converse(self.format, &speakers)) {
            self.tell(leg, LegControl::Bridge(Some(Box::new(bridging))));
        }
    }
}
