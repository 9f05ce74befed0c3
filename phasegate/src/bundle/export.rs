//! Writes a bundle from what the reporter and the analyzer answer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, IntoInnerError, Write as _};
use std::path::Path;
use std::time::Duration;

use analyzer_svc::store::StoredBatch;
use anyhow::Context as _;
use domain::gate::longest_look_back;
use domain::kinds::Kinds;
use domain::policy::Policy;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service_kit::files::Writing;
use shared_types::audit::{AuditSeal, AuditVerification, SERVICE_STREAM};
use shared_types::{AuditEntry, Decision, Page, TargetName, Timestamp};

use super::{Header, Line, Part, SCHEMA, Span};
use crate::api::{Api, encoded};
use crate::exit::{Exit, error};

/// Clocks of replicas differ: rows of a stream are in the order of their numbers, and only nearly in that of their times.
const SKEW: Duration = Duration::from_secs(600);

/// Writes the file; it is complete, or it is not there.
pub(crate) async fn export(
    (reporter, analyzer): (&Api, &Api),
    span: Span,
    file: &Path,
    kinds: &Kinds,
) -> anyhow::Result<Header> {
    // Before the rows: what it names has to be among them.
    let seal: AuditSeal = reporter.get(&format!("/v1/audit/seal?{}", sealed_span(&span))).await?;
    let mut rows = Vec::new();
    for stream in streams(reporter, span.target.as_ref()).await? {
        rows.push((stream.clone(), stream_rows(reporter, &stream, &span).await?));
    }
    let decisions: Vec<Decision> =
        all(analyzer, &format!("/v1/decisions?limit=1000{}", windows(&span, span.from))).await?;
    let policies = policies(analyzer, &decisions).await?;
    let since = span.from.map(|from| from.minus(look_back(&policies, kinds)));
    let earlier = Span { to: span.from, ..span.clone() };
    let before: Vec<Decision> = match since {
        Some(_) => all(analyzer, &format!("/v1/decisions?limit=1000{}", windows(&earlier, since))).await?,
        None => Vec::new(),
    };
    let batches: Vec<StoredBatch> =
        all(analyzer, &format!("/v1/batches?limit=1000{}", windows(&span, since))).await?;

    let part = |(stream, rows): &(String, Vec<AuditEntry>)| Part {
        stream: stream.clone(),
        rows: u64::try_from(rows.len()).unwrap_or(u64::MAX),
        last_seq: rows.last().map_or(0, |row| row.seq),
    };
    let header = Header {
        schema: SCHEMA.to_owned(),
        exported_at: Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()),
        streams: rows.iter().map(part).collect(),
        decisions: u64::try_from(decisions.len()).unwrap_or(u64::MAX),
        decisions_from: decisions.iter().map(|it| it.window.start).min(),
        policies: u64::try_from(policies.len()).unwrap_or(u64::MAX),
        span,
    };
    let lines = [Line::Header(header.clone()), Line::Seal { seal }]
        .into_iter()
        .chain(policies.into_iter().map(|(version, text)| Line::Policy { version, text }))
        .chain(batches.into_iter().map(|it| Line::Batch { decision_id: it.decision_id, batch: it.batch }))
        .chain(before.into_iter().chain(decisions).map(|decision| Line::Decision { decision }))
        .chain(rows.into_iter().flat_map(|it| it.1).map(|row| Line::Row { row }));
    write(file, lines).with_context(|| file.display().to_string())?;
    Ok(header)
}

/// Half a bundle is never taken for one.
fn write(file: &Path, lines: impl Iterator<Item = Line>) -> anyhow::Result<()> {
    let mut writer = BufWriter::new(Writing::begin(file)?);
    for line in lines {
        serde_json::to_writer(&mut writer, &line)?;
        writer.write_all(b"\n")?;
    }
    Ok(writer.into_inner().map_err(IntoInnerError::into_error)?.finish()?)
}

async fn streams(reporter: &Api, target: Option<&TargetName>) -> anyhow::Result<Vec<String>> {
    if let Some(target) = target {
        let any: Page<AuditEntry> = reporter.get(&format!("/v1/audit?limit=1&stream={target}")).await?;
        if any.items.is_empty() {
            return Err(error(Exit::NotFound, format!("the audit log has no row of `{target}`")));
        }
        return Ok(vec![SERVICE_STREAM.to_owned(), target.to_string()]);
    }
    let mut streams = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: AuditVerification =
            reporter.get(&format!("/v1/audit/verification?limit=50{cursor}")).await?;
        streams.extend(page.items.into_iter().map(|it| it.stream));
        let Some(next) = page.next else { return Ok(streams) };
        cursor = format!("&cursor={next}");
    }
}

/// The rows of the span, oldest first, without a gap between the first and the last.
async fn stream_rows(reporter: &Api, stream: &str, span: &Span) -> anyhow::Result<Vec<AuditEntry>> {
    let mut query = format!("/v1/audit?limit=1000&stream={}", encoded(stream));
    if let Some(from) = span.from {
        query.push_str(&format!("&from={}", from.minus(SKEW)));
    }
    if let Some(to) = span.to {
        query.push_str(&format!("&to={}", to.plus(SKEW)));
    }
    let mut rows: Vec<AuditEntry> = all(reporter, &query).await?;
    rows.sort_by_key(|row| row.seq);
    let wanted = |row: &AuditEntry| span.holds(row.at);
    let (first, last) = (rows.iter().position(wanted), rows.iter().rposition(wanted));
    Ok(match (first, last) {
        (Some(first), Some(last)) => rows.drain(first..=last).collect(),
        _ => Vec::new(),
    })
}

/// The texts of all versions that decisions name.
async fn policies(analyzer: &Api, decisions: &[Decision]) -> anyhow::Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Text {
        policy: String,
    }
    let versions: BTreeSet<&str> = decisions.iter().map(|it| it.policy_version.as_str()).collect();
    let mut texts = BTreeMap::new();
    for version in versions {
        let text: Text = analyzer.get(&format!("/v1/policies/{}", encoded(version))).await?;
        texts.insert(version.to_owned(), text.policy);
    }
    Ok(texts)
}

/// How far back the means of these policies look.
fn look_back(policies: &BTreeMap<String, String>, kinds: &Kinds) -> Duration {
    let parsed = policies.values().filter_map(|text| Policy::parse_with(text, "policy", kinds).ok());
    parsed.flat_map(|it| it.targets.into_values().map(|it| longest_look_back(&it))).max().unwrap_or_default()
}

fn sealed_span(span: &Span) -> String {
    let bound = |name: &str, at: Option<Timestamp>| at.map(|at| format!("{name}={at}"));
    [bound("from", span.from), bound("to", span.to)].into_iter().flatten().collect::<Vec<_>>().join("&")
}

fn windows(span: &Span, from: Option<Timestamp>) -> String {
    let mut query = String::new();
    if let Some(target) = &span.target {
        query.push_str(&format!("&target={target}"));
    }
    if let Some(from) = from {
        query.push_str(&format!("&from={from}"));
    }
    if let Some(to) = span.to {
        query.push_str(&format!("&to={to}"));
    }
    query
}

async fn all<T: DeserializeOwned>(api: &Api, path: &str) -> anyhow::Result<Vec<T>> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Page<T> = api.get(&format!("{path}{cursor}")).await?;
        items.extend(page.items);
        let Some(next) = page.next else { return Ok(items) };
        cursor = format!("&cursor={next}");
    }
}
