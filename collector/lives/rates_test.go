package lives

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
)

// said is an options record with a rate: its template's fields, scope first, and its values.
type said struct {
	domain uint32
	// scopes is how many of fields, of element and length, are scope.
	scopes int
	fields [][2]uint16
	values []uint32
}

func (s said) sets(version uint16) (sets [][]byte) {
	var fields, body []byte
	scope := 0
	for i, f := range s.fields {
		fields = append(fields, u16(f[0], f[1])...)
		switch f[1] {
		case 1:
			body = append(body, byte(s.values[i]))
		case 2:
			body = append(body, u16(uint16(s.values[i]))...)
		default:
			body = append(body, u32(s.values[i])...)
		}
		if i < s.scopes {
			scope += 4
		}
	}
	if version == 9 {
		return [][]byte{set(1, u16(400, uint16(scope), uint16(len(s.fields)*4-scope)), fields), set(400, body)}
	}
	return [][]byte{set(3, u16(400, uint16(len(s.fields)), uint16(s.scopes)), fields), set(400, body)}
}

// Elements and scopes.
var (
	interval  = [2]uint16{34, 4}
	system9   = [2]uint16{1, 4}
	port9     = [2]uint16{2, 4}
	card9     = [2]uint16{3, 4}
	template9 = [2]uint16{5, 2}
	sampler   = [2]uint16{48, 1}
	ingress   = [2]uint16{10, 4}
	egress    = [2]uint16{14, 4}
	direction = [2]uint16{61, 1}
	process   = [2]uint16{144, 4}
	domain    = [2]uint16{149, 4}
	selector  = [2]uint16{302, 4}
)

// life is one exporter's, as its options and flows show it.
type life struct {
	fleet    *fleet
	version  uint16
	sequence uint32
	// late is how long its datagrams are on their way.
	late time.Duration
}

func (l *life) send(c *collector, port uint16, domain uint32, sets ...[]byte) {
	var body []byte
	for _, s := range sets {
		body = append(body, s...)
	}
	l.sequence++
	at := uint32((l.fleet.now - int64(l.late)) / int64(time.Second))
	header := append(u16(10, uint16(16+len(body))), u32(at, l.sequence, domain)...)
	if l.version == 9 {
		header = append(u16(9, uint16(len(sets))), u32(100_000, at, l.sequence, domain)...)
	}
	source := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)
	c.decoder.Decode(netflow.Datagram{Payload: append(header, body...), Source: source, Received: l.fleet.now})
	l.fleet.sync()
}

// say announces from port 1000.
func (l *life) say(c *collector, all ...said) {
	for _, s := range all {
		l.send(c, 1000, s.domain, s.sets(l.version)...)
	}
}

// rate is that of a flow of domain 7 and template 300 that came in by interface 3, leaves by 4, and names sampler or selector id;
// -1 for none.
func (l *life) rate(c *collector, names [2]uint16, id int) uint64 {
	fields, body, n := u16(1, 4, 10, 4, 14, 4), u32(1000, 3, 4), uint16(3)
	if id >= 0 {
		fields, n = append(fields, u16(names[0], names[1])...), 4
		if names[1] == 1 {
			body = append(body, byte(id))
		} else {
			body = append(body, u32(uint32(id))...)
		}
	}
	kind := uint16(2)
	if l.version == 9 {
		kind = 0
	}
	before := len(c.records)
	l.send(c, 1000, 7, set(kind, u16(300, n), fields), set(300, body))
	if len(c.records) == before {
		l.fleet.t.Fatal("the flow is not decoded")
	}
	return c.records[len(c.records)-1].SamplingRate
}

// A rate comes from each scope that RFC 3954 section 6.1, RFC 5476/5477 and RFC 7011 section 3.4.2.1 know, in the collector that
// heard it and in another one that shares the bucket.
func TestARateIsReadFromEachScope(t *testing.T) {
	for name, test := range map[string]struct {
		version uint16
		say     []said
		names   [2]uint16
		id      int
		want    uint64
	}{
		"nothing said":                   {9, nil, sampler, -1, 0},
		"system":                         {9, []said{{7, 1, [][2]uint16{system9, interval}, []uint32{1, 100}}}, sampler, -1, 100},
		"system, said in another domain": {9, []said{{0, 1, [][2]uint16{system9, interval}, []uint32{1, 100}}}, sampler, -1, 100},
		"the own domain before others": {9, []said{{7, 1, [][2]uint16{system9, interval}, []uint32{1, 100}},
			{8, 1, [][2]uint16{system9, interval}, []uint32{1, 200}}}, sampler, -1, 100},
		"other domains that differ": {9, []said{{6, 1, [][2]uint16{system9, interval}, []uint32{1, 100}},
			{8, 1, [][2]uint16{system9, interval}, []uint32{1, 200}}}, sampler, -1, 0},
		"interface": {9, []said{{7, 1, [][2]uint16{system9, interval}, []uint32{1, 100}},
			{7, 1, [][2]uint16{port9, interval}, []uint32{3, 50}}}, sampler, -1, 50},
		"another interface":   {9, []said{{7, 1, [][2]uint16{port9, interval}, []uint32{5, 50}}}, sampler, -1, 0},
		"interface, ingress":  {9, []said{{7, 1, [][2]uint16{port9, direction, interval}, []uint32{3, 0, 50}}}, sampler, -1, 50},
		"its other direction": {9, []said{{7, 1, [][2]uint16{port9, direction, interval}, []uint32{3, 1, 50}}}, sampler, -1, 0},
		"interface, egress":   {9, []said{{7, 1, [][2]uint16{port9, direction, interval}, []uint32{4, 1, 50}}}, sampler, -1, 50},
		"ingressInterface":    {10, []said{{7, 1, [][2]uint16{ingress, interval}, []uint32{3, 50}}}, sampler, -1, 50},
		"egressInterface":     {10, []said{{7, 1, [][2]uint16{egress, interval}, []uint32{4, 50}}}, sampler, -1, 50},
		"template":            {9, []said{{7, 1, [][2]uint16{template9, interval}, []uint32{300, 60}}}, sampler, -1, 60},
		"another template":    {9, []said{{7, 1, [][2]uint16{template9, interval}, []uint32{301, 60}}}, sampler, -1, 0},
		"another's template":  {9, []said{{8, 1, [][2]uint16{template9, interval}, []uint32{300, 60}}}, sampler, -1, 0},
		"line card":           {9, []said{{7, 1, [][2]uint16{card9, interval}, []uint32{2, 70}}}, sampler, -1, 70},
		"line cards that differ": {9, []said{{7, 1, [][2]uint16{card9, interval}, []uint32{2, 70}},
			{7, 1, [][2]uint16{card9, interval}, []uint32{3, 90}}}, sampler, -1, 0},
		"domain":               {10, []said{{7, 1, [][2]uint16{domain, interval}, []uint32{7, 80}}}, sampler, -1, 80},
		"domain, whoever said": {10, []said{{0, 1, [][2]uint16{domain, interval}, []uint32{7, 80}}, {0, 1, [][2]uint16{domain, interval}, []uint32{8, 90}}}, sampler, -1, 80},
		"exporting process":    {10, []said{{0, 1, [][2]uint16{process, interval}, []uint32{1, 90}}}, sampler, -1, 90},
		"domain 0":             {10, []said{{0, 1, [][2]uint16{domain, interval}, []uint32{0, 90}}}, sampler, -1, 90},
		"the domain before its process": {10, []said{{0, 1, [][2]uint16{process, interval}, []uint32{1, 90}},
			{7, 1, [][2]uint16{domain, interval}, []uint32{7, 80}}}, sampler, -1, 80},
		"sampler":                          {9, []said{{7, 1, [][2]uint16{system9, sampler, interval}, []uint32{1, 1, 100}}}, sampler, 1, 100},
		"undescribed sampler":              {9, []said{{7, 1, [][2]uint16{system9, sampler, interval}, []uint32{1, 1, 100}}}, sampler, 7, 0},
		"sampler 0":                        {9, []said{{7, 1, [][2]uint16{system9, sampler, interval}, []uint32{1, 1, 100}}}, sampler, 0, 0},
		"the only sampler":                 {9, []said{{7, 1, [][2]uint16{system9, sampler, interval}, []uint32{1, 1, 100}}}, sampler, -1, 100},
		"samplers that differ":             {9, []said{{7, 1, [][2]uint16{system9, sampler, interval}, []uint32{1, 1, 100}}, {7, 1, [][2]uint16{system9, sampler, interval}, []uint32{1, 2, 200}}}, sampler, -1, 0},
		"selector":                         {10, []said{{7, 1, [][2]uint16{selector, interval}, []uint32{9, 300}}}, selector, 9, 300},
		"undescribed selector":             {10, []said{{7, 1, [][2]uint16{selector, interval}, []uint32{9, 300}}}, selector, 8, 0},
		"an interval of 0":                 {9, []said{{7, 1, [][2]uint16{system9, interval}, []uint32{1, 100}}, {7, 1, [][2]uint16{system9, interval}, []uint32{1, 0}}}, sampler, -1, 0},
		"an interface that is not sampled": {9, []said{{7, 1, [][2]uint16{system9, interval}, []uint32{1, 100}}, {7, 1, [][2]uint16{port9, interval}, []uint32{3, 0}}}, sampler, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2)
			l := &life{fleet: f, version: test.version}
			l.say(f.collectors[0], test.say...)
			f.wait(time.Second)
			for i, c := range f.collectors {
				if got := l.rate(c, test.names, test.id); got != test.want {
					t.Errorf("collector %d: the rate is %d, want %d", i, got, test.want)
				}
			}
		})
	}
}

// What is not announced any more gives way within 95 minutes to what is, in each collector.
func TestARateCountsWhileItIsAnnounced(t *testing.T) {
	system := said{7, 1, [][2]uint16{system9, interval}, []uint32{1, 100}}
	for name, test := range map[string]struct {
		before, after []said
		want, then    uint64
	}{
		"a sampler is replaced": {[]said{{7, 1, [][2]uint16{system9, sampler, interval}, []uint32{1, 1, 1000}}},
			[]said{{7, 1, [][2]uint16{system9, sampler, interval}, []uint32{1, 2, 100}}}, 1000, 100},
		"an interface's gives way to the system's": {[]said{{7, 1, [][2]uint16{port9, interval}, []uint32{3, 1000}}}, []said{system}, 1000, 100},
		"one interface of two":                     {[]said{system, {7, 1, [][2]uint16{port9, interval}, []uint32{3, 1000}}}, []said{system}, 1000, 100},
		"both go on": {[]said{system, {7, 1, [][2]uint16{port9, interval}, []uint32{3, 1000}}},
			[]said{system, {7, 1, [][2]uint16{port9, interval}, []uint32{3, 1000}}}, 1000, 1000},
		"sampling ends":            {[]said{system}, []said{{7, 1, [][2]uint16{system9, interval}, []uint32{1, 0}}}, 100, 0},
		"nothing is said any more": {[]said{system}, nil, 100, 100},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2)
			l := &life{fleet: f, version: 9}
			phase := func(say []said, want uint64) {
				for range 10 {
					l.say(f.collectors[0], say...)
					f.wait(10 * time.Minute)
				}
				for i, c := range f.collectors {
					if got := l.rate(c, sampler, -1); got != want {
						t.Errorf("collector %d: the rate is %d, want %d", i, got, want)
					}
				}
			}
			phase(test.before, test.want)
			phase(test.after, test.then)
			f.replace(1)
			if got := l.rate(f.collectors[1], sampler, -1); got != test.then {
				t.Errorf("a collector that starts reads %d, want %d", got, test.then)
			}
			f.wait(ttl + time.Hour)
			for i, c := range f.collectors {
				if got := l.rate(c, sampler, -1); got != 0 {
					t.Errorf("collector %d: the rate is %d after the ttl", i, got)
				}
			}
		})
	}
}

// A new interface, after hours without a change, does not make the others' rates seem silent to collectors that do not hear them.
func TestANewInterfaceLeavesTheOthersRates(t *testing.T) {
	f := newFleet(t, 2)
	l := &life{fleet: f, version: 9}
	old := said{7, 1, [][2]uint16{port9, interval}, []uint32{3, 1000}}
	for range 30 {
		l.say(f.collectors[0], old)
		f.wait(10 * time.Minute)
	}
	l.say(f.collectors[0], said{7, 1, [][2]uint16{port9, interval}, []uint32{5, 50}})
	for i, c := range f.collectors {
		if got := l.rate(c, sampler, -1); got != 1000 {
			t.Errorf("collector %d: the rate is %d, want 1000", i, got)
		}
	}
}

// Rates beyond their bounds push out no templates.
func TestRatesPushOutNoTemplates(t *testing.T) {
	f := newFleet(t, 1)
	c := f.collectors[0]
	l := &life{fleet: f, version: 9}
	l.send(c, 1000, 7, set(0, u16(300, 1, 1, 4)))
	for i := range uint32(6000) {
		l.say(c, said{7, 1, [][2]uint16{port9, interval}, []uint32{i + 1, 1000}})
	}
	l.send(c, 1000, 7, set(300, u32(5)))
	if len(c.records) != 1 {
		t.Error("the template is gone")
	}
}

// An exporter that changes its port every 30 seconds leaves no more keys than the ttl lets it.
func TestChangingPortsKeepTheBucketBounded(t *testing.T) {
	f := newFleet(t, 2)
	f.limits.TTL = 10 * time.Minute
	f.collectors[0], f.collectors[1] = f.start(), f.start()
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, rate: 100}
	most := 0
	for i := range 120 {
		d.port, d.layout = uint16(1000+i), i/30%2
		d.announce(f.collectors[0])
		f.wait(30 * time.Second)
		if i%20 == 19 {
			f.relist()
		}
		most = max(most, len(f.bucket))
	}
	if most > 100 {
		t.Errorf("%d keys", most)
	}
}

// A rate holds for the flows that follow it in the same message.
func TestARateHoldsInItsOwnMessage(t *testing.T) {
	f := newFleet(t, 1)
	c := f.collectors[0]
	l := &life{fleet: f, version: 9}
	options := said{7, 1, [][2]uint16{system9, interval}, []uint32{1, 100}}.sets(9)
	l.send(c, 1000, 7, append(options, set(0, u16(300, 1, 1, 4)), set(300, u32(5)))...)
	if len(c.records) != 1 || c.records[0].SamplingRate != 100 {
		t.Errorf("%+v, want one record with rate 100", c.records)
	}
}
