package sflow

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// counterSample is a counter sample of a source with records of format and body.
func counterSample(expanded bool, class, index uint32, records ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, 7) // its sequence number
	if expanded {
		b = binary.BigEndian.AppendUint32(b, class)
		b = binary.BigEndian.AppendUint32(b, index)
	} else {
		b = binary.BigEndian.AppendUint32(b, class<<24|index)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(records)))
	for _, r := range records {
		b = append(b, r...)
	}
	return b
}

func counterRecord(format uint32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, format)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(body))), body...)
}

// genericCounters are if_counters: 88 bytes, of which the first 16 tell index, type and speed.
func genericCounters(index uint32, speed uint64) []byte {
	b := binary.BigEndian.AppendUint32(nil, index)
	b = binary.BigEndian.AppendUint32(b, 6)
	return counterRecord(counterInterface, append(binary.BigEndian.AppendUint64(b, speed), make([]byte, 72)...))
}

func portName(s string) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return counterRecord(counterPortName, b)
}

func TestCounterSamplesDescribeInterfaces(t *testing.T) {
	ethernet := counterRecord(2, make([]byte, 52))
	for name, test := range map[string]struct {
		sample   []byte
		expanded bool
		want     Interface
		ok       bool
	}{
		"name and speed": {counterSample(false, 0, 5, genericCounters(5, 1e9), ethernet, portName("ethernet1/5")), false,
			Interface{5, 1e9, []byte("ethernet1/5")}, true},
		"a name of odd length, its padding not counted": {counterSample(false, 0, 5, join(u32(counterPortName, 4+6, 6), []byte("swp1s0\x00\x00")), genericCounters(5, 1e9)),
			false, Interface{5, 1e9, []byte("swp1s0")}, true},
		"a name of odd length without padding": {counterSample(false, 0, 5, join(u32(counterPortName, 4+6, 6), []byte("swp1s0")), genericCounters(5, 1e9)),
			false, Interface{5, 1e9, []byte("swp1s0")}, true},
		"a name alone is the source's":          {counterSample(true, 0, 1<<24, portName("swp1")), true, Interface{1 << 24, 0, []byte("swp1")}, true},
		"speed alone":                           {counterSample(true, 0, 9, genericCounters(9, 1e10)), true, Interface{9, 1e10, nil}, true},
		"the counters' index goes first":        {counterSample(false, 0, 5, genericCounters(6, 1e9)), false, Interface{6, 1e9, nil}, true},
		"unless it is none":                     {counterSample(false, 0, 5, genericCounters(0, 1e9), portName("eth5")), false, Interface{5, 1e9, []byte("eth5")}, true},
		"a VLAN's source is no interface":       {counterSample(false, 1, 5, portName("vlan5")), false, Interface{0, 0, []byte("vlan5")}, false},
		"nothing said":                          {counterSample(false, 0, 5, ethernet), false, Interface{5, 0, nil}, false},
		"the agent itself":                      {counterSample(true, 0, 0x3fffffff, portName("cpu")), true, Interface{0x3fffffff, 0, []byte("cpu")}, false},
		"an index that needs the expanded form": {counterSample(true, 0, 1_285_816_721, genericCounters(1_285_816_721, 1e11), portName("ethernet-1/1")), true, Interface{1_285_816_721, 1e11, []byte("ethernet-1/1")}, true},
		"the agent itself, expanded":            {counterSample(true, 0, 0xffffffff, portName("cpu")), true, Interface{0xffffffff, 0, []byte("cpu")}, false},
		"a name longer than its record":         {counterSample(false, 0, 5, counterRecord(counterPortName, []byte{0, 0, 0, 9, 'x'})), false, Interface{5, 0, nil}, false},
		"a record longer than its sample":       {counterSample(false, 0, 5, portName("a"), []byte{0, 0, 3, 0xed, 0, 0, 9, 9}), false, Interface{5, 0, []byte("a")}, true},
		"more records announced than are there": {append(counterSample(false, 0, 5)[:8], 0xff, 0xff, 0xff, 0xff), false, Interface{5, 0, nil}, false},
		"cut short":                             {[]byte{0, 0, 0, 1, 0, 0, 0, 5}, false, Interface{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := interfaceOf(test.sample, test.expanded)
			ok := got.says()
			if ok != test.ok || got.Index != test.want.Index || got.Speed != test.want.Speed || string(got.Name) != string(test.want.Name) {
				t.Errorf("%+v %v, want %+v %v", got, ok, test.want, test.ok)
			}
		})
	}
}

// RFC 3176 section 5: all counters but those of VLANs begin with if_counters.
func TestCountersOfVersions2And4DescribeInterfaces(t *testing.T) {
	for kind, length := range lengthsOfOldCounters {
		if kind == 0 {
			continue
		}
		body := append(join(u32(5, 6, 2, 0x540be400)), make([]byte, length-16)...)
		counters := join(u32(oldCounterSample, 1, 5, 20, uint32(kind)), body)
		var got []Interface
		_, counts, _, _ := decode(old(4, counters, counters[:len(counters)-4]), Options{Interfaces: func(agent netip.Addr, i Interface) {
			if agent.String() != "192.0.2.1" {
				t.Errorf("agent %s", agent)
			}
			got = append(got, i)
		}})
		want := 1
		if kind == oldVLANCounters {
			want = 0
		}
		if len(got) != want || want == 1 && (got[0].Index != 5 || got[0].Speed != 10_000_000_000) || counts[ledger.SamplesCounter] != 1 {
			t.Errorf("kind %d: %+v", kind, got)
		}
	}
}
