//! Batches and decisions are kept by the million, much alike and seldom read: they are compressed against a text that is like them all.
//!
//! `z1:<bytes>:<base64>`, where the 1 names that text. What is not compressed begins with a `{`.

use std::borrow::Cow;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use domain::stored::{Form, Step, unchanged};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// Who reads this reads what is compressed: it is written once every replica that lives does (OP-6).
pub(super) const FORM: Form = Form {
    kind: "history",
    steps: &[
        Step { name: "batches and decisions are compressed", up: unchanged, down: unchanged },
        Step {
            name: "histograms stand beside their batch, and decisions are compressed against one with its run",
            up: unchanged,
            down: unchanged,
        },
    ],
};
/// The forms since which it is so.
pub(super) const PACKED: u32 = 2;
pub(super) const APART: u32 = 3;

/// A text that documents are like. Never changed: all that is kept stands on it.
struct Like {
    mark: &'static str,
    into: EncoderDictionary<'static>,
    out_of: DecoderDictionary<'static>,
}

impl Like {
    fn of(mark: &'static str, text: &'static [u8]) -> Self {
        let (into, out_of) = (EncoderDictionary::copy(text, LEVEL), DecoderDictionary::copy(text));
        Self { mark, into, out_of }
    }
}

static FIRST: LazyLock<Like> = LazyLock::new(|| Like::of("z1:", include_bytes!("like.txt")));
static WITH_RUN: LazyLock<Like> = LazyLock::new(|| Like::of("z2:", include_bytes!("like_2.txt")));

const LEVEL: i32 = 9;
/// No document is longer; what says so is damaged.
const LONGEST: usize = 64 << 20;

/// As it is to be kept in a form; as it is, should that fail.
pub(super) fn pack(text: String, form: u32) -> String {
    let like = if form < APART { &FIRST } else { &WITH_RUN };
    let packed =
        Compressor::with_prepared_dictionary(&like.into).and_then(|mut it| it.compress(text.as_bytes()));
    match packed {
        Ok(packed) => format!("{}{}:{}", like.mark, text.len(), STANDARD_NO_PAD.encode(packed)),
        Err(_) => text,
    }
}

/// As it was.
pub(super) fn unpack(text: &str) -> Result<Cow<'_, str>, String> {
    let packed_like = |like: &'static Like| text.strip_prefix(like.mark).map(|packed| (like, packed));
    let Some((like, packed)) = packed_like(&WITH_RUN).or_else(|| packed_like(&FIRST)) else {
        return Ok(Cow::Borrowed(text));
    };
    let (bytes, packed) = packed.split_once(':').ok_or("it does not say how long it is")?;
    let bytes =
        bytes.parse().ok().filter(|bytes| *bytes <= LONGEST).ok_or("it does not say how long it is")?;
    let packed = STANDARD_NO_PAD.decode(packed).map_err(|error| error.to_string())?;
    let text = Decompressor::with_prepared_dictionary(&like.out_of)
        .and_then(|mut it| it.decompress(&packed, bytes))
        .map_err(|error| error.to_string())?;
    String::from_utf8(text).map(Cow::Owned).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: &str = r#"{"schema":"phasegate.decision/1","decision_id":"5bc874c6-1028-5431-bb52-6ffa53acfc35","target":"checkout","phase":"A","epoch":1,"window":{"start":"2026-11-07T01:15:00.000Z","end":"2026-11-07T01:30:00.000Z"},"verdict":"warn","rollback_required":false,"cause":"slo","metrics":[{"metric":"pay_p99","observed":812.5,"threshold":900.0,"unit":"ms","ratio":0.9027777777777778,"verdict":"warn","on_violation":"rollback"},{"metric":"declined","observed":0.1,"threshold":1.0,"unit":"%","ratio":0.1,"verdict":"ok","on_violation":"page"}],"violated":[],"policy_version":"sha256:7d1043c85600217cd241986eebbb7f986f9cff59c5f6164e05c6ff60d6d9bd81","decided_at":"2026-12-02T01:01:33.490Z","gate":{"epoch":1,"compliant_batches":3,"compliant_ms":2700000,"needed_batches":8,"needed_ms":null,"satisfied":false,"broken_by":null,"through":{"start":"2026-11-07T01:15:00.000Z","end":"2026-11-07T01:30:00.000Z"}},"evidence":{"batch_hash":"sha256:ea4b6522b62b87a6887c0fb252ca6c0bd415592a69a5df063fed970426085620","samples":1000,"history":[],"sequence":7}}"#;

    #[test]
    fn a_decision_takes_less_than_half_and_comes_back_byte_for_byte() {
        for (form, mark) in [(PACKED, "z1:"), (APART, "z2:")] {
            let packed = pack(OTHER.to_owned(), form);
            assert!(packed.starts_with(mark) && packed.len() * 2 < OTHER.len(), "{packed}");
            assert_eq!(unpack(&packed).unwrap(), OTHER);
        }
    }

    #[test]
    fn any_text_comes_back_and_what_was_never_packed_is_as_it_is() {
        for text in ["", "{}", "{\"a\":\"≤ 'quoted' 🚨\"}", &"x".repeat(1 << 20)] {
            assert_eq!(unpack(&pack(text.to_owned(), APART)).unwrap(), text);
        }
        assert_eq!(unpack("{\"v\":1}").unwrap(), "{\"v\":1}");
    }

    /// What is kept was packed by this text: another one needs another mark.
    #[test]
    fn what_was_packed_by_the_first_release_that_did_so_is_read() {
        const KEPT: &str = "z1:1028:KLUv/WAEA+0HACIOJhmAKelcIauGR+AvIw8wdnCRpE2KJICBGR0BhwPWWc4VGVQvP27ebfW21IyI8/RtlxX/NGbeYnIdV9kx2ZJYg5QUo4YoSmf187n/a5tCju6t1f5b/1IfmbmUSyVS3kg1c5Y9yJBjEVgDkZcCgUEXT6zRgxm1oih1DQWETaAJwCGAgi4DbaO/d9j+H1HGTNAgRmQNEdcEs9kCJSDQAokkkCkfBzzAu0HJgCpPGBRKaIEBqnhcNYYwn8DiibCTQXUrARUDFpsZZ3P7EVzUsTLQEyWRLjTIes+tXmNM79DHFjRopbAyh9qCSyBjoOeMYqwtZoESWppzn4RRAwI";
        assert_eq!(unpack(KEPT).unwrap(), OTHER);
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let packed = pack(OTHER.to_owned(), PACKED);
        let cut = &packed[..packed.len() - 8];
        for text in [cut, "z1:", "z1:9", "z1:x:AAAA", "z1:99999999999999:AAAA", "z1:4:AAAA", "z1:4:%%"] {
            unpack(text).expect_err(text);
        }
    }
}
