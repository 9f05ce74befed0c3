use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use super::super::follow::CHUNK;
use super::super::{Contribution, Cursor, Part};
use super::*;
use events::EventSpec;
use shared_types::Timestamp;
use shared_types::batch::LostFile;

struct Rig {
    directory: tempfile::TempDir,
    source: JsonlSource,
    cursor: Arc<Cursor>,
    now: Timestamp,
    lost: Vec<LostFile>,
    left_out: Vec<String>,
}

fn specs() -> Arc<EventSpecs> {
    Arc::new(EventSpecs::new([EventSpec::counted("drift")]).unwrap())
}

impl Rig {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = Self::source(&directory);
        let now = Timestamp::from_millis(0);
        Self { directory, source, cursor: Arc::default(), now, lost: Vec::new(), left_out: Vec::new() }
    }

    fn source(directory: &tempfile::TempDir) -> JsonlSource {
        let pattern = directory.path().join("*.jsonl").display().to_string();
        JsonlSource::new(vec![pattern], specs(), 1, Duration::from_secs(30))
    }

    /// A restart: only what was committed is known.
    fn restart(&mut self) {
        self.source = Self::source(&self.directory);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn asked(&self) -> Asked {
        Asked { cursor: Arc::clone(&self.cursor), now: self.now, windows: Vec::new() }
    }

    fn commit(&mut self, input: &Input) {
        let moved = input.moved.iter().map(|moved| (moved.place.clone(), moved.cursor.clone()));
        Arc::make_mut(&mut self.cursor).extend(moved);
        let lost = input.contributions.iter().filter_map(|it| match it {
            Contribution::Lost(file) => Some(file.clone()),
            Contribution::Records(_) | Contribution::Totals(_) | Contribution::Delivery(_) => None,
        });
        self.lost.extend(lost);
        self.left_out = input.left_out.iter().map(|it| format!("{}: {}", it.path, it.reason)).collect();
    }

    /// What was lost since this was asked last: names, and bytes.
    fn lost(&mut self) -> Vec<(String, Option<u64>)> {
        let name = |lost: LostFile| (lost.file.rsplit('/').next().unwrap().to_owned(), lost.bytes);
        std::mem::take(&mut self.lost).into_iter().map(name).collect()
    }

    fn make(&self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
    }

    fn lines_read(&self) -> u64 {
        self.cursor.values().map(|it| it["line"].as_u64().unwrap()).sum()
    }

    /// Ids handed over by one read, and the malformed lines.
    async fn read(&mut self) -> (Vec<u64>, u64) {
        let asked = self.asked();
        let input = self.source.read(&asked).await.unwrap();
        self.commit(&input);
        let parts = parts(&input);
        let ids = parts.iter().flat_map(|part| part.records.events.iter().map(|event| event.id_hash));
        (ids.collect(), parts.iter().map(|part| part.records.malformed).sum())
    }

    async fn expect(&mut self, ids: &[u32]) {
        let mut hashes: Vec<u64> =
            ids.iter().map(|id| xxhash_rust::xxh3::xxh3_64(id.to_string().as_bytes())).collect();
        let (mut read, _) = self.read().await;
        hashes.sort_unstable();
        read.sort_unstable();
        assert_eq!(read, hashes, "{ids:?}");
    }
}

fn parts(input: &Input) -> Vec<&Part> {
    input
        .contributions
        .iter()
        .filter_map(|it| match it {
            Contribution::Records(part) => Some(part),
            Contribution::Totals(_) | Contribution::Delivery(_) | Contribution::Lost(_) => None,
        })
        .collect()
}

fn lines(ids: &[u32]) -> String {
    ids.iter()
        .map(|id| format!("{{\"ts\":\"2026-11-22T10:00:00Z\",\"name\":\"drift\",\"event_id\":\"{id}\"}}\n"))
        .collect()
}

/// TE-5: a file that grows, with a half-written last line that waits, across a restart.
#[tokio::test]
async fn a_growing_file_is_read_once_and_a_half_written_line_waits() {
    let mut rig = Rig::new();
    rig.expect(&[]).await;
    rig.append("a.jsonl", &lines(&[1, 2]));
    rig.append("a.jsonl", "{\"ts\":\"2026-11-22T10:00:00Z\",\"name\":\"drift\",");
    rig.expect(&[1, 2]).await;
    rig.expect(&[]).await;
    rig.restart();
    rig.append("a.jsonl", "\"event_id\":\"3\"}\n");
    rig.append("b.jsonl", &lines(&[4]));
    rig.expect(&[3, 4]).await;
    assert_eq!(rig.lines_read(), 4);
}

/// TE-8, CO-9: a writer that goes on where it was in a file that was truncated leaves a hole: no line behind it is lost.
#[tokio::test]
async fn a_hole_before_a_line_is_passed_over() {
    use std::os::unix::fs::FileExt as _;
    let mut rig = Rig::new();
    rig.append("a.jsonl", &lines(&[1, 2]));
    rig.expect(&[1, 2]).await;
    let file = fs::OpenOptions::new().write(true).open(rig.path("a.jsonl")).unwrap();
    file.set_len(0).unwrap();
    let far = CHUNK as u64 + 100;
    file.write_all_at(lines(&[3]).as_bytes(), far).unwrap();
    let mut read = 0;
    for _ in 0..3 {
        let (ids, malformed) = rig.read().await;
        read += ids.len();
        assert_eq!(malformed, 0);
    }
    assert_eq!(read, 1);
    file.set_len(far + 500).unwrap();
    rig.expect(&[]).await;
    file.write_all_at(lines(&[4]).as_bytes(), far + lines(&[3]).len() as u64).unwrap();
    rig.expect(&[4]).await;
}

/// TE-5: rotation by renaming, also to a name that the pattern does not match, also while nobody looks.
#[tokio::test]
async fn a_file_renamed_away_is_read_to_its_end_and_the_new_one_from_its_beginning() {
    let mut rig = Rig::new();
    rig.append("a.jsonl", &lines(&[1]));
    rig.expect(&[1]).await;
    rig.append("a.jsonl", &lines(&[2]));
    fs::rename(rig.path("a.jsonl"), rig.path("a.jsonl.1")).unwrap();
    rig.append("a.jsonl", &lines(&[3]));
    rig.expect(&[2, 3]).await;

    rig.append("a.jsonl", &lines(&[4]));
    fs::rename(rig.path("a.jsonl"), rig.path("a.jsonl.2")).unwrap();
    rig.restart();
    rig.expect(&[4]).await;

    rig.append("a.jsonl", &lines(&[5]));
    rig.expect(&[5]).await;
    rig.append("a.jsonl", &lines(&[6]));
    fs::remove_file(rig.path("a.jsonl")).unwrap();
    rig.expect(&[6]).await;
    rig.expect(&[]).await;
}

/// TE-5: truncated, copied and truncated, replaced under the same inode.
#[tokio::test]
async fn a_truncated_or_rewritten_file_is_read_from_its_beginning() {
    let mut rig = Rig::new();
    rig.append("a.jsonl", &lines(&[1, 2, 3]));
    rig.expect(&[1, 2, 3]).await;
    fs::copy(rig.path("a.jsonl"), rig.path("a.copy")).unwrap();
    fs::write(rig.path("a.jsonl"), lines(&[4])).unwrap();
    rig.expect(&[4]).await;
    fs::write(rig.path("a.jsonl"), lines(&[5, 6, 7, 8])).unwrap();
    rig.restart();
    rig.expect(&[5, 6, 7, 8]).await;
    let replacement = rig.path("new");
    fs::write(&replacement, lines(&[9])).unwrap();
    fs::rename(replacement, rig.path("a.jsonl")).unwrap();
    rig.expect(&[9]).await;
}

/// TE-2: a line over 64 KiB is skipped without being kept, whether it has ended or not.
#[tokio::test]
async fn an_endless_line_is_counted_once_and_skipped() {
    let mut rig = Rig::new();
    rig.append("a.jsonl", &lines(&[1]));
    rig.append("a.jsonl", &"x".repeat(LINE_LENGTH_MAX + 1));
    assert_eq!(rig.read().await.1, 1);
    rig.restart();
    rig.append("a.jsonl", &"y".repeat(CHUNK));
    assert_eq!(rig.read().await, (vec![], 0));
    rig.append("a.jsonl", &format!("z\n{}bad\n", lines(&[2])));
    let (ids, malformed) = rig.read().await;
    assert_eq!((ids.len(), malformed), (1, 1));
    assert_eq!(rig.lines_read(), 4);
}

/// CO-5: a file system that hangs is an outage after `timeout`; nothing is lost or read twice by it.
#[test]
fn a_read_that_hangs_times_out_and_is_done_again() {
    // The one thread that may block is busy, as one that waits for a file system is.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || hang.recv());
        let mut rig = Rig::new();
        rig.append("a.jsonl", &lines(&[1]));
        rig.source.timeout = Duration::from_millis(20);
        let asked = rig.asked();
        let error = rig.source.read(&asked).await.unwrap_err();
        assert!(matches!(error, SourceError::Timeout(_)), "{error}");
        release.send(()).unwrap();
        busy.await.unwrap().unwrap();
        rig.source.timeout = Duration::from_secs(30);
        rig.expect(&[1]).await;
        rig.expect(&[]).await;
    });
}

#[tokio::test]
async fn one_read_is_bounded() {
    let mut rig = Rig::new();
    let line = lines(&[1]);
    rig.append("a.jsonl", &line.repeat(CHUNK / line.len() * 2));
    let asked = rig.asked();
    let first = rig.source.read(&asked).await.unwrap();
    let events = |input: &Input| parts(input).iter().map(|part| part.records.events.len()).sum::<usize>();
    assert!(!first.caught_up && first.bytes == CHUNK && events(&first) == CHUNK / line.len());
    rig.commit(&first);
    let asked = rig.asked();
    let second = rig.source.read(&asked).await.unwrap();
    assert!(second.caught_up || events(&second) == CHUNK / line.len());
}

/// Files that span the same time are read side by side: the one that lags behind comes first.
#[tokio::test]
async fn files_go_through_time_side_by_side() {
    let mut rig = Rig::new();
    let hour = |hour: usize| {
        let note = "n".repeat(60_000);
        let line =
            format!("{{\"ts\":\"2026-11-22T{hour:02}:00:00Z\",\"name\":\"drift\",\"note\":\"{note}\"}}\n");
        line.repeat(CHUNK / line.len() + 1)
    };
    for name in ["a.jsonl", "b.jsonl", "c.jsonl"] {
        (0..4).for_each(|at| rig.append(name, &hour(at)));
    }
    let mut newest = Vec::new();
    loop {
        let asked = rig.asked();
        let input = rig.source.read(&asked).await.unwrap();
        rig.commit(&input);
        let events = parts(&input).into_iter().flat_map(|part| &part.records.events);
        newest.extend(events.map(|event| event.ts_ms).max());
        if input.caught_up {
            break;
        }
    }
    let mut reached = i64::MIN;
    for ts in &newest {
        assert!(*ts + 2 * 3_600_000 >= reached, "{newest:?}");
        reached = reached.max(*ts);
    }
    assert!(newest.len() >= 12);
}

#[tokio::test]
async fn what_is_no_file_or_never_was_there_is_no_outage() {
    let mut rig = Rig::new();
    fs::create_dir(rig.path("x.jsonl")).unwrap();
    rig.append("y.jsonl", &lines(&[1]));
    let asked = rig.asked();
    let read = rig.source.read(&asked).await.unwrap();
    assert_eq!(parts(&read)[0].records.events.len(), 1, "the other file is read all the same");
    let pattern = rig.path("never/*.jsonl").display().to_string();
    let mut never = JsonlSource::new(vec![pattern], specs(), 1, Duration::from_secs(30));
    assert!(never.read(&rig.asked()).await.unwrap().caught_up);
}

/// CO-9: what was written while the collector was down, into a file that was then moved away, is read where it can be found,
/// and else named once.
#[tokio::test]
async fn a_file_moved_while_the_collector_is_down_is_found_or_named() {
    for (to, found) in [("a.jsonl.1", true), ("old/a.jsonl", true), ("../far", false)] {
        let mut rig = Rig::new();
        rig.make("sub");
        rig.make("old");
        rig.append("a.jsonl", &lines(&[1]));
        rig.expect(&[1]).await;
        rig.append("a.jsonl", &lines(&[2]));
        let out = tempfile::tempdir_in(rig.directory.path().parent().unwrap()).unwrap();
        let to = if found { rig.path(to) } else { out.path().join("a.jsonl") };
        fs::rename(rig.path("a.jsonl"), &to).unwrap();
        rig.append("a.jsonl", &lines(&[3]));
        rig.restart();
        rig.expect(if found { &[2, 3] } else { &[3] }).await;
        let named = vec![("a.jsonl".to_owned(), None)];
        assert_eq!(rig.lost(), if found { vec![] } else { named }, "{}", to.display());
        rig.restart();
        rig.expect(&[]).await;
        assert_eq!(rig.lost(), [], "told once");
        let mut again = fs::OpenOptions::new().append(true).open(&to).unwrap();
        again.write_all(lines(&[4]).as_bytes()).unwrap();
        rig.expect(if found { &[4] } else { &[] }).await;
        fs::rename(&to, rig.path("back.jsonl")).unwrap();
        rig.expect(if found { &[] } else { &[2, 4] }).await;
    }
}

/// CO-9: bytes that were seen and not read are told, of a file that went away and of one that was written anew.
#[tokio::test]
async fn what_is_known_to_be_lost_is_told_in_bytes() {
    let mut rig = Rig::new();
    rig.append("a.jsonl", &lines(&[1]));
    rig.append("a.jsonl", "half a line");
    rig.append("b.jsonl", &lines(&[2]));
    rig.append("b.jsonl", "half");
    rig.expect(&[1, 2]).await;
    fs::write(rig.path("b.jsonl"), lines(&[3])).unwrap();
    rig.expect(&[3]).await;
    assert_eq!(rig.lost(), [("b.jsonl".to_owned(), Some(4))]);
    fs::remove_file(rig.path("a.jsonl")).unwrap();
    rig.restart();
    rig.expect(&[]).await;
    assert_eq!(rig.lost(), [("a.jsonl".to_owned(), Some(11))]);
}

/// CO-9: the same cursor gives the same loss again: one that was not committed is not forgotten.
#[tokio::test]
async fn a_loss_that_was_not_committed_is_told_again() {
    let mut rig = Rig::new();
    rig.append("a.jsonl", &lines(&[1, 2]));
    rig.append("b.jsonl", &lines(&[3]));
    rig.expect(&[1, 2, 3]).await;
    fs::write(rig.path("a.jsonl"), lines(&[4])).unwrap();
    fs::remove_file(rig.path("b.jsonl")).unwrap();
    rig.restart();
    for _ in 0..3 {
        let asked = rig.asked();
        let input = rig.source.read(&asked).await.unwrap();
        let lost = input.contributions.iter().filter(|it| matches!(it, Contribution::Lost(_)));
        assert_eq!(lost.count(), 2);
    }
    rig.expect(&[4]).await;
    assert_eq!(rig.lost().len(), 2);
    rig.expect(&[]).await;
    assert_eq!(rig.lost(), []);
}

/// CO-9: a file is told from another by what stands before the position, not by its head alone.
#[tokio::test]
async fn a_rewrite_behind_the_same_head_is_read_from_its_beginning() {
    for restarted in [false, true] {
        let mut rig = Rig::new();
        let head: Vec<u32> = (100..120).collect();
        rig.append("a.jsonl", &(lines(&head) + &lines(&[1, 2])));
        assert_eq!(rig.read().await.0.len(), 22);
        // As long, and longer.
        for (anew, seen) in [(vec![3, 4], 22), (vec![5, 6, 7], 23)] {
            fs::write(rig.path("a.jsonl"), lines(&head) + &lines(&anew)).unwrap();
            if restarted {
                rig.restart();
            }
            assert_eq!(rig.read().await.0.len(), seen, "{anew:?}");
            let lost = rig.lost();
            assert_eq!(
                lost.len(),
                usize::from(restarted),
                "all that was seen before had been read: {lost:?}"
            );
        }
    }
}

/// CO-9, OP-6: a position of an earlier release, without a fingerprint near it, is read on and gets one.
#[tokio::test]
async fn a_position_of_an_earlier_release_is_read_on() {
    let mut rig = Rig::new();
    rig.append("a.jsonl", &lines(&[1, 2]));
    rig.expect(&[1, 2]).await;
    let stored: Vec<_> = rig.cursor.iter().map(|(id, it)| (id.clone(), it.clone())).collect();
    let [(id, mut position)] = <[_; 1]>::try_from(stored).unwrap();
    for later in ["near_length", "near_fingerprint", "created_ns", "length", "departed", "settled", "gone"] {
        position.as_object_mut().unwrap().remove(later);
    }
    let of_then = serde_json::from_value::<crate::store::Position>(serde_json::json!({
        "file_id": id, "path": position["path"], "offset": position["offset"], "line": 2,
        "fingerprint": position["fingerprint"], "fingerprint_length": position["fingerprint_length"],
        "skipping": false, "malformed": 0, "errors": [],
    }));
    let place = of_then.unwrap().into_place().unwrap();
    rig.cursor = Arc::new(Cursor::from([(place.name, place.cursor)]));
    rig.restart();
    rig.append("a.jsonl", &lines(&[3]));
    rig.expect(&[3]).await;
    assert_eq!(rig.lost(), []);
    assert!(rig.cursor[&id]["near_length"].as_u64().unwrap() > 0);
}

/// CO-9: however many files move away at once, each is read to its end or named.
#[tokio::test]
async fn of_very_many_moved_files_none_is_forgotten() {
    const FILES: u32 = 300;
    for near in [true, false] {
        let mut rig = Rig::new();
        let out = tempfile::tempdir_in(rig.directory.path().parent().unwrap()).unwrap();
        rig.make("old");
        let all: Vec<u32> = (0..FILES).collect();
        all.iter().for_each(|n| rig.append(&format!("{n}.jsonl"), &lines(&[*n])));
        rig.expect(&all).await;
        for n in &all {
            rig.append(&format!("{n}.jsonl"), &lines(&[FILES + n]));
            let name = format!("{n}.jsonl");
            let to = if near { rig.path("old") } else { out.path().to_owned() };
            fs::rename(rig.path(&name), to.join(name)).unwrap();
        }
        let (read, _) = rig.read().await;
        let lost = rig.lost();
        assert_eq!(read.len() + lost.len(), all.len());
        assert_eq!(near, lost.is_empty(), "{} are followed by their handles", read.len());
        // And on, also those that are not kept open.
        if near {
            all.iter().for_each(|n| rig.append(&format!("old/{n}.jsonl"), &lines(&[2 * FILES + n])));
            assert_eq!(rig.read().await.0.len(), all.len());
        }
        rig.expect(&[]).await;
    }
}

/// CO-9: where a file went that was moved far away is known after a restart too, if it was followed there.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_was_followed_is_found_again() {
    let mut rig = Rig::new();
    let out = tempfile::tempdir_in(rig.directory.path().parent().unwrap()).unwrap();
    let to = out.path().join("a.jsonl");
    rig.append("a.jsonl", &lines(&[1]));
    rig.expect(&[1]).await;
    fs::rename(rig.path("a.jsonl"), &to).unwrap();
    rig.expect(&[]).await;
    rig.restart();
    fs::OpenOptions::new().append(true).open(&to).unwrap().write_all(lines(&[2]).as_bytes()).unwrap();
    rig.expect(&[2]).await;
    assert_eq!(rig.lost(), []);
}

/// CO-9: a file that was read to its end, and into which nothing was written for a day, may be deleted; and one that is
/// deleted while it is followed is let go once it is quiet.
#[tokio::test]
async fn files_that_are_over_are_not_missed() {
    let mut rig = Rig::new();
    rig.append("a.jsonl", &lines(&[1]));
    rig.append("b.jsonl", &lines(&[2]));
    rig.expect(&[1, 2]).await;
    fs::remove_file(rig.path("b.jsonl")).unwrap();
    rig.expect(&[]).await;
    let written = fs::metadata(rig.path("a.jsonl")).unwrap().modified().unwrap();
    let written = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let written = Timestamp::from_millis(i64::try_from(written).unwrap());
    rig.now = written.plus(Duration::from_secs(25 * 3600));
    for _ in 0..3 {
        rig.expect(&[]).await;
    }
    let gone: Vec<bool> = rig.cursor.values().map(|it| it["gone"] == true).collect();
    assert_eq!(gone.iter().filter(|gone| **gone).count(), 1, "{:?}", rig.cursor);
    fs::remove_file(rig.path("a.jsonl")).unwrap();
    rig.restart();
    rig.expect(&[]).await;
    assert_eq!(rig.lost(), []);
    assert!(rig.cursor.values().all(|it| it["gone"] == true), "{:?}", rig.cursor);
}

/// CO-9, TE-8: a writer that goes on where it was, rotation after rotation, costs no line.
#[tokio::test]
async fn a_hole_at_each_rotation_costs_no_line() {
    use std::os::unix::fs::FileExt as _;
    for seen_empty in [true, false] {
        let mut rig = Rig::new();
        rig.append("a.jsonl", "");
        let file = fs::OpenOptions::new().write(true).open(rig.path("a.jsonl")).unwrap();
        let mut at = 0;
        for round in 0..6 {
            for part in 0..2 {
                let text = lines(&[round * 10 + part]);
                file.write_all_at(text.as_bytes(), at).unwrap();
                at += text.len() as u64;
                rig.expect(&[round * 10 + part]).await;
            }
            file.set_len(0).unwrap();
            if seen_empty {
                rig.expect(&[]).await;
            }
        }
        assert_eq!(rig.lost(), []);
    }
}

/// CO-9: what cannot be read is named and left out; the rest is read. Where nothing else is, it is an outage (CO-5).
#[tokio::test]
async fn what_cannot_be_read_is_left_out() {
    let mut rig = Rig::new();
    rig.append("b.jsonl", &lines(&[1]));
    // Looking at it fails for anybody, whatever he may do.
    std::os::unix::fs::symlink("a.jsonl", rig.path("a.jsonl")).unwrap();
    rig.expect(&[1]).await;
    let [named] = rig.left_out.as_slice() else { panic!("{:?}", rig.left_out) };
    assert!(named.contains("/a.jsonl: "), "{named}");
    fs::remove_file(rig.path("b.jsonl")).unwrap();
    rig.restart();
    let asked = rig.asked();
    assert!(matches!(rig.source.read(&asked).await.unwrap_err(), SourceError::Io { .. }));
}

/// A policy that names other files: those that it named before are not read on where they stand.
#[tokio::test]
async fn files_of_another_pattern_are_not_followed() {
    let mut rig = Rig::new();
    rig.append("a.jsonl", &lines(&[1]));
    rig.append("b.txt", &lines(&[2]));
    rig.expect(&[1]).await;
    let pattern = rig.path("*.txt").display().to_string();
    rig.source = JsonlSource::new(vec![pattern], specs(), 1, Duration::from_secs(30));
    rig.append("a.jsonl", &lines(&[3]));
    rig.expect(&[2]).await;
    assert_eq!(rig.lost(), []);
    rig.restart();
    rig.expect(&[3]).await;
}
