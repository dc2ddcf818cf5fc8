package controllers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/flowfleet/flowfleet/api/v1alpha1"
	"github.com/flowfleet/flowfleet/collector/natstest"
	"github.com/flowfleet/flowfleet/controllers/jetstream"
	"github.com/flowfleet/flowfleet/controllers/judge"
)

// leases is what a rival's lease is at each look.
type leases struct {
	client.Reader
	spec coordinationv1.LeaseSpec
	err  error
	gets int
}

func (l *leases) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	l.gets++
	into.(*coordinationv1.Lease).Spec = l.spec
	return l.err
}

func TestAnOtherOperatorIsJudgedByItsLease(t *testing.T) {
	began := time.Unix(1e9, 0)
	renewed := func(after time.Duration, holder string, seconds int32) coordinationv1.LeaseSpec {
		at := metav1.NewMicroTime(began.Add(after))
		return coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &at}
	}
	resource := schema.GroupResource{Resource: "leases"}
	forbidden, missing := apierrors.NewForbidden(resource, "", nil), apierrors.NewNotFound(resource, "")
	type step struct {
		after time.Duration
		spec  coordinationv1.LeaseSpec
		err   error
		want  life
	}
	same := renewed(0, "a", 15)
	for name, steps := range map[string][]step{
		"it renews its lease": {{0, same, nil, lifeWatched}, {15 * time.Second, renewed(15*time.Second, "a", 15), nil, lifeGoesOn},
			{5 * time.Minute, renewed(5*time.Minute, "a", 15), nil, lifeGoesOn}},
		"it is killed": {{0, same, nil, lifeWatched}, {15 * time.Second, same, nil, lifeWatched}, {29 * time.Second, same, nil, lifeWatched},
			{37 * time.Second, same, nil, lifeEnded}, {time.Hour, same, nil, lifeEnded}},
		"it is killed later": {{0, same, nil, lifeWatched}, {15 * time.Second, renewed(9*time.Second, "a", 15), nil, lifeGoesOn},
			{44 * time.Second, renewed(9*time.Second, "a", 15), nil, lifeGoesOn}, {59 * time.Second, renewed(9*time.Second, "a", 15), nil, lifeEnded}},
		"its next replica works": {{0, same, nil, lifeWatched}, {29 * time.Second, renewed(20*time.Second, "b", 15), nil, lifeGoesOn},
			{58 * time.Second, renewed(50*time.Second, "b", 15), nil, lifeGoesOn}},
		"it comes back": {{0, same, nil, lifeWatched}, {40 * time.Second, same, nil, lifeEnded}, {60 * time.Second, renewed(55*time.Second, "a", 15), nil, lifeGoesOn}},
		"its clock is of another day": {{0, renewed(-24*time.Hour, "a", 15), nil, lifeWatched},
			{31 * time.Second, renewed(-23*time.Hour, "a", 15), nil, lifeGoesOn}},
		"it was stopped, and another replica may begin": {{0, renewed(0, "", 1), nil, lifeWatched}, {15 * time.Second, renewed(0, "", 1), nil, lifeWatched},
			{31 * time.Second, renewed(0, "", 1), nil, lifeEnded}},
		"its lease lasts longer": {{0, renewed(0, "a", 60), nil, lifeWatched}, {119 * time.Second, renewed(0, "a", 60), nil, lifeWatched},
			{127 * time.Second, renewed(0, "a", 60), nil, lifeEnded}},
		"its lease claims to last for ever": {{0, renewed(0, "a", 1<<31-1), nil, lifeWatched}, {time.Hour, renewed(0, "a", 1<<31-1), nil, lifeEnded}},
		"its lease is away":                 {{0, coordinationv1.LeaseSpec{}, missing, lifeWatched}, {31 * time.Second, coordinationv1.LeaseSpec{}, missing, lifeEnded}},
		"its lease may not be read":         {{0, coordinationv1.LeaseSpec{}, forbidden, lifeUnknown}, {time.Hour, coordinationv1.LeaseSpec{}, forbidden, lifeUnknown}},
	} {
		t.Run(name, func(t *testing.T) {
			clock, from := clocktesting.NewFakePassiveClock(began), &leases{}
			r := &rivals{reader: from, clock: clock}
			for _, s := range steps {
				from.spec, from.err = s.spec, s.err
				clock.SetTime(began.Add(s.after))
				if got, err := r.look(t.Context(), "there/operator"); got != s.want || err != nil {
					t.Errorf("after %s: %v, %v, want %v", s.after, got, err, s.want)
				}
			}
		})
	}
}

// Where two clocks differ by more than a claim lasts, the sign of the one is old to the other, and that of the other of the future.
func TestAnOtherOperatorIsJudgedByItsSignOnlyWhereThatIsOld(t *testing.T) {
	now := time.Unix(1e9, 0)
	for name, test := range map[string]struct {
		sign                  time.Duration // from now
		lease                 string
		renewed, ended, quiet life // where its lease is renewed, where it is not, and at first
	}{
		"a sign of just now":                     {0, "there/operator", lifeGoesOn, lifeEnded, lifeWatched},
		"a sign that is about to be old":         {time.Second - claimLasts, "there/operator", lifeGoesOn, lifeEnded, lifeWatched},
		"an old sign":                            {-claimLasts, "there/operator", lifeEnded, lifeEnded, lifeEnded},
		"an old sign, and no lease":              {-claimLasts, "", lifeEnded, lifeEnded, lifeEnded},
		"a sign of soon":                         {claimLasts - time.Second, "there/operator", lifeGoesOn, lifeEnded, lifeWatched},
		"a sign of the far future":               {24 * time.Hour, "there/operator", lifeGoesOn, lifeEnded, lifeWatched},
		"a sign of the far future, and no lease": {24 * time.Hour, "", lifeUnknown, lifeUnknown, lifeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			clock, from := clocktesting.NewFakePassiveClock(now), &leases{}
			r := &rivals{reader: from, clock: clock}
			expect := func(want life) {
				t.Helper()
				held := &v1alpha1.OperatorClaim{Lease: test.lease, RenewTime: metav1.NewTime(clock.Now().Add(test.sign))}
				if got, err := r.of(t.Context(), held, clock.Now()); got != want || err != nil {
					t.Errorf("%v, %v, want %v", got, err, want)
				}
			}
			expect(test.quiet)
			clock.SetTime(now.Add(15 * time.Second))
			at := metav1.NewMicroTime(now)
			from.spec.RenewTime = &at
			expect(test.renewed)
			clock.SetTime(now.Add(time.Minute))
			expect(test.ended)
		})
	}
}

func TestTheLeaseOfAnotherOperatorIsReadOnceForAllObjects(t *testing.T) {
	clock, from := clocktesting.NewFakePassiveClock(time.Unix(1e9, 0)), &leases{}
	r := &rivals{reader: from, clock: clock}
	for range 200 {
		if _, err := r.look(t.Context(), "there/operator"); err != nil {
			t.Fatal(err)
		}
	}
	if from.gets != 1 {
		t.Errorf("read %d times", from.gets)
	}
	from.err = errors.New("no answer")
	clock.SetTime(clock.Now().Add(time.Minute))
	if life, err := r.look(t.Context(), "there/operator"); err == nil || life == lifeEnded {
		t.Errorf("what could not be read is %v, %v", life, err)
	}
	if life, err := r.look(t.Context(), ""); life != lifeUnknown || err != nil || from.gets != 2 {
		t.Errorf("an operator without a lease: %v, %v", life, err)
	}
}

// cutOff refuses all requests once it is set.
type cutOff struct {
	next http.RoundTripper
	set  *atomic.Bool
}

func (c cutOff) RoundTrip(request *http.Request) (*http.Response, error) {
	if c.set.Load() {
		return nil, errors.New("cut off")
	}
	return c.next.RoundTrip(request)
}

// An operator that was killed can give nothing up. Another one leaves its objects alone while it lives, however long that is, and takes
// over once its lease was not renewed.
func TestAnOperatorTakesOverFromOneThatWasKilled(t *testing.T) {
	w := newWorld(t)
	var killed atomic.Bool
	one := startOperator(t, w.s, w.namespace, operatorOptions{identity: operatorNamespace + "/flowfleet.io", elect: operatorNamespace,
		image: "example.com/one:v1", between: func(next http.RoundTripper) http.RoundTripper { return cutOff{next, &killed} }})
	fc := w.create("edge")
	w.run(fc, 0)
	w.expectReady(fc)
	w.read(fc)
	if claim := fc.Status.Operator; claim == nil || claim.Lease != operatorNamespace+"/flowfleet.io" {
		t.Fatalf("the claim is %+v", claim)
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "flowfleet.io"}}

	clock := clocktesting.NewFakePassiveClock(time.Now())
	two := startOperator(t, w.s, w.namespace, operatorOptions{identity: "there/flowfleet.io", image: "example.com/two:v2", clock: clock})
	two.settle(fc)
	for range 2 {
		w.read(lease)
		before := lease.Spec.RenewTime
		natstest.Eventually(t, "the first operator renews its lease", func() bool { w.read(lease); return !lease.Spec.RenewTime.Equal(before) })
		clock.SetTime(clock.Now().Add(time.Minute))
		two.reconcile(fc)
	}
	w.expect(fc, v1alpha1.ConditionOperatorConflict, metav1.ConditionTrue, judge.ReasonOtherOperator, "within a minute after it was killed")
	if image := w.imageOf(fc); image != "example.com/one:v1" {
		t.Fatalf("the collectors run %s", image)
	}

	killed.Store(true)
	natstest.Eventually(t, "the other operator takes over", func() bool {
		two.reconcile(fc)
		clock.SetTime(clock.Now().Add(20 * time.Second))
		return w.imageOf(fc) == "example.com/two:v2"
	})
	w.read(fc)
	if c := meta.FindStatusCondition(fc.Status.Conditions, v1alpha1.ConditionOperatorConflict); c != nil || fc.Status.Operator.Identity != "there/flowfleet.io" {
		t.Errorf("%+v looks after it, and the conflict is %+v", fc.Status.Operator, c)
	}
	one.stop()
}

// An operator that was cut off for long comes back and finds that another one has taken over. What it knows is of the past: its metrics would call
// people for what is long over, and what it wants of NATS is of a spec that may be another one by now.
func TestAnOperatorThatWasReplacedShowsNothingOfTheObjectAndLeavesNATSAlone(t *testing.T) {
	w := newWorld(t)
	o := startOperator(t, w.s, w.namespace, operatorOptions{identity: "one/flowfleet.io", looks: jetstream.ProberOptions{Interval: 200 * time.Millisecond}})
	fc := w.create("edge", func(fc *v1alpha1.FlowCollector) { fc.Spec.Output.Consumers = []v1alpha1.Consumer{{Name: "reader"}} })
	w.run(fc, 0)
	w.expectReady(fc)
	js := w.jetStream(w.nats)
	stream := fc.Status.Stream.Name
	consumer := func() bool {
		_, err := js.Consumer(t.Context(), stream, "reader")
		return err == nil
	}
	remove := func() {
		if err := js.DeleteConsumer(t.Context(), stream, "reader"); err != nil {
			t.Fatal(err)
		}
	}
	natstest.Eventually(t, "the consumer is there", consumer)
	remove()
	natstest.Eventually(t, "the operator makes it again", consumer)

	w.read(fc)
	before := fc.DeepCopy()
	fc.Status.Operator = &v1alpha1.OperatorClaim{Identity: "two/flowfleet.io", RenewTime: metav1.Now()}
	if err := w.c.Status().Patch(t.Context(), fc, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, "the operator shows nothing of it", func() bool {
		o.reconcile(fc)
		families, err := o.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(families, func(f *dto.MetricFamily) bool {
			return slices.ContainsFunc(f.GetMetric(), func(m *dto.Metric) bool {
				return slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == "name" && l.GetValue() == fc.Name })
			})
		})
	})
	remove()
	time.Sleep(2 * time.Second) // ten looks
	if consumer() {
		t.Error("it has made the consumer again, which the other operator may have deleted")
	}
}
