//! Incidents as the release before kept them: with a copy of their newest rollback, which the machine brought up to date after
//! every event. Form 2 has the transition, form 3 says who keeps it, form 4 tells notices. Pure steps on JSON, both ways.

use serde_json::{Map, Value, json};

use crate::stored::{Step, unchanged};

/// From form 2 to form 3 of an incident.
pub(super) const TRANSITION_ONCE: Step =
    Step { name: "a rollback is kept by its target until it has ended", up, down };

/// From form 3 to form 4: before it, whatever paged was an incident.
pub(super) const NOTICE: Step =
    Step { name: "what moves nothing is a notice", up: no_notice, down: unchanged };

fn no_notice(mut incident: Value) -> Result<Value, String> {
    incident.as_object_mut().ok_or("not an object")?.entry("notice").or_insert(json!(false));
    Ok(incident)
}

/// What is known of a rollback from the moment it is asked for: the same keys in both forms, but for its id.
const ASKED: [&str; 6] = ["from", "to", "human", "initiator", "reason", "requested_at"];

/// The target has what is under way, waits or has failed; where the incident is over, nothing of it is under way.
fn up(mut incident: Value) -> Result<Value, String> {
    let open = incident["stand"].get("open").is_some();
    let Some(rollback) = incident.get_mut("rollback").filter(|it| !it.is_null()) else { return Ok(incident) };
    let copy = rollback.take();
    *rollback = if open && copy["state"] != "succeeded" {
        let mut asked = picked(&copy, &ASKED)?;
        asked.insert("transition".to_owned(), field(&copy, "id")?);
        json!({ "with_target": asked })
    } else {
        json!({ "ended": copy })
    };
    Ok(incident)
}

/// The way back. Form 2 needs a whole transition. Of one that its target keeps it gets what the incident knows, as it was
/// when it was asked for: the release that reads form 2 never acts by this copy, and brings it up to date by its id with the
/// incident's next event.
fn down(mut incident: Value) -> Result<Value, String> {
    let (id, epoch) = (field(&incident, "id")?, field(&incident, "epoch")?);
    let Some(rollback) = incident.get_mut("rollback").filter(|it| !it.is_null()) else { return Ok(incident) };
    if let Some(ended) = rollback.get_mut("ended") {
        *rollback = ended.take();
        return Ok(incident);
    }
    let kept = field(rollback, "with_target")?;
    let mut copy = picked(&kept, &ASKED)?;
    let rest = json!({
        "id": field(&kept, "transition")?,
        "kind": "rollback",
        "epoch": epoch,
        "state": "requested",
        "request": {
            "kind": "command", "words": "", "reads_back": false, "data": { "command": [], "verify": null },
        },
        "incident": id,
        "started_at": null,
        "finished_at": null,
        "attempts": 0,
        "output": null,
        "verified": null,
    });
    if let Value::Object(rest) = rest {
        copy.extend(rest);
    }
    *rollback = Value::Object(copy);
    Ok(incident)
}

fn picked(from: &Value, keys: &[&str]) -> Result<Map<String, Value>, String> {
    keys.iter().map(|key| Ok(((*key).to_owned(), field(from, key)?))).collect()
}

fn field(of: &Value, key: &str) -> Result<Value, String> {
    of.get(key).cloned().ok_or_else(|| format!("no {key}"))
}
