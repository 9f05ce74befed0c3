//! Moves as the release before this seam kept them: argument vectors right in the transition. Form 1 has `command` and `verify`,
//! form 2 has `request` in their place. Pure steps on JSON, both ways, for each document that holds a transition.

use serde_json::{Map, Value, json};

use super::Request;
use super::command::{self, Started, shell_text};
use crate::stored::Step;

const NAME: &str = "a transition names its executor's request";

/// From form 1 to form 2 of what a target's state holds.
pub const OF_TARGET: Step = Step { name: NAME, up: target_up, down: target_down };

/// Of an incident.
pub const OF_INCIDENT: Step = Step { name: NAME, up: incident_up, down: incident_down };

/// Of the payload of `RunTransition`.
pub const OF_RUN: Step = Step { name: NAME, up: transition_up, down: transition_down };

/// A transition, or the payload of `RunTransition`, of form 1 as form 2. What has a request already stays as it is.
///
/// # Errors
/// It is neither form.
pub fn transition_up(mut it: Value) -> Result<Value, String> {
    let fields = fields_of(&mut it)?;
    if fields.contains_key("request") {
        fields.retain(|key, _| key != "command" && key != "verify");
        return Ok(it);
    }
    let command = fields.remove("command").ok_or("a transition without a command")?;
    let started = json!({ "command": command, "verify": fields.remove("verify") });
    let started: Started = serde_json::from_value(started).map_err(|error| error.to_string())?;
    fields.insert("request".to_owned(), json!(command::request(&started)));
    Ok(it)
}

/// The way back. Form 1 knows no executor but the command: of any other its vector is empty, which the release that wrote form
/// 1 does not start but tries again. Its request is kept beside it, where that release does not look, so that whoever reads
/// form 2 misses nothing.
///
/// # Errors
/// It is neither form.
pub fn transition_down(mut it: Value) -> Result<Value, String> {
    let fields = fields_of(&mut it)?;
    let Some(kept) = fields.remove("request") else { return Ok(it) };
    let request: Request = serde_json::from_value(kept.clone()).map_err(|error| error.to_string())?;
    let started = Started::of(&request).ok().filter(|_| request.kind == command::NAME);
    if started.as_ref().is_none_or(|it| !it.served.is_empty()) {
        fields.insert("request".to_owned(), kept);
    }
    let Started { command, verify, .. } = started.unwrap_or_default();
    fields.insert("command".to_owned(), json!(command));
    fields.insert("verify".to_owned(), json!(verify));
    Ok(it)
}

/// The state of a target, form 1 to form 2: transitions stand in its stage and in `ended`.
///
/// # Errors
/// As [`transition_up`].
pub fn target_up(target: Value) -> Result<Value, String> {
    in_target(target, transition_up)
}

/// The way back.
///
/// # Errors
/// As [`transition_down`].
pub fn target_down(target: Value) -> Result<Value, String> {
    in_target(target, transition_down)
}

/// An incident, form 1 to form 2: it repeats its newest rollback.
///
/// # Errors
/// As [`transition_up`].
pub fn incident_up(incident: Value) -> Result<Value, String> {
    under(incident, "rollback", transition_up)
}

/// The way back.
///
/// # Errors
/// As [`transition_down`].
pub fn incident_down(incident: Value) -> Result<Value, String> {
    under(incident, "rollback", transition_down)
}

/// What a `command_started` hop says was done: form 1 keeps the vector, form 2 the request's words.
#[must_use]
pub fn words_of_hop(data: &Value) -> String {
    match &data["command"] {
        Value::String(words) => words.clone(),
        other => shell_text(&serde_json::from_value::<Vec<String>>(other.clone()).unwrap_or_default()),
    }
}

type Turn = fn(Value) -> Result<Value, String>;

fn in_target(target: Value, turn: Turn) -> Result<Value, String> {
    let mut target = under(target, "ended", turn)?;
    if let Some(Value::Object(stage)) = target.get_mut("stage") {
        for (name, it) in stage.iter_mut() {
            let old = it.take();
            *it = match name.as_str() {
                "superseded" => under(under(old, "promotion", turn)?, "rollback", turn)?,
                "waiting" => under(old, "rollback", turn)?,
                _ => turn(old)?,
            };
        }
    }
    Ok(target)
}

/// Turns what stands under a key, if anything does.
fn under(mut it: Value, key: &str, turn: Turn) -> Result<Value, String> {
    if let Some(inner) = fields_of(&mut it)?.get_mut(key).filter(|it| !it.is_null()) {
        *inner = turn(inner.take())?;
    }
    Ok(it)
}

fn fields_of(it: &mut Value) -> Result<&mut Map<String, Value>, String> {
    it.as_object_mut().ok_or_else(|| "not an object".to_owned())
}
