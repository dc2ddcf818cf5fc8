package sizing

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/config"
)

// usual is a load that the cases below differ from.
func usual(change func(*Load)) Load {
	l := Load{Exporters: 100, TemplatesPerExporter: 8, FlowsPerSecond: 50_000, FlowsPerDatagram: 20, Nodes: 3, ReceiveLimit: 208 << 10, Burst: 5000,
		Away: time.Minute, Keep: 24 * time.Hour, Replicas: 3}
	if change != nil {
		change(&l)
	}
	return l
}

// The line that sizes reckon with is at most a tenth below what was measured, and at most the double above.
func TestProcessorTimeFollowsWhatWasMeasured(t *testing.T) {
	for _, m := range Measured {
		measured := m.RecordsPerSecond * m.CPU.Seconds()
		if got := CPU(m.RecordsPerSecond, m.RecordsPerDatagram); got < 0.9*measured || got > 2*measured {
			t.Errorf("%+v: reckoned %.3f processors, measured %.3f", m, got, measured)
		}
	}
}

// What the busiest node gets of exporters that are spread by chance.
func TestTheBusiestNodesShareIsThatOfAChanceSpread(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ exporters, nodes int }{{10, 1}, {100, 2}, {1000, 5}, {10_000, 50}} {
		sum, rounds := 0, 200
		for range rounds {
			got := make([]int, c.nodes)
			most := 0
			for range c.exporters {
				i := random.IntN(c.nodes)
				got[i]++
				most = max(most, got[i])
			}
			sum += most
		}
		mean := float64(sum) / float64(rounds) / float64(c.exporters)
		if s := share(c.exporters, c.nodes); s < mean || s > 1.2*mean {
			t.Errorf("%d exporters on %d nodes: %.4f, the busiest had %.4f", c.exporters, c.nodes, s, mean)
		}
	}
	if got := share(1, 10); got != 1 {
		t.Errorf("one exporter is one node's, not %v of it", got)
	}
}

func TestWhatALoadNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		load Load
		is   func(Fleet) bool
	}{
		"a small one has what the operator gives by itself": {usual(nil), func(f Fleet) bool {
			return f.CPURequest == 0.2 && f.Workers == 2 && f.MemoryRequest == 512<<20 && f.MemoryLimit == 1<<30 && f.BucketBytes == 256<<20 &&
				f.LimitExporters == 65536 && f.ExporterMetrics == 1000 && f.ReceiveBuffer == 32<<20
		}},
		"a day of flows": {usual(nil), func(f Fleet) bool {
			return f.StreamBytesPerDay == 50_000*132*86400 && f.StreamBytes >= f.StreamBytesPerDay*5/4 && f.StreamBytes < f.StreamBytesPerDay*5/4+1<<30
		}},
		"an hour of flows": {usual(func(l *Load) { l.Keep = time.Hour }), func(f Fleet) bool {
			return f.StreamBytes == 28<<30 // 29.7 GB in units of 1Gi
		}},
		"a burst fits 32 sockets of 208 KiB": {usual(nil), func(f Fleet) bool { return f.Sockets == 32 && f.Room == 5761 }},
		"one socket where the node grants it": {usual(func(l *Load) { l.ReceiveLimit = 32 << 20 }), func(f Fleet) bool {
			return f.Sockets == 1 && f.Room > 28_000 && f.MemoryLimit >= 1<<30
		}},
		"a burst that needs the node's sysctl": {usual(func(l *Load) { l.Burst = 50_000 }), func(f Fleet) bool {
			return f.Room == 5761 && f.ReceiveBuffer == 57<<20 && strings.Contains(warnings(f), "net.core.rmem_max to 59768832")
		}},
		"the same with it": {usual(func(l *Load) { l.Burst, l.ReceiveLimit = 50_000, 64<<20 }), func(f Fleet) bool {
			return f.Room >= 50_000 && f.Sockets == 1 && f.Warnings == nil
		}},
		"memory is enough while NATS is away for seconds": {usual(func(l *Load) { l.Away = 10 * time.Second }), func(f Fleet) bool { return f.Spool == 0 }},
		"a spool for half an hour": {usual(func(l *Load) { l.Away = 30 * time.Minute }), func(f Fleet) bool {
			return f.Spool == 7<<30 // 58% of 6.6 MB/s for 1800 s
		}},
		"a spool that cannot be": {usual(func(l *Load) { l.Away, l.FlowsPerSecond = 7*24*time.Hour, 2e6 }), func(f Fleet) bool {
			return f.Spool == 16<<40 && strings.Contains(warnings(f), "take more nodes")
		}},
		"more than nodes can do": {usual(func(l *Load) { l.FlowsPerSecond = 10_000_000 }), func(f Fleet) bool {
			return f.Workers == 8 && strings.Contains(warnings(f), "take about") && strings.Contains(warnings(f), "over 5 FlowCollectors")
		}},
		"one node":            {usual(func(l *Load) { l.Nodes = 1 }), func(f Fleet) bool { return f.Share == 1 && strings.Contains(warnings(f), "one node") }},
		"two nodes, one away": {usual(func(l *Load) { l.Nodes = 2 }), func(f Fleet) bool { return f.Share == 1 && f.Warnings == nil }},
		"many exporters": {usual(func(l *Load) { l.Exporters, l.Nodes = 100_000, 20 }), func(f Fleet) bool {
			return f.LimitExporters == 400_000 && f.ExporterMetrics == 110_000 && f.MemoryRequest > 1<<30 && f.BucketBytes >= 2*100_000*8*160
		}},
		"short datagrams cost more": {usual(func(l *Load) { l.FlowsPerSecond, l.FlowsPerDatagram = 500_000, 4 }), func(f Fleet) bool {
			return f.CPU > 1.5*Reckon(usual(func(l *Load) { l.FlowsPerSecond = 500_000 })).CPU
		}},
		"all at their bounds": {usual(func(l *Load) {
			*l = Load{1e6, 1024, 1e9, 1, 1, 4 << 10, 900_000, 7 * 24 * time.Hour, 366 * 24 * time.Hour, 5}
		}), func(f Fleet) bool {
			return f.StreamBytes == 1<<50 && f.ReceiveBuffer <= 1<<30 && f.MemoryLimit > 0 && f.Spool == 16<<40
		}},
	} {
		if err := c.load.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if f := Reckon(c.load); !c.is(f) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func warnings(f Fleet) string { return strings.Join(f.Warnings, "\n") }

func TestLoadsThatCannotBeAreRefusedByTheirFlag(t *testing.T) {
	for flag, change := range map[string]func(*Load){
		"--exporters":              func(l *Load) { l.Exporters = 0 },
		"--templates-per-exporter": func(l *Load) { l.TemplatesPerExporter = -1 },
		"--flows-per-second":       func(l *Load) { l.FlowsPerSecond = math.NaN() },
		"--flows-per-datagram":     func(l *Load) { l.FlowsPerDatagram = math.Inf(1) },
		"--nodes":                  func(l *Load) { l.Nodes = 0 },
		"--rmem-max":               func(l *Load) { l.ReceiveLimit = config.Size(1) << 40 },
		"--burst":                  func(l *Load) { l.Burst = 1e6 },
		"--nats-away":              func(l *Load) { l.Away = -time.Second },
		"--keep":                   func(l *Load) { l.Keep = 0 },
		"--replicas":               func(l *Load) { l.Replicas = 2 },
	} {
		if err := usual(change).Check(); err == nil || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
