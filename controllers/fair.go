package controllers

import (
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// fairQueue is what controllers take their work from: each namespace that has work is served in turn, its objects in the order in which they
// came. One that has much waits for itself: with one queue for all, whoever patches 500 objects again and again has everybody's edits wait for
// all 500.
func fairQueue(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	work := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[reconcile.Request]{Name: name, Queue: &namespaces{waiting: make(map[string][]reconcile.Request)}})
	delayed := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[reconcile.Request]{Name: name, Queue: work})
	return workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[reconcile.Request]{Name: name, DelayingQueue: delayed})
}

// namespaces that have work, which is handed out to them in turn. It is a workqueue.Queue, whose owner looks after locks and duplicates.
type namespaces struct {
	turns   []string                       // whose turn it is, next first; each namespace with work once
	waiting map[string][]reconcile.Request // of each of them
	n       int
}

// Touch implements workqueue.Queue: what comes again keeps its place.
func (*namespaces) Touch(reconcile.Request) {}

// Push implements workqueue.Queue.
func (q *namespaces) Push(request reconcile.Request) {
	of := q.waiting[request.Namespace]
	if len(of) == 0 {
		q.turns = append(q.turns, request.Namespace)
	}
	q.waiting[request.Namespace] = append(of, request)
	q.n++
}

// Len implements workqueue.Queue.
func (q *namespaces) Len() int { return q.n }

// Pop implements workqueue.Queue. It is called only while there is something.
func (q *namespaces) Pop() reconcile.Request {
	namespace := q.turns[0]
	q.turns = q.turns[1:]
	of := q.waiting[namespace]
	request := of[0]
	if of = of[1:]; len(of) > 0 {
		q.waiting[namespace] = of
		q.turns = append(q.turns, namespace)
	} else {
		delete(q.waiting, namespace)
	}
	q.n--
	return request
}
