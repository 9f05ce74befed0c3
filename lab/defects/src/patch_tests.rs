use super::*;

fn tree(text: &str) -> Tree {
    let mut tree = Tree::default();
    tree.set("a/b.rs", text.to_owned());
    tree
}

const PATCH: &str = "Wrong: It is off.\nCaught by: one; two\n\n--- a/a/b.rs\n+++ b/a/b.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";

fn patch() -> Patch {
    Patch::parse("07-off", PATCH).unwrap()
}

#[test]
fn a_patch_finds_its_place_wherever_it_has_moved_to() {
    let mut tree = tree("zero\nzero\none\ntwo\nthree\n");
    patch().apply(&mut tree).unwrap();
    assert_eq!(tree.text("a/b.rs"), Some("zero\nzero\none\n2\nthree\n"));
    assert_eq!((patch().switch(), patch().caught_by()), ("off", vec!["one", "two"]));
}

#[test]
fn a_place_that_is_gone_or_not_the_only_one_is_not_patched() {
    for text in ["one\nthree\n", "one\ntwo\nthree\none\ntwo\nthree\n", "some one\ntwo\nthree\n"] {
        let mut tree = tree(text);
        let error = patch().apply(&mut tree).unwrap_err().to_string();
        assert!(error.starts_with("07-off.patch does not apply: a/b.rs has these lines"), "{error}");
        assert_eq!(tree.text("a/b.rs"), Some(text));
    }
}

#[test]
fn a_file_that_has_moved_is_looked_for_by_its_name() {
    let mut tree = Tree::default();
    tree.set("c/b.rs", "one\ntwo\nthree\n".to_owned());
    let error = patch().apply(&mut tree).unwrap_err().to_string();
    assert_eq!(error, "07-off.patch does not apply: there is no a/b.rs (of that name: c/b.rs)");
}

/// With more context than usual, where the place has doubles.
#[test]
fn a_patch_that_is_made_anew_applies_and_keeps_what_it_says() {
    let part = "a\nb\nc\nd\n";
    let before = tree(&format!("first\n{part}{part}last\n"));
    let after = tree(&format!("first\na\nb\nx\nd\n{part}last\n"));
    let text = patch().between(&before, &after).unwrap();
    assert!(text.starts_with("Wrong: It is off.\nCaught by: one; two\n\n--- a/a/b.rs\n"), "{text}");
    let mut again = before.clone();
    Patch::parse("07-off", &text).unwrap().apply(&mut again).unwrap();
    assert_eq!(again.text("a/b.rs"), after.text("a/b.rs"));
    assert!(patch().between(&before, &before).is_err());
}
