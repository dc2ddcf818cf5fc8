package ledger

// Volume is how many bytes the records of an exporter tell of. It is no part of the books: what exporters say may be anything, and sums
// begin again at 0 beyond 2^64.
type Volume struct {
	// Bytes as the records have them, of sampled packets where the exporter samples. Scaled is each record's times its sampling rate, or
	// once where none is known.
	Bytes  uint64 `json:"bytes"`
	Scaled uint64 `json:"scaled"`
}

// Record adds those of one record; a rate of 0 is none.
func (v *Volume) Record(bytes, rate uint64) {
	v.Bytes += bytes
	v.Scaled += bytes * max(rate, 1)
}

// Add adds o.
func (v *Volume) Add(o Volume) { v.Bytes, v.Scaled = v.Bytes+o.Bytes, v.Scaled+o.Scaled }

// Sub takes o away.
func (v *Volume) Sub(o Volume) { v.Bytes, v.Scaled = v.Bytes-o.Bytes, v.Scaled-o.Scaled }
