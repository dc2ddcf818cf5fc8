package observation

// Distribution is how the datagrams between two looks were spread.
type Distribution struct {
	// Collectors that answered in both looks, and how many of them received something.
	Collectors, Busy int
	// Datagrams of all, between the looks.
	Datagrams uint64
	// Only is the busy one, where there is one.
	Only Pod
	// Senders that it heard of.
	Senders int
}

// Distribute compares the last two answers of each collector.
func Distribute(reports []Report) Distribution {
	var d Distribution
	for i := range reports {
		r := &reports[i]
		if !r.Answers() || r.Before == nil || received(r.Now) < received(r.Before) { // it is new, was restarted, or lies
			continue
		}
		d.Collectors++
		if got := received(r.Now) - received(r.Before); got > 0 {
			d.Busy++
			d.Datagrams += got
			d.Only, d.Senders = r.Pod, r.Now.SendersTotal
		}
	}
	return d
}
