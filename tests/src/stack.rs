//! A whole Phasegate in real processes: the three services on PostgreSQL, or `phasegate up` on SQLite,
//! with a flag file, a policy of short windows and the vendor doubles.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::postgres::TestDatabase;
use crate::proxy::Proxy;
use crate::{binaries, ports, wait};

/// How the services run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `collector-svc`, `analyzer-svc`, `reporter-svc` on one PostgreSQL database.
    ThreeOnPostgres,
    /// `phasegate up` on SQLite.
    OneOnSqlite,
}

/// The services, as the environment and URLs name them.
pub const SERVICES: [&str; 3] = ["collector", "analyzer", "reporter"];

/// A running Phasegate; everything ends when it is dropped.
pub struct Stack {
    pub directory: TempDir,
    pub http: reqwest::Client,
    /// What [`Stack::get`] and [`Stack::post`] say who they are with.
    pub token: Option<String>,
    layout: Layout,
    environment: BTreeMap<String, String>,
    ports: BTreeMap<&'static str, u16>,
    processes: BTreeMap<String, Child>,
    /// Dropped after the processes that use it.
    database: Option<TestDatabase>,
}

impl Stack {
    /// Writes the policy and starts everything; `environment` is added for all services.
    pub async fn start(layout: Layout, policy: &str, environment: &[(&str, String)]) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let ports: BTreeMap<&'static str, u16> =
            SERVICES.iter().map(|service| (*service, ports::own())).collect();
        let mut stack = Self {
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(10))
                .build()
                .expect("an HTTP client"),
            token: None,
            layout,
            environment: BTreeMap::new(),
            ports,
            processes: BTreeMap::new(),
            database: None,
            directory,
        };
        stack.write_policy(policy);
        fs::write(stack.flag_file(), "off").expect("the flag file");
        stack.set_environment(environment).await;
        stack.start_all().await;
        stack
    }

    async fn set_environment(&mut self, extra: &[(&str, String)]) {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let mut environment = BTreeMap::from([
            ("PHASEGATE_POLICY".to_owned(), path("policy.yaml")),
            ("PHASEGATE_DATA_DIR".to_owned(), path("data")),
            ("RUST_LOG".to_owned(), "info".to_owned()),
            ("PHASEGATE_LOG".to_owned(), "json".to_owned()),
        ]);
        for (service, port) in &self.ports {
            let upper = service.to_uppercase();
            environment.insert(format!("PHASEGATE_{upper}_LISTEN"), format!("127.0.0.1:{port}"));
            environment.insert(format!("PHASEGATE_{upper}_URL"), format!("http://127.0.0.1:{port}"));
        }
        if self.layout == Layout::ThreeOnPostgres {
            let database = TestDatabase::create().await;
            environment.insert("PHASEGATE_DATABASE_URL".to_owned(), database.url().to_owned());
            self.database = Some(database);
        }
        environment.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        self.environment = environment;
    }

    /// The PostgreSQL database, where there is one.
    #[must_use]
    pub fn database_url(&self) -> Option<&str> {
        self.database.as_ref().map(TestDatabase::url)
    }

    /// What is launched from now on reaches the PostgreSQL database through this proxy.
    ///
    /// # Panics
    /// There is no such database.
    pub async fn put_proxy_before_database(&mut self) -> Proxy {
        let mut url = reqwest::Url::parse(self.database_url().expect("PostgreSQL")).expect("a URL");
        let server = url.socket_addrs(|| None).expect("an address of the server");
        let proxy = Proxy::start(server).await;
        url.set_ip_host(proxy.address().ip()).expect("a URL with a host");
        url.set_port(Some(proxy.address().port())).expect("a URL with a port");
        self.tell("PHASEGATE_DATABASE_URL", url.as_str());
        proxy
    }

    fn write_policy(&self, policy: &str) {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace root");
        let text = policy
            .replace("@FLAGS@", &repository.join("tests/fixtures/bin/flags").display().to_string())
            .replace("@FLAG_FILE@", &self.flag_file().display().to_string())
            .replace("@TEMPLATES@", &repository.join("templates/alerts").display().to_string())
            .replace("@TELEMETRY@", &self.telemetry_directory().display().to_string());
        fs::create_dir_all(self.telemetry_directory()).expect("the telemetry directory");
        fs::write(self.directory.path().join("policy.yaml"), text).expect("the policy");
    }

    /// Names of the processes that make up this layout.
    #[must_use]
    pub fn process_names(&self) -> Vec<String> {
        match self.layout {
            Layout::ThreeOnPostgres => SERVICES.iter().map(|service| format!("{service}-svc")).collect(),
            Layout::OneOnSqlite => vec!["phasegate".to_owned()],
        }
    }

    /// A variable that processes are started with.
    ///
    /// # Panics
    /// There is none of that name.
    #[must_use]
    pub fn variable(&self, name: &str) -> &str {
        &self.environment[name]
    }

    /// Another value of a variable, for what is launched from now on.
    pub fn tell(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Starts one process again and does not wait for it.
    pub fn launch(&mut self, name: &str) {
        self.launch_another(name, name, &[]);
    }

    /// Starts another process of a program, which is called `name` here, with variables of its own.
    pub fn launch_another(&mut self, program: &str, name: &str, variables: &[(&str, &str)]) {
        let log = File::options().create(true).append(true).open(self.log_file(name)).expect("a log file");
        let mut command = Command::new(binaries::path(program));
        if program == "phasegate" {
            command.arg("up");
        }
        command
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .envs(&self.environment)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        self.processes.insert(name.to_owned(), child);
    }

    /// SIGKILL, and reaped.
    pub fn kill(&mut self, name: &str) {
        if let Some(mut child) = self.processes.remove(name) {
            child.kill().ok();
            child.wait().expect("a killed process can be waited for");
        }
    }

    /// The id of a running process.
    ///
    /// # Panics
    /// It does not run.
    #[must_use]
    pub fn pid(&self, name: &str) -> u32 {
        self.processes[name].id()
    }

    /// The exit status of a process that ends by itself.
    ///
    /// # Panics
    /// It does not run.
    pub fn ended(&mut self, name: &str) -> Option<i32> {
        let mut child = self.processes.remove(name).expect("a process that was launched");
        child.wait().expect("a process of ours can be waited for").code()
    }

    /// SIGTERM; the exit status once it has ended.
    pub fn terminate(&mut self, name: &str) -> Option<i32> {
        let mut child = self.processes.remove(name)?;
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the process is ours");
        child.wait().expect("a terminated process can be waited for").code()
    }

    async fn start_all(&mut self) {
        for name in self.process_names() {
            self.launch(&name);
        }
        for service in SERVICES {
            self.until_healthy(service).await;
        }
    }

    /// Waits until the service answers.
    pub async fn until_healthy(&self, service: &'static str) {
        let url = self.url(service, "/healthz");
        wait::until(&format!("{service} to answer; its log:\n{}", self.logs()), || async {
            match self.http.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(answer.status().to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// The URL of a path at a service.
    #[must_use]
    pub fn url(&self, service: &str, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[service])
    }

    fn identified(&self, call: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => call.bearer_auth(token),
            None => call,
        }
    }

    /// GET as JSON; the reason where it is not a 2xx.
    pub async fn get(&self, service: &str, path: &str) -> Result<Value, String> {
        let call = self.identified(self.http.get(self.url(service, path)));
        let answer = call.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| error.to_string())?;
        if status.is_success() {
            serde_json::from_str(&body).map_err(|error| error.to_string())
        } else {
            Err(format!("{status}: {body}"))
        }
    }

    /// POST of JSON: status and body.
    pub async fn post(&self, service: &str, path: &str, body: &Value) -> (u16, Value) {
        let call = self.identified(self.http.post(self.url(service, path)));
        let answer = call.json(body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// An act of a person that must be taken.
    ///
    /// # Panics
    /// It was refused.
    pub async fn act(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post("reporter", path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// Waits until the rollout of `autosave` is in `phase` and `state`, with no command under way.
    pub async fn until_phase(&self, phase: &str, state: &str) -> Value {
        wait::until(&format!("phase {phase}, {state}"), || async {
            let rollout = self.get("reporter", "/v1/rollouts/autosave").await?;
            let reached = rollout["phase"] == phase
                && rollout["state"] == state
                && matches!(rollout["transition"]["state"].as_str(), None | Some("succeeded"));
            if reached { Ok(rollout) } else { Err(rollout.to_string()) }
        })
        .await
    }

    /// Asks for the next phase until the gate lets it through.
    pub async fn promote_when_ripe(&self) {
        wait::until("the gate to open", || async {
            let (status, answer) = self
                .post("reporter", "/v1/rollouts/autosave/promotions", &json!({"by": "release engineer"}))
                .await;
            if (200..300).contains(&status) { Ok(()) } else { Err(format!("{status} {answer}")) }
        })
        .await;
    }

    /// Waits until the dashboard's card of `autosave` is as asked.
    pub async fn until_dashboard(&self, what: &str, reached: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, || async {
            let dashboard = self.get("reporter", "/v1/dashboard").await?;
            let target = &dashboard["targets"][0];
            if reached(target) { Ok(target.clone()) } else { Err(target.to_string()) }
        })
        .await
    }

    /// Where the flag file of the `flags` command is; its journal stands beside it.
    #[must_use]
    pub fn flag_file(&self) -> PathBuf {
        self.directory.path().join("flag")
    }

    /// What the flag system serves.
    #[must_use]
    pub fn served_phase(&self) -> String {
        fs::read_to_string(self.flag_file()).unwrap_or_default().trim().to_owned()
    }

    /// Every change the flag system has seen, as `from to`.
    #[must_use]
    pub fn phase_changes(&self) -> Vec<String> {
        self.journal().iter().filter_map(|line| line.strip_suffix(" changed").map(str::to_owned)).collect()
    }

    /// Every line of the flag system's journal.
    #[must_use]
    pub fn journal(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.path().join("flag.journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Where the policy's `jsonl` source looks (`@TELEMETRY@/*.jsonl`).
    #[must_use]
    pub fn telemetry_directory(&self) -> PathBuf {
        self.directory.path().join("telemetry")
    }

    /// A file below the data directory.
    #[must_use]
    pub fn data_file(&self, relative: &str) -> PathBuf {
        self.directory.path().join("data").join(relative)
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.log"))
    }

    /// How often a process has logged this.
    #[must_use]
    pub fn logged(&self, name: &str, text: &str) -> usize {
        fs::read_to_string(self.log_file(name)).unwrap_or_default().matches(text).count()
    }

    /// The last lines of all logs, for a failing test's message.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for name in self.process_names() {
            let log = fs::read_to_string(self.log_file(&name)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            text.push_str(&format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(15)..].join("\n")));
        }
        text
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        for child in self.processes.values_mut() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
