package boot

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Encode is the Record of a time: milliseconds since 1970 in 8 bytes, in network order.
func Encode(initialized uint64) []byte { return binary.BigEndian.AppendUint64(nil, initialized) }

// Decode is the reverse of Encode. It returns an error for another length and for 0, which is no time.
func Decode(record []byte) (uint64, error) {
	if len(record) != 8 || binary.BigEndian.Uint64(record) == 0 {
		return 0, fmt.Errorf("a time of initialization has 8 bytes and is not 0, this one is %x", record)
	}
	return binary.BigEndian.Uint64(record), nil
}

// describe is what the bucket is to have of c at now. What is disputed was heard when one last came back: so all know until when it is.
func describe(scope template.Scope, c *clock, now int64) template.Definition {
	d := template.Definition{Key: template.Key{Scope: scope, Family: template.FamilyClock, Port: c.port}, Kind: template.KindClock,
		Stamp: c.stamp, Record: Encode(c.initialized), Heard: c.heard, Told: c.told, Silent: c.inDispute(now),
		Witnessed: c.heard > c.since}
	if d.Silent {
		d.Heard = c.disputed - silence
	}
	return d
}

// Restore takes a definition from the bucket at now and reports whether it changed anything.
func (s *Store) Restore(d template.Definition, now int64) bool {
	initialized, err := Decode(d.Record)
	d.Heard = min(d.Heard, now)
	if err != nil || d.Kind != template.KindClock || now-d.Heard > s.ttl {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(d.Key.Scope, d.Key.Port)
	defer func() {
		if all := s.clocks[d.Key.Scope]; all != nil && all.hears(d.Heard) {
			s.generation.Add(1)
		}
	}()
	switch {
	case c == nil:
		if s.clocks[d.Key.Scope] == nil && len(s.clocks) >= int(s.scopes.Load()) {
			scope, ok := template.Oldest(s.clocks, lastHeard, d.Heard)
			if !ok {
				s.refuse(d.Key.Scope)
				return false // what was heard later must not be pushed out
			}
			s.evict(scope)
		}
		c = &clock{port: d.Key.Port, initialized: initialized, heard: d.Heard}
		s.add(d.Key.Scope, c, true, now)
		if s.find(d.Key.Scope, d.Key.Port) == nil {
			return false // there is no room for what was heard so long ago
		}
	case d.Silent: // which of those that are disputed the bucket has says nothing
		before := c.inDispute(now)
		c.disputed = max(c.disputed, min(d.Heard, now)+silence) // its clock may be ahead
		c.told, c.toldAs, c.toldInDispute = d.Told, initialized, true
		if before || !c.inDispute(now) {
			return false
		}
		s.generation.Add(1)
		return true
	case c.initialized == initialized:
		switch all := s.clocks[d.Key.Scope]; {
		case d.Heard <= c.since:
			c.since = began(&d)
		case d.Heard > c.heard && !d.Witnessed && !all.counts(c, now, s.ttl):
			c.since = d.Heard // it is back
		}
		if d.Heard > c.heard {
			s.generation.Add(1)
		}
		c.stamp, c.heard, c.told, c.toldAs, c.toldInDispute = max(c.stamp, d.Stamp), max(c.heard, d.Heard), d.Told, initialized, false
		return false
	case newer(c, &d, initialized):
		c.stamp = max(c.stamp, d.Stamp+1) // the exporter's clock may have been set back
		s.tell(d.Key.Scope, c, now, false)
		return false
	}
	if c.initialized != initialized {
		c.say(initialized, now)
	}
	if d.Silent {
		c.disputed = min(d.Heard, now) + silence
	}
	c.stamp, c.first, c.heard, c.since, c.told = d.Stamp, d.Stamp, max(c.heard, d.Heard), began(&d), d.Told
	c.toldAs, c.toldInDispute = initialized, d.Silent
	s.generation.Add(1)
	s.tellOthers(d.Key.Scope, c, now)
	return true
}

// began is when what the bucket has was first said: when it was heard; 0, which is before all others, where it was said before.
func began(d *template.Definition) int64 {
	if d.Witnessed {
		return 0
	}
	return d.Heard
}

// newer reports whether what is known here counts, and not what the bucket has. Of two that collectors learned at the same moment all
// keep the later time.
func newer(c *clock, d *template.Definition, initialized uint64) bool {
	order := template.Compare(c.stamp, c.heard, d.Stamp, d.Heard)
	return order > 0 || order == 0 && c.initialized > initialized
}

// Forget drops what somebody deleted from the bucket.
func (s *Store) Forget(k template.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.clocks[k.Scope]
	if all == nil {
		return
	}
	for i, c := range all.clocks {
		if c.port == k.Port && c.told != 0 { // what has no key there was not deleted
			if all.clocks, s.count = slices.Delete(all.clocks, i, i+1), s.count-1; len(all.clocks) == 0 {
				s.remove(k.Scope)
			}
			s.generation.Add(1)
			return
		}
	}
}

// Definitions iterates over a copy of what the bucket should have at now.
func (s *Store) Definitions(now int64) iter.Seq[template.Definition] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []template.Definition
	for scope, all := range s.clocks {
		for _, c := range all.clocks {
			if now-c.heard <= s.ttl && c.told != 0 {
				out = append(out, describe(scope, c, now))
			}
		}
	}
	return func(yield func(template.Definition) bool) {
		for _, d := range out {
			if !yield(d) {
				return
			}
		}
	}
}
