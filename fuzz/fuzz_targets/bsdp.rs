//! Any packet of a Mac: its option 43 is parsed, written and parsed again, and the whole is answered without a panic.
#![no_main]

use std::net::Ipv4Addr;

use bsdp::{
    Bindings, BootImages, DhcpMessage, DisabledModels, ListEntry, Request, Server, option43, respond,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|values: Vec<Vec<u8>>| {
    if let Ok(options) = option43::parse(values.iter().map(Vec::as_slice)) {
        if let Ok(written) = option43::emit(&options) {
            assert_eq!(option43::parse(written.iter().map(Vec::as_slice)), Ok(options));
        }
    }
    for value in &values {
        if let Ok(entries) = ListEntry::parse_all(value) {
            let written: Vec<u8> = entries.iter().flat_map(ListEntry::emit).collect();
            assert_eq!(&written, value);
        }
    }
    let server = Server {
        addr: Ipv4Addr::LOCALHOST,
        own: Vec::new(),
        name: String::new(),
        http_port: 80,
        shadow: None,
        base_priority: 1,
        disabled_models: DisabledModels::Obey,
        netboot_1: true,
        binding_lifetime: None,
    };
    let request = Request {
        message: DhcpMessage::Inform,
        mac: [2; 6],
        client_addr: Ipv4Addr::LOCALHOST,
        sender: Ipv4Addr::LOCALHOST,
        vendor_class: [b"AAPLBSDPC".as_slice(), values.first().map_or(b"", Vec::as_slice)].concat(),
        vendor_options: values,
        max_message_size: None,
    };
    respond(&server, &request, &BootImages::default(), &Bindings::default(), 0);
});
