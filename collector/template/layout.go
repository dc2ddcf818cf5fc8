package template

import (
	"cmp"
	"slices"
	"time"
)

// Bounds in time, in nanoseconds, and in number.
const (
	// silence is how long a layout may not be said, while another one of the same id is, before it counts no more for ports that
	// have said nothing themselves.
	silence = int64(time.Hour)
	// retell is how often the bucket is told of what is heard while layouts compete, so that other collectors know it is alive. What is
	// said each 30 minutes, as exporters are often set to, is told each time then, however exactly they do.
	retell = silence / 3
	// unknownPause is for how long a device is waited for of which is not known how often it says something.
	unknownPause = silence / 2
	// slowPause tells two devices that repeat their templates in turn from one that changes its mind: devices take longer.
	slowPause = int64(20 * time.Second)
	// fastPause is how long a layout that comes back again and again is gone at least: a pair of devices may take over from each other every few
	// seconds. What comes back faster is datagrams that changed places.
	fastPause = int64(2 * time.Second)
	// echo is how much later than it was heard here a say may seem to be heard when it comes back from the bucket: ages there go by the
	// server's clock.
	echo = int64(time.Minute)
	// askAgain is how often data asks whether the bucket was loaded.
	askAgain = int64(100 * time.Millisecond)
	never    = int64(1<<63 - 1)

	// turns is how many layouts in a row must have been said before until two devices are taken to say them, rather than one whose
	// layout somebody changes, and changes back.
	turns = 3

	maxLayouts = 16  // of an id
	maxSays    = 256 // of a layout: a large chassis, or a NAT
)

// say is that a port said a layout.
type say struct {
	port uint16
	// twin: the port's plain key in the bucket has another device's layout; this one has a key of its own.
	twin bool
	// heard is when it was last said, own when this collector heard it itself (0: never), pause the longest between two of
	// these, by the exporter's clock or this one's.
	heard, own, pause int64
	// used is when data of the port was last read with it.
	used int64
	// arrived is when another collector's word for it replaced what this one had heard; from trust on it counts.
	arrived, trust int64
	// first is the stamp it began with, stamp that of the newest message that had it.
	first, stamp Stamp
	// told is when the bucket was last written with it; 0: it has no key there.
	told int64
	// witnessed: a collector that heard it had heard itself what the port said before.
	witnessed bool
	// former is what the port said before, and suspect the stamp of a message that brought it late. Of former layouts only the Fingerprint is
	// kept, 0 for none: they may be large, and no bound counts them.
	former  uint64
	suspect Stamp
	// earlier is what the port said before, also when this was said again since, and when it last did. returns is how many layouts in a
	// row, with this one, had been said before.
	earlier      uint64
	earlierHeard int64
	returns      int
}

// lasts is until when another device of the same address and port is taken to say what was heard of it here: it repeats it, and one of its
// messages may get lost.
func (s *say) lasts() int64 { return s.own + min(cmp.Or(s.pause*5/2, unknownPause), silence) }

// cameBack reports whether t is what the port said before s, and says again: not at once, but within an hour.
func (s *say) cameBack(t *Template, now int64) bool {
	return s.earlier != 0 && now-s.earlierHeard >= fastPause && now-s.earlierHeard <= silence && s.earlier == t.Fingerprint()
}

// layout is one meaning of an id, and who said it.
type layout struct {
	template *Template
	says     []*say // by port
	// silent: see Definition.Silent.
	silent bool
	// used is when data was last read with it.
	used int64
}

// find is where the say of a port is, or would be.
func (l *layout) find(port uint16) (at int, ok bool) {
	return slices.BinarySearchFunc(l.says, port, func(s *say, port uint16) int { return cmp.Compare(s.port, port) })
}

func (l *layout) of(port uint16) *say {
	if at, ok := l.find(port); ok {
		return l.says[at]
	}
	return nil
}

// alive is when there was last a sign of s.
func (s *say) alive() int64 { return max(s.heard, s.used) }

// newest is what was said last.
func (l *layout) newest() *say {
	newest := l.says[0]
	for _, s := range l.says {
		if s.heard > newest.heard {
			newest = s
		}
	}
	return newest
}

func (l *layout) heard() (at int64) {
	for _, s := range l.says {
		at = max(at, s.heard)
	}
	return at
}

// last is when any collector last heard l, as far as this one can know: what others heard it was not told before untold.
func (l *layout) last(untold int64) int64 {
	own := int64(0)
	for _, s := range l.says {
		own = max(own, s.own)
	}
	heard := l.heard()
	if heard-own <= echo {
		return heard
	}
	return max(heard, untold)
}

func (l *layout) told() (at int64) {
	for _, s := range l.says {
		at = max(at, s.told)
	}
	return at
}

// longest is who said l longest ago, but for who alone stands for it in the bucket.
func (l *layout) longest() *say {
	keys := 0
	for _, s := range l.says {
		if s.told != 0 {
			keys++
		}
	}
	return slices.MinFunc(l.says, func(a, b *say) int {
		if keys == 1 && a.told != b.told {
			return cmp.Compare(a.told, b.told)
		}
		return cmp.Compare(a.heard, b.heard)
	})
}

// alive is when there was last a sign of l.
func (l *layout) alive() int64 { return max(l.heard(), l.used) }

// meanings are the layouts of one id.
type meanings struct {
	layouts []*layout
	// contested is since when several layouts are live, 0 where no more than one is.
	contested int64
	// named is the time from which on one more port may be named: see mayName.
	named int64
}

// Ports that say a layout once, while layouts compete, have keys of their own in the bucket: without them no other collector could
// read their data. Some exporters take another port each time, and each key stays for the ttl. So namedAtOnce ports have one, as
// those of a large chassis or of a device that somebody starts again and again, and one more each nameEach.
const (
	namedAtOnce = 64
	nameEach    = 2 * int64(time.Hour)
)

// mayName reports whether a port may have a key in the bucket at now though it may never be heard again.
func (m *meanings) mayName(now int64) bool { return m.named <= now }

// name counts a port that was given a key in the bucket at a time. However many there are, the next one may be named nameEach later: what a
// collector finds in the bucket as it starts, over weeks, must not keep it from naming any for as long.
func (m *meanings) name(at int64) {
	m.named = max(m.named, min(at, max(m.named, at-(namedAtOnce-1)*nameEach))+nameEach)
}

func (m *meanings) find(t *Template) *layout {
	i := slices.IndexFunc(m.layouts, func(l *layout) bool { return l.template.SameLayout(t) })
	if i < 0 {
		return nil
	}
	return m.layouts[i]
}

// plain is the layout that the port's plain key has.
func (m *meanings) plain(port uint16) (*layout, *say) {
	for _, l := range m.layouts {
		if s := l.of(port); s != nil && !s.twin && s.told != 0 {
			return l, s
		}
	}
	return nil, nil
}

// said is the layout that the port's plain key has, or is to have: what was heard here may have no key, where another port stands for it.
func (m *meanings) said(port uint16, now int64) (*layout, *say) {
	if l, s := m.plain(port); l != nil {
		return l, s
	}
	if l, _, _ := m.chosen(port, now); l != nil {
		if s := l.of(port); s.own != 0 && !s.twin {
			return l, s
		}
	}
	return nil, nil
}

// chosen is what the port itself says: what this collector heard of it, unless another collector's word is newer. known reports
// whether it said anything; it may still be undecided, until a time.
func (m *meanings) chosen(port uint16, now int64) (found *layout, until int64, known bool) {
	var mine, other, dead *layout
	var own, foreign *say
	mines, others, alone := 0, 0, never // from when on one of several layouts that are heard here is not repeated
	for _, l := range m.layouts {
		s := l.of(port)
		switch {
		case s == nil:
			continue
		case l.silent:
			if dead == nil || s.heard > dead.of(port).heard {
				dead = l
			}
		case s.own != 0:
			if now < s.lasts() {
				mines++
				alone = min(alone, s.lasts())
			}
			if own == nil || s.own > own.own {
				mine, own = l, s
			}
		default:
			if others++; foreign == nil || s.arrived > foreign.arrived {
				other, foreign = l, s
			}
		}
		known = true
	}
	switch {
	case own == nil && others == 0:
		return dead, never, known
	case own == nil && others > 1:
		return nil, never, known // two devices, and nothing tells which of them is heard here
	case mines > 1:
		return nil, alone, known // both are
	case own != nil && (foreign == nil || own.own >= foreign.arrived):
		return mine, never, known
	case own != nil && now < foreign.trust:
		return nil, foreign.trust, known
	}
	return other, never, known
}

// inTurn reports whether this collector hears several devices that share a port: see LearnTemplate.
func (m *meanings) inTurn(port uint16) bool {
	own := 0
	for _, l := range m.layouts {
		if s := l.of(port); s != nil && s.own != 0 && !l.silent {
			own++
		}
	}
	return own > 1
}

// hasSaid reports whether a port is known to have said something.
func (m *meanings) hasSaid(port uint16) bool {
	return slices.ContainsFunc(m.layouts, func(l *layout) bool { return l.of(port) != nil })
}

// twins reports whether two devices are known to share a port.
func (m *meanings) twins(port uint16) bool {
	return slices.ContainsFunc(m.layouts, func(l *layout) bool { s := l.of(port); return s != nil && s.twin })
}

// shared reports whether two devices share a port now: several layouts of it were said within the hour.
func (m *meanings) shared(port uint16, now int64) bool {
	n := 0
	for _, l := range m.layouts {
		if s := l.of(port); s != nil && !l.silent && now-s.heard <= silence {
			n++
		}
	}
	return n > 1
}

// live are the layouts that some port stands for.
func (m *meanings) live(now int64) (out []*layout) {
	for _, l := range m.layouts {
		if l.silent {
			continue
		}
		for _, s := range l.says {
			if found, _, _ := m.chosen(s.port, now); found == l || found == nil || m.twins(s.port) {
				out = append(out, l)
				break
			}
		}
	}
	return out
}

// settle finds out which layouts have become silent by now; untold: see Store. It returns them, and until when nothing changes with time
// alone.
func (m *meanings) settle(now, untold int64) (silenced []*layout, until int64) {
	until = never
	if len(m.layouts) < 2 {
		m.contested = 0
		return nil, until
	}
	live := m.live(now)
	if len(live) < 2 {
		m.contested = 0
	} else if m.contested == 0 {
		m.contested = now
	}
	newest := int64(0)
	for _, l := range live {
		newest = max(newest, l.heard())
	}
	for _, l := range m.layouts {
		heard, lives := l.heard(), slices.Contains(live, l)
		if l.silent || lives && len(live) < 2 {
			continue
		}
		deadline := heard + silence
		if lives {
			deadline = max(l.last(untold), m.contested) + silence
		}
		if deadline > now {
			until = min(until, deadline) // also of the newest: another one may be newer by then
			continue
		}
		if lives && heard == newest {
			continue
		}
		l.silent = true
		silenced = append(silenced, l)
	}
	if len(silenced) > 0 && len(m.live(now)) < 2 {
		m.contested = 0
	}
	return silenced, until
}

// lookup is what the id means for a port: what the port itself says; else the only live layout; else nothing.
func (m *meanings) lookup(mode Mode, port uint16, now, deadline int64) (*layout, int64) {
	if mode == ModeAddress {
		port = AnyPort
	}
	if found, until, known := m.chosen(port, now); known {
		return found, min(until, deadline)
	}
	if mode != ModeAuto {
		return nil, never
	}
	if len(m.layouts) == 1 {
		return m.layouts[0], never
	}
	if live := m.live(now); len(live) == 1 {
		return live[0], deadline
	}
	return nil, deadline
}
