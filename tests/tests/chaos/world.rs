//! One Phasegate with everything around it: a PostgreSQL cluster of its own, vendor doubles, a proxy on every line
//! between two of them, and telemetry that never stops.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use phasegate_tests::feeder::Feeder;
use phasegate_tests::history::History;
use phasegate_tests::postgres::{Cluster, TestDatabase};
use phasegate_tests::proxy::Proxy;
use phasegate_tests::stack::SERVICES;
use phasegate_tests::vendors::Vendors;
use phasegate_tests::{cli, ports, wait};
use serde_json::Value;

use crate::disk::Disk;
use crate::fleet::{Build, Fleet, Member, OLD_POLICY, POLICY};
use crate::watchdog::Watchdog;

/// The lines there is a proxy on: to each service from the others, telemetry, each service's to its database, and the
/// vendors'.
pub(crate) const LINKS: [&str; 9] = [
    "collector",
    "analyzer",
    "reporter",
    "push",
    "collector-db",
    "analyzer-db",
    "reporter-db",
    "slack",
    "pagerduty",
];

/// Fields are dropped in this order: what uses another stands before it.
pub(crate) struct World {
    pub(crate) feeder: Option<Feeder>,
    pub(crate) fleet: Fleet,
    pub(crate) links: BTreeMap<&'static str, Proxy>,
    pub(crate) vendors: Vendors,
    pub(crate) disk: Disk,
    pub(crate) http: reqwest::Client,
    /// What has been seen so far.
    pub(crate) history: History,
    /// The epoch of every violating decision seen.
    pub(crate) epochs: BTreeMap<String, u64>,
    pub(crate) judged: BTreeSet<String>,
    folder: PathBuf,
    _database: TestDatabase,
    pub(crate) cluster: Cluster,
}

impl World {
    pub(crate) async fn start(policy: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("phasegate-chaos-").tempdir().expect("a folder").keep();
        let watchdog = Watchdog::over(&folder);
        let disk = Disk::make(&folder.join("data"));
        write_policy(&folder, policy);
        let cluster = tokio::task::block_in_place(Cluster::start);
        let database = TestDatabase::create_in(&cluster).await;
        let vendors = Vendors::start().await;
        let addresses: BTreeMap<Member, SocketAddr> = SERVICES
            .iter()
            .flat_map(|service| [Member::first(service), Member::second(service)])
            .map(|member| (member, SocketAddr::from(([127, 0, 0, 1], ports::own()))))
            .collect();
        let links = links(&addresses, database.url(), &vendors).await;
        let databases = SERVICES.map(|service| {
            let link = links[format!("{service}-db").as_str()].address();
            (service, database.url().replacen(&address_in(database.url()), &link.to_string(), 1))
        });
        let environment = environment(&folder, &links, &vendors);
        let mut fleet =
            Fleet::new(folder.clone(), environment, BTreeMap::from(databases), addresses, watchdog);
        for service in SERVICES {
            fleet.launch(Member::first(service), Build::New).await;
        }
        let push = format!("http://{}", links["push"].address());
        let phases = ["off", "A", "B", "C"].map(str::to_owned).to_vec();
        Self {
            feeder: Some(Feeder::start(&push)),
            fleet,
            links,
            vendors,
            disk,
            http: reqwest::Client::builder()
                .timeout(std::time::Duration::from_secs(5))
                .build()
                .expect("a client"),
            history: History { phases, ..History::default() },
            epochs: BTreeMap::new(),
            judged: BTreeSet::new(),
            folder,
            _database: database,
            cluster,
        }
    }

    /// From now on telemetry violates the gate, or does not.
    pub(crate) fn violate(&self, on: bool) {
        self.feeder.as_ref().expect("telemetry flows").violate(on);
    }

    /// GET as JSON from whichever replica answers; the reason where none does.
    pub(crate) async fn get(&self, service: &str, path: &str) -> Result<Value, String> {
        let mut reason = format!("no {service} runs");
        for address in self.fleet.answering(service) {
            match self.http.get(format!("http://{address}{path}")).send().await {
                Ok(answer) if answer.status().is_success() => {
                    return answer.json().await.map_err(|error| error.to_string());
                }
                Ok(answer) => reason = format!("{}: {}", answer.status(), text_of(answer).await),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(reason)
    }

    /// An act of a person at the reporter; the reason where it is not taken.
    pub(crate) async fn act(&self, method: &str, path: &str, body: &Value) -> Result<(), String> {
        let mut reason = "no reporter runs".to_owned();
        for address in self.fleet.answering("reporter") {
            let url = format!("http://{address}{path}");
            let request = if method == "PUT" { self.http.put(url) } else { self.http.post(url) };
            match request.json(body).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => reason = format!("{}: {}", answer.status(), text_of(answer).await),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(reason)
    }

    /// The items of a list.
    pub(crate) async fn list(&self, service: &str, path: &str) -> Result<Vec<Value>, String> {
        let page = self.get(service, path).await?;
        page["items"].as_array().cloned().ok_or_else(|| format!("{path}: {page}"))
    }

    /// Below the data directory.
    pub(crate) fn data_file(&self, relative: &str) -> PathBuf {
        self.folder.join("data").join(relative)
    }

    /// Every line of the flag system's journal.
    pub(crate) fn journal(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("flag.journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Telemetry ends, and what was accepted is counted once (TE-5): how many events that were.
    pub(crate) async fn count_all(&mut self) -> u64 {
        let accepted = self.feeder.take().expect("telemetry flows").stop().await;
        let archive = self.data_file("logs/autosave");
        wait::until("every accepted event to be counted once", || async {
            let (counted, windows) = phasegate_tests::archive::counted(&archive);
            assert!(counted <= accepted, "{counted} counted of {accepted} accepted: some were counted twice");
            if counted == accepted {
                Ok(())
            } else {
                Err(format!("{counted} of {accepted} in {windows} windows\n{}", self.fleet.logs()))
            }
        })
        .await;
        accepted
    }
}

async fn text_of(answer: reqwest::Response) -> String {
    answer.text().await.unwrap_or_default()
}

fn write_policy(folder: &Path, policy: &str) {
    let repository = cli::workspace();
    let path = |path: PathBuf| path.display().to_string();
    let templates = repository.join("templates/alerts");
    // A file with keys that the earlier version does not know would be refused by it, and so would its texts.
    let known: Vec<&str> = policy.lines().filter(|line| !line.trim_start().starts_with("gaps:")).collect();
    let old_templates = Build::old_templates().unwrap_or_else(|| templates.clone());
    let old = known.join("\n").replace("@TEMPLATES@", &path(old_templates));
    for (name, text) in [(OLD_POLICY, old.as_str()), (POLICY, policy)] {
        let text = text
            .replace("@FLAGS@", &path(repository.join("tests/fixtures/bin/flags")))
            .replace("@FLAG_FILE@", &path(folder.join("flag")))
            .replace("@TEMPLATES@", &path(templates.clone()))
            .replace("@TELEMETRY@", &path(folder.join("telemetry")));
        fs::write(folder.join(name), text).expect("a policy");
    }
    fs::write(folder.join("flag"), "off").expect("the flag file");
}

async fn links(
    addresses: &BTreeMap<Member, SocketAddr>,
    database: &str,
    vendors: &Vendors,
) -> BTreeMap<&'static str, Proxy> {
    let mut links = BTreeMap::new();
    for link in LINKS {
        let both = |service| vec![addresses[&Member::first(service)], addresses[&Member::second(service)]];
        let one = |url: &str| vec![address_in(url).parse().expect("an address")];
        let upstreams = match link {
            "slack" => one(&vendors.slack.api_url()),
            "pagerduty" => one(&vendors.pagerduty.url()),
            "push" => both("collector"),
            service if SERVICES.contains(&service) => both(service),
            _ => one(database),
        };
        links.insert(link, Proxy::start(upstreams).await);
    }
    links
}

fn environment(
    folder: &Path,
    links: &BTreeMap<&'static str, Proxy>,
    vendors: &Vendors,
) -> BTreeMap<String, String> {
    let through =
        |url: &str, link: &str| url.replacen(&address_in(url), &links[link].address().to_string(), 1);
    let mut environment: BTreeMap<String, String> =
        vendors.environment().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let shown = |name: &str| folder.join(name).display().to_string();
    environment.extend([
        ("PHASEGATE_DATA_DIR".to_owned(), shown("data")),
        ("RUST_LOG".to_owned(), "info".to_owned()),
        ("PHASEGATE_LOG".to_owned(), "json".to_owned()),
        ("SLACK_API_URL".to_owned(), through(&vendors.slack.api_url(), "slack")),
        ("PAGERDUTY_EVENTS_URL".to_owned(), through(&vendors.pagerduty.url(), "pagerduty")),
    ]);
    for service in SERVICES {
        let name = format!("PHASEGATE_{}_URL", service.to_uppercase());
        environment.insert(name, format!("http://{}", links[service].address()));
    }
    environment
}

/// `host:port` of a URL.
fn address_in(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}
