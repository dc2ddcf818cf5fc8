package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/config"
)

const (
	// streamTimeout bounds one look at the stream.
	streamTimeout = 5 * time.Second
	// longestStreamWait bounds the back-off between looks that failed.
	longestStreamWait = 30 * time.Second
)

// lookAfterStream asks keepStream to create the stream again.
func (p *jetStream) lookAfterStream() {
	p.status.StreamReady = false
	select {
	case p.missing <- struct{}{}:
	default:
	}
}

// keepStream creates the stream where it is missing, at first and whenever a batch found none.
func (p *jetStream) keepStream(ctx context.Context) {
	wait := retryWait
	for {
		err := p.ensureStream(ctx)
		p.mu.Lock()
		p.looked = true
		p.changed.Broadcast()
		p.mu.Unlock()
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			p.mu.Lock()
			if p.status.LastError == "" {
				p.log.Warn("the stream cannot be looked after yet; trying again", "stream", p.config.Stream.Name, "error", err)
			}
			p.status.LastError = err.Error()
			p.mu.Unlock()
			again = time.After(wait)
			wait = min(2*wait, longestStreamWait)
		} else {
			wait = retryWait
		}
		select {
		case <-ctx.Done():
			return
		case <-p.missing:
			// A stream that is missing on purpose must not be asked for all the time.
			select {
			case <-ctx.Done():
				return
			case <-time.After(retryWait):
			}
		case <-again:
		}
	}
}

// ensureStream creates the stream if it is missing, and otherwise notes in what it differs. What exists is never changed.
func (p *jetStream) ensureStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	want := StreamConfig(p.config.Stream)
	stream, err := p.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if p.config.Stream.Unmanaged {
			return fmt.Errorf("stream %s does not exist, and output.stream.unmanaged leaves it to others", want.Name)
		}
		if stream, err = p.js.CreateStream(ctx, want); err == nil {
			p.log.Info("created the stream", "stream", want.Name, "subjects", want.Subjects)
		}
	}
	if err != nil {
		return fmt.Errorf("looking after stream %s: %w", want.Name, err)
	}
	have := stream.CachedInfo().Config
	differences := compare(have, want)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.status.Differences, differences) {
		for _, d := range differences {
			p.log.Warn("the stream differs from the configuration and is left as it is", "stream", want.Name, "difference", d)
		}
	}
	p.status.Differences = differences
	p.window, p.sequence = have.Duplicates, stream.CachedInfo().State.LastSeq
	p.status.StreamReady = true
	p.pause = time.Time{}
	p.changed.Broadcast()
	return nil
}

// StreamConfig is the stream that a configuration, with its defaults filled in, asks for.
func StreamConfig(c config.Stream) jetstream.StreamConfig {
	storage := jetstream.FileStorage
	if c.Storage == config.StorageMemory {
		storage = jetstream.MemoryStorage
	}
	retention := map[config.Retention]jetstream.RetentionPolicy{
		config.RetentionLimits:    jetstream.LimitsPolicy,
		config.RetentionInterest:  jetstream.InterestPolicy,
		config.RetentionWorkQueue: jetstream.WorkQueuePolicy,
	}[c.Retention]
	return jetstream.StreamConfig{
		Name:        c.Name,
		Description: "Flowfleet: flow records",
		Subjects:    c.Subjects,
		Retention:   retention,
		Discard:     map[config.Discard]jetstream.DiscardPolicy{config.DiscardNew: jetstream.DiscardNew}[c.Discard],
		MaxAge:      c.MaxAge.Std(),
		MaxBytes:    int64(c.MaxBytes),
		Replicas:    c.Replicas,
		Storage:     storage,
		Duplicates:  c.DuplicateWindow.Std(),
		Compression: map[config.Compression]jetstream.StoreCompression{config.CompressionS2: jetstream.S2Compression}[c.Compression],
		Placement:   placement(c.Placement),
	}
}

func placement(p *config.Placement) *jetstream.Placement {
	if p == nil {
		return nil
	}
	return &jetstream.Placement{Cluster: p.Cluster, Tags: p.Tags}
}

// compare says in what an existing stream is other than wanted.
func compare(have, want jetstream.StreamConfig) []string {
	var out []string
	note := func(name string, have, want any) {
		if have != want {
			out = append(out, fmt.Sprintf("%s is %v, configured %v", name, have, want))
		}
	}
	slices.Sort(have.Subjects)
	subjects := slices.Sorted(slices.Values(want.Subjects))
	note("subjects", fmt.Sprint(have.Subjects), fmt.Sprint(subjects))
	note("maxAge", have.MaxAge, want.MaxAge)
	note("maxBytes", have.MaxBytes, want.MaxBytes)
	note("replicas", have.Replicas, want.Replicas)
	note("storage", have.Storage, want.Storage)
	note("retention", have.Retention, want.Retention)
	note("compression", have.Compression, want.Compression)
	note("discard", have.Discard, want.Discard)
	note("duplicateWindow", have.Duplicates, want.Duplicates)
	return out
}
