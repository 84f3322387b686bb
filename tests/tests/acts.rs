//! netbootd's remedies for a boot that would fail, its lines about senders and about boots that are
//! over, and failures from the field, as packets against a running netbootd: `tests/acts` has the
//! cases.
#![allow(clippy::unwrap_used)] // helpers of tests

netbootd_tests::boot_cases! {
    "acts":
    block_rollover "block-rollover"
    boot_file_elsewhere "boot-file-elsewhere"
    broadcast_requests "broadcast-requests"
    digest_of_boot_image "digest-of-boot-image"
    empty_file "empty-file"
    exhausted_pool "exhausted-pool"
    flood_by_hardware_address "flood-by-hardware-address"
    flood_is_named "flood-is-named"
    flood_of_machines "flood-of-machines"
    foreign_boot_file "foreign-boot-file"
    forged_in_anothers_name "forged-in-anothers-name"
    forged_read_requests "forged-read-requests"
    forged_without_icmp "forged-without-icmp"
    healthy_installer "healthy-installer"
    healthy_other_case "healthy-other-case"
    image_of_another_architecture "image-of-another-architecture"
    image_disk_full "image-disk-full"
    interface_mtu "interface-mtu"
    kernel_refused "kernel-refused"
    misspelled_name "misspelled-name"
    no_address_over_ipv6 "no-address-over-ipv6"
    no_file_name "no-file-name"
    no_rule_for_the_architecture "no-rule-for-the-architecture"
    nothing_found "nothing-found"
    other_network_card "other-network-card"
    object_storage_away "object-storage-away"
    out_of_memory "out-of-memory"
    raspberry_pi_folders "raspberry-pi-folders"
    record_of_another_machine "record-of-another-machine"
    root_file_system_missing "root-file-system-missing"
    rule_file_missing "rule-file-missing"
    saved_error_page "saved-error-page"
    script_for_firmware "script-for-firmware"
    shared_adapter "shared-adapter"
    shim_boot_entry_name_served "shim-boot-entry-name-served"
    spanning_tree_key_off "spanning-tree-key-off"
    spanning_tree_snponly "spanning-tree-snponly"
    switch_port_by_lldp "switch-port-by-lldp"
    unsigned_grub "unsigned-grub"
    url_over_tftp_own "url-over-tftp-own"
}

#[test]
fn every_case_has_a_healthy_twin() {
    for name in names().iter().filter(|name| !name.starts_with("healthy-")) {
        assert!(folder().join(name).join("healthy.txt").exists(), "{name} has none");
    }
}
