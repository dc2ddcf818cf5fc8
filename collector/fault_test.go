package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/procfs"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

// The files fault_*_test.go each hold one fault, named by it. They run in short with all other tests; "make faults" runs
// them with the durations and rates that docs/reliability.md reports.
const longVariable = "FLOWFLEET_FAULTS"

// long returns the second of two values in the long form.
func long[T any](brief, long T) T {
	if os.Getenv(longVariable) == "long" {
		return long
	}
	return brief
}

// figure reports something measured.
func figure(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf("figure: "+format, args...)
}

// configured is a collector's configuration with what differs from startCollector's.
func configured(name, urls, listener, more string) string {
	return fmt.Sprintf(`
instance: %s
listeners: [{name: any, address: "127.0.0.1:0", workers: 2%s}]
nats: {urls: [%s]}
http: {address: "127.0.0.1:0"}
drainTime: 100ms
%s`, name, listener, urls, more)
}

// restart starts a collector again that was killed, with the configuration it had; its ports are others.
func (p *process) restart(t *testing.T, name string) *process {
	t.Helper()
	return startFile(t, name, p.command.Args[3])
}

// residentBytes is the memory that a process holds now, and the most it ever held.
func (p *process) residentBytes() (now, most int) {
	proc, err := procfs.NewProc(p.command.Process.Pid)
	if err != nil {
		return 0, 0
	}
	status, err := proc.NewStatus()
	if err != nil {
		return 0, 0
	}
	return int(status.VmRSS), int(status.VmHWM)
}

// load is an exporter's paced data: records numbered from 0 on.
type load struct {
	e       *exporter
	layout  layout
	next    uint32
	perSend int
	sentAt  []time.Time // of each datagram, by number/perSend
}

func newLoad(e *exporter) *load { return &load{e: e, layout: oldLayout, perSend: 20} }

// run sends records at a rate to the addresses in turn, for a time.
func (l *load) run(rate int, during time.Duration, to ...string) {
	interval := time.Duration(l.perSend) * time.Second / time.Duration(rate)
	began := time.Now()
	for i := 0; ; i++ {
		at := began.Add(time.Duration(i) * interval)
		if at.Sub(began) > during {
			return
		}
		time.Sleep(time.Until(at))
		l.send(to[i%len(to)])
	}
}

// send sends one datagram.
func (l *load) send(to string) {
	numbers := make([]uint32, l.perSend)
	for i := range numbers {
		numbers[i] = l.next
		l.next++
	}
	l.sentAt = append(l.sentAt, time.Now())
	l.e.send(to, uint32(l.perSend), l.layout.data(numbers...))
}

// outcome is what a stream holds of a load.
type outcome struct {
	records, lost, twice, wrong int
	// delays from sending to receiving, of each datagram; 0 for those that did not arrive.
	delays []time.Duration
}

// outcomeOf reads a stream to its end, from a sequence number on.
func outcomeOf(t *testing.T, url string, l *load) (o outcome) {
	t.Helper()
	js, err := jetstream.New(natstest.Connect(t, url))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	consumer, err := js.OrderedConsumer(ctx, "flows", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]uint8, l.next)
	o.delays = make([]time.Duration, len(l.sentAt))
	if info.NumPending > 0 {
		messages, err := consumer.Messages()
		if err != nil {
			t.Fatal(err)
		}
		defer messages.Stop()
		for {
			m, err := messages.Next(jetstream.NextContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			for b := m.Data(); len(b) > 0; {
				message, rest, err := flow.Split(b)
				if err != nil {
					t.Fatal(err)
				}
				var r flow.Record
				if err := flow.Decode(message, &r); err != nil {
					t.Fatal(err)
				}
				b = rest
				o.records++
				if r.Packets != packetsOfTest || r.Bytes >= uint64(len(seen)) {
					o.wrong++
					continue
				}
				if seen[r.Bytes]++; seen[r.Bytes] == 2 {
					o.twice++
				}
				if n := int(r.Bytes); n%l.perSend == 0 && seen[n] == 1 {
					o.delays[n/l.perSend] = time.Unix(0, int64(r.TimeReceivedNs)).Sub(l.sentAt[n/l.perSend])
				}
			}
			if meta, err := m.Metadata(); err != nil {
				t.Fatal(err)
			} else if meta.NumPending == 0 {
				break
			}
		}
	}
	for _, n := range seen {
		if n == 0 {
			o.lost++
		}
	}
	return o
}

// checkLoss asserts that what the stream lacks is what a collector's counters say was dropped, record for record, and returns
// it. Nothing may be of unknown fate: NATS is back, and has been asked.
func (p *process) checkLoss(l *load, o outcome) (dropped int) {
	p.t.Helper()
	dropped = int(p.metric("records_dropped_total")) + int(p.metric("kernel_dropped_datagrams_total"))*l.perSend
	if unknown := p.metric("records_dropped_total", "unacknowledged"); o.lost != dropped || unknown != 0 || o.twice != 0 || o.wrong != 0 {
		p.t.Errorf("%d records lost, the counters say %d, and %v of unknown fate; %d twice, %d wrong", o.lost, dropped, unknown, o.twice,
			o.wrong)
	}
	return dropped
}

// percentiles renders the median, the 99.9th percentile and the longest of delays.
func percentiles(delays []time.Duration) string {
	sorted := slices.Sorted(slices.Values(delays))
	if len(sorted) == 0 {
		return "none"
	}
	return fmt.Sprintf("median %s, 99.9th percentile %s, longest %s", sorted[len(sorted)/2].Round(time.Microsecond),
		sorted[len(sorted)*999/1000].Round(time.Microsecond), sorted[len(sorted)-1].Round(time.Microsecond))
}

// atRest waits until all that was sent is read, or counted as dropped by the kernel, and nothing waits, in memory or on disk.
func (p *process) atRest() {
	p.t.Helper()
	deadline := time.Now().Add(long(2*time.Minute, 30*time.Minute))
	for p.metric("datagrams_received_total")+p.metric("kernel_dropped_datagrams_total") != float64(sentCount(p.port).Load()) ||
		p.metric("records_waiting")+p.metric("records_spooled") != 0 {
		if time.Now().After(deadline) {
			p.t.Fatal("it does not come to rest")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// account is the collector's ledger.
func (p *process) account() (a ledger.Account) {
	p.t.Helper()
	_, body := p.get("/ledger")
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		p.t.Fatal(err)
	}
	return a
}

// from is an exporter with an address of its own on the loopback network.
func from(t *testing.T, address string, domain uint32) *exporter {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(address)})
	if err != nil {
		t.Skipf("the loopback network has no %s here: %v", address, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &exporter{t: t, conn: conn, domain: domain, now: 1_700_000_000}
}
