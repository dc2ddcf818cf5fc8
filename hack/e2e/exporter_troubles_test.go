package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/hack/e2e/rig"
	"github.com/flowfleet/flowfleet/hack/flowgen/check"
)

// faulty is a device with something wrong, and what its FlowExporter is to say.
type faulty struct {
	name, address string
	flags         []string
	// conditions are those that are False, with the reason.
	conditions []string
	reason     string
	// told reports whether the object says what the device did; nil where its conditions are all.
	told func(s *seen) error
}

// devices send 200 datagrams a second each.
var devices = []faulty{
	{name: "whole", address: "10.78.128.101"},
	{name: "lossy", address: "10.78.128.102", flags: []string{"--skip", "20"}, conditions: []string{"Complete"}, reason: "Lost", told: func(s *seen) error {
		var lost float64
		if _, err := fmt.Sscanf(s.Status.Loss, "%f%%", &lost); err != nil || lost < 4 || lost > 6 {
			return fmt.Errorf("a loss of 5%% is told as %q", s.Status.Loss)
		}
		return nil
	}},
	{name: "ahead", address: "10.78.128.103", flags: []string{"--ahead", "1h"}, conditions: []string{"ClockRight"}, reason: "ClockWrong"},
	{name: "two", address: "10.78.128.104", flags: []string{"--redefine", "5s"}, conditions: []string{"Consistent", "Decoding"}, reason: "SeveralDevices"},
	{name: "untaught", address: "10.78.128.105", flags: []string{"--untaught"}, conditions: []string{"Decoding"}, reason: "SetsUndecodable"},
	{name: "resampled", address: "10.78.128.106", flags: []string{"--resample", "90s"}, told: func(s *seen) error {
		if rates := s.Status.Sampling.Rates; !slices.Equal(rates, []int64{200}) {
			return fmt.Errorf("a rate that changed from 100 to 200 is told as %d", rates)
		}
		return nil
	}},
	{name: "rebooted", address: "10.78.128.107", flags: []string{"--reboot", "90s"}, told: func(s *seen) error {
		if s.Status.Restarts != 1 {
			return fmt.Errorf("%d restarts are told, and there was one", s.Status.Restarts)
		}
		return nil
	}},
}

// Each trouble turns what tells of it False on the device's own object and nothing else, once, whatever node hears the device; a rolling update changes
// nothing of that.
func TestEachTroubleOfAnExporterIsTold(t *testing.T) {
	long(t)
	ownNodes(t) // elsewhere all exporters have one address
	t.Cleanup(func() {
		_, err := cluster.Kubectl(context.Background(), "--namespace", fleet.Namespace, "delete", "flowexporters", "--all")
		must(t, err)
		// What the last of these devices' data waits for never comes: it is given up after 5 minutes, and that is told for 5 more. It is no news to
		// other tests.
		conditionOf(t, fleet, 12*time.Minute, "NothingLost", "True", "")
	})
	diagnose(t) // before the wait above: what is there then is what failed
	forgetEvents(t)
	var ends []func() check.Report
	for _, d := range devices {
		must(t, cluster.Apply(t.Context(), fmt.Sprintf(`
apiVersion: flowfleet.io/v1alpha1
kind: FlowExporter
metadata: {namespace: %s, name: %s}
spec: {collector: %s, addresses: [%s]}
`, fleet.Namespace, d.name, fleet.Name, d.address)))
		ends = append(ends, meanwhile(t, fleet, append([]string{"--source", d.address, "--exporters", "1", "--protocols", "ipfix", "--rate", "200", "--records", "4"}, d.flags...)...))
	}
	told := func() error {
		found, err := flowExporters(t.Context())
		if err != nil {
			return err
		}
		for _, d := range devices {
			one, ok := found[d.address]
			if !ok {
				return fmt.Errorf("%s has no FlowExporter", d.name)
			}
			if err := d.is(&one); err != nil {
				return fmt.Errorf("%s: %w: %+v", d.name, err, one.Status)
			}
		}
		return nil
	}
	must(t, rig.Await(t.Context(), 8*time.Minute, told))

	_, err := cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "restart", fleet.DaemonSet())
	must(t, err)
	_, err = cluster.Kubectl(t.Context(), "--namespace", fleet.Namespace, "rollout", "status", fleet.DaemonSet(), "--timeout=5m")
	must(t, err)
	ended(t)
	must(t, rig.Await(t.Context(), 5*time.Minute, told))

	// An event is written when a condition turns False, and when that ends; where it happens again, it has a series, with a count.
	said := exporterEvents(t)
	t.Logf("events:\n%s", said)
	for _, d := range devices {
		var want []string
		for range d.conditions {
			want = append(want, "Warning "+d.reason)
		}
		var got []string
		for line := range strings.Lines(said) {
			words := strings.Fields(line)
			if len(words) < 4 || words[0] != d.name || words[3] == "Complete:" && d.name != "lossy" { // a busy machine loses some
				continue
			}
			got = append(got, words[1]+" "+words[2])
		}
		if !slices.Equal(got, want) {
			t.Errorf("events of %s are %q, want %q", d.name, got, want)
		}
		describe(t, d.name)
	}
	for _, end := range ends {
		end() // what became of their flows is told by their objects
	}
}

// is reports why an object does not say what the device does.
func (d *faulty) is(s *seen) error {
	for _, c := range s.Status.Conditions {
		switch {
		case c.Type == "Ready":
			if want := map[bool]string{true: "True", false: "False"}[len(d.conditions) == 0]; c.Status != want {
				return fmt.Errorf("Ready is %s, want %s", c.Status, want)
			}
		case slices.Contains(d.conditions, c.Type) && (c.Status != "False" || c.Reason != d.reason):
			return fmt.Errorf("%s is %s with %s, want False with %s", c.Type, c.Status, c.Reason, d.reason)
		case !slices.Contains(d.conditions, c.Type) && c.Status == "False":
			return fmt.Errorf("%s is False with %s", c.Type, c.Reason)
		}
	}
	if len(s.Status.Conditions) == 0 {
		return fmt.Errorf("there are no conditions yet")
	}
	if d.told == nil {
		return nil
	}
	return d.told(s)
}
