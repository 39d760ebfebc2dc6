// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives a negotiation with anything as the far end's descriptions.

use std::net::{IpAddr, Ipv4Addr};

use offhook_spi::Flowing;

use super::{Events, Local, Negotiation};
use crate::codec::AudioCodec;

/// Takes the data as an offer, as an answer, and as a later offer.
pub(crate) fn sdp(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut negotiation = Negotiation::new(Local {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 4_000,
        rtcp: Some(4_001),
        mux: super::Mux::Offered,
        codecs: AudioCodec::ALL.to_vec(),
        events: Events::Spoken,
        ptime: 20,
        id: 1,
    });
    negotiation.answer(&text).ok();
    negotiation.commit();
    negotiation.offer(Flowing::Out);
    negotiation.accept_early(&text).ok();
    negotiation.accept(&text).ok();
    negotiation.answer(&text).ok();
    negotiation.rollback();
}

#[cfg(test)]
mod tests {
    /// What fuzzing found worth keeping.
    #[test]
    fn the_corpus_does_no_harm() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/sdp");
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
        assert!(!files.is_empty());
        for file in files {
            super::sdp(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}
