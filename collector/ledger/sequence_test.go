package ledger

import (
	"math/rand/v2"
	"testing"
	"time"
)

// datagram of a stream.
type datagram struct{ number, units uint32 }

// stream is n datagrams, one behind the other, of 1 to most units.
func stream(first uint32, n int, most uint32) (out []datagram, units uint64) {
	random := rand.New(rand.NewPCG(1, uint64(most)))
	for range n {
		d := datagram{first, 1 + random.Uint32N(most)}
		first += d.units
		units += uint64(d.units)
		out = append(out, d)
	}
	return out, units
}

func observe(s *Sequence, c *Counts, datagrams ...datagram) {
	for _, d := range datagrams {
		s.Observe(d.number, d.units, c)
	}
}

// parts are spans that were heard one after another, the latest first, in less time than clocks may differ by.
func parts(spans ...Span) (out []Part) {
	for i, s := range spans {
		out = append(out, Part{s, time.Unix(0, int64(-i))})
	}
	return out
}

// nearTheWrap begins shortly before the number wraps.
const nearTheWrap = 1<<32 - 2000

func TestDroppedDatagramsShowAsManyUnits(t *testing.T) {
	for _, most := range []uint32{1, 30} {
		for _, first := range []uint32{0, 77, nearTheWrap} {
			all, total := stream(first, 2000, most)
			var s Sequence
			var c Counts
			missed := uint64(0)
			for i, d := range all {
				if i%14 == 7 && i/14 < 137 {
					missed += uint64(d.units)
					continue
				}
				observe(&s, &c, d)
			}
			if most == 1 && missed != 137 {
				t.Fatalf("the test drops %d", missed)
			}
			if s.Missed() != missed || s.Units != total-missed || c[SequenceSkipped] != missed || c[SequenceRestarted] != 0 {
				t.Errorf("up to %d units from %d: %d missed, want %d; %+v", most, first, s.Missed(), missed, s.Span)
			}
		}
	}
}

func TestReorderedAndRepeatedDatagramsAreNoGap(t *testing.T) {
	all, total := stream(nearTheWrap, 3000, 20)
	random := rand.New(rand.NewPCG(2, 3))
	var sent []datagram
	for i := 0; i < len(all); i += 10 {
		window := append([]datagram(nil), all[i:min(i+10, len(all))]...)
		random.Shuffle(len(window), func(a, b int) { window[a], window[b] = window[b], window[a] })
		sent = append(sent, window...)
	}
	repeated := uint64(0)
	var s Sequence
	var c Counts
	for i, d := range sent {
		observe(&s, &c, d)
		if i%50 == 0 && i > 0 {
			observe(&s, &c, d)
			repeated += uint64(d.units)
		}
	}
	if s.Missed() != 0 || s.Units != total || s.Duplicated != repeated || c[SequenceDuplicated] != repeated ||
		c[SequenceRestarted] != 0 || s.Skipped != s.Late {
		t.Errorf("%d of %d units, %d missed, %d repeated of %d, %d restarts, %d skipped, %d late", s.Units, total, s.Missed(),
			s.Duplicated, repeated, c[SequenceRestarted], c[SequenceSkipped], c[SequenceReordered])
	}
}

func TestAnExporterThatRestartsBeginsAnew(t *testing.T) {
	for name, restart := range map[string]uint32{"at 0": 0, "far ahead": 3_000_000_000} {
		before, _ := stream(500, 100, 10)
		after, units := stream(restart, 100, 10)
		var s Sequence
		var c Counts
		observe(&s, &c, before...)
		observe(&s, &c, after...)
		if c[SequenceRestarted] != 1 || s.Restarts != 1 || s.Missed() != 0 || s.Units != units || c[SequenceSkipped] != 0 {
			t.Errorf("%s: %+v, %d restarts", name, s.Span, c[SequenceRestarted])
		}
	}
}

func TestUnitsThatCouldNotBeCountedAreNoGap(t *testing.T) {
	var s Sequence
	var c Counts
	s.Observe(100, 5, &c)
	s.ObserveUncounted(105, 0, 40, &c) // it had 12
	s.Observe(117, 5, &c)
	s.ObserveUncounted(122, 1, 10, &c) // it had 4, and 100 more were lost
	s.Observe(226, 5, &c)
	if s.Missed() != 226-122-1-10 || c[SequenceSkipped] != s.Missed() || s.Units != 5+12+5+1+10+5 {
		t.Errorf("%+v", s.Span)
	}
}

func TestWhatComesLateOrTwiceLeavesWhatCouldNotBeCounted(t *testing.T) {
	for name, between := range map[string]datagram{"late": {95, 5}, "twice": {100, 5}} {
		var s Sequence
		var c Counts
		observe(&s, &c, datagram{90, 5}, datagram{100, 5})
		s.ObserveUncounted(105, 0, 40, &c) // it had 12
		observe(&s, &c, between, datagram{117, 5})
		missed := uint64(0)
		if name == "twice" {
			missed = 5 // 95 to 99
		}
		if s.Missed() != missed {
			t.Errorf("%s: %+v", name, s.Span)
		}
	}
	var s Sequence
	var c Counts
	observe(&s, &c, datagram{100, 5})
	s.ObserveUncounted(105, 0, 40, &c)
	observe(&s, &c, datagram{20_000_000, 5}) // the exporter began anew: nobody knows how many there were
	if s.TotalUnits != 10 || s.Restarts != 1 {
		t.Errorf("%+v", s.Span)
	}
}

// fleet hands the datagrams of a stream to collectors as to says and returns what all of them know.
func fleet(datagrams []datagram, collectors int, to func(i int) int) (Span, []Span) {
	sequences := make([]Sequence, collectors)
	var c Counts
	last := make([]int, collectors)
	for i, d := range datagrams {
		if n := to(i); n >= 0 {
			observe(&sequences[n], &c, d)
			last[n] = i
		}
	}
	var spans []Span
	for len(spans) < collectors {
		latest := 0
		for i := range last {
			if last[i] > last[latest] {
				latest = i
			}
		}
		if sequences[latest].started {
			spans = append(spans, sequences[latest].Span)
		} else {
			collectors--
		}
		last[latest] = -1
	}
	sum, _ := Union(parts(spans...))
	return sum, spans
}

func TestAStreamSpreadOverAFleetShowsNoFalseGap(t *testing.T) {
	all, total := stream(nearTheWrap, 3000, 25)
	random := rand.New(rand.NewPCG(4, 5))
	for name, to := range map[string]func(i int) int{
		"by turns":            func(i int) int { return i % 2 },
		"at random":           func(int) int { return random.IntN(3) },
		"moved once":          func(i int) int { return i / 1500 },
		"moved before a wrap": func(i int) int { return min(i/20, 2) },
		"mostly to one":       func(i int) int { return min(i%100, 1) },
	} {
		sum, spans := fleet(all, 3, to)
		if sum.Missed() != 0 || sum.Units != total {
			t.Errorf("%s: %d missed of %d: %+v", name, sum.Missed(), total, spans)
		}
	}
}

func TestExactly137DroppedShowAs137OverAFleet(t *testing.T) {
	all, _ := stream(nearTheWrap, 3000, 1)
	random := rand.New(rand.NewPCG(6, 7))
	sum, spans := fleet(all, 3, func(i int) int {
		if i%20 == 10 && i/20 < 137 {
			return -1
		}
		return random.IntN(3)
	})
	if sum.Missed() != 137 || sum.Skipped != 137 {
		t.Errorf("%d missed: %+v", sum.Missed(), spans)
	}
}

func TestACollectorThatKnowsOnlyAnEarlierRunIsLeftOut(t *testing.T) {
	before, _ := stream(2_000_000_000, 100, 5)
	after, units := stream(0, 100, 5)
	sum, spans := fleet(append(before, after...), 2, func(i int) int { return i / 100 })
	if _, left := Union(parts(spans...)); left != 1 || sum.Units != units || sum.Missed() != 0 {
		t.Errorf("%+v, %d left out", sum, left)
	}
	if both := spans[0].TotalUnits + spans[1].TotalUnits; sum.TotalUnits != both {
		t.Errorf("%d units in all runs, want %d", sum.TotalUnits, both)
	}
}

// Of two collectors, one may have seen more restarts than the other, and both have parts of the present run.
func TestACollectorThatSawFewerRestartsHasItsPartOfThePresentRun(t *testing.T) {
	var a, b Sequence
	var c Counts
	run := func(s *Sequence, from, to uint32) {
		for n := from; n < to; n++ {
			s.Observe(n, 1, &c)
		}
	}
	run(&a, 3_000_000_000, 3_000_000_100)
	run(&a, 0, 1000) // a restart that only a saw
	run(&b, 1000, 3000)
	run(&a, 3000, 20_000)
	if sum, left := Union(parts(a.Span, b.Span)); sum.Missed() != 0 || left != 0 || sum.Length() != 20_000 {
		t.Errorf("%+v, %d left out", sum, left)
	}
	// What cannot be of the present run is left out: its units are more than the present run lacks.
	var former, now Sequence
	run(&former, 0, 5000)
	run(&now, 3000, 3001)
	run(&now, 2_000_000_000, 2_000_000_100)
	run(&now, 0, 15_000)
	run(&now, 15_100, 20_000)
	if sum, left := Union(parts(now.Span, former.Span)); sum.Missed() != 100 || left != 1 {
		t.Errorf("%+v, %d left out", sum, left)
	}
}

// An exporter that restarts and then comes to another collector is not ahead where the first one left it; one whose datagrams are spread is, as far as
// collectors are asked at different moments.
func TestACollectorThatHeardLongAgoIsNotAheadOfOneThatHearsNow(t *testing.T) {
	var a, b Sequence
	var c Counts
	for n := range uint32(50_000) {
		a.Observe(n, 1, &c)
	}
	for n := range uint32(100) {
		b.Observe(n, 1, &c)
	}
	at := time.Unix(1_700_000_000, 0)
	if sum, left := Union([]Part{{a.Span, at.Add(-time.Minute)}, {b.Span, at}}); sum.Missed() != 0 || sum.Units != 100 || left != 1 {
		t.Errorf("%+v, %d left out", sum, left)
	}
	if sum, left := Union([]Part{{a.Span, at.Add(-2 * time.Second)}, {b.Span, at}}); sum.Length() != 50_000 || left != 0 {
		t.Errorf("%+v, %d left out", sum, left)
	}
}

// A number that went round 2^32 here and is new to another must not fall back when that one is the latest.
func TestTheSumOfSpansDoesNotFallBehindTheHighestOfThem(t *testing.T) {
	all, _ := stream(nearTheWrap, 3000, 25)
	var early, late Sequence
	var c Counts
	observe(&early, &c, all[:2900]...)
	observe(&late, &c, all[2900:]...)
	sum, _ := Union(parts(late.Span, early.Span))
	if sum.Next < early.Next || sum.Missed() != 0 || sum.First != early.First {
		t.Errorf("%+v of %+v and %+v", sum, early.Span, late.Span)
	}
}

func TestObservingAllocatesNothing(t *testing.T) {
	var s Sequence
	var c Counts
	observe(&s, &c, datagram{0, 1}, datagram{1, 1})
	next := uint32(2)
	if n := testing.AllocsPerRun(1000, func() {
		s.Observe(next, 3, &c)
		next += 5
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzSequence: whatever numbers an exporter sends, the figures stay sound.
func FuzzSequence(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 2, 0, 0, 0, 3, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Sequence
		var c Counts
		for ; len(b) >= 5; b = b[5:] {
			number := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
			if b[4]&1 == 0 {
				s.Observe(number, uint32(b[4])/4, &c)
			} else {
				s.ObserveUncounted(number, uint32(b[4])/8, uint32(b[4]), &c)
			}
			if s.Next < s.First || s.Units > s.Length() || s.Units != s.Length()-s.Skipped+s.Late || uint32(s.Next) != s.next ||
				s.gaps != s.Length()-s.Units {
				t.Fatalf("unsound: %+v", s)
			}
		}
	})
}
