package sflow

import (
	"encoding/binary"
	"testing"
)

// hostDescription is a host_descr.
func hostDescription(name string, machine, system uint32, release string) []byte {
	text := func(b []byte, s string) []byte {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return b
	}
	b := append(text(nil, name), make([]byte, 16)...)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, machine), system)
	return text(b, release)
}

func TestCounterSamplesDescribeHosts(t *testing.T) {
	whole := hostDescription("leaf-12", 3, 2, "4.19.0-6-amd64")
	for name, test := range map[string]struct {
		sample   []byte
		expanded bool
		want     [4]string
		ok       bool
	}{
		"behind others":                     {counterSample(false, 2, 1, genericCounters(5, 1e9), counterRecord(counterHost, whole)), false, [4]string{"leaf-12", "x86_64", "linux", "4.19.0-6-amd64"}, true},
		"expanded":                          {counterSample(true, 2, 1, counterRecord(counterHost, whole)), true, [4]string{"leaf-12", "x86_64", "linux", "4.19.0-6-amd64"}, true},
		"no padding behind the last text":   {counterSample(false, 2, 1, counterRecord(counterHost, whole[:len(whole)-2])), false, [4]string{"leaf-12", "x86_64", "linux", "4.19.0-6-amd64"}, true},
		"unknown and other":                 {counterSample(false, 2, 1, counterRecord(counterHost, hostDescription("", 0, 1, ""))), false, [4]string{}, true},
		"beyond the lists":                  {counterSample(false, 2, 1, counterRecord(counterHost, hostDescription("a", 1<<31, 99, "b"))), false, [4]string{"a", "", "", "b"}, true},
		"too long a name":                   {counterSample(false, 2, 1, counterRecord(counterHost, hostDescription(string(make([]byte, 65)), 3, 2, ""))), false, [4]string{}, false},
		"cut short":                         {counterSample(false, 2, 1, counterRecord(counterHost, whole[:30])), false, [4]string{}, false},
		"none":                              {counterSample(false, 0, 5, genericCounters(5, 1e9)), false, [4]string{}, false},
		"a virtual machine is another host": {counterSample(false, 3, 100001, counterRecord(counterHost, whole)), false, [4]string{}, false},
		"no sample":                         {[]byte{1, 2, 3}, false, [4]string{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h, ok := hostOf(test.sample, test.expanded)
			if got := [4]string{string(h.Name), h.Machine, h.System, string(h.Release)}; got != test.want || ok != test.ok {
				t.Errorf("%q, %t", got, ok)
			}
		})
	}
	for n := range whole { // wherever it ends, nothing is read beyond
		_, _ = readHost(whole[:n])
	}
}
