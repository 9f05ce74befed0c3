//! One situation each: what a person would try by hand to see whether the guard keeps its promises.

mod audit;
mod bad_input;
mod dashboard;
mod dry_run;
mod evidence;
mod exhausted;
mod failing_rollback;
mod incident;
mod latency;
mod overload;
mod policy;
mod shutdown;
mod tokens;
mod trace;
mod vendors;
mod verify;

use phasegate_tests::feeder::Feeder;
use phasegate_tests::stack::Stack;
use phasegate_tests::wait;
use serde_json::json;

/// Starts the rollout of `autosave` and waits until a batch of its first phase was judged, so that telemetry from
/// now on belongs to that phase. Gives its epoch.
async fn begin(stack: &Stack) -> u64 {
    stack.act("/v1/rollouts/autosave/start", &json!({"by": "release engineer"})).await;
    let epoch = stack.until_phase("A", "running").await["epoch"].clone();
    wait::until("the first batch of the phase", || async {
        let decisions = stack.get("analyzer", "/v1/decisions?target=autosave&limit=1").await?;
        if decisions["items"][0]["epoch"] == epoch { Ok(()) } else { Err(decisions.to_string()) }
    })
    .await;
    epoch.as_u64().expect("an epoch")
}

/// Violates phase B until the rollout is back in A, and lets it recover there.
async fn back_from_b(stack: &Stack, feeder: &Feeder) {
    feeder.violate(true);
    stack.until_phase("A", "incident").await;
    feeder.violate(false);
    stack.until_phase("A", "running").await;
}
