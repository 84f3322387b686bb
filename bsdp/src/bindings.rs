//! Which image each Mac chose.

use std::collections::{BTreeMap, BTreeSet};

use crate::BootImageId;

/// The choices of all Macs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bindings {
    by_mac: BTreeMap<[u8; 6], Binding>,
    numbers: BTreeSet<u32>,
}

/// One Mac's selected image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The Mac's hardware address.
    pub mac: [u8; 6],
    /// The image that it chose.
    pub image: BootImageId,
    /// Its number among the Macs of this server, from 1: `NetBoot007` is the seventh.
    pub number: u32,
    /// The Mac's model identifier, such as `Macmini7,1`.
    pub model: String,
    /// When it chose, in seconds since 1970.
    pub at: u64,
}

/// A change of the choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A Mac has chosen an image.
    Bind(Binding),
    /// A Mac's choice is forgotten.
    Unbind([u8; 6]),
}

impl Bindings {
    /// The image a Mac selected; None when it selected none.
    pub fn get(&self, mac: [u8; 6]) -> Option<&Binding> {
        self.by_mac.get(&mac)
    }

    /// Applies a change that is on the disk.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Bind(binding) => {
                self.remove(binding.mac);
                self.numbers.insert(binding.number);
                self.by_mac.insert(binding.mac, binding);
            }
            Change::Unbind(mac) => self.remove(mac),
        }
    }

    /// The lowest number that no Mac has.
    pub fn free_number(&self) -> u32 {
        // Sorted: the first number that is not one more than the one before it leaves a gap.
        let taken = self.numbers.iter().zip(1..).take_while(|(taken, expected)| *taken == expected).count();
        u32::try_from(taken).map_or(u32::MAX, |taken| taken.saturating_add(1))
    }

    /// All choices, by hardware address.
    pub fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.by_mac.values()
    }

    /// How many Macs have chosen.
    pub fn len(&self) -> usize {
        self.by_mac.len()
    }

    /// Whether no Mac has chosen an image.
    pub fn is_empty(&self) -> bool {
        self.by_mac.is_empty()
    }

    fn remove(&mut self, mac: [u8; 6]) {
        if let Some(former) = self.by_mac.remove(&mac) {
            self.numbers.remove(&former.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_free_again_once_its_mac_is_forgotten() {
        let mut bindings = Bindings::default();
        for n in 1..=3 {
            assert_eq!(bindings.free_number(), u32::from(n));
            let image = BootImageId::from_wire([1, 0, 0, 1]);
            let mac = [2, 0, 0, 0, 0, n];
            bindings.apply(Change::Bind(Binding {
                mac,
                image,
                number: n.into(),
                model: String::new(),
                at: 0,
            }));
        }
        bindings.apply(Change::Unbind([2, 0, 0, 0, 0, 2]));
        assert_eq!((bindings.free_number(), bindings.len()), (2, 2));
        bindings.apply(Change::Unbind([2, 0, 0, 0, 0, 9]));
        assert_eq!(bindings.len(), 2);
    }
}
