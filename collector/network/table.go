// Package network maps networks to values: the allow-list of exporters and the sampling rates configured for them.
package network

import (
	"net/netip"
	"slices"
)

// Table finds the longest prefix that contains an address. A nil Table is empty; a Table is immutable once built, so that
// workers share it without locks.
type Table[V any] struct {
	v4, v6 []level[V] // longest prefixes first
}

type level[V any] struct {
	bits   int
	values map[netip.Addr]V
}

// Entry is one network and its value.
type Entry[V any] struct {
	Network netip.Prefix
	Value   V
}

// New builds a Table. Networks are masked; of equal ones the last counts, invalid ones are left out.
func New[V any](entries []Entry[V]) *Table[V] {
	t := &Table[V]{}
	for _, e := range entries {
		p := e.Network.Masked()
		if !p.IsValid() {
			continue
		}
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		levels := &t.v6
		if p.Addr().Is4() {
			levels = &t.v4
		}
		i := slices.IndexFunc(*levels, func(l level[V]) bool { return l.bits == p.Bits() })
		if i < 0 {
			i = len(*levels)
			*levels = append(*levels, level[V]{p.Bits(), make(map[netip.Addr]V)})
		}
		(*levels)[i].values[p.Addr()] = e.Value
	}
	longestFirst := func(a, b level[V]) int { return b.bits - a.bits }
	slices.SortFunc(t.v4, longestFirst)
	slices.SortFunc(t.v6, longestFirst)
	return t
}

// Lookup returns the value of the longest network that contains a. An IPv4-mapped address counts as IPv4; a zone is
// ignored. It does not allocate.
func (t *Table[V]) Lookup(a netip.Addr) (V, bool) {
	v, _, ok := t.smallest(a)
	return v, ok
}

// LookupEither returns the value of the smallest network that contains a or b, of two that are as small that of a. An invalid address is in
// none. It does not allocate.
func (t *Table[V]) LookupEither(a, b netip.Addr) (V, bool) {
	v, free, ok := t.smallest(a)
	if other, freer, found := t.smallest(b); found && (!ok || freer < free) {
		return other, true
	}
	return v, ok
}

// smallest finds the longest network that contains a, with how many bits it leaves free.
func (t *Table[V]) smallest(a netip.Addr) (v V, free int, ok bool) {
	if t == nil || !a.IsValid() {
		return v, 0, false
	}
	a = a.Unmap().WithZone("")
	levels := t.v6
	if a.Is4() {
		levels = t.v4
	}
	for i := range levels {
		p, err := a.Prefix(levels[i].bits)
		if err != nil {
			continue
		}
		if v, ok := levels[i].values[p.Addr()]; ok {
			return v, a.BitLen() - p.Bits(), true
		}
	}
	return v, 0, false
}
