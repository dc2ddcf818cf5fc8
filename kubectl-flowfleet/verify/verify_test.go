package verify

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// collector that has decoded and published so much.
func collector(datagrams uint64) *status.Document {
	return &status.Document{Instance: "edge-collector-a", Started: noon, Time: noon.Add(time.Hour), Begun: true, Bucket: &status.Bucket{Name: "flowfleet-flows-edge", Connected: true,
		Loaded: true, Read: true, Write: true}, Output: status.Output{Kind: "JetStream", Stream: "flows-flows-edge", Connected: true,
		StreamReady: true, Published: datagrams * 10}, Listeners: []status.Listener{{Received: datagrams, Decoded: datagrams, Records: datagrams * 10}}}
}

// exporter with a condition Ready, and Sending that is False where that is its reason. One that the operator made is labelled, and the fleet's own.
func exporter(name string, made bool, ready metav1.ConditionStatus, reason string) v1alpha1.FlowExporter {
	e := v1alpha1.FlowExporter{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.FlowExporterSpec{Addresses: []v1alpha1.ExporterAddress{"192.0.2.1"}}}
	if made {
		e.Labels = map[string]string{v1alpha1.LabelDiscovered: "true"}
		e.OwnerReferences = []metav1.OwnerReference{{Kind: "FlowCollector", Name: "edge", Controller: new(true)}}
	}
	sending := metav1.ConditionTrue
	if reason == "Silent" {
		sending = metav1.ConditionFalse
	}
	e.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: ready, Reason: reason}, {Type: v1alpha1.ConditionSending, Status: sending}}
	return e
}

// flowSink with its two conditions.
func flowSink(name string, ready metav1.ConditionStatus, why string, keepsUp metav1.ConditionStatus, how string) v1alpha1.FlowSink {
	s := v1alpha1.FlowSink{ObjectMeta: metav1.ObjectMeta{Namespace: "flows", Name: name, Generation: 2}}
	for _, c := range []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: ready, Reason: why}, {Type: v1alpha1.ConditionKeepingUp, Status: keepsUp, Reason: how}} {
		c.ObservedGeneration, c.Message = 2, c.Type+" is so"
		s.Status.Conditions = append(s.Status.Conditions, c)
	}
	return s
}

// well is a fleet of two collectors that get datagrams.
func well() Facts {
	f := &v1alpha1.FlowCollector{}
	f.Namespace, f.Name, f.Generation = "flows", "edge", 2
	for _, kind := range []string{v1alpha1.ConditionServiceReady, v1alpha1.ConditionSourceIPPreserved, v1alpha1.ConditionNothingLost} {
		f.Status.Conditions = append(f.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, ObservedGeneration: 2, Message: "well"})
	}
	return Facts{FlowCollector: f, Before: []*status.Document{collector(10), collector(20)}, Now: []*status.Document{collector(15), collector(25)},
		Exporters: []v1alpha1.FlowExporter{exporter("core", false, "True", "Ready"), exporter("edge-192.0.2.1", true, "True", "Ready")}}
}

// stuck has the first of the collectors publish nothing of what waits, while the other one publishes.
func stuck(f *Facts, why string) {
	f.Before[0].Output.Waiting, f.Now[0].Output.Waiting, f.Now[0].Output.LastError = 100, 150, why
	f.Now[0].Output.Published = f.Before[0].Output.Published
}

// says adds a condition of an older generation, as it stands while the present spec is not applied.
func says(kind string, is metav1.ConditionStatus, message string) func(*Facts) {
	return func(f *Facts) {
		f.FlowCollector.Status.Conditions = append(f.FlowCollector.Status.Conditions, metav1.Condition{Type: kind, Status: is, ObservedGeneration: 1, Message: message})
	}
}

func TestStepsSayOnlyWhatWasLookedAt(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Facts)
		// step that is not True, counted from 1; 0 where each is.
		step   int
		status metav1.ConditionStatus
		says   string
	}{
		"all is well":                                              {func(*Facts) {}, 0, "", ""},
		"the operator is away":                                     {func(f *Facts) { f.FlowCollector.Status.Conditions = f.FlowCollector.Status.Conditions[1:] }, 1, "Unknown", "does it run"},
		"the spec was just changed":                                {func(f *Facts) { f.FlowCollector.Status.Conditions[0].ObservedGeneration = 1 }, 1, "Unknown", "present spec"},
		"a spec that NATS cannot serve is held":                    {says(v1alpha1.ConditionConfigurationValid, "False", "connection refused"), 8, "False", "connection refused"},
		"what waits is not published, and the collector knows why": {func(f *Facts) { stuck(f, "timeout of NATS") }, 5, "False", "wait in collectors that published nothing just now: timeout of NATS"},
		"what waits is not published":                              {func(f *Facts) { stuck(f, "") }, 5, "Unknown", "150 records wait"},
		"a collector cannot use its spool": {func(f *Facts) { f.Now[0].Spool = &status.Spool{Error: "permission denied"} },
			5, "False", "cannot use its spool, and keeps what waits in memory only: permission denied"},
		"a collector can use its spool": {func(f *Facts) { f.Now[0].Spool = &status.Spool{Usable: true} }, 0, "", ""},
		"what waits came just now": {func(f *Facts) {
			stuck(f, "")
			f.Before[0].Output.Waiting = 0
		}, 0, "", ""},
		"what is lost was lost on the way": {func(f *Facts) { f.Exporters[0] = exporter("core", false, "False", "Lost") }, 7, "False", "on the way to the nodes"},
		"a rollout waits for an image":     {says(v1alpha1.ConditionProgressing, "True", "ImagePullBackOff"), 8, "Unknown", "ImagePullBackOff"},
		"a rollout does not get on":        {says(v1alpha1.ConditionStalled, "True", "within 10m"), 8, "False", "within 10m"},
		"all collectors have the spec":     {says(v1alpha1.ConditionProgressing, "False", "Settled"), 0, "", ""},
		"a changed spec waits, since the fleet is suspended": {func(f *Facts) {
			f.FlowCollector.Spec.Suspend = true
			for i := range f.FlowCollector.Status.Conditions {
				f.FlowCollector.Status.Conditions[i].ObservedGeneration = 1
			}
		}, 0, "", ""},
		"the operator finds something else wrong": {func(f *Facts) {
			f.FlowCollector.Status.Conditions = append(f.FlowCollector.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionDegraded,
				Status: "True", ObservedGeneration: 2, Message: "MonitoringReady: no PrometheusRule"})
		}, 8, "False", "MonitoringReady: no PrometheusRule"},
		"the operator found something wrong with the spec before": {says(v1alpha1.ConditionDegraded, "True", "MonitoringReady: no PrometheusRule"), 0, "", ""},
		"the operator finds nothing wrong":                        {says(v1alpha1.ConditionDegraded, "False", "nothing is wrong"), 0, "", ""},
		"no operator runs":                                        {func(f *Facts) { f.NoOperator = true }, 8, "False", "kubectl get pods -A"},
		"the fleet is being deleted":                              {func(f *Facts) { f.FlowCollector.DeletionTimestamp = &metav1.Time{Time: noon} }, 8, "False", "since 2026-01-01T12:00:00Z"},
		"addresses are rewritten": {func(f *Facts) {
			f.FlowCollector.Status.Conditions[1].Status, f.FlowCollector.Status.Conditions[1].Message = "False", "10.0.0.1 stands for all"
		}, 2, "False", "10.0.0.1"},
		"a FlowSink stores and keeps up": {func(f *Facts) { f.Sinks = append(f.Sinks, flowSink("a", "True", "SinksReady", "True", "KeepingUp")) }, 8, "True", "1 are Ready"},
		"a FlowSink loses what it has not": {func(f *Facts) {
			f.Sinks = append(f.Sinks, flowSink("a", "True", "SinksReady", "True", "KeepingUp"), flowSink("b", "True", "SinksReady", "False", "MessagesLost"))
		}, 8, "False", "1 of 2 do not: b (MessagesLost): KeepingUp is so; type: kubectl describe flowsinks -n flows b"},
		"a FlowSink stores nothing, and nobody knows whether another keeps up": {func(f *Facts) {
			f.Sinks = append(f.Sinks, flowSink("a", "True", "SinksReady", "Unknown", "LagUnknown"), flowSink("b", "False", "EverythingRefused", "Unknown", "NotKnown"))
		}, 8, "False", "1 of 2 do not: b (EverythingRefused): Ready is so"},
		"nobody knows whether a FlowSink keeps up": {func(f *Facts) {
			f.Sinks = append(f.Sinks, flowSink("a", "True", "SinksReady", "Unknown", "LagUnknown"))
		},
			8, "Unknown", "1 of 1 may not: a (LagUnknown)"},
		"a FlowSink was just changed": {func(f *Facts) {
			f.Sinks = append(f.Sinks, flowSink("a", "True", "SinksReady", "True", "KeepingUp"))
			f.Sinks[0].Generation++
		}, 8, "Unknown", "a (NotLookedAt): the operator has not looked at its present spec yet"},
		"a FlowSink is well, and what was refused is in no table": {func(f *Facts) {
			s := flowSink("a", "True", "SinksReady", "True", "KeepingUp")
			s.Status.Books = &v1alpha1.FlowSinkBooks{Refused: []v1alpha1.FlowSinkRefused{{Reason: "encoding", Records: 250000}, {Reason: "malformed"}}}
			f.Sinks = append(f.Sinks, s)
		}, 8, "True", "refused for ever since the sinks started, and are in no table: a (encoding 250000);"},
		"FlowSinks may not be listed": {func(f *Facts) { f.SinksError = errors.New("forbidden") }, 8, "Unknown", "forbidden"},
		"nothing arrives": {func(f *Facts) {
			for _, d := range append(f.Before, f.Now...) {
				d.Listeners[0] = status.Listener{}
			}
		}, 3, "Unknown", "nothing has arrived yet"},
		"nothing arrives now": {func(f *Facts) {
			for i := range f.Now {
				f.Before[i].Listeners = f.Now[i].Listeners
			}
		}, 3, "Unknown", "longer --interval"},
		"nothing can be decoded": {func(f *Facts) {
			for i := range f.Now {
				f.Now[i].Listeners[0].Decoded = f.Before[i].Listeners[0].Decoded
			}
		}, 3, "False", "10 datagrams arrived"},
		"a collector cannot write":    {func(f *Facts) { f.Now[1].Bucket.Write, f.Now[1].Bucket.LastError = false, "no permission" }, 4, "False", "no permission"},
		"a collector is cut off":      {func(f *Facts) { f.Now[1].Bucket.Connected = false }, 4, "False", "not connected"},
		"a collector does not answer": {func(f *Facts) { f.Now[1] = nil }, 4, "Unknown", "1 do not answer"},
		"a collector starts": {func(f *Facts) {
			f.Now[1] = &status.Document{Instance: "edge-collector-b", Started: noon, Time: noon.Add(time.Second)}
		}, 4, "Unknown", "edge-collector-b is starting"},
		"a collector starts, and its output": {func(f *Facts) {
			f.Now[1] = &status.Document{Instance: "edge-collector-b", Started: noon, Time: noon.Add(time.Second)}
		}, 5, "Unknown", "edge-collector-b is starting"},
		"a collector connects": {func(f *Facts) {
			f.Now[1].Time, f.Now[1].Bucket.Connected = noon.Add(10*time.Second), false
		}, 4, "Unknown", "is starting"},
		"a collector connects, and another is cut off": {func(f *Facts) {
			f.Now[0].Bucket.Connected, f.Now[1].Time, f.Now[1].Bucket.Connected = false, noon.Add(10*time.Second), false
		}, 4, "False", "not connected"},
		"all collectors start": {func(f *Facts) {
			for i := range f.Now {
				f.Now[i] = &status.Document{Instance: "edge-collector-b", Started: noon, Time: noon.Add(time.Second)}
			}
		}, 3, "Unknown", "a collector is starting"},
		"a collector has the configuration of before": {func(f *Facts) { f.Now[1].Bucket = nil }, 4, "False", "its configuration is of before"},
		"nothing is shared by request":                {func(f *Facts) { f.FlowCollector.Spec.TemplateStore.Disabled = true }, 4, "Unknown", "disabled"},
		"the stream is refused":                       {func(f *Facts) { f.Now[0].Output.StreamReady = false }, 5, "False", "cannot publish"},
		"nothing is published": {func(f *Facts) {
			for i := range f.Now {
				f.Now[i].Output.Published = f.Before[i].Output.Published
			}
		}, 5, "Unknown", "no records were published just now"},
		"nothing is published, since the stream is another fleet's": {func(f *Facts) {
			for i := range f.Now {
				f.Now[i].Output.Published = f.Before[i].Output.Published
			}
			f.FlowCollector.Status.Conditions = append(f.FlowCollector.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionStreamReady,
				Status: "False", ObservedGeneration: 2, Message: "the stream belongs to flows/other"})
		}, 5, "False", "belongs to flows/other"},
		"a restart is no flood of datagrams": {func(f *Facts) {
			for i := range f.Now {
				f.Now[i].Started, f.Now[i].Listeners[0].Received = noon.Add(time.Hour), 1
			}
		}, 3, "Unknown", "nothing arrived just now"},
		"data waits for its templates, and other data is read": {func(f *Facts) { f.Now[1].Listeners[0].SetsWaiting = 7 }, 3, "True",
			"7 data sets wait for their templates: SETS LOST and WAITING of kubectl flowfleet exporters"},
		"all data waits for its templates": {func(f *Facts) {
			for i := range f.Now {
				f.Now[i].Listeners[0].SetsWaiting, f.Now[i].Listeners[0].Records = 7, f.Before[i].Listeners[0].Records
			}
		}, 3, "Unknown", "14 data sets wait"},
		"data is given up without its templates": {func(f *Facts) {
			f.Now[1].Listeners[0].SetsDropped = map[string]uint64{"overflow": 3}
		}, 3, "False", "3 data sets were given up"},
		"data was given up before": {func(f *Facts) {
			for _, d := range append(f.Before, f.Now...) {
				d.Listeners[0].SetsDropped = map[string]uint64{"overflow": 3}
			}
		}, 3, "True", "10 datagrams arrived, 10 of them are flow data, with 100 records that were read"},
		"exporters lose what they send": {func(f *Facts) {
			f.Exporters = append(f.Exporters, exporter("edge-192.0.2.2", true, "False", "Lost"), exporter("zurich", false, "False", "Lost"))
		}, 7, "False", "2 of 4 are not: zurich (Lost), edge-192.0.2.2 (Lost); no collector has lost"},
		"a declared exporter is silent": {func(f *Facts) { f.Exporters = append(f.Exporters, exporter("zurich", false, "False", "Silent")) },
			7, "False", "zurich (Silent)"},
		"one that nobody declared is silent": {func(f *Facts) { f.Exporters = append(f.Exporters, exporter("edge-192.0.2.2", true, "False", "Silent")) },
			7, "True", "2 of 3 FlowExporters are Ready; 1 that nobody declared are silent"},
		"a declared exporter sends what is refused": {func(f *Facts) {
			f.Exporters = append(f.Exporters, exporter("zurich", false, "False", "DatagramsRefused"))
		},
			7, "False", "zurich (DatagramsRefused)"},
		"anybody sends what is refused": {func(f *Facts) {
			f.Exporters = append(f.Exporters, exporter("edge-192.0.2.2", true, "False", "DatagramsRefused"))
		}, 7, "True", "2 of 3 FlowExporters are Ready; of 1 that nobody declared datagrams are refused: kubectl flowfleet ledger edge -n flows"},
		"what is refused hides nothing else": {func(f *Facts) {
			e := exporter("edge-192.0.2.2", true, "False", "DatagramsRefused")
			e.Status.Conditions = append(e.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionComplete, Status: "False", Reason: "Lost"})
			f.Exporters = append(f.Exporters, e)
		}, 7, "False", "edge-192.0.2.2"},
		"no exporter is there yet": {func(f *Facts) { f.Exporters = nil }, 7, "Unknown", "one is made within about a minute for each exporter that keeps sending"},
		"no exporter is declared": {func(f *Facts) { f.Exporters, f.FlowCollector.Spec.Exporters.Objects = nil, v1alpha1.ObjectsDeclared },
			7, "Unknown", "no FlowExporter is declared"},
		"many exporters are not well": {func(f *Facts) {
			for range 8 {
				f.Exporters = append(f.Exporters, exporter("zurich", false, "False", "Lost"))
			}
		}, 7, "False", "and 3 more"},
		"an exporter is not judged yet": {func(f *Facts) { f.Exporters[1] = exporter("edge-192.0.2.1", true, "Unknown", "Measuring") },
			7, "True", "1 are not judged yet"},
		"no exporter is judged yet": {func(f *Facts) {
			f.Exporters = []v1alpha1.FlowExporter{exporter("a", true, "Unknown", "Measuring"), {}}
		}, 7, "Unknown", "2 are not judged yet"},
		"exporters may not be listed": {func(f *Facts) { f.Exporters, f.ExportersError = nil, errors.New("forbidden") }, 7, "Unknown", "forbidden"},
		"nobody judges exporters":     {func(f *Facts) { f.FlowCollector.Spec.Exporters.Objects = v1alpha1.ObjectsOff }, 7, "Unknown", "Off"},
		"a reader is behind": {func(f *Facts) {
			f.FlowCollector.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "database"}}
			f.FlowCollector.Status.Conditions = append(f.FlowCollector.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionConsumersKeepUp,
				Status: "False", ObservedGeneration: 2, Message: "consumer database is behind"})
		}, 8, "False", "consumer database is behind"},
	} {
		t.Run(name, func(t *testing.T) {
			f := well()
			test.change(&f)
			steps := Steps(f)
			if len(steps) < test.step {
				t.Fatalf("%d steps", len(steps))
			}
			for i, step := range steps {
				if i+1 != test.step {
					if test.step == 0 && step.Status != metav1.ConditionTrue {
						t.Errorf("%s: %s, %s", step.Name, step.Status, step.Says)
					}
					continue
				}
				if step.Status != test.status || !strings.Contains(step.Says, test.says) {
					t.Errorf("%s: %s, %s", step.Name, step.Status, step.Says)
				}
			}
		})
	}
}

// What makes kstatus call the fleet failed then is told in the step that it is about, and in no other.
func TestAnAddressThatIsMissingIsNoSpecThatTheCollectorsDoNotHave(t *testing.T) {
	f := well()
	missing := metav1.Condition{Type: v1alpha1.ConditionServiceReady, Status: metav1.ConditionFalse, Reason: "AddressMissing", ObservedGeneration: 2, Message: "no address"}
	f.FlowCollector.Status.Conditions[0] = missing
	missing.Type, missing.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
	f.FlowCollector.Status.Conditions = append(f.FlowCollector.Status.Conditions, missing)
	for i, step := range Steps(f) {
		if (step.Status != metav1.ConditionTrue) != (i == 0) {
			t.Errorf("%s: %s, %s", step.Name, step.Status, step.Says)
		}
	}
}

func TestNoStepIsWellWhereNobodyAnswers(t *testing.T) {
	for _, step := range Steps(Facts{FlowCollector: &v1alpha1.FlowCollector{}, Before: make([]*status.Document, 2), Now: make([]*status.Document, 2)}) {
		if step.Status != metav1.ConditionUnknown {
			t.Errorf("%s: %s, %s", step.Name, step.Status, step.Says)
		}
	}
}

func TestAttentionKeepsWhatIsNotAsItShouldBe(t *testing.T) {
	conditions := []metav1.Condition{{Type: "Ready", Status: "True"}, {Type: "StreamReady", Status: "False"}, {Type: "Degraded", Status: "True"},
		{Type: "Progressing", Status: "False"}, {Type: "NothingLost", Status: "Unknown"}}
	var got []string
	for _, c := range Attention(conditions) {
		got = append(got, c.Type)
	}
	if strings.Join(got, " ") != "StreamReady Degraded NothingLost" {
		t.Errorf("%v", got)
	}
	suspended := metav1.Condition{Type: v1alpha1.ConditionProgressing, Status: "False", Reason: "Suspended"}
	if got := Attention([]metav1.Condition{suspended}); len(got) != 1 {
		t.Errorf("that a fleet is suspended is not told: %v", got)
	}
	if got := Attention([]metav1.Condition{suspended, {Type: v1alpha1.ConditionReconciling, Status: "True", Reason: "Suspended"}}); len(got) != 1 {
		t.Errorf("that a fleet is suspended is told %d times", len(got))
	}
}

func TestWhereCollectorsLoseDataTheWayToThemIsNotBlamed(t *testing.T) {
	f := well()
	f.Exporters[0] = exporter("core", false, "False", "Lost")
	f.FlowCollector.Status.Conditions[2].Status = "False"
	if says := Steps(f)[6].Says; strings.Contains(says, "on the way") || !strings.Contains(says, "core (Lost); type: kubectl describe fexp -n flows core") {
		t.Error(says)
	}
}

// Who gives a FlowExporter that the operator made a rate, or keeps a copy of one, relies on the device, as the operator has it.
func TestAnExporterThatSomebodySetSomethingForIsMissedWhenItIsSilent(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.FlowExporter){
		"a sampling rate": func(e *v1alpha1.FlowExporter) { e.Spec.SamplingRate = 1000 },
		"a copy":          func(e *v1alpha1.FlowExporter) { e.OwnerReferences = nil },
	} {
		f := well()
		silent := exporter("edge-192.0.2.2", true, "False", "Silent")
		f.Exporters = append(f.Exporters, silent)
		if s := f.exporting(); s.Status != metav1.ConditionTrue {
			t.Errorf("nobody relies on it: %+v", s)
		}
		change(&f.Exporters[len(f.Exporters)-1])
		if s := f.exporting(); s.Status != metav1.ConditionFalse || !strings.Contains(s.Says, "edge-192.0.2.2 (Silent)") {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestWhatAStepSaysIsNotSaidAgainSinceTheFleetIsDegraded(t *testing.T) {
	f := well()
	stuck(&f, "timeout of NATS")
	f.FlowCollector.Status.Conditions = append(f.FlowCollector.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionDegraded,
		Status: "True", ObservedGeneration: 2, Message: "StreamReady: timeout"})
	if got, want := len(Steps(f)), len(Steps(well())); got != want {
		t.Errorf("%d steps, not %d: %+v", got, want, Steps(f))
	}
}

func TestSummariesDoNotRepeatWhatOtherConditionsSay(t *testing.T) {
	got := Brief([]metav1.Condition{
		{Type: v1alpha1.ConditionReady, Message: "StreamReady: no server"},
		{Type: v1alpha1.ConditionDegraded, Message: "StreamReady: no server; NothingLost: 5 records were dropped; more"},
		{Type: v1alpha1.ConditionStreamReady, Message: "no server"},
		{Type: v1alpha1.ConditionNothingLost, Message: "5 records were dropped"},
	})
	want := []string{"see StreamReady", "see StreamReady; see NothingLost; more", "no server", "5 records were dropped"}
	for i, c := range got {
		if c.Message != want[i] {
			t.Errorf("%s: %q, want %q", c.Type, c.Message, want[i])
		}
	}
}
