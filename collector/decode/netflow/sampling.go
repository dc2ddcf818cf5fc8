package netflow

import (
	"encoding/binary"
	"math"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/template"
)

// sampling gathers the elements that make up a sampling rate, from an options record or a flow record.
type sampling struct {
	interval       uint64 // 34, 50: one packet of so many
	packetInterval uint64 // 305: so many packets in a row are taken,
	packetSpace    uint64 // 306: then so many are not
	hasPacketSpace bool
	timeInterval   uint64 // 307, 308: the same in microseconds
	timeSpace      uint64
	size           uint64 // 309: so many packets are taken at random
	population     uint64 // 310: out of so many
	probability    float64

	samplerID   uint64
	selectorID  uint64
	hasSampler  bool
	hasSelector bool
}

// take notes the value of element id and reports whether it was one of sampling's.
func (s *sampling) take(id uint16, v []byte) bool {
	if len(v) == 0 || len(v) > 8 {
		return false
	}
	n := number(v)
	switch id {
	case 34, 50:
		if n != 0 { // a record may have both, and mean one
			s.interval = n
		}
	case 305:
		s.packetInterval = n
	case 306:
		s.packetSpace, s.hasPacketSpace = n, true
	case 307:
		s.timeInterval = n
	case 308:
		s.timeSpace = n
	case 309:
		s.size = n
	case 310:
		s.population = n
	case 311:
		switch len(v) {
		case 4:
			s.probability = float64(math.Float32frombits(binary.BigEndian.Uint32(v)))
		case 8:
			s.probability = math.Float64frombits(binary.BigEndian.Uint64(v))
		}
	case 48:
		s.samplerID, s.hasSampler = n, true
	case 302:
		s.selectorID, s.hasSelector = n, true
	default:
		return false
	}
	return true
}

// rate is how many packets one sampled packet stands for, 0 where the elements do not say.
//
// RFC 5477 section 8.2: systematic sampling takes an interval and then leaves a space, so the rate is
// (interval+space)/interval; with a space of 0 every packet is taken. Many exporters send samplingPacketInterval alone and
// mean one packet of so many; nothing would say in the RFC's terms what is left out, so that reading is the one in use.
func (s *sampling) rate() uint64 {
	switch {
	case s.size > 0 && s.population > 0:
		return ratio(s.population, s.size)
	case s.probability > 0 && s.probability <= 1:
		return uint64(math.Round(min(1/s.probability, math.MaxUint32)))
	case s.packetInterval > 0 && s.hasPacketSpace:
		return ratio(s.packetInterval+s.packetSpace, s.packetInterval)
	case s.packetInterval > 0:
		return s.packetInterval
	case s.timeInterval > 0 && s.timeSpace > 0:
		return ratio(s.timeInterval+s.timeSpace, s.timeInterval)
	}
	return s.interval
}

// ratio divides and rounds to nearest, at least 1; a sum that overflowed gives 1 as well.
func ratio(a, b uint64) uint64 { return max(1, a/b+a%b*2/b) }

// Scope types of NetFlow v9 (RFC 3954 section 6.1).
const scopeInterface9 = 2

// elementInterface is ingressInterface, the scope of a rate in IPFIX.
const elementInterface = 10

// learnSampling takes the sampling rate of an options record, if it has one.
func (d *Decoder) learnSampling(s *session, h *header, t *template.Template, record []byte) {
	var found sampling
	var onInterface uint64
	hasInterface := false
	offset := 0
	for i, f := range t.Fields {
		v, n := fieldValue(f.Length, record[offset:])
		offset += n
		if i < t.ScopeFields && len(v) <= 8 && f.Enterprise == 0 {
			if h.version == template.NetFlow9 && f.ID == scopeInterface9 || h.version == template.IPFIX && f.ID == elementInterface {
				onInterface, hasInterface = number(v), true
				continue
			}
			if h.version == template.NetFlow9 && f.ID <= 5 {
				continue
			}
		}
		if f.Enterprise == 0 {
			found.take(f.ID, v)
		}
	}
	rate := found.rate()
	if rate == 0 {
		return
	}
	kind, id := template.SamplerSystem, uint64(0)
	switch {
	case found.hasSelector:
		kind, id = template.SamplerSelector, found.selectorID
	case found.hasSampler:
		kind, id = template.SamplerID, found.samplerID
	case hasInterface && onInterface != 0:
		kind, id = template.SamplerInterface, onInterface
	}
	if key, ok := template.SamplerKey(kind, id); ok {
		d.exporterOf(s).LearnRate(s.key.port, key, rate, uint64(h.exportTime), d.now)
	}
}

// rates caches what a session knows about sampling; it is made anew when the exporter's definitions or the settings
// change.
type rates struct {
	override     uint64
	standard     uint64 // where the record names no sampler: the exporter's own, or the configured default
	perInterface bool
	byKey        map[uint64]uint64
}

func (d *Decoder) makeRates(s *session) rates {
	var out rates
	address := s.key.scope.Exporter
	if v, ok := d.settings.Overrides.Lookup(address); ok {
		out.override = uint64(v)
		return out
	}
	if s.exporter != nil {
		system, _ := template.SamplerKey(template.SamplerSystem, 0)
		only, perInterface := s.exporter.OnlyRate(s.key.port)
		out.perInterface = perInterface
		if out.standard = s.exporter.Rate(s.key.port, system); out.standard == 0 {
			out.standard = only
		}
	}
	if out.standard == 0 {
		if v, ok := d.settings.Defaults.Lookup(address); ok {
			out.standard = uint64(v)
		}
	}
	return out
}

// lookupRate is the rate of one sampler, 0 where the exporter did not say.
func (d *Decoder) lookupRate(s *session, kind template.SamplerKind, id uint64) uint64 {
	key, ok := template.SamplerKey(kind, id)
	if !ok || s.exporter == nil {
		return 0
	}
	rate, ok := s.rates.byKey[key]
	if !ok {
		rate = s.exporter.Rate(s.key.port, key)
		if len(s.rates.byKey) < maxCachedRates {
			d.cache(s, cacheEntry)
			if s.rates.byKey == nil {
				s.rates.byKey = make(map[uint64]uint64)
			}
			s.rates.byKey[key] = rate
		}
	}
	return rate
}

// maxCachedRates bounds the cache against records that name ever new samplers or interfaces.
const maxCachedRates = 4096

// setRate gives a record the rate in force: the configured override; what the record itself carries; its own sampler's
// or selector's; its input interface's; the exporter's; the configured default.
func (d *Decoder) setRate(s *session, found *sampling, r *flow.Record) {
	known := &s.rates
	if known.override != 0 {
		r.SamplingRate = known.override
		return
	}
	if found != nil {
		if r.SamplingRate = found.rate(); r.SamplingRate != 0 {
			return
		}
		if found.hasSelector {
			r.SamplingRate = d.lookupRate(s, template.SamplerSelector, found.selectorID)
		}
		if r.SamplingRate == 0 && found.hasSampler {
			r.SamplingRate = d.lookupRate(s, template.SamplerID, found.samplerID)
		}
		if r.SamplingRate != 0 {
			return
		}
	}
	if known.perInterface && r.InIf != 0 {
		if r.SamplingRate = d.lookupRate(s, template.SamplerInterface, uint64(r.InIf)); r.SamplingRate != 0 {
			return
		}
	}
	r.SamplingRate = known.standard
}
