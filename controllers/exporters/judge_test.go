package exporters

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/ledger"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// healthy is an exporter of a fleet of two collectors with which all is well.
func healthy() *Facts {
	e := &v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: "r1", Generation: 3, CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour))}}
	e.Spec = v1alpha1.FlowExporterSpec{Collector: "edge", Addresses: []v1alpha1.ExporterAddress{"192.0.2.1"}, SilentAfter: "5m", MaxLoss: "1%"}
	return &Facts{Now: noon, Exporter: e, LastHeard: noon.Add(-time.Minute), Look: Look{Since: noon.Add(-time.Hour), Collectors: 2},
		Figures: &Figures{Received: 100, Records: 1000, Sequences: 1, Sent: 100, Units: 100, Protocols: map[string]bool{"netflow9": true},
			Nodes: map[string]string{"pod-a": "node-a"}, Said: Said{Rates: map[uint64]bool{1000: true}, Sources: map[string]bool{"announced": true},
				Rated: true, Skew: -2 * time.Second, Clocks: 1, SkewNode: "node-a", TaughtTold: true, Templates: 3}},
		Window: &Window{Time: 5 * time.Minute, Received: 100, Records: 1000, Sent: 1000}}
}

// replaced is what is known of an exporter of which IPFIX is expected, right after all collectors were replaced.
func replaced(f *Facts) {
	f.Exporter.Spec.Protocols, f.Figures = []v1alpha1.ExporterProtocol{"IPFIX"}, &Figures{}
}

// was has the status say something of Sending.
func was(f *Facts, status metav1.ConditionStatus, reason string) {
	f.Exporter.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionSending, Status: status, Reason: reason, Message: "as it was",
		ObservedGeneration: f.Exporter.Generation}}
}

func TestConditionsSayWhatIsKnown(t *testing.T) {
	const yes, no, unknown = metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown
	for name, test := range map[string]struct {
		change func(*Facts)
		kind   string
		status metav1.ConditionStatus
		reason string
		says   string
	}{
		"all is well":         {func(*Facts) {}, "Ready", yes, ReasonReady, "192.0.2.1"},
		"sends":               {func(*Facts) {}, "Sending", yes, ReasonHeard, ""},
		"is read":             {func(*Facts) {}, "Decoding", yes, ReasonDecoded, ""},
		"is complete":         {func(*Facts) {}, "Complete", yes, ReasonComplete, "0.00%"},
		"silent":              {func(f *Facts) { f.LastHeard = noon.Add(-6 * time.Minute) }, "Sending", no, ReasonSilent, "2026-01-02T11:54:00Z"},
		"silent is not ready": {func(f *Facts) { f.LastHeard = noon.Add(-6 * time.Minute) }, "Ready", no, ReasonSilent, ""},
		"of a silent one nothing is said of loss": {func(f *Facts) { f.LastHeard = noon.Add(-6 * time.Minute) }, "Complete", unknown,
			ReasonNothingHeard, ""},
		"silence is the device's own": {func(f *Facts) { f.LastHeard, f.Exporter.Spec.SilentAfter = noon.Add(-6*time.Minute), "10m" }, "Sending", yes,
			ReasonHeard, "10m"},
		"never heard": {func(f *Facts) { f.LastHeard, f.Figures, f.Window = time.Time{}, nil, nil }, "Sending", no, ReasonNeverHeard, "kubectl get fcol edge -n flows"},
		"not heard yet, because it is new": {func(f *Facts) {
			f.LastHeard, f.Figures, f.Exporter.CreationTimestamp = time.Time{}, nil, metav1.NewTime(noon.Add(-time.Minute))
		}, "Sending", unknown, ReasonNotHeardYet, ""},
		"not heard yet, because the operator is": {func(f *Facts) { f.LastHeard, f.Figures, f.Look.Since = time.Time{}, nil, noon.Add(-time.Minute) },
			"Sending", unknown, ReasonNotHeardYet, ""},
		"a collector does not answer": {func(f *Facts) { f.LastHeard, f.Look.Unanswered = noon.Add(-6*time.Minute), 1 }, "Sending", unknown,
			ReasonNotAllAnswer, "1 of 2"},
		"no collector is there":                     {func(f *Facts) { f.LastHeard, f.Look.Collectors = noon.Add(-6*time.Minute), 0 }, "Sending", unknown, ReasonNoCollectors, "describe fcol edge -n flows"},
		"heard, though a collector does not answer": {func(f *Facts) { f.Look.Unanswered = 1 }, "Sending", yes, ReasonHeard, ""},
		"no room for its figures":                   {func(f *Facts) { f.LastHeard, f.Figures, f.Look.NoRoom = time.Time{}, nil, true }, "Sending", unknown, ReasonNoRoom, "exporterMetrics"},
		"the expected protocol":                     {func(f *Facts) { f.Exporter.Spec.Protocols = []v1alpha1.ExporterProtocol{"NetFlow"} }, "Sending", yes, ReasonHeard, ""},
		"any protocol, as the API took it before":   {func(f *Facts) { f.Exporter.Spec.Protocols = []v1alpha1.ExporterProtocol{"Auto"} }, "Sending", yes, ReasonHeard, ""},
		"another protocol":                          {func(f *Facts) { f.Exporter.Spec.Protocols = []v1alpha1.ExporterProtocol{"IPFIX", "NetFlow"} }, "Sending", no, ReasonProtocolMissing, "IPFIX"},
		"its collector was just replaced":           {func(f *Facts) { replaced(f); was(f, yes, ReasonHeard) }, "Sending", yes, ReasonHeard, ""},
		"just replaced, and a protocol was missing": {func(f *Facts) { replaced(f); was(f, no, ReasonProtocolMissing) }, "Sending", no, ReasonProtocolMissing, ""},
		"just replaced, and nobody knew yet": {func(f *Facts) { replaced(f); was(f, unknown, ReasonProtocolMissing) }, "Sending", unknown,
			ReasonProtocolMissing, ""},
		"just replaced, and it is new":                   {replaced, "Sending", unknown, ReasonProtocolMissing, "IPFIX yet"},
		"no figures tell of protocols that are expected": {func(f *Facts) { replaced(f); f.Look.NoRoom = true }, "Sending", unknown, ReasonNoRoom, ""},
		"of several devices":                             {func(f *Facts) { f.Window.Undecoded, f.Figures.Said.ConflictingLayouts = 7, true }, "Decoding", no, ReasonTwins, "see Consistent"},
		"without a template":                             {func(f *Facts) { f.Window.Undecoded = 7 }, "Decoding", no, ReasonNoTemplate, "7 data sets"},
		"refused":                                        {func(f *Facts) { f.Window.Refused = 3 }, "Decoding", no, ReasonRefused, "ledger edge -n flows"},
		"waits for a template":                           {func(f *Facts) { f.Window.Records, f.Figures.Waiting = 0, 4 }, "Decoding", unknown, ReasonWaiting, "template timeout"},
		"waits for a template at new collectors, after its data was given up": {func(f *Facts) {
			f.Window.Records, f.Figures.Waiting = 0, 4
			f.Exporter.Status.Conditions = []metav1.Condition{{Type: "Decoding", Status: no, Reason: ReasonNoTemplate}}
		}, "Decoding", no, ReasonNoTemplate, "as before"},
		"waits for a template, and twins were told before": {func(f *Facts) {
			f.Window.Records, f.Figures.Waiting = 0, 4
			f.Exporter.Status.Conditions = []metav1.Condition{{Type: "Decoding", Status: no, Reason: ReasonTwins}}
		}, "Decoding", unknown, ReasonWaiting, ""},
		"data that was given up before is no fault once data is read": {func(f *Facts) {
			f.Figures.Waiting = 4
			f.Exporter.Status.Conditions = []metav1.Condition{{Type: "Decoding", Status: no, Reason: ReasonNoTemplate}}
		}, "Decoding", yes, ReasonDecoded, ""},
		"some waits, some is read": {func(f *Facts) { f.Figures.Waiting = 4 }, "Decoding", yes, ReasonDecoded, ""},
		"what waits is told":       {func(f *Facts) { f.Figures.Waiting = 4 }, "Decoding", yes, ReasonDecoded, "4 data sets that wait"},
		"one that does not answer may have what cannot be read": {func(f *Facts) { f.Window.Sent, f.Look.Unanswered = 0, 1 }, "Decoding", unknown,
			ReasonNotAllAnswer, "1 of 2"},
		"or what contradicts the others":       {func(f *Facts) { f.Window.Missed, f.Look.Unanswered = 50, 1 }, "Consistent", unknown, ReasonNotAllAnswer, ""},
		"or another rate":                      {func(f *Facts) { f.Window.Missed, f.Look.Unanswered = 50, 1 }, "SamplingKnown", unknown, ReasonNotAllAnswer, ""},
		"or another clock":                     {func(f *Facts) { f.Figures.LeftOut, f.Look.Unanswered = true, 1 }, "ClockRight", unknown, ReasonNotAllAnswer, ""},
		"but not where all came to the others": {func(f *Facts) { f.Look.Unanswered = 1 }, "Decoding", yes, ReasonDecoded, ""},
		"what is wrong is wrong, whatever one that does not answer has": {func(f *Facts) { f.Window.Sent, f.Window.Undecoded, f.Look.Unanswered = 0, 1, 1 },
			"Decoding", no, ReasonNoTemplate, ""},
		"another protocol may be heard by one that does not answer": {func(f *Facts) { f.Exporter.Spec.Protocols, f.Look.Unanswered = []v1alpha1.ExporterProtocol{"IPFIX"}, 1 },
			"Sending", unknown, ReasonProtocolMissing, "1 of 2"},
		"or not have come yet": {func(f *Facts) {
			f.Exporter.Spec.Protocols, f.Window.Time = []v1alpha1.ExporterProtocol{"IPFIX", "NetFlow"}, 2*time.Minute
		}, "Sending", unknown, ReasonProtocolMissing, "IPFIX yet"},
		"what else it sends is judged": {func(f *Facts) { f.Exporter.Spec.Protocols, f.Look.Unanswered = []v1alpha1.ExporterProtocol{"IPFIX"}, 1 }, "Decoding", yes,
			ReasonDecoded, ""},
		"lost":                      {func(f *Facts) { f.Window.Missed = 50 }, "Complete", no, ReasonLost, "check edge -n flows"},
		"lost is not ready":         {func(f *Facts) { f.Window.Missed = 50 }, "Ready", no, ReasonLost, ""},
		"lost no more than allowed": {func(f *Facts) { f.Window.Missed, f.Exporter.Spec.MaxLoss = 50, "5%" }, "Complete", yes, ReasonComplete, "5.00%"},
		"lost, heard by two":        {func(f *Facts) { f.Window.Missed, f.Figures.Split = 50, true }, "Complete", no, ReasonLost, "3.40%"},
		"what is on its way between two is not lost": {func(f *Facts) { f.Window.Missed, f.Figures.Split = 15, true }, "Complete", yes, ReasonComplete, "0.00%"},
		"what could be on its way is lost, of one that was called lossy": {func(f *Facts) {
			f.Window.Missed, f.Figures.Split = 15, true
			f.Exporter.Status.Conditions = []metav1.Condition{{Type: "Complete", Status: no, Reason: ReasonLost, ObservedGeneration: f.Exporter.Generation}}
		}, "Complete", no, ReasonLost, "1.50%"},
		"also if it was edited since": {func(f *Facts) {
			f.Window.Missed, f.Figures.Split = 15, true
			f.Exporter.Status.Conditions = []metav1.Condition{{Type: "Complete", Status: no, Reason: ReasonLost, ObservedGeneration: f.Exporter.Generation - 1}}
		}, "Complete", no, ReasonLost, "1.50%"},
		"one that was called lossy, and loses little": {func(f *Facts) {
			f.Window.Missed, f.Figures.Split = 5, true
			f.Exporter.Status.Conditions = []metav1.Condition{{Type: "Complete", Status: no, Reason: ReasonLost, ObservedGeneration: f.Exporter.Generation}}
		}, "Complete", yes, ReasonComplete, "0.00%"},
		"lost, heard by two with a sequence each": {func(f *Facts) { f.Window.Missed, f.Figures.Nodes["pod-b"] = 50, "node-b" }, "Complete", no, ReasonLost, "5.00%"},
		"too many sequences":                      {func(f *Facts) { f.Figures.LeftOut = true }, "Complete", unknown, ReasonTooManySequences, ""},
		"not measured yet":                        {func(f *Facts) { f.Window = nil }, "Complete", unknown, ReasonMeasuring, ""},
		"not measured is not ready":               {func(f *Facts) { f.Window = nil }, "Ready", unknown, ReasonMeasuring, ""},
		"may have been received by one that does not answer": {func(f *Facts) { f.Window.Missed, f.Look.Unanswered = 50, 1 }, "Complete", unknown,
			ReasonNotAllAnswer, "1 of 2"},
		"may have been received where it is not followed": {func(f *Facts) { f.Window.Missed, f.Look.Unfollowed = 50, true }, "Complete", unknown,
			ReasonTooManySequences, ""},
		"is followed nowhere": {func(f *Facts) { f.Figures.Sequences, f.Figures.Protocols, f.Look.Unfollowed = 0, nil, true }, "Complete", unknown,
			ReasonTooManySequences, ""},
		"nothing is missing, though one does not answer": {func(f *Facts) { f.Look.Unanswered = 1 }, "Complete", yes, ReasonComplete, ""},
		"rates are known":                          {func(*Facts) {}, "SamplingKnown", yes, ReasonSamplingKnown, "1000 (announced)"},
		"some flows have no rate":                  {func(f *Facts) { f.Figures.Said.Unrated = true }, "SamplingKnown", no, ReasonRatesMissing, "option sampler-table"},
		"that is not ready":                        {func(f *Facts) { f.Figures.Said.Unrated = true }, "Ready", no, ReasonRatesMissing, ""},
		"rates are disputed":                       {func(f *Facts) { f.Figures.Said.DisputedRates = true }, "SamplingKnown", no, ReasonRatesDisputed, "spec.samplingRate of this FlowExporter"},
		"nobody says a rate":                       {func(f *Facts) { f.Figures.Said.Rated, f.Figures.Said.Unrated = false, true }, "SamplingKnown", unknown, ReasonRateNotSaid, "1 for all packets"},
		"that is ready":                            {func(f *Facts) { f.Figures.Said.Rated, f.Figures.Said.Unrated = false, true }, "Ready", yes, ReasonReady, ""},
		"a collector tells no rates":               {func(f *Facts) { f.Figures.Said.RatesUntold = true }, "SamplingKnown", unknown, ReasonUntold, "an earlier version"},
		"no flow yet":                              {func(f *Facts) { f.Figures.Said = Said{} }, "SamplingKnown", unknown, ReasonMeasuring, ""},
		"of a silent one nothing is said of rates": {func(f *Facts) { f.LastHeard = noon.Add(-6 * time.Minute) }, "SamplingKnown", unknown, ReasonNothingHeard, ""},
		"the clock agrees":                         {func(*Facts) {}, "ClockRight", yes, ReasonClockRight, "1m"},
		"the clock is an hour slow":                {func(f *Facts) { f.Figures.Said.Skew = -time.Hour }, "ClockRight", no, ReasonClockWrong, "1h behind the clock of node node-a"},
		"the clock is fast":                        {func(f *Facts) { f.Figures.Said.Skew = 61 * time.Second }, "ClockRight", no, ReasonClockWrong, "1m1s ahead of"},
		"the clock was never set":                  {func(f *Facts) { f.Figures.Said.Skew = -20000 * 24 * time.Hour }, "ClockRight", no, ReasonClockWrong, "20000 days behind"},
		"there is no clock":                        {func(f *Facts) { f.Figures.Said.Clocks, f.Figures.Protocols = 0, map[string]bool{"sflow": true} }, "ClockRight", unknown, ReasonNoClock, ""},
		"that is ready, too":                       {func(f *Facts) { f.Figures.Said.Clocks = 0 }, "Ready", yes, ReasonReady, ""},
		"a collector tells no clock":               {func(f *Facts) { f.Figures.Said.ClocksUntold = true }, "ClockRight", unknown, ReasonUntold, ""},
		"the clock is wrong, whatever others tell": {func(f *Facts) { f.Figures.Said.ClocksUntold, f.Figures.Said.Skew = true, time.Hour }, "ClockRight", no, ReasonClockWrong, ""},
		"nothing contradicts itself":               {func(*Facts) {}, "Consistent", yes, ReasonConsistent, ""},
		"two layouts":                              {func(f *Facts) { f.Figures.Said.ConflictingLayouts = true }, "Consistent", no, ReasonTwins, "two layouts"},
		"a rate that is set settles a dispute": {func(f *Facts) {
			f.Figures.Said.DisputedRates, f.Figures.Said.Sources = true, map[string]bool{"override": true}
		}, "SamplingKnown", yes, ReasonSamplingKnown, "1000 (override)"},
		"two rates":                      {func(f *Facts) { f.Figures.Said.DisputedRates = true }, "Consistent", no, ReasonTwins, "two sampling rates"},
		"two boot times":                 {func(f *Facts) { f.Figures.Said.BootTimes = true }, "Consistent", no, ReasonTwins, "two boot times"},
		"a former version tells nothing": {func(f *Facts) { f.Figures.Said.TaughtUntold = true }, "Consistent", unknown, ReasonUntold, ""},
		"nobody looks":                   {func(f *Facts) { f.Idle = idle{ReasonNotLookedAfter, "exporters.objects is Off"} }, "Ready", unknown, ReasonNotLookedAfter, "Off"},
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			test.change(f)
			got := Judge(f)
			c := meta.FindStatusCondition(got.Conditions, test.kind)
			if c == nil || c.Status != test.status || c.Reason != test.reason || !strings.Contains(c.Message, test.says) {
				t.Errorf("%s is %+v", test.kind, c)
			}
		})
	}
}

func TestAProtocolWithoutSequenceNumbersHasNoConditionComplete(t *testing.T) {
	f := healthy()
	f.Figures.Sequences, f.Figures.Protocols = 0, map[string]bool{"netflow1": true}
	got := Judge(f)
	if c := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionComplete); c != nil {
		t.Errorf("%+v", c)
	}
	if !meta.IsStatusConditionTrue(got.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("%+v", got.Conditions)
	}
}

func TestBytesAreShownWhereAllCollectorsTellAndScaledOnesWhereAllFlowsHaveARate(t *testing.T) {
	for name, test := range map[string]struct {
		change        func(*Facts)
		bytes, scaled *int64
	}{
		"all is known":                  {func(*Facts) {}, new(int64(4100)), new(int64(41000))},
		"some flows have no rate":       {func(f *Facts) { f.Figures.Said.Unrated = true }, new(int64(4100)), nil},
		"a collector tells no rates":    {func(f *Facts) { f.Figures.Said.RatesUntold = true }, new(int64(4100)), nil},
		"nobody says a rate":            {func(f *Facts) { f.Figures.Said.Rated = false }, new(int64(4100)), nil},
		"a collector tells no bytes":    {func(f *Facts) { f.Figures.VolumeUntold = true }, nil, nil},
		"nobody looks":                  {func(f *Facts) { f.Idle = idle{ReasonNotLookedAfter, "Off"} }, nil, nil},
		"not measured yet, as it was":   {func(f *Facts) { f.Window = nil }, new(int64(5)), new(int64(6))},
		"of flows that tell of no byte": {func(f *Facts) { f.Window.Volume = ledger.Volume{} }, new(int64(0)), new(int64(0))},
	} {
		f := healthy()
		f.Exporter.Status.BytesPerSecond, f.Exporter.Status.ScaledBytesPerSecond = new(int64(5)), new(int64(6))
		f.Window.Volume = ledger.Volume{Bytes: 300 * 4123, Scaled: 300 * 41234}
		test.change(f)
		s := Judge(f)
		if !reflect.DeepEqual(s.BytesPerSecond, test.bytes) || !reflect.DeepEqual(s.ScaledBytesPerSecond, test.scaled) {
			t.Errorf("%s: %v and %v", name, value(s.BytesPerSecond), value(s.ScaledBytesPerSecond))
		}
	}
}

// The device went over to another collector, and the one before forgets it: there are more records than before, and fewer bytes.
func TestBytesThatACollectorForgotAreNoRate(t *testing.T) {
	s := &sender{}
	s.take(&Figures{Received: 10, Records: 10, Volume: ledger.Volume{Bytes: 5e10, Scaled: 5e13}}, noon, true, false)
	s.take(&Figures{Received: 20, Records: 20, Volume: ledger.Volume{Bytes: 1e6, Scaled: 1e9}}, noon.Add(2*time.Minute), true, false)
	f := healthy()
	f.Window = &Window{}
	f.Window.add(s.window())
	if after := Judge(f); after.BytesPerSecond != nil || after.ScaledBytesPerSecond != nil || after.RecordsPerSecond == nil {
		t.Errorf("%v and %v bytes a second", value(after.BytesPerSecond), value(after.ScaledBytesPerSecond))
	}
}

func TestOfASilentDeviceNoRateIsShown(t *testing.T) {
	f := healthy()
	f.Exporter.Status = Judge(f)
	if f.Exporter.Status.RecordsPerSecond == nil || f.Exporter.Status.Loss == "" {
		t.Fatalf("while it sends: %+v", f.Exporter.Status)
	}
	f.LastHeard = noon.Add(-6 * time.Minute)
	silent := Judge(f)
	if silent.RecordsPerSecond != nil || silent.BytesPerSecond != nil || silent.ScaledBytesPerSecond != nil || silent.Loss != "" || silent.Naming != nil {
		t.Errorf("while it is silent: %+v", silent)
	}
	f.Exporter.Status, f.LastHeard, f.Window = silent, noon, nil
	if again := Judge(f); again.RecordsPerSecond != nil {
		t.Errorf("it sends again, and was not measured: %d records a second", *again.RecordsPerSecond)
	}
}

func value(n *int64) any {
	if n == nil {
		return "nothing"
	}
	return *n
}

func TestWhatWasSaidStaysWhileARestartedOperatorMeasures(t *testing.T) {
	f := healthy()
	f.Window.Missed = 500
	f.Exporter.Status = Judge(f)
	f.Window, f.Look.Since = nil, noon
	got := Judge(f)
	if c := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionComplete); c.Reason != ReasonLost {
		t.Errorf("%+v", c)
	}
	f.LastHeard = noon.Add(-7 * time.Minute)
	if c := meta.FindStatusCondition(Judge(f).Conditions, v1alpha1.ConditionSending); c.Status != metav1.ConditionTrue {
		t.Errorf("after a moment of looking: %+v", c)
	}
}

func TestOnlyWhatIsShownAndHasChangedEnoughIsWritten(t *testing.T) {
	f := healthy()
	f.Exporter.Status = Judge(f)
	for name, test := range map[string]struct {
		change func(*Facts)
		want   urgency
	}{
		"nothing":                 {func(*Facts) {}, nothing},
		"more of the same":        {func(f *Facts) { f.Figures.Records += 1000; f.Window.Records += 500; f.Figures.Sent += 100 }, nothing},
		"heard four minutes on":   {func(f *Facts) { f.Now, f.LastHeard = f.Now.Add(4*time.Minute), f.LastHeard.Add(4*time.Minute) }, nothing},
		"heard five minutes on":   {func(f *Facts) { f.Now, f.LastHeard = f.Now.Add(5*time.Minute), f.LastHeard.Add(5*time.Minute) }, figuresOnly},
		"another node hears it":   {func(f *Facts) { f.Figures.Nodes = map[string]string{"pod-b": "node-b"} }, figuresOnly},
		"a new protocol":          {func(f *Facts) { f.Figures.Protocols = map[string]bool{"netflow9": true, "sflow": true} }, figuresOnly},
		"it is silent":            {func(f *Facts) { f.Now = f.Now.Add(10 * time.Minute) }, judgement},
		"it loses":                {func(f *Facts) { f.Window.Missed = 500 }, judgement},
		"its rate changes":        {func(f *Facts) { f.Figures.Said.Rates = map[uint64]bool{2000: true} }, figuresOnly},
		"its clock wanders":       {func(f *Facts) { f.Figures.Said.Skew = time.Second }, nothing},
		"it loses a little":       {func(f *Facts) { f.Window.Missed = 1 }, nothing},
		"something else is asked": {func(f *Facts) { f.Exporter.Generation++ }, judgement},
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			f.Exporter.Status = Judge(f)
			test.change(f)
			after := Judge(f)
			if got := weigh(&f.Exporter.Status, &after); got != test.want {
				t.Errorf("%d, not %d", got, test.want)
			}
		})
	}
}

// reasonConstant matches the declarations of reasons.
var reasonConstant = regexp.MustCompile(`(?m)^\tReason\w+ += (?:"|v1alpha1\.Reason)(\w+)"?$`)

func TestEveryReasonIsInTheGuide(t *testing.T) {
	source, err := os.ReadFile("judge.go")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../../docs/exporters.md")
	if err != nil {
		t.Fatal(err)
	}
	reasons := reasonConstant.FindAllStringSubmatch(string(source), -1)
	if len(reasons) < 15 {
		t.Fatalf("only %d reasons were found", len(reasons))
	}
	for _, r := range reasons {
		if !strings.Contains(string(guide), "`"+r[1]+"`") {
			t.Errorf("docs/exporters.md does not explain the reason %s", r[1])
		}
	}
}

// A collector was replaced: what it had heard is forgotten, and what comes each few minutes has not come yet.
func TestAProtocolThatComesSeldomIsNotMissedAfterEachRestart(t *testing.T) {
	f := healthy()
	f.Exporter.Spec.Protocols = []v1alpha1.ExporterProtocol{"IPFIX", "NetFlow"}
	f.Figures.Protocols["ipfix"] = true
	f.Exporter.Status = Judge(f)
	delete(f.Figures.Protocols, "ipfix")
	for _, window := range []*Window{nil, {Time: time.Minute, Received: 1, Sent: 1}} {
		f.Window = window
		if c := meta.FindStatusCondition(Judge(f).Conditions, v1alpha1.ConditionSending); c.Status != metav1.ConditionTrue {
			t.Errorf("%+v: %+v", window, c)
		}
	}
	f.Window = &Window{Time: 5 * time.Minute, Received: 1, Sent: 1}
	if c := meta.FindStatusCondition(Judge(f).Conditions, v1alpha1.ConditionSending); c.Status != metav1.ConditionFalse {
		t.Errorf("at last: %+v", c)
	}
}

// The operator before had a clock that was a day ahead.
func TestATimeThatIsStillToComeIsNoProofThatItSends(t *testing.T) {
	o := healthy().Exporter
	tomorrow := metav1.NewTime(noon.Add(24 * time.Hour))
	o.Status.LastHeard = &tomorrow
	m := newMemory()
	m.look = Look{Since: noon.Add(-10 * time.Minute), Collectors: 2}
	after := Judge(m.facts(o, noon, noon))
	if c := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionSending); c.Status != metav1.ConditionFalse || c.Reason != ReasonSilent {
		t.Errorf("%+v", c)
	}
	if after.LastHeard.After(noon) {
		t.Errorf("it is still to be heard at %s", after.LastHeard)
	}
	before := after
	before.LastHeard = &tomorrow
	if weigh(&before, &after) != figuresOnly {
		t.Error("a device that sends has tomorrow's figures until then, since nothing else has changed")
	}
	o.Labels = map[string]string{v1alpha1.LabelDiscovered: "true"}
	o.OwnerReferences = []metav1.OwnerReference{{Kind: "FlowCollector", Controller: new(true)}}
	o.CreationTimestamp = metav1.NewTime(noon.Add(-48 * time.Hour))
	if c := choose([]*v1alpha1.FlowExporter{o}, nil, 10, settledLook, noon); len(c.remove) != 1 {
		t.Error("nobody has heard it for a day, and it stays")
	}
}

func TestNoConditionIsSince1970(t *testing.T) {
	f := healthy()
	f.Window, f.Figures.Sequences = nil, 0
	f.Exporter.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown, Reason: "Pending",
		LastTransitionTime: metav1.Unix(0, 0)}}
	status := Judge(f)
	c := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	if c.Status != metav1.ConditionUnknown || !c.LastTransitionTime.Equal(&f.Exporter.CreationTimestamp) {
		t.Errorf("%+v; the object was made at %v", c, f.Exporter.CreationTimestamp)
	}
}

// The operator's clock was put back by hours: the object is of the future, and silence is silence.
func TestAnObjectOfTheFutureIsNoReasonToWait(t *testing.T) {
	f := healthy()
	f.LastHeard, f.Figures, f.Window = time.Time{}, nil, nil
	f.Exporter.CreationTimestamp = metav1.NewTime(noon.Add(3 * time.Hour))
	if c := sending(f); c.status != metav1.ConditionFalse || c.reason != ReasonNeverHeard {
		t.Errorf("Sending is %s, %s: %s", c.status, c.reason, c.message)
	}
}

// What is written of a device is not said of another one that takes its object over, nor of what another fleet hears.
func TestAnObjectThatGetsOtherAddressesBeginsAnew(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*v1alpha1.FlowExporterSpec)
		anew   bool
	}{
		"other addresses":               {func(s *v1alpha1.FlowExporterSpec) { s.Addresses = []v1alpha1.ExporterAddress{"192.0.2.9"} }, true},
		"one of two addresses":          {func(s *v1alpha1.FlowExporterSpec) { s.Addresses = s.Addresses[1:] }, true},
		"another fleet":                 {func(s *v1alpha1.FlowExporterSpec) { s.Collector = "core" }, true},
		"one address more":              {func(s *v1alpha1.FlowExporterSpec) { s.Addresses = append(s.Addresses, "192.0.2.9") }, false},
		"the same, written otherwise":   {func(s *v1alpha1.FlowExporterSpec) { s.Addresses[1] = "2001:DB8:0::1" }, false},
		"something else than addresses": {func(s *v1alpha1.FlowExporterSpec) { s.DisplayName = "core switch" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			f.Exporter.Spec.Addresses = []v1alpha1.ExporterAddress{"192.0.2.1", "2001:db8::1"}
			f.Exporter.Status = Judge(f)
			test.change(&f.Exporter.Spec)
			f.Exporter.Generation++
			m := newMemory()
			m.look = f.Look
			got := Judge(m.facts(f.Exporter, noon.Add(time.Minute), noon.Add(time.Minute)))
			sending := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionSending)
			if test.anew != (sending.Status != metav1.ConditionTrue) || test.anew != (got.LastHeard == nil) || test.anew != (got.Protocol == "") {
				t.Errorf("Sending is %s, %s: %s; last heard at %v with %q", sending.Status, sending.Reason, sending.Message, got.LastHeard, got.Protocol)
			}
			f.Exporter.Status = got
			if again := Judge(m.facts(f.Exporter, noon.Add(time.Minute), noon.Add(time.Minute))); !reflect.DeepEqual(again, got) {
				t.Errorf("it goes on to change: %+v", again)
			}
		})
	}
}

// What only a protocol tells goes with it.
func TestFiguresOfAProtocolThatIsNotSentAnyMoreGo(t *testing.T) {
	f := healthy()
	f.Figures.Said.Changed, f.Figures.Said.Device.Name = noon, "r1"
	f.Figures.Protocols["sflow"] = true
	f.Exporter.Status = Judge(f)
	if s := &f.Exporter.Status; s.Templates == nil || s.ClockSkew == "" || s.Device == nil {
		t.Fatalf("%+v", s)
	}
	f.Figures.Protocols, f.Figures.Said = map[string]bool{"sflow": true}, Said{TaughtTold: true, Listening: time.Minute}
	f.Look.Unanswered = 1
	if s := Judge(f); s.Templates == nil || s.ClockSkew == "" {
		t.Errorf("who does not answer may hear it: %+v", s)
	}
	f.Look.Unanswered = 0
	s := Judge(f)
	if s.Templates != nil || s.TemplatesChanged != nil || s.ClockSkew != "" || s.Device == nil {
		t.Errorf("sFlow has no templates and no clock, and the device may say again who it is: %+v", s)
	}
	f.Exporter.Status, f.Figures.Protocols = s, map[string]bool{"netflow5": true}
	if s := Judge(f); s.Device != nil {
		t.Errorf("no NetFlow says who it is: %+v", s)
	}
	f.Figures.Protocols, f.Figures.Said.Listening = map[string]bool{"sflow": true}, time.Hour
	if s := Judge(f); s.Device != nil {
		t.Errorf("nobody asks for names any more: %+v", s)
	}
}

// Times in objects are of the API server's clock, whatever the operator's shows.
func TestTheOperatorsClockIsOfNoAccountForAFlowExporter(t *testing.T) {
	for name, off := range map[string]time.Duration{"right": 0, "ahead": 2 * time.Hour, "behind": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			by := func(server time.Time) time.Time { return server.Add(off) } // the operator's clock
			f := healthy()
			f.Now, f.Server, f.LastHeard, f.Look.Since = by(noon), noon, by(noon.Add(-10*time.Minute)), by(noon.Add(-time.Hour))
			f.Figures.Said.Changed = by(noon.Add(-30 * time.Minute))
			got := Judge(f)
			sending := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionSending)
			if sending.Reason != ReasonSilent || !strings.Contains(sending.Message, "2026-01-02T11:50:00Z") || !sending.LastTransitionTime.Time.Equal(noon) ||
				!got.LastHeard.Time.Equal(noon.Add(-10*time.Minute)) || !got.TemplatesChanged.Time.Equal(noon.Add(-30*time.Minute)) {
				t.Errorf("%+v; last heard at %s, with templates of %s", sending, got.LastHeard, got.TemplatesChanged)
			}
			// Another operator, whose clock is right, goes on from there.
			f.Exporter.Status = got
			m := newMemory()
			m.look = Look{Since: noon.Add(-2 * time.Minute), Collectors: 2}
			sending = meta.FindStatusCondition(Judge(m.facts(f.Exporter, noon, noon)).Conditions, v1alpha1.ConditionSending)
			if sending.Reason != ReasonSilent {
				t.Errorf("a restart elsewhere: %+v", sending)
			}
			made := f.Exporter.DeepCopy()
			made.CreationTimestamp, made.Status = metav1.NewTime(noon.Add(-10*time.Second)), v1alpha1.FlowExporterStatus{}
			m.look.Since = by(noon.Add(-time.Hour))
			sending = meta.FindStatusCondition(Judge(m.facts(made, by(noon), noon)).Conditions, v1alpha1.ConditionSending)
			if sending.Reason != ReasonNotHeardYet {
				t.Errorf("made a moment ago: %+v", sending)
			}
		})
	}
}
