package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/flowfleet/flowfleet/collector/config"
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

// The operator says that settings hold once each collector has taken them up.
func TestACollectorSaysWhichSettingsOfDevicesItHasTakenUp(t *testing.T) {
	s := natstest.Start(t)
	file := filepath.Join(t.TempDir(), "collector.yaml")
	devices := func(rate uint32) []config.Device {
		return []config.Device{{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, SamplingRate: rate}}
	}
	write := func(rate uint32) {
		text := fmt.Sprintf("listeners: [{name: flows, address: \"127.0.0.1:0\"}]\nnats: {urls: [%q]}\nhttp: {address: \"127.0.0.1:0\"}\n"+
			"templateStore: {maxBytes: -1}\noutput: {stream: {maxBytes: -1}}\nexporters: {devices: [{addresses: [192.0.2.1], samplingRate: %d}]}\n", s.URL(), rate)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(77)
	a := startFile(t, "a", file).awaitReady()
	natstest.Eventually(t, "it says those of the beginning", func() bool { return a.pages().Devices == config.DevicesVersion(devices(77)) })
	write(78)
	natstest.Eventually(t, "it says those of the changed file", func() bool { return a.pages().Devices == config.DevicesVersion(devices(78)) })
	if config.DevicesVersion(nil) == config.DevicesVersion(devices(78)) || config.DevicesVersion(nil) != config.DevicesVersion([]config.Device{}) {
		t.Error("other settings have the same version, or none have two")
	}
}
