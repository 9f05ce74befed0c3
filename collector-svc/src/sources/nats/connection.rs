//! Connections to servers: one for all targets of a process that are read from the same one by the same user.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, Weak};
use std::time::Duration;

use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, context};
use async_nats::{Client, ConnectOptions};
use domain::sources::nats::{Auth, Nats};
use secrecy::ExposeSecret as _;
use tokio::runtime::{Handle, Id};

use service_kit::vendors::secrets::secret;

/// A connection lives in the runtime that made it.
type Key = (Id, String, Option<Auth>);
/// Closed when the last target has let it go.
type Slot = Arc<tokio::sync::Mutex<Weak<Client>>>;

static OPEN: LazyLock<std::sync::Mutex<HashMap<Key, Slot>>> = LazyLock::new(Default::default);

/// A stream, with the connection that it is read by.
pub(super) struct Connected {
    pub(super) stream: Stream,
    pub(super) client: Arc<Client>,
}

/// The stream as the server has it now.
pub(super) async fn stream(settings: &Nats, timeout: Duration) -> Result<Connected, String> {
    let client = client(settings, timeout).await?;
    let mut context = jetstream::new(Client::clone(&client));
    context.set_timeout(timeout);
    let stream = context.get_stream(&settings.stream).await.map_err(|error| match error.kind() {
        context::GetStreamErrorKind::JetStream(error) => error.to_string(),
        _ => format!("no answer of JetStream: {error}"),
    })?;
    Ok(Connected { stream, client })
}

async fn client(settings: &Nats, timeout: Duration) -> Result<Arc<Client>, String> {
    let key = (Handle::current().id(), settings.url.clone(), settings.auth.clone());
    let slot = {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|it| it.strong_count() > 0)
        });
        Arc::clone(open.entry(key).or_default())
    };
    let mut slot = slot.lock().await;
    if let Some(client) = slot.upgrade() {
        return Ok(client);
    }
    let client = Arc::new(connect(settings, timeout).await?);
    *slot = Arc::downgrade(&client);
    Ok(client)
}

async fn connect(settings: &Nats, timeout: Duration) -> Result<Client, String> {
    let options = match &settings.auth {
        None => ConnectOptions::new(),
        Some(Auth::Credentials(path)) => {
            ConnectOptions::with_credentials_file(path).await.map_err(|error| format!("{path}: {error}"))?
        }
        Some(Auth::Token(token)) => ConnectOptions::with_token(secret(token)?.expose_secret().to_owned()),
        Some(Auth::User(user, password)) => {
            let password = secret(password)?.expose_secret().to_owned();
            ConnectOptions::with_user_and_password(user.clone(), password)
        }
    };
    let servers: Vec<&str> = settings.url.split(',').collect();
    let options =
        options.name("phasegate collector").connection_timeout(timeout).request_timeout(Some(timeout));
    options.connect(servers).await.map_err(|error| error.to_string())
}
