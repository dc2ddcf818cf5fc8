package netflow

import (
	"math"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/template"
)

const (
	nanosPerSecond = 1_000_000_000
	nanosPerMilli  = 1_000_000
	nanosPerMicro  = 1_000
	// ntpToUnix is the seconds from 1900, NTP's epoch, to 1970 (RFC 7011 section 6.1.9).
	ntpToUnix = 2_208_988_800
	// uptimeRangeMs is after how many milliseconds an uptime of 32 bits begins anew: 49.7 days.
	uptimeRangeMs = 1 << 32
	// toleranceMs is how much later than its export a flow may end: a header may be made before the records behind it.
	toleranceMs = 60_000
	// clockSet is when NetFlow was not there yet: 1 January 1994, in nanoseconds since 1970. A clock that shows less was never set:
	// such clocks begin at 1970, 1980 or, Cisco's, at 1 March 1993.
	clockSet = 757_382_400 * nanosPerSecond
)

// clock is what a header tells about the time.
type clock struct {
	// exportNs is the header's time of export, nanoseconds since 1970.
	exportNs uint64
	// baseNs is when the export was: exportNs, or the time of receipt where the exporter's clock is not set.
	baseNs uint64
	// latestNs is what no flow of this message may pass: a minute after its export, by the exporter's clock or the collector's.
	latestNs uint64
	// uptime in milliseconds at the time of export, where there is one.
	uptime uint32
}

func newClock(exportNs, receivedNs uint64, uptime uint32) clock {
	c := clock{exportNs: exportNs, baseNs: exportNs, uptime: uptime}
	if exportNs < clockSet {
		c.baseNs = receivedNs
	}
	c.latestNs = max(c.baseNs, receivedNs) + toleranceMs*nanosPerMilli
	return c
}

// skew is the time of export less that of receipt, in nanoseconds.
func (c *clock) skew(received int64) int64 { return int64(c.exportNs) - received }

// Units of absolute times, in nanoseconds, the coarsest first. Within what instant accepts no number of one of them is one of another.
var units = [...]uint64{nanosPerSecond, nanosPerMilli, nanosPerMicro, 1}

// plain is the time that n, a number of a unit since 1970, gives, 0 where it cannot be one. Exporters mistake units: what would be no time
// in its own, but is one in another, is read as that, if it is of a flow that the export may have.
func (c *clock) plain(n, unit uint64) (ns uint64, future bool) {
	if ns, future = c.instant(scaled(n, unit)); ns != 0 {
		return ns, future
	}
	ns = c.inAnyUnit(n)
	return ns, future && ns == 0
}

// inAnyUnit is the time that n gives in the unit in which it can be one, 0 for none. It is of a flow of 49.7 days at most: an uptime in
// milliseconds is a number of seconds of the last decades for years, but not of these days.
func (c *clock) inAnyUnit(n uint64) uint64 { return c.inUnits(n, uptimeRangeMs*nanosPerMilli) }

// inUnits is the same of a time that is at most so many nanoseconds before the export.
func (c *clock) inUnits(n, span uint64) uint64 {
	earliest := max(clockSet, before(c.baseNs, span))
	for _, unit := range units {
		if at := scaled(n, unit); at >= earliest && at <= c.latestNs {
			return at
		}
	}
	return 0
}

// instant is a time that a record gives, 0 where it cannot be one. Where the exporter's clock is not set, both it and the time of
// export count from the same wrong moment.
func (c *clock) instant(at uint64) (ns uint64, future bool) {
	switch {
	case at >= clockSet && at <= c.latestNs:
		return at, false
	case at > c.latestNs:
		return 0, true
	case at != 0 && c.exportNs < clockSet && at <= c.exportNs+toleranceMs*nanosPerMilli:
		return before(c.baseNs+at, c.exportNs), false
	}
	return 0, false
}

// before is at less a span, 0 where that would be before 1970.
func before(at, span uint64) uint64 {
	if span >= at {
		return 0
	}
	return at - span
}

// since converts milliseconds since the exporter's start (RFC 3954 section 8) to nanoseconds since 1970, given what both clocks
// showed at export. The difference is taken modulo 2^32: sysUptime wraps every 49.7 days. A flow may end just after the header was
// made.
func (c *clock) since(at uint32) uint64 {
	ago := c.uptime - at
	if ago > math.MaxUint32-toleranceMs {
		return c.baseNs + uint64(-ago)*nanosPerMilli
	}
	return before(c.baseNs, uint64(ago)*nanosPerMilli)
}

// tells reports whether the header says when the exporter started, and a flow what it began and ended at.
func (c *clock) tells(start, end uint32) bool { return c.uptime != 0 && (start != 0 || end != 0) }

// ahead reports an uptime that is more than a minute after that of the export. No flow is exported weeks after it ended: what would be has
// another clock than the header.
func (c *clock) ahead(at uint32) bool {
	ago := c.uptime - at
	return ago > uptimeRangeMs/2 && ago <= math.MaxUint32-toleranceMs
}

// span converts the uptimes of a flow, of which one is not 0. 0 is unknown: an end of 0 behind a start, and an end that is ahead of the
// export (future), with its start where that is, too.
func (c *clock) span(start, end uint32) (startNs, endNs uint64, future bool) {
	switch future = c.ahead(end) && end != 0; {
	case future && c.ahead(start):
		return 0, 0, true
	case future, end == 0:
		return c.since(start), 0, future
	}
	return c.since(start), c.since(end), false
}

// lastUptime is an end, 0 where all its bits are set and it would be before the start: it says that there is none. Flows that came before the
// exporter began may have such a start, a millisecond before it.
func lastUptime(start, end uint32) uint32 {
	if end == math.MaxUint32 && int32(end-start) < 0 {
		return 0
	}
	return end
}

// between converts the uptimes of a flow whose record has no other times.
func (c *clock) between(start, end uint32) (startNs, endNs uint64) {
	end = lastUptime(start, end)
	if c.tells(start, end) {
		var future bool
		switch startNs, endNs, future = c.span(start, end); {
		case endNs == 0 && !future:
			return startNs, startNs
		case startNs == 0 && endNs == 0:
			return c.untilExport(start, end)
		case endNs == 0:
			endNs = c.baseNs
		}
		if startNs == 0 || startNs > endNs {
			startNs = endNs
		}
		return startNs, endNs
	}
	return c.untilExport(start, end)
}

// untilExport gives a flow whose uptimes do not say when it was: it was exported when it ended, and lasted as long as they tell. Some
// exporters send seconds since 1970 in their place.
func (c *clock) untilExport(start, end uint32) (startNs, endNs uint64) {
	if c.areSeconds(start, end) {
		return uint64(start) * nanosPerSecond, uint64(end) * nanosPerSecond
	}
	return before(c.baseNs, lasted(start, end)), c.baseNs
}

// areSeconds reports whether uptimes are seconds since 1970 of a flow that ended within the hour before its export and lasted a day at most.
// An uptime in milliseconds is such a number for four seconds in 49 days.
func (c *clock) areSeconds(start, end uint32) bool {
	const hour, day = 3600, 86_400
	export, late := c.baseNs/nanosPerSecond, uint64(toleranceMs/1000)
	return uint64(end) <= export+late && uint64(end)+hour >= export && start <= end && end-start <= day
}

// lasted is how long a flow with these uptimes was, in nanoseconds, 0 where nobody can tell.
func lasted(start, end uint32) uint64 {
	if ms := end - start; end != 0 && ms <= math.MaxUint32-toleranceMs {
		return uint64(ms) * nanosPerMilli
	}
	return 0
}

// longestUp is what nothing is up for, twenty years: clocks that differ by more were set in between.
const longestUp = 20 * 365 * 86_400 * nanosPerSecond

// sinceInit converts an uptime that counts from init (RFC 5102 section 5.9.8), in milliseconds since 1970. An uptime wraps every
// 49.7 days; no flow is exported as long after its end as that. The time of export has whole seconds: a flow may end after it.
func (c *clock) sinceInit(init uint64, up uint32) (ns uint64, future bool) {
	if ns := scaled(init, nanosPerMilli); ns < clockSet || ns > c.latestNs {
		if other := c.inUnits(init, longestUp); other != 0 { // of another unit, as other times
			init = other / nanosPerMilli
		}
	}
	if init > math.MaxInt64/nanosPerMilli {
		return 0, true
	}
	at := (init + uint64(up)) * nanosPerMilli
	if at < c.exportNs && c.exportNs-at < longestUp {
		const wrap = uptimeRangeMs * nanosPerMilli
		at += (c.exportNs + toleranceMs*nanosPerMilli - at) / wrap * wrap
	}
	return c.instant(at)
}

// scaled is v times a unit, the largest number where that is too much.
func scaled(v, unit uint64) uint64 {
	if v > math.MaxUint64/unit {
		return math.MaxUint64
	}
	return v * unit
}

// fromNTP converts a 64-bit NTP timestamp to nanoseconds since 1970 (RFC 7011 sections 6.1.9 and 6.1.10). 0, no time at
// all, stays 0. Era 1 begins in 2036: seconds below 1970's stand for times after it.
func fromNTP(v uint64) uint64 {
	if v == 0 {
		return 0
	}
	seconds := uint64(uint32(v>>32) - ntpToUnix)
	return seconds*nanosPerSecond + (v&0xffffffff)*nanosPerSecond>>32
}

// fineLength is that of the times that pmacct's nfprobe sends: seconds and microseconds since 1970, 8 bytes each.
const fineLength = 16

// noFraction are the bits of a fraction that no element for microseconds says anything with: whoever reads it must ignore them (RFC 7011
// section 6.1.9).
const noFraction = 1<<11 - 1

// ofMicroseconds reports the elements for microseconds.
func ofMicroseconds(id uint16) bool { return id == 154 || id == 155 || id == 324 }

// fine is the time that an element for microseconds or nanoseconds gives, 0 where it cannot be one. Both are NTP timestamps (RFC 7011
// sections 6.1.9 and 6.1.10), but nProbe and others count since 1970: as NTP timestamps these would be times in 2036 and after.
func (c *clock) fine(id uint16, v []byte) (ns uint64, future bool) {
	if len(v) == fineLength {
		seconds, micros := min(number(v[:8]), math.MaxUint32), min(number(v[8:]), 999_999)
		return c.instant(seconds*nanosPerSecond + micros*nanosPerMicro)
	}
	return c.fromFine(id, number(v))
}

// fromFine is the same of a number.
func (c *clock) fromFine(id uint16, n uint64) (ns uint64, future bool) {
	ntp := n
	if ofMicroseconds(id) {
		ntp &^= noFraction
	}
	if ns, future = c.instant(fromNTP(ntp)); ns != 0 {
		return ns, false
	}
	unit := uint64(1)
	if ofMicroseconds(id) {
		unit = nanosPerMicro
	}
	if ns, _ = c.plain(n, unit); ns == 0 {
		ns, _ = c.instant(fromNTP(ntp + ntpToUnix<<32)) // NTP's format, but its seconds count from 1970
	}
	return ns, future && ns == 0
}

// ofNetScaler is an NTP timestamp whose fraction Citrix's NetScaler gives in microseconds, as it should be.
func ofNetScaler(n uint64) uint64 {
	if micros := n & math.MaxUint32; micros < nanosPerSecond/nanosPerMicro {
		return n&^math.MaxUint32 | micros<<32/(nanosPerSecond/nanosPerMicro)
	}
	return n
}

// recordTimes gathers a record's times: what they come to can only be worked out when all its fields are read. 0 is unknown.
type recordTimes struct {
	start, end, observed         uint64 // nanoseconds since 1970
	startUptime, endUptime       uint32
	hasStartUptime, hasEndUptime bool
	endsInFuture                 bool
	systemInitMs, durationNs     uint64
	intervalStart, intervalEnd   uint64 // as start
}

// take notes the time, or the span of time, that a field gives. Milliseconds, which most exporters send, are read where the fields are.
func (t *recordTimes) take(c *clock, op operation, id uint16, v []byte) {
	n := number(v)
	switch op {
	case opStartSeconds:
		t.start, _ = c.plain(n, nanosPerSecond)
	case opStartNTP:
		t.start, _ = c.fine(id, v)
	case opStartNetScaler:
		t.start, _ = c.fromFine(id, ofNetScaler(n))
	case opStartDelta:
		t.start = before(c.baseNs, scaled(n, nanosPerMicro))
	case opEndSeconds:
		t.takeEnd(c, n, nanosPerSecond)
	case opEndNTP:
		var future bool
		t.end, future = c.fine(id, v)
		t.endsInFuture = t.endsInFuture || future
	case opEndNetScaler:
		var future bool
		t.end, future = c.fromFine(id, ofNetScaler(n))
		t.endsInFuture = t.endsInFuture || future
	case opEndDelta:
		t.end = before(c.baseNs, scaled(n, nanosPerMicro))
	case opDurationMilliseconds:
		t.durationNs = scaled(n, nanosPerMilli)
	case opDurationMicroseconds:
		t.durationNs = scaled(n, nanosPerMicro)
	case opSystemInit:
		t.systemInitMs = n
	case opObserved:
		t.observed, _ = c.plain(n, nanosPerMilli)
	case opObservedSeconds:
		t.observed, _ = c.plain(n, nanosPerSecond)
	case opObservedNTP:
		t.observed, _ = c.fine(id, v)
	case opIntervalStart:
		t.intervalStart, _ = c.plain(n, nanosPerMilli)
	case opIntervalEnd:
		t.intervalEnd, _ = c.plain(n, nanosPerMilli)
	}
}

func (t *recordTimes) takeEnd(c *clock, n, unit uint64) {
	var future bool
	if t.end, future = c.instant(scaled(n, unit)); t.end == 0 {
		t.end = c.inAnyUnit(n)
		future = future && t.end == 0
	}
	t.endsInFuture = t.endsInFuture || future
}

// takeStart and takeLast note what an uptime of more than 32 bits says where that is a time since 1970, and report whether it is.
func (t *recordTimes) takeStart(c *clock, n uint64) bool {
	at := c.inAnyUnit(n)
	if t.start == 0 {
		t.start = at
	}
	return at != 0
}

func (t *recordTimes) takeLast(c *clock, n uint64) bool {
	at := c.inAnyUnit(n)
	if t.end == 0 {
		t.end = at
	}
	return at != 0
}

// finishTimes works out start and end of the flow: absolute times before those that hang on others. There is always a start and an
// end, none before 1970, and no end before the start.
func (d *Decoder) finishTimes(s *session, h *header, t *recordTimes, r *flow.Record) {
	if (t.hasStartUptime || t.hasEndUptime) && (t.start == 0 || t.end == 0) {
		d.fromUptimes(s, h, t)
	}
	if t.durationNs != 0 {
		switch {
		case t.start != 0 && t.end == 0:
			t.end = t.start + min(t.durationNs, before(h.latestNs, t.start))
		case t.start == 0 && t.end != 0:
			t.start = before(t.end, t.durationNs)
		}
	}
	if t.start == 0 && t.end == 0 && t.observed == 0 && !t.endsInFuture && t.durationNs == 0 {
		t.start, t.end = t.intervalStart, t.intervalEnd
	}
	if t.end == 0 {
		switch {
		case t.observed != 0:
			// An event that has the flow's beginning beside it is its end, or what there is of it: Cisco's firewalls report so.
			t.end = t.observed
		case t.endsInFuture, t.start == 0:
			t.end = h.baseNs
		default:
			t.end = t.start
		}
	}
	if t.start == 0 {
		t.start = before(t.end, t.durationNs) // where nothing else but how long it lasted is said, it ended when it was exported
	}
	if t.start < clockSet || t.start > t.end {
		t.start = t.end
	}
	r.TimeFlowStartNs, r.TimeFlowEndNs = t.start, t.end
}

// fromUptimes completes start and end from the exporter's uptimes. NetFlow's header says when the exporter started, unless it has no
// uptime; then, and in IPFIX, the record or an options record may have the time of initialization. Without it, uptimes say how long a flow
// lasted, and it was exported when it ended.
func (d *Decoder) fromUptimes(s *session, h *header, t *recordTimes) {
	if t.hasStartUptime {
		t.endUptime = lastUptime(t.startUptime, t.endUptime)
	}
	var start, end uint64
	var future bool
	switch {
	case h.version != template.IPFIX && h.uptime != 0:
		if !h.tells(t.startUptime, t.endUptime) {
			break
		}
		if start, end, future = h.span(t.startUptime, t.endUptime); !t.hasStartUptime {
			start = 0
		}
	default:
		init := t.systemInitMs
		if init == 0 {
			init = d.systemInit(s)
		}
		if init == 0 {
			break
		}
		if t.hasStartUptime {
			start, _ = h.sinceInit(init, t.startUptime)
		}
		if t.hasEndUptime && (t.endUptime != 0 || t.startUptime == 0) {
			end, future = h.sinceInit(init, t.endUptime)
		}
	}
	if start == 0 && end == 0 && t.hasStartUptime && t.hasEndUptime {
		if t.start == 0 && t.end == 0 && h.areSeconds(t.startUptime, t.endUptime) {
			start, end, future = uint64(t.startUptime)*nanosPerSecond, uint64(t.endUptime)*nanosPerSecond, false
		} else if t.start == 0 && t.end == 0 {
			end = h.baseNs
		}
		if t.durationNs == 0 {
			t.durationNs = lasted(t.startUptime, t.endUptime)
		}
	}
	if t.start == 0 {
		t.start = start
	}
	if t.end == 0 {
		t.end, t.endsInFuture = end, t.endsInFuture || future
	}
}
