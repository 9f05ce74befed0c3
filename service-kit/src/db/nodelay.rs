//! TCP_NODELAY on the connections to PostgreSQL.
//!
//! sqlx 0.9.0 connects without it (its issue 4335; a release that sets it makes this file needless): what is larger than a segment
//! then waits 40 ms and more for the server's delayed acknowledgement before its last part is sent. The driver gives its socket to
//! nobody, so it is looked for among the descriptors of this process.

use std::fs::{read_dir, read_link};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// Linux only; elsewhere nothing is found, and the connections work on as they are.
const DESCRIPTORS: &str = "/proc/self/fd";

/// Sets it on every connection of this process to that port that lacks it; how many these were.
pub(super) fn set_on_connections_to(port: u16) -> io::Result<usize> {
    let mut set = 0;
    let Ok(descriptors) = read_dir(DESCRIPTORS) else { return Ok(0) };
    let through = UnixStream::pair()?;
    for entry in descriptors.flatten() {
        let is_socket = read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        let number: Option<RawFd> = entry.file_name().to_str().and_then(|it| it.parse().ok());
        let Some(number) = number.filter(|_| is_socket) else { continue };
        // It may have been closed meanwhile.
        let Ok(Some(socket)) = another_of(number, &through) else { continue };
        let stream = TcpStream::from(socket);
        if stream.peer_addr().is_ok_and(|peer| peer.port() == port) && !stream.nodelay()? {
            stream.set_nodelay(true)?;
            set += 1;
        }
    }
    Ok(set)
}

/// Another descriptor of the same socket. A number becomes one without `unsafe` by being sent to ourselves.
fn another_of(number: RawFd, (one, other): &(UnixStream, UnixStream)) -> io::Result<Option<OwnedFd>> {
    let byte = [0];
    let rights = [number];
    sendmsg::<()>(
        one.as_raw_fd(),
        &[IoSlice::new(&byte)],
        &[ControlMessage::ScmRights(&rights)],
        MsgFlags::empty(),
        None,
    )?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(other, &mut [IoSliceMut::new(&mut [0])], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let received = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok(received)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn connections_to_the_port_get_it_and_no_others() {
        let (database, other) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let of_database = TcpStream::connect(database.local_addr().unwrap()).unwrap();
        let of_other = TcpStream::connect(other.local_addr().unwrap()).unwrap();
        let port = database.local_addr().unwrap().port();
        assert_eq!(set_on_connections_to(port).unwrap(), 1);
        assert!(of_database.nodelay().unwrap() && !of_other.nodelay().unwrap());
        assert_eq!(set_on_connections_to(port).unwrap(), 0, "once is enough");
    }
}
