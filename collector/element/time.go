package element

import (
	"encoding/binary"
	"math"
	"time"
)

// lastYear is the last that RFC 3339 can write.
const lastYear = 9999

// appendTime writes a time in UTC as RFC 3339 has it, null where the value says that there is none.
func appendTime(dst []byte, t DataType, v []byte) ([]byte, bool) {
	if len(v) == 0 || len(v) > 8 && len(v) != 16 {
		return dst, false
	}
	var at time.Time
	switch {
	case t == DateTimeSeconds && len(v) <= 8:
		n := unsigned(v)
		if n > math.MaxInt64/2 {
			return dst, false
		}
		at = time.Unix(int64(n), 0)
	case t == DateTimeMilliseconds && len(v) <= 8:
		n := unsigned(v)
		if n > math.MaxInt64/2 {
			return dst, false
		}
		at = time.UnixMilli(int64(n))
	case len(v) == 8:
		n := binary.BigEndian.Uint64(v)
		if n == 0 {
			return append(dst, "null"...), true // NTP's word for a time that is not known (RFC 5905 section 6)
		}
		at = fineTime(n)
	case len(v) == 16: // seconds and microseconds, as pmacct sends them
		seconds, micros := binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])
		if seconds > math.MaxUint32 || micros >= 1e6 {
			return dst, false
		}
		at = time.Unix(int64(seconds), int64(micros)*1000)
	default:
		return dst, false
	}
	if t == DateTimeMicroseconds {
		at = at.Round(time.Microsecond) // the bits below say nothing (RFC 7011 section 6.1.9)
	}
	at = at.UTC()
	if at.Year() > lastYear {
		return dst, false
	}
	dst = append(dst, '"')
	dst = at.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"'), true
}

// What fineTime takes for times since 1970, in seconds: 1994 to the end of NTP's era 0 in 2036.
const (
	earliestPlain = 757_382_400
	latestPlain   = 2_085_978_496
)

// fineTime reads an NTP timestamp (RFC 7011 sections 6.1.9 and 6.1.10); era 1 begins in 2036, where seconds start again from 0. nProbe and
// others count microseconds or nanoseconds since 1970 instead: as NTP timestamps these would be times of era 1. What can be a time since
// 1970 is read as one, which will be wrong for some of that era's.
func fineTime(n uint64) time.Time {
	const ntpToUnix, era0 = 2_208_988_800, 1 << 63
	if n < era0 {
		switch {
		case n/1e6 >= earliestPlain && n/1e6 < latestPlain:
			return time.UnixMicro(int64(n))
		case n/1e9 >= earliestPlain && n/1e9 < latestPlain:
			return time.Unix(0, int64(n))
		case n>>32 >= earliestPlain: // NTP's format, but its seconds count from 1970
			return time.Unix(int64(n>>32), int64((n&math.MaxUint32)*1_000_000_000>>32))
		}
	}
	seconds := int64(uint32(n>>32) - uint32(ntpToUnix&math.MaxUint32))
	return time.Unix(seconds, int64((n&math.MaxUint32)*1_000_000_000>>32))
}
