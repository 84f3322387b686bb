//! Any NBImageInfo.plist, XML or binary: read or refused, within bounds.
#![no_main]

use std::net::Ipv4Addr;

use bsdp::{BootImage, NbiInfo, Place};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(info) = NbiInfo::parse(bytes) {
        let place = Place { tftp: String::new(), http: String::new(), nfs_export: String::new() };
        let _ = BootImage::check("A.nbi", &info, &place, |_| true, |_| Some(Ipv4Addr::LOCALHOST));
    }
});
