//! A PostgreSQL pooler in transaction mode, as PgBouncer is one: it answers the start of a session itself, and gives each
//! transaction to whichever backend was used last. Just enough of it to see what a session makes of that.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// "No TLS" to a client that asks for it.
const SSL_REQUEST: u32 = 80_877_103;
const PROTOCOL: u32 = 196_608;

/// One on a port of its own; ends when dropped.
pub struct Pooler {
    url: String,
    task: JoinHandle<()>,
}

/// A backend, ready for a transaction.
type Backends = Arc<Mutex<Vec<TcpStream>>>;

struct Server {
    address: SocketAddr,
    user: String,
    database: String,
    idle: Backends,
}

impl Pooler {
    /// Before a database whose server trusts its users.
    ///
    /// # Panics
    /// The URL does not name a user, an address and a database.
    pub async fn before(url: &str) -> Self {
        let rest = url.split_once("://").expect("a scheme").1;
        let (user, rest) = rest.split_once('@').expect("a user");
        let (address, database) = rest.split_once('/').expect("a database");
        let server = Server {
            address: address.parse().expect("an address"),
            user: user.split(':').next().unwrap_or(user).to_owned(),
            database: database.to_owned(),
            idle: Backends::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = listener.local_addr().expect("its address");
        let url = format!("postgres://{user}@{own}/{database}");
        let server = Arc::new(server);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = Arc::clone(&server);
                // A session that breaks ends; its client sees that.
                tokio::spawn(async move { session(client, &server).await });
            }
        });
        Self { url, task }
    }

    /// For the service.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn session(mut client: TcpStream, server: &Server) -> io::Result<()> {
    loop {
        let length = client.read_u32().await?;
        let mut start = vec![0; length.saturating_sub(4) as usize];
        client.read_exact(&mut start).await?;
        if start.get(..4) == Some(&SSL_REQUEST.to_be_bytes()) {
            client.write_all(b"N").await?;
            continue;
        }
        break;
    }
    // AuthenticationOk, BackendKeyData, ReadyForQuery.
    client.write_all(b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x01Z\0\0\0\x05I").await?;
    let mut backend: Option<TcpStream> = None;
    while let Some(message) = message(&mut client).await? {
        let kind = message[0];
        if kind == b'X' {
            break;
        }
        let mut used = match backend.take() {
            Some(backend) => backend,
            None => server.backend().await?,
        };
        used.write_all(&message).await?;
        // A simple query and a Sync are answered to the end; other messages wait for the next Sync.
        let free = matches!(kind, b'Q' | b'S') && answer(&mut used, &mut client).await?;
        if free {
            server.idle.lock().unwrap_or_else(PoisonError::into_inner).push(used);
        } else {
            backend = Some(used);
        }
    }
    Ok(())
}

/// Passes on an answer up to its end; whether no transaction is open then.
async fn answer(backend: &mut TcpStream, client: &mut TcpStream) -> io::Result<bool> {
    while let Some(message) = message(backend).await? {
        client.write_all(&message).await?;
        if message[0] == b'Z' {
            return Ok(message.last() == Some(&b'I'));
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// A message with its head; `None` at the end.
async fn message(from: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 5];
    match from.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut message = head.to_vec();
    message.resize(1 + length as usize, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(Some(message))
}

impl Server {
    /// The backend that was used last, or a new one.
    async fn backend(&self) -> io::Result<TcpStream> {
        if let Some(idle) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(idle);
        }
        let mut backend = TcpStream::connect(self.address).await?;
        let mut start = PROTOCOL.to_be_bytes().to_vec();
        for text in ["user", &self.user, "database", &self.database] {
            start.extend(text.as_bytes());
            start.push(0);
        }
        start.push(0);
        let length = u32::try_from(start.len() + 4).map_err(io::Error::other)?;
        backend.write_all(&length.to_be_bytes()).await?;
        backend.write_all(&start).await?;
        while let Some(message) = message(&mut backend).await? {
            if message[0] == b'Z' {
                return Ok(backend);
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
