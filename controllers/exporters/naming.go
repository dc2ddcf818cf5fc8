package exporters

import (
	"fmt"
	"math"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// naming is how many records of a window got the names that flows are to carry; nil where none is to have any, or where that is not known.
func naming(w *Window, n *Figures) *v1alpha1.ExporterNaming {
	if n.NamingUntold || w.NamingUnknown {
		return nil
	}
	out := &v1alpha1.ExporterNaming{Named: share(&w.Naming.Interfaces)}
	for table, of := range w.Naming.Tables {
		if named := share(of); named != "" {
			out.Tables = append(out.Tables, v1alpha1.ExporterNamingTable{Table: table, Named: named})
		}
	}
	if len(out.Tables) == 0 {
		return nil
	}
	return out
}

// share is a percentage: 100% is all of them, and 0% none; empty where there are no records.
func share(n *ledger.Named) string {
	switch share, known := n.Share(); {
	case !known:
		return ""
	case n.Unnamed > 0 && share > 0.99:
		return ">99%"
	case n.Named > 0 && share < 0.01:
		return "<1%"
	default:
		return fmt.Sprintf("%.0f%%", 100*share)
	}
}

// firstNamed reports that it is known for the first time how many flows have names of interfaces.
func firstNamed(before, after *v1alpha1.ExporterNaming) bool {
	return namedText(before) == "" && namedText(after) != ""
}

func namedText(n *v1alpha1.ExporterNaming) string {
	if n == nil {
		return ""
	}
	return n.Named
}

// backwards reports a table of which there is less than before: a collector forgot a part.
func backwards(n *ledger.Naming) (less bool) {
	for _, of := range n.Tables {
		less = less || max(of.Named, of.Unnamed) > math.MaxInt64
	}
	return less
}
