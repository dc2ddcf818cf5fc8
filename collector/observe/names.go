package observe

// Names are how much is known of what exporters' numbers mean, and how many records that named.
type Names struct {
	// Rows known, and Named and Unnamed records, are by table; the latter two for those that flows carry.
	Rows           map[string]int
	Named, Unnamed map[string]uint64
	// Refused is by reason.
	Refused map[string]uint64
	// Evicted are exporters.
	Evicted uint64
	Bytes   int64
}

var (
	namesRows      = gauge("names_rows", "Names known, by table: what exporters said, here or to other collectors.", "table")
	namesBytes     = gauge("names_bytes", "Memory that known names take, about; tables that say the same share it.")
	namesRefused   = counter("names_refused", "Names of exporters that were not taken.", "reason")
	namesEvicted   = counter("names_exporters_evicted", "Exporters whose names made room for others', in memory only: they were silent for an hour.")
	recordsNamed   = counter("records_named", "Flow records whose numbers all have a name, by table.", "table")
	recordsUnnamed = counter("records_unnamed", "Flow records with a number that has no name, by table.", "table")
)

func (s snapshot) names(emit func(metric, float64, ...string)) {
	n := s.source.Names()
	for table, rows := range n.Rows {
		emit(namesRows, float64(rows), table)
	}
	for table, named := range n.Named {
		emit(recordsNamed, float64(named), table)
		emit(recordsUnnamed, float64(n.Unnamed[table]), table)
	}
	for reason, count := range n.Refused {
		emit(namesRefused, float64(count), reason)
	}
	emit(namesEvicted, float64(n.Evicted))
	emit(namesBytes, float64(n.Bytes))
}
