package run

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/observe"
	"github.com/flowfleet/flowfleet/collector/publish"
	"github.com/flowfleet/flowfleet/collector/status"
)

// statusDocument is what the collector says of itself. The server answers before everything is made: what is not there yet is left
// out.
func (k *Collector) statusDocument() *status.Document {
	d := &status.Document{Instance: k.named, Build: observe.Version(), Started: k.started, Time: clock.Wall(), Begun: k.begun.Load()}
	ready, reasons := k.ready.State()
	if d.Ready = ready; !ready {
		d.NotReady = reasons
	}
	if v := k.version.Load(); v != nil {
		d.Configuration = *v
	}
	if !d.Begun {
		return d
	}
	for _, l := range k.listeners {
		d.Listeners = append(d.Listeners, l.status())
	}
	d.Known.Exporters, d.Known.Templates = k.store.Size()
	d.Known.SamplingRates = k.rates.Size()
	d.Bucket = k.bucketStatus()
	k.outputStatus(d)
	d.Senders, d.SendersTotal, d.Records = k.traffic.senders(status.MaxSenders)
	return d
}

func (l *listener) status() status.Listener {
	counts, levels := l.totals.LoadWith()
	a := ledger.NewListener(l.config.Name, &counts, levels)
	s := status.Listener{
		Name: a.Name, Protocol: string(l.config.Protocol),
		Received: a.Datagrams.Received, Decoded: a.Datagrams.Decoded, Refused: a.Datagrams.Refused, KernelDropped: a.Datagrams.KernelDropped,
		SetsWaiting: a.Sets.Waiting, SetsExpired: a.Sets.Expired, SetsDropped: a.Sets.Dropped, Records: a.Records.Decoded,
		Sockets: len(l.sockets), AskedBytes: int64(l.config.ReceiveBuffer),
	}
	for i, socket := range l.sockets {
		size, err := socket.ReceiveBuffer()
		if err != nil {
			continue // it is being closed
		}
		if i == 0 || int64(size) < s.GrantedBytes {
			s.GrantedBytes = int64(size)
		}
	}
	return s
}

func (k *Collector) bucketStatus() *status.Bucket {
	if k.bucket == nil {
		return nil
	}
	s, stats := k.bucket.Status(), k.bucket.Stats()
	return &status.Bucket{
		Name: k.config.Templates.Bucket, Connected: s.Connected, Loaded: s.Loaded,
		Read: s.Connected && s.Loaded && s.ReadError == "", Write: s.Connected && s.WriteError == "",
		Keys: s.Keys, Queue: stats.Queue, Writes: stats.Writes, WriteErrors: stats.Errors, Overflows: stats.Overflows,
		LastError: cmp.Or(s.WriteError, s.ReadError, s.LastError),
	}
}

func (k *Collector) outputStatus(d *status.Document) {
	s, stats := k.publisher.Status(), k.publisher.Stats()
	o := k.outputMetrics()
	d.Output = status.Output{
		Kind: string(k.config.Output.Kind), Connected: s.Connected, StreamReady: s.StreamReady,
		Published: stats.Published, Waiting: o.Waiting, Spooled: stats.Spooled, Dropped: make(map[string]uint64),
		Failures: stats.Failures, Retries: stats.Retries, BufferBytes: int64(stats.BufferBytes), LastError: s.LastError,
	}
	if k.config.Output.Kind == config.OutputJetStream {
		d.Output.Stream = k.config.Output.Stream.Name
	}
	for r, n := range stats.Dropped {
		if n > 0 {
			d.Output.Dropped[publish.Reason(r).String()] = n
		}
	}
	if s.Spool {
		d.Spool = &status.Spool{Usable: s.SpoolError == "", Bytes: stats.Spool.Bytes, Error: s.SpoolError}
	}
}

// spread is how the streams of one address differ.
type spread struct {
	ports   map[uint16]bool
	domains map[uint32]bool
}

// senders are the addresses that most datagrams came from, most first, how many have figures of their own, and the records decoded
// of all by protocol.
func (t *traffic) senders(most int) (out []status.Sender, total int, records map[string]uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	datagrams := make(map[netip.Addr]uint64)
	records = make(map[string]uint64)
	for key, book := range t.sums() {
		if n := book.Get(ledger.RecordsDecoded); n > 0 {
			records[key.protocol.String()] += n
		}
		if n := book.Get(ledger.DatagramsDecoded); n > 0 && key.exporter.IsValid() {
			datagrams[key.exporter] += n
		}
	}
	for a, n := range datagrams {
		out = append(out, status.Sender{Address: a.String(), Datagrams: n})
	}
	slices.SortFunc(out, func(a, b status.Sender) int {
		return cmp.Or(cmp.Compare(b.Datagrams, a.Datagrams), cmp.Compare(a.Address, b.Address))
	})
	total, out = len(out), out[:min(len(out), most)]
	spreads := make(map[string]*spread, len(out))
	for i := range out {
		spreads[out[i].Address] = &spread{make(map[uint16]bool), make(map[uint32]bool)}
	}
	for key := range t.streams {
		if s := spreads[key.exporter.String()]; s != nil {
			s.ports[key.port], s.domains[key.domain] = true, true
		}
	}
	for i := range out {
		s := spreads[out[i].Address]
		out[i].Ports, out[i].Domains = len(s.ports), len(s.domains)
	}
	return out, total, records
}
