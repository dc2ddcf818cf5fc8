package exporters

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/network"
)

// One is an exporter, with all that the books of a fleet have of its address.
type One struct {
	Address string `json:"address"`
	// Protocols have a Row each.
	Protocols []Row `json:"protocols"`
	// Collectors that have heard of it since they started, each with what it counted of a protocol.
	Collectors []Heard `json:"collectors"`
	// Undecoded says what of it was not decoded, added up over the collectors; the most comes first.
	Undecoded []Undecoded `json:"undecoded,omitempty"`
	// Streams are its sequences, added up over the collectors. The one that most is missing of comes first.
	Streams []Stream `json:"streams,omitempty"`
}

// Heard is what a collector counted of an exporter since it started.
type Heard struct {
	Collector string `json:"collector"`
	Protocol  string `json:"protocol"`
	Datagrams uint64 `json:"datagrams"`
	Records   uint64 `json:"records"`
	// Refused datagrams; sets that were Lost (dropped, or expired before their template came) or are Waiting for it.
	Refused uint64 `json:"refused"`
	Lost    uint64 `json:"lost"`
	Waiting uint64 `json:"waiting"`
}

// Undecoded counts datagrams or sets that were refused, dropped or expired for one reason, as the collectors' metrics name it.
type Undecoded struct {
	Protocol string `json:"protocol"`
	What     string `json:"what"`
	Reason   string `json:"reason"`
	Count    uint64 `json:"count"`
}

// Stream is a sequence of an exporter: what it numbered, and what no collector received of that, in the protocol's own units.
type Stream struct {
	Protocol string    `json:"protocol"`
	Port     uint16    `json:"port,omitempty"`
	Domain   uint32    `json:"domain"`
	Sent     uint64    `json:"sent"`
	Missed   uint64    `json:"missed"`
	Restarts uint64    `json:"restarts"`
	LastSeen time.Time `json:"lastSeen"`
}

// Find is the exporter of an address, by the books of a fleet at two moments; heard is false where no collector has any of it.
func Find(address netip.Addr, before, now []ledger.Account) (one One, heard bool) {
	one.Address = address.Unmap().String()
	one.Protocols = slices.DeleteFunc(Rows(before, now), func(r Row) bool { return !network.Is(r.Address, address) })
	reasons := make(map[Undecoded]uint64)
	for i := range now {
		for _, e := range now[i].Exporters {
			if !network.Is(e.Address, address) {
				continue
			}
			one.Collectors = append(one.Collectors, Heard{Collector: now[i].Instance, Protocol: e.Protocol, Datagrams: e.Datagrams.Received,
				Records: e.Records, Refused: ledger.Sum(e.Datagrams.Refused), Lost: ledger.Sum(e.Sets.Expired) + ledger.Sum(e.Sets.Dropped),
				Waiting: e.Sets.Waiting})
			for what, counts := range map[string]map[string]uint64{
				"datagrams refused": e.Datagrams.Refused, "sets expired": e.Sets.Expired, "sets dropped": e.Sets.Dropped,
			} {
				for reason, n := range counts {
					reasons[Undecoded{Protocol: e.Protocol, What: what, Reason: reason}] += n
				}
			}
		}
	}
	for u, n := range reasons {
		u.Count = n
		one.Undecoded = append(one.Undecoded, u)
	}
	slices.SortFunc(one.Undecoded, func(a, b Undecoded) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Protocol, b.Protocol), strings.Compare(a.What, b.What), strings.Compare(a.Reason, b.Reason))
	})
	for _, s := range ledger.Fleet(now) {
		if network.Is(s.Exporter, address) {
			one.Streams = append(one.Streams, Stream{Protocol: s.Protocol, Port: s.Port, Domain: s.Domain, Sent: s.Length(), Missed: missed(&s),
				Restarts: s.Restarts, LastSeen: s.LastSeen})
		}
	}
	slices.SortStableFunc(one.Streams, func(a, b Stream) int { return cmp.Compare(b.Missed, a.Missed) })
	return one, len(one.Protocols) > 0
}

// missed is what no collector received of a stream; doubled datagrams make it less than nothing there.
func missed(s *ledger.Stream) uint64 {
	return uint64(max(int64(s.Missed()), 0))
}
