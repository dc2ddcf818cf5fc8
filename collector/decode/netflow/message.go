package netflow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

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
	for rest := d.decodePacket9(in, b); len(rest) > 0; {
		rest = d.decodePacket9(in, rest)
	}
	return ledger.DatagramsDecoded
}

// decodePacket9 decodes an export packet at the front of b, which holds its header, and returns the one that follows it in the datagram,
// if there is one.
func (d *Decoder) decodePacket9(in Datagram, b []byte) (following []byte) {
	h := parseHeader9(b, in.Received)
	s := d.session(template.NetFlow9, in.Source, h.domain)
	s.skew = h.skew(in.Received)
	d.dropFormer(s, &h)
	// RFC 3954 section 5.1: the sequence counts packets.
	d.follow(s, &h, 1, 0)
	_, _, rest := d.decodeSets(s, &h, b[header9Length:], len(b)-header9Length)
	if beginsPacket9(rest) {
		return rest
	}
	d.trailing(s, rest)
	return nil
}

// beginsPacket9 reports whether b begins with the header of a NetFlow v9 packet and a set that it holds in full. No set has the id that is
// the version (RFC 3954 section 5.2), and nothing else says where a packet ends.
func beginsPacket9(b []byte) bool {
	return len(b) > header9Length && binary.BigEndian.Uint16(b) == uint16(template.NetFlow9) && beginsSet(b[header9Length:])
}

func (d *Decoder) decodeIPFIX(in Datagram) ledger.Counter {
	b := in.Payload
	if len(b) < headerIPFIXLength {
		return ledger.RefusedTooShort
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < headerIPFIXLength {
		if len(b) == headerIPFIXLength || !beginsSet(b[headerIPFIXLength:]) {
			return ledger.RefusedHeader
		}
		length = len(b) // the sets say what there is
	}
	for rest := d.decodeMessage(in, b, length); len(rest) > 0; {
		rest = d.decodeMessage(in, rest, int(binary.BigEndian.Uint16(rest[2:])))
	}
	return ledger.DatagramsDecoded
}

// decodeMessage decodes an IPFIX message at the front of b, which holds its header, and returns the one that follows it in the
// datagram, if there is one.
func (d *Decoder) decodeMessage(in Datagram, b []byte, length int) (following []byte) {
	h := parseHeaderIPFIX(b, in.Received)
	s := d.session(template.IPFIX, in.Source, h.domain)
	s.skew = h.skew(in.Received)
	d.dropFormer(s, &h)
	if length > len(b) {
		d.drop(ledger.DatagramsTruncated, s, 0, nil)
		length, h.cut = len(b), true
	}
	records, all, rest := d.decodeSets(s, &h, b[headerIPFIXLength:], length-headerIPFIXLength)
	// RFC 7011 section 3.1: the sequence counts data records, those of options included. Where a set could not be read
	// nobody knows how many it had.
	most := uint32(0)
	if !all {
		most = uint32(length) // what could not be read had records of a byte at least each
	}
	d.follow(s, &h, uint32(records), most)
	if beginsMessage(rest) {
		return rest
	}
	d.trailing(s, rest)
	return nil
}

// beginsMessage reports whether b begins with an IPFIX message that it holds in full. No set has the id that is the version.
func beginsMessage(b []byte) bool {
	if len(b) < headerIPFIXLength || binary.BigEndian.Uint16(b) != uint16(template.IPFIX) {
		return false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	return length >= headerIPFIXLength && length <= len(b)
}

// beginsSet reports whether b begins with a set that it holds in full.
func beginsSet(b []byte) bool {
	if len(b) < setHeaderLength {
		return false
	}
	id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	return (id <= setOptionsIPFIX || id >= firstDataSet) && length > setHeaderLength && length <= len(b)
}

// behindSet is what follows a set of size bytes. Padding is part of its length (RFC 3954 section 5.3, RFC 7011 section 3.3.1), but some
// exporters do not count it: zeros up to a multiple of four bytes are padding where a set follows them, and none would begin before.
func behindSet(b []byte, size int) []byte {
	padding := -size & 3
	if padding == 0 || len(b) < padding || !allZero(b[:padding]) || beginsSet(b) || !beginsSet(b[padding:]) {
		return b
	}
	return b[padding:]
}

// behindZeros is what follows padding of four bytes or more at the front of b: the message, or else the set, whose header has the first byte that is
// not zero, or else what begins with that.
func behindZeros(version template.Version, b []byte) []byte {
	first := 0
	for first < len(b) && b[first] == 0 {
		first++
	}
	if beginsNext(version, b[first-1:]) {
		return b[first-1:] // the upper byte of its version is zero
	}
	from := max(setHeaderLength, first-setHeaderLength+1)
	for start := from; start <= first; start++ {
		// The header of a set of templates begins with zeros, and what follows its length may pass for the length of a data set.
		set := b[start:]
		if !beginsSet(set) {
			continue
		}
		id, size := binary.BigEndian.Uint16(set), binary.BigEndian.Uint16(set[2:])
		if id < firstDataSet && beginsTemplate(id, set[setHeaderLength:size]) {
			return set
		}
	}
	for start := first; start >= from; start-- {
		if beginsSet(b[start:]) {
			return b[start:]
		}
	}
	return b[first:]
}

// beginsNext reports whether b begins with another message of a version.
func beginsNext(version template.Version, b []byte) bool {
	return version == template.IPFIX && beginsMessage(b) || version == template.NetFlow9 && beginsPacket9(b)
}

// trailing counts what follows a message in its datagram: nothing says what it is. Zeros are padding.
func (d *Decoder) trailing(s *session, b []byte) {
	if len(b) > 0 && !allZero(b) {
		d.drop(ledger.DatagramsTrailing, s, 0, nil)
	}
}

// decodeSets walks over the sets of a message that says it has length bytes of them; b may have more. A set that ends beyond what
// the message says is read when the datagram has it: exporters miscount their messages, and what is whole is not lost for that. It
// returns how many data records there were, whether all of them were read, and what follows the sets.
func (d *Decoder) decodeSets(s *session, h *header, b []byte, length int) (records int, all bool, rest []byte) {
	all = true
	learned, fresh := false, false // fresh since the last data set
	d.taught, d.mends = d.taught[:0], 0
	end := len(b) - length            // of what remains, this much is beyond the message
	looked, follow := len(b)+1, false // options follow, or do not, up to where as much remains
	for len(b) >= setHeaderLength {
		if len(b) <= end && (h.version == template.NetFlow9 || !beginsSet(b)) {
			break
		}
		id := binary.BigEndian.Uint16(b)
		if beginsNext(h.version, b) {
			break
		}
		size := int(binary.BigEndian.Uint16(b[2:]))
		if size < setHeaderLength && allZero(b[:max(len(b)-end, setHeaderLength)]) {
			break // some exporters fill the datagram up with zeros
		}
		if id == 0 && size == 0 {
			b = behindZeros(h.version, b) // or what is between sets
			continue
		}
		d.count(ledger.SetsReceived, s, 1)
		if size < setHeaderLength {
			size = d.sizeless(s, h, b, len(b)-end)
		}
		if size < setHeaderLength {
			d.drop(ledger.SetsDroppedMalformed, s, id, nil)
			all, b = false, nil
			break
		}
		if size > len(b) {
			// The set is cut off: what is whole of it counts.
			if !h.cut {
				d.drop(ledger.DatagramsTruncated, s, id, nil)
			}
			size, all = len(b), false
		}
		whole, inMessage := b, len(b)-end
		body := b[setHeaderLength:size]
		b = behindSet(b[size:], size)
		kind := templateKind(id)
		if kind != 0 && len(b) > 0 && !isLikelySet(b) {
			size = d.templatesSize(s, h, kind, whole, size)
			body, b = whole[setHeaderLength:size], behindSet(whole[size:], size)
		}
		switch {
		case kind != 0:
			d.decodeTemplates(s, h, kind, id, body)
			learned, fresh = true, true
		case id < firstDataSet:
			d.drop(ledger.SetsDroppedReserved, s, id, nil)
			all = false
		default:
			if fresh && len(s.held) > 0 {
				d.releaseOptions(s) // they were said before this
			}
			fresh = false
			d.refresh(s)
			known := d.plan(s, id)
			p := known
			if len(d.taught) > 0 {
				p = d.planTaught(p, id)
			}
			if p == nil {
				d.hold(s, h, id, body)
				all = false
				continue
			}
			if len(b) > 0 && (!beginsSet(b) || p.isCut(len(body))) {
				size = d.setSize(s, h, p, whole, size, inMessage)
				body, b = whole[setHeaderLength:size], behindSet(whole[size:], size)
			}
			// What only its own message says of it is not known any more when it was held.
			if p == known && p.template.Kind == template.KindData && d.holdEarly(s, h, id, body) {
				all = false
				continue
			}
			if p.needsInit && len(b) >= setHeaderLength && d.systemInit(s) == 0 {
				d.later = append(d.later, laterSet{p, body}) // an options record may follow that says since when uptimes count
				continue
			}
			if len(b) >= setHeaderLength && s.rates.unheard() && p.template.Kind == template.KindData {
				if len(b) < looked {
					follow, looked = d.optionsFollow(s, b)
				}
				if follow {
					d.later = append(d.later, laterSet{p, body}) // they may say how it was sampled
					continue
				}
			}
			if p.hasLists && d.holdForLists(s, h, p, body) {
				all = false
				continue
			}
			records += d.decodeSet(s, h, p, body)
			d.count(ledger.SetsDecoded, s, 1)
		}
	}
	for _, set := range d.later {
		if set.plan.hasLists && d.holdForLists(s, h, set.plan, set.body) {
			all = false
			continue
		}
		records += d.decodeSet(s, h, set.plan, set.body)
		d.count(ledger.SetsDecoded, s, 1)
	}
	clear(d.later)
	d.later = d.later[:0]
	if learned && len(s.held) > 0 {
		d.release(s)
	}
	return records, all, b
}

// taught is a template that the message at hand said, and its plan once that was asked for.
type taught struct {
	template *template.Template
	plan     *plan
}

// maxTaught bounds the templates of one message that are looked at for its own data.
const maxTaught = 64

// planTaught is how data is read whose template came before it in the same message, and p for other data: no other device said that one,
// whatever is known of the id, and it holds though the message may be late.
func (d *Decoder) planTaught(p *plan, id uint16) *plan {
	for i := len(d.taught) - 1; i >= 0; i-- {
		own := &d.taught[i]
		switch {
		case own.template.ID != id:
			continue
		case p != nil && p.template.SameLayout(own.template):
			return p
		case own.plan == nil:
			own.plan = compile(own.template, d.settings)
		}
		return own.plan
	}
	return p
}

// optionsFollow reports whether the sets of b, what is left of a message, have a template of options, or records of one that is known, and how
// many bytes are left there, or where no set begins: whoever asks again before that knows the answer, and no set is looked at for each one
// before it.
func (d *Decoder) optionsFollow(s *session, b []byte) (follow bool, left int) {
	for beginsSet(b) {
		id := binary.BigEndian.Uint16(b)
		if templateKind(id) == template.KindOptions {
			return true, len(b)
		}
		if id >= firstDataSet {
			if p := d.planTaught(d.plan(s, id), id); p != nil && p.template.Kind == template.KindOptions {
				return true, len(b)
			}
		}
		b = b[binary.BigEndian.Uint16(b[2:]):]
	}
	return false, len(b)
}

// laterSet is a data set that is decoded when the rest of its message was looked at.
type laterSet struct {
	plan *plan
	body []byte
}

// templateKind is the kind of template that a set of this id carries, 0 for none. Converters carry NetFlow v9's ids into IPFIX, and IPFIX's into
// NetFlow v9: neither uses the other's for anything else (RFC 3954 section 5.2, RFC 7011 section 3.3.2).
func templateKind(id uint16) template.Kind {
	switch id {
	case setTemplates9, setTemplatesIPFIX:
		return template.KindData
	case setOptionsTemplates9, setOptionsIPFIX:
		return template.KindOptions
	}
	return 0
}

// decodeTemplates learns the template records of a set.
func (d *Decoder) decodeTemplates(s *session, h *header, kind template.Kind, set uint16, b []byte) {
	limit := d.store.Limits().Fields
	stamp := uint64(h.exportTime)
	for len(b) > 0 {
		zeros := 0
		for zeros+1 < len(b) && b[zeros]|b[zeros+1] == 0 {
			zeros += 2
		}
		if zeros > 0 && !allZero(b[zeros:]) {
			b = b[zeros:] // no template has this id: some exporters pad each one of options, which has six bytes before its fields
			continue
		}
		t, n, err := parseTemplate(h.version, kind, set, b, limit)
		b = b[n:]
		switch {
		case err == nil:
			if len(s.held) > 0 {
				d.refresh(s)
				d.readFormer(s, t)
			}
			d.exporterOf(s).LearnTemplate(s.key.port, t, stamp, d.now)
			if len(d.taught) < maxTaught {
				d.taught = append(d.taught, taught{t, nil})
			}
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

// parseTemplate reads the template record at the front of a set. Of options templates under the id of the other version nobody can say beforehand
// whose layout they have; the one that leaves nothing unread is theirs. Under IPFIX's own id those that are none of IPFIX may have NetFlow v9's
// layout: converters change the one and not the other.
func parseTemplate(version template.Version, kind template.Kind, set uint16, b []byte, limit int) (*template.Template, int, error) {
	t, n, err := template.Parse(version, kind, b, limit)
	if kind != template.KindOptions || version == template.NetFlow9 && set != setOptionsIPFIX {
		return t, n, err
	}
	isOwn := version == template.IPFIX && set != setOptionsTemplates9
	if err == nil && (isOwn || len(b)-n < setHeaderLength) || isOwn && !errors.Is(err, template.ErrTruncated) && !errors.Is(err, template.ErrInvalid) {
		return t, n, err
	}
	layout := template.NetFlow9
	if version == template.NetFlow9 {
		layout = template.IPFIX
	}
	other, size, failed := template.Parse(layout, kind, b, limit)
	if failed != nil || isOwn && (len(b)-size >= setHeaderLength || !allZero(b[size:])) {
		return t, n, err
	}
	if other, ok := asVersion(version, other); ok {
		return other, size, nil
	}
	return t, n, err
}

// asVersion turns an options template of one version into one of the other: what is shared of it is read as such. NetFlow v9 has no fields of
// enterprises.
func asVersion(version template.Version, t *template.Template) (*template.Template, bool) {
	fields, scope := len(t.Fields), t.ScopeFields
	if version == template.NetFlow9 {
		if slices.ContainsFunc(t.Fields, func(f template.Field) bool { return f.Enterprise != 0 }) {
			return nil, false
		}
		const field = 4 // bytes; it has lengths where IPFIX has counts: of the scope, and of the others (RFC 3954 section 6.1)
		fields, scope = scope*field, (fields-scope)*field
	}
	out := *t
	out.Version = version
	out.Record = bytes.Clone(t.Record)
	binary.BigEndian.PutUint16(out.Record[2:], uint16(fields))
	binary.BigEndian.PutUint16(out.Record[4:], uint16(scope))
	return &out, true
}

// decodeSet reads the records of a data set and returns how many there were.
func (d *Decoder) decodeSet(s *session, h *header, p *plan, b []byte) int {
	t := p.template
	records, flows, none := 0, 0, 0
	zeros := 0 // at the end
	for zeros < len(b) && b[len(b)-1-zeros] == 0 {
		zeros++
	}
	for len(b) >= t.MinLength {
		// What follows the records is padding, however long. An options table may have a record of zeros: sampling has ended.
		if len(b) <= zeros && (records > 0 || t.Kind != template.KindOptions) {
			break
		}
		n := d.recordLength(t, b)
		if n == 0 {
			break
		}
		if t.Kind == template.KindOptions {
			d.learnSampling(s, h, t, b[:n])
			d.learnSystemInit(s, h, t, b[:n])
			d.learnNames(s, h, p, b[:n])
			d.learnElement(s, h, p, b[:n])
			d.learnOther(s, h, p, b[:n])
			d.showOptions(s, h, p, b[:n])
		} else {
			d.decodeRecord(s, h, p, b[:n])
			if len(p.namings) > 0 && !describes(&d.record) {
				d.learnNames(s, h, p, b[:n])
			}
			if made := d.emit(s, h, p, b[:n]); made > 0 {
				flows += made
			} else {
				none++
			}
		}
		records++
		b = b[n:]
	}
	if t.Kind == template.KindOptions {
		d.counts.Add(ledger.OptionsDecoded, uint64(records))
		d.refreshRates(s) // they hold for the flows of the same message too
		if len(s.sequences.list) != 0 {
			d.announceSequences(s, h)
			d.refreshRates(s)
		}
	} else {
		d.countRecords(s, flows)
		d.counts.Add(ledger.RecordsNotFlows, uint64(none))
	}
	if len(b) > max(maxSilentPaddingBytes, zeros) {
		d.drop(ledger.RecordsTruncated, s, t.ID, nil)
	}
	return records
}

// emit hands on the flows of a record that was decoded, and returns how many there were.
func (d *Decoder) emit(s *session, h *header, p *plan, b []byte) int {
	flows := 0
	if p.hasLists && len(d.within) != 0 {
		if flows = d.emitLists(s, h, p, b); flows != 0 {
			return flows
		}
	}
	if describes(&d.record) {
		flows++
		d.give(&d.record)
	}
	flows += d.emitReverse(s, h, p, b)
	if flows == 0 && len(d.record.Extra) != 0 {
		flows++ // no flow, but what it says was asked for
		d.give(&d.record)
	}
	return flows
}

// emitReverse hands on the other direction of the decoded record, and returns how many flows that were.
func (d *Decoder) emitReverse(s *session, h *header, p *plan, b []byte) int {
	if (len(p.reverse) != 0 || len(d.turned) != 0) && d.decodeReverse(s, h, p, b, &d.record, d.turned) {
		d.give(&d.reversed)
		return 1
	}
	return 0
}
