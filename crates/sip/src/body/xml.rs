// SPDX-License-Identifier: MIT OR Apache-2.0
//! Walks a document of a stranger, element by element, without keeping it.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// What is nested deeper is no document of ours.
const MAX_DEPTH: usize = 32;

/// One step of a walk.
pub(super) enum Step<'a> {
    /// An element begins.
    Open(Element<'a>),
    /// Text inside the elements that are open; entities are left as they are written.
    Text(&'a str),
    /// The element ends that began last.
    Close,
}

/// The beginning of an element.
pub(super) struct Element<'a>(&'a BytesStart<'a>);

impl Element<'_> {
    /// Whether it is called so, in whatever name space.
    pub(super) fn is(&self, name: &str) -> bool {
        self.0.local_name().as_ref() == name.as_bytes()
    }

    /// An attribute without name space.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let attribute = self.0.try_get_attribute(name).ok()??;
        std::str::from_utf8(&attribute.value).ok().map(|value| value.trim().to_owned())
    }
}

/// Calls `see` with each step and how many elements are open around it. Gives `None` for what is not well-formed,
/// declares a type or is nested too deeply.
pub(super) fn walk(body: &[u8], mut see: impl FnMut(usize, Step<'_>)) -> Option<()> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut depth = 0_usize;
    let mut elements = 0_usize;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                see(depth, Step::Open(Element(&start)));
                depth += 1;
                elements += 1;
            }
            Event::Empty(start) => {
                see(depth, Step::Open(Element(&start)));
                see(depth, Step::Close);
                elements += 1;
            }
            Event::End(_) => {
                depth = depth.checked_sub(1)?;
                see(depth, Step::Close);
            }
            Event::Text(text) => {
                if let Ok(text) = std::str::from_utf8(&text) {
                    see(depth, Step::Text(text));
                }
            }
            Event::DocType(_) => return None,
            Event::Eof => return (depth == 0 && elements > 0).then_some(()),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Option<Vec<String>> {
        let mut names = Vec::new();
        walk(body.as_bytes(), |depth, step| match step {
            Step::Open(element) => {
                let name = String::from_utf8_lossy(element.0.local_name().as_ref()).into_owned();
                names.push(format!("{depth} {name}"));
            }
            Step::Text(text) => names.push(format!("{depth} '{text}'")),
            Step::Close => {}
        })?;
        Some(names)
    }

    #[test]
    fn elements_are_seen_with_their_depth() {
        let body = "<?xml version=\"1.0\"?><x:a xmlns:x='u'><b c='d'/>t</x:a>";
        assert_eq!(names(body).unwrap(), ["0 a", "1 b", "1 't'"]);
    }

    #[test]
    fn what_is_broken_deep_or_could_expand_is_refused() {
        let deep = "<a>".repeat(50) + &"</a>".repeat(50);
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;</a>";
        for body in ["", "text", "<a>", "<a></b>", "<a", "</a>", &deep, bomb] {
            assert_eq!(names(body), None, "{body}");
        }
        assert_eq!(walk(b"<a>\xff</a>", |_, _| {}), None);
    }
}
