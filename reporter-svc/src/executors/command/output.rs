//! What a command says, read to the end and kept in part: a command that talks without end neither blocks
//! nor fills the memory.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};

use super::report::{Ending, Report};

/// How much is kept: the last 64 KiB of stdout and stderr together, as they are read; between the two pipes
/// the order is only nearly that of the writing.
const KEPT: usize = 64 * 1024;

pub(super) struct Output {
    stdout: Pipe<ChildStdout>,
    stderr: Pipe<ChildStderr>,
    all: Tail,
    stdout_only: Tail,
}

impl Output {
    pub(super) fn new(stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> Self {
        let (stdout, stderr) = (Pipe::new(stdout), Pipe::new(stderr));
        Self { stdout, stderr, all: Tail::default(), stdout_only: Tail::default() }
    }

    /// Reads until both pipes are closed. Cancel safe.
    pub(super) async fn read_to_end(&mut self) {
        while self.is_open() {
            tokio::select! {
                bytes = self.stdout.read(), if self.stdout.is_open() => {
                    self.all.push(bytes);
                    self.stdout_only.push(bytes);
                }
                bytes = self.stderr.read(), if self.stderr.is_open() => self.all.push(bytes),
            }
        }
    }

    /// Goes on reading until `until` is there.
    pub(super) async fn read_while<T>(&mut self, until: impl Future<Output = T>) -> T {
        tokio::pin!(until);
        loop {
            tokio::select! {
                there = &mut until => return there,
                () = self.read_to_end(), if self.is_open() => {}
            }
        }
    }

    pub(super) fn into_report(self, ending: Ending, took: Duration) -> Report {
        Report {
            ending,
            output: self.all.text(),
            stdout: self.stdout_only.text(),
            dropped_bytes: self.all.dropped,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn is_open(&self) -> bool {
        self.stdout.is_open() || self.stderr.is_open()
    }
}

struct Pipe<R> {
    /// `None` at its end.
    open: Option<R>,
    buffer: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(open: Option<R>) -> Self {
        Self { open, buffer: vec![0; 8192].into() }
    }

    fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Reads once; at the end (or an error, which is one) the pipe is closed.
    async fn read(&mut self) -> &[u8] {
        let Some(open) = &mut self.open else { return &[] };
        let read = open.read(&mut self.buffer).await.unwrap_or(0);
        if read == 0 {
            self.open = None;
        }
        &self.buffer[..read]
    }
}

#[derive(Default)]
struct Tail {
    kept: VecDeque<u8>,
    dropped: u64,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        let over = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..over);
        self.dropped += over as u64;
    }

    /// As text; what is no UTF-8, and NUL, which a database text cannot hold, is replaced.
    fn text(&self) -> String {
        let bytes: Vec<u8> = self.kept.iter().copied().collect();
        // A cut may have split a character: its rest goes.
        let start = if self.dropped == 0 {
            0
        } else {
            bytes.iter().take(3).take_while(|b| **b & 0xC0 == 0x80).count()
        };
        String::from_utf8_lossy(&bytes[start..]).replace('\0', "\u{FFFD}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_last_bytes_and_counts_the_rest() {
        let mut tail = Tail::default();
        tail.push(&vec![b'a'; KEPT]);
        tail.push(b"the end");
        let text = tail.text();
        assert_eq!(text.len(), KEPT);
        assert!(text.ends_with("the end"));
        assert_eq!(tail.dropped, 7);
    }

    #[test]
    fn a_text_is_whole_characters_without_nul() {
        let mut tail = Tail::default();
        tail.push("日".repeat(KEPT).as_bytes());
        assert!(tail.text().chars().all(|c| c == '日'));
        let mut tail = Tail::default();
        tail.push(b"a\0b\xFFc");
        assert_eq!(tail.text(), "a\u{FFFD}b\u{FFFD}c");
    }
}
