//! A service's `main` as a process: what it prints, what it refuses, how it stops.
//!
//! The test binary starts itself again as the service.

#![expect(clippy::unwrap_used, reason = "a test, though without the harness that clippy knows tests by")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain::kinds::Kinds;
use service_kit::http::{Readiness, ServiceParts, openapi, serve};
use service_kit::{Main, ServiceName, Tasks};
use utoipa::openapi::{InfoBuilder, OpenApi, PathsBuilder};

const CHILD: &str = "PHASEGATE_TEST_CHILD";

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return service();
    }
    let tests: [(&str, fn()); 14] = [
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
        ("a_closed_terminal_stops_a_service_in_good_order", a_closed_terminal_stops_a_service_in_good_order),
        ("nohup_is_heeded", nohup_is_heeded),
        ("the_soft_limit_of_descriptors_is_raised", the_soft_limit_of_descriptors_is_raised),
        ("descriptors_that_ran_out_are_told_and_found", descriptors_that_ran_out_are_told_and_found),
        ("a_dead_receiver_of_traces_is_told_once", a_dead_receiver_of_traces_is_told_once),
        ("a_receiver_of_traces_that_hangs_delays_nothing", a_receiver_of_traces_that_hangs_delays_nothing),
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
                options: common.http_options(),
            };
            let _taken =
                std::env::var_os(CHILD).is_some_and(|mode| mode == "short").then(all_descriptors_but_8);
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

/// Opened until no more can be, but for a few.
fn all_descriptors_but_8() -> Vec<std::fs::File> {
    let mut taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len() - 8);
    taken
}

/// The same below a shell that does something first.
fn after(script: &str, mode: &str) -> Command {
    below(&["/bin/sh", "-c", &format!("{script}; exec \"$0\"")], mode)
}

/// The same as the last argument of another program.
fn below(program: &[&str], mode: &str) -> Command {
    let plain = command(mode);
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(plain.get_program()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stderr(Stdio::piped()).stdout(Stdio::piped());
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
    started_as(&mut command(mode))
}

fn started_as(command: &mut Command) -> (Running, BufReader<std::process::ChildStderr>, String) {
    let mut running = Running(command.spawn().unwrap());
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

/// The whole answer to a GET.
fn get(address: &str, path: &str) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(client, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{path}: {error} after `{answer}`"));
    answer
}

fn idle(address: &str, number: usize) -> Vec<TcpStream> {
    (0..number).map(|_| TcpStream::connect(address).unwrap()).collect()
}

/// As a terminal starts it: what this process ignores, because it runs under `nohup`, its children would ignore too.
fn of_a_terminal() -> Command {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    if ignored.is_some_and(|signals| signals & 1 == 1) {
        return below(&["env", "--default-signal=HUP"], "1");
    }
    command("1")
}

/// Its log cannot be written any more either: the terminal was standard error too.
fn a_closed_terminal_stops_a_service_in_good_order() {
    let (mut child, mut log, _) = started_as(&mut of_a_terminal());
    signal(&child, "-HUP");
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("SIGHUP") && rest.contains("stopped listening"), "{rest}");

    let (mut child, log, address) = started_as(&mut of_a_terminal());
    drop(log);
    assert!(get(&address, "/healthz").ends_with("ok\n"));
    signal(&child, "-HUP");
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

fn nohup_is_heeded() {
    let (mut child, mut log, address) = started_as(&mut after("trap '' HUP", "1"));
    signal(&child, "-HUP");
    assert!(get(&address, "/healthz").ends_with("ok\n"));
    signal(&child, "-TERM");
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("SIGHUP"), "{rest}");
}

fn the_soft_limit_of_descriptors_is_raised() {
    let (_child, _log, address) = started_as(&mut after("ulimit -Sn 64", "1"));
    let idle = idle(&address, 100);
    assert!(get(&address, "/healthz").ends_with("ok\n"));
    let state = get(&address, "/readyz");
    assert!(state.contains(r#""name":"connections","state":"ok""#), "{state}");
    drop(idle);
}

/// Something in the process holds nearly all: whoever asks is answered all the same, and it is told, once.
fn descriptors_that_ran_out_are_told_and_found() {
    let (mut child, mut log, address) = started_as(&mut after("ulimit -n 256", "short"));
    let idle = idle(&address, 60);
    let state = get(&address, "/readyz");
    assert!(state.contains(r#""name":"connections","state":"degraded""#), "{state}");
    assert!(state.contains("raise the limit of open files"), "{state}");
    let metrics = get(&address, "/metrics");
    let counted =
        |line: &&str| line.starts_with("phasegate_http_accept_failures_total{service=\"analyzer\"}");
    let failures = metrics.lines().find(counted).unwrap();
    assert!(!failures.ends_with(" 0"), "{failures}");
    drop(idle);
    signal(&child, "-TERM");
    child.0.wait().unwrap();
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.matches("cannot accept connections").count(), 1, "{rest}");
}

/// A receiver of traces; what it does with an export `answers` says: false ends the connection.
struct Receiver {
    url: String,
    exports: Arc<AtomicUsize>,
    answers: Arc<AtomicBool>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let it = Self { url, exports: Arc::default(), answers: Arc::default() };
        let (exports, answers) = (Arc::clone(&it.exports), Arc::clone(&it.answers));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = BufReader::new(client.unwrap());
                exports.fetch_add(1, Ordering::SeqCst);
                if answers.load(Ordering::SeqCst) {
                    take_request(&mut client);
                    let end = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                    client.get_mut().write_all(end.as_bytes()).unwrap();
                }
            }
        });
        it
    }

    /// Makes spans until that many exports more have been tried.
    fn until_exports(&self, more: usize, address: &str) {
        let (enough, started) = (self.exports.load(Ordering::SeqCst) + more, Instant::now());
        while self.exports.load(Ordering::SeqCst) < enough {
            assert!(started.elapsed() < Duration::from_secs(60), "no more exports are tried");
            get(address, "/v1/nothing");
        }
    }
}

fn take_request(client: &mut BufReader<TcpStream>) {
    let (mut line, mut length) = (String::new(), 0);
    while client.read_line(&mut line).unwrap() > 2 {
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    client.read_exact(&mut vec![0; length]).unwrap();
}

fn a_dead_receiver_of_traces_is_told_once() {
    let receiver = Receiver::start();
    let mut command = command("1");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url).env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let (mut child, mut log, address) = started_as(&mut command);
    receiver.until_exports(6, &address);
    receiver.answers.store(true, Ordering::SeqCst);
    receiver.until_exports(4, &address);
    signal(&child, "-TERM");
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    let told: Vec<&str> = rest.lines().filter(|line| !line.contains("stop")).collect();
    assert_eq!(told.len(), 2, "{rest}");
    assert!(told[0].contains("traces are lost") && told[1].contains("exported again"), "{rest}");
}

fn a_receiver_of_traces_that_hangs_delays_nothing() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hanging.local_addr().unwrap());
    let mut command = command("1");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let (mut child, _log, address) = started_as(&mut command);
    get(&address, "/v1/nothing");
    let _export = hanging.accept().unwrap();
    let asked = Instant::now();
    get(&address, "/v1/nothing");
    assert!(asked.elapsed() < Duration::from_secs(1), "a call waits for no export: {:?}", asked.elapsed());
    let stopped = Instant::now();
    signal(&child, "-TERM");
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    // 2 s, and as much for a machine that is busy.
    assert!(stopped.elapsed() < Duration::from_secs(4), "{:?}", stopped.elapsed());
}
