package sampling

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Bounds in time, in nanoseconds, and in number.
const (
	// silence is how much older than the newest announcement of its exporter one may be and still count.
	silence = int64(time.Hour)
	// retell is how often the bucket is told of what is heard while something else is not.
	retell = silence / 2
	// worthTelling is by how much later something was heard here than the bucket says, for which alone it is told: it has times by the server's
	// clock, which seems some milliseconds off, now more and now less.
	worthTelling = int64(time.Minute)
	never        = int64(1<<63 - 1)
	// maxEach bounds the announcements for one subject: domains and ports.
	maxEach = 1024
	// maxOnly bounds the samplers, or line cards, of which it is looked at who of those that announce them counts; of more, all have to say the same.
	maxOnly = 256
)

// announcement is what a port of the exporter said in, or of, a domain.
type announcement struct {
	domain uint32
	port   uint16
	// rate is 0 where sampling has ended.
	rate uint64
	// heard is when it was last announced, as far as known here; since when it began; told when it was heard as far as the bucket
	// knows, and with it all others. What is heard later than told is heard here.
	heard, since, told int64
	stamp              template.Stamp
	// first is the export time it began with, formers what the port said before.
	first   template.Stamp
	formers []former
	// returned: the rate is one of before, which came back.
	returned bool
	// rival: devices that share the port dispute its rate, this is one of those. Its since is 0: before all others.
	rival bool
}

// Exporter is what one address announced in all its domains. It is safe for concurrent use.
type Exporter struct {
	store *Store
	key   exporterKey
	// generation changes with every change of what a look-up gives, but for what the ttl brings.
	generation atomic.Uint64
	gone       atomic.Bool
	heard      atomic.Int64

	mu sync.Mutex
	// subjects by their Key.
	subjects map[uint64][]*announcement
	// samplers are those subjects that flows may name, cards those that are line cards.
	samplers, cards map[uint64]struct{}
	// numbered is how many announcements are remembered of the samplers and selectors of each domain.
	numbered map[uint32]int
	byKind   [kinds]int
	speakers map[uint16]*speaker
	count    int
	// forgotten is when what made room, and nobody else says, was last heard.
	forgotten [kinds]int64
	// parted is since when the exporter is known again that made room while ports of it said different things, 0 where it did not.
	parted int64
	// newest is the latest of all told, the same for all who share the bucket; checked is when silent ones were last looked for;
	// began is when the bucket's first was taken.
	newest, checked, began int64
	// resumed is when something was announced after an hour without, and before it the newest of all then; spoken are the ports that
	// announced something since.
	resumed, before int64
	spoken          map[uint16]struct{}
}

// maxSpoken bounds the ports that are told apart after a silence.
const maxSpoken = 256

// Generation changes whenever a look-up may give another result, but for what the ttl brings.
func (e *Exporter) Generation() uint64 { return e.generation.Load() }

// Until is until when what a look-up gives holds if nothing changes, in nanoseconds since 1970, but for what the ttl brings.
func (e *Exporter) Until(now int64) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.partedAt(now) {
		return e.parted + silence + 1
	}
	return never
}

// partedAt reports whether the exporter is known again for so short a time, and its ports said different things before, that what a port said
// which has said nothing since is not to be taken from others.
func (e *Exporter) partedAt(now int64) bool { return e.parted != 0 && now-e.parted <= silence }

// Gone reports that the Store has forgotten the exporter.
func (e *Exporter) Gone() bool { return e.gone.Load() }

// inForce reports whether a counts at now.
func (e *Exporter) inForce(a *announcement, now int64) bool { return e.counts(a.port, a.heard, now) }

// counts reports whether what a port announced at a time counts at now.
func (e *Exporter) counts(port uint16, heard, now int64) bool {
	return (e.newest-heard <= silence || e.awaited(port, heard)) && now-heard <= e.store.TTL()
}

// awaited reports whether what a port announced counts on though others announced since: nobody did for an hour, as behind a link that was
// down, it counted before, and the port has half an hour to be heard again. Else who comes back first would lend its rate to its neighbours.
func (e *Exporter) awaited(port uint16, heard int64) bool {
	if e.newest-e.resumed > retell || e.before-heard > silence || len(e.spoken) >= maxSpoken {
		return false
	}
	_, spoken := e.spoken[port]
	return !spoken
}

// hears notes that a port announced something, at a time.
func (e *Exporter) hears(port uint16, at int64) {
	e.spoke(port, at)
	if e.resumed == 0 || at < e.resumed || len(e.spoken) >= maxSpoken {
		return
	}
	if _, known := e.spoken[port]; !known {
		e.spoken[port] = struct{}{}
		e.generation.Add(1)
	}
}

// Learn takes a rate that port announced in a domain, or of it, for a subject (see Key), in a message with an export time in
// seconds since 1970 that was received at now (nanoseconds). It may have waited: what was heard later than it holds. A rate of 0 says that
// sampling has ended.
func (e *Exporter) Learn(domain uint32, port uint16, subject, rate, exported uint64, now int64) {
	defer e.store.trim(e) // when e is unlocked
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.store.addressOnly {
		port = template.AnyPort
	}
	defer e.hears(port, now)
	e.heard.Store(now)
	stamp := template.StampOf(exported)
	a := e.find(subject, domain, port, rate, false)
	switch {
	case a == nil:
		a := &announcement{domain: domain, port: port, rate: rate, heard: now, since: now, stamp: stamp, first: stamp}
		e.add(subject, a)
		e.store.totals.Add(ledger.SamplingLearned, 1)
		e.publish(subject, a, now)
		return
	case a.late(rate, stamp, now), a.rate != rate && now < a.heard:
		e.store.totals.Add(ledger.SamplingStale, 1)
		return
	case e.disputed(subject, a, rate, now):
		e.store.totals.Add(ledger.SamplingRefreshed, 1)
		return
	}
	revived := !e.inForce(a, now)
	if revived {
		e.generation.Add(1)
	}
	if a.rate != rate {
		a.replace(rate, now)
		a.heard, a.since, a.stamp, a.first = now, now, template.After(stamp, a.stamp, a.heard, now), stamp
		e.store.totals.Add(ledger.SamplingChanged, 1)
		e.tell(subject, a, now, false)
		e.tellOthers(subject, a, now)
		return
	}
	a.heard, a.stamp = max(a.heard, now), max(a.stamp, stamp)
	e.store.totals.Add(ledger.SamplingRefreshed, 1)
	if revived {
		a.since = now
	}
	if a.told == 0 {
		e.publish(subject, a, now)
		return
	}
	if revived || now-a.told > e.store.TTL()/2 || e.newest-a.told > retell || e.contradicted(subject, a) || now-a.told > retell && e.misses(now) {
		e.tell(subject, a, now, true)
	}
}

// contradicted reports whether another port says something else since the bucket was told of a.
func (e *Exporter) contradicted(subject uint64, a *announcement) bool {
	return slices.ContainsFunc(e.subjects[subject], func(o *announcement) bool {
		return o.domain == a.domain && o.rate != a.rate && o.since >= a.told && o != a
	})
}

// misses reports whether something that counts was not heard for long. It looks at most each quarter of an hour, so that what
// exporters send does not buy a walk each; to say again what is heard asks who hears the rest to do the same.
func (e *Exporter) misses(now int64) bool {
	if now-e.checked < retell/2 {
		return false
	}
	for _, at := range e.forgotten {
		if at != 0 && e.newest-at <= silence && now-at > retell {
			return true // until others are told of what was heard since, it counts as in force: see missing
		}
	}
	for _, all := range e.subjects {
		groups := e.groups(all, now)
		for _, o := range all {
			if e.inForce(o, now) && now-groups[o.group()].newest.heard > retell {
				return true // not noted as checked: what was not told for long is told of, each once
			}
		}
	}
	e.checked = now
	return false
}

// tell has the bucket written. e.mu is held.
func (e *Exporter) tell(subject uint64, a *announcement, now int64, refresh bool) {
	refresh = refresh && a.told != 0
	a.told, e.checked = max(a.heard, 1), now
	e.advance(a.heard, true)
	e.generation.Add(1)
	d := e.describe(subject, a)
	d.Refresh = refresh
	e.store.observer.Learned(d)
	if s := e.speakers[a.port]; !s.told {
		s.told = true
		e.tellRest(a.port, now)
	}
}

// advance notes that something was heard at a time, here or as the bucket says. Where nothing was for long, others would take what is
// heard here for silent: they are told of that as well. A collector that began a moment ago does not know what it would have heard:
// that has half an hour to be. e.mu is held.
func (e *Exporter) advance(at int64, here bool) {
	if at <= e.newest {
		return
	}
	before := e.newest
	e.newest = at
	e.generation.Add(1)
	if at-before > retell && before != 0 && (here || at > e.began) { // not what is only loaded
		e.resumed, e.before, e.spoken = at, before, make(map[uint16]struct{})
	}
	if at-before <= retell {
		return
	}
	young := here && at < e.began+retell
	for subject, all := range e.subjects {
		groups := e.groups(all, at)
		for _, a := range all {
			if young && !a.rival && before-a.heard <= silence && at-a.heard > silence && at-a.heard <= e.store.TTL() {
				a.heard = at - retell - 1
				e.spoke(a.port, a.heard)
			}
			g := groups[a.group()]
			switch {
			case a.heard <= a.told || at-a.told <= retell || at-a.heard > silence:
			case a.told != 0, g.newest == a && g.keeper == nil:
				e.tell(subject, a, max(at, e.checked), true)
			case g.newest == a && at-g.told > retell:
				e.keep(subject, g, a.heard, max(at, e.checked))
			}
		}
	}
}

func (e *Exporter) describe(subject uint64, a *announcement) template.Definition {
	key := template.Key{Scope: template.Scope{Version: e.key.version, Exporter: e.key.address, Domain: a.domain},
		Family: template.FamilySampling, Port: a.port, ID: subject}
	if a.rival {
		key.Layout = a.rate + 1
	}
	return template.Definition{
		Key: key, Kind: template.KindSampling, Stamp: a.stamp, Record: Encode(a.rate), Heard: a.heard, Told: a.told,
		Witnessed: a.heard > a.since,
	}
}

// add notes an announcement, and forgets in memory what was not heard for long where there are too many.
func (e *Exporter) add(subject uint64, a *announcement) {
	all := e.subjects[subject]
	if len(all) >= maxEach {
		e.forget(subject, oldest(all))
		e.store.totals.Add(ledger.SamplingEvicted, 1)
	}
	e.subjects[subject] = append(e.subjects[subject], a)
	e.remembers(a)
	kind, _ := Split(subject)
	switch kind {
	case Sampler, Selector:
		e.samplers[subject] = struct{}{}
		e.numbered[a.domain]++
	case LineCard:
		e.cards[subject] = struct{}{}
	}
	e.byKind[kind]++
	e.count++
	if !e.gone.Load() { // what a worker still learns of one that is gone is nobody's
		e.store.count.Add(1)
	}
	e.generation.Add(1)
	for e.count > e.store.limits.Load().Rates && e.evictOther(a, never) {
	}
}

// oldest is the announcement that was not heard for longest.
func oldest(all []*announcement) *announcement {
	return slices.MinFunc(all, func(a, b *announcement) int { return cmp.Compare(a.heard, b.heard) })
}

// hasRoom reports whether there is room for one more announcement about a subject, or that of one which was heard before a time: what the bucket has too
// much of must not push out what was heard later.
func (e *Exporter) hasRoom(subject uint64, heard int64) bool {
	if all := e.subjects[subject]; len(all) >= maxEach {
		return oldest(all).heard < heard
	}
	limits := e.store.limits.Load()
	full := e.count >= limits.Rates || e.count > 0 && e.store.count.Load() >= int64(limits.Total)
	return !full || e.evictOther(nil, heard)
}

// refuse notes that what the bucket has found no room. What would count is counted once, though each listing brings it again.
func (e *Exporter) refuse(d *template.Definition) {
	kind, _ := Split(d.Key.ID)
	if d.Heard > e.forgotten[kind]+worthTelling {
		e.store.totals.Add(ledger.SamplingEvicted, 1)
	}
	e.miss(d.Key.ID, d.Heard)
	e.generation.Add(1)
}

// evictOther forgets, in memory only, the announcement that was not heard for longest of some that were heard before than, but for kept. It
// reports whether there was one.
func (e *Exporter) evictOther(kept *announcement, than int64) bool {
	worst, of := (*announcement)(nil), uint64(0)
	looked := 0
	for s, all := range e.subjects {
		for _, o := range all {
			if o != kept && o.heard < than && (worst == nil || o.heard < worst.heard) {
				worst, of = o, s
			}
		}
		if looked++; looked >= evictionSample && worst != nil || looked == longestLook {
			break
		}
	}
	if worst == nil {
		return false
	}
	e.forget(of, worst)
	e.store.totals.Add(ledger.SamplingEvicted, 1)
	return true
}

// makeRoom forgets an announcement for those of others, and reports whether there was one.
func (e *Exporter) makeRoom() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.evictOther(nil, never)
}

// size is how many announcements are remembered, none of an exporter that is gone.
func (e *Exporter) size() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone.Load() {
		return 0
	}
	return e.count
}

// forget drops what makes room. What nobody else says is missed while it would count: see choose.
func (e *Exporter) forget(subject uint64, a *announcement) {
	if !slices.ContainsFunc(e.subjects[subject], func(o *announcement) bool { return o != a && o.domain == a.domain && o.rate == a.rate }) {
		e.miss(subject, a.heard)
	}
	e.remove(subject, a)
}

// miss notes that something about a subject that was heard at a time is not remembered.
func (e *Exporter) miss(subject uint64, heard int64) {
	kind, _ := Split(subject)
	e.forgotten[kind] = max(e.forgotten[kind], heard)
}

// missing reports whether something of a subject's kind, which would count, made room.
func (e *Exporter) missing(subject uint64, now int64) bool {
	kind, _ := Split(subject)
	at := e.forgotten[kind]
	return at != 0 && e.newest-at <= silence && now-at <= e.store.TTL()
}

func (e *Exporter) remove(subject uint64, a *announcement) {
	all := slices.DeleteFunc(e.subjects[subject], func(o *announcement) bool { return o == a })
	if len(all) == 0 {
		delete(e.subjects, subject)
		delete(e.samplers, subject)
		delete(e.cards, subject)
	} else {
		e.subjects[subject] = all
	}
	kind, _ := Split(subject)
	e.byKind[kind]--
	e.count--
	if kind == Sampler || kind == Selector {
		if e.numbered[a.domain]--; e.numbered[a.domain] == 0 {
			delete(e.numbered, a.domain)
		}
	}
	if s := e.speakers[a.port]; s.count > 1 {
		s.count--
	} else {
		delete(e.speakers, a.port)
	}
	if !e.gone.Load() {
		e.store.count.Add(-1)
	}
	e.generation.Add(1)
}

// restore takes what the bucket has at now and reports whether that changes anything.
func (e *Exporter) restore(d template.Definition, rate uint64, now int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.newest == 0 {
		e.began, e.checked = now, now+retell/2 // what the bucket has is not missed before it could be heard
	}
	e.advance(d.Heard, false)
	defer func() {
		e.hears(d.Key.Port, d.Heard)
		if s := e.speakers[d.Key.Port]; s != nil {
			s.told = true
		}
	}()
	if a := e.find(d.Key.ID, d.Key.Scope.Domain, d.Key.Port, rate, d.Key.Layout != 0); a != nil {
		order := template.Compare(d.Stamp, d.Heard, a.stamp, a.heard)
		changed := a.rate != rate
		if changed && (order < 0 || order == 0 && rate < a.rate) {
			if d.Stamp > a.stamp { // the exporter's clock was set back
				a.stamp = d.Stamp + 1
			}
			e.tell(d.Key.ID, a, e.checked, false) // what is known here is newer
			return false
		}
		if changed {
			a.replace(rate, now)
			a.since, a.stamp, a.first = began(&d), d.Stamp, d.Stamp
		} else if d.Heard <= a.since || d.Heard > a.heard && !d.Witnessed && !e.inForce(a, now) {
			a.since = began(&d) // or it is back
		}
		if changed || a.heard < d.Heard {
			e.generation.Add(1)
		}
		a.stamp, a.heard, a.told = max(a.stamp, d.Stamp), max(a.heard, d.Heard), max(d.Heard, 1)
		switch {
		case changed:
			e.tellOthers(d.Key.ID, a, now) // it may have stood for them
		case a.heard-d.Heard > worthTelling && e.newest-d.Heard > retell && e.inForce(a, now):
			// Another collector wrote what it knows, as into a bucket that was lost: for others that falls silent soon, or has.
			e.tell(d.Key.ID, a, now, true)
		}
		return changed
	}
	if !e.hasRoom(d.Key.ID, d.Heard) {
		e.refuse(&d)
		return false
	}
	a := &announcement{domain: d.Key.Scope.Domain, port: d.Key.Port, rate: rate, heard: d.Heard, since: began(&d), told: max(d.Heard, 1),
		stamp: d.Stamp, first: d.Stamp, rival: d.Key.Layout != 0}
	e.add(d.Key.ID, a)
	e.tellOthers(d.Key.ID, a, now)
	return true
}

// began is when what the bucket has was first said: when it was heard; 0, which is before all others, where it was said before.
func began(d *template.Definition) int64 {
	if d.Witnessed {
		return 0
	}
	return d.Heard
}

// snapshot is what the bucket should have of the exporter.
func (e *Exporter) snapshot(now int64) (out []template.Definition) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for subject, all := range e.subjects {
		for _, a := range slices.Clone(all) {
			if now-a.heard > e.store.TTL() {
				e.remove(subject, a)
				continue
			}
			if a.told == 0 {
				continue // see publish
			}
			out = append(out, e.describe(subject, a))
		}
	}
	return out
}
