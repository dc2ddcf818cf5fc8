package sink

import (
	"sync"
	"time"
)

// keeper tells the server that messages are being worked on.
type keeper struct {
	mu       sync.Mutex
	messages map[*held]bool
	done     chan struct{}
	ended    sync.WaitGroup
}

func (s *Sink) newKeeper() *keeper {
	s.mu.Lock()
	every := s.options.AckWait
	if s.consumer != nil {
		every = s.consumer.CachedInfo().Config.AckWait
	}
	s.mu.Unlock()
	k := &keeper{messages: make(map[*held]bool), done: make(chan struct{})}
	k.ended.Go(func() {
		ticker := time.NewTicker(max(every/3, 10*time.Millisecond))
		defer ticker.Stop()
		for {
			select {
			case <-k.done:
				return
			case <-ticker.C:
				k.tell()
			}
		}
	})
	return k
}

func (k *keeper) tell() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for m := range k.messages {
		_ = m.InProgress() // lost: the message may come again, and is known then
	}
}

// keep begins, and release ends that of one message: none is told after it.
func (k *keeper) keep(m *held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.messages[m] = true
}

func (k *keeper) release(m *held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.messages, m)
}

// stop ends all of it.
func (k *keeper) stop() {
	close(k.done)
	k.ended.Wait()
}
