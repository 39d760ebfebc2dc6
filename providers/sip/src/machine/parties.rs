// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an INVITE says about who calls, whom, and who sent the call here.

use offhook_sipcore::message::{Headers, NameAddr, Request, name};
use offhook_spi::{Address, CallDatum, CallDirection, CallInfo, CallReason, MediaSet, Party, Presentation};

/// Headers of a caller's own that are passed on as call data: how many, and how long.
const MAX_DATA: (usize, usize) = (32, 1024);
/// So many parties that sent the call on are told.
const MAX_REDIRECTING: usize = 8;

/// What an INVITE says about itself.
pub(super) fn caller_info(request: &Request, trusted: bool) -> CallInfo {
    let headers = &request.headers;
    let (redirecting, reason) = redirections(headers);
    let is_data = |name: &str| name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    let data = headers
        .iter()
        .filter(|(name, value)| is_data(name) && value.len() <= MAX_DATA.1)
        .take(MAX_DATA.0)
        .map(|(name, value)| CallDatum { name: name.to_owned(), value: value.to_owned() })
        .collect();
    CallInfo {
        direction: CallDirection::Incoming,
        caller: caller(headers, trusted),
        called: headers.to().map(|to| party(to, Presentation::Claimed)).unwrap_or_default(),
        redirecting,
        reason,
        media: MediaSet::AUDIO,
        call_id: headers.call_id().ok().map(str::to_owned),
        data,
        ..CallInfo::default()
    }
}

/// Who calls: as a peer that is trusted asserts (RFC 3325 section 9.1, or what came before it), else as is claimed.
fn caller(headers: &Headers, trusted: bool) -> Party {
    let first = |name| headers.addresses(name).ok().and_then(|all| all.into_iter().next());
    let remote = first("Remote-Party-ID").filter(|_| trusted);
    let hidden = remote
        .as_ref()
        .and_then(|it| it.params.value("privacy"))
        .is_some_and(|privacy| !privacy.eq_ignore_ascii_case("off"));
    let withheld = hidden
        || headers.get(name::PRIVACY).is_some_and(|privacy| {
            privacy.split(';').any(|word| matches!(word.trim(), "id" | "user" | "header"))
        });
    let asserted = trusted.then(|| first("P-Asserted-Identity").or(remote)).flatten();
    let from = headers.from().ok();
    let anonymous = from.as_ref().is_some_and(|from| from.uri.host() == "anonymous.invalid");
    match (asserted, from) {
        (Some(asserted), _) if !withheld => party(asserted, Presentation::Asserted),
        _ if withheld || anonymous => Party { presentation: Presentation::Withheld, ..Party::default() },
        (_, Some(from)) => party(from, Presentation::Claimed),
        (_, None) => Party { presentation: Presentation::Unknown, ..Party::default() },
    }
}

/// Who sent the call here, last first, and why the last one did: `Diversion` (RFC 5806 section 4), or the history of
/// targets (RFC 7044 section 5), whose last entry is ourselves.
fn redirections(headers: &Headers) -> (Vec<Party>, CallReason) {
    let mut who = headers.addresses("Diversion").unwrap_or_default();
    let mut why = who.first().and_then(|last| last.params.value("reason")).map(reason_of_diversion);
    if who.is_empty() {
        who = headers.addresses("History-Info").unwrap_or_default();
        who.pop();
        who.reverse();
        why = who.first().map(|last| reason_of_history(last.uri.as_str()));
    }
    let reason = match (who.is_empty(), why) {
        (true, _) => CallReason::Direct,
        (false, why) => why.unwrap_or(CallReason::ForwardedAlways),
    };
    let who = who.into_iter().take(MAX_REDIRECTING).map(|it| party(it, Presentation::Claimed));
    (who.collect(), reason)
}

fn reason_of_diversion(reason: &str) -> CallReason {
    match reason.to_ascii_lowercase().as_str() {
        "user-busy" => CallReason::ForwardedBusy,
        "no-answer" => CallReason::ForwardedNoAnswer,
        "deflection" => CallReason::Redirected,
        _ => CallReason::ForwardedAlways,
    }
}

/// The response that ended the try at an entry is in its URI: `?Reason=SIP%3Bcause%3D486`.
fn reason_of_history(uri: &str) -> CallReason {
    let text = uri.to_ascii_lowercase().replace("%3b", ";").replace("%3d", "=").replace("%20", "");
    let code = text.split_once("cause=").map(|(_, rest)| rest.get(..3).unwrap_or_default());
    match code {
        Some("486" | "600") => CallReason::ForwardedBusy,
        Some("408" | "480" | "487") => CallReason::ForwardedNoAnswer,
        Some("301" | "302") => CallReason::Redirected,
        _ => CallReason::ForwardedAlways,
    }
}

fn party(address: NameAddr, presentation: Presentation) -> Party {
    let uri = address.uri.as_str();
    // What a URI carries for headers is no part of the address.
    let uri = uri.split_once('?').map_or(uri, |(uri, _)| uri);
    Party { address: Some(Address::new(uri)), name: address.display, presentation, ..Party::default() }
}

#[cfg(test)]
mod tests {
    use offhook_sipcore::message::Method;

    use super::*;

    fn info(rows: &[(&str, &str)], trusted: bool) -> CallInfo {
        let mut request = Request::new(Method::INVITE, "sip:us@192.0.2.1".parse().unwrap());
        request.headers.push(name::FROM, "\"Al\" <sip:al@example.org>;tag=1");
        request.headers.push(name::TO, "<sip:us@example.org>");
        rows.iter().for_each(|(name, value)| request.headers.push(name, *value));
        caller_info(&request, trusted)
    }

    #[test]
    fn a_trusted_peer_says_who_calls_and_a_stranger_does_not() {
        let remote = ("Remote-Party-ID", "\"Bo\" <sip:bo@example.org>;party=calling;privacy=off");
        let hidden = ("Remote-Party-ID", "<sip:bo@example.org>;privacy=full");
        let asserted = ("P-Asserted-Identity", "<sip:cy@example.org>");
        for (rows, trusted, address, presentation) in [
            (vec![remote], true, Some("sip:bo@example.org"), Presentation::Asserted),
            (vec![remote], false, Some("sip:al@example.org"), Presentation::Claimed),
            (vec![remote, asserted], true, Some("sip:cy@example.org"), Presentation::Asserted),
            (vec![hidden], true, None, Presentation::Withheld),
            (vec![hidden], false, Some("sip:al@example.org"), Presentation::Claimed),
            (vec![asserted, ("Privacy", "id")], true, None, Presentation::Withheld),
        ] {
            let caller = info(&rows, trusted).caller;
            assert_eq!(caller.address.as_ref().map(Address::as_str), address, "{rows:?}");
            assert_eq!(caller.presentation, presentation, "{rows:?}");
        }
    }

    #[test]
    fn who_sent_the_call_here_and_why_is_told_last_first() {
        let diverted = "<sip:b@example.org>;reason=no-answer, <sip:a@example.org>;reason=user-busy";
        let history = "<sip:a@example.org>;index=1, \
                       <sip:b@example.org?Reason=SIP%3Bcause%3D486>;index=1.1, <sip:us@192.0.2.1>;index=1.2";
        for (rows, who, reason) in [
            (vec![("Diversion", diverted)], vec!["b", "a"], CallReason::ForwardedNoAnswer),
            (vec![("Diversion", "<sip:b@example.org>")], vec!["b"], CallReason::ForwardedAlways),
            (vec![("Diversion", "<sip:b@example.org>;reason=deflection")], vec!["b"], CallReason::Redirected),
            (vec![("History-Info", history)], vec!["b", "a"], CallReason::ForwardedBusy),
            (vec![("History-Info", "<sip:us@192.0.2.1>;index=1")], vec![], CallReason::Direct),
            (vec![], vec![], CallReason::Direct),
        ] {
            let info = info(&rows, false);
            let names: Vec<String> = who.iter().map(|user| format!("sip:{user}@example.org")).collect();
            let told: Vec<&str> =
                info.redirecting.iter().filter_map(|it| it.address.as_ref()).map(Address::as_str).collect();
            assert_eq!(told, names, "{rows:?}");
            assert_eq!(info.reason, reason, "{rows:?}");
        }
    }
}
