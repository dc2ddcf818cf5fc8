package netflow

import "github.com/flowfleet/flowfleet/collector/template"

// Elements of options records that say since when uptimes count, and of whose.
const (
	elementSystemInit        = 160 // systemInitTimeMilliseconds (RFC 5102 section 5.9.8)
	elementObservationDomain = 149
)

// clocks are the initialization times of exporting systems, in milliseconds since 1970, as their options records said last.
type clocks struct {
	byStream map[sessionKey]uint64
}

// maxClocks bounds what exporters with ever new ports and domains can make a Decoder keep.
const maxClocks = 1 << 16

// learn keeps the time of an options record for the stream it came in, and for the others of the same domain.
func (c *clocks) learn(key sessionKey, init uint64) {
	if c.byStream == nil || len(c.byStream) >= maxClocks {
		c.byStream = make(map[sessionKey]uint64)
	}
	c.byStream[key] = init
	key.port = 0
	c.byStream[key] = init
}

// of is the time that holds for a stream, 0 where nobody said: its own port's, else its domain's, else that of domain 0, which is
// no domain's own but the whole exporting process's (RFC 7011 section 3.1).
func (c *clocks) of(key sessionKey) uint64 {
	if len(c.byStream) == 0 {
		return 0
	}
	if init := c.byStream[key]; init != 0 {
		return init
	}
	key.port = 0
	if init := c.byStream[key]; init != 0 {
		return init
	}
	key.scope.Domain = 0
	return c.byStream[key]
}

// systemInit is the time in milliseconds since 1970 from which the uptimes of a stream count, as its exporter's options records say
// (RFC 5102 section 5.9.8); 0 where that is not known.
func (d *Decoder) systemInit(s *session) uint64 { return d.clocks.of(s.key) }

// learnSystemInit takes the initialization time of an options record, if it has one.
func (d *Decoder) learnSystemInit(s *session, t *template.Template, record []byte) {
	key := s.key
	var init uint64
	offset := 0
	for i, f := range t.Fields {
		v, n := fieldValue(f.Length, record[offset:])
		offset += n
		switch {
		case f.Enterprise != 0 || len(v) == 0 || len(v) > 8:
		case i >= t.ScopeFields && f.ID == elementSystemInit:
			init = number(v)
		case i < t.ScopeFields && f.ID == elementObservationDomain && t.Version == template.IPFIX:
			key.scope.Domain = uint32(number(v))
		}
	}
	if init != 0 {
		d.clocks.learn(key, init)
	}
}
