"""Joins QEMU's datagram socket and a TAP device, and drops frames by a seeded sequence.

python3 lossy_link.py TAP OWN_PORT PEER_PORT PER_THOUSAND SEED
"""
import fcntl, os, random, select, socket, struct, sys

tap, own, peer, per_thousand, seed = sys.argv[1], *map(int, sys.argv[2:])
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
device = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH14x", tap.encode(), IFF_TAP | IFF_NO_PI))
machine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
machine.bind(("127.0.0.1", own))
chance, dropped = random.Random(seed), 0
print("joined", flush=True)
while True:
    ready, _, _ = select.select([device, machine], [], [])
    for one in ready:
        frame = os.read(device, 65536) if one is device else machine.recv(65536)
        # Segments of a file: GRUB takes 536 bytes each, and firmware does not repeat its questions soon.
        if len(frame) > 400 and chance.randrange(1000) < per_thousand:
            dropped += 1
            if dropped % 10 == 1:
                print("dropped", dropped, flush=True)
        elif one is device:
            machine.sendto(frame, ("127.0.0.1", peer))
        else:
            os.write(device, frame)
