package sink

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
)

// Bounds of the list of blocks.
const (
	listVersion  = 1
	maxListBytes = 256 << 10
	// maxNoted blocks are on their way at a time: of a consumer that a sink made, at most maxAckPending messages are.
	maxNoted = 256
	// maxBlockMessages are in one block.
	maxBlockMessages = 256
	digestBytes      = 16
	// maxUntil bounds the steps of a list.
	maxUntil = 32
)

// list says of messages of one stream what has been done with them, or will be. All sinks of a consumer keep the same one, so that a message
// that comes again is sent in the block that it was sent in before, or by itself where it was sent so.
//
// A message is in one place at most. It goes from none to Noted or Singly, and from Noted to Stored or Singly.
type list struct {
	Version int `json:"version"`
	// Made is when the stream was made, in nanoseconds of Unix time: one of the same name that is made anew has other messages.
	Made int64 `json:"made"`
	// Singly are messages that go by themselves, with tokens of their own.
	Singly spans `json:"singly"`
	// Stored are those of blocks that were stored; First and Until bound the times at which the stream took them.
	Stored spans  `json:"stored"`
	First  int64  `json:"first"`
	Until  []step `json:"until"`
	// Noted are blocks that may have been sent, and are not known to be stored.
	Noted []block `json:"noted"`
	// absent: no sink has ever kept it, so nothing was ever sent in blocks.
	absent bool
}

// step says that messages with the number From and larger ones, up to the next step, were taken by Time. A stream that lost its end gives numbers
// again: what it takes then is later than all that had these numbers, however late those are that were stored since with larger ones.
type step struct {
	From uint64 `json:"from"`
	Time int64  `json:"time"`
}

// until is the latest time of a stored message with this number.
func (l *list) until(sequence uint64) int64 {
	i := sort.Search(len(l.Until), func(i int) bool { return l.Until[i].From > sequence })
	if i == 0 {
		return math.MinInt64
	}
	return l.Until[i-1].Time
}

// reach notes the times of a block that is stored. Of many steps the first ones become one.
func (l *list) reach(b *block) {
	from := b.At[0][0]
	if l.until(from) >= b.Last {
		return
	}
	steps := make([]step, 0, len(l.Until)+1)
	for _, s := range l.Until {
		if s.From < from {
			steps = append(steps, s)
		}
	}
	steps = append(steps, step{from, b.Last})
	for _, s := range l.Until {
		if s.From >= from && s.Time > b.Last {
			steps = append(steps, s)
		}
	}
	if len(steps) > maxUntil {
		steps[1].From = steps[0].From
		steps = steps[1:]
	}
	l.Until = steps
}

// block is several messages that are sent as one batch.
type block struct {
	At spans `json:"at"`
	// Digest of sequences and times of its messages.
	Digest string `json:"digest"`
	// First and Last bound the times.
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// mark is a message by its place in the stream, and by when the stream took it.
type mark struct {
	sequence uint64
	time     int64
	// again: it has been handed out before.
	again bool
}

// fate is where a list has a message.
type fate int

const (
	fateNone fate = iota
	fateSingly
	fateNoted
	fateStored
)

// find says where a message is, and in which of the noted blocks. One with the number of another that is in a block, and with another time, is
// of a stream that was made anew: it goes by itself. So does one that is older than the stream, which is of a former one, or of a stream that
// this one mirrors: in a block it would stretch the times of what is stored over messages of the same numbers that are yet to come. Where it is in
// a block nevertheless, which a sink of an earlier version may have sent, it stays there.
func (l *list) find(m mark) (fate, *block) {
	for i := range l.Noted {
		if b := &l.Noted[i]; b.At.has(m.sequence) {
			if b.First <= m.time && m.time <= b.Last {
				return fateNoted, b
			}
			return fateSingly, nil
		}
	}
	switch {
	case m.time < l.Made:
		return fateSingly, nil
	case l.Stored.has(m.sequence):
		if l.First <= m.time && m.time <= l.until(m.sequence) {
			return fateStored, nil
		}
		return fateSingly, nil
	case l.Singly.has(m.sequence):
		return fateSingly, nil
	}
	return fateNone, nil
}

// note gives each message a place that has none, and reports whether there was one. They are a new block where they may be together and there
// is room. What has been handed out before goes by itself: a sink that keeps no list may have sent it.
func (l *list) note(messages []mark, together bool) (changed bool) {
	var fresh []mark
	var singly spans
	times := make(map[uint64]int)
	for _, m := range messages {
		times[m.sequence]++
	}
	for _, m := range messages {
		if where, _ := l.find(m); where != fateNone {
			continue
		}
		changed = true
		if m.again || times[m.sequence] > 1 {
			singly = singly.with(m.sequence, m.sequence)
		} else {
			fresh = append(fresh, m)
		}
	}
	l.Singly = l.Singly.and(singly)
	if together && len(fresh) > 1 && len(fresh) <= maxBlockMessages && len(l.Noted) < maxNoted {
		b := newBlock(fresh)
		before := l.Noted
		if l.Noted = append(slices.Clip(before), b); len(l.encode()) <= maxListBytes {
			return true
		}
		l.Noted = before
	}
	singly = nil
	for _, m := range fresh {
		singly = singly.with(m.sequence, m.sequence)
	}
	l.Singly = l.Singly.and(singly)
	return changed
}

func newBlock(messages []mark) block {
	b := block{Digest: digest(messages), First: math.MaxInt64, Last: math.MinInt64}
	for _, m := range messages {
		b.At = b.At.with(m.sequence, m.sequence)
		b.First, b.Last = min(b.First, m.time), max(b.Last, m.time)
	}
	return b
}

// digest of messages in the order of the stream.
func digest(messages []mark) string {
	h := sha256.New()
	for _, m := range slices.SortedFunc(slices.Values(messages), func(a, b mark) int { return cmp.Compare(a.sequence, b.sequence) }) {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], m.sequence)
		binary.BigEndian.PutUint64(b[8:], uint64(m.time))
		_, _ = h.Write(b[:]) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)[:digestBytes])
}

// store moves a noted block to what is stored, and reports whether it was noted.
func (l *list) store(digest string) bool {
	b, ok := l.take(digest)
	if !ok {
		return false
	}
	if len(l.Stored) == 0 {
		l.First, l.Until = b.First, nil
	}
	l.First = min(l.First, b.First)
	l.reach(&b)
	l.Stored = l.Stored.and(b.At)
	return true
}

// split has the messages of a noted block go by themselves, and reports whether it was noted.
func (l *list) split(digest string) bool {
	b, ok := l.take(digest)
	l.Singly = l.Singly.and(b.At)
	return ok
}

func (l *list) take(digest string) (block, bool) {
	i := slices.IndexFunc(l.Noted, func(b block) bool { return b.Digest == digest })
	if i < 0 {
		return block{}, false
	}
	b := l.Noted[i]
	l.Noted = slices.Delete(slices.Clone(l.Noted), i, i+1)
	return b, true
}

// forget drops what is known of messages up to floor, all of which are acknowledged, where the list is more than half full. Should they come
// again, they go by themselves.
func (l *list) forget(floor uint64) {
	if len(l.encode()) <= maxListBytes/2 && len(l.Noted) < maxNoted/2 {
		return
	}
	l.Noted = slices.DeleteFunc(slices.Clone(l.Noted), func(b block) bool { return b.At[len(b.At)-1][1] <= floor })
	for _, b := range l.Noted { // one that was begun stays whole
		floor = min(floor, b.At[0][0]-1)
	}
	if floor > 0 {
		l.Stored = l.Stored.after(floor)
		l.Singly = l.Singly.with(1, floor)
	}
}

func (l *list) encode() []byte {
	l.Version = listVersion
	text, err := json.Marshal(l)
	if err != nil { // of numbers and ASCII
		panic(err)
	}
	return text
}

// decodeList reads a list, which a server holds and others may write.
func decodeList(text []byte) (*list, error) {
	if len(text) > maxListBytes {
		return nil, fmt.Errorf("the list of blocks has %d bytes; %d is the most", len(text), maxListBytes)
	}
	var l list
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("reading the list of blocks: %w", err)
	}
	if l.Version != listVersion {
		return nil, fmt.Errorf("the list of blocks has version %d, and this sink knows %d: have all sinks use one image", l.Version, listVersion)
	}
	all := slices.Clone(l.Stored)
	for _, b := range l.Noted {
		if len(b.At) == 0 || b.At.count() > maxBlockMessages || b.First > b.Last || len(b.Digest) != 2*digestBytes {
			return nil, errors.New("the list of blocks has a block that no sink makes")
		}
		all = append(all, b.At...)
	}
	slices.SortFunc(all, func(a, b [2]uint64) int { return cmp.Compare(a[0], b[0]) })
	for i := 1; i < len(all); i++ {
		if all[i][0] <= all[i-1][1] {
			return nil, errors.New("the list of blocks has a message in two of them")
		}
	}
	for i := 1; i < len(l.Until); i++ {
		if l.Until[i].From <= l.Until[i-1].From || l.Until[i].Time <= l.Until[i-1].Time {
			return nil, errors.New("the list of blocks has times that do not ascend")
		}
	}
	if len(l.Until) > maxUntil {
		return nil, fmt.Errorf("the list of blocks has %d times; %d is the most", len(l.Until), maxUntil)
	}
	if len(l.Noted) > maxNoted {
		return nil, fmt.Errorf("the list of blocks has %d of them on their way; %d is the most", len(l.Noted), maxNoted)
	}
	return &l, nil
}

// spans are numbers of messages: from and to, ascending, with gaps between. A value is never changed.
type spans [][2]uint64

func (s spans) has(n uint64) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i][1] >= n })
	return i < len(s) && s[i][0] <= n
}

// with returns spans that have from to to, too.
func (s spans) with(from, to uint64) spans { return s.and(spans{{from, to}}) }

// and returns spans that have those of both.
func (s spans) and(other spans) spans {
	out := make(spans, 0, len(s)+len(other))
	for len(s) > 0 || len(other) > 0 {
		if len(s) == 0 || len(other) > 0 && other[0][0] < s[0][0] {
			s, other = other, s
		}
		next := s[0]
		s = s[1:]
		if last := len(out) - 1; last >= 0 && next[0]-1 <= out[last][1] {
			out[last][1] = max(out[last][1], next[1])
		} else {
			out = append(out, next)
		}
	}
	return out
}

// after returns those behind n.
func (s spans) after(n uint64) spans {
	var out spans
	for _, span := range s {
		if span[1] > n {
			out = append(out, [2]uint64{max(span[0], n+1), span[1]})
		}
	}
	return out
}

// count is how many numbers there are, math.MaxUint64 for all.
func (s spans) count() (n uint64) {
	for _, span := range s {
		n += span[1] - span[0] + 1
	}
	return n
}

// all calls f for each number, until it returns false.
func (s spans) all(f func(uint64) bool) {
	for _, span := range s {
		for n := span[0]; ; n++ {
			if !f(n) {
				return
			}
			if n == span[1] {
				break
			}
		}
	}
}

// MarshalJSON writes, for each span, how far it begins behind the end of the former one, and how many it has beside its first: numbers of
// messages that workers take in turn are short so.
func (s spans) MarshalJSON() ([]byte, error) {
	flat := make([]uint64, 0, 2*len(s))
	end := uint64(0)
	for _, span := range s {
		flat = append(flat, span[0]-end, span[1]-span[0])
		end = span[1]
	}
	return json.Marshal(flat)
}

// UnmarshalJSON reads what MarshalJSON writes, and nothing else.
func (s *spans) UnmarshalJSON(text []byte) error {
	var flat []uint64
	if err := json.Unmarshal(text, &flat); err != nil {
		return err
	}
	if len(flat)%2 != 0 {
		return errors.New("spans come in pairs")
	}
	*s = nil
	end := uint64(0)
	for i := 0; i < len(flat); i += 2 {
		from := end + flat[i]
		to := from + flat[i+1]
		if flat[i] == 0 || i > 0 && flat[i] == 1 || from < end || to < from || to == math.MaxUint64 {
			return errors.New("spans overlap, touch or go too far")
		}
		*s, end = append(*s, [2]uint64{from, to}), to
	}
	return nil
}
