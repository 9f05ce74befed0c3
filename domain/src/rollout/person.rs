//! Who is who.

use unicode_normalization::UnicodeNormalization as _;

use crate::story::visible::is_hidden;

/// Names as tokens or people give them; nobody becomes two by writing theirs differently.
pub(super) fn same_person(one: &str, other: &str) -> bool {
    one == other || known_as(one) == known_as(other)
}

/// What is left of a name where people are told apart: compatible forms are one (NFKC), so are upper and lower case, and
/// what nobody sees is not there.
#[must_use]
pub fn known_as(name: &str) -> String {
    let seen = |text: &str| text.nfkc().filter(|c| !is_invisible(*c)).collect::<String>();
    // By way of the upper case, as `ß` and `ss`, `ς` and `σ` are one only there.
    let folded = seen(&seen(name).to_uppercase().to_lowercase());
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Has no width, steers how the text beside it is drawn, or is not drawn at all.
fn is_invisible(c: char) -> bool {
    let is_empty_form = matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    // What parts words is told apart afterwards.
    is_empty_form || is_hidden(c) && !c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PH-3: four eyes are not two people's by another way of writing one name.
    #[test]
    fn a_name_written_in_another_way_is_the_same_person() {
        for other in [
            "Ana@Example.com",
            " ana@example.com\n",
            "ana\u{200b}@example.com",
            "\u{202e}ana@example.com\u{202c}",
            "ana@exam\u{ad}ple.com\u{feff}",
            "\u{e0061}ana@example.com",
            "ａｎａ＠ｅｘａｍｐｌｅ．ｃｏｍ",
            "ana@example.com\u{fe0f}",
        ] {
            assert!(same_person("ana@example.com", other), "{other:?}");
            assert!(same_person(other, "ana@example.com"), "{other:?}");
        }
        assert!(same_person("Jos\u{e9}", "JOSE\u{301}"));
        assert!(same_person("Strauß", "STRAUSS"));
        assert!(same_person("Νίκος", "ΝΊΚΟΣ"));
        assert!(same_person("Ana\u{a0} Lopez", "ana lopez"));
        for other in ["ana@example.org", "anna@example.com", "", "ana"] {
            assert!(!same_person("ana@example.com", other), "{other:?}");
        }
    }
}
