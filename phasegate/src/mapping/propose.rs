//! A map for a log that was looked at. What it can't know it leaves out, and asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use events::map::{Map, Pattern, Preset, Rules, TimeFormat, Unit};
use events::{EventSpec, EventSpecs};

use super::look::{Look, Object, Scalar};

/// Values of the name that are proposed as events where no policy says which there are.
const EVENTS_MAX: usize = 12;
/// Different values beyond which a text is nobody's name for anything.
const VALUES_MAX: usize = 200;
/// The years that a log is from, in milliseconds since 1970: 2001 to 2100. Each format of a number has its own range for them.
const PLAUSIBLE_MS: std::ops::Range<i64> = 978_307_200_000..4_102_444_800_000;

/// What the parts of an event are called, the likeliest first; in small letters without anything between words.
const TIMES: &[&str] = &["ts", "time", "timestamp", "@timestamp", "@t", "datetime", "eventtime", "date", "t"];
const NAMES: &[&str] = &[
    "event",
    "eventname",
    "evt",
    "eventtype",
    "action",
    "operation",
    "op",
    "msg",
    "message",
    "@mt",
    "@m",
    "name",
    "type",
];
const DURATIONS: &[&str] =
    &["duration", "elapsed", "latency", "took", "responsetime", "processingtime", "runtime", "dur"];
const CODES: &[&str] = &["code", "errorcode", "errcode", "errno", "errortype", "errtype", "reason"];
const RETRYABLE: &[&str] = &["retryable", "retriable", "canretry", "isretryable", "transient"];
const IDS: &[&str] = &["eventid", "eventuuid", "uuid", "ulid", "messageid"];
const SESSIONS: &[&str] = &["session", "sessionid", "sid"];
const VARIANTS: &[&str] = &["variant", "variation", "bucket"];
const LEVELS: &[&str] = &["level", "severity", "lvl", "loglevel", "@l"];
const BAD_LEVELS: &[&str] =
    &["err", "error", "fatal", "critical", "crit", "panic", "dpanic", "alert", "emerg"];

/// A map, and what is left to be said.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) preset: Option<&'static Preset>,
    pub(crate) rules: Rules,
    /// The policy's events, or those that are proposed, read by the map.
    pub(crate) specs: EventSpecs,
    pub(crate) asked: Vec<String>,
}

impl Proposal {
    /// What the policy says already, with nothing left to be said.
    pub(crate) fn settled(rules: &Rules, specs: &EventSpecs) -> Self {
        Self { preset: None, rules: rules.clone(), specs: specs.clone(), asked: Vec::new() }
    }
}

/// Values of the name that are alike.
#[derive(Debug)]
struct Group {
    pattern: Pattern,
    /// Without what differs.
    stem: String,
    lines: usize,
    errors: usize,
    timed: usize,
}

impl Group {
    fn is_error(&self) -> bool {
        self.errors * 2 > self.lines || words(&self.stem).contains("error")
    }

    fn is_timed(&self) -> bool {
        self.timed * 10 >= self.lines * 9
    }
}

/// `wanted`: the events of the policy's metrics.
pub(crate) fn propose(look: &Look, wanted: Option<&EventSpecs>) -> Result<Proposal, String> {
    if look.objects.is_empty() {
        return Err("no line holds a JSON object: a map reads logs of JSON, one object a line".to_owned());
    }
    let mut asked = Vec::new();
    let mut rules = look.preset.map(Preset::rules).unwrap_or_default();
    rules.wrapper = look.wrapper;
    rules.ignores_text = look.texts > 0;
    if look.preset.is_none() {
        rules.ts = time(look);
    }
    if rules.ts.is_none() && look.wrapper.is_none() {
        return Err("no path of the lines holds a time in nearly all of them: say it with `ts`".to_owned());
    }
    rules.name = name(look, wanted).ok_or("no path of the lines holds a text that could name an event")?;
    if let Some((path, unit)) = duration(look, &rules, &mut asked) {
        rules.duration = Some((path, unit));
    }
    let called =
        |names: &[&str], is: fn(&Scalar) -> bool| best(look, names, |path| look.at_path(path).all(is));
    let is_any: fn(&Scalar) -> bool = |_| true;
    let seen = |path: &Option<String>| path.as_ref().is_some_and(|path| look.at_path(path).next().is_some());
    if !seen(&rules.code) {
        rules.code = called(CODES, |it| !matches!(it, Scalar::Bool(_))).or(rules.code);
    }
    rules.retryable = called(RETRYABLE, |it| matches!(it.written(), "true" | "false"));
    rules.session = called(SESSIONS, is_any);
    rules.variant = called(VARIANTS, |it| matches!(it, Scalar::Text(_)));
    rules.event_id = called(IDS, is_any);
    if look.preset.is_none() && look.wrapper.is_none() && is_own(&rules) {
        asked.push(
            "these lines are of Phasegate's own shape: without a map they are read as they are".to_owned(),
        );
    }
    if let Some(path) = rules.event_id.take_if(|path| !is_distinct(look, path)) {
        asked.push(format!(
            "`{path}` has the same value on many lines: it is not taken as the id of an event"
        ));
    }

    let groups = groups(look, &rules);
    let specs = match wanted {
        Some(specs) => {
            rules.events = assigned(specs, &groups, &mut asked);
            specs.clone()
        }
        None => {
            let (events, specs) = invented(&groups)?;
            rules.events = events;
            asked.push(
                "the events are named after the log: name them as the metrics of the policy do".to_owned(),
            );
            specs
        }
    };
    rules.events.sort_by_key(|(pattern, _)| pattern.rank());
    let map = Map::new(rules.clone()).map_err(|error| error.to_string())?;
    let specs = specs.with_map(Some(Arc::new(map)));
    Ok(Proposal { preset: look.preset, rules, specs, asked })
}

fn time(look: &Look) -> Option<(String, TimeFormat)> {
    let fits = |path: &str| {
        let format = TimeFormat::ALL.iter().map(|(_, format)| *format).find(|format| {
            let plausible =
                |it: &Scalar| format.parse_ms(it.written()).is_some_and(|ms| PLAUSIBLE_MS.contains(&ms));
            let good = look.at_path(path).filter(|it| plausible(it)).count();
            good * 10 >= look.objects.len() * 9
        })?;
        Some((rank(TIMES, path), path.len(), path.to_owned(), format))
    };
    look.paths().filter_map(fits).min().map(|(.., path, format)| (path, format))
}

fn name(look: &Look, wanted: Option<&EventSpecs>) -> Option<String> {
    let known = |path: &str| {
        let values: BTreeSet<&str> = look.at_path(path).map(Scalar::written).collect();
        wanted.map_or(0, |specs| {
            specs.plain().iter().filter(|spec| values.contains(spec.name.as_str())).count()
        })
    };
    let usual = look.preset.map(|preset| preset.rules().name);
    let candidates = look.paths().filter_map(|path| {
        let texts = || look.at_path(path).filter(|it| matches!(it, Scalar::Text(_)));
        let values: BTreeSet<String> = texts().map(|it| stem(it.written())).collect();
        let listed = usual.as_deref() == Some(path) || rank(NAMES, path) < NAMES.len();
        let lines = texts().count();
        let is_one = values.len() == 1 && lines > 1;
        let is_prose = values.len() > VALUES_MAX || (values.len() > 20 && values.len() * 2 > lines);
        (lines > 0 && (listed || known(path) > 0)).then(|| {
            (usize::MAX - known(path), is_one || is_prose, rank(NAMES, path), path.len(), path.to_owned())
        })
    });
    candidates.min().map(|(.., path)| path)
}

fn duration(look: &Look, rules: &Rules, asked: &mut Vec<String>) -> Option<(String, Unit)> {
    let usual = rules.duration.clone().filter(|(path, _)| look.at_path(path).next().is_some());
    if usual.is_some() {
        return usual;
    }
    let is_duration = |it: &Scalar| Unit::Milliseconds.parse_ms(it.written()).is_some_and(|ms| ms >= 0.0);
    let candidates = look.paths().filter_map(|path| {
        let (called, unit) = without_unit(last(path));
        let rank = DURATIONS.iter().position(|name| squeezed(&called).ends_with(name)).or_else(|| {
            unit.map(|_| DURATIONS.len()) // `save_ms`
        })?;
        look.at_path(path).all(is_duration).then(|| (rank, path.len(), path.to_owned(), unit))
    });
    let (.., path, unit) = candidates.min_by_key(|(rank, length, path, _)| (*rank, *length, path.clone()))?;
    let says_its_own = look.at_path(&path).all(|it| it.written().parse::<f64>().is_err());
    let unit = unit.unwrap_or_else(|| {
        let guess = guessed_unit(look, &path);
        if !says_its_own {
            asked.push(format!(
                "`{path}` does not say its unit, {guess} is a guess: look at the durations below"
            ));
        }
        guess
    });
    Some((path, unit))
}

/// By how large they are: operations take milliseconds to seconds.
fn guessed_unit(look: &Look, path: &str) -> Unit {
    let mut values: Vec<f64> = look.at_path(path).filter_map(|it| it.written().parse().ok()).collect();
    values.sort_by(f64::total_cmp);
    match values.get(values.len() / 2) {
        Some(median) if *median >= 1e6 => Unit::Nanoseconds,
        Some(median) if *median < 10.0 && values.iter().any(|it| it.fract() != 0.0) => Unit::Seconds,
        _ => Unit::Milliseconds,
    }
}

/// A key without the unit at its end, and that unit.
fn without_unit(key: &str) -> (String, Option<Unit>) {
    let units: [(&[&str], Unit); 4] = [
        (&["_ms", "Ms", "_millis", "Millis", "_milliseconds"], Unit::Milliseconds),
        (&["_us", "Us", "_micros", "Micros", "_microseconds"], Unit::Microseconds),
        (&["_ns", "Ns", "_nanos", "Nanos", "_nanoseconds"], Unit::Nanoseconds),
        (&["_s", "_sec", "_secs", "_seconds", "Seconds"], Unit::Seconds),
    ];
    let found = units.iter().find_map(|(ends, unit)| {
        ends.iter().find_map(|end| Some((key.strip_suffix(end)?.to_owned(), Some(*unit))))
    });
    found.unwrap_or_else(|| (key.to_owned(), None))
}

/// The path that is called likeliest like that, of those that `fit`.
fn best(look: &Look, names: &[&str], fits: impl Fn(&str) -> bool) -> Option<String> {
    let listed = |path: &&str| rank(names, path) < names.len() && fits(path);
    look.paths().filter(listed).min_by_key(|path| (rank(names, path), path.len())).map(str::to_owned)
}

/// Where a path's last key, or its last two, stand among the names; their number if nowhere.
fn rank(names: &[&str], path: &str) -> usize {
    let two = path.rsplit('.').take(2).collect::<Vec<_>>().into_iter().rev().collect::<String>();
    let called = [squeezed(last(path)), squeezed(&two), squeezed(path)];
    names.iter().position(|name| called.iter().any(|it| it == name)).unwrap_or(names.len())
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn squeezed(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric() || *c == '@').flat_map(char::to_lowercase).collect()
}

/// Whether a value stands there for an event; now and then one comes again, which is what ids are for.
fn is_distinct(look: &Look, path: &str) -> bool {
    let values: Vec<&str> = look.at_path(path).map(Scalar::written).collect();
    let repeated = values.len() - values.iter().collect::<BTreeSet<_>>().len();
    repeated * 20 <= values.len()
}

/// Whether time and name stand where a line of our own has them (TE-1).
fn is_own(rules: &Rules) -> bool {
    rules.ts == Some(("ts".to_owned(), TimeFormat::Rfc3339)) && rules.name == "name"
}

/// What values that tell the same begin with: what comes before a colon, an equals sign, a bracket, a quote or a word with a
/// digit.
fn stem(value: &str) -> String {
    let mut end = value.find([':', '=', '(', '[', '"', '\'']).unwrap_or(value.len());
    let mut from = 0;
    for word in value.split_inclusive(' ') {
        if word.contains(|c: char| c.is_ascii_digit()) {
            end = end.min(from);
            break;
        }
        from += word.len();
    }
    let stem = value[..end].trim_end();
    if stem.is_empty() { value.to_owned() } else { stem.to_owned() }
}

fn groups(look: &Look, rules: &Rules) -> Vec<Group> {
    let mut stems: BTreeMap<String, (BTreeSet<&str>, Vec<&Object>)> = BTreeMap::new();
    for object in &look.objects {
        let Some(value) = object.get(&rules.name).map(Scalar::written).filter(|it| !it.is_empty()) else {
            continue;
        };
        let (values, lines) = stems.entry(stem(value)).or_default();
        values.insert(value);
        lines.push(object);
    }
    let levels: Vec<&str> = look.paths().filter(|path| rank(LEVELS, path) < LEVELS.len()).collect();
    let is_bad = |object: &&&Object| {
        levels.iter().filter_map(|path| object.get(*path)).any(|level| match level {
            Scalar::Number(number) => number.parse::<f64>().is_ok_and(|number| number >= 50.0),
            other => BAD_LEVELS.contains(&other.written().to_lowercase().as_str()),
        })
    };
    let has_duration =
        |object: &&&Object| rules.duration.as_ref().is_some_and(|(path, _)| object.contains_key(path));
    let group = |(stem, (values, lines)): (String, (BTreeSet<&str>, Vec<&Object>))| {
        let only = values.iter().next().filter(|_| values.len() == 1);
        let pattern = only.map_or_else(|| Pattern::beginning(&stem), |value| Pattern::exactly(value))?;
        Some(Group {
            pattern,
            stem,
            lines: lines.len(),
            errors: lines.iter().filter(is_bad).count(),
            timed: lines.iter().filter(has_duration).count(),
        })
    };
    let mut groups: Vec<Group> = stems.into_iter().filter_map(group).collect();
    groups.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.stem.cmp(&b.stem)));
    groups
}

/// Which values are the policy's events, as far as words and what the lines carry tell.
fn assigned(specs: &EventSpecs, groups: &[Group], asked: &mut Vec<String>) -> Vec<(Pattern, String)> {
    let is_itself = |spec: &&EventSpec| groups.iter().any(|group| group.pattern.to_string() == spec.name);
    let open: Vec<&EventSpec> = specs.plain().iter().filter(|spec| !is_itself(spec)).collect();
    let mut pairs: Vec<(usize, &EventSpec, &Group)> = Vec::new();
    for spec in &open {
        for group in groups.iter().filter(|group| specs.find(&group.stem).is_none()) {
            pairs.extend(likeness(spec, group).map(|likeness| (likeness, *spec, group)));
        }
    }
    pairs
        .sort_by_key(|(likeness, spec, group)| (usize::MAX - likeness, usize::MAX - group.lines, &spec.name));
    let mut events: Vec<(Pattern, String)> = Vec::new();
    for (_, spec, group) in pairs {
        let is_taken =
            |(pattern, event): &(Pattern, String)| *event == spec.name || *pattern == group.pattern;
        if !events.iter().any(is_taken) {
            events.push((group.pattern.clone(), spec.name.clone()));
        }
    }
    for spec in open.iter().filter(|spec| !events.iter().any(|(_, event)| *event == spec.name)) {
        let values: Vec<String> = groups.iter().take(5).map(|group| format!("`{}`", group.pattern)).collect();
        asked.push(format!(
            "no value looks like `{}`: name the one that means it under `events`; the most frequent are {}",
            spec.name,
            values.join(", ")
        ));
    }
    events
}

/// How many words an event and a value have in common; `None` if none, or if the lines lack what the event must carry.
fn likeness(spec: &EventSpec, group: &Group) -> Option<usize> {
    let is_possible = spec.error == group.is_error() && (spec.duration_field.is_none() || group.is_timed());
    let common = words(&spec.name).intersection(&words(&group.stem)).count();
    (is_possible && common > 0).then_some(common)
}

/// In small letters and without their endings; what tells of a good or a bad end is one word each.
fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        let begins = c.is_uppercase() && word.ends_with(char::is_lowercase);
        if (begins || !c.is_alphanumeric()) && !word.is_empty() {
            words.insert(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.push(c);
        }
    }
    words.into_iter().map(|word| meant(&word.to_lowercase())).collect()
}

fn meant(word: &str) -> String {
    const GOOD: [&str; 9] =
        ["ok", "success", "succeeded", "successful", "completed", "complete", "done", "finished", "finish"];
    const BAD: [&str; 6] = ["fail", "failed", "failure", "error", "errored", "exception"];
    if GOOD.contains(&word) {
        return "ok".to_owned();
    }
    if BAD.contains(&word) {
        return "error".to_owned();
    }
    let bare = ["ing", "ed", "es", "s", "e"].iter().find_map(|end| word.strip_suffix(end));
    bare.filter(|bare| bare.len() > 2).unwrap_or(word).to_owned()
}

/// Events named after what the log tells, where no policy says which there are: what carries a duration or tells of an error,
/// else what is most frequent.
fn invented(groups: &[Group]) -> Result<(Vec<(Pattern, String)>, EventSpecs), String> {
    let tells: Vec<&Group> = groups.iter().filter(|it| it.is_timed() || it.is_error()).collect();
    let chosen: Vec<&Group> = if tells.is_empty() { groups.iter().collect() } else { tells };
    let mut events: Vec<(Pattern, String)> = Vec::new();
    let mut specs = Vec::new();
    for group in chosen.into_iter().take(EVENTS_MAX) {
        let named: Vec<String> = group
            .stem
            .to_lowercase()
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let event = named.join(".");
        if event.is_empty() || events.iter().any(|(_, known)| *known == event) {
            continue;
        }
        specs.push(if group.is_error() {
            EventSpec::failure(&event, &[&event])
        } else if group.is_timed() {
            EventSpec::timed(&event, "duration_ms")
        } else {
            EventSpec::counted(&event)
        });
        events.push((group.pattern.clone(), event));
    }
    let specs = EventSpecs::new(specs).map_err(|error| error.to_string())?;
    Ok((events, specs))
}
