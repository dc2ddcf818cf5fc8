package observe

// NameRecords are changes of names that are published, by what became of them; Lost is by reason.
type NameRecords struct {
	Published, Waiting uint64
	Lost               map[string]uint64
}

var (
	nameRecordsPublished = counter("name_records_published", "Changes of names (output.names) that the stream has taken.")
	nameRecordsLost      = counter("name_records_lost", "Changes of names that were not published.", "reason")
	nameRecordsWaiting   = gauge("name_records_waiting", "Changes of names that wait for the stream.")
)

func (s snapshot) nameRecords(emit func(metric, float64, ...string)) {
	n := s.source.NameRecords()
	emit(nameRecordsPublished, float64(n.Published))
	for reason, count := range n.Lost {
		emit(nameRecordsLost, float64(count), reason)
	}
	emit(nameRecordsWaiting, float64(n.Waiting))
}
