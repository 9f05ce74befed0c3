//! The roles of people, as a policy names them. Which calls each may make is declared with the calls.

/// Operates rollouts and incidents.
pub const SRE: &str = "sre";
/// Answers for the code that is rolled out.
pub const DEV_LEAD: &str = "dev-lead";
/// Confirms analyses and decides reviews.
pub const GOVERNANCE: &str = "governance";
/// Releases.
pub const RELEASE_OPS: &str = "release-ops";

/// Those that approve a move up, beside a policy's own.
pub const PEOPLE: [&str; 4] = [SRE, DEV_LEAD, GOVERNANCE, RELEASE_OPS];
/// Start, move up, acknowledge.
pub const MAY_OPERATE: [&str; 3] = [SRE, DEV_LEAD, RELEASE_OPS];
/// Roll back by hand, abort, freeze, end a freeze.
pub const MAY_STOP: [&str; 3] = [SRE, RELEASE_OPS, GOVERNANCE];
/// Have what is stuck tried again.
pub const MAY_RETRY: [&str; 2] = [SRE, RELEASE_OPS];
/// Answer for an incident afterwards: its analysis, its review, its evidence. The policy says which of them does.
pub const MAY_ANSWER: [&str; 4] = [SRE, DEV_LEAD, RELEASE_OPS, GOVERNANCE];
