//! The services' processes: up to two replicas of each, which can be killed, frozen and replaced.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use phasegate_tests::{binaries, wait};
use rustix::process::{Pid, Signal, kill_process};

use crate::watchdog::Watchdog;

/// The folder of an earlier version's binaries, and of its texts.
const OLD_VARIABLE: &str = "PHASEGATE_OLD_BINARIES";

pub(crate) const POLICY: &str = "policy.yaml";
/// Of the earlier version.
pub(crate) const OLD_POLICY: &str = "policy.old.yaml";

/// A replica of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Member {
    pub(crate) service: &'static str,
    /// 1 or 2.
    pub(crate) replica: u8,
}

impl Member {
    pub(crate) fn first(service: &'static str) -> Self {
        Self { service, replica: 1 }
    }

    pub(crate) fn second(service: &'static str) -> Self {
        Self { service, replica: 2 }
    }
}

/// Which build a replica runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    Old,
    New,
}

impl Build {
    /// The program, and its policy.
    fn of(self, service: &str) -> (PathBuf, &'static str) {
        let name = format!("{service}-svc");
        match (self, std::env::var_os(OLD_VARIABLE)) {
            (Self::Old, Some(folder)) => (PathBuf::from(folder).join(name), OLD_POLICY),
            _ => (binaries::path(&name), POLICY),
        }
    }

    /// The texts of the old one, `templates/alerts` beside its binaries.
    pub(crate) fn old_templates() -> Option<PathBuf> {
        Some(PathBuf::from(std::env::var_os(OLD_VARIABLE)?).join("templates/alerts")).filter(|it| it.is_dir())
    }

    /// What the old one is, for people.
    pub(crate) fn old_one() -> String {
        match std::env::var(OLD_VARIABLE) {
            Ok(folder) => format!("the binaries in {folder}"),
            Err(_) => format!("this same build ({OLD_VARIABLE} is not set)"),
        }
    }
}

struct Running {
    child: Child,
    frozen: bool,
}

/// All processes of a world.
pub(crate) struct Fleet {
    folder: PathBuf,
    environment: BTreeMap<String, String>,
    /// By service.
    databases: BTreeMap<&'static str, String>,
    addresses: BTreeMap<Member, SocketAddr>,
    running: BTreeMap<Member, Running>,
    watchdog: Watchdog,
}

impl Fleet {
    pub(crate) fn new(
        folder: PathBuf,
        environment: BTreeMap<String, String>,
        databases: BTreeMap<&'static str, String>,
        addresses: BTreeMap<Member, SocketAddr>,
        watchdog: Watchdog,
    ) -> Self {
        Self { folder, environment, databases, addresses, running: BTreeMap::new(), watchdog }
    }

    /// Starts a replica, and waits until it answers.
    pub(crate) async fn launch(&mut self, member: Member, build: Build) {
        let Member { service, replica } = member;
        let (mut output, input) = io::pipe().expect("a pipe");
        let log = self.folder.join(format!("{service}.{replica}.log"));
        let mut log = File::options().create(true).append(true).open(log).expect("a log file");
        // Through a pipe: a limit on the size of files is not to hit the log.
        std::thread::spawn(move || io::copy(&mut output, &mut log).ok());
        let upper = service.to_uppercase();
        let (program, policy) = build.of(service);
        let child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\""])
            .arg(program)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .envs(&self.environment)
            .env("PHASEGATE_POLICY", self.folder.join(policy))
            .env("PHASEGATE_DATABASE_URL", &self.databases[service])
            .env(format!("PHASEGATE_{upper}_LISTEN"), self.addresses[&member].to_string())
            .stdin(Stdio::null())
            .stdout(input.try_clone().expect("a second handle"))
            .stderr(input)
            .spawn()
            .unwrap_or_else(|error| panic!("{service} does not start: {error}"));
        self.watchdog.started(child.id());
        self.running.insert(member, Running { child, frozen: false });
        self.until_healthy(member).await;
    }

    async fn until_healthy(&mut self, member: Member) {
        let url = format!("http://{}/healthz", self.addresses[&member]);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().expect("a client");
        wait::until(&format!("{member:?} to answer:\n{}", self.log(member)), || async {
            let answer = http.get(&url).send().await.map_err(|error| error.to_string())?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
        })
        .await;
    }

    /// SIGKILL, and reaped.
    pub(crate) fn kill(&mut self, member: Member) {
        if let Some(mut running) = self.running.remove(&member) {
            running.child.kill().ok();
            running.child.wait().expect("a killed process can be waited for");
            self.watchdog.ended(running.child.id());
        }
    }

    /// SIGTERM; it must end well.
    pub(crate) async fn terminate(&mut self, member: Member) {
        let mut running = self.running.remove(&member).expect("it runs");
        signal(&running.child, Signal::TERM);
        let ended = wait::until(&format!("{member:?} to stop"), || {
            let ended = running.child.try_wait();
            async move { ended.ok().flatten().ok_or("it still runs") }
        })
        .await;
        self.watchdog.ended(running.child.id());
        assert!(ended.success(), "{member:?} stopped with {ended}:\n{}", self.log(member));
    }

    /// SIGSTOP.
    pub(crate) fn freeze(&mut self, member: Member) {
        let running = self.running.get_mut(&member).expect("it runs");
        signal(&running.child, Signal::STOP);
        running.frozen = true;
    }

    /// SIGCONT, and waits until it answers.
    pub(crate) async fn thaw(&mut self, member: Member) {
        let running = self.running.get_mut(&member).expect("it runs");
        signal(&running.child, Signal::CONT);
        running.frozen = false;
        self.until_healthy(member).await;
    }

    pub(crate) fn is_running(&self, member: Member) -> bool {
        self.running.contains_key(&member)
    }

    /// The process ids of these services.
    pub(crate) fn pids(&self, services: &[&str]) -> Vec<u32> {
        let of_these = self.running.iter().filter(|(member, _)| services.contains(&member.service));
        of_these.map(|(_, running)| running.child.id()).collect()
    }

    /// Where the service can be asked now.
    pub(crate) fn answering(&self, service: &str) -> Vec<SocketAddr> {
        let of_it =
            self.running.iter().filter(|(member, running)| member.service == service && !running.frozen);
        of_it.map(|(member, _)| self.addresses[member]).collect()
    }

    fn log(&self, member: Member) -> String {
        let file = self.folder.join(format!("{}.{}.log", member.service, member.replica));
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// The last lines of all logs.
    pub(crate) fn logs(&self) -> String {
        let shown = |member: &Member| format!("--- {member:?}\n{}\n", self.log(*member));
        self.running.keys().map(shown).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        let members: Vec<Member> = self.running.keys().copied().collect();
        for member in members {
            self.kill(member);
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("the process is ours");
}
