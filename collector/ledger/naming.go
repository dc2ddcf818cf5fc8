package ledger

import "fmt"

// Naming is how many records of an exporter got the names that flows are to carry, by table of names. It is no part of the books: it
// counts records that have a number of the table only, where flows carry names of that table.
type Naming struct {
	Interfaces   Named `json:"interfaces,omitzero"`
	Applications Named `json:"applications,omitzero"`
	VRFs         Named `json:"vrfs,omitzero"`
	Samplers     Named `json:"samplers,omitzero"`
	Exporters    Named `json:"exporters,omitzero"`
	Domains      Named `json:"domains,omitzero"`
}

// Named counts records: those whose numbers of one table all have a name, and those with a number that has none.
type Named struct {
	Named   uint64 `json:"named"`
	Unnamed uint64 `json:"unnamed"`
}

// Count counts a record.
func (n *Named) Count(named bool) {
	if named {
		n.Named++
	} else {
		n.Unnamed++
	}
}

// Percent is how many of the records have a name: 100% is all of them and 0% none, >99% and <1% nearly so; empty where none was counted.
func (n *Named) Percent() string {
	all := float64(n.Named) + float64(n.Unnamed)
	switch share := float64(n.Named) / all; {
	case all == 0:
		return ""
	case n.Unnamed > 0 && share > 0.99:
		return ">99%"
	case n.Named > 0 && share < 0.01:
		return "<1%"
	default:
		return fmt.Sprintf("%.0f%%", 100*share)
	}
}

// Tables calls yield for each table with its word, as in metrics, in the order of package names.
func (n *Naming) Tables(yield func(table string, of *Named) bool) {
	_ = yield("interfaces", &n.Interfaces) && yield("applications", &n.Applications) && yield("vrfs", &n.VRFs) &&
		yield("samplers", &n.Samplers) && yield("domains", &n.Domains) && yield("exporters", &n.Exporters)
}

// Add adds o.
func (n *Naming) Add(o *Naming) {
	n.Interfaces.add(o.Interfaces)
	n.Applications.add(o.Applications)
	n.VRFs.add(o.VRFs)
	n.Samplers.add(o.Samplers)
	n.Exporters.add(o.Exporters)
	n.Domains.add(o.Domains)
}

// Sub takes o away.
func (n *Naming) Sub(o *Naming) {
	n.Interfaces.sub(o.Interfaces)
	n.Applications.sub(o.Applications)
	n.VRFs.sub(o.VRFs)
	n.Samplers.sub(o.Samplers)
	n.Exporters.sub(o.Exporters)
	n.Domains.sub(o.Domains)
}

func (n *Named) add(o Named) { n.Named, n.Unnamed = n.Named+o.Named, n.Unnamed+o.Unnamed }

func (n *Named) sub(o Named) { n.Named, n.Unnamed = n.Named-o.Named, n.Unnamed-o.Unnamed }
