//! The token file as it is now: looked at every few seconds, taken over when it changed, and kept as it was when
//! the new one is wrong.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::tokens::{Tokens, TokensError};

/// A token file that may change under us.
#[derive(Debug)]
pub struct TokenFile {
    /// Empty: there is no file, and nothing to look at.
    path: PathBuf,
    in_force: RwLock<Arc<Tokens>>,
    seen: Mutex<Seen>,
}

/// What the last look found: level-triggered, so that a change is taken over whenever it is first seen.
#[derive(Debug)]
struct Seen {
    /// The text, or why there was none.
    text: Result<String, String>,
    refused: Option<String>,
}

impl TokenFile {
    /// Reads it for the first time; here a wrong one is an error.
    ///
    /// # Errors
    /// [`TokensError`].
    pub fn open(path: &Path) -> Result<Self, TokensError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TokensError::Read { path: path.to_owned(), source })?;
        let tokens = Tokens::parse(&text, path)?;
        Ok(Self {
            path: path.to_owned(),
            in_force: RwLock::new(Arc::new(tokens)),
            seen: Mutex::new(Seen { text: Ok(text), refused: None }),
        })
    }

    /// Tokens that never change.
    #[must_use]
    pub fn fixed(tokens: Tokens) -> Self {
        let seen = Mutex::new(Seen { text: Ok(String::new()), refused: None });
        Self { path: PathBuf::new(), in_force: RwLock::new(Arc::new(tokens)), seen }
    }

    /// The tokens that count now.
    #[must_use]
    pub fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the file as it is now is not in force, if so.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).refused.clone()
    }

    /// Looks at the file, and takes it over if it changed and is right.
    pub async fn look(&self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        let text = tokio::fs::read_to_string(&self.path).await.map_err(|error| error.to_string());
        self.take(text);
    }

    /// What a look found.
    fn take(&self, text: Result<String, String>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.text == text {
            return;
        }
        let parsed = match &text {
            Ok(text) => Tokens::parse(text, &self.path).map_err(|error| error.to_string()),
            Err(error) => Err(format!("{}: {error}", self.path.display())),
        };
        match parsed {
            Ok(tokens) => {
                tracing::info!(file = %self.path.display(), tokens = tokens.entries().len(), "took over the changed tokens");
                *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
                seen.refused = None;
            }
            Err(error) => {
                tracing::error!(
                    error,
                    "the changed token file is refused; the tokens before it stay in force"
                );
                seen.refused = Some(error);
            }
        }
        seen.text = text;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::hash_of;
    use super::*;

    fn names(file: &TokenFile) -> Vec<String> {
        file.tokens().entries().iter().map(|entry| entry.name.clone()).collect()
    }

    #[tokio::test]
    async fn a_changed_file_is_taken_over_and_a_wrong_one_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        let (alice, bob) =
            (format!("alice sre {}\n", hash_of("a")), format!("bob viewer {}\n", hash_of("b")));
        std::fs::write(&path, &alice).unwrap();
        let file = TokenFile::open(&path).unwrap();
        file.look().await;
        assert_eq!((names(&file), file.refused()), (vec!["alice".to_owned()], None));

        std::fs::write(&path, format!("{alice}{bob}")).unwrap();
        file.look().await;
        assert_eq!(names(&file), ["alice", "bob"]);

        std::fs::write(&path, format!("{alice}bob\n")).unwrap();
        file.look().await;
        assert_eq!(names(&file), ["alice", "bob"], "a wrong file changes nothing");
        assert!(file.refused().unwrap().contains("tokens:2: expected"), "{:?}", file.refused());

        std::fs::remove_file(&path).unwrap();
        file.look().await;
        assert_eq!(names(&file), ["alice", "bob"], "nor does one that is gone");
        assert!(file.refused().unwrap().contains("No such file"));

        std::fs::write(&path, &bob).unwrap();
        file.look().await;
        assert_eq!((names(&file), file.refused()), (vec!["bob".to_owned()], None));
    }

    #[test]
    fn the_same_wrong_text_is_parsed_and_said_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        std::fs::write(&path, format!("alice sre {}", hash_of("a"))).unwrap();
        let file = TokenFile::open(&path).unwrap();
        file.take(Ok("wrong".to_owned()));
        file.seen.lock().unwrap().refused = Some("said".to_owned());
        file.take(Ok("wrong".to_owned()));
        assert_eq!(file.refused().as_deref(), Some("said"));
    }
}
