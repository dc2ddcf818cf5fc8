package check

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/hack/flowgen/traffic"
)

// Report says what became of the records of a run.
type Report struct {
	Began time.Time `json:"began"` // the times of gaps count from here

	Datagrams int `json:"datagrams"` // sent, with records
	Records   int `json:"records"`   // sent
	Once      int `json:"once"`      // received exactly once
	Again     int `json:"again"`     // received more than once
	Lost      int `json:"lost"`
	Unsent    int `json:"unsent"`  // received though it was not sent
	Wrong     int `json:"wrong"`   // received with other values than were sent
	Rates     int `json:"rates"`   // received with another sampling rate than was told
	Unnamed   int `json:"unnamed"` // received without the names of their interfaces, or with others, where exporters named them
	Sources   int `json:"sources"` // received with another exporter's address than the one they were sent from
	Refused   int `json:"refused"` // ICMP errors that came back to exporters
	Failed    int `json:"failed"`  // datagrams that the sender's system did not take
	Foreign   int `json:"foreign"` // records of others on the stream

	LostDatagrams int       `json:"lostDatagrams"` // datagrams of which at least one record was lost
	Gaps          []Gap     `json:"gaps,omitempty"`
	Addresses     []Rewrite `json:"addresses,omitempty"`
	Examples      []string  `json:"examples,omitempty"` // of wrong records
}

// Gap is a row of datagrams of one exporter, all of which were lost at least in part.
type Gap struct {
	Exporter int              `json:"exporter"`
	Protocol traffic.Protocol `json:"protocol"`
	Source   netip.AddrPort   `json:"source"`
	First    int              `json:"first"` // datagram, counted from 1
	Last     int              `json:"last"`
	Records  int              `json:"records"` // lost in them
	From     float64          `json:"from"`    // seconds since the run began
	To       float64          `json:"to"`
}

// Rewrite is an exporter's address that others were seen in place of.
type Rewrite struct {
	Exporter int        `json:"exporter"`
	Sent     netip.Addr `json:"sent"`
	Seen     netip.Addr `json:"seen"`
	Records  int        `json:"records"`
}

// Good tells whether each record arrived exactly once, as it was sent, and nothing was refused.
func (r Report) Good() bool {
	return r.Lost == 0 && r.Again == 0 && r.Unsent == 0 && r.Wrong == 0 && r.Refused == 0 && r.Failed == 0
}

// Report compares what was seen with what was sent.
func (t *Tally) Report(m traffic.Manifest) Report {
	report := Report{Began: m.Began, Foreign: t.foreign, Examples: t.examples, Refused: m.Refused(), Failed: m.Failed(), Datagrams: m.Datagrams()}
	known := map[int]bool{}
	for _, sent := range m.Exporters {
		known[sent.Exporter] = true
		seen := t.exporters[sent.Exporter]
		if seen == nil {
			seen = &exporter{}
		}
		report.exporter(m, sent, seen)
	}
	for index, seen := range t.exporters {
		if !known[index] {
			report.Unsent += seen.distinct
		}
	}
	return report
}

func (r *Report) exporter(m traffic.Manifest, sent traffic.Sent, seen *exporter) {
	number := len(sent.Times) * m.Records
	r.Records += number
	r.Wrong += seen.wrong
	if m.Sampling || sent.Protocol == traffic.SFlow || sent.Protocol == traffic.NetFlow5 {
		r.Rates += seen.rates
	}
	if m.Named && (sent.Protocol == traffic.NetFlow9 || sent.Protocol == traffic.IPFIX) && seen.unnamed > 0 {
		r.Unnamed += seen.unnamed
		r.Examples = append(r.Examples, seen.misnamed)
	}
	for _, address := range slices.SortedFunc(maps.Keys(seen.sources), netip.Addr.Compare) {
		if address != sent.Source.Addr() {
			r.Sources += seen.sources[address]
			r.Addresses = append(r.Addresses, Rewrite{sent.Exporter, sent.Source.Addr(), address, seen.sources[address]})
		}
	}
	for i, times := range seen.seen {
		if times > 0 && i >= number {
			r.Unsent++
		}
	}
	var gap *Gap
	for datagram, at := range sent.Times {
		lost := 0
		for i := datagram * m.Records; i < (datagram+1)*m.Records; i++ {
			switch times := seen.times(i); times {
			case 0:
				lost++
			case 1:
				r.Once++
			default:
				r.Again++
			}
		}
		if lost == 0 {
			gap = nil
			continue
		}
		r.Lost += lost
		r.LostDatagrams++
		if gap == nil {
			r.Gaps = append(r.Gaps, Gap{Exporter: sent.Exporter, Protocol: sent.Protocol, Source: sent.Source,
				First: datagram + 1, From: float64(at) / 1000})
			gap = &r.Gaps[len(r.Gaps)-1]
		}
		gap.Last, gap.To = datagram+1, float64(at)/1000
		gap.Records += lost
	}
}

func (e *exporter) times(i int) uint8 {
	if i >= len(e.seen) {
		return 0
	}
	return e.seen[i]
}

// maxLines of a list are printed.
const maxLines = 20

// Print writes the report for a person.
func (r Report) Print(w io.Writer) {
	fmt.Fprintf(w, "datagrams sent        %8d\nrecords sent          %8d\n", r.Datagrams, r.Records)
	for _, line := range []struct {
		name   string
		number int
		always bool
	}{
		{"received once", r.Once, true}, {"received again", r.Again, true}, {"lost", r.Lost, true},
		{"wrong values", r.Wrong, true}, {"never sent", r.Unsent, false}, {"wrong sampling rate", r.Rates, false}, {"without their names", r.Unnamed, false},
		{"another address", r.Sources, false}, {"refused (ICMP)", r.Refused, true}, {"not taken to send", r.Failed, false},
		{"of other exporters", r.Foreign, false},
	} {
		if line.always || line.number > 0 {
			fmt.Fprintf(w, "%-21s %8d\n", line.name, line.number)
		}
	}
	if r.LostDatagrams > 0 {
		fmt.Fprintf(w, "lost datagrams        %8d:\n", r.LostDatagrams)
	}
	for i, gap := range r.Gaps {
		if i == maxLines {
			fmt.Fprintf(w, "  and %d gaps more\n", len(r.Gaps)-i)
			break
		}
		fmt.Fprintf(w, "  exporter %d (%s, %s): datagrams %d to %d, %d records, sent at %.3f to %.3f s\n",
			gap.Exporter, gap.Protocol, gap.Source, gap.First, gap.Last, gap.Records, gap.From, gap.To)
	}
	for i, address := range r.Addresses {
		if i == maxLines {
			break
		}
		fmt.Fprintf(w, "  exporter %d sent from %s, and was seen as %s in %d records\n", address.Exporter, address.Sent, address.Seen, address.Records)
	}
	for _, example := range r.Examples {
		fmt.Fprintf(w, "  %s\n", example)
	}
}
