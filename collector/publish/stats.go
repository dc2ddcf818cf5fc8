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

	// Reasons is how many there are.
	Reasons = int(iota)
)

// String is the value of the metric's label.
func (r Reason) String() string {
	return [Reasons]string{"oldest", "newest", "refused", "shutdown", "write_error"}[r]
}

// Stats are the figures of a Publisher since it began.
type Stats struct {
	// Records: Submitted = Published + Waiting + the sum of Dropped.
	Submitted, Published, Waiting uint64
	Dropped                       [Reasons]uint64
	// Batches and Bytes published.
	Batches, Bytes uint64
	// Retries are batches sent again; Failures are negative and missing acknowledgements.
	Retries, Failures uint64
	// Duplicates are batches that the stream had already: a retry after a lost acknowledgement.
	Duplicates uint64
	// BufferBytes are waiting, those in flight among them; InFlightBytes are sent and not acknowledged.
	BufferBytes, InFlightBytes int
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
	// Differences between the stream and the configuration that were left alone.
	Differences []string
}
