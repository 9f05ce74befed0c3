//! The whole `main` of a service: configuration, telemetry, listener, signals, run, flush.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgMatches, Args as _, Command};
use domain::kinds::Kinds;
use futures_util::FutureExt as _;
use shared_types::one_line;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::ServiceName;
use crate::auth::check_listen;
use crate::clock::SystemClock;
use crate::config::{self, CommonConfig, ConfigError, ListenArg, Loaded, SharedArgs, Spec};
use crate::db::Migration;
use crate::descriptors;
use crate::shutdown;
use crate::supervisor;
use crate::tasks;
use crate::telemetry::{self, TelemetryOptions};

/// Exit status for a configuration that cannot be used, as for a wrong command line.
const BAD_CONFIGURATION: u8 = 2;
const FAILED: u8 = 1;

/// A service, as its `main` knows it.
#[derive(Clone, Copy)]
pub struct Main<'a> {
    pub service: ServiceName,
    /// For `--help`.
    pub about: &'static str,
    /// What its policy may name.
    pub kinds: &'a Kinds,
    /// Its tables, for `--migrate`.
    pub migrations: &'a [Migration],
    /// Adds its own flags and variables.
    pub arguments: &'a dyn Fn(Command) -> Command,
}

/// A service's `main`; `run` is its library, and is given what its own flags came to.
///
/// Ends with 0 after a graceful stop (and after `--help`, `--print-config`), 1 if the service failed, 2 if
/// the configuration cannot be used; a failure is one line on standard error.
pub fn main_of<F, Fut>(main: Main<'_>, run: F) -> ExitCode
where
    F: FnOnce(ArgMatches, CommonConfig, TcpListener, CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let service = main.service;
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(ended) = supervisor::asked(&arguments) {
        return ended;
    }
    let loaded = match load(&main, &arguments, &config::process_environment) {
        Ok(loaded) => loaded,
        Err(ConfigError::Display(help)) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
        Err(error @ ConfigError::Invalid(_)) => {
            eprintln!("{}: {error}", service.binary());
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let (error, status) = match prepare(&main, &loaded) {
        Ok(None) => return ExitCode::SUCCESS,
        Ok(Some(prepared)) => match start(&main, prepared, run) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => (error, FAILED),
        },
        Err(error) => (error, BAD_CONFIGURATION),
    };
    eprintln!("{}: {error:#}", service.binary());
    ExitCode::from(status)
}

/// Reads a service's configuration from arguments, environment and file.
///
/// # Errors
/// [`ConfigError`].
pub fn load(
    main: &Main<'_>,
    arguments: &[OsString],
    environment: config::Environment<'_>,
) -> Result<Loaded, ConfigError> {
    let service = main.service;
    let command = Command::new(service.binary()).about(main.about).version(env!("CARGO_PKG_VERSION"));
    let command = SharedArgs::augment_args(ListenArg::augment_args(command));
    let command = (main.arguments)(command).mut_arg("listen", |arg| {
        arg.env(service.listen_variable()).default_value(service.default_listen()).required(false)
    });
    let spec = Spec { subcommand: None, sections: &[service.as_str()] };
    config::load(command, spec, arguments, environment)
}

/// What the configuration came to.
struct Prepared {
    own: ArgMatches,
    shared: SharedArgs,
    listen: ListenArg,
    common: CommonConfig,
}

/// Everything that can be wrong with the configuration; `None` if it was only to be printed.
fn prepare(main: &Main<'_>, loaded: &Loaded) -> anyhow::Result<Option<Prepared>> {
    let (shared, listen): (SharedArgs, ListenArg) = (loaded.get()?, loaded.get()?);
    if shared.print_config {
        print!("{}", loaded.print());
        return Ok(None);
    }
    let common = CommonConfig::read(main.service, &shared, main.kinds, Arc::new(SystemClock))?;
    check_listen(listen.listen, common.tokens.is_some())?;
    Ok(Some(Prepared { own: loaded.matches().clone(), shared, listen, common }))
}

fn start<F, Fut>(main: &Main<'_>, prepared: Prepared, run: F) -> anyhow::Result<()>
where
    F: FnOnce(ArgMatches, CommonConfig, TcpListener, CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let Prepared { own, shared, listen, common } = prepared;
    let address = listen.listen;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("runtime")?;
    if listen.check_health {
        return runtime.block_on(check_health(address));
    }
    runtime.block_on(async {
        telemetry::init(&TelemetryOptions::of(main.service.binary(), &shared))?;
        telemetry::log_panics();
        if listen.migrate {
            if let Some(db) = common.database(main.migrations, &CancellationToken::new()).await? {
                db.close().await;
            }
            println!("the {}'s tables are up to date", main.service);
            return Ok(());
        }
        descriptors::raise();
        let shutdown = shutdown::on_signals().context("signal handlers")?;
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        common.say_who_may_call();
        // Boxed: a service's future is large, and lives as long as the process.
        let run = Box::pin(run(own, common, listener, shutdown));
        let result = AssertUnwindSafe(run).catch_unwind().await;
        telemetry::flush().await;
        result.unwrap_or_else(|panic| Err(anyhow::anyhow!("panicked: {}", one_line(tasks::words(&*panic)))))
    })
}

/// Asks `/healthz` of the service that should be running here.
async fn check_health(listen: SocketAddr) -> anyhow::Result<()> {
    let host =
        if listen.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], listen.port())) } else { listen };
    let base = config::http_url(&format!("http://{host}")).map_err(anyhow::Error::msg)?;
    let neighbour = crate::client::Neighbour::new(base, None, Duration::from_secs(3))?;
    neighbour.check_health().await.context("not healthy")
}
