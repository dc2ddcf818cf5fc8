package observe

import (
	"cmp"
	"math"
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

const prefix = "flowfleet_collector_"

// help says what the counters of the ledger count, by their metric.
var help = map[string]string{
	"datagrams_received":       "UDP datagrams read from the sockets.",
	"received_bytes":           "Bytes of UDP payload read from the sockets.",
	"datagrams_decoded":        "Datagrams that were decoded, at least in part.",
	"datagrams_refused":        "Datagrams that were not decoded.",
	"kernel_dropped_datagrams": "Datagrams that the kernel dropped before they were read: the receive buffer was full.",
	"datagrams_truncated":      "Decoded datagrams that promised more than they carried.",
	"datagrams_trailing_bytes": "Decoded datagrams that carried more than they promised. What follows a message is ignored; what an sFlow sample has beyond its length is read.",

	"sets_received": "Sets of NetFlow v9 and IPFIX.",
	"sets_decoded":  "Sets that were decoded: templates, options and data, held ones at their release.",
	"sets_held":     "Data sets that were put aside until their template comes, or the bucket is loaded.",
	"sets_released": "Held sets that were decoded.",
	"sets_expired":  "Held sets that were given up.",
	"sets_dropped":  "Sets that could not be decoded.",

	"records_decoded":         "Flow records decoded.",
	"options_records_decoded": "Options records decoded.",
	"records_truncated":       "Records cut short by the end of their set or sample.",
	"records_without_flow":    "Data records that say nothing of a flow, such as tables of names; decoding.extraFields keeps them.",
	"lists_unread":            "Lists within records (RFC 6313) that were not read in full: their template is not known, their lengths contradict, or they are too many.",
	"fields_invalid":          "Fields whose length does not fit their type, and counts of bytes and packets that are negative; they are left out of the record.",

	"sflow_samples":             "Samples of sFlow.",
	"sflow_samples_dropped":     "Samples of sFlow that could not be decoded.",
	"sflow_records_skipped":     "Parts of sFlow samples that a flow has no place for; decoding.extraFields keeps them.",
	"sampled_headers_truncated": "Sampled packets that end within a header.",

	"templates_learned":          "Templates that exporters sent for the first time.",
	"templates_changed":          "Templates that exporters redefined.",
	"templates_refreshed":        "Templates that exporters sent again unchanged.",
	"templates_restored":         "Templates taken from the bucket.",
	"templates_conflicting":      "Templates that disagree with those of another port of their exporter.",
	"templates_unshared":         "Templates of new ports that the bucket is told of only when they are sent again, because it was told of many.",
	"templates_stale":            "Templates of datagrams that were overtaken on their way, and ignored.",
	"templates_withdrawn":        "Template withdrawals that came over UDP, and were ignored (RFC 7011 section 8.4).",
	"templates_evicted":          "Templates forgotten to keep to the limits.",
	"templates_refused":          "Templates that were not accepted.",
	"sampling_rates_learned":     "Sampling rates that exporters sent for the first time.",
	"sampling_rates_changed":     "Sampling rates that exporters changed.",
	"sampling_rates_refreshed":   "Sampling rates that exporters sent again unchanged.",
	"sampling_rates_restored":    "Sampling rates taken from the bucket.",
	"sampling_rates_conflicting": "Sampling rates heard to be disputed by devices with the same address, domain and port.",
	"sampling_rates_stale":       "Sampling rates of datagrams that were overtaken on their way, and ignored.",
	"sampling_rates_evicted":     "Sampling rates forgotten to keep to the limits.",
	"boot_times_stale":           "Times of initialization of datagrams that were overtaken on their way, and ignored.",
	"boot_times_evicted":         "Times of initialization forgotten to keep to the limits.",
	"exporters_evicted":          "Exporters forgotten to keep to the limits.",

	"sequence_skipped":    "Units of the protocol (flows of NetFlow v5, packets of v9, records of IPFIX, datagrams of sFlow) that this collector had not received before a later one: lost, late, or with another collector of the fleet.",
	"sequence_reordered":  "Units that came after later ones.",
	"sequence_duplicated": "Units that came more than once.",
	"sequence_restarted":  "Sequences that began anew: the exporter restarted.",
}

// shared reports whether a counter belongs to no listener: workers of several listeners meet in one store.
func shared(c ledger.Counter) bool {
	return c >= ledger.TemplatesLearned && c <= ledger.ExportersEvicted &&
		c != ledger.TemplatesRefusedInvalid && c != ledger.TemplatesRefusedLimit && c != ledger.TemplatesWithdrawn
}

// metric is one figure of a snapshot.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, text string, labels ...string) metric {
	return metric{prometheus.NewDesc(prefix+name+"_total", text, labels, nil), prometheus.CounterValue}
}

func gauge(name, text string, labels ...string) metric {
	return metric{prometheus.NewDesc(prefix+name, text, labels, nil), prometheus.GaugeValue}
}

func histogram(name, text string, labels ...string) metric {
	return metric{desc: prometheus.NewDesc(prefix+name, text, labels, nil)}
}

var (
	receiveDelay  = histogram("receive_delay_seconds", "Time that datagrams waited in the kernel, at most: between the arrival of the first of their batch and its reading.", "listener")
	setsWaiting   = gauge("sets_waiting", "Data sets that wait now: for their template, or for the template bucket, which may have more on how to read them.", "listener")
	heldBytes     = gauge("held_bytes", "Bytes of the sets that wait, and of the datagrams of sFlow that wait for the template bucket, with overhead.", "listener")
	exporters     = gauge("exporters", "Exporters (address, domain, protocol) with templates or sampling rates.")
	templates     = gauge("templates", "Templates known.")
	samplingRates = gauge("sampling_rates", "Sampling rates known.")

	exporterDatagrams = counter("exporter_datagrams", "Datagrams decoded, by exporter.", "exporter", "protocol")
	exporterRecords   = counter("exporter_records", "Flow records decoded, by exporter.", "exporter", "protocol")

	sequenceNext  = gauge("sequence_next", "Sequence number after the highest that came from the exporter here; it does not wrap. The highest of the fleet's collectors is the exporter's.", streamLabels...)
	sequenceUnits = counter("sequence_units", "Units that came from the exporter here, each once. The fleet's sum, subtracted from the growth of sequence_next, is what is missing.", streamLabels...)
	streamsLeft   = gauge("sequence_streams_left_out", "Streams without series of their own, beyond exporters.limits.exporterMetrics.")
	imbalance     = gauge("ledger_imbalance", "What an equation of the ledger is off by. 0 at any time, but for the handover and those of all exporters (exporters_...): these are 0 at rest.", "equation", "listener")

	connected       = gauge("nats_connected", "Whether the connection to NATS is up.", "connection")
	storeLoaded     = gauge("store_loaded", "Whether the template bucket was read at least once.")
	storeKeys       = gauge("store_keys", "Definitions that the template bucket holds, as far as they are kept track of: up to 262144.")
	storeBytes      = gauge("store_bytes", "Bytes that the template bucket takes on its server.")
	storeQueue      = gauge("store_queue_length", "Changes that wait to be written to the template bucket.")
	storeLag        = gauge("store_apply_lag_seconds", "Time between the latest value's writing and its use here.")
	storeWrites     = counter("store_writes", "Values written to the template bucket.")
	storeSkipped    = counter("store_writes_skipped", "Changes that the template bucket had already.")
	storeConflicts  = counter("store_write_conflicts", "Writes that met another writer's and were decided anew.")
	storeErrors     = counter("store_write_errors", "Writes that failed and are tried again.")
	storeOverflows  = counter("store_queue_overflows", "Changes that found the queue full; the next listing writes them.")
	storeLimited    = counter("store_writes_limited", "Changes that were delayed because their exporter changes too often.")
	storeWatches    = counter("store_watch_restarts", "Times that the watch on the template bucket was opened anew.")
	storeRelists    = counter("store_relists", "Times that the template bucket was listed again by plan.")
	storeUnreadable = counter("store_values_ignored", "Values of the template bucket that were left alone.", "reason")

	published       = counter("records_published", "Flow records that the output has taken.")
	dropped         = counter("records_dropped", "Flow records that were given up after decoding.", "reason")
	waiting         = gauge("records_waiting", "Flow records in memory that are not published yet.")
	spooled         = gauge("records_spooled", "Flow records on disk that are not published yet.")
	recovered       = counter("records_recovered", "Flow records found in the spool that a former process left there, or that had counted as spool_gone.")
	publishBatches  = counter("publish_batches", "Messages that the output has taken.")
	publishBytes    = counter("published_bytes", "Bytes of payload that the output has taken.")
	publishRetries  = counter("publish_retries", "Messages sent again.")
	publishFailures = counter("publish_failures", "Messages refused, or not acknowledged in time.")
	publishRepeated = counter("publish_duplicates", "Messages that the stream had already: their first acknowledgement was lost.")
	unverified      = counter("publish_unverified", "Messages sent again that may come twice: the stream could not say whether it had taken them before.")
	bufferBytes     = gauge("publish_buffer_bytes", "Bytes that wait for their acknowledgement, in flight or not.")
	inFlightBytes   = gauge("publish_in_flight_bytes", "Bytes that are sent and not acknowledged.")
	streamReady     = gauge("stream_ready", "Whether the stream was found or created.")

	spoolUsable    = gauge("spool_usable", "Whether the spool takes batches; 0 where its disk is full, read-only, broken or not mounted.")
	spoolBytes     = gauge("spool_bytes", "Bytes that the spool takes on disk.")
	spoolBatches   = counter("spool_batches", "Batches written to the spool.")
	spoolErrors    = counter("spool_errors", "Times that the spool's directory could not be used.", "reason")
	spoolDiscarded = counter("spool_discarded_bytes", "Bytes of what a former process left in the spool that were torn or damaged.")

	refusedConnections = counter("http_connections_refused", "HTTP connections refused because there were too many.")
)

// streamLabels tell the streams of exporters apart.
var streamLabels = []string{"exporter", "port", "protocol", "domain"}

var plain = []metric{
	receiveDelay, setsWaiting, heldBytes, exporters, templates, samplingRates, exporterDatagrams, exporterRecords, connected,
	sequenceNext, sequenceUnits, streamsLeft, imbalance,
	storeLoaded, storeKeys, storeBytes, storeQueue, storeLag, storeWrites, storeSkipped, storeConflicts,
	storeErrors, storeOverflows, storeLimited, storeWatches, storeRelists, storeUnreadable, published, dropped, waiting,
	spooled, recovered, unverified, spoolUsable, spoolBytes, spoolBatches, spoolErrors, spoolDiscarded,
	publishBatches, publishBytes, publishRetries, publishFailures, publishRepeated, bufferBytes, inFlightBytes, streamReady,
	refusedConnections, capturesRunning, capturesBegun, capturesRefused, capturedDatagrams, capturedDropped, namesRows, namesBytes, namesRefused, recordsNamed, recordsUnnamed,
	minutesPublished, minutesDropped, minutesWaiting, nameRecordsPublished, nameRecordsLost, nameRecordsWaiting,
}

// ledgerMetrics are the metrics of the counters, one for all reasons of a name.
var ledgerMetrics = func() (out [len(ledger.Infos)]metric) {
	for i, info := range ledger.Infos {
		var labels []string
		if !shared(ledger.Counter(i)) {
			labels = append(labels, "listener")
		}
		if info.Reason != "" {
			labels = append(labels, reasonLabel(info.Metric))
		}
		out[i] = counter(info.Metric, help[info.Metric], labels...)
	}
	return out
}()

// reasonLabel is the label that tells counters of one metric apart.
func reasonLabel(metric string) string {
	if metric == "sflow_samples" {
		return "kind"
	}
	return "reason"
}

// NewRegistry returns a registry with the source's metrics, Go's, the process's, and build information.
func NewRegistry(source Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: prefix + "build_info",
		Help: "Constant 1, with what this collector was built from.",
		ConstLabels: prometheus.Labels{
			"version": Version(), "goversion": runtime.Version(), "ipfix_registry": element.RegistryDate,
		},
	})
	build.Set(1)
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build,
		snapshot{source})
	return r
}

// snapshot turns a Source into metrics at each scrape.
type snapshot struct {
	source Source
}

// Describe implements prometheus.Collector.
func (s snapshot) Describe(out chan<- *prometheus.Desc) {
	seen := make(map[string]bool)
	for i := range ledgerMetrics {
		if name := ledger.Infos[i].Metric; !seen[name] {
			seen[name] = true
			out <- ledgerMetrics[i].desc
		}
	}
	for _, m := range plain {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (s snapshot) Collect(out chan<- prometheus.Metric) {
	emit := func(m metric, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
	}
	if s.source.Listeners != nil {
		for _, l := range s.source.Listeners() {
			for i, n := range l.Counts {
				if shared(ledger.Counter(i)) {
					continue
				}
				labels := []string{l.Name}
				if reason := ledger.Infos[i].Reason; reason != "" {
					labels = append(labels, reason)
				}
				emit(ledgerMetrics[i], float64(n), labels...)
			}
			emit(setsWaiting, float64(l.Levels.Held), l.Name)
			emit(heldBytes, float64(l.HeldBytes), l.Name)
			out <- prometheus.MustNewConstHistogram(receiveDelay.desc, l.Delays.Count, l.Delays.Sum, l.Delays.Buckets, l.Name)
		}
	}
	if s.source.Shared != nil {
		for i, n := range s.source.Shared() {
			if shared(ledger.Counter(i)) {
				var labels []string
				if reason := ledger.Infos[i].Reason; reason != "" {
					labels = append(labels, reason)
				}
				emit(ledgerMetrics[i], float64(n), labels...)
			}
		}
	}
	if s.source.Memory != nil {
		m := s.source.Memory()
		emit(exporters, float64(m.Exporters))
		emit(templates, float64(m.Templates))
		emit(samplingRates, float64(m.SamplingRates))
	}
	if s.source.Names != nil {
		s.names(emit)
	}
	if s.source.NameRecords != nil {
		s.nameRecords(emit)
	}
	if s.source.Minutes != nil {
		s.minutes(emit)
	}
	if s.source.Account != nil {
		a := s.source.Account()
		s.account(&a, emit)
	}
	if s.source.Store != nil {
		s.store(emit)
	}
	if s.source.Output != nil {
		s.output(emit)
	}
	if s.source.Captures != nil {
		s.captures(emit)
	}
	if s.source.RefusedConnections != nil {
		emit(refusedConnections, float64(s.source.RefusedConnections()))
	}
}

func (s snapshot) account(a *ledger.Account, emit func(metric, float64, ...string)) {
	for i := range a.Exporters {
		e := &a.Exporters[i]
		if e.Datagrams.Decoded == 0 {
			continue // who sends nothing that can be read is in the ledger only
		}
		address := cmp.Or(e.Address, "other")
		emit(exporterDatagrams, float64(e.Datagrams.Decoded), address, e.Protocol)
		emit(exporterRecords, float64(e.Records), address, e.Protocol)
	}
	for _, t := range a.Streams {
		labels := []string{t.Exporter, strconv.Itoa(int(t.Port)), t.Protocol, strconv.FormatUint(uint64(t.Domain), 10)}
		emit(sequenceNext, float64(t.Next), labels...)
		emit(sequenceUnits, float64(t.TotalUnits), labels...)
	}
	emit(streamsLeft, float64(a.StreamsLeftOut))
	// What the exporters' equations are off by is summed up, whichever way: each of them would be two series more.
	ofExporters := map[string]float64{ledger.EquationDatagrams: 0, ledger.EquationSets: 0}
	for _, e := range a.Equations() {
		if e.Exporter != "" {
			ofExporters[e.Name] += math.Abs(float64(e.Difference))
			continue
		}
		emit(imbalance, float64(e.Difference), e.Name, e.Listener)
	}
	for name, off := range ofExporters {
		emit(imbalance, off, "exporter_"+name, "")
	}
}

func boolean(v bool) float64 {
	if v {
		return 1
	}
	return 0
}

func (s snapshot) store(emit func(metric, float64, ...string)) {
	v := s.source.Store()
	emit(connected, boolean(v.Connected), "templates")
	emit(storeLoaded, boolean(v.Loaded))
	emit(storeKeys, float64(v.Keys))
	emit(storeBytes, float64(v.Bytes))
	emit(storeQueue, float64(v.Queue))
	emit(storeLag, v.LagSeconds)
	emit(storeWrites, float64(v.Writes))
	emit(storeSkipped, float64(v.Skipped))
	emit(storeConflicts, float64(v.Conflicts))
	emit(storeErrors, float64(v.Errors))
	emit(storeOverflows, float64(v.Overflows))
	emit(storeLimited, float64(v.Limited))
	emit(storeWatches, float64(v.WatchRestarts))
	emit(storeRelists, float64(v.Relists))
	emit(storeUnreadable, float64(v.Newer), "newer_schema")
	emit(storeUnreadable, float64(v.Invalid), "invalid")
}

func (s snapshot) output(emit func(metric, float64, ...string)) {
	v := s.source.Output()
	emit(connected, boolean(v.Connected), "flows")
	emit(streamReady, boolean(v.StreamReady))
	emit(published, float64(v.Published))
	emit(waiting, float64(v.Waiting))
	emit(spooled, float64(v.Spooled))
	emit(recovered, float64(v.Recovered))
	for reason, n := range v.Dropped {
		emit(dropped, float64(n), reason)
	}
	emit(publishBatches, float64(v.Batches))
	emit(publishBytes, float64(v.Bytes))
	emit(publishRetries, float64(v.Retries))
	emit(publishFailures, float64(v.Failures))
	emit(publishRepeated, float64(v.Duplicates))
	emit(unverified, float64(v.Unverified))
	if v.Spool != nil {
		emit(spoolUsable, boolean(v.Spool.Usable))
		emit(spoolBytes, float64(v.Spool.Bytes))
		emit(spoolBatches, float64(v.Spool.Batches))
		for reason, n := range v.Spool.Errors {
			emit(spoolErrors, float64(n), reason)
		}
		emit(spoolDiscarded, float64(v.Spool.DiscardedBytes))
	}
	emit(bufferBytes, float64(v.BufferBytes))
	emit(inFlightBytes, float64(v.InFlightBytes))
}
