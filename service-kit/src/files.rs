//! How a file is written: whole or not at all, and as what it is.
//!
//! A regular file is written beside, synced, and renamed over the old one, so that a crash leaves the old one or the new
//! one and nobody reads half of it. It keeps its mode and, where that may be given away, its owner. A link stays a link: what it
//! leads to is replaced. What is no file (a device, a pipe, standard output by its name) is written into.

use std::ffi::OsString;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Of a new file, less what the process's umask takes away.
const NEW_MODE: u32 = 0o644;
/// Of the file beside, until it has the mode of the one that it replaces.
const HIDDEN_MODE: u32 = 0o600;
/// Links that lead to links; more are a circle.
const MOST_LINKS: usize = 40;

/// Writes a file as a whole; the directories above it are made.
///
/// # Errors
/// The file system's; the old file is as it was.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut writing = Writing::begin(path)?;
    writing.write_all(content)?;
    writing.finish()
}

/// A file while it is written. Dropped before [`Writing::finish`] it leaves the old one as it was.
#[derive(Debug)]
pub struct Writing {
    file: File,
    /// None: it is written into, and what is written is there at once.
    beside: Option<Beside>,
}

#[derive(Debug)]
struct Beside {
    temporary: PathBuf,
    real: PathBuf,
}

impl Writing {
    /// Begins to write what is or shall be at `path`; the directories above it are made.
    ///
    /// # Errors
    /// The file system's; it is a directory or a socket.
    pub fn begin(path: &Path) -> io::Result<Self> {
        Self::begin_as(path, &Uuid::now_v7().to_string())
    }

    /// As [`Self::begin`], with a name for the file beside, so that one that a crash has left there goes when the same is done
    /// again. Two that write at once must not have the same.
    ///
    /// # Errors
    /// As it.
    pub fn begin_as(path: &Path, name: &str) -> io::Result<Self> {
        let real = target(path)?;
        let like = match fs::metadata(&real) {
            Ok(like) => Some(like),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if is_our_own_descriptor(&real) || like.as_ref().is_some_and(|like| is_stream(like.file_type())) {
            // Whatever is there already stays before it, as `>>` would have it.
            let file = OpenOptions::new().append(true).open(&real)?;
            return Ok(Self { file, beside: None });
        }
        if like.as_ref().is_some_and(|like| !like.is_file()) {
            let what = if real.is_dir() { "it is a directory" } else { "it is no file" };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{what}; name a file")));
        }
        fs::create_dir_all(directory(&real))?;
        let temporary = beside(&real, name)?;
        let mode = if like.is_some() { HIDDEN_MODE } else { NEW_MODE };
        let open = || OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&temporary)?;
                open()?
            }
            opened => opened?,
        };
        // From here on what is left half done is taken away.
        let writing = Self { file, beside: Some(Beside { temporary, real }) };
        if let Some(like) = like {
            // Only root may give a file away; a group of one's own may be given by anybody.
            std::os::unix::fs::fchown(&writing.file, Some(like.uid()), Some(like.gid()))
                .or_else(|_| std::os::unix::fs::fchown(&writing.file, None, Some(like.gid())))
                .ok();
            writing.file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
        }
        Ok(writing)
    }

    /// What was written is there, and stays there.
    ///
    /// # Errors
    /// The file system's; the old file is as it was, unless only its directory could not be synced.
    pub fn finish(mut self) -> io::Result<()> {
        let Some(Beside { temporary, real }) = &self.beside else { return self.file.flush() };
        self.file.sync_all()?;
        fs::rename(temporary, real)?;
        let directory = directory(real).to_owned();
        self.beside = None;
        File::open(directory)?.sync_all()
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(Beside { temporary, .. }) = &self.beside {
            fs::remove_file(temporary).ok();
        }
    }
}

/// What the links at `path` lead to, there or not.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if is_our_own_descriptor(&path) {
            return Ok(path);
        }
        match fs::read_link(&path) {
            Ok(to) => path = directory(&path).join(to),
            // No link, or nothing.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "its links lead in a circle; name a file"))
}

/// `/dev/stdout` and its like: open already, perhaps in the middle of a file that others write to as well.
fn is_our_own_descriptor(path: &Path) -> bool {
    ["/proc/self/fd", "/dev/fd", "/dev/stdout", "/dev/stderr"].iter().any(|known| path.starts_with(known))
}

fn is_stream(kind: FileType) -> bool {
    kind.is_fifo() || kind.is_char_device() || kind.is_block_device()
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// In the same directory, so that the rename is one step; where no pattern for the files themselves looks.
fn beside(real: &Path, name: &str) -> io::Result<PathBuf> {
    let Some(file) = real.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it has no file name"));
    };
    let mut hidden = OsString::from(".");
    hidden.push(file);
    hidden.push(format!(".{name}.tmp"));
    Ok(real.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    /// DA-1
    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reports/dashboard.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(path.parent().unwrap()), ["dashboard.json"]);
    }

    /// CO-8: what is not finished changes nothing, and what a crash has left goes with the next turn.
    #[test]
    fn half_a_file_is_never_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "old").unwrap();
        let mut writing = Writing::begin_as(&path, "move").unwrap();
        writing.write_all(b"ne").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        drop(writing);
        assert_eq!(names(directory.path()), ["f"]);
        fs::write(directory.path().join(".f.move.tmp"), "left by a crash").unwrap();
        let mut writing = Writing::begin_as(&path, "move").unwrap();
        writing.write_all(b"new").unwrap();
        writing.finish().unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(directory.path())), (b"new".to_vec(), vec!["f".into()]));
    }

    /// CO-8: a file's mode was widened to that of a new one.
    #[test]
    fn a_file_keeps_its_mode_and_a_new_one_gets_the_usual() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "old").unwrap();
        for kept in [0o600, 0o640, 0o444] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            replace(&path, b"new").unwrap();
            assert_eq!(mode(&path), kept);
        }
        let fresh = directory.path().join("fresh");
        replace(&fresh, b"new").unwrap();
        // As the shell of this process makes one, less what nobody asked for.
        let made = directory.path().join("made");
        File::create(&made).unwrap();
        assert_eq!(mode(&fresh), mode(&made) & NEW_MODE);
    }

    /// CO-8: a link was replaced by a file.
    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real/f"), directory.path().join("link"));
        symlink("real/f", &link).unwrap();
        // Wherever it leads to is made.
        for content in ["one", "two"] {
            replace(&link, content.as_bytes()).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(&real).unwrap(), content);
        }
        let second = directory.path().join("second");
        symlink("link", &second).unwrap();
        replace(&second, b"three").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "three");
        assert_eq!(names(directory.path()), ["link", "real", "second"]);
        symlink("circle", directory.path().join("circle")).unwrap();
        let error = replace(&directory.path().join("circle"), b"x").unwrap_err().to_string();
        assert_eq!(error, "its links lead in a circle; name a file");
    }

    /// CO-8: a pipe was replaced by a file, and its reader waited for ever.
    #[test]
    fn a_pipe_is_written_into() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        replace(&pipe, b"a batch\n").unwrap();
        assert_eq!(reader.join().unwrap(), "a batch\n");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(names(directory.path()), ["pipe"]);
    }

    /// CO-8: run by root, `--output /dev/null` made a file of it.
    #[test]
    fn a_device_is_written_into_also_by_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("null");
        symlink("/dev/null", &link).unwrap();
        for path in [Path::new("/dev/null"), &link] {
            replace(path, b"a batch\n").unwrap();
            assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        }
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    /// CO-8: standard output by its name may be a file that somebody else writes to as well.
    #[test]
    fn an_open_descriptor_is_written_into_and_its_file_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "before\n").unwrap();
        let open = OpenOptions::new().append(true).open(&path).unwrap();
        let name = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
        replace(Path::new(&name), b"batch\n").unwrap();
        (&open).write_all(b"after\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\nbatch\nafter\n");
        let link = directory.path().join("link");
        symlink(&name, &link).unwrap();
        replace(&link, b"more\n").unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with("after\nmore\n"));
    }

    /// CO-8
    #[test]
    fn a_directory_is_refused_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let error = replace(directory.path(), b"x").unwrap_err().to_string();
        assert_eq!(error, "it is a directory; name a file");
        let below = directory.path().join("f");
        fs::write(&below, "x").unwrap();
        assert!(replace(&below.join("g"), b"x").is_err());
        assert_eq!(names(directory.path()), ["f"]);
    }
}
