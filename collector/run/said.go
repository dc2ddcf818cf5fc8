package run

import (
	"net/netip"
	"time"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/decode"
	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/collector/template"
)

// protocols by their words.
var protocols = func() map[string]decode.Protocol {
	out := make(map[string]decode.Protocol)
	for p := decode.Unknown; p <= decode.SFlow; p++ {
		out[p.String()] = p
	}
	return out
}()

// addSaid adds what exporters say beside flows: rates and clocks of their streams, and what they taught.
func (k *Collector) addSaid(exporters []status.Exporter) {
	said := k.traffic.said()
	for i := range exporters {
		e := &exporters[i]
		address, err := netip.ParseAddr(e.Address)
		if err != nil {
			continue
		}
		protocol := protocols[e.Protocol]
		domains := make(map[uint32]bool)
		for j := range e.Streams {
			s := &e.Streams[j]
			domains[s.Domain] = true
			if one, ok := said[streamKey{address, s.Port, protocol, s.Domain}]; ok {
				say(s, &one)
				if d := one.Device; d != nil && e.Device == nil { // of the stream that was heard last
					e.Device = &status.Device{Name: d.Name, Software: d.Software}
				}
			}
		}
		e.Taught = k.taught(address, protocol, domains)
	}
}

func say(s *status.Stream, said *netflow.Said) {
	s.Sampling = &status.Sampling{Rate: said.Rate, Rated: said.Rated, Unrated: said.Unrated}
	if said.Source != netflow.RateUnknown {
		s.Sampling.Source = said.Source.String()
	}
	if said.HasClock {
		s.SkewMillis = new(said.Skew / int64(time.Millisecond))
	}
}

// taught is what some domains of an exporter taught.
func (k *Collector) taught(address netip.Addr, protocol decode.Protocol, domains map[uint32]bool) *status.Taught {
	out := &status.Taught{}
	var version template.Version
	switch protocol {
	case decode.NetFlow9:
		version = template.NetFlow9
	case decode.IPFIX:
		version = template.IPFIX
	default:
		return out // the others teach nothing
	}
	now, changed := clock.Steady(), int64(0)
	scope := template.Scope{Version: version, Exporter: address}
	if e := k.rates.Find(scope); e != nil {
		out.DisputedRates = e.Disputed(now)
	}
	out.BootTimes = k.clocks.Differ(scope, now) // of domain 0, which is the whole exporting process's
	for domain := range domains {
		scope.Domain = domain
		out.BootTimes = out.BootTimes || k.clocks.Differ(scope, now)
		if e := k.store.Find(scope); e != nil {
			f := e.Figures(now)
			out.Templates, changed = out.Templates+f.Templates, max(changed, f.Changed)
			out.ConflictingLayouts = out.ConflictingLayouts || f.Twins
		}
	}
	if changed != 0 {
		out.TemplatesChanged = new(clock.WallOf(changed).UTC())
	}
	return out
}
