//! A service's `main` as a process: what it prints, what it refuses, how it stops.
//!
//! The test binary starts itself again as the service.

#![expect(clippy::unwrap_used, reason = "a test, though without the harness that clippy knows tests by")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, ExitCode, Stdio};

use domain::kinds::Kinds;
use service_kit::http::{HttpOptions, Readiness, ServiceParts, openapi, serve};
use service_kit::{Main, ServiceName, Tasks};
use utoipa::openapi::{InfoBuilder, OpenApi, PathsBuilder};

const CHILD: &str = "PHASEGATE_TEST_CHILD";

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return service();
    }
    let tests: [(&str, fn()); 8] = [
        ("print_config_ends_with_0_and_shows_no_secret", print_config_ends_with_0_and_shows_no_secret),
        ("a_bad_value_ends_with_2_and_one_line", a_bad_value_ends_with_2_and_one_line),
        ("a_missing_policy_ends_with_one_line", a_missing_policy_ends_with_one_line),
        (
            "beyond_loopback_without_tokens_ends_with_one_line",
            beyond_loopback_without_tokens_ends_with_one_line,
        ),
        ("sigterm_stops_a_healthy_service_with_0", sigterm_stops_a_healthy_service_with_0),
        ("a_second_signal_ends_at_once", a_second_signal_ends_at_once),
        (
            "a_task_that_panics_ends_the_service_with_one_line",
            a_task_that_panics_ends_the_service_with_one_line,
        ),
        ("a_database_url_with_a_slip_ends_with_one_line", a_database_url_with_a_slip_ends_with_one_line),
    ];
    // Filters and flags of the usual harness: names only.
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, test) in tests {
        if filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

fn service() -> ExitCode {
    service_kit::main_of(
        Main {
            service: ServiceName::Analyzer,
            about: "A service",
            kinds: &Kinds::shipped(),
            migrations: &[],
            arguments: &std::convert::identity,
        },
        |_, common, listener, shutdown| async move {
            let document = OpenApi::new(InfoBuilder::new().build(), PathsBuilder::new().build());
            let parts = ServiceParts {
                service: common.service,
                router: axum::Router::new(),
                openapi: openapi::finish(document, common.service),
                readiness: Readiness::new(),
                tokens: common.tokens.clone(),
                options: HttpOptions::default(),
            };
            let tasks = Tasks::of(&shutdown);
            if std::env::var_os(CHILD).is_some_and(|mode| mode == "panics") {
                tasks.start("the watch", &shutdown, async { panic!("found\nnothing") });
            }
            serve(parts, listener, shutdown).await?;
            tasks.outcome()?;
            if std::env::var_os(CHILD).is_some_and(|mode| mode == "hangs") {
                std::future::pending::<()>().await;
            }
            Ok(())
        },
    )
}

fn command(mode: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env_clear().env(CHILD, mode).env("PHASEGATE_LOG", "json");
    command.env("PHASEGATE_POLICY", concat!(env!("CARGO_MANIFEST_DIR"), "/../governance/policy.yaml"));
    command.env("PHASEGATE_ANALYZER_LISTEN", "127.0.0.1:0").stderr(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Status, standard output, standard error.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn print_config_ends_with_0_and_shows_no_secret() {
    let (status, out, _) = run(command("1").arg("--print-config").env("PHASEGATE_SERVICE_TOKEN", "hunter2"));
    assert_eq!(status, 0);
    assert!(out.contains("service_token = \"<redacted>\" # PHASEGATE_SERVICE_TOKEN"), "{out}");
    assert!(!out.contains("hunter2"));
}

fn a_bad_value_ends_with_2_and_one_line() {
    let (status, _, err) = run(command("1").env("PHASEGATE_LOG", "xml"));
    assert_eq!(status, 2);
    assert_eq!(err, "analyzer-svc: PHASEGATE_LOG: invalid value `xml`: expected json or pretty\n");
}

fn a_missing_policy_ends_with_one_line() {
    let (status, _, err) = run(command("1").env("PHASEGATE_POLICY", "/no/such.yaml"));
    assert_eq!(status, 2);
    assert!(err.starts_with("analyzer-svc: /no/such.yaml: cannot be read"), "{err}");
    assert_eq!(err.lines().count(), 1);
}

fn beyond_loopback_without_tokens_ends_with_one_line() {
    let (status, _, err) = run(command("1").env("PHASEGATE_ANALYZER_LISTEN", "0.0.0.0:0"));
    assert_eq!(status, 2);
    assert!(err.contains("needs PHASEGATE_TOKENS") && err.lines().count() == 1, "{err}");
}

/// Ends with the test that started it, whatever comes of that.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running service, its log, and where it listens.
fn started(mode: &str) -> (Running, BufReader<std::process::ChildStderr>, String) {
    let mut running = Running(command(mode).spawn().unwrap());
    let mut log = BufReader::new(running.0.stderr.take().unwrap());
    loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "ended before it listened");
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
        if let Some(url) = entry["url"].as_str() {
            let address = url.strip_prefix("http://").unwrap().to_owned();
            return (running, log, address);
        }
    }
}

fn signal(Running(child): &Running, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn wait_for(log: &mut BufReader<std::process::ChildStderr>, message: &str) {
    let mut line = String::new();
    while !line.contains(message) {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "ended without `{message}`");
    }
}

fn sigterm_stops_a_healthy_service_with_0() {
    let (mut child, mut log, address) = started("1");
    let probe = || run(command("1").arg("--check-health").env("PHASEGATE_ANALYZER_LISTEN", &address)).0;
    assert_eq!(probe(), 0);
    signal(&child, "-TERM");
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    assert_eq!(probe(), 1);
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("stopped listening"), "{rest}");
}

fn a_second_signal_ends_at_once() {
    let (mut child, mut log, _) = started("hangs");
    signal(&child, "-INT");
    wait_for(&mut log, "stopped listening");
    signal(&child, "-INT");
    assert_eq!(child.0.wait().unwrap().code(), Some(130));
}

/// OP-1: a task that panics ends the service, with a status and a line that names it.
fn a_task_that_panics_ends_the_service_with_one_line() {
    let (status, _, err) = run(&mut command("panics"));
    assert_eq!(status, 1);
    let (logged, said): (Vec<&str>, Vec<&str>) = err.lines().partition(|line| line.starts_with('{'));
    assert_eq!(said, ["analyzer-svc: the watch panicked: found\\nnothing"]);
    let panic = logged.iter().find(|line| line.contains("\"panicked\"")).expect("the log has the place");
    assert!(panic.contains("process.rs"), "{panic}");
}

/// A slip in a parameter's name connected unverified; a value that is not understood may be a secret.
fn a_database_url_with_a_slip_ends_with_one_line() {
    let url = "postgres://u:geheim@db/p?ssl_mode=verify-full&sslpassword=geheim";
    let (status, out, err) = run(command("1").arg("--print-config").env("PHASEGATE_DATABASE_URL", url));
    assert_eq!(status, 2);
    let line = "analyzer-svc: PHASEGATE_DATABASE_URL: invalid value: unknown parameter `ssl_mode`: is `sslmode` meant?\n";
    assert_eq!(err, line);
    assert_eq!(out, "");
}
