// Package observation asks collectors how they are, by reading the status that each of them serves. What they answer is bounded and
// may be a lie: collectors run the image that a FlowCollector names.
package observation
