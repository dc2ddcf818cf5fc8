package exporters

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/flowfleet/flowfleet/collector/ledger"
	"github.com/flowfleet/flowfleet/collector/status"
	"github.com/flowfleet/flowfleet/controllers/observation"
)

// tally is a collector that counts the packets of a device's ports.
type tally struct {
	began    time.Time
	received uint64
	ports    map[uint16]*portNumbers
}

type portNumbers struct {
	ledger.Sequence
	last time.Time
}

func (c *tally) hear(port uint16, number uint32, now time.Time) {
	n := c.ports[port]
	if n == nil {
		n = &portNumbers{}
		c.ports[port] = n
	}
	n.Observe(number, 1, new(ledger.Counts))
	n.last = now
	c.received++
}

// page is what it answers.
func (c *tally) page(now time.Time) *status.Exporters {
	page := &status.Exporters{Started: c.began, Time: now}
	if c.received == 0 {
		return page
	}
	e := status.Exporter{Address: "192.0.2.1", Protocol: "netflow9", Received: c.received, Decoded: c.received, Records: 10 * c.received, Taught: &status.Taught{Templates: 1}}
	for port, n := range c.ports {
		if now.Sub(n.last) <= 10*time.Minute {
			e.Streams = append(e.Streams, status.Stream{Port: port, LastSeen: n.last, Span: n.Span, SkewMillis: new(int64(0)),
				Sampling: &status.Sampling{Rate: 100, Source: "announced", Rated: true}})
		}
	}
	page.Exporters = []status.Exporter{e}
	return page
}

// Collectors are replaced, fail to answer, and are asked at different moments; a device restarts, and its ports move between them, or each of its
// packets goes to any of them. What it is said to lose is what was lost.
func TestWhateverCollectorsAndADeviceDoItLosesWhatWasLost(t *testing.T) {
	const looks, quiet, tick = 240, 50, 100 * time.Millisecond
	seeds := []uint64{681, 3186, 3548} // in these, what a collector had was left out of the union later, and before
	for seed := range uint64(600) {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 77))
		one := func(in int) bool { return r.IntN(in) == 0 }
		collectors, at, next := make([]*tally, 1+r.IntN(3)), make([]int, 1+r.IntN(3)), make([]uint32, 3)
		lost := map[bool]float64{true: 0.05}[one(3)]
		spread, replaced, restarts, moves, mute := one(3), one(2), one(3), one(3), one(3)
		now, rate, m, o := noon, 5+r.IntN(40), newMemory(), healthy().Exporter // rate is packets a second
		o.Status.Conditions = nil
		for i := range collectors {
			collectors[i] = &tally{began: now, ports: make(map[uint16]*portNumbers)}
		}
		for i := range next {
			next[i] = r.Uint32()
		}
		var story []string
		happens := func(what string, with ...any) {
			story = append(story, fmt.Sprint(append([]any{what, " "}, with...)...))
		}
		for look := range looks {
			silent := -1
			if look < looks-quiet {
				if replaced && one(40) {
					i := r.IntN(len(collectors))
					collectors[i] = &tally{began: now, ports: make(map[uint16]*portNumbers)}
					happens("replaced", i, " at ", look)
				}
				// Soon after a restart, another one cannot be told from packets that are late.
				if restarts && one(60) && slices.Min(next[:len(at)]) > 6000 {
					next = []uint32{r.Uint32N(5), r.Uint32N(5), r.Uint32N(5)}
					happens("restart", "at ", look)
				}
				if moves && one(20) {
					i := r.IntN(len(at))
					at[i] = r.IntN(len(collectors))
					happens("port", i, " to ", at[i], " at ", look)
				}
				if mute && one(15) {
					silent = r.IntN(len(collectors))
				}
			}
			s, began, how, asked := newSum(), make(map[string]time.Time), Look{Collectors: len(collectors)}, make([]time.Duration, len(collectors))
			for i := range asked {
				asked[i] = 8*time.Second + time.Duration(r.IntN(20))*tick
			}
			for in := time.Duration(0); in < interval; in, now = in+tick, now.Add(tick) {
				for i, c := range collectors {
					switch name := strconv.Itoa(i); {
					case asked[i] != in:
					case i == silent:
						began[name] = time.Time{}
						how.Unanswered++
					default:
						began[name] = c.began
						s.take(observation.Pod{Name: name, Node: "node-" + name}, c.page(now), now, all)
					}
				}
				for range (rate + r.IntN(10)) / 10 {
					i := r.IntN(len(at))
					next[i]++
					to := at[i]
					if spread {
						to = r.IntN(len(collectors))
					}
					if r.Float64() >= lost {
						collectors[to].hear(uint16(5000+i), next[i]-1, now)
					}
				}
			}
			m.take(s, began, now, how)
			o.Status = Judge(m.facts(o, now, now))
			if c := meta.FindStatusCondition(o.Status.Conditions, "Complete"); lost == 0 && c != nil && c.Status == metav1.ConditionFalse {
				t.Errorf("seed %d, look %d: nothing was lost, and %s; %s", seed, look, c.Message, strings.Join(story, ", "))
			}
		}
		said, err := strconv.ParseFloat(strings.TrimSuffix(o.Status.Loss, "%"), 64)
		least := 100*lost - 1.5
		if spread {
			least -= 100 * inFlight.Seconds() / windowTime.Seconds()
		}
		if err != nil || said < least || said > 100*lost+1.5 {
			t.Errorf("seed %d: %g of all was lost, and its loss is %q; %s", seed, lost, o.Status.Loss, strings.Join(story, ", "))
		}
	}
}
