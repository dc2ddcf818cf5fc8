package template

import (
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// A collector that takes a layout for silent, since it was not told of the port that says it by now, is told of that one, once. To be told again of
// a port that said it long ago changes nothing for it, and it would answer so for ever.
func TestALayoutThatAnotherPortSaysIsNotArguedAboutForEver(t *testing.T) {
	start := int64(1_700_000_000 * time.Second)
	scope := Scope{Version: IPFIX, Domain: 1}
	parse := func(element uint16) *Template {
		tmpl, _, err := Parse(IPFIX, KindData, []byte{1, 44, 0, 1, 0, byte(element), 0, 4}, 100)
		if err != nil {
			t.Fatal(err)
		}
		return tmpl
	}
	a, b := parse(1), parse(2)
	limits := Limits{Exporters: 10, Templates: 100, Fields: 100, TTL: 30 * 24 * time.Hour}
	here := &observed{}
	s := NewStore(ModeAuto, limits, &ledger.Totals{}, here)
	say := func(port uint16, tmpl *Template, at time.Duration) {
		now := start + int64(at)
		s.InStep(now)
		s.Exporter(scope, now).LearnTemplate(port, tmpl, uint64(now/int64(time.Second)), now)
	}
	say(1000, a, 0)
	first := here.learned[0]
	for at := time.Duration(0); at <= 3*time.Hour; at += 5 * time.Minute {
		say(2000, b, at)
		say(3000, a, at)
	}
	now := start + int64(3*time.Hour)
	here.learned = nil
	first.Silent, first.Told = true, now // so another collector says
	for range 3 {
		s.Restore(first, now)
	}
	for _, d := range here.learned {
		if d.Silent || now-d.Heard > int64(time.Hour) {
			t.Errorf("the bucket is told of port %d, heard %s ago, silent: %v", d.Key.Port, time.Duration(now-d.Heard), d.Silent)
		}
	}
	if len(here.learned) == 0 {
		t.Error("the bucket is not told that the layout is said")
	}
}
