package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/capacity"
	"github.com/flowfleet/flowfleet/collector/config"
)

const (
	// streamTimeout bounds one look at the stream.
	streamTimeout = 5 * time.Second
	// longestStreamWait bounds the back-off between looks that failed.
	longestStreamWait = 30 * time.Second
	// duplicateWindow is how long the stream remembers message ids: longer than any retry while the server is there. What is
	// sent again later is looked for in the stream, see verify.go.
	duplicateWindow = 2 * time.Minute
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
			if p.status.LastError != err.Error() {
				hint := ""
				if capacity.Exceeded(err) {
					hint = capacity.Hint
				}
				p.log.Warn("the stream cannot be looked after yet; flows wait in the buffer, trying again", "stream", p.config.Stream.Name,
					"error", err, "hint", hint)
			}
			p.status.LastError = err.Error()
			p.streamAway = true
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
	created := false
	stream, err := p.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if p.config.Stream.Unmanaged {
			return fmt.Errorf("stream %s does not exist, and output.stream.unmanaged leaves it to others", want.Name)
		}
		var size config.Size
		size, err = capacity.Create(p.config.Stream.MaxBytes, config.StandardStreamBytes, func(maxBytes config.Size) (err error) {
			want.MaxBytes = int64(maxBytes)
			stream, err = p.js.CreateStream(ctx, want)
			return err
		})
		if err == nil {
			created = true
			p.log.Info("created the stream", "stream", want.Name, "subjects", want.Subjects, "maxBytes", size.String())
		}
	}
	if err != nil {
		return fmt.Errorf("looking after stream %s: %w", want.Name, err)
	}
	have := stream.CachedInfo().Config
	if p.config.Stream.MaxBytes == 0 {
		want.MaxBytes = have.MaxBytes // what there was room for
	}
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
	if created || p.streamAway {
		p.pace.retry()
	}
	p.streamAway = false
	p.changed.Broadcast()
	return nil
}

// StreamConfig is the stream that a configuration, with its defaults filled in, asks for: of the standard size where it leaves that
// open.
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
		Discard:     jetstream.DiscardOld,
		MaxAge:      c.MaxAge.Std(),
		MaxBytes:    int64(cmp.Or(c.MaxBytes, config.StandardStreamBytes)),
		Replicas:    c.Replicas,
		Storage:     storage,
		// The server refuses a window that is longer than messages live.
		Duplicates: min(duplicateWindow, c.MaxAge.Std()),
	}
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
	return out
}
