//! Nothing is pulled. (Events pushed over HTTP are taken for every target, whatever its source.)

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{SourceKind, SourceSettings};
use crate::kinds::Chosen;
use crate::policy::Wrong;
use crate::policy::kind_section::{Section, schema_of};

/// The kind.
pub const KIND: SourceKind =
    SourceKind { key: "http", schema: schema_of::<RawHttp>, read, example: "{}", docs: DOCS };

const DOCS: &str = "\
reads nothing. Every target also takes pushes, `POST /v1/targets/{target}/events`: NDJSON or a JSON
array, gzip and zstd, 8 MiB decompressed at most. The 202 comes after the commit; with an `Idempotency-Key` a repeat
within 48 h gets the first answer with 200. When 64 MiB are waiting, a push is answered 503 with `Retry-After`.";

/// Nothing is pulled; events are pushed over HTTP. No further keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawHttp {}

/// It has no settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http;

fn read(section: &Section) -> Result<Chosen<dyn SourceSettings>, Wrong> {
    let RawHttp {} = section.read()?;
    Ok(Chosen(Arc::new(Http)))
}

impl SourceSettings for Http {
    fn kind(&self) -> &'static str {
        KIND.key
    }

    fn words(&self) -> String {
        KIND.key.to_owned()
    }

    fn is_pushed(&self) -> bool {
        true
    }
}
