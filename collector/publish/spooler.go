package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/flowfleet/flowfleet/collector/config"
	"github.com/flowfleet/flowfleet/collector/spool"
)

const (
	// spoolRetryWait is the pause after the disk refused something.
	spoolRetryWait = 2 * time.Second
	// spoolSyncInterval is how often what was written is synced.
	spoolSyncInterval = time.Second
	// spoolCheckInterval is how often the directory is looked at, so that it is known before it is needed whether it can be used.
	spoolCheckInterval = 2 * time.Second
	// loadedBytes bounds what was read from the spool and waits to be sent.
	loadedBytes = 4 << 20
)

// spooler moves batches between memory and disk in a goroutine of its own: no packet waits for a disk. A disk that is full,
// read-only, slow or broken leaves what memory alone can do. A directory that cannot be used is let go of, so that its file system
// can be unmounted and repaired, and is tried again; what it holds then is sent.
type spooler struct {
	p       *jetStream
	config  config.Spool
	limiter *rate.Limiter
	// Of the goroutine alone:
	spool  *spool.Spool // nil while it cannot be used
	former *spool.Spool // the one that was let go of, until it is opened again
	letGo  bool         // to be let go of
	fault  SpoolFault   // the last

	// Under p.mu:
	done  []*spool.Entry // to be marked as done
	retry time.Time      // nothing is written before
	dry   bool           // all that is on disk is loaded
	open  bool
}

func newSpooler(p *jetStream, c config.Spool) *spooler {
	burst := max(int(c.ResendBytesPerSecond)/4, 2<<20) // more than any batch has
	return &spooler{p: p, config: c, limiter: rate.NewLimiter(rate.Limit(c.ResendBytesPerSecond), burst)}
}

// usable reports whether the spool can take something. p.mu is held.
func (s *spooler) usable() bool { return s != nil && s.open && s.p.status.SpoolError == "" }

// finished has an entry marked as done. p.mu is held.
func (s *spooler) finished(e *spool.Entry) { s.done = append(s.done, e) }

// run tends the spool until ctx ends.
func (s *spooler) run(ctx context.Context) {
	p := s.p
	lastSync, lastCheck := time.Now(), time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for ctx.Err() == nil {
		switch {
		case s.spool == nil:
			if time.Now().Before(s.retry) {
				p.changed.Wait() // watchTime wakes everybody some times a second
				continue
			}
			s.openSpool()
		case s.letGo:
			s.release()
		case time.Since(lastCheck) >= spoolCheckInterval:
			lastCheck = time.Now()
			s.look()
		case time.Since(lastSync) >= spoolSyncInterval:
			lastSync = time.Now()
			s.check(s.spool.Sync())
		case len(s.done) > 0:
			s.markDone()
		case s.mustSpill():
			s.spill()
		case s.mayLoad():
			s.load()
		default:
			p.changed.Wait()
		}
	}
}

// openSpool opens the directory and takes what lies there into the books: of a former process, or what this one left when it let
// go of the directory, which may be another one by now.
func (s *spooler) openSpool() {
	p := s.p
	taken := slices.Clone(s.done)
	for _, b := range p.fromDisk() {
		taken = append(taken, b.entry)
	}
	p.mu.Unlock()
	opened, change, err := s.reopen(taken)
	p.mu.Lock()
	if err != nil {
		s.check(err)
		return
	}
	s.spool, s.former, s.letGo, s.open, s.dry = opened, nil, false, true, false
	s.done = slices.DeleteFunc(s.done, func(e *spool.Entry) bool { return !e.OnDisk() })
	p.keepInMemory()
	s.works()
	p.stats.Recovered += uint64(change.Found)
	p.stats.Spooled += uint64(change.Found)
	p.stats.Spool.DiscardedBytes += uint64(opened.Discarded())
	p.stats.Spool.Bytes = opened.Bytes()
	if change.Found > 0 || opened.Discarded() > 0 {
		p.log.Info("the spool holds records that this process did not leave there", "directory", s.config.Directory,
			"records", change.Found, "bytes", opened.Bytes(), "tornBytes", opened.Discarded())
	}
	if change.Lost.Records > 0 {
		p.log.Error("the spool's directory lacks records that were written to it; they count as dropped", "directory", s.config.Directory,
			"records", change.Lost.Records, "hint", "where it is on another file system now, the former one has them: mounted here again, "+
				"or for another collector, they are sent")
	}
	s.drop(change.Lost, DroppedSpoolGone)
	p.changed.Broadcast()
}

// reopen opens the directory that was let go of, or for the first time. p.mu is not held.
func (s *spooler) reopen(taken []*spool.Entry) (opened *spool.Spool, change spool.Change, err error) {
	if s.former != nil {
		return s.former.Reopen(taken)
	}
	if opened, err = spool.Open(s.config.Directory, int64(s.config.MaxBytes)); err != nil {
		return nil, change, err
	}
	return opened, spool.Change{Found: opened.Waiting()}, nil
}

// fromDisk are the batches in memory whose entries are on disk. p.mu is held.
func (p *jetStream) fromDisk() []*Batch {
	all := slices.Concat(p.loaded, p.doubtful, p.looking, slices.Collect(maps.Values(p.inFlight)))
	return slices.DeleteFunc(all, func(b *Batch) bool { return b.entry == nil })
}

// keepInMemory makes those batches whose entries are no longer on disk batches of memory alone. p.mu is held.
func (p *jetStream) keepInMemory() {
	for _, b := range p.fromDisk() {
		if !b.entry.OnDisk() {
			b.entry = nil
			p.stats.Spooled -= uint64(b.Records)
			p.stats.Waiting += uint64(b.Records)
			p.stats.BufferBytes += b.size()
		}
	}
	loaded := p.loaded
	p.loaded = nil
	for _, b := range loaded {
		p.requeue(b)
	}
}

// release lets go of a directory that cannot be used. Its records stay in the books as spooled.
func (s *spooler) release() {
	s.former, s.spool, s.letGo, s.open = s.spool, nil, false, false
	s.p.mu.Unlock()
	s.former.Abandon()
	s.p.mu.Lock()
}

// look finds out whether the directory can be used.
func (s *spooler) look() {
	s.p.mu.Unlock()
	err := s.spool.Check()
	s.p.mu.Lock()
	s.check(err)
}

// check notes an error. p.mu is held.
func (s *spooler) check(err error) {
	p := s.p
	if err == nil {
		return
	}
	fault := faultOf(err)
	p.stats.Spool.Errors[fault]++
	s.retry = time.Now().Add(spoolRetryWait)
	if p.status.SpoolError == "" || fault != s.fault {
		p.log.Error("the spool cannot be used; batches stay in memory, up to output.buffer.maxBytes; trying again",
			"directory", s.config.Directory, "error", err, "reason", fault.String(), "hint", fault.todo())
	}
	p.status.SpoolError = fmt.Sprintf("%v (%s)", err, fault.todo())
	s.fault = fault
	s.letGo = s.letGo || fault != SpoolNoSpace // a full disk can be read, which makes room
}

// works notes that the disk has taken something. p.mu is held.
func (s *spooler) works() {
	if s.p.status.SpoolError != "" {
		s.p.log.Info("the spool works again", "directory", s.config.Directory)
		s.p.status.SpoolError = ""
	}
}

// markDone ends entries that the stream has taken.
func (s *spooler) markDone() {
	p := s.p
	done := s.done
	s.done = nil
	p.mu.Unlock()
	var err error
	var unmarked []*spool.Entry
	for _, e := range done {
		failed := s.spool.Done(e)
		if failed != nil && faultOf(failed) != SpoolNoSpace {
			unmarked = append(unmarked, e) // they are found again once the directory can be used
		}
		err = errors.Join(err, failed)
	}
	bytes := s.spool.Bytes()
	p.mu.Lock()
	s.done = append(s.done, unmarked...)
	p.stats.Spool.Bytes = bytes
	s.check(err)
}

// mustSpill reports whether the oldest batch in memory is to go to disk: it has waited for long and cannot be sent now, or
// memory gets short. What is behind it is younger.
func (s *spooler) mustSpill() bool {
	p := s.p
	if len(p.queue) == 0 || time.Now().Before(s.retry) {
		return false
	}
	return time.Since(p.queue[0].submitted) >= s.config.After.Std() && p.next() == nil ||
		p.stats.BufferBytes >= int(p.config.Buffer.MaxBytes)/2
}

// spill writes the oldest batch to disk. Where the spool is full, dropOldest makes room there; the other policies leave the
// batch in memory.
func (s *spooler) spill() {
	p := s.p
	b := pop(&p.queue)
	p.mu.Unlock()
	dropped, err := s.append(b)
	bytes := s.spool.Bytes()
	p.mu.Lock()
	s.drop(dropped, DroppedSpoolFull)
	p.stats.Spool.Bytes = bytes
	if err != nil {
		p.requeue(b)
		if errors.Is(err, spool.ErrFull) {
			s.retry = time.Now().Add(spoolRetryWait)
		} else {
			s.check(err)
		}
		return
	}
	s.works()
	s.written(b)
	p.pool.put(b)
	p.changed.Broadcast()
}

// written moves a batch in the books from memory to disk. p.mu is held.
func (s *spooler) written(b *Batch) {
	p := s.p
	p.forget(b)
	p.stats.Spooled += uint64(b.Records)
	p.stats.Spool.Batches++
	s.dry = false
}

// drop counts records that the spool let go of. p.mu is held.
func (s *spooler) drop(l spool.Loss, reason Reason) {
	s.p.stats.Spooled -= uint64(l.Records)
	s.p.dropped(uint64(l.Records-l.Sent), reason)
	s.p.dropped(uint64(l.Sent), DroppedUnacknowledged)
}

// append writes a batch, without p.mu. It returns what was dropped to make room.
func (s *spooler) append(b *Batch) (dropped spool.Loss, err error) {
	e := &spool.Entry{Subject: b.Subject, ID: b.messageID, Encoding: b.encoding, Records: b.Records, Payload: b.Buffer}
	if b.mayBeStored() {
		e.Sent, e.SentAfter = b.firstSent, b.sentAfter
	}
	for {
		err := s.spool.Append(e)
		if !errors.Is(err, spool.ErrFull) || s.p.config.Buffer.Policy != config.DropOldest {
			return dropped, err
		}
		oldest, ok, dropErr := s.spool.DropOldest()
		dropped.Add(oldest)
		if !ok || dropErr != nil {
			return dropped, errors.Join(err, dropErr)
		}
	}
}

// mayLoad reports whether something may be read from disk: JetStream takes messages, live data does not wait, and the rate
// allows it.
func (s *spooler) mayLoad() bool {
	p := s.p
	if s.dry || p.closing || p.stats.Spooled == 0 || len(p.queue) > 0 || !p.status.StreamReady || !p.status.Connected ||
		!p.pace.mayTry(time.Now(), len(p.inFlight)) || time.Now().Before(s.retry) || s.limiter.Tokens() <= 0 {
		return false
	}
	bytes := 0
	for _, b := range p.loaded {
		bytes += b.size()
	}
	return bytes < loadedBytes
}

// load reads the oldest batch from disk.
func (s *spooler) load() {
	p := s.p
	after := p.sequence
	p.mu.Unlock()
	e, lost, err := s.spool.Next()
	unheard := 0
	if e != nil && !e.Sent.IsZero() {
		unheard = 1
	} else if e != nil {
		// Before it is sent: after a crash the next process has to know. Where that cannot be written it is not sent, or it would
		// come twice; but on a full disk, some of which refuse even that, sending is what makes room.
		failed := s.spool.Sent(e, time.Now(), after)
		if failed != nil && faultOf(failed) != SpoolNoSpace {
			s.spool.PutBack(e)
			e = nil
		}
		err = errors.Join(err, failed)
	}
	bytes := s.spool.Bytes()
	p.mu.Lock()
	p.stats.Spool.Bytes = bytes
	s.drop(lost, DroppedSpoolDamaged)
	s.check(err)
	if e == nil {
		s.dry = err == nil
		return
	}
	s.limiter.ReserveN(time.Now(), min(len(e.Payload), s.limiter.Burst()))
	p.last++
	b := &Batch{Subject: e.Subject, Buffer: e.Payload, Records: e.Records} // no buffer of the pool: it may be short
	e.Payload = nil
	b.id, b.submitted, b.entry = p.last, time.Now(), e
	b.messageID, b.encoding = e.ID, e.Encoding
	b.unheard, b.firstSent, b.sentAfter, b.onDisk = unheard, e.Sent, e.SentAfter, unheard > 0
	p.loaded = append(p.loaded, b)
	p.changed.Broadcast()
}

// close writes what is left in memory, and closes the spool. It returns what it could not write. p.mu is held, and the
// goroutine has ended.
func (s *spooler) close(left []*Batch) ([]*Batch, error) {
	if s == nil || s.spool == nil {
		return left, nil
	}
	for _, e := range s.done {
		s.check(s.spool.Done(e))
	}
	s.done = nil
	var err error
	for len(left) > 0 && err == nil {
		b := left[0]
		var dropped spool.Loss
		dropped, err = s.append(b)
		s.drop(dropped, DroppedSpoolFull)
		if err == nil {
			s.written(b)
			left = left[1:]
		}
	}
	s.p.stats.Spool.Bytes = s.spool.Bytes()
	if s.p.stats.Spooled > 0 {
		s.p.log.Info("records stay in the spool for the next process", "records", s.p.stats.Spooled)
	}
	s.open = false
	return left, errors.Join(err, s.spool.Close())
}
