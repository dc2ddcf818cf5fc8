package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// Entry is one batch with what is needed to send it, again if need be, after this process is gone.
type Entry struct {
	// Subject, ID and Encoding are the message's: at most 64 KiB in all.
	Subject, ID, Encoding string
	// Records in Payload.
	Records int
	Payload []byte
	// Sent is when it was sent for the first time; zero where it never was. Unlike the rest it can change, see Spool.Sent.
	Sent time.Time
	// SentAfter is the stream's last sequence number that was known then: had it been stored, it would be behind it.
	SentAfter uint64

	segment *segment
	offset  int64
}

// OnDisk reports whether an entry that Next gave is still there: its segment may have made room.
func (e *Entry) OnDisk() bool { return e.segment != nil && !e.segment.removed }

// The header of an entry, big endian:
//
//	0  magic "FFS1"
//	4  length of what follows the header: subject, id, encoding, payload
//	8  records
//	12 lengths of subject, id and encoding, 16 bits each; 2 bytes reserved
//	20 CRC-32C of what follows the header
//	24 CRC-32C of bytes 0 to 24
//	28 state: 0 waiting, 1 done; 3 bytes reserved
//	32 first sent, nanoseconds since 1970, 0 for never
//	40 sent after
//
// From byte 28 on it is written in place and stands outside the checksum: a state that a crash left half written costs at
// most one batch sent twice.
const (
	headerLength  = 48
	fixedLength   = 28
	stateOffset   = 28
	sentOffset    = 32
	stateDone     = 1
	maxBodyLength = 64 << 20
)

var (
	magic      = []byte("FFS1")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// errHeader is a header that is none, or damaged.
	errHeader = errors.New("the header is damaged")
)

// header is what an entry's first bytes say.
type header struct {
	body                  int
	records               int
	subject, id, encoding int
	bodySum               uint32
	done                  bool
	sent                  int64
	sentAfter             uint64
}

func (h *header) length() int64 { return int64(headerLength + h.body) }

// append writes the entry behind dst.
func (e *Entry) append(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, magic...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(e.Subject)+len(e.ID)+len(e.Encoding)+len(e.Payload)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(e.Records))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(e.Subject)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(e.ID)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(e.Encoding)))
	dst = append(dst, 0, 0)
	sum := crc32.Update(0, castagnoli, []byte(e.Subject))
	sum = crc32.Update(sum, castagnoli, []byte(e.ID))
	sum = crc32.Update(sum, castagnoli, []byte(e.Encoding))
	sum = crc32.Update(sum, castagnoli, e.Payload)
	dst = binary.BigEndian.AppendUint32(dst, sum)
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli))
	dst = append(dst, 0, 0, 0, 0)
	dst = appendSent(dst, e.Sent, e.SentAfter)
	dst = append(append(append(dst, e.Subject...), e.ID...), e.Encoding...)
	return append(dst, e.Payload...)
}

func appendSent(dst []byte, sent time.Time, after uint64) []byte {
	nanos := int64(0)
	if !sent.IsZero() {
		nanos = sent.UnixNano()
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(nanos))
	return binary.BigEndian.AppendUint64(dst, after)
}

// parseHeader reads a header of headerLength bytes; errHeader where it is none.
func parseHeader(b []byte) (h header, err error) {
	if string(b[:len(magic)]) != string(magic) ||
		crc32.Checksum(b[:fixedLength-4], castagnoli) != binary.BigEndian.Uint32(b[fixedLength-4:]) {
		return h, errHeader
	}
	h = header{
		body:      int(binary.BigEndian.Uint32(b[4:])),
		records:   int(binary.BigEndian.Uint32(b[8:])),
		subject:   int(binary.BigEndian.Uint16(b[12:])),
		id:        int(binary.BigEndian.Uint16(b[14:])),
		encoding:  int(binary.BigEndian.Uint16(b[16:])),
		bodySum:   binary.BigEndian.Uint32(b[20:]),
		done:      b[stateOffset] == stateDone,
		sent:      int64(binary.BigEndian.Uint64(b[sentOffset:])),
		sentAfter: binary.BigEndian.Uint64(b[sentOffset+8:]),
	}
	if h.body > maxBodyLength || h.subject+h.id+h.encoding > h.body {
		return h, errHeader
	}
	return h, nil
}

// entry reads the rest of an entry; false where its checksum is wrong. The entry keeps body.
func (h *header) entry(body []byte) (*Entry, bool) {
	if crc32.Checksum(body, castagnoli) != h.bodySum {
		return nil, false
	}
	e := &Entry{Records: h.records, SentAfter: h.sentAfter}
	if h.sent != 0 {
		e.Sent = time.Unix(0, h.sent)
	}
	e.Subject, body = string(body[:h.subject]), body[h.subject:]
	e.ID, body = string(body[:h.id]), body[h.id:]
	e.Encoding, e.Payload = string(body[:h.encoding]), body[h.encoding:]
	return e, true
}
