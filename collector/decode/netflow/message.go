package netflow

import (
	"encoding/binary"
	"errors"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/template"
)

// Set ids below the data sets' (RFC 3954 sections 5.2 and 6.1, RFC 7011 section 3.3.2).
const (
	setTemplates9         = 0
	setOptionsTemplates9  = 1
	setTemplatesIPFIX     = 2
	setOptionsIPFIX       = 3
	firstDataSet          = 256
	maxSilentPaddingBytes = 3
)

func (d *Decoder) decode9(in Datagram) ledger.Counter {
	b := in.Payload
	if len(b) < header9Length {
		return ledger.RefusedTooShort
	}
	h := parseHeader9(b)
	h.received = uint64(in.Received)
	s := d.session(template.NetFlow9, in.Source, h.domain)
	// RFC 3954 section 5.1: the sequence counts packets.
	s.sequence.Observe(h.sequence, 1, d.counts)
	d.decodeSets(s, &h, b[header9Length:])
	return ledger.DatagramsDecoded
}

func (d *Decoder) decodeIPFIX(in Datagram) ledger.Counter {
	b := in.Payload
	if len(b) < headerIPFIXLength {
		return ledger.RefusedTooShort
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < headerIPFIXLength {
		return ledger.RefusedHeader
	}
	h := parseHeaderIPFIX(b)
	h.received = uint64(in.Received)
	s := d.session(template.IPFIX, in.Source, h.domain)
	if length > len(b) {
		d.drop(ledger.DatagramsTruncated, s, 0, nil)
		length = len(b)
	}
	d.trailing(s, b[length:])
	records, all := d.decodeSets(s, &h, b[headerIPFIXLength:length])
	// RFC 7011 section 3.1: the sequence counts data records, those of options included. Where a set could not be read
	// nobody knows how many it had.
	if all {
		s.sequence.Observe(h.sequence, uint32(records), d.counts)
	} else {
		// What could not be read had records of a byte at least each.
		s.sequence.ObserveUncounted(h.sequence, uint32(records), uint32(length), d.counts)
	}
	return ledger.DatagramsDecoded
}

// trailing counts what follows a message in its datagram: nothing says what it is. Zeros are padding.
func (d *Decoder) trailing(s *session, b []byte) {
	if len(b) > 0 && !allZero(b) {
		d.drop(ledger.DatagramsTrailing, s, 0, nil)
	}
}

// decodeSets walks over the sets of a message. It returns how many data records they had and whether all of them were
// read.
func (d *Decoder) decodeSets(s *session, h *header, b []byte) (records int, all bool) {
	all = true
	learned := false
	for len(b) >= setHeaderLength {
		id := binary.BigEndian.Uint16(b)
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < setHeaderLength && allZero(b) {
			break // some exporters fill the datagram up with zeros
		}
		d.count(ledger.SetsReceived, s, 1)
		if length < setHeaderLength || length > len(b) {
			d.drop(ledger.SetsDroppedMalformed, s, id, nil)
			return records, false
		}
		body := b[setHeaderLength:length]
		b = b[length:]
		kind := templateKind(h.version, id)
		switch {
		case kind != 0:
			d.decodeTemplates(s, h, kind, id, body)
			learned = true
		case id < firstDataSet:
			d.drop(ledger.SetsDroppedReserved, s, id, nil)
			all = false
		default:
			d.refresh(s)
			p := d.plan(s, id)
			if p == nil {
				d.hold(s, h, id, body)
				all = false
				continue
			}
			records += d.decodeSet(s, h, p, body)
			d.count(ledger.SetsDecoded, s, 1)
		}
	}
	if learned && len(s.held) > 0 {
		d.release(s)
	}
	return records, all
}

// templateKind is the kind of template that a set of this id carries, 0 for none.
func templateKind(version template.Version, id uint16) template.Kind {
	switch {
	case version == template.NetFlow9 && id == setTemplates9, version == template.IPFIX && id == setTemplatesIPFIX:
		return template.KindData
	case version == template.NetFlow9 && id == setOptionsTemplates9, version == template.IPFIX && id == setOptionsIPFIX:
		return template.KindOptions
	}
	return 0
}

// decodeTemplates learns the template records of a set.
func (d *Decoder) decodeTemplates(s *session, h *header, kind template.Kind, set uint16, b []byte) {
	limit := d.store.Limits().Fields
	stamp := uint64(h.exportTime)
	for len(b) > 0 {
		t, n, err := template.Parse(h.version, kind, b, limit)
		b = b[n:]
		switch {
		case err == nil:
			d.exporterOf(s).LearnTemplate(s.key.port, t, stamp, d.now)
		case errors.Is(err, template.ErrPadding):
			b = nil
		case errors.Is(err, template.ErrWithdrawn):
			// RFC 7011 section 8.4: over UDP they are to be ignored, since datagrams come out of order and may be forged.
			d.counts.Inc(ledger.TemplatesWithdrawn)
		case errors.Is(err, template.ErrTruncated):
			d.drop(ledger.TemplatesRefusedInvalid, s, set, err)
			d.drop(ledger.SetsDroppedMalformed, s, set, err)
			return
		case errors.Is(err, template.ErrLimit):
			d.drop(ledger.TemplatesRefusedLimit, s, set, err)
		default:
			d.drop(ledger.TemplatesRefusedInvalid, s, set, err)
		}
	}
	d.count(ledger.SetsDecoded, s, 1)
}

// decodeSet reads the records of a data set and returns how many there were.
func (d *Decoder) decodeSet(s *session, h *header, p *plan, b []byte) int {
	t := p.template
	records, flows := 0, 0
	for len(b) >= t.MinLength {
		n := recordLength(t, b)
		if n == 0 {
			break
		}
		if t.Kind == template.KindOptions {
			d.learnSampling(s, h, t, b[:n])
			d.learnSystemInit(s, h, t, b[:n])
		} else {
			d.decodeRecord(s, h, p, b[:n])
			if p.isFlow || len(d.record.Extra) != 0 {
				d.sink.Record(&d.record)
				flows++
			}
		}
		records++
		b = b[n:]
	}
	if t.Kind == template.KindOptions {
		d.counts.Add(ledger.OptionsDecoded, uint64(records))
	} else {
		d.count(ledger.RecordsDecoded, s, uint64(flows))
		d.counts.Add(ledger.RecordsNotFlows, uint64(records-flows))
	}
	if len(b) > maxSilentPaddingBytes && !allZero(b) {
		d.drop(ledger.RecordsTruncated, s, t.ID, nil)
	}
	return records
}
