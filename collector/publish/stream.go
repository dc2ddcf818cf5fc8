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
	"github.com/flowfleet/flowfleet/collector/connect"
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
		err := connect.Cause(p.nc, p.ensureStream(ctx))
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
	if hint := connect.OfflineHint(err); hint != "" {
		return fmt.Errorf("looking after stream %s: %w (%s)", want.Name, err, hint)
	}
	if err != nil {
		return fmt.Errorf("looking after stream %s: %w", want.Name, err)
	}
	have := stream.CachedInfo().Config
	leaveOpen(&want, have, p.config.Stream)
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

// StreamConfig is the stream that a configuration, with its defaults filled in, asks for: what it leaves open is as the standards say.
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
	maxAge := cmp.Or(c.MaxAge, config.StandardStreamAge)
	return jetstream.StreamConfig{
		Name:        c.Name,
		Description: "Flowfleet: flow records",
		Subjects:    c.Subjects,
		Retention:   retention,
		Discard:     map[config.Discard]jetstream.DiscardPolicy{config.DiscardNew: jetstream.DiscardNew}[c.Discard],
		MaxAge:      maxAge.Std(),
		MaxBytes:    int64(cmp.Or(c.MaxBytes, config.StandardStreamBytes)),
		Replicas:    c.Replicas,
		Storage:     storage,
		Duplicates:  min(cmp.Or(c.DuplicateWindow, config.StandardDuplicateWindow), maxAge).Std(), // the server refuses a longer one
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

// leaveOpen takes over what a configuration does not say and a stream that exists may have as somebody chose it.
func leaveOpen(want *jetstream.StreamConfig, have jetstream.StreamConfig, c config.Stream) {
	if c.MaxBytes == 0 {
		want.MaxBytes = have.MaxBytes
	}
	if c.MaxAge == 0 {
		want.MaxAge = have.MaxAge
	}
	if c.Compression == "" {
		want.Compression = have.Compression
	}
	if c.Discard == "" {
		want.Discard = have.Discard
	}
	if c.DuplicateWindow == 0 {
		want.Duplicates = have.Duplicates
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
	note("compression", have.Compression, want.Compression)
	note("discard", have.Discard, want.Discard)
	note("duplicateWindow", have.Duplicates, want.Duplicates)
	return out
}
