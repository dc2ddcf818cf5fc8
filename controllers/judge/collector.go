package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowfleet/flowfleet/controllers/observation"
)

// collector is one that answered.
type collector struct{ *observation.Report }

// settling is how long a collector that has begun may take to connect before that is told.
const settling = 30 * time.Second

// answerLasts is for how long an answer counts. Collectors are asked every half minute, but who asks may not come to all of a large fleet
// in time, or among fleets whose collectors keep it waiting.
const answerLasts = 5 * time.Minute

// Answers reports whether a collector answered when it was last asked, and that was lately.
func (f *Facts) Answers(r *observation.Report) bool {
	return r.Answers() && f.Now.Sub(r.Answered) <= answerLasts
}

// overdue reports whether a collector should have been asked (again) by now: nobody knows how it is.
func (f *Facts) overdue(r *observation.Report) bool {
	last := r.Wanted
	if r.Answered.After(last) {
		last = r.Answered
	}
	return r.Error == "" && f.Now.Sub(last) > answerLasts
}

// answering are the collectors that answer.
func (f *Facts) answering() (out []collector) {
	for i := range f.Collectors.Reports {
		if r := &f.Collectors.Reports[i]; f.Answers(r) {
			out = append(out, collector{r})
		}
	}
	return out
}

// unreachable is what is said where too few collectors answer to know; nil where enough do.
func (f *Facts) unreachable() *said {
	asked, answered := len(f.Collectors.Reports), len(f.answering())
	var out said
	switch {
	case asked == 0:
		out = isUnknown(ReasonNoCollectors, "no collector runs that could be asked")
	case answered >= f.enough(asked):
		return nil
	default:
		failed := slices.IndexFunc(f.Collectors.Reports, func(r observation.Report) bool { return r.Error != "" })
		late := slices.IndexFunc(f.Collectors.Reports, func(r observation.Report) bool { return f.overdue(&r) })
		switch {
		case failed >= 0:
		case late >= 0:
			r := &f.Collectors.Reports[late]
			last := "was never asked"
			if r.Now != nil {
				last = "last did at " + r.Answered.UTC().Format(time.RFC3339)
			}
			out = isUnknown(ReasonCollectorsUnreachable, "%d of %d collectors have answered the operator in the last %s; pod %s on node %s %s: "+
				"the operator has not checked them in time, see its log and its CPU", answered, asked, answerLasts, r.Pod.Name, r.Pod.Node, last)
			return &out
		default:
			out = isUnknown(ReasonPending, "%d of %d collectors were asked so far", answered, asked)
			return &out
		}
		r := &f.Collectors.Reports[failed]
		why := fmt.Sprintf("such as pod %s on node %s: %s", r.Pod.Name, r.Pod.Node, r.Error)
		hint := "does a network policy keep it from the port collector.metricsPort?"
		if node, known := f.Nodes[r.Pod.Node]; known && !node.Ready {
			hint = fmt.Sprintf("the node is not Ready (kubectl describe node %s)", r.Pod.Node)
		} else if strings.Contains(r.Error, "connection refused") {
			hint = "the collector is starting, or not running" // a policy would leave it without any answer
		}
		out = isUnknown(ReasonCollectorsUnreachable, "%d of %d collectors answer the operator; %s: %s", answered, asked, why, hint)
	}
	return &out
}

// those are the collectors of which something is so, each with its node and why.
func (f *Facts) those(trouble func(*collector) string) (out []string) {
	for _, c := range f.answering() {
		if why := trouble(&c); why != "" {
			out = append(out, fmt.Sprintf("pod %s on node %s: %s", c.Pod.Name, c.Pod.Node, why))
		}
	}
	return out
}

// some of what is told, which may be long. What all that is shown ends with is told once: collectors that lost one server have one
// error, and it is long.
func some(list []string) string {
	shown := list[:min(len(list), maxTroubles)]
	out := strings.Join(shown, "; ")
	if end := sharedEnd(shown); len(end) > shortEnd {
		own := make([]string, len(shown))
		for i, s := range shown {
			own[i] = strings.TrimSuffix(s, end)
		}
		out = strings.Join(own, "; ") + "; all of these" + end
	}
	if more := len(list) - len(shown); more > 0 {
		out += fmt.Sprintf("; and %d more", more)
	}
	return out
}

// shortEnd is up to which length an end is repeated.
const shortEnd = 40

// sharedEnd is the longest end of all of two or more texts that begins with a colon.
func sharedEnd(list []string) string {
	if len(list) < 2 {
		return ""
	}
	end := list[0]
	for _, s := range list[1:] {
		for !strings.HasSuffix(s, end) {
			_, size := utf8.DecodeRuneInString(end)
			end = end[size:]
		}
	}
	at := strings.Index(end, ": ")
	if at < 0 || !closed(end[at:]) {
		return ""
	}
	return end[at:]
}

// closed reports whether each bracket of a text is opened and closed in it.
func closed(text string) bool {
	open := 0
	for _, r := range text {
		switch r {
		case '(':
			open++
		case ')':
			open--
		}
		if open < 0 {
			return false
		}
	}
	return open == 0
}

// new ones may still be connecting. A clock that was set back makes none of one that was asked for long.
func (c *collector) new() bool {
	if !c.Now.Begun {
		return true
	}
	known := !c.Since.IsZero() && c.Answered.Sub(c.Since) >= settling
	return !known && c.Now.Time.Sub(c.Now.Started) < settling
}

func because(why, otherwise string) string {
	if why == "" {
		return otherwise
	}
	return otherwise + ": " + why
}

// cannotShare says why the collector cannot use the bucket.
func (c *collector) cannotShare() string {
	b := c.Now.Bucket
	if b == nil || c.new() {
		return ""
	}
	stuck := c.Before != nil && c.Before.Bucket != nil && b.WriteErrors > c.Before.Bucket.WriteErrors && b.Writes == c.Before.Bucket.Writes
	switch {
	case !b.Connected:
		return because(b.LastError, "not connected")
	case !b.Loaded:
		return because(b.LastError, "it has not read the bucket")
	case !b.Read:
		return because(b.LastError, "it cannot read")
	case !b.Write, stuck:
		return because(b.LastError, fmt.Sprintf("it cannot write (%d changes wait, %d attempts failed)", b.Queue, b.WriteErrors))
	}
	return ""
}

// shares reports that it uses the bucket: one that has just begun is given time before it cannot, and does not use it meanwhile.
func (c *collector) shares() bool {
	b := c.Now.Bucket
	return b != nil && b.Connected && b.Loaded && b.Read && c.cannotShare() == ""
}

// publishes reports that it uses the stream.
func (c *collector) publishes() bool {
	return c.Now.Output.Connected && c.Now.Output.StreamReady && c.cannotPublish() == ""
}

// cannotPublish says why the collector's flows do not leave.
func (c *collector) cannotPublish() string {
	o := &c.Now.Output
	if c.new() {
		return ""
	}
	waits := fmt.Sprintf("%d records wait in memory and %d on disk, %d messages failed", o.Waiting, o.Spooled, o.Failures)
	switch {
	case !o.Connected:
		return because(o.LastError, "not connected, "+waits)
	case !o.StreamReady:
		return because(o.LastError, "the stream does not take what it sends, "+waits)
	case c.Before != nil && o.Waiting+o.Spooled > 0 && o.Failures > c.Before.Output.Failures && o.Published == c.Before.Output.Published:
		return because(o.LastError, "nothing is published, "+waits)
	}
	return ""
}

func (c *collector) spoolUnusable() string {
	if s := c.Now.Spool; s != nil && !s.Usable && c.Now.Begun {
		return because(s.Error, "what waits is in memory only")
	}
	return ""
}
