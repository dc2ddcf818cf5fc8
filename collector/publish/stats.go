package publish

// Reason why records were dropped.
type Reason uint8

// The reasons.
const (
	// DroppedOldest: the buffer was full, and the policy gave up its oldest batch.
	DroppedOldest Reason = iota
	// DroppedNewest: the buffer was full, and the policy gave up the new batch.
	DroppedNewest
	// DroppedRefused: the server will never take it, such as a message that is too large.
	DroppedRefused
	// DroppedShutdown: not acknowledged when the collector had to end.
	DroppedShutdown
	// DroppedWrite: the file or standard output could not be written.
	DroppedWrite
	// DroppedSpoolFull: the spool was full, and the policy gave up its oldest segment.
	DroppedSpoolFull
	// DroppedUnacknowledged: sent, never acknowledged, and given up for one of the other reasons. The stream may have them.
	DroppedUnacknowledged
	// DroppedSpoolDamaged: written to the spool, and damaged when it was read.
	DroppedSpoolDamaged
	// DroppedSpoolGone: written to the spool, and not there when its directory could be used again. Another file system may have
	// been mounted meanwhile: then they are on the former one, for whoever has it mounted next.
	DroppedSpoolGone

	// Reasons is how many there are.
	Reasons = int(iota)
)

// String is the value of the metric's label.
func (r Reason) String() string {
	return [Reasons]string{"oldest", "newest", "refused", "shutdown", "write_error", "spool_full", "unacknowledged", "spool_damaged",
		"spool_gone"}[r]
}

// Stats are the figures of a Publisher since it began.
type Stats struct {
	// Records: Submitted + Recovered = Published + Waiting + Spooled + the sum of Dropped. Waiting are in memory, Spooled on
	// disk; Recovered were found there, and had not been written by this process, or had been taken for gone.
	Submitted, Recovered, Published, Waiting, Spooled uint64
	Dropped                                           [Reasons]uint64
	// Batches and Bytes published.
	Batches, Bytes uint64
	// Retries are batches sent again; Failures are negative and missing acknowledgements.
	Retries, Failures uint64
	// Duplicates are batches that the stream had already: a retry after a lost acknowledgement.
	Duplicates uint64
	// Unverified are batches sent again that the stream may have twice: it could not be asked.
	Unverified uint64
	// BufferBytes are waiting, those in flight among them; InFlightBytes are sent and not acknowledged.
	BufferBytes, InFlightBytes int
	Spool                      SpoolStats
}

// SpoolStats are the figures of the spool.
type SpoolStats struct {
	// Bytes it takes on disk.
	Bytes int64
	// Batches written to it.
	Batches uint64
	// Errors are how often it could not be used, by reason.
	Errors [SpoolFaults]uint64
	// DiscardedBytes of what a former process left, torn or damaged.
	DiscardedBytes uint64
}

// DroppedRecords sums the drops of all reasons.
func (s *Stats) DroppedRecords() (n uint64) {
	for _, d := range s.Dropped {
		n += d
	}
	return n
}

// Status says how a Publisher is.
type Status struct {
	// Connected and StreamReady are true for outputs that need neither.
	Connected, StreamReady bool
	// LastError is empty when the last attempt went well.
	LastError string
	// Spool: a spool is configured. SpoolError is why it cannot be used, empty where it can.
	Spool      bool
	SpoolError string
	// Differences between the stream and the configuration that were left alone.
	Differences []string
}
