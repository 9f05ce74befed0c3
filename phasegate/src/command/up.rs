//! `phasegate up`: the three services in one process.
//!
//! Flags come before environment before configuration file, as for the services themselves. Neighbours find
//! each other at the ports that were really bound, so that port 0 works.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ArgMatches;
use service_kit::auth::check_listen;
use service_kit::client::{ClientError, Neighbour};
use service_kit::clock::SystemClock;
use service_kit::config::{
    self, ConfigError, SharedArgs, Spec, http_url, listen_address, process_environment,
};
use service_kit::telemetry::{self, TelemetryOptions};
use service_kit::{CommonConfig, ServiceName, descriptors, shutdown};
use tokio::net::TcpListener;

use super::runtime::block_on;
use crate::Product;
use crate::exit::{Exit, error};
use crate::output::OutputArgs;
use crate::services::{Listeners, Running, Services};

const EXAMPLES: &str = "\
Examples:
  phasegate up                                       SQLite under ./.phasegate, ports 7101 to 7103
  phasegate up --policy my-policy.yaml --data-dir /var/lib/phasegate
  phasegate up --database-url postgres://phasegate@db/phasegate
  phasegate up --collector-listen 127.0.0.1:0 --analyzer-listen 127.0.0.1:0 \\
               --reporter-listen 127.0.0.1:0 --output json

With PHASEGATE_TOKENS the services check each other too: PHASEGATE_SERVICE_TOKEN is then a token with the roles
service:collector, service:analyzer and service:reporter (see `phasegate token --help`).

Prints the URLs on standard output once all three serve; logs go to standard error.
Ctrl-C, SIGTERM or a closed terminal stops gracefully; what was accepted is kept and goes on at the next start.";

/// How long a service may take to open its store, a migration of a large one included.
const START_WITHIN: Duration = Duration::from_secs(600);
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Run collector, analyzer and reporter in one process
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    shared: SharedArgs,
    /// Where the collector listens; the port 0 takes any free one
    #[arg(long, env = "PHASEGATE_COLLECTOR_LISTEN", value_name = "ADDRESS", value_parser = listen_address,
          default_value = ServiceName::Collector.default_listen())]
    collector_listen: SocketAddr,
    /// Where the analyzer listens
    #[arg(long, env = "PHASEGATE_ANALYZER_LISTEN", value_name = "ADDRESS", value_parser = listen_address,
          default_value = ServiceName::Analyzer.default_listen())]
    analyzer_listen: SocketAddr,
    /// Where the reporter listens
    #[arg(long, env = "PHASEGATE_REPORTER_LISTEN", value_name = "ADDRESS", value_parser = listen_address,
          default_value = ServiceName::Reporter.default_listen())]
    reporter_listen: SocketAddr,
    #[command(flatten)]
    output: OutputArgs,
    /// Stop when standard input ends, as a child of another program should
    #[arg(long, hide = true)]
    until_input_ends: bool,
}

/// Reads flags, environment and file, and runs.
pub(crate) fn main(
    product: &Product,
    command: clap::Command,
    arguments: &[OsString],
) -> anyhow::Result<Exit> {
    let sections: Vec<&str> = ServiceName::ALL.iter().map(|service| service.as_str()).collect();
    let spec = Spec { subcommand: Some("up"), sections: &sections };
    let loaded = match config::load(command, spec, arguments, &process_environment) {
        Ok(loaded) => loaded,
        Err(ConfigError::Display(help)) => {
            let _ = help.print(); // a closed pipe is no reason to fail
            return Ok(Exit::Ok);
        }
        Err(ConfigError::Invalid(line)) => return Err(error(Exit::Usage, line)),
    };
    let args: Args = loaded.get()?;
    if args.shared.print_config {
        crate::output::print(loaded.print().trim_end())?;
        return Ok(Exit::Ok);
    }
    block_on(args.run(product, loaded.matches()))
}

impl Args {
    async fn run(self, product: &Product, told: &ArgMatches) -> anyhow::Result<Exit> {
        telemetry::init(&TelemetryOptions::of("phasegate", &self.shared))?;
        telemetry::log_panics();
        descriptors::raise();
        let stop = shutdown::on_signals()?;
        if self.until_input_ends {
            let stop = stop.clone();
            shutdown::when_input_ends(move || stop.cancel());
        }
        super::policy::admitted(&self.shared.policy, product.kinds())?;
        // The first service's configuration; the others' differ by the name only.
        let mut common =
            CommonConfig::read(ServiceName::Collector, &self.shared, product.kinds(), Arc::new(SystemClock))
                .map_err(|cause| error(Exit::Usage, format!("{cause:#}")))?;
        common.services_here = 3;
        common.say_who_may_call();
        if !common.database_schema.differs_by_service() {
            let line = "--database-schema: the three services need one each: put {service} into the name";
            return Err(error(Exit::Usage, line));
        }
        let addresses = [self.collector_listen, self.analyzer_listen, self.reporter_listen];
        for address in addresses {
            check_listen(address, common.tokens.is_some())
                .map_err(|refused| error(Exit::Usage, refused.to_string()))?;
        }
        let listeners = Listeners {
            collector: bind(self.collector_listen, "collector-listen").await?,
            analyzer: bind(self.analyzer_listen, "analyzer-listen").await?,
            reporter: bind(self.reporter_listen, "reporter-listen").await?,
        };
        let running = running(&listeners)?;
        let url = |text: &str| http_url(text).map_err(anyhow::Error::msg);
        common.collector_url = url(&running.collector)?;
        common.analyzer_url = url(&running.analyzer)?;
        common.reporter_url = url(&running.reporter)?;
        let services = Services::new(product, told, &common)
            .map_err(|cause| error(Exit::Usage, format!("{cause:#}")))?;
        let text = self.text(&running, &common, &services.log_only())?;
        // Boxed: the services' futures are large, and live as long as the process.
        let mut services = Box::pin(services.run(listeners, stop.clone()));
        let ended = tokio::select! {
            ended = &mut services => ended,
            served = announce(&running, &text) => {
                if served.is_err() {
                    stop.cancel();
                }
                services.await.and(served) // why a service ended says more than that it does not answer
            }
        };
        telemetry::flush().await;
        ended.map(|()| Exit::Ok)
    }

    /// One line of JSON for a program, a few lines for people.
    fn text(&self, running: &Running, common: &CommonConfig, log_only: &[&str]) -> anyhow::Result<String> {
        Ok(match self.output.output {
            crate::output::Format::Json => serde_json::to_string(running)?,
            crate::output::Format::Text => text(running, common, log_only),
        })
    }
}

/// Prints `text` once all three serve: a store that cannot be opened is found out before.
async fn announce(running: &Running, text: &str) -> anyhow::Result<()> {
    for service in [&running.collector, &running.analyzer, &running.reporter] {
        let base = http_url(service).map_err(anyhow::Error::msg)?;
        let neighbour = Neighbour::new(base, None, START_WITHIN)?;
        // The listener is bound already, so the question waits until it is served; where very many targets begin it may not get in
        // at once. A service that cannot start ends by itself.
        let begun = Instant::now();
        while let Err(error) = neighbour.check_health().await {
            if !matches!(error, ClientError::Unreachable { .. }) || begun.elapsed() > START_WITHIN {
                return Err(error.into());
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
    crate::output::print(text)
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| {
        let hint = match cause.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("; is one running already? --{flag} takes another address")
            }
            _ => String::new(),
        };
        error(Exit::Failed, format!("cannot listen on {address}: {cause}{hint}"))
    })
}

fn running(listeners: &Listeners) -> anyhow::Result<Running> {
    let url = |listener: &TcpListener| -> anyhow::Result<String> {
        let mut address = listener.local_addr()?;
        if address.ip().is_unspecified() {
            // Any address is all right for others; from here it is loopback.
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        Ok(format!("http://{address}"))
    };
    Ok(Running {
        collector: url(&listeners.collector)?,
        analyzer: url(&listeners.analyzer)?,
        reporter: url(&listeners.reporter)?,
    })
}

fn text(running: &Running, common: &CommonConfig, log_only: &[&str]) -> String {
    let targets: Vec<&str> = common.policy.targets.keys().map(shared_types::TargetName::as_str).collect();
    let database =
        if common.database_url.is_some() { "the given database" } else { "SQLite, one file a service" };
    let Running { collector, analyzer, reporter } = running;
    let log_only = match log_only {
        [] => String::new(),
        kinds => format!("  to the log only, as nothing else is configured: {}\n", kinds.join(", ")),
    };
    format!(
        "Phasegate is up.\n  \
         collector  {collector}   events: POST {collector}/v1/targets/{{target}}/events\n  \
         analyzer   {analyzer}   decisions: {analyzer}/v1/decisions\n  \
         reporter   {reporter}   the live page: {reporter}/\n  \
         each with  /docs  /openapi.json  /metrics  /healthz  /readyz\n  \
         policy     {} ({}), targets: {}\n  \
         data       {} ({database})\n\
         {log_only}Next: phasegate start --target {} --reporter-url {reporter}\n\
         Ctrl-C stops.",
        common.policy_path.display(),
        common.policy.version.get(..19).unwrap_or(&common.policy.version),
        targets.join(", "),
        common.data_dir.display(),
        targets.first().copied().unwrap_or("TARGET"),
    )
}
