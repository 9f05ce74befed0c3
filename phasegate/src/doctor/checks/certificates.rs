//! Certificates that end soon: of the services, the database and the vendors, as far as they are spoken to by TLS and reached from here.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Url;
use secrecy::ExposeSecret as _;
use shared_types::Timestamp;

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem};
use crate::doctor::tls::{self, Greeting};

pub(super) const CHECK: Check =
    Check { name: "certificates", title: "no certificate ends soon", look: |ask| Box::pin(look(ask)) };

const DAY: Duration = Duration::from_secs(86_400);
const SOON: Duration = DAY.saturating_mul(21);
const WITHIN: Duration = Duration::from_secs(5);

async fn look(ask: &Ask) -> Looked {
    let mut places: BTreeSet<(String, u16, Greeting)> = BTreeSet::new();
    let mut https = |text: &str| {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "https");
        let place = url.and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
        places.extend(place.map(|(host, port)| (host, port, Greeting::None)));
    };
    ask.peers().iter().for_each(|peer| https(&peer.api.base()));
    if let Ok(channels) = ask.channels().await {
        channels.iter().filter_map(|it| it.receiver.as_deref()).for_each(https);
    }
    places.extend(ask.place.database_url.as_ref().and_then(|url| database(url.expose_secret())));
    let ends = places.iter().map(|(host, port, greeting)| async move {
        tokio::time::timeout(WITHIN, tls::ends(host, *port, *greeting)).await
    });
    let (mut problems, mut seen) = (Vec::new(), Vec::new());
    for ((host, port, _), end) in places.iter().zip(join_all(ends).await) {
        let place = format!("{host}:{port}");
        match end {
            Ok(Ok(Some(end))) => {
                problems.extend(judge(&place, end, ask.now));
                seen.push(end);
            }
            // A database that speaks no TLS.
            Ok(Ok(None)) => {}
            Ok(Err(why)) => problems.push(not_seen(&place, &why)),
            Err(_) => problems.push(not_seen(&place, "no answer within 5 s")),
        }
    }
    let figure = match seen.iter().min() {
        None => "nothing here is spoken to by TLS".to_owned(),
        Some(first) => format!("{} seen, the first ends at {first}", seen.len()),
    };
    Looked::wrong(figure, problems)
}

fn judge(place: &str, end: Timestamp, now: Timestamp) -> Option<Problem> {
    let remedy = "renew it, and have whoever serves it read it again";
    if end <= now {
        return Some(Problem::failed(format!("the certificate of {place} ended at {end}"), remedy));
    }
    let left = end.since(now);
    let days = left.as_secs() / DAY.as_secs();
    (left < SOON).then(|| {
        Problem::warning(format!("the certificate of {place} ends in {days} days, at {end}"), remedy)
    })
}

fn not_seen(place: &str, why: &str) -> Problem {
    let remedy = "run it where this can be reached, or look at the certificate there";
    Problem::not_checked(format!("the certificate of {place} was not seen: {why}"), remedy)
}

/// Where the database is, if it is PostgreSQL over TCP and TLS is not turned off.
fn database(url: &str) -> Option<(String, u16, Greeting)> {
    let url = Url::parse(url).ok().filter(|it| matches!(it.scheme(), "postgres" | "postgresql"))?;
    let off =
        url.query_pairs().any(|(name, value)| matches!(&*name, "sslmode" | "ssl-mode") && value == "disable");
    let host = url.host_str().filter(|host| !off && !host.is_empty())?;
    Some((host.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(5432), Greeting::Postgres))
}
