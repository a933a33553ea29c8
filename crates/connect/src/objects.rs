//! How large the objects of a log can be.

use halligan_log::bundle::TEXT_BYTES_MAX;
use halligan_log::{Hash, Object, Span};

/// A checkpoint has a line for each of its cosigners.
const CHECKPOINT_BYTES_MAX: usize = 64 << 10;
/// A size and a root.
const SUCCESSOR_BYTES_MAX: usize = 128;
/// The length before each text of a bundle.
const LENGTH_BYTES: usize = 2;

/// The most bytes that such an object can have. Whoever reads it takes one more at
/// most: it is then what no such object is, and is found out where it is verified.
pub(crate) fn bytes_max(object: Object) -> usize {
    let of = |span: Span, each: usize| usize::from(span.width) * each;
    match object {
        Object::Checkpoint => CHECKPOINT_BYTES_MAX,
        Object::Entries(span) | Object::Personal(span) => of(span, LENGTH_BYTES + TEXT_BYTES_MAX),
        Object::Hashes { span, .. } => of(span, size_of::<Hash>()),
        Object::Successor { .. } => SUCCESSOR_BYTES_MAX,
    }
}
