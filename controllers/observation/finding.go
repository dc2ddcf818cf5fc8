package observation

import (
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
)

// Key names a FlowCollector.
type Key struct{ Namespace, Name string }

// Finding is what the collectors of one fleet said of themselves, in the order of the pods that were handed over. The zero Finding
// knows nothing.
type Finding struct {
	// At is when the last look at the whole fleet ended, zero for never.
	At time.Time
	// Reports, one a pod that was to be asked.
	Reports []Report
	// Distribution of the datagrams that were received last.
	Distribution Distribution
}

// Pod is a collector to ask.
type Pod struct {
	Name, Node string
	// Address of the pod, and the port that it serves its status on.
	Address string
	Port    int32
}

// Report is what is known of one collector.
type Report struct {
	Pod Pod
	// Wanted is since when it is to be asked.
	Wanted time.Time
	// Asked is when it was asked last, zero for not yet.
	Asked time.Time
	// Answered is when Now came, by the operator's clock; it may be older than Asked. Now is nil for a collector that never answered.
	// What it says is bounded, but may be a lie: an image is what the FlowCollector names.
	Answered time.Time
	Now      *status.Document
	// Before is the answer before Now of the same process (as Started says), without its Senders; nil where there is none. What was
	// lost between the two is their difference.
	Before *status.Document
	// Since is the first look at this process. Grew is when it received something last, and GrewBefore the time before that: between
	// Since, or Grew.To, and Answered it received nothing.
	Since            time.Time
	Grew, GrewBefore Growth
	// Error says why it did not answer when it was asked last, empty where it did; FailedSince is when that began. At most 512 bytes.
	Error       string
	FailedSince time.Time
}

// Answers reports whether the collector answered when it was asked last. That may be long ago: see Answered.
func (r *Report) Answers() bool { return r.Error == "" && r.Now != nil }
