//! What every vendor client of the registries must do with an answer, with none, and with its secrets.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use service_kit::outbox::Outcome;
use tracing_subscriber::util::SubscriberInitExt;

use super::canned::{Says, nobody, serve};
use super::{TIMEOUT, Trial, trials};
use service_kit::vendors::{Code, Meaning, Status, answer};

impl Trial {
    fn expected(&self, meaning: Meaning, with_retry_after: bool) -> &'static str {
        match meaning {
            Meaning::Done => "done",
            Meaning::Patience if with_retry_after => "postponed",
            Meaning::Patience | Meaning::Failed => "failed",
            Meaning::Unknown if self.only_reads => "failed",
            Meaning::Unknown => "unknown",
            Meaning::Refused => "refused",
            Meaning::Never => "never",
        }
    }
}

/// NO-3, NO-4
#[tokio::test]
async fn every_row_of_every_table_gives_its_outcome() {
    for subject in trials() {
        assert!(subject.reference.starts_with("https://"));
        for row in subject.table {
            let status = match row.status {
                Status::Is(exactly) => exactly,
                Status::Class(hundreds) => hundreds * 100 + 99,
            };
            let both = [("", false), ("retry-after: 7\r\n", true)];
            let tried = if row.meaning == Meaning::Patience { &both[..] } else { &both[..1] };
            for &(headers, with_retry_after) in tried {
                let url = serve(Says::answer(status, headers, (subject.body)(row.code))).await;
                let outcome = (subject.call)(url, TIMEOUT).await;
                let expected = subject.expected(row.meaning, with_retry_after);
                assert_eq!(outcome.label(), expected, "{}: {row:?}: {outcome:?}", subject.name);
                if let Outcome::Postponed { after, .. } = outcome {
                    assert_eq!(after, Duration::from_secs(7));
                }
            }
        }
    }
}

/// NO-3, NO-4
#[tokio::test]
async fn the_documented_answers_mean_what_the_vendors_pages_say() {
    for subject in trials() {
        assert!(subject.only_reads || !subject.documented.is_empty(), "{}", subject.name);
        for (status, body, expected) in subject.documented {
            let outcome = (subject.call)(serve(Says::answer(*status, "", body)).await, TIMEOUT).await;
            assert_eq!(outcome.label(), *expected, "{} {status} {body}: {outcome:?}", subject.name);
        }
    }
}

/// NO-4: whatever a server may answer, the table has a row for it; none is met by chance.
#[test]
fn every_table_is_complete() {
    for subject in trials() {
        for status in (200..600).filter(|status| *status != 306) {
            for code in [None, Some("a_code_of_tomorrow")] {
                let named = subject.table.iter().any(|row| {
                    let status_matches = match row.status {
                        Status::Is(exactly) => status == exactly,
                        Status::Class(hundreds) => status / 100 == hundreds,
                    };
                    status_matches && !matches!(row.code, Code::Is(_))
                });
                let success = (200..300).contains(&status);
                let meaning = answer::meaning(subject.table, status, code);
                assert!(named || success, "{}: no row for {status}", subject.name);
                assert!(success || meaning != Meaning::Done, "{}: {status} is done", subject.name);
            }
        }
    }
}

/// NO-4
#[tokio::test]
async fn only_a_request_that_was_never_written_is_a_failure() {
    for subject in trials() {
        let unknown = if subject.only_reads { "unknown or failed" } else { "unknown" };
        let check = async |url: String, timeout, expected: &str| {
            let outcome = (subject.call)(url, timeout).await;
            let said = outcome.label();
            assert!(expected.split(" or ").any(|one| one == said), "{}: {outcome:?}", subject.name);
        };
        check(nobody().await, TIMEOUT, "failed").await;
        check(serve(Says::Bytes(String::new())).await, TIMEOUT, unknown).await;
        check(serve(Says::broken_off(200)).await, TIMEOUT, unknown).await;
        check(serve(Says::broken_off(400)).await, TIMEOUT, "never").await;
        check(serve(Says::Nothing).await, Duration::from_millis(200), unknown).await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for subject in trials() {
        let elsewhere = serve(Says::answer(200, "", "ok")).await;
        let url = serve(Says::answer(307, &format!("location: {elsewhere}\r\n"), "")).await;
        let outcome = (subject.call)(url, TIMEOUT).await;
        assert_eq!(outcome.label(), "failed", "{}", subject.name);
    }
}

/// Secrets come back in whole error pages, stand in URLs, and pass through libraries that log. NO-5
#[tokio::test]
async fn no_secret_is_in_an_outcome_a_log_line_or_a_debug_text() {
    let log = Log::default();
    let written = log.clone();
    let guard = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || written.clone())
        .set_default();
    let mut said = String::new();
    for subject in trials() {
        for status in [200, 202, 302, 400, 401, 404, 429, 500] {
            let outcome = (subject.call)(serve(Says::Echo { status }).await, TIMEOUT).await;
            said += &format!("{outcome:?}\n");
        }
        for url in [nobody().await, serve(Says::Bytes(String::new())).await] {
            said += &format!("{:?}\n", (subject.call)(url, TIMEOUT).await);
        }
        said +=
            &format!("{:?}\n", (subject.call)(serve(Says::Nothing).await, Duration::from_millis(50)).await);
    }
    for subject in trials() {
        said += &(subject.shown)("http://127.0.0.1:1");
    }
    drop(guard);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("TRACE"), "nothing was logged: {logged}");
    for secret in trials().iter().flat_map(|subject| subject.secrets) {
        assert!(!said.contains(*secret), "{secret} in {said}");
        let line = logged.lines().find(|line| line.contains(*secret));
        assert_eq!(line, None, "{secret} was logged");
    }
    assert!(said.contains("***"), "the echoes were not even looked at: {said}");
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
