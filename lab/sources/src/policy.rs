//! The policy of the stories, with a source in place of its files.

/// On a scale of seconds; `@…@` is filled in by the harness.
pub const FAST: &str = include_str!("../../../tests/fixtures/policy.fast.yaml");
/// Its source.
pub const FILES: &str = "{ jsonl: { paths: [\"@TELEMETRY@/*.jsonl\"] } }";

/// With each text in place of another.
///
/// # Panics
/// One is not there.
#[must_use]
pub fn changed(policy: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(policy.to_owned(), |policy, (from, to)| {
        assert!(policy.contains(from), "{from}");
        policy.replace(from, to)
    })
}

/// What is counted of what an app of a service tells by its SDK.
#[must_use]
pub fn of_sdk(service: &str) -> String {
    let of = "{ otlp: { match: { service.name: SERVICE }, distributions: { autosave.save.completed: { metric: save.duration } }, \
         counters: { autosave.save.error: { metric: saves.failed, breakdown: { code: error.type } } }, \
         spans: { save: { completed: autosave.save.completed, error: autosave.save.error } }, logs: {} } }";
    of.replace("SERVICE", service)
}

/// [`FAST`] once for each of several targets, with a source and a flag of its own and these changes.
///
/// # Panics
/// It lacks what is to be changed.
#[must_use]
pub fn of_targets<'n>(
    names: impl IntoIterator<Item = &'n str>,
    changes: &[(&str, &str)],
    source: impl Fn(&str) -> String,
) -> String {
    let (head, rest) = FAST.split_once("  autosave:\n").expect("the target");
    let (target, tail) = rest.split_once("\nretention").expect("what follows it");
    let target = changed(target, changes);
    let of = |name: &str| {
        let flag = format!("@FLAG_FILE@-{name}");
        format!("  {name}:\n{}", changed(&target, &[(FILES, &source(name)), ("@FLAG_FILE@", &flag)]))
    };
    let targets: Vec<String> = names.into_iter().map(of).collect();
    format!("{head}{}\nretention{tail}", targets.join("\n"))
}
