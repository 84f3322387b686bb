"""Asks as PXE firmware does, by broadcast, and prints the option 60 and the boot server of the first offer."""

import os
import socket
import struct
import sys

MAC = bytes.fromhex("020000000017")
COOKIE = bytes.fromhex("63825363")


def options(packet):
    at, found = 240, {}
    while at < len(packet) and packet[at] != 255:
        if packet[at] == 0:
            at += 1
            continue
        length = packet[at + 1]
        found[packet[at]] = packet[at + 2 : at + 2 + length]
        at += 2 + length
    return found


def discover(xid):
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, xid, 4, 0x8000) + bytes(16) + MAC.ljust(16, b"\0") + bytes(192) + COOKIE
    asked = {
        53: b"\x01",
        55: bytes([1, 3, 43, 54, 60, 66, 67, 97]),
        57: struct.pack("!H", 1500),
        60: b"PXEClient:Arch:00007:UNDI:003016",
        93: b"\x00\x07",
        94: b"\x01\x03\x10",
        97: b"\x00" + bytes(range(16)),
    }
    return head + b"".join(bytes([code, len(value)]) + value for code, value in asked.items()) + b"\xff"


def main():
    xid = int.from_bytes(os.urandom(4), "big")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wlan0")
        asking.bind(("", 68))
        asking.settimeout(5)
        for _ in range(4):
            asking.sendto(discover(xid), ("255.255.255.255", 67))
            try:
                packet, sender = asking.recvfrom(2048)
            except TimeoutError:
                continue
            if packet[4:8] == xid.to_bytes(4, "big") and packet[0] == 2:
                told = options(packet)
                server = socket.inet_ntoa(told.get(54, bytes(4)))
                print(told.get(60, b"").decode(), server, sender[0])
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
