//! Looks at what the services, the flag and the vendors say, and tells what is new since the last look.
//!
//! Everything shown comes through the same APIs that anybody has.

use std::collections::HashSet;

use anyhow::Context;
use service_kit::client::Neighbour;
use shared_types::incident::Incident;
use shared_types::rollout::Rollout;
use shared_types::{Decision, Page, Verdict};
use vendor_doubles::{PagerDutyDouble, SlackDouble};

use super::policy::TARGET;
use super::screen::{Screen, Tone};
use domain::story::figures::format_number;

/// What has been shown already.
pub(super) struct Observer<'d> {
    screen: &'d Screen,
    analyzer: &'d Neighbour,
    reporter: &'d Neighbour,
    slack: &'d SlackDouble,
    pagerduty: &'d PagerDutyDouble,
    decisions: HashSet<uuid::Uuid>,
    timeline: usize,
    messages: usize,
    pages: usize,
}

/// One look.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) rollout: Rollout,
    pub(super) incidents: Vec<Incident>,
}

impl<'d> Observer<'d> {
    pub(super) fn new(
        screen: &'d Screen,
        (analyzer, reporter): (&'d Neighbour, &'d Neighbour),
        (slack, pagerduty): (&'d SlackDouble, &'d PagerDutyDouble),
    ) -> Self {
        let decisions = HashSet::new();
        Self { screen, analyzer, reporter, slack, pagerduty, decisions, timeline: 0, messages: 0, pages: 0 }
    }

    /// Looks once and tells what is new.
    pub(super) async fn look(&mut self) -> anyhow::Result<Seen> {
        let rollout: Rollout = self.reporter.get_json(&format!("/v1/rollouts/{TARGET}")).await?;
        self.tell_decisions(&rollout).await?;
        let incidents = incidents(self.reporter).await?;
        self.tell_timeline(&incidents);
        self.tell_vendors();
        Ok(Seen { rollout, incidents })
    }

    async fn tell_decisions(&mut self, rollout: &Rollout) -> anyhow::Result<()> {
        let path = format!("/v1/decisions?target={TARGET}&limit=20");
        let page: Page<Decision> = self.analyzer.get_json(&path).await?;
        for decision in page.items.iter().rev() {
            if self.decisions.insert(decision.decision_id) {
                // Decided after the next epoch began: the window spans the move and is not gated (PH-8).
                let stale = decision.epoch < rollout.epoch
                    && rollout.since.is_some_and(|since| since <= decision.decided_at);
                let (tone, note) = if stale {
                    (Tone::Plain, "  (spans the move: kept, not gated)")
                } else {
                    (tone_of(decision.verdict), "")
                };
                self.screen.line(tone, "window", &format!("{}{note}", decision_line(decision)));
            }
        }
        Ok(())
    }

    fn tell_timeline(&mut self, incidents: &[Incident]) {
        // Newest first; the demo has one, and a second one is told whole.
        let entries: Vec<_> = incidents.iter().rev().flat_map(|incident| &incident.timeline).collect();
        for entry in entries.iter().skip(self.timeline) {
            let text = format!("{:<20} {}", entry.kind, entry.detail);
            self.screen.line(Tone::Plain, "incident", &text);
        }
        self.timeline = self.timeline.max(entries.len());
    }

    fn tell_vendors(&mut self) {
        let messages = self.slack.messages();
        for message in messages.iter().skip(self.messages) {
            self.screen.line(Tone::Warning, "slack", &format!("{}  {}", message.channel, message.shown()));
        }
        self.messages = messages.len();
        let events = self.pagerduty.events();
        for event in events.iter().skip(self.pages) {
            let summary = event.payload["summary"].as_str().unwrap_or(&event.dedup_key);
            self.screen.line(Tone::Warning, "pagerduty", &format!("{}  {summary}", event.action));
        }
        self.pages = events.len();
    }
}

/// All incidents, whole, newest first.
pub(super) async fn incidents(reporter: &Neighbour) -> anyhow::Result<Vec<Incident>> {
    let path = format!("/v1/incidents?target={TARGET}&limit=20");
    let page: Page<serde_json::Value> = reporter.get_json(&path).await?;
    let mut incidents = Vec::new();
    for item in page.items {
        let id = item["id"].as_str().context("an incident without an id")?;
        incidents.push(reporter.get_json(&format!("/v1/incidents/{id}")).await?);
    }
    Ok(incidents)
}

/// Rollback commands that the executor finished, by its own record.
pub(super) async fn rollbacks_done(reporter: &Neighbour) -> anyhow::Result<usize> {
    let page: Page<serde_json::Value> = reporter.get_json("/v1/effects?kind=RunTransition&limit=100").await?;
    let done = |effect: &&serde_json::Value| {
        effect["kind"] == "RunTransition"
            && effect["state"] == "done"
            && effect["payload"]["kind"] == "rollback"
    };
    Ok(page.items.iter().filter(done).count())
}

fn tone_of(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Ok => Tone::Good,
        Verdict::Insufficient => Tone::Plain,
        Verdict::Warn | Verdict::Unsure => Tone::Warning,
        Verdict::Violation => Tone::Bad,
    }
}

/// `A 10:00:02–10:00:04 ok  p95 0.021 s (≤ 0.375)  err 0 % (≤ 10)  gate 1 of 3 …`
fn decision_line(decision: &Decision) -> String {
    let time = |at: shared_types::Timestamp| at.to_jiff().strftime("%H:%M:%S").to_string();
    let value = |metric: &str, name: &str| {
        let found = decision.metrics.iter().find(|judged| judged.metric == metric)?;
        let observed = found.observed.map_or("–".to_owned(), |it| format_number(Some(it)));
        Some(format!("  {name} {observed} {} (≤ {})", found.unit, format_number(Some(found.threshold))))
    };
    let mut text = format!(
        "{} {}–{}  {:<9}",
        decision.phase,
        time(decision.window.start),
        time(decision.window.end),
        decision.verdict.as_str(),
    );
    text.extend(value("save_latency_p95", "p95"));
    text.extend(value("error_rate", "err"));
    if let Some(gate) = &decision.gate {
        let needed = gate.needed_batches.map_or(String::new(), |needed| format!("/{needed}"));
        text.push_str(&format!("  gate {}{needed}", gate.compliant_batches));
    }
    text
}
