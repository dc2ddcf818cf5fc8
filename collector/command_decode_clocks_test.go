package main

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestDecodeReadsTheTimeThatUptimesCountFromBeforeTheFlowsThatNeedIt(t *testing.T) {
	const booted = 1_699_991_000_000 // milliseconds since 1970
	u16, u32 := binary.BigEndian.AppendUint16, binary.BigEndian.AppendUint32
	ipfix := func(body []byte) []byte {
		return append(u32(u32(u32(u16(u16(nil, 10), uint16(16+len(body))), 1_700_000_000), 0), 7), body...)
	}
	words := func(values ...uint16) (b []byte) {
		for _, v := range values {
			b = u16(b, v)
		}
		return b
	}
	data := append(words(2, 20, 300, 3, 22, 4, 21, 4, 1, 4, 300, 16), u32(u32(u32(nil, 1000), 2000), 5)...)
	options := func(at uint64) []byte {
		return binary.BigEndian.AppendUint64(u32(words(3, 18, 400, 2, 1, 149, 4, 160, 8, 400, 16), 7), at)
	}
	want := `"time_flow_start_ns":1699991001000000000,"time_flow_end_ns":1699991002000000000`
	path := writeCapture(t, "late.pcap", false, ipfix(data), ipfix(options(booted)), ipfix(data))
	if out, err := execute(t, "", "decode", path); err != nil || strings.Count(out, want) != 2 {
		t.Errorf("%v\n%s", err, out)
	}
	// What is said after a restart says nothing of the flows before it.
	path = writeCapture(t, "restart.pcap", false, ipfix(data), ipfix(options(booted)), ipfix(options(booted+8_000_000)), ipfix(data))
	out, err := execute(t, "", "decode", path)
	if err != nil || strings.Count(out, want) != 1 || !strings.Contains(out, `"time_flow_start_ns":1699999001000000000`) {
		t.Errorf("%v\n%s", err, out)
	}
}
