package sink

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func marks(sequences ...uint64) (out []mark) {
	for _, n := range sequences {
		out = append(out, mark{sequence: n, time: int64(n) * 10})
	}
	return out
}

func (l *list) fates(messages []mark) (out []fate) {
	for _, m := range messages {
		f, _ := l.find(m)
		out = append(out, f)
	}
	return out
}

func TestAMessageHasOnePlaceAndKeepsIt(t *testing.T) {
	l := &list{Made: 1, Singly: spans{{1, 3}}}
	if !l.note(marks(3, 4, 6, 8), true) || !slices.Equal(l.fates(marks(3, 4, 5, 6, 8)), []fate{fateSingly, fateNoted, fateNone, fateNoted, fateNoted}) {
		t.Fatalf("%+v", l)
	}
	first := l.Noted[0]
	// They come again beside others: those are a block of their own.
	again := marks(4, 5, 7)
	again[0].again = true
	if !l.note(again, true) || len(l.Noted) != 2 || !reflect.DeepEqual(l.Noted[0], first) || !reflect.DeepEqual(l.Noted[1].At, spans{{5, 5}, {7, 7}}) {
		t.Fatalf("%+v", l)
	}
	if l.note(again, true) {
		t.Error("nothing is new, and something changed")
	}
	if !l.store(first.Digest) || l.store(first.Digest) || l.split(first.Digest) {
		t.Errorf("a block is stored once: %+v", l)
	}
	if !l.split(l.Noted[0].Digest) || !slices.Equal(l.fates(marks(4, 5, 6, 7, 8, 9)), []fate{fateStored, fateSingly, fateStored, fateSingly, fateStored, fateNone}) {
		t.Errorf("%+v", l)
	}
	// What was handed out before may have been sent by a sink that keeps no list; of two copies of one message, the first was.
	seen := marks(10, 11, 12, 13, 13, 14)
	seen[1].again = true
	l.note(seen, true)
	if !slices.Equal(l.fates(marks(10, 11, 12, 13, 14)), []fate{fateNoted, fateSingly, fateNoted, fateSingly, fateNoted}) {
		t.Errorf("%+v", l)
	}
	// Of one message there is no block, nor where there are to be none.
	l.note(marks(20), true)
	l.note(marks(21, 22), false)
	if !slices.Equal(l.fates(marks(20, 21, 22)), []fate{fateSingly, fateSingly, fateSingly}) {
		t.Errorf("%+v", l)
	}
	decoded, err := decodeList(l.encode())
	if err != nil || !reflect.DeepEqual(decoded, l) {
		t.Errorf("%+v, %v, want %+v", decoded, err, l)
	}
}

func TestAMessageOfAStreamThatWasMadeAnewIsNotTakenForOneOfABlock(t *testing.T) {
	l := &list{}
	l.note(marks(1, 2), true)
	l.note(marks(3, 4), true)
	l.store(l.Noted[0].Digest)
	for _, m := range []mark{{sequence: 1, time: 1000}, {sequence: 3, time: 1000}, {sequence: 4, time: 1}} {
		if f, _ := l.find(m); f != fateSingly {
			t.Errorf("%+v is %d", m, f)
		}
	}
}

// A sink may hold messages of a stream that is no more, and note them in the list of the next one: their numbers are given to others there, some of
// which come before the last that is stored.
func TestAMessageOfAFormerStreamLeavesNoMarkThatTakesOneOfTheNextForStored(t *testing.T) {
	l := &list{Made: 1000}
	former := []mark{{sequence: 5, time: 900}, {sequence: 6, time: 910}}
	l.note(former, true)
	for _, b := range l.Noted {
		l.store(b.Digest)
	}
	later := []mark{{sequence: 7, time: 1070}, {sequence: 8, time: 1080}}
	l.note(later, true)
	l.store(l.Noted[len(l.Noted)-1].Digest)
	earlier := []mark{{sequence: 5, time: 1050}, {sequence: 6, time: 1060}}
	l.note(earlier, true)
	if got := l.fates(slices.Concat(former, earlier, later)); !slices.Equal(got, []fate{fateSingly, fateSingly, fateNoted, fateNoted, fateStored, fateStored}) {
		t.Errorf("%v: %+v", got, l)
	}
}

func TestAListStaysWithinItsBoundsAndForgetsOnlyWhatIsAcknowledged(t *testing.T) {
	l := &list{}
	for n := uint64(1); len(l.Noted) < maxNoted; n += 4 {
		l.note(marks(n, n+2), true)
	}
	beyond := marks(10_000, 10_002)
	if l.note(beyond, true); !slices.Equal(l.fates(beyond), []fate{fateSingly, fateSingly}) || len(l.Noted) != maxNoted {
		t.Errorf("%d blocks", len(l.Noted))
	}
	l.forget(5) // up to the first of the second block
	if len(l.Noted) != maxNoted-1 || !slices.Equal(l.fates(marks(1, 3, 4, 5, 7)), []fate{fateSingly, fateSingly, fateSingly, fateNoted, fateNoted}) {
		t.Errorf("%d blocks, %v", len(l.Noted), l.Singly)
	}
	small := &list{}
	small.note(marks(1, 2), true)
	small.store(small.Noted[0].Digest)
	if small.forget(2); !slices.Equal(small.fates(marks(1, 2)), []fate{fateStored, fateStored}) {
		t.Error("it forgets though there is room")
	}

	// Many that are far apart.
	wide := &list{}
	for n := uint64(1); n < 1<<62; n += 1 << 48 {
		var m []mark
		for i := range uint64(maxBlockMessages) {
			m = append(m, mark{sequence: n + i<<40, time: 1})
		}
		wide.note(m, true)
		if size := len(wide.encode()); size > maxListBytes {
			wide.forget(math.MaxUint64 - 1)
			break
		}
		if len(wide.Noted) > 0 {
			wide.store(wide.Noted[0].Digest)
		}
	}
	if _, err := decodeList(wide.encode()); err != nil {
		t.Error(err)
	}
}

func TestSpansAreASet(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var s spans
		want := make(map[uint64]bool)
		for range g.IntN(30) {
			from := uint64(g.IntN(60)) + 1
			to := from + uint64(g.IntN(5))
			before := slices.Clone(s)
			next := s.with(from, to)
			if !slices.Equal(s, before) {
				t.Fatal("it was changed")
			}
			s = next
			for n := from; n <= to; n++ {
				want[n] = true
			}
		}
		n := uint64(0)
		s.all(func(uint64) bool { n++; return true })
		if int(n) != len(want) || s.count() != n {
			t.Fatalf("%v has %d, want %d", s, n, len(want))
		}
		behind := s.after(30)
		for n := range uint64(80) {
			if s.has(n) != want[n] || behind.has(n) != (want[n] && n > 30) {
				t.Fatalf("%v, %v: %d", s, behind, n)
			}
		}
		for i := 1; i < len(s); i++ {
			if s[i][0] <= s[i-1][1]+1 {
				t.Fatalf("%v overlaps or touches", s)
			}
		}
	}
}

// Others may write to the bucket: whatever they do, a list that is taken is one that a sink could have made, and stays one.
func FuzzList(f *testing.F) {
	l := &list{Made: 5, Singly: spans{{1, 100}}}
	l.note(marks(101, 103, 104), true)
	l.note(marks(102, 105), true)
	l.store(l.Noted[0].Digest)
	f.Add(l.encode())
	f.Add([]byte(`{"version":1,"stored":[1,18446744073709551614],"noted":[{"at":[1,1]}]}`))
	f.Add([]byte(`{"version":1,"noted":[{"at":[1,0,2,0],"digest":"00000000000000000000000000000000"}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"made":9,"noted":[{"at":[1,1],"digest":"00000000000000000000000000000000","first":3,"last":4}]}`)) // older than the stream
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := decodeList(text)
		if err != nil {
			return
		}
		before := slices.Clone(l.Noted)
		for _, b := range before {
			messages := 0
			b.At.all(func(n uint64) bool {
				if where, in := l.find(mark{sequence: n, time: b.First}); where != fateNoted || in.Digest == "" {
					t.Errorf("%d is %d", n, where)
				}
				messages++
				return true
			})
			if messages > maxBlockMessages {
				t.Errorf("a block of %d", messages)
			}
		}
		l.note(marks(1, 2, 3, 1<<40), true)
		for _, b := range before {
			l.store(b.Digest)
		}
		l.forget(1 << 20)
		if text := l.encode(); len(text) <= maxListBytes {
			if _, err := decodeList(text); err != nil {
				t.Error(err)
			}
		}
	})
}

// A stream that lost its end, such as in a power cut, or that is put back to what it was, gives numbers again. In whatever order the new messages are
// noted, none is taken for the one that was stored.
func TestAMessageWithTheNumberOfOneThatWasStoredIsNotTakenForIt(t *testing.T) {
	at := func(time int64, sequences ...uint64) (out []mark) {
		for _, n := range sequences {
			out = append(out, mark{sequence: n, time: time + int64(n)})
		}
		return out
	}
	storeAll := func(l *list, messages []mark) {
		l.note(messages, true)
		for _, b := range l.Noted {
			l.store(b.Digest)
		}
	}
	l := &list{Made: 1}
	before := at(1000, 1, 2, 3, 4)
	storeAll(l, before)
	gone := at(1000, 5, 7, 6, 8)
	storeAll(l, gone[:2])
	storeAll(l, gone[2:])
	storeAll(l, at(5000, 9, 10)) // 5 to 8 are lost, and given again
	again := at(5000, 5, 6, 7, 8)
	l.note(again, true)
	if got := l.fates(slices.Concat(before, at(5000, 9, 10), again)); !slices.Equal(got, slices.Concat(slices.Repeat([]fate{fateStored}, 6), slices.Repeat([]fate{fateSingly}, 4))) {
		t.Errorf("%v: %+v", got, l)
	}
	if decoded, err := decodeList(l.encode()); err != nil || !reflect.DeepEqual(decoded.Until, l.Until) {
		t.Errorf("%+v, %v, want %+v", decoded, err, l)
	}
}

// Clocks of servers differ, so times need not ascend with the numbers: what is stored is known all the same.
func TestWhatIsStoredIsKnownWhateverItsTime(t *testing.T) {
	g := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		l := &list{}
		var all []mark
		for n := uint64(1); n < 2000; n += 8 {
			var m []mark
			for i := range uint64(8) {
				m = append(m, mark{sequence: n + i, time: int64(n) + g.Int64N(300)})
			}
			for _, part := range [][]mark{{m[0], m[2], m[5]}, {m[1], m[3], m[4], m[6], m[7]}} {
				l.note(part, true)
			}
			all = append(all, m...)
			if g.IntN(3) == 0 {
				g.Shuffle(len(l.Noted), func(i, j int) { l.Noted[i], l.Noted[j] = l.Noted[j], l.Noted[i] })
				for _, b := range slices.Clone(l.Noted) {
					l.store(b.Digest)
				}
			}
		}
		for _, b := range slices.Clone(l.Noted) {
			l.store(b.Digest)
		}
		for i, f := range l.fates(all) {
			if f != fateStored && f != fateSingly || f == fateSingly && !l.Singly.has(all[i].sequence) {
				t.Fatalf("%+v is %d", all[i], f)
			}
		}
		if _, err := decodeList(l.encode()); err != nil || len(l.Until) > maxUntil {
			t.Fatalf("%d: %v", len(l.Until), err)
		}
	}
}
