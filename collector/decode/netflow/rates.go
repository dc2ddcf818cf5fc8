package netflow

import (
	"time"

	"github.com/flowfleet/flowfleet/collector/flow"
	announced "github.com/flowfleet/flowfleet/collector/sampling"
)

// rates caches what a session knows about sampling; it is made anew when the exporter's announcements or the settings change, and
// now and then.
type rates struct {
	exporter   *announced.Exporter
	generation uint64
	known      uint64 // the store's count when the exporter was last looked for in vain
	until      int64
	fresh      bool

	override, fallback uint64 // as configured; 0 for none
	standard           uint64 // where the record names nothing
	standardSource     RateSource
	// What the exporter announced rates for.
	perTemplate, perInterface bool
	bySubject                 map[uint64]foundRate
}

// unheard reports whether nobody said a rate: no override is set, and the exporter said none.
func (r *rates) unheard() bool { return r.exporter == nil && r.override == 0 }

// foundRate is what a look-up gave; 0 says that sampling has ended where it is known.
type foundRate struct {
	rate  uint64
	known bool
}

// ratesAge is how long rates are cached at most: what nobody announces for the ttl goes with time alone.
const ratesAge = int64(time.Hour)

// refreshRates makes the session's rates anew where they are not those in force.
func (d *Decoder) refreshRates(s *session) {
	known := &s.rates
	if known.exporter != nil && known.exporter.Gone() {
		known.exporter, known.fresh = nil, false
	}
	if known.exporter == nil {
		count := d.shared.Rates.Known()
		if known.fresh && known.known == count && d.now < known.until {
			return
		}
		known.known, known.fresh = count, false
		if known.exporter = d.shared.Rates.Find(s.key.scope); known.exporter == nil {
			d.shared.Rates.Miss(s.key.scope)
		}
	}
	generation := uint64(0)
	if known.exporter != nil {
		generation = known.exporter.Generation()
	}
	if known.fresh && known.generation == generation && d.now < known.until {
		return
	}
	d.cached -= cacheEntry * len(known.bySubject)
	s.cached -= cacheEntry * len(known.bySubject)
	*known = rates{exporter: known.exporter, generation: generation, known: known.known, fresh: true, until: d.now + d.ratesAge()}
	address := s.key.scope.Exporter
	if v, ok := d.settings.Overrides.Lookup(address); ok {
		known.override = uint64(v)
		return
	}
	if v, ok := d.settings.Defaults.Lookup(address); ok {
		known.fallback, known.standardSource = uint64(v), RateDefault
	}
	known.standard = known.fallback
	if known.exporter == nil {
		return
	}
	known.until = min(known.until, known.exporter.Until(d.now))
	if rate, ok := known.exporter.Standard(s.key.scope.Domain, s.key.port, d.now); ok {
		known.standard, known.standardSource = rate, RateAnnounced
	}
	known.perTemplate = known.exporter.Any(announced.Template)
	known.perInterface = known.exporter.Any(announced.Interface) || known.exporter.Any(announced.Ingress) || known.exporter.Any(announced.Egress)
}

func (d *Decoder) ratesAge() int64 { return min(ratesAge, d.shared.Rates.TTL()/8) }

// maxCachedRates bounds the cache against records that name ever new samplers or interfaces.
const maxCachedRates = 4096

// rateOf is the rate of one subject; known is false where the exporter did not say.
func (d *Decoder) rateOf(s *session, kind announced.Kind, id uint64) (rate uint64, known bool) {
	if s.rates.exporter == nil {
		return 0, false
	}
	subject := subjectOf(kind, id)
	found, ok := s.rates.bySubject[subject]
	if !ok {
		found.rate, found.known = s.rates.exporter.Rate(s.key.scope.Domain, s.key.port, subject, d.now)
		if len(s.rates.bySubject) < maxCachedRates {
			d.cache(s, cacheEntry)
			if s.rates.bySubject == nil {
				s.rates.bySubject = make(map[uint64]foundRate)
			}
			s.rates.bySubject[subject] = found
		}
	}
	return found.rate, found.known
}

// setRate gives a record of template id the rate in force: the configured override; what the record itself carries; its own selector's or
// sampler's, and no other where it names one; that of its sequence of selectors; its template's; that of the interface where it was metered; the
// domain's, see announced.Exporter.Standard; the configured default.
func (d *Decoder) setRate(s *session, id uint16, found *sampling, r *flow.Record) {
	rate, source := d.chooseRate(s, id, found, r)
	r.SamplingRate = rate
	s.sampled.Note(rate, source, d.now)
}

func (d *Decoder) chooseRate(s *session, id uint16, found *sampling, r *flow.Record) (uint64, RateSource) {
	known := &s.rates
	d.placed = false
	if known.override != 0 {
		return known.override, RateConfigured
	}
	if found != nil {
		if rate := found.rate(); rate != 0 {
			return rate, RateRecord
		}
		if found.hasSelector || found.hasSampler {
			return d.namedRate(s, found)
		}
		if found.hasSequence {
			if rate, ok := d.rateOf(s, announced.Sequence, found.sequenceID); ok {
				return rate, RateAnnounced
			}
		}
	}
	if known.perTemplate {
		if rate, ok := d.rateOf(s, announced.Template, uint64(id)); ok {
			return rate, RateAnnounced
		}
	}
	d.placed = known.perInterface
	return d.placeRate(s, r)
}

// placeRate is the rate of a record that says nothing but where it was metered.
func (d *Decoder) placeRate(s *session, r *flow.Record) (uint64, RateSource) {
	known := &s.rates
	if known.perInterface {
		if rate, ok := d.interfaceRate(s, r); ok {
			return rate, RateAnnounced
		}
		if known.standardSource != RateAnnounced {
			if rate, ok := d.otherEnd(s, r); ok {
				return rate, RateAnnounced
			}
		}
	}
	return known.standard, known.standardSource
}

// turnRate gives the other direction of a flow, in which the ends were exchanged, the rate of where that was metered: at the same interface, which
// it passed the other way, if the record says which that was; else, as any flow, by its own ends.
func (d *Decoder) turnRate(s *session, forward about, r *flow.Record) {
	if !d.placed {
		return
	}
	if d.about.hasDirection = forward.hasDirection; forward.direction != directionEgress {
		d.about.direction = directionEgress
	}
	r.SamplingRate, _ = d.placeRate(s, r)
}

// namedRate is that of the selector or sampler that a record names. One that nobody described has none of another's: the flow was
// not sampled, or nobody knows how.
func (d *Decoder) namedRate(s *session, found *sampling) (uint64, RateSource) {
	for _, by := range [...]struct {
		says   bool
		kind   announced.Kind
		number uint64
	}{
		{found.hasSelector, announced.Selector, found.selectorID},
		{found.hasSampler, announced.Sampler, found.samplerID},
		// 302 took the place of 48 (IANA, samplerId): routers may name with the one what they describe with the other.
		// Number 0 names no other: it says that none was used.
		{!found.hasSelector && found.samplerID != 0, announced.Selector, found.samplerID},
		{!found.hasSampler && found.selectorID != 0, announced.Sampler, found.selectorID},
	} {
		if !by.says {
			continue
		}
		if rate, ok := d.rateOf(s, by.kind, by.number); ok {
			return rate, RateAnnounced
		}
	}
	if s.rates.fallback != 0 {
		return s.rates.fallback, RateDefault
	}
	return 0, RateUnknown
}

// interfaceRate is the rate at the interface where a flow was metered, which a record may say by its direction. Of one that does not, it is
// the interface that the flow came by, or else the one that it left by.
func (d *Decoder) interfaceRate(s *session, r *flow.Record) (rate uint64, known bool) {
	if d.about.hasDirection && d.about.direction == directionEgress {
		return d.rateAt(s, r.OutIf, announced.Egress, announced.Interface)
	}
	if rate, known = d.rateAt(s, r.InIf, announced.Ingress, announced.Interface); known || d.about.hasDirection {
		return rate, known
	}
	return d.rateAt(s, r.OutIf, announced.Egress, announced.Interface)
}

// otherEnd is the rate in its direction of the interface at the other end of a flow than where its record says that it was metered. It counts for
// want of any other: whoever announces no rate but that samples there.
func (d *Decoder) otherEnd(s *session, r *flow.Record) (rate uint64, known bool) {
	switch {
	case !d.about.hasDirection:
		return 0, false
	case d.about.direction == directionEgress:
		return d.rateAt(s, r.InIf, announced.Ingress)
	}
	return d.rateAt(s, r.OutIf, announced.Egress)
}

// rateAt is what was announced of an interface by the first of kinds.
func (d *Decoder) rateAt(s *session, index uint32, kinds ...announced.Kind) (rate uint64, known bool) {
	if index == 0 {
		return 0, false
	}
	for _, kind := range kinds {
		if rate, known = d.rateOf(s, kind, uint64(index)); known {
			break
		}
	}
	return rate, known
}
