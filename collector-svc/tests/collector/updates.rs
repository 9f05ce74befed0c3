//! Rows that every commit writes again are changed in their place on PostgreSQL, so that however long it goes on no index grows.

use std::time::Duration;

use collector_svc::state::TargetState;
use collector_svc::store::{Commit, Committed, MIGRATIONS, Store};
use futures_util::future::join_all;
use phasegate_tests::counted;
use phasegate_tests::plans::Plans;
use shared_types::TargetName;

use crate::store::{commit, position};

const TABLES: [&str; 2] = ["targets", "source_positions"];

#[tokio::test]
async fn a_target_and_how_far_its_files_were_read_are_changed_in_place() {
    let plans = Plans::over("collector", MIGRATIONS, &[]).await;
    let store = Store::new(plans.db());
    let state = TargetState::initial(Duration::from_secs(900));
    let names: Vec<_> = (0..256).map(|n| TargetName::parse(&format!("t{n}")).unwrap()).collect();
    for name in &names {
        store.load(name, &state).await.unwrap();
    }
    for generation in 1..=10_i64 {
        let commits: Vec<_> = names
            .iter()
            .map(|target| Commit {
                target: target.clone(),
                places: vec![position(generation.unsigned_abs())],
                ..commit(generation, &state)
            })
            .collect();
        let committed = join_all(commits.iter().map(|it| store.commit(it))).await;
        assert!(committed.into_iter().all(|it| it.unwrap() == Committed::Yes(generation + 1)));
        for table in TABLES {
            counted::clear_away(&plans.db(), table).await;
        }
    }
    for table in TABLES {
        let updates = counted::updates(&plans.db(), table).await;
        assert!(updates.all >= 2_304 && updates.in_place * 10 > updates.all * 9, "{table}: {updates:?}");
    }
}
