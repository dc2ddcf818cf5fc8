package traffic

import "time"

// Troubles are what is wrong with the exporters of a run. What is read of theirs may differ from what the Manifest expects.
type Troubles struct {
	Skip     int           // every so many datagrams with records, one is numbered and not sent, as if it were lost; 0: none
	Untaught bool          // v9 and IPFIX send no templates
	Ahead    time.Duration // how far their clocks are ahead
	Reboot   time.Duration // after how long they boot anew, once: sequence numbers and uptime begin again; 0: never
	Resample time.Duration // after how long they sample half as much, once: the rate is twice the former; 0: never
}

// Times that exporters have been up, in milliseconds: long enough for flows to have begun after it, and one that has booted a moment ago.
const (
	longUp  = 3_600_000
	justUp  = 5_000
	flowAge = 1000 // of each flow, when it is exported
)

// suffer has an exporter meet what is due of its troubles.
func (e *exporter) suffer(s Settings, sinceBegan time.Duration) {
	if s.Troubles.Reboot > 0 && !e.rebooted && sinceBegan >= s.Troubles.Reboot {
		e.rebooted, e.uptime, e.samples, e.templated = true, justUp, 0, time.Time{}
		clear(e.sequence)
	}
	if s.Troubles.Resample > 0 && !e.resampled && sinceBegan >= s.Troubles.Resample {
		e.resampled, e.rate, e.templated = true, 2*e.rate, time.Time{}
	}
}

// skips reports whether the next datagram with records is one that gets lost.
func (e *exporter) skips(s Settings) bool {
	if s.Troubles.Skip == 0 {
		return false
	}
	e.turns++
	return e.turns%s.Troubles.Skip == 0
}
