// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which line a call is for: by the address that was called, or by the peer that calls.

use std::collections::HashMap;
use std::net::IpAddr;

use offhook_sipcore::message::{Request, Uri};

/// Places of lines by what calls say; each look-up is a step or two, however many lines there are.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// By user and domain in lower case; the domain is empty for lines that have none.
    by_address: HashMap<(String, String), usize>,
    by_user: HashMap<String, Only>,
    by_peer: HashMap<IpAddr, Vec<Trunk>>,
}

#[derive(Clone, Copy, Debug)]
enum Only {
    /// One line has that user.
    One(usize),
    /// Several have it, in different domains or not.
    Several,
}

#[derive(Debug)]
struct Trunk {
    place: usize,
    numbers: Vec<Pattern>,
}

impl Directory {
    /// Adds a line that is called by its user; the first of several with one address gets the calls.
    pub(super) fn add_user(&mut self, user: &str, domain: Option<&str>, place: usize) {
        let domain = domain.unwrap_or_default().to_ascii_lowercase();
        self.by_address.entry((user.to_owned(), domain)).or_insert(place);
        let count = |known: &mut Only| *known = Only::Several;
        self.by_user.entry(user.to_owned()).and_modify(count).or_insert(Only::One(place));
    }

    /// Adds a trunk. Its peers may say who calls, so nothing but their addresses leads to it.
    pub(super) fn add_trunk(
        &mut self,
        peers: impl Iterator<Item = IpAddr>,
        numbers: &[String],
        place: usize,
    ) {
        for peer in peers {
            let numbers = numbers.iter().map(|text| Pattern::new(text)).collect();
            let trunks = self.by_peer.entry(peer.to_canonical()).or_default();
            trunks.push(Trunk { place, numbers });
            // Those that name their numbers come before those that take what is left.
            trunks.sort_by_key(|trunk| trunk.numbers.is_empty());
        }
    }

    /// The line that a request from `source` is for.
    pub(super) fn find(&self, request: &Request, source: IpAddr) -> Option<usize> {
        let to = request.headers.to().ok().map(|to| to.uri);
        self.called(&request.uri, to.as_ref())
            .or_else(|| self.by_source(source, &request.uri, to.as_ref()))
            .or_else(|| to.as_ref().and_then(|to| self.called(to, None)))
    }

    /// The line of a called address. A contact of ours names our own host instead of the line's domain: then the
    /// user alone decides, and where that is not enough, the address that was called at first.
    fn called(&self, uri: &Uri, to: Option<&Uri>) -> Option<usize> {
        let user = uri.user_decoded()?;
        if let Some(place) = self.at(&user, uri.host()) {
            return Some(place);
        }
        match self.by_user.get(user.as_ref())? {
            Only::One(place) => Some(*place),
            Only::Several => {
                let same = to.filter(|to| to.user_decoded().is_some_and(|other| other == user));
                same.and_then(|to| self.at(&user, to.host())).or_else(|| self.at(&user, ""))
            }
        }
    }

    fn at(&self, user: &str, host: &str) -> Option<usize> {
        self.by_address.get(&(user.to_owned(), host.to_ascii_lowercase())).copied()
    }

    fn by_source(&self, source: IpAddr, uri: &Uri, to: Option<&Uri>) -> Option<usize> {
        let trunks = self.by_peer.get(&source.to_canonical())?;
        let number = uri.user_decoded().or_else(|| to?.user_decoded()).unwrap_or_default();
        let takes = |trunk: &&Trunk| {
            trunk.numbers.is_empty() || trunk.numbers.iter().any(|pattern| pattern.matches(&number))
        };
        trunks.iter().find(takes).map(|trunk| trunk.place)
    }
}

/// A pattern of numbers: `*` stands for any characters, `?` for one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pattern(Box<str>);

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether a number is meant; costs at most the product of both lengths.
    pub(super) fn matches(&self, number: &str) -> bool {
        let (pattern, number) = (self.0.as_bytes(), number.as_bytes());
        let (mut at, mut read) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while read < number.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, read));
                    at += 1;
                }
                Some(byte) if *byte == b'?' || number.get(read) == Some(byte) => {
                    at += 1;
                    read += 1;
                }
                _ => {
                    // The last star takes one character more.
                    let Some((place, taken)) = star else { return false };
                    star = Some((place, taken + 1));
                    at = place + 1;
                    read = taken + 1;
                }
            }
        }
        pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
    }
}
