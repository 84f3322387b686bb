//! The boot programs of an image: who signed them, and whether they are revoked.

use std::collections::BTreeMap;

use boot_program::Revocations;
use imagestore::{Manifest, Store};
use netbootd_content::secure_boot::{self, MAX_PROGRAM, ProgramReport};
use netbootd_net::with_causes;

use super::{Failure, ImageArgs};
use crate::cli::client::config_of;

/// Reads the image's boot programs, by their paths.
pub(super) fn of_image(
    store: &Store,
    args: &ImageArgs,
    manifest: &Manifest,
) -> Result<BTreeMap<String, ProgramReport>, Failure> {
    let revocations = match &args.store {
        // A store by itself, without a configuration, has no lists of its own.
        Some(_) => Revocations::bundled(),
        None => secure_boot::revocations(&config_of(&args.site)?.server.state_dir)
            .map_err(|error| Failure::Unusable(with_causes(&error)))?,
    };
    let programs = manifest.files.iter().filter(|file| has_the_name_of_one(&file.path)).take(MAX_PROGRAMS);
    let read = programs.filter_map(|file| {
        let blob = store.blob(&file.digest).ok()?;
        let program = secure_boot::read_part(&blob, file.at.unwrap_or(0), file.size, MAX_PROGRAM).ok()?;
        Some((file.path.clone(), secure_boot::report(&file.path, &program, &revocations)))
    });
    Ok(read.collect())
}

fn has_the_name_of_one(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.ends_with(".efi") || path.ends_with(".efi.signed")
}

/// Installation media have a dozen.
const MAX_PROGRAMS: usize = 64;
