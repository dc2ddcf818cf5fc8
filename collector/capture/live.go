package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Live reads what a collector captures while it does so. It takes only what AppendSection and the others write, of one interface: who
// sends it may be no collector.
type Live struct {
	blocks *pcapng
	limit  *io.LimitedReader
	most   int64
	begun  bool
	packet Packet
	// statistics have come: the capture is complete.
	statistics *Statistics
}

// NewLive reads up to so many bytes, and fails where more come.
func NewLive(in io.Reader, most int64) *Live {
	limit := &io.LimitedReader{R: in, N: most}
	return &Live{blocks: newPcapng(bufio.NewReaderSize(limit, 1<<16)), limit: limit, most: most}
}

// Begin reads until the capture is under way.
func (l *Live) Begin() error {
	for _, kind := range []uint32{blockSection, blockInterface} {
		got, body, err := l.block()
		switch {
		case err == nil && got != kind:
			err = errors.New("it is no capture of a collector")
		case err != nil && !errors.Is(err, io.EOF) && kind == blockSection:
			err = fmt.Errorf("it is no capture of a collector: %w", err)
		}
		if err == nil && kind == blockInterface {
			err = l.blocks.describe(body)
		}
		if err != nil {
			return early(err)
		}
	}
	if i := l.blocks.interfaces[0]; i.linkType != linkRaw || i.units != 1_000_000_000 || i.offset != 0 {
		return errors.New("it is no capture of a collector")
	}
	l.begun = true
	return nil
}

// Next returns the next datagram, valid until the next call; io.EOF after the last one. An end without Statistics is an error.
func (l *Live) Next() (*Packet, error) {
	if !l.begun {
		return nil, errors.New("the capture has not begun")
	}
	kind, body, err := l.block()
	switch {
	case errors.Is(err, io.EOF) && l.statistics != nil:
		return nil, io.EOF
	case err != nil:
		return nil, early(err)
	case l.statistics != nil:
		return nil, errors.New("it goes on after its end")
	case kind == blockStatistics:
		if err := l.read(body); err != nil {
			return nil, err
		}
		return l.Next()
	case kind != blockEnhancedPacket:
		return nil, fmt.Errorf("a block of type %d is not part of a collector's capture", kind)
	}
	f, err := l.blocks.packet(body, 4)
	if err != nil {
		return nil, err
	}
	if l.packet, err = parseIP(f.data); err != nil {
		return nil, err
	}
	if l.packet.Cut != f.cut {
		return nil, errNotOurs
	}
	l.packet.Time = f.time
	return &l.packet, nil
}

// Statistics are nil until the capture has come to its end.
func (l *Live) Statistics() *Statistics { return l.statistics }

func (l *Live) block() (uint32, []byte, error) {
	kind, body, err := l.blocks.block()
	if err != nil && l.limit.N <= 0 {
		err = fmt.Errorf("it has more than %d bytes", l.most)
	}
	return kind, body, err
}

// early is the error of an end that comes too early.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// read takes what an interface statistics block says.
func (l *Live) read(b []byte) error {
	if len(b) < 12 || l.blocks.order.Uint32(b) != 0 {
		return errors.New("its statistics are cut short")
	}
	s := &Statistics{}
	for b = b[12:]; len(b) >= 4; {
		code, length := l.blocks.order.Uint16(b), int(l.blocks.order.Uint16(b[2:]))
		padded := (length + 3) &^ 3
		if code == optionEnd || len(b) < 4+padded {
			break
		}
		value := b[4 : 4+length]
		switch {
		case code == optionComment:
			s.Comment = strings.ToValidUTF8(string(value[:min(length, maxText)]), "?")
		case length != 8:
		case code == optionReceived:
			s.Received = l.blocks.order.Uint64(value)
		case code == optionDropped:
			s.Dropped = l.blocks.order.Uint64(value)
		case code == optionStart:
			s.Begin = l.blocks.interfaces[0].time(l.blocks.ticks(value))
		case code == optionEndTime:
			s.End = l.blocks.interfaces[0].time(l.blocks.ticks(value))
		}
		b = b[4+padded:]
	}
	l.statistics = s
	return nil
}
