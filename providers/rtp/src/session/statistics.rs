// SPDX-License-Identifier: MIT OR Apache-2.0
//! The figures of a session as the host gets them.

use std::collections::BTreeMap;

use offhook_spi::{MspEvent, RequestId, SessionStatistics, StreamKey, StreamStatistics};

use super::{Outbox, Session};
use crate::leg::{Figures, Output, Way};

impl Session {
    /// Asks for the figures.
    pub(crate) fn measure(&mut self, request: RequestId, out: &mut Outbox) {
        self.measuring.push_back(request);
        out.push(Output::Measure { session: self.key });
    }

    /// The figures are here: they answer the oldest request.
    pub(crate) fn measured(&mut self, figures: &Figures, out: &mut Outbox) {
        let Some(request) = self.measuring.pop_front() else { return };
        let statistics = Box::new(self.statistics(figures));
        out.emit(MspEvent::Statistics { session: self.key, statistics });
        out.reply(request, Ok(()));
    }

    pub(super) fn statistics(&self, figures: &Figures) -> SessionStatistics {
        let named = self.plan.far.and_then(|far| far.remote);
        let stream = |way: &Way, remote: Option<std::net::SocketAddr>| StreamStatistics {
            codec: self.plan.far.map(|far| far.send.codec.to_string()),
            local: Some(self.local.to_string()),
            remote: remote.map(|address| address.to_string()),
            packets: way.packets,
            bytes: way.bytes,
            lost: way.lost,
            loss: way.loss,
            late: way.late,
            concealed: way.concealed,
            jitter: way.jitter,
            buffer: way.buffer,
            level: way.level,
            mos: way.mos,
        };
        SessionStatistics {
            streams: BTreeMap::from([
                (StreamKey::AudioIn, stream(&figures.incoming, figures.seen.or(named))),
                (StreamKey::AudioOut, stream(&figures.outgoing, figures.seen.or(named))),
            ]),
            round_trip: figures.round_trip,
        }
    }
}
