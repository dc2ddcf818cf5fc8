// Package capture reads UDP datagrams, and messages of IPFIX over TCP and SCTP, out of packet captures: pcap and pcapng files, compressed with gzip or not, of any
// byte order and of the link types that captures of flow exports come in. IPFIX files (RFC 5655) and payloads of datagrams are read too.
//
// Captures may come from strangers: block sizes, fragments and everything else that a file can ask for is bounded, and
// what cannot be read is reported and skipped.
package capture

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"
)

// Datagram is one UDP payload, or one message over TCP or SCTP.
type Datagram struct {
	// File it came from, and the number of the (last) frame in it, from 1.
	File  string
	Frame int
	// Time of capture.
	Time time.Time
	// Source and Destination; IPv4-mapped addresses are unmapped.
	Source, Destination netip.AddrPort
	// Payload is valid until the next call of Next. It is shorter than what was sent where Truncated says so.
	Payload   []byte
	Truncated bool
}

// Problem is something in a capture that could not be read.
type Problem struct {
	File string
	// Frame number in the file, 0 for the file as a whole.
	Frame  int
	Reason string
}

// Stats of a Reader.
type Stats struct {
	// Frames read; Datagrams found in them; Skipped frames that complete none (fragments and segments that wait among them);
	// Problems reported.
	Frames, Datagrams, Skipped, Problems int
	// Passed are the frames that carry nothing that is read here, by what they carry.
	Passed map[string]int
}

// frame is one captured packet.
type frame struct {
	data     []byte
	linkType uint32
	time     time.Time
	// cut: the capture holds less of it than was on the wire.
	cut bool
}

// format reads the frames of one file. It returns io.EOF at the end, and an error wrapping errFrame where the next frame
// can still be read.
type format interface {
	next() (frame, error)
}

var errFrame = errors.New("frame cannot be read")

// Reader reads files one after the other, as one stream: what a file leaves unfinished, such as fragments, the next one
// may complete.
type Reader struct {
	paths     []string
	report    func(Problem)
	stats     Stats
	fragments fragments
	streams   map[pair]*stream
	// associations of SCTP, and messages of a frame that wait to be asked for.
	associations map[pair]*association
	queue        []Datagram

	path   string
	closer io.Closer
	format format
	frame  int
	found  Datagram
}

// NewReader returns a Reader of the files at paths, "-" for the standard input. report is told of each Problem; it may be
// nil.
func NewReader(paths []string, report func(Problem)) *Reader {
	return &Reader{paths: paths, report: report}
}

// Stats so far.
func (r *Reader) Stats() Stats { return r.stats }

// Close closes the file being read.
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	err := r.closer.Close()
	r.closer, r.format = nil, nil
	return err
}

// Next returns the next datagram, io.EOF at the end of the last file. No other error is returned: files and frames that
// cannot be read are Problems.
func (r *Reader) Next() (*Datagram, error) {
	if r.dequeue() {
		r.stats.Datagrams++
		return &r.found, nil
	}
	for {
		if r.format == nil && !r.open() {
			if r.unfinished(); r.dequeue() {
				r.stats.Datagrams++
				return &r.found, nil
			}
			return nil, io.EOF
		}
		if r.format == nil {
			continue
		}
		f, err := r.format.next()
		if err != nil && !errors.Is(err, errFrame) {
			if !errors.Is(err, io.EOF) {
				r.problem(r.frame+1, fmt.Sprintf("the rest of the file cannot be read: %v", err))
			}
			if err := r.Close(); err != nil {
				r.problem(0, fmt.Sprintf("closing: %v", err))
			}
			continue
		}
		r.frame++
		r.stats.Frames++
		if err != nil {
			r.problem(r.frame, err.Error())
			continue
		}
		if r.dissect(&f) {
			r.stats.Datagrams++
			return &r.found, nil
		}
		r.stats.Skipped++
	}
}

// open begins the next file that can be read at all. It returns false when there is none left.
func (r *Reader) open() bool {
	if len(r.paths) == 0 {
		return false
	}
	r.path, r.paths, r.frame = r.paths[0], r.paths[1:], 0
	file := os.Stdin
	if r.path != "-" {
		var err error
		if file, err = os.Open(r.path); err != nil {
			r.problem(0, err.Error())
			return true
		}
	}
	saved := time.Unix(0, 0)
	if info, err := file.Stat(); err == nil {
		saved = info.ModTime()
	}
	f, err := begin(file, saved)
	if err != nil {
		r.problem(0, err.Error())
		_ = file.Close() // it was only read
		return true
	}
	r.closer, r.format = file, f
	return true
}

// begin tells a file's format by its first bytes.
func begin(file io.Reader, saved time.Time) (format, error) {
	in := bufio.NewReaderSize(file, 1<<16)
	for range 2 { // a compressed capture, perhaps compressed again by a mirror; no deeper
		magic, _ := in.Peek(2)
		if len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
			break
		}
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("reading gzip: %w", err)
		}
		in = bufio.NewReaderSize(unzipped, 1<<16)
	}
	magic, err := in.Peek(4)
	if len(magic) == 0 && errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the first bytes: %w", err)
	}
	switch first := [4]byte(magic); {
	case first == [4]byte{0x0a, 0x0d, 0x0d, 0x0a}:
		return newPcapng(in), nil
	case isPayload(first):
		return &payloads{in: in, saved: saved}, nil
	}
	return newPcap(in)
}

func (r *Reader) problem(frame int, reason string) {
	r.stats.Problems++
	if r.report != nil {
		r.report(Problem{File: r.path, Frame: frame, Reason: reason})
	}
}

// maxFrame bounds what is read at once. Linux captures loopback frames of up to 256 KiB.
const maxFrame = 1 << 18
