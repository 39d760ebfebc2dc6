// SPDX-License-Identifier: MIT OR Apache-2.0
//! What bad networks do to a call, in virtual time: a matrix of loss, jitter and reordering, pinned as a table.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall end")]

mod disturbances;
mod virtual_call;

use std::fmt::Write;
use std::time::Duration;

use offhook_media::engine::Weather;
use offhook_media::rtp::Random;
use virtual_call::{Call, millis};

/// Fair weather before the storm.
const BEFORE: Duration = Duration::from_secs(2);
/// The storm.
const STORM: Duration = Duration::from_secs(30);
/// Fair weather after it.
const AFTER: Duration = Duration::from_secs(20);
/// Within so long after the storm the delay is back.
const BACK: Duration = Duration::from_secs(15);
/// The delay counts as back near its least: 20 ms, a packet, and the slack of corrections.
const NEAR: Duration = Duration::from_millis(55);
/// Mean length of a burst, in packets.
const BURST: f64 = 4.0;

/// One weather of the matrix.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// In per cent.
    loss: u32,
    jitter: u64,
    /// Every tenth packet is held back.
    is_reordered: bool,
    /// Losses come in bursts.
    is_bursty: bool,
}

impl Cell {
    fn weather(&self) -> Weather {
        Weather {
            jitter: millis(self.jitter),
            loss: if self.is_bursty { 0.0 } else { f64::from(self.loss) / 100.0 },
            reordering: if self.is_reordered { 0.1 } else { 0.0 },
            ..fair()
        }
    }

    fn seed(&self) -> u64 {
        u64::from(self.loss) << 32
            | self.jitter << 8
            | u64::from(self.is_reordered) << 1
            | u64::from(self.is_bursty)
    }

    /// A line of the table.
    fn run(&self) -> String {
        let mut call = Call::new(self.seed());
        call.set_weather([fair(); 2]);
        call.run(BEFORE);
        let before = call.statistics();
        let mut delays = self.storm(&mut call);
        let storm = call.statistics();
        call.set_weather([fair(); 2]);
        let heard = call.heard_frames();
        let back = self.clear_up(&mut call);
        for (leg, from) in heard.into_iter().enumerate() {
            let frames = call.heard(leg);
            let after = &frames[from..];
            let first =
                after.iter().position(|frame| frame.is_tone).map_or(Duration::MAX, |n| millis(n as u64 * 20));
            assert!(first <= millis(1_000), "{self:?}: silent for {first:?} after the storm");
            let silent = after[50..].iter().filter(|frame| frame.power < 2_000.0).count();
            assert_eq!(silent, 0, "{self:?}: silence a second after the storm");
        }
        delays.sort_unstable();
        let mean = delays.iter().sum::<Duration>() / delays.len().max(1) as u32;
        let high = delays[delays.len() * 95 / 100];
        let concealed = [0, 1].map(|leg| {
            let concealed = storm[leg].concealed - before[leg].concealed;
            let played = storm[leg].played - before[leg].played;
            concealed as f64 * 100.0 / (concealed + played) as f64
        });
        // Beyond what is lost, a few packets in a hundred may come too late; more only where half of them overtake.
        for share in concealed {
            assert!(share <= f64::from(self.loss) * 1.3 + 5.0, "{self:?}: {share} % concealed");
        }
        let mos = [0, 1].map(|leg| storm[leg].mos.unwrap());
        format!(
            "{:>4} {:>6} {:>7} {:>6} | {:>5.1} {:>5.1} | {:>4} {:>4} | {:>4.2} {:>4.2} | {:>5.1}",
            self.loss,
            self.jitter,
            if self.is_reordered { "10" } else { "-" },
            if self.is_bursty { "4" } else { "-" },
            concealed[0],
            concealed[1],
            mean.as_millis(),
            high.as_millis(),
            mos[0],
            mos[1],
            back.as_secs_f64(),
        )
    }

    /// Runs the storm; gives the delays of both buffers, tick by tick.
    fn storm(&self, call: &mut Call) -> Vec<Duration> {
        let mut random = Random::new(self.seed() ^ 0xb0b);
        let (mut delays, mut is_lost) = (Vec::new(), [false; 2]);
        call.set_weather([self.weather(); 2]);
        for _ in 0..STORM.as_millis() / 20 {
            if self.is_bursty {
                let loss = f64::from(self.loss) / 100.0;
                for lost in &mut is_lost {
                    let change = if *lost { 1.0 } else { loss / (1.0 - loss) } / BURST;
                    *lost ^= random.chance(change);
                }
                call.set_weather(
                    is_lost.map(|lost| Weather { loss: if lost { 1.0 } else { 0.0 }, ..self.weather() }),
                );
            }
            // Asking takes the fourth step of the tick.
            call.run(millis(15));
            for leg in call.statistics() {
                let Some(delay) = leg.buffer else { continue };
                // Storage for the longest delay, a burst and the packet that plays, and nothing more.
                assert!(delay <= millis(300), "{self:?}: {delay:?}");
                delays.push(delay);
            }
        }
        delays
    }

    /// Runs the fair weather after the storm; gives when both delays were near their least for good.
    fn clear_up(&self, call: &mut Call) -> Duration {
        let mut back = Duration::ZERO;
        for n in 1..=AFTER.as_millis() as u64 / 20 {
            call.run(millis(15));
            if call.statistics().iter().any(|leg| leg.buffer.is_none_or(|delay| delay > NEAR)) {
                back = millis(n * 20);
            }
        }
        assert!(back <= BACK, "{self:?}: the delay needs {back:?} to come back");
        back
    }
}

fn fair() -> Weather {
    Weather { delay: millis(20), ..Weather::default() }
}

fn table(cells: impl IntoIterator<Item = Cell>) -> String {
    let mut table = String::from(
        "loss jitter reorder  burst | concealed   | buffer    | MOS       | back\n   \
         %     ms       % packets |   %    %    | mean  p95 | a    b    |    s\n",
    );
    for cell in cells {
        writeln!(table, "{}", cell.run()).unwrap();
    }
    table
}

#[test]
fn loss_jitter_and_reordering_are_survived_and_forgotten() {
    let mut cells = Vec::new();
    for is_reordered in [false, true] {
        for jitter in [0, 20, 60, 120] {
            for loss in [0, 1, 5, 10, 20] {
                cells.push(Cell { loss, jitter, is_reordered, is_bursty: false });
            }
        }
    }
    insta::assert_snapshot!("single_losses", table(cells));
}

#[test]
fn bursts_of_loss_are_survived_and_forgotten() {
    let mut cells = Vec::new();
    for jitter in [0, 20, 60, 120] {
        for loss in [5, 10, 20] {
            cells.push(Cell { loss, jitter, is_reordered: false, is_bursty: true });
        }
    }
    insta::assert_snapshot!("bursts", table(cells));
}
