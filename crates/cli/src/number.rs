// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook number`: what a line dials for a number, and why.

use offhook_numbers::{Forms, Location, Options, Reach, Refused, Translation, forms, translate};
use offhook_spi::{Address, NumberForms, Party};
use serde_json::json;

use crate::args;
use crate::config::Dialling;
use crate::failure::Failure;
use crate::show::Show;

/// Translates and explains; needs no server.
pub(crate) fn run(show: Show, dialling: &Dialling, args: &args::Number) -> Result<(), Failure> {
    let location = location(dialling, args)?;
    let options = Options {
        reach: args.reach.map(|reach| match reach {
            args::Reach::Local => Reach::Local,
            args::Reach::LongDistance => Reach::LongDistance,
        }),
        card: args.card.clone(),
        cancel_call_waiting: args.no_call_waiting,
    };
    let it = translate(&location, &dialling.cards, &args.text, &options).map_err(|error| refused(&error))?;
    let mut text = format!("dialled    {}\ncanonical  {}", it.shown, or_unknown(it.canonical.as_deref()));
    text += &format!("\nkey        {}\nshown as   {}", or_unknown(it.key.as_deref()), it.display);
    for why in &it.why {
        text += &format!("\n           {why}");
    }
    let object = json!({
        "dialled": it.shown, "canonical": it.canonical, "key": it.key, "display": it.display, "kind": it.kind,
        "reach": it.reach, "waits": it.waits, "why": it.why,
    });
    show.result(&text, &object);
    Ok(())
}

/// What a line dials for a target.
pub(crate) struct ToDial {
    pub(crate) dialable: String,
    pub(crate) shown: String,
    /// The forms, where a location tells them.
    pub(crate) number: Option<Box<NumberForms>>,
}

impl ToDial {
    /// The target, and what is dialled where that differs.
    pub(crate) fn words(&self, target: &str) -> String {
        if self.shown == target { target.to_owned() } else { format!("{target} (dials {})", self.shown) }
    }
}

/// Applies the rules of the line's location; without one the target stands as it is.
pub(crate) fn to_dial(dialling: &Dialling, line: &str, target: &str) -> Result<ToDial, Failure> {
    let Some(location) = dialling.of_line(line) else {
        let target = target.to_owned();
        return Ok(ToDial { dialable: target.clone(), shown: target, number: None });
    };
    let it =
        translate(location, &dialling.cards, target, &Options::default()).map_err(|error| refused(&error))?;
    let Translation { dialable, shown, canonical, key, display, .. } = it;
    let forms = canonical.zip(key).map(|(canonical, key)| NumberForms { canonical, key, display });
    Ok(ToDial { dialable, shown, number: forms.map(Box::new) })
}

/// What the places of the lines know of an address.
pub(crate) fn plan(dialling: Dialling) -> impl Fn(&str, &Address) -> Option<NumberForms> + Send + Sync {
    move |line, address| {
        let Forms { canonical, key, display, .. } = forms(dialling.of_line(line)?, address.as_str());
        Some(NumberForms { canonical: canonical?, key: key?, display })
    }
}

/// Who a party is, as people at the line's place write it.
pub(crate) fn written(party: &Party) -> String {
    let number = party.number.as_ref().map(|number| number.display.as_str());
    let address = party.address.as_ref().map(Address::as_str);
    let address = number.or(address).unwrap_or("unknown");
    party.name.as_ref().map_or_else(|| address.to_owned(), |name| format!("{name} {address}"))
}

fn location(dialling: &Dialling, args: &args::Number) -> Result<Location, Failure> {
    if let Some(name) = &args.at {
        return dialling.named(name).cloned();
    }
    if let Some(country) = &args.country {
        return Location::in_country(country).map_err(|error| refused(&error));
    }
    let line = args.line.as_deref().unwrap_or_default();
    dialling.of_line(line).cloned().ok_or_else(|| {
        let advice = "name a country with --country, or a location under [dialling] in the configuration";
        Failure::usage(format!("nobody said where the line is, so its rules are not known: {advice}"))
    })
}

fn or_unknown(text: Option<&str>) -> &str {
    text.unwrap_or("unknown")
}

fn refused(error: &Refused) -> Failure {
    Failure::usage(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialling() -> Dialling {
        let text = "location = 'home'\nline = { shop = 'shop' }\n\
            at = [{ name = 'home', country = 'DE', area = '30' }, { name = 'shop', country = 'US', area = '206' }]";
        toml::from_str(text).expect("a right configuration")
    }

    #[test]
    fn each_line_dials_by_the_rules_of_its_place() {
        let dialled = |line| to_dial(&dialling(), line, "+49 (30) 1234567").unwrap();
        assert_eq!(dialled("desk").dialable, "1234567");
        assert_eq!(dialled("shop").dialable, "01149301234567");
        assert_eq!(dialled("shop").words("+49 (30) 1234567"), "+49 (30) 1234567 (dials 01149301234567)");
    }

    #[test]
    fn a_line_without_a_place_dials_what_it_is_given() {
        let it = to_dial(&Dialling::default(), "desk", "+49 (30) 1234567").unwrap();
        assert_eq!((it.dialable.as_str(), &it.number), ("+49 (30) 1234567", &None));
        assert_eq!(it.words("+49 (30) 1234567"), "+49 (30) 1234567");
    }

    #[test]
    fn parties_are_written_as_at_the_line_s_place() {
        let plan = plan(dialling());
        let at = |line, address| {
            let address = Address::new(address);
            let number = plan(line, &address).map(Box::new);
            written(&Party { address: Some(address), number, ..Party::default() })
        };
        assert_eq!(at("desk", "sip:+493012345678@192.0.2.1"), "030 12345678");
        assert_eq!(at("shop", "sip:+493012345678@192.0.2.1"), "+49 30 12345678");
        assert_eq!(at("desk", "sip:bob@192.0.2.1"), "sip:bob@192.0.2.1");
        assert_eq!(written(&Party { name: Some("Bob".to_owned()), ..Party::default() }), "Bob unknown");
    }

    #[test]
    fn what_cannot_be_dialled_is_wrong_usage() {
        let failure = to_dial(&dialling(), "desk", "12x").err().unwrap();
        assert_eq!(failure.code, crate::exit::USAGE);
        assert!(failure.text.contains("'x' at place 3"));
    }
}
