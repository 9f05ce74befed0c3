//! A TCP proxy that misbehaves as networks do. It stands between services, and between them and PostgreSQL and the
//! vendors; it knows nothing of what passes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What happens to connections, those that are open already included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// Closed at once, and so is every new one.
    Cut,
    /// Accepted and held, and nothing is forwarded. A connection that was once so stays so until its client gives up:
    /// a path that lost its state does not come back for those who used it.
    HalfOpen,
    /// So many bytes a second and direction.
    Throttled(u64),
    /// The request gets through; at the first byte of an answer the connection is closed.
    LoseReplies,
}

/// A proxy on a port of its own; dropped, its connections are closed.
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    upstreams: watch::Sender<Vec<SocketAddr>>,
    lost: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Forwards to the first of `upstreams` that accepts, a different one first each time.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start(upstreams: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (mode, seen) = watch::channel(Mode::Pass);
        let lost = Arc::new(AtomicU64::new(0));
        let (upstreams, leads_to) = watch::channel(upstreams);
        let task = tokio::spawn(serve(listener, leads_to, seen, Arc::clone(&lost)));
        Self { address, mode, upstreams, lost, task }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// New connections lead there, as those to a name do that points elsewhere; what is open stays where it is.
    pub fn lead_to(&self, upstreams: Vec<SocketAddr>) {
        self.upstreams.send_replace(upstreams);
    }

    /// How many connections were closed under an answer.
    #[must_use]
    pub fn replies_lost(&self) -> u64 {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    leads_to: watch::Receiver<Vec<SocketAddr>>,
    mode: watch::Receiver<Mode>,
    lost: Arc<AtomicU64>,
) {
    // The set ends all connections when the proxy goes.
    let mut connections = JoinSet::new();
    let mut turn = 0;
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else { continue };
        let upstreams = leads_to.borrow().clone();
        let upstreams: Vec<SocketAddr> =
            (0..upstreams.len()).map(|it| upstreams[(turn + it) % upstreams.len()]).collect();
        turn += 1;
        connections.spawn(forward(client, upstreams, mode.clone(), Arc::clone(&lost)));
    }
}

async fn forward(
    mut client: TcpStream,
    upstreams: Vec<SocketAddr>,
    mode: watch::Receiver<Mode>,
    lost: Arc<AtomicU64>,
) {
    let now = *mode.borrow();
    match now {
        Mode::Cut => return,
        Mode::HalfOpen => return swallow(&mut client).await,
        Mode::Pass | Mode::Throttled(_) | Mode::LoseReplies => {}
    }
    let Some(mut upstream) = connect(&upstreams).await else { return };
    client.set_nodelay(true).ok();
    upstream.set_nodelay(true).ok();
    let end = {
        let (from_client, to_client) = client.split();
        let (from_upstream, to_upstream) = upstream.split();
        tokio::select! {
            end = pump(from_client, to_upstream, mode.clone(), false) => end,
            end = pump(from_upstream, to_client, mode, true) => end,
        }
    };
    match end {
        End::Closed => {}
        End::ReplyLost => {
            lost.fetch_add(1, Ordering::SeqCst);
        }
        // The upstream's side stays open meanwhile, as it would: nobody tells it.
        End::HalfOpen => swallow(&mut client).await,
    }
}

async fn connect(upstreams: &[SocketAddr]) -> Option<TcpStream> {
    for upstream in upstreams {
        if let Ok(stream) = TcpStream::connect(upstream).await {
            return Some(stream);
        }
    }
    None
}

/// Takes what comes and gives nothing, until the client goes.
async fn swallow(client: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while client.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// How a direction ended, and with it the connection. A service never closes only one side.
enum End {
    Closed,
    ReplyLost,
    HalfOpen,
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
    replies: bool,
) -> End {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let now = *mode.borrow_and_update();
        let piece = match now {
            Mode::Cut => return End::Closed,
            Mode::HalfOpen => return End::HalfOpen,
            Mode::Throttled(a_second) => piece_of(a_second).min(buffer.len()),
            Mode::Pass | Mode::LoseReplies => buffer.len(),
        };
        let read = tokio::select! {
            read = from.read(&mut buffer[..piece]) => read.unwrap_or(0),
            changed = mode.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return End::Closed,
            },
        };
        if read == 0 {
            return End::Closed;
        }
        // It may have changed with the very bytes.
        let now = *mode.borrow();
        match now {
            Mode::Cut => return End::Closed,
            Mode::HalfOpen => return End::HalfOpen,
            Mode::LoseReplies if replies => return End::ReplyLost,
            Mode::Throttled(_) => tokio::time::sleep(PIECE_TIME).await,
            Mode::Pass | Mode::LoseReplies => {}
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return End::Closed;
        }
    }
}

/// A throttled connection passes a piece so often.
const PIECE_TIME: Duration = Duration::from_millis(20);

fn piece_of(bytes_a_second: u64) -> usize {
    usize::try_from(bytes_a_second / 50).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An upstream that answers each piece with the same, and counts what it got.
    async fn echo() -> (SocketAddr, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&got);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        counter.fetch_add(read as u64, Ordering::SeqCst);
                        stream.write_all(&buffer[..read]).await.ok();
                    }
                });
            }
        });
        (address, got)
    }

    async fn ask(proxy: &Proxy) -> (TcpStream, usize) {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(b"ping").await.ok();
        let mut buffer = [0; 4];
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        (stream, read)
    }

    #[tokio::test]
    async fn each_mode_does_what_its_name_says_to_open_connections_too() {
        let (upstream, got) = echo().await;
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let proxy = Proxy::start(vec![dead, upstream]).await;
        let (mut open, read) = ask(&proxy).await;
        assert_eq!(read, 4, "a dead upstream is passed over");

        proxy.set(Mode::LoseReplies);
        let before = got.load(Ordering::SeqCst);
        let (_, read) = ask(&proxy).await;
        assert_eq!((read, got.load(Ordering::SeqCst) - before), (0, 4), "it got through, the answer did not");
        assert_eq!(proxy.replies_lost(), 1);

        proxy.set(Mode::Cut);
        assert_eq!(open.read(&mut [0; 4]).await.unwrap_or(0), 0, "the open one is closed");
        assert_eq!(ask(&proxy).await.1, 0);

        proxy.set(Mode::Throttled(50));
        let (mut slow, read) = ask(&proxy).await;
        assert_eq!(read, 1, "a byte at a time");

        proxy.set(Mode::HalfOpen);
        let mut held = TcpStream::connect(proxy.address()).await.unwrap();
        held.write_all(b"ping").await.unwrap();
        let mut buffer = [0; 16];
        while let Ok(Ok(1..)) = tokio::time::timeout(PIECE_TIME * 10, slow.read(&mut buffer)).await {}
        proxy.set(Mode::Pass);
        let silent = tokio::time::timeout(PIECE_TIME * 10, held.read(&mut buffer)).await;
        assert!(silent.is_err(), "what was half open stays so");
        assert_eq!(ask(&proxy).await.1, 4, "a new one passes");
    }
}
