//! Native histograms as remote write sends them, version 0.1.0: protobuf in a block of snappy, written by hand, as nothing else
//! here writes either.

/// A native histogram of schema 0: each bucket reaches up to a power of two.
#[derive(Debug, Clone)]
pub struct Native {
    /// Since 1970.
    pub second: i64,
    /// The first bucket reaches up to two to this power.
    pub first: i64,
    /// Of neighbouring buckets.
    pub counts: Vec<i64>,
}

/// The body of a request with one series; labels in order.
#[must_use]
pub fn body(labels: &[(&str, &str)], samples: &[Native]) -> Vec<u8> {
    let mut series = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        part(&mut label, 1, name.as_bytes());
        part(&mut label, 2, value.as_bytes());
        part(&mut series, 1, &label);
    }
    for sample in samples {
        part(&mut series, 4, &histogram(sample));
    }
    let mut request = Vec::new();
    part(&mut request, 1, &series);
    snappy(&request)
}

fn histogram(of: &Native) -> Vec<u8> {
    let Native { second, first, counts } = of;
    let mut bytes = Vec::new();
    number(&mut bytes, 1, counts.iter().sum::<i64>().unsigned_abs());
    number(&mut bytes, 4, 0);
    let mut span = Vec::new();
    number(&mut span, 1, zigzag(*first));
    number(&mut span, 2, counts.len() as u64);
    part(&mut bytes, 11, &span);
    let (mut deltas, mut before) = (Vec::new(), 0);
    for count in counts {
        varint(&mut deltas, zigzag(count - before));
        before = *count;
    }
    part(&mut bytes, 12, &deltas);
    number(&mut bytes, 15, (second * 1000).unsigned_abs());
    bytes
}

fn number(bytes: &mut Vec<u8>, field: u64, value: u64) {
    varint(bytes, field << 3);
    varint(bytes, value);
}

fn part(bytes: &mut Vec<u8>, field: u64, content: &[u8]) {
    varint(bytes, field << 3 | 2);
    varint(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// Literals only: it need not be small.
fn snappy(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(&mut bytes, content.len() as u64);
    for piece in content.chunks(1 << 16) {
        bytes.push(61 << 2);
        bytes.extend_from_slice(&(piece.len() - 1).to_le_bytes()[..2]);
        bytes.extend_from_slice(piece);
    }
    bytes
}
