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
	if r := c.names.Resolve(e, k, netip.Addr{}); r != nil {
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

// What one device says of an interface holds from its next announcement on, in all collectors, whatever ports it says it from.
func TestAnInterfaceThatIsRenamedIsNotContested(t *testing.T) {
	ports := func(n int) []uint16 { return []uint16{1000, 2000}[:n] }
	for name, test := range map[string]struct {
		ports []uint16
		// at are the collectors that hear the ports.
		at [2]int
		// moves: each announcement comes from other ports. stale: the second port says the former name once more.
		moves, stale bool
	}{
		"one port":                                                     {ports: ports(1)},
		"redundant supervisors":                                        {ports: ports(2), at: [2]int{0, 1}},
		"redundant supervisors at one collector":                       {ports: ports(2)},
		"a supervisor that says the old one at last":                   {ports: ports(2), stale: true},
		"supervisors at two collectors, of which one says the old one": {ports: ports(2), at: [2]int{0, 1}, stale: true},
		"ports that change":                                            {ports: ports(2), moves: true},
		"ports that change, at two collectors":                         {ports: ports(2), at: [2]int{0, 1}, moves: true},
		"ports that change, with old ones last":                        {ports: ports(2), moves: true, stale: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3)
			d := newTitled(0, "")
			say := func(prefix string, i int) {
				d.prefix, d.port = prefix, test.ports[i]
				d.names(f.collectors[test.at[i]], "uplink")
				f.wait(time.Second)
			}
			for minute := range 24 * 60 {
				f.wait(time.Minute)
				if minute%5 != 0 {
					continue
				}
				prefix := fmt.Sprint("ge-", minute/35%3, "/")
				for i := range test.ports {
					if test.moves {
						test.ports[i] += 2
					}
					if test.stale && i == 1 && minute%35 == 0 && minute > 0 {
						say(fmt.Sprint("ge-", (minute/35+2)%3, "/"), 1)
						f.wait(20 * time.Second)
					}
					say(prefix, i)
				}
				f.wait(30 * time.Second)
				for i, c := range f.collectors {
					if got := c.named(d); got.Name != prefix+"2" || got.Description != "uplink" {
						t.Fatalf("minute %d: collector %d gives flows %q, %q, %v, want %s2", minute, i, got.Name, got.Description, got.Attributes, prefix)
					}
				}
			}
			if n := f.collectors[0].names.Refused()["contested"]; n > 0 && !test.stale {
				t.Errorf("%d names are counted as contested", n)
			}
		})
	}
}

// An exporter may have two tables that name one interface in two ways. The last one counts, and nothing is contested, whatever ports it uses.
func TestAnExporterThatNamesAnInterfaceTwiceContestsNothing(t *testing.T) {
	f := newFleet(t, 2)
	d := newTitled(1000, "")
	for n := range 50 {
		f.wait(5 * time.Minute)
		d.port = 1000 + uint16(n/5)
		for _, d.prefix = range []string{"ge-0/0/", "uplink-"} {
			d.names(f.collectors[n%2], "")
		}
		f.wait(time.Minute)
		for i, c := range f.collectors {
			if got := c.named(d); got.Name != "uplink-2" {
				t.Fatalf("round %d: collector %d gives flows %q", n, i, got.Name)
			}
		}
	}
}

// Devices that name interfaces alike and describe them differently keep the names, and lose the descriptions.
func TestDevicesThatDescribeInterfacesDifferentlyKeepTheirNames(t *testing.T) {
	f := newFleet(t, 3)
	a, b := newTitled(1000, "ge-0/0/"), newTitled(2000, "ge-0/0/")
	for n := range 70 {
		f.wait(5 * time.Minute)
		a.names(f.collectors[0], "to Berlin")
		f.wait(30 * time.Second)
		if n < 40 {
			b.names(f.collectors[1], "to Bonn")
		}
		f.wait(time.Minute)
		for i, c := range f.collectors {
			got := c.named(a)
			if got.Name != "ge-0/0/2" || n >= 4 && n < 40 && got.Description != "" || n >= 69 && got.Description != "to Berlin" {
				t.Fatalf("round %d: collector %d gives flows %q, %q", n, i, got.Name, got.Description)
			}
		}
	}
}

// A change that is taken back holds, also where the device says it from another port, as after a restart.
func TestANameThatIsTakenBackHolds(t *testing.T) {
	f := newFleet(t, 2)
	d := newTitled(1000, "")
	for n, prefix := range []string{"ge-0/0/", "uplink-", "ge-0/0/"} {
		d.prefix, d.port = prefix, 1000+uint16(n)
		d.names(f.collectors[0], "")
		f.wait(time.Minute)
		for i, c := range f.collectors {
			if got := c.named(d); got.Name != prefix+"2" {
				t.Fatalf("change %d: collector %d gives flows %q", n, i, got.Name)
			}
		}
	}
}
