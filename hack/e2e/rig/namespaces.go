package rig

// Namespaces are those that a rig makes.
type Namespaces struct{ Operator, NATS, Fleet string }

var (
	// usual are those of a cluster that is the rig's alone.
	usual = Namespaces{OperatorNamespace, NATSNamespace, FleetNamespace}
	// OfItsOwn are for somebody else's cluster, where "nats" and "flows" are likely to be taken.
	OfItsOwn = Namespaces{"flowfleet-demo", "flowfleet-demo-nats", "flowfleet-demo-flows"}
)

// Namespaces returns those of the rig.
func (r *Rig) Namespaces() Namespaces {
	if r.options.Namespaces == (Namespaces{}) {
		return usual
	}
	return r.options.Namespaces
}

// own selects what a rig made.
const own = "app.kubernetes.io/managed-by=flowfleet-rig"
