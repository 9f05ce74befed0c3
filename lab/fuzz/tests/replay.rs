//! The fuzz targets in the ordinary tests: the whole corpus, and a short seeded run of mutations of it, bounded in
//! number. A failure names target, seed and input; the long form is `run` beside the corpus.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use phasegate_fuzz::TARGETS;

/// Mutations of each target's corpus. `PHASEGATE_FUZZ_MUTATIONS` sets another number.
const MUTATIONS: u64 = 150;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() > 1, "{} is no corpus", folder.display());
    files.into_iter().map(|file| (file.clone(), fs::read(&file).expect("a file"))).collect()
}

fn run(target: fn(&[u8]), input: &[u8], what: &str) {
    if catch_unwind(|| target(input)).is_err() {
        panic!("{what}: {}", input.escape_ascii());
    }
}

/// TE-2, PO-1, NO-2 and every request body: what once was worth keeping holds.
#[test]
fn the_corpus_holds() {
    for (name, target) in TARGETS {
        for (file, input) in corpus(name) {
            run(target, &input, &file.display().to_string());
        }
    }
}

/// The same for inputs near the corpus; the seeds are fixed, so a failure comes again.
#[test]
fn mutations_of_the_corpus_hold() {
    let mutations = std::env::var("PHASEGATE_FUZZ_MUTATIONS").ok();
    let mutations =
        mutations.map_or(MUTATIONS, |it| it.parse().expect("PHASEGATE_FUZZ_MUTATIONS is a number"));
    for (name, target) in TARGETS {
        let corpus: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, input)| input).collect();
        for seed in 0..mutations {
            run(target, &mutated(&corpus, seed), &format!("{name}, seed {seed}"));
        }
    }
}

/// What parsers stumble over.
const TOKENS: [&[u8]; 20] = [
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\n",
    b"\r\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"-0",
    b"1e999",
    b"18446744073709551616",
    b"9999-12-31T23:59:59Z",
    b"{phase}",
    b"&a [*a,*a]",
    b"\xe2\x80\xae",
];

fn mutated(corpus: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed.wrapping_add(1));
    let mut input = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(input.len() + 1);
        let end = (at + dice.below(16)).min(input.len());
        match dice.below(6) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, TOKENS[dice.below(TOKENS.len())].iter().copied())),
            3 => drop(input.splice(at..end, TOKENS[dice.below(TOKENS.len())].iter().copied())),
            4 => input.extend_from_within(at..end),
            _ => {
                let other = &corpus[dice.below(corpus.len())];
                input.truncate(at);
                input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
            }
        }
    }
    input
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}
