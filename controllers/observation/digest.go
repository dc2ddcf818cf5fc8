package observation

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
)

// stretched is a time with up to a quarter more, so that looks do not come in step.
func stretched(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// digest is the same for findings between which nothing happened but traffic. Nor is it news in which order the pods were handed over: a pass,
// which lists them in another one each time, follows each piece of news.
func digest(f Finding) string {
	h := fnv.New128a()
	reports := make([]*Report, len(f.Reports))
	for i := range f.Reports {
		reports[i] = &f.Reports[i]
	}
	slices.SortFunc(reports, func(a, b *Report) int { return cmp.Compare(a.Pod.Name, b.Pod.Name) })
	for _, r := range reports {
		fmt.Fprintf(h, "%q %q %t;", r.Pod.Name, r.Error, r.Now != nil)
		if d := r.Now; d != nil {
			fmt.Fprintf(h, "%s %q %s %t %t %q %v %d;", d.Build, d.Configuration, d.Started, d.Begun, d.Ready, d.NotReady, d.Known, len(d.Senders))
			for _, s := range d.Senders {
				fmt.Fprintf(h, "%q %t %t,", s.Address, s.Ports > 1, s.Domains > 1)
			}
			if b := d.Bucket; b != nil {
				fmt.Fprintf(h, "%t %t %t %t %q;", b.Connected, b.Loaded, b.Read, b.Write, b.LastError)
			}
			o := &d.Output
			fmt.Fprintf(h, "%t %t %q %v %t;", o.Connected, o.StreamReady, o.LastError, o.Dropped, o.Spooled > 0)
			if s := d.Spool; s != nil {
				fmt.Fprintf(h, "%t %q;", s.Usable, s.Error)
			}
			for j := range d.Listeners {
				l := &d.Listeners[j]
				fmt.Fprintf(h, "%q %v %d %v %v %d %d;", l.Name, l.Refused, l.KernelDropped, l.SetsExpired, l.SetsDropped, l.AskedBytes, l.GrantedBytes)
			}
			fmt.Fprintf(h, "%t\n", received(d) > received(r.Before)) // who is busy
		}
	}
	return string(h.Sum(nil))
}

// received is how many datagrams came to all listeners; 0 for nil.
func received(d *status.Document) (n uint64) {
	if d == nil {
		return 0
	}
	for i := range d.Listeners {
		n += d.Listeners[i].Received
	}
	return n
}
