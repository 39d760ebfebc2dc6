// SPDX-License-Identifier: MIT OR Apache-2.0
//! The words of `offhook calls` and `offhook phone`, and of what `offhook line` asks of a running server.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use offhook::CallId;
use offhook_spi::{Cause, CompletionMode, HookMode, HookSwitch, LampMode, MediaKind, Treatment};
use serde::de::DeserializeOwned;

use super::duration;

/// Where the server is that a command asks.
#[derive(Args, Clone, Debug)]
pub(crate) struct Server {
    /// Where `offhook serve` listens [default: offhook.sock in $XDG_RUNTIME_DIR or here]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Calls {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(subcommand)]
    pub(crate) what: Option<CallVerb>,
}

/// What can be done with a call of the running server; a call is named by its id, as `offhook calls` prints it.
#[derive(Debug, Subcommand)]
pub(crate) enum CallVerb {
    /// List the calls that live (also without a word)
    List,
    /// Show all about a call
    Show { call: CallId },
    /// Let a call that comes in ring, before anybody answers
    Accept { call: CallId },
    /// Add a call to a conference
    Add { conference: CallId, member: CallId },
    /// Answer a call
    Answer { call: CallId },
    /// Ask for any operation, as the object in JSON that applications send: `{"op":"hold"}`
    Ask { call: CallId, operation: String },
    /// Join a call that waits with its consultation call, and leave both
    Complete {
        call: CallId,
        consultation: CallId,
        /// Stay: all three together
        #[arg(long)]
        conference: bool,
    },
    /// Ask to be told when a busy or silent party can be reached, and wait for it; an interrupt cancels
    CompleteCall {
        call: CallId,
        /// How: call_back, camp_on, intrude, message
        #[arg(value_parser = word::<CompletionMode>, default_value = "call_back")]
        mode: CompletionMode,
    },
    /// Begin a conference with a call; a consultation call waits for `dial`
    Conference { call: CallId },
    /// Hold a call and make another about it
    Consult {
        call: CallId,
        /// Whom [default: `dial` says it later]
        target: Option<String>,
    },
    /// Dial more digits in a call that waits for them
    Dial { call: CallId, digits: String },
    /// Hang up, give up or decline
    Drop {
        call: CallId,
        /// Why, for example user_busy
        #[arg(long, value_parser = word::<Cause>)]
        cause: Option<Cause>,
    },
    /// Collect the digits that the far end presses, and print them
    Gather {
        call: CallId,
        /// So many at most
        #[arg(long, default_value = "32")]
        most: u16,
        /// Any of these is the last
        #[arg(long, value_name = "DIGITS", default_value = "#")]
        until: String,
        /// Wait so long for the first
        #[arg(long, value_name = "TIME", value_parser = duration)]
        first: Option<Duration>,
        /// Wait so long for each further one
        #[arg(long, value_name = "TIME", value_parser = duration)]
        next: Option<Duration>,
    },
    /// Make another application an owner of a call
    HandOff {
        call: CallId,
        /// Its name
        application: String,
    },
    /// Hold a call
    Hold { call: CallId },
    /// Print digits, tones and media that come, until interrupted or the call ends
    Listen {
        call: CallId,
        /// Digits
        #[arg(long)]
        digits: bool,
        /// Tones of these frequencies, in hertz
        #[arg(long = "tone", value_name = "HERTZ")]
        tones: Vec<f32>,
        /// Changes to these media: audio, data, fax, text, video
        #[arg(long, value_name = "MEDIUM", value_parser = word::<MediaKind>)]
        media: Vec<MediaKind>,
    },
    /// Say which media a call carries
    Media {
        call: CallId,
        #[arg(required = true, value_parser = word::<MediaKind>)]
        media: Vec<MediaKind>,
    },
    /// Park a call and print where
    Park {
        call: CallId,
        /// Where [default: the switch chooses]
        #[arg(long, value_name = "ADDRESS")]
        at: Option<String>,
    },
    /// Hold a conference and call somebody who is to be added
    PrepareAdd {
        conference: CallId,
        /// Whom [default: `dial` says it later]
        target: Option<String>,
    },
    /// Ask for another quality of service
    Quality { call: CallId, bits_per_second: u64 },
    /// Send a call that comes in to somebody else
    Redirect { call: CallId, target: String },
    /// Free received user data, so that the next can come
    ReleaseUserData { call: CallId },
    /// Take a member out of its conference
    Remove { member: CallId },
    /// Protect a call from interruption
    Secure { call: CallId },
    /// Send digits to the far end
    SendDigits { call: CallId, digits: String },
    /// Set the data that travels with a call, all of them
    SetData {
        call: CallId,
        /// NAME=VALUE
        data: Vec<String>,
    },
    /// Hold this call and retrieve another
    Swap { call: CallId, with: CallId },
    /// Show a call at a terminal of the switch
    Terminal {
        call: CallId,
        name: String,
        /// No longer
        #[arg(long)]
        off: bool,
    },
    /// Send a tone to the far end
    Tone {
        call: CallId,
        /// Frequencies that sound together
        #[arg(required = true, value_name = "HERTZ")]
        hertz: Vec<f32>,
        /// How long
        #[arg(long = "for", value_name = "TIME", value_parser = duration, default_value = "1s")]
        length: Duration,
    },
    /// Send the far end of a call to somebody else
    Transfer { call: CallId, target: String },
    /// Choose what a party hears that waits: busy, music, ringback, silence
    Treat {
        call: CallId,
        #[arg(value_parser = word::<Treatment>)]
        treatment: Treatment,
    },
    /// Retrieve a call
    Unhold { call: CallId },
    /// Send data to the far end in signalling
    UserData { call: CallId, schema: String, data: String },
}

/// What a line of the running server can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum LineVerb {
    /// Forget a call completion
    CancelCompletion { line: String, id: u64 },
    /// Begin a conference from nothing; a consultation call waits for `offhook calls dial`
    Conference { line: String },
    /// Answer nobody: callers hear busy
    DoNotDisturb { line: String },
    /// Ask for something of the vendor's own
    Extension { line: String, schema: String, data: String },
    /// Send calls elsewhere, by all these rules; without any, calls stay here
    Forward {
        line: String,
        /// All calls
        #[arg(long, value_name = "TARGET")]
        always: Option<String>,
        /// Calls while the line is busy
        #[arg(long, value_name = "TARGET")]
        busy: Option<String>,
        /// Calls that nobody answers
        #[arg(long, value_name = "TARGET")]
        no_answer: Option<String>,
        /// How long a call rings until then
        #[arg(long, value_name = "TIME", value_parser = duration, requires = "no_answer")]
        after: Option<Duration>,
        /// Only calls of this caller
        #[arg(long, value_name = "ADDRESS")]
        caller: Option<String>,
    },
    /// Take a call that rings or waits elsewhere
    Pickup {
        line: String,
        /// At this address [default: in the group of the line]
        #[arg(long, value_name = "ADDRESS")]
        at: Option<String>,
        /// One that waits, instead of one that rings
        #[arg(long, requires = "at")]
        held: bool,
    },
    /// Change the lamp, the service or the lock of a line
    Status {
        line: String,
        /// Whether messages wait
        #[arg(long)]
        messages: Option<Switch>,
        /// Whether the line serves calls
        #[arg(long)]
        service: Option<Switch>,
        /// Whether it is locked
        #[arg(long)]
        lock: Option<Switch>,
    },
    /// Fetch a parked call
    Unpark { line: String, at: String },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Args, Debug)]
pub(crate) struct Phone {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(subcommand)]
    pub(crate) what: PhoneVerb,
}

/// What can be done at a telephone set of the running server.
#[derive(Debug, Subcommand)]
pub(crate) enum PhoneVerb {
    /// List the phones
    List,
    /// Show all about one
    Show { phone: String },
    /// Print what happens at one until interrupted
    Watch { phone: String },
    /// Label a button
    Button { phone: String, button: u16, label: String },
    /// Write to the display
    Display {
        phone: String,
        text: String,
        #[arg(long, default_value = "0")]
        row: u16,
        #[arg(long, default_value = "0")]
        column: u16,
    },
    /// Ask for something of the vendor's own
    Extension { phone: String, schema: String, data: String },
    /// Set the gain of a microphone, 0 to 65535
    Gain {
        phone: String,
        /// handset, headset, speakerphone
        #[arg(value_parser = word::<HookSwitch>)]
        part: HookSwitch,
        gain: u16,
    },
    /// Lift a part or lay it down
    Hook {
        phone: String,
        /// handset, headset, speakerphone
        #[arg(value_parser = word::<HookSwitch>)]
        part: HookSwitch,
        /// both, microphone, on_hook, speaker
        #[arg(value_parser = word::<HookMode>)]
        mode: HookMode,
    },
    /// Let a lamp shine
    Lamp {
        phone: String,
        button: u16,
        /// flash, flutter, off, steady, wink
        #[arg(value_parser = word::<LampMode>)]
        mode: LampMode,
    },
    /// Ring, or stop at volume 0
    Ring {
        phone: String,
        volume: u16,
        /// Which pattern
        #[arg(long, default_value = "0")]
        mode: u16,
    },
    /// Set the volume of a loudspeaker, 0 to 65535
    Volume {
        phone: String,
        /// handset, headset, speakerphone
        #[arg(value_parser = word::<HookSwitch>)]
        part: HookSwitch,
        volume: u16,
    },
}

/// One of the words that the contract has for something; what it is not says which there are.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_contract() {
        assert_eq!(word::<Cause>("user_busy"), Ok(Cause::UserBusy));
        let wrong = word::<Treatment>("jazz").unwrap_err();
        assert!(wrong.contains("jazz") && wrong.contains("music"), "{wrong}");
    }
}
