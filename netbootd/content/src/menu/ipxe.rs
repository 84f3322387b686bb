//! The menu as a script of iPXE. An entry leads to a script of its own, so that five hundred images
//! stay a small one.

use netbootd_dhcp::v4::boot_info::escaped;

use super::words::{range, shown};
use super::{Entry, Loader, Menu, PAGE, PROTECTED, Starts};
use crate::template::Asker;

pub(super) fn menu(menu: &Menu, asker: &Asker) -> String {
    let base = &asker.origin;
    let pages: Vec<&[Entry]> = menu.entries.chunks(PAGE).collect();
    let is_paged = pages.len() > 1;
    let mut text = format!("#!ipxe\n{}\n", asker.reporting.ipxe_started());
    let milliseconds = menu.timeout.as_millis();
    let default = menu.default.map(|at| &menu.entries[at]);
    text.push_str(&format!(":start\nmenu {}\n", shown(&menu.title, 60)));
    text.push_str("item netbootd.disk Boot from the disk\n");
    // The entry that starts by itself is on the first page.
    if let Some(entry) = default.filter(|_| is_paged) {
        text.push_str(&item(entry));
    }
    for (number, page) in (1..).zip(&pages) {
        match is_paged {
            true => text.push_str(&format!("item netbootd.page{number} {} ...\n", names(page))),
            false => page.iter().for_each(|entry| text.push_str(&item(entry))),
        }
    }
    let default = default.map_or_else(|| "netbootd.disk".to_owned(), |entry| label(&entry.image));
    let timeout = if milliseconds == 0 { String::new() } else { format!(" --timeout {milliseconds}") };
    text.push_str(&format!(
        "choose --default {default}{timeout} selected || goto netbootd.disk\ngoto picked\n"
    ));
    for (number, page) in (1..).zip(pages.iter().filter(|_| is_paged)) {
        text.push_str(&format!(":netbootd.page{number}\nmenu {}: {}\n", shown(&menu.title, 30), names(page)));
        page.iter().for_each(|entry| text.push_str(&item(entry)));
        text.push_str("item start Back ...\nchoose selected || goto start\ngoto picked\n");
    }
    // A label of this script, or else an image.
    text.push_str(
        ":picked\niseq ${selected} start && goto start ||\n\
         iseq ${selected} netbootd.disk && goto netbootd.disk ||\n",
    );
    for number in 1..=pages.len() * usize::from(is_paged) {
        text.push_str(&format!(
            "iseq ${{selected}} netbootd.page{number} && goto netbootd.page{number} ||\n"
        ));
    }
    text.push_str(&format!(
        "set step script\nset file {base}/netbootd/image/${{selected}}.ipxe\n\
         chain --autofree ${{file}} || goto failed\ngoto start\n\
         :netbootd.disk\nexit\n{}\n",
        asker.reporting.ipxe_failed()
    ));
    text
}

/// The script that starts one image.
pub(super) fn start(entry: &Entry, asker: &Asker) -> String {
    let at = |path: &str| asker.origin.url(path);
    let chain = |path: &str| {
        let failed = asker.reporting.ipxe_failed();
        format!(
            "#!ipxe\nset step script\nset file {}\nchain --autofree ${{file}} || goto failed\n{failed}\n",
            at(path)
        )
    };
    match &entry.starts {
        Starts::Kernel(kernel) => super::kernel::config(kernel, &entry.title, Loader::Ipxe, asker),
        Starts::Script(path) | Starts::Program(path) => chain(path),
    }
}

/// The script that asks for the password of an image, and shows it to the server.
pub(super) fn login(entry: &Entry, asker: &Asker) -> String {
    let (scheme, host) = (asker.origin.scheme(), asker.origin.authority());
    // Nothing of a former try stays.
    format!(
        "#!ipxe\nset username netbootd\nclear password\nlogin || exit\n\
         chain --autofree {scheme}://${{username:uristring}}:${{password:uristring}}@{host}/{PROTECTED}{}.ipxe \
         || goto wrong\nexit\n:wrong\necho The password is wrong.\nsleep 3\nexit 1\n",
        label(&entry.image)
    )
}

fn item(entry: &Entry) -> String {
    let lock = if entry.is_protected { " (password)" } else { "" };
    format!("item {} {}{lock}\n", label(&entry.image), shown(&entry.title, 60))
}

/// The image's name as URLs have it: it has neither blanks nor signs of iPXE.
fn label(image: &str) -> String {
    escaped(image)
}

fn names(page: &[Entry]) -> String {
    range(&page.iter().map(|entry| entry.title.as_str()).collect::<Vec<_>>())
}
