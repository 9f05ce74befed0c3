//! A data directory that can be full: a small file system of its own where we may mount one, else a limit on the size
//! of files for two of the services.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Room for the archive of a long run.
const SIZE: &str = "size=48m,mode=755";

pub(crate) struct Disk {
    folder: PathBuf,
    mounted: bool,
}

impl Disk {
    /// Makes the data directory. The watchdog unmounts it.
    pub(crate) fn make(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the data directory");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "phasegate-chaos"]).arg(folder).output();
        let mounted = mount.is_ok_and(|it| it.status.success());
        Self { folder: folder.to_owned(), mounted }
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.mounted {
            "a tmpfs, filled up"
        } else {
            "a file size limit of 0 on collector and analyzer (no right to mount)"
        }
    }

    /// From now on nothing can be written; `pids` are those a limit is put on where there is no file system to fill.
    pub(crate) fn fill(&self, pids: &[u32]) {
        if !self.mounted {
            return pids.iter().for_each(|pid| limit(*pid, "0"));
        }
        let mut filler = File::create(self.filler()).expect("the filler");
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0; size];
            while filler.write_all(&piece).is_ok() {}
        }
    }

    /// There is room again.
    pub(crate) fn free(&self, pids: &[u32]) {
        if !self.mounted {
            return pids.iter().for_each(|pid| limit(*pid, "unlimited"));
        }
        fs::remove_file(self.filler()).expect("the filler");
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

/// The soft limit only, so that it can be lifted.
fn limit(pid: u32, bytes: &str) {
    let set = Command::new("prlimit").arg(format!("--pid={pid}")).arg(format!("--fsize={bytes}:")).status();
    assert!(set.is_ok_and(|it| it.success()), "prlimit sets the file size limit of {pid}");
}
