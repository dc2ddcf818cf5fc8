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
	"github.com/flowfleet/flowfleet/collector/template"
)

// manner is how an exporter says the rate of its flows.
type manner int

const (
	bySystem manner = iota
	byInterface
	byIngress
	byCard
	byTemplate
	byProcess
	bySampler
	bySelector
	manners
)

// exporter is a device of any kind: of NetFlow v9 or IPFIX, with a rate for whatever it may be for, and interfaces with names.
type exporter struct {
	version  uint16
	address  netip.Addr
	domain   uint32
	port     uint16
	cards    []uint16
	layout   int
	manner   manner
	rate     uint32
	id       uint32 // of the sampler or selector
	name     string // of its interface
	began    int64  // for its uptime
	ahead    time.Duration
	unset    bool // its clock begins in 1970
	sequence uint32
	number   uint32

	// at is the collector that hears it. Times since when something may still be doubtful, as docs/sharing.md says.
	at            int
	moved, rated  int64
	named, unsure int64
	mannered      int64 // 0 for never
	mute          bool
}

func (x *exporter) send(c *collector, port uint16, domain uint32, sets ...[]byte) {
	var body []byte
	for _, s := range sets {
		body = append(body, s...)
	}
	now := c.fleet.now
	at := uint32((now + int64(x.ahead)) / int64(time.Second))
	if x.unset {
		at = uint32((now - x.began) / int64(time.Second))
	}
	x.sequence++
	header := append(u16(10, uint16(16+len(body))), u32(at, x.sequence, domain)...)
	if x.version == 9 {
		header = append(u16(9, uint16(len(sets))), u32(uint32((now-x.began)/int64(time.Millisecond)), at, x.sequence, domain)...)
	}
	c.decoder.Decode(netflow.Datagram{Payload: append(header, body...), Source: netip.AddrPortFrom(x.address, port), Received: now})
}

// namer is the element by which flows name their sampler or selector.
func (x *exporter) namer() [2]uint16 {
	if x.version == 9 {
		return sampler
	}
	return selector
}

func (x *exporter) named9() bool { return x.version == 9 }

func (x *exporter) templates() []byte {
	l := layouts[x.layout]
	fields, n := u16(l[0], 4, l[1], 4, l[2], 4), uint16(3)
	if x.manner >= bySampler {
		fields, n = append(fields, u16(x.namer()[0], x.namer()[1])...), 4
	}
	kind := uint16(2)
	if x.named9() {
		kind = 0
	}
	// Another one has the same fields in another order.
	o := layouts[(x.layout+1)%len(layouts)]
	return set(kind, u16(300, n), fields, u16(301, 3, o[0], 4, o[1], 4, o[2], 4))
}

// options is what it says of its rate.
func (x *exporter) options() (out []said) {
	rate := [][2]uint16{interval}
	values := []uint32{x.rate}
	if x.version == 10 && x.rate > 1 { // by PSAMP's parameters
		switch x.rate / 100 % 3 {
		case 0:
			rate, values = [][2]uint16{{304, 2}, {305, 4}, {306, 4}}, []uint32{1, 1, x.rate - 1}
		case 1:
			rate, values = [][2]uint16{{304, 2}, {309, 4}, {310, 4}}, []uint32{3, 2, 2 * x.rate}
		}
	}
	one := func(domain uint32, about uint32, fields ...[2]uint16) said {
		v := []uint32{about}
		for range fields[1:] {
			v = append(v, about)
		}
		return said{domain, len(fields), append(fields, rate...), append(v, values...)}
	}
	nine := x.version == 9
	pick := func(v9, ipfix [2]uint16) [2]uint16 {
		if nine {
			return v9
		}
		return ipfix
	}
	switch x.manner {
	case byInterface:
		out = append(out, one(x.domain, inputOfTest, pick(port9, ingress)))
	case byIngress:
		s := one(x.domain, inputOfTest, pick(port9, ingress))
		if nine {
			s.fields, s.values = append(s.fields, direction), append(s.values, 0)
		}
		out = append(out, s)
	case byCard:
		out = append(out, one(x.domain, 2, pick(card9, [2]uint16{141, 4})))
	case byTemplate:
		out = append(out, one(x.domain, 300, pick(template9, [2]uint16{145, 2})), one(x.domain, 301, pick(template9, [2]uint16{145, 2})))
		out[1].values[len(out[1].values)-1] += 7 // of some unit
	case byProcess:
		if nine {
			out = append(out, one(0, 1, system9))
		} else {
			out = append(out, one(0, 1, process))
		}
	case bySampler, bySelector:
		about := pick(system9, [2]uint16{149, 4})
		s := one(x.domain, x.domain, about)
		s.fields, s.values = append(s.fields, x.namer()), append(s.values, x.id)
		out = append(out, s)
	default:
		out = append(out, one(x.domain, x.domain, pick(system9, domain)))
	}
	return out
}

// announce sends all that it says.
func (x *exporter) announce(c *collector) {
	x.send(c, x.port, x.domain, x.templates())
	if !x.mute {
		for _, s := range x.options() {
			sets := s.sets(x.version)
			x.send(c, x.port, s.domain, sets...)
		}
	}
	// The name of its interface, in a table of its own.
	text := make([]byte, 16)
	copy(text, x.name)
	if x.version == 9 {
		x.send(c, x.port, x.domain, set(1, u16(401, 4, 4, 2, 4, 82, 16)), set(401, u32(inputOfTest), text))
	} else {
		x.send(c, x.port, x.domain, set(3, u16(401, 2, 1, 10, 4, 82, 16)), set(401, u32(inputOfTest), text))
	}
	c.fleet.sync()
}

// data sends a record that names a sampler, if it names one.
func (x *exporter) data(c *collector, port uint16, id uint32) (decoded, wrongLayout bool, rate uint64) {
	x.number++
	l := layouts[x.layout]
	var b []byte
	for _, element := range l {
		b = append(b, u32(map[uint16]uint32{1: 1000 + x.number, 2: packetsOfTest, 10: inputOfTest}[element])...)
	}
	if x.manner >= bySampler {
		if x.version == 9 {
			b = append(b, byte(id))
		} else {
			b = binary.BigEndian.AppendUint32(b, id)
		}
	}
	c.records = c.records[:0]
	x.send(c, port, x.domain, set(300, b))
	if len(c.records) == 0 {
		return false, false, 0
	}
	r := c.records[len(c.records)-1]
	c.records = c.records[:0]
	return true, r.Bytes != uint64(1000+x.number) || r.Packets != packetsOfTest || r.InIf != inputOfTest, r.SamplingRate
}

func (x *exporter) String() string {
	return fmt.Sprintf("v%d %s domain %d port %d manner %d rate %d id %d layout %d at %d", x.version, x.address, x.domain, x.port, x.manner, x.rate, x.id, x.layout, x.at)
}

// nameIn is what a collector takes the interface's name for.
func (x *exporter) nameIn(c *collector) string {
	e := c.names.Find(x.address)
	row := c.names.Resolve(e, names.Key{Scope: names.Scope{Exporter: x.address, Domain: x.domain}, Table: names.Interfaces, Number: inputOfTest}, netip.Addr{})
	if row == nil {
		return ""
	}
	return row.Name
}

// Exporters of all kinds, with rates for all that a rate may be for, and names: what is read is right after each event, in each collector.
func TestLivesOfAllKinds(t *testing.T) {
	for seed := range seeds(4, 2) {
		for _, mode := range []template.Mode{template.ModeAuto, template.ModeAddress, template.ModeAddressPort} {
			t.Run(fmt.Sprint("mode ", mode, ", seed ", seed), func(t *testing.T) {
				t.Parallel()
				liveAll(t, mode, seed)
			})
		}
	}
}

func liveAll(t *testing.T, mode template.Mode, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 34))
	f := newFleet(t, 0)
	f.mode = mode
	f.begin(3)
	ports := uint16(1000)
	port := func() uint16 { ports++; return ports }
	rate := func() uint32 { return uint32(random.IntN(5)) * 100 }
	var all []*exporter
	for i := range 24 {
		x := &exporter{version: uint16(9 + i%2), address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), domain: uint32(1 + i%3), port: port(),
			layout: random.IntN(len(layouts)), manner: manner(i/2) % manners, rate: rate(), id: uint32(1 + random.IntN(3)),
			ahead: time.Duration(random.IntN(5)-2) * 5 * time.Hour, unset: i%5 == 4, at: i % 3, name: "n0", began: f.now - int64(time.Hour)}
		if i%3 == 0 && mode != template.ModeAddressPort {
			x.cards = []uint16{port(), port()}
		}
		if i >= 20 && mode == template.ModeAuto { // neighbours
			o := all[19-i%2]
			x.version, x.address, x.domain, x.cards, o.cards, x.name = o.version, o.address, o.domain, nil, nil, o.name
			x.manner, o.manner = manner(random.IntN(int(bySampler))), manner(random.IntN(int(bySampler)))
		}
		all = append(all, x)
	}
	neighbours := func(x *exporter) (n int) {
		for _, o := range all {
			if o.address == x.address {
				n++
			}
		}
		return n
	}
	for _, x := range all {
		x.moved, x.rated, x.named = f.now, f.now, f.now
		x.announce(f.collectors[x.at])
	}
	var log []string
	note := func(format string, args ...any) {
		log = append(log, fmt.Sprintf("%s ", time.Duration(f.now-1_700_000_000*int64(time.Second)))+fmt.Sprintf(format, args...))
	}
	decoded, held := 0, 0
	fullUntil, cutUntil := 0, 0
	lost := int64(0)
	for round := range 800 {
		f.wait(time.Minute)
		if round%10 == 0 {
			f.relist()
		}
		if f.full && round >= fullUntil {
			note("the bucket has room again")
			f.full = false
			f.sync()
			for _, x := range all {
				x.unsure = f.now
			}
		}
		for i, c := range f.collectors {
			if c.cut && round >= cutUntil {
				note("collector %d is back", i)
				c.heal()
				for _, x := range all {
					x.unsure = f.now
				}
			}
		}
		for i, x := range all {
			c := f.collectors[x.at]
			if round%5 == i%5 {
				x.announce(c)
			}
			alone := neighbours(x) == 1
			apart := f.full || c.cut // others may not know what it says
			for k := range 2 + len(x.cards) {
				p, to := x.port, c
				switch k {
				case 0:
				case 1: // another collector
					to = f.collectors[(x.at+1+random.IntN(2))%3]
				default:
					p, to = x.cards[k-2], f.collectors[(x.at+k)%3]
				}
				elsewhere := to != c && (apart || to.cut || f.now-x.unsure < int64(10*time.Minute))
				id := x.id
				if x.manner >= bySampler && random.IntN(4) == 0 {
					id = 0
				}
				ok, wrong, got := x.data(to, p, id)
				want := uint64(x.rate)
				if id == 0 {
					want = 0
				}
				since, rated := time.Duration(f.now-x.moved), time.Duration(f.now-max(x.rated, x.moved))
				if !alone || k > 1 {
					rated = time.Duration(f.now - max(x.rated, x.moved, x.unsure, lost))
				}
				var bad string
				switch {
				case wrong && !elsewhere:
					bad = "is read with another layout"
				case !ok && !elsewhere && (k == 0 && since > 10*time.Minute || since > cardsHeld && f.now-x.unsure > int64(cardsHeld)):
					bad = "is not read"
				case ok && !x.mute && got != want && (rated > rateWithin || k == 0 && x.rated == 0) && !elsewhere:
					bad = fmt.Sprint("has rate ", got, ", not ", want)
				case ok && k == 0 && round%5 == i%5 && !x.mute && got != want && f.now-x.mannered > int64(rateWithin):
					bad = fmt.Sprint("just said its rate and has ", got, ", not ", want)
				case ok && id == 0 && got != 0 && !elsewhere:
					bad = fmt.Sprint("names sampler 0 and has rate ", got)
				}
				if bad != "" {
					t.Fatalf("exporter %d (%s), port %d (%d): %s, %s after it changed, %s after its rate did; after %v", i, x, p, k, bad, since, rated, log[max(0, len(log)-15):])
				}
				if ok {
					decoded++
				} else {
					held++
				}
				if name := x.nameIn(to); name != x.name && f.now-max(x.named, x.unsure) > int64(10*time.Minute) && !elsewhere {
					t.Fatalf("exporter %d (%s): its interface is %q for collector %d, not %q; after %v", i, x, name, x.at, x.name, log[max(0, len(log)-15):])
				}
			}
		}
		if round%4 != 3 {
			continue
		}
		f.wait(7 * time.Second)
		i := random.IntN(len(all))
		x := all[i]
		switch event := random.IntN(16); event {
		case 0:
			x.layout, x.moved = (x.layout+1+random.IntN(4))%len(layouts), f.now
			note("%d takes layout %d", i, x.layout)
		case 1, 2: // a reboot
			was := x.layout
			x.layout, x.port, x.moved, x.began, x.sequence = random.IntN(len(layouts)), port(), f.now, f.now, 0
			for k := range x.cards {
				x.cards[k] = port()
			}
			x.at = random.IntN(3)
			note("%d (of %d) reboots with layout %d and port %d at %d", i, was, x.layout, x.port, x.at)
		case 3, 4:
			x.rate, x.rated = rate(), f.now
			note("%d samples 1 of %d", i, x.rate)
		case 5:
			all := manners
			if neighbours(x) > 1 {
				all = bySampler // who names a sampler has another layout
			}
			x.manner, x.rated, x.moved, x.mannered = manner(random.IntN(int(all))), f.now, f.now, f.now
			note("%d says its rate by %d", i, x.manner)
		case 6:
			x.id, x.rated = 1+x.id%5, f.now
			note("%d has sampler %d", i, x.id)
		case 7:
			x.ahead, x.unset = time.Duration(random.IntN(9)-4)*7*time.Hour, random.IntN(4) == 0
			note("%d has its clock set by %s (unset %v)", i, x.ahead, x.unset)
		case 8:
			if neighbours(x) == 1 {
				x.name, x.named = fmt.Sprint("n", round), f.now
				note("%d names its interface %s", i, x.name)
			}
		case 9:
			if !f.full {
				n := random.IntN(3)
				note("collector %d is replaced", n)
				if !f.collectors[n].cut {
					f.replace(n)
				}
				for _, o := range all {
					o.unsure = f.now
				}
			}
		case 10:
			note("the bucket is lost")
			clear(f.bucket)
			f.relist()
			lost = f.now
		case 11:
			if f.snapshot != nil {
				note("the bucket is rolled back")
				f.bucket = maps.Clone(f.snapshot)
				f.relist()
				for _, o := range all {
					o.rated, o.unsure = f.now, f.now
				}
			} else {
				f.snapshot = maps.Clone(f.bucket)
			}
		case 12:
			if cutUntil <= round && !f.full {
				fullUntil = round + 3 + random.IntN(60)
				f.full = true
				note("the bucket is full")
			}
		case 13:
			if fullUntil <= round && cutUntil <= round {
				cutUntil = round + 3 + random.IntN(5)
				f.collectors[random.IntN(3)].cut = true
				note("a collector is cut off")
			}
		case 14:
			if round%3 == 0 && fullUntil <= round && cutUntil <= round {
				note("silence of 31 days")
				f.wait(31 * 24 * time.Hour)
				f.snapshot = nil
				for _, o := range all {
					o.moved, o.rated, o.named, o.unsure = f.now, f.now, f.now, f.now
					o.announce(f.collectors[o.at])
				}
			}
		case 15:
			x.mute = !x.mute
			x.rated = f.now
			note("%d says its rate: %v", i, !x.mute)
		}
		x.announce(f.collectors[x.at])
	}
	t.Logf("%d records decoded, %d held, %d writes, %d keys", decoded, held, f.writes, len(f.bucket))
	if held*10 > decoded {
		t.Errorf("%d of %d records were held", held, decoded+held)
	}
}
