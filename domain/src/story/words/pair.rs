//! What is said in each language.

/// A text in each language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    pub en: &'static str,
    pub ja: &'static str,
}

/// English, Japanese.
#[must_use]
pub const fn both(en: &'static str, ja: &'static str) -> Words {
    Words { en, ja }
}
