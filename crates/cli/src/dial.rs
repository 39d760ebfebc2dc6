// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook dial`: just dial this. The running server makes the call; this program only asks and tells.

use offhook::local::{Remote, RemoteEvent};
use offhook::{Answer, AppEvent, Ask, CallAsk, CallId, CallState, LineRecord};
use offhook_spi::{Address, CallParams, Cause};
use serde_json::json;

use crate::args;
use crate::config::Dialling;
use crate::exit;
use crate::failure::Failure;
use crate::interrupts::Interrupts;
use crate::number;
use crate::serve::usual_socket;
use crate::show::Show;

/// Asks for the call and follows it to its end, or leaves it to the server.
pub(crate) async fn run(show: Show, dialling: &Dialling, args: &args::Dial) -> Result<(), Failure> {
    let socket = args.server.clone().unwrap_or_else(usual_socket);
    let mut remote = Remote::connect(&socket, "offhook dial", None).await?;
    let mut interrupts = Interrupts::listen()?;
    let line = line(&mut remote, args).await?;
    let target = number::to_dial(dialling, &line.stable_id, &args.target)?;
    let to = Address::new(target.dialable.as_str());
    let params = Box::new(CallParams { number: target.number.clone(), ..CallParams::default() });
    let call = match remote.ask(Ask::MakeCall { line: line.line, to, params }).await? {
        Answer::Call { call } => call,
        other => {
            return Err(Failure::new(
                exit::FAILED,
                format!("the server answers with something else: {other:?}"),
            ));
        }
    };
    let words = format!("{} calls {}", line.stable_id, target.words(&args.target));
    let object = json!({"call": call, "id": call.to_string(), "line": line.stable_id, "target": args.target, "dialled": target.shown, "number": target.number});
    show.event("calling", &words, object);
    if args.detach {
        remote.ask(Ask::Deallocate { call, keep: true }).await?;
        return Ok(());
    }
    let cause = tokio::select! {
        ended = follow(show, &mut remote, call) => ended?,
        () = interrupts.next() => {
            remote.ask(Ask::Call { call, op: CallAsk::Drop { cause: None } }).await?;
            follow(show, &mut remote, call).await?
        }
    };
    match cause {
        Cause::NormalClearing => Ok(()),
        cause => Err(Failure::call(&args.target, cause)),
    }
}

/// The line that was named, or the one that fits the target.
async fn line(remote: &mut Remote, args: &args::Dial) -> Result<LineRecord, Failure> {
    let Answer::Lines { lines } = remote.ask(Ask::Lines).await? else {
        return Err(Failure::new(exit::FAILED, "the server does not say which lines it has"));
    };
    let known: Vec<&str> = lines.iter().map(|line| line.stable_id.as_str()).collect();
    let found = match &args.from {
        Some(name) => lines.iter().find(|line| line.stable_id == *name),
        None => {
            let provider = if args.target.starts_with("sim:") { "sim" } else { "sip" };
            lines.iter().find(|line| line.provider == provider).or_else(|| lines.first())
        }
    };
    let wanted = args.from.as_deref().unwrap_or("any");
    let none =
        || Failure::usage(format!("there is no line '{wanted}'; the server has: {}", known.join(", ")));
    found.cloned().ok_or_else(none)
}

/// Tells every state of the call; gives the cause of its end.
async fn follow(show: Show, remote: &mut Remote, mine: CallId) -> Result<Cause, Failure> {
    let mut cause = Cause::NormalClearing;
    loop {
        let RemoteEvent::Event { what, .. } = remote.event().await? else { continue };
        let AppEvent::CallState { call, state, .. } = *what else { continue };
        if call != mine {
            continue;
        }
        let object = json!({"call": call, "id": call.to_string(), "state": state.kind()});
        show.event("state", &format!("  {state}"), object);
        match state {
            CallState::Disconnected { cause: why } => cause = why,
            CallState::Idle => return Ok(cause),
            _ => {}
        }
    }
}
