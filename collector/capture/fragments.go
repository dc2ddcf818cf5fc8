package capture

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// fragmentKey identifies the datagram that a fragment belongs to (RFC 791 section 2.3, RFC 8200 section 4.5).
type fragmentKey struct {
	source, destination netip.Addr
	id                  uint32
}

// partial is a datagram of which not all fragments have come.
type partial struct {
	data  []byte
	have  []bool // for each 8 bytes
	total int    // 0 until the last fragment has come
	file  string
	frame int
	begun time.Time
	cut   bool
}

// fragments puts datagrams together.
type fragments struct {
	partials map[fragmentKey]*partial
}

// Bounds of reassembly: a datagram has at most 64 KiB; RFC 8200 section 4.5 gives its fragments 60 seconds, RFC 1122
// section 3.3.2 60 to 120.
const (
	maxDatagram       = 1 << 16
	maxPartials       = 256
	reassemblyTimeout = 60 * time.Second
)

// fragment adds a fragment, and delivers the datagram once it is whole. Where fragments overlap the first one counts.
func (r *Reader) fragment(f *frame, key fragmentKey, offset int, more, cut bool, b []byte) bool {
	if offset+len(b) > maxDatagram || more && len(b)%8 != 0 && !cut {
		r.problem(r.frame, "a fragment does not fit into a datagram")
		return false
	}
	p := r.fragments.partials[key]
	if p != nil && f.time.Sub(p.begun) > reassemblyTimeout {
		r.giveUp(key, p)
		p = nil
	}
	if p == nil {
		p = r.begin(key, f.time)
	}
	if end := offset + len(b); end > len(p.data) {
		p.data = append(p.data, make([]byte, end-len(p.data))...)
		p.have = append(p.have, make([]bool, (len(p.data)+7)/8-len(p.have))...)
	}
	for at := 0; at < len(b); at += 8 {
		if unit := (offset + at) / 8; !p.have[unit] {
			copy(p.data[offset+at:], b[at:min(at+8, len(b))])
			p.have[unit] = true
		}
	}
	p.cut = p.cut || cut
	if !more {
		p.total = offset + len(b)
	}
	if p.total == 0 || len(p.data) < p.total {
		return false
	}
	for _, have := range p.have[:(p.total+7)/8] {
		if !have {
			return false
		}
	}
	delete(r.fragments.partials, key)
	return r.udp(f, key.source, key.destination, p.data[:p.total], p.cut)
}

func (r *Reader) begin(key fragmentKey, now time.Time) *partial {
	if r.fragments.partials == nil {
		r.fragments.partials = make(map[fragmentKey]*partial)
	}
	if len(r.fragments.partials) >= maxPartials {
		var oldest fragmentKey
		var found *partial
		for k, p := range r.fragments.partials {
			if found == nil || p.begun.Before(found.begun) {
				oldest, found = k, p
			}
		}
		r.giveUp(oldest, found)
	}
	p := &partial{file: r.path, frame: r.frame, begun: now}
	r.fragments.partials[key] = p
	return p
}

func (r *Reader) giveUp(key fragmentKey, p *partial) {
	delete(r.fragments.partials, key)
	r.stats.Problems++
	if r.report != nil {
		r.report(Problem{File: p.file, Frame: p.frame, Reason: fmt.Sprintf(
			"not all fragments of datagram %d from %s are in the capture", key.id, key.source)})
	}
}

// unfinished reports the datagrams and messages that nothing completed.
func (r *Reader) unfinished() {
	for _, key := range slices.SortedFunc(maps.Keys(r.streams), func(a, b pair) int {
		return cmp.Or(a.source.Compare(b.source), a.destination.Compare(b.destination))
	}) {
		r.leave(key, r.streams[key])
	}
	for key, p := range r.fragments.partials {
		r.giveUp(key, p)
	}
	for _, a := range r.associations {
		r.giveUpParts(a)
	}
}
