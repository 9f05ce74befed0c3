//! Planted defects: an empty proof would let them pass. Each is a patch against the product (`lab/defects/*.patch`) that says
//! what is wrong, which promise must be broken by it, and in which run of the simulation. All of them together are applied to
//! a scratch copy of the tree, each behind a switch that only that copy has; the tree itself is never changed.

pub mod patch;
pub mod proof;
pub mod scratch;
pub mod series;
pub mod tree;

pub use patch::Patch;
pub use series::Series;
pub use tree::Tree;

use std::path::{Path, PathBuf};

/// What a program holds that has the switch, and no other: the name of the variable, and the module's in symbols.
pub const MARKS: [&str; 2] = ["PHASEGATE_PLANTED", "7planted"];

/// The root of the tree that the patches are for.
///
/// # Panics
/// The crate stands elsewhere than in `lab/`.
#[must_use]
pub fn root() -> PathBuf {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    lab.and_then(Path::parent).unwrap_or_else(|| panic!("this crate belongs into lab/")).to_owned()
}
