// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ladder as it happens: arrows for a reader in this process, while the server never waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use offhook_core::ladder::Arrow;
use offhook_core::{Input, Output};
use offhook_spi::Moment;
use tokio::sync::mpsc;

/// The arrows of a server's ladder as they happen; [`Builder::observe`](crate::Builder::observe) makes it.
#[derive(Debug)]
pub struct Arrows {
    arrows: mpsc::Receiver<Arrow>,
    lost: Arc<AtomicU64>,
}

impl Arrows {
    /// Waits for the next arrow; `None` once the server has ended and all arrows were taken.
    ///
    /// Cancel safe: no arrow is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Arrow> {
        self.arrows.recv().await
    }

    /// How many arrows were left out because they were not taken in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The server's end.
#[derive(Debug)]
pub(crate) struct Observer {
    arrows: mpsc::Sender<Arrow>,
    lost: Arc<AtomicU64>,
}

impl Observer {
    pub(crate) fn new() -> (Self, Arrows) {
        let (arrows, out) = mpsc::channel(ROOM);
        let lost = Arc::<AtomicU64>::default();
        (Self { arrows, lost: Arc::clone(&lost) }, Arrows { arrows: out, lost })
    }

    pub(crate) fn input(&self, now: Moment, input: &Input) {
        self.send(Arrow::of_input(now, input));
    }

    pub(crate) fn output(&self, now: Moment, output: &Output) {
        self.send(Arrow::of_output(now, output));
    }

    fn send(&self, arrow: Option<Arrow>) {
        if let Some(arrow) = arrow
            && self.arrows.try_send(arrow).is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Arrows that wait for their reader.
const ROOM: usize = 1_024;

#[cfg(test)]
mod tests {
    use offhook_core::{AppId, Ask, AskId, LineId};
    use offhook_spi::Address;

    use super::*;

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_the_rest_comes_in_order() {
        let (observer, mut arrows) = Observer::new();
        for id in 0..=ROOM {
            let (line, to) = (LineId::default(), Address::new("sim:echo"));
            let ask = Ask::MakeCall { line, to, params: Box::default() };
            let ask = Input::Ask { app: AppId(1), id: AskId(id as u64), ask };
            observer.input(Moment::from_millis(id as u64), &ask);
        }
        drop(observer);
        let mut seen = 0;
        while let Some(arrow) = arrows.next().await {
            assert_eq!((arrow.at, arrow.label.as_str()), (Moment::from_millis(seen), "make call"));
            seen += 1;
        }
        assert_eq!((seen, arrows.lost()), (ROOM as u64, 1));
    }
}
