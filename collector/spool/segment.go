package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// segment is one file: entries one behind the other.
type segment struct {
	root *os.Root
	name string
	file *os.File // nil while nobody needs it
	size int64
	// next is where reading goes on.
	next int64
	// entries and records that are not done yet; of these, taken ones were read and are being sent.
	entries, records           int
	takenEntries, takenRecords int
	// sentRecords are those of records that were sent before they were written, and that are not taken.
	sentRecords int
	// adopted are the offsets of entries that were taken before the directory was opened anew.
	adopted map[int64]struct{}
	// removed: its room was needed, or all is done.
	removed bool
}

const suffix = ".segment"

func segmentName(number uint64) string { return fmt.Sprintf("%020d%s", number, suffix) }

func (g *segment) open() (err error) {
	if g.file == nil {
		g.file, err = g.root.OpenFile(g.name, os.O_RDWR|os.O_CREATE, 0o600)
	}
	return err
}

func (g *segment) close() error {
	if g.file == nil {
		return nil
	}
	err := g.file.Close()
	g.file = nil
	return err
}

// overwrite changes the state of an entry.
func (g *segment) overwrite(b []byte, offset int64) error {
	err := g.open()
	if err == nil {
		_, err = g.file.WriteAt(b, offset)
	}
	if err != nil {
		return fmt.Errorf("writing to the spool: %w", err)
	}
	return nil
}

// untaken is what was not taken.
func (g *segment) untaken() Loss {
	records := g.records - g.takenRecords
	return Loss{records, max(0, min(g.sentRecords, records))} // what was sent stands outside the checksum
}

// giveUp takes out of the books what was not taken.
func (g *segment) giveUp() Loss {
	lost := g.untaken()
	g.entries, g.records, g.sentRecords = g.takenEntries, g.takenRecords, 0
	return lost
}

// header reads the header at an offset: io.ErrUnexpectedEOF where the file ends within the entry, errHeader where there is
// none.
func (g *segment) header(from io.ReaderAt, offset int64) (header, error) {
	var b [headerLength]byte
	if g.size-offset < headerLength {
		return header{}, io.ErrUnexpectedEOF
	}
	if _, err := from.ReadAt(b[:], offset); err != nil {
		return header{}, err
	}
	h, err := parseHeader(b[:])
	if err == nil && h.length() > g.size-offset {
		return h, io.ErrUnexpectedEOF
	}
	return h, err
}

// isDamage reports whether an error of header says what is in the file, not that it cannot be read.
func isDamage(err error) bool {
	return errors.Is(err, errHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// resync returns the offset of the first whole entry behind offset, or the segment's end.
func (g *segment) resync(offset int64) (int64, error) {
	const step = 1 << 20
	b := make([]byte, step+headerLength)
	for offset++; offset < g.size; offset += step {
		n, err := g.file.ReadAt(b, offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for at := 0; ; at++ {
			i := bytes.Index(b[at:n], magic)
			if i < 0 || at+i >= step {
				break
			}
			at += i
			if _, err := g.header(g.file, offset+int64(at)); err == nil {
				return offset + int64(at), nil
			}
		}
	}
	return g.size, nil
}

// scan counts what a file of a former process holds, and cuts off what its end was when that process died. It returns how
// many bytes are of no use.
func (g *segment) scan() (discarded int64, err error) {
	if err := g.open(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	info, err := g.file.Stat()
	if err != nil {
		return 0, err
	}
	g.size = info.Size()
	window := &window{file: g.file}
	for offset := int64(0); offset < g.size; {
		h, err := g.header(window, offset)
		switch {
		case err == nil:
			if !h.done {
				g.entries++
				g.records += h.records
				if h.sent != 0 {
					g.sentRecords += h.records
				}
			}
			offset += h.length()
		case isDamage(err):
			next, err := g.resync(offset)
			if err != nil {
				return discarded, err
			}
			discarded += next - offset
			if next == g.size {
				if err := g.file.Truncate(offset); err != nil {
					return discarded, err
				}
				g.size = offset
			}
			offset = next
		default:
			return discarded, err
		}
	}
	return discarded, nil
}

// window reads small pieces that lie close together with few calls.
type window struct {
	file   io.ReaderAt
	bytes  [4096]byte
	offset int64
	length int
}

func (w *window) ReadAt(b []byte, offset int64) (int, error) {
	if offset < w.offset || offset+int64(len(b)) > w.offset+int64(w.length) {
		n, err := w.file.ReadAt(w.bytes[:], offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		w.offset, w.length = offset, n
	}
	n := copy(b, w.bytes[offset-w.offset:w.length])
	if n < len(b) {
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}
