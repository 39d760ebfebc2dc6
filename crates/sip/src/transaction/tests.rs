// SPDX-License-Identifier: MIT OR Apache-2.0
//! Matching, and what tests of other modules share.

use super::{Flow, FlowId, Transport};

/// A UDP flow between two documentation addresses.
pub(crate) fn a_flow() -> Flow {
    Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: ([192, 0, 2, 1], 5060).into(),
        remote: ([192, 0, 2, 2], 5060).into(),
    }
}
