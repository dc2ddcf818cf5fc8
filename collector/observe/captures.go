package observe

// Captures are the captures of raw datagrams that somebody asked for.
type Captures struct {
	// Running now.
	Running int
	// Begun and Refused captures; Datagrams in them; Dropped datagrams that a reader was too slow for.
	Begun, Refused, Datagrams, Dropped uint64
}

var (
	capturesRunning   = gauge("captures_running", "Captures of an exporter's raw datagrams that run now.")
	capturesBegun     = counter("captures_begun", "Captures of an exporter's raw datagrams that somebody asked for; the log says who.")
	capturesRefused   = counter("captures_refused", "Captures that were refused: not allowed, not possible, or too many at a time.")
	capturedDatagrams = counter("captured_datagrams", "Raw datagrams that were copied into captures.")
	capturedDropped   = counter("captured_datagrams_dropped", "Raw datagrams that are missing in captures, since their readers were too slow.")
)

func (s snapshot) captures(emit func(metric, float64, ...string)) {
	c := s.source.Captures()
	emit(capturesRunning, float64(c.Running))
	emit(capturesBegun, float64(c.Begun))
	emit(capturesRefused, float64(c.Refused))
	emit(capturedDatagrams, float64(c.Datagrams))
	emit(capturedDropped, float64(c.Dropped))
}
