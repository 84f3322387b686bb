//! Failed boots and healthy ones, each as packets against a running netbootd: `tests/boots` has the
//! cases.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use netbootd_tests::boot_case::replay;

netbootd_tests::boot_cases! {
    "boots":
    address_conflict "address-conflict"
    address_translated "address-translated"
    another_program_on_this_host "another-program-on-this-host"
    another_server "another-server"
    arm_machine_gets_x64 "arm-machine-gets-x64"
    bcd_missing "bcd-missing"
    bios_program_on_uefi "bios-program-on-uefi"
    boot_server_port_closed "boot-server-port-closed"
    certificate_expired "certificate-expired"
    colon_in_a_name "colon-in-a-name"
    efi_program_on_bios "efi-program-on-bios"
    grub_beside_a_dhcp_server "grub-beside-a-dhcp-server"
    grub_initrd_missing "grub-initrd-missing"
    grub_modules_missing "grub-modules-missing"
    half_a_file "half-a-file"
    healthy_fixed_address "healthy-fixed-address"
    healthy_grub "healthy-grub"
    healthy_http "healthy-http"
    healthy_installers "healthy-installers"
    healthy_linux "healthy-linux"
    healthy_plain_client "healthy-plain-client"
    healthy_size_probes "healthy-size-probes"
    healthy_three_cards "healthy-three-cards"
    healthy_uboot "healthy-uboot"
    healthy_windows_pe "healthy-windows-pe"
    http_stalled "http-stalled"
    https_authority_missing "https-authority-missing"
    https_old_cipher_suites "https-old-cipher-suites"
    initrd_missing "initrd-missing"
    ipxe_loop "ipxe-loop"
    ipxe_menu_initrd_missing "ipxe-menu-initrd-missing"
    ipxe_without_driver "ipxe-without-driver"
    jumbo_blocks "jumbo-blocks"
    kernel_missing "kernel-missing"
    kernel_of_another_processor "kernel-of-another-processor"
    kernel_without_initrd "kernel-without-initrd"
    lease_from_elsewhere "lease-from-elsewhere"
    library_missing "library-missing"
    long_boot_file_name "long-boot-file-name"
    menu_names_missing_kernel "menu-names-missing-kernel"
    mtu_hole "mtu-hole"
    naks_in_a_row "naks-in-a-row"
    network_changed "network-changed"
    no_address "no-address"
    no_dns_for_the_url "no-dns-for-the-url"
    no_management_point "no-management-point"
    option_overload "option-overload"
    other_server_nak "other-server-nak"
    packet_loss "packet-loss"
    ports_closed "ports-closed"
    pxelinux_configurations_missing "pxelinux-configurations-missing"
    raspberry_pi_proxy "raspberry-pi-proxy"
    raspberry_pi_server "raspberry-pi-server"
    relay_answers_lost "relay-answers-lost"
    relay_without_4011 "relay-without-4011"
    router_as_next_server "router-as-next-server"
    script_leads_elsewhere "script-leads-elsewhere"
    script_loop "script-loop"
    script_names_a_host "script-names-a-host"
    script_without_first_line "script-without-first-line"
    second_dhcp_server "second-dhcp-server"
    second_proxydhcp "second-proxydhcp"
    shared_guid "shared-guid"
    shim_boot_entry_name "shim-boot-entry-name"
    shim_refuses_grub "shim-refuses-grub"
    signer_not_trusted "signer-not-trusted"
    silent_system "silent-system"
    size_asked_only "size-asked-only"
    slow_machine "slow-machine"
    slow_round_trips "slow-round-trips"
    spanning_tree "spanning-tree"
    unsigned_kernel "unsigned-kernel"
    unsigned_program "unsigned-program"
    url_over_tftp "url-over-tftp"
    windows_pe_restarts "windows-pe-restarts"
    windows_pe_without_driver "windows-pe-without-driver"
}

#[test]
fn every_case_that_fails_has_a_healthy_twin() {
    for name in names().iter().filter(|name| !name.starts_with("healthy-")) {
        assert!(folder().join(name).join("healthy.txt").exists(), "{name} has none");
    }
}

/// The table between the marks in `docs/troubleshooting.md`; `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_documentation_says_how_fast_each_case_is_named() {
    let mut text = String::from("\n\n| boot | case | cause | seconds |\n| --- | --- | --- | --- |\n");
    let (mut healthy, mut causes) = (0, BTreeSet::new());
    for name in names() {
        let folder = folder().join(&name);
        let found = replay(&folder);
        healthy += u32::from(folder.join("healthy.txt").exists()) + u32::from(found.is_empty());
        let script = fs::read_to_string(folder.join("boot.txt")).unwrap();
        let story = script.lines().next().unwrap().trim_start_matches("# ").replace('|', "/");
        for (place, found) in found.iter().enumerate() {
            let story = if place == 0 { story.as_str() } else { "" };
            let seconds = found.after.as_secs_f64();
            text.push_str(&format!("| {story} | `{name}` | `{}` | {seconds:.1} |\n", found.cause));
            causes.insert(found.cause.clone());
        }
    }
    let matrix = include_str!("boot_matrix.rs").matches("#[test]").count();
    let simulated = include_str!("../../netbootd/diagnosis/src/tests/healthy.rs");
    assert!(simulated.contains("const BOOTS: u64 = 200;"));
    let kinds = simulated.matches("boots(kinds::").count();
    text.push_str(&format!(
        "\n{} causes from packets. False alarms: 0 in {healthy} healthy boots of `tests/boots` at any time,\n\
         0 in {} simulated ones of `netbootd/diagnosis` (200 of each of {kinds} kinds of client, and\n\
         of a site that has all of them), 0 at the end of the boots of real firmware ({matrix} tests of\n\
         the boot matrix).\n\n",
        causes.len(),
        200 * (kinds + 1)
    ));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    let page = fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (written, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{text}{END}{tail}")).unwrap();
    } else {
        assert!(
            written == text,
            "docs/troubleshooting.md differs from the cases; UPDATE_GOLDEN=1 rewrites it"
        );
    }
}

const BEGIN: &str = "<!-- tests/tests/diagnosis.rs generates the table. -->";
const END: &str = "<!-- end -->";
