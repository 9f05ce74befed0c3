//! The disks of the data directories have room left.

use service_kit::disk::Room;

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem};

pub(super) const CHECK: Check =
    Check { name: "disk", title: "the data directories have room", look: |ask| Box::pin(look(ask)) };

const REMEDY: &str = "make room or enlarge the disk; the policy's `retention` says how long history is kept";

async fn look(ask: &Ask) -> Looked {
    let (mut problems, mut said) = (Vec::new(), 0);
    for peer in ask.peers() {
        said += usize::from(peer.answers().await);
        if let Some(check) = peer.complains("disk").await {
            let detail = check.detail.as_deref().unwrap_or_default();
            problems.push(Problem::failed(format!("{}: {detail}", peer.name), REMEDY));
        }
    }
    let directory = &ask.place.data_dir;
    let here = match Room::at(directory) {
        Ok(room) if room.is_low() && problems.is_empty() => {
            problems.push(Problem::failed(format!("{room} where {} is", directory.display()), REMEDY));
            room.to_string()
        }
        Ok(room) => room.to_string(),
        Err(error) => error.to_string(),
    };
    if said == 0 && !directory.exists() {
        problems.push(Problem::not_checked(
            format!("{} is not here, and no service answers", directory.display()),
            "say where the data is with --data-dir, or run it where the services run",
        ));
    }
    Looked::wrong(format!("{here} here, of {}", directory.display()), problems)
}
