//! Reads from a boot program's configuration which system it starts.

/// Whether a configuration gives the system a fixed address: such a system asks no DHCP server.
/// Kernel arguments of Linux (`ip=10.0.0.5::10.0.0.1:...`), of installers, and of their answer
/// files.
pub fn fixes_address(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let words = || text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '&' | '?'));
    words().any(|word| {
        let Some((name, value)) = word.split_once('=') else { return false };
        match name {
            "ip" | "ipaddr" | "ipaddress" | "hostip" | "netcfg/get_ipaddress" => is_address(value),
            "ifcfg" => value.split(['=', ',']).any(is_address),
            "netcfg/disable_autoconfig" | "netcfg/disable_dhcp" => value == "true",
            _ => false,
        }
    })
}

/// Whether a value begins with an address. `dhcp`, `auto6` and the like do not; `::` and
/// `:::::eth0:dhcp` leave the address out.
fn is_address(value: &str) -> bool {
    let value = value.trim_start_matches('[');
    let first = value.split([':', '/']).next().unwrap_or_default();
    first.parse::<std::net::Ipv4Addr>().is_ok()
        || value.split([']', '/']).next().is_some_and(|six| {
            six.parse::<std::net::Ipv6Addr>().is_ok_and(|address| !address.is_unspecified())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_address_is_told_from_dhcp() {
        let fixed = [
            "kernel vmlinuz ip=10.0.0.5::10.0.0.1:255.255.255.0:pc1:eno1:none",
            "append initrd=i.img IP=10.0.0.5 quiet",
            "linux /vmlinuz \"ip=[2001:db8::5]::[2001:db8::1]:64::eno1:none\"",
            "append ifcfg=eth0=10.0.0.5/24,10.0.0.1",
            "linux /linux netcfg/disable_autoconfig=true netcfg/get_ipaddress=10.0.0.5",
        ];
        for text in fixed {
            assert!(fixes_address(text.as_bytes()), "{text}");
        }
        let asked = [
            "kernel vmlinuz ip=dhcp",
            "kernel vmlinuz ip=:::::eno1:dhcp rd.neednet=1",
            "append ip=::::pc1::dhcp ifcfg=*=dhcp",
            "imgfetch http://10.0.0.1/report?link=up&ip=${net0/ip}",
            "set skip=10.0.0.5\nchain http://10.0.0.5/boot.ipxe",
            "",
        ];
        for text in asked {
            assert!(!fixes_address(text.as_bytes()), "{text}");
        }
        assert!(!fixes_address(&[0xff, 0, b'=', 1]));
    }
}
