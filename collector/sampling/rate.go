package sampling

import (
	"cmp"
	"slices"
)

// choose is what those that count say to a port: its own announcement; where it announces nothing at all, what all say; else the one that began last, where none
// of the others was heard since: an exporter that restarted with another port. Between neighbours that differ none is guessed, nor between domains: one
// does not take another's place. What devices that share a port dispute is a known 0: nobody else's rate stands in for it. So is what made room for others: it may be the
// port's own.
func (e *Exporter) choose(subject uint64, fits func(*announcement) bool, port uint16, now int64) (rate uint64, known bool) {
	var own *announcement
	var all []*announcement
	speaks := e.speaks(port, now)
	for _, a := range e.subjects[subject] {
		if speaks && a.port != port || !fits(a) || !e.inForce(a, now) {
			continue
		}
		if a.port == port {
			if own != nil && own.rate != a.rate {
				return 0, own.domain == a.domain // devices that share the port; else what it says of other domains
			}
			own = a
		}
		all = append(all, a)
	}
	switch {
	case own != nil:
		return own.rate, true
	case e.missing(subject, now) || !speaks && e.partedAt(now):
		return 0, true
	case len(all) == 0 || e.store.ownPortOnly:
		return 0, false
	}
	slices.SortStableFunc(all, func(a, b *announcement) int { return cmp.Compare(a.domain, b.domain) })
	agree, disputed := true, false
	for begin, end := 0, 0; begin < len(all); begin = end {
		for end = begin + 1; end < len(all) && all[end].domain == all[begin].domain; {
			end++
		}
		here, known, rivals := newest(all[begin:end])
		agree, disputed = agree && known && (begin == 0 || here == rate), disputed || rivals
		rate = here
	}
	if !agree {
		return 0, disputed
	}
	return rate, true
}

// newest is the rate of those announcements that began last, unless another one was heard since; rivals: devices that share a port dispute it.
func newest(all []*announcement) (rate uint64, known, rivals bool) {
	var groups []saidRate
	for _, a := range all {
		groups = addRate(groups, a)
	}
	last := slices.MaxFunc(groups, func(a, b saidRate) int { return cmp.Compare(a.since, b.since) })
	for _, g := range groups {
		if g.rate != last.rate && g.heard >= last.since {
			return 0, false, g.rival || last.rival
		}
	}
	return last.rate, true, false
}

// saidRate is a rate that ports say: since when one of them has said it, and when one last did. What a port that changes each time says began with
// the first of them.
type saidRate struct {
	rate         uint64
	since, heard int64
	rival        bool
}

// maxRates bounds the rates of a subject that are told apart; of more, none began last.
const maxRates = 32

func addRate(groups []saidRate, a *announcement) []saidRate {
	i := slices.IndexFunc(groups, func(g saidRate) bool { return g.rate == a.rate })
	switch {
	case i < 0 && len(groups) >= maxRates:
		groups[0].heard, groups[1].heard = never, never
		return groups
	case i < 0:
		return append(groups, saidRate{a.rate, a.since, a.heard, a.rival})
	}
	g := &groups[i]
	g.since, g.heard, g.rival = min(g.since, a.since), max(g.heard, a.heard), g.rival || a.rival
	return groups
}

// inDomain looks in the flow's own domain first; else in all others, whose announcements may come under another domain than the
// flows that they are about.
func (e *Exporter) inDomain(subject uint64, domain uint32, port uint16, now int64) (rate uint64, known, own bool) {
	here := func(a *announcement) bool { return a.domain == domain }
	speaks := e.speaks(port, now)
	for _, a := range e.subjects[subject] {
		if here(a) && (a.port == port || !speaks) && e.inForce(a, now) {
			rate, known = e.choose(subject, here, port, now)
			return rate, known, true
		}
	}
	rate, known = e.choose(subject, func(*announcement) bool { return true }, port, now)
	return rate, known, false
}

// Ended reports whether it was announced for a subject of a domain that it is sampled no more, or by devices that share a port that they dispute
// it: what is in force at now. Another rate of 0 is one that nobody can know here, see choose.
func (e *Exporter) Ended(domain uint32, subject uint64, now int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.subjects[subject], func(a *announcement) bool {
		return a.domain == domain && (a.rate == 0 || a.rival) && e.inForce(a, now)
	})
}

// Rate looks up the rate of a subject (see Key) for flows of a domain that come from port, at now. known tells a rate of 0, which
// says that sampling has ended or that devices dispute it, from none. What the domain itself says counts before what others do.
func (e *Exporter) Rate(domain uint32, port uint16, subject uint64, now int64) (rate uint64, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if kind, _ := Split(subject); kind == Template || kind == Sequence { // their ids are a domain's own
		return e.choose(subject, func(a *announcement) bool { return a.domain == domain }, port, now)
	}
	rate, known, own := e.inDomain(subject, domain, port, now)
	if known && !own && e.numbers(subject, domain, port, now) {
		return 0, false
	}
	if known && rate != 0 && !e.speaks(port, now) && e.apart(subject, rate, now) {
		return 0, own || !e.saysSystem(domain, now)
	}
	return rate, known
}

// numbers reports whether, of a sampler or selector, a domain describes others. Their numbers are its own then (RFC 5477 section 8.2.1): one that it
// does not describe is not another domain's. Of very many it is not looked at which of them count.
func (e *Exporter) numbers(subject uint64, domain uint32, port uint16, now int64) bool {
	kind, _ := Split(subject)
	if kind != Sampler && kind != Selector || e.numbered[domain] == 0 {
		return false
	}
	if len(e.samplers) > maxOnly {
		return true
	}
	speaks := e.speaks(port, now)
	for other := range e.samplers {
		if slices.ContainsFunc(e.subjects[other], func(a *announcement) bool {
			return a.domain == domain && (a.port == port || !speaks) && e.inForce(a, now)
		}) {
			return true
		}
	}
	return false
}

// saysSystem reports whether somebody announces a rate for all of a domain.
func (e *Exporter) saysSystem(domain uint32, now int64) bool {
	return slices.ContainsFunc(e.subjects[uint64(System)<<idBits], func(a *announcement) bool { return a.domain == domain && e.inForce(a, now) })
}

// apart reports whether some ports announce a subject, and nothing for all that they export, and others only that, at another rate than the
// subject's: these are two devices, and nothing tells whose the flows of a port are that announces nothing. Ports that say a part of what another one
// says are its former ones: an exporter that took several ports within an hour leaves keys of each.
func (e *Exporter) apart(subject, rate uint64, now int64) bool {
	said := e.ports(subject, now)
	all := e.ports(uint64(System)<<idBits, now)
	for port, rate := range e.ports(uint64(Process)<<idBits, now) {
		all[port] = rate
	}
	// What ports say that say both.
	theirs, theirAll := make(map[uint64]bool), make(map[uint64]bool)
	for port, one := range said {
		if other, both := all[port]; both {
			theirs[one], theirAll[other] = true, true
		}
	}
	particular, general := false, false
	for port, one := range said {
		_, both := all[port]
		particular = particular || !both && !theirs[one]
	}
	for port, other := range all {
		_, both := said[port]
		general = general || !both && other != rate && !theirAll[other]
	}
	return particular && general
}

// ports are those that announce a subject at now, with a rate of each.
func (e *Exporter) ports(subject uint64, now int64) map[uint16]uint64 {
	out := make(map[uint16]uint64)
	for _, a := range e.subjects[subject] {
		if e.inForce(a, now) {
			out[a.port] = a.rate
		}
	}
	return out
}

// Standard is the rate of flows that name nothing: the domain's own; else the one that all samplers of the domain share, or all its line
// cards; else that of the exporting process; else what other domains say and agree on.
func (e *Exporter) Standard(domain uint32, port uint16, now int64) (rate uint64, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	system, process := uint64(System)<<idBits, uint64(Process)<<idBits
	others, othersKnown, own := e.inDomain(system, domain, port, now)
	if own {
		return others, othersKnown
	}
	samplers := e.only(e.samplers, domain, port, now)
	if samplers.here.known {
		return samplers.here.rate, true
	}
	// Flows do not say which card they come from.
	cards := e.only(e.cards, domain, port, now)
	if cards.here.known {
		return cards.here.rate, true
	}
	if rate, known, _ = e.inDomain(process, domain, port, now); known {
		return rate, true
	}
	switch {
	case othersKnown:
		return others, true
	case samplers.all.known:
		return samplers.all.rate, true
	case cards.all.known:
		return cards.all.rate, true
	}
	return 0, false
}

// agreed is a rate that several say, and none says otherwise.
type agreed struct {
	rate          uint64
	known, differ bool
}

func (a *agreed) add(rate uint64) {
	a.differ = a.differ || a.known && rate != a.rate
	a.rate, a.known = rate, true
}

// shared is what all subjects of the domain share, and all of the exporter.
type shared struct{ here, all agreed }

// only is the rate that all of some subjects share. Of very many, all that is announced has to be the same.
func (e *Exporter) only(subjects map[uint64]struct{}, domain uint32, port uint16, now int64) (out shared) {
	speaks := e.speaks(port, now)
	if len(subjects) > maxOnly {
		out = e.same(subjects, domain, port, now, speaks)
		subjects = nil
	}
	for subject := range subjects {
		rate, known, own := e.inDomain(subject, domain, port, now)
		if !known {
			// Neighbours that differ, or nobody: an announcement that does not count any more says nothing.
			for _, a := range e.subjects[subject] {
				if speaks && a.port != port {
					continue
				}
				out.all.differ = out.all.differ || e.inForce(a, now)
				out.here.differ = out.here.differ || a.domain == domain && e.inForce(a, now)
			}
			continue
		}
		out.all.add(rate)
		if own {
			out.here.add(rate)
		}
	}
	out.here.known = out.here.known && !out.here.differ
	out.all.known = out.all.known && !out.all.differ && !out.here.differ
	return out
}

// same is what the announcements of some subjects have in common, whichever of them count; speaks: the port speaks for itself.
func (e *Exporter) same(subjects map[uint64]struct{}, domain uint32, port uint16, now int64, speaks bool) (out shared) {
	parted := !speaks && e.partedAt(now)
	for subject := range subjects {
		unsure := parted || e.missing(subject, now)
		for _, a := range e.subjects[subject] {
			if a.port != port && (speaks || e.store.ownPortOnly) || !e.inForce(a, now) {
				continue
			}
			rate := a.rate
			if a.port != port && unsure {
				rate = 0 // see choose
			}
			if out.all.add(rate); a.domain == domain {
				out.here.add(rate)
			}
		}
	}
	return out
}

// Any reports whether the exporter announced any rate of a kind.
func (e *Exporter) Any(kind Kind) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.byKind[kind] > 0
}
