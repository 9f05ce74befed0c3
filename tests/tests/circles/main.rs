//! No circle of more than two files: files that all need each other can only be understood together, and moved together.
//!
//! A file needs another if one of its paths (in code, in a `use`, in the arguments of a macro or attribute) leads to an item
//! that is defined there. A path that goes through `pub use` leads to where the item is defined, not to the door; a door
//! itself needs nothing, nor does `mod x;` need `x`. Tests (`#[cfg(test)]`) do not count. Not seen: calls of methods
//! whose `impl` stands in another file than their type. Two files may need each other: a trait and what it is given, a list and
//! its entries.

mod components;
mod modules;
mod references;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use modules::Modules;

/// The crates of the product. None of them can be in a circle with another: cargo refuses that.
const MEMBERS: [&str; 8] = [
    "shared-types",
    "domain",
    "service-kit",
    "collector-svc",
    "analyzer-svc",
    "reporter-svc",
    "phasegate",
    "demo",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace root").to_path_buf()
}

#[test]
fn no_more_than_two_files_need_each_other() {
    let mut text = String::new();
    for member in MEMBERS {
        let source = root().join(member).join("src");
        assert!(source.join("lib.rs").is_file(), "{member} has no library: has it moved?");
        let roots = ["lib.rs", "main.rs"].map(|name| source.join(name)).into_iter().filter(|it| it.is_file());
        for crate_root in roots {
            let references = references::of(&Modules::read(&crate_root));
            let whole = crate_root.ends_with("main.rs") || references.len() > 10;
            assert!(whole, "{member}: {} files are read, where are the others?", references.len());
            text.push_str(&told(&source, &references));
        }
    }
    assert!(text.is_empty(), "{text}");
}

/// Every circle with its files, and which of them each needs.
fn told(source: &Path, references: &references::References) -> String {
    let mut text = String::new();
    let name = |file: &Path| file.strip_prefix(source).unwrap_or(file).display().to_string();
    for circle in components::larger_than(2, references) {
        let _ = writeln!(text, "{}: a circle of {} files", source.display(), circle.len());
        for file in &circle {
            let within = references[file].iter().filter(|it| circle.contains(it));
            let needs: Vec<String> = within.map(|it| name(it)).collect();
            let _ = writeln!(text, "  {} needs {}", name(file), needs.join(", "));
        }
    }
    text
}

/// A crate of these files; what begins with `mod.rs` is the root.
fn planted(files: &[(&str, &str)]) -> String {
    let source = Path::new("/planted");
    let mut modules = Modules::default();
    for (module, text) in files {
        let path: Vec<String> = module.split("::").filter(|it| !it.is_empty()).map(str::to_owned).collect();
        modules.add_text(path, &source.join(format!("{module}.rs")), source, text);
    }
    told(source, &references::of(&modules))
}

#[test]
fn a_planted_circle_is_named_with_its_files() {
    let told = planted(&[
        ("", "mod a; mod b; mod c; mod d;"),
        ("a", "pub struct A; pub fn f(_: crate::b::B) {}"),
        ("b", "use super::c; pub struct B; fn f() { c::g() }"),
        ("c", "pub fn g() { let _ = vec![crate::a::A, crate::a::A]; }"),
        ("d", "use crate::a::A; pub struct D(A);"),
    ]);
    assert_eq!(
        told,
        "/planted: a circle of 3 files\n  a.rs needs b.rs\n  b.rs needs c.rs\n  c.rs needs a.rs\n"
    );
}

#[test]
fn a_circle_through_doors_globs_attributes_and_inner_modules_is_seen() {
    let told = planted(&[
        ("", "pub use a::A; mod a; mod b; mod c; mod d;"),
        ("a", "use super::b::*; pub struct A(B);"),
        ("b", "#[derive(Debug)] #[serde(with = \"crate::c::inner::words\")] pub struct B;"),
        ("c", "pub mod inner { pub fn words() { if true { use crate::d as other; other::f(); } } }"),
        ("d", "pub fn f() -> crate::A { todo!() }"),
    ]);
    assert!(told.starts_with("/planted: a circle of 4 files\n  a.rs needs b.rs\n"), "{told}");
}

#[test]
fn what_is_no_circle_is_let_pass() {
    for files in [
        // A parent that opens doors to what needs its siblings.
        &[
            ("", "pub mod p;"),
            ("p", "mod x; mod y; mod z; pub use x::X; pub use y::Y; pub use z::Z;"),
            ("p::x", "use super::Y; pub struct X(Y);"),
            ("p::y", "use super::Z; pub struct Y(Z);"),
            ("p::z", "pub struct Z;"),
        ],
        // Two that need each other.
        &[
            ("", "mod a; mod b; mod c;"),
            ("a", "pub struct A(Option<Box<crate::b::B>>);"),
            ("b", "use crate::a::A; pub struct B(A);"),
            ("c", "use crate::a::A; use crate::b::B; pub fn f(_: A, _: B) {}"),
            ("d", ""),
        ],
        // Tests, and names of other crates.
        &[
            ("", "mod a; mod b; mod c;"),
            ("a", "pub struct A; #[cfg(test)] mod tests { use crate::c::C; }"),
            ("b", "pub struct B(crate::a::A, std::c::C);"),
            ("c", "pub struct C(super::b::B);"),
            ("d", ""),
        ],
    ] {
        assert_eq!(planted(files), "");
    }
}
