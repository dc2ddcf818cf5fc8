// Package exporters makes a line of each exporter, from the books of all collectors of a fleet at two moments.
package exporters

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Row is an exporter: an address with a protocol.
type Row struct {
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	// Collectors that have heard of it since they started.
	Collectors int `json:"collectors"`
	// Domains and Ports that it sends from; 0 where the protocol does not tell, or its streams have no figures of their own.
	Domains int `json:"domains"`
	Ports   int `json:"ports"`
	// Records decoded in all, and a second between the two moments; nil where no collector was looked at in both.
	Records          uint64   `json:"records"`
	RecordsPerSecond *float64 `json:"recordsPerSecond,omitempty"`
	// Units that the exporter numbered, and those that no collector received, in the protocol's own units; see package ledger.
	Sent   uint64 `json:"sent"`
	Missed uint64 `json:"missed"`
	// Refused datagrams, and sets that were Lost (dropped, or expired before their template came) or are Waiting for it.
	Refused uint64 `json:"refused"`
	Lost    uint64 `json:"lost"`
	Waiting uint64 `json:"waiting"`
	// Restarts of it, as its sequences tell.
	Restarts uint64 `json:"restarts"`
	// Naming is how many of the records got the names that flows carry; nil where a collector does not say.
	Naming *ledger.Naming `json:"naming,omitempty"`
	// LastSeen is zero where its streams have no figures of their own.
	LastSeen time.Time `json:"lastSeen,omitzero"`
}

// Loss is the share of what it sent that no collector received, from 0 to 1; known is false where it numbers nothing that was followed.
func (r *Row) Loss() (share float64, known bool) {
	if r.Sent == 0 {
		return 0, false
	}
	return float64(r.Missed) / float64(r.Sent), true
}

// Rows of the exporters in the books of a fleet: what was counted until now, and what a second since the books before. A collector that is
// in one of the two only, since it was started or ended meanwhile, says nothing of the rates.
func Rows(before, now []ledger.Account) []Row {
	rows := make(map[[2]string]*Row)
	row := func(address, protocol string) *Row {
		key := [2]string{address, protocol}
		if rows[key] == nil {
			rows[key] = &Row{Address: address, Protocol: protocol}
		}
		return rows[key]
	}
	former := earlierOf(before)
	for i := range now {
		for j := range now[i].Exporters {
			e := &now[i].Exporters[j]
			if e.Address == "" {
				continue // what is not told by exporter
			}
			r := row(e.Address, e.Protocol)
			r.take(e)
			if rate, known := former.rate(&now[i], e); known {
				if r.RecordsPerSecond != nil {
					rate += *r.RecordsPerSecond
				}
				r.RecordsPerSecond = &rate
			}
		}
	}
	streams := ledger.Fleet(now)
	domains, ports := make(map[[2]string]map[uint32]bool), make(map[[2]string]map[uint16]bool)
	for i := range streams {
		s := &streams[i]
		r := row(s.Exporter, s.Protocol)
		r.Sent += s.Length()
		r.Missed += missed(s)
		r.Restarts += s.Restarts
		if s.LastSeen.After(r.LastSeen) {
			r.LastSeen = s.LastSeen
		}
		key := [2]string{s.Exporter, s.Protocol}
		r.Domains = count(domains, key, s.Domain)
		if s.Port != 0 {
			r.Ports = count(ports, key, s.Port)
		}
	}
	out := make([]Row, 0, len(rows))
	for _, r := range rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, byAddress)
	return out
}

// take adds what one more collector counted of an exporter.
func (r *Row) take(e *ledger.Exporter) {
	sum := ledger.Exporter{Records: r.Records, Naming: r.Naming}
	sum.Add(e)
	r.Records, r.Naming = sum.Records, sum.Naming
	r.Collectors++
	r.Refused += ledger.Sum(e.Datagrams.Refused)
	r.Lost += ledger.Sum(e.Sets.Expired) + ledger.Sum(e.Sets.Dropped)
	r.Waiting += e.Sets.Waiting
}

// earlier is what collectors had counted of their exporters at the first moment.
type earlier map[[3]string]moment // by collector, address and protocol

type moment struct {
	at      time.Time
	records uint64
}

func earlierOf(accounts []ledger.Account) earlier {
	all := make(earlier)
	for i := range accounts {
		a := &accounts[i]
		all[[3]string{a.Instance}] = moment{at: a.Time}
		for _, e := range a.Exporters {
			all[[3]string{a.Instance, e.Address, e.Protocol}] = moment{a.Time, e.Records}
		}
	}
	return all
}

// rate of an exporter at one collector, in records a second; known is false where there was no earlier look at this collector.
func (all earlier) rate(now *ledger.Account, e *ledger.Exporter) (perSecond float64, known bool) {
	began, known := all[[3]string{now.Instance}]
	was := all[[3]string{now.Instance, e.Address, e.Protocol}].records // none where it was heard of since
	seconds := now.Time.Sub(began.at).Seconds()
	if !known || seconds <= 0 || e.Records < was {
		return 0, false
	}
	return float64(e.Records-was) / seconds, true
}

func count[K, V comparable](seen map[K]map[V]bool, key K, value V) int {
	if seen[key] == nil {
		seen[key] = make(map[V]bool)
	}
	seen[key][value] = true
	return len(seen[key])
}

// byAddress puts 10.0.0.9 before 10.0.0.10.
func byAddress(a, b Row) int {
	return cmp.Or(ledger.CompareAddresses(a.Address, b.Address), strings.Compare(a.Protocol, b.Protocol))
}

// Orders that rows can be put in. The largest come first, but for addresses.
var Orders = map[string]func(a, b Row) int{
	"address": byAddress,
	"records": func(a, b Row) int { return cmp.Compare(b.rate(), a.rate()) },
	"loss":    func(a, b Row) int { return cmp.Compare(share(b), share(a)) },
	"silence": func(a, b Row) int { return a.LastSeen.Compare(b.LastSeen) },
}

// rate is the records a second, less than none where that is not known.
func (r *Row) rate() float64 {
	if r.RecordsPerSecond == nil {
		return -1
	}
	return *r.RecordsPerSecond
}

// share is the loss, less than none where it is not known.
func share(r Row) float64 {
	loss, known := r.Loss()
	if !known {
		return -1
	}
	return loss
}

// Within are the rows whose address is in one of the networks, all where there are none.
func Within(rows []Row, networks []netip.Prefix) []Row {
	if len(networks) == 0 {
		return rows
	}
	return slices.DeleteFunc(rows, func(r Row) bool {
		address, err := netip.ParseAddr(r.Address)
		return err != nil || !slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(address) })
	})
}
