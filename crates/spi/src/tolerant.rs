// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading what a newer version may have written.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};

/// Reads a list of words and leaves out those that this version does not know: a provider that can do more
/// than the core knows of is still understood.
pub(crate) fn known_only<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Item<T> {
        Known(T),
        Unknown(IgnoredAny),
    }

    let items = Vec::<Item<T>>::deserialize(deserializer)?;
    let known = |item| match item {
        Item::Known(word) => Some(word),
        Item::Unknown(IgnoredAny) => None,
    };
    Ok(items.into_iter().filter_map(known).collect())
}
