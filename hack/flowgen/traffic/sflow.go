package traffic

// Lengths of the headers of a sampled packet: Ethernet, IPv4, UDP.
const sampledHeader = 14 + 20 + 8

// sflow is a datagram with a flow sample for each record: the headers of one packet (sFlow version 5, raw packet header).
func (e *exporter) sflow(b []byte, records []record) []byte {
	b = order.AppendUint32(b, 5)
	b = order.AppendUint32(b, 1) // the agent's address is IPv4
	address := e.agent.As4()
	b = append(b, address[:]...)
	b = order.AppendUint32(b, 0) // sub-agent
	b = order.AppendUint32(b, e.sequence[0])
	b = order.AppendUint32(b, e.uptime)
	b = order.AppendUint32(b, uint32(len(records)))
	e.sequence[0]++
	for _, r := range records {
		const padded = (sampledHeader + 3) &^ 3
		const raw = 16 + padded
		for _, value := range []uint32{
			1, 32 + 8 + raw, // flow sample
			e.samples, r.input, e.rate, e.samples * e.rate, 0, r.input, r.output, 1,
			1, raw, // raw packet header
			1, r.bytes, 0, sampledHeader, // Ethernet; the frame's length; what was stripped; the header's length
		} {
			b = order.AppendUint32(b, value)
		}
		e.samples++
		start := len(b)
		b = append(b, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00)
		b = append(b, 0x45, 0)
		b = order.AppendUint16(b, uint16(r.bytes-14))
		b = append(b, 0, 0, 0, 0, 64, protocolUDP, 0, 0)
		b = append(b, r.source.AsSlice()...)
		b = append(b, r.destination.AsSlice()...)
		b = order.AppendUint16(b, r.sourcePort)
		b = order.AppendUint16(b, r.destinationPort)
		b = order.AppendUint16(b, uint16(r.bytes-34))
		b = append(b, 0, 0)
		b = append(b, make([]byte, padded-(len(b)-start))...)
	}
	return b
}
