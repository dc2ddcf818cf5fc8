package controllers

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/controllers/fleet"
)

func TestNamesInTheCollectorsConfigurationAreReadOnceOfEachVersionOfIt(t *testing.T) {
	file := func(stream string) map[string]string {
		c := config.Default()
		c.Output.Stream.Name, c.Templates.Bucket = stream, "b"
		for i := range 200 {
			c.Exporters.Devices = append(c.Exporters.Devices, config.Device{Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}, SamplingRate: 100})
		}
		c.NATS.URLs, c.Listeners = []string{"nats://nats:4222"}, []config.Listener{{Name: "all", Address: ":2055"}}
		c.SetDefaults()
		if problems := c.Check(); len(problems) > 0 {
			t.Fatal(problems)
		}
		b, err := config.Render(c)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{fleet.ConfigurationFile: string(b), "another": "output: {stream: {name: planted}}"}
	}
	m := &memory{}
	running := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{UID: "a", ResourceVersion: "1"}, Data: file("s")}
	expect := func(about string, want ...fleet.Names) {
		t.Helper()
		if got := m.namesIn(running); !slices.Equal(got, want) {
			t.Errorf("%s: %+v, not %+v", about, got, want)
		}
	}
	expect("at first", fleet.Names{Bucket: "b", Stream: "s"})
	if n := testing.AllocsPerRun(10, func() { m.namesIn(running) }); n > 10 {
		t.Errorf("it is read each time, with %v allocations", n)
	}
	running.ResourceVersion, running.Data = "2", file("t")
	expect("another version", fleet.Names{Bucket: "b", Stream: "t"})
	running.UID, running.Data = "b", file("u")
	expect("another one of the same version", fleet.Names{Bucket: "b", Stream: "u"})
	running.ResourceVersion, running.Data = "3", map[string]string{fleet.ConfigurationFile: fmt.Sprintf("%q", "none")}
	expect("one that nobody can read")
	running.ResourceVersion, running.Data = "4", file("u")
	expect("one after it", fleet.Names{Bucket: "b", Stream: "u"})
	running = &corev1.ConfigMap{}
	expect("one that is gone")
}
