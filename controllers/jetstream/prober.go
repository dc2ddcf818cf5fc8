package jetstream

import (
	"context"
)

// Prober looks at NATS for all FlowCollectors, outside of their reconciliations: these hand over what they want, and read what was
// found. No method waits for a server.
type Prober struct{}

// NewProber returns a Prober that does nothing before Run.
func NewProber(o ProberOptions) *Prober { return &Prober{} }

// ProberOptions of a Prober.
type ProberOptions struct {
	// Notify is called, from one of the Prober's goroutines and without a lock held, when the Finding of a FlowCollector has changed in
	// anything but its times, or there is a Deed to report. It may call the Prober.
	Notify func(Key)
}

// Want hands over what a FlowCollector wants; it is looked at soon where it differs from what was wanted before, and from time to
// time. What is wanted stays so until the next call, or Forget.
func (p *Prober) Want(key Key, w Want) {}

// Forget ends looking for a FlowCollector that is gone, suspended, or wants nothing.
func (p *Prober) Forget(key Key) {}

// Finding is what is known at this moment.
func (p *Prober) Finding(key Key) Finding { return Finding{} }

// LookNow makes what a FlowCollector wants due at once, such as for the annotation flowfleet.io/reconcile-at. Looks at a server that
// does not answer are not made more often than one a second by it.
func (p *Prober) LookNow(key Key) {}

// Deeds returns what was done for a FlowCollector since the last call, oldest first, at most 16: each is to be reported once.
func (p *Prober) Deeds(key Key) []Deed { return nil }

// Run looks until ctx ends.
func (p *Prober) Run(ctx context.Context) { <-ctx.Done() }
