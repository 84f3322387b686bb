//! The `netbootd` command.

fn main() {}
