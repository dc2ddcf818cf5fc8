package lives

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/names"
)

// titled is a device that names its interfaces.
type titled struct {
	device
	// prefix begins the names that it gives.
	prefix string
}

const interfacesOfTest = 3

func newTitled(port uint16, prefix string) *titled {
	return &titled{device: device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: port}, prefix: prefix}
}

// names sends the table of its interfaces: name and, where it is not empty, description.
func (d *titled) names(c *collector, description string) {
	var rows []byte
	for n := range uint32(interfacesOfTest) {
		rows = append(rows, u32(n+1)...)
		rows = append(rows, fmt.Appendf(nil, "%-16s", fmt.Sprint(d.prefix, n+1))...)
		rows = append(rows, fmt.Appendf(nil, "%-16s", description)...)
	}
	d.send(c, d.port, interfacesOfTest, set(3, u16(401, 3, 1, 10, 4, 82, 16, 83, 16)), set(401, rows))
	c.fleet.sync()
}

// named is what flows of the domain that came in by interface 2 carry in a collector.
func (c *collector) named(d *titled) (row names.Row) {
	e := c.names.Find(d.address)
	if e == nil {
		return row
	}
	k := names.Key{Scope: names.Scope{Exporter: d.address, Domain: d.domain}, Table: names.Interfaces, Number: 2}
	if r := c.names.Resolve(e, k, false); r != nil {
		row = *r
	}
	return row
}

// Two devices behind one address have the same domain, and number interfaces each in their own way. Once both have repeated what they say, no
// flow has a name that may be the other's, in any collector, also one that starts, for as long as both say it. When one of them is gone for
// an hour or two, the other's names hold.
func TestDevicesThatNumberInterfacesDifferentlyNameNoFlow(t *testing.T) {
	for name, test := range map[string]struct {
		first, second, shift time.Duration
		// at are the collectors that hear the one and the other; behind is how far the second's clock is.
		at     [2]int
		behind time.Duration
		// moves: their ports change with each announcement.
		moves bool
	}{
		"at one collector":                     {5 * time.Minute, 5 * time.Minute, 2 * time.Minute, [2]int{0, 0}, 0, false},
		"at two collectors":                    {5 * time.Minute, 5 * time.Minute, 2 * time.Minute, [2]int{0, 1}, 0, false},
		"one after the other":                  {5 * time.Minute, 5 * time.Minute, time.Second, [2]int{0, 0}, 0, false},
		"each minute":                          {time.Minute, time.Minute, 30 * time.Second, [2]int{0, 1}, 0, false},
		"each minute, a clock is behind":       {time.Minute, time.Minute, 30 * time.Second, [2]int{0, 0}, 50 * time.Second, false},
		"each minute, a clock is hours behind": {time.Minute, time.Minute, 30 * time.Second, [2]int{0, 1}, 5 * time.Hour, false},
		"each half hour":                       {30 * time.Minute, 30 * time.Minute, 10 * time.Minute, [2]int{0, 1}, 0, false},
		"one more often":                       {time.Minute, 20 * time.Minute, 30 * time.Second, [2]int{0, 1}, 0, false},
		"ports that change":                    {5 * time.Minute, 5 * time.Minute, 2 * time.Minute, [2]int{0, 0}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			a, b := newTitled(1000, "ge-0/0/"), newTitled(2000, "Ethernet1/")
			b.ahead = -test.behind
			const both, step = 8 * time.Hour, 30 * time.Second
			agreed := 4*max(test.first, test.second) + 5*time.Minute
			for at := time.Duration(0); at < both+4*time.Hour; at += step {
				f.wait(step)
				if at%test.first == 0 {
					a.names(f.collectors[test.at[0]], "uplink")
				}
				f.wait(test.shift % step)
				if at < both && at >= test.shift.Truncate(step) && (at-test.shift.Truncate(step))%test.second == 0 {
					b.names(f.collectors[test.at[1]], "to Berlin")
				}
				if test.moves {
					a.port, b.port = a.port+2, b.port+2
				}
				f.wait(time.Second)
				if at%(10*time.Minute) == 0 {
					f.relist()
				}
				if at == 3*time.Hour {
					f.replace(2)
				}
				for i, c := range f.collectors {
					got := c.named(a)
					switch {
					case at > agreed && at < both && got.Name+got.Description != "":
						t.Fatalf("%s: collector %d gives flows of both %q, %q", at, i, got.Name, got.Description)
					case at > both+3*time.Hour && (got.Name != "ge-0/0/2" || got.Description != "uplink"):
						t.Fatalf("%s: collector %d gives flows of the one that is left %q, %q", at, i, got.Name, got.Description)
					}
				}
			}
		})
	}
}
