//! The file of a root cause analysis as a text: made from the template, brought up to date, read back (GO-1).
//!
//! Pure. The generated part is written anew; cause and prevention belong to people, and nothing a person wrote there
//! is ever taken away, but for a submission by the one that was made in its place.

use crate::template::sections::{Section, holds_a_marker, place, without_comments, written};

use shared_types::incident::RcaFileState;

use crate::rollout::state::Submission;

/// What a person submits: the longest text of one part.
pub const LONGEST: usize = 20_000;

/// Why a submission is refused; one line for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    #[error("`{0}` is empty: a person has to complete it")]
    Empty(Section),
    #[error("the markers of `{0}` are not there once each: put them back, or give the text as a field")]
    Unmarked(Section),
    #[error("`{0}` is longer than {LONGEST} characters")]
    TooLong(Section),
    #[error("`{0}` holds a marker of the file's parts or a control character")]
    Unwritable(Section),
}

/// The file as it is to be: `rendered` is the template filled in now, `existing` what is there.
#[must_use]
pub fn compose(rendered: &str, existing: Option<&str>, submission: Option<&Submission>) -> String {
    let mut text = existing.map_or_else(|| rendered.to_owned(), |there| refreshed(there, rendered));
    if let Some(Submission { finding, earlier, .. }) = submission {
        let earlier = earlier.as_ref();
        let (cause, prevention) = (earlier.map(|it| &*it.cause), earlier.map(|it| &*it.prevention));
        text = filled(&text, Section::Cause, &finding.cause, cause, rendered);
        text = filled(&text, Section::Prevention, &finding.prevention, prevention, rendered);
    }
    if text.ends_with('\n') { text } else { text + "\n" }
}

/// How the file that is there stands to what was submitted, once that was written into it. Only what a reader sees counts.
#[must_use]
pub fn file_state(rendered: &str, existing: &str, submission: &Submission) -> RcaFileState {
    let document = compose(rendered, Some(existing), Some(submission));
    let says = |section, wanted: &str| {
        written(&document, section).is_some_and(|text| squeezed(&text) == squeezed(&without_comments(wanted)))
    };
    let finding = &submission.finding;
    if says(Section::Cause, &finding.cause) && says(Section::Prevention, &finding.prevention) {
        RcaFileState::AsSubmitted
    } else {
        RcaFileState::Differs
    }
}

/// A file whose markers of the generated part are gone has been taken over by a person: it stays as it is.
fn refreshed(there: &str, rendered: &str) -> String {
    match (place(there, Section::Generated), place(rendered, Section::Generated)) {
        (Some(old), Some(new)) => {
            format!("{}{}{}", &there[..old.start], &rendered[new], &there[old.end..])
        }
        _ => there.to_owned(),
    }
}

/// Puts a submitted text where nobody has written yet, or where the one stands that it was submitted in place of; beside
/// what somebody has written.
fn filled(text: &str, section: Section, wanted: &str, earlier: Option<&str>, template: &str) -> String {
    let Some(place) = place(text, section) else { return text.to_owned() };
    let there = &text[place.clone()];
    let is_earlier = |it| squeezed(&without_comments(it)) == squeezed(&without_comments(there));
    let body = if is_untouched(there, section, template) || earlier.is_some_and(is_earlier) {
        format!("\n{wanted}\n")
    } else if squeezed(there).contains(&squeezed(wanted)) {
        return text.to_owned();
    } else {
        format!("{}\n\n{wanted}\n", there.trim_end())
    };
    format!("{}{body}{}", &text[..place.start], &text[place.end..])
}

/// Hints only, or still the template's own words.
fn is_untouched(there: &str, section: Section, template: &str) -> bool {
    let words = squeezed(&without_comments(there));
    words.is_empty() || written(template, section).is_some_and(|own| squeezed(&own) == words)
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a person wrote into one part of the file. `template` is the text that it must not be left as.
///
/// # Errors
/// As [`checked`], or its markers are lost.
pub fn part(document: &str, section: Section, template: &str) -> Result<String, Incomplete> {
    let text = written(document, section).ok_or(Incomplete::Unmarked(section))?;
    checked(&text, section, template)
}

/// A part that is given as a text.
///
/// # Errors
/// It is empty, only the template's words, too long, or would tear the file's parts.
pub fn checked(text: &str, section: Section, template: &str) -> Result<String, Incomplete> {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    if is_untouched(text, section, template) {
        return Err(Incomplete::Empty(section));
    }
    if text.chars().count() > LONGEST {
        return Err(Incomplete::TooLong(section));
    }
    let visible = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if holds_a_marker(text) || !text.chars().all(visible) {
        return Err(Incomplete::Unwritable(section));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use shared_types::Timestamp;

    use super::*;
    use crate::rollout::Finding;

    const RENDERED: &str = "# RCA\n<!-- phasegate:generated -->\nv1\n<!-- /phasegate:generated -->\n\
        ## Cause\n<!-- phasegate:cause -->\n<!-- hint -->\n<!-- /phasegate:cause -->\n\
        ## Prevention\n<!-- phasegate:prevention -->\nTODO: tasks\n<!-- /phasegate:prevention -->\n";

    fn finding(cause: &str, prevention: &str) -> Submission {
        let finding = Finding { cause: cause.to_owned(), prevention: prevention.to_owned(), link: None };
        Submission { by: "ana".to_owned(), at: Timestamp::from_millis(0), finding, earlier: None }
    }

    fn newer() -> String {
        RENDERED.replace("v1", "v2")
    }

    /// GO-1: only the generated part changes, whatever a person did with the rest.
    #[test]
    fn a_refresh_leaves_what_people_wrote() {
        let edited =
            RENDERED.replace("<!-- hint -->", "The lock.").replace("## Cause", "## 原因") + "\nAppendix\n";
        let text = compose(&newer(), Some(&edited), None);
        assert_eq!(text, edited.replace("v1", "v2"));
    }

    /// GO-1: who removed the markers has taken the file over.
    #[test]
    fn a_file_without_markers_is_left_alone() {
        let own = "my own file\n";
        assert_eq!(compose(&newer(), Some(own), Some(&finding("a", "b"))), own);
    }

    /// GO-1: submitted texts go where nobody has written, and beside what somebody has; again changes nothing.
    #[test]
    fn a_submission_is_put_into_the_file_without_taking_anything_away() {
        let edited = RENDERED.replace("<!-- hint -->", "The lock.");
        let once = compose(RENDERED, Some(&edited), Some(&finding("Too many merges.", "Shard it.")));
        assert!(once.contains("The lock.\n\nToo many merges.\n"), "{once}");
        assert!(once.contains("-->\nShard it.\n<!--") && !once.contains("TODO"), "{once}");
        assert_eq!(compose(RENDERED, Some(&once), Some(&finding("Too many merges.", "Shard it."))), once);
        let fresh = compose(RENDERED, None, Some(&finding("The lock.", "Shard it.")));
        assert_eq!(part(&fresh, Section::Cause, RENDERED).unwrap(), "The lock.");
        assert_eq!(part(&fresh, Section::Prevention, RENDERED).unwrap(), "Shard it.");
    }

    /// GO-1, GO-3: a file that was edited after the submission is told from one that says what was submitted.
    #[test]
    fn a_file_that_says_something_else_than_was_submitted_is_told() {
        let submitted = finding("The lock.", "Shard it.");
        let state = |there: &str| file_state(&newer(), there, &submitted);
        let as_submitted = compose(RENDERED, None, Some(&submitted));
        assert_eq!(state(&as_submitted), RcaFileState::AsSubmitted);
        assert_eq!(state(RENDERED), RcaFileState::AsSubmitted, "not written into the file yet");
        let reflowed = as_submitted.replace("The lock.", "The\n  lock. <!-- seen -->");
        assert_eq!(state(&reflowed), RcaFileState::AsSubmitted);
        for edited in [
            as_submitted.replace("The lock.", "The network."),
            as_submitted.replace("Shard it.", "Shard it.\n\nAnd blame the network."),
            as_submitted.replace("Shard it.", "Shard"),
            as_submitted.replace("<!-- phasegate:cause -->", ""),
        ] {
            assert_eq!(state(&edited), RcaFileState::Differs, "{edited}");
        }
    }

    /// GO-1: what is submitted again stands in place of what was, and beside nothing but what a person wrote since.
    #[test]
    fn a_second_submission_stands_in_place_of_the_first() {
        let first = finding("The lock.", "Shard it.");
        let mut second = finding("The network.", "Shard it.");
        second.earlier = Some(first.finding.clone());
        let file = compose(RENDERED, Some(&compose(RENDERED, None, Some(&first))), Some(&second));
        assert_eq!(file, compose(RENDERED, None, Some(&second)));
        assert_eq!(file_state(RENDERED, &file, &second), RcaFileState::AsSubmitted);
    }

    /// GO-1: the template's own text, hints and blanks are not an analysis, and each missing part is named.
    #[test]
    fn an_unchanged_part_is_refused_by_name() {
        for section in [Section::Cause, Section::Prevention] {
            assert_eq!(part(RENDERED, section, RENDERED), Err(Incomplete::Empty(section)));
        }
        let half = RENDERED.replace("<!-- hint -->", "The lock.");
        assert_eq!(part(&half, Section::Cause, RENDERED).unwrap(), "The lock.");
        let torn = half.replace("<!-- /phasegate:cause -->", "");
        assert_eq!(part(&torn, Section::Cause, RENDERED), Err(Incomplete::Unmarked(Section::Cause)));
        assert_eq!(checked(" <!-- x --> ", Section::Cause, RENDERED), Err(Incomplete::Empty(Section::Cause)));
        let marker = checked("x <!-- /phasegate:cause -->", Section::Cause, RENDERED);
        assert_eq!(marker, Err(Incomplete::Unwritable(Section::Cause)));
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(checked(&long, Section::Cause, RENDERED), Err(Incomplete::TooLong(Section::Cause)));
    }
}
