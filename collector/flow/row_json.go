package flow

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
)

// shown are the names of AppendJSON that tables show.
type shown struct {
	End     uint64     `json:"time_flow_end_ns"`
	Sampler netip.Addr `json:"sampler_address"`
	Proto   string     `json:"proto"`
	Source  netip.Addr `json:"src_addr"`
	Target  netip.Addr `json:"dst_addr"`
	SrcPort uint32     `json:"src_port"`
	DstPort uint32     `json:"dst_port"`
	Bytes   uint64     `json:"bytes"`
	Packets uint64     `json:"packets"`
	Rate    uint64     `json:"sampling_rate"`
	InIf    uint32     `json:"in_if"`
	OutIf   uint32     `json:"out_if"`
	SrcAS   uint32     `json:"src_as"`
	DstAS   uint32     `json:"dst_as"`

	InIfName        string `json:"in_if_name"`
	OutIfName       string `json:"out_if_name"`
	ApplicationName string `json:"application_name"`
	ExporterName    string `json:"exporter_name"`
}

// DecodeJSON reads what tables show (endpoints, volumes, interfaces, AS numbers, and the names of the flow's exporter, interfaces and
// application) from a line of AppendJSON into r, which is emptied first.
func DecodeJSON(line []byte, r *Record) error {
	var s shown
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	r.Reset()
	r.TimeFlowEndNs, r.Bytes, r.Packets, r.SamplingRate = s.End, s.Bytes, s.Packets, s.Rate
	r.SrcPort, r.DstPort, r.InIf, r.OutIf = s.SrcPort, s.DstPort, s.InIf, s.OutIf
	r.SrcAS, r.DstAS = s.SrcAS, s.DstAS
	r.SamplerAddress, r.SrcAddr, r.DstAddr = AddressFrom(s.Sampler), AddressFrom(s.Source), AddressFrom(s.Target)
	if n, err := strconv.ParseUint(s.Proto, 10, 8); err == nil {
		r.Proto = uint32(n)
	} else if i := slices.Index(protocolNames[:], s.Proto); i >= 0 {
		r.Proto = uint32(i)
	}
	for n, text := range map[Name]string{InIfName: s.InIfName, OutIfName: s.OutIfName, ApplicationName: s.ApplicationName, ExporterName: s.ExporterName} {
		if text != "" {
			r.setName(NewText(n, text))
		}
	}
	return nil
}
