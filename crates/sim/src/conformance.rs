// SPDX-License-Identifier: MIT OR Apache-2.0
//! The conformance suite: the same questions to every provider.
//!
//! A provider's author offers a [`Rig`]: the provider itself, and a far end that can be told what to
//! do. Tests are chosen by what the line declares; what it does not declare is tested to be refused.
//! [`run`] asks everything and gives a [`Report`] that can be printed and published.

mod bench;
mod cases;
mod rigs;
mod strain;

use std::fmt;
use std::future::Future;

use offhook_spi::{Address, DynMsp, DynTsp, Op, ProviderError};

pub use bench::{Bench, Failure};
pub use rigs::{NullRig, NullTsp, SimRig};

/// What a far end does when it is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Behaviour {
    /// Rings and answers, then stays.
    Answers,
    /// Is busy.
    Busy,
    /// Answers and hangs up soon.
    HangsUp,
    /// Rings and never answers.
    NeverAnswers,
    /// Declines.
    Rejects,
    /// There is no such number.
    WrongNumber,
}

/// What a far end does on its own account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FarAct {
    /// Calls the line under test and waits for an answer.
    Call,
    /// Calls the line under test and gives up after a while.
    CallAndGiveUp,
    /// Hangs up the call that [`FarAct::Call`] made.
    HangUp,
    /// Pulls the line under test out and puts it back.
    Replug,
}

/// The schema by which a provider that is tested from outside offers far ends of its own: it dials `rig:answers`,
/// `rig:busy` and so on (the words of [`Behaviour`]), and plays what [`LineOp::Extension`](offhook_spi::LineOp) asks with
/// the word of a [`FarAct`] as data.
pub const RIG: &str = "offhook.rig";

impl Behaviour {
    /// Its word in [`RIG`].
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Busy => "busy",
            Self::HangsUp => "hangs_up",
            Self::NeverAnswers => "never_answers",
            Self::Rejects => "rejects",
            Self::WrongNumber => "wrong_number",
        }
    }
}

impl FarAct {
    /// Its word in [`RIG`].
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::CallAndGiveUp => "call_and_give_up",
            Self::HangUp => "hang_up",
            Self::Replug => "replug",
        }
    }
}

/// A provider under test with a far end that can be told what to do. Only the provider itself is needed: without
/// far ends the tests that need one are not tried.
pub trait Rig: Send {
    /// Makes the TSP, fresh for each test.
    fn tsp(&mut self) -> impl Future<Output = Result<Box<dyn DynTsp>, ProviderError>> + Send;

    /// Makes the paired MSP, fresh for each test; `None` tests call control alone.
    fn msp(&mut self) -> impl Future<Output = Result<Option<Box<dyn DynMsp>>, ProviderError>> + Send {
        async { Ok(None) }
    }

    /// The address of a far end that behaves so; `None` when the rig has none.
    fn address(&self, _behaviour: Behaviour) -> Option<Address> {
        None
    }

    /// Lets the far end act on the line under test, which has this address; false when the rig cannot.
    fn act(&mut self, _act: FarAct, _line: &Address) -> impl Future<Output = bool> + Send {
        async { false }
    }
}

/// How one test went.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// The provider broke the contract.
    Failed(String),
    /// The rig cannot play the far end that the test needs.
    NotTried,
    /// The provider does what it declares.
    Passed,
    /// The line does not declare the operation, and the provider refuses it.
    RefusedAsDeclared,
}

/// How all tests went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name and verdict of each test, in order.
    pub tests: Vec<(String, Verdict)>,
}

impl Report {
    /// Whether no test failed, and at least one passed or was refused as declared.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let failed = |(_, verdict): &(String, Verdict)| matches!(verdict, Verdict::Failed(_));
        let kept = [Verdict::Passed, Verdict::RefusedAsDeclared];
        let passed = |(_, verdict): &(String, Verdict)| kept.contains(verdict);
        self.tests.iter().any(passed) && !self.tests.iter().any(failed)
    }

    fn count(&self, matches: impl Fn(&Verdict) -> bool) -> usize {
        self.tests.iter().filter(|(_, verdict)| matches(verdict)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, verdict) in &self.tests {
            let words = match verdict {
                Verdict::Failed(why) => format!("FAILED: {why}"),
                Verdict::NotTried => "not tried: the rig has no such far end".to_owned(),
                Verdict::Passed => "passed".to_owned(),
                Verdict::RefusedAsDeclared => "refused as declared".to_owned(),
            };
            writeln!(f, "{name:<52} {words}")?;
        }
        write!(
            f,
            "{} passed, {} refused as declared, {} not tried, {} failed",
            self.count(|v| *v == Verdict::Passed),
            self.count(|v| *v == Verdict::RefusedAsDeclared),
            self.count(|v| *v == Verdict::NotTried),
            self.count(|v| matches!(v, Verdict::Failed(_))),
        )
    }
}

/// Asks a provider everything.
pub async fn run(rig: &mut impl Rig) -> Report {
    let mut report = Report::default();
    for op in cases::SAMPLED {
        let verdict = undeclared(rig, *op).await;
        report.tests.push((format!("undeclared {op} is refused"), verdict));
    }
    for case in cases::Case::ALL {
        let verdict = one(rig, *case).await;
        report.tests.push((case.name().to_owned(), verdict));
    }
    report
}

async fn one(rig: &mut impl Rig, case: cases::Case) -> Verdict {
    let mut bench = match Bench::start(rig).await {
        Ok(bench) => bench,
        Err(failure) => return Verdict::Failed(failure.to_string()),
    };
    if case.requires().iter().any(|op| !bench.declares(*op)) {
        return Verdict::RefusedAsDeclared;
    }
    let verdict = match cases::ask(case, rig, &mut bench).await {
        Ok(verdict) => verdict,
        Err(failure) => return Verdict::Failed(failure.to_string()),
    };
    match bench.finish().await {
        Ok(()) => verdict,
        Err(failure) => Verdict::Failed(failure.to_string()),
    }
}

/// An operation that the line does not declare must be refused by the provider too, should a core ever
/// ask; one that it declares is the business of the other tests.
async fn undeclared(rig: &mut impl Rig, op: Op) -> Verdict {
    let mut bench = match Bench::start(rig).await {
        Ok(bench) => bench,
        Err(failure) => return Verdict::Failed(failure.to_string()),
    };
    if bench.declares(op) {
        return Verdict::Passed;
    }
    match cases::refuses(op, rig, &mut bench).await {
        Ok(verdict) => verdict,
        Err(failure) => Verdict::Failed(failure.to_string()),
    }
}
