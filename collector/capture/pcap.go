package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// pcap reads the format of libpcap, "PCAP Capture File Format" (draft-ietf-opsawg-pcap).
type pcap struct {
	in       io.Reader
	order    binary.ByteOrder
	linkType uint32
	fraction time.Duration // of the second number of a time stamp
	extra    int           // further header bytes of a frame
	buffer   []byte
	header   [24]byte
}

func newPcap(in io.Reader) (*pcap, error) {
	p := &pcap{in: in}
	if _, err := io.ReadFull(in, p.header[:]); err != nil {
		return nil, fmt.Errorf("reading the file's header: %w", err)
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(p.header[:]) {
		case 0xa1b2c3d4:
			p.order, p.fraction = order, time.Microsecond
		case 0xa1b23c4d:
			p.order, p.fraction = order, time.Nanosecond
		case 0xa1b2cd34: // Alexey Kuznetsov's variant, with interface and protocol for each frame
			p.order, p.fraction, p.extra = order, time.Microsecond, 8
		}
	}
	if p.order == nil {
		return nil, errors.New("neither pcap nor pcapng, nor IPFIX or another export by itself, nor one of them in gzip")
	}
	p.linkType = p.order.Uint32(p.header[20:]) & 0xffff // the bits above tell about frame check sequences
	return p, nil
}

func (p *pcap) next() (frame, error) {
	header := p.header[:16+p.extra]
	if _, err := io.ReadFull(p.in, header); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends within a frame's header")
		}
		return frame{}, err
	}
	captured, original := p.order.Uint32(header[8:]), p.order.Uint32(header[12:])
	if captured > maxFrame {
		return frame{}, fmt.Errorf("a frame of %d bytes is not plausible", captured)
	}
	data, err := readInto(&p.buffer, p.in, int(captured))
	if err != nil {
		return frame{}, err
	}
	seconds, fraction := p.order.Uint32(header), p.order.Uint32(header[4:])
	return frame{
		data:     data,
		linkType: p.linkType,
		time:     time.Unix(int64(seconds), int64(fraction)*int64(p.fraction)).UTC(),
		cut:      captured < original,
	}, nil
}

// readInto reads n bytes, reusing the buffer.
func readInto(buffer *[]byte, in io.Reader, n int) ([]byte, error) {
	if cap(*buffer) < n {
		*buffer = make([]byte, n)
	}
	data := (*buffer)[:n]
	if m, err := io.ReadFull(in, data); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = fmt.Errorf("it ends %d bytes early, within a frame", n-m)
		}
		return nil, err
	}
	return data, nil
}
