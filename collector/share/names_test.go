package share

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/flowfleet/flowfleet/collector/clock"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/names"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/collector/template"
)

func TestKeysOfNamesReadBackAsWritten(t *testing.T) {
	for _, k := range []template.Key{
		{Family: template.FamilyPage, ID: 0}, {Family: template.FamilyPage, ID: 1<<64 - 1},
		{Family: template.FamilyNames, Scope: template.Scope{Exporter: netip.MustParseAddr("10.1.2.3"), Domain: 7}, ID: uint64(names.VRFs)},
		{Family: template.FamilyNames, Scope: template.Scope{Exporter: netip.MustParseAddr("fe80::1%eth0")}, ID: uint64(names.Interfaces)},
	} {
		text := EncodeKey(k)
		back, err := DecodeKey(text)
		if err != nil || back != k || !alphabet.MatchString(text) {
			t.Errorf("%+v became %q and %+v, %v", k, text, back, err)
		}
	}
	for _, text := range []string{"p1", "p1.", "p1.0", "p1.00000000000000000", "n1.names.10-1-2-3.0.any.ports", "n1.ipfix.10-1-2-3.0.any.vrfs",
		"n1.names.10-1-2-3.0.5.vrfs"} {
		if k, err := DecodeKey(text); err == nil {
			t.Errorf("%q is read as %+v", text, k)
		}
	}
}

var ports = names.Scope{Exporter: address}

// say has a member hear a table of so many interfaces.
func (m *member) say(prefix string, n int, exported uint64) {
	now := clock.Steady()
	for i := range n {
		m.names.Learn(names.Key{Scope: ports, Table: names.Interfaces, Number: uint64(i + 1)}, names.Row{Name: fmt.Sprint(prefix, i+1)}, exported, now)
	}
}

// tell writes what was heard.
func (m *member) tell() {
	m.t.Helper()
	m.names.Tick(clock.Steady() + int64(time.Minute))
	m.settled()
}

// named reports whether a member names all of so many interfaces so.
func (m *member) named(prefix string, n int) bool {
	e := m.names.Find(address)
	for i := range n {
		if e == nil {
			return false
		}
		if row := e.Row(0, names.Interfaces, uint64(i+1)); row == nil || row.Name != fmt.Sprint(prefix, i+1) {
			return false
		}
	}
	return true
}

func TestATableThatOneCollectorHeardIsKnownToAll(t *testing.T) {
	const rows = 5000
	s := natstest.Start(t)
	one, other := join(t, s), join(t, s)
	one.say("if", rows, 1000)
	one.tell()
	natstest.Eventually(t, "the other knows the table", func() bool { return other.named("if", rows) })
	late := join(t, s)
	<-late.bucket.Loaded()
	if !late.named("if", rows) {
		t.Error("who starts later has loaded the bucket and does not know the table")
	}
	sequence := lastSequence(t, s)
	other.say("if", rows, 1600)
	other.tell()
	if again := lastSequence(t, s); again != sequence {
		t.Errorf("a table that was sent again, to another collector, caused %d writes", again-sequence)
	}
	other.say("port", 10, 1601)
	other.tell()
	natstest.Eventually(t, "a reassignment is in force", func() bool { return one.named("port", 10) && late.named("port", 10) })
	if again := lastSequence(t, s); again-sequence > 3 {
		t.Errorf("ten rows of %d caused %d writes", rows, again-sequence)
	}
}

func TestTwoThatLearnOneTableAtOnceAgree(t *testing.T) {
	s := natstest.Start(t)
	one, other := join(t, s), join(t, s)
	<-one.bucket.Loaded()
	<-other.bucket.Loaded()
	one.say("if", 1000, 1000)
	other.say("if", 2000, 1000)
	other.say("port", 10, 1002)
	one.names.Tick(clock.Steady() + int64(time.Minute))
	other.names.Tick(clock.Steady() + int64(time.Minute))
	natstest.Eventually(t, "both agree", func() bool {
		one.tell()
		other.tell()
		return one.named("port", 10) && other.named("port", 10) && len(one.names.Rows(ports, names.Interfaces)) == 2000
	})
}

func TestALostBucketGetsItsNamesBack(t *testing.T) {
	s := natstest.Start(t)
	one := join(t, s)
	one.say("if", 3000, 1000)
	one.tell()
	js, err := jetstream.New(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(t.Context(), config.Default().Templates.Bucket); err != nil {
		t.Fatal(err)
	}
	late := join(t, s)
	natstest.Eventually(t, "a newcomer knows the names", func() bool { return late.named("if", 3000) })
}

// A name that is given back after another one was in its place is in force elsewhere as soon as any other change: the bucket has its page already, so
// that nothing but the table is written.
func TestANameThatIsGivenBackHoldsEverywhereAtOnce(t *testing.T) {
	s := natstest.Start(t)
	one, other := join(t, s), join(t, s)
	for n, prefix := range []string{"if", "port", "if", "port"} {
		one.say(prefix, 10, 1000+uint64(n)*100)
		one.tell()
		natstest.Eventually(t, "the other collector has the names of change "+fmt.Sprint(n), func() bool { return other.named(prefix, 10) })
	}
}
