package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// corpus holds captures of real exporters, with the records that an independent dissector (tshark) reads from them.
const corpus = "../../shared/corpus"

// dissectorWrong names the captures whose expected records are not the right ones, and why. ours is how many records are
// read instead.
var dissectorWrong = map[string]struct {
	ours   int
	reason string
}{
	"netflow-9-h3c": {16, "RFC 3954 section 5.3: lengths come from the template. The dissector gives up at an IPv4 address of " +
		"two bytes; the length is known, so that field is left out and the records are read."},
	"netflow-9-invalid-01": {2, "RFC 3954 section 5.1: Count is a number of records, sections 5.2 and 5.3: FlowSets are " +
		"delimited by their lengths. This exporter counts its data records only (as softflowd 1.1 does); the dissector takes the " +
		"Count for FlowSets and stops before the data."},
	"router-101-nfv9-cisco-cust-primitives": {51, "RFC 4291 section 2.5.2: the unspecified address indicates the absence of an " +
		"address. The template has room for both families; the dissector takes the empty IPv6 fields, the flows are IPv4."},
	"router-102-nfv9-cisco-f2rd-pretag-sampling-reload": {35, "RFC 4291 section 2.5.2, as for router-101."},
	"router-112-ipfixv10-cisco-options-map-reassignment": {9, "RFC 7011 section 3.4.2: records of options templates describe " +
		"the exporter and are no flows. The dissector does not see that their scope is an interface, and misses the flows whose " +
		"template comes later in the capture."},
}

// comparedFields are what flow collectors agree on.
var comparedFields = []string{"src_addr", "dst_addr", "src_port", "dst_port", "proto", "bytes", "packets", "in_if", "out_if",
	"tcp_flags", "ip_tos", "src_as", "dst_as"}

var protocolNumbers = map[string]string{"HOPOPT": "0", "ICMP": "1", "IGMP": "2", "TCP": "6", "UDP": "17", "IPv6": "41",
	"GRE": "47", "ESP": "50", "AH": "51", "IPv6-ICMP": "58", "EIGRP": "88", "ETHERIP": "97", "PIM": "103", "VRRP": "112",
	"L2TP": "115", "SCTP": "132"}

// normalize renders the compared fields of a JSON line; absent and zero are the same to a protobuf.
func normalize(t *testing.T, line []byte) string {
	t.Helper()
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	var out []string
	for _, name := range comparedFields {
		text := fmt.Sprint(fields[name])
		switch {
		case strings.HasSuffix(name, "_addr"):
			a, err := netip.ParseAddr(text)
			if err != nil || a.IsUnspecified() {
				text = "-"
			}
		case name == "proto" && protocolNumbers[text] != "":
			text = protocolNumbers[text]
		default:
			if n, err := strconv.ParseUint(text, 10, 64); err != nil || n == 0 {
				text = "0"
			}
		}
		out = append(out, name+"="+text)
	}
	return strings.Join(out, " ")
}

func lines(t *testing.T, b []byte) []string {
	t.Helper()
	var out []string
	for line := range bytes.Lines(b) {
		if len(bytes.TrimSpace(line)) > 0 {
			out = append(out, normalize(t, line))
		}
	}
	sort.Strings(out)
	return out
}

func TestCapturesOfRealExportersDecodeToWhatADissectorReads(t *testing.T) {
	captures, err := filepath.Glob(corpus + "/*.pcap")
	if err != nil {
		t.Fatal(err)
	}
	if len(captures) == 0 {
		t.Skip("no captures here")
	}
	for _, capture := range captures {
		name := strings.TrimSuffix(filepath.Base(capture), ".pcap")
		t.Run(name, func(t *testing.T) {
			var out, messages bytes.Buffer
			if err := decodeCaptures([]string{capture}, decodeFlags{protocol: "auto", scope: "Auto"}, &out, &messages); err != nil {
				t.Fatal(err)
			}
			truth, err := os.ReadFile(strings.TrimSuffix(capture, ".pcap") + ".jsonl")
			if err != nil {
				t.Fatal(err)
			}
			got, want := lines(t, out.Bytes()), lines(t, truth)
			if wrong, ok := dissectorWrong[name]; ok {
				if len(got) != wrong.ours {
					t.Errorf("%d records, want %d: %s\n%s", len(got), wrong.ours, wrong.reason, messages.String())
				}
				return
			}
			if len(got) != len(want) {
				t.Fatalf("%d records, want %d\n%s", len(got), len(want), messages.String())
			}
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("got  %s\nwant %s\n%s", got[i], want[i], messages.String())
				}
			}
		})
	}
}
