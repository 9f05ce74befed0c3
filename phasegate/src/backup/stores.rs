//! Opens the stores, and reads all that a restored service would have to read.

use std::collections::BTreeMap;
use std::time::Duration;

use service_kit::ServiceName;
use service_kit::db::{Db, DbError, DbSettings, Migration};
use service_kit::mark;
use shared_types::TargetName;

use super::{Place, StoreFacts, TargetFacts};

/// Read at once.
const PAGE: u32 = 500;

fn migrations(service: ServiceName) -> &'static [Migration] {
    match service {
        ServiceName::Collector => collector_svc::store::MIGRATIONS,
        ServiceName::Analyzer => analyzer_svc::store::MIGRATIONS,
        ServiceName::Reporter => reporter_svc::store::MIGRATIONS,
    }
}

pub(super) async fn open(place: &Place, service: ServiceName) -> anyhow::Result<Db> {
    let name = service.as_str();
    let url = place.database_url.clone();
    let settings = DbSettings {
        url: url.unwrap_or_else(|| Db::embedded_url(&place.data_dir, name).into()),
        service: name.to_owned(),
        schema: place.schema.of(name).map_err(anyhow::Error::msg)?,
        connections: None,
    };
    Ok(Db::open(&settings, migrations(service)).await?)
}

/// What the three stores say, upstream first.
///
/// # Errors
/// A store that cannot be opened, a document that cannot be read.
pub(super) async fn facts(place: &Place) -> anyhow::Result<Vec<StoreFacts>> {
    let mut found = Vec::new();
    let reporter = open(place, ServiceName::Reporter).await?;
    let told = of_reporter(&reporter).await?;
    let names: Vec<TargetName> = told.keys().cloned().collect();
    for service in ServiceName::ALL {
        let db = match service {
            ServiceName::Reporter => reporter.clone(),
            _ => open(place, *service).await?,
        };
        let targets = match service {
            ServiceName::Collector => of_collector(&db, &names).await?,
            ServiceName::Analyzer => of_analyzer(&db, &names).await?,
            ServiceName::Reporter => {
                let facts = |(target, (epoch, sequence)): (&TargetName, &(u64, u64))| TargetFacts {
                    target: target.to_string(),
                    epoch: *epoch,
                    sequence: Some(*sequence),
                };
                told.iter().map(facts).collect()
            }
        };
        let (mark, younger) = mark::look(&db, &place.data_dir, *service).await?;
        found.push(StoreFacts {
            service: service.to_string(),
            instance: mark.map(|it| it.instance.to_string()),
            position: mark.map_or(0, |it| it.position),
            targets,
            younger,
        });
        db.close().await;
    }
    Ok(found)
}

/// Epoch and sequence of each target; incidents are read for their own sake.
async fn of_reporter(db: &Db) -> Result<BTreeMap<TargetName, (u64, u64)>, DbError> {
    let store = reporter_svc::store::Store::new(db.clone());
    let (mut found, mut after) = (BTreeMap::new(), None::<String>);
    loop {
        let page = store.targets(after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.state.target.to_string());
        for it in page {
            let sequence = it.state.directive.as_ref().map_or(0, |it| it.sequence);
            found.insert(it.state.target.clone(), (it.state.epoch, sequence));
        }
    }
    let (all, mut after) = (reporter_svc::store::IncidentFilter::default(), None);
    loop {
        let page = store.incidents(&all, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some((last.opened_at.as_millis(), last.id.to_string()));
    }
}

async fn of_collector(db: &Db, names: &[TargetName]) -> anyhow::Result<Vec<TargetFacts>> {
    let store = collector_svc::store::Store::new(db.clone());
    let initial = collector_svc::state::TargetState::initial(Duration::ZERO);
    let mut found = Vec::new();
    for target in names {
        let Some(directive) = store.load(target, &initial).await?.state.directive else { continue };
        let sequence = Some(directive.sequence);
        found.push(TargetFacts { target: target.to_string(), epoch: directive.epoch, sequence });
    }
    Ok(found)
}

async fn of_analyzer(db: &Db, names: &[TargetName]) -> anyhow::Result<Vec<TargetFacts>> {
    let store = analyzer_svc::store::Store::new(db.clone());
    let mut found = Vec::new();
    for target in names {
        let Some(epoch) = store.target(target).await?.newest_epoch() else { continue };
        found.push(TargetFacts { target: target.to_string(), epoch, sequence: None });
    }
    Ok(found)
}
