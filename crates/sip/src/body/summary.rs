// SPDX-License-Identifier: MIT OR Apache-2.0
//! `application/simple-message-summary` (RFC 3842 section 5).

use super::BodyError;

/// Whether messages wait, and how many.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MessageSummary {
    /// Whether any wait, of any kind.
    pub waiting: bool,
    /// The voice messages, where they are counted.
    pub voice: Option<MessageCounts>,
}

/// How many messages there are of one kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MessageCounts {
    /// Not heard yet.
    pub new: u32,
    /// Heard.
    pub old: u32,
}

impl MessageSummary {
    /// The media type.
    pub const KIND: &str = "application/simple-message-summary";

    /// Reads a body; lines that nobody has defined are passed over.
    ///
    /// # Errors
    ///
    /// [`BodyError`] unless it says whether messages wait.
    pub fn parse(body: &[u8]) -> Result<Self, BodyError> {
        let error = |expected| BodyError { kind: Self::KIND, expected };
        let text = std::str::from_utf8(body).map_err(|_| error("UTF-8"))?;
        let mut waiting = None;
        let mut voice = None;
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("messages-waiting") {
                waiting = waiting.or_else(|| yes_or_no(value));
            } else if name.eq_ignore_ascii_case("voice-message") {
                voice = voice.or_else(|| counts(value));
            }
        }
        let waiting = waiting.ok_or_else(|| error("'Messages-Waiting: yes' or 'no'"))?;
        Ok(Self { waiting, voice })
    }
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case("yes") => Some(true),
        _ if value.eq_ignore_ascii_case("no") => Some(false),
        _ => None,
    }
}

/// `new/old`, perhaps followed by how many of them are urgent.
fn counts(value: &str) -> Option<MessageCounts> {
    let plain = value.split('(').next()?;
    let (new, old) = plain.split_once('/')?;
    Some(MessageCounts { new: new.trim().parse().ok()?, old: old.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_read_as_telephones_receive_them() {
        let voice = |new, old| Some(MessageCounts { new, old });
        for (body, waiting, counts) in [
            ("Messages-Waiting: yes\r\n", true, None),
            ("Messages-Waiting: no\r\n\r\n", false, None),
            ("Messages-Waiting: yes\r\nVoice-Message: 2/8\r\n", true, voice(2, 8)),
            ("messages-waiting:YES\nMessage-Account: sip:a@b\nvoice-message: 4/8 (1/2)\n", true, voice(4, 8)),
            ("Messages-Waiting: yes\r\nFax-Message: 1/0\r\nVoice-Message: many\r\n", true, None),
            ("Messages-Waiting: yes\r\nVoice-Message: 99999999999/0\r\n", true, None),
        ] {
            let summary = MessageSummary::parse(body.as_bytes()).unwrap();
            assert_eq!((summary.waiting, summary.voice), (waiting, counts), "{body}");
        }
    }

    #[test]
    fn what_does_not_say_whether_messages_wait_is_refused() {
        for body in ["", "Voice-Message: 1/0\r\n", "Messages-Waiting: perhaps\r\n"] {
            let error = MessageSummary::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("Messages-Waiting"), "{error}");
        }
        assert!(MessageSummary::parse(b"\xff").is_err());
    }
}
