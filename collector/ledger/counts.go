// Package ledger counts what became of every datagram, set and record, so that losses are figures and not guesses:
//
//	datagrams received = decoded + refused{reason}
//	sets received      = decoded + held + expired{reason} + dropped{reason}
//	records decoded    = published + waiting + dropped{reason}   (the second half is package publish's)
//
// A worker counts into its own Counts without locks and adds them to the shared Totals of its listener after each batch
// of datagrams, all at once, so that what is read of Totals balances at any time.
package ledger

import (
	"sync"
	"sync/atomic"
)

// Counter names one figure.
type Counter uint8

// The counters. Info gives each its metric's name and reason.
const (
	DatagramsReceived Counter = iota
	BytesReceived
	DatagramsDecoded

	RefusedNotAllowed    // source outside the allowed networks
	RefusedTooShort      // shorter than its protocol's header
	RefusedVersion       // a version nobody here knows
	RefusedProtocol      // another protocol than the listener's
	RefusedHeader        // header fields that contradict the datagram
	RefusedOversized     // longer than the receive slot: the rest was cut off by the kernel
	DatagramsKernelDrops // dropped by the kernel before they were read (SO_RXQ_OVFL); not among the received
	DatagramsTruncated   // decoded, but promised more than they carried
	DatagramsTrailing    // decoded, but carried more than they promised

	SetsReceived
	SetsDecoded           // templates, options and data alike
	SetsHeld              // put aside for their template, or until the bucket is loaded (a flow of events, not a level)
	SetsReleased          // held ones that were decoded; they count as decoded too
	SetsExpiredAge        // held too long
	SetsExpiredOverflow   // pushed out by the bounds on held bytes
	SetsExpiredShutdown   // still held when the collector stopped
	SetsExpiredRestart    // their exporter restarted before their template came
	SetsDroppedNoTemplate // not held because holding is disabled, or the set alone exceeds the bounds
	SetsDroppedMalformed  // lengths that contradict the datagram or the template
	SetsDroppedReserved   // set ids that the protocol reserves

	RecordsDecoded       // flow records
	OptionsDecoded       // options records
	RecordsTruncated     // a last record cut short by its set, not padding
	RecordsNotFlows      // data records without a field that a flow record has a place for
	RecordsListsUnread   // lists in records (RFC 6313), or parts of them, that were not read: template unknown, lengths that contradict, too many
	RecordsFieldsInvalid // fields whose length does not fit their type, and negative counts; the field is left out

	SamplesFlow    // sFlow flow samples
	SamplesCounter // sFlow counter samples: counted, not flows
	SamplesDiscard // sFlow notifications of discarded packets: flows where extra fields are kept, counted where not
	SamplesUnknown // sFlow samples of other formats, skipped
	SamplesDroppedMalformed
	SamplesDroppedNoPacket // flow samples without a record that describes a packet
	SamplesDroppedLimit    // beyond the bound on samples a datagram
	SampleRecordsUnknown   // sFlow flow records that a flow has no place for, and that are not kept as extra fields
	PacketsTruncated       // sampled headers that end within a layer

	TemplatesLearned      // new
	TemplatesChanged      // other layout than before
	TemplatesRefreshed    // sent again unchanged
	TemplatesRestored     // taken from the bucket
	TemplatesConflicting  // definitions that disagree within one scope
	TemplatesStale        // older than what is known: ignored
	TemplatesUnshared     // of new ports, beyond those that the bucket is told of at once
	TemplatesWithdrawn    // withdrawals that came over UDP: ignored
	TemplatesEvicted      // pushed out by the bounds
	TemplatesRefusedLimit // too many fields, or too many templates
	TemplatesRefusedInvalid
	SamplingLearned
	SamplingChanged
	SamplingRefreshed
	SamplingRestored
	SamplingConflicting // disputes of devices that share address, domain and port
	SamplingStale       // older than what is known: ignored
	SamplingEvicted     // pushed out by the bounds
	BootTimesStale      // older than what is known: ignored
	BootTimesEvicted    // pushed out by the bounds
	ExportersEvicted

	SequenceSkipped    // units between two datagrams: lost, late, or with another collector
	SequenceReordered  // units that came late: they were skipped before
	SequenceDuplicated // units that came before
	SequenceRestarted

	numCounters
)

// Info describes a counter's metric.
type Info struct {
	// Metric is the Prometheus name without the flowfleet_collector_ prefix and _total suffix.
	Metric string
	// Reason is the value of the label "reason" (or "kind"), empty where the metric has none.
	Reason string
}

// Infos has one entry a Counter, in order.
var Infos = [numCounters]Info{
	DatagramsReceived: {"datagrams_received", ""},
	BytesReceived:     {"received_bytes", ""},
	DatagramsDecoded:  {"datagrams_decoded", ""},

	RefusedNotAllowed:    {"datagrams_refused", "not_allowed"},
	RefusedTooShort:      {"datagrams_refused", "too_short"},
	RefusedVersion:       {"datagrams_refused", "unknown_version"},
	RefusedProtocol:      {"datagrams_refused", "other_protocol"},
	RefusedHeader:        {"datagrams_refused", "bad_header"},
	RefusedOversized:     {"datagrams_refused", "oversized"},
	DatagramsKernelDrops: {"kernel_dropped_datagrams", ""},
	DatagramsTruncated:   {"datagrams_truncated", ""},
	DatagramsTrailing:    {"datagrams_trailing_bytes", ""},

	SetsReceived:          {"sets_received", ""},
	SetsDecoded:           {"sets_decoded", ""},
	SetsHeld:              {"sets_held", ""},
	SetsReleased:          {"sets_released", ""},
	SetsExpiredAge:        {"sets_expired", "age"},
	SetsExpiredOverflow:   {"sets_expired", "overflow"},
	SetsExpiredShutdown:   {"sets_expired", "shutdown"},
	SetsExpiredRestart:    {"sets_expired", "restart"},
	SetsDroppedNoTemplate: {"sets_dropped", "no_template"},
	SetsDroppedMalformed:  {"sets_dropped", "malformed"},
	SetsDroppedReserved:   {"sets_dropped", "reserved_id"},

	RecordsDecoded:       {"records_decoded", ""},
	OptionsDecoded:       {"options_records_decoded", ""},
	RecordsTruncated:     {"records_truncated", ""},
	RecordsNotFlows:      {"records_without_flow", ""},
	RecordsListsUnread:   {"lists_unread", ""},
	RecordsFieldsInvalid: {"fields_invalid", ""},

	SamplesFlow:             {"sflow_samples", "flow"},
	SamplesCounter:          {"sflow_samples", "counter"},
	SamplesDiscard:          {"sflow_samples", "discarded_packet"},
	SamplesUnknown:          {"sflow_samples", "unknown"},
	SamplesDroppedMalformed: {"sflow_samples_dropped", "malformed"},
	SamplesDroppedNoPacket:  {"sflow_samples_dropped", "no_packet"},
	SamplesDroppedLimit:     {"sflow_samples_dropped", "limit"},
	SampleRecordsUnknown:    {"sflow_records_skipped", ""},
	PacketsTruncated:        {"sampled_headers_truncated", ""},

	TemplatesLearned:        {"templates_learned", ""},
	TemplatesChanged:        {"templates_changed", ""},
	TemplatesRefreshed:      {"templates_refreshed", ""},
	TemplatesRestored:       {"templates_restored", ""},
	TemplatesConflicting:    {"templates_conflicting", ""},
	TemplatesStale:          {"templates_stale", ""},
	TemplatesUnshared:       {"templates_unshared", ""},
	TemplatesWithdrawn:      {"templates_withdrawn", ""},
	TemplatesEvicted:        {"templates_evicted", ""},
	TemplatesRefusedLimit:   {"templates_refused", "limit"},
	TemplatesRefusedInvalid: {"templates_refused", "invalid"},
	SamplingLearned:         {"sampling_rates_learned", ""},
	SamplingChanged:         {"sampling_rates_changed", ""},
	SamplingRefreshed:       {"sampling_rates_refreshed", ""},
	SamplingRestored:        {"sampling_rates_restored", ""},
	SamplingConflicting:     {"sampling_rates_conflicting", ""},
	SamplingStale:           {"sampling_rates_stale", ""},
	SamplingEvicted:         {"sampling_rates_evicted", ""},
	BootTimesStale:          {"boot_times_stale", ""},
	BootTimesEvicted:        {"boot_times_evicted", ""},
	ExportersEvicted:        {"exporters_evicted", ""},

	SequenceSkipped:    {"sequence_skipped", ""},
	SequenceReordered:  {"sequence_reordered", ""},
	SequenceDuplicated: {"sequence_duplicated", ""},
	SequenceRestarted:  {"sequence_restarted", ""},
}

// Counts are one goroutine's own figures.
type Counts [numCounters]uint64

// Add adds n to c.
func (c *Counts) Add(counter Counter, n uint64) { c[counter] += n }

// Inc adds one.
func (c *Counts) Inc(counter Counter) { c[counter]++ }

// Levels are what is on its way: they go up and down.
type Levels struct {
	// Held sets, records in Open batches, and records that were Handed to the output so far.
	Held, Open, Handed int64
}

// MoveTo adds c to t and empties c.
func (c *Counts) MoveTo(t *Totals) { c.MoveWith(Levels{}, t) }

// MoveWith adds c and the change of levels to t, and empties c. Who loads t sees all of it or nothing.
func (c *Counts) MoveWith(change Levels, t *Totals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, n := range c {
		if n != 0 {
			t.counts[i].Add(n)
			c[i] = 0
		}
	}
	t.levels.Held += change.Held
	t.levels.Open += change.Open
	t.levels.Handed += change.Handed
}

// Totals are figures that any goroutine may add to and read.
type Totals struct {
	mu     sync.Mutex
	counts [numCounters]atomic.Uint64
	levels Levels
}

// Add adds n to t.
func (t *Totals) Add(counter Counter, n uint64) { t.counts[counter].Add(n) }

// Load copies t.
func (t *Totals) Load() Counts {
	c, _ := t.LoadWith()
	return c
}

// LoadWith copies t with its levels.
func (t *Totals) LoadWith() (c Counts, levels Levels) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.counts {
		c[i] = t.counts[i].Load()
	}
	return c, t.levels
}

// Refused sums the refusals of all reasons.
func (c *Counts) Refused() uint64 { return c.sum("datagrams_refused") }

// SetsExpired sums the expiries of all reasons.
func (c *Counts) SetsExpired() uint64 { return c.sum("sets_expired") }

// SetsDropped sums the drops of all reasons.
func (c *Counts) SetsDropped() uint64 { return c.sum("sets_dropped") }

// SetsWaiting is how many sets are held right now: sets received = decoded + waiting + expired + dropped.
func (c *Counts) SetsWaiting() uint64 {
	return c[SetsReceived] - c[SetsDecoded] - c.SetsExpired() - c.SetsDropped()
}

func (c *Counts) sum(metric string) uint64 {
	var n uint64
	for i, info := range Infos {
		if info.Metric == metric {
			n += c[i]
		}
	}
	return n
}
