package lives

import (
	"net/netip"
	"testing"
	"time"
)

// optionsTemplate is one of the id that flows have: interface as scope, and a rate.
func optionsTemplate() []byte { return set(3, u16(300, 3, 1, 10, 4, 34, 4, 50, 4)) }

// An id is a template's of flows, then one of options, and back, again and again: records are never read as the other kind, in any collector.
func TestAnIDThatChangesBetweenFlowsAndOptionsIsReadAsWhatItIs(t *testing.T) {
	f := newFleet(t, 3)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	for round := range 12 {
		f.wait(70 * time.Minute)
		at := f.collectors[round/2%2]
		if round%2 == 0 {
			d.says(at)
		} else {
			d.send(at, d.port, 0, optionsTemplate())
			f.sync()
		}
		for i, c := range f.collectors {
			before := len(c.records)
			switch ok, wrong, _ := d.data(c, d.port); {
			case round%2 == 0 && (!ok || wrong):
				t.Fatalf("round %d, collector %d: a flow is read %v, wrong %v", round, i, ok, wrong)
			case round%2 == 1 && len(c.records) != before:
				t.Fatalf("round %d, collector %d: an options record is read as a flow", round, i)
			}
			c.records = nil
		}
		if round == 6 {
			f.replace(2)
		}
	}
}

// Templates of no fields, and withdrawals (a template without fields), take back nothing, in whatever set they come. Neither do templates of
// ids below 256, of too many fields, and of sets that are cut short.
func TestWhatIsNoTemplateChangesNothing(t *testing.T) {
	for name, bad := range map[string][]byte{
		"a withdrawal":                     set(2, u16(300, 0)),
		"a withdrawal of all":              set(2, u16(2, 0)),
		"a withdrawal in a set of options": set(3, u16(300, 0)),
		"a withdrawal of all options":      set(3, u16(3, 0)),
		"options without fields":           set(3, u16(300, 0, 0)),
		"options with too large a scope":   set(3, u16(300, 1, 2, 10, 4)),
		"a low id":                         set(2, u16(255, 1, 10, 4)),
		"fields that are not there":        set(2, u16(300, 60000, 10, 4)),
		"half a field":                     set(2, u16(300, 1, 10)),
		"only fields without a length":     set(2, u16(300, 2, 10, 0, 14, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 2)
			d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
			d.says(f.collectors[0])
			f.wait(time.Minute)
			d.send(f.collectors[0], d.port, 0, bad)
			f.sync()
			if n := f.unread(d); n > 0 {
				t.Errorf("%d collectors do not read its flows", n)
			}
		})
	}
}

// Records of fields of variable length only, and 65,280 templates of one exporter, are read; nobody else's are lost to these.
func TestAsManyTemplatesAsThereAreIDsLeaveNeighboursAlone(t *testing.T) {
	f := newFleet(t, 1)
	neighbour := &device{address: netip.MustParseAddr("192.0.2.2"), domain: 1, port: 1000}
	neighbour.says(f.collectors[0])
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000}
	c := f.collectors[0]
	for id := 256; id < 1<<16; id++ {
		d.send(c, d.port, 0, set(2, u16(uint16(id), 3, 1, 65535, 2, 65535, 10, 65535)))
		c.queue = c.queue[:0]
	}
	f.wait(time.Second)
	if n := f.unread(neighbour); n > 0 {
		t.Error("a neighbour's template is lost")
	}
	before := len(c.records)
	d.send(c, d.port, 1, set(65535, []byte{2, 3, 232, 1, 7, 4, 0, 0, 0, 3}))
	if len(c.records) != before+1 || c.records[before].Bytes != 1000 || c.records[before].Packets != 7 || c.records[before].InIf != 3 {
		t.Errorf("a record of fields of variable length is read as %+v", c.records[before:])
	}
}

// A device has another domain after it was booted, and numbers templates anew: what the former domain had is not taken for the new one's.
func TestADomainThatChangesAtABootTakesNothingFromTheFormer(t *testing.T) {
	f := newFleet(t, 2)
	d := &device{address: netip.MustParseAddr("192.0.2.1"), domain: 1, port: 1000, rate: 100}
	d.announce(f.collectors[0])
	f.wait(5 * time.Minute)
	d.domain, d.layout, d.sequence, d.rate = 2, 1, 0, 500
	for i, c := range f.collectors {
		if ok, _, _ := d.data(c, d.port); ok {
			t.Errorf("collector %d reads flows of a domain that said no template", i)
		}
	}
	d.announce(f.collectors[1])
	for i, c := range f.collectors {
		c.records = nil
		if ok, wrong, rate := d.data(c, d.port); !ok || wrong || rate != 500 {
			t.Errorf("collector %d: decoded %v, wrong %v, rate %d", i, ok, wrong, rate)
		}
	}
}
