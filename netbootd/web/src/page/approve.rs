//! The pages that an operator decides about a machine on: approve it, boot it otherwise, register
//! it.

use minijinja::context;
use netbootd_server::explain::{AskedAs, explained_as};
use pxe_policy::MacAddr;

use super::rows::RowView;
use super::{Part, framed, serialized, words};
use crate::board::Row;
use crate::console::{Asked, Console};

pub(super) async fn page(console: &Console, asked: &Asked<'_>, mac: &str) -> Option<Part> {
    let mac: MacAddr = mac.parse().ok()?;
    let now = std::time::SystemTime::now();
    let row = console.board.row(mac);
    let pending =
        console.services.approvals.list().into_iter().find(|machine| machine.mac == mac.to_string());
    let explained = explained_as(&console.services, &console.daemon.source, mac, &AskedAs::default()).await;
    let values = context! {
        row => serialized(row.as_deref().map_or_else(|| RowView::forgotten(mac), |row| RowView::new(row, now))),
        number => pending.map(|machine| words::number(machine.id.into())),
        would => console.would_get(mac, &explained),
        explained => serialized(explained),
    };
    let title = format!("Approve {}", row.as_deref().map_or_else(|| mac.to_string(), Row::title));
    Some(framed(console, asked, "approve.html", &title, "/machines", values))
}

/// The form for a machine's next boot: an image, a file or its disk; once, for a time, or always.
pub(super) async fn boot(console: &Console, asked: &Asked<'_>, mac: &str) -> Option<Part> {
    let mac: MacAddr = mac.parse().ok()?;
    let (row, images) = (view(console, mac), images(console));
    let explained = explained_as(&console.services, &console.daemon.source, mac, &AskedAs::default()).await;
    let title = format!("Boot {} next", row.title);
    let values = context! {
        row => serialized(row),
        images,
        would => console.would_get(mac, &explained),
    };
    Some(framed(console, asked, "boot.html", &title, "/machines", values))
}

/// A machine's name, tags, note and lasting boot.
pub(super) fn assign(console: &Console, asked: &Asked<'_>, mac: &str) -> Option<Part> {
    let mac: MacAddr = mac.parse().ok()?;
    let (row, images) = (view(console, mac), images(console));
    let title = format!("Register {}", row.title);
    let known = netbootd_server::devices::view(&console.services, mac);
    let device = known.map(|known| {
        context! {
            name => known.name,
            boot => known.boot.map(|target| target.to_string()),
            tags => known.tags.join(", "),
            note => known.note,
        }
    });
    let device = device.unwrap_or_else(|| context! {});
    let values = context! { row => serialized(row), images, device };
    Some(framed(console, asked, "assign.html", &title, "/machines", values))
}

fn view(console: &Console, mac: MacAddr) -> RowView {
    let row = console.board.row(mac);
    row.as_deref()
        .map_or_else(|| RowView::forgotten(mac), |row| RowView::new(row, std::time::SystemTime::now()))
}

fn images(console: &Console) -> Vec<String> {
    console.services.snapshot.load().files.images().into_iter().map(|image| image.name).collect()
}
