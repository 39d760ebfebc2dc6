// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drives a negotiation with anything as the far end's descriptions.

use std::net::{IpAddr, Ipv4Addr};

use offhook_media::srtp::{MasterKey, Suite};
use offhook_spi::Flowing;

use super::{Events, Local, Negotiation, Security};
use crate::codec::AudioCodec;
use crate::config::Srtp;

/// Takes the data as an offer, as an answer, and as a later offer.
pub(crate) fn sdp(data: &[u8]) {
    for policy in [Srtp::Off, Srtp::Optional, Srtp::Required] {
        negotiate(policy, &String::from_utf8_lossy(data));
    }
}

fn negotiate(policy: Srtp, text: &str) {
    let key = |suite: Suite| MasterKey::new(suite, &[1; 46][..suite.material_len()]);
    let keys = Suite::ALL.into_iter().filter_map(|suite| key(suite).ok()).collect();
    let mut negotiation = Negotiation::new(Local {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 4_000,
        rtcp: Some(4_001),
        mux: super::Mux::Offered,
        codecs: AudioCodec::ALL.to_vec(),
        events: Events::Spoken,
        ptime: 20,
        id: 1,
        security: Security::new(policy, keys),
    });
    negotiation.answer(text).ok();
    negotiation.commit();
    negotiation.offer(Flowing::Out);
    negotiation.accept_early(text).ok();
    negotiation.accept(text).ok();
    negotiation.answer(text).ok();
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
