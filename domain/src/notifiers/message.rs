//! A message before anybody's markup.

use crate::story::visible::visible;

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// Written by whoever wrote the template: it may use the markup of the vendor it is meant for, and stays as it is.
    Text(String),
    /// A value, or words of ours that hold values: whatever stands in it is shown as it is, and means nothing.
    Value(String),
    /// To be typed as it stands.
    Code(String),
}

impl Span {
    /// Its text, whatever stands in it.
    #[must_use]
    pub fn as_it_came(&self) -> &str {
        match self {
            Self::Text(it) | Self::Value(it) | Self::Code(it) => it,
        }
    }
}

/// A text in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message(pub Vec<Span>);

impl Message {
    /// One whose every character is shown as it is.
    #[must_use]
    pub fn value(text: impl Into<String>) -> Self {
        Self(vec![Span::Value(text.into())])
    }

    /// With another piece at its end.
    #[must_use]
    pub fn and(mut self, span: Span) -> Self {
        self.0.push(span);
        self
    }

    /// For readers without a markup.
    #[must_use]
    pub fn plain(&self) -> String {
        self.rendered(str::to_owned)
    }

    /// Values and code made visible, with `escape` applied; code between backticks.
    #[must_use]
    pub fn rendered(&self, escape: impl Fn(&str) -> String) -> String {
        let one = |span: &Span| match span {
            Span::Text(it) => it.clone(),
            Span::Value(it) => escape(&visible(it)),
            Span::Code(it) => format!("`{}`", escape(&visible(it))),
        };
        self.0.iter().map(one).collect()
    }
}
