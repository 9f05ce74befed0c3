//! Does what a plan says, and undoes it. Whoever calls this waits for the system to settle afterwards.

use std::time::{Duration, Instant};

use phasegate_tests::proxy::Mode;
use phasegate_tests::stack::SERVICES;
use phasegate_tests::wait;

use crate::fleet::{Build, Member};
use crate::plan::Fault;
use crate::round::is_over;
use crate::world::World;

/// Services whose files a size limit stands for a full disk of; the reporter's commands inherit its limits.
const LIMITED: [&str; 2] = ["collector", "analyzer"];

/// Before the violation: replicas that take part.
pub(crate) async fn prepare(world: &mut World, fault: Fault) {
    match fault {
        Fault::Freeze { service, .. } => world.fleet.launch(Member::second(service), Build::New).await,
        Fault::RollingRestart => {
            for service in SERVICES {
                world.fleet.launch(Member::second(service), Build::Old).await;
                world.fleet.terminate(Member::first(service)).await;
            }
        }
        Fault::Kill { .. } | Fault::PostgresKill { .. } | Fault::DiskFull { .. } | Fault::Link { .. } => {}
    }
}

/// The fault from its beginning to its end; with how long decisions took to be made again where that was measured.
pub(crate) async fn strike(world: &mut World, fault: Fault) -> Option<Duration> {
    match fault {
        Fault::Kill { service, times, down } => {
            for _ in 0..times {
                world.fleet.kill(Member::first(service));
                tokio::time::sleep(down).await;
                world.fleet.launch(Member::first(service), Build::New).await;
            }
        }
        Fault::Freeze { service, hold } => {
            world.fleet.freeze(Member::first(service));
            tokio::time::sleep(hold).await;
            world.fleet.thaw(Member::first(service)).await;
        }
        Fault::PostgresKill { down } => return kill_postgres(world, down).await,
        Fault::DiskFull { hold } => {
            let pids = world.fleet.pids(&LIMITED);
            world.disk.fill(&pids);
            tokio::time::sleep(hold).await;
            world.disk.free(&pids);
        }
        Fault::Link { link, mode, hold } => {
            world.links[link].set(mode);
            if mode == Mode::LoseReplies {
                until_a_reply_is_lost(world, link).await;
            }
            tokio::time::sleep(hold).await;
            world.links[link].set(Mode::Pass);
        }
        Fault::RollingRestart => {
            for service in SERVICES {
                world.fleet.launch(Member::first(service), Build::New).await;
                world.fleet.terminate(Member::second(service)).await;
            }
        }
    }
    None
}

/// After the system has settled: the extra replica goes.
pub(crate) async fn clean_up(world: &mut World, fault: Fault) {
    if let Fault::Freeze { service, .. } = fault
        && world.fleet.is_running(Member::second(service))
    {
        world.fleet.terminate(Member::second(service)).await;
    }
}

/// Or until it is over: some lines are not used by every violation.
async fn until_a_reply_is_lost(world: &World, link: &str) {
    let before = world.links[link].replies_lost();
    wait::until("a lost reply, or the violation's end", || async {
        if world.links[link].replies_lost() > before {
            return Ok(());
        }
        let rollout = world.get("reporter", "/v1/rollouts/autosave").await?;
        if is_over(&rollout) { Ok(()) } else { Err(rollout.to_string()) }
    })
    .await;
}

/// How long from the server's start to the first decision made after it; none if the violation had been decided
/// before, so that none was due.
async fn kill_postgres(world: &World, down: Duration) -> Option<Duration> {
    tokio::task::block_in_place(|| world.cluster.kill());
    tokio::time::sleep(down).await;
    let (started, since) = (Instant::now(), jiff::Timestamp::now());
    tokio::task::block_in_place(|| world.cluster.restart());
    wait::until("a decision after PostgreSQL's start", || async {
        let decisions = world.list("analyzer", "/v1/decisions?target=autosave&limit=1").await?;
        let newest = decisions.first().and_then(|it| it["decided_at"].as_str()?.parse().ok());
        if newest.is_some_and(|at: jiff::Timestamp| at >= since) {
            return Ok(Some(started.elapsed()));
        }
        let rollout = world.get("reporter", "/v1/rollouts/autosave").await?;
        if is_over(&rollout) { Ok(None) } else { Err(rollout.to_string()) }
    })
    .await
}
