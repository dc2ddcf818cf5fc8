package spool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// abandoned fills a spool with ten entries, reads the first four, ends one of them, and moves the directory away.
func abandoned(t *testing.T) (dir string, s *Spool, taken []*Entry, untaken int) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "spool")
	s = open(t, dir, 64<<20)
	untaken = fill(t, s, 0, 10, 100)
	for range 4 {
		e, _, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		untaken -= e.Records
		taken = append(taken, e)
	}
	if err := errors.Join(s.Sent(taken[1], time.Now(), 7), s.Done(taken[0]), s.Check()); err != nil {
		t.Fatal(err)
	}
	rename(t, dir, dir+".away")
	if err := s.Check(); !errors.Is(err, ErrMoved) {
		t.Errorf("moved away: %v", err)
	}
	s.Abandon()
	return dir, s, taken[1:], untaken
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func reopen(t *testing.T, s *Spool, taken ...*Entry) (*Spool, Change) {
	t.Helper()
	s, change, err := s.Reopen(taken)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, change
}

func TestADirectoryThatIsBackLosesAndRepeatsNothing(t *testing.T) {
	dir, s, taken, untaken := abandoned(t)
	rename(t, dir+".away", dir)
	s, change := reopen(t, s, taken...)
	waiting := untaken
	for _, e := range taken {
		waiting += e.Records
		if !e.OnDisk() {
			t.Errorf("%s is not on disk", e.ID)
		}
	}
	if change != (Change{}) || s.Waiting() != waiting {
		t.Errorf("the change is %+v, and %d records wait of %d", change, s.Waiting(), waiting)
	}
	if err := s.Done(taken[0]); err != nil { // before the rest is read
		t.Error(err)
	}
	if got, lost := drain(t, s); !slices.Equal(got, ids(4, 6)) || lost != 0 {
		t.Errorf("got %v, %d records lost", got, lost)
	}
	if err := errors.Join(s.Done(taken[1]), s.Done(taken[2])); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix)); len(files) != 0 || s.Bytes() != 0 || s.Waiting() != 0 {
		t.Errorf("%v are left, %d bytes, %d records", files, s.Bytes(), s.Waiting())
	}
}

func TestAnotherDirectoryLosesWhatTheFormerHeldUntilThatIsBack(t *testing.T) {
	dir, s, taken, untaken := abandoned(t)
	s, change := reopen(t, s, taken...)
	if change != (Change{Lost: Loss{Records: untaken}}) || s.Waiting() != 0 {
		t.Errorf("the change is %+v of %d records, and %d wait", change, untaken, s.Waiting())
	}
	if slices.ContainsFunc(taken, (*Entry).OnDisk) {
		t.Error("entries are still on disk")
	}
	added := fill(t, s, 10, 3, 100)
	rename(t, dir, dir+".other")
	s.Abandon()
	rename(t, dir+".away", dir)
	found := untaken
	for _, e := range taken { // nobody knows any more that they were taken
		found += e.Records
	}
	s, change = reopen(t, s)
	if change != (Change{Lost: Loss{Records: added}, Found: found}) {
		t.Errorf("the change is %+v, want %d lost and %d found", change, added, found)
	}
	if e, _, err := s.Next(); err != nil || e.ID != "id-1" || e.SentAfter != 7 {
		t.Errorf("the first is %+v, %v", e, err)
	}
	if got, lost := drain(t, s); !slices.Equal(got, ids(2, 8)) || lost != 0 {
		t.Errorf("got %v, %d records lost", got, lost)
	}
}

func TestWhatADirectoryLacksWhenItIsBackIsTold(t *testing.T) {
	dir, s, taken, untaken := abandoned(t)
	rename(t, dir+".away", dir)
	path := filepath.Join(dir, segmentName(0))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-1); err != nil { // the last entry
		t.Fatal(err)
	}
	lost := entry(9, 0).Records
	s, change := reopen(t, s, taken...)
	if change != (Change{Lost: Loss{Records: lost}}) {
		t.Errorf("the change is %+v of %d records, want %d lost", change, untaken, lost)
	}
	if got, lost := drain(t, s); !slices.Equal(got, ids(4, 5)) || lost != 0 {
		t.Errorf("got %v, %d records lost", got, lost)
	}
}

// Whoever has the directory open is the one that uses it: a file of that name in another one is not touched.
func TestADirectoryThatWasMovedIsReadUntilItIsAbandoned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, dir, 64<<20)
	fill(t, s, 0, 100, 100_000) // several segments, most of them closed
	if err := s.closeIdle(); err != nil {
		t.Fatal(err)
	}
	rename(t, dir, dir+".away")
	other := open(t, dir, 64<<20)
	want := fill(t, other, 0, 3, 10)
	if got, lost := drain(t, s); !slices.Equal(got, ids(0, 100)) || lost != 0 {
		t.Errorf("got %d entries, %d records lost", len(got), lost)
	}
	if other.Waiting() != want {
		t.Errorf("%d records wait in the other, want %d", other.Waiting(), want)
	}
	if got, lost := drain(t, other); !slices.Equal(got, ids(0, 3)) || lost != 0 {
		t.Errorf("got %v, %d records lost", got, lost)
	}
}

func TestADirectoryThatIsRemovedIsMovedToo(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 64<<20)
	if err := os.Remove(filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); !errors.Is(err, ErrMoved) {
		t.Errorf("the error is %v", err)
	}
}

func TestTheIdentityIsTheDirectorysAndComesWithTheFirstUse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, lockName), nil, 0o600); err != nil { // as former versions left it
		t.Fatal(err)
	}
	s := open(t, dir, 64<<20)
	id := s.id
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s = open(t, dir, 64<<20); id == "" || s.id != id {
		t.Errorf("the identities are %q and %q", id, s.id)
	}
	if other := open(t, t.TempDir(), 64<<20); other.id == id {
		t.Error("another directory has the same")
	}
}

func TestAnEntryThatIsPutBackIsNext(t *testing.T) {
	s := open(t, t.TempDir(), 64<<20)
	want := fill(t, s, 0, 5, 100)
	for range 2 {
		e, _, err := s.Next()
		if err != nil || e.ID != "id-0" {
			t.Fatal(e, err)
		}
		s.PutBack(e)
	}
	if s.Waiting() != want || s.untaken().Records != want {
		t.Errorf("%d records wait, %d are not taken, want %d", s.Waiting(), s.untaken().Records, want)
	}
	if got, lost := drain(t, s); !slices.Equal(got, ids(0, 5)) || lost != 0 {
		t.Errorf("got %v, %d records lost", got, lost)
	}
}
