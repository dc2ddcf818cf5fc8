package run

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/status"
)

// exporters is what came from each exporter, in order of address and protocol.
func (k *Collector) exporters() *status.Exporters {
	all := &status.Exporters{Instance: k.named, Started: k.started, Time: clock.Wall()}
	if v := k.devices.Load(); v != nil {
		all.Devices = *v
	}
	if !k.begun.Load() {
		return all
	}
	exporters, streams, leftOut := k.traffic.account()
	all.NoRoom, all.StreamsLeftOut = k.traffic.full(), leftOut > 0
	all.Exporters = k.traffic.reported(exportersOf(exporters, streams), status.MaxReported)
	all.NoRoom = all.NoRoom || len(all.Exporters) < len(exporters) && len(all.Exporters) == status.MaxReported
	k.addSaid(all.Exporters)
	return all
}

// full reports whether there was no room for an exporter's own figures.
func (t *traffic) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.own >= t.limit && len(t.shown) > t.own
}

// reported are at most so many exporters in the order of their keys: declared ones first, then those with records.
func (t *traffic) reported(exporters []status.Exporter, most int) []status.Exporter {
	if len(exporters) <= most {
		return exporters
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rank := func(e *status.Exporter) int {
		address, _ := netip.ParseAddr(e.Address)
		switch {
		case t.isDeclared(address):
			return 0
		case e.Records > 0:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(exporters, func(a, b status.Exporter) int { return cmp.Compare(rank(&a), rank(&b)) })
	exporters = exporters[:most]
	status.SortExporters(exporters)
	return exporters
}

// exportersOf puts the books of exporters and their streams together.
func exportersOf(exporters []ledger.Exporter, streams []ledger.Stream) []status.Exporter {
	type key struct{ address, protocol string }
	of := make(map[key][]status.Stream)
	for _, s := range streams {
		k := key{s.Exporter, s.Protocol}
		of[k] = append(of[k], status.Stream{Port: s.Port, Domain: s.Domain, LastSeen: s.LastSeen, Span: s.Span})
	}
	out := make([]status.Exporter, 0, len(exporters))
	for i := range exporters {
		e := &exporters[i]
		if e.Address == "" {
			continue // all the others
		}
		heard := of[key{e.Address, e.Protocol}]
		slices.SortFunc(heard, func(a, b status.Stream) int {
			return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Domain, b.Domain))
		})
		shown := heard[:min(len(heard), status.MaxStreams)]
		out = append(out, status.Exporter{
			Address: e.Address, Protocol: e.Protocol,
			Received: e.Datagrams.Received, Decoded: e.Datagrams.Decoded, Refused: ledger.Sum(e.Datagrams.Refused),
			SetsWaiting: e.Sets.Waiting, SetsExpired: ledger.Sum(e.Sets.Expired), SetsDropped: ledger.Sum(e.Sets.Dropped),
			Records: e.Records, Volume: &e.Volume, Naming: e.Naming, Streams: shown, StreamsLeftOut: len(heard) - len(shown),
		})
	}
	status.SortExporters(out)
	return out
}
