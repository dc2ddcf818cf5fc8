package observe

// Minutes are records of the ledger that are published, by what became of them.
type Minutes struct {
	Published, Waiting uint64
	// Dropped is by reason.
	Dropped map[string]uint64
}

var (
	minutesPublished = counter("ledger_records_published", "Records of the ledger (output.ledger) that the stream has taken.")
	minutesDropped   = counter("ledger_records_dropped", "Records of the ledger that were not published.", "reason")
	minutesWaiting   = gauge("ledger_records_waiting", "Records of the ledger that wait for the stream.")
)

func (s snapshot) minutes(emit func(metric, float64, ...string)) {
	m := s.source.Minutes()
	emit(minutesPublished, float64(m.Published))
	for reason, count := range m.Dropped {
		emit(minutesDropped, float64(count), reason)
	}
	emit(minutesWaiting, float64(m.Waiting))
}
