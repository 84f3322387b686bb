//! The short form of `make chaos`.

use netbootd_tests::chaos;

#[test]
fn what_was_told_survives_a_kill_at_any_instant() {
    chaos::kills(10);
}

#[test]
fn what_was_told_survives_a_power_loss_at_any_instant() {
    chaos::power_losses(5);
}

#[test]
fn transfers_end_before_netbootd_does_but_do_not_hold_it_up() {
    chaos::stops(1);
}

#[test]
fn a_reload_drops_no_transfer() {
    chaos::reloads(3);
}

#[test]
fn a_blob_that_is_damaged_while_it_is_read_is_given_whole_to_nobody() {
    chaos::damaged_blobs(1);
}

#[test]
fn a_blob_that_its_disk_cannot_read_any_more_is_given_whole_to_nobody() {
    chaos::unreadable_blobs(1);
}

#[test]
fn links_that_go_and_come_and_addresses_that_change_are_followed() {
    chaos::links(1);
}

#[test]
fn what_a_full_disk_does_not_take_is_told_to_nobody() {
    chaos::full_state_disk(1);
}

#[test]
fn machines_boot_while_a_directory_hangs() {
    chaos::hanging_directories(10);
}

#[test]
fn machines_are_answered_while_replies_to_relays_that_nobody_is_find_no_neighbour() {
    chaos::silent_relays_briefly();
}

#[test]
fn machines_boot_beside_read_requests_in_the_names_of_others() {
    chaos::forged_reads_briefly();
}

#[test]
fn twenty_thousand_sessions_leave_nothing_behind() {
    chaos::churn(20_000);
}

#[test]
fn a_boot_file_that_is_overwritten_is_never_delivered_as_a_mix() {
    chaos::overwrites(3);
}

#[test]
fn connections_that_ask_for_nothing_keep_nobody_out() {
    chaos::idle_connections(200);
}

#[test]
fn connections_that_take_nothing_are_cut() {
    chaos::stuck_connections(100);
}
