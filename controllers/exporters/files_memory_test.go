package exporters

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/names"
)

// fullFile is a text of a MiB, as much as a ConfigMap may have, whose lines are made from their numbers.
func fullFile(line func(i int) string) string {
	var b strings.Builder
	for i := 0; ; i++ {
		l := line(i)
		if b.Len()+len(l) > 1<<20 {
			return b.String()
		}
		b.WriteString(l)
	}
}

// heap is how many bytes are in use once what nobody holds is collected.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Who may make FlowExporters and ConfigMaps in a namespace decides nothing about the operator's memory: it is that of all tenants.
func TestOneConfigMapTakesItsRoomOnceHoweverManyFlowExportersNameIt(t *testing.T) {
	const room = 12 << 20 // a file takes about three times its MiB, and what SettingsOf makes of it a MiB or two
	s := &shelf{texts: map[string]string{
		"own": fullFile(func(i int) string { return fmt.Sprintf("10.%d.%d.%d,interfaces,1,a\n", i>>16, i>>8&255, i&255) }),
		"all": fullFile(func(i int) string { return fmt.Sprintf("0.0.0.0/0,interfaces,%d,a\n", i+1) }),
	}}
	for name := range s.texts {
		var many []*v1alpha1.FlowExporter
		for i := range 300 {
			many = append(many, from(fmt.Sprintf("r%d", i), name, v1alpha1.ExporterAddress(fmt.Sprintf("10.0.%d.%d", i>>8, i&255))))
		}
		before := heap()
		files := NewFiles(s, clocktesting.NewFakePassiveClock(noon))
		named, err := files.Of(t.Context(), many)
		if err != nil {
			t.Fatal(err)
		}
		settings := SettingsOf(many, named)
		if took := heap() - before; took > room {
			t.Errorf("%s: %d bytes", name, took)
		}
		if c := settings.of["r7"]; name == "own" && c.device == nil || name == "all" && !strings.Contains(c.wrong, "more than 512 interfaces") {
			t.Errorf("%s: %+v", name, c)
		}
		runtime.KeepAlive(files)
		runtime.KeepAlive(named)
	}
}

func TestConfigMapsOfANamespaceHaveRoomTogetherAndTheOthersSaySo(t *testing.T) {
	full := fullFile(func(i int) string { return fmt.Sprintf("192.0.2.1,interfaces,%d,a\n", 1+i%300) })
	s := &shelf{texts: make(map[string]string)}
	clock := clocktesting.NewFakePassiveClock(noon)
	files := NewFiles(s, clock)
	var objects []*v1alpha1.FlowExporter
	fits := maxText / len(full)
	for i := range fits + 2 {
		name := fmt.Sprintf("names%d", i)
		s.texts[name] = full
		objects = append(objects, from(name, name, "192.0.2.1"))
	}
	without := func(about string, want ...string) {
		t.Helper()
		named, err := files.Of(t.Context(), objects)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range objects {
			if n := named[o.Name]; strings.Contains(n.file.fault, "leave out lines") && len(n.interfaces()) == 0 {
				got = append(got, o.Name)
			} else if len(n.interfaces()) == 0 {
				t.Errorf("%s: %s has no names: %s", about, o.Name, n.file.fault)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: no room for %q, not %q", about, got, want)
		}
	}
	last, second := fmt.Sprintf("names%d", fits+1), fmt.Sprintf("names%d", fits)
	without("at first", second, last)
	reads := s.reads
	clock.SetTime(noon.Add(files.age("flows")))
	without("when they are read again", second, last)
	if s.reads != reads+fits {
		t.Errorf("what has no room is read as often: %d reads", s.reads-reads)
	}
	s.texts["names0"] = "192.0.2.1,interfaces,1,a\n"
	clock.SetTime(clock.Now().Add(withoutRoom * files.age("flows")))
	without("once another has less", last)
	// A namespace has its room for itself.
	other := from("r", last, "192.0.2.1")
	other.Namespace = "other"
	if named, err := files.Of(t.Context(), []*v1alpha1.FlowExporter{other}); err != nil || named["r"].file.fault != "" {
		t.Errorf("%v, %v", named["r"], err)
	}
}

// The collectors read the same lines from exporters.namesFrom.
func TestAFileNamesWhatCollectorsWouldReadInIt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	hosts := []string{"192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1", "2001:db8:1::1"}
	networks := append([]string{"192.0.2.0/24", "192.0.0.0/16", "0.0.0.0/0", "2001:db8::/32", "::/0", "::/16", "2001:db8::/24"}, hosts...)
	for range 50 {
		var text strings.Builder
		for range random.IntN(60) {
			network, index := networks[random.IntN(len(networks))], 1+random.IntN(6)
			if random.IntN(3) == 0 {
				fmt.Fprintf(&text, "%s,vrfs,%d,red\n", network, index)
				continue
			}
			fmt.Fprintf(&text, "%s,interfaces,%d,%s\n", network, index, []string{"a,", "b,c", ",d", "eé,f"}[random.IntN(4)])
		}
		lines, err := names.ReadLines(strings.NewReader(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		said, file := names.NewSaid(lines), readInterfaces(&v1alpha1.ConfigMapKey{}, text.String())
		for _, host := range hosts {
			var want []config.Interface
			for index := uint32(1); index <= 6; index++ {
				if row := said.Find(names.Key{Scope: names.Scope{Exporter: netip.MustParseAddr(host)}, Table: names.Interfaces, Number: uint64(index)}, netip.Addr{}); row != nil {
					want = append(want, config.Interface{Index: index, Name: cmp.Or(row.Name, row.Description), Description: row.Description})
				}
			}
			if got := file.of([]v1alpha1.ExporterAddress{v1alpha1.ExporterAddress(host)}); !slices.Equal(got, want) {
				t.Fatalf("%s\n%s: %+v, not %+v", text.String(), host, got, want)
			}
		}
	}
}
