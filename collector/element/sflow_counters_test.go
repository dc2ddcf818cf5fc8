package element

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// The lengths of structures without texts, as sFlow.org's documents sum up to, and as agents send them.
func TestCounterStructuresAreAsLongAsAgentsSendThem(t *testing.T) {
	for format, length := range map[uint32]int{1: 88, 2: 52, 3: 72, 4: 80, 5: 28, 6: 80, 7: 56, 1001: 28, 1002: 12, 1004: 12, 2002: 8, 2003: 80,
		2004: 72, 2005: 52, 2006: 40, 2007: 76, 2008: 100, 2009: 60, 2010: 28, 2100: 28, 2101: 12, 2102: 16, 2103: 52, 2104: 40, 2201: 60,
		2203: 40, 2206: 20} {
		whole := string(AppendSFlowCounters(nil, format, make([]byte, length)))
		last := sflowCounters[format].Fields[len(sflowCounters[format].Fields)-1].Name
		if strings.Contains(whole, `"rest"`) || !strings.Contains(whole, `"`+last+`"`) {
			t.Errorf("%s: %d bytes are %s", SFlowCountersName(format), length, whole)
		}
		if short := string(AppendSFlowCounters(nil, format, make([]byte, length-1))); strings.Contains(short, `"`+last+`"`) {
			t.Errorf("%s: %d bytes are %s", SFlowCountersName(format), length-1, short)
		}
	}
}

func TestCountersAreJSON(t *testing.T) {
	for _, test := range []struct {
		format     uint32
		body, want string
	}{
		{5, "\x00\x00\x00\x64\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02", `vlan_counters {"vlan_id":100,"octets":4294967296,"ucastPkts":2}`},
		{7, "\x02\x00\x00\x00\x00\x01\x00\x00\x02\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x05\x3d\x3d\x01\x01", `lag_port_stats {` +
			`"dot3adAggPortActorSystemID":"02:00:00:00:00:01","dot3adAggPortPartnerOperSystemID":"02:00:00:00:00:02",` +
			`"dot3adAggPortAttachedAggID":5,"dot3adAggPortState":"3d3d0101"}`},
		{1001, "\x00\x00\x05\xaa\xff\xff\xff\xff", `processor {"cpu_5s":14.5,"cpu_1m":null}`},
		{1005, "\x00\x00\x00\x05swp\"1\x00\x00\x00", `port_name {"name":"swp\"1"}`},
		{1005, "\x00\x00\x00\x04swp1\x00\x00\x00\x01", `port_name {"name":"swp1","rest":"00000001"}`},
		{1005, "\xff\xff\xff\xffswp1", `port_name {"rest":"ffffffff73777031"}`},
		{2000, "\x00\x00\x00\x01h\x00\x00\x00" + "0123456789abcdef" + "\x00\x00\x00\x03\x00\x00\x00\x02\x00\x00\x00\x036.1", `host_descr {"hostname":"h",` +
			`"uuid":"30313233343536373839616263646566","machine_type":3,"os_name":2,"os_release":"6.1"}`},
		{2003, "\x3f\x00\x00\x00\x7f\xc0\x00\x00", `host_cpu {"load_one":0.5,"load_five":null}`},
		{8800<<12 | 1, "\x01\x02", `sflow8800.1 "0102"`},
		{1003, "", `sflow0.1003 ""`},
	} {
		if got := SFlowCountersName(test.format) + " " + string(AppendSFlowCounters(nil, test.format, []byte(test.body))); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

// Whatever an agent sends is a value of JSON.
func FuzzAppendSFlowCounters(f *testing.F) {
	for format := range sflowCounters {
		f.Add(format, bytes.Repeat([]byte{0, 0, 0, 2}, 25))
	}
	f.Fuzz(func(t *testing.T, format uint32, body []byte) {
		if got := AppendSFlowCounters(nil, format, body); !json.Valid(got) {
			t.Errorf("%s", got)
		}
	})
}
