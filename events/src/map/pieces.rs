//! Lines that a container's runtime has cut up, put together again. Each stream's pieces follow each other; those of the other
//! stream may stand between them.

use super::wrapper::{Unwrapped, Wrapper};
use crate::records::LINE_LENGTH_MAX;

/// How far before an end the last line of a stream is looked for, in bytes.
const NEAR: usize = 64 * 1024;
/// How far before an end a line may have begun that goes on behind it, in bytes: what is within the longest line is wrapped,
/// and escaped.
const FAR: usize = 4 * LINE_LENGTH_MAX;

/// What has come so far of lines that go on, by stream.
#[derive(Debug, Default)]
pub(crate) struct Pieces([Option<Begun>; 2]);

/// The beginning of a line.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    pub(crate) line: String,
    /// Of its first piece.
    pub(crate) ts: Option<String>,
}

impl Pieces {
    /// Whether it is a line by itself.
    #[inline]
    pub(crate) fn is_whole(&self, piece: &Unwrapped<'_>) -> bool {
        !piece.goes_on && self.0[piece.stream as usize].is_none()
    }

    /// The line that ends with this piece. What is beyond the longest line is not kept, but for a byte that shows it.
    pub(crate) fn join(&mut self, piece: &Unwrapped<'_>) -> Option<Begun> {
        let begun = &mut self.0[piece.stream as usize];
        let Begun { line, .. } =
            begun.get_or_insert_with(|| Begun { ts: piece.ts.map(str::to_owned), ..Begun::default() });
        if line.len() <= LINE_LENGTH_MAX {
            line.push_str(&piece.line);
        }
        if piece.goes_on { None } else { begun.take() }
    }

    /// Lines whose end did not come.
    pub(crate) fn unfinished(self) -> impl Iterator<Item = Begun> {
        self.0.into_iter().flatten()
    }
}

/// How many of these bytes, which are whole lines, hold no line that goes on behind them.
pub(crate) fn settled(wrapper: Wrapper, bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    // A line of the other stream may have begun before the one that goes on.
    while let Some(begin) = going_on(wrapper, &bytes[..end]) {
        if bytes.len() - begin > FAR {
            return bytes.len(); // no end makes it an event any more
        }
        end = begin;
    }
    end
}

/// Where the first of the lines begins that go on behind the end.
fn going_on(wrapper: Wrapper, bytes: &[u8]) -> Option<usize> {
    let mut begins: [Option<usize>; 2] = [None; 2];
    let mut is_known = [false; 2];
    let mut end = bytes.len();
    while end > 0 && is_known != [true; 2] {
        let begun = begins.iter().zip(is_known).any(|(begin, is_known)| begin.is_some() && !is_known);
        if bytes.len() - end > if begun { FAR } else { NEAR } {
            break;
        }
        let start = memchr::memrchr(b'\n', &bytes[..end - 1]).map_or(0, |at| at + 1);
        if let Some((stream, goes_on)) = wrapper.ending(bytes[start..end].trim_ascii_end()) {
            let at = stream as usize;
            if goes_on && !is_known[at] {
                begins[at] = Some(start);
            }
            is_known[at] |= !goes_on;
        }
        end = start;
    }
    begins.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: &str = "2026-11-22T10:00:00Z stdout F whole\n";
    const OUT_GOES_ON: &str = "2026-11-22T10:00:00Z stdout P piece\n";
    const ERR: &str = "2026-11-22T10:00:00Z stderr F whole\n";
    const ERR_GOES_ON: &str = "2026-11-22T10:00:00Z stderr P piece\n";

    /// TE-7: what goes on behind an end is left to be read with its end, with what came between its pieces.
    #[test]
    fn a_line_that_goes_on_is_left_whole() {
        let check = |before: &[&str], after: &[&str]| {
            let bytes = before.concat() + &after.concat();
            let found = settled(Wrapper::Cri, bytes.as_bytes());
            assert_eq!(found, before.concat().len(), "{before:?} {after:?}");
        };
        check(&[], &[]);
        check(&[OUT, OUT], &[]);
        check(&[OUT], &[OUT_GOES_ON]);
        check(&[OUT], &[OUT_GOES_ON, OUT_GOES_ON, ERR, ERR]);
        check(&[OUT, OUT_GOES_ON, ERR, OUT, ERR], &[]);
        check(&[OUT], &[ERR_GOES_ON, OUT_GOES_ON, ERR]);
        check(&[OUT], &[OUT_GOES_ON, ERR_GOES_ON, OUT, OUT]);
        check(&["no such line\n", OUT], &[OUT_GOES_ON, "no such line\n"]);
    }

    /// TE-7: what has begun too long ago is waited for no more.
    #[test]
    fn a_line_without_end_is_given_up() {
        let bytes = OUT_GOES_ON.repeat(FAR / OUT_GOES_ON.len() + 2);
        assert_eq!(settled(Wrapper::Cri, bytes.as_bytes()), bytes.len());
    }

    /// TE-7: Docker says that a line goes on only by what is missing at its end.
    #[test]
    fn a_line_of_docker_goes_on_where_it_is_as_long_as_its_buffer() {
        let line = |log: &str| {
            format!("{{\"log\":\"{log}\",\"stream\":\"stdout\",\"time\":\"2026-11-22T10:00:00Z\"}}\n")
        };
        let (whole, piece, last) = (line("x\\n"), line(&"y".repeat(16 * 1024)), line("killed"));
        let check = |before: &str, after: &str| {
            assert_eq!(settled(Wrapper::Docker, (before.to_owned() + after).as_bytes()), before.len());
        };
        check(&whole, "");
        check(&whole, &piece);
        check(&(piece.clone() + &whole), &piece);
        check(&(whole + &last), "");
    }
}
