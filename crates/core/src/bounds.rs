// SPDX-License-Identifier: MIT OR Apache-2.0
//! Limits on what a provider says: it is clipped, never trusted to be small.

use offhook_spi::{Address, CallDirection, CallInfo, NumberForms, Opaque, Party};

/// Bytes of any text that a provider sends along with a call.
pub(crate) const TEXT: usize = 2048;
/// Entries of any list that a provider sends along with a call.
const ENTRIES: usize = 32;
/// Bytes of the lasting name of a line.
const STABLE_ID: usize = 512;

/// Clips a text at a character boundary.
pub(crate) fn clip(text: &mut String) {
    if text.len() > TEXT {
        let mut end = TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.shrink_to_fit();
    }
}

/// Clips all texts and lists of what is known about a call.
pub(crate) fn clip_info(info: &mut CallInfo) {
    clip_party(&mut info.caller);
    clip_party(&mut info.called);
    info.connected.iter_mut().for_each(clip_party);
    clip_list(&mut info.redirecting);
    info.redirecting.iter_mut().for_each(clip_party);
    info.call_id.iter_mut().for_each(clip);
    info.related_call_id.iter_mut().for_each(clip);
    info.user_data.take_if(|data| !fits(data));
    clip_list(&mut info.data);
    for datum in &mut info.data {
        clip(&mut datum.name);
        clip(&mut datum.value);
    }
}

/// Clips a list of addresses.
pub(crate) fn clip_addresses(addresses: &mut Vec<Address>) {
    clip_list(addresses);
    addresses.iter_mut().for_each(|address| clip(&mut address.0));
}

/// Whether data is small enough to be carried.
pub(crate) const fn fits(data: &Opaque) -> bool {
    data.data.len() <= Opaque::MAX_BYTES
}

/// Whether a text can be the lasting name of a line.
pub(crate) const fn is_stable_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= STABLE_ID
}

fn clip_party(party: &mut Party) {
    party.address.iter_mut().for_each(|address| clip(&mut address.0));
    party.name.iter_mut().for_each(clip);
    if let Some(number) = &mut party.number {
        let NumberForms { canonical, key, display } = &mut **number;
        [canonical, key, display].into_iter().for_each(clip);
    }
}

/// Keeps the forms of numbers that the provider says again without them.
pub(crate) fn keep_numbers(known: &CallInfo, new: &mut CallInfo) {
    let keep = |known: &Party, new: &mut Party| {
        if new.number.is_none() && new.address == known.address {
            new.number.clone_from(&known.number);
        }
    };
    keep(&known.caller, &mut new.caller);
    // Whom we call stays who it is, however the network writes it.
    if new.called.number.is_none() && known.direction == CallDirection::Outgoing {
        new.called.number.clone_from(&known.called.number);
    }
    keep(&known.called, &mut new.called);
    if let (Some(known), Some(new)) = (&known.connected, &mut new.connected) {
        keep(known, new);
    }
}

pub(crate) fn clip_list<T>(list: &mut Vec<T>) {
    if list.len() > ENTRIES {
        list.truncate(ENTRIES);
        list.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_spi::CallDatum;

    #[test]
    fn what_is_known_about_a_call_is_clipped() {
        let mut info = CallInfo {
            caller: Party { name: Some("ä".repeat(5_000)), ..Party::default() },
            redirecting: vec![Party::default(); 1_000],
            data: vec![CallDatum { name: "n".repeat(9_999), value: String::new() }; 1_000],
            ..CallInfo::default()
        };
        clip_info(&mut info);
        assert_eq!(info.caller.name.unwrap().len(), TEXT);
        assert_eq!(info.redirecting.len(), ENTRIES);
        assert_eq!((info.data.len(), info.data[0].name.len()), (ENTRIES, TEXT));
    }

    #[test]
    fn a_clip_falls_on_a_character_boundary() {
        let mut text = format!("x{}", "ä".repeat(5_000));
        clip(&mut text);
        assert_eq!(text.len(), TEXT - 1);
    }
}
