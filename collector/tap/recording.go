package tap

import (
	"net/netip"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/capture"
)

// recording is one capture: workers fill one buffer while the other is written.
type recording struct {
	tap     *Tap
	request Request
	address netip.Addr
	begun   time.Time
	// wake tells that something waits; full that the request is fulfilled.
	wake, full chan struct{}

	mu sync.Mutex
	// waiting blocks, with room for bufferBytes.
	waiting           []byte
	received, dropped uint64
	taken             int
	bytes             int64
	// ended is why nothing more is taken.
	ended string
}

// Reasons why a capture ends.
const (
	endedTime   = "the time is over"
	endedCount  = "the count is reached"
	endedBytes  = "the size is reached"
	endedAsked  = "it was told to end"
	endedReader = "nobody reads it any more"
	endedDrain  = "the collector is ending"
)

func newRecording(t *Tap, request Request) *recording {
	return &recording{tap: t, request: request, address: request.Address.Unmap().WithZone(""), begun: time.Now(), wake: make(chan struct{}, 1),
		full: make(chan struct{}), waiting: make([]byte, 0, bufferBytes)}
}

// Offer adds a datagram to the captures that want it. It does not wait, but for another worker's copy, and keeps nothing of payload.
func (r *Running) Offer(received time.Time, source, local netip.AddrPort, payload []byte, cut bool) {
	for _, one := range *r {
		if source.Addr().WithZone("") == one.address {
			one.add(&capture.Packet{Time: received, Source: source, Destination: local, Payload: payload, Cut: cut})
		}
	}
}

func (r *recording) add(p *capture.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != "" {
		return
	}
	size := len(p.Payload) + capture.PacketOverhead
	r.received++
	if r.bytes+int64(size) > r.request.Bytes {
		r.dropped++ // it came: that nothing did would be a lie
		r.finish(endedBytes)
		return
	}
	if len(r.waiting)+size > cap(r.waiting) {
		r.dropped++
		r.tap.dropped.Add(1)
		return
	}
	before := len(r.waiting)
	r.waiting = capture.AppendPacket(r.waiting, 0, p)
	r.bytes += int64(len(r.waiting) - before)
	r.taken++
	r.tap.datagrams.Add(1)
	if r.taken == r.request.Count {
		r.finish(endedCount)
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// finish is called with the lock.
func (r *recording) finish(reason string) {
	r.ended = reason
	close(r.full)
}

// stop takes nothing more, and returns why: the first reason counts.
func (r *recording) stop(reason string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended == "" {
		r.finish(reason)
	}
	return r.ended
}

// swap returns what waits, and takes an empty buffer for what comes.
func (r *recording) swap(empty []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	full := r.waiting
	r.waiting = empty[:0]
	return full
}

// statistics after the end.
func (r *recording) statistics() capture.Statistics {
	r.mu.Lock()
	defer r.mu.Unlock()
	return capture.Statistics{Received: r.received, Dropped: r.dropped, Begin: r.begun, End: time.Now(), Comment: r.ended}
}
