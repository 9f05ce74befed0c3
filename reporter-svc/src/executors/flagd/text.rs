//! A flag's rule in the text of a flag file: read, and set by replacing the few bytes that are ours. Pure.
//!
//! The file belongs to its users. What is not ours stays byte for byte, and a flag that is not as it is expected to be is
//! refused rather than brought into shape.

use std::fmt;
use std::ops::Range;

use domain::executors::flagd::{Planned, Settings};
use domain::executors::share::{self, EVERYBODY};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use shared_types::Epoch;
use uuid::Uuid;

/// Why a text is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// The flag is not as it is expected to be, or not to be written any more.
    #[error("{0}")]
    Unfit(String),
    /// Somebody else has moved it.
    #[error("{0}")]
    Moved(String),
}

/// What the metadata says besides the phase, so that an evaluation tells which move it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) epoch: Epoch,
    pub(super) transition: Uuid,
    pub(super) fence: u64,
}

/// What a file serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    /// The weight of the variant with the feature, and of all; none: no rule is there yet.
    pub(super) weights: Option<(u64, u64)>,
    /// As the metadata says.
    pub(super) phase: Option<String>,
}

impl Served {
    pub(super) fn is(&self, planned: &Planned) -> bool {
        self.weights.is_some_and(|weights| is_share(weights, planned.share.thousandths))
            && self.phase.as_deref() == Some(planned.phase.as_str())
    }

    /// The share of users, rounded.
    fn thousandths(&self) -> Option<u32> {
        let (part, whole) = self.weights?;
        let rounded = (u128::from(part) * u128::from(EVERYBODY) + u128::from(whole) / 2) / u128::from(whole);
        u32::try_from(rounded).ok()
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phase.as_deref().unwrap_or("no phase"))?;
        match self.thousandths() {
            Some(found) => write!(f, " at {}", share::percent(found)),
            None => f.write_str(" without a rule"),
        }
    }
}

/// What the text serves.
pub(super) fn served(text: &str, settings: &Settings) -> Result<Served, Refused> {
    Ok(Flag::find(text, settings)?.served)
}

/// The text with the share and the metadata set; the same text if they are.
pub(super) fn set(text: &str, planned: &Planned, stamp: Stamp) -> Result<String, Refused> {
    let flag = Flag::find(text, &planned.settings)?;
    let newest = flag.metadata.as_ref().map(|it| it.one("fence")).transpose()?.flatten();
    // Somebody else's value under our key is replaced, as with the phase.
    if let Some(newest) = newest.and_then(|it| it.parse::<u64>().ok()).filter(|newest| *newest > stamp.fence)
    {
        let message =
            format!("a later attempt ({newest}) has set the flag; this one ({}) comes too late", stamp.fence);
        return Err(Refused::Unfit(message));
    }
    if let Some(why) = flag.served.thousandths().and_then(|found| planned.share.refusal(found)) {
        return Err(Refused::Moved(why));
    }
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    if !flag.served.weights.is_some_and(|weights| is_share(weights, planned.share.thousandths)) {
        let rule = flag.rule(planned);
        match flag.targeting {
            Some(old) => edits.push((span(text, old), rule)),
            None => edits.push(flag.members.added(text, "targeting", &rule)),
        }
    }
    let ours = [
        ("phase", quoted(planned.phase.as_str())),
        ("epoch", stamp.epoch.to_string()),
        ("transition", quoted(&stamp.transition.to_string())),
        ("fence", stamp.fence.to_string()),
    ];
    match flag.metadata {
        None => {
            let all: Vec<String> = ours.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
            edits.push(flag.members.added(text, "metadata", &format!("{{{}}}", all.join(", "))));
        }
        Some(metadata) => {
            for (key, value) in ours {
                match metadata.one(key)? {
                    Some(old) if old == value => {}
                    Some(old) => edits.push((span(text, old), value)),
                    None => edits.push(metadata.added(text, key, &value)),
                }
            }
        }
    }
    Ok(applied(text, edits))
}

struct Flag<'t> {
    members: Object<'t>,
    otherwise: String,
    targeting: Option<&'t str>,
    /// Who is counted as one, if the rule says so: kept as it is.
    bucket: Option<&'t str>,
    metadata: Option<Object<'t>>,
    served: Served,
}

impl<'t> Flag<'t> {
    fn find(text: &'t str, settings: &Settings) -> Result<Self, Refused> {
        let name = &settings.flag;
        let file = Object::read(text, "the file")?;
        let flags = file.one("flags")?.ok_or_else(|| Refused::Unfit("the file has no `flags`".to_owned()))?;
        let flags = Object::read(flags, "`flags`")?;
        let flag =
            flags.one(name)?.ok_or_else(|| Refused::Unfit(format!("the file has no flag `{name}`")))?;
        let members = Object::read(flag, &format!("the flag `{name}`"))?;
        let state = members.one("state")?.map(text_of).transpose()?;
        if state.as_deref() != Some("ENABLED") {
            let state = state.unwrap_or_else(|| "not there".to_owned());
            return Err(Refused::Unfit(format!(
                "the state of `{name}` is {state}, so nobody is given a variant by its rule"
            )));
        }
        let otherwise = otherwise(&members, settings)?;
        let targeting = members.one("targeting")?;
        let (bucket, weights) = match targeting {
            Some(rule) => read_rule(rule, settings, &otherwise)?,
            None => (None, None),
        };
        let metadata = members.one("metadata")?.map(|it| Object::read(it, "`metadata`")).transpose()?;
        // Somebody else's value under our key is replaced; it only cannot be the phase.
        let phase = metadata.as_ref().map(|it| it.one("phase")).transpose()?.flatten();
        let phase = phase.and_then(|it| text_of(it).ok());
        Ok(Self { members, otherwise, targeting, bucket, metadata, served: Served { weights, phase } })
    }

    fn rule(&self, planned: &Planned) -> String {
        let (part, whole) = weights(planned.share.thousandths);
        let bucket = self.bucket.map(|it| format!("{it}, ")).unwrap_or_default();
        let (variant, otherwise) = (quoted(&planned.settings.variant), quoted(&self.otherwise));
        format!(r#"{{"fractional": [{bucket}[{variant}, {part}], [{otherwise}, {}]]}}"#, whole - part)
    }
}

/// The variant of those who do not have the feature.
fn otherwise(members: &Object<'_>, settings: &Settings) -> Result<String, Refused> {
    let Settings { flag, variant, .. } = settings;
    let variants =
        members.one("variants")?.ok_or_else(|| Refused::Unfit(format!("`{flag}` has no variants")))?;
    let variants = Object::read(variants, "`variants`")?;
    let names: Vec<&String> = variants.members.iter().map(|(name, _)| name).collect();
    let known = |name: &String| {
        let message = || Refused::Unfit(format!("`{flag}` has no variant `{name}`"));
        if names.contains(&name) { Ok(name.clone()) } else { Err(message()) }
    };
    known(variant)?;
    let others: Vec<&&String> = names.iter().filter(|name| **name != variant).collect();
    match (&settings.otherwise, others.as_slice()) {
        (Some(named), _) => known(named),
        (None, [only]) => Ok((**only).clone()),
        (None, _) => Err(Refused::Unfit(format!(
            "`{flag}` has not exactly one other variant than `{variant}`: name it as `otherwise`"
        ))),
    }
}

type Rule<'t> = (Option<&'t str>, Option<(u64, u64)>);

/// The rule as one of ours: `fractional`, with both variants and their weights, and who is counted as one before them.
fn read_rule<'t>(rule: &'t str, settings: &Settings, otherwise: &str) -> Result<Rule<'t>, Refused> {
    let Settings { flag, variant, .. } = settings;
    let foreign = |what: &str| {
        Refused::Unfit(format!(
            "the targeting of `{flag}` is not a share of `{variant}` and `{otherwise}` alone: {what}; it is left as it is"
        ))
    };
    let members = Object::read(rule, "`targeting`")?.members;
    let [(operator, list)] = members.as_slice() else {
        return if members.is_empty() { Ok((None, None)) } else { Err(foreign("it has several rules")) };
    };
    if operator != "fractional" {
        return Err(foreign(&format!("it is decided by `{operator}`")));
    }
    let items: Vec<&RawValue> = serde_json::from_str(list).map_err(|_| foreign("`fractional` is no list"))?;
    let mut items = items.iter().map(|it| it.get()).peekable();
    let bucket = items.next_if(|it| it.starts_with('{'));
    let (mut part, mut whole) = (0_u64, 0_u64);
    for item in items {
        let (name, weight): (String, u32) =
            serde_json::from_str(item).map_err(|_| foreign("a part is not a variant with a whole weight"))?;
        if name == *variant {
            part += u64::from(weight);
        } else if name != otherwise {
            return Err(foreign(&format!("it gives out `{name}` too")));
        }
        whole += u64::from(weight);
    }
    Ok((bucket, (whole > 0).then_some((part, whole))))
}

fn is_share((part, whole): (u64, u64), thousandths: u32) -> bool {
    u128::from(part) * u128::from(EVERYBODY) == u128::from(whole) * u128::from(thousandths)
}

/// Percent where that is whole, else the smallest power of ten in which it is.
fn weights(thousandths: u32) -> (u32, u32) {
    let (mut part, mut whole) = (thousandths, EVERYBODY);
    while whole > 100 && part % 10 == 0 {
        (part, whole) = (part / 10, whole / 10);
    }
    (part, whole)
}

/// A JSON object whose values are pieces of the text they stand in.
struct Object<'t> {
    text: &'t str,
    name: String,
    members: Vec<(String, &'t str)>,
}

impl<'t> Object<'t> {
    fn read(text: &'t str, name: &str) -> Result<Self, Refused> {
        let Members(members) = serde_json::from_str(text)
            .map_err(|error| Refused::Unfit(format!("{name} is no JSON object: {error}")))?;
        let members = members.into_iter().map(|(key, value)| (key, value.get())).collect();
        Ok(Self { text, name: name.to_owned(), members })
    }

    /// The value under a key. A key that stands there twice means one thing to one reader and another to the next.
    fn one(&self, key: &str) -> Result<Option<&'t str>, Refused> {
        let mut found = self.members.iter().filter(|(name, _)| name == key).map(|(_, value)| *value);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Refused::Unfit(format!("`{key}` stands twice in {}", self.name))),
            (one, None) => Ok(one),
        }
    }

    /// One more member at its end.
    fn added(&self, whole: &str, key: &str, value: &str) -> (Range<usize>, String) {
        let key = quoted(key);
        match self.members.last() {
            Some((_, last)) => {
                let end = span(whole, last).end;
                (end..end, format!(", {key}: {value}"))
            }
            None => {
                let inside = span(whole, self.text).start + self.text.find('{').unwrap_or(0) + 1;
                (inside..inside, format!("{key}: {value}"))
            }
        }
    }
}

struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Where a piece of the text stands in it.
fn span(text: &str, piece: &str) -> Range<usize> {
    let start = piece.as_ptr().addr() - text.as_ptr().addr();
    start..start + piece.len()
}

/// Edits that do not overlap; of several at one place the first comes first.
fn applied(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let (mut edited, mut at) = (String::with_capacity(text.len() + 256), 0);
    for (range, with) in edits {
        edited.push_str(&text[at..range.start]);
        edited.push_str(&with);
        at = range.end;
    }
    edited.push_str(&text[at..]);
    edited
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn text_of(raw: &str) -> Result<String, Refused> {
    serde_json::from_str(raw).map_err(|_| {
        Refused::Unfit(format!("expected a text, found {}", raw.chars().take(40).collect::<String>()))
    })
}
