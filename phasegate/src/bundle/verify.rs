//! Verifies a bundle without any service.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context as _;
use domain::audit::digest;
use domain::audit::streams::opened;
use domain::audit::verify::Walk;
use domain::gate::longest_look_back;
use domain::gate::recompute::{Difference, decide_again, differences, history_before};
use domain::kinds::Kinds;
use domain::policy::Policy;
use domain::stored::plain;
use reporter_svc::audit::Archive;
use serde::Serialize;
use service_kit::seal::check;
use shared_types::audit::{AuditFault, AuditSeal, FaultKind, SERVICE_STREAM, StreamVerification};
use shared_types::{AuditEntry, Batch, Decision, TargetName, Timestamp, Window};
use uuid::Uuid;

use super::{Header, Line, SCHEMA};
use crate::exit::{Exit, error};

/// Faults that are named; more are only counted.
const NAMED: usize = 20;

/// What verifying a bundle found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BundleReport {
    pub(crate) ok: bool,
    /// Whether a seal of the key that was named says that nothing is missing.
    pub(crate) sealed: bool,
    pub(crate) streams: Vec<StreamVerification>,
    pub(crate) decisions: DecisionsReport,
    /// What does not hold of decisions and policies, one line each.
    pub(crate) faults: Vec<String>,
}

/// What became of the bundle's decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DecisionsReport {
    /// Made again from their batches and policies.
    pub(crate) recomputed: u64,
    /// Of these, came out the same.
    pub(crate) same: u64,
    /// Have the digest that their row of the log names.
    pub(crate) agree: u64,
}

struct Bundle {
    header: Header,
    seal: Option<AuditSeal>,
    policies: BTreeMap<String, String>,
    batches: BTreeMap<Uuid, Batch>,
    decisions: BTreeMap<Uuid, Decision>,
    rows: BTreeMap<String, Vec<AuditEntry>>,
}

/// Verifies a bundle, whose policies may name these kinds; with `archive`, its rows beside their copies too, and with `public`,
/// that it is whole, by the seal of that key.
pub(crate) fn verify(
    file: &Path,
    archive: Option<&Path>,
    public: Option<&str>,
    kinds: &Kinds,
) -> anyhow::Result<BundleReport> {
    let bundle = read(file)?;
    let streams = streams(&bundle, archive)?;
    let mut faults = unsealed(&bundle, public);
    let sealed = public.is_some() && faults.is_empty();
    let mut decisions = DecisionsReport::default();
    compare(&bundle, &mut decisions, &mut faults);
    make_again(&bundle, kinds, &mut decisions, &mut faults);
    let count = |found: usize, stated: u64, what: &str, faults: &mut Vec<String>| {
        if u64::try_from(found).unwrap_or(u64::MAX) != stated {
            faults.push(format!("the header says {stated} {what}, the bundle holds {found}"));
        }
    };
    let of_the_span = bundle.decisions.values().filter(|it| bundle.header.span.holds(it.window.start));
    count(of_the_span.count(), bundle.header.decisions, "decisions", &mut faults);
    count(bundle.policies.len(), bundle.header.policies, "policies", &mut faults);
    let ok = faults.is_empty() && streams.iter().all(|it| it.ok);
    if faults.len() > NAMED {
        let more = faults.len() - NAMED;
        faults.truncate(NAMED);
        faults.push(format!("and {more} more"));
    }
    Ok(BundleReport { ok, sealed, streams, decisions, faults })
}

fn read(file: &Path) -> anyhow::Result<Bundle> {
    let wrong = |line: usize, what: String| {
        error(Exit::Usage, format!("{}:{line}: not a line of an audit bundle: {what}", file.display()))
    };
    let open = File::open(file).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => error(Exit::NotFound, format!("{}: no such file", file.display())),
        _ => anyhow::Error::new(cause).context(file.display().to_string()),
    })?;
    let mut lines = BufReader::new(open).lines().enumerate().map(|(index, line)| {
        let line = line.with_context(|| file.display().to_string())?;
        serde_json::from_str::<Line>(&line).map_err(|cause| wrong(index + 1, cause.to_string()))
    });
    let header = match lines.next().transpose()? {
        Some(Line::Header(header)) if header.schema == SCHEMA => header,
        _ => return Err(wrong(1, format!("expected a header of {SCHEMA}"))),
    };
    let mut bundle = Bundle {
        header,
        seal: None,
        policies: BTreeMap::new(),
        batches: BTreeMap::new(),
        decisions: BTreeMap::new(),
        rows: BTreeMap::new(),
    };
    for line in lines {
        match line? {
            Line::Header(_) => return Err(error(Exit::Usage, "a bundle has one header")),
            Line::Seal { seal } => bundle.seal = Some(seal),
            Line::Policy { version, text } => drop(bundle.policies.insert(version, text)),
            Line::Batch { decision_id, batch } => drop(bundle.batches.insert(decision_id, batch)),
            Line::Decision { decision } => {
                drop(bundle.decisions.insert(decision.decision_id, decision));
            }
            Line::Row { row } => bundle.rows.entry(row.stream.clone()).or_default().push(row),
        }
    }
    Ok(bundle)
}

/// Why nothing says that the bundle is whole. The header is written by whoever exports; the seal's heads are the reporter's.
fn unsealed(bundle: &Bundle, public: Option<&str>) -> Vec<String> {
    let Bundle { header, seal, rows, .. } = bundle;
    let Some(seal) = seal else {
        let missing = "it carries no seal: whether its end was cut off cannot be told".to_owned();
        return public.map(|_| missing).into_iter().collect();
    };
    let mut faults = Vec::new();
    if let Some(why) = public.and_then(|public| check(seal, public).err()) {
        faults.push(format!("the seal: {why}"));
    }
    if (seal.from, seal.to) != (header.span.from, header.span.to) {
        faults.push("the seal is of another span than the header".to_owned());
    }
    let wanted = |stream: &str| {
        stream == SERVICE_STREAM || header.span.target.as_ref().is_none_or(|it| it.as_str() == stream)
    };
    for head in seal.heads.iter().filter(|head| wanted(&head.stream)) {
        let first = rows.get(&head.stream).and_then(|rows| rows.first());
        if first.is_none_or(|first| first.seq > head.first_seq) {
            faults.push(format!("{}: the seal names row {}, which is missing", head.stream, head.first_seq));
        }
    }
    faults
}

/// Each stream's chain from its first row in the bundle to the last that the header names.
fn streams(bundle: &Bundle, archive: Option<&Path>) -> anyhow::Result<Vec<StreamVerification>> {
    let mut found = Vec::new();
    let none = Vec::new();
    let opened = opened(bundle.rows.get(SERVICE_STREAM).unwrap_or(&none));
    let unnamed =
        bundle.rows.keys().filter(|it| !bundle.header.streams.iter().any(|part| &part.stream == *it));
    if let Some(stream) = unnamed.into_iter().next() {
        return Err(error(Exit::Usage, format!("the header does not name the stream {stream}")));
    }
    for part in &bundle.header.streams {
        let rows = bundle.rows.get(&part.stream).unwrap_or(&none);
        let from_the_start = bundle.header.span.from.is_none();
        let mut walk = match rows.first() {
            Some(first) if !from_the_start => Walk::behind(
                &part.stream,
                first.seq.saturating_sub(1),
                &first.prev_hash,
                Timestamp::from_millis(0),
            ),
            _ => Walk::new(&part.stream, Timestamp::from_millis(0)),
        };
        let heads = bundle.seal.iter().flat_map(|seal| &seal.heads);
        walk = walk.sealed(heads.into_iter().find(|head| head.stream == part.stream).cloned());
        match archive {
            Some(directory) => walk.beside(rows, &mut Archive::at(directory).copy(&part.stream)?),
            None => walk.chain(rows),
        }
        walk.finish();
        if from_the_start && opened.as_ref().is_some_and(|opened| !opened.contains(&part.stream)) {
            walk.refuse(FaultKind::Unopened, "the service's own stream does not say that anybody opened it");
        }
        let mut verdict = walk.verdict();
        if verdict.ok && verdict.last_seq != part.last_seq && part.rows > 0 {
            let detail = format!("the header says that row {} is the last", part.last_seq);
            verdict.ok = false;
            verdict.fault =
                Some(AuditFault { seq: verdict.last_seq + 1, kind: FaultKind::Truncated, detail });
        }
        if verdict.ok && verdict.rows != part.rows {
            let detail = format!("the header says {} rows, the bundle holds {}", part.rows, verdict.rows);
            let first = rows.first().map_or(1, |row| row.seq.saturating_sub(1));
            verdict.ok = false;
            verdict.fault = Some(AuditFault { seq: first, kind: FaultKind::Missing, detail });
        }
        found.push(verdict);
    }
    Ok(found)
}

/// Every decision that the log names has to be there, and be the one that was taken in.
fn compare(bundle: &Bundle, report: &mut DecisionsReport, faults: &mut Vec<String>) {
    let received = bundle.rows.values().flatten().filter(|row| row.action == "decision.received");
    for row in received {
        let place = format!("{} row {}", row.stream, row.seq);
        let id = row.detail["decision_id"].as_str().and_then(|id| id.parse::<Uuid>().ok());
        let Some(decision) = id.and_then(|id| bundle.decisions.get(&id)) else {
            if demanded(bundle, row) {
                faults.push(format!("{place}: its decision {} is not in the bundle", id.unwrap_or_default()));
            }
            continue;
        };
        let digest = digest(&plain(decision));
        if row.detail["digest"].as_str() == Some(&digest) {
            report.agree += 1;
        } else {
            faults
                .push(format!("{place}: decision {} is not the one that was taken in", decision.decision_id));
        }
    }
}

/// Whether the row's decision was kept when the bundle was made, and is of its span.
fn demanded(bundle: &Bundle, row: &AuditEntry) -> bool {
    let window = serde_json::from_value::<Window>(row.detail["window"].clone());
    let kept = |at: Timestamp| bundle.header.decisions_from.is_some_and(|from| at >= from);
    window.is_ok_and(|window| kept(window.start) && bundle.header.span.holds(window.start))
}

/// SLO-10: through the same gate, from the batch, those before it and the policy's text.
fn make_again(bundle: &Bundle, kinds: &Kinds, report: &mut DecisionsReport, faults: &mut Vec<String>) {
    let parse =
        |(version, text): (&String, &String)| (version.clone(), Policy::parse_with(text, "policy", kinds));
    let policies: BTreeMap<String, Result<Policy, _>> = bundle.policies.iter().map(parse).collect();
    let looks_back = policies.values().flatten().flat_map(|it| it.targets.values().map(longest_look_back));
    let look_back = looks_back.max().unwrap_or_default();
    // By target and window, so that each decision looks at its neighbours only.
    let known: BTreeMap<(&TargetName, Timestamp), (&Decision, &Batch)> = bundle
        .batches
        .iter()
        .filter_map(|(id, batch)| {
            Some(((&batch.target, batch.window.start), (bundle.decisions.get(id)?, batch)))
        })
        .collect();
    for decision in bundle.decisions.values().filter(|it| bundle.header.span.holds(it.window.start)) {
        report.recomputed += 1;
        let window = decision.window;
        // As much again for windows that begin before what is looked at and end within it.
        let since = window.start.minus(look_back).minus(window.length());
        let near = known.range((&decision.target, since)..(&decision.target, window.start));
        let history = history_before(decision, near.map(|it| *it.1));
        let batch = bundle.batches.get(&decision.decision_id);
        let found = match policies.get(&decision.policy_version) {
            None => vec![format!("its policy {} is not in the bundle", decision.policy_version)],
            Some(Err(error)) => vec![format!("its policy cannot be read: {error}")],
            Some(Ok(policy)) => match decide_again(decision, batch, &history, policy) {
                Err(error) => vec![error.to_string()],
                Ok(again) => differences(decision, &again).into_iter().map(said).collect(),
            },
        };
        report.same += u64::from(found.is_empty());
        faults.extend(found.into_iter().map(|it| format!("decision {}: {it}", decision.decision_id)));
    }
}

fn said(it: Difference) -> String {
    let why = it.why.map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{} is {}, but comes out as {}{why}", it.field, it.stored, it.recomputed)
}
