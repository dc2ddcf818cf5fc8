package jetstream

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// A lane is a number of connections at a time.
const (
	trusted  = iota // to servers that answered last time
	others          // to those that did not, or were never asked
	numLanes = iota
)

// laneSlots are how many connections a lane has at a time. Each may take some MiB of memory, if what is behind it means harm.
var laneSlots = [numLanes]int{trusted: 8, others: 16}

// namespaceShare of a lane's slots is the most that one namespace takes at a time: a quarter.
const namespaceShare = 4

type lane struct {
	slots   int
	taken   int
	running map[string]int // by namespace
}

// pool is what is looked at through one connection: all tasks with the same servers and user.
type pool struct {
	id     identity
	server *Server
	tasks  map[*task]bool
	// running: a round is under way.
	running bool
	// answered is when it did last; failures are rounds in a row that brought no connection.
	answered  time.Time
	failures  int
	notBefore time.Time
}

func (p *Prober) join(t *task, s *Server) {
	id := s.identity()
	g := p.pools[id]
	if g == nil {
		g = &pool{id: id, server: s, tasks: make(map[*task]bool)}
		p.pools[id] = g
	}
	t.pool = g
	g.tasks[t] = true
	if len(g.tasks) == 1 {
		g.notBefore = time.Time{} // nobody knows how it is
	}
}

func (p *Prober) leave(t *task) {
	delete(t.pool.tasks, t)
	if len(t.pool.tasks) == 0 {
		delete(p.pools, t.pool.id)
	}
}

// lane says which lane the next round belongs to.
func (g *pool) lane() int {
	if g.failures == 0 && !g.answered.IsZero() {
		return trusted
	}
	return others
}

// most is the task that has waited longest, of a namespace that has had least of this round; nil where none is due.
func (g *pool) most(now time.Time, served map[string]int) *task {
	var out *task
	for t := range g.tasks {
		if t.due.IsZero() || t.due.After(now) {
			continue
		}
		if out == nil || cmp.Or(cmp.Compare(served[t.fleet.key.Namespace], served[out.fleet.key.Namespace]), t.due.Compare(out.due)) < 0 {
			out = t
		}
	}
	return out
}

// candidate is a pool that is due, for the namespace of the task that has waited longest.
type candidate struct {
	pool      *pool
	namespace string
	due       time.Time
}

// start begins the rounds that are due, as far as there is room, and returns when to look again.
func (p *Prober) start(ctx context.Context, rounds *sync.WaitGroup) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	next := now.Add(p.interval)
	var due [numLanes][]candidate
	for _, g := range p.pools {
		if g.running {
			continue // its end wakes
		}
		if t := g.most(now, nil); t != nil && !g.notBefore.After(now) {
			due[g.lane()] = append(due[g.lane()], candidate{g, t.fleet.key.Namespace, t.due})
			continue
		}
		for t := range g.tasks {
			if at := t.next(); !at.IsZero() && at.Before(next) {
				next = at
			}
		}
	}
	for i := range p.lanes {
		p.lanes[i].fill(due[i], func(c candidate) {
			c.pool.running = true
			rounds.Go(func() {
				p.round(ctx, c.pool)
				p.mu.Lock()
				c.pool.running = false
				p.lanes[i].release(c.namespace)
				p.mu.Unlock()
				p.wakeUp()
			})
		})
	}
	return max(next.Sub(now), time.Millisecond)
}

// fill begins what there is room for: namespaces that have least go first, those that were never asked before those that failed.
func (l *lane) fill(due []candidate, begin func(candidate)) {
	for len(due) > 0 && l.taken < l.slots {
		slices.SortFunc(due, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(l.running[b.namespace], l.running[a.namespace]), -cmp.Compare(a.pool.failures, b.pool.failures),
				b.due.Compare(a.due))
		})
		c := due[len(due)-1] // the best one is last
		due = due[:len(due)-1]
		if l.running[c.namespace] >= max(l.slots/namespaceShare, 1) {
			return // so have all the others
		}
		l.taken++
		l.running[c.namespace]++
		begin(c)
	}
}

func (l *lane) release(namespace string) {
	l.taken--
	if l.running[namespace]--; l.running[namespace] == 0 {
		delete(l.running, namespace)
	}
}
