//! From what policy offers a Mac to the images that are here.

use std::collections::BTreeMap;

use bsdp::nbi::SUFFIX;
use bsdp::{Allowed, BootImage, BootImageId};
use netbootd_content::shares::Scan;
use pxe_policy::{Decision, ImageOffer, ImageSelector};

/// The images that a decision permits a Mac.
pub(super) fn allowed(decision: &Decision, scan: &Scan) -> Allowed {
    match decision {
        Decision::Images(offer) => of_offer(offer, scan),
        // A choice of such a Mac is refused at once, so that it goes on to its disk.
        Decision::LocalBoot | Decision::Wait => Allowed::NONE,
        Decision::Boot(_) | Decision::Relay | Decision::Refer(_) | Decision::Ignore => Allowed::Silence,
    }
}

fn of_offer(offer: &ImageOffer, scan: &Scan) -> Allowed {
    let find = |selector: &ImageSelector| {
        let ids = scan.images.iter().filter(|image| selects(selector, image, scan)).map(|image| image.id);
        ids.collect::<Vec<BootImageId>>()
    };
    Allowed::Images {
        only: offer.only.as_ref().map(|only| only.iter().flat_map(find).collect()),
        default: offer.default.as_ref().and_then(|default| find(default).first().copied()),
    }
}

pub(super) fn selects(selector: &ImageSelector, image: &BootImage, scan: &Scan) -> bool {
    let none = BTreeMap::new();
    let folder = image.folder.strip_suffix(SUFFIX).unwrap_or(&image.folder);
    let labels = scan.labels.get(&image.id).unwrap_or(&none);
    selector.selects(&[folder, &image.name, &image.id.to_string()], labels)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bsdp::{BootImageType, BootImages, DefaultRule, ImageKind, Place, RootPath};

    use super::*;

    fn image(index: u16, folder: &str, name: &str) -> BootImage {
        BootImage {
            folder: folder.into(),
            place: Place { tftp: String::new(), http: String::new(), nfs_export: String::new() },
            id: BootImageId { install: true, kind: ImageKind::MAC_OS_X, index, reserved: 0 },
            name: name.into(),
            kind: BootImageType::BootFileOnly,
            root: RootPath::None,
            booters: Vec::new(),
            enabled: true,
            default: false,
            diskless: false,
            filter_only: false,
            enabled_models: Vec::new(),
            disabled_models: Vec::new(),
            enabled_macs: None,
            disabled_macs: Vec::new(),
            load_balance_server: None,
        }
    }

    #[test]
    fn a_mac_is_offered_what_its_names_and_labels_select() {
        let read = vec![image(1, "Sierra.nbi", "Install Sierra"), image(2, "Mojave.nbi", "Install Mojave")];
        let id = |index| image(index, "", "").id;
        let labels = HashMap::from([(id(2), BTreeMap::from([("lab".to_owned(), "berlin".to_owned())]))]);
        let scan = Scan { images: BootImages::new(read, DefaultRule::Apple).0, labels, ..Scan::default() };
        let of = |words: &[&str], default: Option<&str>| {
            let offer = ImageOffer::of_words(words.iter().copied()).unwrap();
            let default = default.map(|text| text.parse().unwrap());
            allowed(&Decision::Images(ImageOffer { default, ..offer }), &scan)
        };
        let images = |only: Option<&[u16]>, default: Option<u16>| Allowed::Images {
            only: only.map(|only| only.iter().map(|index| id(*index)).collect()),
            default: default.map(id),
        };
        assert_eq!(of(&["all"], Some("install mojave")), images(None, Some(2)));
        assert_eq!(of(&["Sierra.nbi", "label:lab=berlin"], None), images(Some(&[1, 2]), None));
        assert_eq!(of(&["label:lab"], Some("81000001")), images(Some(&[2]), Some(1)));
        assert_eq!(of(&["gone"], Some("gone")), images(Some(&[]), None));
        assert_eq!(of(&["none"], None), Allowed::NONE);
        for decision in [Decision::LocalBoot, Decision::Wait] {
            assert_eq!(allowed(&decision, &scan), Allowed::NONE);
        }
        assert_eq!(allowed(&Decision::Ignore, &scan), Allowed::Silence);
    }
}
