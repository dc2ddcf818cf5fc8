package main

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
)

// sender sends datagrams from any address of the loopback network, 127.0.0.0/8, as one who spoofs does.
type sender struct {
	conn *ipv4.PacketConn
	to   *net.UDPAddr
	sent int
}

func newSender(to string) (*sender, error) {
	address, err := net.ResolveUDPAddr("udp4", to)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	return &sender{conn: ipv4.NewPacketConn(conn), to: address}, nil
}

// source is the n-th of 16 million addresses.
func source(n int) netip.Addr {
	n = n%(1<<24-2) + 1
	return netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)})
}

func (s *sender) send(from netip.Addr, b []byte) {
	if _, err := s.conn.WriteTo(b, &ipv4.ControlMessage{Src: from.AsSlice()}, s.to); err == nil {
		s.sent++
	}
}
