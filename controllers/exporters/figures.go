package exporters

import (
	"hash/maphash"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// Bounds of what one look at a fleet keeps.
const (
	maxAddresses = 16384
	maxStreams   = 1 << 17
	// maxPorts bounds the ports of one address, and its domains.
	maxPorts = 1024
	// shownList bounds the lists of a status.
	shownList = 16
)

// Figures are what a fleet's collectors have of one address, or of the addresses of one device, at one look.
type Figures struct {
	// Datagrams, sets and records as in status.Exporter, added up over collectors.
	Received, Refused, Waiting, Undecoded, Records uint64
	// Volume that the records tell of; VolumeUntold: not all collectors say it.
	Volume       ledger.Volume
	VolumeUntold bool
	// Naming is how many of the records got names; NamingUntold: not all collectors say it.
	Naming       ledger.Naming
	NamingUntold bool
	// Sequences that were heard of in the last ten minutes, and what they come to over the fleet (ledger.Union).
	Sequences                                 int
	Sent, Units, Missed, Duplicated, Restarts uint64
	// LeftOut: there are sequences that the figures do not have.
	LeftOut bool
	// Split: several collectors have heard one of the sequences in the last minute.
	Split bool
	// LastHeard by the operator's clock, zero where collectors do not tell.
	LastHeard time.Time
	Protocols map[string]bool   // of the words in protocols
	Nodes     map[string]string // of each collector that hears it, by pod
	Domains   map[uint32]bool
	Ports     map[uint16]bool
	Said      Said
	// from stands for the collectors that have a part in these figures, and when each began.
	from uint64
	// numbered is what Sent and Missed are made of.
	numbered numbered
}

// protocols are the words that collectors have for them (decode.Protocol).
var protocols = []string{"netflow1", "netflow5", "netflow6", "netflow7", "netflow8", "netflow9", "ipfix", "sflow", "unknown"}

// protocol is the word for what a collector says; "unknown" for what no collector of this version does.
func protocol(said string) string {
	if i := slices.Index(protocols, said); i >= 0 {
		return protocols[i] // and not a piece of what a pod sent
	}
	return "unknown"
}

// add adds those of another address of the same device.
func (f *Figures) add(o *Figures) {
	f.Received, f.Refused, f.Waiting, f.Undecoded, f.Records = f.Received+o.Received, f.Refused+o.Refused, f.Waiting+o.Waiting,
		f.Undecoded+o.Undecoded, f.Records+o.Records
	f.Volume.Add(o.Volume)
	f.VolumeUntold = f.VolumeUntold || o.VolumeUntold
	f.Naming.Add(&o.Naming)
	f.NamingUntold = f.NamingUntold || o.NamingUntold
	f.Sequences, f.Sent, f.Units, f.Missed = f.Sequences+o.Sequences, f.Sent+o.Sent, f.Units+o.Units, f.Missed+o.Missed
	f.Duplicated, f.Restarts, f.LeftOut = f.Duplicated+o.Duplicated, f.Restarts+o.Restarts, f.LeftOut || o.LeftOut
	f.Split = f.Split || o.Split
	if o.LastHeard.After(f.LastHeard) {
		f.LastHeard = o.LastHeard
	}
	f.init()
	f.Said.add(&o.Said)
	maps.Copy(f.Protocols, o.Protocols)
	maps.Copy(f.Nodes, o.Nodes)
	maps.Copy(f.Domains, o.Domains)
	maps.Copy(f.Ports, o.Ports)
}

func (f *Figures) init() {
	if f.Protocols == nil {
		f.Protocols, f.Nodes, f.Domains, f.Ports = make(map[string]bool), make(map[string]string), make(map[uint32]bool), make(map[uint16]bool)
	}
}

// part that a collector has in figures, by its pod and when it began.
type part struct {
	pod   string
	began int64
}

// streamPart that a collector has of a stream.
type streamPart struct {
	key ledger.StreamKey
	pod string
}

var seed = maphash.MakeSeed()

// sum adds up what several collectors say, page by page. Spans are kept until all have spoken: only together they tell what is missing.
type sum struct {
	addresses map[netip.Addr]*Figures
	spans     map[ledger.StreamKey][]ledger.Part
	streams   int
	latest    time.Time // when the last page came
	// declared find room beyond the bounds, see memory.
	declared map[netip.Addr]bool
	// crowded: there were more addresses than maxAddresses.
	crowded bool
	noRoom  bool
	// unfollowed: there are sequences that a collector does not follow.
	unfollowed bool
}

func newSum() *sum {
	return &sum{addresses: make(map[netip.Addr]*Figures), spans: make(map[ledger.StreamKey][]ledger.Part)}
}

// take takes a page that came at a time of the operator's clock; known addresses find room before others.
func (s *sum) take(pod observation.Pod, page *status.Exporters, now time.Time, known func(netip.Addr) bool) {
	s.noRoom, s.unfollowed = s.noRoom || page.NoRoom, s.unfollowed || page.StreamsLeftOut
	if now.After(s.latest) {
		s.latest = now
	}
	for i := range page.Exporters {
		e := &page.Exporters[i]
		address, ok := parse(e.Address)
		if !ok || e.Received == 0 {
			continue
		}
		f := s.addresses[address]
		if f == nil {
			if len(s.addresses) >= maxAddresses && !known(address) {
				s.crowded = true
				continue
			}
			f = &Figures{}
			f.init()
			s.addresses[address] = f
		}
		f.from += maphash.Comparable(seed, part{pod.Name, page.Started.UnixNano()})
		f.Received, f.Refused, f.Waiting, f.Records = f.Received+e.Received, f.Refused+e.Refused, f.Waiting+e.SetsWaiting, f.Records+e.Records
		if e.Volume != nil {
			f.Volume.Add(*e.Volume)
		}
		f.VolumeUntold = f.VolumeUntold || e.Volume == nil && e.Records > 0
		if e.Naming != nil {
			f.Naming.Add(e.Naming)
		}
		f.NamingUntold = f.NamingUntold || e.Naming == nil && e.Records > 0
		f.Undecoded += e.SetsExpired + e.SetsDropped
		f.LeftOut = f.LeftOut || e.StreamsLeftOut > 0
		protocol := protocol(e.Protocol)
		if len(e.Streams) > 0 || protocol == "netflow1" { // which has no sequence
			f.Protocols[protocol], f.Nodes[pod.Name] = true, pod.Node
		}
		f.Said.device(e.Device)
		heard := 0 // sequences of the last minutes: of others it says what was, and another collector may know better
		for j := range e.Streams {
			if page.Time.Sub(e.Streams[j].LastSeen) <= windowTime {
				f.Said.stream(protocol, &e.Streams[j], pod.Node)
				heard++
			}
			s.stream(f, pod.Name, address, protocol, &e.Streams[j], page.Time, now)
		}
		f.Said.taught(e.Taught, heard, page.Time, now, page.Time.Sub(page.Started))
	}
}

func (s *sum) stream(f *Figures, pod string, address netip.Addr, protocol string, stream *status.Stream, made, now time.Time) {
	// How long ago by the collector's clock: clocks that differ do not matter.
	if heard := now.Add(-max(made.Sub(stream.LastSeen), 0)); heard.After(f.LastHeard) {
		f.LastHeard = heard
	}
	if most := maxStreams; s.streams >= most && (!s.declared[address] || s.streams >= 2*most) {
		f.LeftOut = true
		return
	}
	s.streams++
	if len(f.Domains) < maxPorts {
		f.Domains[stream.Domain] = true
	}
	if len(f.Ports) < maxPorts {
		f.Ports[stream.Port] = true
	}
	key := ledger.StreamKey{Exporter: address.String(), Port: stream.Port, Protocol: protocol, Domain: stream.Domain}
	f.numbered.of += maphash.Comparable(seed, streamPart{key, pod})
	s.spans[key] = append(s.spans[key], ledger.Part{Span: stream.Span, Heard: now.Add(-made.Sub(stream.LastSeen))})
}

// splitFor is how long after a datagram of a sequence came to another collector more of it may be on its way to both. A route that changed
// for a moment, or a device that moved, is not heard by both; nor is a sequence that has ended.
const splitFor = time.Minute

// end works out what is missing of each sequence over the fleet.
func (s *sum) end() map[netip.Addr]*Figures {
	for key, parts := range s.spans {
		address, _ := parse(key.Exporter)
		f := s.addresses[address]
		slices.SortFunc(parts, func(a, b ledger.Part) int { return b.Heard.Compare(a.Heard) })
		f.Split = f.Split || len(parts) > 1 && s.latest.Sub(parts[1].Heard) < splitFor
		union, left := ledger.Union(parts)
		f.numbered.add(&union, len(parts), left)
		f.Sequences++
		f.Sent += union.Length()
		f.Units += union.Units
		f.Missed += union.Length() - min(union.Units, union.Length())
		f.Duplicated += union.Duplicated
		f.Restarts += union.Restarts
	}
	s.spans = nil
	return s.addresses
}
