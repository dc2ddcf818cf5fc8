package decode

import (
	"hash/fnv"
	"net/netip"
	"time"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/decode/sflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/names"
)

// sampleFaults are what package sflow counts of a datagram that it could not read in full.
var sampleFaults = [...]ledger.Counter{
	ledger.DatagramsTruncated, ledger.SamplesDroppedMalformed, ledger.SamplesDroppedLimit, ledger.RecordsTruncated,
	ledger.SamplesDroppedNoPacket, ledger.DatagramsTrailing,
}

// decodeSFlow decodes an sFlow datagram and follows its agent's sequence.
func (d *Decoder) decodeSFlow(in Datagram) {
	d.now, d.received = in.Moment(), in.Received
	source := flow.AddressFrom(in.Source.Addr())
	d.namer.begin(source)
	d.sender, d.port, d.overridden = in.Source.Addr(), in.Source.Port(), false
	records := d.counts[ledger.RecordsDecoded]
	options := sflow.Options{MaxSamples: d.settings.MaxSamples, Inner: d.settings.Inner, Extra: d.settings.Extra,
		Interfaces: d.heard, Host: d.heardHost, Rates: d.rated, Counters: d.counters}
	var before [len(sampleFaults)]uint64
	for i, fault := range sampleFaults {
		before[i] = d.counts[fault]
	}
	d.meter, d.host = meter{sink: d.out}, sflow.Host{}
	h, outcome := sflow.Decode(in.Payload, uint64(in.Received), source, options, &d.record, d.counts, &d.meter)
	if outcome != ledger.DatagramsDecoded {
		d.refuse(outcome, in)
		return
	}
	d.counts.Inc(ledger.DatagramsDecoded)
	for i, fault := range sampleFaults {
		if d.counts[fault] != before[i] {
			d.problem(fault, in)
		}
	}
	known := d.agents.find(agentKey{exporter: in.Source.Addr(), agent: h.Agent, subAgent: h.SubAgent}, in.Moment(), &d.books)
	known.count(ledger.DatagramsReceived, 1)
	known.count(ledger.DatagramsDecoded, 1)
	known.count(ledger.RecordsDecoded, d.counts[ledger.RecordsDecoded]-records)
	known.book.Volume.Add(d.meter.volume)
	d.namer.give(&known.book.Naming)
	known.follow(&h, d.counts)
	if known.describe(&d.host, d.namer.store) || len(d.host.Name) != 0 && d.now-known.named >= nameAge {
		known.named = d.now
		key := names.Key{Scope: agentScope(in.Source.Addr(), h.Agent.Addr()), Table: names.Exporters}
		d.namer.store.Learn(key, known.hostname, uint64(d.received/int64(time.Second)), d.now)
	}
	d.noteRates(&known.sampled)
}

// meter hands records on, adds up what they tell of, and notes the rates of samples.
type meter struct {
	sink   Sink
	volume ledger.Volume
	// rated and unrated: samples said a rate, or none; rate and standIn are those of the latest of each.
	rated, unrated bool
	rate, standIn  uint64
}

// Record implements sflow.Sink.
func (m *meter) Record(r *flow.Record, c sflow.Chosen) {
	switch c {
	case sflow.AtSaidRate:
		m.rated, m.rate = true, r.SamplingRate
	case sflow.AtUnsaidRate:
		m.unrated, m.standIn = true, r.SamplingRate
	}
	m.volume.Record(r.Bytes, r.SamplingRate)
	m.sink.Record(r)
}

// noteRates notes the rates of a datagram's samples. Those of its ports may differ.
func (d *Decoder) noteRates(to *netflow.Rates) {
	said, unsaid := netflow.RateRecord, netflow.RateDefault
	if d.overridden {
		said, unsaid = netflow.RateConfigured, netflow.RateConfigured
	} else if d.meter.standIn == 0 {
		unsaid = netflow.RateUnknown
	}
	if d.meter.unrated {
		to.Note(d.meter.standIn, unsaid, d.now)
	}
	if d.meter.rated {
		to.Note(d.meter.rate, said, d.now)
	}
}

// ratesOf are the rates that are configured for an agent, by its own address or that of its sender.
func (d *Decoder) ratesOf(agent netip.Addr) (override, standIn uint64) {
	o, _ := d.settings.Overrides.LookupEither(agent, d.sender)
	s, _ := d.settings.Defaults.LookupEither(agent, d.sender)
	d.overridden = o != 0
	return uint64(o), uint64(s)
}

// learnInterface takes what an agent says of an interface. sFlow has no export time: what came later was said later.
func (d *Decoder) learnInterface(agent netip.Addr, i sflow.Interface) {
	row := d.namer.store.RowOf(i.Name, nil)
	row.Speed = i.Speed
	d.namer.store.LearnFrom(d.port, names.Key{Scope: agentScope(d.namer.source.Addr(), agent), Table: names.Interfaces, Number: uint64(i.Index)}, row,
		uint64(d.received/int64(time.Second)), d.now)
}

// agentScope is whose numbers those of an sFlow agent are. Anybody can write any agent's address into a datagram: what it says holds
// for those of its sender only. Several agents may send from one address, so each but the sender itself has a domain of its own.
func agentScope(source, agent netip.Addr) names.Scope {
	scope := names.Scope{Exporter: source}
	if agent != source {
		h := fnv.New32a()
		_, _ = h.Write(agent.AsSlice()) // never fails
		scope.Domain = h.Sum32() | 1
	}
	return scope
}
