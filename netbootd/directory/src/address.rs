//! The addresses of directories: names, literals of IPv4, and literals of IPv6 in brackets.

use std::net::{Ipv6Addr, SocketAddr};

/// The host in `ldap://host:port`.
pub fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    if let Some((literal, _)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return literal;
    }
    rest.split(['/', ':']).next().unwrap_or(rest)
}

/// Where an address with a literal of IPv6 leads, and the same with a name in its place: the LDAP
/// library takes the brackets for a part of the certificate's name.
pub fn ipv6_of(url: &str) -> Option<(String, SocketAddr)> {
    let addr: Ipv6Addr = host_of(url).parse().ok()?;
    let usual = if url.starts_with("ldaps://") { 636 } else { 389 };
    let (_, port) = host_and_port(url, usual);
    let (scheme, _) = url.split_once("://")?;
    Some((format!("{scheme}://directory.invalid:{port}"), SocketAddr::from((addr, port))))
}

/// Host and port of an address with or without its scheme: `ldaps://dc1.corp.example`,
/// `cm01:8443/AdminService`, `[2001:db8::1]:636`.
pub fn host_and_port(address: &str, usual: u16) -> (String, u16) {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let behind_literal = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    let port = behind_literal.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    (host_of(address).to_owned(), port.unwrap_or(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name_or_a_literal_of_ipv6_and_its_port_or_the_usual_one() {
        let table = [
            ("ldaps://dc1.corp.example", "dc1.corp.example", 636),
            ("ldaps://dc1.corp.example:3269/", "dc1.corp.example", 3269),
            ("ldaps://[2001:db8::1]", "2001:db8::1", 636),
            ("ldaps://[2001:db8::1]:3269", "2001:db8::1", 3269),
            ("https://[2001:db8::1]:8443/AdminService", "2001:db8::1", 8443),
            ("cm01.corp.example/AdminService", "cm01.corp.example", 636),
            ("mp01:8443", "mp01", 8443),
        ];
        for (address, host, port) in table {
            assert_eq!((host_of(address), host_and_port(address, 636)), (host, (host.to_owned(), port)));
        }
        let (url, addr) = ipv6_of("ldap://[2001:db8::1]").unwrap();
        assert_eq!(
            (url.as_str(), addr.to_string().as_str()),
            ("ldap://directory.invalid:389", "[2001:db8::1]:389")
        );
        assert_eq!(ipv6_of("ldaps://10.0.0.1"), None);
    }
}
