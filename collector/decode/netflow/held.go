package netflow

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// heldSet is a data set whose template is not known yet, or that of a list within it.
type heldSet struct {
	// plan and needs are of a set that could be read but for its lists, which are of template needs; nil and 0 of others.
	plan    *plan
	needs   uint16
	session *session
	holder  *holder
	header  header
	id      uint16
	payload []byte // a copy, without the set header
	tag     uint64
	since   int64 // Datagram.Moment
	done    bool  // decoded or dropped: the queue skips it
	// early: its template is known, and only what the bucket may say beside, such as the rate, is waited for. It is read, not dropped.
	early bool
}

// heldOverhead is counted for each held set beside its payload, so that small ones are bounded too.
const heldOverhead = 160

func (h *heldSet) size() int { return len(h.payload) + heldOverhead }

// holder is an address of which something is held: how much of all its streams, and these.
type holder struct {
	address netip.Addr
	bytes   int
	waiting map[*session]struct{}
}

// heldSets is what a Decoder holds: a queue in order of arrival, the sessions that wait, their addresses, and which of these had more than one
// stream may, see next.
type heldSets struct {
	queue   []*heldSet
	head    int
	bytes   int
	count   int
	waiting map[*session]struct{}
	holders map[netip.Addr]*holder
	large   map[*holder]struct{}
}

// compared bounds the addresses, and the streams of one, that are compared to find what makes room.
const compared = 32

// hold puts a set aside until its template comes, pushing out older ones where the bounds ask for it.
func (d *Decoder) hold(s *session, h *header, id uint16, payload []byte) {
	if !d.keep(&heldSet{session: s, header: *h, id: id}, payload) {
		d.drop(ledger.SetsDroppedNoTemplate, s, id, nil)
	}
}

// holdForLists puts a set aside until the template of a list within it comes, and reports whether there is need and room for that. One that
// was waited for in vain is not waited for again.
func (d *Decoder) holdForLists(s *session, h *header, p *plan, payload []byte) bool {
	needs := d.missing(s, p, payload)
	return needs != 0 && d.keep(&heldSet{session: s, header: *h, id: p.template.ID, plan: p, needs: needs}, payload)
}

// keep holds a set with a copy of its payload, and pushes out older ones where the bounds ask for it. It is false where they leave no room.
func (d *Decoder) keep(set *heldSet, payload []byte) bool {
	s, size := set.session, len(payload)+heldOverhead
	if !d.settings.Hold || size > d.settings.HeldBytesPerExporter || size > d.settings.HeldBytes {
		return false
	}
	for s.heldBytes+size > d.settings.HeldBytesPerExporter {
		d.held.drop(d, s.held[0], ledger.SetsExpiredOverflow)
	}
	d.held.shrink(d, d.settings.HeldBytes-size)
	d.put(set, payload)
	return true
}

// holdEarly puts a set aside whose template is known, where the bucket is not loaded yet: its rate, or since when its exporter counts, may be
// there. It reports whether it did: such a set pushes out no other one.
func (d *Decoder) holdEarly(s *session, h *header, id uint16, payload []byte) bool {
	if !d.settings.Hold || !d.store.Awaited(d.now) {
		return false
	}
	size := len(payload) + heldOverhead
	if s.heldBytes+size > d.settings.HeldBytesPerExporter || d.held.bytes+size > d.settings.HeldBytes {
		return false
	}
	d.put(&heldSet{session: s, header: *h, id: id, early: true}, payload)
	s.retry = min(s.retry, d.now+askAgain)
	return true
}

// Bounds of that in time, in nanoseconds: askAgain is how often what waits asks whether the bucket was loaded, and earlyAge how long a set
// waits whose template is known. A bucket of 80,000 keys is loaded in less than a second; where NATS is away, flows must not be late for it.
const (
	askAgain = int64(100 * time.Millisecond)
	earlyAge = int64(5 * time.Second)
)

// put holds a set for which there is room, with a copy of its payload.
func (d *Decoder) put(set *heldSet, payload []byte) {
	d.held.compact()
	set.payload, set.tag, set.since = bytes.Clone(payload), d.tag, d.now
	s, size := set.session, set.size()
	d.held.queue = append(d.held.queue, set)
	d.held.bytes += size
	d.held.count++
	s.held = append(s.held, set)
	s.heldBytes += size
	if d.held.waiting == nil {
		d.held.waiting, d.held.holders, d.held.large = make(map[*session]struct{}), make(map[netip.Addr]*holder), make(map[*holder]struct{})
	}
	d.held.waiting[s] = struct{}{}
	h := d.held.holders[s.key.scope.Exporter]
	if h == nil {
		h = &holder{address: s.key.scope.Exporter, waiting: make(map[*session]struct{}, 1)}
		d.held.holders[h.address] = h
	}
	set.holder = h
	h.waiting[s] = struct{}{}
	if h.bytes += size; h.bytes > d.settings.HeldBytesPerExporter {
		d.held.large[h] = struct{}{}
	}
	s.book.Waiting++
	d.count(ledger.SetsHeld, s, 1)
}

// shrink drops sets until no more than limit bytes are held.
func (q *heldSets) shrink(d *Decoder, limit int) {
	for q.bytes > limit {
		set := q.next(d.settings.HeldBytesPerExporter)
		if set == nil {
			return
		}
		q.drop(d, set, ledger.SetsExpiredOverflow)
	}
}

// next is what makes room: of those addresses that have more in all their streams than one stream may, an old set of the one that has most; else
// the oldest of all. A chassis of many domains whose templates are long in coming must not push out what waits for seconds.
func (q *heldSets) next(large int) *heldSet {
	var most *holder
	looked := 0
	for h := range q.large {
		if h.bytes <= large {
			delete(q.large, h)
			continue
		}
		if most == nil || h.bytes > most.bytes {
			most = h
		}
		if looked++; looked == compared {
			break
		}
	}
	if most == nil {
		return q.first()
	}
	var oldest *heldSet
	looked = 0
	for s := range most.waiting {
		if len(s.held) > 0 && (oldest == nil || s.held[0].since < oldest.since) {
			oldest = s.held[0]
		}
		if looked++; looked == compared && oldest != nil {
			break
		}
	}
	if oldest == nil {
		return q.first()
	}
	return oldest
}

// expire drops what is held since before a time in nanoseconds.
func (q *heldSets) expire(d *Decoder, before int64) {
	for set := q.first(); set != nil && set.since < before; set = q.first() {
		q.drop(d, set, ledger.SetsExpiredAge)
	}
}

// first is the oldest set, nil where none is held. It lets go of the queue's finished front.
func (q *heldSets) first() *heldSet {
	for q.head < len(q.queue) && q.queue[q.head].done {
		q.queue[q.head] = nil
		q.head++
	}
	if q.head > len(q.queue)/2 {
		q.queue = append(q.queue[:0], q.queue[q.head:]...)
		q.head = 0
	}
	if len(q.queue) == 0 {
		return nil
	}
	return q.queue[q.head]
}

// compactAt is how many finished sets the queue may keep between living ones.
const compactAt = 64

// compact lets go of finished sets between living ones: streams that come and go leave many.
func (q *heldSets) compact() {
	if len(q.queue)-q.head <= 2*q.count+compactAt {
		return
	}
	living := q.queue[:0]
	for _, set := range q.queue[q.head:] {
		if !set.done {
			living = append(living, set)
		}
	}
	clear(q.queue[len(living):])
	q.queue, q.head = living, 0
}

// finish takes a set out of the books, but not out of its session's held ones.
func (q *heldSets) finish(set *heldSet) {
	s, size := set.session, set.size()
	q.bytes -= size
	q.count--
	s.heldBytes -= size
	s.book.Waiting--
	if set.holder.bytes -= size; set.holder.bytes == 0 {
		delete(q.holders, set.holder.address)
		delete(q.large, set.holder)
	}
	set.done, set.payload = true, nil
}

// rest ends the waiting of a session of which nothing is held any more.
func (q *heldSets) rest(s *session, h *holder) {
	delete(q.waiting, s)
	delete(h.waiting, s)
}

// forget takes a set out of the books and out of its session's held ones.
func (q *heldSets) forget(set *heldSet) {
	q.finish(set)
	s := set.session
	if s.held[0] == set {
		s.held[0] = nil
		s.held = s.held[1:]
	} else {
		for i := range s.held {
			if s.held[i] == set {
				s.held = append(s.held[:i], s.held[i+1:]...)
				break
			}
		}
	}
	if len(s.held) == 0 {
		s.held = nil
		q.rest(s, set.holder)
	}
}

// drop lets go of a set. One that lacks no more than the template of a list, or what the bucket may say beside its own, is read without that.
func (q *heldSets) drop(d *Decoder, set *heldSet, reason ledger.Counter) {
	if set.plan != nil {
		set.session.inVain = set.needs
	}
	if (set.plan != nil || set.early) && d.readEarly(set) {
		return
	}
	d.withTag(set.tag, func() { d.drop(reason, set.session, set.id, nil) })
	q.forget(set)
}

// readEarly reads a set that cannot wait any longer, with what is known, and reports whether its template still is.
func (d *Decoder) readEarly(set *heldSet) bool {
	s := set.session
	d.refresh(s)
	p := d.planOf(set)
	if p == nil {
		return false
	}
	d.refreshRates(s)
	d.readHeld(set, p)
	d.held.forget(set)
	return true
}

// readFormer reads what waits for the bucket only, before its port says with t that it means something else from now on.
func (d *Decoder) readFormer(s *session, t *template.Template) {
	for _, set := range slices.Clone(s.held) {
		if !set.early || set.id != t.ID {
			continue
		}
		if p := d.plan(s, t.ID); p != nil && !p.template.SameLayout(t) {
			d.readEarly(set)
		}
	}
}

// planOf is how a held set is read, nil where that is not known yet.
func (d *Decoder) planOf(set *heldSet) *plan {
	if set.plan != nil {
		return set.plan
	}
	return d.plan(set.session, set.id)
}

// readHeld decodes a held set, and counts it. What an options record says was heard when it came: another collector may have heard since
// what holds now.
func (d *Decoder) readHeld(set *heldSet, p *plan) {
	if p.template.Kind == template.KindOptions {
		now := d.now
		d.now = set.since
		defer func() { d.now = now }()
	}
	d.withTag(set.tag, func() { d.decodeSet(set.session, &set.header, p, set.payload) })
	d.count(ledger.SetsReleased, set.session, 1)
	d.count(ledger.SetsDecoded, set.session, 1)
}

func (q *heldSets) dropAll(d *Decoder, s *session, reason ledger.Counter) {
	for len(s.held) > 0 {
		q.drop(d, s.held[0], reason)
	}
}

// dropFormer drops what s holds from before its exporter restarted, by the header of its newest message: what a template means may have
// changed since (RFC 3954 section 9, RFC 7011 section 8.4). Where a later message goes on with the former life, two exporters take turns at
// this port: nothing restarted, and nothing is dropped from then on.
func (d *Decoder) dropFormer(s *session, h *header) {
	n := len(s.held)
	if n == 0 || s.turns {
		return
	}
	latest := &s.held[n-1].header // what is older was sent before it
	switch {
	case h.restarted(latest):
		former := *latest
		s.former = &former
		d.held.dropAll(d, s, ledger.SetsExpiredRestart)
	case s.former != nil && h.goesOnWith(s.former, latest):
		s.former, s.turns = nil, true
	}
}

func (d *Decoder) withTag(tag uint64, do func()) {
	current := d.tag
	d.tag = tag
	do()
	d.tag = current
}

// never is later than any time.
const never = int64(1<<63 - 1)

// release decodes the held sets of s whose templates are known by now, in order of arrival.
func (d *Decoder) release(s *session) { d.free(s, false) }

// releaseOptions decodes those of them that are options only. Flows wait for the end of the message, which may say more about them.
func (d *Decoder) releaseOptions(s *session) { d.free(s, true) }

func (d *Decoder) free(s *session, optionsOnly bool) {
	d.refresh(s)
	if !s.changed && d.now < s.retry {
		return
	}
	d.refreshRates(s)
	s.changed, s.retry = false, never
	kept := s.held
	s.held = nil
	var waiting []*heldSet
	for _, set := range kept {
		p := d.planOf(set)
		if p != nil && p.template.Kind == template.KindData && d.now-set.since < earlyAge && d.store.Awaited(d.now) {
			set.early, s.retry = true, min(s.retry, d.now+askAgain)
			p = nil
		}
		if p != nil && p.template.Kind == template.KindData && optionsOnly {
			s.changed = true // it is looked at again
			p = nil
		}
		if p != nil && p.hasLists {
			if needs := d.missing(s, p, set.payload); needs != 0 {
				set.plan, set.needs = p, needs
				p = nil
			}
		}
		if p == nil {
			waiting = append(waiting, set)
			continue
		}
		d.readHeld(set, p)
		d.held.finish(set)
	}
	if s.held = waiting; len(waiting) == 0 && len(kept) > 0 {
		d.held.rest(s, kept[0].holder)
	}
}

// Tick does what time and other workers bring about: sets held too long are dropped, and those whose template came
// through the Store are decoded. now is by the clock of Datagram.Moment. It is to be called some times a second.
func (d *Decoder) Tick(now int64) {
	d.now = now
	d.held.expire(d, now-d.settings.HeldAge)
	for s := range d.held.waiting {
		d.release(s)
	}
}

// Close drops what is still held, counted as SetsExpiredShutdown.
func (d *Decoder) Close() {
	for s := range d.held.waiting {
		d.release(s)
		d.held.dropAll(d, s, ledger.SetsExpiredShutdown)
	}
}

// Held is how many sets wait for their template, and their bytes with overhead.
func (d *Decoder) Held() (sets, bytes int) { return d.held.count, d.held.bytes }
