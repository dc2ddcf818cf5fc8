package sampling

// choose is what those that count say to a port: its own announcement; else what all say; else the one that began last, where none
// of the others was heard since: an exporter that restarted with another port. Between neighbours that differ none is guessed.
func (e *Exporter) choose(all []*announcement, fits func(*announcement) bool, port uint16, now int64) (rate uint64, known bool) {
	var last *announcement
	differ := false
	for _, a := range all {
		if !fits(a) || !e.inForce(a, now) {
			continue
		}
		if a.port == port {
			return a.rate, true
		}
		if last != nil && a.rate != last.rate {
			differ = true
		}
		if last == nil || a.since > last.since {
			last = a
		}
	}
	if last == nil || e.store.ownPortOnly {
		return 0, false
	}
	if differ {
		for _, a := range all {
			if fits(a) && e.inForce(a, now) && a.rate != last.rate && a.heard >= last.since {
				return 0, false
			}
		}
	}
	return last.rate, true
}

// inDomain looks in the flow's own domain first; else in all others, whose announcements may come under another domain than the
// flows that they are about.
func (e *Exporter) inDomain(all []*announcement, domain uint32, port uint16, now int64) (rate uint64, known, own bool) {
	here := func(a *announcement) bool { return a.domain == domain }
	for _, a := range all {
		if here(a) && e.inForce(a, now) {
			rate, known = e.choose(all, here, port, now)
			return rate, known, true
		}
	}
	rate, known = e.choose(all, func(*announcement) bool { return true }, port, now)
	return rate, known, false
}

// Rate looks up the rate of a subject (see Key) for flows of a domain that come from port, at now. known tells a rate of 0, which
// says that sampling has ended, from none. What the domain itself says counts before what others do.
func (e *Exporter) Rate(domain uint32, port uint16, subject uint64, now int64) (rate uint64, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.subjects[subject]
	if kind, _ := Split(subject); kind == Template { // ids of templates are a domain's own
		return e.choose(all, func(a *announcement) bool { return a.domain == domain }, port, now)
	}
	rate, known, _ = e.inDomain(all, domain, port, now)
	return rate, known
}

// Standard is the rate of flows that name nothing: the domain's own; else the one that all samplers of the domain share; else that
// of the exporting process; else what other domains say and agree on.
func (e *Exporter) Standard(domain uint32, port uint16, now int64) (rate uint64, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	system, process := uint64(System)<<idBits, uint64(Process)<<idBits
	others, othersKnown, own := e.inDomain(e.subjects[system], domain, port, now)
	if own {
		return others, othersKnown
	}
	here, hereKnown, all, allKnown := e.only(domain, port, now)
	if hereKnown {
		return here, true
	}
	if rate, known, _ = e.inDomain(e.subjects[process], domain, port, now); known {
		return rate, true
	}
	if othersKnown {
		return others, true
	}
	return all, allKnown
}

// only is the rate that all samplers of the domain share, and that all of the exporter do.
func (e *Exporter) only(domain uint32, port uint16, now int64) (here uint64, hereKnown bool, all uint64, allKnown bool) {
	if len(e.samplers) > maxOnly {
		return 0, false, 0, false
	}
	hereDiffer, allDiffer := false, false
	for subject := range e.samplers {
		rate, known, own := e.inDomain(e.subjects[subject], domain, port, now)
		if !known {
			// Neighbours that differ, or nobody: an announcement that does not count any more says nothing.
			for _, a := range e.subjects[subject] {
				allDiffer = allDiffer || e.inForce(a, now)
				hereDiffer = hereDiffer || a.domain == domain && e.inForce(a, now)
			}
			continue
		}
		allDiffer = allDiffer || allKnown && rate != all
		all, allKnown = rate, true
		if own {
			hereDiffer = hereDiffer || hereKnown && rate != here
			here, hereKnown = rate, true
		}
	}
	return here, hereKnown && !hereDiffer, all, allKnown && !allDiffer && !hereDiffer
}

// Any reports whether the exporter announced any rate of a kind.
func (e *Exporter) Any(kind Kind) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.byKind[kind] > 0
}
