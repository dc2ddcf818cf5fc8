package exporters

import (
	"testing"

	"github.com/flowfleet/flowfleet/collector/ledger"
)

// sendNamed lets an exporter send 100 packets, of whose records so many have named interfaces, and others have not.
func (w *world) sendNamed(address string, named, unnamed uint64) {
	w.send(address, 100, 0)
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.heard[address]
	if e.Naming == nil {
		e.Naming = &ledger.Naming{}
	}
	e.Naming.Interfaces.Named += named
	e.Naming.Interfaces.Unnamed += unnamed
}

func TestAStatusHasHowManyFlowsGotNames(t *testing.T) {
	w := newWorld(t, ordinary)
	const none, half, all, unasked, silent = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"
	for range 9 {
		w.sendNamed(none, 0, 1000)
		w.sendNamed(half, 500, 500)
		w.sendNamed(all, 1000, 0)
		w.sendNamed(unasked, 0, 0)
		w.send(silent, 100, 0) // its collector does not say
		w.pass()
	}
	objects := w.objects()
	for address, want := range map[string]string{none: "0%", half: "50%", all: "100%"} {
		n := objects["edge-"+address].Status.Naming
		if n == nil || n.Named != want || len(n.Tables) != 1 || n.Tables[0].Table != "interfaces" || n.Tables[0].Named != want {
			t.Errorf("%s has %+v, not %s", address, n, want)
		}
	}
	for _, address := range []string{unasked, silent} {
		if n := objects["edge-"+address].Status.Naming; n != nil {
			t.Errorf("%s has %+v", address, n)
		}
	}
	writes := 0
	for i := range uint64(6) { // what changes is written with the figures, not each time
		w.sendNamed(none, 1000*i, 0)
		w.sendNamed(half, 100*i, 0)
		w.sendNamed(all, 0, 100*i)
		writes += w.pass()
	}
	if writes != 0 {
		t.Errorf("%d requests wrote in a minute", writes)
	}
	for range 30 {
		w.sendNamed(none, 1000, 0)
		w.pass()
	}
	if n := w.objects()["edge-"+none].Status.Naming; n == nil || n.Named == "0%" {
		t.Errorf("after five minutes it is %+v", n)
	}
}

func TestAShareOfNamesIsAllOrNoneOnlyWhereItIs(t *testing.T) {
	for want, n := range map[string]ledger.Named{"": {}, "0%": {Unnamed: 5000}, "<1%": {Named: 1, Unnamed: 5000}, "1%": {Named: 1, Unnamed: 99},
		"99%": {Named: 99, Unnamed: 1}, ">99%": {Named: 5000, Unnamed: 1}, "100%": {Named: 1}} {
		if got := n.Percent(); got != want {
			t.Errorf("%+v is %s, not %s", n, got, want)
		}
	}
}

func TestOneCollectorThatDoesNotSayLeavesNamingUnknown(t *testing.T) {
	n := &Figures{}
	w := &Window{Naming: ledger.Naming{Interfaces: ledger.Named{Named: 5}}}
	if naming(w, n) == nil {
		t.Error("it is known")
	}
	n.add(&Figures{NamingUntold: true})
	if got := naming(w, n); got != nil {
		t.Errorf("%+v", got)
	}
	less := ledger.Naming{}
	less.Sub(&ledger.Naming{VRFs: ledger.Named{Unnamed: 1}})
	if !backwards(&less) || backwards(&w.Naming) {
		t.Error("what a collector forgot is not seen")
	}
}
