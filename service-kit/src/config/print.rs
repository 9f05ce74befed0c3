//! `--print-config`: the effective configuration as a TOML file, with where each value came from.

use std::fmt::Write as _;

use reqwest::Url;

use super::layers::{Loaded, is_secret};

const REDACTED: &str = "<redacted>";
/// Flags that do something instead of setting something.
const ACTS: [&str; 6] = ["help", "version", "print_config", "check_health", "migrate", "config"];

impl Loaded {
    /// The effective configuration as TOML; secrets are redacted by their type, URLs lose their password.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = String::new();
        for arg in self.command.get_arguments() {
            let id = arg.get_id().as_str();
            if ACTS.contains(&id) {
                continue;
            }
            let source = self.sources.get(id).map_or_else(|| "default".to_owned(), ToString::to_string);
            let raw = self.matches.try_get_raw(id).ok().flatten().and_then(|mut values| values.next());
            let _ = match raw {
                None => writeln!(text, "# {id} is not set"),
                Some(_) if is_secret(arg) => writeln!(text, "{id} = \"{REDACTED}\" # {source}"),
                Some(value) => {
                    let value = toml::Value::String(without_password(&value.to_string_lossy()));
                    writeln!(text, "{id} = {value} # {source}")
                }
            };
        }
        text
    }
}

fn without_password(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if url.password().is_some() => {
            let _ = url.set_password(Some("redacted"));
            url.to_string()
        }
        _ => text.to_owned(),
    }
}
