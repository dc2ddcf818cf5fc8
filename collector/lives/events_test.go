package lives

import "time"

// event is what happens after some time: a device says something to a collector, or a collector is replaced, or the bucket is lost.
type event struct {
	after time.Duration
	at    int
	// says is what the device says to collector at, late by so much; nothing where it is below 0.
	says    int
	late    time.Duration
	replace bool
	lost    bool
	// times repeats what is said, 0 for once.
	times int
}

// play has events happen.
func (f *fleet) play(events []event, say func(c *collector, e event)) {
	for _, e := range events {
		for range max(1, e.times) {
			f.wait(e.after)
			if e.says >= 0 {
				say(f.collectors[e.at], e)
			}
		}
		if e.replace {
			f.replace(0)
		}
		if e.lost {
			clear(f.bucket)
			f.relist()
		}
	}
}
