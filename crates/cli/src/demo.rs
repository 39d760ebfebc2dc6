// SPDX-License-Identifier: MIT OR Apache-2.0
//! `offhook demo`: two servers in this process call each other over real loopback sockets, and the
//! program listens whether it worked.

mod hearing;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use offhook::trace::{self, Arrows};
use offhook::{
    Builder, Call, CallState, Cause, Gather, Interest, Offhook, Recorded, RtpConfig, SessionStatistics,
    SipConfig, Tone, ToneDetector,
};
use offhook_media::file::{Encoding, FileError, SoundSpec, WavWriter};
use offhook_media::signal;
use offhook_spi::{ConnectedMode, Digit};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::args;
use crate::exit;
use crate::failure::Failure;
use crate::show::{Show, quality};
use hearing::{Heard, RATE};

/// The files of a demo.
struct Files {
    prompt: PathBuf,
    echo: PathBuf,
    trace: PathBuf,
}

/// What the call showed.
struct Shown {
    heard: Heard,
    recorded: Recorded,
    alice: SessionStatistics,
    bob: SessionStatistics,
}

/// Makes the call, judges it and says where everything lies.
pub(crate) async fn run(show: Show, args: &args::Demo, trace: Option<&Path>) -> Result<(), Failure> {
    let began = Instant::now();
    let files = Files::in_folder(args.keep.as_deref(), trace)?;
    let prompt = signal::prompt(RATE);
    write_prompt(&files.prompt, &prompt)
        .map_err(|error| failed(&format!("cannot write {}: {error}", files.prompt.display())))?;
    let (builder, arrows) = server("alice").trace(&files.trace).observe();
    let (alice, bob) = (builder.start().await?, server("bob").start().await?);
    let printer = print_ladder(show, arrows);
    let outcome = play_through(show, &alice, &bob, &files, &prompt).await;
    tokio::join!(alice.shutdown(), bob.shutdown());
    // The printer ends with the server that it watches.
    printer.await.ok();
    let shown = outcome.map_err(|failure| failure.with(&files))?;
    report(show, &shown, &files);
    replay(show, &files.trace)?;
    let violations = alice.violations().saturating_add(bob.violations());
    if violations > 0 {
        return Err(failed(&format!("providers broke their contract {violations} times")).with(&files));
    }
    let seconds = began.elapsed().as_secs_f64();
    show.event("done", &format!("The demo has succeeded in {seconds:.1} s."), json!({"seconds": seconds}));
    Ok(())
}

/// One call from the first ring to the end, as both sides see it.
async fn play_through(
    show: Show,
    alice: &Offhook,
    bob: &Offhook,
    files: &Files,
    prompt: &[i16],
) -> Result<Shown, Failure> {
    let from = alice.app("demo").await?.line("alice").await?;
    let to = bob.app("demo").await?.line("bob").await?;
    to.open(Interest::OWN_AUDIO).await?;
    let uri = bob.sip_uri("bob")?;
    step(show, &format!("alice calls {uri}"));
    let calling = from.call(uri).await?;
    let called = within("bob to be called", to.incoming()).await??;
    called.answer().await?;
    within("the call to be answered", async { tokio::try_join!(calling.connected(), called.connected()) })
        .await??;
    step(show, "bob has answered and echoes; alice plays the prompt and records what comes back");
    let recorded = echo(&calling, &called, files).await?;
    let (of_alice, of_bob) = (calling.statistics().await?, called.statistics().await?);
    let heard = hearing::judge_file(prompt, &files.echo).map_err(|detail| failed(&detail))?;
    step(show, &format!("alice heard {heard}"));
    digits(show, &calling, &called).await?;
    hold(show, &calling, &called).await?;
    step(show, "alice hangs up");
    calling.hang_up().await?;
    for (who, call) in [("alice", &calling), ("bob", &called)] {
        let cause = within("the call to end", call.ended()).await?;
        if cause != Cause::NormalClearing {
            return Err(failed(&format!("the call of {who} ended with {cause}, expected normal clearing")));
        }
    }
    Ok(Shown { heard, recorded, alice: of_alice, bob: of_bob })
}

/// Alice plays the prompt and records until the tone at its end has come back whole.
async fn echo(alice: &Call, bob: &Call, files: &Files) -> Result<Recorded, Failure> {
    let mirror = bob.echo().await?;
    let recording = alice.record(&files.echo).await?;
    let hertz = signal::REFERENCE.hertz();
    let tone = Tone { frequencies: vec![hertz], duration: Duration::from_millis(40), level: DETECTED };
    let mut ears = alice.detect_tones(vec![tone]).await?;
    let playback = alice.play(&files.prompt).await?;
    within("the prompt to be played", playback.finished()).await??;
    until_silent(&mut ears).await;
    let recorded = within("the recording to be stored", recording.stop()).await??;
    ears.remove().await?;
    mirror.remove().await?;
    Ok(recorded)
}

/// Waits until a tone was heard and has ended for good. What never comes is found missing in the recording.
async fn until_silent(ears: &mut ToneDetector) {
    let mut patience = PATIENCE_ECHO;
    while let Ok(Some(heard)) = timeout(patience, ears.next()).await {
        patience = if heard.on { PATIENCE_ECHO } else { PAUSE };
    }
}

/// Keys travel both ways.
async fn digits(show: Show, alice: &Call, bob: &Call) -> Result<(), Failure> {
    for (who, sender, whom, receiver, keys) in
        [("alice", alice, "bob", bob, "42#"), ("bob", bob, "alice", alice, "17#")]
    {
        step(show, &format!("{who} sends the digits {keys}"));
        let gather = Gather {
            max: 10,
            terminators: Digit::new('#').into_iter().collect(),
            first_timeout: Some(PATIENCE),
            inter_timeout: Some(PATIENCE),
        };
        let both = async { tokio::try_join!(receiver.gather(gather), sender.send_digits(keys)) };
        let (gathered, ()) = within("the digits to arrive", both).await??;
        let text = gathered.text();
        if text != keys {
            return Err(failed(&format!("{whom} heard the digits '{text}', expected '{keys}'")));
        }
        show.event("digits", &format!("   {whom} has heard {text}"), json!({"by": whom, "digits": text}));
    }
    Ok(())
}

/// Alice holds, Bob is told so; both talk again.
async fn hold(show: Show, alice: &Call, bob: &Call) -> Result<(), Failure> {
    const HELD: CallState = CallState::Connected { mode: ConnectedMode::ActiveHeld };
    step(show, "alice holds the call");
    alice.hold().await?;
    within("alice to hold", alice.reaches(|state| *state == CallState::OnHold)).await??;
    within("bob to be held", bob.reaches(|state| *state == HELD)).await??;
    show.event("held", "   bob sees that he is held", json!({"by": "bob"}));
    step(show, "alice takes the call back");
    alice.unhold().await?;
    for call in [alice, bob] {
        within("the call to go on", call.reaches(|state| *state == CallState::CONNECTED)).await??;
    }
    Ok(())
}

/// Says what was measured and where the files lie.
fn report(show: Show, shown: &Shown, files: &Files) {
    for (who, statistics) in [("alice", &shown.alice), ("bob", &shown.bob)] {
        let text = format!("\nquality as {who} measured it\n{}", quality(statistics).join("\n"));
        show.event("quality", &text, json!({"by": who, "statistics": statistics}));
    }
    let seconds = shown.recorded.duration.as_secs_f64();
    let text = format!(
        "\nprompt     {}\nrecording  {} ({seconds:.2} s)\n           {}\ntrace      {}",
        files.prompt.display(),
        shown.recorded.path,
        shown.heard,
        files.trace.display()
    );
    let (tone, sent) = (shown.heard.tone, shown.heard.sent);
    show.event("recorded", &text, json!({
        "prompt": files.prompt, "path": shown.recorded.path, "seconds": seconds, "trace": files.trace,
        "frequency_hz": tone.frequency_hz, "level_dbov": tone.level.dbov(), "longest_gap_ms": tone.longest_gap_ms,
        "sent_level_dbov": sent.level.dbov(),
    }));
}

/// Runs a new core over the trace of the call.
fn replay(show: Show, path: &Path) -> Result<(), Failure> {
    let replayed = trace::replay(path)?;
    if let Some(difference) = replayed.differences.first() {
        let line = difference.line;
        return Err(failed(&format!("the trace {} replays differently from line {line} on", path.display())));
    }
    let (inputs, outputs) = (replayed.inputs, replayed.outputs);
    let text =
        format!("           {inputs} inputs replayed, all {outputs} outputs are the same bit for bit\n");
    show.event("replayed", &text, json!({"inputs": inputs, "outputs": outputs, "identical": true}));
    Ok(())
}

impl Files {
    fn in_folder(keep: Option<&Path>, trace: Option<&Path>) -> Result<Self, Failure> {
        let temporary = || std::env::temp_dir().join(format!("offhook-demo-{}", std::process::id()));
        let folder = keep.map_or_else(temporary, Path::to_owned);
        std::fs::create_dir_all(&folder).map_err(|error| {
            let name = folder.display();
            Failure::usage(format!("cannot make the folder {name}: {error}; name another with --keep"))
        })?;
        let trace = trace.map_or_else(|| folder.join("demo.trace"), Path::to_owned);
        Ok(Self { prompt: folder.join("prompt.wav"), echo: folder.join("echo.wav"), trace })
    }
}

fn server(user: &str) -> Builder {
    // A machine that is busy building delivers packets late; a longer buffer hides that.
    let rtp = RtpConfig { jitter_min: 80, ..RtpConfig::default() };
    Offhook::builder().sip(SipConfig::direct(user)).rtp(rtp)
}

fn write_prompt(path: &Path, prompt: &[i16]) -> Result<(), FileError> {
    let file = std::fs::File::create(path)?;
    let mut writer = WavWriter::new(file, SoundSpec::mono(Encoding::PcmS16, RATE))?;
    writer.write(prompt)?;
    writer.finish().map(drop)
}

/// Prints the ladder of a server while it runs.
fn print_ladder(show: Show, mut arrows: Arrows) -> JoinHandle<()> {
    show.text(&trace::heads());
    tokio::spawn(async move {
        while let Some(arrow) = arrows.next().await {
            let name = |column| format!("{column:?}").to_lowercase();
            show.event("arrow", &trace::line(&arrow), json!({
                "at": arrow.at.to_string(), "from": name(arrow.from), "to": name(arrow.to), "label": arrow.label,
            }));
        }
        if arrows.lost() > 0 {
            show.text(&format!("({} arrows are missing here; the trace has them)", arrows.lost()));
        }
    })
}

fn step(show: Show, text: &str) {
    show.event("step", &format!("-- {text}"), json!({"text": text}));
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
    let late = || failed(&format!("waited {} s in vain for {what}", PATIENCE.as_secs()));
    timeout(PATIENCE, future).await.map_err(|_| late())
}

fn failed(detail: &str) -> Failure {
    Failure::new(exit::FAILED, format!("the demo failed: {detail}"))
}

impl Failure {
    /// Says where to look.
    fn with(self, files: &Files) -> Self {
        let (trace, echo) = (files.trace.display(), files.echo.display());
        let text = format!("{}; see `offhook trace ladder {trace}` and listen to {echo}", self.text);
        Self::new(self.code, text)
    }
}

/// How long any one thing may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of the echo may take after the end of the prompt.
const PATIENCE_ECHO: Duration = Duration::from_secs(2);
/// A tone that stays away so long has ended.
const PAUSE: Duration = Duration::from_millis(200);
/// A tone that is louder is heard, in dBov.
const DETECTED: f32 = -40.0;
