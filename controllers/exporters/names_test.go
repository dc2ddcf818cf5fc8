package exporters

import (
	"net/netip"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestNamesFollowFromFleetAndAddressAndAreValidAndDistinct(t *testing.T) {
	names := make(map[string]string)
	for _, fleet := range []string{"edge", "edge-1", "edge-1-192", "e", "abcdefghijklmnopqrstuvwxyzabcdefghijklmn"} {
		for _, text := range []string{"192.0.2.1", "1.192.0.2", "::", "::1", "2001:db8::", "2001:db8:1::1", "fe80::1"} {
			name := ObjectName(fleet, netip.MustParseAddr(text))
			if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
				t.Errorf("%s and %s: %q: %v", fleet, text, name, problems)
			}
			if before := names[name]; before != "" {
				t.Errorf("%s and %s has the name %q of %s", fleet, text, name, before)
			}
			names[name] = fleet + " and " + text
		}
	}
	for text, want := range map[string]string{"192.0.2.1": "edge-192.0.2.1", "::ffff:192.0.2.1": "edge-192.0.2.1",
		"2001:db8::1": "edge-2001-0db8-0000-0000-0000-0000-0000-0001"} {
		if got := ObjectName("edge", netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %s", text, got)
		}
	}
}
