package netflow

import (
	"encoding/binary"

	"github.com/flowfleet/flowfleet/collector/flow"
)

// decodeReverse makes the other direction of a record of p that was decoded from b, with what lists within it say of that, and reports
// whether anything went that way.
func (d *Decoder) decodeReverse(s *session, h *header, p *plan, b []byte, forward *flow.Record, within []nestedFlows) bool {
	r := &d.reversed
	r.CopyFrom(forward)
	turn(r)
	times, facts := d.times, d.about
	d.times, d.about = recordTimes{}, about{}
	if p.hasLists {
		d.recordLength(p.template, b) // finds the fields again
	}
	if p.hasReverseDelta {
		delta := uint64(binary.BigEndian.Uint32(b[d.startOf(p, p.reverseDeltaAt):])) * nanosPerMilli
		r.TimeFlowStartNs = min(r.TimeFlowStartNs+delta, r.TimeFlowEndNs)
	}
	d.read(h, p, p.reverse, b, r, false)
	for _, part := range within {
		d.recordLength(part.plan.template, part.records)
		d.read(h, part.plan, part.plan.reverse, part.records, r, true)
	}
	if d.about.srcNet6|d.about.dstNet6 != 0 {
		d.settleNets(r)
	}
	if d.times != (recordTimes{}) {
		d.times.systemInitMs = times.systemInitMs
		d.finishTimes(s, h, &d.times, r)
	}
	d.turnRate(s, facts, r)
	d.times, d.about = times, facts // flows within the record's lists have them, too
	return r.Bytes != 0 || r.Packets != 0
}

// turn exchanges the ends of a flow. What was said of its packets in the one direction is not true of the other.
func turn(r *flow.Record) {
	r.SrcAddr, r.DstAddr = r.DstAddr, r.SrcAddr
	r.SrcPort, r.DstPort = r.DstPort, r.SrcPort
	r.SrcMAC, r.DstMAC = r.DstMAC, r.SrcMAC
	r.SrcAS, r.DstAS = r.DstAS, r.SrcAS
	r.SrcNet, r.DstNet = r.DstNet, r.SrcNet
	r.InIf, r.OutIf = r.OutIf, r.InIf
	n := &r.Numbers
	n.IngressVRF, n.EgressVRF, n.HasIngressVRF, n.HasEgressVRF = n.EgressVRF, n.IngressVRF, n.HasEgressVRF, n.HasIngressVRF
	for i := range r.Own {
		r.Own[i].Name = r.Own[i].Name.Turned()
	}
	r.SrcVLAN, r.DstVLAN = r.DstVLAN, r.SrcVLAN
	r.VLANID = r.SrcVLAN
	r.Bytes, r.Packets = 0, 0
	r.IPTOS, r.IPTTL, r.IPFlags, r.TCPFlags, r.IPv6FlowLabel = 0, 0, 0, 0, 0
	r.ICMPType, r.ICMPCode, r.FragmentID, r.FragmentOffset = 0, 0, 0, 0
	r.NextHop.Clear()
	r.BGPNextHop.Clear()
	r.NextHopAS, r.ForwardingStatus = 0, 0
	r.BGPCommunities, r.ASPath = r.BGPCommunities[:0], r.ASPath[:0]
	r.MPLSLabel, r.MPLSTTL, r.MPLSIP = r.MPLSLabel[:0], r.MPLSTTL[:0], r.MPLSIP[:0]
	r.LayerStack, r.LayerSize = r.LayerStack[:0], r.LayerSize[:0]
	r.IPv6RoutingHeaderAddresses, r.IPv6RoutingHeaderSegLeft = r.IPv6RoutingHeaderAddresses[:0], 0
	r.Extra = r.Extra[:0]
}
