//! Where PostgreSQL's programs are, and as whom they run: they refuse to run as root.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The folder with `initdb`, `pg_ctl` and `postgres`: from PATH, else the newest a package put where packages do.
pub(super) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // PATH may hold links to single programs; the others lie beside what they point to.
    let on_path = std::env::split_paths(&path)
        .filter_map(|folder| fs::canonicalize(folder.join("initdb")).ok()?.parent().map(Path::to_path_buf));
    on_path.chain(packaged()).find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()))
}

fn packaged() -> Vec<PathBuf> {
    let roots = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr/local/pgsql"];
    let versions = roots.iter().filter_map(|root| fs::read_dir(root).ok()).flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let version = name.trim_start_matches("postgresql@").parse().unwrap_or(0);
            let bin = if name == "bin" { entry.path() } else { entry.path().join("bin") };
            bin.is_dir().then_some((version, bin))
        })
        .collect();
    folders.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders.into_iter().map(|(_, bin)| bin).collect()
}

/// Who the server runs as.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunAs {
    Us,
    User { uid: u32, gid: u32 },
}

impl RunAs {
    /// Us, unless that is root: then `postgres`, or `nobody` where there is none.
    pub(super) fn choose() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::Us;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let find = |wanted: &str| {
            users.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                let uid = fields.nth(1)?.parse().ok()?;
                let gid = fields.next()?.parse().ok()?;
                (name == wanted).then_some(Self::User { uid, gid })
            })
        };
        find("postgres").or_else(|| find("nobody")).unwrap_or(Self::User { uid: 65534, gid: 65534 })
    }

    /// Makes `folder` theirs.
    pub(super) fn give(self, folder: &Path) -> std::io::Result<()> {
        match self {
            Self::Us => Ok(()),
            Self::User { uid, gid } => std::os::unix::fs::chown(folder, Some(uid), Some(gid)),
        }
    }

    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::User { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }
}
