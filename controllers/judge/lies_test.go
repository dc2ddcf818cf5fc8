package judge

import (
	"github.com/flowfleet/flowfleet/controllers/observation"
	corev1 "k8s.io/api/core/v1"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
)

// settledBefore is a fleet that runs and has run, judged at noon.
func settledBefore() *Facts {
	f := well()
	f.Before.Rollout = rolloutMemory{generation: 2, set: 2, since: noon, updated: 3, available: 3, settled: true}
	f.Collector.Status.ObservedGeneration = 2
	return f
}

// pass judges, and makes what it came to the facts of the next judgement.
func pass(f *Facts, after time.Duration) Verdict {
	f.Now = f.Now.Add(after)
	if !f.Server.IsZero() {
		f.Server = f.Server.Add(after)
	}
	v := Judge(f)
	f.Collector.Status, f.Before = v.Status, v.Memory
	return v
}

func conditionIn(t *testing.T, v Verdict, kind string) *metav1.Condition {
	t.Helper()
	c := meta.FindStatusCondition(v.Status.Conditions, kind)
	if c == nil {
		t.Fatalf("there is no %s", kind)
	}
	return c
}

// One refused datagram in the next look must not take the place of a million lost records.
func TestALossIsToldForFiveMinutesWhateverIsRefused(t *testing.T) {
	f := settledBefore()
	r := &f.Collectors.Reports[1]
	r.Now.Output.Dropped = map[string]uint64{"buffer_full": 1_000_000}
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionNothingLost); c.Reason != ReasonRecordsDropped {
		t.Fatalf("%+v", c)
	}
	next := *r.Now
	next.Listeners = []status.Listener{{Name: "netflow", AskedBytes: 1 << 20, GrantedBytes: 1 << 20, Refused: map[string]uint64{"unknown_version": 1}}}
	r.Before, r.Now = r.Now, &next
	v := pass(f, 30*time.Second)
	if c := conditionIn(t, v, v1alpha1.ConditionNothingLost); !strings.Contains(c.Message, "1000000 records") {
		t.Errorf("30 s after a million records were lost NothingLost says %s: %s", c.Reason, c.Message)
	}
	if c := conditionIn(t, v, v1alpha1.ConditionDegraded); c.Status != metav1.ConditionTrue {
		t.Errorf("30 s after a million records were lost the fleet is not Degraded: %s", c.Message)
	}
}

// A process counts from its start: what it lost before it was first asked counts too, or a collector that crashes each half minute would
// lose what it likes under NothingLost True.
func TestNothingLostCountsOnlyThoseThatWereCompared(t *testing.T) {
	f := settledBefore()
	r := &f.Collectors.Reports[2]
	r.Before = nil // another process since the last look
	r.Now.Started = r.Now.Time.Add(-25 * time.Second)
	r.Now.Output.Dropped = map[string]uint64{"buffer_full": 500_000}
	r.Now.Listeners[0].KernelDropped = 70_000
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionNothingLost); c.Status == metav1.ConditionTrue {
		t.Errorf("a collector that began 25 s ago says that it lost 500000 records and 70000 datagrams; NothingLost is True: %s", c.Message)
	}
}

// kubectl wait takes a condition that names no generation for one of the present spec.
func TestConditionsNameAGenerationBeforeTheOneThatWasNotApplied(t *testing.T) {
	f := well()
	f.Collector.Status = v1alpha1.FlowCollectorStatus{}
	f.Applied.Forbidden = []string{"the operator cannot patch daemonsets"}
	for _, c := range pass(f, 0).Status.Conditions {
		if c.Type != v1alpha1.ConditionStalled && c.ObservedGeneration != f.Collector.Generation-1 {
			t.Errorf("%s is of generation %d, and %d was not applied", c.Type, c.ObservedGeneration, f.Collector.Generation)
		}
	}
}

// A fleet that runs what it is to run until its turn comes has no rollout that could be late, also for an operator that has just started.
func TestAFleetThatWaitsForItsTurnIsNotLate(t *testing.T) {
	f := well()
	f.Waits = "flows/a takes it up"
	f.Collector.Status = Judge(f).Status
	f.Before = Memory{} // the operator is restarted
	f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable = 2, 2
	for _, later := range []time.Duration{0, time.Hour} {
		f.Now = noon.Add(later)
		v := Judge(f)
		if c := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionProgressing); c.Reason != ReasonRolloutWaiting {
			t.Errorf("after %s it says %s: %s", later, c.Reason, c.Message)
		}
		f.Before, f.Collector.Status = v.Memory, v.Status
	}
}

// A restart of the operator amid a long rollout that gets on all the time is no standstill. It says so until the next pod is done.
func TestARestartOfTheOperatorIsNoStandstillOfTheRollout(t *testing.T) {
	f := well()
	s := &f.DaemonSet.Status
	s.DesiredNumberScheduled, s.CurrentNumberScheduled, s.NumberReady, s.NumberAvailable = 1000, 1000, 999, 999
	f.Before.Rollout = rolloutMemory{generation: 2, set: 2, since: noon}
	f.Now = noon
	for i := range 13 { // ten more nodes each five minutes, for an hour
		s.UpdatedNumberScheduled = int32(10 * (i + 1))
		if c := conditionIn(t, pass(f, 5*time.Minute), v1alpha1.ConditionProgressing); c.Reason != ReasonRolling {
			t.Fatalf("%+v", c)
		}
	}
	f.Before = Memory{}                                                                                                          // the operator is restarted
	f.Pods = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "edge-collector-130", CreationTimestamp: metav1.NewTime(f.Now)}}} // the last of them
	v := pass(f, 10*time.Second)
	if c := conditionIn(t, v, v1alpha1.ConditionProgressing); c.Reason == ReasonProgressDeadlineExceeded {
		t.Errorf("10 s after ten nodes were done: %s", c.Message)
	}
	if c := meta.FindStatusCondition(v.Status.Conditions, v1alpha1.ConditionStalled); c != nil {
		t.Errorf("Stalled (a failure for Flux and Argo CD): %s", c.Message)
	}
}

// Where the operator may not read the Secrets it goes by the collectors. Here none of them uses the stream, and all have just begun, as one
// that crashes every 20 s always has, so that none can tell.
func TestReportedByCollectorsOfWhomNoneUsesIt(t *testing.T) {
	f := settledBefore()
	f.Secrets.Forbidden = true
	each(f, func(d *status.Document) {
		d.Started, d.Begun, d.Bucket, d.Output = d.Time.Add(-5*time.Second), false, nil, status.Output{}
	})
	v := pass(f, 0)
	for _, kind := range []string{v1alpha1.ConditionStreamReady, v1alpha1.ConditionTemplateStoreReady} {
		if c := conditionIn(t, v, kind); c.Status == metav1.ConditionTrue {
			t.Errorf("%s is True: %s", kind, c.Message)
		}
	}
	if c := conditionIn(t, v, v1alpha1.ConditionReady); c.Status == metav1.ConditionTrue {
		t.Errorf("Ready is True: %s", c.Message)
	}
}

func TestBuffersOfSocketsThatAreNotThereYet(t *testing.T) {
	f := settledBefore()
	each(f, func(d *status.Document) { d.Begun, d.Listeners = false, nil })
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionReceiveBuffersGranted); c.Status == metav1.ConditionTrue {
		t.Errorf("no collector has a socket yet, and ReceiveBuffersGranted is True: %s", c.Message)
	}
}

// A node's clock that is set back by an hour (it booted with the wrong one) makes its collector "new" for an hour: whatever it says of
// bucket and stream does not count meanwhile. The operator has a clock of its own, and knows since when it asks this process.
func TestAClockThatIsSetBackHidesNothing(t *testing.T) {
	f := settledBefore()
	each(f, func(d *status.Document) {
		d.Started = d.Time.Add(time.Hour - 20*time.Minute) // it runs for 20 minutes; the clock was set back by an hour
		d.Bucket.Connected, d.Output.Connected, d.Output.LastError = false, false, "no route to host"
	})
	for i := range f.Collectors.Reports {
		f.Collectors.Reports[i].Since = noon.Add(-20 * time.Minute)
	}
	v := pass(f, 0)
	for _, kind := range []string{v1alpha1.ConditionStreamReady, v1alpha1.ConditionTemplateStoreReady} {
		if c := conditionIn(t, v, kind); c.Status == metav1.ConditionTrue {
			t.Errorf("every collector says that it is cut off, and %s is True: %s", kind, c.Message)
		}
	}
}

// service.type None: "something else has to bring datagrams to the pods", such as a Service that somebody else makes. Nobody knows
// whether that keeps addresses; here collectors see a node's, with 50 ports and 9 domains. With service.type LoadBalancer the same is
// AddressesRewritten.
func TestNobodyKnowsWhatBringsDatagramsToAFleetWithoutAService(t *testing.T) {
	f := settledBefore()
	f.Collector.Spec.Service.Type = v1alpha1.ServiceNone
	nodeAddress(f)
	each(f, func(d *status.Document) { d.Senders = []status.Sender{{Address: "203.0.113.7", Ports: 50, Domains: 9}} })
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionSourceIPPreserved); c.Status == metav1.ConditionTrue {
		t.Errorf("SourceIPPreserved is True (%s): %s", c.Reason, c.Message)
	}
}

// A server can say what it likes. A ttl that the schema of the status does not take makes the API server refuse every status of the
// FlowCollector, which stays as it was for ever ("Ready True").
func TestATTLThatAServerSaysFitsTheSchemaOfTheStatus(t *testing.T) {
	source, err := os.ReadFile("../../api/v1alpha1/duration.go")
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(regexp.MustCompile("Pattern=`(.*)`").FindStringSubmatch(string(source))[1])
	for _, ttl := range []time.Duration{time.Hour, 100 * time.Millisecond, 500 * time.Nanosecond, 1500 * time.Microsecond, 7 * time.Microsecond, 1<<63 - 1} {
		f := settledBefore()
		f.NATS.Bucket.Found.TTL = ttl
		if v := pass(f, 0); v.Status.Bucket == nil || v.Status.Bucket.TTL != nil && !pattern.MatchString(string(*v.Status.Bucket.TTL)) {
			t.Errorf("a server says a ttl of %s: the status has %q, which its schema refuses", ttl, *v.Status.Bucket.TTL)
		}
	}
}

// Until the containers before the collector have ended well, the collector only waits, and says nothing of why.
func TestAContainerBeforeTheCollectorThatFailsIsTheReason(t *testing.T) {
	waits := corev1.ContainerStatus{Name: "collector", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}}
	for _, test := range []struct {
		about, want string
		first       corev1.ContainerState
		last        *corev1.ContainerStateTerminated
	}{
		{"it ended well", "", corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}, nil},
		{"it runs", "", corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, nil},
		{"it starts", "", corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}, nil},
		{"it ended badly", "container first: ended with exit code 2 (Error)",
			corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}}, nil},
		{"it ends badly again and again", "container first: CrashLoopBackOff, ended last with exit code 2 (Error)",
			corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}, &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}},
		{"it says why", "container first: CrashLoopBackOff, ended last with exit code 1 (Error): connecting to nats://(redacted)@nats: reading a.yaml: no such file",
			corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			&corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", Message: "{\"msg\":\"begins\"}\ncollector: connecting to nats://edge:hunter2@nats: reading a.yaml: no such file\n"}},
		{"another program's words are its own", "container first: ended with exit code 1 (Error)",
			corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", Message: "ended; Ready True"}}, nil},
		{"its image cannot be pulled", "container first: ErrImagePull: no such image",
			corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}}, nil},
	} {
		pod := corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waits},
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "first", State: test.first, LastTerminationState: corev1.ContainerState{Terminated: test.last}}}}}
		if got := podTrouble(&pod, fleet.Component, noon); got != test.want {
			t.Errorf("%s: %q, want %q", test.about, got, test.want)
		}
	}
}

// A rollout that is over stays so, and says of no collector that it runs which does not.
func TestSettledDoesNotSayOfCollectorsThatAreGoneThatTheyRun(t *testing.T) {
	f := well()
	pass(f, 0)
	f.Pods, f.Collectors = nil, observation.Finding{}
	f.DaemonSet.Status.UpdatedNumberScheduled, f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable = 0, 0, 0
	c := conditionIn(t, pass(f, time.Minute), v1alpha1.ConditionProgressing)
	if c.Status != metav1.ConditionFalse || c.Reason != ReasonSettled || strings.Contains(c.Message, "and run") || !strings.Contains(c.Message, "0 of 3 run now") {
		t.Errorf("%s, %s: %s", c.Status, c.Reason, c.Message)
	}
}

func TestNothingIsBeingMadeOfASuspendedFleet(t *testing.T) {
	f := well()
	f.Collector.Spec.Suspend, f.DaemonSet, f.Service, f.Applied.Waiting = true, nil, nil, []string{"DaemonSet", "Service"}
	for _, c := range pass(f, 0).Status.Conditions {
		if strings.Contains(c.Message, "being made") {
			t.Errorf("%s, %s: %s", c.Type, c.Reason, c.Message)
		}
	}
}

// Nobody knows how many collectors were wanted once the DaemonSet is gone: no more run than all.
func TestAFleetThatIsDeletedHasNoMoreCollectorsThanAll(t *testing.T) {
	f := settledBefore()
	f.Deletion, f.DaemonSet = &Deletion{Message: "it goes"}, nil
	for _, node := range []string{"node-a", "node-b", "node-c"} {
		f.Pods = append(f.Pods, onNode(node, isReadyPod(corev1.ConditionTrue)))
	}
	if c := pass(f, 0).Status.Collectors; c.Summary != "3/3" {
		t.Errorf("%+v", c)
	}
}

// A fleet goes on to be settled while a node that was away gets its collector of the present spec, and says that it does not have it yet.
func TestASettledFleetSaysThatACollectorDoesNotHaveThePresentSpecYet(t *testing.T) {
	f := settledBefore()
	f.DaemonSet.Status.UpdatedNumberScheduled = 2
	c := conditionIn(t, pass(f, 0), v1alpha1.ConditionProgressing)
	if c.Status != metav1.ConditionFalse || c.Reason != ReasonSettled || !strings.Contains(c.Message, "2 of 3 have it now") {
		t.Errorf("%+v", c)
	}
	f.DaemonSet.Status.UpdatedNumberScheduled = 3
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionProgressing); c.Message != "all collectors have the present spec, and run" {
		t.Errorf("%+v", c)
	}
}

// How long an object may be kept is counted from when its status first says that it goes: what was Unknown before for another reason began earlier.
func TestADeletionBeginsWhenItIsFirstSaid(t *testing.T) {
	f := well()
	f.NATS, f.Collectors = jetstream.Finding{}, observation.Finding{}
	if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionDegraded); c.Status != metav1.ConditionUnknown {
		t.Fatalf("%+v", c)
	}
	f.Deletion = &Deletion{Message: "it goes"}
	began := f.Now.Add(time.Hour)
	for _, later := range []time.Duration{time.Hour, time.Minute} {
		if c := conditionIn(t, pass(f, later), v1alpha1.ConditionDegraded); !c.LastTransitionTime.Time.Equal(began) {
			t.Errorf("it says since %s, and began at %s", c.LastTransitionTime, began)
		}
	}
}

// The address that an earlier spec waited for in vain says nothing of the present one, whether an operator ran when that was made or not: tools that
// wait for an edit would give it up at once.
func TestAnEditIsGivenItsTimeThoughNothingCameBefore(t *testing.T) {
	for name, change := range map[string]func(*Facts){
		"no address":      func(f *Facts) { f.Service.Status.LoadBalancer.Ingress = nil },
		"a stuck rollout": func(f *Facts) { f.DaemonSet.Status.UpdatedNumberScheduled = 0 },
	} {
		for _, restarted := range []bool{false, true} {
			f := well()
			f.DaemonSet.CreationTimestamp = metav1.NewTime(noon)
			change(f)
			pass(f, 0)
			pass(f, 11*time.Minute)
			if v := pass(f, 0); conditionIn(t, v, v1alpha1.ConditionStalled).Status != metav1.ConditionTrue {
				t.Fatalf("%s: it is not Stalled", name)
			}
			f.Collector.Generation++
			f.Collector.ManagedFields = []metav1.ManagedFieldsEntry{{Time: new(metav1.NewTime(f.Now.Add(time.Minute)))}}
			if f.Now = f.Now.Add(time.Minute); restarted {
				restart(f)
			}
			for _, minute := range []int{0, 5, 12} {
				f.Now = f.Collector.ManagedFields[0].Time.Add(time.Duration(minute) * time.Minute)
				v := pass(f, 0)
				if stalled := meta.IsStatusConditionTrue(v.Status.Conditions, v1alpha1.ConditionStalled); stalled != (minute > 10) {
					t.Errorf("%s, restarted %t: %d minutes after the edit Stalled is %t", name, restarted, minute, stalled)
				}
				if c := conditionIn(t, v, v1alpha1.ConditionDegraded); name == "no address" && c.Status != metav1.ConditionTrue {
					t.Errorf("the address is still missing, and Degraded is %s", c.Status)
				}
			}
		}
	}
}

// Of a suspended fleet that could not be compared with its spec, nobody says that it is as that says.
func TestASuspendedFleetIsAsTheSpecSaysOnlyWhereItWasCompared(t *testing.T) {
	for name, change := range map[string]func(*Facts){
		"the spec is invalid": func(f *Facts) { f.Invalid = []string{"subjects"} },
		"the pass failed": func(f *Facts) {
			f.Unchecked, f.Applied.Failed, f.Failures, f.Failure = true, true, 1, "no Secret can be read"
		},
	} {
		f := well()
		f.Collector.Spec.Suspend = true
		if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionProgressing); !strings.Contains(c.Message, "no change of its objects waits") {
			t.Fatal(c.Message)
		}
		change(f)
		if c := conditionIn(t, pass(f, 0), v1alpha1.ConditionProgressing); c.Reason != ReasonSuspended || strings.Contains(c.Message, "no change of its objects waits") {
			t.Errorf("%s: %s, %s", name, c.Reason, c.Message)
		}
	}
}

// A fleet that ran, and of which a node is lost since, does not become a rollout that is stuck because one pass fails for a moment.
func TestAPassThatFailsForAMomentUnsettlesNothing(t *testing.T) {
	for name, fail := range map[string]func(*Facts){
		"before it looked at the spec": func(f *Facts) { f.Unchecked = true },
		"while it applied":             func(*Facts) {},
	} {
		for _, lost := range []bool{false, true} {
			f := well()
			pass(f, 0)
			if lost {
				f.DaemonSet.Status.NumberReady, f.DaemonSet.Status.NumberAvailable = 1, 1
			}
			before := pass(f, time.Hour)
			f.Applied.Failed, f.Failures, f.Failure = true, 1, "the API server fails"
			fail(f)
			for _, v := range []Verdict{pass(f, 0), func() Verdict {
				f.Applied.Failed, f.Failures, f.Failure, f.Unchecked = false, 0, "", false
				return pass(f, time.Second)
			}()} {
				for _, was := range before.Status.Conditions {
					if is := meta.FindStatusCondition(v.Status.Conditions, was.Type); is == nil || is.Status != was.Status || is.Reason != was.Reason {
						t.Errorf("%s, a node lost %t: %s was %s, %s, and is %+v", name, lost, was.Type, was.Status, was.Reason, is)
					}
				}
				if len(v.Transitions) > 0 {
					t.Errorf("%s, a node lost %t: it tells of %+v", name, lost, v.Transitions)
				}
			}
		}
	}
}
