//! `netbootd image remove` and `netbootd image tag`.

use imagestore::Store;
use netbootd_content::curate::{self, CurateError};

use super::super::Failure;
use super::{failure, now, show_collected};
use crate::cli::out::outln;

/// Removes an image or one of its versions.
pub(super) fn remove(store: &Store, name: &str, version: Option<&str>) -> Result<(), Failure> {
    let removed = curate::remove(store, name, version, now()).map_err(refused)?;
    removed.note.inspect(|note| outln!("{note}"));
    show_collected(&removed.collected);
    Ok(())
}

/// Makes a version the one that is served, and gives it labels.
pub(super) fn tag(
    store: &Store,
    name: &str,
    version: Option<&str>,
    labels: &[(String, String)],
) -> Result<(), Failure> {
    let tagged = curate::tag(store, name, version, labels).map_err(refused)?;
    tagged.note.inspect(|note| outln!("{note}"));
    outln!("{}", tagged.record.current);
    Ok(())
}

fn refused(error: CurateError) -> Failure {
    match error {
        CurateError::Store(error) => failure(error),
        error => Failure::NoAnswer(error.to_string()),
    }
}
