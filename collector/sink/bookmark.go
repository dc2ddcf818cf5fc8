package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/connect"
	"github.com/flowfleet/flowfleet/collector/status"
)

// streamTime bounds the request that tells which stream a consumer is of: its user need not have the right to it.
const streamTime = 2 * time.Second

// remember notes how far the consumer has come, lest one that is made in its place hands out again what is stored: a destination knows a
// batch again for a while only. It needs the right to ask the stream; without, nothing is remembered.
func (s *Sink) remember(ctx context.Context, info *jetstream.ConsumerInfo) {
	s.mu.Lock()
	made, asked := s.streamMade, s.streamOf.Equal(info.Created)
	s.mu.Unlock()
	if !asked {
		made = s.askStream(ctx, info)
	}
	mark := (&status.Place{Stream: s.options.Stream, Consumer: s.options.Consumer, StreamMade: made, Subjects: connect.FilterOf(&info.Config),
		AckFloor: info.AckFloor.Stream}).Bookmark()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streamMade, s.streamOf = made, info.Created
	if asked && s.bookmark != nil && info.Delivered.Stream < s.bookmark.Acknowledged { // its stream came back empty, or it lost its last steps in a crash: then they come again at worst
		s.bookmark, s.anew = nil, true
	}
	if mark != nil && (s.bookmark == nil || !s.bookmark.SameBook(mark) || s.bookmark.Acknowledged < mark.Acknowledged) {
		s.bookmark = mark
	}
}

// askStream returns when the stream of a consumer was made; zero where nobody tells.
func (s *Sink) askStream(ctx context.Context, consumer *jetstream.ConsumerInfo) time.Time {
	ctx, cancel := context.WithTimeout(ctx, streamTime)
	defer cancel()
	stream, err := s.js.Stream(ctx, s.options.Stream)
	if err != nil {
		return time.Time{}
	}
	return madeOf(stream, consumer)
}

// madeOf is when a stream was made; zero where a consumer is older as far as clocks tell, and so of a former one.
func madeOf(stream jetstream.Stream, consumer *jetstream.ConsumerInfo) time.Time {
	made := stream.CachedInfo().Created
	if consumer.Created.Before(made) {
		return time.Time{}
	}
	return made
}

// begin returns the message with which a consumer that is missing is to begin: behind what is known to be acknowledged of this very stream,
// and 0, the oldest, where nothing is.
func (s *Sink) begin(ctx context.Context) (uint64, error) {
	marks, err := s.bookmarks()
	if err != nil {
		return 0, err
	}
	if len(marks) == 0 {
		return 0, nil
	}
	stream, err := s.js.Stream(ctx, s.options.Stream)
	if err != nil { // it told before: to begin anew would have what is stored come again
		return 0, fmt.Errorf("asking stream %s, to go on where the consumer was that is missing: %w", s.options.Stream, err)
	}
	info := stream.CachedInfo()
	if info.Config.Retention == jetstream.WorkQueuePolicy { // it has what is not acknowledged only, and takes no other consumer
		return 0, nil
	}
	acknowledged := uint64(0)
	for _, mark := range marks {
		if mark.StreamMade.Equal(info.Created) && mark.Acknowledged <= info.State.LastSeq {
			acknowledged = max(acknowledged, mark.Acknowledged)
		}
	}
	if acknowledged == 0 {
		return 0, nil
	}
	return acknowledged + 1, nil
}

// bookmarks of this consumer: what this sink remembers, and what the file has.
func (s *Sink) bookmarks() (marks []*status.Bookmark, err error) {
	s.mu.Lock()
	own, anew := s.bookmark, s.anew
	s.mu.Unlock()
	file, err := readBookmark(s.options.BookmarkFile)
	if err != nil {
		return nil, err
	}
	if anew {
		file = nil // it may be of the numbers that the stream gave before
	}
	for _, mark := range []*status.Bookmark{own, file} {
		if mark != nil && mark.Stream == s.options.Stream && mark.Consumer == s.options.Consumer && slices.Equal(mark.Subjects,
			slices.Sorted(slices.Values(s.options.FilterSubjects))) {
			marks = append(marks, mark)
		}
	}
	return marks, nil
}

// readBookmark returns what a file has; nil without one, and where it is no bookmark.
func readBookmark(path string) (*status.Bookmark, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the bookmark: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, status.MaxBookmarkBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the bookmark %s: %w", path, err)
	}
	mark, err := status.DecodeBookmark(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return mark, nil
}
