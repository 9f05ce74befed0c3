//! How much room a disk has left.

use std::io;
use std::path::Path;

use crate::http::CheckState;

/// Below this part of it a disk is nearly full, unless much is left all the same.
const LOW_PART: u64 = 20;
const LOW_BYTES: u64 = 2 << 30;
/// Below this it is, however large.
const HARDLY_ANY: u64 = 256 << 20;

/// Of the disk that something is on, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What may be written by who is not root.
    pub free: u64,
    pub total: u64,
}

impl Room {
    /// Of the disk that a file or directory is on; of its nearest directory, if it is not there yet.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn at(path: &Path) -> io::Result<Self> {
        let mut there = std::path::absolute(path)?;
        while !there.exists() && there.pop() {}
        let found = rustix::fs::statvfs(&there)?;
        Ok(Self { free: found.f_bavail * found.f_frsize, total: found.f_blocks * found.f_frsize })
    }

    /// Whether somebody should make room.
    #[must_use]
    pub fn is_low(self) -> bool {
        self.free < HARDLY_ANY || (self.free < LOW_BYTES && self.free < self.total / LOW_PART)
    }
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} free", bytes(self.free), bytes(self.total))
    }
}

/// For `/readyz`.
pub(crate) fn state(directory: &Path) -> CheckState {
    match Room::at(directory) {
        Ok(room) if room.is_low() => {
            CheckState::Degraded(format!("{room} where {} is: make room", directory.display()))
        }
        Ok(_) => CheckState::Ok,
        Err(error) => CheckState::Degraded(format!("{}: {error}", directory.display())),
    }
}

/// `37 GiB`, `912 MiB`.
fn bytes(count: u64) -> String {
    match count {
        0..0x4000_0000 => format!("{} MiB", count >> 20),
        _ => format!("{} GiB", count >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_by_its_part_or_when_hardly_anything_is_left() {
        let low = |free, total| Room { free, total }.is_low();
        assert!(low(200 << 20, 300 << 20), "hardly any");
        assert!(low(1 << 30, 100 << 30));
        assert!(!low(1 << 30, 10 << 30), "a small disk with a tenth of it free");
        assert!(!low(3 << 30, 1 << 40), "a large one");
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_on_the_disk_of_the_nearest_that_is() {
        let directory = tempfile::tempdir().unwrap();
        let room = Room::at(&directory.path().join("a/b")).unwrap();
        assert!(room.total > 0 && room.free <= room.total, "{room:?}");
        assert!(room.to_string().ends_with(" free"), "{room}");
    }
}
