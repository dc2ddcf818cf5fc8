package main

import (
	"encoding/binary"
	"time"
)

// fields of the flows sent, pairs of element and length: what a router exports of IPv4.
var (
	fields9     = [][2]uint16{{8, 4}, {12, 4}, {15, 4}, {10, 4}, {14, 4}, {2, 4}, {1, 4}, {22, 4}, {21, 4}, {7, 2}, {11, 2}, {6, 1}, {4, 1}, {5, 1}, {16, 4}, {17, 4}, {9, 1}, {13, 1}}
	fieldsIPFIX = [][2]uint16{{8, 4}, {12, 4}, {15, 4}, {10, 4}, {14, 4}, {2, 8}, {1, 8}, {152, 8}, {153, 8}, {7, 2}, {11, 2}, {6, 1}, {4, 1}, {5, 1}, {16, 4}, {17, 4}, {9, 1}, {13, 1}}
)

const (
	templateID = 300
	domain     = 1
	uptime     = 500_000
)

func fieldsOf(protocol string) [][2]uint16 {
	if protocol == "netflow9" {
		return fields9
	}
	return fieldsIPFIX
}

// templates is the datagram that a protocol's data needs, nil for none.
func templates(protocol string) []byte {
	if protocol == "sflow" {
		return nil
	}
	fields := fieldsOf(protocol)
	b := binary.BigEndian.AppendUint16(nil, templateID)
	b = binary.BigEndian.AppendUint16(b, uint16(len(fields)))
	for _, f := range fields {
		b = binary.BigEndian.AppendUint16(b, f[0])
		b = binary.BigEndian.AppendUint16(b, f[1])
	}
	id := uint16(2)
	if protocol == "netflow9" {
		id = 0
	}
	return message(protocol, 1, id, b)
}

// message puts one set into a message.
func message(protocol string, count int, id uint16, body []byte) []byte {
	now := uint32(time.Now().Unix())
	var b []byte
	if protocol == "netflow9" {
		b = binary.BigEndian.AppendUint16(b, 9)
		b = binary.BigEndian.AppendUint16(b, uint16(count))
		b = binary.BigEndian.AppendUint32(b, uptime)
	} else {
		b = binary.BigEndian.AppendUint16(b, 10)
		b = binary.BigEndian.AppendUint16(b, uint16(16+4+len(body)))
	}
	b = binary.BigEndian.AppendUint32(b, now)
	b = binary.BigEndian.AppendUint32(b, 0) // the sequence
	b = binary.BigEndian.AppendUint32(b, domain)
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(body)))
	return append(b, body...)
}

// maxBytes of a datagram fits an Ethernet frame.
const maxBytes = 1400

// maxRecords is more than a datagram has room for.
const maxRecords = 1000

// data is a datagram of as many records as it has room for, and at most most, and how many they are.
func data(protocol string, most int) ([]byte, int) {
	if protocol == "sflow" {
		return sflow(most)
	}
	var body []byte
	records := 0
	for length := 0; len(body)+length < maxBytes && records < most; records++ {
		before := len(body)
		for i, f := range fieldsOf(protocol) {
			value := make([]byte, f[1])
			switch f[0] {
			case 21, 22:
				binary.BigEndian.PutUint32(value, uptime-uint32(records))
			case 152, 153:
				binary.BigEndian.PutUint64(value, uint64(time.Now().UnixMilli()))
			case 4:
				value[0] = 6
			default:
				for j := range value {
					value[j] = byte(7*records + 3*i + j + 1)
				}
				if f[1] == 8 { // counters of 64 bits are rarely full
					clear(value[:5])
				}
			}
			body = append(body, value...)
		}
		length = len(body) - before
	}
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	return message(protocol, records, templateID, body), records
}

// sflow is a datagram with flow samples of a raw header each, at most most.
func sflow(most int) ([]byte, int) {
	u32 := func(b []byte, values ...uint32) []byte {
		for _, v := range values {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return b
	}
	const headerLength = 64
	samples := uint32(min(7, most))
	b := u32(nil, 5, 1, 0x7f000001, 0, 0, uptime, samples)
	for i := range samples {
		header := make([]byte, headerLength)
		for j := range header {
			header[j] = byte(j) + byte(i)
		}
		binary.BigEndian.PutUint16(header[12:], 0x0800)
		header[14], header[20], header[21], header[23], header[46] = 0x45, 0, 0, 6, 0x50
		record := append(u32(nil, 1, 16+headerLength, 1, 1400, 4, headerLength), header...)
		b = u32(b, 1, uint32(32+len(record)), i, 3, 1000, 50000, 0, 3, 4, 1)
		b = append(b, record...)
	}
	return b, int(samples)
}
