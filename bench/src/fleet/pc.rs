//! A PC: a lease with a boot file, the boot file by TFTP as UEFI asks, an image by HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use netbootd_dhcp::v4::option;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::relay::Relay;
use super::{IMAGE, PATIENCE, PROGRAM, Site, words};
use crate::load::{Chance, Load};

pub(super) async fn boot(site: &Site, relay: &Relay, number: u32) -> Result<(), String> {
    let mut uuid = vec![0; 17];
    uuid[13..].copy_from_slice(&number.to_be_bytes());
    let more = [
        (option::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003016".to_vec()),
        (option::ARCH, vec![0, 7]),
        (option::SYSTEM_UUID, uuid),
    ];
    let lease = relay.lease(number, &more).await?;
    if lease.boot_file != PROGRAM {
        return Err(format!("told to boot {:?}", lease.boot_file));
    }
    let program = Load {
        clients: 1,
        each: 1,
        file: PROGRAM.into(),
        block_size: Some(1468),
        window: Some(4),
        delay: Duration::ZERO,
        loss: 0.0,
        patience: PATIENCE,
        beside: false,
    };
    let server = SocketAddr::from((site.server, 69));
    program.fetch(lease.address, server, &site.program, &mut Chance::new(number.into())).await?;
    tokio::time::timeout(PATIENCE, image(site, lease.address))
        .await
        .unwrap_or_else(|_| Err("the image does not come".into()))
}

async fn image(site: &Site, own: Ipv4Addr) -> Result<(), String> {
    let socket = TcpSocket::new_v4().map_err(words)?;
    socket.bind(SocketAddr::from((own, 0))).map_err(words)?;
    let mut stream = socket.connect(SocketAddr::from((site.server, 80))).await.map_err(words)?;
    let request = format!("GET {IMAGE} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", site.server);
    stream.write_all(request.as_bytes()).await.map_err(words)?;
    let (head, mut at) = head(&mut stream, &site.image).await?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("the image: {}", head.lines().next().unwrap_or_default()));
    }
    let mut buf = vec![0; PIECE];
    loop {
        match stream.read(&mut buf).await.map_err(words)? {
            0 if at == site.image.len() => return Ok(()),
            0 => return Err(format!("the image ends after {at} bytes")),
            count if site.image.get(at..at + count) == Some(&buf[..count]) => at += count,
            _ => return Err(format!("other bytes of the image at {at}")),
        }
    }
}

/// The answer's head, and how many of the body's bytes came with it.
async fn head(stream: &mut TcpStream, image: &[u8]) -> Result<(String, usize), String> {
    let mut bytes = Vec::new();
    loop {
        let mut buf = [0; 2048];
        let count = stream.read(&mut buf).await.map_err(words)?;
        bytes.extend(&buf[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = &bytes[end + 4..];
            if image.get(..body.len()) != Some(body) {
                return Err("other bytes at the image's begin".into());
            }
            return Ok((String::from_utf8_lossy(&bytes[..end]).into_owned(), body.len()));
        }
        if count == 0 || bytes.len() > MAX_HEAD {
            return Err("no answer's head".into());
        }
    }
}

const PIECE: usize = 16 << 10;
const MAX_HEAD: usize = 8 << 10;
