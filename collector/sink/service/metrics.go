package service

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/flowfleet/flowfleet/collector/sink"
)

// Metrics of a sink. docs/clickhouse-metrics.md has them, too.
var (
	read         = desc("read_total", "What was read from the stream: unit is messages or records.", "unit")
	stored       = desc("stored_total", "What the destination has stored.", "unit")
	waiting      = desc("waiting", "What was read and is not stored, refused, put off or given back yet.", "unit")
	refused      = desc("refused_total", "What the destination will never take; it is in the stream of refused messages.", "unit", "reason")
	refusedCut   = desc("refused_cut_total", "Of what was refused, what NATS did not take whole: the stream has its beginning.", "unit")
	putOff       = desc("put_off_total", "What was refused and could not be put away: its stream hands it out again in 5 minutes.", "unit")
	inBlocks     = desc("stored_in_blocks_total", "Of what is stored, what was stored together with other messages, as one insert.", "unit")
	blocks       = desc("blocks_total", "Blocks that were stored.")
	unsure       = desc("unsure_total", "What goes by itself since its block could not be put together again: it may be stored twice.", "unit")
	unanswered   = desc("stored_unanswered_total", "Of what is stored, what had been sent before without an answer.", "unit")
	givenBack    = desc("given_back_total", "What waited when the sink ended, and went back to the stream.", "unit")
	passed       = desc("passed_total", "What has changes of names, which are not stored: flows carry their names.", "unit")
	redelivered  = desc("redelivered_messages_total", "Messages that had been handed out before.")
	storeFails   = desc("store_failures_total", "Attempts to store that failed and are made again.")
	ackFails     = desc("acknowledgement_failures_total", "Messages that were done with and come again, since nobody answered.")
	imbalance    = desc("ledger_imbalance", "What was read without the books saying what became of it: 0.", "unit")
	pending      = desc("pending_messages", "Messages in the stream that no sink has read; missing while it is not known.")
	reachable    = desc("destination_ready", "1 where the last check of the destination and the last attempt to store went well, else 0.")
	readable     = desc("stream_ready", "1 where the stream can be read, else 0.")
	descriptions = []*prometheus.Desc{read, stored, inBlocks, blocks, unsure, unanswered, waiting, refused, refusedCut, putOff, givenBack, passed, redelivered, storeFails, ackFails, imbalance, pending,
		reachable, readable}
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("flowfleet_sink_"+name, help, labels, nil)
}

func registry(s *sink.Sink) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), exposition{s})
	return r
}

// exposition is one look at the books of a sink.
type exposition struct{ sink *sink.Sink }

func (exposition) Describe(c chan<- *prometheus.Desc) {
	for _, d := range descriptions {
		c <- d
	}
}

func (e exposition) Collect(c chan<- prometheus.Metric) {
	books, state := e.sink.Books(), e.sink.State()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	count := func(d *prometheus.Desc, kind prometheus.ValueType, n sink.Count, labels ...string) {
		send(d, kind, float64(n.Messages), append([]string{"messages"}, labels...)...)
		send(d, kind, float64(n.Records), append([]string{"records"}, labels...)...)
	}
	count(read, prometheus.CounterValue, books.Read)
	count(stored, prometheus.CounterValue, books.Stored)
	count(waiting, prometheus.GaugeValue, books.Waiting)
	for reason, n := range books.Refused {
		count(refused, prometheus.CounterValue, n, string(reason))
	}
	count(refusedCut, prometheus.CounterValue, books.RefusedCut)
	count(putOff, prometheus.CounterValue, books.PutOff)
	count(inBlocks, prometheus.CounterValue, books.InBlocks)
	send(blocks, prometheus.CounterValue, float64(books.Blocks))
	count(unsure, prometheus.CounterValue, books.Unsure)
	count(unanswered, prometheus.CounterValue, books.Unanswered)
	count(givenBack, prometheus.CounterValue, books.GivenBack)
	count(passed, prometheus.CounterValue, books.Passed)
	send(redelivered, prometheus.CounterValue, float64(books.Redelivered))
	send(storeFails, prometheus.CounterValue, float64(books.StoreFailures))
	send(ackFails, prometheus.CounterValue, float64(books.AcknowledgementFailures))
	messages, records := books.Imbalance()
	send(imbalance, prometheus.GaugeValue, float64(messages), "messages")
	send(imbalance, prometheus.GaugeValue, float64(records), "records")
	if state.Known {
		send(pending, prometheus.GaugeValue, float64(state.Pending))
	}
	send(reachable, prometheus.GaugeValue, one(state.Checking == "" && state.Schema.Problem == "" && state.Storing == ""))
	send(readable, prometheus.GaugeValue, one(state.NATS == "" && state.Reading == ""))
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
