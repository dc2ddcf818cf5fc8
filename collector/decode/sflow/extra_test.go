package sflow

import (
	"maps"
	"testing"

	"github.com/flowfleet/flowfleet/collector/element"
	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

// keptFields renders what is kept beside a flow.
func keptFields(r *flow.Record) map[string]string {
	out := make(map[string]string)
	for _, x := range r.Extra {
		out[element.SFlowName(x.Enterprise, x.ID)] = string(element.AppendSFlowJSON(nil, x.Enterprise, x.ID, x.Value))
	}
	return out
}

func TestStructuresWithoutAPlaceAreKeptWhereAskedFor(t *testing.T) {
	for _, test := range []struct {
		name   string
		record []byte
		want   map[string]string
	}{
		{"user", tagged(recordUser, u32(106), text("alice"), u32(106), text("bob")), map[string]string{"extended_user.src_charset": "106",
			"extended_user.src_user": `"alice"`, "extended_user.dst_charset": "106", "extended_user.dst_user": `"bob"`}},
		{"URL", tagged(recordURL, u32(2), text("/index.html"), text("www.example.com")), map[string]string{"extended_url.direction": "2",
			"extended_url.url": `"/index.html"`, "extended_url.host": `"www.example.com"`}},
		{"NAT", tagged(1007, u32(1, 0xcb00710a, 1, 0xc6336414)), map[string]string{"extended_nat.src_address": `"203.0.113.10"`,
			"extended_nat.dst_address": `"198.51.100.20"`}},
		{"NAT ports", tagged(1020, u32(1024, 443)), map[string]string{"extended_nat_port.src_port": "1024", "extended_nat_port.dst_port": "443"}},
		{"MPLS tunnel", tagged(1008, text("lsp-1"), u32(7, 3)), map[string]string{"extended_mpls_tunnel.tunnel_lsp_name": `"lsp-1"`,
			"extended_mpls_tunnel.tunnel_id": "7", "extended_mpls_tunnel.tunnel_cos": "3"}},
		{"VNI", tagged(1030, u32(5001)), map[string]string{"extended_vni_ingress.vni": "5001"}},
		{"queue", tagged(1036, u32(42)), map[string]string{"extended_egress_queue.queue": "42"}},
		{"access list", tagged(1037, u32(3), text("acl-in"), u32(1)), map[string]string{"extended_acl.number": "3",
			"extended_acl.name": `"acl-in"`, "extended_acl.direction": "1"}},
		{"function", tagged(1038, text("ip_rcv")), map[string]string{"extended_function.symbol": `"ip_rcv"`}},
		{"transit delay", tagged(1039, u32(900)), map[string]string{"extended_transit.delay": "900"}},
		{"reason", tagged(1042, text("NO_SOCKET")), map[string]string{"extended_linux_drop_reason.reason": `"NO_SOCKET"`}},
		{"OpenFlow", tagged(1017, u32(0, 9, 3, 1)), map[string]string{"extended_openflow_v1.flow_cookie": "9",
			"extended_openflow_v1.flow_match": "3", "extended_openflow_v1.flow_actions": "1"}},
		{"Fibre Channel", tagged(1018, u32(8, 24, 0x010203, 7)), map[string]string{"extended_fc.src_mask_len": "8",
			"extended_fc.dst_mask_len": "24", "extended_fc.next_hop": "66051", "extended_fc.metric": "7"}},
		{"gateway", tagged(recordGateway, u32(1, 0xcb007101, 65000, 65001, 65002, 0, 0, 100)), map[string]string{
			"extended_gateway.nexthop": `"203.0.113.1"`, "extended_gateway.as": "65000", "extended_gateway.src_peer_as": "65002",
			"extended_gateway.localpref": "100"}},
		{"an unknown format", tagged(3999, u32(7)), map[string]string{"sflow0.3999": `"00000007"`}},
		{"an enterprise's", tagged(8800<<12|5, u32(7)), map[string]string{"sflow8800.5": `"00000007"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := datagram(sample(frame, test.record))
			var r flow.Record
			var counts ledger.Counts
			Decode(b, 5, flow.Address{}, Options{Extra: true}, &r, &counts, &collected{})
			got := keptFields(&r)
			for _, own := range []string{"sequence_number", "source_id", "sample_pool", "drops"} {
				if _, ok := got["sample."+own]; !ok {
					t.Errorf("the sample's %s is not kept", own)
				}
				delete(got, "sample."+own)
			}
			if !maps.Equal(got, test.want) || counts[ledger.SampleRecordsUnknown] != 0 {
				t.Errorf("%v, want %v", got, test.want)
			}
			// Cut short, what is whole is kept and the rest is counted.
			body := test.record[8:]
			short := tagged(uint32(test.record[0])<<24|uint32(test.record[1])<<16|uint32(test.record[2])<<8|uint32(test.record[3]), body[:len(body)-4])
			counts = ledger.Counts{}
			Decode(datagram(sample(frame, short)), 5, flow.Address{}, Options{Extra: true}, &r, &counts, &collected{})
			for name, value := range keptFields(&r) {
				if test.want[name] != "" && test.want[name] != value && counts[ledger.RecordsTruncated] == 0 && len(test.want) > 1 {
					t.Errorf("cut short, %s is %s", name, value)
				}
			}
			counts = ledger.Counts{}
			Decode(b, 5, flow.Address{}, Options{}, &r, &counts, &collected{})
			if len(r.Extra) != 0 || counts[ledger.SampleRecordsUnknown] == 0 && test.name != "gateway" {
				t.Errorf("not asked for: %d fields, %d skipped", len(r.Extra), counts[ledger.SampleRecordsUnknown])
			}
		})
	}
}

func TestADiscardedPacketIsAFlowWhereExtraFieldsAreKept(t *testing.T) {
	b := datagram(tagged(formatDiscarded, u32(9, 0, 5, 1, 12, 34, 258, 1), frame))
	var r flow.Record
	var counts ledger.Counts
	var c collected
	Decode(b, 5, flow.Address{}, Options{Extra: true, Rates: rates(0, 77)}, &r, &counts, &c)
	if len(c.records) != 1 || r.InIf != 12 || r.OutIf != 34 || r.ForwardingStatus != 129 || r.SamplingRate != 1 ||
		counts[ledger.SamplesDiscard] != 1 {
		t.Fatalf("%d flows: %+v", len(c.records), r)
	}
	want := map[string]string{"sample.sequence_number": "9", "sample.source_id": `"0:5"`, "sample.drops": "1", "sample.drop_reason": "258",
		"sample.drop_reason_name": `"acl"`}
	if got := keptFields(&r); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	c, counts, _, _ = decode(b, Options{})
	if len(c.records) != 0 || counts[ledger.SamplesDiscard] != 1 {
		t.Errorf("not asked for: %d flows", len(c.records))
	}
	for reason, want := range map[uint32]string{0: "net_unreachable", 15: "precedence_cutoff", 256: "unknown", 332: "dev_hdr", 371: "socket_filter"} {
		if got := string(reasonName(reason)); got != want {
			t.Errorf("reason %d is %q, want %q", reason, got, want)
		}
	}
	if reasonName(16) != nil || reasonName(372) != nil || reasonName(1<<32-1) != nil {
		t.Error("reasons that nobody assigned have names")
	}
}

func TestTheFieldsBesideAFlowAreBounded(t *testing.T) {
	var records [][]byte
	for range 500 {
		records = append(records, tagged(3999, u32(7)))
	}
	var r flow.Record
	var counts ledger.Counts
	Decode(datagram(sample(append(records, frame)...)), 5, flow.Address{}, Options{Extra: true}, &r, &counts, &collected{})
	if len(r.Extra) > maxExtra || counts[ledger.SampleRecordsUnknown] == 0 {
		t.Errorf("%d fields, %d left out", len(r.Extra), counts[ledger.SampleRecordsUnknown])
	}
}
