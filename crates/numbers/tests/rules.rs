// SPDX-License-Identifier: MIT OR Apache-2.0
//! The dialling rules as a caller sees them.

use offhook_numbers::{Card, Dialling, Kind, LocalForm, Location, Options, Reach, Refused, forms, translate};
use proptest::prelude::*;

fn berlin() -> Location {
    Location { area: Some("30".to_owned()), ..Location::in_country("DE").expect("it is right") }
}

fn seattle() -> Location {
    Location { area: Some("206".to_owned()), ..Location::in_country("US").expect("it is right") }
}

fn dialled(location: &Location, text: &str) -> String {
    translate(location, &[], text, &Options::default()).expect("it is right").dialable
}

#[test]
fn reach_decides_what_is_dialled() {
    let madrid = Location::in_country("ES").unwrap();
    let rome = Location {
        area: Some("06".to_owned()),
        local: LocalForm::WithArea,
        ..Location::in_country("IT").unwrap()
    };
    let dallas = Location {
        area: Some("214".to_owned()),
        local: LocalForm::WithArea,
        ..Location::in_country("US").unwrap()
    };
    for (location, text, expected) in [
        (&berlin(), "+49 (30) 1234567", "1234567"),
        (&berlin(), "+49301234567", "1234567"),
        (&berlin(), "+49 (89) 1234567", "0891234567"),
        (&berlin(), "+1 (425) 555-0100", "0014255550100"),
        (&berlin(), "tel:+1-425-555-0100;ext=12", "0014255550100,12"),
        (&seattle(), "+1 (206) 555-0100", "5550100"),
        (&seattle(), "+1 (425) 555-0100", "14255550100"),
        (&seattle(), "+49 (30) 1234567", "01149301234567"),
        (&dallas, "+1 (214) 555-0100", "2145550100"),
        (&madrid, "+34 912 345 678", "912345678"),
        (&rome, "+39 06 698 83145", "0669883145"),
    ] {
        assert_eq!(dialled(location, text), expected, "{text} from {}", location.country);
    }
}

#[test]
fn codes_of_the_house_come_first_in_their_order() {
    let office = Location {
        outside: "9,".to_owned(),
        outside_long_distance: Some("8W".to_owned()),
        cancel_call_waiting: Some("*70,".to_owned()),
        dialling: Dialling::Tone,
        ..seattle()
    };
    let options = Options { cancel_call_waiting: true, ..Options::default() };
    let local = translate(&office, &[], "+1 (206) 555-0100", &options).unwrap();
    assert_eq!(local.dialable, "T*70,9,5550100");
    let far = translate(&office, &[], "+1 (425) 555-0100", &options).unwrap();
    assert_eq!(far.dialable, "T*70,8W14255550100");
    assert!(far.waits.dial_tone && !local.waits.dial_tone);
    assert_eq!(translate(&office, &[], "5550100", &options).unwrap().dialable, "*70,5550100");
}

#[test]
fn toll_lists_and_wishes_change_the_reach() {
    let home = Location { toll: vec!["555".to_owned()], ..seattle() };
    let toll = translate(&home, &[], "+1 (206) 555-0100", &Options::default()).unwrap();
    assert_eq!((toll.reach, toll.dialable.as_str()), (Some(Reach::LongDistance), "12065550100"));
    let wish = |reach| Options { reach: Some(reach), ..Options::default() };
    let local = translate(&home, &[], "+1 (206) 555-0100", &wish(Reach::Local)).unwrap();
    assert_eq!(local.dialable, "5550100");
    let far = translate(&seattle(), &[], "+1 (206) 666-0100", &wish(Reach::LongDistance)).unwrap();
    assert_eq!(far.dialable, "12066660100");
}

#[test]
fn a_card_dials_its_own_way_and_keeps_its_number_to_itself() {
    let card = Card {
        name: "travel".to_owned(),
        number: "47114711".to_owned(),
        local: None,
        long_distance: None,
        international: Some("18005550199$,{card},{country}{area}{number}".parse().unwrap()),
    };
    let home = Location { card: Some("travel".to_owned()), ..seattle() };
    let cards = [card];
    let far = translate(&home, &cards, "+49 (30) 1234567", &Options::default()).unwrap();
    assert_eq!(far.dialable, "18005550199$,47114711,49301234567");
    assert_eq!(far.shown, "18005550199$,••••,49301234567");
    assert!(far.waits.billing);
    assert!(!format!("{cards:?} {:?} {:?}", far.why, far.shown).contains("4711"));
    let near = translate(&home, &cards, "+1 (206) 555-0100", &Options::default()).unwrap();
    assert_eq!(near.dialable, "5550100", "the card has no rule for local numbers");
    let without = Options { card: Some(String::new()), ..Options::default() };
    assert_eq!(translate(&home, &cards, "+49 (30) 1234567", &without).unwrap().dialable, "01149301234567");
    let wrong = Options { card: Some("gold".to_owned()), ..Options::default() };
    let refused = translate(&home, &cards, "+49 (30) 1234567", &wrong).unwrap_err();
    assert_eq!(refused.to_string(), "there is no calling card 'gold'; known are: travel");
}

#[test]
fn what_is_dialable_already_is_dialled_as_it_stands() {
    for (text, expected) in [
        ("112", "112"),
        ("(030) 1234567", "0301234567"),
        ("0,W555", "0,W555"),
        ("1234;", "1234;"),
        ("*43#", "*43#"),
    ] {
        let it = translate(&berlin(), &[], text, &Options::default()).unwrap();
        assert_eq!((it.kind, it.dialable.as_str(), it.reach), (Kind::Dialable, expected, None), "{text}");
    }
    let national = translate(&berlin(), &[], "(089) 12345678", &Options::default()).unwrap();
    assert_eq!(national.key.as_deref(), Some("+498912345678"));
}

#[test]
fn other_addresses_are_passed_on() {
    for text in
        ["sip:bob@example.org", "bob@example.org", "sap:weekly meeting", "sim:friendly", "1234@10.0.0.1"]
    {
        let it = translate(&berlin(), &[], text, &Options::default()).unwrap();
        assert_eq!((it.kind, it.dialable.as_str()), (Kind::Other, text));
    }
}

#[test]
fn a_presented_number_has_all_its_forms() {
    for (text, canonical, key, display) in [
        ("+4930 12345678", Some("+49 (30) 12345678"), Some("+493012345678"), "030 12345678"),
        ("sip:+442079460958@example.org", Some("+44 2079460958"), Some("+442079460958"), "+44 20 7946 0958"),
        ("089 12345678", Some("+49 8912345678"), Some("+498912345678"), "089 12345678"),
        ("12345678", Some("+49 (30) 12345678"), Some("+493012345678"), "030 12345678"),
        ("sip:bob@example.org", None, None, "sip:bob@example.org"),
        ("anonymous", None, None, "anonymous"),
        ("11", None, None, "11"),
    ] {
        let it = forms(&berlin(), text);
        let found = (it.canonical.as_deref(), it.key.as_deref(), it.display.as_str());
        assert_eq!(found, (canonical, key, display), "{text}");
        assert_eq!(it.dialled, text);
    }
}

#[test]
fn every_decision_is_explained() {
    let home = Location { outside: "0,".to_owned(), toll: vec!["900".to_owned()], ..berlin() };
    let mut all = String::new();
    for text in
        ["+49 (30) 1234567", "+49 (30) 9001234", "+49 (89) 1234567", "+1 (425) 555-0100", "110", "sip:a@b.c"]
    {
        let it = translate(&home, &[], text, &Options::default()).unwrap();
        all.push_str(&format!("{text} -> {}\n", it.shown));
        for why in it.why {
            all.push_str(&format!("    {why}\n"));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn wrong_numbers_and_places_are_refused_by_name() {
    let refused = |text: &str| translate(&berlin(), &[], text, &Options::default()).unwrap_err();
    assert!(matches!(refused("+999 1"), Refused::NoNumber { .. }));
    assert!(matches!(refused("12?4"), Refused::AskUser { .. }));
    assert!(matches!(refused("hello"), Refused::Character { found: 'h', place: 1, .. }));
    assert!(matches!(refused(""), Refused::Empty { .. }));
    assert!(Location::in_country("XX").is_err());
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_dialled_can_be_dialled(text in "\\PC{0,40}|[+0-9()A-DPTW,!@$:;|^ -]{0,30}") {
        prop_assert_eq!(&forms(&berlin(), &text).dialled, &text);
        if let Ok(it) = translate(&seattle(), &[], &text, &Options::default())
            && it.kind != Kind::Other
        {
            let again = translate(&seattle(), &[], &it.dialable, &Options::default());
            prop_assert!(again.is_ok(), "{:?} from {:?}: {:?}", it.dialable, text, again);
        }
    }
}
