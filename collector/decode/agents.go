package decode

import (
	"net/netip"

	"github.com/flowfleet/flowfleet/collector/decode/netflow"
	"github.com/flowfleet/flowfleet/collector/decode/sflow"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/template"
)

// agentKey tells sFlow's sequences apart: the agent, its sub-agent, and who sent the datagram.
type agentKey struct {
	exporter netip.Addr
	agent    flow.Address
	subAgent uint32
}

type agent struct {
	sequence ledger.Sequence
	// uptime in milliseconds of the datagram with the highest sequence number so far.
	uptime   uint32
	lastSeen int64
	// book is the exporter's; its other agents count there too.
	book    *ledger.Holder
	sampled netflow.Rates
	// device is what the agent says of its host, nil for nothing, and described what it was made of.
	device    *netflow.Device
	described host
	hostname  names.Row
	// named is when the exporter's name was learned from it last.
	named int64
	// own is what was counted of this one since it was taken, and taken where its sequence was then; see take.
	own   ledger.Book
	taken ledger.Span
}

// count counts something of the agent.
func (a *agent) count(c ledger.Counter, n uint64) {
	a.book.Add(c, n)
	a.own.Add(c, n)
}

// longestWay is how many milliseconds of an agent's uptime a datagram may come late.
const longestWay = template.LateSeconds * 1000

// follow observes a datagram's sequence number: one that came before is of an agent that restarted where its uptime fell back, rather than late or
// repeated.
func (a *agent) follow(h *sflow.Header, counts *ledger.Counts) {
	behind := a.sequence.Behind(h.Sequence)
	if behind && int32(h.Uptime-a.uptime) < -longestWay {
		a.sequence.Restart(h.Sequence, counts)
		behind = false
	}
	if !behind {
		a.uptime = h.Uptime
	}
	a.sequence.Observe(h.Sequence, 1, counts)
}

// agents follows the sFlow agents, at most limit of them.
type agents struct {
	limit int
	known map[agentKey]*agent
}

// agentEvictionSample is how many agents are looked at to find one that was silent for long.
const agentEvictionSample = 16

func (a *agents) find(key agentKey, now int64, books *books) *agent {
	if a.known == nil {
		a.known = make(map[agentKey]*agent)
	}
	found := a.known[key]
	if found == nil {
		for len(a.known) >= a.limit {
			a.evict()
		}
		found = &agent{book: books.of(key.exporter, SFlow)}
		a.known[key] = found
	} else if found.book.Shared {
		found.book = books.of(key.exporter, SFlow) // there may be room by now
	}
	found.lastSeen = now
	return found
}

func (a *agents) evict() {
	var oldest agentKey
	var since *agent
	n := 0
	for key, candidate := range a.known {
		if since == nil || candidate.lastSeen < since.lastSeen {
			oldest, since = key, candidate
		}
		if n++; n == agentEvictionSample {
			break
		}
	}
	delete(a.known, oldest)
}

func (a *agents) streams(after int64, yield func(s Stream)) {
	for key, known := range a.known {
		if known.lastSeen > after && known.sequence.Started() {
			stream := Stream{Exporter: key.agent.Addr(), Domain: key.subAgent, LastSeen: known.lastSeen, Span: known.sequence.Span}
			known.sampled.Into(&stream.Said, known.lastSeen)
			stream.Said.Device = known.device
			yield(stream)
		}
	}
}

// take calls yield for each agent of which something was counted since the last call.
func (a *agents) take(yield func(t *Taken)) {
	var t Taken
	for key, known := range a.known {
		if known.own == (ledger.Book{}) && known.taken == known.sequence.Span {
			continue
		}
		t = Taken{Source: key.exporter, Stream: Stream{Exporter: key.agent.Addr(), Domain: key.subAgent, LastSeen: known.lastSeen,
			Span: known.sequence.Span}}
		t.Take(&known.own, &known.taken)
		yield(&t)
	}
}
