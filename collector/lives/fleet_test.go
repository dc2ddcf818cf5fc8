// Package lives tests what exporters teach over weeks: tables of events for single lives, and a random simulation of many, through
// decoder, stores and what is written to the bucket, with a clock that the tests hand in.
package lives

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/boot"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/sampling"
	"github.com/flowfleet/flowfleet/collector/share"
	"github.com/flowfleet/flowfleet/collector/template"
)

const ttl = 30 * 24 * time.Hour

// entry is a value of the bucket and when it was written.
type entry struct {
	value   []byte
	written int64
}

// fleet is some collectors and the bucket that they share. Keys and values are those of a real bucket; so are the rules by which
// writes win, see share.Bucket. Time is the test's.
type fleet struct {
	t          *testing.T
	now        int64
	bucket     map[string]entry
	snapshot   map[string]entry
	keys       map[string]template.Key
	collectors []*collector
	writes     int
	limits     template.Limits
	mode       template.Mode
	// full: the bucket takes no writes.
	full bool
}

// collector is one of them: memory and a decoder.
type collector struct {
	fleet   *fleet
	stores  share.Stores
	store   *template.Store
	names   *names.Store
	clocks  *boot.Store
	decoder *netflow.Decoder
	queue   []template.Definition
	// cut: NATS is out of reach.
	cut     bool
	counts  ledger.Counts
	totals  ledger.Totals
	book    ledger.Book
	records []flow.Record
}

func newFleet(t *testing.T, collectors int) *fleet {
	f := &fleet{t: t, now: int64(1_700_000_000 * time.Second), bucket: make(map[string]entry), keys: make(map[string]template.Key),
		limits: template.Limits{Exporters: 10_000, Templates: 1000, Fields: 100, TTL: ttl}}
	f.begin(collectors)
	return f
}

// begin has so many more collectors.
func (f *fleet) begin(collectors int) {
	for range collectors {
		f.collectors = append(f.collectors, f.start())
	}
}

// start begins a collector that loads the bucket.
func (f *fleet) start() *collector {
	c := f.memory()
	for _, s := range c.stores {
		s.(observable).Observe(c)
	}
	c.list()
	return c
}

// observable is a store that tells of what it learns.
type observable interface{ Observe(template.Observer) }

// memory is a collector that shares nothing yet.
func (f *fleet) memory() *collector {
	c := &collector{fleet: f}
	c.store = template.NewStore(f.mode, f.limits, &c.totals, nil)
	rates := sampling.NewStore(f.mode, sampling.LimitsFor(f.limits.Exporters, f.limits.TTL), &c.totals)
	clocks := boot.NewStore(f.mode, f.limits.Exporters, f.limits.TTL)
	c.clocks = clocks
	c.names = names.NewStore(names.LimitsFor(f.limits.Exporters), f.limits.TTL)
	c.stores = share.Stores{template.FamilyTemplate: c.store, template.FamilySampling: rates, template.FamilyClock: clocks,
		template.FamilyNames: names.Manifests{Store: c.names}, template.FamilyPage: names.BucketPages{Store: c.names}}
	c.decoder = netflow.New(c.store, &netflow.Settings{Hold: true, Names: true, HeldBytes: 1 << 24, HeldBytesPerExporter: 1 << 20,
		HeldAge: int64(5 * time.Minute), Sessions: 1000}, &c.counts,
		func(netip.Addr, template.Version) *ledger.Holder { return &ledger.Holder{Book: &c.book} }, c, nil)
	c.decoder.Share(netflow.Shared{Rates: rates, Clocks: clocks, Names: c.names})
	return c
}

// replace ends a collector and starts another one in its place.
func (f *fleet) replace(i int) {
	f.collectors[i].names.Flush(f.now)
	f.sync()
	f.collectors[i].decoder.Close()
	f.collectors[i] = f.start()
	f.sync()
}

// list reads all of the bucket, and writes what memory has beyond it.
func (c *collector) list() {
	if c.cut {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.fleet.bucket)) {
		c.take(name)
	}
	c.store.InStep(c.fleet.now)
	for _, family := range slices.Sorted(maps.Keys(c.stores)) {
		for d := range c.stores[family].Definitions(c.fleet.now) {
			e, ok := c.fleet.bucket[share.EncodeKey(d.Key)]
			if _, err := share.DecodeValue(e.value); !ok || err != nil {
				c.Learned(d)
			}
		}
	}
}

// key reads a key of the bucket, each once: a simulation lists millions.
func (f *fleet) key(name string) template.Key {
	key, ok := f.keys[name]
	if !ok {
		var err error
		if key, err = share.DecodeKey(name); err != nil {
			f.t.Fatal(err)
		}
		f.keys[name] = key
	}
	return key
}

func (c *collector) take(name string) {
	e := c.fleet.bucket[name]
	key := c.fleet.key(name)
	v, err := share.DecodeValue(e.value)
	if err != nil {
		return
	}
	c.stores[key.Family].Restore(template.Definition{Key: key, Kind: v.Kind, Stamp: v.Stamp, Record: v.Record,
		Heard: c.fleet.heard(e, v), Told: e.written, Witnessed: v.Witnessed, Silent: v.Silent}, c.fleet.now)
}

// heard is when an entry was, as far as the bucket knows.
func (f *fleet) heard(e entry, v share.Value) int64 {
	written := time.Unix(0, e.written)
	if v.Heard.After(written) || written.Sub(v.Heard) > f.limits.TTL {
		return e.written
	}
	return v.Heard.UnixNano()
}

// Learned implements template.Observer. The newest change of each key waits, as in a Bucket's queue.
func (c *collector) Learned(d template.Definition) {
	i := slices.IndexFunc(c.queue, func(o template.Definition) bool { return o.Key == d.Key })
	switch {
	case i < 0:
		c.queue = append(c.queue, d)
	case !d.Refresh:
		c.queue[i] = d
	case c.queue[i].Kind == d.Kind && c.queue[i].Silent == d.Silent && string(c.queue[i].Record) == string(d.Record):
		w := &c.queue[i]
		w.Refresh = true
		w.Heard, w.Stamp, w.Witnessed = max(w.Heard, d.Heard), max(w.Stamp, d.Stamp), w.Witnessed || d.Witnessed
	}
}

// heal ends a cut.
func (c *collector) heal() {
	c.cut = false
	c.list()
	c.fleet.sync()
}

// Record implements netflow.Sink.
func (c *collector) Record(r *flow.Record) { c.records = append(c.records, *r) }

// sync writes what is to be written, and delivers it to all.
func (f *fleet) sync() {
	for _, c := range f.collectors {
		c.names.Tick(f.now)
	}
	turns := 0
	for busy := true; busy; turns++ {
		if busy = false; turns > 1000 {
			f.t.Fatal("collectors answer each other's writes without end")
		}
		for _, c := range f.collectors {
			if c.cut || f.full {
				continue
			}
			queue := c.queue
			c.queue = nil
			slices.SortStableFunc(queue, func(a, b template.Definition) int {
				return strings.Compare(share.EncodeKey(a.Key), share.EncodeKey(b.Key))
			})
			for _, d := range queue {
				busy = true
				f.write(c, d)
			}
		}
	}
	for _, c := range f.collectors {
		c.want()
		c.decoder.Tick(f.now)
	}
}

// want asks the bucket for what memory lacks of it.
func (c *collector) want() {
	if c.cut {
		return
	}
	for _, store := range c.stores {
		s, ok := store.(interface {
			Missed(most int) []template.Scope
			Welcome(scope template.Scope, now int64)
		})
		if !ok {
			continue
		}
		for _, scope := range s.Missed(100) {
			s.Welcome(scope, c.fleet.now)
			for _, name := range slices.Sorted(maps.Keys(c.fleet.bucket)) {
				if key := c.fleet.key(name); key.Scope.Exporter == scope.Exporter && key.Family != template.FamilyPage {
					c.take(name)
				}
			}
		}
	}
	pages := names.BucketPages{Store: c.names}
	for wanted := pages.Wants(100, c.fleet.now); len(wanted) > 0; wanted = pages.Wants(100, c.fleet.now) {
		for _, key := range wanted {
			if name := share.EncodeKey(key); c.fleet.bucket[name].value != nil {
				c.take(name)
			}
		}
	}
}

func (f *fleet) write(c *collector, d template.Definition) {
	name := share.EncodeKey(d.Key)
	if e, ok := f.bucket[name]; ok {
		v, err := share.DecodeValue(e.value)
		same := v.Kind == d.Kind && string(v.Record) == string(d.Record)
		switch {
		case err != nil: // it is replaced
		case same && v.Silent == d.Silent && (v.Witnessed || !d.Witnessed || d.Key.Family != template.FamilyTemplate) && !d.Refresh:
			return
		case !same && (v.Stamp > d.Stamp || v.Stamp == d.Stamp && string(v.Record) > string(d.Record)):
			c.stores[d.Key.Family].Restore(template.Definition{Key: d.Key, Kind: v.Kind, Stamp: max(v.Stamp, d.Stamp+1), Record: v.Record,
				Heard: f.heard(e, v), Told: e.written, Witnessed: v.Witnessed, Silent: v.Silent}, f.now)
			return
		}
	}
	f.writes++
	f.bucket[name] = entry{share.EncodeValue(share.Value{Kind: d.Kind, Stamp: d.Stamp, Heard: time.Unix(0, d.Heard), Writer: "c",
		Record: d.Record, Witnessed: d.Witnessed, Silent: d.Silent}), f.now}
	for _, other := range f.collectors {
		if !other.cut {
			other.take(name)
		}
	}
}

// wait lets time pass; values of the bucket expire, and everything is listed again.
func (f *fleet) wait(d time.Duration) {
	const probe = 5 * time.Minute
	for end := f.now + int64(d); f.now < end; {
		f.now = min(end, f.now+int64(probe))
		for _, c := range f.collectors {
			if !c.cut {
				c.store.InStep(f.now)
			}
		}
	}
	maps.DeleteFunc(f.bucket, func(_ string, e entry) bool { return f.now-e.written > int64(f.limits.TTL) })
	if d >= 10*time.Minute {
		f.relist()
	}
	f.sync()
}

func (f *fleet) relist() {
	for _, c := range f.collectors {
		c.list()
	}
	f.sync()
}

func u16(values ...uint16) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func u32(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

func set(id uint16, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	return append(u16(id, uint16(4+len(body))), body...)
}

// layouts of the same length: one read as another gives wrong numbers rather than none. Elements are bytes, packets and the input
// interface.
var layouts = [][3]uint16{{1, 2, 10}, {2, 1, 10}, {10, 1, 2}, {2, 10, 1}, {1, 10, 2}, {10, 2, 1}}

// What every record has, beside its number of bytes.
const (
	packetsOfTest = 7
	inputOfTest   = 3
)

// device is an exporter of IPFIX. Its template comes from port, its data from there and from its cards' ports.
type device struct {
	address netip.Addr
	domain  uint32
	port    uint16
	cards   []uint16
	layout  int
	rate    uint32
	// ahead is how far its clock is ahead.
	ahead    time.Duration
	sequence uint32
	number   uint32
}

func (d *device) send(c *collector, port uint16, records uint32, sets ...[]byte) {
	var body []byte
	for _, s := range sets {
		body = append(body, s...)
	}
	exported := uint32((c.fleet.now + int64(d.ahead)) / int64(time.Second))
	b := append(u16(10, uint16(16+len(body))), u32(exported, d.sequence, d.domain)...)
	d.sequence += records
	c.decoder.Decode(netflow.Datagram{Payload: append(b, body...), Source: netip.AddrPortFrom(d.address, port), Received: c.fleet.now})
}

func (d *device) scope() template.Scope {
	return template.Scope{Version: template.IPFIX, Exporter: d.address, Domain: d.domain}
}

func (d *device) template() []byte {
	l := layouts[d.layout]
	return set(2, u16(300, 3, l[0], 4, l[1], 4, l[2], 4))
}

// announce sends the template, and the sampling rate of the domain where there is one, from the device's port.
func (d *device) announce(c *collector) {
	d.send(c, d.port, 0, d.template())
	d.send(c, d.port, 1, set(3, u16(400, 2, 1, 149, 4, 34, 4)), set(400, u32(d.domain, d.rate)))
	c.fleet.sync()
}

// record is the set of one more record.
func (d *device) record() []byte {
	d.number++
	l := layouts[d.layout]
	var b []byte
	for _, element := range l {
		b = append(b, u32(map[uint16]uint32{1: 1000 + d.number, 2: packetsOfTest, 10: inputOfTest}[element])...)
	}
	return set(300, b)
}

// data sends one record and returns what became of it: whether it was decoded by now, and which of it was wrong.
func (d *device) data(c *collector, port uint16) (decoded, wrongLayout bool, rate uint64) {
	record := d.record()
	before := len(c.records)
	d.send(c, port, 1, record)
	if len(c.records) == before {
		return false, false, 0
	}
	r := c.records[len(c.records)-1]
	c.records = c.records[:0]
	return true, r.Bytes != uint64(1000+d.number) || r.Packets != packetsOfTest || r.InIf != inputOfTest, r.SamplingRate
}
