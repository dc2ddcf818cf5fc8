package netflow

import (
	"cmp"

	"github.com/flowfleet/flowfleet/collector/flow"
	"github.com/flowfleet/flowfleet/collector/template"
)

const (
	nanosPerSecond = 1_000_000_000
	nanosPerMilli  = 1_000_000
	nanosPerMicro  = 1_000
	// ntpToUnix is the seconds from 1900, NTP's epoch, to 1970 (RFC 7011 section 6.1.9).
	ntpToUnix = 2_208_988_800
)

// fromUptime converts a time in milliseconds since the exporter's start (RFC 3954 section 8) to nanoseconds since 1970,
// given what both clocks showed at export. The difference is taken modulo 2^32 and with a sign: sysUptime wraps every
// 49.7 days, and a flow may end just after the header was made.
func fromUptime(exportNs uint64, uptime, at uint32) uint64 {
	return exportNs + uint64(int64(int32(at-uptime))*nanosPerMilli)
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

// recordTimes gathers a record's times that can only be worked out when all its fields are read.
type recordTimes struct {
	startUptime, endUptime       uint32
	hasStartUptime, hasEndUptime bool
	systemInitMs                 uint64
	durationNs                   uint64
}

// finishTimes works out start and end where they hang on other fields: IPFIX gives uptimes relative to
// systemInitTimeMilliseconds (RFC 5102 section 5.9.8), durations complete a lone start or end. Uptimes without that say how
// long a flow lasted, and it was exported when it ended.
func finishTimes(h *header, t *recordTimes, r *flow.Record) {
	if h.version == template.IPFIX && t.systemInitMs != 0 {
		init := t.systemInitMs * nanosPerMilli
		if t.hasStartUptime {
			r.TimeFlowStartNs = init + uint64(t.startUptime)*nanosPerMilli
		}
		if t.hasEndUptime {
			r.TimeFlowEndNs = init + uint64(t.endUptime)*nanosPerMilli
		}
	}
	if h.version == template.IPFIX && t.systemInitMs == 0 && t.hasStartUptime && t.hasEndUptime && r.TimeFlowStartNs == 0 {
		if lasted := int32(t.endUptime - t.startUptime); lasted > 0 {
			t.durationNs = uint64(lasted) * nanosPerMilli
			r.TimeFlowEndNs = cmp.Or(r.TimeFlowEndNs, h.exportNs)
		}
	}
	if t.durationNs == 0 {
		return
	}
	switch {
	case r.TimeFlowStartNs != 0 && r.TimeFlowEndNs == 0:
		r.TimeFlowEndNs = r.TimeFlowStartNs + t.durationNs
	case r.TimeFlowStartNs == 0 && r.TimeFlowEndNs > t.durationNs:
		r.TimeFlowStartNs = r.TimeFlowEndNs - t.durationNs
	}
}
