// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls carry the forms of numbers, in and out: whoever holds one sees the same.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use offhook::spi::{Address, CallParams, NumberForms, Party};
use offhook::{Call, Cause, Interest, Offhook};
use offhook_sim::{ExchangeConfig, Script, SimCaller, SimMsp, SimTsp, Step};

/// The extensions that the plan knows, by address.
const EXTENSIONS: [(&str, &str); 3] = [("tel:301", "301"), ("sim:wrong-number", "302"), ("sim:echo", "304")];

fn forms(line: &str, digits: &str) -> NumberForms {
    NumberForms {
        canonical: format!("+49 (30) 5000{digits}"),
        key: format!("+49305000{digits}"),
        display: format!("{digits} at {line}"),
    }
}

async fn phone() -> (Offhook, SimCaller) {
    let (exchange, caller) = SimTsp::new(ExchangeConfig::default());
    let plan = |line: &str, address: &Address| {
        let known = EXTENSIONS.iter().find(|(known, _)| *known == address.as_str());
        known.map(|(_, digits)| forms(line, digits))
    };
    (Offhook::builder().tsp(exchange).msp(SimMsp).numbers(plan).start().await.unwrap(), caller)
}

async fn called(call: &Call) -> Option<NumberForms> {
    call.details().await.unwrap().info.called.number.map(|number| *number)
}

#[tokio::test(start_paused = true)]
async fn who_calls_comes_in_all_forms() {
    let (phone, caller) = phone().await;
    let line = phone.app("test").await.unwrap().line("alice").await.unwrap();
    line.open(Interest::OWN_AUDIO).await.unwrap();
    for (address, number) in [("tel:301", Some(forms("alice", "301"))), ("sip:bob@example.org", None)] {
        let party = Party { address: Some(Address::new(address)), ..Party::default() };
        caller.ring(1, party, Script::new([Step::Answer])).await;
        let call = line.incoming().await.unwrap();
        let caller = call.details().await.unwrap().info.caller;
        assert_eq!(caller.number.map(|number| *number), number);
        assert_eq!(caller.address.unwrap().as_str(), address, "as it was presented");
        call.reject(Cause::UserBusy).await.unwrap();
    }
    assert_eq!(phone.violations(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_called_has_the_forms_that_were_meant() {
    let (phone, _) = phone().await;
    let line = phone.app("test").await.unwrap().line("alice").await.unwrap();
    // Nobody has this number: the call fails, and is known all the same.
    let call = line.call("sim:wrong-number").await.unwrap();
    assert_eq!(called(&call).await, Some(forms("alice", "302")));
    call.ended().await;
    let meant = NumberForms { display: "Carol's desk".to_owned(), ..forms("alice", "303") };
    let params = CallParams { number: Some(Box::new(meant.clone())), ..CallParams::default() };
    let call = line.call_with("sim:friendly", params).await.unwrap();
    call.connected().await.unwrap();
    assert_eq!(called(&call).await, Some(meant));
    let consultation = call.consult_with("sim:echo").await.unwrap();
    assert_eq!(called(&consultation).await, Some(forms("alice", "304")));
    assert_eq!(phone.violations(), 0);
}
