package ledger

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

// Records is how many were counted.
func (n *Named) Records() uint64 { return n.Named + n.Unnamed }

// Share is how many of the records have a name, from 0 to 1; known is false where none was counted.
func (n *Named) Share() (share float64, known bool) {
	all := float64(n.Named) + float64(n.Unnamed)
	if all == 0 {
		return 0, false
	}
	return float64(n.Named) / all, true
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
