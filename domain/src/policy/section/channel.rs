//! An address of `notifications`: where a message can go.

use crate::kinds::Kinds;
use crate::notifiers::Address;
use crate::policy::at::At;
use crate::policy::check::{Checked, Path};

/// Where a message goes; `asking`: somebody has to be able to act there.
pub(crate) fn address(raw: &At<String>, kinds: &Kinds, asking: bool, path: &Path) -> Checked<Address> {
    Address::parse(&raw.value, kinds, asking).map_err(|expected| raw.wrong(path, expected))
}
