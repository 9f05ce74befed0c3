//! A NATS server with JetStream, and who publishes there.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use async_nats::ConnectOptions;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{self, Context};
use phasegate_tests::{ports, wait};
use tempfile::TempDir;

use crate::program;

/// A server that keeps its streams in a folder of its own; ended when it is dropped.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    directory: TempDir,
    port: u16,
    pub url: String,
}

/// The user that a server asks for.
#[derive(Debug, Clone, Copy)]
pub struct User<'a> {
    pub name: &'a str,
    pub password: &'a str,
}

impl Nats {
    /// Starts one at a port of its own.
    ///
    /// # Errors
    /// It is not installed.
    pub fn start() -> anyhow::Result<Self> {
        Self::asking(None)
    }

    /// Starts one that asks who comes.
    ///
    /// # Errors
    /// It is not installed.
    pub fn asking(user: Option<User<'_>>) -> anyhow::Result<Self> {
        let (directory, port) = (tempfile::tempdir()?, ports::own());
        let authorization = user.map(|User { name, password }| {
            format!("authorization {{ user: {name}, password: {password} }}\n")
        });
        let configuration = format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {} }}\n{}",
            directory.path().join("streams").display(),
            authorization.unwrap_or_default()
        );
        std::fs::write(directory.path().join("nats.conf"), configuration)?;
        let child = launched(directory.path())?;
        Ok(Self { child, directory, port, url: format!("nats://127.0.0.1:{port}") })
    }

    /// Kills it, and starts it again on what it has stored.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = launched(self.directory.path())?;
        Ok(())
    }

    /// Somebody who publishes.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn publisher(&self, user: Option<User<'_>>) -> Publisher {
        let address = format!("127.0.0.1:{}", self.port);
        let client = wait::until("NATS to be ready", || async {
            let options = match user {
                Some(User { name, password }) => {
                    ConnectOptions::with_user_and_password(name.to_owned(), password.to_owned())
                }
                None => ConnectOptions::new(),
            };
            options.connect(&address).await
        })
        .await;
        Publisher { context: jetstream::new(client), published: 0 }
    }
}

fn launched(directory: &Path) -> anyhow::Result<Child> {
    let child = Command::new(program("nats-server")?)
        .arg("--config")
        .arg(directory.join("nats.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.context("nats-server")
}

/// Publishes messages of events, each under an id of its own, until the server has taken it.
#[derive(Debug)]
pub struct Publisher {
    pub context: Context,
    published: u64,
}

impl Publisher {
    /// Makes a stream of all subjects below `telemetry`.
    ///
    /// # Panics
    /// The server does not make it.
    pub async fn stream(&self, name: &str) -> Stream {
        let make = || async {
            let subjects = vec!["telemetry.>".to_owned()];
            let config = Config { name: name.to_owned(), subjects, ..Config::default() };
            self.context.get_or_create_stream(config).await
        };
        wait::until("the stream", make).await
    }

    /// Publishes, again and again until the server says that it has it.
    ///
    /// # Panics
    /// It never does.
    pub async fn publish(&mut self, subject: &str, payload: String) {
        self.published += 1;
        let id = format!("{subject} {}", self.published);
        wait::until("a message to be stored", || async {
            let message = PublishMessage::build().payload(payload.clone().into()).message_id(&id);
            let acknowledged = self.context.send_publish(subject.to_owned(), message).await;
            acknowledged.map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())
        })
        .await;
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
