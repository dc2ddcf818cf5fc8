// Package gather makes one capture of those that the collectors of a fleet send.
package gather

import (
	"cmp"
	"container/heap"
	"io"
	"time"

	"github.com/flowfleet/flowfleet/collector/capture"
)

// window is how long a datagram waits for earlier ones of other collectors.
const window = 2 * time.Second

// waiting is a datagram that is not written yet.
type waiting struct {
	packet capture.Packet
	from   uint32
	// came here, which is another clock than that of the packet.
	came time.Time
	// place among those that came.
	place int
}

// queue has the earliest datagram first. It implements heap.Interface.
type queue []waiting

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return cmp.Or(q[i].packet.Time.Compare(q[j].packet.Time), cmp.Compare(q[i].place, q[j].place)) < 0
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(one any) { *q = append(*q, one.(waiting)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = waiting{} // or its payload would stay
	*q = (*q)[:len(*q)-1]
	return last
}

// merger writes a file with an interface for each collector, its datagrams in the order of their times as far as they come within the window
// of each other. What waits is bounded by what the file may have.
type merger struct {
	out   io.Writer
	limit Limit
	block []byte
	queue queue
	// failed is why the file has no more.
	failed error
	// interfaces so far, and datagrams and bytes that were taken.
	interfaces uint32
	taken      int
	bytes      int64
}

// begin writes the file's beginning.
func (m *merger) begin(application, comment string) error {
	return m.write(capture.AppendSection(m.block[:0], application, comment))
}

// join describes a collector, and returns the number of its interface.
func (m *merger) join(name, description string) (uint32, error) {
	m.interfaces++
	return m.interfaces - 1, m.write(capture.AppendInterface(m.block[:0], name, description))
}

// full reports whether the file has what was asked for.
func (m *merger) full() bool {
	return m.limit.Count > 0 && m.taken >= m.limit.Count || m.bytes >= m.limit.Bytes
}

// add takes a datagram with a payload that nobody changes, and reports whether the file had room for it.
func (m *merger) add(from uint32, p capture.Packet, now time.Time) bool {
	size := int64(len(p.Payload) + capture.PacketOverhead)
	if m.full() {
		return false
	}
	if m.bytes+size > m.limit.Bytes {
		m.bytes = m.limit.Bytes // smaller ones that would fit come later than this one
		return false
	}
	m.taken++
	m.bytes += size
	heap.Push(&m.queue, waiting{packet: p, from: from, came: now, place: m.taken})
	return true
}

// release writes the earliest, as long as these have waited for long enough.
func (m *merger) release(now time.Time) error {
	for len(m.queue) > 0 && now.Sub(m.queue[0].came) >= window {
		if err := m.next(); err != nil {
			return err
		}
	}
	return nil
}

// rest writes all that waits.
func (m *merger) rest() error {
	for len(m.queue) > 0 {
		if err := m.next(); err != nil {
			return err
		}
	}
	return nil
}

func (m *merger) next() error {
	one := heap.Pop(&m.queue).(waiting)
	return m.write(capture.AppendPacket(m.block[:0], one.from, &one.packet))
}

// end says of a collector what became of its datagrams.
func (m *merger) end(number uint32, s capture.Statistics) error {
	return m.write(capture.AppendStatistics(m.block[:0], number, s))
}

// write writes nothing more once it failed: what comes behind a block that is cut can be read by nobody.
func (m *merger) write(block []byte) error {
	m.block = block
	if m.failed == nil {
		_, m.failed = m.out.Write(block)
	}
	return m.failed
}
