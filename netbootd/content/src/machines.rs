//! The machines seen lately: each one's last request, verdict and address.
//!
//! This is how a file request, which carries an IP address only, finds the machine it comes from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;
use pxe_policy::{BootRequest, Class, MacAddr, SystemUuid, Verdict};

/// The knowledge about one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its last boot request, without a GUID that is banned.
    pub request: BootRequest,
    /// The GUID that it sent, banned or not.
    pub uuid: Option<SystemUuid>,
    /// The verdict on that request.
    pub verdict: Verdict,
}

impl Machine {
    /// Its last boot request as it came.
    pub fn asked(&self) -> BootRequest {
        BootRequest { uuid: self.uuid, ..self.request.clone() }
    }
}

/// The table. At most [`MAX_MACHINES`]; the least recently seen leave first.
#[derive(Debug, Default)]
pub struct Machines {
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    machines: LruCache<MacAddr, Entry>,
    by_addr: HashMap<IpAddr, MacAddr>,
}

#[derive(Debug, Default)]
struct Entry {
    machine: Option<Arc<Machine>>,
    v4: Option<IpAddr>,
    /// The item of the firmware's menu that was chosen, and when.
    item: Option<(u16, Instant)>,
    /// When something was last asked for from one of its addresses.
    active: Option<Instant>,
    /// Firmware has several: one that it boots by, others that it made or asked for on the way. At
    /// most [`MAX_V6`], the latest last.
    v6: Vec<IpAddr>,
}

impl Machines {
    /// Remembers a machine's request and verdict; `uuid` is the GUID that it sent, banned or not.
    pub fn decided(&self, request: &BootRequest, uuid: Option<SystemUuid>, verdict: &Verdict) {
        let machine = Machine { request: request.clone(), uuid, verdict: verdict.clone() };
        self.with(|table| {
            let entry = table.touch(request.mac);
            entry.machine = Some(Arc::new(machine));
            if request.class == Class::Pxe {
                entry.item = request.item.map(|item| (item, Instant::now()));
            }
        });
    }

    /// The item of the firmware's menu that was chosen at a machine a moment ago, for the boot
    /// loader that the choice has started.
    pub fn chosen_item(&self, mac: MacAddr) -> Option<u16> {
        let (item, at) = self.with(|table| table.machines.peek(&mac)?.item)?;
        (at.elapsed() < CHOICE).then_some(item)
    }

    /// Remembers that a machine uses an address: it asked a server for it, was given it, or speaks
    /// from it.
    pub fn uses(&self, mac: MacAddr, addr: impl Into<IpAddr>) {
        let addr = addr.into();
        let broadcast = matches!(addr, IpAddr::V4(addr) if addr.is_broadcast());
        if addr.is_unspecified() || broadcast || addr.is_multicast() {
            return;
        }
        self.with(|table| {
            let former = table.touch(mac).uses(addr);
            if let Some(former) = former.filter(|former| *former != addr) {
                table.forget_addr(former, mac);
            }
            table.by_addr.insert(addr, mac);
        });
    }

    /// The same of an address that a machine only claims: it takes none from another machine that
    /// fetches files from it.
    pub fn claims(&self, mac: MacAddr, addr: impl Into<IpAddr>) {
        let addr = addr.into();
        let is_taken = self.with(|table| {
            let owner = table.by_addr.get(&addr).filter(|owner| **owner != mac);
            let active = owner.and_then(|owner| table.machines.peek(owner)?.active);
            active.is_some_and(|at| at.elapsed() < FETCHES)
        });
        if !is_taken {
            self.uses(mac, addr);
        }
    }

    /// The hardware address behind an IP address that asks for a file.
    pub fn mac_of(&self, addr: impl Into<IpAddr>) -> Option<MacAddr> {
        let addr = addr.into();
        self.with(|table| {
            let mac = table.by_addr.get(&addr).copied()?;
            // A machine that fetches files stays in the table, however many others appear
            // meanwhile.
            if let Some(entry) = table.machines.get_mut(&mac) {
                entry.active = Some(Instant::now());
            }
            Some(mac)
        })
    }

    /// The machine with this hardware address.
    pub fn by_mac(&self, mac: MacAddr) -> Option<Arc<Machine>> {
        self.with(|table| table.machines.peek(&mac).and_then(|entry| entry.machine.clone()))
    }

    /// The IPv4 address that a machine uses, else the IPv6 address that it used last.
    pub fn addr_of(&self, mac: MacAddr) -> Option<IpAddr> {
        self.with(|table| {
            let entry = table.machines.peek(&mac)?;
            entry.v4.or(entry.v6.last().copied())
        })
    }

    /// The machine behind an IP address.
    pub fn by_addr(&self, addr: impl Into<IpAddr>) -> Option<Arc<Machine>> {
        self.mac_of(addr).and_then(|mac| self.by_mac(mac))
    }

    fn with<T>(&self, action: impl FnOnce(&mut Table) -> T) -> T {
        action(&mut self.table.lock())
    }
}

impl Default for Table {
    fn default() -> Self {
        Table { machines: LruCache::new(MAX_MACHINES), by_addr: HashMap::new() }
    }
}

impl Table {
    fn touch(&mut self, mac: MacAddr) -> &mut Entry {
        if self.machines.len() == MAX_MACHINES.get()
            && !self.machines.contains(&mac)
            && let Some((oldest, Entry { v4, v6, .. })) = self.machines.pop_lru()
        {
            v4.into_iter().chain(v6).for_each(|addr| self.forget_addr(addr, oldest));
        }
        self.machines.get_or_insert_mut(mac, Entry::default)
    }

    fn forget_addr(&mut self, addr: IpAddr, mac: MacAddr) {
        if self.by_addr.get(&addr) == Some(&mac) {
            self.by_addr.remove(&addr);
        }
    }
}

impl Entry {
    /// Notes the address that the machine has now; returns the one that it had.
    fn uses(&mut self, addr: IpAddr) -> Option<IpAddr> {
        if addr.is_ipv4() {
            return self.v4.replace(addr);
        }
        if !self.v6.contains(&addr) {
            self.v6.push(addr);
        }
        (self.v6.len() > MAX_V6).then(|| self.v6.remove(0))
    }
}

/// A machine that asked for a file within this time still has its address.
const FETCHES: Duration = Duration::from_secs(60);
/// How long a boot loader takes at most from the choice to its own request.
const CHOICE: Duration = Duration::from_secs(600);
/// IPv6 addresses that are kept of one machine.
const MAX_V6: usize = 4;
/// A campus that switches on at once fits, and so do all machines that a flood of made-up hardware
/// addresses may bring at once (twice `limits.new-machines`), in about 20 MB.
pub const MAX_MACHINES: NonZeroUsize = NonZeroUsize::new(32_768).expect("not zero");

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn mac(n: usize) -> MacAddr {
        let [a, b, c, d] = u32::try_from(n).unwrap().to_be_bytes();
        MacAddr([2, 0, a, b, c, d])
    }

    #[test]
    fn an_address_belongs_to_its_last_user() {
        let machines = Machines::default();
        let (first, second) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        machines.uses(mac(1), first);
        machines.uses(mac(1), second);
        assert_eq!((machines.mac_of(first), machines.mac_of(second)), (None, Some(mac(1))));
        machines.uses(mac(2), second);
        assert_eq!(machines.mac_of(second), Some(mac(2)));
        machines.uses(mac(1), first);
        assert_eq!(
            machines.mac_of(second),
            Some(mac(2)),
            "the second machine's address is not taken from it"
        );
        machines.uses(mac(3), Ipv4Addr::UNSPECIFIED);
        assert_eq!(machines.mac_of(Ipv4Addr::UNSPECIFIED), None);
    }

    #[test]
    fn a_claim_takes_no_address_from_a_machine_that_fetches_files() {
        let machines = Machines::default();
        let addr = Ipv4Addr::new(10, 0, 0, 1);
        machines.claims(mac(1), addr);
        machines.claims(mac(2), addr);
        assert_eq!(machines.mac_of(addr), Some(mac(2)), "nothing was fetched from it");
        machines.claims(mac(3), addr);
        assert_eq!(machines.mac_of(addr), Some(mac(2)));
        machines.uses(mac(3), addr);
        assert_eq!(machines.mac_of(addr), Some(mac(3)), "it was given the address, or speaks from it");
    }

    #[test]
    fn a_machine_has_an_address_of_ipv4_and_a_few_of_ipv6() {
        let machines = Machines::default();
        let v4 = Ipv4Addr::new(10, 0, 0, 1);
        let v6 = |n| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n);
        machines.uses(mac(1), v4);
        for n in [1, 2, 3, 4, 1] {
            machines.uses(mac(1), v6(n));
        }
        assert!((1..=4).all(|n| machines.mac_of(v6(n)) == Some(mac(1))));
        machines.uses(mac(1), v6(5));
        assert_eq!((machines.mac_of(v4), machines.mac_of(v6(1))), (Some(mac(1)), None));
        assert!((2..=5).all(|n| machines.mac_of(v6(n)) == Some(mac(1))));
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_leave_first() {
        let machines = Machines::default();
        let addr = |n: usize| Ipv4Addr::from(0x0a00_0001 + u32::try_from(n).unwrap());
        let max = MAX_MACHINES.get();
        for n in 0..max {
            machines.uses(mac(n), addr(n));
        }
        machines.uses(mac(0), addr(0));
        machines.uses(mac(max), addr(max));
        assert_eq!(machines.mac_of(addr(0)), Some(mac(0)));
        assert_eq!(machines.mac_of(addr(1)), None);
        assert_eq!(machines.mac_of(addr(2)), Some(mac(2)));
        machines.uses(mac(max + 1), addr(max + 1));
        assert_eq!(machines.mac_of(addr(2)), Some(mac(2)), "who fetches files stays");
        let table = machines.table.lock();
        assert_eq!((table.machines.len(), table.by_addr.len()), (max, max));
    }
}
