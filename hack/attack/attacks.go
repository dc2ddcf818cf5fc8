package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// attack sends its n-th datagrams.
type attack struct {
	name string
	send func(s *sender, n int)
	// counter of the collector that must show it, and its reason.
	counter, reason string
}

func u16(v ...uint16) (b []byte) {
	for _, x := range v {
		b = binary.BigEndian.AppendUint16(b, x)
	}
	return b
}

func u32(v ...uint32) (b []byte) {
	for _, x := range v {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func set(id uint16, body []byte) []byte { return join(u16(id, uint16(4+len(body))), body) }

// ipfix is a message of a domain.
func ipfix(domain uint32, now uint32, sets ...[]byte) []byte {
	body := join(sets...)
	return join(u16(10, uint16(16+len(body))), u32(1_700_000_000+now, now, domain), body)
}

// templateOf is a template record of so many fields, other ones for each variant.
func templateOf(id uint16, fields, variant int) []byte {
	b := u16(id, uint16(fields))
	for i := range fields {
		b = append(b, u16(uint16(1+(i+variant)%400), uint16(1+(variant>>3)%4))...)
	}
	return b
}

var honest = source(1 << 23)

// small are 170 templates of one field.
var small = func() (b []byte) {
	for id := range uint16(170) {
		b = append(b, templateOf(256+id, 1, 0)...)
	}
	return b
}()

var attacks = []attack{
	{"spoofed-exporters", func(s *sender, n int) { // a million addresses, each with a template and data
		s.send(source(n%1_000_000), ipfix(1, uint32(n), set(2, templateOf(256, 20, 0)), set(256, make([]byte, 60))))
	}, "exporters_evicted_total", ""},
	{"spoofed-domains", func(s *sender, n int) { // one address, four billion domains
		s.send(source(1), ipfix(uint32(n), uint32(n), set(2, templateOf(256, 20, 0))))
	}, "exporters_evicted_total", ""},
	{"spoofed-templates", func(s *sender, n int) { // as many templates as a datagram has room for, of a million addresses
		s.send(source(n%1_000_000), ipfix(1, uint32(n), set(2, small)))
	}, "exporters_evicted_total", ""},
	{"spoofed-legacy", func(s *sender, n int) { // NetFlow v5 with all its flows
		s.send(source(n%1_000_000), join(u16(5, 30), u32(1, 1_700_000_000, 0, uint32(n), 0), bytes.Repeat([]byte{1}, 30*48)))
	}, "records_decoded_total", ""},
	{"template-flood", func(s *sender, n int) { // wide templates of all ids
		s.send(source(1), ipfix(uint32(n>>16), uint32(n), set(2, templateOf(256+uint16(n%65280), 400, n))))
	}, "templates_evicted_total", ""},
	{"ids-exhausted", func(s *sender, n int) { // small templates of all ids, and data of each
		var sets [][]byte
		for i := range 20 {
			id := 256 + uint16((n*20+i)%65280)
			sets = append(sets, set(2, templateOf(id, 2, 0)), set(id, make([]byte, 4)))
		}
		s.send(source(n%100), ipfix(1, uint32(n), sets...))
	}, "templates_evicted_total", ""},
	{"65535-fields", func(s *sender, n int) {
		s.send(source(n%1000), ipfix(1, uint32(n), set(2, join(u16(256, 65535), make([]byte, 8000)))))
	}, "templates_refused_total", "invalid"},
	{"fields-beyond-limit", func(s *sender, n int) {
		s.send(source(n%1000), ipfix(1, uint32(n), set(2, templateOf(256, 2000, n))))
	}, "templates_refused_total", "limit"},
	{"redefinitions", func(s *sender, n int) { // each datagram another layout
		s.send(source(n%1000), ipfix(1, uint32(n), set(2, templateOf(256, 50, n)), set(256, make([]byte, 1000))))
	}, "templates_changed_total", ""},
	{"option-bomb", func(s *sender, n int) { // sampling rates of random selectors
		var records []byte
		for range 100 {
			records = append(records, u32(rand.Uint32(), 1, rand.Uint32())...)
		}
		s.send(source(n%100), ipfix(1, uint32(n), set(3, u16(400, 3, 1, 302, 4, 305, 4, 306, 4)), set(400, records)))
	}, "sampling_rates_evicted_total", ""},
	{"names-flood", func(s *sender, n int) { // options tables of ever other interfaces with long names, of many addresses
		var records []byte
		for range 6 {
			records = append(records, u32(rand.Uint32N(1<<30))...)
			for range 25 {
				records = append(records, byte('a'+n%26), 'b', 'c', 'd', 'e', 'f', 'g', byte('a'+rand.IntN(26)))
			}
		}
		s.send(source(n%5000), ipfix(1, uint32(n), set(3, u16(400, 2, 1, 10, 4, 82, 200)), set(400, records)))
	}, "names_refused_total", "limit"},
	{"names-domains", func(s *sender, n int) { // tables of ever other domains, and flows whose numbers each of them may name
		flows := set(2, u16(300, 2, 10, 4, 14, 4))
		for range 20 {
			flows = append(flows, set(300, u32(rand.Uint32(), rand.Uint32()))...)
		}
		s.send(source(n%10), ipfix(uint32(n), uint32(n), set(3, u16(400, 2, 1, 10, 4, 82, 8)), set(400, join(u32(1), []byte("ethernet"))), flows))
	}, "names_refused_total", "limit"},
	{"names-others", func(s *sender, n int) { // options tables that name nothing, with ever other subjects and values
		var records []byte
		for range 40 {
			records = append(records, u32(rand.Uint32(), rand.Uint32(), rand.Uint32(), rand.Uint32(), rand.Uint32(), rand.Uint32())...)
		}
		s.send(source(n%200), ipfix(1, uint32(n), set(3, u16(401, 6, 1, 10, 4, 58, 4, 59, 4, 601, 4, 602, 4, 603, 4)), set(401, records)))
	}, "names_refused_total", "limit"},
	{"names-escapes", func(s *sender, n int) { // names that would clear a terminal, and names that are no text
		name := []byte("\x1b[2J\x1b[H rebooted    ")
		if n%2 == 0 {
			name[0] = 0xff
		}
		s.send(source(n%100), ipfix(1, uint32(n), set(3, u16(400, 2, 1, 10, 4, 82, uint16(len(name)))), set(400, join(u32(uint32(n)), name))))
	}, "names_refused_total", ""},
	{"withdrawal-storm", func(s *sender, n int) {
		s.send(source(n%100), ipfix(1, uint32(n), set(2, templateOf(256, 10, n)), set(2, u16(256, 0)), set(2, u16(2, 0)), set(256, make([]byte, 500))))
	}, "templates_withdrawn_total", ""},
	{"data-without-template", func(s *sender, n int) {
		s.send(source(n%1_000_000), ipfix(uint32(n), uint32(n), set(256+uint16(n%60000), make([]byte, 1400))))
	}, "sets_expired_total", "overflow"},
	{"sflow-bombs", func(s *sender, n int) {
		switch n % 3 {
		case 0: // the 80 bytes that announce billions
			s.send(source(n), join(u32(5, 1, rand.Uint32(), 0, uint32(n), 1, 1, 3, 80, 1, 0, 3, 1, 1, 0, 0, 5, 0, 6, 0xffffffff),
				u32(1003, 32, 1, 0, 1, 1, 1, 0xffffffff, 2, 0xffffffff)))
		case 1: // four billion samples
			s.send(source(n), u32(5, 1, rand.Uint32(), 0, uint32(n), 1, 0xffffffff))
		default: // a thousand empty samples of a new agent
			b := u32(5, 1, rand.Uint32(), rand.Uint32(), uint32(n), 1, 1000)
			for range 1000 {
				b = append(b, u32(1, 0)...)
			}
			s.send(source(n), b)
		}
	}, "sflow_samples_dropped_total", ""},
	{"random-bytes", func(s *sender, n int) {
		b := make([]byte, 4+rand.IntN(1400))
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		copy(b, [][]byte{u16(5), u16(9), u16(10), u32(5)}[n%4])
		s.send(source(n), b)
	}, "datagrams_received_total", ""},
}
