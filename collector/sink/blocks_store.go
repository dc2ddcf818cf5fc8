package sink

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/capacity"
	"github.com/flowfleet/flowfleet/collector/connect"
)

const (
	// listKey of the bucket has the list of blocks.
	listKey = "blocks"
	// bucketBytes bound the bucket: it has one value, and for a moment the next one.
	bucketBytes = 4 << 20
	// noteTimeout bounds one request about the list.
	noteTimeout = 5 * time.Second
	// deniedPoll is how often it is looked whether the server has said that a request may not be made: it answers none.
	deniedPoll = 10 * time.Millisecond
	// deniedFor is for how long it is not tried again then.
	deniedFor = lookInterval
)

// BlocksBucket is where the sinks of a consumer keep the list of blocks: STREAM-blocks-CONSUMER, with a sum behind it where that would be no
// name of a bucket, or could be another consumer's.
func BlocksBucket(stream, consumer string) string {
	clean := func(r rune) rune { // as NATS takes it
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}
	whole := stream + "-blocks-" + consumer
	name := strings.Map(clean, whole)
	if name != whole || strings.Count(whole, "-blocks-") > 1 {
		sum := sha256.Sum256([]byte(stream + "\x00" + consumer))
		name += "-" + hex.EncodeToString(sum[:4])
	}
	return name
}

// unable is the error for a list that could not be read, or was certainly not written, for a reason that somebody has to mend.
type unable struct{ error }

func (e *unable) Unwrap() error { return e.error }

func isUnable(err error) bool {
	var u *unable
	return errors.As(err, &u)
}

// notes keep the list of blocks in NATS. All changes are made to the list that was read last, or not at all, so that sinks cannot contradict
// one another. It is safe for concurrent use.
type notes struct {
	js                       jetstream.JetStream
	stream, consumer, bucket string
	// create it where it is missing.
	create bool
	// tell is told what is wrong with keeping the list; nil where nothing is.
	tell func(error)
	// floor is up to where everything is known to be acknowledged.
	floor atomic.Uint64
	// unnoted: messages went by themselves that the list does not have.
	unnoted atomic.Bool

	mu     sync.Mutex // held while the list is changed
	kv     jetstream.KeyValue
	seen   uint64    // the latest revision that was read or written
	denied error     // why it could not be kept,
	had    *list     // as it was then,
	until  time.Time // and until when that is not tried again for what was not handed out before
}

// note gives messages their places in the list, and returns it. The error is that of ctx or of a connection that was closed, or wraps *unable: then the list, where it could be
// read, is as it was.
func (n *notes) note(ctx context.Context, messages []mark, together bool) (*list, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	again := slices.ContainsFunc(messages, func(m mark) bool { return m.again })
	if n.denied != nil && !again && time.Now().Before(n.until) {
		return n.had, n.denied
	}
	return n.change(ctx, true, func(l *list) bool {
		l.forget(n.floor.Load())
		return l.note(messages, together)
	})
}

// store notes that a block is stored. The errors are those of note.
func (n *notes) store(ctx context.Context, digest string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, err := n.change(ctx, false, func(l *list) bool { return l.store(digest) })
	return err
}

// split has the messages of a block go by themselves, unless something else became of it meanwhile, which the list says that it returns. The
// errors are those of note.
func (n *notes) split(ctx context.Context, digest string) (l *list, did bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l, err = n.change(ctx, false, func(l *list) bool {
		now := l.split(digest)
		did = did || now // whose answer may have been lost
		return now
	})
	return l, did, err
}

// change reads the list, has f change it, and writes it where f says that it did. It goes on until the list is known to have been written by
// it, or known to say what f wants already: a request without an answer may be carried out late, but only to the list that it was made for.
func (n *notes) change(ctx context.Context, noting bool, f func(*list) bool) (*list, error) {
	unanswered := false
	for attempt := 0; ; {
		covering := noting && n.unnoted.Swap(false)
		l, wrote, err := n.attempt(ctx, noting, covering, f)
		if covering && err != nil {
			n.unnoted.Store(true)
		}
		switch {
		case err == nil:
			n.denied = nil
			n.tell(nil)
			return l, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, nats.ErrConnectionClosed):
			return nil, err
		case errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, errBehind):
			if attempt++; attempt > 5 {
				if errors.Is(err, errBehind) {
					n.tell(err)
				}
				if !pause(ctx, 0) {
					return nil, ctx.Err()
				}
			}
			continue
		}
		n.kv = nil // it is looked for again: it may be gone
		n.tell(err)
		if isUnable(err) && !unanswered {
			n.denied, n.had, n.until = err, l, time.Now().Add(deniedFor)
			return l, err
		}
		unanswered = unanswered || wrote && !isUnable(err)
		if !pause(ctx, attempt) {
			return nil, ctx.Err()
		}
		attempt++
	}
}

// attempt is one of change; wrote reports that it asked for the list to be written.
func (n *notes) attempt(ctx context.Context, noting, covering bool, f func(*list) bool) (l *list, wrote bool, err error) {
	var stream *jetstream.StreamInfo
	if noting {
		// After the messages were read: they are of this stream, or of one that is no more.
		if stream, err = n.info(ctx); err != nil {
			return nil, false, err
		}
	}
	if absent, err := n.open(ctx, stream); !noting && errors.Is(err, jetstream.ErrBucketNotFound) {
		return &list{}, false, nil // somebody deleted it
	} else if err != nil {
		if absent {
			return &list{absent: true}, false, err
		}
		return nil, false, err
	}
	var entry jetstream.KeyValueEntry
	err = n.ask(ctx, "reading the list of blocks in the bucket "+n.bucket, func(ctx context.Context) (err error) {
		entry, err = n.kv.Get(ctx, listKey)
		return err
	}, "GET.KV_"+n.bucket)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		err = nil
	}
	if err != nil {
		return nil, false, err
	}
	before, revision := &list{}, uint64(0)
	if entry != nil {
		if before, err = decodeList(entry.Value()); err != nil {
			return nil, false, &unable{fmt.Errorf("the bucket %s: %w", n.bucket, err)}
		}
		if revision = entry.Revision(); revision < n.seen {
			return nil, false, cmp.Or(n.behind(ctx), errBehind)
		}
		n.seen = revision
	}
	after := *before
	changed := false
	if noting {
		made := stream.Created.UnixNano()
		if before.Made > made { // another sink knows of a later one, or clocks went back
			if now, err := n.info(ctx); err != nil || now.Created.UnixNano() != made {
				return nil, false, cmp.Or(err, fmt.Errorf("stream %s is being made anew", n.stream))
			}
		}
		if entry == nil || before.Made != made {
			from, err := n.delivered(ctx)
			if err != nil {
				return nil, false, err
			}
			after = list{Made: made}
			n.floor.Store(0) // it was another stream's
			if from > 0 {    // sinks that kept no list may have sent them
				after.Singly = spans{{1, from}}
			}
			changed = true
		}
		if last := stream.State.LastSeq; covering && last > 0 { // what is in a block is looked for there first
			after.Singly, changed = after.Singly.with(1, last), true
		}
	} else if entry == nil {
		return before, false, nil // the same
	}
	if f(&after) {
		changed = true
	}
	if !changed {
		return &after, false, nil
	}
	text := after.encode()
	if len(text) > maxListBytes {
		return before, false, &unable{fmt.Errorf("the list of blocks in the bucket %s is full", n.bucket)}
	}
	err = n.ask(ctx, "writing the list of blocks in the bucket "+n.bucket, func(ctx context.Context) (err error) {
		if entry == nil {
			revision, err = n.kv.Create(ctx, listKey, text)
		} else {
			revision, err = n.kv.Update(ctx, listKey, text, revision)
		}
		return err
	}, "$KV."+n.bucket+".")
	if err != nil {
		return before, true, err
	}
	n.seen = revision
	return &after, true, nil
}

// errBehind says that a server answered which does not have all of the bucket yet: each of its servers may answer a read. What it says of a
// block that was noted later is not true.
var errBehind = errors.New("the list of blocks that was read is older than one that was read before")

// behind finds out why an older list was read than one before: where the bucket itself has no later one, it was made anew, or put back to what it
// was, and goes on from there.
func (n *notes) behind(ctx context.Context) error {
	return n.ask(ctx, "looking at the bucket "+n.bucket, func(ctx context.Context) error {
		status, err := n.kv.Status(ctx)
		if b, ok := status.(*jetstream.KeyValueBucketStatus); err == nil && ok && b.StreamInfo().State.LastSeq < n.seen {
			n.seen = 0
		}
		return err
	}, "STREAM.INFO.KV_"+n.bucket)
}

// open finds the bucket, and makes it as stream is where it is missing, unless that is nil; absent reports that it is missing and cannot be made.
func (n *notes) open(ctx context.Context, stream *jetstream.StreamInfo) (absent bool, err error) {
	if n.kv != nil {
		return false, nil
	}
	if err = n.find(ctx); stream == nil || !errors.Is(err, jetstream.ErrBucketNotFound) {
		return false, err
	}
	if !n.create {
		return true, &unable{err}
	}
	err = n.ask(ctx, "making the bucket "+n.bucket, func(ctx context.Context) error {
		kv, err := n.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: n.bucket, Description: "Flowfleet: blocks that sinks store",
			History: 1, MaxBytes: bucketBytes, Storage: jetstream.FileStorage, Replicas: max(stream.Config.Replicas, 1)})
		if err == nil {
			n.kv = kv
		}
		return err
	}, "CREATE.KV_"+n.bucket, `API.INFO"`)
	return isUnable(err), err
}

// find looks for the bucket. The error wraps jetstream.ErrBucketNotFound where there is none.
func (n *notes) find(ctx context.Context) error {
	return n.ask(ctx, "looking for the bucket "+n.bucket, func(ctx context.Context) error {
		kv, err := n.js.KeyValue(ctx, n.bucket)
		if err == nil {
			n.kv = kv
		}
		return err
	}, "STREAM.INFO.KV_"+n.bucket)
}

// info is of the stream.
func (n *notes) info(ctx context.Context) (info *jetstream.StreamInfo, err error) {
	err = n.ask(ctx, "asking stream "+n.stream, func(ctx context.Context) error {
		stream, err := n.js.Stream(ctx, n.stream)
		if err == nil {
			info = stream.CachedInfo()
		}
		return err
	}, "STREAM.INFO."+n.stream+`"`)
	return info, err
}

// look is find, beside changes of the list.
func (n *notes) look(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.find(ctx)
}

// delivered is up to which message the consumer has handed some out.
func (n *notes) delivered(ctx context.Context) (last uint64, err error) {
	err = n.ask(ctx, "asking consumer "+n.consumer, func(ctx context.Context) error {
		c, err := n.js.Consumer(ctx, n.stream, n.consumer)
		if err == nil {
			last = c.CachedInfo().Delivered.Stream
		}
		return err
	}, "CONSUMER.INFO."+n.stream)
	return last, err
}

// ask makes a request. The error wraps *unable where the server says that it may not be made, on a subject that has one of the words about in
// it (a quote ends the subject), or where JetStream answered that it did not do it.
func (n *notes) ask(ctx context.Context, doing string, request func(context.Context) error, about ...string) error {
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	nc := n.js.Conn()
	before := nc.LastError()
	var denied atomic.Pointer[error]
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(deniedPoll)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				err := nc.LastError()
				if err == before { //nolint:errorlint // is it another one?
					continue
				}
				if subject := connect.RefusedSubject(err); slices.ContainsFunc(about, func(word string) bool { return strings.Contains(subject+`"`, word) }) {
					denied.Store(&err)
					cancel()
					return
				}
			}
		}
	}()
	err := request(ctx)
	close(done)
	<-ended
	var api *jetstream.APIError
	switch why := denied.Load(); {
	case err == nil || errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrBucketNotFound) ||
		errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.Is(err, jetstream.ErrKeyExists):
		return err
	case why != nil:
		return &unable{fmt.Errorf("%s: %w", doing, *why)}
	case errors.Is(err, nats.ErrMaxPayload), errors.As(err, &api) && api.Code < 500 && !errors.Is(err, jetstream.ErrStreamNotFound),
		capacity.Full(err) || capacity.Exceeded(err):
		return &unable{fmt.Errorf("%s: %w", doing, err)}
	}
	return fmt.Errorf("%s: %w", doing, err)
}
