//! Documents that are kept: each carries the form it was written in, older forms are read through named steps, and newer
//! code can still write the form that an older replica reads (OP-6).
//!
//! A form is a number, kept as `v` in the document; where there is none it is form 1, what the release before forms wrote.
//! Between two forms stands a [`Step`] with both ways. No I/O, and no opinion on which form is to be written: whoever
//! keeps the document knows which replicas live.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The key of the form in a document.
pub const FORM_KEY: &str = "v";

/// One way of a [`Step`]. It gets the document without its `v`.
pub type Turn = fn(Value) -> Result<Value, String>;

/// A way back that has nothing to take out: what the older form does not know its readers pass over, and it stays there for
/// whoever does.
///
/// # Errors
/// None.
pub fn unchanged(document: Value) -> Result<Value, String> {
    Ok(document)
}

/// From one form to the next, and back.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// What changed, for people who read an error: `the transition is kept once`.
    pub name: &'static str,
    pub up: Turn,
    /// What the older form cannot say is left out; nothing it needs may be missing.
    pub down: Turn,
}

/// Something that is kept as JSON. Its fields are those of the newest form; none may be called `v`.
pub trait Document: Serialize + DeserializeOwned {
    /// What it is: in errors, and in the table of forms that were written.
    const KIND: &'static str;
    /// `STEPS[n]` leads from form n + 1 to form n + 2. Only ever added to: a step that was released stays.
    const STEPS: &'static [Step] = &[];
    /// The newest form.
    const VERSION: u32 = newest(Self::STEPS);
}

/// A [`Document`]'s kind and steps, where its type does not matter.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub kind: &'static str,
    pub steps: &'static [Step],
}

impl Form {
    /// Of a document.
    #[must_use]
    pub const fn of<D: Document>() -> Self {
        Self { kind: D::KIND, steps: D::STEPS }
    }

    /// The newest form.
    #[must_use]
    pub const fn newest(&self) -> u32 {
        newest(self.steps)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "there is no `try_from` in a constant, and steps are few")]
const fn newest(steps: &[Step]) -> u32 {
    steps.len() as u32 + 1
}

/// Why a kept document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("{kind} is kept in form {found}, this release reads up to form {reads}: run the newer release")]
    TooNew { kind: &'static str, found: u32, reads: u32 },
    #[error("{kind} of schema `{found}`, this release reads `{reads}`")]
    OtherSchema { kind: &'static str, found: String, reads: &'static str },
    #[error("{kind} in form {form} is damaged: {reason}")]
    Damaged { kind: &'static str, form: u32, reason: String },
    #[error("{kind}: the step \"{step}\" failed: {reason}")]
    StepFailed { kind: &'static str, step: &'static str, reason: String },
}

/// Why a document cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    #[error("{kind} cannot be serialised: {reason}")]
    Serialise { kind: &'static str, reason: String },
    #[error("{kind} has no form {asked}: there are {newest}")]
    NoSuchForm { kind: &'static str, asked: u32, newest: u32 },
    #[error("{kind}: the way back over \"{step}\" failed: {reason}")]
    StepFailed { kind: &'static str, step: &'static str, reason: String },
}

#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "v")]
    form: Option<u32>,
}

/// Reads a document of any form up to the newest.
///
/// # Errors
/// [`Unreadable`].
pub fn read<D: Document>(text: &str) -> Result<D, Unreadable> {
    let damaged = |form: u32, error: &serde_json::Error| Unreadable::Damaged {
        kind: D::KIND,
        form,
        reason: error.to_string(),
    };
    let tag: Tag = serde_json::from_str(text).map_err(|error| damaged(1, &error))?;
    let form = tag.form.unwrap_or(1);
    // Most are of the newest form: those are not taken apart first.
    if form == D::VERSION {
        return serde_json::from_str(text).map_err(|error| damaged(form, &error));
    }
    read_value(serde_json::from_str(text).map_err(|error| damaged(form, &error))?)
}

/// As [`read`], of JSON that is parsed already.
///
/// # Errors
/// [`Unreadable`].
pub fn read_value<D: Document>(value: Value) -> Result<D, Unreadable> {
    let newest = raised(&Form::of::<D>(), value)?;
    D::deserialize(newest).map_err(|error| Unreadable::Damaged {
        kind: D::KIND,
        form: D::VERSION,
        reason: error.to_string(),
    })
}

/// The document in its newest form, without `v`.
fn raised(form: &Form, mut value: Value) -> Result<Value, Unreadable> {
    let kind = form.kind;
    let found =
        take_form(&mut value).map_err(|reason| Unreadable::Damaged { kind, form: 1, reason })?.unwrap_or(1);
    if found > form.newest() {
        return Err(Unreadable::TooNew { kind, found, reads: form.newest() });
    }
    for step in form.steps.iter().skip(index(found) - 1) {
        let failed = |reason| Unreadable::StepFailed { kind, step: step.name, reason };
        value = (step.up)(value).map_err(failed)?;
    }
    Ok(value)
}

/// Takes the form out of the document.
fn take_form(value: &mut Value) -> Result<Option<u32>, String> {
    let Some(fields) = value.as_object_mut() else { return Err("not an object".to_owned()) };
    let Some(found) = fields.remove(FORM_KEY) else { return Ok(None) };
    let number = found.as_u64().and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0);
    number.map(Some).ok_or_else(|| format!("`{FORM_KEY}` is {found}, expected a number from 1"))
}

#[derive(Serialize)]
struct Tagged<'a, D> {
    v: u32,
    #[serde(flatten)]
    document: &'a D,
}

/// Writes a document in the form that is asked for.
///
/// # Errors
/// [`Unwritable`].
pub fn write<D: Document>(document: &D, form: u32) -> Result<String, Unwritable> {
    let failed =
        |error: serde_json::Error| Unwritable::Serialise { kind: D::KIND, reason: error.to_string() };
    if form == D::VERSION {
        return serde_json::to_string(&Tagged { v: form, document }).map_err(failed);
    }
    let value = serde_json::to_value(document).map_err(failed)?;
    lower(&Form::of::<D>(), value, form).map(|it| it.to_string())
}

/// A document as it goes into the outbox, in its newest form; [`lower`] makes an older one of it.
#[must_use]
pub fn payload<D: Document>(document: &D) -> Value {
    plain(&Tagged { v: D::VERSION, document })
}

/// Makes an older form of a document that is in a newer one. What is older already stays as it is.
///
/// # Errors
/// [`Unwritable`].
pub fn lower(form: &Form, mut value: Value, to: u32) -> Result<Value, Unwritable> {
    let (kind, newest) = (form.kind, form.newest());
    if to == 0 || to > newest {
        return Err(Unwritable::NoSuchForm { kind, asked: to, newest });
    }
    let found =
        take_form(&mut value).map_err(|reason| Unwritable::Serialise { kind, reason })?.unwrap_or(newest);
    if found > newest {
        return Err(Unwritable::NoSuchForm { kind, asked: found, newest });
    }
    let passed = form.steps.get(index(to) - 1..index(found).max(index(to)) - 1).unwrap_or_default();
    for step in passed.iter().rev() {
        let failed = |reason| Unwritable::StepFailed { kind, step: step.name, reason };
        value = (step.down)(value).map_err(failed)?;
    }
    let Some(fields) = value.as_object_mut() else {
        return Err(Unwritable::Serialise { kind, reason: "not an object".to_owned() });
    };
    fields.insert(FORM_KEY.to_owned(), found.min(to).into());
    Ok(value)
}

fn index(form: u32) -> usize {
    usize::try_from(form).unwrap_or(usize::MAX)
}

/// A document that also travels between services: its `schema` is its form, and there is one.
pub trait Wire: DeserializeOwned {
    const KIND: &'static str;
    const SCHEMA: &'static str;
    fn schema(&self) -> &str;
}

impl Wire for shared_types::Batch {
    const KIND: &'static str = "batch";
    const SCHEMA: &'static str = shared_types::batch::SCHEMA;
    fn schema(&self) -> &str {
        &self.schema
    }
}

/// Read from the same text.
impl Wire for shared_types::judged::JudgedWindow {
    const KIND: &'static str = <shared_types::Decision as Wire>::KIND;
    const SCHEMA: &'static str = <shared_types::Decision as Wire>::SCHEMA;
    fn schema(&self) -> &str {
        &self.schema
    }
}

impl Wire for shared_types::Decision {
    const KIND: &'static str = "decision";
    const SCHEMA: &'static str = shared_types::decision::SCHEMA;
    fn schema(&self) -> &str {
        &self.schema
    }
}

/// What one service tells another and that one keeps, without a schema of its own.
impl Document for shared_types::CollectorEvent {
    const KIND: &'static str = "collector event";
}

/// Reads a document that carries a `schema`.
///
/// # Errors
/// [`Unreadable`].
pub fn read_wire<W: Wire>(text: &str) -> Result<W, Unreadable> {
    let damaged = |reason| Unreadable::Damaged { kind: W::KIND, form: 1, reason };
    let document: W = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    if document.schema() != W::SCHEMA {
        let found = document.schema().to_owned();
        return Err(Unreadable::OtherSchema { kind: W::KIND, found, reads: W::SCHEMA });
    }
    Ok(document)
}

/// Plain data with text keys as JSON: that cannot fail. Were it to, it is a bug that must not be kept as `null`.
///
/// # Panics
/// A map's key is no text, or a type refuses to be serialised.
#[must_use]
pub fn plain<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value)
        .unwrap_or_else(|error| panic!("{} is not plain data: {error}", std::any::type_name::<T>()))
}

/// As [`plain`], as text.
///
/// # Panics
/// As [`plain`].
#[must_use]
pub fn plain_text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|error| panic!("{} is not plain data: {error}", std::any::type_name::<T>()))
}

/// As [`plain_text`], over several lines.
///
/// # Panics
/// As [`plain`].
#[must_use]
pub fn pretty_text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string_pretty(value)
        .unwrap_or_else(|error| panic!("{} is not plain data: {error}", std::any::type_name::<T>()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Form 1 had a name of two words, form 2 two fields, form 3 calls one of them otherwise and adds a list.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Person {
        given: String,
        family: String,
        pets: Vec<String>,
    }

    fn text(value: &Value, key: &str) -> Result<String, String> {
        value[key].as_str().map(str::to_owned).ok_or_else(|| format!("no {key}"))
    }

    #[allow(clippy::needless_pass_by_value, reason = "the shape of a turn")]
    fn split(value: Value) -> Result<Value, String> {
        let name = text(&value, "name")?;
        let (first, last) = name.split_once(' ').ok_or("a name of one word")?;
        Ok(json!({ "first": first, "last": last }))
    }

    #[allow(clippy::needless_pass_by_value, reason = "the shape of a turn")]
    fn join(value: Value) -> Result<Value, String> {
        Ok(json!({ "name": format!("{} {}", text(&value, "first")?, text(&value, "last")?) }))
    }

    #[allow(clippy::needless_pass_by_value, reason = "the shape of a turn")]
    fn add_pets(value: Value) -> Result<Value, String> {
        Ok(json!({ "given": text(&value, "first")?, "family": text(&value, "last")?, "pets": [] }))
    }

    #[allow(clippy::needless_pass_by_value, reason = "the shape of a turn")]
    fn drop_pets(value: Value) -> Result<Value, String> {
        Ok(json!({ "first": text(&value, "given")?, "last": text(&value, "family")? }))
    }

    impl Document for Person {
        const KIND: &'static str = "person";
        const STEPS: &'static [Step] = &[
            Step { name: "the name in two parts", up: split, down: join },
            Step { name: "people have pets", up: add_pets, down: drop_pets },
        ];
    }

    fn ada(pets: &[&str]) -> Person {
        let pets = pets.iter().map(|it| (*it).to_owned()).collect();
        Person { given: "Ada".to_owned(), family: "Lovelace".to_owned(), pets }
    }

    /// OP-6: a document without a form is of the first, and every older form is read as the newest.
    #[test]
    fn every_form_is_read_through_the_steps_that_follow_it() {
        for kept in [
            r#"{"name":"Ada Lovelace"}"#,
            r#"{"v":1,"name":"Ada Lovelace"}"#,
            r#"{"v":2,"first":"Ada","last":"Lovelace"}"#,
            r#"{"v":3,"given":"Ada","family":"Lovelace","pets":[]}"#,
        ] {
            assert_eq!(read::<Person>(kept), Ok(ada(&[])), "{kept}");
            assert_eq!(read_value::<Person>(serde_json::from_str(kept).unwrap()), Ok(ada(&[])), "{kept}");
        }
    }

    /// OP-6: the form that an older replica reads is written, by the ways back.
    #[test]
    fn every_form_can_be_written() {
        let person = ada(&["Puff"]);
        let written = |form| write(&person, form).map(|it| serde_json::from_str::<Value>(&it).unwrap());
        assert_eq!(written(1), Ok(json!({"v": 1, "name": "Ada Lovelace"})));
        assert_eq!(written(2), Ok(json!({"v": 2, "first": "Ada", "last": "Lovelace"})));
        let newest = json!({"v": 3, "given": "Ada", "family": "Lovelace", "pets": ["Puff"]});
        assert_eq!(written(3), Ok(newest.clone()));
        assert_eq!(payload(&person), newest);
        for asked in [0, 4] {
            assert_eq!(written(asked), Err(Unwritable::NoSuchForm { kind: "person", asked, newest: 3 }));
        }
    }

    /// OP-6: what waits in the outbox is lowered once, and what is old already stays.
    #[test]
    fn a_payload_is_lowered_to_the_form_asked_for_and_never_raised() {
        let form = Form::of::<Person>();
        let second = lower(&form, payload(&ada(&["Puff"])), 2).unwrap();
        assert_eq!(second, json!({"v": 2, "first": "Ada", "last": "Lovelace"}));
        assert_eq!(lower(&form, second.clone(), 3), Ok(second.clone()));
        assert_eq!(lower(&form, second, 1), Ok(json!({"v": 1, "name": "Ada Lovelace"})));
    }

    /// OP-6: what a newer release wrote is refused by name, never guessed at.
    #[test]
    fn a_form_of_a_newer_release_is_refused() {
        let refused = Unreadable::TooNew { kind: "person", found: 4, reads: 3 };
        assert_eq!(
            refused.to_string(),
            "person is kept in form 4, this release reads up to form 3: run the newer release"
        );
        assert_eq!(read::<Person>(r#"{"v":4,"whatever":true}"#), Err(refused));
    }

    /// OP-6: damage names the kind and what is wrong.
    #[test]
    fn damage_is_told_from_a_newer_form() {
        for (kept, expected) in [
            ("", "person in form 1 is damaged: EOF while parsing a value at line 1 column 0"),
            (
                "7",
                "person in form 1 is damaged: invalid type: integer `7`, expected struct Tag at line 1 column 1",
            ),
            (r#"{"v":0,"name":"A B"}"#, "person in form 1 is damaged: `v` is 0, expected a number from 1"),
            (r#"{"name":"Ada"}"#, "person: the step \"the name in two parts\" failed: a name of one word"),
            (
                r#"{"v":3,"given":"Ada"}"#,
                "person in form 3 is damaged: missing field `family` at line 1 column 21",
            ),
        ] {
            let refused = read::<Person>(kept).unwrap_err();
            assert_eq!(refused.to_string(), expected, "{kept}");
        }
    }

    /// The release before forms reads what is written in form 1: it passes over keys it does not know.
    #[test]
    fn an_unknown_key_is_passed_over() {
        #[derive(Deserialize)]
        struct Before {
            name: String,
        }
        let kept = write(&ada(&[]), 1).unwrap();
        assert_eq!(serde_json::from_str::<Before>(&kept).unwrap().name, "Ada Lovelace");
    }
}
