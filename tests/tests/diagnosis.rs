//! Failed boots and healthy ones, each as packets against a running netbootd: `tests/boots` has the cases.

use std::path::Path;

use netbootd_tests::boot_case::play;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("boots")
}

macro_rules! cases {
    ($($test:ident $name:literal)+) => {
        $(#[test]
        fn $test() {
            play(&folder().join($name));
        })+
        /// A folder that no test plays proves nothing.
        #[test]
        fn every_case_is_played() {
            let mut there: Vec<String> = std::fs::read_dir(folder())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            there.sort();
            assert_eq!(there, [$($name),+]);
        }
    };
}

cases! {
    another_server "another-server"
    boot_server_port_closed "boot-server-port-closed"
    efi_program_on_bios "efi-program-on-bios"
    grub_beside_a_dhcp_server "grub-beside-a-dhcp-server"
    healthy_grub "healthy-grub"
    healthy_http "healthy-http"
    healthy_linux "healthy-linux"
    initrd_missing "initrd-missing"
    kernel_missing "kernel-missing"
    mtu_hole "mtu-hole"
    naks_in_a_row "naks-in-a-row"
    no_address "no-address"
    no_dns_for_the_url "no-dns-for-the-url"
    no_management_point "no-management-point"
    ports_closed "ports-closed"
    raspberry_pi_proxy "raspberry-pi-proxy"
    raspberry_pi_server "raspberry-pi-server"
    relay_without_4011 "relay-without-4011"
    router_as_next_server "router-as-next-server"
    second_dhcp_server "second-dhcp-server"
    shared_guid "shared-guid"
    shim_boot_entry_name "shim-boot-entry-name"
    signer_not_trusted "signer-not-trusted"
    silent_system "silent-system"
    slow_machine "slow-machine"
    spanning_tree "spanning-tree"
    unsigned_program "unsigned-program"
    url_over_tftp "url-over-tftp"
    windows_pe_restarts "windows-pe-restarts"
}
