package template

// Stamp orders the definitions of one Key. It is the export time of the message that carried a definition, in seconds since
// 1970 (all that the headers of NetFlow v9 and IPFIX have), and below that a count that tells changes within one second, and
// those after the exporter's clock went back, in their order.
type Stamp uint64

// countBits are the bits of the count: 65,536 changes within a second carry into the next one, which is harmless.
const countBits = 16

// StampOf is the stamp of an export time in seconds since 1970.
func StampOf(seconds uint64) Stamp { return Stamp(min(seconds, 1<<(64-countBits)-1)) << countBits }

// Seconds is the export time.
func (s Stamp) Seconds() uint64 { return uint64(s >> countBits) }
