package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Received is how many datagrams have arrived at them.
func Received(accounts []Account) (datagrams uint64) {
	for i := range accounts {
		for _, l := range accounts[i].Listeners {
			datagrams += l.Datagrams.Received
		}
	}
	return datagrams
}

// Imbalances says which equations do not hold, but for those that are excused; nil where all do.
func Imbalances(accounts []Account, excused ...func(Equation) bool) (err error) {
	for i := range accounts {
		for _, e := range accounts[i].Equations() {
			if e.Difference != 0 && !slices.ContainsFunc(excused, func(is func(Equation) bool) bool { return is(e) }) {
				of := e.Name
				switch {
				case e.Listener != "":
					of += " of listener " + e.Listener
				case e.Exporter != "":
					of += " of exporter " + e.Exporter
				}
				err = errors.Join(err, fmt.Errorf("collector %s: the equation of %s is off by %d", accounts[i].Instance, of, e.Difference))
			}
		}
	}
	return err
}

// Exporters sums up exporters over collectors, in order of address and protocol.
func Exporters(accounts []Account) []Exporter {
	var out []Exporter
	places := make(map[[2]string]int)
	for i := range accounts {
		for _, e := range accounts[i].Exporters {
			key := [2]string{e.Address, e.Protocol}
			at, known := places[key]
			if !known {
				places[key] = len(out)
				out = append(out, e)
				continue
			}
			out[at].Add(&e)
		}
	}
	slices.SortFunc(out, func(a, b Exporter) int {
		return cmp.Or(CompareAddresses(a.Address, b.Address), cmp.Compare(a.Protocol, b.Protocol))
	})
	return out
}

// CompareAddresses puts 10.0.0.9 before 10.0.0.10. Texts that are no addresses come first, in the order of their letters.
func CompareAddresses(a, b string) int {
	first, _ := netip.ParseAddr(a) // the zero one, which is less than each other, where it is none
	second, _ := netip.ParseAddr(b)
	return cmp.Or(first.Compare(second), cmp.Compare(a, b))
}
