//! The leases that survive a restart.

use std::net::Ipv4Addr;
use std::sync::Arc;

use pxe_policy::MacAddr;
use redb::{ReadableTable, TableDefinition};

use super::Lease;
use crate::state::State;

/// Hardware address to (address, end in seconds since the epoch).
const LEASES: TableDefinition<'_, [u8; 6], (u32, u64)> = TableDefinition::new("leases");

/// The leases on the disk.
#[derive(Debug, Clone)]
pub struct LeaseStore {
    state: Arc<State>,
}

impl LeaseStore {
    /// Gives the leases that are remembered.
    pub fn open(state: Arc<State>) -> Result<(Self, Vec<Lease>), redb::Error> {
        state.make_table(LEASES)?;
        let mut leases = Vec::new();
        for entry in state.read()?.open_table(LEASES)?.iter()? {
            let (mac, value) = entry?;
            let (address, until) = value.value();
            leases.push(Lease { mac: MacAddr(mac.value()), address: Ipv4Addr::from(address), until });
        }
        Ok((LeaseStore { state }, leases))
    }

    /// Remembers a lease; true once it is on the disk.
    pub async fn put(&self, lease: Lease) -> bool {
        let written = self.state.write(move |transaction| {
            let mut table = transaction.open_table(LEASES)?;
            table.insert(lease.mac.octets(), (u32::from(lease.address), lease.until))?;
            Ok(())
        });
        written.await
    }

    /// Forgets a machine's lease; true once the disk has forgotten it.
    pub async fn remove(&self, mac: MacAddr) -> bool {
        let written = self.state.write(move |transaction| {
            transaction.open_table(LEASES)?.remove(mac.octets())?;
            Ok(())
        });
        written.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(n: u8) -> Lease {
        Lease {
            mac: MacAddr([2, 0, 0, 0, 0, n]),
            address: Ipv4Addr::new(10, 0, 0, n),
            until: 1_000_000 + u64::from(n),
        }
    }

    #[tokio::test]
    async fn leases_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(State::open(folder.path()).unwrap());
        let (store, remembered) = LeaseStore::open(state).unwrap();
        assert_eq!(remembered, []);
        let puts: Vec<_> = (1..=50)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move { store.put(lease(n)).await })
            })
            .collect();
        for put in puts {
            assert!(put.await.unwrap());
        }
        assert!(store.remove(lease(7).mac).await);
        drop(store);
        let (_, leases) = LeaseStore::open(Arc::new(State::open(folder.path()).unwrap())).unwrap();
        let expected: Vec<Lease> = (1..=50).filter(|n| *n != 7).map(lease).collect();
        assert_eq!(leases, expected);
    }
}
