package exporters

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
)

// refresh is how often figures are written that change no judgement.
const refresh = 5 * time.Minute

// figures puts what is counted into a status. What is not known now stays as it was.
func figures(s *v1alpha1.FlowExporterStatus, f *Facts) {
	if !f.LastHeard.IsZero() {
		heard := metav1.NewTime(f.there(f.LastHeard).Truncate(time.Minute))
		if s.LastHeard == nil || heard.After(s.LastHeard.Time) || s.LastHeard.After(f.server().Add(maxSkew)) {
			s.LastHeard = &heard
		}
	}
	if f.Window == nil && stopped(f) {
		noRate(s)
	}
	n := f.Figures
	if n == nil {
		return
	}
	if w := f.settled(); w != nil {
		s.RecordsPerSecond = new(twoDigits(w.perSecond().records))
		s.BytesPerSecond, s.ScaledBytesPerSecond = volume(w, n)
		s.Naming = naming(w, n)
		s.Loss = ""
		if w.Sent > 0 && !n.LeftOut && (w.Missed == 0 || !f.unanswered() && !f.Look.Unfollowed) {
			s.Loss = percent(w)
		}
	}
	if len(n.Protocols) == 0 {
		return // silent for ten minutes, or its collector was just replaced
	}
	if f.Look.Unanswered > 0 && f.recent() && len(n.Nodes) < int(s.Collectors) {
		return // a moment ago the one that does not answer heard it, too
	}
	s.Protocols = slices.Sorted(maps.Keys(n.Protocols))
	s.Protocol = strings.Join(s.Protocols, ",")
	s.Collectors, s.Ports = int32(len(n.Nodes)), int32(len(n.Ports))
	nodes := slices.Compact(slices.Sorted(maps.Values(n.Nodes)))
	s.Nodes = nodes[:min(len(nodes), shownList)]
	s.Domains = nil
	for _, d := range slices.Sorted(maps.Keys(n.Domains)) {
		if len(s.Domains) < shownList {
			s.Domains = append(s.Domains, int64(d))
		}
	}
	saidOf(s, f)
	if f.Look.Unanswered == 0 {
		outOfDate(s, n)
	}
	s.Records, s.Restarts, s.Units = signed(n.Records), signed(n.Restarts), nil
	if n.Sequences > 0 {
		s.Units = &v1alpha1.ExporterUnits{Sent: signed(n.Sent), Received: signed(n.Units), Missed: signed(n.Missed), Duplicated: signed(n.Duplicated)}
	}
}

// stopped reports whether it is known that nothing came in the last minutes.
func stopped(f *Facts) bool {
	return !f.LastHeard.IsZero() && f.Now.Sub(f.LastHeard) >= windowTime && f.Look.tellsSilence(f.Now)
}

// noRate takes back what a device had while it sent.
func noRate(s *v1alpha1.FlowExporterStatus) {
	s.Loss = ""
	for _, rate := range []**int64{&s.RecordsPerSecond, &s.BytesPerSecond, &s.ScaledBytesPerSecond} {
		if *rate != nil {
			*rate = new(int64(0))
		}
	}
}

// volume is how many bytes a second flows tell of, and how many these stand for; nil where that is not known. How many they stand
// for is known where every flow has a sampling rate.
func volume(w *Window, n *Figures) (bytes, scaled *int64) {
	if n.VolumeUntold || w.VolumeUnknown {
		return nil, nil
	}
	bytes = new(twoDigits(w.perSecond().bytes))
	if said := &n.Said; said.Rated && !said.Unrated && !said.RatesUntold {
		scaled = new(twoDigits(w.perSecond().scaled))
	}
	return bytes, scaled
}

// saidOf puts what the device says beside flows into a status. What is not told now stays as it was.
func saidOf(s *v1alpha1.FlowExporterStatus, f *Facts) {
	n := f.Figures
	said := &n.Said
	if said.TaughtTold && (n.Protocols["netflow9"] || n.Protocols["ipfix"]) {
		s.Templates = new(int32(min(max(0, said.Templates), math.MaxInt32)))
		if changed := metav1.NewTime(f.there(said.Changed).Truncate(time.Minute)); !said.Changed.IsZero() && (s.TemplatesChanged == nil || changed.After(s.TemplatesChanged.Time)) {
			s.TemplatesChanged = &changed
		}
	}
	if d := said.Device; d != (status.Device{}) {
		s.Device = &v1alpha1.ExporterDevice{Name: d.Name, Software: d.Software}
	}
	if said.Clocks > 0 {
		s.ClockSkew = said.Skew.Round(time.Second).String()
	}
	switch {
	case len(said.Rates) > 0:
		s.Sampling = &v1alpha1.ExporterSampling{Sources: slices.Sorted(maps.Keys(said.Sources))}
		words := make([]string, 0, len(said.Rates))
		for _, rate := range said.rates() {
			s.Sampling.Rates = append(s.Sampling.Rates, signed(rate))
			words = append(words, strconv.FormatUint(rate, 10))
		}
		s.Sampling.Text = strings.Join(words, ",")
	case said.Unrated && !said.RatesUntold:
		s.Sampling = nil
	}
}

// outOfDate takes out of a status what only protocols tell that the device does not send any more, as all collectors say.
func outOfDate(s *v1alpha1.FlowExporterStatus, n *Figures) {
	if !n.Protocols["netflow9"] && !n.Protocols["ipfix"] {
		s.Templates, s.TemplatesChanged = nil, nil
	}
	if withoutClock(n.Protocols) {
		s.ClockSkew = ""
	}
	said := &n.Said
	saysNothing := said.TaughtTold && said.Listening >= windowTime && said.Device == (status.Device{})
	if !n.Protocols["sflow"] || saysNothing { // agents say who they are in each counter sample, where somebody asks for names
		s.Device = nil
	}
}

// samplingText is empty for no rates.
func samplingText(s *v1alpha1.FlowExporterStatus) string {
	if s.Sampling == nil {
		return ""
	}
	return s.Sampling.Text
}

// signed is n as the API has it.
func signed(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// twoDigits rounds to two digits: a rate that hardly changes is not written again.
func twoDigits(v float64) int64 {
	if v >= math.MaxInt64 { // a collector may say anything
		return math.MaxInt64
	}
	if v < 100 {
		return int64(math.Round(v))
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return int64(math.Round(v/unit) * unit)
}

// urgency of writing a status over the one before.
type urgency int

const (
	nothing urgency = iota
	figuresOnly
	judgement
)

// weigh tells whether a status is worth a request: a condition that changed, or who hears it and with what, is; figures are when it was
// heard five minutes after what is written, has begun or stopped, or loses much more or less.
func weigh(before, after *v1alpha1.FlowExporterStatus) urgency {
	if before.ObservedGeneration != after.ObservedGeneration || len(before.Conditions) != len(after.Conditions) {
		return judgement
	}
	for _, c := range after.Conditions {
		b := meta.FindStatusCondition(before.Conditions, c.Type)
		if b == nil || b.Status != c.Status || b.Reason != c.Reason || c.Type == v1alpha1.ConditionConfigured && b.Message != c.Message {
			return judgement
		}
	}
	switch {
	case !slices.Equal(before.Protocols, after.Protocols), !slices.Equal(before.Nodes, after.Nodes), !slices.Equal(before.Domains, after.Domains),
		hasBegun(before, after), hasStopped(before, after), firstNamed(before.Naming, after.Naming), samplingText(before) != samplingText(after),
		lossMoved(before.Loss, after.Loss):
		return figuresOnly
	case after.LastHeard != nil && (before.LastHeard == nil || after.LastHeard.Sub(before.LastHeard.Time) >= refresh),
		after.LastHeard.Before(before.LastHeard): // what is written was still to come
		return figuresOnly
	}
	return nothing
}

// lossMoved reports whether a loss is another one than what is written: by a point of a percent or more, and by half of it or more. A loss shows
// when it passes maxLoss, while most of the window is from before it began: without this a device that loses half of its data stood there with
// little more than maxLoss until the next refresh. A loss that grows to 100% is so written a dozen times at most.
func lossMoved(before, after string) bool {
	b, err := strconv.ParseFloat(strings.TrimSuffix(before, "%"), 64)
	if err != nil {
		return false
	}
	a, err := strconv.ParseFloat(strings.TrimSuffix(after, "%"), 64)
	return err == nil && math.Abs(a-b) >= max(1, b/2)
}

// hasBegun reports whether there is a rate where none is written, or none but that of a device that did not send. One record a second is not
// enough for that: of a device with a record now and then, the rate comes and goes.
func hasBegun(before, after *v1alpha1.FlowExporterStatus) bool {
	return after.RecordsPerSecond != nil && (before.RecordsPerSecond == nil || *before.RecordsPerSecond == 0 && *after.RecordsPerSecond > 1)
}

// hasStopped reports whether a rate that is written is none any more.
func hasStopped(before, after *v1alpha1.FlowExporterStatus) bool {
	return before.RecordsPerSecond != nil && *before.RecordsPerSecond > 0 && after.RecordsPerSecond != nil && *after.RecordsPerSecond == 0
}
