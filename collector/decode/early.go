package decode

import (
	"bytes"
	"time"
)

// early are datagrams of sFlow that came before the bucket was loaded: what their agents' numbers mean may be there. They wait uncounted, as if
// nobody had read them yet. Sets of NetFlow v9 and IPFIX wait in package netflow, for their rates too.
type early struct {
	queue []Datagram // payloads are copies
	bytes int
	// over: waiting came to its end once, with or without the bucket.
	over bool
}

const (
	// earlyAge is how long they wait, in nanoseconds, as sets do: where NATS is away, flows must not be late for names.
	earlyAge = int64(5 * time.Second)
	// earlyOverhead is counted for each beside its payload.
	earlyOverhead = 128
)

// waits reports whether a datagram was put aside until the bucket is loaded. Where there is no room for it, none waits any more, so that the
// order stays.
func (d *Decoder) waits(in Datagram) bool {
	now := in.Moment()
	d.readEarly(now)
	if d.early.over || !d.store.Awaited(now) { // as nearly always
		return false
	}
	if !d.settings.Settings.Names || !d.settings.Hold || Detect(in.Payload) != SFlow || !accepts(d.protocol, SFlow) || !d.allows(in) {
		return false
	}
	size := len(in.Payload) + earlyOverhead
	if _, held := d.Held(); held+size > d.settings.HeldBytes {
		d.endEarly()
		return false
	}
	in.Payload = bytes.Clone(in.Payload)
	d.early.queue = append(d.early.queue, in)
	d.early.bytes += size
	return true
}

// leaveRoom reads what waits if sets that are held since have taken its room: nothing is lost with that, as with a set that makes room.
func (d *Decoder) leaveRoom() {
	if d.early.bytes == 0 {
		return
	}
	if _, held := d.Held(); held > d.settings.HeldBytes {
		d.endEarly()
	}
}

// readEarly reads what waits at now, if the bucket is loaded or they have waited for long.
func (d *Decoder) readEarly(now int64) {
	if q := d.early.queue; len(q) > 0 && (!d.store.Awaited(now) || now-q[0].Moment() >= earlyAge) {
		d.endEarly()
	}
}

// endEarly reads what waits, in its order, and has nothing wait any more.
func (d *Decoder) endEarly() {
	queue := d.early.queue
	d.early = early{over: true}
	for _, in := range queue {
		d.Decode(in)
	}
}
