package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// route says which collector gets a datagram.
type route int32

const (
	// inTurns sends each datagram to the other collector than the one before.
	inTurns route = iota
	onlyA
	// dataToB sends what has templates to a, and all else to b.
	dataToB
)

// balancer hands datagrams on, each exporter's from a port of its own, as load balancers do.
type balancer struct {
	inputs  []*net.UDPConn
	outputs []*net.UDPConn
	a       *net.UDPAddr
	b       atomic.Pointer[net.UDPAddr]
	route   atomic.Int32
	count   atomic.Uint64
	workers sync.WaitGroup
}

// numExporters: NetFlow v9, IPFIX, sFlow.
const numExporters = 3

func newBalancer(a, b string) (*balancer, error) {
	l := &balancer{}
	var err error
	if l.a, err = net.ResolveUDPAddr("udp4", a); err != nil {
		return nil, err
	}
	l.retarget(b)
	for range numExporters {
		for _, list := range []*[]*net.UDPConn{&l.inputs, &l.outputs} {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				l.close()
				return nil, fmt.Errorf("opening the balancer's ports: %w", err)
			}
			*list = append(*list, conn)
		}
	}
	for i := range l.inputs {
		l.workers.Go(func() { l.forward(l.inputs[i], l.outputs[i]) })
	}
	return l, nil
}

func (l *balancer) address(i int) string { return l.inputs[i].LocalAddr().String() }

func (l *balancer) use(r route) { l.route.Store(int32(r)) }

// retarget makes b another address.
func (l *balancer) retarget(b string) {
	if address, err := net.ResolveUDPAddr("udp4", b); err == nil {
		l.b.Store(address)
	}
}

// sent is how many datagrams were handed on.
func (l *balancer) sent() float64 { return float64(l.count.Load()) }

func (l *balancer) close() {
	for _, conn := range append(l.inputs, l.outputs...) {
		_ = conn.Close()
	}
	l.workers.Wait()
}

func (l *balancer) forward(in, out *net.UDPConn) {
	buffer := make([]byte, 65535)
	for turn := 0; ; turn++ {
		n, err := in.Read(buffer)
		if err != nil {
			return
		}
		to := l.a
		switch r := route(l.route.Load()); {
		case r == inTurns && turn%2 == 1, r == dataToB && !hasTemplates(buffer[:n]):
			to = l.b.Load()
		}
		if _, err := out.WriteToUDP(buffer[:n], to); err == nil {
			l.count.Add(1)
		}
	}
}

// hasTemplates reports whether a message of NetFlow v9 or IPFIX has a template set.
func hasTemplates(b []byte) bool {
	if len(b) < 20 {
		return false
	}
	header, last := 20, uint16(1)
	switch binary.BigEndian.Uint16(b) {
	case 9:
	case 10:
		header, last = 16, 3
	default:
		return false
	}
	for b = b[header:]; len(b) >= 4; {
		if binary.BigEndian.Uint16(b) <= last {
			return true
		}
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < 4 || length > len(b) {
			break
		}
		b = b[length:]
	}
	return false
}
