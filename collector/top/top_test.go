package top_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/top"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func address(s string) flow.Address { return flow.AddressFrom(netip.MustParseAddr(s)) }

// record is a flow of HTTPS through a router.
func record(bytes, rate uint64) *flow.Record {
	r := &flow.Record{Bytes: bytes, Packets: bytes / 100, SamplingRate: rate, Proto: 6, SrcPort: 443, DstPort: 50000, InIf: 1, OutIf: 2, SrcAS: 64500,
		SamplerAddress: address("192.0.2.1"), SrcAddr: address("10.0.0.1"), DstAddr: address("2001:db8::1")}
	r.Names = []*flow.Text{flow.NewText(flow.InIfName, "Gi0/1"), flow.NewText(flow.ExporterName, "edge\x1b[2J")}
	return r
}

func window(t *testing.T, by, order string) *top.Window {
	t.Helper()
	d, err := top.Find(by)
	if err != nil {
		t.Fatal(err)
	}
	o, err := top.FindOrder(order)
	if err != nil {
		t.Fatal(err)
	}
	return top.NewWindow(d, o, time.Minute)
}

func TestEachDimensionHasTheKeysOfAFlow(t *testing.T) {
	for by, want := range map[string]string{
		"exporter":       "192.0.2.1 (edge?[2J)",
		"interface":      "192.0.2.1 Gi0/1 in, 192.0.2.1 interface 2 out",
		"source":         "10.0.0.1",
		"destination":    "2001:db8::1",
		"conversation":   "10.0.0.1 -> 2001:db8::1",
		"source-as":      "AS64500",
		"destination-as": "",
		"port":           "TCP 443",
		"protocol":       "TCP",
		"application":    "",
	} {
		w := window(t, by, "bytes")
		w.Add(noon, record(100, 1))
		var keys []string
		report := w.Report(time.Time{}, noon, 10)
		for _, row := range report.Rows {
			keys = append(keys, row.Key)
		}
		if got := strings.Join(keys, ", "); got != want || report.Total.Flows != 1 {
			t.Errorf("by %s: %q instead of %q", by, got, want)
		}
	}
	if rows := window(t, "source", "bytes").Report(time.Time{}, noon, 10).Rows; rows == nil {
		t.Error("without flows there is no list of rows")
	}
	if len(top.Dimensions) != 10 {
		t.Errorf("%d dimensions, of which ten are tested", len(top.Dimensions))
	}
}

func TestVolumesAreScaledAndSayWhereTheyAreNot(t *testing.T) {
	w := window(t, "source", "bytes")
	w.Add(noon, record(1000, 100))
	if v := w.Report(time.Time{}, noon, 10).Rows[0]; v.Bytes != 100_000 || v.Packets != 1000 || v.Unscaled != 0 {
		t.Errorf("%+v", v)
	}
	w.Add(noon, record(1000, 0))
	w.Add(noon, record(1<<63, 1000))
	report := w.Report(time.Time{}, noon, 10)
	if v := report.Rows[0]; v.Bytes != 1<<64-1 || v.Flows != 3 || v.Unscaled != 1 {
		t.Errorf("%+v", v)
	}
	var out strings.Builder
	if err := report.Print(&out, "SOURCE"); err != nil || !strings.Contains(out.String(), "* 33% of the flows have no sampling rate") {
		t.Errorf("%v: %s", err, &out)
	}
}

// Those with two interfaces each do not make up for those with none.
func TestFlowsThatSayNothingAreToldWhateverOthersSay(t *testing.T) {
	w := window(t, "interface", "bytes")
	silent := record(1000, 1)
	silent.InIf, silent.OutIf, silent.Names = 0, 0, nil
	w.Add(noon, record(1000, 1)) // has two
	w.Add(noon, silent)
	report := w.Report(time.Time{}, noon, 10)
	if notes := fmt.Sprint(report.Notes()); notes != "[50% of the flows say nothing of this]" {
		t.Error(notes)
	}
	report.Keyless, report.Keyed.Flows = 0, 1 // of a collector that does not say it
	if notes := fmt.Sprint(report.Notes()); notes != "[50% of the flows say nothing of this]" {
		t.Error(notes)
	}
}

// A rate is over the time that was read: over a younger stream's age, not over the whole window.
func TestAWindowForgetsWhatIsOlderAndKnowsSinceWhenItIs(t *testing.T) {
	w := window(t, "source", "bytes")
	w.Add(noon, record(1000, 1))
	w.Add(noon.Add(30*time.Second), record(500, 1))
	if r := w.Report(noon, noon.Add(40*time.Second), 10); r.Total.Bytes != 1500 || r.Seconds() != 40 || r.BitsPerSecond(r.Total) != 300 {
		t.Errorf("%+v", r)
	}
	if r := w.Report(noon, noon.Add(80*time.Second), 10); r.Total.Bytes != 500 || r.Seconds() < 55 || r.Seconds() > 60 {
		t.Errorf("%+v over %v s", r, r.Seconds())
	}
	w.Add(noon.Add(3*time.Minute), record(1, 1))
	w.Add(noon, record(1<<40, 1)) // came too late
	if r := w.Report(noon, noon.Add(3*time.Minute), 10); r.Total.Bytes != 1 {
		t.Errorf("%+v", r)
	}
}

// However many keys there are, memory is bounded, nothing is lost from the sums, and what weighs is found.
func TestManyKeysAreBoundedAndWhatWeighsIsFound(t *testing.T) {
	w := window(t, "source", "bytes")
	var sum uint64
	for i := range 200_000 {
		small := record(uint64(i%7+1), 1)
		small.SrcAddr = flow.AddressFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}))
		w.Add(noon, small)
		sum += small.Bytes
		if i%100 == 0 {
			w.Add(noon, record(1000, 1))
			sum += 1000
		}
	}
	report := w.Report(time.Time{}, noon, 1)
	if r := report.Rows[0]; r.Key != "10.0.0.1" || r.Bytes != 2_000_000 {
		t.Errorf("%+v", r)
	}
	if !report.AtLeast || report.Keys > 20_000 || report.Total.Bytes != sum || report.Rows[0].Bytes+report.Rest.Bytes != sum {
		t.Errorf("%d keys, %d of %d bytes", report.Keys, report.Rows[0].Bytes+report.Rest.Bytes, sum)
	}
	if others := report.Others(); !strings.HasSuffix(others, "or more)") {
		t.Error(others)
	}
}

func TestTheOrderIsThatOfTheVolumeAskedFor(t *testing.T) {
	for order, want := range map[string]string{"bytes": "10.0.0.2", "packets": "10.0.0.3", "flows": "10.0.0.1"} {
		w := window(t, "source", order)
		for i, v := range []struct{ bytes, packets, flows uint64 }{{1, 1, 3}, {100, 1, 1}, {1, 10, 1}} {
			r := record(v.bytes, 1)
			r.Packets, r.SrcAddr = v.packets, address(fmt.Sprintf("10.0.0.%d", i+1))
			for range v.flows {
				w.Add(noon, r)
			}
		}
		if got := w.Report(time.Time{}, noon, 3).Rows[0].Key; got != want {
			t.Errorf("by %s %s is first, not %s", order, got, want)
		}
	}
}

func TestFiguresHaveThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 0.5: "0.50", 9.994: "9.99", 12.34: "12.3", 999.4: "999", 999.6: "1.00 k",
		1234: "1.23 k", 99_960: "100 k", 2.5e9: "2.50 G", 3e19: "30 E"} {
		if got := top.SI(v); got != want {
			t.Errorf("%v is %q instead of %q", v, got, want)
		}
	}
}
