//! A server that says what it is told to, whatever it is asked; also how a server should not behave.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does once it has read the head of a request.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// This, byte for byte, then the connection ends.
    Bytes(String),
    /// A response whose body is the request itself, so that every secret in it comes back.
    Echo {
        status: u16,
    },
    /// 202 and a body that never ends.
    Endless,
    Nothing,
}

impl Says {
    pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Bytes(format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
        ))
    }

    /// Announces more body than it sends.
    pub(crate) fn broken_off(status: u16) -> Self {
        Self::Bytes(format!(
            "HTTP/1.1 {status} X\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n{{\"ok\""
        ))
    }
}

/// Serves until the test's runtime ends; gives its base URL.
pub(crate) async fn serve(says: Says) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve_one(stream, says.clone()));
        }
    });
    url
}

/// A port of this machine on which nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn serve_one(mut stream: TcpStream, says: Says) {
    let request = read_request(&mut stream).await;
    let answer = match says {
        Says::Bytes(bytes) => bytes,
        Says::Echo { status } => {
            let Says::Bytes(bytes) = Says::answer(status, "", &request) else { unreachable!() };
            bytes
        }
        Says::Endless => return endless(stream).await,
        Says::Nothing => return std::future::pending().await,
    };
    stream.write_all(answer.as_bytes()).await.ok();
    stream.shutdown().await.ok();
}

async fn endless(mut stream: TcpStream) {
    let head = b"HTTP/1.1 202 X\r\nconnection: close\r\n\r\n";
    let mut sent = stream.write_all(head).await;
    while sent.is_ok() {
        sent = stream.write_all(&[b' '; 4096]).await;
    }
}

/// Head and body, so that closing afterwards is an orderly end and no reset.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        if stream.read_buf(&mut read).await.unwrap() == 0 {
            return text;
        }
    }
}
