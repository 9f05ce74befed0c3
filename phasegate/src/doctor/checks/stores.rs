//! Each service can store something: it says so itself, by having stored something. Of one that does not answer its store is looked
//! at from here.

use secrecy::ExposeSecret as _;
use service_kit::ServiceName;
use service_kit::db;

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem};

pub(super) const CHECK: Check =
    Check { name: "stores", title: "each service can store something", look: |ask| Box::pin(look(ask)) };

async fn look(ask: &Ask) -> Looked {
    let (mut problems, mut proven) = (Vec::new(), 0);
    for peer in ask.peers() {
        let name = peer.name;
        if !peer.answers().await {
            problems.push(from_here(ask, name));
            continue;
        }
        match peer.complains("database").await {
            None => proven += 1,
            Some(check) => problems.push(Problem::failed(
                format!("{name}: {}", check.detail.as_deref().unwrap_or("nothing can be stored")),
                "nothing is decided, rolled back or told meanwhile: docs/operations.md, The database; it works again by itself",
            )),
        }
    }
    Looked::wrong(format!("{proven} of 3 have just stored something"), problems)
}

/// What can be said of the store of a service that does not answer; nothing is changed.
fn from_here(ask: &Ask, name: ServiceName) -> Problem {
    let remedy = format!("start the {name}: only it can show that it stores");
    let database = ask.place.database_url.as_ref();
    let said = match database.map(|url| db::check_url(url.expose_secret())) {
        Some(Err(wrong)) => {
            let remedy = format!("correct PHASEGATE_DATABASE_URL: the {name} does not start with it");
            return Problem::failed(format!("{name}: PHASEGATE_DATABASE_URL: {wrong}"), remedy);
        }
        Some(Ok(())) => "PHASEGATE_DATABASE_URL can be read".to_owned(),
        None => {
            let file = ask.place.data_dir.join(format!("{name}.sqlite"));
            match std::fs::metadata(&file) {
                Ok(found) if found.permissions().readonly() => {
                    let remedy = "make the file writable for the user that the service runs as";
                    return Problem::failed(format!("{name}: {} is read-only", file.display()), remedy);
                }
                Ok(found) => format!("{} is there, {} KiB", file.display(), found.len() >> 10),
                Err(error) => format!("{}: {error}", file.display()),
            }
        }
    };
    Problem::not_checked(format!("{name} does not answer; {said}"), remedy)
}
