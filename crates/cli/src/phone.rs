// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook phone`: the telephone sets of the running server.

use offhook::{Answer, AppEvent, Ask, PhoneRecord, Privilege};
use offhook_spi::{Opaque, Outcome, PhoneOp, SchemaId};
use serde_json::json;

use crate::args::{Phone, PhoneVerb as V};
use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::show::Show;
use crate::visit::Visit;

/// Does one thing and leaves.
pub(crate) async fn run(show: Show, args: Phone) -> Result<(), Failure> {
    let mut visit = Visit::begin(args.server.server).await?;
    match args.what {
        V::List => {
            let phones = visit.phones().await?;
            if phones.is_empty() {
                show.text("no phones");
            }
            for phone in phones {
                show.result(row(&phone).trim_end(), &json!(phone));
            }
        }
        V::Show { phone } => {
            let phone = visit.phone(&phone).await?;
            let text = format!(
                "{}\n  hooks       {:?}\n  display     {} rows of {}\n  buttons     {}\n  rings       {} patterns\n  is          {:?}",
                row(&phone).trim_end(),
                phone.caps.hooks,
                phone.caps.display.0,
                phone.caps.display.1,
                phone.caps.buttons,
                phone.caps.ring_modes,
                phone.state,
            );
            show.result(&text, &json!(phone));
        }
        V::Watch { phone } => watch(show, &mut visit, &phone).await?,
        verb => set(show, &mut visit, verb).await?,
    }
    visit.leave().await
}

fn row(phone: &PhoneRecord) -> String {
    let there = if phone.present { "" } else { "gone" };
    format!("{:<24} {:<10} {there}", phone.stable_id, phone.provider)
}

async fn watch(show: Show, visit: &mut Visit, name: &str) -> Result<(), Failure> {
    let mut interrupts = Interrupts::listen()?;
    let phone = visit.phone(name).await?.phone;
    visit.ask(Ask::OpenPhone { phone, privilege: Privilege::Monitor }).await?;
    show.event("watching", &format!("watching {name}"), json!({"phone": name}));
    loop {
        let event = tokio::select! {
            event = visit.event() => event?,
            () = interrupts.next() => return Ok(()),
        };
        if let AppEvent::PhoneChange { phone: of, change } = event
            && of == phone
        {
            let object = json!({"phone": name, "change": change});
            show.event("change", &object["change"].to_string(), object.clone());
        }
    }
}

/// One application owns a phone: a visit owns it only while it changes something.
async fn set(show: Show, visit: &mut Visit, verb: V) -> Result<(), Failure> {
    let (name, op) = match verb {
        V::Button { phone, button, label } => (phone, PhoneOp::Button { button, label }),
        V::Display { phone, text, row, column } => (phone, PhoneOp::Display { row, column, text }),
        V::Extension { phone, schema, data } => {
            (phone, PhoneOp::Extension { data: Opaque { schema: SchemaId::new(schema), data } })
        }
        V::Gain { phone, part, gain } => (phone, PhoneOp::Gain { hook: part, gain }),
        V::Hook { phone, part, mode } => (phone, PhoneOp::Hook { hook: part, mode }),
        V::Lamp { phone, button, mode } => (phone, PhoneOp::Lamp { button, mode }),
        V::Ring { phone, volume, mode } => (phone, PhoneOp::Ring { mode, volume }),
        V::Volume { phone, part, volume } => (phone, PhoneOp::Volume { hook: part, volume }),
        V::List | V::Show { .. } | V::Watch { .. } => return Err(Failure::usage("this is no change")),
    };
    let phone = visit.phone(&name).await?.phone;
    visit.ask(Ask::OpenPhone { phone, privilege: Privilege::Owner }).await?;
    let outcome = visit.ask(Ask::Phone { phone, op }).await;
    visit.ask(Ask::ClosePhone { phone }).await?;
    match outcome? {
        Answer::Done { outcome: Outcome::Data { data } } => {
            show.event("data", &data.data, json!({"phone": name, "data": data}));
        }
        _ => show.event("set", &format!("{name}: done"), json!({"phone": name})),
    }
    Ok(())
}
