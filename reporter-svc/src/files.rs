//! The files people read: where they are, and how a line is added to one; as a whole they are written by
//! `service_kit::files`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use shared_types::TargetName;

/// Where the dashboard document is (DA-1).
#[must_use]
pub fn dashboard(data_dir: &Path) -> PathBuf {
    data_dir.join("reports/monitoring/dashboard.json")
}

/// Where the runbook log is.
#[must_use]
pub fn runbook(data_dir: &Path) -> PathBuf {
    data_dir.join("reports/runbook.jsonl")
}

/// Where the report of a day is (DA-5).
#[must_use]
pub fn daily(data_dir: &Path, target: &TargetName, date: &str) -> PathBuf {
    data_dir.join(format!("reports/daily/{date}-{target}.md"))
}

/// Where the follow-up tasks are (EV-1).
#[must_use]
pub fn checklist(data_dir: &Path) -> PathBuf {
    data_dir.join("reports/checklist.md")
}

/// Appends a line of JSON and syncs it. When `id` is given the line is only written if no whole line holds it yet: a
/// full disk or a crash may have left the beginning of one, id included.
///
/// # Errors
/// The file system's.
pub fn append_once(path: &Path, line: &str, id: Option<&str>) -> io::Result<bool> {
    fs::create_dir_all(path.parent().unwrap_or_else(|| Path::new(".")))?;
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    if let Some(id) = id
        && BufReader::new(&file).lines().any(|line| line.is_ok_and(|line| is_whole(&line, id)))
    {
        return Ok(false);
    }
    let mut text = String::new();
    if !ends_with_newline(&mut file)? {
        // A crash may have left half a line behind; what follows must not be glued to it.
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(true)
}

fn is_whole(line: &str, id: &str) -> bool {
    line.contains(id) && serde_json::from_str::<serde_json::Value>(line).is_ok()
}

pub(crate) fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RB-5
    #[test]
    fn a_line_is_appended_once_and_never_glued_to_a_torn_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = runbook(directory.path());
        assert!(append_once(&path, r#"{"id":"a"}"#, Some("\"a\"")).unwrap());
        assert!(!append_once(&path, r#"{"id":"a"}"#, Some("\"a\"")).unwrap());
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{torn").unwrap();
        assert!(append_once(&path, r#"{"id":"b"}"#, Some("\"b\"")).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"id\":\"a\"}\n{torn\n{\"id\":\"b\"}\n");
    }

    /// RB-5: a disk that filled up in the middle of a line left its id there; the line is not written yet.
    #[test]
    fn a_torn_line_with_the_id_does_not_count_as_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = runbook(directory.path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let line = r#"{"id":"a","text":"Rollback invoked"}"#;
        fs::write(&path, &line[..20]).unwrap();
        assert!(append_once(&path, line, Some("\"a\"")).unwrap());
        assert!(!append_once(&path, line, Some("\"a\"")).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n{line}\n", &line[..20]));
    }
}
