//! The lab stands beside the product: a workspace of its own with the versions, lints and profiles of this one, and nothing
//! of it in the product's manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    let path = root().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The lines `key = value` of a table of a manifest, without their comments.
fn table(manifest: &str, name: &str) -> BTreeMap<String, String> {
    let lines = manifest.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
    let within = lines.take_while(|line| !line.starts_with('['));
    let entries = within.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let without_comment = |value: &str| value.split(" # ").next().unwrap_or_default().to_owned();
    let table: BTreeMap<String, String> =
        entries.map(|(key, value)| (key.to_owned(), without_comment(value))).collect();
    assert!(!table.is_empty(), "no table {name}");
    table
}

/// What both tables name and say differently.
fn differences(name: &str) -> Vec<String> {
    let (product, lab) = (table(&read("Cargo.toml"), name), table(&read("lab/Cargo.toml"), name));
    let shared = lab.into_iter().filter_map(|(key, value)| Some((product.get(&key)?.clone(), key, value)));
    let differ = shared.filter(|(of_product, _, of_lab)| !of_lab.contains("path = ") && of_product != of_lab);
    differ.map(|(of_product, key, of_lab)| format!("{key}: {of_product}, in the lab {of_lab}")).collect()
}

#[test]
fn the_lab_goes_by_the_versions_lints_and_profiles_of_the_product() {
    let tables = [
        "workspace.package",
        "workspace.dependencies",
        "workspace.lints.rust",
        "workspace.lints.clippy",
        "profile.dev",
        "profile.release",
        "profile.release.package",
        "profile.optimized",
        "profile.optimized.package",
    ];
    for name in tables {
        let found = differences(name);
        assert!(found.is_empty(), "[{name}] of lab/Cargo.toml:\n{}", found.join("\n"));
    }
    let (product, lab) = (read("Cargo.toml"), read("lab/Cargo.toml"));
    for name in ["workspace.lints.rust", "workspace.lints.clippy", "profile.dev", "profile.release"] {
        let (wanted, there) = (table(&product, name), table(&lab, name));
        let missing: Vec<&String> = wanted.keys().filter(|key| !there.contains_key(*key)).collect();
        assert!(missing.is_empty(), "[{name}] of lab/Cargo.toml lacks {missing:?}");
    }
}

/// The versions of each package of a lock file.
fn resolved(lock: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let value = |line: &str, key: &str| {
        line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
    };
    let lines: Vec<&str> = lock.lines().collect();
    for pair in lines.windows(2) {
        if let (Some(name), Some(version)) = (value(pair[0], "name"), value(pair[1], "version")) {
            versions.entry(name).or_default().insert(version);
        }
    }
    versions
}

#[test]
fn both_lock_files_resolve_what_they_share_to_the_same_versions() {
    let (product, lab) = (resolved(&read("Cargo.lock")), resolved(&read("lab/Cargo.lock")));
    let differs = |(name, versions): &(&String, &BTreeSet<String>)| {
        product.get(*name).is_some_and(|ours| !versions.is_subset(ours))
    };
    let found: Vec<_> = lab.iter().filter(differs).collect();
    assert!(lab.contains_key("sqlx") && product.contains_key("sqlx"), "these are no lock files");
    assert!(
        found.is_empty(),
        "lab/Cargo.lock has other versions than Cargo.lock: {found:?}\n\
         (copy Cargo.lock there and let cargo add what is missing: `cp Cargo.lock lab/ && cd lab && cargo metadata >/dev/null`)"
    );
}

/// With them shared dependencies have the same features in the tests of both, and are built once.
#[test]
fn the_labs_tests_ask_for_the_features_that_the_products_tests_ask_for() {
    let named = table(&read("lab/fuzz/Cargo.toml"), "dev-dependencies");
    let of_tests: BTreeSet<String> =
        ["service-kit", "domain", "collector-svc", "analyzer-svc", "reporter-svc", "tests"]
            .iter()
            .flat_map(|member| table(&read(&format!("{member}/Cargo.toml")), "dev-dependencies"))
            // The product's own crates are compiled for the lab anyway.
            .filter(|(name, value)| name != "domain" && value.contains("features"))
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
    assert!(!of_tests.is_empty());
    for line in of_tests {
        let (name, value) = line.split_once(" = ").expect("as put together");
        assert_eq!(named.get(name).map(String::as_str), Some(value), "dev-dependencies of lab/fuzz");
    }
}

/// The members of the product's workspace that are shipped: all but its tests.
fn shipped() -> Vec<PathBuf> {
    let manifest = read("Cargo.toml");
    let (_, list) = manifest.split_once("members = [").expect("a list of members");
    let (list, _) = list.split_once(']').expect("its end");
    let names = list.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty());
    names.filter(|name| *name != "tests").map(|name| root().join(name)).collect()
}

fn texts_below(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            texts_below(&path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.push((path, text));
        }
    }
}

#[test]
fn no_file_of_the_product_speaks_of_planted_defects() {
    let mut texts = Vec::new();
    shipped().iter().for_each(|member| texts_below(member, &mut texts));
    assert!(texts.len() > 400, "only {} files", texts.len());
    let found: Vec<&PathBuf> = texts
        .iter()
        .filter(|(_, text)| text.to_lowercase().contains("planted"))
        .map(|(path, _)| path)
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

/// A feature is unified over the workspace and so reaches every binary of `cargo build --workspace`.
#[test]
fn no_manifest_of_the_product_has_a_feature_but_the_demo() {
    for member in shipped() {
        let path = member.join("Cargo.toml");
        let manifest = std::fs::read_to_string(&path).expect("a manifest");
        let after = manifest.split_once("[features]\n").map_or("", |(_, after)| after);
        let features = after.lines().take_while(|line| !line.starts_with('['));
        let features: Vec<&str> =
            features.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
        // The domain's is asked for by tests alone, and brings fixtures.
        let known: &[&str] = match member.file_name().and_then(|name| name.to_str()) {
            Some("phasegate") => &["default", "demo"],
            Some("domain") => &["testing"],
            _ => &[],
        };
        assert_eq!(features, known, "{}", path.display());
        assert!(!manifest.contains("lab/"), "{} depends on the lab", path.display());
    }
}
