package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/ipv4"
)

// sender sends datagrams of one protocol from several exporters' ports.
type sender struct {
	conns    []*ipv4.PacketConn
	closers  []net.Conn
	protocol string
	records  int // of a datagram
	sequence []uint32
	messages []ipv4.Message
}

const (
	numExporters = 8
	sendBatch    = 32
	// templateInterval of each exporter.
	templateInterval = time.Second
)

func newSender(protocol string, port int) (*sender, error) {
	s := &sender{protocol: protocol, sequence: make([]uint32, numExporters)}
	for range numExporters {
		conn, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, conn)
		s.conns = append(s.conns, ipv4.NewPacketConn(conn.(net.PacketConn)))
	}
	var datagram []byte
	datagram, s.records = data(protocol)
	for range sendBatch {
		s.messages = append(s.messages, ipv4.Message{Buffers: [][]byte{append([]byte(nil), datagram...)}})
	}
	return s, nil
}

func (s *sender) close() {
	for _, conn := range s.closers {
		_ = conn.Close()
	}
}

// send sends at a number of records a second and returns how many records and datagrams that were.
func (s *sender) send(rate float64, duration time.Duration) (records, datagrams int, err error) {
	began := time.Now()
	var nextTemplates time.Time
	for exporter := 0; ; exporter = (exporter + 1) % numExporters {
		now := time.Now()
		if now.Sub(began) > duration {
			return records, datagrams, nil
		}
		if !now.Before(nextTemplates) {
			nextTemplates = now.Add(templateInterval)
			if t := templates(s.protocol); t != nil {
				for _, conn := range s.closers {
					if _, err := conn.Write(t); err != nil {
						return 0, 0, fmt.Errorf("sending templates: %w", err)
					}
				}
			}
		}
		if ahead := time.Duration(float64(records)/rate*float64(time.Second)) - now.Sub(began); ahead > 200*time.Microsecond {
			time.Sleep(ahead)
		}
		for i := range s.messages {
			s.number(s.messages[i].Buffers[0], exporter)
		}
		for sent := 0; sent < len(s.messages); {
			n, err := s.conns[exporter].WriteBatch(s.messages[sent:], 0)
			if err != nil {
				return 0, 0, fmt.Errorf("sending: %w", err)
			}
			sent += n
		}
		records += sendBatch * s.records
		datagrams += sendBatch
	}
}

// number gives a datagram its sequence number.
func (s *sender) number(b []byte, exporter int) {
	at, units := 12, uint32(1)
	switch s.protocol {
	case "ipfix":
		at, units = 8, uint32(s.records)
	case "sflow":
		at = 16
	}
	binary.BigEndian.PutUint32(b[at:], s.sequence[exporter])
	s.sequence[exporter] += units
}
