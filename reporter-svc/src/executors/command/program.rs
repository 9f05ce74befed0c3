//! Whether a program is there to be started (PL-2).

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Whether starting it in `directory` would find something that can be executed: along `path` where it has no slash, as the
/// system looks for it.
pub(super) fn is_there(program: &str, directory: &Path, path: &OsStr) -> bool {
    if program.contains('/') {
        return is_executable(&directory.join(program));
    }
    std::env::split_paths(path).any(|place| is_executable(&directory.join(place).join(program)))
}

fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PL-2
    #[test]
    fn a_program_is_found_where_it_would_be_started() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, mode| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("bin/flags", 0o755);
        write("bin/notes", 0o644);
        let whole = folder.path().join("bin/flags").display().to_string();
        for (program, found) in [
            ("flags", true),
            ("./bin/flags", true),
            (whole.as_str(), true),
            ("notes", false),
            ("bin", false),
            ("bin/other", false),
            ("sh", false),
        ] {
            assert_eq!(is_there(program, folder.path(), OsStr::new("/nowhere:bin")), found, "{program}");
        }
    }
}
