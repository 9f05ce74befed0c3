//! Exit statuses: the same meaning for every subcommand but `analyze`, whose verdict is its status (SLO-11), and `doctor`, which says
//! how bad it is.
//!
//! The table stands in `docs/cli.md` too; a test holds the two together.

/// What a run ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// Refused, or what was asked about is not so: a promotion with blockers, a wrong policy, a failed demo.
    Refused,
    /// The command line or its input is wrong.
    Usage,
    /// No such target, file or incident.
    NotFound,
    /// The service cannot be reached, or asks to try again later.
    Unreachable,
    /// Anything else: a full disk, a bug.
    Failed,
    /// What was asked about cannot be told from what there is: a past that does not show it.
    Unknown,
    /// `analyze` only: the verdict of SLO-11.
    Verdict(shared_types::Verdict),
    /// `doctor` only: not all is well.
    Examined { failed: bool },
}

impl Exit {
    /// What the process ends with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unreachable => 4,
            Self::Failed => 5,
            Self::Unknown => 6,
            Self::Verdict(verdict) => domain::whatif::dry_run::exit_status(verdict),
            Self::Examined { failed: false } => 1,
            Self::Examined { failed: true } => 2,
        }
    }

    /// What `analyze` and `doctor` end with for the same error: out of the way of what they found.
    pub(crate) fn code_beside_its_own(self) -> u8 {
        match self {
            Self::Ok | Self::Verdict(_) | Self::Examined { .. } => self.code(),
            error => 10 + error.code(),
        }
    }
}

/// An error that knows its exit status.
#[derive(Debug)]
pub(crate) struct ExitError {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl std::fmt::Display for ExitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExitError {}

/// An error with an exit status of its own.
pub(crate) fn error(exit: Exit, message: impl Into<String>) -> anyhow::Error {
    ExitError { exit, message: message.into() }.into()
}

/// What ends with a file that cannot be read.
pub(crate) fn of_file(cause: &std::io::Error) -> Exit {
    match cause.kind() {
        std::io::ErrorKind::NotFound => Exit::NotFound,
        std::io::ErrorKind::IsADirectory => Exit::Usage,
        _ => Exit::Failed,
    }
}

/// The exit status that an error asks for; [`Exit::Failed`] if it says nothing.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<ExitError>().map_or(Exit::Failed, |error| error.exit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_types::Verdict;

    /// SLO-11, JU-4: 0 ok, 1 warn, 2 violation, 3 insufficient, 4 unsure; over 10 an error.
    #[test]
    fn analyze_says_the_verdict_and_keeps_errors_over_ten() {
        let verdicts =
            [Verdict::Ok, Verdict::Warn, Verdict::Violation, Verdict::Insufficient, Verdict::Unsure];
        assert_eq!(verdicts.map(|verdict| Exit::Verdict(verdict).code_beside_its_own()), [0, 1, 2, 3, 4]);
        for error in
            [Exit::Refused, Exit::Usage, Exit::NotFound, Exit::Unreachable, Exit::Failed, Exit::Unknown]
        {
            assert!(error.code_beside_its_own() > 10);
        }
        let examined = [false, true].map(|failed| Exit::Examined { failed }.code_beside_its_own());
        assert_eq!(examined, [1, 2]);
    }
}
