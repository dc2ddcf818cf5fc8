// Package sizing reckons from the load of a fleet what it needs: pure functions, and constants that were measured. Each constant names
// the command that measures it again.
package sizing

import (
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
)

// Processor time of a collector that publishes to a NATS server in another process, "make bench-size": a line that is at most 10% below
// each of what was measured (Measured), and above most of it. Collectors that have more to do need less for a record.
const (
	RestCPU     = 50 * time.Millisecond // a second, with a little to do
	RecordCPU   = time.Microsecond      // a record
	DatagramCPU = 9 * time.Microsecond  // a datagram
)

// ServerCPU is the processor time, a record, of the busiest NATS server that has a replica of the stream: the least and the most that was
// measured by "make bench-size", at 150,000 or 300,000 records a second and at 50,000. One collector published to one or three servers. Five
// replicas were not measured: they have the figures of three.
func ServerCPU(replicas int) (least, most time.Duration) {
	if replicas == 1 {
		return 820 * time.Nanosecond, 3060 * time.Nanosecond
	}
	return 1900 * time.Nanosecond, 3840 * time.Nanosecond
}

// Bytes.
const (
	// RecordBytes a record takes in the stream, with what NATS adds to a message: "make bench-size", whose records have a value in each
	// field of theirs.
	RecordBytes = 132
	// RestMemory is the resident memory of a collector that nobody sends to: "make bench-size".
	RestMemory config.Size = 20 << 20
	// TemplateBytes that a template of 20 fields takes in a collector's memory, with its key in the bucket: "go test ./hack/scale -run Memory -v".
	TemplateBytes = 1050
	// KeyBytes that a template takes on its way from the bucket: "make scale".
	KeyBytes = 160
	// streamBytes that a collector keeps of each exporter's sequence: docs/limits.md.
	streamBytes = 1 << 10
	// datagramRoom is what a full datagram takes of a receive buffer, as net.core.rmem_max counts: 208 KiB hold 180 (docs/bursts.md).
	datagramRoom = 208 << 10 / 180
)

// MostRecords a second went into one stream with one replica on a file, server and collector on two cores: "make bench-process".
const MostRecords = 2_370_000

// Measurement is what "make bench-size" measured on two cores that others used at the same time.
type Measurement struct {
	Protocol           string
	RecordsPerSecond   float64
	RecordsPerDatagram float64
	CPU                time.Duration // of the collector, a record
}

// Measured are the runs of the 28th of November 2026, at a load average of 11 to 28.
var Measured = []Measurement{
	{"netflow9", 50_000, 26, 1920 * time.Nanosecond}, {"netflow9", 50_000, 4, 3540 * time.Nanosecond},
	{"ipfix", 50_000, 20, 2230 * time.Nanosecond}, {"ipfix", 50_000, 4, 4540 * time.Nanosecond},
	{"sflow", 50_000, 7, 3320 * time.Nanosecond}, {"sflow", 50_000, 4, 4440 * time.Nanosecond},

	{"netflow9", 50_000, 26, 2120 * time.Nanosecond}, {"netflow9", 300_000, 26, 1360 * time.Nanosecond}, {"netflow9", 50_000, 4, 4100 * time.Nanosecond},
	{"ipfix", 50_000, 20, 2170 * time.Nanosecond}, {"ipfix", 300_000, 20, 1350 * time.Nanosecond}, {"ipfix", 50_000, 4, 3200 * time.Nanosecond},
	{"sflow", 50_000, 7, 2850 * time.Nanosecond}, {"sflow", 300_000, 7, 1270 * time.Nanosecond}, {"sflow", 50_000, 4, 3500 * time.Nanosecond},

	{"netflow9", 50_000, 26, 2020 * time.Nanosecond}, {"netflow9", 300_000, 26, 1200 * time.Nanosecond}, {"netflow9", 50_000, 4, 3350 * time.Nanosecond},
	{"ipfix", 50_000, 20, 1750 * time.Nanosecond}, {"ipfix", 300_000, 20, 1070 * time.Nanosecond}, {"ipfix", 50_000, 4, 3420 * time.Nanosecond},
}
