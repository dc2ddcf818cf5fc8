package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// pcapng reads "PCAP Next Generation Capture File Format" (draft-ietf-opsawg-pcapng).
type pcapng struct {
	in         io.Reader
	order      binary.ByteOrder
	interfaces []captureInterface
	last       time.Time // simple packets have no time of their own
	buffer     []byte
}

// captureInterface is an interface description block.
type captureInterface struct {
	linkType uint32
	snapLen  uint32
	// units of a time stamp in a second, and the seconds to add.
	units  uint64
	offset int64
}

// Block types.
const (
	blockSection        = 0x0a0d0d0a
	blockInterface      = 1
	blockPacket         = 2 // obsolete
	blockSimplePacket   = 3
	blockStatistics     = 5
	blockEnhancedPacket = 6
)

const (
	byteOrderMagic = 0x1a2b3c4d
	// maxInterfaces of a section: more than any machine has.
	maxInterfaces = 1 << 14
	// maxBlock leaves room for a frame and its options.
	maxBlock = maxFrame + 1<<16
)

func newPcapng(in io.Reader) *pcapng { return &pcapng{in: in, order: binary.LittleEndian} }

func (p *pcapng) next() (frame, error) {
	for {
		kind, body, err := p.block()
		if err != nil {
			return frame{}, err
		}
		switch kind {
		case blockInterface:
			if err := p.describe(body); err != nil {
				return frame{}, err
			}
		case blockEnhancedPacket:
			return p.packet(body, 4)
		case blockPacket:
			return p.packet(body, 2)
		case blockSimplePacket:
			return p.simple(body)
		}
	}
}

// block reads one block. A section header sets the byte order for what follows.
func (p *pcapng) block() (kind uint32, body []byte, err error) {
	var head [12]byte
	if _, err := io.ReadFull(p.in, head[:8]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends within a block's header")
		}
		return 0, nil, err
	}
	taken := 8
	if binary.LittleEndian.Uint32(head[:]) == blockSection { // the same in either order
		if _, err := io.ReadFull(p.in, head[8:12]); err != nil {
			return 0, nil, errors.New("it ends within a section header")
		}
		taken = 12
		switch {
		case binary.LittleEndian.Uint32(head[8:]) == byteOrderMagic:
			p.order = binary.LittleEndian
		case binary.BigEndian.Uint32(head[8:]) == byteOrderMagic:
			p.order = binary.BigEndian
		default:
			return 0, nil, errors.New("a section has no byte-order mark")
		}
		p.interfaces = p.interfaces[:0]
	}
	kind = p.order.Uint32(head[:])
	length := p.order.Uint32(head[4:])
	if length < uint32(taken)+4 || length%4 != 0 {
		return 0, nil, fmt.Errorf("a block of %d bytes is not possible", length)
	}
	rest := int64(length) - int64(taken)
	if length > maxBlock {
		if kind == blockEnhancedPacket || kind == blockPacket || kind == blockSimplePacket {
			return 0, nil, fmt.Errorf("a frame of %d bytes is not plausible", length)
		}
		// Decryption secrets and the like may be large; they are nothing to us.
		if _, err := io.CopyN(io.Discard, p.in, rest); err != nil {
			return 0, nil, fmt.Errorf("skipping a block of %d bytes: %w", length, err)
		}
		return 0, nil, nil
	}
	data, err := readInto(&p.buffer, p.in, int(rest))
	if err != nil {
		return 0, nil, err
	}
	return kind, data[:len(data)-4], nil // the length stands at the end once more
}

// Options of an interface description.
const (
	optionEnd       = 0
	optionTSResol   = 9
	optionTSOffset  = 14
	microsecondUnit = 1_000_000
)

func (p *pcapng) describe(b []byte) error {
	if len(b) < 8 {
		return errors.New("an interface description is cut short")
	}
	if len(p.interfaces) >= maxInterfaces {
		return fmt.Errorf("more than %d interfaces", maxInterfaces)
	}
	i := captureInterface{linkType: uint32(p.order.Uint16(b)), snapLen: p.order.Uint32(b[4:]), units: microsecondUnit}
	for b = b[8:]; len(b) >= 4; {
		code, length := p.order.Uint16(b), int(p.order.Uint16(b[2:]))
		padded := (length + 3) &^ 3
		if code == optionEnd || len(b) < 4+padded {
			break
		}
		value := b[4 : 4+length]
		switch {
		case code == optionTSResol && length == 1 && value[0]&0x80 != 0 && value[0]&0x7f < 64:
			i.units = 1 << (value[0] & 0x7f)
		case code == optionTSResol && length == 1 && value[0] <= 19:
			i.units = new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(value[0])), nil).Uint64()
		case code == optionTSOffset && length == 8:
			i.offset = int64(p.order.Uint64(value))
		}
		b = b[4+padded:]
	}
	p.interfaces = append(p.interfaces, i)
	return nil
}

// packet reads an enhanced or an obsolete packet block, whose interface id has idLength bytes.
func (p *pcapng) packet(b []byte, idLength int) (frame, error) {
	if len(b) < 20 {
		return frame{}, fmt.Errorf("%w: its block is cut short", errFrame)
	}
	id := p.order.Uint32(b)
	if idLength == 2 {
		id = uint32(p.order.Uint16(b))
	}
	if uint64(id) >= uint64(len(p.interfaces)) {
		return frame{}, fmt.Errorf("%w: interface %d was not described", errFrame, id)
	}
	i := &p.interfaces[id]
	captured, original := p.order.Uint32(b[12:]), p.order.Uint32(b[16:])
	if uint64(captured) > uint64(len(b)-20) {
		return frame{}, fmt.Errorf("%w: it is longer than its block", errFrame)
	}
	p.last = i.time(p.ticks(b[4:]))
	return frame{data: b[20 : 20+captured], linkType: i.linkType, time: p.last, cut: captured < original}, nil
}

// ticks of a time stamp, whose upper half comes first.
func (p *pcapng) ticks(b []byte) uint64 {
	return uint64(p.order.Uint32(b))<<32 | uint64(p.order.Uint32(b[4:]))
}

func (i *captureInterface) time(ticks uint64) time.Time {
	seconds, rest := ticks/i.units, ticks%i.units
	nanoseconds := uint64(float64(rest) / float64(i.units) * 1e9)
	if i.units <= 1_000_000_000 {
		nanoseconds = rest * 1_000_000_000 / i.units
	}
	return time.Unix(int64(seconds)+i.offset, int64(nanoseconds)).UTC()
}

func (p *pcapng) simple(b []byte) (frame, error) {
	if len(b) < 4 || len(p.interfaces) == 0 {
		return frame{}, fmt.Errorf("%w: a simple packet without interface or length", errFrame)
	}
	original := p.order.Uint32(b)
	captured := min(original, uint32(len(b)-4))
	if s := p.interfaces[0].snapLen; s != 0 {
		captured = min(captured, s)
	}
	return frame{data: b[4 : 4+captured], linkType: p.interfaces[0].linkType, time: p.last, cut: captured < original}, nil
}
