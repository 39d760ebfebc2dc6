// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptions of a call without media: nothing ever flows, and every offer is still answered line by line.

use std::fmt::Write as _;

/// More lines than this of an offer are not answered.
const MAX_LINES: usize = 64;

/// Writes the descriptions of a call without media, first and later ones.
#[derive(Debug)]
pub(crate) struct Silence {
    /// Names the call's descriptions in `o=`, whatever is in them.
    session: u64,
    version: u64,
    /// Value of `t=`, which an answer repeats (RFC 3264 section 6).
    times: String,
    /// The lines agreed on so far; later descriptions repeat them in place (RFC 3264 section 8).
    lines: Vec<Line>,
}

/// One line of media.
#[derive(Debug)]
struct Line {
    media: String,
    proto: String,
    /// The one format that is named: at least one must be (RFC 3264 section 6).
    format: String,
    /// What the format means, where the offer says so.
    meaning: Option<String>,
    is_wanted: bool,
}

impl Silence {
    /// Begins with one stream of sound.
    pub(crate) fn new(session: u64) -> Self {
        let line = Line {
            media: "audio".to_owned(),
            proto: "RTP/AVP".to_owned(),
            format: "0".to_owned(),
            meaning: Some("0 PCMU/8000".to_owned()),
            is_wanted: true,
        };
        Self { session, version: 0, times: "0 0".to_owned(), lines: vec![line] }
    }

    /// Takes an offer: what is written next answers it, with as many lines.
    pub(crate) fn hear(&mut self, offer: &str) {
        self.times = offer
            .lines()
            .find_map(|line| line.strip_prefix("t="))
            .filter(|times| times.len() <= 64)
            .unwrap_or("0 0")
            .trim_end()
            .to_owned();
        let meanings: Vec<&str> =
            offer.lines().filter_map(|line| line.trim_end().strip_prefix("a=rtpmap:")).collect();
        let rows = offer.lines().filter_map(|line| line.strip_prefix("m="));
        self.lines = rows.take(MAX_LINES).map(|row| Line::answering(row, &meanings)).collect();
        // One stream of sound is enough.
        let mut has_sound = false;
        for line in &mut self.lines {
            line.is_wanted &= !has_sound;
            has_sound |= line.is_wanted;
        }
    }

    /// Writes the next description, under the next version (RFC 3264 section 8).
    pub(crate) fn say(&mut self, host: &str) -> String {
        self.version += 1;
        let family = if host.contains(':') { "IP6" } else { "IP4" };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let Self { session, version, times, lines } = self;
        let mut text = format!(
            "v=0\r\no=- {session} {version} IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt={times}\r\n"
        );
        for Line { media, proto, format, meaning, is_wanted } in lines {
            // RFC 3264 section 6: port 0 refuses a line; 9 (discard) is where nothing is heard.
            let port = if *is_wanted { 9 } else { 0 };
            let _ = write!(text, "m={media} {port} {proto} {format}\r\n");
            if *is_wanted {
                if let Some(meaning) = meaning {
                    let _ = write!(text, "a=rtpmap:{meaning}\r\n");
                }
                text.push_str("a=inactive\r\n");
            }
        }
        text
    }
}

impl Line {
    fn answering(row: &str, meanings: &[&str]) -> Self {
        let mut words = row.split_ascii_whitespace();
        let mut word = |usual: &str| words.next().filter(|w| w.len() <= 64).unwrap_or(usual).to_owned();
        let (media, port, proto, format) = (word("audio"), word("0"), word("RTP/AVP"), word("0"));
        let means = |m: &&&str| m.split_ascii_whitespace().next() == Some(format.as_str());
        let meaning = meanings.iter().find(means).filter(|m| m.len() <= 128).map(|m| (**m).to_owned());
        let is_wanted = media == "audio" && port != "0" && matches!(proto.as_str(), "RTP/AVP" | "RTP/AVPF");
        Self { media, proto, format, meaning, is_wanted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(sdp: &str) -> Vec<&str> {
        sdp.lines().filter(|line| line.starts_with("m=")).collect()
    }

    #[test]
    fn every_line_of_an_offer_is_answered_in_place() {
        let mut silence = Silence::new(7);
        silence.hear(
            "v=0\r\nt=3 4\r\nm=video 6000 RTP/AVP 31\r\nm=audio 4000 RTP/SAVP 0\r\n\
             m=audio 5000 RTP/AVP 96 0\r\na=rtpmap:96 opus/48000/2\r\nm=audio 5002 RTP/AVP 0\r\n\
             m=application 0 TCP/BFCP *\r\n",
        );
        let answer = silence.say("192.0.2.1");
        let wanted = [
            "m=video 0 RTP/AVP 31",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 9 RTP/AVP 96",
            "m=audio 0 RTP/AVP 0",
            "m=application 0 TCP/BFCP *",
        ];
        assert_eq!(rows(&answer), wanted);
        assert!(answer.contains("\r\nt=3 4\r\n") && answer.contains("a=rtpmap:96 opus/48000/2\r\n"));
        assert_eq!(answer.matches("a=inactive").count(), 1);
    }

    #[test]
    fn a_later_description_keeps_the_lines_and_raises_the_version() {
        let mut silence = Silence::new(7);
        silence.hear("v=0\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8\r\nm=video 6000 RTP/AVP 31\r\n");
        let (first, second) = (silence.say("::1"), silence.say("::1"));
        assert_eq!(rows(&first), rows(&second));
        assert!(first.contains("o=- 7 1 IN IP6 ::1\r\n") && second.contains("o=- 7 2 IN IP6 ::1\r\n"));
    }

    #[test]
    fn a_broken_line_is_refused_and_not_skipped() {
        let mut silence = Silence::new(7);
        silence.hear("m=\r\nm=audio\r\nm=audio 0 RTP/AVP 0\r\n");
        assert_eq!(rows(&silence.say("192.0.2.1")), ["m=audio 0 RTP/AVP 0"; 3]);
    }

    #[test]
    fn a_flood_of_lines_is_cut_short() {
        let mut silence = Silence::new(7);
        silence.hear(&"m=audio 5000 RTP/AVP 0\r\n".repeat(5_000));
        assert_eq!(rows(&silence.say("192.0.2.1")).len(), MAX_LINES);
    }
}
