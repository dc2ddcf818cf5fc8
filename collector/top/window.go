package top

import (
	"cmp"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/flow"
)

const (
	// slots divide a window: what leaves it leaves it by a slot.
	slots = 12
	// mostKeys is how many keys a slot tells apart. Beyond it the lesser half goes into the rest: what weighs comes again.
	mostKeys = 20_000
)

// Window is the flows of the last while. It is not safe for concurrent use.
type Window struct {
	dimension Dimension
	order     Order
	slot      time.Duration
	slots     [slots]slot
	key       []byte
	volume    Volume // of the flow whose keys are yielded
	current   *slot
}

type slot struct {
	number int64 // of the slot's length since 1970
	keys   map[string]*Volume
	// total counts each flow once, keyed those that have a key, as often as they have one.
	total, keyed, rest Volume
	unmatched, keyless uint64
	thinned            bool
}

// NewWindow returns an empty Window of a length, at least slots seconds.
func NewWindow(d Dimension, o Order, length time.Duration) *Window {
	w := &Window{dimension: d, order: o, slot: max(length/slots, time.Second)}
	for i := range w.slots {
		w.slots[i].number = -1
	}
	return w
}

// Length is that of the window.
func (w *Window) Length() time.Duration { return slots * w.slot }

// Add counts a flow of a time. One from before the window of a later flow is not counted.
func (w *Window) Add(at time.Time, r *flow.Record) {
	s := w.at(at)
	if s == nil {
		return
	}
	w.current, w.volume = s, volumeOf(r)
	s.total.Add(w.volume)
	before := s.keyed.Flows
	w.dimension.keys(w.key[:0], r, w.count)
	if s.keyed.Flows == before {
		s.keyless++
	}
}

// Pass notes a flow of a time that is none of those that are looked for.
func (w *Window) Pass(at time.Time) {
	if s := w.at(at); s != nil {
		s.unmatched++
	}
}

// at is the slot of a time; nil for a time before the window of a later flow.
func (w *Window) at(at time.Time) *slot {
	number := at.UnixNano() / int64(w.slot)
	s := &w.slots[number%slots]
	switch {
	case number < s.number:
		return nil
	case number > s.number:
		*s = slot{number: number, keys: make(map[string]*Volume)}
	}
	return s
}

func (w *Window) count(key []byte) {
	w.key = key // it may have grown
	s := w.current
	v := s.keys[string(key)]
	if v == nil {
		if len(s.keys) >= mostKeys {
			s.thin(w.order)
		}
		v = new(Volume)
		s.keys[string(key)] = v
	}
	v.Add(w.volume)
	s.keyed.Add(w.volume)
}

// thin moves the lesser half of the keys into the rest.
func (s *slot) thin(o Order) {
	keys := s.sorted(o)
	for _, key := range keys[len(keys)/2:] {
		s.rest.Add(*s.keys[key])
		delete(s.keys, key)
	}
	s.thinned = true
}

// sorted keys, the heaviest first.
func (s *slot) sorted(o Order) []string {
	keys := make([]string, 0, len(s.keys))
	for key := range s.keys {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(o.Weight(*s.keys[b]), o.Weight(*s.keys[a])), cmp.Compare(a, b))
	})
	return keys
}

// Report says what weighed most from since on, which is later than the window's beginning where the stream is younger, until now.
func (w *Window) Report(since, now time.Time, rows int) Report {
	last := now.UnixNano() / int64(w.slot)
	begin := time.Unix(0, (last-slots+1)*int64(w.slot))
	all := slot{keys: make(map[string]*Volume)}
	for i := range w.slots {
		s := &w.slots[i]
		if s.number <= last-slots {
			continue
		}
		all.total.Add(s.total)
		all.keyed.Add(s.keyed)
		all.rest.Add(s.rest)
		all.unmatched += s.unmatched
		all.keyless += s.keyless
		all.thinned = all.thinned || s.thinned
		for key, v := range s.keys {
			sum := all.keys[key]
			if sum == nil {
				sum = new(Volume)
				all.keys[key] = sum
			}
			sum.Add(*v)
		}
	}
	if since.After(begin) {
		begin = since
	}
	report := Report{By: w.dimension.Name, From: begin.UTC(), To: now.UTC(), Total: all.total, Keyed: all.keyed, Keys: len(all.keys), AtLeast: all.thinned,
		Rows: []Row{}, Rest: all.rest, Keyless: all.keyless, Unmatched: all.unmatched}
	for i, key := range all.sorted(w.order) {
		if i < rows {
			report.Rows = append(report.Rows, Row{Printable(key), *all.keys[key]})
		} else {
			report.Rest.Add(*all.keys[key])
		}
	}
	return report
}
