//! The built program, run as a shell would.
#![allow(clippy::unwrap_used, reason = "a test's helpers may unwrap")]

use std::io::{BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The program, in the workspace's root, without the caller's own configuration.
pub(crate) fn phasegate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phasegate"));
    command.current_dir(workspace());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PHASEGATE_") {
            command.env_remove(&name);
        }
    }
    command
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace around the crate").to_owned()
}

/// Runs it and gives back its exit status, standard output and standard error.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    finished(&phasegate().args(arguments).output().expect("the program runs"))
}

/// As [`run`], with something on standard input.
pub(crate) fn run_with_input(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = phasegate()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || pipe.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the program ends");
    let _ = writer.join();
    finished(&output)
}

fn finished(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("an exit status"), text(&output.stdout), text(&output.stderr))
}

/// A running `phasegate up`; killed if a test fails before it stops it.
pub(crate) struct Up {
    child: Child,
    urls: Value,
}

impl Up {
    pub(crate) fn start(data: &Path, policy: &Path) -> Self {
        Self::told(data, policy, &[])
    }

    /// With these variables too.
    pub(crate) fn told(data: &Path, policy: &Path, variables: &[(&str, &str)]) -> Self {
        let any = "127.0.0.1:0";
        let mut child = phasegate()
            .args(["up", "--output", "json", "--until-input-ends"])
            .args(["--collector-listen", any, "--analyzer-listen", any, "--reporter-listen", any])
            .arg("--data-dir")
            .arg(data)
            .arg("--policy")
            .arg(policy)
            .env_remove("SLACK_BOT_TOKEN")
            .env_remove("PAGERDUTY_ROUTING_KEY")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(data.with_extension("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let urls = serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}`: {error}"));
        Self { child, urls }
    }

    pub(crate) fn url(&self, service: &str) -> String {
        self.urls[service].as_str().unwrap().to_owned()
    }

    /// Asks the reporter through the command line.
    pub(crate) fn ask(&self, arguments: &[&str]) -> (i32, String, String) {
        let reporter = self.url("reporter");
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--reporter-url", &reporter]).collect();
        run(&arguments)
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn stop(mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
