package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func open(t *testing.T, dir string, maxBytes int64) *Spool {
	t.Helper()
	s, err := Open(dir, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func entry(n, size int) *Entry {
	return &Entry{Subject: "flows.ipfix", ID: fmt.Sprintf("id-%d", n), Encoding: "json-lines", Records: n%7 + 1,
		Payload: bytes.Repeat([]byte{byte(n)}, size)}
}

func fill(t *testing.T, s *Spool, first, n, size int) (records int) {
	t.Helper()
	for i := range n {
		e := entry(first+i, size)
		if err := s.Append(e); err != nil {
			t.Fatal(err)
		}
		records += e.Records
	}
	return records
}

// drain reads and ends everything and returns the ids and how many records were lost.
func drain(t *testing.T, s *Spool) (ids []string, lost int) {
	t.Helper()
	for {
		e, more, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		lost += more.Records
		if e == nil {
			return ids, lost
		}
		if b := e.Payload; len(b) > 0 && (fmt.Sprintf("id-%d", b[0]) != e.ID || bytes.Count(b, b[:1]) != len(b)) {
			t.Fatalf("%s has the payload of %d", e.ID, b[0])
		}
		ids = append(ids, e.ID)
		if err := s.Done(e); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(first, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("id-%d", first+i))
	}
	return out
}

func TestEntriesComeBackOldestFirstAfterTheProcessIsGone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 64<<20)
	want := fill(t, s, 0, 200, 50_000) // several segments
	if s.Waiting() != want {
		t.Errorf("%d records wait, want %d", s.Waiting(), want)
	}
	// Three are done, a fourth was sent, when the process dies: nothing is closed, only the lock goes.
	for i := range 4 {
		e, _, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			err = s.Done(e)
			want -= e.Records
		} else {
			err = s.Sent(e, time.Unix(1_700_000_000, 5), 42)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = s.lock.Close()

	s = open(t, dir, 64<<20)
	if s.Waiting() != want || s.Discarded() != 0 {
		t.Errorf("%d records wait, want %d; %d bytes discarded", s.Waiting(), want, s.Discarded())
	}
	first, _, err := s.Next()
	if err != nil || first.ID != "id-3" || first.Subject != "flows.ipfix" || first.Encoding != "json-lines" ||
		!first.Sent.Equal(time.Unix(1_700_000_000, 5)) || first.SentAfter != 42 {
		t.Errorf("the first is %+v, %v", first, err)
	}
	if err := s.Done(first); err != nil {
		t.Fatal(err)
	}
	if got, lost := drain(t, s); !slices.Equal(got, ids(4, 196)) || lost != 0 {
		t.Errorf("got %d entries, %d records lost", len(got), lost)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix)); len(files) != 0 || s.Bytes() != 0 || s.Waiting() != 0 {
		t.Errorf("%v are left, %d bytes, %d records", files, s.Bytes(), s.Waiting())
	}
}

func TestATornEndCostsTheLastEntryOnly(t *testing.T) {
	for _, cut := range []int64{1, 20, headerLength, 900, 1000 + headerLength} {
		dir := t.TempDir()
		s := open(t, dir, 64<<20)
		fill(t, s, 0, 10, 1000)
		path, size := filepath.Join(dir, s.writing.name), s.writing.size
		_ = s.lock.Close()
		if err := os.Truncate(path, size-cut); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, 64<<20)
		if s.Discarded() == 0 {
			t.Errorf("cut by %d: nothing was discarded", cut)
		}
		fill(t, s, 10, 1, 1000) // goes on behind the whole ones
		if got, lost := drain(t, s); !slices.Equal(got, append(ids(0, 9), "id-10")) || lost != 0 {
			t.Errorf("cut by %d: got %v, %d records lost", cut, got, lost)
		}
	}
}

func TestDamageCostsTheEntriesItHitsAndIsCounted(t *testing.T) {
	for name, offset := range map[string]int64{"in a header": 9, "in a body": headerLength + 100} {
		for _, restarted := range []bool{false, true} {
			dir := t.TempDir()
			s := open(t, dir, 64<<20)
			want := fill(t, s, 0, 10, 1000)
			at := s.writing.size/10*4 + offset
			if _, err := s.writing.file.WriteAt([]byte{0xff}, at); err != nil {
				t.Fatal(err)
			}
			if restarted {
				_ = s.lock.Close()
				s = open(t, dir, 64<<20)
				want = s.Waiting()
			}
			sum := 0
			got, lost := drain(t, s)
			for _, id := range got {
				var n int
				_, _ = fmt.Sscanf(id, "id-%d", &n)
				sum += n%7 + 1
			}
			if !slices.Equal(got, append(ids(0, 4), ids(5, 5)...)) {
				t.Errorf("%s, restarted %t: got %v", name, restarted, got)
			}
			if sum+lost != want {
				t.Errorf("%s, restarted %t: %d records read, %d lost, %d were there", name, restarted, sum, lost, want)
			}
			if restarted && offset < headerLength && s.Discarded() == 0 {
				t.Errorf("%s: nothing was discarded", name)
			}
		}
	}
}

func TestTheBoundHoldsAndTheOldestSegmentMakesRoom(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 8<<20)
	appended, dropped := 0, 0
	for i := range 500 {
		e := entry(i%256, 50_000)
		err := s.Append(e)
		for errors.Is(err, ErrFull) {
			n, ok, dropErr := s.DropOldest()
			if !ok || dropErr != nil {
				t.Fatal(ok, dropErr)
			}
			dropped += n.Records
			err = s.Append(e)
		}
		if err != nil {
			t.Fatal(err)
		}
		appended += e.Records
		var onDisk int64
		files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
		for _, file := range files {
			if info, err := os.Stat(file); err == nil {
				onDisk += info.Size()
			}
		}
		if onDisk > 8<<20 || onDisk != s.Bytes() {
			t.Fatalf("%d bytes on disk, %d in the books", onDisk, s.Bytes())
		}
	}
	if dropped == 0 || s.Waiting() != appended-dropped {
		t.Errorf("%d records appended, %d dropped, %d wait", appended, dropped, s.Waiting())
	}
}

func TestWhatWasTakenOutlivesItsSegment(t *testing.T) {
	s := open(t, t.TempDir(), 64<<20)
	want := fill(t, s, 0, 3, 100)
	e, _, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	n, ok, err := s.DropOldest()
	if err != nil || !ok || n != (Loss{want - e.Records, 0}) {
		t.Errorf("%v records dropped of %d, %v", n, want, err)
	}
	if err := errors.Join(s.Sent(e, time.Now(), 1), s.Done(e)); err != nil {
		t.Error(err)
	}
	fill(t, s, 3, 1, 100)
	if got, _ := drain(t, s); !slices.Equal(got, ids(3, 1)) {
		t.Errorf("got %v", got)
	}
}

// Whoever an entry was sent to before it was written may have it: that is told of what is lost.
func TestALossSaysWhatWasSentBefore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for i := range 6 {
		e := entry(i, 100)
		e.Records = 1 << i
		if i%2 == 1 {
			e.Sent, e.SentAfter = time.Now(), 9
		}
		records += e.Records
		if err := s.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil { // the next process knows it too
		t.Fatal(err)
	}
	s = open(t, dir, 64<<20)
	for range 2 {
		e, _, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		records -= e.Records
	}
	if lost, _, err := s.DropOldest(); err != nil || lost != (Loss{records, 1<<3 + 1<<5}) {
		t.Errorf("lost are %+v of %d, %v", lost, records, err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, 64<<20)
	if _, err := Open(dir, 64<<20); err == nil {
		t.Error("it was opened twice")
	}
}

func TestReadingAndWritingTakeTurns(t *testing.T) {
	s := open(t, t.TempDir(), 64<<20)
	var got []string
	for i := range 250 {
		fill(t, s, i, 1, 30_000)
		if i%3 == 2 {
			e, _, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.ID)
			if err := s.Done(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	rest, _ := drain(t, s)
	if got = append(got, rest...); !slices.Equal(got, ids(0, 250)) {
		t.Errorf("got %v", got)
	}
}

// FuzzOpen gives a spool a segment of any content: it opens, reads what is whole, and can be written to.
func FuzzOpen(f *testing.F) {
	whole := entry(2, 100).append(entry(1, 10).append(nil))
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(append([]byte("FFS1 nonsense"), whole...))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(3)), content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		waiting, read := s.Waiting(), 0
		if err := s.Append(&Entry{ID: "last", Records: 1}); err != nil {
			t.Fatal(err)
		}
		last := ""
		for {
			e, lost, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			read += lost.Records
			if e == nil {
				break
			}
			read += e.Records
			last = e.ID
			if err := s.Done(e); err != nil {
				t.Fatal(err)
			}
		}
		if read != waiting+1 || last != "last" || s.Waiting() != 0 {
			t.Errorf("%d records read of %d, the last %q", read, waiting+1, last)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s, err := Open(b.TempDir(), 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	e := entry(1, 64<<10)
	b.SetBytes(64 << 10)
	for b.Loop() {
		for errors.Is(s.Append(e), ErrFull) {
			if _, _, err := s.DropOldest(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
