package sampling

// The ports of an exporter often say the same: it has several, or takes another one each time, as behind a NAT that forgets it. One of them
// stands for all in the bucket, until they differ.

// groupKey is what ports say of a subject.
type groupKey struct {
	domain uint32
	rate   uint64
	rival  bool
}

func (a *announcement) group() groupKey { return groupKey{a.domain, a.rate, a.rival} }

// group is what the ports that say so come to, of those that count.
type group struct {
	// newest was heard last; told is when one of them was, as far as the bucket knows, 0 where it knows of none.
	newest *announcement
	told   int64
	// keeper is the one of which the bucket was told last.
	keeper *announcement
	// since is when the first of them began.
	since int64
}

// groups are those of a subject's announcements at now.
func (e *Exporter) groups(all []*announcement, now int64) map[groupKey]group {
	out := make(map[groupKey]group, 1)
	for _, a := range all {
		if !e.inForce(a, now) {
			continue
		}
		g, ok := out[a.group()]
		if !ok || a.heard >= g.newest.heard {
			g.newest = a
		}
		if a.told > g.told {
			g.told, g.keeper = a.told, a
		}
		if !ok || a.since < g.since {
			g.since = a.since
		}
		out[a.group()] = g
	}
	return out
}

// publish has the bucket know what a port says that has no key there: at once where no other port says so, or one said otherwise since the
// bucket was told; where it says it a second time and may be heard in parts; else where it goes on to say it. What is to be said again is said of
// the port that stands for all. e.mu is held.
func (e *Exporter) publish(subject uint64, a *announcement, now int64) {
	groups := e.groups(e.subjects[subject], now)
	own := groups[a.group()]
	contested, since := false, int64(0)
	for key, g := range groups {
		if key.domain == a.domain && key.rate != a.rate {
			contested, since = true, max(since, g.since)
		}
	}
	switch {
	case own.told == 0, e.speakers[a.port].told, contested && since >= own.told, a.heard-a.since >= retell,
		a.heard > a.since && (e.store.ownPortOnly || contested || e.inParts(a.port, own.keeper.port)):
		e.tell(subject, a, now, false)
		e.tellOthers(subject, a, now)
	case now-own.told > e.store.TTL()/2, e.newest-own.told > retell, now-own.told > retell && e.misses(now):
		e.keep(subject, own, now, now)
		e.tellOthers(subject, a, now)
	}
}

// inParts reports whether other collectors may hear a part of what a port says that is not heard here each time: it says less here than the
// port that stands for it in the bucket, or began to say more later. To them it speaks for itself, and the other one does not stand for what they
// do not hear.
func (e *Exporter) inParts(port, keeper uint16) bool {
	s := e.speakers[port]
	return s.inParts || s.count < e.speakers[keeper].count
}

// keep has the bucket know that a group was heard, of the port that stands for it already: a port that changes each time would leave one key
// more each time. e.mu is held.
func (e *Exporter) keep(subject uint64, g group, heard, now int64) {
	g.keeper.heard = max(g.keeper.heard, heard)
	e.spoke(g.keeper.port, heard)
	e.tell(subject, g.keeper, now, true)
}

// tellOthers has the bucket know which ports say otherwise than a, of those that have no key there: others would take a's rate for theirs.
// A port that said it once may not be heard again: of these the newest stands for all. e.mu is held.
func (e *Exporter) tellOthers(subject uint64, a *announcement, now int64) {
	all := e.subjects[subject]
	if len(all) == 1 {
		return
	}
	groups := e.groups(all, now)
	for _, o := range all {
		if o.told == 0 && o.domain == a.domain && o.rate != a.rate && e.inForce(o, now) && (o.heard > o.since || groups[o.group()].newest == o) {
			e.tell(subject, o, now, false)
		}
	}
}
