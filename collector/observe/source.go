package observe

import (
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// Source is where metrics come from; each function is called at every scrape, and may be nil.
type Source struct {
	// Listeners are the counts of each listener.
	Listeners func() []Listener
	// Shared are the counts that belong to no listener: templates, sampling rates, exporters.
	Shared func() ledger.Counts
	// Memory is what is known of exporters.
	Memory func() Memory
	// Account is the ledger, with exporters and streams.
	Account func() ledger.Account
	// Names is nil where flows carry none.
	Names func() Names
	// Minutes is nil where nothing of the ledger is published.
	Minutes func() Minutes
	// NameRecords is nil where changes of names are not published.
	NameRecords func() NameRecords
	Store       func() Store
	Output      func() Output
	// Captures of raw datagrams.
	Captures func() Captures
	// RefusedConnections of the HTTP server.
	RefusedConnections func() uint64
}

// Listener is one listener's state.
type Listener struct {
	Name   string
	Counts ledger.Counts
	Levels ledger.Levels
	// HeldBytes of sets that wait for their template, and of datagrams of sFlow that wait for the bucket.
	HeldBytes int
	// Delays between the kernel and the worker, in seconds.
	Delays Histogram
}

// Histogram counts what is up to each bound, as Prometheus does.
type Histogram struct {
	Buckets map[float64]uint64
	Count   uint64
	Sum     float64
}

// Memory is how much is known.
type Memory struct {
	Exporters, Templates, SamplingRates int
}

// Store is the state of the template bucket.
type Store struct {
	Connected, Loaded                                      bool
	Keys, Queue                                            int
	Bytes                                                  uint64
	Writes, Skipped, Conflicts, Errors, Overflows, Limited uint64
	WatchRestarts, Relists, Newer, Invalid                 uint64
	LagSeconds                                             float64
}

// Output is the state of publishing.
type Output struct {
	Connected, StreamReady                        bool
	Recovered, Published, Waiting, Spooled        uint64
	Dropped                                       map[string]uint64
	Batches, Bytes, Retries, Failures, Duplicates uint64
	Unverified                                    uint64
	BufferBytes, InFlightBytes                    int
	// Spool is nil where none is configured.
	Spool *Spool
}

// Spool is the state of what waits on disk.
type Spool struct {
	Usable                  bool
	Bytes                   int64
	Batches, DiscardedBytes uint64
	Errors                  map[string]uint64 // by reason
}
