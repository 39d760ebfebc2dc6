// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real telephone programs as peers of tests. Each runs on the loopback interface, in a folder of its
//! own, and ends with the test.

#![expect(dead_code, unreachable_pub, reason = "each test program uses a part of the peers")]

pub mod baresip;
pub mod kamailio;
pub mod ours;
pub mod sipp;

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// How long anything may take before a test fails: far longer than it does.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a program is there. Says so in one visible line when it is not, and fails where CI has
/// promised that it is.
pub fn have(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    told(found, &format!("the peer {program}"))
}

/// The same for a part of a peer, by its file.
pub fn have_file(path: &str) -> bool {
    told(Path::new(path).is_file(), path)
}

fn told(found: bool, what: &str) -> bool {
    assert!(
        found || std::env::var_os("OFFHOOK_REQUIRE_PEERS").is_none(),
        "{what} is required and not installed"
    );
    if !found {
        // Straight to the terminal: the test runner keeps what passing tests print.
        use std::io::Write as _;
        let mut terminal: Box<dyn std::io::Write> =
            match std::fs::File::options().write(true).open("/dev/tty") {
                Ok(file) => Box::new(file),
                Err(_) => Box::new(std::io::stderr()),
            };
        let _ = writeln!(terminal, "NOT TESTED: {what} is not installed, a test that needs it did nothing");
    }
    found
}

/// A fresh folder for one peer or one test.
pub fn folder(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A port that is free for UDP and TCP, with the `span - 1` after it, and is not handed out twice.
pub fn free_port(span: u16) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = 20_000 + std::process::id() % 200 * 100;
    loop {
        let step = NEXT.fetch_add(u32::from(span), Ordering::Relaxed);
        let port = u16::try_from(10_000 + (base - 10_000 + step) % 22_000).unwrap();
        let free = |port: u16| {
            UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
                && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        };
        if (port..port + span).all(free) {
            return port;
        }
    }
}

/// A running program that is ended with the test.
pub struct Running {
    child: Child,
    name: String,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// Starts a program and reads what it prints, line by line.
    pub fn start(name: &str, command: &mut Command) -> Self {
        // A group of its own: some programs leave children behind.
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let (sender, lines) = mpsc::channel();
        read_lines(child.stdout.take().unwrap(), sender.clone());
        read_lines(child.stderr.take().unwrap(), sender);
        Self { child, name: name.to_owned(), lines }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the program prints a line with this text.
    pub fn wait_for(&self, text: &str) {
        let mut seen = String::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if line.contains(text) {
                return;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        panic!("{} never said '{text}', it said:\n{seen}", self.name);
    }

    /// Waits until the program ends by itself; gives what it printed.
    pub fn finish(mut self) -> (bool, String) {
        let mut printed = String::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE * 4) {
            printed.push_str(&line);
            printed.push('\n');
        }
        let status = self.child.wait().unwrap();
        (status.success(), printed)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(from: impl Read + Send + 'static, to: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            if to.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
}
