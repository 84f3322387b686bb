//! A PC: a lease with a boot file, the boot file by TFTP as UEFI asks, an image by HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use netbootd_dhcp::v4::option;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::relay::Relay;
use super::{IMAGE, PATIENCE, PROGRAM, Site};
use crate::client_error::ClientError;
use crate::load::{Chance, Load};

pub(super) async fn boot(site: &Site, relay: &Relay, number: u32) -> Result<(), ClientError> {
    let mut uuid = vec![0; 17];
    uuid[13..].copy_from_slice(&number.to_be_bytes());
    let more = [
        (option::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003016".to_vec()),
        (option::ARCH, vec![0, 7]),
        (option::SYSTEM_UUID, uuid),
    ];
    let lease = relay.lease(number, &more).await?;
    if lease.boot_file != PROGRAM {
        return Err(ClientError::BootFile(lease.boot_file));
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
    tokio::time::timeout(PATIENCE, image(site, lease.address)).await.unwrap_or(Err(ClientError::Late {
        bytes: 0,
        size: site.image.len(),
        within: PATIENCE,
    }))
}

async fn image(site: &Site, own: Ipv4Addr) -> Result<(), ClientError> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((own, 0)))?;
    let mut stream = socket.connect(SocketAddr::from((site.server, 80))).await?;
    let request = format!("GET {IMAGE} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", site.server);
    stream.write_all(request.as_bytes()).await?;
    let (head, mut at) = head(&mut stream, &site.image).await?;
    if !head.starts_with("HTTP/1.1 200") {
        let line = head.lines().next().unwrap_or_default().to_owned();
        return Err(ClientError::Status { line, expected: "200" });
    }
    let mut buf = vec![0; PIECE];
    loop {
        match stream.read(&mut buf).await? {
            0 if at == site.image.len() => return Ok(()),
            0 => return Err(ClientError::Short(at)),
            count if site.image.get(at..at + count) == Some(&buf[..count]) => at += count,
            _ => return Err(ClientError::OtherBytes(at as u64)),
        }
    }
}

/// The answer's head, and how many of the body's bytes came with it.
async fn head(stream: &mut TcpStream, image: &[u8]) -> Result<(String, usize), ClientError> {
    let mut bytes = Vec::new();
    loop {
        let mut buf = [0; 2048];
        let count = stream.read(&mut buf).await?;
        bytes.extend(&buf[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = &bytes[end + 4..];
            if image.get(..body.len()) != Some(body) {
                return Err(ClientError::OtherBytes(0));
            }
            return Ok((String::from_utf8_lossy(&bytes[..end]).into_owned(), body.len()));
        }
        if count == 0 || bytes.len() > MAX_HEAD {
            return Err(ClientError::NoHead);
        }
    }
}

const PIECE: usize = 16 << 10;
const MAX_HEAD: usize = 8 << 10;
