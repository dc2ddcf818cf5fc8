package gather

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/flowfleet/flowfleet/collector/capture"
	"github.com/flowfleet/flowfleet/collector/status"
)

const (
	// patience with a collector beyond the time of the capture, and when all are told to end.
	patience = 30 * time.Second
	lastTime = 5 * time.Second
	// slack are the bytes of a capture beside its datagrams.
	slack = 64 << 10
	// largest is what one datagram takes in a capture at the most: its first 9216 bytes and its headers.
	largest = 10 << 10
)

// Limit of a capture.
type Limit struct {
	// Address that datagrams come from.
	Address netip.Addr
	For     time.Duration
	// Count of datagrams; 0 for as many as come. Bytes of them, with headers.
	Count int
	Bytes int64
}

// Source is a collector.
type Source struct {
	Name, Description string
	// Capture writes what the collector sends to out, until it ends, or ctx does. The end of in tells it to end.
	Capture func(ctx context.Context, in io.Reader, out io.Writer) error
}

// Outcome of a source.
type Outcome struct {
	// Begun: the collector captured. Taken are its datagrams in the file, LeftOut those that the file had no room for.
	Begun          bool
	Taken, LeftOut int
	// Statistics are what the collector says in the end; nil where it did not.
	Statistics *capture.Statistics
	// Err is why it did not begin, or not end.
	Err    error
	number uint32 // of its interface
}

// Gather captures from all sources at once, and writes one pcapng file to out: the first datagrams that come, up to the limit. Where ctx
// ends, the capture does, and the file is whole. Sources are not trusted: what they send is read strictly, and bounded in bytes and time. An
// error is one of out; those of the sources are in their outcomes, in their order.
func Gather(ctx context.Context, sources []Source, limit Limit, application, comment string, out io.Writer) ([]Outcome, error) {
	g := &gathering{limit: limit, merger: merger{out: out, limit: limit}, outcomes: make([]Outcome, len(sources))}
	g.running, g.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer g.stop()
	if err := g.merger.begin(application, comment); err != nil {
		return g.outcomes, err
	}
	begun := time.Now()
	inputs := make([]*io.PipeReader, len(sources))
	for i := range sources { // all of them before the first is followed, since it may end them all
		var hold *io.PipeWriter
		inputs[i], hold = io.Pipe()
		g.holds = append(g.holds, hold)
	}
	for i := range sources {
		g.sources.Go(func() { g.follow(&sources[i], &g.outcomes[i], inputs[i]) })
	}
	defer context.AfterFunc(ctx, g.end)()
	defer time.AfterFunc(limit.For+patience, g.stop).Stop()
	ended := make(chan struct{})
	go func() {
		g.sources.Wait()
		close(ended)
	}()
	look := time.NewTicker(window / 8)
	defer look.Stop()
	for going := true; going; {
		select {
		case <-ended:
			going = false
		case now := <-look.C:
			g.mu.Lock()
			g.fail(g.merger.release(now))
			g.mu.Unlock()
		}
	}
	g.fail(g.merger.rest())
	for i := range g.outcomes {
		if o := &g.outcomes[i]; o.Begun {
			g.fail(g.merger.end(o.number, o.file(begun)))
		}
	}
	return g.outcomes, g.err
}

// gathering is a capture under way.
type gathering struct {
	limit   Limit
	running context.Context
	stop    context.CancelFunc
	ending  sync.Once
	holds   []*io.PipeWriter
	sources sync.WaitGroup

	mu       sync.Mutex // of what follows
	merger   merger
	outcomes []Outcome
	err      error
}

// end tells all to end, and does not wait for ever until they do.
func (g *gathering) end() {
	g.ending.Do(func() {
		for _, hold := range g.holds {
			_ = hold.Close() // a pipe's end reports nothing
		}
		time.AfterFunc(lastTime, g.stop)
	})
}

// fail ends all where the file cannot be written.
func (g *gathering) fail(err error) {
	if err != nil && g.err == nil {
		g.err = err
		g.stop()
	}
}

// follow reads what one collector captures.
func (g *gathering) follow(s *Source, o *Outcome, in io.Reader) {
	ctx, cancel := context.WithCancel(g.running)
	defer cancel()
	lines, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := s.Capture(ctx, in, writer)
		_ = writer.Close() // a pipe's end reports nothing
		ended <- err
	}()
	go func() { // a source that does not see the end of its context is left alone
		<-ctx.Done()
		_ = lines.CloseWithError(context.Cause(ctx))
	}()
	read := g.read(capture.NewLive(lines, g.limit.Bytes+slack), s, o)
	cancel()
	if read == nil {
		return // it is whole, whatever the source says behind it
	}
	err := read
	if errors.Is(read, io.ErrUnexpectedEOF) || errors.Is(read, context.Canceled) {
		select { // it knows more about its end
		case said := <-ended:
			if said != nil && !errors.Is(said, context.Canceled) {
				err = said
			}
		case <-time.After(lastTime):
		}
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("it did not end in time")
	}
	o.Err = err
}

// read takes datagrams until the end of a capture.
func (g *gathering) read(live *capture.Live, s *Source, o *Outcome) error {
	if err := live.Begin(); err != nil {
		return err
	}
	g.mu.Lock()
	number, err := g.merger.join(s.Name, s.Description)
	g.fail(err)
	o.number, o.Begun = number, true
	g.mu.Unlock()
	sent := int64(0)
	for {
		p, err := live.Next()
		if errors.Is(err, io.EOF) {
			said := live.Statistics()
			if came := uint64(o.Taken + o.LeftOut); said.Dropped > said.Received || said.Received-said.Dropped != came {
				return fmt.Errorf("it says that it received %d datagrams and left out %d of them, but %d came", said.Received, said.Dropped, came)
			}
			said.Comment = status.Text(said.Comment)
			o.Statistics = said
			if said.Dropped > 0 && sent+largest > g.limit.Bytes { // it ended since the next one was beyond the size
				g.end()
			}
			return nil
		}
		if err == nil && p.Source.Addr() != g.limit.Address {
			err = fmt.Errorf("it sends datagrams of %s", p.Source.Addr())
		}
		if err != nil {
			return err
		}
		sent += int64(len(p.Payload) + capture.PacketOverhead)
		taken := *p
		taken.Payload = bytes.Clone(p.Payload)
		g.mu.Lock()
		if g.merger.add(number, taken, time.Now()) {
			o.Taken++
		} else {
			o.LeftOut++
		}
		full := g.merger.full()
		g.mu.Unlock()
		if full {
			g.end()
		}
	}
}

// file is what the file says of a source.
func (o *Outcome) file(begun time.Time) capture.Statistics {
	if o.Statistics == nil {
		return capture.Statistics{Received: uint64(o.Taken + o.LeftOut), Dropped: uint64(o.LeftOut), Begin: begun, End: time.Now(),
			Comment: status.Text(fmt.Sprintf("the capture was cut off: %v", o.Err))}
	}
	s := *o.Statistics
	s.Dropped += uint64(o.LeftOut)
	return s
}
