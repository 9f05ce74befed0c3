//! A PostgreSQL server that lives as long as the test process, in a folder that goes with it.
//!
//! A watchdog process holds the other end of a pipe: when this process ends, even by SIGKILL, the pipe closes, and the
//! watchdog stops the server and removes the folder.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::binaries::{self, RunAs};
use crate::ports;
use crate::tls::Identity;

const MISSING: &str = "the tests need PostgreSQL: install its server (Debian: apt install postgresql), \
                       or set PHASEGATE_TEST_DATABASE_URL to one whose user may create databases";

/// No test survives its machine, so nothing is synced; but what was committed survives the server.
const NOT_SYNCED: &str = "-c fsync=off -c full_page_writes=off";

/// Little write-ahead log is kept: nobody follows this server, and a machine's disk may be small.
const SETTINGS: &str = "-c max_connections=400 -c listen_addresses=127.0.0.1 \
                        -c shared_buffers=64MB -c wal_level=minimal -c max_wal_senders=0 \
                        -c min_wal_size=8MB -c max_wal_size=64MB";

const INIT: [&str; 9] =
    ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=4"];

const RESTART_PATIENCE: Duration = Duration::from_secs(60);

/// Above the highest process id of any system.
const NO_PROCESS: i32 = i32::MAX;

/// The watchdog: waits for the end of its standard input, then for the server's.
const WATCHDOG: &str = r#"trap '' INT TERM HUP
while read -r _; do :; done
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -QUIT "$pid" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
fi
rm -rf "$1""#;

/// A running server with a data folder of its own. Ends when dropped, or with this process.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    run_as: RunAs,
    port: u16,
    watchdog: Child,
    synced: bool,
    tls: bool,
    /// Whether it is reached by a Unix socket too.
    socket: bool,
}

impl Cluster {
    /// Makes and starts one; about a second.
    ///
    /// # Panics
    /// With one line that says what to install, or what the server said.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(false, None, false)
    }

    /// One that is reached by a Unix socket too, see [`Cluster::socket_url`].
    ///
    /// # Panics
    /// As [`Cluster::start`].
    #[must_use]
    pub fn with_socket() -> Self {
        Self::start_with(false, None, true)
    }

    /// One that speaks TLS and shows this.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    #[must_use]
    pub fn with_tls(shows: &Identity) -> Self {
        Self::start_with(false, Some(shows), false)
    }

    /// One with PostgreSQL's default durability, for measurements: every commit is synced.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    #[must_use]
    pub fn durable() -> Self {
        Self::start_with(true, None, false)
    }

    fn start_with(synced: bool, tls: Option<&Identity>, socket: bool) -> Self {
        let programs = binaries::find().unwrap_or_else(|| panic!("{MISSING}"));
        let run_as = RunAs::choose();
        let folder = tempfile::Builder::new().prefix("phasegate-pg-").tempdir();
        let folder =
            folder.unwrap_or_else(|error| panic!("no folder for the tests' PostgreSQL: {error}")).keep();
        run_as.give(&folder).unwrap_or_else(|error| panic!("the tests' PostgreSQL gets no folder: {error}"));
        let watchdog = watch(&folder).unwrap_or_else(|error| panic!("no watchdog for PostgreSQL: {error}"));
        let tls_wanted = tls.is_some();
        let mut cluster =
            Self { folder, programs, run_as, port: 0, watchdog, synced, tls: tls_wanted, socket };
        cluster.init();
        if let Some(identity) = tls {
            cluster.show(identity).unwrap_or_else(|error| panic!("PostgreSQL gets no certificate: {error}"));
        }
        cluster.start_on_a_free_port();
        cluster
    }

    /// Its `postgres` database, as a user who may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// As [`Cluster::url`], by its Unix socket.
    #[must_use]
    pub fn socket_url(&self) -> String {
        format!("postgres:///postgres?host={}&port={}&user=postgres", self.folder.display(), self.port)
    }

    /// Ends the server at once, as a crash would; what was committed stays.
    ///
    /// # Panics
    /// It does not end.
    pub fn crash(&self) {
        let output = self.control(&["stop", "-m", "immediate"]);
        expect_success("stop", &output);
    }

    /// SIGKILL to the postmaster, which cannot even tell its backends; they notice, and end on their own.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&self) {
        let file = self.folder.join("data/postmaster.pid");
        let text = std::fs::read_to_string(&file).expect("a running server's postmaster.pid");
        let (number, rest) = text.split_once('\n').expect("its first line");
        let pid: i32 = number.trim().parse().expect("a process id");
        let process = rustix::process::Pid::from_raw(pid).expect("a process id");
        rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("the server is ours");
        let started = Instant::now();
        while !is_gone(pid) {
            assert!(started.elapsed() < RESTART_PATIENCE, "a killed PostgreSQL is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
        // Where nobody reaps orphans the number stays taken, and the server would take itself for running.
        std::fs::write(&file, format!("{NO_PROCESS}\n{rest}")).expect("its postmaster.pid");
    }

    /// Starts it again on the same port. A killed one's last backends hold its memory for a moment; it is tried
    /// until they are gone.
    ///
    /// # Panics
    /// It does not start.
    pub fn restart(&self) {
        let started = Instant::now();
        let mut output = self.start_on(self.port);
        while started.elapsed() < RESTART_PATIENCE && !matches!(&output, Ok(it) if it.status.success()) {
            std::thread::sleep(Duration::from_millis(20));
            output = self.start_on(self.port);
        }
        expect_success("start again", &output);
    }

    fn init(&self) {
        let output = self
            .run_as
            .command(&self.programs.join("initdb"))
            .args(INIT)
            .arg("-D")
            .arg(self.folder.join("data"))
            .current_dir(&self.folder)
            .output();
        expect_success("initialise", &output);
    }

    /// The server takes a key only from a file that is its own alone.
    fn show(&self, identity: &Identity) -> io::Result<()> {
        for (name, text) in [("server.crt", &identity.certificate), ("server.key", &identity.key)] {
            let file = self.folder.join("data").join(name);
            std::fs::write(&file, text)?;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
            self.run_as.give(&file)?;
        }
        Ok(())
    }

    fn start_on_a_free_port(&mut self) {
        // Between our look and the server's bind another process may take the port.
        for _ in 0..5 {
            self.port = ports::own();
            if matches!(self.start_on(self.port), Ok(output) if output.status.success()) {
                return;
            }
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("the tests' PostgreSQL does not start: {}", log.lines().last().unwrap_or("it left no log"));
    }

    fn start_on(&self, port: u16) -> io::Result<Output> {
        let durability = if self.synced { "" } else { NOT_SYNCED };
        let tls = if self.tls { "-c ssl=on" } else { "" };
        let sockets = if self.socket { self.folder.display().to_string() } else { String::new() };
        let options =
            format!("{SETTINGS} {durability} {tls} -c unix_socket_directories={sockets} -c port={port}");
        let log = self.folder.join("log").display().to_string();
        self.control(&["start", "-w", "-t", "60", "-l", &log, "-o", &options])
    }

    fn control(&self, arguments: &[&str]) -> io::Result<Output> {
        self.run_as
            .command(&self.programs.join("pg_ctl"))
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().ok();
    }
}

fn watch(folder: &Path) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", WATCHDOG, "sh"])
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Out of the terminal's reach: Ctrl-C ends the tests, and the watchdog then cleans up.
        .process_group(0)
        .spawn()
}

/// Ended, if perhaps not reaped.
fn is_gone(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X'])),
        Err(_) => rustix::process::Pid::from_raw(pid)
            .is_none_or(|process| rustix::process::test_kill_process(process).is_err()),
    }
}

fn expect_success(what: &str, output: &io::Result<Output>) {
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            panic!("the tests' PostgreSQL did not {what}: {}", text.trim());
        }
        Err(error) => panic!("the tests' PostgreSQL did not {what}: {error}"),
    }
}
