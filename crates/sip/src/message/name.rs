// SPDX-License-Identifier: MIT OR Apache-2.0
//! Header names: the constants, their compact forms, and the quick way from a received name to its number.

macro_rules! names {
    ($($constant:ident $text:literal $($compact:literal)?;)*) => {
        $(
            #[doc = concat!("`", $text, "`", $(", compact `", $compact, "`",)? ".")]
            pub const $constant: &str = $text;
        )*

        /// Every name with a constant, shortest first so that one length is one run.
        const KNOWN: &[&str] = &[$($text),*];

        /// The number of a compact form, a lower-case letter (RFC 3261 7.3.3).
        fn compact(letter: u8) -> Option<u8> {
            let text = match letter {
                $($(letter if letter == $compact.as_bytes()[0] => $text,)?)*
                _ => return None,
            };
            by_length(text)
        }
    };
}

names! {
    TO "To" "t";
    VIA "Via" "v";
    CSEQ "CSeq";
    DATE "Date";
    FROM "From" "f";
    JOIN "Join";
    PATH "Path";
    RACK "RAck";
    RSEQ "RSeq";
    ALLOW "Allow";
    EVENT "Event" "o";
    ROUTE "Route";
    ACCEPT "Accept";
    MIN_SE "Min-SE";
    REASON "Reason";
    SERVER "Server";
    CALL_ID "Call-ID" "i";
    CONTACT "Contact" "m";
    EXPIRES "Expires";
    PRIVACY "Privacy";
    REQUIRE "Require";
    SUBJECT "Subject" "s";
    WARNING "Warning";
    REFER_TO "Refer-To" "r";
    REPLACES "Replaces";
    PRIORITY "Priority";
    SIP_ETAG "SIP-ETag";
    DIVERSION "Diversion";
    SUPPORTED "Supported" "k";
    TIMESTAMP "Timestamp";
    CALL_INFO "Call-Info";
    ALERT_INFO "Alert-Info";
    FLOW_TIMER "Flow-Timer";
    USER_AGENT "User-Agent";
    MIN_EXPIRES "Min-Expires";
    REFERRED_BY "Referred-By" "b";
    RETRY_AFTER "Retry-After";
    UNSUPPORTED "Unsupported";
    IN_REPLY_TO "In-Reply-To";
    ALLOW_EVENTS "Allow-Events" "u";
    CONTENT_TYPE "Content-Type" "c";
    HISTORY_INFO "History-Info";
    MAX_FORWARDS "Max-Forwards";
    MIME_VERSION "MIME-Version";
    ORGANIZATION "Organization";
    RECORD_ROUTE "Record-Route";
    SIP_IF_MATCH "SIP-If-Match";
    AUTHORIZATION "Authorization";
    PROXY_REQUIRE "Proxy-Require";
    SERVICE_ROUTE "Service-Route";
    TARGET_DIALOG "Target-Dialog";
    CONTENT_LENGTH "Content-Length" "l";
    ACCEPT_ENCODING "Accept-Encoding";
    ACCEPT_LANGUAGE "Accept-Language";
    SESSION_EXPIRES "Session-Expires" "x";
    CONTENT_ENCODING "Content-Encoding" "e";
    WWW_AUTHENTICATE "WWW-Authenticate";
    CONTENT_LANGUAGE "Content-Language";
    PROXY_AUTHENTICATE "Proxy-Authenticate";
    SUBSCRIPTION_STATE "Subscription-State";
    AUTHENTICATION_INFO "Authentication-Info";
    CONTENT_DISPOSITION "Content-Disposition";
    PROXY_AUTHORIZATION "Proxy-Authorization";
    P_ASSERTED_IDENTITY "P-Asserted-Identity";
    P_PREFERRED_IDENTITY "P-Preferred-Identity";
}

/// Where the names of each length start in [`KNOWN`]; the run ends where the next begins.
const STARTS: [u8; LONGEST + 2] = {
    let mut starts = [KNOWN.len() as u8; LONGEST + 2];
    let mut index = KNOWN.len();
    while index > 0 {
        index -= 1;
        let mut length = 0;
        while length <= KNOWN[index].len() {
            starts[length] = index as u8;
            length += 1;
        }
    }
    starts
};

/// The length of the longest known name.
const LONGEST: usize = KNOWN[KNOWN.len() - 1].len();

/// The number of a received name in any case and either form; `None` for a name without a constant.
pub(super) fn number(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [letter] => compact(letter.to_ascii_lowercase()),
        _ => by_length(text),
    }
}

/// The canonical text of a number that [`number`] gave.
pub(super) fn canonical(number: u8) -> &'static str {
    KNOWN.get(usize::from(number)).copied().unwrap_or_default()
}

fn by_length(text: &str) -> Option<u8> {
    let start = *STARTS.get(text.len())?;
    let end = *STARTS.get(text.len() + 1)?;
    (start..end).find(|number| canonical(*number).eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_of_length_and_finds_itself() {
        assert!(KNOWN.is_sorted_by_key(|name| name.len()));
        for name in KNOWN {
            let found = number(&name.to_ascii_uppercase()).expect("known");
            assert_eq!(canonical(found), *name);
        }
    }

    #[test]
    fn compact_forms_are_the_long_names() {
        let forms = [
            ("a", None),
            ("B", Some(REFERRED_BY)),
            ("c", Some(CONTENT_TYPE)),
            ("e", Some(CONTENT_ENCODING)),
            ("f", Some(FROM)),
            ("I", Some(CALL_ID)),
            ("k", Some(SUPPORTED)),
            ("l", Some(CONTENT_LENGTH)),
            ("m", Some(CONTACT)),
            ("o", Some(EVENT)),
            ("r", Some(REFER_TO)),
            ("s", Some(SUBJECT)),
            ("t", Some(TO)),
            ("u", Some(ALLOW_EVENTS)),
            ("v", Some(VIA)),
            ("x", Some(SESSION_EXPIRES)),
        ];
        for (form, name) in forms {
            assert_eq!(number(form).map(canonical), name, "{form}");
        }
        assert_eq!(number(""), None);
        assert_eq!(number("X-Other"), None);
        assert_eq!(number("a-name-longer-than-every-known-name"), None);
    }
}
