//! Whatever is told has words in both languages, is stored with all its facts, and was stored otherwise before.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared_types::story::{Hop, HopKind, Told};
use strum::IntoEnumIterator as _;

use crate::rollout::blocker::{Blocker, BlockerCode};
use crate::rollout::standing::StandingCode;
use crate::stored::plain;

use super::{blockers, checks, entry, fill::fill, hops, pair::Words, samples, standings};
use shared_types::story::LoggedHop;

#[track_caller]
fn both_are_whole(Words { en, ja }: Words, facts: &Value) {
    places_are_facts(en, facts);
    places_are_facts(ja, facts);
}

#[track_caller]
fn places_are_facts(text: &str, facts: &Value) {
    for place in text.split('{').skip(1).filter_map(|it| it.split('}').next()) {
        assert!(facts.get(place).is_some(), "{place} of “{text}” is not in {facts}");
    }
    let filled = fill(text, facts);
    assert!(!filled.is_empty() && !filled.contains(['{', '[']), "{filled}");
}

/// Every standing has a sample and words in both languages, in the order of their urgency.
#[test]
fn every_standing_has_words_in_both_languages() {
    let samples = samples::standings();
    let codes: Vec<StandingCode> = samples.iter().map(StandingCode::from).collect();
    assert_eq!(codes, StandingCode::iter().collect::<Vec<_>>());
    for standing in &samples {
        let ((sentence, action), facts) = (standings::standing(standing), plain(standing));
        both_are_whole(sentence, &facts);
        if !action.en.is_empty() {
            both_are_whole(action, &facts);
        }
    }
}

#[test]
fn no_kind_of_hop_is_without_a_sample() {
    let sampled: BTreeSet<&str> = samples::hops().iter().map(|it| HopKind::from(it).into()).collect();
    let all: BTreeSet<&str> = HopKind::iter().filter(|it| *it != HopKind::Told).map(Into::into).collect();
    assert_eq!(sampled, all);
}

/// OP-6
#[test]
fn every_hop_is_read_back_as_it_was_stored() {
    for hop in samples::hops() {
        let data = hop.data().unwrap();
        assert_eq!(data["hop"], <&str>::from(HopKind::from(&hop)), "{data}");
        let stored: Value = serde_json::from_str(&data.to_string()).unwrap();
        assert_eq!(Hop::read(hop.kind(), "words of that time", stored), hop);
    }
}

#[test]
fn every_hop_has_words_in_both_languages_and_all_their_places_are_facts() {
    for hop in samples::hops() {
        let ((title, told), facts) = (hops::hop(&hop), hop.data().unwrap());
        both_are_whole(title, &facts);
        both_are_whole(told, &facts);
    }
}

/// OP-6: a log of before says what it said, and leads where it led.
#[test]
fn a_hop_that_was_stored_without_data_is_read_as_told() {
    // As the release before hops had data wrote them.
    let rows = [
        ("phase_changed", "B to A, epoch 3", Value::Null),
        ("incident_opened", "INC-20261122-001", Value::Null),
        (
            "rollback_requested",
            "phasegate: B to A, error_rate violation",
            json!({"transition": uuid::Uuid::from_u128(7)}),
        ),
        (
            "command_started",
            "attempt 1: flags set A",
            json!({"transition": uuid::Uuid::from_u128(7), "attempt": 1, "command": ["flags", "set", "A"]}),
        ),
    ];
    for (kind, detail, links) in rows {
        let hop = Hop::read(kind, detail, links.clone());
        let told = Told { kind: kind.to_owned(), detail: detail.to_owned(), links: links.clone() };
        assert_eq!(hop, Hop::Told(told));
        let shown = entry(&LoggedHop { at: samples::at(), hop });
        assert_eq!((shown.kind.as_str(), shown.detail.as_str(), &shown.data), (kind, detail, &links));
        assert!(shown.is(kind.parse().unwrap()));
        assert_eq!(shown.links().transition.is_some(), !links.is_null());
    }
}

/// OP-6: another release may know kinds and forms that this one does not.
#[test]
fn a_hop_of_a_later_release_is_told_in_the_words_it_was_stored_with() {
    for data in [json!({"hop": "teleported", "to": "Z"}), json!({"hop": "recovered", "how": "by_magic"})] {
        let hop = Hop::read("teleported", "to Z", data.clone());
        assert_eq!(hop, Hop::Told(Told { kind: "teleported".into(), detail: "to Z".into(), links: data }));
    }
}

#[test]
fn no_code_of_a_blocker_is_without_a_sample() {
    let sampled: BTreeSet<&str> = samples::blockers().iter().map(Blocker::code).collect();
    assert_eq!(sampled, BlockerCode::iter().map(Into::into).collect());
}

#[test]
fn every_blocker_has_words_in_both_languages_and_all_their_places_are_facts() {
    for blocker in samples::blockers() {
        let mut facts = serde_json::to_value(&blocker).unwrap();
        assert_eq!(facts["code"], blocker.code());
        assert_eq!(serde_json::from_value::<Blocker>(facts.clone()).unwrap(), blocker);
        let (line, blocked) = blockers::blocker(&blocker);
        both_are_whole(line, &json!({"detail": "it"}));
        if let Some(within) = blockers::within(&blocker) {
            both_are_whole(within, &facts);
            facts["within"] = "it".into();
        }
        both_are_whole(blocked, &facts);
    }
}

#[test]
fn what_a_check_of_evidence_says_has_words_in_both_languages_and_all_their_places_are_facts() {
    for figure in samples::figures() {
        both_are_whole(checks::figure(&figure), &plain(&figure));
    }
    for lack in samples::lacks() {
        both_are_whole(checks::lack(&lack), &plain(&lack));
    }
}

/// What people and scripts have read so far stays as it was.
#[test]
fn english_words_are_those_of_the_api() {
    let told = samples::hops().into_iter().map(|it| format!("{}: {}", it.kind(), super::hop(&it)));
    let blockers = blockers(&samples::blockers()).into_iter();
    let told: Vec<String> = told.chain(blockers.map(|it| format!("- {}: {}", it.code, it.detail))).collect();
    insta::assert_snapshot!(told.join("\n"));
    insta::assert_snapshot!("checks", super::figures(&samples::figures()).unwrap().replace("; ", "\n"));
}
