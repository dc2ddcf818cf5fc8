package exporters

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

const (
	// expires is after how long a silence the object of a discovered exporter goes.
	expires = 24 * time.Hour
	// leastLooks is in how many looks more has to have come before an object is made: one spoofed datagram makes none.
	leastLooks = 2
)

// choice is which objects to make and to remove.
type choice struct {
	make   []netip.Addr
	remove []*v1alpha1.FlowExporter
	// leftOut found no room.
	leftOut int
}

// candidate for an object of the operator's own.
type candidate struct {
	address netip.Addr
	object  *v1alpha1.FlowExporter // nil where there is none yet
	decoded bool
	since   time.Time
}

// choose picks up to most exporters for objects: those of which something was decoded first, then those that have an object, then
// those that were heard first. So a flood of senders that come and go pushes none out that stays. Who was silent for long goes where the look
// tells that: those who were not asked, by an operator that was away or of collectors that do not answer, may have been heard since.
func choose(objects []*v1alpha1.FlowExporter, senders map[netip.Addr]*sender, most int, look Look, now time.Time) (out choice) {
	taken := declaredAddresses(objects)
	var all []candidate
	for _, o := range objects {
		if !discovered(o) {
			continue
		}
		address, _ := parse(string(o.Spec.Addresses[0]))
		s := senders[address]
		heard := o.CreationTimestamp.Time
		if o.Status.LastHeard != nil && o.Status.LastHeard.After(heard) && !o.Status.LastHeard.After(now.Add(maxSkew)) {
			heard = o.Status.LastHeard.Time
		}
		if s != nil && s.heard.After(heard) {
			heard = s.heard
		}
		if taken[address] || now.Sub(heard) >= expires && look.tellsSilence(now) {
			out.remove = append(out.remove, o)
			taken[address] = true
			continue
		}
		all = append(all, candidate{address, o, o.Status.Records > 0 || s != nil && s.figures.Records > 0, o.CreationTimestamp.Time})
		taken[address] = true
	}
	for address, s := range senders {
		if !taken[address] && s.grew >= leastLooks {
			all = append(all, candidate{address, nil, s.figures.Records > 0, s.first})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(number(b.decoded)-number(a.decoded), number(b.object != nil)-number(a.object != nil), a.since.Compare(b.since), a.address.Compare(b.address))
	})
	for i, c := range all {
		switch {
		case i < most && c.object == nil:
			out.make = append(out.make, c.address)
		case i >= most && c.object != nil:
			out.remove = append(out.remove, c.object)
			out.leftOut++
		case i >= most:
			out.leftOut++
		}
	}
	return out
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// declaredAddresses are those of all objects that are the user's.
func declaredAddresses(objects []*v1alpha1.FlowExporter) map[netip.Addr]bool {
	out := make(map[netip.Addr]bool)
	for _, o := range objects {
		if discovered(o) {
			continue
		}
		for _, a := range o.Spec.Addresses {
			if address, ok := parse(string(a)); ok {
				out[address] = true
			}
		}
	}
	return out
}

// Declared reports whether a FlowExporter is the user's.
func Declared(o *v1alpha1.FlowExporter) bool { return !discovered(o) }

// discovered is fleet.Discovered, where fleet is another word.
func discovered(o *v1alpha1.FlowExporter) bool { return fleet.Discovered(o) }
