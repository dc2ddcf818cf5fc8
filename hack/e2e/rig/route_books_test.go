package rig

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRoutesAreReadFromWhatNftLists(t *testing.T) {
	routes, err := parseRoutes([]byte(`{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
		{"set": {"family": "ip", "name": "flows", "table": "route-books", "type": ["ipv4_addr", "ipv4_addr", "inet_service"], "handle": 2,
		"size": 65535, "elem": [
		{"elem": {"val": {"concat": ["10.77.0.11", "10.78.128.1", 1001]}, "counter": {"packets": 2, "bytes": 58}}},
		{"elem": {"val": {"concat": ["10.77.0.12", "10.78.128.1", 1001]}, "counter": {"packets": 1, "bytes": 29}}},
		{"elem": {"val": {"concat": ["10.77.0.13", "10.78.128.2", 1001]}, "counter": {"packets": 3, "bytes": 87}}}],
		"stmt": [{"counter": null}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Routes{
		netip.MustParseAddrPort("10.78.128.1:1001"): {"n1": 2, "n2": 1},
		netip.MustParseAddrPort("10.78.128.2:1001"): {"n3": 3},
	}
	if difference := cmp.Diff(want, routes, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); difference != "" {
		t.Error(difference)
	}
	if routes, err := parseRoutes([]byte(`{"nftables": [{"set": {"name": "flows"}}]}`)); err != nil || len(routes) != 0 {
		t.Errorf("a set without elements: %v, %v", routes, err)
	}
}
