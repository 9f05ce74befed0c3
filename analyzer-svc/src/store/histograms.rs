//! A batch's histograms, apart from its body: most of its bytes, wanted only where something is made anew from single durations.
//!
//! A byte for the form, then compressed: for each distribution, by name, its histogram's length (32 bits, little endian) and bytes.

use std::io::{self, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use service_kit::db::DbError;
use shared_types::Batch;

const FORM: u8 = 1;
const LEVEL: i32 = 9;
/// No batch has more; what says so is damaged.
const LONGEST: usize = 64 << 20;

/// Takes the histograms out of a batch. `None` where there are none, or one that would not come back as it was.
pub(super) fn apart(batch: &Batch) -> Option<(Batch, Vec<u8>)> {
    let (mut rest, mut bytes) = (batch.clone(), Vec::new());
    for distribution in rest.distributions.values_mut() {
        let text = std::mem::take(&mut distribution.histogram);
        let histogram = BASE64.decode(&text).ok().filter(|it| !it.is_empty())?;
        bytes.extend(u32::try_from(histogram.len()).ok()?.to_le_bytes());
        bytes.extend(histogram);
    }
    if bytes.is_empty() || bytes.len() > LONGEST {
        return None;
    }
    let mut kept = vec![FORM];
    kept.extend(zstd::bulk::compress(&bytes, LEVEL).ok()?);
    Some((rest, kept))
}

/// Puts them back. A batch whose histograms were let go stays without ([`Batch::let_go`]).
pub(super) fn put_back(batch: &mut Batch, kept: Option<&[u8]>) -> Result<(), DbError> {
    let Some(kept) = kept else { return Ok(()) };
    let damaged = |what: String| DbError::decode("histograms", io::Error::other(what));
    let packed = kept.strip_prefix(&[FORM]).ok_or_else(|| damaged("of another form".to_owned()))?;
    let bytes = unpacked(packed).map_err(|error| damaged(error.to_string()))?;
    let mut rest = bytes.as_slice();
    for distribution in batch.distributions.values_mut() {
        let histogram = next(&mut rest).ok_or_else(|| damaged("cut short".to_owned()))?;
        distribution.histogram = BASE64.encode(histogram);
    }
    if rest.is_empty() { Ok(()) } else { Err(damaged("more than the batch has".to_owned())) }
}

fn unpacked(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    zstd::Decoder::new(packed)?.take(LONGEST as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn next<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (histogram, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *rest = after;
    Some(histogram)
}
