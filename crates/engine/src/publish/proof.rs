//! The proof that one tree extends another, out of what an archive holds.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use halligan_log::proof::Consistency;
use halligan_log::{Checkpoint, Hash};

use crate::ports::LogReader;

/// The proof that the tree of `checkpoint`, which `reader` holds, extends its own of `old` entries.
pub(super) async fn consistency(
    reader: &dyn LogReader,
    old: u64,
    checkpoint: &Checkpoint,
) -> Result<Vec<Hash>, String> {
    let plan = Consistency::plan(old, checkpoint.size, checkpoint.size).map_err(|error| error.to_string())?;
    let objects = plan.objects();
    let reads: Vec<_> = objects.iter().map(|object| reader.read(*object)).collect();
    let found = try_join_all(reads).await.map_err(|error| error.to_string())?;
    let mut read: BTreeMap<_, _> =
        objects.into_iter().zip(found).filter_map(|(object, stored)| Some((object, stored?.bytes))).collect();
    let proved = plan.prove(checkpoint.root, |object| read.remove(&object));
    proved.map(|prefix| prefix.proof).map_err(|error| error.to_string())
}
