//! Files under any schedule of writing, rotating, cutting and restarting.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use proptest::prelude::*;

use super::*;
use events::EventSpec;

/// Longer than the fingerprint of a file's beginning, and the same in each file.
const BEGINNING: &str = "{\"ts\":\"2026-11-22T10:00:00Z\",\"name\":\"drift\"}\n";

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Lines at the end of the file; one is made where there is none.
    Append(u8),
    /// To another name that the pattern matches.
    RenameWithin,
    /// To a name beside that it does not match, or into a directory below.
    RenameBeside,
    RenameBelow,
    /// To where nobody looks; and from there to where it is matched again.
    RenameOut,
    ComeBack,
    Remove,
    /// Cut off in place; its writer goes on at the end, or where it was.
    Truncate,
    TruncateBehindAHole,
    /// Written anew behind the same beginning.
    Rewrite(u8),
    Look,
    /// Nothing of it is committed.
    LookInVain,
    Stop,
    Start,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..5_u8).prop_map(Step::Append),
        2 => Just(Step::RenameWithin),
        1 => Just(Step::RenameBeside),
        1 => Just(Step::RenameBelow),
        1 => Just(Step::RenameOut),
        1 => Just(Step::ComeBack),
        1 => Just(Step::Remove),
        1 => Just(Step::Truncate),
        1 => Just(Step::TruncateBehindAHole),
        1 => (1..9_u8).prop_map(Step::Rewrite),
        4 => Just(Step::Look),
        1 => Just(Step::LookInVain),
        2 => Just(Step::Stop),
        2 => Just(Step::Start),
    ]
}

/// A line that was written.
#[derive(Debug)]
struct Line {
    /// Which file it stands in, and all names that had.
    file: usize,
    read: usize,
}

struct World {
    directory: tempfile::TempDir,
    /// `None`: the collector is down.
    follower: Option<Follower>,
    cursor: Arc<Cursor>,
    lines: BTreeMap<u64, Line>,
    written: usize,
    /// What each file was called.
    names: Vec<BTreeSet<PathBuf>>,
    /// Files that a pattern matches now, and those that one matched when somebody looked.
    matched: BTreeSet<usize>,
    met: BTreeSet<usize>,
    renamed: usize,
    /// Which file is `a.jsonl`, and which ones are out of reach.
    current: Option<usize>,
    out: Vec<(PathBuf, usize)>,
    /// Something was written since the last look.
    unseen: bool,
    lost: BTreeSet<PathBuf>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["in", "in/below", "out"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let mut world = Self {
            directory,
            follower: None,
            cursor: Arc::default(),
            lines: BTreeMap::new(),
            written: 0,
            names: Vec::new(),
            matched: BTreeSet::new(),
            met: BTreeSet::new(),
            renamed: 0,
            current: None,
            out: Vec::new(),
            unseen: false,
            lost: BTreeSet::new(),
        };
        world.start();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start(&mut self) {
        let specs = Arc::new(EventSpecs::new([EventSpec::counted("drift")]).unwrap());
        let pattern = self.path("in/*.jsonl").display().to_string();
        self.follower.get_or_insert_with(|| Follower::new(vec![pattern], specs, 1));
    }

    fn look(&mut self, commit: bool) {
        let Some(follower) = &mut self.follower else { return };
        let input = follower.look(&self.cursor, Timestamp::from_millis(0)).unwrap();
        assert!(input.caught_up);
        if !commit {
            return;
        }
        let moved = input.moved.into_iter().map(|moved| (moved.place, moved.cursor));
        Arc::make_mut(&mut self.cursor).extend(moved);
        for contribution in input.contributions {
            match contribution {
                Contribution::Records(part) => {
                    assert_eq!(part.records.malformed, 0);
                    for event in part.records.events.iter().filter(|event| event.id_hash != 0) {
                        self.lines.get_mut(&event.id_hash).unwrap().read += 1;
                    }
                }
                Contribution::Lost(lost) => _ = self.lost.insert(PathBuf::from(lost.file)),
                Contribution::Totals(_) | Contribution::Delivery(_) => {}
            }
        }
        self.met.extend(&self.matched);
        // An empty one that is written into and emptied again is as it was.
        let is_empty = |_: &usize| fs::metadata(self.path("in/a.jsonl")).unwrap().len() == 0;
        if let Some(empty) = self.current.filter(is_empty) {
            self.met.remove(&empty);
        }
        self.unseen = false;
    }

    /// The file is cut off in place. What was written into it since the last look was seen by nobody: while the collector is
    /// at work it looks before. Nor can anybody miss what stood in a file that he never met.
    fn before_a_cut(&mut self) {
        if self.unseen {
            self.look(true);
        }
        if let Some(file) = self.current.filter(|file| !self.met.contains(file)) {
            self.lines.retain(|_, line| line.file != file);
        }
    }

    fn text(&mut self, lines: u8, file: usize) -> String {
        let mut text = String::new();
        for _ in 0..lines {
            self.written += 1;
            let id = self.written.to_string();
            let hash = xxhash_rust::xxh3::xxh3_64(id.as_bytes());
            self.lines.insert(hash, Line { file, read: 0 });
            text +=
                &format!("{{\"ts\":\"2026-11-22T10:00:00Z\",\"name\":\"drift\",\"event_id\":\"{id}\"}}\n");
        }
        self.unseen = true;
        text
    }

    fn current_file(&mut self) -> (usize, File) {
        let path = self.path("in/a.jsonl");
        if self.current.is_none() {
            fs::write(&path, BEGINNING.repeat(8)).unwrap();
            self.names.push(BTreeSet::from([path.clone()]));
            self.current = Some(self.names.len() - 1);
            self.matched.extend(self.current);
        }
        (self.current.unwrap(), OpenOptions::new().write(true).open(path).unwrap())
    }

    /// The file that is written gets another name, in which `#` is a number.
    fn rename(&mut self, to: &str) {
        let Some(file) = self.current.take() else { return };
        let to = self.new_path(to);
        fs::rename(self.path("in/a.jsonl"), &to).unwrap();
        if !to.starts_with(self.path("in")) {
            self.out.push((to.clone(), file));
        }
        self.names[file].insert(to);
        self.matched.remove(&file);
    }

    fn new_path(&mut self, name: &str) -> PathBuf {
        self.renamed += 1;
        self.path(&name.replace('#', &self.renamed.to_string()))
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Append(lines) => {
                let (id, mut file) = self.current_file();
                let text = self.text(lines, id);
                let end = file.metadata().unwrap().len();
                file.write_all_at(text.as_bytes(), end).unwrap();
                file.flush().unwrap();
            }
            Step::RenameWithin => {
                let file = self.current;
                self.rename("in/#.jsonl");
                self.matched.extend(file);
            }
            Step::RenameBeside => self.rename("in/a.jsonl.#"),
            Step::RenameBelow => self.rename("in/below/#.jsonl"),
            Step::RenameOut => self.rename("out/#.jsonl"),
            Step::ComeBack => {
                let Some((path, file)) = self.out.pop() else { return };
                let to = self.new_path("in/back#.jsonl");
                fs::rename(path, &to).unwrap();
                self.names[file].insert(to);
                self.matched.insert(file);
            }
            Step::Remove => {
                if let Some(file) = self.current.take() {
                    fs::remove_file(self.path("in/a.jsonl")).unwrap();
                    self.matched.remove(&file);
                }
            }
            Step::Truncate => {
                self.before_a_cut();
                let (_, file) = self.current_file();
                file.set_len(0).unwrap();
            }
            Step::TruncateBehindAHole => {
                self.before_a_cut();
                let (id, file) = self.current_file();
                let end = file.metadata().unwrap().size();
                file.set_len(0).unwrap();
                let text = self.text(2, id);
                file.write_all_at(text.as_bytes(), end).unwrap();
            }
            Step::Rewrite(lines) => {
                self.before_a_cut();
                let (id, _) = self.current_file();
                let text = BEGINNING.repeat(8) + &self.text(lines, id);
                fs::write(self.path("in/a.jsonl"), text).unwrap();
            }
            Step::Look => self.look(true),
            Step::LookInVain => self.look(false),
            Step::Stop => self.follower = None,
            Step::Start => self.start(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// CO-9, TE-5: each line is counted exactly once, or its file is named as lost; a file that nobody ever saw aside.
    #[test]
    fn each_line_is_counted_once_or_its_file_is_named(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.take(*step);
        }
        world.start();
        world.look(true);
        world.look(true);
        for (id, Line { file, read }) in &world.lines {
            let named = world.names[*file].iter().any(|name| world.lost.contains(name));
            let counted = *read == 1 || (*read == 0 && (named || !world.met.contains(file)));
            prop_assert!(counted, "{id:x}: read {read} times; {:?}; lost: {:?}", world.names[*file], world.lost);
        }
    }
}
