package observation

import "context"

// Observer asks the collectors of all fleets how they are, outside of reconciliations: these hand over the pods, and read what was
// found. No method waits for a collector.
type Observer struct{}

// ObserverOptions of an Observer.
type ObserverOptions struct {
	// Notify is called, from one of the Observer's goroutines and without a lock held, when the Finding of a fleet has changed in what
	// conditions are made of: who answers, how each says that it is, and what was lost; not for figures that only traffic moves.
	Notify func(Key)
}

// NewObserver returns an Observer that does nothing before Run.
func NewObserver(o ObserverOptions) *Observer { return &Observer{} }

// Watch hands over the pods of a fleet that run and have an address. A pod that is new among them is asked soon, all of them from
// time to time.
func (o *Observer) Watch(key Key, pods []Pod) {}

// Forget ends asking the collectors of a fleet.
func (o *Observer) Forget(key Key) {}

// LookNow makes the collectors of a fleet due at once.
func (o *Observer) LookNow(key Key) {}

// Finding is what is known at this moment. The caller does not change it.
func (o *Observer) Finding(key Key) Finding { return Finding{} }

// Run asks until ctx ends.
func (o *Observer) Run(ctx context.Context) { <-ctx.Done() }
