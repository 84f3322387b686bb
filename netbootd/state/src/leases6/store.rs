//! The leases that survive a restart, and the server's own identifier: tables in the state file.

use std::net::Ipv6Addr;
use std::sync::Arc;

use netbootd_dhcp::v6::Duid;
use redb::{ReadableTable, TableDefinition};

use super::{Client, Lease};
use crate::durable::{Commit, Durable, Hold, LeaseKeep, saved};
use crate::file::State;

/// Client to (address, end in seconds since the epoch).
const LEASES: TableDefinition<'_, &[u8], (u128, u64)> = TableDefinition::new("leases6");
/// The table with this server's DUID.
const OWN: TableDefinition<'_, (), &[u8]> = TableDefinition::new("dhcp6-duid");

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
            let (client, value) = entry?;
            let (address, until) = value.value();
            let client = Client(client.value().to_vec());
            leases.push(Lease { client, address: Ipv6Addr::from(address), until });
        }
        Ok((LeaseStore { state }, leases))
    }

    /// Remembers a lease; true once it is on the disk.
    pub async fn put(&self, lease: Lease) -> bool {
        let Lease { client, address, until } = lease;
        self.state
            .write(move |transaction| {
                let mut table = transaction.open_table(LEASES)?;
                table.insert(client.0.as_slice(), (u128::from(address), until))?;
                Ok(())
            })
            .await
    }

    /// Forgets a client's lease; true once the disk has forgotten it.
    pub async fn remove(&self, client: Client) -> bool {
        self.state
            .write(move |transaction| {
                let mut table = transaction.open_table(LEASES)?;
                table.remove(client.0.as_slice())?;
                Ok(())
            })
            .await
    }
}

impl Durable<LeaseKeep<Client, Ipv6Addr>> for LeaseStore {
    /// Offers are kept in memory only: after a restart the client asks again.
    fn keep(&self, change: LeaseKeep<Client, Ipv6Addr>) -> Commit<'_> {
        Box::pin(async move {
            match change {
                LeaseKeep::Lease(Hold { client, address, until, .. }) => {
                    saved(self.put(Lease { client, address, until }).await)
                }
                LeaseKeep::InUse { by: Some(client), .. } | LeaseKeep::Released(client) => {
                    saved(self.remove(client).await)
                }
                LeaseKeep::Offer(_) | LeaseKeep::InUse { by: None, .. } => Ok(()),
            }
        })
    }

    fn is_away(&self) -> bool {
        false
    }
}

/// The server's identifier: the one it has, or else `made`, from now on.
pub fn own_duid(state: &State, made: Duid) -> Result<Duid, redb::Error> {
    state.make_table(OWN)?;
    let kept = state.read()?.open_table(OWN)?.get(())?.map(|kept| Duid(kept.value().to_vec()));
    if let Some(kept) = kept {
        return Ok(kept);
    }
    state.write_now(|transaction| {
        let mut table = transaction.open_table(OWN)?;
        table.insert((), made.0.as_slice())?;
        Ok(())
    })?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn leases_and_the_identifier_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let lease = |n: u8| Lease {
            client: Client(vec![n; 6]),
            address: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n.into()),
            until: 1_000_000,
        };
        let state = Arc::new(State::open(folder.path()).unwrap());
        assert_eq!(own_duid(&state, Duid(vec![1, 2, 3])).unwrap(), Duid(vec![1, 2, 3]));
        let (store, remembered) = LeaseStore::open(state).unwrap();
        assert_eq!(remembered, []);
        for n in 1..4 {
            assert!(store.put(lease(n)).await);
        }
        assert!(store.remove(lease(2).client).await);
        drop(store);
        let state = Arc::new(State::open(folder.path()).unwrap());
        assert_eq!(own_duid(&state, Duid(vec![9])).unwrap(), Duid(vec![1, 2, 3]));
        assert_eq!(LeaseStore::open(state).unwrap().1, [lease(1), lease(3)]);
    }
}
