// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rooms: which legs hear each other. Whenever somebody comes or goes, all legs of the room are connected anew.

use offhook_media::engine::{LegControl, Speaker, converse};
use offhook_spi::{BridgeSide, SessionKey};

use super::Driver;
use crate::leg::Room;

/// Legs that one room holds: what connects them grows with the square of their number.
const MOST: usize = 16;

impl Driver {
    /// Lets a session talk with the others of a room, or with nobody any more.
    pub(super) fn bridge(&mut self, session: SessionKey, at: Option<(Room, BridgeSide)>) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        if leg.room.is_none() && at.is_none() {
            return;
        }
        let id = leg.id;
        if let Some((left, _)) = leg.room.take() {
            self.tell(id, LegControl::Bridge(None));
            if let Some(members) = self.rooms.get_mut(&left) {
                members.retain(|member| *member != session);
            }
            self.connect(&left);
        }
        if let Some((room, side)) = at {
            let members = self.rooms.entry(room.clone()).or_default();
            // The TSP knows how many parties a conference of its lines may have, which is fewer.
            if members.len() < MOST {
                members.push(session);
                self.enter(session, &room, side);
            }
        }
        self.follow_room(session);
    }

    fn enter(&mut self, session: SessionKey, room: &Room, side: BridgeSide) {
        let Some(leg) = self.legs.get_mut(&session) else { return };
        let speaker = match side {
            BridgeSide::Own => Speaker::Terminals,
            BridgeSide::Party => Speaker::Peer,
        };
        leg.room = Some((room.clone(), speaker));
        leg.has_begun |= leg.is_own_place();
        self.connect(room);
    }

    /// Who stands for this side has sound flow, though no far end agreed to it.
    fn follow_room(&mut self, session: SessionKey) {
        let Some(leg) = self.legs.get(&session) else { return };
        let (id, flow) = (leg.id, leg.flow());
        self.tell(id, LegControl::SetFlowing(flow));
        self.follow_gates(session);
    }

    /// Connects all legs of a room anew; an empty one ends.
    fn connect(&mut self, room: &Room) {
        let members = self.rooms.get(room).cloned().unwrap_or_default();
        if members.is_empty() {
            self.rooms.remove(room);
            return;
        }
        let speaker = |session: &SessionKey| {
            let leg = self.legs.get(session)?;
            Some((leg.id, leg.room.as_ref()?.1))
        };
        let (legs, speakers): (Vec<_>, Vec<_>) = members.iter().filter_map(speaker).unzip();
        for (leg, bridging) in legs.into_iter().zip(converse(self.format, &speakers)) {
            self.tell(leg, LegControl::Bridge(Some(Box::new(bridging))));
        }
    }
}
