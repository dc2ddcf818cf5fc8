package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/natstest"
)

func TestWhatIsSaidOfADeviceCountsBeforeWhatIsSaidOfItsNetwork(t *testing.T) {
	s := natstest.Start(t)
	file := filepath.Join(t.TempDir(), "names.csv")
	if err := os.WriteFile(file, []byte("127.0.0.1,interfaces,1,from the file\n127.0.0.1,interfaces,2,the file's alone\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := startCollector(t, "a", s.URL(), "exporters: {namesFile: "+file+", sampling: {overrides: [{network: 127.0.0.1/32, rate: 55}]}, "+
		"devices: [{addresses: [192.0.2.1], samplingRate: 3}, {addresses: [127.0.0.1], samplingRate: 77, interfaces: [{index: 1, name: the device's}]}]}").awaitReady()
	e := newExporter(t, 1)
	e.send(a.port, 1, withInterfaces.template(), crossing(1, 1, 2))
	natstest.Eventually(t, "the flow is published", func() bool { return len(published(t, s)) == 1 })
	r := published(t, s)[0]
	if in, out := r.NameText(flow.InIfName).String(), r.NameText(flow.OutIfName).String(); r.SamplingRate != 77 || in != "the device's" || out != "the file's alone" {
		t.Errorf("the flow has rate %d and goes from %q to %q", r.SamplingRate, in, out)
	}
}
