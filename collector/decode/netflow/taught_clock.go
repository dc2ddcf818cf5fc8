package netflow

import (
	"time"

	"github.com/flowfleet/flowfleet/collector/template"
)

// Elements of options records that say since when uptimes count, and of whose.
const (
	elementSystemInit        = 160 // systemInitTimeMilliseconds (RFC 5102 section 5.9.8)
	elementObservationDomain = 149
	elementExportingProcess  = 144
)

// cachedClock is what a session knows of its exporter's initialization.
type cachedClock struct {
	initialized, generation uint64
	until                   int64
}

// clockAge is how long it is cached at most: what devices dispute becomes one's with time alone.
const clockAge = int64(10 * time.Minute)

// systemInit is the time in milliseconds since 1970 from which the uptimes of a stream count, as its exporter's options records say
// (RFC 5102 section 5.9.8): its domain's, else that of domain 0, which is no domain's own but the whole exporting process's (RFC 7011
// section 3.1); 0 where that is not known.
func (d *Decoder) systemInit(s *session) uint64 {
	generation := d.shared.Clocks.Generation()
	if c := &s.clock; c.generation == generation && d.now < c.until {
		return c.initialized
	}
	s.clock = cachedClock{generation: generation, until: d.now + min(d.ratesAge(), clockAge)}
	s.clock.initialized = d.shared.Clocks.Initialized(s.key.scope, s.key.port, d.now)
	return s.clock.initialized
}

// learnSystemInit takes the initialization time of an options record, if it has one.
func (d *Decoder) learnSystemInit(s *session, h *header, t *template.Template, record []byte) {
	scope := s.key.scope
	var initialized uint64
	offset := 0
	for i, f := range t.Fields {
		v, n := fieldValue(f.Length, record[offset:])
		offset += n
		switch {
		case f.Enterprise != 0 || len(v) == 0 || len(v) > 8:
		case i >= t.ScopeFields && f.ID == elementSystemInit:
			initialized = number(v)
		case i < t.ScopeFields && f.ID == elementObservationDomain && t.Version == template.IPFIX:
			scope.Domain = uint32(number(v))
		case i < t.ScopeFields && f.ID == elementExportingProcess && t.Version == template.IPFIX:
			scope.Domain = 0
		}
	}
	if initialized != 0 {
		d.shared.Clocks.Learn(scope, s.key.port, initialized, uint64(h.exportTime), d.now)
	}
}
