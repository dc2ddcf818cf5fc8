package ledger

import (
	"encoding/json"
	"maps"
	"time"
)

// Kind says what the figures of a Minute are of.
type Kind string

// The kinds.
const (
	// KindStream: an exporter's port and domain, whose sequence numbers are known.
	KindStream Kind = "stream"
	// KindDomain: an exporter's port and domain without sequence numbers, such as those of NetFlow v1.
	KindDomain Kind = "domain"
	// KindRest: what is not told by domain of an exporter, or of all Unattributed ones: datagrams that were refused, streams that were
	// forgotten or found no room.
	KindRest Kind = "rest"
	// KindExporter: what an exporter's records say in sum.
	KindExporter Kind = "exporter"
	// KindCollector: what cannot be told by exporter at all.
	KindCollector Kind = "collector"
)

// Minute is one record of the ledger as data: what one collector counted within a minute, by its clock, of what its Kind says. The
// records of all kinds and collectors add up to the fleet's books. JSON has the names of the columns in a database.
type Minute struct {
	// Minute is its beginning, in seconds since 1970.
	Minute int64 `json:"minute"`
	// Fleet is namespace and name; Collector the instance, Run one life of its process, and Share the number of what it published: once each.
	Fleet     string `json:"fleet"`
	Collector string `json:"collector"`
	Run       string `json:"run"`
	Share     uint64 `json:"share"`
	Kind      Kind   `json:"kind"`
	// Exporter is an address as flows have it in sampler_address; "::" for those that are not told apart.
	Exporter string `json:"exporter"`
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port,omitempty"`
	Domain   uint32 `json:"domain,omitempty"`

	// Datagrams received = decoded + refused.
	Datagrams        uint64            `json:"datagrams,omitempty"`
	DatagramsRefused map[string]uint64 `json:"datagrams_refused,omitempty"`
	// Sets received = decoded + lost + those that wait now and did not before (or the other way round).
	Sets        uint64 `json:"sets,omitempty"`
	SetsDecoded uint64 `json:"sets_decoded,omitempty"`
	// SetsLost were dropped, or expired.
	SetsLost map[string]uint64 `json:"sets_lost,omitempty"`
	// Records decoded.
	Records uint64 `json:"records,omitempty"`

	// SamplingRate is that of the latest flow of KindStream or KindDomain; 0 where it is not known.
	SamplingRate uint64 `json:"sampling_rate,omitempty"`
	// LastSeen is when the stream was heard last, in milliseconds since 1970. The rest is its Advance, of KindStream.
	LastSeen     int64  `json:"last_seen,omitempty"`
	SequenceFrom uint32 `json:"sequence_from,omitempty"`
	SequenceNext uint32 `json:"sequence_next,omitempty"`
	Units        uint64 `json:"units,omitempty"`
	UnitsOfRun   uint64 `json:"units_of_run,omitempty"`
	Duplicated   uint64 `json:"duplicated,omitempty"`
	Restarts     uint64 `json:"restarts,omitempty"`

	// Bytes, ScaledBytes, and how many records got names and how many did not, by table, are of KindExporter: see Volume and Naming.
	Bytes       uint64            `json:"bytes,omitempty"`
	ScaledBytes uint64            `json:"scaled_bytes,omitempty"`
	Named       map[string]uint64 `json:"named,omitempty"`
	Unnamed     map[string]uint64 `json:"unnamed,omitempty"`

	// KernelDropped datagrams and RecordsDropped by the output, after they were decoded, are of KindCollector.
	KernelDropped  uint64            `json:"kernel_dropped,omitempty"`
	RecordsDropped map[string]uint64 `json:"records_dropped,omitempty"`
}

// NoExporter is the Exporter of a Minute of those that are not told apart.
const NoExporter = "::"

// Count puts what a book counted into the record.
func (m *Minute) Count(b *Book) {
	c := b.Counts()
	m.Datagrams, m.DatagramsRefused = c[DatagramsReceived], c.byReason("datagrams_refused")
	m.Sets, m.SetsDecoded, m.SetsLost = c[SetsReceived], c[SetsDecoded], sum(c.byReason("sets_expired"), c.byReason("sets_dropped"))
	m.Records = c[RecordsDecoded]
}

// Follow puts what a sequence says into the record, and makes it one of KindStream where there is one.
func (m *Minute) Follow(a Advance, lastSeen time.Time) {
	m.LastSeen = lastSeen.UnixMilli()
	if a.Numbered {
		m.Kind, m.SequenceFrom, m.SequenceNext = KindStream, a.From, a.Next
		m.Units, m.UnitsOfRun, m.Duplicated, m.Restarts = a.Units, a.Run, a.Duplicated, a.Restarts
	}
}

// Say puts what records say into the record, and reports whether that is anything.
func (m *Minute) Say(volume Volume, naming Naming) (any bool) {
	m.Kind, m.Bytes, m.ScaledBytes = KindExporter, volume.Bytes, volume.Scaled
	named, unnamed := make(map[string]uint64), make(map[string]uint64)
	for table, of := range naming.Tables {
		named[table], unnamed[table] = of.Named, of.Unnamed
	}
	none := func(_ string, n uint64) bool { return n == 0 }
	maps.DeleteFunc(named, none)
	maps.DeleteFunc(unnamed, none)
	m.Named, m.Unnamed = named, unnamed
	return volume != Volume{} || naming != Naming{}
}

// AppendLine appends the record as a line of JSON.
func (m *Minute) AppendLine(dst []byte) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic("ledger: a minute cannot be marshalled: " + err.Error()) // its types all can
	}
	return append(append(dst, b...), '\n')
}
