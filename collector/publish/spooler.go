package publish

import (
	"context"
	"errors"
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
	// loadedBytes bounds what was read from the spool and waits to be sent.
	loadedBytes = 4 << 20
)

// spooler moves batches between memory and disk in a goroutine of its own: no packet waits for a disk. A disk that is full,
// read-only, slow or broken leaves what memory alone can do.
type spooler struct {
	p       *jetStream
	config  config.Spool
	limiter *rate.Limiter
	spool   *spool.Spool // nil while it cannot be opened; of the goroutine alone

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
	lastSync := time.Now()
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

// openSpool opens the directory and takes what a former process left there into the books.
func (s *spooler) openSpool() {
	p := s.p
	p.mu.Unlock()
	opened, err := spool.Open(s.config.Directory, int64(s.config.MaxBytes))
	p.mu.Lock()
	if err != nil {
		s.check(err)
		return
	}
	s.spool, s.open = opened, true
	waiting := uint64(opened.Waiting())
	p.stats.Recovered += waiting
	p.stats.Spooled += waiting
	p.stats.Spool.DiscardedBytes += uint64(opened.Discarded())
	p.stats.Spool.Bytes = opened.Bytes()
	p.status.SpoolError = ""
	if waiting > 0 || opened.Discarded() > 0 {
		p.log.Info("the spool holds records of a former process", "directory", s.config.Directory, "records", waiting,
			"bytes", opened.Bytes(), "tornBytes", opened.Discarded())
	}
}

// check notes an error, or that there is none any more. p.mu is held.
func (s *spooler) check(err error) {
	p := s.p
	if err == nil {
		return
	}
	p.stats.Spool.Errors++
	s.retry = time.Now().Add(spoolRetryWait)
	if p.status.SpoolError == "" {
		p.log.Error("the spool cannot be used; batches stay in memory, up to output.buffer.maxBytes; trying again",
			"directory", s.config.Directory, "error", err)
	}
	p.status.SpoolError = err.Error()
}

// works notes that the disk has taken something. p.mu is held.
func (s *spooler) works() {
	if s.p.status.SpoolError != "" {
		s.p.log.Info("the spool works again")
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
	for _, e := range done {
		err = errors.Join(err, s.spool.Done(e))
	}
	bytes := s.spool.Bytes()
	p.mu.Lock()
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
		time.Now().Before(p.pause) || time.Now().Before(s.retry) || s.limiter.Tokens() <= 0 {
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
		// Before it is sent: after a crash the next process has to know.
		err = errors.Join(err, s.spool.Sent(e, time.Now(), after))
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
	b := p.pool.get()
	b.Subject, b.Buffer, b.Records = e.Subject, append(b.Buffer, e.Payload...), e.Records
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

// dropped counts records as dropped. p.mu is held.
func (p *jetStream) dropped(records uint64, reason Reason) {
	if p.stats.Dropped[reason] == 0 && records > 0 {
		p.log.Error("flows are being dropped; see flowfleet_collector_records_dropped_total", "reason", reason.String())
	}
	p.stats.Dropped[reason] += records
}
