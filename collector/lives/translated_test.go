package lives

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/names"
)

// translated is a device behind a NAT that gives it another port now and then. Whoever spreads datagrams over collectors does so by the port.
type translated struct {
	device
	version uint16
	manner  manner
	boot    uint64 // milliseconds since 1970
	name    string
	at      int
	since   int64 // when it was given its port
	said    bool  // what it says was said from that port
	changed int64 // when its rate last did
}

func (x *translated) packet(c *collector, sets ...[]byte) {
	var body []byte
	for _, s := range sets {
		body = append(body, s...)
	}
	now := c.fleet.now
	at := uint32((now + int64(x.ahead)) / int64(time.Second))
	x.sequence++
	header := append(u16(10, uint16(16+len(body))), u32(at, x.sequence, x.domain)...)
	if x.version == 9 {
		header = append(u16(9, uint16(len(sets))), u32(0, at, x.sequence, x.domain)...)
	}
	c.decoder.Decode(netflow.Datagram{Payload: append(header, body...), Source: netip.AddrPortFrom(x.address, x.port), Received: now})
}

func (x *translated) say(c *collector) {
	l := layouts[x.layout]
	fields := u16(l[0], 4, l[1], 4, l[2], 4, 22, 4, 21, 4)
	var about said
	boot := binary.BigEndian.AppendUint64(u32(x.domain), x.boot)
	text := fmt.Appendf(nil, "%-16s", x.name)
	if x.version == 9 {
		scope := system9
		id := x.domain
		if x.manner == byInterface {
			scope, id = port9, inputOfTest
		}
		about = said{x.domain, 1, [][2]uint16{scope, interval}, []uint32{id, x.rate}}
		x.packet(c, set(0, u16(300, 5), fields))
		x.packet(c, about.sets(9)...)
		x.packet(c, set(1, u16(401, 4, 4, 2, 4, 82, 16)), set(401, u32(inputOfTest), text))
		x.packet(c, set(1, u16(402, 4, 4, 1, 4, 160, 8)), set(402, boot))
	} else {
		scope := domain
		id := x.domain
		if x.manner == byInterface {
			scope, id = ingress, inputOfTest
		}
		about = said{x.domain, 1, [][2]uint16{scope, interval}, []uint32{id, x.rate}}
		x.packet(c, set(2, u16(300, 5), fields))
		x.packet(c, about.sets(10)...)
		x.packet(c, set(3, u16(401, 2, 1, 10, 4, 82, 16)), set(401, u32(inputOfTest), text))
		x.packet(c, set(3, u16(402, 2, 1, 149, 4, 160, 8)), set(402, boot))
	}
	c.fleet.sync()
	x.said = true
}

// reading is what a flow is read as.
type reading struct {
	ok, wrong bool
	rate      uint64
	// off is by how much its end is wrong, unless it has none.
	off      time.Duration
	timeless bool
	name     string
}

// manyPorts reports whether no port comes back soon.
func manyPorts(x *translated) bool { return x.address.As4()[3] < 10 }

func (x *translated) reads(c *collector) (r reading) {
	x.number++
	now := c.fleet.now
	up := uint32(uint64(now/1e6) - 10_000 - x.boot)
	values := map[uint16]uint32{1: 1000 + x.number, 2: packetsOfTest, 10: inputOfTest}
	l := layouts[x.layout]
	b := u32(values[l[0]], values[l[1]], values[l[2]], up-1000, up)
	c.records = c.records[:0]
	x.packet(c, set(300, b))
	if len(c.records) == 0 {
		return r
	}
	f := c.records[len(c.records)-1]
	c.records = c.records[:0]
	r.ok = true
	r.wrong = f.Bytes != uint64(1000+x.number) || f.Packets != packetsOfTest || f.InIf != inputOfTest
	r.rate = f.SamplingRate
	r.off = time.Duration(int64(f.TimeFlowEndNs) - (now - 10*int64(time.Second)))
	r.timeless = int64(f.TimeFlowEndNs) == (now+int64(x.ahead))/1e9*1e9 // it ends when it was exported
	if e := c.names.Find(x.address); e != nil {
		if row := c.names.Resolve(e, names.Key{Scope: names.Scope{Exporter: x.address, Domain: x.domain}, Table: names.Interfaces, Number: inputOfTest}, netip.Addr{}); row != nil {
			r.name = row.Name
		}
	}
	return r
}

// Devices behind NATs, alone and two behind one address, with one domain or two, say all that they say from each port that they are given, and
// are read in the collector that has the port: none is read with another's layout, or with a rate, a time or a name that is not its own, whatever
// becomes of the devices, of the collectors and of the bucket.
func TestDevicesWhosePortsChangeTakeNothingFromTheirNeighbours(t *testing.T) {
	for seed := range seeds(6, 3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 99))
			f := newFleet(t, 3)
			var all []*translated
			given := make(map[netip.AddrPort]bool)
			give := func(x *translated) {
				delete(given, netip.AddrPortFrom(x.address, x.port))
				ports := 40 // of the NAT: others had them before
				if manyPorts(x) {
					ports = 60_000
				}
				for x.port = uint16(1000 + random.IntN(ports)); given[netip.AddrPortFrom(x.address, x.port)]; {
					x.port = uint16(1000 + random.IntN(ports))
				}
				given[netip.AddrPortFrom(x.address, x.port)] = true
				x.at = int(x.port) * 7 % 3
				x.since, x.said = f.now, false
			}
			for i := range 16 {
				x := &translated{version: uint16(9 + i/2%2), manner: manner(random.IntN(2)), name: fmt.Sprint("n", i), boot: uint64(f.now/1e6) - 50*3_600_000 - uint64(i)*3_600_000}
				x.address = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
				x.domain, x.layout, x.rate = 1, random.IntN(len(layouts)), uint32(100+i)
				if i%4 == 1 || i%4 == 3 { // behind the same address as the one before
					x.address = all[i-1].address
					x.version = all[i-1].version
					x.manner = all[i-1].manner
					if i%8 == 1 {
						x.domain = 2
					}
					x.layout = (all[i-1].layout + 1) % len(layouts)
				}
				all = append(all, x)
				give(x)
			}
			// alone: nobody else has its address and domain.
			alone := func(x *translated) bool {
				n := 0
				for _, o := range all {
					if o.address == x.address && o.domain == x.domain {
						n++
					}
				}
				return n == 1
			}
			var log []string
			note := func(format string, args ...any) {
				log = append(log, fmt.Sprintf("%s ", time.Duration(f.now-1_700_000_000*int64(time.Second)))+fmt.Sprintf(format, args...))
			}
			// doubtful is when all were silent, or the bucket was lost or rolled back: a collector that starts soon after that does not know
			// what each port said.
			doubtful := int64(0)
			decoded, held, norate, notime, noname := 0, 0, 0, 0, 0
			for round := range 700 {
				f.wait(30 * time.Second)
				if round%20 == 0 {
					f.relist()
				}
				for i, x := range all {
					if f.now-x.since >= int64(time.Duration(30+random.IntN(600))*time.Second) {
						give(x)
					}
					c := f.collectors[x.at]
					if !x.said || random.IntN(10) == 0 {
						x.say(c)
					}
					r := x.reads(c)
					bad := ""
					if !r.ok {
						held++
						continue
					}
					decoded++
					switch {
					case r.wrong:
						bad = "layout"
					case r.rate != 0 && r.rate != uint64(x.rate):
						bad = fmt.Sprintf("rate %d, not %d", r.rate, x.rate)
					case !r.timeless && r.off.Abs() > time.Second:
						bad = fmt.Sprintf("the time is off by %s", r.off)
					case r.name != "" && r.name != x.name && alone(x):
						bad = fmt.Sprintf("name %s, not %s", r.name, x.name)
					case alone(x) && r.rate == 0 && manyPorts(x) && f.now-x.changed > int64(95*time.Minute):
						bad = "no rate"
					}
					if r.rate == 0 {
						norate++
					}
					if r.timeless {
						notime++
					}
					if r.name == "" && alone(x) {
						noname++
					}
					if bad != "" {
						t.Fatalf("round %d device %d %s dom %d v%d port %d at %d: %s, after %v", round, i, x.address, x.domain, x.version, x.port, x.at, bad, log[max(0, len(log)-8):])
					}
				}
				for i, x := range all { // a card of it, which says nothing, at any collector
					if f.now-doubtful < int64(95*time.Minute) {
						break
					}
					card := *x
					card.port = uint16(100 + i)
					if r := card.reads(f.collectors[random.IntN(3)]); r.ok && (r.wrong || r.rate != 0 && r.rate != uint64(x.rate) || !r.timeless && r.off.Abs() > time.Second) {
						t.Fatalf("round %d: a card of device %d, %s domain %d, is read as %+v, its rate is %d, after %v", round, i, x.address, x.domain, r, x.rate,
							log[max(0, len(log)-8):])
					}
				}
				if round%9 != 8 {
					continue
				}
				i := random.IntN(len(all))
				x := all[i]
				switch random.IntN(12) {
				case 0, 1:
					x.boot = uint64(f.now / 1e6)
					x.name += "'"
					x.rate, x.changed = x.rate+1000, f.now
					if alone(x) {
						x.layout = random.IntN(len(layouts))
					}
					give(x)
					note("device %d reboots, rate %d layout %d name %s", i, x.rate, x.layout, x.name)
				case 2:
					x.rate, x.changed = x.rate+1000, f.now
					x.said = false
					note("device %d rate %d", i, x.rate)
				case 3, 9, 10, 11:
					n := random.IntN(3)
					note("collector %d replaced", n)
					f.replace(n)
					if f.now-doubtful < int64(95*time.Minute) {
						for _, x := range all {
							x.said = false
						}
					}
				case 4:
					note("lost")
					clear(f.bucket)
					f.relist()
					doubtful = f.now
				case 5:
					f.snapshot = maps.Clone(f.bucket)
				case 6:
					if f.snapshot != nil {
						note("rolled back")
						f.bucket = maps.Clone(f.snapshot)
						f.relist()
						doubtful = f.now
					}
				case 7:
					x.ahead = time.Duration(random.IntN(7)-3) * 3 * time.Hour
					note("device %d clock %s", i, x.ahead)
				case 8:
					note("silence")
					f.wait(time.Duration(1+random.IntN(5)) * time.Hour)
					doubtful = f.now
				}
			}
			t.Logf("decoded %d held %d norate %d notime %d noname %d keys %d writes %d", decoded, held, norate, notime, noname, len(f.bucket), f.writes)
			if held+norate+notime > decoded/20 {
				t.Errorf("of %d records %d are not decoded at once, %d have no rate and %d no time", decoded, held, norate, notime)
			}
		})
	}
}

// A device has another port each time, and says the same rate all the time. Another domain of the same address says something else each 25
// minutes. Collectors that hear neither do not take the first for silent.
func TestAPortThatChangesIsNotTakenForSilentWhileOthersChangeTheirMind(t *testing.T) {
	f := newFleet(t, 2)
	l := &life{fleet: f, version: 9}
	rate := func(domain, rate uint32) [][]byte {
		return said{domain, 1, [][2]uint16{system9, interval}, []uint32{1, rate}}.sets(9)
	}
	for round := range uint32(60) {
		l.send(f.collectors[0], uint16(2000+round), 7, rate(7, 100)...)
		l.send(f.collectors[0], 1000, 8, rate(8, 200+round/5)...)
		f.wait(5 * time.Minute)
		c := f.collectors[1]
		before := len(c.records)
		l.send(c, 500, 7, set(0, u16(300, 1, 1, 4)), set(300, u32(1000)))
		if got := c.records[before].SamplingRate; got != 100 {
			t.Fatalf("round %d: the rate is %d", round, got)
		}
	}
}
