package controllers

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/fleet"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// deletesBoth lets bucket and stream go with the FlowCollector.
func deletesBoth(fc *v1alpha1.FlowCollector) {
	fc.Spec.TemplateStore.DeletionPolicy = v1alpha1.DeletionDelete
	fc.Spec.Output.Stream.DeletionPolicy = v1alpha1.DeletionDelete
}

func TestFleetIsMadeWhileNATSIsAwayAndReadyOnceItIsBack(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.nats.Stop()
	fc := w.create("edge")
	w.run(fc, 0) // DaemonSet and Service do not wait for NATS
	w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionFalse, judge.ReasonNATSUnreachable, strings.TrimPrefix(w.nats.URL(), "nats://"),
		"go on from memory")
	w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionFalse, judge.ReasonNATSUnreachable)
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonNATSUnreachable)
	w.expect(fc, v1alpha1.ConditionCollectorsAvailable, metav1.ConditionTrue, judge.ReasonAvailable)
	w.expect(fc, v1alpha1.ConditionDegraded, metav1.ConditionTrue, judge.ReasonNATSUnreachable)
	w.nats.Restart()
	w.expectReady(fc)
	w.expect(fc, v1alpha1.ConditionDegraded, metav1.ConditionFalse, judge.ReasonAsWanted)
	if !w.streamThere(w.jetStream(w.nats), "KV_"+fleet.BucketName(fc)) {
		t.Error("there is no bucket")
	}
}

// A bucket that somebody has made with three replicas keeps them, though the spec says one.
func TestBucketMadeBeforehandKeepsItsReplicas(t *testing.T) {
	w := newWorld(t)
	cluster := natstest.StartCluster(t, 3)
	js := w.jetStream(cluster.Servers[0])
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "shared", Replicas: 3, History: 5, MaxBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	w.start()
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.NATS.URLs = cluster.URLs()
		fc.Spec.TemplateStore.Bucket = "shared"
		fc.Spec.TemplateStore.AllowReduction = true
		fc.Spec.TemplateStore.DeletionPolicy = v1alpha1.DeletionDelete
		fc.Spec.Output.Stream.Replicas = 3
	})
	w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionTrue, judge.ReasonDifferences, "replicas is 3, templateStore.replicas says 1")
	w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionTrue, judge.ReasonReady)
	if b := fc.Status.Bucket; b == nil || b.Replicas != 3 || b.History != 5 || b.Managed {
		t.Errorf("the status tells %+v", b)
	}
	if s := fc.Status.Stream; s == nil || s.Replicas != 3 || !s.Managed {
		t.Errorf("the status tells %+v", s)
	}
	bucket, err := js.Stream(t.Context(), "KV_shared")
	if err != nil {
		t.Fatal(err)
	}
	if c := bucket.CachedInfo().Config; c.Replicas != 3 || c.MaxMsgsPerSubject != 5 {
		t.Errorf("the bucket has %d replicas and a history of %d", c.Replicas, c.MaxMsgsPerSubject)
	}
	// It is not deleted either: it is not ours.
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the FlowCollector goes", func() bool { return !w.exists(fc) })
	if !w.streamThere(js, "KV_shared") {
		t.Error("a bucket that is not ours was deleted")
	}
}

func TestTwoFleetsOfOneBucketDoNotFightOverIt(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	named := func(fc *v1alpha1.FlowCollector) { fc.Spec.TemplateStore.Bucket = "shared" }
	first := w.create("first", named)
	w.expect(first, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionTrue, judge.ReasonReady)
	second := w.create("second", named, deletesBoth, func(fc *v1alpha1.FlowCollector) { fc.Spec.TemplateStore.History = 10 })
	w.expect(second, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionFalse, judge.ReasonBucketConflict, w.namespace+"/first")
	w.expect(second, v1alpha1.ConditionStreamReady, metav1.ConditionTrue, judge.ReasonReady)
	operator.reconcile(first)
	if w.read(first); first.Status.Bucket.History != 1 {
		t.Errorf("the second has set the history to %d", first.Status.Bucket.History)
	}
	if err := w.c.Delete(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the second goes", func() bool { return !w.exists(second) })
	if !w.streamThere(w.jetStream(w.nats), "KV_shared") {
		t.Error("the second has deleted the bucket of the first")
	}
}

func TestDeletionRetainsOrDeletesAsThePoliciesSay(t *testing.T) {
	w := newWorld(t)
	w.start()
	js := w.jetStream(w.nats)
	for name, c := range map[string]struct {
		change         func(*v1alpha1.FlowCollector)
		bucket, stream bool
	}{
		"retains": {func(*v1alpha1.FlowCollector) {}, true, true},
		"deletes": {deletesBoth, false, false},
		"bucket":  {func(fc *v1alpha1.FlowCollector) { fc.Spec.TemplateStore.DeletionPolicy = v1alpha1.DeletionDelete }, false, true},
		"stream":  {func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Stream.DeletionPolicy = v1alpha1.DeletionDelete }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			fc := w.create(name, c.change)
			w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionTrue, judge.ReasonReady)
			w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionTrue, judge.ReasonReady)
			if err := w.c.Delete(t.Context(), fc); err != nil {
				t.Fatal(err)
			}
			natstest.Eventually(t, "the FlowCollector goes", func() bool { return !w.exists(fc) })
			if there := w.streamThere(js, "KV_"+fleet.BucketName(fc)); there != c.bucket {
				t.Errorf("the bucket is there: %v", there)
			}
			if there := w.streamThere(js, fleet.StreamName(fc)); there != c.stream {
				t.Errorf("the stream is there: %v", there)
			}
		})
	}
}

// Changing the mind takes the finalizer off, or puts it on.
func TestFinalizerFollowsThePolicies(t *testing.T) {
	w := newWorld(t)
	w.start()
	fc := w.create("edge")
	w.daemonSet(fc)
	has := func(n int) func() bool { return func() bool { w.read(fc); return len(fc.Finalizers) == n } }
	change(w, fc, deletesBoth)
	natstest.Eventually(t, "there is a finalizer", has(1))
	change(w, fc, func(fc *v1alpha1.FlowCollector) {
		fc.Spec.TemplateStore.DeletionPolicy, fc.Spec.Output.Stream.DeletionPolicy = v1alpha1.DeletionRetain, v1alpha1.DeletionRetain
	})
	natstest.Eventually(t, "there is none", has(0))
}

// A fleet that is suspended is deleted as its policy says then, also where that is an edit of after it was suspended.
func TestADeletionPolicyOfASuspendedFleetCounts(t *testing.T) {
	w := newWorld(t)
	operator := w.start()
	js := w.jetStream(w.nats)
	fc := w.create("edge")
	natstest.Eventually(t, "it has a stream", func() bool { w.read(fc); return fc.Status.Stream != nil })
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Suspend = true })
	operator.settle(fc)
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Stream.DeletionPolicy = v1alpha1.DeletionDelete })
	operator.settle(fc)
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "it is gone", func() bool { return !w.exists(fc) })
	if w.streamThere(js, fc.Status.Stream.Name) {
		t.Error("the stream is still there")
	}
}

func TestDeletionWhileNATSIsAwayTellsHowToForceIt(t *testing.T) {
	w := newWorld(t)
	w.start()
	kept, forced := w.create("kept", deletesBoth), w.create("forced", deletesBoth)
	for _, fc := range []*v1alpha1.FlowCollector{kept, forced} {
		w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionTrue, judge.ReasonReady)
		w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionTrue, judge.ReasonReady)
	}
	w.nats.Stop()
	for _, fc := range []*v1alpha1.FlowCollector{kept, forced} {
		if err := w.c.Delete(t.Context(), fc); err != nil {
			t.Fatal(err)
		}
	}
	w.expect(forced, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonDeleting, "cannot be deleted", "for 30m0s",
		"kubectl annotate flowcollectors.flowfleet.io forced -n "+w.namespace+" flowfleet.io/abandon=true")
	natstest.Eventually(t, "its collectors end meanwhile", func() bool { return !hasDaemonSet(w, forced) && !hasDaemonSet(w, kept) })
	// As the message says.
	w.s.Kubectl(t, "", "annotate", "flowcollectors.flowfleet.io", "forced", "-n", w.namespace, "flowfleet.io/abandon=true")
	natstest.Eventually(t, "the one that is forced goes", func() bool { return !w.exists(forced) })
	w.nats.Restart()
	natstest.Eventually(t, "the other goes once NATS is back", func() bool { return !w.exists(kept) })
	js := w.jetStream(w.nats)
	if w.streamThere(js, fleet.StreamName(kept)) || w.streamThere(js, "KV_"+fleet.BucketName(kept)) {
		t.Error("what was to be deleted in NATS is still there")
	}
	if !w.streamThere(js, fleet.StreamName(forced)) {
		t.Error("what was abandoned is gone")
	}
}

// laterClock is the machine's, set forward.
type laterClock struct{ by atomic.Int64 }

func (c *laterClock) Now() time.Time                  { return time.Now().Add(time.Duration(c.by.Load())) }
func (c *laterClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func TestDeletionIsGivenUpAfterHalfAnHourWithoutNATSAndSaysWhatIsLeftBehind(t *testing.T) {
	w := newWorld(t)
	clock := &laterClock{}
	operator := startOperator(t, w.s, w.namespace, operatorOptions{clock: clock})
	fc := w.create("edge", deletesBoth)
	w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionTrue, judge.ReasonReady)
	w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionTrue, judge.ReasonReady)
	w.nats.Stop()
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonDeleting, "cannot be deleted", "for 30m0s")
	clock.by.Store(int64(29 * time.Minute))
	operator.reconcile(fc)
	if !w.exists(fc) {
		t.Fatal("it is given up a minute early")
	}
	clock.by.Store(int64(30*time.Minute + time.Second))
	operator.reconcile(fc)
	natstest.Eventually(t, "the FlowCollector goes", func() bool { return !w.exists(fc) })
	natstest.Eventually(t, "an event says what is left behind", func() bool {
		return slices.ContainsFunc(w.events(fc), func(e eventsv1.Event) bool {
			return e.Type == corev1.EventTypeWarning && e.Reason == "LeftBehind" && strings.Contains(e.Note, "for 30m0s: ") &&
				strings.HasSuffix(e.Note, "(bucket "+fleet.BucketName(fc)+", stream "+fleet.StreamName(fc)+")")
		})
	})
	w.nats.Restart()
	if js := w.jetStream(w.nats); !w.streamThere(js, fleet.StreamName(fc)) || !w.streamThere(js, "KV_"+fleet.BucketName(fc)) {
		t.Error("what was left behind is gone")
	}
}

func hasDaemonSet(w *world, fc *v1alpha1.FlowCollector) bool {
	for _, o := range w.children(fc) {
		if typeName(o) == "DaemonSet" {
			return true
		}
	}
	return false
}

// A pod of a node that is dead stays in the API for ever; it must not keep the FlowCollector.
func TestPodOfADeadNodeDoesNotKeepTheFleetForEver(t *testing.T) {
	w := newWorld(t)
	clock := &laterClock{}
	operator := startOperator(t, w.s, w.namespace, operatorOptions{clock: clock})
	fc := w.create("edge", deletesBoth)
	set := w.daemonSet(fc)
	pod := &corev1.Pod{ObjectMeta: set.Spec.Template.ObjectMeta, Spec: set.Spec.Template.Spec}
	pod.Name, pod.Namespace = "edge-collector-1", w.namespace
	pod.Spec.NodeName = "dead"
	if err := w.c.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	w.expect(fc, v1alpha1.ConditionReady, metav1.ConditionFalse, judge.ReasonDeleting, "1 collectors are ending", "flowfleet.io/abandon=true")
	operator.settle(fc)
	if !w.exists(fc) || !w.streamThere(w.jetStream(w.nats), fleet.StreamName(fc)) {
		t.Error("the stream is deleted while a collector uses it")
	}
	clock.by.Store(int64(30*time.Minute + time.Second))
	operator.reconcile(fc)
	natstest.Eventually(t, "the FlowCollector goes", func() bool { return !w.exists(fc) })
	if w.streamThere(w.jetStream(w.nats), fleet.StreamName(fc)) {
		t.Error("NATS could be reached, and the stream is left behind")
	}
}

// A server that asks for no token would let the operator in without, and so into an account that is not the spec's.
func TestNothingIsMadeInNATSWithoutTheSecretsOfTheSpec(t *testing.T) {
	w := newWorld(t)
	letReadSecrets(t, w.s, w.namespace)
	operator := w.start()
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.NATS.Token = &v1alpha1.SecretKey{Name: "nats", Key: "token"} })
	left := func(says string) {
		t.Helper()
		w.lookNow(operator, fc)
		w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonSecretMissing, says)
		w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionUnknown, judge.ReasonSecretMissing)
		w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionUnknown, judge.ReasonSecretMissing)
		operator.settle(fc)
		if js := w.jetStream(w.nats); w.streamThere(js, fleet.StreamName(fc)) || w.streamThere(js, "KV_"+fleet.BucketName(fc)) {
			t.Error("bucket or stream was made")
		}
	}
	left(`there is no Secret "nats"`)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "nats"}, StringData: map[string]string{"token": "\n"}}
	if err := w.c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	left(`the key "token" of Secret "nats" is empty`)
	// What each FlowCollector keeps of a Secret is memory of all tenants' operator.
	change(w, secret, func(s *corev1.Secret) {
		s.StringData = map[string]string{"token": strings.Repeat("x", mostOther+1<<10), "ca.crt": strings.Repeat("x", mostCA+1<<10)}
	})
	left(`spec.nats.token: the key "token" of Secret "nats" has 65 KiB, more than 64`)
	change(w, fc, func(fc *v1alpha1.FlowCollector) {
		fc.Spec.NATS.TLS = &v1alpha1.TLS{CA: &v1alpha1.SecretKey{Name: "nats", Key: "ca.crt"}}
	})
	left(`spec.nats.tls.ca: the key "ca.crt" of Secret "nats" has 513 KiB, more than 512`)
	change(w, fc, func(fc *v1alpha1.FlowCollector) { fc.Spec.NATS.TLS = nil })
	change(w, secret, func(s *corev1.Secret) { s.StringData = map[string]string{"token": "any"} })
	w.lookNow(operator, fc)
	w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionTrue, judge.ReasonReady)
	w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionTrue, judge.ReasonReady)
}

// One section's missing Secret is no reason to leave the other's server alone.
func TestSecretThatTheOutputMissesLeavesTheBucketReady(t *testing.T) {
	w := newWorld(t)
	letReadSecrets(t, w.s, w.namespace)
	w.start()
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Output.NATS = &v1alpha1.NATS{URLs: []string{w.nats.URL()}, Token: &v1alpha1.SecretKey{Name: "nats", Key: "token"}}
		fc.Spec.TemplateStore.DeletionPolicy = v1alpha1.DeletionDelete
	})
	w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionTrue, judge.ReasonReady)
	w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionUnknown, judge.ReasonSecretMissing)
	// Nor does it keep the bucket, and with it the FlowCollector.
	if err := w.c.Delete(t.Context(), fc); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the FlowCollector goes", func() bool { return !w.exists(fc) })
	if w.streamThere(w.jetStream(w.nats), "KV_"+fleet.BucketName(fc)) {
		t.Error("the bucket is still there")
	}
}

func TestSecretsAreCheckedAndTheirRotationReplacesThePods(t *testing.T) {
	w := newWorld(t)
	w.nats = natstest.Start(t, func(o *server.Options) { o.Authorization = "first" })
	operator := w.start()
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.NATS.Token = &v1alpha1.SecretKey{Name: "nats", Key: "token"} })
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionTrue, judge.ReasonSecretsNotReadable, "may not read the Secrets",
		"kubectl create rolebinding", "-n "+w.namespace)
	w.daemonSet(fc) // which does not wait for that

	letReadSecrets(t, w.s, w.namespace)
	w.lookNow(operator, fc)
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonSecretMissing, `spec.nats.token: there is no Secret "nats"`)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "nats"}, StringData: map[string]string{"tokens": "first"}}
	if err := w.c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.lookNow(operator, fc)
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonSecretMissing, `has no key "token"`, "it has: tokens")
	change(w, secret, func(s *corev1.Secret) { s.StringData = map[string]string{"token": "wrong"} })
	w.lookNow(operator, fc)
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionTrue, judge.ReasonValid)
	w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionFalse, judge.ReasonNATSUnreachable, "uthoriz")

	// Collectors read their files at each attempt to connect: what they can take up by themselves replaces none of them.
	generation := w.daemonSet(fc).Spec.Template.DeepCopy()
	change(w, secret, func(s *corev1.Secret) { s.StringData = map[string]string{"token": "first"} })
	w.lookNow(operator, fc)
	w.expect(fc, v1alpha1.ConditionTemplateStoreReady, metav1.ConditionTrue, judge.ReasonReady)
	if strings.Contains(w.daemonSet(fc).String(), "first") {
		t.Error("the token itself stands in the DaemonSet")
	}

	// A Secret that goes does not end collectors that run.
	operator.settle(fc)
	if err := w.c.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.lookNow(operator, fc)
	w.expect(fc, v1alpha1.ConditionConfigurationValid, metav1.ConditionFalse, judge.ReasonSecretMissing)
	operator.settle(fc)
	if diff := cmp.Diff(*generation, w.daemonSet(fc).Spec.Template); diff != "" {
		t.Errorf("pods are replaced because a Secret was rotated, or is gone: %s", diff)
	}
}

// What the environment takes from a Secret, a collector reads at its start only.
func TestContentsOfTheEnvironmentsSecretsReplacePodsAndNothingElseOfThem(t *testing.T) {
	w := newWorld(t)
	letReadSecrets(t, w.s, w.namespace)
	operator := w.start()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "proxy"},
		StringData: map[string]string{"password": "first", "other": "x"}}
	if err := w.c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) {
		fc.Spec.Collector.Env = []corev1.EnvVar{{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "proxy"}, Key: "password"}}}}
	})
	w.daemonSet(fc)
	operator.settle(fc)
	for _, step := range []struct {
		about    string
		change   func(*corev1.Secret)
		replaces bool
	}{
		{"an annotation", func(s *corev1.Secret) { s.Annotations = map[string]string{"a": "b"} }, false},
		{"a label", func(s *corev1.Secret) { s.Labels = map[string]string{"a": "b"} }, false},
		{"a key that is not used", func(s *corev1.Secret) { s.StringData = map[string]string{"other": "y"} }, false},
		{"the key that is used", func(s *corev1.Secret) { s.StringData = map[string]string{"password": "second"} }, true},
	} {
		before := w.daemonSet(fc).Spec.Template.Annotations[fleet.AnnotationSecrets]
		change(w, secret, step.change)
		w.lookNow(operator, fc)
		operator.settle(fc)
		if got := w.daemonSet(fc).Spec.Template.Annotations[fleet.AnnotationSecrets] != before; got != step.replaces {
			t.Errorf("%s: pods are replaced: %v", step.about, got)
		}
	}
}

// A namespace that is deleted loses its Secrets in any order, and nothing of it comes back.
func TestAFlowCollectorWhoseSecretWentFirstDoesNotKeepItsNamespace(t *testing.T) {
	for _, remembers := range []bool{true, false} {
		t.Run(fmt.Sprintf("the operator remembers the Secret: %v", remembers), func(t *testing.T) {
			w := newWorld(t)
			w.nats = natstest.Start(t, func(o *server.Options) { o.Authorization = "first" })
			letReadSecrets(t, w.s, w.namespace)
			operator := w.start()
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "nats"}, StringData: map[string]string{"token": "first"}}
			if err := w.c.Create(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			fc := w.create("edge", func(fc *v1alpha1.FlowCollector) {
				fc.Spec.NATS.Token = &v1alpha1.SecretKey{Name: "nats", Key: "token"}
				fc.Spec.TemplateStore.DeletionPolicy = v1alpha1.DeletionDelete
				fc.Spec.Output.Stream.DeletionPolicy = v1alpha1.DeletionDelete
			})
			w.expect(fc, v1alpha1.ConditionStreamReady, metav1.ConditionTrue, judge.ReasonReady)
			operator.settle(fc)
			if !remembers {
				operator.stop()
			}
			// As the namespace's controller does: first the namespace says that it ends, then its objects go.
			if err := w.c.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}); err != nil {
				t.Fatal(err)
			}
			if err := w.c.Delete(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			if err := w.c.Delete(t.Context(), fc); err != nil {
				t.Fatal(err)
			}
			if !remembers {
				w.start()
			}
			natstest.Eventually(t, "the FlowCollector goes", func() bool { return !w.exists(fc) })
		})
	}
}
