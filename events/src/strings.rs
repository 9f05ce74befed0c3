//! Bytes looked at several at a time.

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * EACH;

/// Whether every quote begins or ends a string, and nothing stands in one that JSON does not allow there: no backslash and no
/// control character is anywhere.
#[inline]
pub(super) fn is_plain(text: &str) -> bool {
    // Without a way out: all bytes of most lines are looked at anyway, and so many of them at once.
    let odd = |odd: u8, byte: &u8| odd | u8::from(*byte < 0x20) | u8::from(*byte == b'\\');
    text.as_bytes().iter().fold(0, odd) == 0
}

/// Where the first quote stands.
#[inline]
pub(super) fn quote(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let differing = u64::from_le_bytes(*eight) ^ (EACH * u64::from(b'"'));
        // Above the first that is found a borrow may set more; nobody looks there.
        let found = differing.wrapping_sub(EACH) & !differing & HIGH;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|byte| *byte == b'"').map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn eight_at_a_time_find_what_one_at_a_time_finds(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'!'), Just(b'#'), Just(b'"')], 0..40),
        ) {
            prop_assert_eq!(quote(&bytes), bytes.iter().position(|byte| *byte == b'"'));
        }

        #[test]
        fn a_text_is_plain_without_backslashes_and_control_characters(text in "[ -~é\\\\\u{0}-\u{1f}]{0,40}") {
            prop_assert_eq!(is_plain(&text), !text.bytes().any(|byte| byte < 0x20 || byte == b'\\'));
        }
    }
}
