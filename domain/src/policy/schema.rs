//! The JSON Schema of the policy file, generated from the raw shapes of its sections; `governance/policy.schema.json` holds it.

use schemars::generate::SchemaSettings;

use super::section::file::RawPolicy;
use crate::stored::pretty_text;

/// The schema as it is checked in: pretty JSON (2020-12) with a newline at its end.
#[must_use]
pub fn schema_json() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<RawPolicy>();
    let text = pretty_text(&schema);
    // The types are called Raw… to tell them from the checked ones; readers of the schema need not care.
    format!("{}\n", text.replace("\"Raw", "\"").replace("$defs/Raw", "$defs/"))
}
