package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flowfleet/flowfleet/collector/status"
)

// lossTold is how long a loss is told: a condition that comes and goes with each look is of no use.
const lossTold = 5 * time.Minute

// loss is one kind of it, of the whole fleet.
type loss struct {
	reason, words string
	// todo is what to do; where it has a command, FLEET stands for the FlowCollector and its namespace.
	todo     string
	count    func(d *status.Document) map[string]uint64 // by cause
	harmless bool
}

// losses, the worst first.
var losses = []loss{
	{reason: ReasonRecordsDropped, words: "records were given up after decoding", todo: "the stream does not keep up, or was away for longer than the buffer lasts: see StreamReady",
		count: func(d *status.Document) map[string]uint64 { return d.Output.Dropped }},
	{reason: ReasonKernelDrops, words: "datagrams were lost because a receive buffer was full", todo: "raise net.core.rmem_max on the nodes, give collectors more CPU, or add nodes",
		count: perListener(func(l *status.Listener) map[string]uint64 { return map[string]uint64{l.Name: l.KernelDropped} })},
	{reason: ReasonSetsUndecodable, words: "sets were given up without their templates", todo: "let the exporters send templates more often; " +
		"SETS LOST of kubectl flowfleet exporters FLEET -o wide says which",
		count: perListener(func(l *status.Listener) map[string]uint64 {
			all := maps.Clone(l.SetsExpired)
			for cause, n := range l.SetsDropped {
				if all == nil {
					all = make(map[string]uint64)
				}
				all[cause] += n
			}
			return all
		})},
	// Anybody can send what is refused, and an allow-list is there to refuse: no reason to call a fleet degraded.
	{reason: ReasonDatagramsRefused, words: "datagrams were refused", todo: "do exporters send to the right port, and does exporters.allowedNetworks have them?", harmless: true,
		count: perListener(func(l *status.Listener) map[string]uint64 { return l.Refused })},
}

func perListener(of func(*status.Listener) map[string]uint64) func(*status.Document) map[string]uint64 {
	return func(d *status.Document) map[string]uint64 {
		all := make(map[string]uint64)
		for i := range d.Listeners {
			for cause, n := range of(&d.Listeners[i]) {
				all[cause] += n
			}
		}
		return all
	}
}

// nothingLost says whether something was lost between the last two looks at the collectors.
func (j *judgement) nothingLost() said {
	var told []string
	first := -1
	compared := 0
	for i := range losses {
		if text := j.lost(&losses[i]); text != "" {
			told = append(told, text)
			if first < 0 {
				first = i
			}
		}
	}
	for _, c := range j.answering() {
		if c.Before != nil || c.fresh() {
			compared++
		}
	}
	m := &j.memory
	// What anybody can cause takes the place of no loss that is still told.
	isTold := !m.Lost.IsZero() && j.Now.Sub(m.Lost) < lossTold && m.LostReason != ReasonDatagramsRefused
	if first >= 0 && (!losses[first].harmless || !isTold) {
		m.Lost, m.LostReason, m.LostMessage = j.Now, losses[first].reason, strings.Join(told, "; ")
	}
	if !m.Lost.IsZero() && j.Now.Sub(m.Lost) < lossTold {
		j.lookAgainAt(m.Lost.Add(lossTold))
		out := isFalse(m.LostReason, "%s", m.LostMessage)
		out.harmless = m.LostReason == ReasonDatagramsRefused
		return out
	}
	if s := j.unreachable(); s != nil {
		return *s
	}
	if compared == 0 {
		return isUnknown(ReasonPending, "the operator must ask the collectors twice to judge this: wait")
	}
	return isTrue(ReasonNothingLost, "since the look before the last, none of the %d collectors that were compared has lost anything that reached it", compared)
}

// fresh reports that the process began a moment ago, so that all that it has counted is of late. It is looked at once, so far.
func (c *collector) fresh() bool {
	age := c.Now.Time.Sub(c.Now.Started)
	return c.Before == nil && age >= 0 && age < lossTold
}

// lost is what the fleet lost of one kind between two looks, with the worst pod; empty for nothing.
func (j *judgement) lost(l *loss) string {
	var total, worst uint64
	var who collector
	causes := make(map[string]uint64)
	for _, c := range j.answering() {
		before, n := map[string]uint64(nil), uint64(0)
		switch {
		case c.Before != nil:
			before = l.count(c.Before)
		case !c.fresh():
			continue // it is not known since when
		}
		for cause, now := range l.count(c.Now) {
			if now > before[cause] {
				causes[cause] += now - before[cause]
				n += now - before[cause]
			}
		}
		total += n
		if n > worst {
			worst, who = n, c
		}
	}
	if total == 0 {
		return ""
	}
	var list []string
	for _, cause := range slices.Sorted(maps.Keys(causes)) {
		list = append(list, fmt.Sprintf("%s %d", cause, causes[cause]))
	}
	todo := strings.ReplaceAll(l.todo, "FLEET", j.Collector.Name+" -n "+j.Collector.Namespace)
	return fmt.Sprintf("%d %s (%s), most by pod %s on node %s: %d; %s", total, l.words, some(list), who.Pod.Name, who.Pod.Node, worst, todo)
}
