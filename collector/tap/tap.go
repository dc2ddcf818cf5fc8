// Package tap captures the raw datagrams of one exporter while they are received, for who asks on this machine. While nobody does,
// receiving pays one atomic load a batch.
//
// All is bounded: how long a capture lasts, how much it takes, how many run at a time, and what waits for a slow reader. What does not fit
// is counted, and the capture says so in its end.
package tap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of captures.
const (
	// MaxTime that a capture lasts.
	MaxTime = 5 * time.Minute
	// MaxBytes of a capture, of datagrams with their headers.
	MaxBytes = 64 << 20
	// MaxRunning captures of a collector at a time.
	MaxRunning = 2
	// MaxBy bounds who is said to ask, in bytes.
	MaxBy = 256
	// bufferBytes wait for the reader of a capture; as many again are being written.
	bufferBytes = 4 << 20
)

// Request is what is asked for.
type Request struct {
	// Address that the datagrams come from. IPv4-mapped ones are unmapped; a zone does not count.
	Address netip.Addr `json:"address"`
	// For so long, up to MaxTime.
	For time.Duration `json:"for"`
	// Count is how many datagrams end it; 0 for as many as come.
	Count int `json:"count,omitempty"`
	// Bytes of datagrams, with headers, that end it: 1 to MaxBytes.
	Bytes int64 `json:"bytes"`
	// By is who is said to ask, for the log.
	By string `json:"by,omitempty"`
}

// Check says what is wrong with a request.
func (r *Request) Check() error {
	switch {
	case !r.Address.IsValid() || r.Address.IsUnspecified() || r.Address.IsMulticast():
		return errors.New("an address of one exporter is needed")
	case r.For <= 0 || r.For > MaxTime:
		return fmt.Errorf("a capture lasts up to %s, not %s", MaxTime, r.For)
	case r.Count < 0:
		return fmt.Errorf("a count of %d datagrams is not possible", r.Count)
	case r.Bytes <= 0 || r.Bytes > MaxBytes:
		return fmt.Errorf("a capture has up to %d bytes, not %d", MaxBytes, r.Bytes)
	case len(r.By) > MaxBy:
		return fmt.Errorf("who asks has %d bytes, more than %d", len(r.By), MaxBy)
	}
	return nil
}

// Running are the captures under way.
type Running []*recording

// Tap is where the receiving side offers datagrams. The zero value is ready.
type Tap struct {
	running atomic.Pointer[Running]
	mu      sync.Mutex // of changes

	begun, refused, datagrams, dropped atomic.Uint64
}

// Running is nil while nobody captures. It may be called from any goroutine, and costs one atomic load.
func (t *Tap) Running() *Running { return t.running.Load() }

// Stats are counts since the process began.
type Stats struct {
	// Running captures now.
	Running int
	// Begun and Refused captures; Datagrams in them; Dropped datagrams that a reader was too slow for.
	Begun, Refused, Datagrams, Dropped uint64
}

// Stats so far.
func (t *Tap) Stats() Stats {
	s := Stats{Begun: t.begun.Load(), Refused: t.refused.Load(), Datagrams: t.datagrams.Load(), Dropped: t.dropped.Load()}
	if running := t.running.Load(); running != nil {
		s.Running = len(*running)
	}
	return s
}

// begin has datagrams recorded from now on, or says why not.
func (t *Tap) begin(request Request) (*recording, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var now Running
	if running := t.running.Load(); running != nil {
		now = *running
	}
	if len(now) >= MaxRunning {
		return nil, fmt.Errorf("%d captures are running already, and no more are allowed: try again when one has ended", len(now))
	}
	r := newRecording(t, request)
	now = append(slices.Clone(now), r)
	t.running.Store(&now)
	t.begun.Add(1)
	return r, nil
}

// end takes a recording away. A batch that is being received may still add to it.
func (t *Tap) end(r *recording) {
	t.mu.Lock()
	defer t.mu.Unlock()
	running := t.running.Load()
	if running == nil {
		return
	}
	left := slices.DeleteFunc(slices.Clone(*running), func(one *recording) bool { return one == r })
	if len(left) == 0 {
		t.running.Store(nil)
		return
	}
	t.running.Store(&left)
}
