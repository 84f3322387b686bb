// A Mac that starts from the network, as far as one can be had without the hardware: the BSDP messages are written and read by
// the insomniacslk/dhcp library, the files are fetched by TFTP and HTTP as the firmware, the booter and the disk-image driver do.
//
// Usage: mac INTERFACE discover|list|boot [image id, eight hex digits]
//
// It prints what it finds, one fact a line, and ends with a code other than 0 when it cannot go on.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/bsdp"
)

const (
	replyPort  = 998
	patience   = 5 * time.Second
	attempts   = 4
	rangeBytes = 128 << 10
)

func main() {
	if len(os.Args) < 3 {
		fail("usage: mac INTERFACE discover|list|boot [image id]")
	}
	if os.Args[2] == "discover" {
		discover(os.Args[1])
		return
	}
	conn := listen(os.Args[1], replyPort)
	defer conn.Close()
	list, err := bsdp.NewInformListForInterface(os.Args[1], replyPort)
	check(err, "LIST")
	ack := exchange(conn, list, bsdp.MessageTypeList)
	images, err := bsdp.ParseBootImageListFromAck(&ack.DHCPv4)
	check(err, "the image list")
	options := bsdp.GetVendorOptions(ack.Options)
	for _, image := range images {
		mark := ""
		if id := options.DefaultBootImageID(); id != nil && *id == image.ID {
			mark += " default"
		}
		if id := options.SelectedBootImageID(); id != nil && *id == image.ID {
			mark += " selected"
		}
		fmt.Printf("image %x %q%s\n", image.ID.ToBytes(), image.Name, mark)
	}
	if os.Args[2] == "list" {
		return
	}
	boot(conn, ack, choose(images, options))
}

// discover is a Mac's start: a server that it has chosen before offers the image at once.
func discover(name string) {
	iface, err := net.InterfaceByName(name)
	check(err, "the interface")
	conn := listen(name, dhcpv4.ClientPort)
	defer conn.Close()
	class := dhcpv4.OptClassIdentifier(bsdp.DefaultMacOSVendorClassIdentifier)
	version := bsdp.OptVendorOptions(bsdp.OptVersion(bsdp.Version1_1))
	packet, err := dhcpv4.NewDiscovery(iface.HardwareAddr, dhcpv4.WithOption(class), dhcpv4.WithOption(version))
	check(err, "DISCOVER")
	_, err = conn.WriteToUDP(packet.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort})
	check(err, "sending")
	check(conn.SetReadDeadline(time.Now().Add(patience)), "the socket")
	buf := make([]byte, 9000)
	for {
		n, _, err := conn.ReadFromUDP(buf)
		check(err, "no BSDP offer")
		offer, err := dhcpv4.FromBytes(buf[:n])
		if err != nil || offer.TransactionID != packet.TransactionID {
			continue
		}
		if offer.ClassIdentifier() != bsdp.AppleVendorID {
			fmt.Printf("address %s\n", offer.YourIPAddr)
			continue
		}
		id := bsdp.GetVendorOptions(offer.Options).SelectedBootImageID()
		fmt.Printf("offer %x from %s booter %s\n", id.ToBytes(), offer.ServerIPAddr, offer.BootFileName)
		return
	}
}

func choose(images []bsdp.BootImage, options *bsdp.VendorOptions) bsdp.BootImage {
	for _, image := range images {
		id := options.DefaultBootImageID()
		if len(os.Args) > 3 && fmt.Sprintf("%x", image.ID.ToBytes()) == os.Args[3] {
			return image
		}
		if len(os.Args) <= 3 && id != nil && *id == image.ID {
			return image
		}
	}
	fail("the image is not in the list")
	return bsdp.BootImage{}
}

// boot goes the way from SELECT to the last byte of the root image.
func boot(conn *net.UDPConn, ack *bsdp.Packet, image bsdp.BootImage) {
	// The library leaves ciaddr empty here.
	choice, err := bsdp.InformSelectForAck(ack, replyPort, image)
	check(err, "SELECT")
	if os.Args[2] == "boot-relayed" {
		// As Apple's client does: behind a relay nothing else says where the answer goes.
		choice.ClientIPAddr = ack.ClientIPAddr
	}
	chosen := exchange(conn, choice, bsdp.MessageTypeSelect)
	options := bsdp.GetVendorOptions(chosen.Options)
	fmt.Printf("machine name %s\n", options.MachineName())
	server, booter := chosen.ServerIPAddr, chosen.BootFileName
	root := string(chosen.Options.Get(dhcpv4.OptionRootPath))
	fmt.Printf("server %s booter %s root %s\n", server, booter, root)

	report("booter", fetch(server, booter))
	if strings.HasSuffix(booter, "booter") {
		// boot.efi writes its neighbours' names with a backslash.
		report("kernelcache", fetch(server, path.Dir(booter)+`\x86_64\kernelcache`))
		started := time.Now()
		if _, err := tftp(server, path.Dir(booter)+"/com.apple.Boot.plist", io.Discard); err == nil {
			fail("an optional file that is not there was sent")
		} else if time.Since(started) > time.Second {
			fail("the error for an optional file took too long")
		} else {
			fmt.Printf("optional file: %v\n", err)
		}
	}
	if strings.HasPrefix(root, "http://") {
		report("root", ranges(root))
	}
}

func listen(iface string, port int) *net.UDPConn {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
	check(err, "the port")
	raw, err := conn.SyscallConn()
	check(err, "the socket")
	var failed error
	check(raw.Control(func(fd uintptr) {
		if failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 1); failed == nil {
			failed = syscall.BindToDevice(int(fd), iface)
		}
	}), "the socket")
	check(failed, "the socket")
	return conn
}

// exchange broadcasts a packet and waits for the ACK of the wanted kind.
func exchange(conn *net.UDPConn, packet *bsdp.Packet, wanted bsdp.MessageType) *bsdp.Packet {
	buf := make([]byte, 9000)
	for attempt := 0; attempt < attempts; attempt++ {
		_, err := conn.WriteToUDP(packet.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ServerPort})
		check(err, "sending")
		check(conn.SetReadDeadline(time.Now().Add(patience)), "the socket")
		for {
			n, _, err := conn.ReadFromUDP(buf)
			if err != nil {
				break
			}
			reply, err := dhcpv4.FromBytes(buf[:n])
			if err != nil || reply.TransactionID != packet.TransactionID || reply.MessageType() != dhcpv4.MessageTypeAck {
				continue
			}
			// DHCP servers answer an INFORM as well; Macs tell them apart by this.
			if reply.ClassIdentifier() != bsdp.AppleVendorID {
				continue
			}
			if got := bsdp.MessageTypeFromPacket(reply); got != wanted {
				fail("the answer is " + got.String() + ", not " + wanted.String())
			}
			return bsdp.PacketFor(reply)
		}
	}
	fail("no answer")
	return nil
}

type fetched struct {
	bytes  int64
	digest hash.Hash
	how    string
}

func report(what string, got fetched) {
	fmt.Printf("%s %d bytes sha256 %x %s\n", what, got.bytes, got.digest.Sum(nil), got.how)
}

func fetch(server net.IP, name string) fetched {
	got := fetched{digest: sha256.New()}
	block, err := tftp(server, name, &got)
	check(err, "TFTP "+name)
	got.how = fmt.Sprintf("in blocks of %d", block)
	return got
}

func (f *fetched) Write(p []byte) (int, error) {
	f.bytes += int64(len(p))
	return f.digest.Write(p)
}

// tftp reads a file as a MacBook asks for it: octet, blksize 8192. It gives the block size that was granted.
func tftp(server net.IP, name string, to io.Writer) (int, error) {
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	peer := &net.UDPAddr{IP: server, Port: 69}
	send := []byte("\x00\x01" + name + "\x00octet\x00blksize\x008192\x00")
	block, next, tries := 512, uint16(1), 0
	buf := make([]byte, 9000)
	for {
		if _, err := conn.WriteToUDP(send, peer); err != nil {
			return 0, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return 0, err
		}
		n, from, err := conn.ReadFromUDP(buf)
		if err != nil {
			if tries++; tries == attempts {
				return 0, err
			}
			continue
		}
		if n < 4 {
			continue
		}
		switch op, number := binary.BigEndian.Uint16(buf), binary.BigEndian.Uint16(buf[2:]); {
		case op == 5:
			return 0, fmt.Errorf("error %d: %s", number, strings.TrimRight(string(buf[4:n]), "\x00"))
		case op == 6:
			peer = from
			words := strings.Split(string(buf[2:n]), "\x00")
			for i := 0; i+1 < len(words); i += 2 {
				if words[i] == "blksize" {
					block, _ = strconv.Atoi(words[i+1])
				}
			}
			send = []byte{0, 4, 0, 0}
		case op == 3 && number == next:
			peer = from
			if _, err := to.Write(buf[4:n]); err != nil {
				return 0, err
			}
			send = []byte{0, 4, byte(number >> 8), byte(number)}
			next++
			if n-4 < block {
				_, err := conn.WriteToUDP(send, peer)
				return block, err
			}
		}
	}
}

// ranges reads a root image as the disk-image driver does: small ranges, one connection.
func ranges(url string) fetched {
	connections := 0
	dialer := net.Dialer{Timeout: patience}
	transport := &http.Transport{MaxConnsPerHost: 1, Dial: func(network, addr string) (net.Conn, error) {
		connections++
		return dialer.Dial(network, addr)
	}}
	client := http.Client{Transport: transport, Timeout: time.Minute}
	head, err := client.Head(url)
	check(err, "HEAD")
	if head.StatusCode != 200 || head.Header.Get("Accept-Ranges") != "bytes" {
		fail("HEAD: " + head.Status)
	}
	got := fetched{digest: sha256.New()}
	count := 0
	for got.bytes < head.ContentLength {
		last := got.bytes + rangeBytes - 1
		if last >= head.ContentLength {
			last = head.ContentLength - 1
		}
		request, err := http.NewRequest("GET", url, nil)
		check(err, "GET")
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", got.bytes, last))
		response, err := client.Do(request)
		check(err, "GET")
		wanted := fmt.Sprintf("bytes %d-%d/%d", got.bytes, last, head.ContentLength)
		if response.StatusCode != 206 || response.Header.Get("Content-Range") != wanted {
			fail("GET " + wanted + ": " + response.Status + " " + response.Header.Get("Content-Range"))
		}
		_, err = io.Copy(&got, response.Body)
		check(err, "the body")
		response.Body.Close()
		count++
	}
	got.how = fmt.Sprintf("in %d ranges on %d connections", count, connections)
	return got
}

func check(err error, what string) {
	if err != nil {
		fail(what + ": " + err.Error())
	}
}

func fail(words string) {
	fmt.Fprintln(os.Stderr, "mac: "+words)
	os.Exit(1)
}
