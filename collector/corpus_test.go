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
