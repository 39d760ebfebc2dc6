// SPDX-License-Identifier: MIT OR Apache-2.0
//! Application terminals: where a program and the provider meet to hand each other sound.
//!
//! The program opens a port, gives its number in
//! [`Terminal::Application`](offhook_spi::Terminal::Application), and reads and writes samples. The same number
//! may be selected on the incoming and on the outgoing stream, once on each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use offhook_media::ring::{self, Mark, RingControl, RingReader, RingWriter};
use offhook_media::{Format, FrameInfo, SampleRate};

/// The ports of a process, shared between a program and the provider; clones are the same ports.
///
/// ```
/// use offhook_media::SampleRate;
/// use offhook_rtp::Ports;
///
/// let ports = Ports::new();
/// let (number, mut audio) = ports.open(SampleRate::HZ_16000);
/// assert_eq!(audio.to_call.write(&[0; 320]), 320);
/// println!("select Terminal::Application {{ port: {number} }}");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Ports(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    open: HashMap<u64, Halves>,
}

/// The provider's ends of a port, until they are taken.
#[derive(Debug, Default)]
struct Halves {
    from_program: Option<RingReader>,
    to_program: Option<RingWriter>,
}

/// The program's ends of a port. Dropping one ends its direction.
#[derive(Debug)]
pub struct AppAudio {
    /// Sound from the far end.
    pub from_call: FromCall,
    /// Sound to the far end.
    pub to_call: ToCall,
}

/// Sound from a call to a program. What is not read within half a second is lost.
#[derive(Debug)]
pub struct FromCall {
    ring: RingReader,
    _seat: Seat,
}

/// Sound from a program to a call. While nothing is written, the call hears silence.
#[derive(Debug)]
pub struct ToCall {
    ring: RingWriter,
    control: RingControl,
    _seat: Seat,
}

/// Keeps a half that nobody took from lying in the table for ever.
#[derive(Debug)]
struct Seat {
    ports: Ports,
    port: u64,
    half: Half,
}

#[derive(Clone, Copy, Debug)]
enum Half {
    FromProgram,
    ToProgram,
}

impl Ports {
    /// No ports yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a port for mono sound at `rate`: its number and the program's ends.
    #[must_use]
    pub fn open(&self, rate: SampleRate) -> (u64, AppAudio) {
        let format = Format::mono(rate, FRAME);
        let (to_call, from_program) = ring::channel(format, LENGTH);
        let (to_program, from_call) = ring::channel(format, LENGTH);
        let mut table = self.lock();
        table.last += 1;
        let port = table.last;
        let halves = Halves { from_program: Some(from_program), to_program: Some(to_program) };
        table.open.insert(port, halves);
        drop(table);
        let seat = |half| Seat { ports: self.clone(), port, half };
        let audio = AppAudio {
            from_call: FromCall { ring: from_call, _seat: seat(Half::ToProgram) },
            to_call: ToCall { control: to_call.control(), ring: to_call, _seat: seat(Half::FromProgram) },
        };
        (port, audio)
    }

    /// Takes the end from which the call hears the program.
    pub(crate) fn take_source(&self, port: u64) -> Option<RingReader> {
        let mut table = self.lock();
        let taken = table.open.get_mut(&port)?.from_program.take();
        table.tidy(port);
        taken
    }

    /// Takes the end into which the call speaks to the program.
    pub(crate) fn take_sink(&self, port: u64) -> Option<RingWriter> {
        let mut table = self.lock();
        let taken = table.open.get_mut(&port)?.to_program.take();
        table.tidy(port);
        taken
    }

    /// Held for a look at the table only, by a program that opens or closes or by the provider that takes.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn tidy(&mut self, port: u64) {
        if self.open.get(&port).is_some_and(|h| h.from_program.is_none() && h.to_program.is_none()) {
            self.open.remove(&port);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        match self.half {
            Half::FromProgram => drop(self.ports.take_source(self.port)),
            Half::ToProgram => drop(self.ports.take_sink(self.port)),
        }
    }
}

impl FromCall {
    /// Reads what is there, up to `out.len()` samples, and returns how many.
    pub fn read(&mut self, out: &mut [i16]) -> usize {
        self.ring.read(out, &mut FrameInfo::default())
    }

    /// Waits until `out` is full or the sound is over, and returns how many samples there are.
    ///
    /// When the future is dropped, what it has read is lost.
    pub async fn read_whole(&mut self, out: &mut [i16]) -> usize {
        let mut filled = 0;
        while filled < out.len() {
            let count = self.read(&mut out[filled..]);
            filled += count;
            if count == 0 {
                if self.is_over() {
                    break;
                }
                tokio::time::sleep(WAIT).await;
            }
        }
        filled
    }

    /// Whether the terminal was taken off, or the call ended, and everything was read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ring.is_over()
    }
}

impl ToCall {
    /// Writes as much of `samples` as there is room for, returns how much that was.
    pub fn write(&mut self, samples: &[i16]) -> usize {
        self.ring.write(samples)
    }

    /// Writes all of `samples`, waiting for room; false when nobody will hear them any more.
    ///
    /// When the future is dropped, a part of them may have been written.
    pub async fn write_whole(&mut self, samples: &[i16]) -> bool {
        let mut rest = samples;
        while !rest.is_empty() {
            if self.is_closed() {
                return false;
            }
            let count = self.write(rest);
            rest = &rest[count..];
            if count == 0 {
                tokio::time::sleep(WAIT).await;
            }
        }
        true
    }

    /// How many samples there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.ring.room()
    }

    /// Throws away what was written and not heard yet.
    pub fn flush(&self) {
        self.control.flush();
    }

    /// The place after what was written last.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        self.ring.mark()
    }

    /// Whether everything before `mark` was heard or thrown away.
    #[must_use]
    pub fn has_passed(&self, mark: Mark) -> bool {
        self.control.has_passed(mark)
    }

    /// How many samples were sent to the far end so far; what was thrown away does not count.
    #[must_use]
    pub fn heard_up_to(&self) -> u64 {
        self.control.progress().heard()
    }

    /// Whether nobody will hear what is written: the terminal was taken off or the call ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// How much sound waits in a direction at most.
const LENGTH: Duration = Duration::from_millis(500);
/// The usual piece of sound.
const FRAME: Duration = Duration::from_millis(20);
/// Between two looks at a ring that is full or empty.
const WAIT: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use offhook_media::Source;

    use super::*;

    #[test]
    fn each_half_is_taken_once() {
        let ports = Ports::new();
        let (port, _audio) = ports.open(SampleRate::HZ_8000);
        assert!(ports.take_source(port).is_some());
        assert!(ports.take_source(port).is_none());
        assert!(ports.take_sink(port).is_some());
        assert!(ports.lock().open.is_empty());
    }

    #[test]
    fn a_port_that_nobody_took_goes_with_the_program() {
        let ports = Ports::new();
        let (port, audio) = ports.open(SampleRate::HZ_8000);
        drop(audio);
        assert!(ports.take_sink(port).is_none());
        assert!(ports.lock().open.is_empty());
    }

    #[test]
    fn a_full_ring_takes_no_more_until_it_was_heard_or_flushed() {
        let ports = Ports::new();
        let (port, mut audio) = ports.open(SampleRate::HZ_8000);
        let mut source = ports.take_source(port).unwrap();
        let room = audio.to_call.room();
        assert_eq!(audio.to_call.write(&vec![1; room + 100]), room);
        let mark = audio.to_call.mark();
        let mut frame = [0; 160];
        let _ = source.pull(&mut frame, &mut FrameInfo::default());
        assert_eq!((audio.to_call.heard_up_to(), audio.to_call.room()), (160, 160));
        assert!(!audio.to_call.has_passed(mark));
        audio.to_call.flush();
        let _ = source.pull(&mut frame, &mut FrameInfo::default());
        assert!(audio.to_call.has_passed(mark));
        assert_eq!(audio.to_call.heard_up_to(), 160, "what was thrown away was not heard");
        drop(source);
        assert!(audio.to_call.is_closed());
    }
}
