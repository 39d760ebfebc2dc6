// SPDX-License-Identifier: MIT OR Apache-2.0
//! Headers as rows in order.

use std::fmt;
use std::sync::Arc;

use super::grammar::trim;
use super::name;

/// The header rows of a message, in order; names are compared without regard to case, compact forms are the same
/// names.
///
/// Received rows are ranges of one shared text, so that copying them into a response costs nothing.
#[derive(Clone, Default)]
pub struct Headers {
    source: Option<Arc<str>>,
    rows: Vec<Row>,
}

#[derive(Clone)]
struct Row {
    name: Name,
    value: Text,
}

#[derive(Clone)]
enum Name {
    Known(u8),
    Other(Text),
}

#[derive(Clone)]
enum Text {
    /// A range of the shared text.
    Part(u32, u32),
    Own(Box<str>),
}

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn over(source: Arc<str>) -> Self {
        Self { source: Some(source), rows: Vec::with_capacity(16) }
    }

    /// Adds a row at the end.
    ///
    /// A line break or a NUL in the value becomes a blank, so that a value can never add a header of its own.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        let row = Self::row(name, value.into());
        self.rows.push(row);
    }

    /// Adds a row before all others, as a Via is added.
    pub fn push_front(&mut self, name: &str, value: impl Into<String>) {
        let row = Self::row(name, value.into());
        self.rows.insert(0, row);
    }

    /// Sets the one row of a name: in place of the first, removing the others, or at the end.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let wanted = Wanted::new(name);
        match self.rows.iter().position(|row| self.is(row, &wanted)) {
            Some(first) => {
                self.set_row(first, value.into());
                let mut at = 0;
                self.retain(|headers, row| {
                    at += 1;
                    at <= first + 1 || !headers.is(row, &wanted)
                });
            }
            None => self.push(name, value),
        }
    }

    /// Removes every row of a name, and says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let wanted = Wanted::new(name);
        let before = self.rows.len();
        self.retain(|headers, row| !headers.is(row, &wanted));
        before != self.rows.len()
    }

    /// Adds a row whose name and value are ranges of the shared text.
    pub(super) fn push_part(&mut self, name: (usize, usize), value: (usize, usize)) {
        let text = self.source.as_deref().and_then(|source| source.get(name.0..name.1)).unwrap_or_default();
        let name = match name::number(text) {
            Some(number) => Name::Known(number),
            None => Name::Other(Text::part(name)),
        };
        self.rows.push(Row { name, value: Text::part(value) });
    }

    /// Adds a further line to the last row: a fold is one blank (RFC 3261 7.3.1).
    pub(super) fn fold(&mut self, more: &str) -> usize {
        let Some(last) = self.rows.len().checked_sub(1) else { return 0 };
        let mut value = self.value(&self.rows[last]).to_owned();
        if !value.is_empty() && !more.is_empty() {
            value.push(' ');
        }
        value.push_str(more);
        let length = value.len();
        self.rows[last].value = Text::Own(value.into_boxed_str());
        length
    }

    pub(super) fn replace_front(&mut self, name: &str, value: String) {
        let wanted = Wanted::new(name);
        match self.rows.iter().position(|row| self.is(row, &wanted)) {
            Some(first) => self.set_row(first, value),
            None => self.push_front(name, value),
        }
    }

    /// What a response takes over from its request.
    pub(super) fn echoed(&self, timestamp: bool) -> Self {
        const ECHOED: [&str; 5] = [name::VIA, name::FROM, name::TO, name::CALL_ID, name::CSEQ];
        let mut copy = Self { source: self.source.clone(), rows: Vec::with_capacity(10) };
        let stamp = timestamp.then_some(name::TIMESTAMP);
        for name in ECHOED.into_iter().chain(stamp) {
            let wanted = Wanted::new(name);
            copy.rows.extend(self.rows.iter().filter(|row| self.is(row, &wanted)).cloned());
        }
        copy
    }

    /// The value of the first row of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let wanted = Wanted::new(name);
        self.rows.iter().find(|row| self.is(row, &wanted)).map(|row| self.value(row))
    }

    /// The values of every row of a name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        let wanted = Wanted::new(name);
        self.rows.iter().filter(move |row| self.is(row, &wanted)).map(|row| self.value(row))
    }

    /// Whether there is a row of a name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every row as name and value; known names in their canonical spelling, others as received.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows.iter().map(|row| (self.name(row), self.value(row)))
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Text with room for these headers and a body of the length given.
    pub(super) fn buffer(&self, body: usize) -> String {
        let rows: usize = self.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        String::with_capacity(rows + body + 160)
    }

    /// Writes every row but `Content-Length`, which is the length of the body and nothing else.
    pub(super) fn write(&self, out: &mut String) {
        let length = Wanted::new(name::CONTENT_LENGTH);
        for row in self.rows.iter().filter(|row| !self.is(row, &length)) {
            out.push_str(self.name(row));
            out.push_str(": ");
            out.push_str(self.value(row));
            out.push_str("\r\n");
        }
    }

    fn row(name: &str, value: String) -> Row {
        let name = match name::number(name) {
            Some(number) => Name::Known(number),
            None => Name::Other(Text::Own(clean(name.to_owned()))),
        };
        Row { name, value: Text::Own(clean(value)) }
    }

    fn set_row(&mut self, at: usize, value: String) {
        if let Some(row) = self.rows.get_mut(at) {
            row.value = Text::Own(clean(value));
        }
    }

    fn retain(&mut self, mut keep: impl FnMut(&Self, &Row) -> bool) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|row| keep(self, row));
        self.rows = rows;
    }

    fn is(&self, row: &Row, wanted: &Wanted<'_>) -> bool {
        match (&row.name, wanted) {
            (Name::Known(number), Wanted::Known(other)) => number == other,
            (Name::Other(text), Wanted::Other(other)) => self.text(text).eq_ignore_ascii_case(other),
            _ => false,
        }
    }

    fn name<'a>(&'a self, row: &'a Row) -> &'a str {
        match &row.name {
            Name::Known(number) => name::canonical(*number),
            Name::Other(text) => self.text(text),
        }
    }

    fn value<'a>(&'a self, row: &'a Row) -> &'a str {
        self.text(&row.value)
    }

    fn text<'a>(&'a self, text: &'a Text) -> &'a str {
        match text {
            Text::Own(text) => text,
            Text::Part(start, end) => {
                let range =
                    usize::try_from(*start).unwrap_or_default()..usize::try_from(*end).unwrap_or_default();
                self.source.as_deref().and_then(|source| source.get(range)).unwrap_or_default()
            }
        }
    }
}

impl Text {
    /// Offsets fit, as a head is limited to less than 4 GiB; one that did not would read as empty.
    fn part((start, end): (usize, usize)) -> Self {
        Self::Part(u32::try_from(start).unwrap_or_default(), u32::try_from(end).unwrap_or_default())
    }
}

enum Wanted<'a> {
    Known(u8),
    Other(&'a str),
}

impl<'a> Wanted<'a> {
    fn new(name: &'a str) -> Self {
        name::number(name).map_or(Self::Other(name), Self::Known)
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    /// Credentials are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| match name {
                name::AUTHORIZATION | name::PROXY_AUTHORIZATION => (name, "***"),
                _ => (name, value),
            }))
            .finish()
    }
}

/// The text without the characters that would end its line.
fn clean(text: String) -> Box<str> {
    let trimmed = trim(&text);
    if !trimmed.contains(BREAKS) {
        return if trimmed.len() == text.len() { text.into_boxed_str() } else { trimmed.into() };
    }
    let mut out = String::with_capacity(text.len());
    append_clean(&mut out, &text);
    trim(&out).into()
}

pub(super) fn append_clean(out: &mut String, text: &str) {
    out.extend(text.chars().map(|c| if BREAKS.contains(&c) { ' ' } else { c }));
}

const BREAKS: [char; 3] = ['\r', '\n', '\0'];

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Headers {
        let mut headers = Headers::new();
        for (name, value) in
            [("v", "one"), ("X-Own", "1"), ("VIA", "two"), ("f", "<sip:a@b>"), ("x-own", "2")]
        {
            headers.push(name, value);
        }
        headers
    }

    #[test]
    fn names_match_in_any_case_and_form() {
        let headers = sample();
        assert_eq!(headers.all("via").collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(headers.get("From"), headers.get("F"));
        assert_eq!(headers.all("X-OWN").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(headers.get("To"), None);
        assert!(headers.contains("via") && !headers.contains("Route"));
    }

    #[test]
    fn set_keeps_the_place_of_the_first_and_drops_the_others() {
        let mut headers = sample();
        headers.set("x-own", "3");
        headers.set("To", "new");
        let rows: Vec<_> = headers.iter().collect();
        assert_eq!(
            rows,
            [("Via", "one"), ("X-Own", "3"), ("Via", "two"), ("From", "<sip:a@b>"), ("To", "new")]
        );
        assert!(headers.remove("v") && !headers.remove("v"));
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn a_value_cannot_add_a_header() {
        let mut headers = Headers::new();
        headers.push("Subject", "x\r\nEvil: 1\r\n\r\nbody");
        headers.push("Bad\r\nName", "y");
        let mut out = String::new();
        headers.write(&mut out);
        assert_eq!(out.matches("\r\n").count(), 2);
    }

    #[test]
    fn debug_output_hides_credentials() {
        let mut headers = Headers::new();
        headers.push(name::AUTHORIZATION, "Digest username=\"a\", response=\"secret\"");
        headers.push(name::PROXY_AUTHORIZATION, "Basic secret");
        assert!(!format!("{headers:?}").contains("secret"));
    }
}
