//! The supervisor itself: `__supervise BOUNDS GRACE DESCRIPTORS PROGRAM ARGUMENT…`, with the socket to the service as its input.
//! Directory, environment, output and errors are the command's as they stand.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream as PlainStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, WaitStatus, getpid, set_child_subreaper};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use super::family::Family;
use super::order::{Ended, How, Order, Why};
use crate::descriptors;
use crate::moment::Moment;

/// What a command that has ended by itself has left running may go on for so long: the rest of a pipeline.
const LEFT_BEHIND: Duration = Duration::from_millis(500);

pub(super) fn main(told: &[OsString]) -> ExitCode {
    let Some(order) = Order::read(told) else {
        eprintln!("this is started by a service, for a command of its policy");
        return ExitCode::from(2);
    };
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(supervise(order))
    };
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the supervisor of a command: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn supervise(order: Order) -> io::Result<()> {
    let socket = PlainStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let (told, mut tell) = UnixStream::from_std(socket)?.into_split();
    // Its end is the service's matter, also where everybody is told to end: whoever ends it leaves the command alone.
    let _deaf = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
        signal(SignalKind::quit())?,
    ];
    let mut children_ended = signal(SignalKind::child())?;
    set_child_subreaper(Some(getpid()))?;
    if order.bounds.end.is_over() {
        return say(&mut tell, How::NotStarted("its time was over before it began".to_owned()), Why::Time)
            .await;
    }
    let mut family = match start(&order) {
        Ok(leader) => Family::led_by(leader),
        Err(error) => {
            let reason = why_not_started(&order.program.to_string_lossy(), &error);
            return say(&mut tell, How::NotStarted(reason), Why::Itself).await;
        }
    };
    let mut bounds = order.bounds;
    let mut lines = BufReader::new(told).lines();
    let why = loop {
        tokio::select! {
            changed = next(&mut lines) => match changed {
                Some(to) => bounds = to,
                None => break Why::Told,
            },
            () = bounds.end.reached() => break Why::Time,
            () = leader_ended(&mut family, &mut children_ended) => break Why::Itself,
        }
    };
    let kill_at = |grace| Moment::now().plus(grace).min(bounds.over);
    let gone = why == Why::Itself && family.gone(&mut children_ended, kill_at(LEFT_BEHIND)).await;
    if !gone && !family.end(&mut children_ended, kill_at(order.grace)).await {
        eprintln!("some processes of the command could not be ended");
    }
    say(&mut tell, how(family.status), why).await
}

/// The next bounds; none: the service has let go, or nobody understands it any more.
async fn next<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>) -> Option<super::Bounds> {
    lines.next_line().await.ok().flatten()?.parse().ok()
}

async fn leader_ended(family: &mut Family, children_ended: &mut SignalStream) {
    loop {
        family.reap();
        if family.status.is_some() || children_ended.recv().await.is_none() {
            return;
        }
    }
}

fn start(order: &Order) -> io::Result<Pid> {
    let mut command = Command::new(&order.program);
    command.args(&order.arguments).stdin(Stdio::null()).process_group(0);
    if let Some(soft) = order.descriptors {
        descriptors::set_soft(soft); // inherited; this process needs few
    }
    // Never waited for by this handle: whoever ends is reaped in one place.
    Ok(Pid::from_child(&command.spawn()?))
}

fn why_not_started(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound if program.contains('/') => match std::env::current_dir() {
            Ok(directory) => {
                format!("cannot start `{program}`: there is no such file (seen from {})", directory.display())
            }
            Err(_) => format!("cannot start `{program}`: there is no such file"),
        },
        io::ErrorKind::NotFound => format!("cannot start `{program}`: there is no such program on PATH"),
        io::ErrorKind::PermissionDenied => format!("cannot start `{program}`: it is not executable"),
        _ => format!("cannot start `{program}`: {error}"),
    }
}

fn how(status: Option<WaitStatus>) -> How {
    match status.map(|it| (it.exit_status(), it.terminating_signal())) {
        Some((Some(status), _)) => How::Exited(status),
        Some((None, Some(signal))) => How::Signalled(signal),
        Some((None, None)) | None => How::Signalled(rustix::process::Signal::KILL.as_raw()),
    }
}

/// Nobody may be there to hear it.
async fn say(tell: &mut OwnedWriteHalf, how: How, why: Why) -> io::Result<()> {
    let said = serde_json::to_string(&Ended { how, why })?;
    tell.write_all(said.as_bytes()).await.ok();
    Ok(())
}
