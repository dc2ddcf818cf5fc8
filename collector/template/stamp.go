package template

import (
	"cmp"
	"time"
)

// Stamp orders the definitions of one Key. It is the export time of the message that carried a definition, in seconds since
// 1970 (all that the headers of NetFlow v9 and IPFIX have), and below that a count that tells changes within one second, and
// those after the exporter's clock went back, in their order.
type Stamp uint64

// countBits are the bits of the count: 65,536 changes within a second carry into the next one, which is harmless.
const countBits = 16

// LastSecond bounds the seconds of stamps: headers have 32 bits of them, and each time that an exporter's clock is set back adds hours. A stamp
// of more is nobody's, and nothing could follow on the last one that there is.
const LastSecond = 1 << 40

// LateSeconds is how much earlier than what is known something may have been exported and still be taken for a datagram that was
// overtaken on its way, in seconds.
const LateSeconds = 60

// Overtaken is how much later than what followed it such a datagram may arrive, in nanoseconds.
const Overtaken = LateSeconds * int64(time.Second)

// StampOf is the stamp of an export time in seconds since 1970.
func StampOf(seconds uint64) Stamp { return Stamp(min(seconds, 1<<(64-countBits)-1)) << countBits }

// Seconds is the export time.
func (s Stamp) Seconds() uint64 { return uint64(s >> countBits) }

// After is the stamp of what is said with one, at now, in place of something else with a former stamp that was heard last at a time as far as
// is known here: times in nanoseconds. It is newer than that. Several may be of one second; and where the exporter's clock was set back, other
// collectors may have heard the former since, with the stamps of the former clock: an hour more, as data that is read counts as hearing.
func After(stamp, former Stamp, heard, now int64) Stamp {
	if former.Seconds() > stamp.Seconds()+LateSeconds {
		former += StampOf(uint64((max(0, now-heard) + silence) / int64(time.Second)))
	}
	return max(stamp, former+1)
}

// Compare says whether what was said with a stamp, and heard at a time (nanoseconds), is older (-1) or newer (1) than something else
// about the same. Stamps decide, unless they are in another order than what was heard and either is more than a minute apart: the exporter's
// clock was set then, of which stamps may tell for hours (see After), and hearing counts.
func Compare(stamp Stamp, heard int64, otherStamp Stamp, otherHeard int64) int {
	older, newer := min(stamp, otherStamp), max(stamp, otherStamp)
	apart := newer.Seconds()-older.Seconds() > LateSeconds || max(heard, otherHeard)-min(heard, otherHeard) > Overtaken
	if apart && heard != otherHeard {
		return cmp.Compare(heard, otherHeard)
	}
	return cmp.Compare(stamp, otherStamp)
}
