package traffic

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// exporter is one that sends.
type exporter struct {
	index    int
	protocol Protocol
	agent    netip.Addr
	socket   *net.UDPConn
	sent     Sent

	next      uint32   // number of the next record
	turn      int      // of domains
	layout    int      // of templates
	sequence  []uint32 // by domain
	samples   uint32   // of sFlow
	rate      uint32   // of sampling
	uptime    uint32   // in milliseconds
	rebooted  bool
	resampled bool
	turns     int       // datagrams with records, those that got lost too
	templated time.Time // when templates were sent last
	redefined time.Time // when they changed last
	buffer    []byte
	records   []record
}

// Sent is what one exporter sent.
type Sent struct {
	Exporter  int            `json:"exporter"`
	Protocol  Protocol       `json:"protocol"`
	Source    netip.AddrPort `json:"source"`
	Times     []uint32       `json:"times"`     // of each datagram with records, in milliseconds since the run began
	Templates int            `json:"templates"` // datagrams with templates
	Changes   int            `json:"changes"`   // of templates
	Refused   int            `json:"refused"`   // ICMP errors that came back: a datagram before it was refused
	Failed    int            `json:"failed"`    // datagrams that the system did not take; their numbers were given to the next
}

func newExporter(s Settings, index int) (*exporter, error) {
	protocol := s.Protocols[index%len(s.Protocols)]
	local := &net.UDPAddr{}
	if s.Source.IsValid() {
		address := s.Source
		for range index {
			address = address.Next()
		}
		local.IP = address.AsSlice()
	}
	target := net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.Target, s.Ports[protocol]))
	// Connected, as exporters do: ICMP errors come back to it.
	socket, err := net.DialUDP("udp", local, target)
	if err != nil {
		return nil, fmt.Errorf("exporter %d: %w", index, err)
	}
	source := socket.LocalAddr().(*net.UDPAddr).AddrPort()
	source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	agent := source.Addr()
	if !agent.Is4() {
		agent = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	return &exporter{
		index: index, protocol: protocol, agent: agent, socket: socket, next: 1, sequence: make([]uint32, s.Domains),
		rate: SamplingRate(index), uptime: longUp,
		sent: Sent{Exporter: index, Protocol: protocol, Source: source},
	}, nil
}

// datagram sends the next one, and before it what it needs to be decoded when that is due.
func (e *exporter) datagram(s Settings, began, now time.Time) error {
	e.suffer(s, now.Sub(began))
	shown := now.Add(s.Troubles.Ahead)
	if (e.protocol == NetFlow9 || e.protocol == IPFIX) && !s.Troubles.Untaught {
		e.template(s, began, now)
	}
	e.records = e.records[:0]
	for i := range s.Records {
		e.records = append(e.records, ID{s.Run, e.index, e.next + uint32(i)}.record())
	}
	switch e.protocol {
	case NetFlow5:
		e.buffer = e.v5(e.buffer[:0], shown, e.records)
	case SFlow:
		e.buffer = e.sflow(e.buffer[:0], e.records)
	default:
		e.buffer = e.data(e.buffer[:0], shown, e.turn, e.records)
		e.turn = (e.turn + 1) % s.Domains
	}
	if e.skips(s) || !e.send() {
		return nil
	}
	e.next += uint32(s.Records)
	e.sent.Times = append(e.sent.Times, uint32(now.Sub(began).Milliseconds()))
	return nil
}

// template sends templates and what goes with them when they are due: at first, from time to time, and when they change.
func (e *exporter) template(s Settings, began, now time.Time) {
	if e.redefined.IsZero() {
		e.redefined = began
	}
	change := s.Redefine > 0 && now.Sub(e.redefined) >= s.Redefine
	if change {
		e.layout, e.redefined = 1-e.layout, now
		e.sent.Changes++
	}
	if !change && !e.templated.IsZero() && (s.TemplateInterval == 0 || now.Sub(e.templated) < s.TemplateInterval) {
		return
	}
	for domain := range s.Domains {
		e.buffer = e.templates(e.buffer[:0], now.Add(s.Troubles.Ahead), domain, s.Options)
		if !e.send() {
			return // it is due still
		}
		e.sent.Templates++
		if s.Names != NamesSent {
			continue
		}
		e.buffer = e.names(e.buffer[:0], now.Add(s.Troubles.Ahead), domain)
		if !e.send() {
			return
		}
	}
	e.templated = now
}

// send sends the buffer. An error that a former datagram caused is counted, and this one is sent nevertheless.
func (e *exporter) send() bool {
	for range 5 {
		_, err := e.socket.Write(e.buffer)
		if err == nil {
			return true
		}
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.EHOSTUNREACH) && !errors.Is(err, syscall.ENETUNREACH) {
			break
		}
		e.sent.Refused++
	}
	e.sent.Failed++
	return false
}
