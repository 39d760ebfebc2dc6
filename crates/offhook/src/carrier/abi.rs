// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C side of a provider in a shared library: `include/offhook_provider.h` in Rust, and the one place that crosses
//! it. What is outside this file sees frames on channels.
//!
//! Each provider has a thread of its own, which calls the library; the library may say something from any thread.
#![expect(unsafe_code, reason = "a C library is loaded and called here, and nowhere else")]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{mem, ptr, slice, thread};

use libloading::{Library, Symbol};
use offhook_spi::VersionRange;
use offhook_spi::frame::LONGEST_FRAME;
use tokio::sync::{mpsc, oneshot};

/// A provider in a library that is being opened, or runs.
#[derive(Debug)]
pub(super) struct Running {
    /// What it says; ends with it.
    pub(super) said: mpsc::Receiver<Vec<u8>>,
    /// What it is told; it is closed when this is dropped.
    pub(super) told: mpsc::Sender<Vec<u8>>,
    /// Says when it is open; closed when it cannot be opened.
    pub(super) opened: oneshot::Receiver<()>,
    /// How it ended; nothing while it runs.
    pub(super) ended: oneshot::Receiver<Result<(), String>>,
}

/// Loads a library and opens a provider in it, all on a thread of its own.
///
/// # Errors
/// When there is no thread.
pub(super) fn start(path: &Path) -> std::io::Result<Running> {
    let (voice, said) = mpsc::channel(CAPACITY);
    let (told, orders) = mpsc::channel(CAPACITY);
    let ((open, opened), (outcome, ended)) = (oneshot::channel(), oneshot::channel());
    let path = PathBuf::from(path);
    thread::Builder::new().name("offhook-library".to_owned()).spawn(move || {
        // A library whose threads outlive its close still finds the context, which says that nobody listens.
        let context: &'static Context = Box::leak(Box::new(Context { voice: Mutex::new(Some(voice)) }));
        let result = serve(&path, context, open, orders);
        outcome.send(result).ok();
        context.shut();
    })?;
    Ok(Running { said, told, opened, ended })
}

/// Opens the provider, delivers until there are no more orders, closes it.
fn serve(
    path: &Path,
    context: &'static Context,
    opened: oneshot::Sender<()>,
    mut orders: mpsc::Receiver<Vec<u8>>,
) -> Result<(), String> {
    let open = load(path)?;
    let spi = VersionRange::CURRENT;
    let host = Host {
        size: size_of::<Host>(),
        spi_min: spi.min.0,
        spi_max: spi.max.0,
        context: ptr::from_ref(context).cast_mut().cast(),
        emit,
    };
    let mut provider = Provider {
        size: size_of::<Provider>(),
        spi: 0,
        instance: ptr::null_mut(),
        deliver: None,
        close: None,
    };
    // SAFETY: the symbol has this signature by the header; both structures live until after `close`, begin with
    // their sizes, and are laid out as the header says.
    let code = unsafe { open(&raw const host, &raw mut provider) };
    if code != 0 {
        return Err(format!("refuses to open, with code {code}"));
    }
    let Provider { size, spi, instance, deliver: Some(deliver), close: Some(close) } = provider else {
        return Err("gives no functions: expected deliver and close".to_owned());
    };
    if size < size_of::<Provider>() {
        return Err(format!("gives a structure of {size} bytes: expected {}", size_of::<Provider>()));
    }
    let (min, max) = (host.spi_min, host.spi_max);
    let mut result = if (min..=max).contains(&spi) {
        opened.send(()).ok();
        Ok(())
    } else {
        Err(format!("speaks version {spi} of the contract: expected {min} to {max}"))
    };
    while result.is_ok() {
        let Some(order) = orders.blocking_recv() else { break };
        // SAFETY: `deliver` and `instance` come from a successful open and were not closed; the bytes live until it
        // returns, and their length is theirs.
        let code = unsafe { deliver(instance, order.as_ptr(), order.len()) };
        if code != 0 {
            result = Err(format!("cannot take a message, with code {code}"));
        }
    }
    // SAFETY: once, after the last delivery, on the thread that opened it.
    unsafe { close(instance) };
    result
}

fn load(path: &Path) -> Result<Open, String> {
    // SAFETY: loading runs the library's initialisers; that it may be trusted is what the operator said by naming it.
    let library = unsafe { Library::new(path) };
    let library = library.map_err(|error| format!("cannot be loaded: {error}"))?;
    // Never unloaded: threads that it started may still run its code.
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: the header gives the one symbol this signature.
    let open: Result<Symbol<'_, Open>, _> = unsafe { library.get(SYMBOL) };
    match open {
        Ok(open) => Ok(*open),
        Err(_) => Err("is no provider: it does not export offhook_provider_open".to_owned()),
    }
}

/// What `emit` gets back: where messages go, until the provider has ended.
#[derive(Debug)]
struct Context {
    voice: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
}

impl Context {
    fn shut(&self) {
        self.voice.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn say(&self, frame: Vec<u8>) -> i32 {
        // Cloned, so that waiting for room does not keep other threads from being told that it is over.
        let voice = self.voice.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match voice {
            Some(voice) if voice.blocking_send(frame).is_ok() => EMITTED,
            _ => CLOSED,
        }
    }
}

/// `offhook_host.emit`.
extern "C" fn emit(context: *mut c_void, message: *const u8, length: usize) -> i32 {
    if context.is_null() || message.is_null() || length > LONGEST_FRAME {
        return REFUSED;
    }
    // SAFETY: the context is the leaked one that `offhook_host.ctx` carries.
    let context = unsafe { &*context.cast::<Context>().cast_const() };
    // SAFETY: the header asks for `length` readable bytes at `message`; they are copied before this returns.
    let frame = unsafe { slice::from_raw_parts(message, length) }.to_vec();
    // Nothing may unwind into C.
    catch_unwind(AssertUnwindSafe(|| context.say(frame))).unwrap_or(CLOSED)
}

/// `offhook_host`.
#[repr(C)]
struct Host {
    size: u32,
    spi_min: u16,
    spi_max: u16,
    context: *mut c_void,
    emit: extern "C" fn(*mut c_void, *const u8, usize) -> i32,
}

/// `offhook_provider`.
#[repr(C)]
struct Provider {
    size: u32,
    spi: u16,
    instance: *mut c_void,
    deliver: Option<unsafe extern "C" fn(*mut c_void, *const u8, usize) -> i32>,
    close: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// `offhook_provider_open`.
type Open = unsafe extern "C" fn(*const Host, *mut Provider) -> i32;

/// Its name in the library.
const SYMBOL: &[u8] = b"offhook_provider_open\0";

/// The size of a structure as both sides write it.
#[expect(clippy::cast_possible_truncation, reason = "some tens of bytes")]
const fn size_of<T>() -> u32 {
    mem::size_of::<T>() as u32
}

/// `OFFHOOK_EMITTED`.
const EMITTED: i32 = 0;
/// `OFFHOOK_CLOSED`.
const CLOSED: i32 = -1;
/// `OFFHOOK_REFUSED`.
const REFUSED: i32 = -2;
/// Messages that wait in each direction.
const CAPACITY: usize = 256;
