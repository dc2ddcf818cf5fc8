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

// Listener is the account of one listener.
type Listener struct {
	Name      string `json:"name"`
	Datagrams struct {
		Received uint64            `json:"received"`
		Decoded  uint64            `json:"decoded"`
		Refused  map[string]uint64 `json:"refused,omitempty"`
		// KernelDropped were never received.
		KernelDropped uint64 `json:"kernelDropped"`
	} `json:"datagrams"`
	Sets struct {
		Received uint64            `json:"received"`
		Decoded  uint64            `json:"decoded"`
		Waiting  uint64            `json:"waiting"`
		Expired  map[string]uint64 `json:"expired,omitempty"`
		Dropped  map[string]uint64 `json:"dropped,omitempty"`
	} `json:"sets"`
	Records struct {
		Decoded uint64 `json:"decoded"`
		// Open are in batches that are being filled, Handed were given to the output.
		Open   uint64 `json:"open"`
		Handed uint64 `json:"handed"`
	} `json:"records"`
}

// NewListener puts figures that were loaded together into an account.
func NewListener(name string, c *Counts, levels Levels) Listener {
	l := Listener{Name: name}
	l.Datagrams.Received, l.Datagrams.Decoded = c[DatagramsReceived], c[DatagramsDecoded]
	l.Datagrams.Refused = c.byReason("datagrams_refused")
	l.Datagrams.KernelDropped = c[DatagramsKernelDrops]
	l.Sets.Received, l.Sets.Decoded, l.Sets.Waiting = c[SetsReceived], c[SetsDecoded], uint64(levels.Held)
	l.Sets.Expired, l.Sets.Dropped = c.byReason("sets_expired"), c.byReason("sets_dropped")
	l.Records.Decoded, l.Records.Open, l.Records.Handed = c[RecordsDecoded], uint64(levels.Open), uint64(levels.Handed)
	return l
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

// Exporter is what came from one exporter.
type Exporter struct {
	// Address is empty for all those beyond the bound on exporters with figures of their own.
	Address   string `json:"address"`
	Protocol  string `json:"protocol"`
	Datagrams uint64 `json:"datagrams"`
	Records   uint64 `json:"records"`
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
	// Name is datagrams, sets, records, output or handover.
	Name string
	// Listener is empty where it is the collector's.
	Listener string
	// Difference is left side minus right side.
	Difference int64
}

// The equations. All but the handover hold at any time, under load too; the handover holds at rest, since a batch that is
// on its way from a listener to the output is in one book before the other.
const (
	EquationDatagrams = "datagrams" // received = decoded + refused
	EquationSets      = "sets"      // received = decoded + waiting + expired + dropped
	EquationRecords   = "records"   // decoded = open + handed to the output
	EquationOutput    = "output"    // received + recovered = published + waiting + spooled + dropped
	EquationHandover  = "handover"  // handed by the listeners = received by the output
)

// Equations works them all out.
func (a *Account) Equations() []Equation {
	var out []Equation
	handed := uint64(0)
	for i := range a.Listeners {
		l := &a.Listeners[i]
		handed += l.Records.Handed
		out = append(out,
			Equation{EquationDatagrams, l.Name, int64(l.Datagrams.Received - l.Datagrams.Decoded - sumOf(l.Datagrams.Refused))},
			Equation{EquationSets, l.Name, int64(l.Sets.Received - l.Sets.Decoded - l.Sets.Waiting - sumOf(l.Sets.Expired) -
				sumOf(l.Sets.Dropped))},
			Equation{EquationRecords, l.Name, int64(l.Records.Decoded - l.Records.Open - l.Records.Handed)})
	}
	o := &a.Output
	return append(out,
		Equation{EquationOutput, "", int64(o.Received + o.Recovered - o.Published - o.Waiting - o.Spooled - sumOf(o.Dropped))},
		Equation{EquationHandover, "", int64(handed - o.Received)})
}

func sumOf(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// Fleet sums up the streams of several collectors: each with its Union, in order of exporter, port, protocol and domain.
func Fleet(accounts []Account) []Stream {
	spread := make(map[StreamKey][]Stream)
	for i := range accounts {
		for _, s := range accounts[i].Streams {
			spread[s.StreamKey] = append(spread[s.StreamKey], s)
		}
	}
	out := make([]Stream, 0, len(spread))
	for key, parts := range spread {
		slices.SortFunc(parts, func(a, b Stream) int { return b.LastSeen.Compare(a.LastSeen) })
		spans := make([]Span, len(parts))
		for i := range parts {
			spans[i] = parts[i].Span
		}
		sum, _ := Union(spans)
		out = append(out, Stream{key, parts[0].LastSeen, sum})
	}
	slices.SortFunc(out, func(a, b Stream) int {
		return cmp.Or(cmp.Compare(a.Exporter, b.Exporter), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.Domain, b.Domain))
	})
	return out
}
