package observation

// Distribution is how the datagrams between two looks were spread.
type Distribution struct {
	// Collectors that were seen in both looks, and how many of them received something.
	Collectors, Busy int
	// Datagrams of all, between the looks.
	Datagrams float64
	// Only is the busy one, where there is one.
	Only Pod
	// Exporters that it heard of.
	Senders int
}

// Distribute compares two looks at a fleet.
func Distribute(before, after []Collector) Distribution {
	earlier := make(map[string]float64, len(before))
	for _, c := range before {
		earlier[c.Pod.Name] = c.Datagrams
	}
	var d Distribution
	for _, c := range after {
		was, ok := earlier[c.Pod.Name]
		if !ok || c.Datagrams < was { // it is new, or was restarted
			continue
		}
		d.Collectors++
		if got := c.Datagrams - was; got > 0 {
			d.Busy++
			d.Datagrams += got
			d.Only, d.Senders = c.Pod, len(c.Senders)
		}
	}
	return d
}
