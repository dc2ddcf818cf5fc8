package names

// Stamp orders the rows of one number: the export time in seconds since 1970, and below that a count that tells changes within
// one second, and those after the exporter's clock went back, in their order.
type Stamp uint64

const (
	countBits = 16
	// lateSeconds is how much older than what is known a row may be and still be taken for one that was overtaken on its way.
	// What is older comes from an exporter whose clock went back.
	lateSeconds = 60
)

// StampOf is the stamp of an export time in seconds since 1970.
func StampOf(seconds uint64) Stamp { return Stamp(min(seconds, 1<<(64-countBits)-1)) << countBits }

// Seconds is the export time.
func (s Stamp) Seconds() uint64 { return uint64(s >> countBits) }

// late reports whether s is of an earlier second than known, by no more than a datagram may be late.
func (s Stamp) late(known Stamp) bool {
	was, is := known.Seconds(), s.Seconds()
	return is < was && was-is <= lateSeconds
}
