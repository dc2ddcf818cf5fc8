package flow

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMessage is wrapped by the errors of Decode and Split.
var ErrMessage = errors.New("not a flow message")

// Split returns the first message of a delimited batch and what follows it.
func Split(batch []byte) (message, rest []byte, err error) {
	length, n := protowire.ConsumeVarint(batch)
	if n < 0 || length > uint64(len(batch)-n) {
		return nil, nil, fmt.Errorf("%w: its length is not there or runs past the batch", ErrMessage)
	}
	return batch[n : n+int(length)], batch[n+int(length):], nil
}

// Decode reads a flowpb.FlowMessage into r, which it resets. Names and extra fields are restored; other unknown fields are skipped.
// Values alias b. Lists longer than the bounds of a Record are cut.
func Decode(b []byte, r *Record) error {
	r.Reset()
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrMessage, protowire.ParseError(n))
		}
		b = b[n:]
		switch kind {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return fmt.Errorf("%w: field %d: %w", ErrMessage, number, protowire.ParseError(n))
			}
			r.setNumber(int(number), v)
			b = b[n:]
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return fmt.Errorf("%w: field %d: %w", ErrMessage, number, protowire.ParseError(n))
			}
			if err := r.setBytes(int(number), v); err != nil {
				return fmt.Errorf("%w: field %d: %w", ErrMessage, number, err)
			}
			b = b[n:]
		default:
			n := protowire.ConsumeFieldValue(number, kind, b)
			if n < 0 {
				return fmt.Errorf("%w: field %d: %w", ErrMessage, number, protowire.ParseError(n))
			}
			b = b[n:]
		}
	}
	r.settleItems()
	return nil
}

func (r *Record) setNumber(field int, v uint64) {
	n := uint32(v)
	switch field {
	case fieldType:
		r.Type = Type(v)
	case fieldSamplingRate:
		r.SamplingRate = v
	case fieldSequenceNum:
		r.SequenceNum = n
	case fieldBytes:
		r.Bytes = v
	case fieldPackets:
		r.Packets = v
	case fieldNextHopAS:
		r.NextHopAS = n
	case fieldSrcAS:
		r.SrcAS = n
	case fieldDstAS:
		r.DstAS = n
	case fieldSrcNet:
		r.SrcNet = n
	case fieldDstNet:
		r.DstNet = n
	case fieldInIf:
		r.InIf = n
	case fieldOutIf:
		r.OutIf = n
	case fieldProto:
		r.Proto = n
	case fieldSrcPort:
		r.SrcPort = n
	case fieldDstPort:
		r.DstPort = n
	case fieldIPTOS:
		r.IPTOS = n
	case fieldForwardingStatus:
		r.ForwardingStatus = n
	case fieldIPTTL:
		r.IPTTL = n
	case fieldTCPFlags:
		r.TCPFlags = n
	case fieldSrcMAC:
		r.SrcMAC = v
	case fieldDstMAC:
		r.DstMAC = v
	case fieldVLANID:
		r.VLANID = n
	case fieldEType:
		r.EType = n
	case fieldICMPType:
		r.ICMPType = n
	case fieldICMPCode:
		r.ICMPCode = n
	case fieldSrcVLAN:
		r.SrcVLAN = n
	case fieldDstVLAN:
		r.DstVLAN = n
	case fieldFragmentID:
		r.FragmentID = n
	case fieldFragmentOffset:
		r.FragmentOffset = n
	case fieldIPv6FlowLabel:
		r.IPv6FlowLabel = n
	case fieldIPFlags:
		r.IPFlags = n
	case fieldObservationDomain:
		r.ObservationDomainID = n
	case fieldObservationPoint:
		r.ObservationPointID = n
	case fieldRoutingSegLeft:
		r.IPv6RoutingHeaderSegLeft = n
	case fieldTimeReceived:
		r.TimeReceivedNs = v
	case fieldTimeFlowStart:
		r.TimeFlowStartNs = v
	case fieldTimeFlowEnd:
		r.TimeFlowEndNs = v
	}
}

func (r *Record) setBytes(field int, v []byte) error {
	switch field {
	case fieldSrcAddr:
		return r.SrcAddr.set(v)
	case fieldDstAddr:
		return r.DstAddr.set(v)
	case fieldSamplerAddress:
		return r.SamplerAddress.set(v)
	case fieldNextHop:
		return r.NextHop.set(v)
	case fieldBGPNextHop:
		return r.BGPNextHop.set(v)
	case fieldMPLSIP:
		return appendAddress(&r.MPLSIP, v, MaxMPLSLabels)
	case fieldRoutingAddresses:
		return appendAddress(&r.IPv6RoutingHeaderAddresses, v, MaxSegments)
	case fieldMPLSTTL:
		return unpack(&r.MPLSTTL, v, MaxMPLSLabels)
	case fieldMPLSLabel:
		return unpack(&r.MPLSLabel, v, MaxMPLSLabels)
	case fieldBGPCommunities:
		return unpack(&r.BGPCommunities, v, MaxCommunities)
	case fieldASPath:
		return unpack(&r.ASPath, v, MaxASPath)
	case fieldLayerStack:
		return unpack(&r.LayerStack, v, MaxLayers)
	case fieldLayerSize:
		return unpack(&r.LayerSize, v, MaxLayers)
	case FieldExtra:
		return r.setExtra(v)
	}
	switch {
	case field >= FieldNames && field < FieldNames+int(NumNames):
		r.setName(NewText(Name(field-FieldNames), string(v)))
	case field >= FieldExtraIANA && field < FieldExtraIANA+1<<16:
		r.Extra = append(r.Extra, Extra{ID: uint16(field - FieldExtraIANA), Value: v})
	case field >= FieldExtraReverse && field < FieldExtraReverse+1<<16:
		r.Extra = append(r.Extra, Extra{Enterprise: ReverseEnterprise, ID: uint16(field - FieldExtraReverse), Value: v})
	}
	return nil
}

// maxItems is more than any list can hold.
const maxItems = 1 << 20

// settleItems makes the lists of extra fields hold no more than there is: messages may come from anywhere.
func (r *Record) settleItems() { settleItems(r.Extra, maxListDepth) }

// maxListDepth is how deep records and lists lie within each other at most.
const maxListDepth = 32

func settleItems(fields []Extra, depth int) {
	for i := 0; i < len(fields); i += 1 + fields[i].Items {
		if fields[i].Items = min(fields[i].Items, len(fields)-i-1); depth == 0 {
			fields[i].Items = 0
		}
		settleItems(fields[i+1:i+1+fields[i].Items], depth-1)
	}
}

func (r *Record) setExtra(b []byte) error {
	var x Extra
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(number, kind, b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		switch {
		case number == 1 && kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			x.Enterprise = uint32(v)
		case number == 2 && kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			x.ID = uint16(v)
		case number == 3 && kind == protowire.BytesType:
			x.Value, _ = protowire.ConsumeBytes(b)
		case number == 4 && kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			x.Items = int(min(v, maxItems))
		case number == 5 && kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			x.List = v != 0
		}
		b = b[size:]
	}
	r.Extra = append(r.Extra, x)
	return nil
}

func (a *Address) set(b []byte) error {
	switch len(b) {
	case 0:
		a.Clear()
	case 4:
		a.Set4(b)
	case 16:
		a.Set16(b)
	default:
		return fmt.Errorf("an address of %d bytes", len(b))
	}
	return nil
}

func appendAddress(list *[]Address, b []byte, limit int) error {
	var a Address
	if err := a.set(b); err != nil || len(*list) >= limit {
		return err
	}
	*list = append(*list, a)
	return nil
}

func unpack[N ~uint8 | ~uint32](list *[]N, b []byte, limit int) error {
	for len(b) > 0 && len(*list) < limit {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		*list = append(*list, N(v))
		b = b[n:]
	}
	return nil
}
