//! The values of keys that a configuration leaves out.

use super::*;

impl Default for Server {
    fn default() -> Self {
        Server {
            interfaces: Vec::new(),
            state_dir: PathBuf::from(STATE_DIR),
            stop_timeout: None,
            user: None,
            sandbox: true,
            log: LogFormat::Text,
            log_file: None,
            log_level: Text(tracing::Level::INFO),
            log_max_size: None,
            log_keep: None,
        }
    }
}

impl Default for Dhcp {
    fn default() -> Self {
        Dhcp {
            mode: Mode::Proxy,
            ports: Ports::Both,
            offer_style: OfferStyle::Binl,
            conflict_probe: true,
            subnet: Vec::new(),
        }
    }
}

impl Default for Tftp {
    fn default() -> Self {
        Tftp {
            enabled: true,
            port: 69,
            max_block_size: Spanned::new(0..0, 65464),
            clamp_to_mtu: true,
            max_window_size: Spanned::new(0..0, 64),
            variable_window: true,
            port_range: None,
            single_port: false,
            max_transfers: Spanned::new(0..0, 16_384),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http { enabled: true, port: 80, max_connections: Spanned::new(0..0, 16_384), send_timeout: None }
    }
}

impl Default for Boot {
    fn default() -> Self {
        Boot { root: Spanned::new(0..0, PathBuf::from(BOOT_ROOT)) }
    }
}

impl Default for Netboot {
    fn default() -> Self {
        Netboot {
            enabled: true,
            share: Vec::new(),
            server_name: None,
            tftp_prefix: Spanned::new(0..0, String::new()),
            max_block_size: Spanned::new(0..0, 1460),
            default_image: DefaultImage::ModelFirst,
            disabled_models: DisabledModels::Obey,
            priority: 32768,
            shadow: None,
            netboot_1: false,
            binding_lifetime: None,
            rescan: Text(Interval(Duration::from_secs(10))),
        }
    }
}
