//! Rows of machines that operators assigned something to.

use super::*;
use crate::{BootNext, Target};

pub(super) fn table() -> Vec<Row> {
    let required = || vec![known(vec![required("PS120083")])];
    let file = || Target::File("menu.efi".into());
    let image = || Target::Image("PS100006".into());
    let once = |target| device(None, Some(next(target, true, None)));
    let used = || Given { record: Some("boot-next/1"), deployment: "boot-next", ..given(NOW - DAY) };
    let this_boot = || Given { at: NOW - 30, ..used() };
    vec![
        Row {
            answers: required(),
            assigned: once(file()),
            ..row(
                "an operator wants a file next, once: it goes before the site",
                ("menu.efi", Reason::BootNext),
            )
        },
        Row {
            answers: required(),
            assigned: once(file()),
            given: vec![this_boot()],
            ..row("next, once, asked again in the same boot", ("menu.efi", Reason::BootNext))
        },
        Row {
            answers: required(),
            assigned: once(file()),
            given: vec![used()],
            ..row("next, once, booted yesterday", (UEFI, Reason::Required))
        },
        Row {
            answers: required(),
            assigned: device(None, Some(next(file(), true, Some(NOW - 1)))),
            ..row("next, and the time for it is over", (UEFI, Reason::Required))
        },
        Row {
            answers: required(),
            assigned: device(None, Some(next(file(), true, Some(NOW - 1)))),
            given: vec![this_boot()],
            ..row("next, begun before the time for it was over", ("menu.efi", Reason::BootNext))
        },
        Row {
            answers: required(),
            assigned: once(Target::Disk),
            ..row("next, its own disk", ("disk", Reason::BootNext))
        },
        Row {
            assigned: device(Some(image()), Some(next(file(), false, Some(NOW + DAY)))),
            ..row("until tomorrow a file, then the image that is assigned", ("menu.efi", Reason::BootNext))
        },
        Row {
            answers: required(),
            assigned: device(Some(image()), None),
            ..row(
                "an image is assigned: it goes before the site",
                ("PS100006/boot/x64/bootmgfw.efi", Reason::Assigned),
            )
        },
        Row {
            answers: required(),
            assigned: once(Target::File("gone.efi".into())),
            ..row("next, and the file is not here", (UEFI, Reason::Required))
        },
        Row {
            answers: required(),
            assigned: device(Some(Target::Image("gone".into())), None),
            ..row("assigned, and the image is not here", ("disk", Reason::NoBootFile))
        },
        Row {
            answers: required(),
            assigned: device(None, None),
            ..row("registered with a name alone", (UEFI, Reason::Required))
        },
        Row {
            answers: vec![answer(DirectoryAnswer::default())],
            menu: true,
            ..row("nothing decides, and the boot menu is on", ("ipxe.efi", Reason::Menu))
        },
    ]
}

fn next(target: Target, once: bool, until: Option<Seconds>) -> BootNext {
    BootNext { target, once, until, at: NOW - DAY, number: 1 }
}

fn device(boot: Option<Target>, next: Option<BootNext>) -> Option<Assignment> {
    Some(Assignment { name: "kiosk-7".into(), boot, next, ..Assignment::new(pc().mac) })
}
