package sink

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// waitForList is after how long messages come again that wait for what the list of blocks does not say; Options.PutOff where that is less.
const waitForList = 3 * lookInterval

func (s *Sink) noted() *notes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notes
}

// prepareBlocks begins to keep the list of blocks where the sink is to make some, or finds that others did, and looks whether blocks can be put
// together again. An error says that it is not known yet whether there is a list.
func (s *Sink) prepareBlocks(ctx context.Context, info *jetstream.ConsumerInfo) error {
	n := s.noted()
	if n == nil && !s.isUnlisted() {
		n = &notes{js: s.js, stream: s.options.Stream, consumer: s.options.Consumer, bucket: BlocksBucket(s.options.Stream, s.options.Consumer),
			create: s.options.Blocks != nil, tell: func(err error) {
				s.note(func(state *State) { state.Noting = said(err) })
				if err != nil {
					s.failed("the list of blocks cannot be kept", err)
				}
			}}
		if s.options.Blocks == nil {
			switch err := n.find(ctx); {
			case isUnable(err): // nor may others who have this user
				s.note(func(*State) { s.unlisted = true })
				return nil
			case errors.Is(err, jetstream.ErrBucketNotFound):
				return nil
			case err != nil:
				return err
			}
			s.log.Info("sinks of this consumer have made blocks; each message is looked for in their list until somebody deletes it", "bucket", n.bucket)
		}
		s.note(func(*State) { s.notes = n })
		// Before anything is read: what was handed out before there was a list goes by itself.
		if _, err := n.note(ctx, nil, false); err != nil && !isUnable(err) {
			return err
		}
	}
	if n == nil {
		return nil
	}
	if !n.create && errors.Is(n.look(ctx), jetstream.ErrBucketNotFound) { // somebody deleted it
		s.note(func(state *State) { s.notes, state.Noting, state.Fetching = nil, "", "" })
		return nil
	}
	n.floor.Store(info.AckFloor.Stream)
	_, err := s.fetch(ctx, n, max(info.AckFloor.Stream, 1))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = nil
	}
	s.note(func(state *State) { s.fetching, state.Fetching = err == nil, said(err) })
	return nil
}

func (s *Sink) isUnlisted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unlisted
}

// together reports whether blocks are to be made, and could be put together again.
func (s *Sink) together() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.options.Blocks != nil && s.fetching
}

// fetch asks the stream for a message by its number. The stream itself answers, through its leader: of those that may answer a direct read, such as
// a mirror, each may lack a message that the stream has.
func (s *Sink) fetch(ctx context.Context, n *notes, sequence uint64) (m *jetstream.RawStreamMsg, err error) {
	stream := s.options.Stream
	err = n.ask(ctx, fmt.Sprintf("getting message %d of stream %s", sequence, stream), func(ctx context.Context) error {
		reply, err := s.js.Conn().RequestWithContext(ctx, apiPrefix(s.js)+"STREAM.MSG.GET."+stream, fmt.Appendf(nil, `{"seq":%d}`, sequence))
		if err != nil {
			return err
		}
		var answer struct { // nats-server, JSApiMsgGetResponse
			Error   *jetstream.APIError `json:"error"`
			Message *struct {
				Data []byte    `json:"data"`
				Time time.Time `json:"time"`
			} `json:"message"`
		}
		switch err = json.Unmarshal(reply.Data, &answer); {
		case err != nil:
			return err
		case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
			return jetstream.ErrMsgNotFound
		case answer.Error != nil:
			return answer.Error
		case answer.Message == nil:
			return jetstream.ErrInvalidJetStreamResponse
		}
		m = &jetstream.RawStreamMsg{Sequence: sequence, Data: answer.Message.Data, Time: answer.Message.Time}
		return nil
	}, "MSG.GET."+stream)
	return m, err
}

// apiPrefix is what subjects of requests to a JetStream begin with.
func apiPrefix(js jetstream.JetStream) string {
	switch o := js.Options(); {
	case o.APIPrefix != "":
		return strings.TrimSuffix(o.APIPrefix, ".") + "."
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	}
	return jetstream.DefaultAPIPrefix
}

// gathered are messages that a worker has in hand.
type gathered struct {
	k *keeper
	// flows may be stored together; others are stored by themselves.
	flows, others []*held
}

// gather reads what comes within the time and the bytes of a block; nil where nothing came for a while. One worker gathers at a time: two would
// share the messages of the same moment.
func (s *Sink) gather(ctx context.Context) (*gathered, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.gathering:
	}
	defer func() { s.gathering <- struct{}{} }()
	first, err := s.next(ctx)
	if first == nil {
		return nil, err
	}
	g := &gathered{k: s.newKeeper()}
	bytes := g.add(s.take(ctx, first))
	consumer, err := s.ensureConsumer(ctx)
	if err != nil || !s.together() || bytes >= s.options.Blocks.MaxBytes {
		return g, nil // the next request says what is wrong
	}
	config := &consumer.CachedInfo().Config
	messages, size := room(config, maxBlockMessages-1, s.options.Blocks.MaxBytes-bytes)
	// The server ends it: what it sent until then is here, also where ctx ends.
	batch, err := consumer.Fetch(messages, jetstream.FetchMaxBytes(size), jetstream.FetchMaxWait(stands(config, s.options.Blocks.MaxAge)))
	if err != nil {
		return g, nil
	}
	for m := range batch.Messages() {
		g.add(s.take(ctx, m))
	}
	return g, nil
}

// room is how much of it a consumer lets one ask for at a time: what asks for more gets nothing.
func room(c *jetstream.ConsumerConfig, messages, bytes int) (int, int) {
	if most := c.MaxRequestBatch; most > 0 {
		messages = min(messages, most)
	}
	if most := c.MaxRequestMaxBytes; most > 0 {
		bytes = min(bytes, most)
	}
	return messages, bytes
}

// stands is how much of a time a consumer lets a request stand: one that is to stand for longer gets nothing.
func stands(c *jetstream.ConsumerConfig, wait time.Duration) time.Duration {
	if most := c.MaxRequestExpires; most > 0 {
		return min(wait, most)
	}
	return wait
}

// add keeps a message, unless it is nil, and returns its bytes.
func (g *gathered) add(m *held) int {
	switch {
	case m == nil:
		return 0
	case m.refused != nil || ofLedger(m):
		g.others = append(g.others, m)
	default:
		g.flows = append(g.flows, m)
	}
	g.k.keep(m)
	return len(m.Data())
}

// handleGathered sees messages through.
func (s *Sink) handleGathered(ctx context.Context, n *notes, g *gathered) {
	k, flows := g.k, g.flows
	defer k.stop()
	for _, m := range g.others {
		s.storeOne(ctx, m, k)
	}
	if len(flows) == 0 {
		return
	}
	slices.SortFunc(flows, func(a, b *held) int { return cmp.Compare(a.meta.Sequence.Stream, b.meta.Sequence.Stream) })
	marks := make([]mark, len(flows))
	for i, m := range flows {
		marks[i] = m.mark()
	}
	l, err := n.note(ctx, marks, s.together())
	if err != nil && !isUnable(err) { // nobody knows what may be sent
		s.giveBack(k, 0, flows...)
		return
	}
	blocks := make(map[string][]*held)
	var stored, singly []*held
	for _, m := range flows {
		where, b := fateNone, (*block)(nil)
		if l != nil {
			where, b = l.find(m.mark())
		}
		switch {
		case where == fateStored:
			stored = append(stored, m)
		case where == fateNoted && err == nil:
			blocks[b.Digest] = append(blocks[b.Digest], m)
		case where == fateSingly:
			singly = append(singly, m)
		case where == fateNone && (!m.mark().again || l != nil && l.absent):
			n.unnoted.Store(true)
			singly = append(singly, m)
		default: // it may be in a block that was sent
			s.giveBack(k, s.later(), m)
		}
	}
	s.finishStored(ctx, k, false, stored)
	for _, m := range singly {
		s.storeOne(ctx, m, k)
	}
	if l == nil {
		return
	}
	for _, b := range l.Noted {
		if mine := blocks[b.Digest]; mine != nil {
			s.storeBlock(ctx, n, &b, mine, k)
		}
	}
}

// storeBlock stores a block of which some messages are in hand, and acknowledges those.
func (s *Sink) storeBlock(ctx context.Context, n *notes, b *block, mine []*held, k *keeper) {
	payload, whole, ok := s.assemble(ctx, n, b, mine, k)
	if !ok {
		return
	}
	unanswered, err := s.try(ctx, Batch{Payload: payload, Token: fmt.Sprintf("%s/block/%s", s.options.Stream, b.Digest)},
		"a block cannot be stored; it waits, trying again")
	if refusal(err) != nil {
		unsure := Count{}
		if unanswered { // an earlier attempt may have been taken
			unsure = whole
		}
		s.splitBlock(ctx, n, b, mine, k, unsure)
		return
	}
	if err != nil {
		s.giveBack(k, 0, mine...)
		return
	}
	if err := insist(ctx, func(ctx context.Context) error { return n.store(ctx, b.Digest) }); err != nil {
		s.giveBack(k, s.after(err), mine...) // it is noted still, and is sent again as it is
		return
	}
	s.book.change(func(b *Books) { b.Blocks++ })
	s.finishStored(ctx, k, unanswered, mine)
}

// finishStored is finish for messages of blocks that are stored. They wait together for what the server says, lest a sink that is to end, or that has
// others in hand, waits for each of hundreds in turn.
func (s *Sink) finishStored(ctx context.Context, k *keeper, unanswered bool, messages []*held) {
	var all sync.WaitGroup
	for _, m := range messages {
		k.release(m)
		all.Go(func() {
			s.finish(ctx, m, func(b *Books) {
				b.Stored.add(m.records)
				b.InBlocks.add(m.records)
				if unanswered {
					b.Unanswered.add(m.records)
				}
			})
		})
	}
	all.Wait()
}

// splitBlock has the messages of a block go by themselves; unsure are those that may be stored in it. Where another sink has stored it meanwhile,
// they are stored: what that one acknowledged may have left the stream, so that the block cannot be put together any more.
func (s *Sink) splitBlock(ctx context.Context, n *notes, b *block, mine []*held, k *keeper, unsure Count) {
	var l *list
	did := false
	if err := insist(ctx, func(ctx context.Context) (err error) { l, did, err = n.split(ctx, b.Digest); return err }); err != nil {
		s.giveBack(k, s.after(err), mine...)
		return
	}
	if did && unsure.Messages > 0 {
		s.failed("a block cannot be sent again as it was; its messages go by themselves, and may be stored twice",
			fmt.Errorf("of its %d messages %d are unsure", b.At.count(), unsure.Messages))
		s.book.change(func(b *Books) {
			b.Unsure.Messages += unsure.Messages
			b.Unsure.Records += unsure.Records
		})
	}
	var stored, singly []*held
	for _, m := range mine {
		if where, _ := l.find(m.mark()); where == fateStored {
			stored = append(stored, m)
		} else {
			singly = append(singly, m)
		}
	}
	s.finishStored(ctx, k, false, stored)
	for _, m := range singly {
		s.storeOne(ctx, m, k)
	}
}

// assemble puts the batch of a block together, of the messages in hand and of the stream's others: the same bytes each time. It is false where
// the messages in hand have been dealt with otherwise. whole is what is in it.
func (s *Sink) assemble(ctx context.Context, n *notes, b *block, mine []*held, k *keeper) (payload []byte, whole Count, ok bool) {
	var marks []mark
	missing := 0
	var failure error
	b.At.all(func(sequence uint64) bool {
		if i := slices.IndexFunc(mine, func(m *held) bool { return m.mark().sequence == sequence }); i >= 0 {
			marks, payload = append(marks, mine[i].mark()), append(payload, mine[i].Data()...)
			whole.add(mine[i].records)
			return true
		}
		m, err := s.insistFetch(ctx, n, sequence)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			missing++
		case err != nil:
			failure = err
			return false
		default:
			marks, payload = append(marks, mark{sequence: sequence, time: m.Time.UnixNano()}), append(payload, m.Data...)
			records, _ := count(m.Data) // what is malformed is in no block
			whole.add(records)
		}
		return true
	})
	switch {
	case failure != nil:
		s.giveBack(k, s.after(failure), mine...)
		return nil, whole, false
	case missing > 0 || digest(marks) != b.Digest:
		// Whoever made it may have stored it before it ended, and it cannot be sent again as it was.
		s.splitBlock(ctx, n, b, mine, k, whole)
		return nil, whole, false
	}
	return payload, whole, true
}

// insistFetch fetches a message as soon as that is possible. The error is that of ctx, wraps *unable, or says that there is none.
func (s *Sink) insistFetch(ctx context.Context, n *notes, sequence uint64) (*jetstream.RawStreamMsg, error) {
	for attempt := 0; ; attempt++ {
		m, err := s.fetch(ctx, n, sequence)
		if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) || isUnable(err) {
			return m, err
		}
		s.note(func(state *State) { state.Fetching = said(err) })
		if !pause(ctx, attempt) {
			return nil, ctx.Err()
		}
	}
}

// insist makes a change also where the sink ends: what is stored is noted to be.
func insist(ctx context.Context, change func(context.Context) error) error {
	err := change(ctx)
	if err == nil || ctx.Err() == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	return change(ctx)
}

// after is when messages come again: at once where the sink ends, and later where a right is missing.
func (s *Sink) after(err error) time.Duration {
	if isUnable(err) {
		return s.later()
	}
	return 0
}

func (s *Sink) later() time.Duration { return min(waitForList, s.options.PutOff) }
