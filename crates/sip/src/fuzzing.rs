// SPDX-License-Identifier: MIT OR Apache-2.0
//! What fuzzers call: everything that reads what a stranger sent.

use bytes::Bytes;
use offhook_spi::Moment;

use crate::body::{DialogInfo, MessageSummary, Presence};
use crate::digest::{Challenge, Credentials, Password, Policy, Server, Verdict};
use crate::message::{Frame, Limits, Message, StreamDecoder, sipfrag_status};

/// One datagram, and every question to what it held.
pub fn message(data: &[u8]) {
    match Message::parse(&Bytes::copy_from_slice(data), &Limits::default()) {
        Ok(message) => ask(&message),
        Err(error) => {
            let _ = error.reply.map(|reply| reply.to_bytes());
        }
    }
}

/// A stream; the first byte says in which pieces it comes.
pub fn stream(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let mut decoder = StreamDecoder::new(Limits::default());
    for chunk in data.chunks(usize::from(*first).max(1)) {
        decoder.push(chunk);
        while let Ok(Some(frame)) = decoder.next() {
            if let Frame::Message(message) = frame {
                ask(&message);
            }
        }
    }
}

/// A row of challenges, and the same row as credentials.
pub fn digest(data: &[u8]) {
    let Ok(row) = std::str::from_utf8(data) else { return };
    for challenge in Challenge::parse_all(row) {
        assert_eq!(Challenge::parse_all(&challenge.to_string()).len(), 1);
    }
    let _ = Credentials::parse(row).map(|credentials| credentials.to_string());
}

/// What NOTIFYs bring, in each of the formats.
pub fn bodies(data: &[u8]) {
    let _ = (MessageSummary::parse(data), Presence::parse(data));
    if let Ok(info) = DialogInfo::parse(data) {
        assert!(info.dialogs.len() <= 128 && info.dialogs.iter().all(|dialog| dialog.id.len() <= 128));
    }
}

fn ask(message: &Message) {
    let headers = message.headers();
    let _ =
        (headers.vias(), headers.from(), headers.to(), headers.cseq(), headers.contacts(), headers.routes());
    let _ = (headers.record_routes(), headers.reason(), headers.expires(), headers.retry_after());
    let _ =
        (headers.event(), headers.subscription_state(), headers.replaces(), sipfrag_status(message.body()));
    let _ = headers.refer_to().map(|target| target.to_value());
    let _ = (headers.rack(), headers.rseq(), headers.session_expires(), headers.min_se());
    for (_, value) in headers.iter() {
        let _ = (Challenge::parse_all(value), Credentials::parse(value));
    }
    let mut changed = headers.clone();
    changed.set_to_tag("t1");
    changed.remove_top_via();
    if let Message::Request(request) = message {
        let mut server = Server::new(Policy::new("r"), [1; 32]);
        let verdict = server.verify(request, Moment::ZERO, |_| Some(Password::new("p")));
        assert!(!matches!(verdict, Verdict::Accepted { .. }));
    }
    let _ = message.to_bytes();
}

pub use crate::agent::fuzz::operations;
pub use crate::subscription::fuzz::subscription;

#[cfg(test)]
mod tests {
    use super::*;

    /// What fuzzing found worth keeping.
    #[test]
    fn the_corpus_does_no_harm() {
        for (name, target) in [
            ("sip_message", message as fn(&[u8])),
            ("sip_stream", stream as fn(&[u8])),
            ("sip_digest", digest as fn(&[u8])),
            ("sip_agent", operations as fn(&[u8])),
            ("sip_bodies", bodies as fn(&[u8])),
            ("sip_subscription", subscription as fn(&[u8])),
        ] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/");
            let files: Vec<_> = std::fs::read_dir(format!("{folder}{name}")).unwrap().collect();
            assert!(!files.is_empty(), "{name} has no corpus");
            for file in files {
                target(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }
}
