package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// BookmarkFile is the name of a bookmark as a file, and MaxBookmarkBytes bounds it.
const (
	BookmarkFile     = "bookmark.json"
	MaxBookmarkBytes = 16 << 10
)

// Bookmark is how far the sinks of a consumer had come in a stream: a consumer that is made in its place goes on from there.
type Bookmark struct {
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	// StreamMade tells the stream from one of the same name that was made anew.
	StreamMade time.Time `json:"streamMade"`
	// Subjects that the consumer delivered, in order; none for all.
	Subjects []string `json:"subjects,omitempty"`
	// Acknowledged is the last message of the stream up to which all of them are acknowledged.
	Acknowledged uint64 `json:"acknowledged"`
}

// Bookmark is what a place says of how far sinks have come; nil where that is nothing that another consumer could go by.
func (p *Place) Bookmark() *Bookmark {
	if p.StreamMade.IsZero() || p.AckFloor == 0 {
		return nil
	}
	return &Bookmark{Stream: p.Stream, Consumer: p.Consumer, StreamMade: p.StreamMade, Subjects: slices.Sorted(slices.Values(p.Subjects)),
		Acknowledged: p.AckFloor}
}

// BegunAnew reports whether the stream of a place has not even taken what a bookmark of the same one says is acknowledged: it came back empty, as old as
// before, and gives its numbers again. The bookmark says nothing of these.
func (p *Place) BegunAnew(b *Bookmark) bool {
	return p.Stream == b.Stream && p.Consumer == b.Consumer && p.StreamMade.Equal(b.StreamMade) && p.Last < b.Acknowledged
}

// SameBook reports whether two bookmarks are of one consumer, of one stream, with the same subjects.
func (b *Bookmark) SameBook(other *Bookmark) bool {
	return b.Stream == other.Stream && b.Consumer == other.Consumer && b.StreamMade.Equal(other.StreamMade) && slices.Equal(b.Subjects, other.Subjects)
}

// Encode writes a bookmark.
func (b *Bookmark) Encode() ([]byte, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("writing a bookmark: %w", err)
	}
	return text, nil
}

// DecodeBookmark reads what Encode wrote, of at most MaxBookmarkBytes.
func DecodeBookmark(text []byte) (*Bookmark, error) {
	b := &Bookmark{}
	if len(text) > MaxBookmarkBytes {
		return nil, fmt.Errorf("reading a bookmark: it is longer than %d KiB", MaxBookmarkBytes>>10)
	}
	if json.Unmarshal(text, b) != nil || b.Stream == "" || b.StreamMade.IsZero() {
		return nil, errors.New("reading a bookmark: it is none") // not what else it is
	}
	return b, nil
}
