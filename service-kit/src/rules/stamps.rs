//! What the file system says of files without reading them, so that files that nobody touched are not read again.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// No file system counts in more than this.
const COARSEST: Duration = Duration::from_secs(2);

/// Of each path; none of one that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

/// Whoever writes, replaces, links, or in a directory adds and removes, changes one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds, of the content and of all that is known of the file.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamps {
    pub(super) fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let stamp = |path: PathBuf| {
            let found = std::fs::metadata(&path).ok().as_ref().map(Stamp::of);
            (path, found)
        };
        Self(paths.into_iter().map(stamp).collect())
    }

    /// Whether the last change was so long ago that another one would have had another time: clocks of file systems are coarse.
    pub(super) fn are_settled(&self, now: SystemTime) -> bool {
        let settled = i64::try_from(COARSEST.as_secs()).unwrap_or_default();
        let now =
            now.duration_since(UNIX_EPOCH).map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or_default());
        self.0.values().flatten().all(|stamp| now - stamp.modified.0 > settled)
    }

    /// Those of the same paths now.
    pub(super) fn again(&self) -> Self {
        Self::of(self.0.keys().cloned())
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// PO-2
    #[test]
    fn whatever_is_done_to_files_shows_in_their_stamps() {
        let folder = tempfile::tempdir().unwrap();
        let (file, directory) = (folder.path().join("f"), folder.path().join("d"));
        fs::write(&file, "one").unwrap();
        fs::create_dir(&directory).unwrap();
        let mut before = Stamps::of([file.clone(), directory.clone()]);
        assert_eq!(before, before.again());
        assert!(!before.are_settled(SystemTime::now()));
        assert!(before.are_settled(SystemTime::now() + COARSEST * 2));
        let steps: [(&str, &dyn Fn()); 5] = [
            ("replaced", &|| {
                fs::write(folder.path().join("g"), "two").unwrap();
                fs::rename(folder.path().join("g"), &file).unwrap();
            }),
            ("written", &|| fs::write(&file, "longer").unwrap()),
            ("a file more", &|| fs::write(directory.join("x"), "").unwrap()),
            ("a file less", &|| fs::remove_file(directory.join("x")).unwrap()),
            ("gone", &|| fs::remove_file(&file).unwrap()),
        ];
        for (step, act) in steps {
            act();
            let now = before.again();
            assert_ne!(now, before, "{step}");
            before = now;
        }
    }
}
