package template

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// name is what a definition defines within a scope; data and options templates share ids.
type name struct {
	sampling bool
	id       uint64
}

// definition is one port's meaning of a name. Its fields are guarded by the Exporter; template is immutable.
type definition struct {
	port     uint16
	template *Template // nil for a sampling rate
	rate     uint64
	stamp    Stamp
	heard    int64
	// confirmed are ports that sent the same without a definition of their own. They get one when this one changes: what
	// they said last still holds for them.
	confirmed []confirmation
	// suspect is a different content that came with an older export time; seen twice with time going on, it is no late
	// datagram but an exporter whose clock went back.
	suspect      *definition
	suspectStamp Stamp
}

type confirmation struct {
	port  uint16
	heard int64
}

// maxConfirmed bounds confirmed: line cards and NAT give few ports, a port for each datagram gives ever new ones.
const maxConfirmed = 16

// staleAfter is how much longer than the newest a port's definition may have been silent and still have a say in what
// the scope's ports agree on: an exporter that restarted with a new port must not be outvoted by its former self for ever.
const staleAfter = int64(time.Hour)

func (d *definition) same(o *definition) bool {
	if d.template == nil || o.template == nil {
		return d.template == o.template && d.rate == o.rate
	}
	return d.template.SameLayout(o.template)
}

// Exporter is what one scope taught. It is safe for concurrent use.
type Exporter struct {
	store *Store
	scope Scope
	// generation changes with every change of the definitions.
	generation atomic.Uint64
	gone       atomic.Bool
	heard      atomic.Int64

	mu          sync.Mutex
	definitions map[name][]*definition
	// samplers are the names of definitions that are sampling rates: looking for these must not walk over all templates, which
	// an exporter could change with each set.
	samplers  map[name]struct{}
	templates int // definitions that are templates
	rates     int // definitions that are sampling rates
	// bytes that the exporter takes. Who adds to them holds mu.
	bytes atomic.Int64
}

// What an exporter, and a definition beside its record and fields, take in memory: measured, rounded up.
const (
	exporterBytes   = 512
	definitionBytes = 256
	fieldBytes      = 8
)

// size is about how many bytes d takes.
func (d *definition) size() int64 {
	if d.template == nil {
		return definitionBytes
	}
	return int64(definitionBytes + len(d.template.Record) + fieldBytes*len(d.template.Fields))
}

// grow counts bytes; those of an exporter that is gone are nobody's. e.mu is held.
func (e *Exporter) grow(by int64) {
	if !e.gone.Load() {
		e.bytes.Add(by)
		e.store.bytes.Add(by)
	}
}

// leave lets go of everything: a worker may still look at the exporter for a while.
func (e *Exporter) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.store.bytes.Add(-e.bytes.Load())
	e.gone.Store(true)
	e.bytes.Store(0)
	e.definitions, e.samplers, e.templates, e.rates = make(map[name][]*definition), nil, 0, 0
	e.generation.Add(1)
}

// Generation changes whenever a look-up may give another result.
func (e *Exporter) Generation() uint64 { return e.generation.Load() }

// Gone reports that the Store has forgotten the exporter.
func (e *Exporter) Gone() bool { return e.gone.Load() }

// Heard notes that the exporter was heard of at now, nanoseconds since 1970.
func (e *Exporter) Heard(now int64) { e.heard.Store(now) }

// Template looks up what template id means for datagrams from port, nil where that is unknown or undecided.
//
// With ModeAuto it is the port's own definition; else the one that all recently heard ports agree on; else none, so that
// no record is ever read with a neighbour's layout. ModeAddress takes the newest, ModeAddressPort the port's own only.
func (e *Exporter) Template(port, id uint16) *Template {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.lookup(name{id: uint64(id)}, port); d != nil {
		return d.template
	}
	return nil
}

// Rate looks up a sampling rate as Template does a template. It returns 0 where there is none.
func (e *Exporter) Rate(port uint16, key uint64) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.lookup(name{sampling: true, id: key}, port); d != nil {
		return d.rate
	}
	return 0
}

// OnlyRate is the rate that all the samplers of the exporter with an id of their own share, 0 where there are none or
// they differ. Interfaces' rates have no part in it. perInterface reports whether any interface has a rate.
func (e *Exporter) OnlyRate(port uint16) (rate uint64, perInterface bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	differ := false
	for n := range e.samplers {
		kind, _ := Sampler(n.id)
		if kind == SamplerInterface {
			perInterface = true
			continue
		}
		d := e.lookup(n, port)
		switch {
		case d == nil || rate != 0 && rate != d.rate:
			differ = true
		default:
			rate = d.rate
		}
	}
	if differ {
		rate = 0
	}
	return rate, perInterface
}

func (e *Exporter) lookup(n name, port uint16) *definition {
	all := e.definitions[n]
	if e.store.mode == ModeAddress {
		var newest *definition
		for _, d := range all {
			if newest == nil || d.stamp > newest.stamp {
				newest = d
			}
		}
		return newest
	}
	if i := slices.IndexFunc(all, func(d *definition) bool { return d.port == port }); i >= 0 {
		return all[i]
	}
	if e.store.mode == ModeAddressPort || len(all) == 0 {
		return nil
	}
	newest := all[0]
	for _, d := range all {
		if d.heard > newest.heard {
			newest = d
		}
	}
	for _, d := range all {
		if !d.same(newest) && d.heard > newest.heard-staleAfter {
			return nil
		}
	}
	return newest
}

// LearnTemplate takes a template that came from port in a message with an export time (seconds since 1970) and received at
// now (nanoseconds).
func (e *Exporter) LearnTemplate(port uint16, t *Template, exported uint64, now int64) {
	e.learn(name{id: uint64(t.ID)}, &definition{port: port, template: t, stamp: StampOf(exported), heard: now})
}

// LearnRate takes a sampling rate, as LearnTemplate does a template. A rate of 0 is ignored.
func (e *Exporter) LearnRate(port uint16, key, rate, exported uint64, now int64) {
	if rate != 0 {
		e.learn(name{sampling: true, id: key}, &definition{port: port, rate: rate, stamp: StampOf(exported), heard: now})
	}
}

func (e *Exporter) learn(n name, d *definition) {
	defer e.store.trim(d.heard) // when e is unlocked
	e.heard.Store(d.heard)
	count := templateCounters
	if n.sampling {
		count = samplingCounters
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.store.mode == ModeAddress {
		d.port = AnyPort
	}
	known := e.lookup(n, d.port)
	own := known != nil && known.port == d.port
	switch {
	case known != nil && known.same(d):
		// A definition sent again costs nothing; its stamp moves on, so that an older one cannot replace it.
		known.stamp = max(known.stamp, d.stamp)
		known.suspect = nil
		if own {
			known.heard = d.heard
		} else {
			known.confirm(d.port, d.heard)
		}
		e.store.totals.Add(count.refreshed, 1)
	case own && d.late(known) && !known.insists(d):
		e.store.totals.Add(count.stale, 1)
	case own:
		// Several definitions may be of one second, and the clock of an exporter may go back; their order does not.
		d.stamp = max(d.stamp, known.stamp+1)
		e.replace(n, known, d)
		e.store.totals.Add(count.changed, 1)
		e.store.observer.Learned(e.describe(n, known))
	default:
		if len(e.definitions[n]) > 0 {
			e.store.totals.Add(ledger.TemplatesConflicting, 1)
		}
		e.add(n, d)
		e.store.totals.Add(count.learned, 1)
		e.store.observer.Learned(e.describe(n, d))
	}
}

type counters struct{ learned, changed, refreshed, stale ledger.Counter }

var (
	templateCounters = counters{
		ledger.TemplatesLearned, ledger.TemplatesChanged, ledger.TemplatesRefreshed, ledger.TemplatesStale,
	}
	samplingCounters = counters{
		ledger.SamplingLearned, ledger.SamplingChanged, ledger.SamplingRefreshed, ledger.TemplatesStale,
	}
)

// lateSeconds is how much older than what is known a definition may be and still be taken for a datagram that was
// overtaken on its way. What is older comes from an exporter whose clock went back, as after a restart without a time
// server: its data follows the new definition at once.
const lateSeconds = 60

// late reports whether d is of an earlier second than what is known, by no more than a datagram may be late.
func (d *definition) late(known *definition) bool {
	was, is := known.stamp.Seconds(), d.stamp.Seconds()
	return is < was && was-is <= lateSeconds
}

// insists notes a different content with an older export time and reports whether it came before, earlier.
func (d *definition) insists(o *definition) bool {
	if d.suspect != nil && d.suspect.same(o) && o.stamp > d.suspectStamp {
		return true
	}
	if d.suspect == nil || !d.suspect.same(o) {
		d.suspect, d.suspectStamp = o, o.stamp
	}
	return false
}

func (d *definition) confirm(port uint16, now int64) {
	oldest := 0
	for i := range d.confirmed {
		if d.confirmed[i].port == port {
			d.confirmed[i].heard = now
			return
		}
		if d.confirmed[i].heard < d.confirmed[oldest].heard {
			oldest = i
		}
	}
	if len(d.confirmed) < maxConfirmed {
		d.confirmed = append(d.confirmed, confirmation{port, now})
		return
	}
	d.confirmed[oldest] = confirmation{port, now}
}

// replace puts d in the place of what is known. Only then do the ports that confirmed it get definitions of their own, which may
// push others out.
func (e *Exporter) replace(n name, known, d *definition) {
	old := *known
	e.grow(d.size() - old.size())
	*known = *d
	e.generation.Add(1)
	e.keepForConfirmed(n, &old)
}

// keepForConfirmed gives the ports that confirmed an old definition ones of their own.
func (e *Exporter) keepForConfirmed(n name, old *definition) {
	for _, c := range old.confirmed {
		if c.heard > old.heard-staleAfter && !e.has(n, c.port) {
			d := &definition{port: c.port, template: old.template, rate: old.rate, stamp: old.stamp, heard: c.heard}
			e.add(n, d)
			e.store.observer.Learned(e.describe(n, d))
		}
	}
}

func (e *Exporter) has(n name, port uint16) bool {
	return slices.ContainsFunc(e.definitions[n], func(d *definition) bool { return d.port == port })
}

// add appends a definition and keeps to the bound by forgetting one that was not heard for
// long, in memory only.
func (e *Exporter) add(n name, d *definition) {
	e.definitions[n] = append(e.definitions[n], d)
	e.grow(d.size())
	if n.sampling {
		if e.samplers == nil {
			e.samplers = make(map[name]struct{})
		}
		e.samplers[n] = struct{}{}
	}
	e.count(n, 1)
	for limit := e.store.limits.Load().Templates; e.templates+e.rates > limit; {
		var oldestName name
		var oldest *definition
		looked := 0
		for m, all := range e.definitions {
			for _, o := range all {
				if o != d && (oldest == nil || o.heard < oldest.heard) {
					oldestName, oldest = m, o
				}
			}
			// A flood of templates must not buy a walk over all of them each.
			if looked++; looked >= evictionSample && oldest != nil {
				break
			}
		}
		if oldest == nil {
			break
		}
		e.remove(oldestName, oldest)
		e.store.totals.Add(ledger.TemplatesEvicted, 1)
	}
	e.generation.Add(1)
}

func (e *Exporter) count(n name, by int) {
	if n.sampling {
		e.rates += by
	} else {
		e.templates += by
	}
}

func (e *Exporter) remove(n name, d *definition) {
	all := slices.DeleteFunc(e.definitions[n], func(o *definition) bool { return o == d })
	if len(all) == 0 {
		delete(e.definitions, n)
		delete(e.samplers, n)
	} else {
		e.definitions[n] = all
	}
	e.count(n, -1)
	e.grow(-d.size())
	e.generation.Add(1)
}

// Withdraw drops the template id as port knows it, by a message with an export time in seconds since 1970 (RFC 7011 section
// 8.1).
func (e *Exporter) Withdraw(port, id uint16, exported uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.withdraw(name{id: uint64(id)}, port, StampOf(exported))
}

// WithdrawAll drops all templates of a kind as port knows them (RFC 7011 section 8.1).
func (e *Exporter) WithdrawAll(port uint16, kind Kind, exported uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for n, all := range e.definitions {
		if !n.sampling && all[0].template.Kind == kind {
			e.withdraw(n, port, StampOf(exported))
		}
	}
}

// withdraw drops the port's definition; where the port relies on what others agree on, that goes: its meaning for this
// port is no longer true, and the others send theirs again.
func (e *Exporter) withdraw(n name, port uint16, stamp Stamp) {
	known := e.lookup(n, port)
	if known == nil {
		return
	}
	own := known.port == port || e.store.mode == ModeAddress
	for _, d := range slices.Clone(e.definitions[n]) {
		if own && d != known {
			continue
		}
		e.remove(n, d)
		e.store.totals.Add(ledger.TemplatesWithdrawn, 1)
		e.store.observer.Withdrawn(e.key(n, d.port), max(stamp, d.stamp))
	}
}

func (e *Exporter) restore(n name, d *definition) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, known := range e.definitions[n] {
		if known.port != d.port {
			continue
		}
		switch {
		case known.same(d):
			known.stamp = max(known.stamp, d.stamp)
			return false
		case d.stamp <= known.stamp:
			e.store.observer.Learned(e.describe(n, known))
			return false
		}
		d.heard = max(known.heard, d.heard)
		e.replace(n, known, d)
		return true
	}
	if e.templates+e.rates >= e.store.limits.Load().Templates {
		// What the bucket has too much of must not push out what was just heard.
		e.store.totals.Add(ledger.TemplatesEvicted, 1)
		return false
	}
	e.add(n, d)
	return true
}

func (e *Exporter) forget(n name, port uint16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.definitions[n] {
		if d.port == port {
			e.remove(n, d)
			return
		}
	}
}

func (e *Exporter) key(n name, port uint16) Key {
	return Key{Scope: e.scope, Sampling: n.sampling, Port: port, ID: n.id}
}

func (e *Exporter) describe(n name, d *definition) Definition {
	out := Definition{Key: e.key(n, d.port), Stamp: d.stamp}
	if n.sampling {
		out.Kind, out.Record = KindSampling, EncodeSampling(d.rate)
	} else {
		out.Kind, out.Record = d.template.Kind, d.template.Record
	}
	return out
}

type snapshotItem struct {
	definition Definition
	heard      int64
}

func (e *Exporter) snapshot() []snapshotItem {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]snapshotItem, 0, e.templates+e.rates)
	for n, all := range e.definitions {
		for _, d := range all {
			out = append(out, snapshotItem{e.describe(n, d), max(d.heard, e.heard.Load())})
		}
	}
	return out
}

func (e *Exporter) size() (templates, rates int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.templates, e.rates
}
