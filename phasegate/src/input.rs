//! Processes that another one started end when their standard input does: it closes with whoever held the
//! other end, however that one ended.

use std::io::Read;

/// Calls `then`, from a thread of its own, once standard input has ended.
pub(crate) fn when_input_ends(then: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = [0; 256];
        while input.read(&mut buffer).is_ok_and(|read| read > 0) {}
        then();
    });
}
