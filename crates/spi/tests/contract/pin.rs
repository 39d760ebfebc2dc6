// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pinning a family of messages: bytes, round trip, strange fields, and no variant forgotten.

use std::collections::BTreeSet;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use offhook_spi::Version;

/// How the values of a type are told apart in JSON.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// One struct: nothing to tell apart.
    Plain,
    /// The field that names the variant.
    Tagged(&'static str),
    /// A word, or an object whose one key is the word.
    Words,
}

/// What a type may be asked in these tests.
pub(crate) trait Message: Debug + DeserializeOwned + PartialEq + Serialize {}

impl<T: Debug + DeserializeOwned + PartialEq + Serialize> Message for T {}

/// Pins the examples under the name of their family; each variant must be among them.
#[track_caller]
pub(crate) fn pin<T: Message>(family: &str, form: Form, examples: &[T]) {
    let mut lines = String::new();
    let mut seen = BTreeSet::new();
    for example in examples {
        let line = serde_json::to_string(example).expect("every message can be written");
        let read: T = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(&read, example, "{line} is read as something else");
        let mut value: Value = serde_json::from_str(&line).expect("it is JSON");
        seen.extend(variant(form, &value));
        add_strangers(&mut value);
        let read: T = serde_json::from_value(value).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(&read, example, "a strange field changes what {line} says");
        lines.push_str(&line);
        lines.push('\n');
    }
    let missing: Vec<String> = variants::<T>(form).into_iter().filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "{family}: add examples of {missing:?}, so that they are pinned too");
    snapshot(family, &lines);
}

/// Compares text with the snapshot of the contract's present version.
#[track_caller]
pub(crate) fn snapshot(family: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("v{}_{family}", Version::CURRENT), text));
}

/// The names of all variants of a type, as its own reader lists them when it meets a strange one.
pub(crate) fn variants<T: Message>(form: Form) -> Vec<String> {
    const STRANGE: &str = "never a name";
    let probe = match form {
        Form::Plain => return Vec::new(),
        Form::Tagged(tag) => json!({tag: STRANGE}),
        Form::Words => json!(STRANGE),
    };
    let error = serde_json::from_value::<T>(probe).expect_err("a strange name is refused").to_string();
    assert!(error.starts_with("unknown variant"), "{error}");
    let quoted = error.split('`').skip(1).step_by(2).map(str::to_owned);
    quoted.filter(|name| name != STRANGE).collect()
}

fn variant(form: Form, value: &Value) -> Option<String> {
    match form {
        Form::Plain => None,
        Form::Tagged(tag) => value[tag].as_str().map(str::to_owned),
        Form::Words => {
            let key = || value.as_object().and_then(|object| object.keys().next());
            value.as_str().or_else(|| key().map(String::as_str)).map(str::to_owned)
        }
    }
}

/// Adds fields that no version knows to every object that stands for a struct, before and behind the others.
fn add_strangers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(add_strangers),
        Value::Object(fields) => {
            let is_struct = !fields.keys().all(|key| NO_FIELDS.contains(&key.as_str()));
            fields.values_mut().for_each(add_strangers);
            if is_struct {
                for name in ["!strange", "~strange"] {
                    fields.insert(name.to_owned(), json!({"strange": [1, null]}));
                }
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
}

/// Keys of objects that are not structs of the contract: the standard library's durations, variants that
/// carry one value, and the streams of a map.
const NO_FIELDS: [&str; 10] =
    ["secs", "nanos", "q850", "gain", "seek", "done", "refused", "audio_in", "audio_out", "video_in"];
