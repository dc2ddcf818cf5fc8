package sampling

import (
	"slices"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Devices that share address, domain and even the port announce in turn. Nothing tells whose flow is whose: where two rates in a row
// come back, each within an hour of another one in its place, both become rivals, with keys of their own in the bucket, and none of
// them counts until only one is announced any more. One that comes back alone is a change that was taken back.

// maxFormers bounds the rates of one port that may come back.
const maxFormers = 16

// former is what a port said before.
type former struct {
	rate  uint64
	heard int64
}

// replace has a say another rate, and remembers the one before, which may come back.
func (a *announcement) replace(rate uint64, now int64) {
	a.returned = a.returns(rate, now)
	a.formers = slices.DeleteFunc(a.formers, func(f former) bool { return f.rate == rate || f.rate == a.rate || now-f.heard > silence })
	if len(a.formers) == maxFormers {
		a.formers = slices.Delete(a.formers, 0, 1)
	}
	a.formers = append(a.formers, former{a.rate, a.heard})
	a.rate = rate
}

// returns reports whether a rate is one that the port said within the last hour, before the one it says.
func (a *announcement) returns(rate uint64, now int64) bool {
	return slices.ContainsFunc(a.formers, func(f former) bool { return f.rate == rate && now-f.heard <= silence })
}

// late reports whether another rate than a's was exported before a's began, in a message that was overtaken on its way.
func (a *announcement) late(rate uint64, stamp template.Stamp, now int64) bool {
	at, began := stamp.Seconds(), a.first.Seconds()
	return rate != a.rate && now-a.since <= template.Overtaken && at+template.LateSeconds >= began && (at < began || at == began && !a.returned && a.returns(rate, now))
}

// disputed takes a rate that a's port said, and reports whether devices that share the port dispute it. e.mu is held.
func (e *Exporter) disputed(subject uint64, a *announcement, rate uint64, now int64) bool {
	if e.store.addressOnly || rate+1 == 0 {
		return false
	}
	own, others := false, false
	for _, o := range e.subjects[subject] {
		if o.rival && o.domain == a.domain && o.port == a.port && e.inForce(o, now) {
			own, others = own || o.rate == rate, others || o.rate != rate
		}
	}
	back := a.rate != rate && e.inForce(a, now) && (own || a.returned && a.returns(rate, now))
	if !back && (!own || !others) {
		return false // the only rate by now, or one more: that takes the usual way, and may come back
	}
	if !others {
		e.store.totals.Add(ledger.SamplingConflicting, 1)
		e.rival(subject, a, a.rate, a.heard, now)
	}
	e.rival(subject, a, rate, now, now)
	return true
}

// rival notes that a rate is one of those that devices which share a's port say, and tells the bucket where that is news, half an hour old, or
// about to expire there. e.mu is held.
func (e *Exporter) rival(subject uint64, a *announcement, rate uint64, heard, now int64) {
	r := e.find(subject, a.domain, a.port, rate, true)
	if r == nil {
		r = &announcement{domain: a.domain, port: a.port, rate: rate, stamp: a.stamp, rival: true}
		e.add(subject, r)
	}
	if r.heard = max(r.heard, heard); now-r.told > min(retell, e.store.TTL()/2) {
		e.tell(subject, r, now, true)
	}
}

// Disputed reports whether devices that share a port announce different rates at now.
func (e *Exporter) Disputed(now int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, all := range e.subjects {
		for i, a := range all {
			if a.rival && e.inForce(a, now) && slices.ContainsFunc(all[i+1:], func(o *announcement) bool {
				return o.rival && o.domain == a.domain && o.port == a.port && o.rate != a.rate && e.inForce(o, now)
			}) {
				return true
			}
		}
	}
	return false
}

// find returns what a port said in, or of, a domain: what it says, whatever the rate is, or a rival with a rate.
func (e *Exporter) find(subject uint64, domain uint32, port uint16, rate uint64, rival bool) *announcement {
	for _, a := range e.subjects[subject] {
		if a.domain == domain && a.port == port && a.rival == rival && (!rival || a.rate == rate) {
			return a
		}
	}
	return nil
}
