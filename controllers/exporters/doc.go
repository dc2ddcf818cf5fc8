// Package exporters keeps the FlowExporters of fleets: it reads from the collectors what came from each exporter, adds that up over
// the fleet, judges it, makes objects for those that are heard, and writes their status where what is shown has changed.
//
// What collectors say is bounded and may be a lie, as in package observation.
package exporters
