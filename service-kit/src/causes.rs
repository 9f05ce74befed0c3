//! What an error says of its causes.

use std::error::Error;

/// With all of them, outermost first.
#[must_use]
pub fn in_full(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = chain(error).map(ToString::to_string).collect();
    texts.join(": ")
}

/// The innermost one alone, which names the trouble (`Connection refused`): the layers of a client around it repeat each other.
#[must_use]
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |it: &&'a (dyn Error + 'static)| (*it).source())
}
