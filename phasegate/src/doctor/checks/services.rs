//! Each service answers, is ready, and takes our token. What another check looks at closer is left to it.

use service_kit::http::ReadinessState;

use crate::doctor::ask::Ask;
use crate::doctor::check::Check;
use crate::doctor::finding::{Looked, Problem};
use crate::doctor::peer::Peer;

pub(super) const CHECK: Check = Check {
    name: "services",
    title: "each answers, is ready, and takes the token",
    look: |ask| Box::pin(look(ask)),
};

/// Checks of `/readyz` that have one of ours to themselves.
const ELSEWHERE: [&str; 9] =
    ["database", "clock", "disk", "policy", "channels", "effects", "outbox", "reporter", "sources"];

async fn look(ask: &Ask) -> Looked {
    let (mut problems, mut ready) = (Vec::new(), Vec::new());
    for peer in ask.peers() {
        let name = peer.name;
        match peer.readiness().await {
            Err(why) => problems.push(Problem::failed(
                format!("the {name} does not answer: {why}"),
                format!(
                    "start it, or say where it is: --{name}-url; what can be seen without it is told below"
                ),
            )),
            Ok(report) => {
                if report.ready {
                    ready.push(name.as_str());
                }
                problems.extend(
                    report.checks.iter().filter(|it| !ELSEWHERE.contains(&&*it.name)).filter_map(|it| {
                        let said =
                            format!("{name}: {}: {}", it.name, it.detail.as_deref().unwrap_or_default());
                        let remedy = remedy(&it.name);
                        match it.state {
                            ReadinessState::Ok => None,
                            ReadinessState::Degraded => Some(Problem::warning(said, remedy)),
                            ReadinessState::Failing => Some(Problem::failed(said, remedy)),
                        }
                    }),
                );
                problems.extend(token(peer).await);
            }
        }
    }
    let figure = match ready.len() {
        0 => "none of the three is ready".to_owned(),
        3 => "collector, analyzer and reporter are ready".to_owned(),
        _ => format!("only {} of the three: {}", ready.len(), ready.join(" and ")),
    };
    Looked::wrong(figure, problems)
}

async fn token(peer: &Peer) -> Option<Problem> {
    let unasked = peer.policy().await.err().filter(|it| it.refused)?;
    let remedy = "name a token that may read: --token or PHASEGATE_TOKEN (`phasegate token list` shows those there are)";
    Some(Problem::failed(unasked.said.clone(), remedy))
}

fn remedy(check: &str) -> &'static str {
    match check {
        "tasks" => "it is about to end and be started again; its log says which task ended, and why",
        "documents" => "a newer release has written what this one does not read: run that release",
        "tokens" => "correct the file of PHASEGATE_TOKENS; the tokens of before are in force until then",
        "audit" => "`phasegate audit verify` says what differs; docs/audit.md, what to do about it",
        _ => "its log says more",
    }
}
