// SPDX-License-Identifier: MIT OR Apache-2.0
//! Phones of the simulated exchange, from the application to the telephone set and back.

use offhook::spi::{HookMode, HookSwitch, LampMode, Opaque, PhoneChange, SchemaId};
use offhook::{ErrorKind, Offhook};
use offhook_sim::{ExchangeConfig, SimTsp, Touch};

#[tokio::test(start_paused = true)]
async fn a_phone_is_set_by_its_owner_and_touched_by_somebody() {
    let config = ExchangeConfig { phones: vec!["desk".to_owned()], ..ExchangeConfig::default() };
    let (exchange, caller) = SimTsp::new(config);
    let server = Offhook::builder().tsp(exchange).msp(offhook_sim::SimMsp).start().await.unwrap();
    let (owner, watcher) = (server.app("owner").await.unwrap(), server.app("watcher").await.unwrap());
    let (phone, watched) = (owner.phone("desk").await.unwrap(), watcher.phone("desk").await.unwrap());
    phone.own().await.unwrap();
    watched.watch().await.unwrap();
    let mut events = watched.events();
    let mut changes = async || {
        let change = |event: &offhook::AppEvent| match event {
            offhook::AppEvent::PhoneChange { change, .. } => Some(change.clone()),
            _ => None,
        };
        events.find(change).await.unwrap()
    };
    phone.display(0, 0, "good morning").await.unwrap();
    assert_eq!(changes().await, PhoneChange::Display { text: "good morning\n".to_owned() });
    phone.lamp(2, LampMode::Wink).await.unwrap();
    assert_eq!(changes().await, PhoneChange::Lamp { button: 2, mode: LampMode::Wink });
    caller.touch(1, Touch::Lift(HookSwitch::Handset)).await;
    let lifted = PhoneChange::Hook { hook: HookSwitch::Handset, mode: HookMode::Both };
    assert_eq!(changes().await, lifted);
    caller.touch(1, Touch::Press(3)).await;
    for down in [true, false] {
        assert_eq!(changes().await, PhoneChange::Button { button: 3, down });
    }
    let state = watched.details().await.unwrap().state;
    assert_eq!(state.display.as_deref(), Some("good morning\n"));

    let refused = phone.lamp(9, LampMode::Off).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidParameter);
    let refused = watched.display(0, 0, "mine").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotOwner);
    assert_eq!(server.violations(), 0);
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_phone_does_what_only_its_vendor_knows() {
    let config = ExchangeConfig { phones: vec!["desk".to_owned()], ..ExchangeConfig::default() };
    let (exchange, _caller) = SimTsp::new(config);
    let server = Offhook::builder().tsp(exchange).msp(offhook_sim::SimMsp).start().await.unwrap();
    let (owner, watcher) = (server.app("owner").await.unwrap(), server.app("watcher").await.unwrap());
    let (phone, watched) = (owner.phone("desk").await.unwrap(), watcher.phone("desk").await.unwrap());
    phone.own().await.unwrap();
    watched.watch().await.unwrap();
    let extensions = watched.details().await.unwrap().caps.extensions;
    let [schema] = &extensions[..] else { panic!("{extensions:?}") };
    let data = |text: &str| Opaque { schema: schema.clone(), data: text.to_owned() };
    let mut events = watched.events();
    assert_eq!(phone.extension(data("speed dial 1234")).await.unwrap(), Some(data("speed dial 1234")));
    let told = events.find(|event| match event {
        offhook::AppEvent::PhoneChange { change, .. } => Some(change.clone()),
        _ => None,
    });
    assert_eq!(told.await, Some(PhoneChange::Extension { data: data("speed dial 1234") }));
    assert_eq!(phone.extension(data("")).await.unwrap(), Some(data("speed dial 1234")));

    let foreign = Opaque { schema: SchemaId::new("acme.lamp"), data: String::new() };
    let refused = phone.extension(foreign).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("does not offer the extension acme.lamp"), "{refused}");
    assert_eq!(watched.extension(data("mine")).await.unwrap_err().kind(), ErrorKind::NotOwner);
    assert_eq!(server.violations(), 0);
    server.shutdown().await;
}
