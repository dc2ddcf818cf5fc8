package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/flowfleet/flowfleet/collector/config"
)

// carried is what a flow of a capture says of names.
type carried struct {
	InIf  uint32 `json:"in_if"`
	InIfN string `json:"in_if_name"`
	InVRF string `json:"ingress_vrf_name"`
	OutV  string `json:"egress_vrf_name"`
}

func TestCapturesOfRealExportersHaveTheNamesThatTheirTablesSay(t *testing.T) {
	for name, want := range map[string][]carried{
		"router-106-ipfixv10-huawei-vrf-name.pcap": {{10, "", "", "A4"}, {10, "", "", "A4"}, {65, "", "A4", ""}},
		// Interface 167 is given to another subinterface and VRF in the middle.
		"router-112-ipfixv10-cisco-options-map-reassignment.pcap": {
			{167, "TenGigE0_0_0_16.121", "A2_TEST_1", ""}, {170, "TenGigE0_0_0_16.124", "A2_TEST_4", ""},
			{167, "TenGigE0_0_0_16.100", "A2_TEST_0", ""}, {174, "TenGigE0_0_0_16.128", "A2_TEST_8", ""},
			{171, "TenGigE0_0_0_16.125", "A2_TEST_5", ""}, {169, "TenGigE0_0_0_16.123", "A2_TEST_3", ""},
			{173, "TenGigE0_0_0_16.127", "A2_TEST_7", ""}, {175, "TenGigE0_0_0_16.129", "A2_TEST_9", ""},
			{172, "TenGigE0_0_0_16.126", "A2_TEST_6", ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			capture := filepath.Join(corpus, name)
			if _, err := os.Stat(capture); err != nil {
				t.Skip("no captures here")
			}
			var out, messages bytes.Buffer
			flags := decodeFlags{protocol: "auto", scope: "Auto", names: wordsOf(config.StandardNames())}
			if err := decodeCaptures([]string{capture}, flags, &out, &messages); err != nil {
				t.Fatal(err)
			}
			var got []carried
			for line := range bytes.Lines(out.Bytes()) {
				var c carried
				if err := json.Unmarshal(line, &c); err != nil {
					t.Fatal(err)
				}
				got = append(got, c)
			}
			if len(got) != len(want) {
				t.Fatalf("%d flows, want %d", len(got), len(want))
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("flow %d carries %+v, want %+v", i, got[i], want[i])
				}
			}
		})
	}
}
