package sizing

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/listen"
)

// Load is what is known of a network before it has a fleet.
type Load struct {
	Exporters            int           // addresses that send, 1 to a million
	TemplatesPerExporter int           // 0 to 1024
	FlowsPerSecond       float64       // records of all exporters, up to a billion
	FlowsPerDatagram     float64       // 1 to 100; a full datagram of NetFlow v9 has 26, of IPFIX 20, of sFlow 7
	Nodes                int           // with a collector each, 1 to 5000
	ReceiveLimit         config.Size   // the nodes' net.core.rmem_max, 4096 to 2147483647
	Burst                int           // datagrams that one exporter sends at once, up to 900,000
	Away                 time.Duration // how long NATS may be away without a loss, up to 7 days
	Keep                 time.Duration // how long the stream keeps flows, a minute to a year
	Replicas             int           // of bucket and stream: 1, 3 or 5
}

// Check returns an error that names the value that cannot be.
func (l Load) Check() error {
	for _, v := range []struct {
		name               string
		value, least, most float64
	}{
		{"exporters", float64(l.Exporters), 1, 1e6},
		{"templates-per-exporter", float64(l.TemplatesPerExporter), 0, 1024},
		{"flows-per-second", l.FlowsPerSecond, 1, 1e9},
		{"flows-per-datagram", l.FlowsPerDatagram, 1, 100},
		{"nodes", float64(l.Nodes), 1, 5000},
		{"rmem-max", float64(l.ReceiveLimit), 4 << 10, 1<<31 - 1},
		{"burst", float64(l.Burst), 0, 900_000},
	} {
		if !(v.value >= v.least && v.value <= v.most) { // NaN neither
			return fmt.Errorf("--%s: from %.0f to %.0f is possible, not %s", v.name, v.least, v.most, strconv.FormatFloat(v.value, 'f', -1, 64))
		}
	}
	if l.Away < 0 || l.Away > 7*24*time.Hour {
		return fmt.Errorf("--nats-away: from 0s to 168h is possible, not %s", l.Away)
	}
	if l.Keep < time.Minute || l.Keep > 366*24*time.Hour {
		return fmt.Errorf("--keep: from 1m to 8784h is possible, not %s", l.Keep)
	}
	if l.Replicas != 1 && l.Replicas != 3 && l.Replicas != 5 {
		return fmt.Errorf("--replicas: 1, 3 or 5, not %d", l.Replicas)
	}
	return nil
}

// Fleet is what a load needs.
type Fleet struct {
	// Share of all flows that the busiest collector gets while one node is away.
	Share float64
	// CPU in processors that it then takes, and CPURequest, of which that is at most half.
	CPU, CPURequest float64
	Workers         int // of each listener
	ReceiveBuffer   config.Size
	Sockets         int // of the kernel's for each worker
	Room            int // datagrams of one exporter that find room at once
	// MemoryRequest is what a collector takes while all is well, MemoryLimit has room for full buffers.
	MemoryRequest, MemoryLimit config.Size
	Spool                      config.Size // 0 where memory is enough
	// StreamBytesPerDay of one replica, and StreamBytes that hold what comes while it is kept, and a quarter more.
	StreamBytesPerDay, StreamBytes config.Size
	BucketBytes                    config.Size // of one replica
	// ServerCPU in processors that the busiest NATS server of the stream takes: the least and the most.
	LeastServerCPU, MostServerCPU float64
	LimitExporters                int // exporters.limits.exporters
	ExporterMetrics               int // exporters.limits.exporterMetrics
	// Warnings are what cannot be met so, and what to do.
	Warnings []string
}

// Choices that are no measurements.
const (
	busy      = 0.5 // how busy a processor is at most: the rest is for bursts
	listeners = 3   // of a FlowCollector that names none
	// leastWorkers of a listener: an exporter that floods one leaves the other alone.
	leastWorkers = 2
	// mostWorkers of a listener, beyond which more stop to pay.
	mostWorkers = 8
	// A collector is given no less than the operator gives one of which nothing is said (collector.resources).
	leastCPU                = 0.2
	leastMemory config.Size = 512 << 20
	leastLimit  config.Size = 1 << 30
	// maxSpool and maxStream are bounds of the FlowCollector's fields.
	maxSpool  config.Size = 16 << 40
	maxStream config.Size = 1 << 50
)

// Reckon returns what a load that Check accepts needs.
func Reckon(l Load) (f Fleet) {
	standard := config.Default()
	f.Share = share(l.Exporters, max(l.Nodes-1, 1))
	flows := f.Share * l.FlowsPerSecond
	f.CPU = CPU(flows, l.FlowsPerDatagram)
	f.CPURequest = max(math.Ceil(10*f.CPU/busy)/10, leastCPU)
	f.Workers = max(int(math.Ceil(f.CPU/busy)), leastWorkers)
	if f.Workers > mostWorkers {
		f.warn("a collector would need %d workers, and more than %d in a listener stop to pay: take about %d nodes", f.Workers, mostWorkers,
			int(math.Ceil(float64(l.Nodes-1)*float64(f.Workers)/mostWorkers))+1)
		f.Workers = mostWorkers
	}

	f.ReceiveBuffer = roundUp(max(standard.Listeners[0].ReceiveBuffer, config.Size(l.Burst)*datagramRoom), 1<<20)
	granted := min(f.ReceiveBuffer, l.ReceiveLimit)
	f.Sockets = listen.SocketsFor(int(f.ReceiveBuffer), int(granted))
	f.Room = int(config.Size(f.Sockets) * granted / datagramRoom)
	if f.Room < l.Burst {
		f.warn("%d datagrams of one exporter find room at once, not %d: set net.core.rmem_max to %d on the nodes", f.Room, l.Burst, f.ReceiveBuffer)
	}

	keys := config.Size(l.Exporters * l.TemplatesPerExporter)
	known := keys*TemplateBytes + config.Size(l.Exporters)*streamBytes
	ready := config.Size(f.Workers) * min(keys*TemplateBytes, 32<<20) // each worker's, docs/limits.md
	live := known + ready + standard.Output.Buffer.InFlightBytes
	// Go's collector lets the heap grow to twice of what lives (GOGC=100).
	f.MemoryRequest = max(roundUp(RestMemory+2*live, 64<<20), leastMemory)
	full := RestMemory + 2*live + standard.Output.Buffer.MaxBytes + standard.Exporters.Held.MaxBytes
	// The runtime is told to stay within nine tenths. The kernel books the double of a receive buffer (socket(7), SO_RCVBUF).
	kernel := config.Size(listeners*f.Workers*f.Sockets) * granted * 2
	f.MemoryLimit = max(roundUp(full*10/9+kernel, 256<<20), leastLimit)

	bytesPerSecond := flows * RecordBytes
	if wait := bytesPerSecond * l.Away.Seconds(); wait > float64(standard.Output.Buffer.MaxBytes) {
		if f.Spool = roundUp(config.Size(wait), 1<<30); f.Spool > maxSpool {
			f.warn("a spool has at most %s, which is full after %s: take more nodes", maxSpool, time.Duration(float64(maxSpool)/bytesPerSecond)*time.Second)
			f.Spool = maxSpool
		}
	}
	perDay := l.FlowsPerSecond * RecordBytes * 86400
	f.StreamBytesPerDay = config.Size(perDay)
	if f.StreamBytes = roundUp(config.Size(perDay*l.Keep.Hours()/24*1.25), 1<<30); f.StreamBytes > maxStream {
		f.warn("a stream has at most %s: keep flows for a shorter time", maxStream)
		f.StreamBytes = maxStream
	}
	f.BucketBytes = max(roundUp(2*keys*KeyBytes, 64<<20), config.StandardBucketBytes)
	least, most := ServerCPU(l.Replicas)
	f.LeastServerCPU, f.MostServerCPU = l.FlowsPerSecond*least.Seconds(), l.FlowsPerSecond*most.Seconds()
	if l.FlowsPerSecond > MostRecords {
		f.warn("%.0f flows a second are more than one stream was measured to take (%d): split the exporters over %d FlowCollectors",
			l.FlowsPerSecond, MostRecords, int(math.Ceil(l.FlowsPerSecond/MostRecords)))
	}
	if l.Nodes == 1 {
		f.warn("with one node nobody takes its flows while it is away")
	}
	f.LimitExporters = max(standard.Exporters.Limits.Exporters, 4*l.Exporters)
	f.ExporterMetrics = max(standard.Exporters.Limits.ExporterMetrics, min(l.Exporters+l.Exporters/10, 1<<20))
	return f
}

func (f *Fleet) warn(format string, args ...any) {
	f.Warnings = append(f.Warnings, fmt.Sprintf(format, args...))
}

// CPU in processors that a collector takes of so many flows a second.
func CPU(flowsPerSecond, flowsPerDatagram float64) float64 {
	return RestCPU.Seconds() + flowsPerSecond*(RecordCPU.Seconds()+DatagramCPU.Seconds()/flowsPerDatagram)
}

// share that the busiest of some nodes is expected to get of exporters with equal rates, of which a load balancer gives each to one node by
// the hash of its address and port: m + sqrt(2 m ln n) of the exporters, with m = exporters/nodes (Raab and Steger, "Balls into Bins", 1998).
func share(exporters, nodes int) float64 {
	m := float64(exporters) / float64(nodes)
	return min(math.Ceil(m+math.Sqrt(2*m*math.Log(float64(nodes))))/float64(exporters), 1)
}

func roundUp(size, step config.Size) config.Size { return (size + step - 1) / step * step }
