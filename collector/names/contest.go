package names

import (
	"cmp"
	"slices"
	"time"
)

// Devices behind one address may have the same domain and number things each in their own way: two behind one NAT address, a pair that takes
// over from each other. Nothing tells whose flow is whose in every collector, so that a number that they name differently has no name: it is
// contested. A row says so itself, as it is what collectors share: in place of a name, or a description, it has attributes with what is
// said. Collectors of a version before this one take it for a row without a name.

// Enterprises that nobody has, of the attributes with what is said of a contested number. Their id is when it was last said, in half hours
// since 1970, modulo 2^16.
const (
	contestedName        = 1<<32 - 1
	contestedDescription = 1<<32 - 2
)

const (
	// mostSaid bounds the texts of one number that are told apart; what is beyond takes the place of the one that was not said for longest.
	mostSaid = 4
	// maxTurns bounds the numbers of an exporter of which that is known; the last name of others counts.
	maxTurns = 4096
	// turnsBytes is about what one takes in memory, with some long texts.
	turnsBytes = 1000
	// saidFor is for how long what was said of a number counts beside something else.
	saidFor = int64(time.Hour)
	// slot is how long the id of an attribute stands for; longestSlots is for how many of them what other collectors heard counts: an hour more
	// than saidFor, as their clocks may be ahead or behind.
	slot         = int64(30 * time.Minute)
	longestSlots = uint16(2 * saidFor / slot)
)

// Ports that are none.
const (
	// unknownPort is one that nobody told.
	unknownPort = -1
	// elsewhere is that of what another collector heard.
	elsewhere = -2
)

// turnsKey is the name or the description of a number.
type turnsKey struct {
	number uint64
	kind   uint32 // contestedName or contestedDescription
}

// turns are what was said of a number lately, where that was not one thing.
type turns struct {
	said []saying // at most mostSaid
	last saying
	// back is how many texts in a row took the place of another port's and had been said before.
	back int
}

type saying struct {
	text     string
	port     int
	heard    int64
	exported Stamp
}

// textOf is what a row says, as a name or as a description.
func (r *Row) textOf(kind uint32) string {
	if kind == contestedName {
		return r.Name
	}
	return r.Description
}

// wordOf is what a row says to those who take turns: where its name is refused, that it is.
func (r *Row) wordOf(kind uint32) string {
	text := r.textOf(kind)
	if text != "" || kind != contestedName {
		return text
	}
	for _, a := range r.Attributes {
		if a.Enterprise == refusedName {
			return refusedWord(a.Text)
		}
	}
	return ""
}

// refusedWord stands for a name that is refused among those that are said of a number.
func refusedWord(reason string) string { return "(refused: " + reason + ")" }

// contested reports whether devices say different things where a row has nothing.
func (r *Row) contested(kind uint32) bool { return r.says(kind) }

// says reports whether a row has an attribute of a kind.
func (r *Row) says(kind uint32) bool {
	return len(r.Attributes) > 0 && slices.ContainsFunc(r.Attributes, func(a Attribute) bool { return a.Enterprise == kind })
}

// said are the attributes of a row with what is said of its number.
func (r *Row) said(kind uint32) (list []Attribute) {
	for _, a := range r.Attributes {
		if a.Enterprise == kind {
			list = append(list, a)
		}
	}
	return list
}

// contest makes r, with which a row was merged, one without a name or description, and with what is said. A row without a name says
// nothing else: that would be of one of the devices.
func (r Row) contest(kind uint32, said []Attribute) Row {
	slices.SortFunc(said, func(a, b Attribute) int { return cmp.Compare(a.Text, b.Text) })
	if kind == contestedName {
		return Row{Attributes: said}
	}
	r.Description = ""
	r.Attributes = append(slices.DeleteFunc(slices.Clone(r.Attributes), func(a Attribute) bool { return a.Enterprise == kind }), said...)
	if len(r.Attributes) > MaxAttributes {
		r.Attributes = r.Attributes[len(r.Attributes)-MaxAttributes:]
	}
	return r
}

func slotOf(now int64) uint16 { return uint16(now / slot) }

// old reports whether what was said in a slot does not count any more. Another collector's clock may be ahead.
func old(said, now uint16) bool {
	return now-said > longestSlots && said-now > longestSlots
}

// hears takes what a port says, with marks, of a number of which another thing is known, or is said: merged is the row as it would be, ok false
// where nothing of that matters. It is called for what was said at a time, with the exporter locked.
func (e *Exporter) hears(t *tableRows, number uint64, was, r *Row, m marks, from saying) (merged Row, ok bool) {
	for _, kind := range [...]uint32{contestedName, contestedDescription} {
		contested := was.contested(kind)
		if kind == contestedDescription && (was.contested(contestedName) || m.name != "" || r.Name != "" && was.Name != "" && r.Name != was.Name) {
			break // what describes another name
		}
		from.text = r.textOf(kind)
		if kind == contestedName && m.name != "" {
			from.text = refusedWord(m.name)
		}
		key := turnsKey{number, kind}
		switch known := t.turns[key]; {
		case from.text == "", !contested && known == nil && cmp.Or(was.wordOf(kind), from.text) == from.text:
			continue
		case contested:
			return e.contested(t, key, was, r, m, from), true
		case e.turn(t, key, was.wordOf(kind), from):
			var said []Attribute
			for _, s := range t.turns[key].said {
				if from.heard-s.heard <= saidFor {
					said = append(said, Attribute{Enterprise: kind, ID: slotOf(s.heard), Text: s.text})
				}
			}
			return was.merge(*r).contest(kind, said), true
		}
	}
	if was.contested(contestedName) {
		return *was, true // of whom the rest is, nobody knows
	}
	return Row{}, false
}

// contested takes what is said of a number that is contested: that ends when only one thing is left. A port that says another thing than
// before takes the former back.
func (e *Exporter) contested(t *tableRows, key turnsKey, was, r *Row, m marks, from saying) Row {
	back := ""
	if known := t.turns[key]; known != nil {
		for _, s := range known.said {
			if s.port == from.port && s.port >= 0 && s.text != from.text {
				back = s.text
			}
		}
	}
	e.turn(t, key, from.text, from)
	now := slotOf(from.heard)
	said := slices.DeleteFunc(was.said(key.kind), func(a Attribute) bool { return a.Text == back || a.Text == from.text || old(a.ID, now) })
	merged := was.merge(*r)
	if len(said) > 0 {
		slices.SortStableFunc(said, func(a, b Attribute) int { return cmp.Compare(now-b.ID, now-a.ID) }) // the oldest first
		said = append(said[max(0, len(said)-mostSaid+1):], Attribute{Enterprise: key.kind, ID: now, Text: from.text})
		return merged.contest(key.kind, said)
	}
	e.forgetTurns(t, key)
	switch {
	case key.kind == contestedName && m.name != "":
		return r.with(refusedName, m.name)
	case key.kind == contestedName:
		return *r
	}
	merged = merged.without(key.kind)
	return merged
}

// turn notes what is said of a number that was known as current, and reports whether ports say different things in turn: two texts in
// a row came back, each from another port than the one before. One that comes back may be a change that was taken back. What one port says in
// turn is its own, such as of two tables.
func (e *Exporter) turn(t *tableRows, key turnsKey, current string, from saying) bool {
	known := t.turns[key]
	if known == nil {
		if e.turns >= maxTurns || e.store.full(t.table, turnsBytes) {
			return false
		}
		e.turns++
		known = &turns{last: saying{current, unknownPort, from.heard, 0}}
		known.said = []saying{known.last}
		if t.turns == nil {
			t.turns = make(map[turnsKey]*turns)
		}
		t.turns[key] = known
		e.store.chunks.addFresh(turnsBytes, false)
	}
	at := slices.IndexFunc(known.said, func(o saying) bool { return o.text == from.text })
	if at >= 0 && from.text != known.last.text && from.port >= 0 && late(from.exported, known.said[at].exported+1) {
		return false // it was on its way for longer than what that port said since
	}
	if from.text != known.last.text {
		came := at >= 0 && from.heard-known.said[at].heard <= saidFor && from.port != unknownPort && from.port != known.last.port
		if known.back++; !came {
			known.back = 0
		}
	}
	if at >= 0 {
		known.said = slices.Delete(known.said, at, at+1)
	}
	if from.port >= 0 {
		known.said = slices.DeleteFunc(known.said, func(o saying) bool { return o.port == from.port })
	}
	if len(known.said) >= mostSaid {
		known.said = known.said[1:]
	}
	known.said, known.last = append(known.said, from), from
	return known.back >= 2 && len(known.said) > 1
}

// tookOver notes that another collector's row took the place of one.
func (e *Exporter) tookOver(t *tableRows, was, is *Entry, now int64) {
	for _, kind := range [...]uint32{contestedName, contestedDescription} {
		if before, text := was.wordOf(kind), is.wordOf(kind); before != "" && text != "" && before != text {
			e.turn(t, turnsKey{was.Number, kind}, before, saying{text, elsewhere, now, is.Stamp})
			return // what describes another name is no turn
		}
	}
}

func (e *Exporter) forgetTurns(t *tableRows, key turnsKey) {
	if _, ok := t.turns[key]; ok {
		delete(t.turns, key)
		e.turns--
		e.store.chunks.addFresh(-turnsBytes, false)
	}
}

// expireTurns forgets what was said of numbers so long ago that it does not count beside anything else.
func (e *Exporter) expireTurns(t *tableRows, now int64) {
	for key, known := range t.turns {
		if now-known.last.heard > saidFor+slot {
			e.forgetTurns(t, key)
		}
	}
}

// sameTexts reports whether flows take the same of two rows.
func (r *Row) sameTexts(o *Row) bool { return r.Name == o.Name && r.Description == o.Description }
