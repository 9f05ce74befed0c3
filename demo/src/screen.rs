//! The demo's live timeline: one line an event, with the seconds since the beginning and who speaks.
//!
//! Colour only on a terminal and without `NO_COLOR`; the words alone tell everything.

use std::io::{IsTerminal, Write};
use std::time::Instant;

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
    Heading,
}

/// Where the timeline is written.
#[derive(Debug)]
pub(super) struct Screen {
    began: Instant,
    colour: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        let colour = std::io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { began: Instant::now(), colour }
    }

    /// One event.
    pub(super) fn line(&self, tone: Tone, who: &str, text: &str) {
        let at = format!("{:6.1}s", self.began.elapsed().as_secs_f64());
        for (number, part) in text.lines().enumerate() {
            let (at, who) = if number == 0 { (at.as_str(), who) } else { ("", "") };
            self.print(&paint(self.colour, tone, at, who, part));
        }
    }

    /// A heading with an empty line before it.
    pub(super) fn heading(&self, text: &str) {
        self.print("");
        self.print(&coloured(self.colour, Tone::Heading, text));
    }

    /// A line without a time.
    pub(super) fn text(&self, text: &str) {
        self.print(text);
    }

    /// A reader that went away does not stop the demo.
    fn print(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

fn paint(colour: bool, tone: Tone, at: &str, who: &str, text: &str) -> String {
    format!("{at:>7}  {who:<10} {}", coloured(colour, tone, text))
}

fn coloured(colour: bool, tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Plain => "",
        Tone::Good => "32",
        Tone::Warning => "33",
        Tone::Bad => "31",
        Tone::Heading => "1",
    };
    if colour && !code.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_a_line_is_plain_text() {
        assert_eq!(
            paint(false, Tone::Bad, "12.3s", "window", "B violation"),
            "  12.3s  window     B violation"
        );
        assert!(paint(true, Tone::Bad, "", "", "x").contains("\u{1b}[31mx"));
    }
}
