//! How special a finding is: a packet that proves it goes before a silence that suggests it.

pub(crate) const REPORTED: u8 = 95;
pub(crate) const PROVEN: u8 = 90;
pub(crate) const REFUSED: u8 = 80;
pub(crate) const PROGRAM: u8 = 70;
pub(crate) const SILENCE: u8 = 60;
pub(crate) const REPEATED: u8 = 50;
pub(crate) const SLOW: u8 = 40;
pub(crate) const IDENTITY: u8 = 30;
pub(crate) const MENDED: u8 = 20;
