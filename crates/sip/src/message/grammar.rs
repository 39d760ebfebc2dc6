// SPDX-License-Identifier: MIT OR Apache-2.0
//! The few lexical rules shared by the readers of this module (RFC 3261 25.1).

/// Whether the text is a non-empty `token`.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// `token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")`.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Whether the text may stand as a parameter value without quotes: a token or a host.
pub(crate) fn is_bare_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| is_token_byte(byte) || matches!(byte, b'[' | b']' | b':'))
}

/// The text without blanks at either end.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// The entries of a comma-separated value: commas in quotes and in angle brackets do not separate.
pub(crate) fn entries(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = entry_end(text.as_bytes());
        rest = text.get(end + 1..);
        Some(trim(&text[..end]))
    })
}

fn entry_end(text: &[u8]) -> usize {
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !bracketed => quoted = !quoted,
            _ if quoted => {}
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            b',' if !bracketed => return at,
            _ => {}
        }
    }
    text.len()
}

/// Whether one entry has so many parameters that reading it by the full grammar would be work.
pub(crate) fn is_overfull(entry: &str) -> bool {
    entry.len() > MAX_PARAMETERS && entry.bytes().filter(|b| *b == b';').count() > MAX_PARAMETERS
}

const MAX_PARAMETERS: usize = 64;

/// A non-negative number of decimal digits that saturates at the top of its type instead of failing, as long
/// leading zeros and figures beyond every meaning must not stop a message (RFC 4475 3.1.1.1, 3.1.2.4).
pub(crate) fn saturating_number(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0_u64, |sum, byte| {
        byte.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    })
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        table[byte] = character.is_ascii_alphanumeric()
            || matches!(character, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        let value = r#""a, \" b" <sip:a,b@c>;x=1 , <sip:d>,,e"#;
        let found: Vec<&str> = entries(value).collect();
        assert_eq!(found, [r#""a, \" b" <sip:a,b@c>;x=1"#, "<sip:d>", "", "e"]);
    }

    #[test]
    fn numbers_saturate_and_leading_zeros_count_for_nothing() {
        assert_eq!(saturating_number("0068"), Some(68));
        assert_eq!(saturating_number("36893488147419103232"), Some(u64::MAX));
        for text in ["", "-1", "+1", "1 ", "1a"] {
            assert_eq!(saturating_number(text), None, "{text:?}");
        }
    }
}
