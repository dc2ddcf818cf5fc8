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

// newSender sends datagrams of at most most records.
func newSender(protocol string, port, exporters, most int) (*sender, error) {
	s := &sender{protocol: protocol, sequence: make([]uint32, exporters)}
	for range exporters {
		conn, err := net.Dial("udp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, conn)
		s.conns = append(s.conns, ipv4.NewPacketConn(conn.(net.PacketConn)))
	}
	var datagram []byte
	datagram, s.records = data(protocol, most)
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
	for exporter := 0; ; exporter = (exporter + 1) % len(s.conns) {
		now := time.Now()
		if now.Sub(began) > duration {
			return records, datagrams, nil
		}
		if !now.Before(nextTemplates) {
			nextTemplates = now.Add(templateInterval)
			if t := templates(s.protocol); t != nil {
				if err := s.teach(t); err != nil {
					return 0, 0, err
				}
			}
		}
		if ahead := time.Duration(float64(records)/rate*float64(time.Second)) - now.Sub(began); ahead > 200*time.Microsecond {
			time.Sleep(ahead)
		}
		if err := s.write(exporter, sendBatch); err != nil {
			return 0, 0, err
		}
		records += sendBatch * s.records
		datagrams += sendBatch
	}
}

// teach sends each exporter's templates.
func (s *sender) teach(templates []byte) error {
	for _, conn := range s.closers {
		if _, err := conn.Write(templates); err != nil {
			return fmt.Errorf("sending templates: %w", err)
		}
	}
	return nil
}

// write sends the next datagrams of an exporter, up to sendBatch of them.
func (s *sender) write(exporter, n int) error {
	messages := s.messages[:n]
	for i := range messages {
		s.number(messages[i].Buffers[0], exporter)
	}
	for sent := 0; sent < n; {
		more, err := s.conns[exporter].WriteBatch(messages[sent:], 0)
		if err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		sent += more
	}
	return nil
}

// burst sends a number of datagrams at a rate, from all exporters in turn. It does not sleep in between: a sleeping sender
// wakes up late, and sends what it missed at once. It returns how long it took.
func (s *sender) burst(datagrams int, rate float64) (time.Duration, error) {
	const step = 4
	began := time.Now()
	for sent := 0; sent < datagrams; sent += step {
		for at := time.Duration(float64(sent) / rate * float64(time.Second)); time.Since(began) < at; {
		}
		if err := s.write(sent/step%len(s.conns), min(step, datagrams-sent)); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
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
