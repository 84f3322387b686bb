//! Clients behind a reverse proxy: the address, the scheme and the user that a trusted proxy names.

use std::net::IpAddr;

use hyper::header::HeaderMap;

/// The client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// The address of the client, not of a trusted proxy.
    pub(crate) addr: IpAddr,
    /// Whether it came by HTTPS, to this server or to the proxy.
    pub(crate) is_tls: bool,
    /// Whether a trusted proxy passed the request on.
    pub(crate) is_proxied: bool,
}

impl Client {
    /// The client of a request by `peer`. `X-Forwarded-For` counts from its end, as far as trusted
    /// proxies wrote it: a client's own entries stand before.
    pub(crate) fn new(peer: IpAddr, is_tls: bool, headers: &HeaderMap, trusted: &[IpAddr]) -> Self {
        let peer = peer.to_canonical();
        if !trusted.contains(&peer) {
            return Client { addr: peer, is_tls, is_proxied: false };
        }
        let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        let mut addr = peer;
        for hop in hops.iter().rev() {
            let Ok(hop) = hop.parse::<IpAddr>() else { break };
            addr = hop.to_canonical();
            if !trusted.contains(&addr) {
                break;
            }
        }
        let scheme = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
        let is_tls = is_tls || scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        Client { addr, is_tls, is_proxied: true }
    }

    /// The user whom a trusted proxy signed in. A header that comes twice names nobody: the proxy
    /// has let one of its client's pass.
    pub(crate) fn user<'a>(&self, headers: &'a HeaderMap, header: Option<&str>) -> Option<&'a str> {
        let mut values = headers.get_all(header.filter(|_| self.is_proxied)?).iter();
        match (values.next(), values.next()) {
            (Some(user), None) => user.to_str().ok().map(str::trim).filter(|user| !user.is_empty()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], proto: &str) -> (String, bool) {
        let trusted = ["127.0.0.1".parse().unwrap(), "10.0.0.7".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        headers.insert("x-forwarded-proto", proto.parse().unwrap());
        let client = Client::new(peer.parse().unwrap(), false, &headers, &trusted);
        (client.addr.to_string(), client.is_tls)
    }

    #[test]
    fn only_trusted_proxies_name_clients_and_only_the_last_untrusted_hop_counts() {
        let table: [(&str, &[&str], &str, &str, bool); 8] = [
            ("192.0.2.1", &["198.51.100.1"], "https", "192.0.2.1", false),
            ("127.0.0.1", &["198.51.100.1"], "https", "198.51.100.1", true),
            ("::ffff:127.0.0.1", &["198.51.100.1"], "http", "198.51.100.1", false),
            ("127.0.0.1", &["6.6.6.6, 198.51.100.1"], "https", "198.51.100.1", true),
            ("127.0.0.1", &["6.6.6.6", "198.51.100.1, 10.0.0.7"], "https", "198.51.100.1", true),
            ("127.0.0.1", &[], "https", "127.0.0.1", true),
            ("127.0.0.1", &["nonsense"], "x", "127.0.0.1", false),
            ("127.0.0.1", &["6.6.6.6, nonsense, 10.0.0.7"], "x", "10.0.0.7", false),
        ];
        for (peer, forwarded, proto, addr, is_tls) in table {
            assert_eq!(client(peer, forwarded, proto), (addr.to_owned(), is_tls), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn only_trusted_proxies_name_users_and_only_one_at_a_time() {
        let named = Some("x-forwarded-user");
        for (peer, users, header, wanted) in [
            ("127.0.0.1", &["anna"][..], named, Some("anna")),
            ("127.0.0.1", &[" anna@corp.example "], named, Some("anna@corp.example")),
            ("127.0.0.1", &["anna"], None, None),
            ("127.0.0.1", &[], named, None),
            ("127.0.0.1", &[""], named, None),
            ("127.0.0.1", &["anna", "admin"], named, None),
            ("192.0.2.1", &["anna"], named, None),
        ] {
            let mut headers = HeaderMap::new();
            for user in users {
                headers.append("x-forwarded-user", user.parse().unwrap());
            }
            let trusted = ["127.0.0.1".parse().unwrap()];
            let client = Client::new(peer.parse().unwrap(), false, &headers, &trusted);
            assert_eq!(client.user(&headers, header), wanted, "{peer} {users:?}");
        }
    }
}
