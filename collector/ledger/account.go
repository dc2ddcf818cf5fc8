package ledger

import (
	"cmp"
	"slices"
	"time"
)

// Account is the ledger of one collector at one time, as it is served on /ledger.
type Account struct {
	Instance  string     `json:"instance"`
	Time      time.Time  `json:"time"`
	Listeners []Listener `json:"listeners"`
	Output    Output     `json:"output"`
	Exporters []Exporter `json:"exporters"`
	Streams   []Stream   `json:"streams"`
	// StreamsLeftOut had no room among the streams: exporters.limits.exporterMetrics.
	StreamsLeftOut uint64 `json:"streamsLeftOut,omitempty"`
}

// Datagrams is what became of those that were received.
type Datagrams struct {
	Received uint64            `json:"received"`
	Decoded  uint64            `json:"decoded"`
	Refused  map[string]uint64 `json:"refused,omitempty"`
}

// Sets is what became of those of NetFlow v9 and IPFIX.
type Sets struct {
	Received uint64            `json:"received"`
	Decoded  uint64            `json:"decoded"`
	Waiting  uint64            `json:"waiting"`
	Expired  map[string]uint64 `json:"expired,omitempty"`
	Dropped  map[string]uint64 `json:"dropped,omitempty"`
}

// Listener is the account of one listener.
type Listener struct {
	Name      string `json:"name"`
	Datagrams struct {
		Datagrams
		// KernelDropped were never received.
		KernelDropped uint64 `json:"kernelDropped"`
	} `json:"datagrams"`
	Sets    Sets `json:"sets"`
	Records struct {
		Decoded uint64 `json:"decoded"`
		// Open are in batches that are being filled, Handed were given to the output.
		Open   uint64 `json:"open"`
		Handed uint64 `json:"handed"`
	} `json:"records"`
}

// NewListener puts figures that were loaded together into an account.
func NewListener(name string, c *Counts, levels Levels) Listener {
	l := Listener{Name: name, Sets: c.sets(levels.Held)}
	l.Datagrams.Datagrams, l.Datagrams.KernelDropped = c.datagrams(), c[DatagramsKernelDrops]
	l.Records.Decoded, l.Records.Open, l.Records.Handed = c[RecordsDecoded], uint64(levels.Open), uint64(levels.Handed)
	return l
}

// NewExporter puts what was counted of an exporter into an account.
func NewExporter(address, protocol string, b *Book) Exporter {
	c := b.Counts()
	naming := b.Naming
	return Exporter{Address: address, Protocol: protocol, Datagrams: c.datagrams(), Sets: c.sets(b.Waiting), Records: c[RecordsDecoded],
		Volume: b.Volume, Naming: &naming}
}

func (c *Counts) datagrams() Datagrams {
	return Datagrams{Received: c[DatagramsReceived], Decoded: c[DatagramsDecoded], Refused: c.byReason("datagrams_refused")}
}

func (c *Counts) sets(waiting int64) Sets {
	return Sets{Received: c[SetsReceived], Decoded: c[SetsDecoded], Waiting: uint64(waiting),
		Expired: c.byReason("sets_expired"), Dropped: c.byReason("sets_dropped")}
}

func (c *Counts) byReason(metric string) map[string]uint64 {
	out := make(map[string]uint64)
	for i, info := range Infos {
		if info.Metric == metric && c[i] != 0 {
			out[info.Reason] = c[i]
		}
	}
	return out
}

// Output is the account of the output, in records.
type Output struct {
	// Received from the listeners; Recovered from a spool that a former process left.
	Received  uint64 `json:"received"`
	Recovered uint64 `json:"recovered"`
	Published uint64 `json:"published"`
	// Waiting in memory, Spooled on disk.
	Waiting uint64            `json:"waiting"`
	Spooled uint64            `json:"spooled"`
	Dropped map[string]uint64 `json:"dropped,omitempty"`
}

// Exporter is what became of what came from one exporter. Records cannot be told by exporter once they are in batches.
type Exporter struct {
	// Address is empty for what is not told by exporter: all those beyond the bound on exporters with figures of their own, and
	// senders that are not allowed.
	Address string `json:"address"`
	// Protocol is unknown for datagrams that are none of those decoded here.
	Protocol  string    `json:"protocol"`
	Datagrams Datagrams `json:"datagrams"`
	Sets      Sets      `json:"sets"`
	// Records decoded, and what they tell of, which is no part of the account.
	Records uint64 `json:"records"`
	Volume  Volume `json:"-"`
	// Naming is how many of the records got names; nil where the collector does not say.
	Naming *Naming `json:"naming,omitempty"`
}

// Unattributed is what the Exporter without an address is called.
const Unattributed = "others"

// Add adds what another collector has of the same exporter.
func (e *Exporter) Add(o *Exporter) {
	e.Datagrams.Received += o.Datagrams.Received
	e.Datagrams.Decoded += o.Datagrams.Decoded
	e.Datagrams.Refused = sum(e.Datagrams.Refused, o.Datagrams.Refused)
	e.Sets.Received += o.Sets.Received
	e.Sets.Decoded += o.Sets.Decoded
	e.Sets.Waiting += o.Sets.Waiting
	e.Sets.Expired = sum(e.Sets.Expired, o.Sets.Expired)
	e.Sets.Dropped = sum(e.Sets.Dropped, o.Sets.Dropped)
	e.Naming = addNaming(e, o)
	e.Records += o.Records
}

// addNaming is what two collectors count of an exporter, nil where one with records does not say.
func addNaming(a, b *Exporter) *Naming {
	if a.Naming == nil && a.Records > 0 || b.Naming == nil && b.Records > 0 {
		return nil
	}
	out := &Naming{}
	for _, e := range [...]*Exporter{a, b} {
		if e.Naming != nil {
			out.Add(e.Naming)
		}
	}
	return out
}

// sum adds by reason.
func sum(a, b map[string]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(a))
	for _, m := range []map[string]uint64{a, b} {
		for reason, n := range m {
			out[reason] += n
		}
	}
	return out
}

// StreamKey tells streams apart.
type StreamKey struct {
	Exporter string `json:"exporter"`
	// Port is 0 for sFlow, whose agents are told apart by address and sub-agent.
	Port     uint16 `json:"port,omitempty"`
	Protocol string `json:"protocol"`
	// Domain is the observation domain or source id, the engine of NetFlow v5, the sub-agent of sFlow.
	Domain uint32 `json:"domain"`
}

// Stream is a sequence that an exporter counts, as far as it came here.
type Stream struct {
	StreamKey
	LastSeen time.Time `json:"lastSeen"`
	Span
}

// Equation is one of the ledger's, with what it is off by: 0 where it holds.
type Equation struct {
	// Name is one of the constants below.
	Name string
	// Listener is empty where it is the collector's or an exporter's.
	Listener string
	// Exporter is an address and a protocol, empty where it is not an exporter's.
	Exporter string
	// Difference is left side minus right side.
	Difference int64
}

// The equations. Those of a listener, an exporter and the output hold at any time, under load too. The others hold at rest:
// a batch that is on its way from a listener to the output is in one book before the other, and exporters' books are put
// together some seconds after the listeners'.
const (
	EquationDatagrams = "datagrams" // received = decoded + refused; of a listener or an exporter
	EquationSets      = "sets"      // received = decoded + waiting + expired + dropped; of a listener or an exporter
	EquationRecords   = "records"   // decoded = open + handed to the output
	EquationOutput    = "output"    // received + recovered = published + waiting + spooled + dropped
	EquationHandover  = "handover"  // handed by the listeners = received by the output

	EquationExportersDatagrams = "exporters_datagrams" // received by the listeners = received from exporters, Unattributed among them
	EquationExportersSets      = "exporters_sets"      // the same of sets
	EquationExportersRecords   = "exporters_records"   // decoded by the listeners = decoded from exporters
)

// AtRest tells whether the equation holds at rest only.
func (e Equation) AtRest() bool {
	switch e.Name {
	case EquationHandover, EquationExportersDatagrams, EquationExportersSets, EquationExportersRecords:
		return true
	}
	return false
}

// difference is what the equation of datagrams is off by.
func (d *Datagrams) difference() int64 { return int64(d.Received - d.Decoded - Sum(d.Refused)) }

// difference is what the equation of sets is off by.
func (s *Sets) difference() int64 {
	return int64(s.Received - s.Decoded - s.Waiting - Sum(s.Expired) - Sum(s.Dropped))
}

// Equations works them all out.
func (a *Account) Equations() []Equation {
	var out []Equation
	var handed, datagrams, sets, records uint64 // of the listeners, less those of the exporters
	for i := range a.Listeners {
		l := &a.Listeners[i]
		handed += l.Records.Handed
		datagrams += l.Datagrams.Received
		sets += l.Sets.Received
		records += l.Records.Decoded
		out = append(out,
			Equation{Name: EquationDatagrams, Listener: l.Name, Difference: l.Datagrams.difference()},
			Equation{Name: EquationSets, Listener: l.Name, Difference: l.Sets.difference()},
			Equation{Name: EquationRecords, Listener: l.Name, Difference: int64(l.Records.Decoded - l.Records.Open - l.Records.Handed)})
	}
	for i := range a.Exporters {
		e := &a.Exporters[i]
		datagrams -= e.Datagrams.Received
		sets -= e.Sets.Received
		records -= e.Records
		name := cmp.Or(e.Address, Unattributed) + " " + e.Protocol
		out = append(out,
			Equation{Name: EquationDatagrams, Exporter: name, Difference: e.Datagrams.difference()},
			Equation{Name: EquationSets, Exporter: name, Difference: e.Sets.difference()})
	}
	o := &a.Output
	return append(out,
		Equation{Name: EquationOutput, Difference: int64(o.Received + o.Recovered - o.Published - o.Waiting - o.Spooled - Sum(o.Dropped))},
		Equation{Name: EquationHandover, Difference: int64(handed - o.Received)},
		Equation{Name: EquationExportersDatagrams, Difference: int64(datagrams)},
		Equation{Name: EquationExportersSets, Difference: int64(sets)},
		Equation{Name: EquationExportersRecords, Difference: int64(records)})
}

// Sum adds up what is counted by reason.
func Sum(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// Fleet sums up the streams of several collectors: each with its Union, in order of exporter, port, protocol and domain.
func Fleet(accounts []Account) []Stream {
	spread := make(map[StreamKey][]Part)
	last := make(map[StreamKey]time.Time)
	for i := range accounts {
		for _, s := range accounts[i].Streams {
			// How long before its collector was asked: clocks that differ do not matter.
			spread[s.StreamKey] = append(spread[s.StreamKey], Part{s.Span, time.Time{}.Add(s.LastSeen.Sub(accounts[i].Time))})
			if s.LastSeen.After(last[s.StreamKey]) {
				last[s.StreamKey] = s.LastSeen
			}
		}
	}
	out := make([]Stream, 0, len(spread))
	for key, parts := range spread {
		sum, _ := Union(parts)
		out = append(out, Stream{key, last[key], sum})
	}
	slices.SortFunc(out, func(a, b Stream) int {
		return cmp.Or(CompareAddresses(a.Exporter, b.Exporter), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.Domain, b.Domain))
	})
	return out
}
